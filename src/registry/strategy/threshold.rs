//! `threshold`: whether a number is above or below another. Equal is neither.

use super::{Found, Params};

/// On which side of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Greater.
    Above,
    /// Less.
    Below,
}

/// `threshold {direction, value}`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Threshold {
    /// On which side.
    pub direction: Side,
    /// Of what.
    pub value: f64,
}

impl Threshold {
    pub(super) fn parse(params: &mut Params<'_>) -> Option<Self> {
        params.only(&["direction", "value"]);
        let direction = params.word("direction", &[("above", Side::Above), ("below", Side::Below)]);
        let value = params.number("value");
        Some(Self { direction: direction?, value: value? })
    }

    /// Whether the number is past it.
    #[must_use]
    pub fn decide(&self, number: f64) -> Found {
        let (holds, word) = match self.direction {
            Side::Above => (number > self.value, "above"),
            Side::Below => (number < self.value, "below"),
        };
        Found::new(holds, format!("{number} is {}{word} {}", if holds { "" } else { "not " }, self.value))
    }
}
