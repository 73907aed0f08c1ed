//! Drives conversations: load, handle, commit, perform, feed back. The only part with a clock.
//!
//! Knows nothing of HTTP, MCP or terminals.

mod clock;
pub mod files;
mod perform;

pub use clock::{Clock, Entropy, ManualClock, Seeded};
pub use perform::Perform;
