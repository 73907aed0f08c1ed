//! Drives conversations: load, handle, commit, perform, feed back. The only part with a clock.
//!
//! Knows nothing of HTTP, MCP or terminals.

mod cache;
mod clock;
pub mod files;
mod locks;
mod perform;
mod runtime;
mod texts;

pub use clock::{Clock, Entropy, ManualClock, Seeded};
pub use perform::Perform;
pub use runtime::{DriverError, Runtime, Turn, TurnResult};
