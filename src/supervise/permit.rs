//! Leave to send one request.

use jiff::Timestamp;

/// Leave to send one request. Only an `allow` makes one; it expires, is used once, and is never read back from a store.
#[derive(Debug)]
pub struct Permit {
    until: Timestamp,
}

impl Permit {
    /// Made by a verdict that allows, nowhere else.
    pub(in crate::supervise) fn new(until: Timestamp) -> Self {
        Self { until }
    }

    /// Until when it holds.
    #[must_use]
    pub fn until(&self) -> Timestamp {
        self.until
    }

    /// Whether it still holds.
    #[must_use]
    pub fn holds(&self, now: Timestamp) -> bool {
        now <= self.until
    }
}
