//! `percentile`: whether a number is among the highest or lowest so many of a hundred of those before it.
//!
//! Above the percentile `100 − value`, or below the percentile `value`, of the earlier values, interpolated linearly between the closest
//! ranks: the definition 7 of Hyndman and Fan, that of `PERCENTILE.INC`. The highest hundred of a hundred are all, the highest 0 none.

use super::{Found, HISTORY_MIN, Params, Unknown, Window};

/// Which end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The highest.
    Top,
    /// The lowest.
    Bottom,
}

/// `percentile {direction, value}`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Percentile {
    /// Which end.
    pub direction: End,
    /// How many of a hundred.
    pub value: f64,
    /// How old what counts may be.
    pub window: Window,
}

impl Percentile {
    pub(super) fn parse(params: &mut Params<'_>) -> Option<Self> {
        params.only(&["direction", "value", "window"]);
        let direction = params.word("direction", &[("top", End::Top), ("bottom", End::Bottom)]);
        let value = params.number("value");
        let right = |v: &f64| (0.0..=100.0).contains(v);
        if value.is_some_and(|v| !right(&v)) {
            params.fault("value", "`value` of `percentile` is from 0 to 100", "the highest tenth is `{direction: top, value: 10}`");
        }
        let window = params.window(Window(None));
        Some(Self { direction: direction?, value: value.filter(right)?, window: window? })
    }

    /// Whether the number is at that end of those before it.
    ///
    /// # Errors
    /// There are too few.
    pub fn decide(&self, number: f64, before: &[f64]) -> Result<Found, Unknown> {
        if before.len() < HISTORY_MIN {
            return Err(Unknown::short(HISTORY_MIN, before.len()));
        }
        let mut sorted = before.to_vec();
        sorted.sort_by(f64::total_cmp);
        let cutoff = match self.direction {
            End::Top => percentile(&sorted, 100.0 - self.value),
            End::Bottom => percentile(&sorted, self.value),
        };
        let (past, word) = match self.direction {
            End::Top => (number > cutoff, "highest"),
            End::Bottom => (number < cutoff, "lowest"),
        };
        let holds = self.value >= 100.0 || (past && self.value > 0.0);
        let detail =
            format!("{number} is {}among the {word} {} % of {} earlier values", if holds { "" } else { "not " }, self.value, before.len());
        Ok(Found::new(holds, detail).with("cutoff", cutoff))
    }
}

/// The percentile of sorted values.
#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rank lies within the length")]
fn percentile(sorted: &[f64], of: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    let rank = of / 100.0 * last as f64;
    let low = (rank as usize).min(last);
    let at = |n: usize| sorted.get(n.min(last)).copied().unwrap_or_default();
    let part = rank - low as f64;
    at(low) + (at(low + 1) - at(low)) * part
}
