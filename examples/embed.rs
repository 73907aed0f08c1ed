//! A conversation in a program of your own: the shipped journeys, and a function of yours as their actions.
//!
//! `cargo run --example embed` cancels an order; the function below is all of the shop there is.

use std::sync::Arc;

use serde_json::json;
use waypost::driver::{Clock, Runtime, Turn, files};
use waypost::engine::input::Open;
use waypost::engine::{Actor, CallEffect, CallResult, Principal};
use waypost::store::MemoryStore;

async fn shop(call: CallEffect) -> CallResult {
    println!("  [{}]", call.action.id);
    match call.action.id.action.name.as_str() {
        "send_code" => CallResult::answered(202, json!({"sent": true})),
        "check_code" => CallResult::answered(200, json!({"customer_id": "C-31"})),
        "get_order" => {
            let order = json!({"id": call.inputs.get("order_id"), "customer_id": "C-31", "status": "processing", "total": 96.5,
                "currency": "EUR", "refundable": false, "items": []});
            CallResult::answered(200, order)
        }
        "cancel_order" => CallResult::answered(200, json!({"status": "cancelled"})),
        _ => CallResult::answered(404, json!({"error": "not_found"})),
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let checked = waypost::check::load(files::read_dir(env!("CARGO_MANIFEST_DIR").as_ref())?);
    let loaded = checked.loaded().ok_or("the workspace has errors: run `waypost check`")?;
    let runtime = Runtime::new(loaded, MemoryStore::new(), shop, Clock::System)?;
    let user = Arc::new(json!({"identity": {"user_id": "u-1"}}));
    let open = Open { conversation: "".into(), tenant: "acme".into(), agent: "hollin-wren".into(), user_id: "u-1".into(), user };
    let conversation = runtime.open(open).await?;
    for text in ["I want to cancel order H1042", "nora.falk@example.com", "482913", "I ordered by mistake", "yes please"] {
        println!("> {text}");
        let turn = Turn::Message(text.into());
        let result = runtime.turn(&conversation, Actor::User, Principal::default(), None, turn).await?;
        println!("{}", result.answer.text());
    }
    Ok(())
}
