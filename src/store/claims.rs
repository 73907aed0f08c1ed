//! What one conversation cannot know, in memory: keys, rates and leases of one tenant.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::engine::{Claim, effect::EffectId};

/// Why a claim was refused, and when it may be had again.
pub(super) struct Refused {
    pub(super) reason: &'static str,
    pub(super) retry_at: Option<Timestamp>,
}

impl Refused {
    fn new(reason: &'static str) -> Self {
        Self { reason, retry_at: None }
    }
}

/// The claims of one tenant, but for message ids, which stand with their conversation.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    keys: BTreeMap<Arc<str>, (Arc<str>, Arc<str>)>,
    rates: BTreeMap<Arc<str>, VecDeque<Timestamp>>,
    leases: BTreeMap<(Arc<str>, EffectId), (Arc<str>, Timestamp)>,
    others: BTreeMap<(Arc<str>, Arc<str>), Arc<str>>,
}

impl Ledger {
    /// Whether a conversation can have a claim; `taken` are those of the same rate that this transaction asks for before it.
    pub(super) fn check(&self, claim: &Claim, conversation: &str, process: &str, now: Timestamp, taken: usize) -> Result<(), Refused> {
        match claim {
            Claim::Message { .. } => Ok(()),
            Claim::Key { key, digest } => match self.keys.get(key) {
                Some((_, other)) if other != digest => Err(Refused::new("other_inputs")),
                Some((holder, _)) if &**holder != conversation => Err(Refused::new("busy")),
                _ => Ok(()),
            },
            Claim::Rate { bucket, max, per_s } => {
                let since = window_start(now, *per_s);
                let stamps = self.rates.get(bucket).into_iter().flatten().filter(|t| **t > since);
                let used = stamps.clone().count() + taken;
                let Some(over) = used.checked_sub(*max as usize) else { return Ok(()) };
                // There is room again when this one, the last of those that are too many, has left the window.
                let retry_at = stamps.clone().nth(over).map(|t| plus(*t, *per_s));
                Err(Refused { reason: "rate_limited", retry_at })
            }
            Claim::Lease { effect, .. } => match self.leases.get(&(conversation.into(), effect.clone())) {
                Some((holder, until)) if &**holder != process && *until >= now => Err(Refused { reason: "busy", retry_at: Some(*until) }),
                _ => Ok(()),
            },
            Claim::Other { kind, key } => match self.others.get(&(kind.as_str().into(), key.clone())) {
                Some(holder) if &**holder != conversation => Err(Refused::new("used")),
                _ => Ok(()),
            },
        }
    }

    /// Takes a claim that was checked in the same transaction.
    pub(super) fn take(&mut self, claim: Claim, conversation: &Arc<str>, process: &Arc<str>, now: Timestamp) {
        match claim {
            Claim::Message { .. } => {}
            Claim::Key { key, digest } => {
                self.keys.insert(key, (conversation.clone(), digest));
            }
            Claim::Rate { bucket, per_s, .. } => {
                let stamps = self.rates.entry(bucket).or_default();
                let since = window_start(now, per_s);
                while stamps.front().is_some_and(|t| *t <= since) {
                    stamps.pop_front();
                }
                stamps.push_back(now);
            }
            Claim::Lease { effect, until } => {
                self.leases.retain(|_, (_, until)| *until >= now);
                self.leases.insert((conversation.clone(), effect), (process.clone(), until));
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
