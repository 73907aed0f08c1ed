//! Sends what was allowed: one HTTP request, or one call of an MCP server's tool, for one permit, to configured hosts only, within caps
//! of time and size.
//!
//! Decides nothing about journeys, retries nothing, and can only deny. The one place that reads secrets.

mod address;
mod auth;
mod breaker;
mod collector;
mod egress;
mod exchange;
mod failure;
mod http;
mod letters;
mod mcp;
mod program;
mod remote;
mod secrets;

pub use address::{BadUrl, join};
pub use collector::collector;
pub use egress::Resolver;
pub use http::HttpPerformer;
pub use letters::{Post, Undelivered};
pub use remote::{Remote, RemoteError, segment};
pub use secrets::{SecretError, Secrets};
