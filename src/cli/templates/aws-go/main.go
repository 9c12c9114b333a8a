// A function in Go, with AWS's own client of the Lambda Runtime API.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

type event struct {
	Name string `json:"name"`
}

type answer struct {
	Message   string `json:"message"`
	RequestID string `json:"requestId"`
}

// Called for each event: the JSON becomes an event, the answer becomes JSON.
func hello(ctx context.Context, e event) (answer, error) {
	if e.Name == "" {
		e.Name = "world"
	}
	fmt.Println("greeting", e.Name) // a line of the log: rouse logs -f hello
	a := answer{Message: fmt.Sprintf("%s, %s!", os.Getenv("GREETING"), e.Name)}
	if lc, ok := lambdacontext.FromContext(ctx); ok {
		a.RequestID = lc.AwsRequestID
	}
	return a, nil
}

// What stands here runs once, before the first event.
func main() {
	lambda.Start(hello)
}
