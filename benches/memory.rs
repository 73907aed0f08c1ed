//! What an open conversation costs in memory: many of them, each standing at the refund's confirm, in one store.
//!
//! `cargo bench --bench memory` prints the growth of the resident set for each of 100,000, and ends with 1 past 4 KB.

#[expect(dead_code, reason = "nothing is timed here")]
mod common;

use std::sync::Arc;

use common::Report;
use serde_json::json;
use waypost::driver::{Clock, Runtime, Turn, files};
use waypost::engine::input::Open;
use waypost::engine::{Actor, CallEffect, CallResult, Phase, Principal};
use waypost::store::{MemoryStore, Store as _};

async fn shop(call: CallEffect) -> CallResult {
    match call.action.id.action.name.as_str() {
        "send_code" => CallResult::answered(202, json!({"sent": true})),
        "check_code" => CallResult::answered(200, json!({"customer_id": "C-31"})),
        _ => CallResult::answered(
            200,
            json!({"id": call.inputs.get("order_id"), "customer_id": "C-31", "status": "delivered", "placed_on": "2026-11-09",
                "total": 96.5, "currency": "EUR", "delivered_on": "2026-11-12", "refundable": true,
                "items": [{"sku": "HW-K12", "title": "Kettle", "price": 89}, {"sku": "HW-F100", "title": "Paper filters", "price": 7.5}]}),
        ),
    }
}

/// Resident bytes of this process.
fn resident() -> Result<u64, Box<dyn std::error::Error>> {
    let statm = std::fs::read_to_string("/proc/self/statm")?;
    Ok(statm.split(' ').nth(1).ok_or("no resident set")?.parse::<u64>()? * 4_096)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let count: u64 = 100_000;
    let checked = waypost::check::load(files::read_dir(env!("CARGO_MANIFEST_DIR").as_ref())?);
    let loaded = checked.loaded().ok_or("the workspace has errors: run `waypost check`")?;
    let runtime = Runtime::new(loaded, MemoryStore::new(), shop, Clock::System)?;
    let mut before = 0;
    // The first thousand fill what all of them share: the cache of states, the dictionary, the allocator.
    for n in 0..count + 1_000 {
        if n == 1_000 {
            before = resident()?;
        }
        let user_id: Arc<str> = format!("u-{n}").into();
        let user = Arc::new(json!({"identity": {"user_id": user_id, "user_name": "Nora Falk", "user_email": "nora.falk@example.com"}}));
        let open = Open { conversation: "".into(), tenant: "acme".into(), agent: "hollin-wren".into(), user_id, user };
        let conversation = runtime.open(open).await?;
        let order = format!("I'd like my money back for order H{}", 1_000 + n % 9_000);
        let mut last = None;
        for (i, text) in [order.as_str(), "nora.falk@example.com", "482913", "kettle", "store credit"].into_iter().enumerate() {
            let id = Some(format!("{n}-{i}").into());
            last = Some(runtime.turn(&conversation, Actor::User, Principal::default(), id, Turn::Message(text.into())).await?.answer);
        }
        if last.as_ref().is_none_or(|a| a.phase != Phase::Confirm) {
            return Err(format!("conversation {n} does not stand at the confirm: {last:?}").into());
        }
    }
    let stat = runtime.store().stat().await?;
    println!("{} bytes of each are its log", stat.bytes / stat.conversations);
    let mut report = Report::default();
    #[expect(clippy::cast_precision_loss, reason = "a few kilobytes")]
    let each = (resident()? - before) as f64 / count as f64;
    report.most("each of 100,000 conversations open at the refund's confirm", each, 4_096.0, "bytes");
    report.finish()
}
