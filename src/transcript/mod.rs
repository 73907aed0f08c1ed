//! Scripted conversations: a clock that stands still, stubs in place of services, expectations.
//!
//! Knows nothing of terminals and of the forms that results are shown in.

mod read;
mod reader;
mod script;
mod stubs;

pub use read::{Document, read, read_stubs};
pub use script::{Check, CheckKind, Entry, EntryKind, ExpectedCall, Reply, Saying, Script, Speaker, Stub, StubFault, StubLists};
pub use stubs::{Call, Stubs};
