//! What one conversation cannot know: the rules of claims for every store, and the ledger of one tenant in memory.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::ConversationKey;
use crate::engine::{Claim, Recorded, Refused};

/// Refuses a claim of which nothing more is known.
pub(super) fn refused(claim: &Claim, reason: &str) -> Refused {
    Refused { claim: claim.clone(), reason: reason.into(), retry_at: None, recorded: None }
}

/// Refuses a token of a rate whose window is full; `stamp` is the last of those that are too many.
pub(super) fn limited(claim: &Claim, per_s: u64, stamp: Option<Timestamp>) -> Refused {
    // There is room again when it has left the window.
    Refused { retry_at: stamp.map(|t| plus(t, per_s)), ..refused(claim, "rate_limited") }
}

/// An idempotency key that is taken.
#[derive(Debug)]
pub(super) struct Held<C> {
    /// By which conversation.
    pub(super) conversation: C,
    /// For which request.
    pub(super) digest: Arc<str>,
    /// What came of it.
    pub(super) came: Came,
}

/// What came of the request of a key.
#[derive(Debug)]
pub(super) enum Came {
    /// Nothing yet: the key is reserved.
    Nothing,
    /// It was done; the answer, if it can still be read.
    Applied(Option<Recorded>),
}

impl<C: PartialEq> Held<C> {
    /// Why a conversation that asks for the key cannot have it, now that it is taken.
    pub(super) fn check(&self, claim: &Claim, digest: &str, conversation: &C) -> Option<Refused> {
        match &self.came {
            _ if *self.digest != *digest => Some(refused(claim, "other_inputs")),
            Came::Applied(recorded) => Some(Refused { recorded: recorded.clone(), ..refused(claim, "applied") }),
            Came::Nothing => (self.conversation != *conversation).then(|| refused(claim, "busy")),
        }
    }
}

/// What is recorded under a key is sealed for the tenant and the key.
pub(super) fn under(tenant: &str, key: &Arc<str>) -> ConversationKey {
    ConversationKey::new(tenant, key.clone())
}

/// How many claims of the same rate a transaction makes before the one with that number.
pub(super) fn taken(claims: &[Claim], before: usize) -> usize {
    let same = |a: &Claim, b: &Claim| matches!((a, b), (Claim::Rate { bucket: a, .. }, Claim::Rate { bucket: b, .. }) if a == b);
    claims.get(before).map_or(0, |claim| claims.iter().take(before).filter(|c| same(c, claim)).count())
}

/// The claims of one tenant, but for message ids, which stand with their conversation.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    keys: BTreeMap<Arc<str>, Key>,
    rates: BTreeMap<Arc<str>, VecDeque<Timestamp>>,
    others: BTreeMap<(Arc<str>, Arc<str>), Other>,
}

/// A name that is used once: by which conversation, and how long that counts.
#[derive(Debug)]
struct Other {
    conversation: Arc<str>,
    until: Option<Timestamp>,
}

/// A key, and how long what came of it counts.
#[derive(Debug)]
struct Key {
    held: Held<Arc<str>>,
    until: Option<Timestamp>,
}

impl Key {
    fn counts(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

impl Ledger {
    /// Why a conversation cannot have a claim; `taken` are those of the same rate that this transaction asks for before it.
    pub(super) fn refuse(&self, claim: &Claim, conversation: &Arc<str>, now: Timestamp, taken: usize) -> Option<Refused> {
        match claim {
            Claim::Message { .. } | Claim::KeyApplied { .. } | Claim::KeyFreed { .. } | Claim::RateCleared { .. } => None,
            Claim::Key { key, digest } => self.keys.get(key).filter(|k| k.counts(now))?.held.check(claim, digest, conversation),
            Claim::Rate { bucket, max, per_s } => {
                let since = window_start(now, *per_s);
                let stamps = self.rates.get(bucket).into_iter().flatten().filter(|t| **t > since);
                let over = (stamps.clone().count() + taken).checked_sub(*max as usize)?;
                Some(limited(claim, *per_s, stamps.clone().nth(over).copied()))
            }
            Claim::Other { kind, key, .. } => {
                let holder = self.holder(kind.as_str(), key, now)?;
                (holder != conversation).then(|| refused(claim, "used"))
            }
        }
    }

    /// The conversation that has a name that is used once.
    pub(super) fn holder(&self, kind: &str, key: &str, now: Timestamp) -> Option<&Arc<str>> {
        let other = self.others.get(&(kind.into(), key.into()))?;
        other.until.is_none_or(|until| now < until).then_some(&other.conversation)
    }

    /// Forgets what a conversation took for itself: what it was is gone.
    pub(super) fn forget(&mut self, conversation: &str) {
        self.keys.retain(|_, k| &*k.held.conversation != conversation);
    }

    /// Takes a claim that was checked in the same transaction. A key is settled only by the conversation that reserved it.
    pub(super) fn take(&mut self, claim: Claim, conversation: &Arc<str>, now: Timestamp) {
        match claim {
            Claim::Message { .. } => {}
            Claim::Key { key, digest } => {
                self.keys.retain(|_, k| k.counts(now));
                let held = Held { conversation: conversation.clone(), digest, came: Came::Nothing };
                self.keys.insert(key, Key { held, until: None });
            }
            Claim::KeyApplied { key, recorded, until } => {
                if let Some(key) = self.keys.get_mut(&key).filter(|k| k.held.conversation == *conversation) {
                    key.held.came = Came::Applied(Some(recorded));
                    key.until = Some(until);
                }
            }
            Claim::KeyFreed { key } => {
                if self.keys.get(&key).is_some_and(|k| k.held.conversation == *conversation && matches!(k.held.came, Came::Nothing)) {
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
            Claim::Other { kind, key, until } => {
                self.others.insert((kind.as_str().into(), key), Other { conversation: conversation.clone(), until });
            }
        }
    }
}

/// When a window that ends now began.
pub(super) fn window_start(now: Timestamp, per_s: u64) -> Timestamp {
    now.checked_sub(SignedDuration::from_secs(i64::try_from(per_s).unwrap_or(i64::MAX))).unwrap_or(Timestamp::MIN)
}

/// So many seconds later.
pub(super) fn plus(at: Timestamp, seconds: u64) -> Timestamp {
    at.checked_add(SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX))).unwrap_or(Timestamp::MAX)
}
