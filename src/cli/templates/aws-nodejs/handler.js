"use strict";
// A Lambda function: `event` is the JSON that it was invoked with, what it returns is the answer.

// What stands here runs once, before the first event, and is shared by all later ones.
const greeting = process.env.GREETING || "Hello";

exports.hello = async (event, context) => {
  const name = event.name || "world";
  console.log(`greeting ${name}`); // a line of the log: rouse logs -f hello
  return { message: `${greeting}, ${name}!`, requestId: context.awsRequestId };
};
