//! What one conversation cannot know, in memory: keys and rates of one tenant.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::engine::{Claim, Recorded, Refused};

/// Refuses a claim of which nothing more is known.
pub(super) fn refused(claim: &Claim, reason: &str) -> Refused {
    Refused { claim: claim.clone(), reason: reason.into(), retry_at: None, recorded: None }
}

/// The claims of one tenant, but for message ids, which stand with their conversation.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    keys: BTreeMap<Arc<str>, Key>,
    rates: BTreeMap<Arc<str>, VecDeque<Timestamp>>,
    others: BTreeMap<(Arc<str>, Arc<str>), Arc<str>>,
}

/// An idempotency key that is taken.
#[derive(Debug)]
struct Key {
    conversation: Arc<str>,
    digest: Arc<str>,
    /// What came of it, and how long that counts. Without it the key is reserved.
    applied: Option<(Recorded, Timestamp)>,
}

impl Key {
    fn counts(&self, now: Timestamp) -> bool {
        self.applied.as_ref().is_none_or(|(_, until)| now < *until)
    }
}

impl Ledger {
    /// Why a conversation cannot have a claim, if it cannot; `taken` are those of the same rate that this transaction asks for before it.
    pub(super) fn refuse(&self, claim: &Claim, conversation: &str, now: Timestamp, taken: usize) -> Option<Refused> {
        match claim {
            Claim::Message { .. } | Claim::KeyApplied { .. } | Claim::KeyFreed { .. } | Claim::RateCleared { .. } => None,
            Claim::Key { key, digest } => {
                let held = self.keys.get(key).filter(|k| k.counts(now))?;
                match &held.applied {
                    _ if held.digest != *digest => Some(refused(claim, "other_inputs")),
                    Some((recorded, _)) => Some(Refused { recorded: Some(recorded.clone()), ..refused(claim, "applied") }),
                    None => (&*held.conversation != conversation).then(|| refused(claim, "busy")),
                }
            }
            Claim::Rate { bucket, max, per_s } => {
                let since = window_start(now, *per_s);
                let stamps = self.rates.get(bucket).into_iter().flatten().filter(|t| **t > since);
                let used = stamps.clone().count() + taken;
                let over = used.checked_sub(*max as usize)?;
                // There is room again when this one, the last of those that are too many, has left the window.
                let retry_at = stamps.clone().nth(over).map(|t| plus(*t, *per_s));
                Some(Refused { retry_at, ..refused(claim, "rate_limited") })
            }
            Claim::Other { kind, key } => {
                let holder = self.others.get(&(kind.as_str().into(), key.clone()))?;
                (&**holder != conversation).then(|| refused(claim, "used"))
            }
        }
    }

    /// Forgets what a conversation took for itself: what it was is gone.
    pub(super) fn forget(&mut self, conversation: &str) {
        self.keys.retain(|_, k| &*k.conversation != conversation);
    }

    /// Takes a claim that was checked in the same transaction. A key is settled only by the conversation that reserved it.
    pub(super) fn take(&mut self, claim: Claim, conversation: &Arc<str>, now: Timestamp) {
        match claim {
            Claim::Message { .. } => {}
            Claim::Key { key, digest } => {
                self.keys.retain(|_, k| k.counts(now));
                self.keys.insert(key, Key { conversation: conversation.clone(), digest, applied: None });
            }
            Claim::KeyApplied { key, recorded, until } => {
                if let Some(held) = self.keys.get_mut(&key).filter(|k| k.conversation == *conversation) {
                    held.applied = Some((recorded, until));
                }
            }
            Claim::KeyFreed { key } => {
                if self.keys.get(&key).is_some_and(|k| k.conversation == *conversation && k.applied.is_none()) {
                    self.keys.remove(&key);
                }
            }
            Claim::Rate { bucket, per_s, .. } => {
                let stamps = self.rates.entry(bucket).or_default();
                let since = window_start(now, per_s);
                while stamps.front().is_some_and(|t| *t <= since) {
                    stamps.pop_front();
                }
                stamps.push_back(now);
            }
            Claim::RateCleared { bucket } => {
                self.rates.remove(&bucket);
            }
            Claim::Other { kind, key } => {
                self.others.insert((kind.as_str().into(), key), conversation.clone());
            }
        }
    }
}

fn window_start(now: Timestamp, per_s: u64) -> Timestamp {
    now.checked_sub(SignedDuration::from_secs(i64::try_from(per_s).unwrap_or(i64::MAX))).unwrap_or(Timestamp::MIN)
}

fn plus(at: Timestamp, seconds: u64) -> Timestamp {
    at.checked_add(SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX))).unwrap_or(Timestamp::MAX)
}
