//! Drives conversations: load, handle, commit, perform, feed back. The only part with a clock.
//!
//! Knows nothing of HTTP, MCP or terminals.

pub mod audit;
mod cache;
mod clock;
pub mod files;
mod locks;
mod perform;
mod runtime;
mod texts;
mod timers;
mod turn;
mod vault;

pub use clock::{Clock, Entropy, ManualClock, Seeded};
pub use perform::Perform;
pub use runtime::Runtime;
pub use turn::{DriverError, Turn, TurnResult};
pub use vault::{Vault, VaultError};
