//! Waypost lets a language model act for a customer only where a proved journey, the rules and the person allow it.
//!
//! The modules stand in layers (see `ARCHITECTURE.md`; `tests/tidy.rs` keeps them): text is read by [`syntax`], resolved by
//! [`model`], proved by [`check`], run by the pure [`engine`] and carried out by the [`driver`], the only part with a clock.
//!
//! # In a program of your own
//!
//! A workspace is files; what its actions do may be your own function. Nothing reaches the function that the journey, the rules and
//! the person did not allow.
//!
//! ```
//! use std::sync::Arc;
//! use serde_json::json;
//! use waypost::driver::{Clock, Runtime, Turn};
//! use waypost::engine::{Actor, CallEffect, CallResult, Principal, input::Open};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let shop = "{name: shop, type: rest_api, config: {base_url: 'https://shop.example', auth_type: none},
//!   actions: [{name: cancel, type: write, invocation: {method: POST, endpoint: '/orders/{order_id}/cancel'},
//!     input_schema: {order_id: {type: string}}, outcomes: [{name: cancelled, condition: response.status == 200}],
//!     safety: {requires_confirmation: true}}]}";
//! let journey = "{name: cancel order, trigger: {goal: Cancel an order, examples: [cancel my order]}, journey: [{collect: [order_id]},
//!   {confirm: {fields: [order_id], message: 'Cancel {{ variables.order_id }}?'}},
//!   {action: shop.cancel, outcomes: {cancelled: [{done: Cancelled.}]}}]}";
//! let field = "{name: order_id, type: string, validation: {pattern: '[A-Z][0-9]+'}}";
//! let files = [("integrations/shop.yaml", shop), ("journeys/cancel.yaml", journey), ("datapoints/order.yaml", field)];
//! let checked = waypost::check::load(files.map(|(name, text)| (name.into(), text.into())).into());
//! let loaded = checked.loaded().ok_or("the workspace has errors")?;
//!
//! let cancel = |call: CallEffect| async move { CallResult::answered(200, json!({"cancelled": call.inputs["order_id"]})) };
//! let runtime = Runtime::new(loaded, waypost::store::MemoryStore::new(), cancel, Clock::System)?;
//! let user = Arc::new(json!({"identity": {"user_id": "u-1"}}));
//! let open = Open { conversation: "".into(), tenant: "acme".into(), agent: "shop".into(), user_id: "u-1".into(), user };
//! let id = runtime.open(open).await?;
//! let say = async |text: &str| runtime.turn(&id, Actor::User, Principal::default(), None, Turn::Message(text.into())).await;
//! assert_eq!(say("cancel my order A7").await?.answer.text(), "Cancel A7?");
//! assert_eq!(say("yes please").await?.answer.text(), "Cancelled.");
//! # Ok(())
//! # }
//! ```

pub mod source;

pub mod value;

pub mod expr;

pub mod template;

pub mod syntax;

pub mod registry;

pub mod model;

pub mod policy;

pub mod check;

pub mod understand;

pub mod draw;

pub mod supervise;

pub mod engine;

pub mod store;

pub mod outbound;

pub mod telemetry;

pub mod driver;

pub mod transcript;

pub mod service;

pub mod api;

pub mod mcp;

pub mod cli;
