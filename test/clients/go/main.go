// SPDX-License-Identifier: Apache-2.0
// The function of every client here: greets, or fails as told.
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
	Fail string `json:"fail"`
	Exit int    `json:"exit"`
}

type answer struct {
	Greeting  string `json:"greeting"`
	RequestID string `json:"requestId"`
}

func handle(ctx context.Context, e event) (*answer, error) {
	if e.Fail != "" {
		return nil, fmt.Errorf("no greeting for %s", e.Fail)
	}
	if e.Exit != 0 {
		os.Exit(e.Exit)
	}
	known, _ := lambdacontext.FromContext(ctx)
	return &answer{"Hello " + e.Name, known.AwsRequestID}, nil
}

func main() {
	lambda.Start(handle)
}
