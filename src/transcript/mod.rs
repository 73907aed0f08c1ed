//! Scripted conversations: a clock that stands still, stubs in place of services, expectations.
//!
//! Knows nothing of terminals and of the forms that results are shown in.

mod expect;
mod read;
mod reader;
pub mod record;
mod run;
mod script;
mod stubs;

pub use expect::Failure;
pub use read::{Document, read, read_stubs};
pub use run::{Options, Runner};
pub use script::{Check, CheckKind, Entry, EntryKind, ExpectedCall, Reply, Saying, Script, Speaker, Stub, StubFault, StubLists};
pub use stubs::{Call, Stubs};
