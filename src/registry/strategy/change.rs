//! `change`: whether a number has moved, in proportion, away from the one before it inside the window.
//!
//! The relative change, `(x − p) / |p|`, of `x` against `p`, the latest earlier value: 0.1 is a tenth more.

use jiff::SignedDuration;

use super::{Found, Params, Unknown, Window};
use crate::registry::Reason;

/// How far back it looks, if nobody says.
const WINDOW: Window = Window(Some(SignedDuration::from_hours(24)));

/// Which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Movement {
    /// Up.
    Increase,
    /// Down.
    Decrease,
    /// Either.
    Any,
}

/// `change {direction, value, window}`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Change {
    /// Which way.
    pub direction: Movement,
    /// By more than which part of the value before.
    pub value: f64,
    /// How old that may be.
    pub window: Window,
}

impl Change {
    pub(super) fn parse(params: &mut Params<'_>) -> Option<Self> {
        params.only(&["direction", "value", "window"]);
        let words = [("increase", Movement::Increase), ("decrease", Movement::Decrease), ("any", Movement::Any)];
        let direction = params.word("direction", &words);
        let value = params.number("value");
        if value.is_some_and(|v| v < 0.0) {
            params.fault("value", "`value` of `change` is not below 0", "the way stands in `direction`; a tenth is `0.1`");
        }
        let window = params.window(WINDOW);
        Some(Self { direction: direction?, value: value.filter(|v| *v >= 0.0)?, window: window? })
    }

    /// Whether the number has moved so far from the last of those before it.
    ///
    /// # Errors
    /// There is none, or it is 0.
    pub fn decide(&self, number: f64, before: &[f64]) -> Result<Found, Unknown> {
        let previous = *before.last().ok_or_else(|| Unknown::short(1, 0))?;
        if previous == 0.0 {
            return Err(Unknown::new(Reason::InfiniteChange, "the value before is 0"));
        }
        let change = (number - previous) / previous.abs();
        let holds = match self.direction {
            Movement::Increase => change > self.value,
            Movement::Decrease => change < -self.value,
            Movement::Any => change.abs() > self.value,
        };
        let found = Found::new(holds, format!("from {previous} to {number} is a change of {change}"));
        Ok(found.with("previous", previous).with("change", change))
    }
}
