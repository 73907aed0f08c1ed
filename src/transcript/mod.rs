//! Scripted conversations: a clock that stands still, stubs in place of services, expectations.
//!
//! Knows nothing of terminals and of the forms that results are shown in.

pub mod cover;
mod expect;
pub mod explore;
pub mod mutate;
mod read;
mod reader;
pub mod record;
mod run;
mod script;
mod stubs;
mod write;

pub use expect::{Failure, Fix};
pub use read::{Document, read, read_stubs};
pub use run::{After, Options, Runner, Watched};
pub use script::{Check, CheckKind, Entry, EntryKind, ExpectedCall, Reply, Saying, Script, Speaker, Stub, StubFault, StubLists};
pub use stubs::{Call, Stubs};
pub use write::{flow, scalar};
