//! Supervision, pure: may this action run now? No clock, no I/O, and nothing of how a run got where it stands.

mod decide;
mod grant;
mod identity;
mod lineage;
mod permit;

pub use decide::{Decision, Intent, KeyStanding, Ledger, RateStanding, Reason, Rule, Verdict, decide};
pub use grant::{Grant, Question, covers};
pub use identity::Identity;
pub use lineage::{Origin, Source, Variable, Variables, stale};
pub use permit::Permit;
