//! What one conversation cannot know: the rules of claims for every store, and the ledger of one tenant in memory.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::ConversationKey;
use super::rows::digest;
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
    keys: Swept<Arc<str>, Key>,
    // By a digest, to be small.
    rates: Swept<[u8; 16], Rate>,
    others: Swept<(Arc<str>, Arc<str>), Other>,
}

/// Things of which each counts for a while. Whenever one more is taken, a few are looked at in turn, and dropped if they are over.
#[derive(Debug)]
struct Swept<K, V> {
    all: BTreeMap<K, V>,
    seen: Option<K>,
}

/// So many are looked at: more than are taken, so that what is over goes sooner or later.
const LOOKED_AT: usize = 2;

impl<K, V> Default for Swept<K, V> {
    fn default() -> Self {
        Self { all: BTreeMap::new(), seen: None }
    }
}

impl<K: Ord + Clone, V> Swept<K, V> {
    fn take(&mut self, key: K, value: V, is_over: impl Fn(&V) -> bool) {
        for _ in 0..LOOKED_AT {
            let after = self.seen.take().map_or(Bound::Unbounded, Bound::Excluded);
            let Some((next, value)) = self.all.range((after, Bound::Unbounded)).next() else { break };
            let (next, over) = (next.clone(), is_over(value));
            if over {
                self.all.remove(&next);
            }
            self.seen = Some(next);
        }
        self.all.insert(key, value);
    }
}

/// What was taken of a rate, and for how many seconds each of it counts.
#[derive(Debug, Default)]
struct Rate {
    stamps: Vec<Timestamp>,
    per_s: u64,
}

impl Rate {
    /// One more. Those that are over are dropped when they are more than half of all: whoever takes many does not move all of them each time.
    fn taken(mut self, now: Timestamp, per_s: u64) -> Self {
        let since = window_start(now, per_s);
        let over = self.stamps.iter().take_while(|t| **t <= since).count();
        if over > self.stamps.len() / 2 {
            self.stamps.drain(..over);
        }
        if self.stamps.is_empty() {
            // Most buckets have one, and there are many buckets.
            self.stamps = vec![now];
        } else {
            self.stamps.push(now);
        }
        Self { per_s: per_s.max(self.per_s), ..self }
    }

    fn is_over(&self, now: Timestamp) -> bool {
        self.stamps.last().is_none_or(|last| plus(*last, self.per_s) <= now)
    }
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
    conversation: Arc<str>,
    digest: Arc<str>,
    // What came of it, as JSON: there are many, and hardly any is asked for again.
    applied: Option<Box<[u8]>>,
    until: Option<Timestamp>,
}

impl Key {
    fn counts(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now < until)
    }

    fn held(&self) -> Held<Arc<str>> {
        let came = self.applied.as_ref().map_or(Came::Nothing, |json| Came::Applied(serde_json::from_slice(json).ok()));
        Held { conversation: self.conversation.clone(), digest: self.digest.clone(), came }
    }
}

