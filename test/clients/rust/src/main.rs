// SPDX-License-Identifier: Apache-2.0
// The function of every client here: greets, or fails as told.
use lambda_runtime::{run, service_fn, Error, LambdaEvent};
use serde_json::{json, Value};

async fn handle(event: LambdaEvent<Value>) -> Result<Value, Error> {
    let (payload, context) = event.into_parts();
    if let Some(name) = payload["fail"].as_str() {
        return Err(format!("no greeting for {name}").into());
    }
    if let Some(status) = payload["exit"].as_i64() {
        std::process::exit(status as i32);
    }
    let name = payload["name"].as_str().unwrap_or("nobody");
    Ok(json!({"greeting": format!("Hello {name}"), "requestId": context.request_id}))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    run(service_fn(handle)).await
}
