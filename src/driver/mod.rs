//! Drives conversations: load, handle, commit, perform, feed back. The only part with a clock.
//!
//! Knows nothing of HTTP, MCP or terminals.

pub mod audit;
mod cache;
mod carry;
mod clock;
pub mod files;
mod flights;
mod locks;
mod look;
mod perform;
mod runtime;
mod texts;
mod timers;
mod turn;
mod vault;
mod versions;
mod watchers;
mod writable;

pub use clock::{Clock, Entropy, ManualClock, Seeded};
pub use perform::Perform;
pub use runtime::Runtime;
pub use texts::texts_of;
pub use turn::{DriverError, Sent, Turn, TurnResult};
pub use vault::{Vault, VaultError};
pub use watchers::Watch;
pub use writable::Unkept;