impl Ledger {
    /// Why a conversation cannot have a claim; `taken` are those of the same rate that this transaction asks for before it.
    pub(super) fn refuse(&self, claim: &Claim, conversation: &Arc<str>, now: Timestamp, taken: usize) -> Option<Refused> {
        match claim {
            Claim::Message { .. } | Claim::KeyApplied { .. } | Claim::KeyFreed { .. } | Claim::RateCleared { .. } => None,
            Claim::Key { key, digest } => self.keys.all.get(key).filter(|k| k.counts(now))?.held().check(claim, digest, conversation),
            Claim::Rate { bucket, max, per_s } => {
                let since = window_start(now, *per_s);
                let stamps = self.rates.all.get(&digest(bucket)).into_iter().flat_map(|r| &r.stamps).filter(|t| **t > since);
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
        let other = self.others.all.get(&(kind.into(), key.into()))?;
        other.until.is_none_or(|until| now < until).then_some(&other.conversation)
    }

    /// Forgets what a conversation took for itself: what it was is gone.
    pub(super) fn forget(&mut self, conversation: &str) {
        self.keys.all.retain(|_, k| &*k.conversation != conversation);
    }

    /// Takes a claim that was checked in the same transaction. A key is settled only by the conversation that reserved it.
    pub(super) fn take(&mut self, claim: Claim, conversation: &Arc<str>, now: Timestamp) {
        match claim {
            Claim::Message { .. } => {}
            Claim::Key { key, digest } => {
                let taken = Key { conversation: conversation.clone(), digest, applied: None, until: None };
                self.keys.take(key, taken, |k| !k.counts(now));
            }
            Claim::KeyApplied { key, recorded, until } => {
                if let Some(key) = self.keys.all.get_mut(&key).filter(|k| k.conversation == *conversation) {
                    key.applied = Some(serde_json::to_vec(&recorded).unwrap_or_default().into());
                    key.until = Some(until);
                }
            }
            Claim::KeyFreed { key } => {
                if self.keys.all.get(&key).is_some_and(|k| k.conversation == *conversation && k.applied.is_none()) {
                    self.keys.all.remove(&key);
                }
            }
            Claim::Rate { bucket, per_s, .. } => {
                let bucket = digest(&bucket);
                let before = self.rates.all.remove(&bucket).unwrap_or_default();
                self.rates.take(bucket, before.taken(now, per_s), |r| r.is_over(now));
            }
            Claim::RateCleared { bucket } => {
                self.rates.all.remove(&digest(&bucket));
            }
            Claim::Other { kind, key, until } => {
                let (name, taken) = ((kind.as_str().into(), key), Other { conversation: conversation.clone(), until });
                self.others.take(name, taken, |o| o.until.is_some_and(|until| until <= now));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::CallResult;
    use crate::value::{Name, Taint};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn recorded() -> Recorded {
        Recorded { result: CallResult::answered(200, serde_json::json!({})), outcome: None, taint: Taint::default() }
    }

    #[test]
    fn what_is_over_is_dropped_and_what_counts_stays() {
        let (mut ledger, one): (Ledger, Arc<str>) = (Ledger::default(), "one".into());
        let many = 100_i64;
        for n in 0..many {
            let key: Arc<str> = format!("k-{n}").into();
            let (rate, name) = (format!("r-{n}").into(), format!("n-{n}").into());
            let lasts = if n % 10 == 0 { 1_000 } else { 10 };
            for claim in [
                Claim::Key { key: key.clone(), digest: "d".into() },
                Claim::KeyApplied { key, recorded: recorded(), until: at(lasts) },
                Claim::Rate { bucket: rate, max: 1, per_s: lasts.unsigned_abs() },
                Claim::Other { kind: Name::new("started"), key: name, until: Some(at(lasts)) },
            ] {
                ledger.take(claim, &one, at(0));
            }
        }
        ledger.take(Claim::Key { key: "under way".into(), digest: "d".into() }, &one, at(0));
        let counts = |ledger: &Ledger| (ledger.keys.all.len(), ledger.rates.all.len(), ledger.others.all.len());
        assert_eq!(counts(&ledger), (101, 100, 100));
        for n in 0..many {
            let key: Arc<str> = format!("late-{n}").into();
            ledger.take(Claim::Key { key: key.clone(), digest: "d".into() }, &one, at(10));
            ledger.take(Claim::KeyFreed { key }, &one, at(10));
            ledger.take(Claim::Rate { bucket: "late".into(), max: 1, per_s: 1 }, &one, at(10));
            ledger.take(Claim::Other { kind: Name::new("started"), key: "late".into(), until: None }, &one, at(10));
        }
        assert_eq!(counts(&ledger), (10 + 1, 10 + 1, 10 + 1), "what lasts, and one more");
        for second in 10..1_000 {
            ledger.take(Claim::Rate { bucket: "late".into(), max: 1, per_s: 10 }, &one, at(second));
        }
        let stamps = &ledger.rates.all.get(&digest("late")).unwrap().stamps;
        assert!((10..=21).contains(&stamps.len()), "of one that is taken again and again: {}", stamps.len());
        let rate = |bucket: &str| Claim::Rate { bucket: bucket.into(), max: 1, per_s: 1_000 };
        assert!(ledger.refuse(&rate("r-10"), &one, at(10), 0).is_some(), "what counts stays");
        assert!(ledger.refuse(&rate("r-11"), &one, at(10), 0).is_none());
        let asked = ledger.refuse(&Claim::Key { key: "k-50".into(), digest: "d".into() }, &one, at(10), 0).unwrap();
        assert_eq!((&*asked.reason, asked.recorded), ("applied", Some(recorded())), "with what came of it");
    }
}
