//! `z_score`: whether a number is further from the mean of those before it than so many of their standard deviations.
//!
//! The standard score, `z = (x − μ) / σ`, with the population standard deviation `σ = √(Σ(xᵢ − μ)² / n)`.

use jiff::SignedDuration;

use super::{Found, HISTORY_MIN, Params, Unknown, Window};
use crate::registry::Reason;

/// How far back it looks, if nobody says.
const WINDOW: Window = Window(Some(SignedDuration::from_hours(30 * 24)));

/// On which side of the mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deviation {
    /// Greater.
    Above,
    /// Less.
    Below,
    /// Either.
    Any,
}

/// `z_score {threshold, direction, window}`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ZScore {
    /// More than so many standard deviations.
    pub threshold: f64,
    /// On which side.
    pub direction: Deviation,
    /// How old what counts may be.
    pub window: Window,
}

impl ZScore {
    pub(super) fn parse(params: &mut Params<'_>) -> Option<Self> {
        params.only(&["threshold", "direction", "window"]);
        let threshold = params.number("threshold");
        if threshold.is_some_and(|t| t <= 0.0) {
            params.fault("threshold", "`threshold` of `z_score` is above 0", "it counts standard deviations, such as `3`");
        }
        let words = [("above", Deviation::Above), ("below", Deviation::Below), ("any", Deviation::Any)];
        let direction = params.word("direction", &words);
        let window = params.window(WINDOW);
        Some(Self { threshold: threshold.filter(|t| *t > 0.0)?, direction: direction?, window: window? })
    }

    /// Whether the number is so far from those before it.
    ///
    /// # Errors
    /// There are too few, or all are the same.
    pub fn decide(&self, number: f64, before: &[f64]) -> Result<Found, Unknown> {
        if before.len() < HISTORY_MIN {
            return Err(Unknown::short(HISTORY_MIN, before.len()));
        }
        let (mean, deviation) = mean_and_deviation(before);
        if deviation == 0.0 || before.iter().all(|v| Some(v) == before.first()) {
            return Err(Unknown::new(Reason::ZeroVariance, "all earlier values of the entity are the same"));
        }
        let z = (number - mean) / deviation;
        let holds = match self.direction {
            Deviation::Above => z > self.threshold,
            Deviation::Below => z < -self.threshold,
            Deviation::Any => z.abs() > self.threshold,
        };
        let found = Found::new(holds, format!("{number} is {z} standard deviations from the mean of {} earlier values", before.len()));
        Ok(found.with("mean", mean).with("stddev", deviation).with("z_score", z))
    }
}

/// In one pass that does not lose small deviations of large numbers (Welford).
fn mean_and_deviation(values: &[f64]) -> (f64, f64) {
    let (mut n, mut mean, mut squares) = (0.0, 0.0, 0.0);
    for value in values {
        n += 1.0;
        let off = value - mean;
        mean += off / n;
        squares += off * (value - mean);
    }
    (mean, (squares / n).sqrt())
}
