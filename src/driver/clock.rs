//! The only clock and the only source of randomness.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

/// What time it is.
#[derive(Debug, Clone)]
pub enum Clock {
    /// The machine's clock.
    System,
    /// A clock that stands still unless it is moved. Clones share it.
    Manual(ManualClock),
    /// The machine's clock, so many milliseconds ahead: it runs, and jumps when it is shifted. Clones share it.
    Ahead(Arc<AtomicI64>),
}

/// A clock that is moved by hand; it never goes back.
#[derive(Debug, Clone)]
pub struct ManualClock(Arc<Mutex<Timestamp>>);

impl Clock {
    /// A clock that stands at that time.
    #[must_use]
    pub fn manual(at: Timestamp) -> Self {
        Self::Manual(ManualClock(Arc::new(Mutex::new(at))))
    }

    /// The machine's clock, to be shifted.
    #[must_use]
    pub fn shiftable() -> Self {
        Self::Ahead(Arc::default())
    }

    /// Lets so much time pass at once. The machine's own clock cannot be moved.
    pub fn shift(&self, by: Duration) {
        match self {
            Self::System => {}
            Self::Manual(clock) => clock.set(later(self.now(), by)),
            Self::Ahead(millis) => {
                let _ = millis.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |ahead| {
                    Some(ahead.saturating_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)))
                });
            }
        }
    }

    /// What time it is.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match self {
            #[expect(clippy::disallowed_methods, reason = "the one home of the clock")]
            Self::System => Timestamp::now(),
            Self::Manual(clock) => *clock.0.lock().unwrap_or_else(PoisonError::into_inner),
            Self::Ahead(millis) => {
                let ahead = SignedDuration::from_millis(millis.load(Ordering::Relaxed));
                Self::System.now().checked_add(ahead).unwrap_or(Timestamp::MAX)
            }
        }
    }

    /// Waits until that time. A manual clock is moved there at once: whoever waits for it would wait for ever.
    pub async fn sleep_until(&self, at: Timestamp) {
        match self {
            Self::System | Self::Ahead(_) => tokio::time::sleep(until(self.now(), at)).await,
            Self::Manual(clock) => clock.set(at),
        }
    }

    /// The clock as a function, for parts that may not know this one.
    #[must_use]
    pub fn as_fn(&self) -> Arc<dyn Fn() -> Timestamp + Send + Sync> {
        let clock = self.clone();
        Arc::new(move || clock.now())
    }
}

impl ManualClock {
    /// Moves the clock to that time, unless it is past it.
    pub fn set(&self, at: Timestamp) {
        let mut now = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *now = at.max(*now);
    }
}

/// How long it is from one time to another; nothing if it is past.
pub(super) fn until(now: Timestamp, at: Timestamp) -> Duration {
    Duration::try_from(at.duration_since(now)).unwrap_or_default()
}

/// A time that much later.
pub(super) fn later(at: Timestamp, by: Duration) -> Timestamp {
    SignedDuration::try_from(by).ok().and_then(|by| at.checked_add(by).ok()).unwrap_or(Timestamp::MAX)
}

/// Where randomness comes from.
#[derive(Debug, Clone)]
pub enum Entropy {
    /// The machine's.
    System,
    /// The same sequence every time, for tests and replays. Clones share it.
    Seeded(Seeded),
}

/// A sequence that a seed decides.
#[derive(Debug, Clone)]
pub struct Seeded {
    seed: u64,
    drawn: Arc<Mutex<u64>>,
}

impl Entropy {
    /// The sequence of that seed.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self::Seeded(Seeded { seed, drawn: Arc::default() })
    }

    /// The next 32 bytes. `None` if the machine has none to give.
    pub(super) fn draw(&self) -> Option<[u8; 32]> {
        match self {
            Self::System => {
                let mut bytes = [0; 32];
                getrandom::fill(&mut bytes).ok()?;
                Some(bytes)
            }
            Self::Seeded(Seeded { seed, drawn }) => {
                let mut n = drawn.lock().unwrap_or_else(PoisonError::into_inner);
                *n += 1;
                Some(Sha256::new().chain_update(seed.to_be_bytes()).chain_update(n.to_be_bytes()).finalize().into())
            }
        }
    }
}

/// Draws that are asked of the machine at a time.
const AHEAD: usize = 64;

/// What is drawn for inputs. The machine is asked for many at a time: each time that it is costs as much as a small answer to a socket.
pub(super) struct Draws {
    entropy: Entropy,
    ahead: Mutex<Vec<[u8; 32]>>,
}

impl std::fmt::Debug for Draws {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Draws").field("entropy", &self.entropy).finish_non_exhaustive()
    }
}

impl Draws {
    pub(super) fn of(entropy: Entropy) -> Self {
        Self { entropy, ahead: Mutex::default() }
    }

    /// The next 32 bytes, which nobody else gets. `None` if the machine has none to give.
    pub(super) fn draw(&self) -> Option<[u8; 32]> {
        match &self.entropy {
            Entropy::Seeded(_) => self.entropy.draw(),
            Entropy::System => {
                let mut ahead = self.ahead.lock().unwrap_or_else(PoisonError::into_inner);
                if ahead.is_empty() {
                    let mut bytes = [0; 32 * AHEAD];
                    getrandom::fill(&mut bytes).ok()?;
                    ahead.extend(bytes.as_chunks().0);
                }
                ahead.pop()
            }
        }
    }
}

/// An id that sorts by time: UUID version 7.
pub(super) fn new_id(now: Timestamp, entropy: &[u8; 32]) -> Arc<str> {
    let mut random = [0; 10];
    for (to, from) in random.iter_mut().zip(entropy) {
        *to = *from;
    }
    let millis = u64::try_from(now.as_millisecond()).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid().to_string().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_draws_are_the_same() {
        let draws = Draws::of(Entropy::System);
        let all: std::collections::BTreeSet<_> = (0..=AHEAD * 2).map(|_| draws.draw().unwrap()).collect();
        assert_eq!(all.len(), AHEAD * 2 + 1);
        assert_eq!(format!("{draws:?}"), "Draws { entropy: System, .. }", "what is to be drawn is not shown");
        let (one, other) = (Draws::of(Entropy::seeded(7)), Draws::of(Entropy::seeded(7)));
        assert_eq!([one.draw(), one.draw()], [other.draw(), other.draw()], "of a seed they are always the same");
    }
}
