//! The interpreter as a pure machine: inputs go in, events and effects come out (architecture, the effect line).
//!
//! Holds no clock, no randomness, no environment, nothing async: time and entropy come with each [`Input`].

pub mod answer;
pub mod effect;
pub mod event;
pub mod input;
pub mod state;

pub use answer::{Answer, Expects, Phase, Status};
pub use effect::{CallEffect, CallFailure, CallResult, Claim, Effect, HttpAnswer, Progress, Request};
pub use event::{Event, EventBody};
pub use input::{Actor, Command, Input, InputBody, Principal};
pub use state::State;
