// SPDX-License-Identifier: Apache-2.0
// The function of every client here: greets, or fails as told.
exports.handler = async (event, context) => {
  if (event.fail) {
    throw new RangeError(`no greeting for ${event.fail}`);
  }
  if (event.exit) {
    process.exit(event.exit);
  }
  return { greeting: `Hello ${event.name}`, requestId: context.awsRequestId };
};
