//! Supervision, pure: may this action run now? No clock, no I/O, and nothing of how a run got where it stands.

mod approval;
mod decide;
mod grant;
mod identity;
mod lineage;
mod owner;
mod permit;
pub mod provider;

pub use approval::{Approval, Approved};
pub use decide::{Decision, Intent, KeyStanding, Ledger, RateStanding, Reason, Rule, Today, Verdict, decide};
pub use grant::{Grant, Question, covers};
pub use identity::Identity;
pub use lineage::{Origin, Source, Variable, Variables, moved, stale};
pub use owner::{Owner, Ownership};
pub use permit::Permit;
