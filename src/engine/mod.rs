//! The interpreter as a pure machine: inputs go in, events and effects come out (architecture, the effect line).
//!
//! Holds no clock, no randomness, no environment, nothing async: time and entropy come with each [`Input`]. A turn moves a
//! scratch copy of the state only by `apply`, the one fold, so the events of a conversation are all that its state is.

pub mod answer;
mod apply;
mod audit;
mod brought;
mod call;
mod case;
mod claims;
pub mod effect;
mod errand;
pub mod event;
mod execution;
mod expects;
mod fill;
mod handle;
mod happened;
mod hear;
mod hold;
pub mod input;
mod inputs;
mod keys;
mod likeness;
mod lost;
mod machine;
mod operand;
mod owner;
mod present;
mod provider;
mod recall;
mod recent;
mod redact;
mod request;
mod result;
mod schema;
mod scope;
mod sensitive;
mod shown;
pub mod state;
mod steps;
mod trace;
mod turn;
mod walk;
mod word;

pub use answer::{Answer, Expects, Phase, Status, TraceLine};
pub use audit::{AuditEntry, AuditLine, audit};
pub use case::{Case, Change, Reflected};
pub use effect::{CallEffect, CallFailure, CallResult, Claim, Effect, EffectId, HttpAnswer, Progress, Recorded, Refused, Request};
pub use event::{Event, EventBody};
pub use execution::{Attempt, ExecutionStatus, Wanted, attempts};
pub use handle::may_send;
pub use happened::{Happened, happened, may_happen};
pub use hold::{HoldChange, HoldRow, holds};
pub use input::{Actor, Command, Input, InputBody, Principal};
pub use keys::{Keys, derived, key_id};
pub use machine::Machine;
pub use provider::{LeftOut, Offer};
pub use recall::Hidden;
pub use redact::shown;
pub(crate) use request::way as way_of;
pub use schema::Schema;
pub use sensitive::Taken;
pub use state::State;
pub use trace::trace;
pub use turn::actor_name;
