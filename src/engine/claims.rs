//! What a call takes from the store beside its events: a token of its rate, and the idempotency key that its author wrote.
//!
//! Whether they can be had, the machine learns by handling the input again: [`super::effect::Refused`].

use std::sync::Arc;

use super::effect::{CallResult, Claim, Recorded};
use super::recall::known_by;
use super::redact::of_result;
use super::scope::View;
use super::state::Flight;
use super::turn::{Turn, later};
use crate::expr::{Read, Scope};
use crate::model::Action;
use crate::model::action::{Effects, RateScope};
use crate::supervise::{KeyStanding, RateStanding};
use crate::template::Undefined;
use crate::value::{Json, Value};

/// Tries of a verification count for so many seconds.
const TRIES_FOR_S: u64 = 3_600;

/// What a call takes, and whether it can have it.
pub(super) struct Taking {
    pub rate: Option<Claim>,
    pub key: Option<Claim>,
    pub rate_stands: RateStanding,
    pub key_stands: KeyStanding,
    /// What came of the request under this key before.
    pub recorded: Option<Recorded>,
}

/// A key, and a digest of what it is made of.
pub(super) type AuthorsKey = (Arc<str>, Arc<str>);

impl Turn<'_> {
    /// What a call takes. `key` is what it must reserve: nothing, if it has it already.
    pub fn taking(&self, action: &Action, key: Option<Claim>) -> Taking {
        let rate = self.rate(action);
        let rate_stands = match rate.as_ref().and_then(|c| self.refusal(c)) {
            Some(refused) => RateStanding::Full { retry_at: refused.retry_at },
            None => RateStanding::Free,
        };
        let refused = key.as_ref().and_then(|c| self.refusal(c));
        let recorded = refused.and_then(|r| r.recorded.clone());
        let key_stands = match refused.map(|r| &*r.reason) {
            None => KeyStanding::Free,
            Some("other_inputs") => KeyStanding::OtherInputs,
            // Done, and what was answered is sealed with a key that is gone: neither sent again nor told.
            Some(_) if recorded.is_none() => KeyStanding::Busy,
            Some(_) => KeyStanding::Applied,
        };
        Taking { rate, key, rate_stands, key_stands, recorded }
    }

    /// Takes it, with what is allowed.
    pub fn claim(&mut self, taking: Taking) {
        self.claims.extend(taking.rate);
        self.claims.extend(taking.key);
    }

    fn rate(&self, action: &Action) -> Option<Claim> {
        let limit = action.safety.rate_limit.as_ref()?;
        let open = self.state.opened.as_deref();
        let (scope, of) = match limit.scope {
            RateScope::User => ("user", self.state.identity.as_ref().map(|i| &*i.subject).or(open.map(|o| &*o.user_id)).unwrap_or("")),
            RateScope::Conversation => ("conversation", open.map_or("", |o| &*o.conversation)),
            RateScope::Action => ("action", ""),
        };
        let bucket = self.bucket(&["rate", &action.id.to_string(), scope, of]);
        Some(Claim::Rate { bucket, max: limit.max, per_s: limit.per_s })
    }

    /// What is counted, without what it is made of.
    fn bucket(&self, parts: &[&str]) -> Arc<str> {
        let parts: Vec<&[u8]> = parts.iter().map(|p| p.as_bytes()).collect();
        self.machine.keys.digest(&parts).into()
    }

    /// The key that the author wrote for a write, if there is one: HMAC over tenant, action, subject and what the template comes to.
    /// With a digest of what it is made of, as far as that may be shown. `Err`: something that it is made of has no value.
    pub fn authors_key(&self, action: &Action, view: &View<'_>) -> Result<Option<AuthorsKey>, String> {
        let Some(template) = action.safety.idempotency_key.as_ref().filter(|_| action.effects == Effects::Write) else {
            return Ok(None);
        };
        if let Some(read) = template.reads().iter().find(|r| is_vacant(r, view)) {
            let path = std::iter::once(read.root.dollar()).chain(read.keys.iter().map(|k| &**k));
            let path = path.collect::<Vec<_>>().join(".");
            return Err(format!("`{path}` has no value, and the idempotency key is made of it"));
        }
        let text = template.render(view, Undefined::Error).map_err(|e| format!("the idempotency key failed: {}", e.message))?.text;
        if text.trim().is_empty() {
            return Err("the idempotency key is empty".into());
        }
        let tenant = self.state.opened.as_ref().map_or("", |o| &*o.tenant);
        let subject = self.state.identity.as_ref().map_or("", |i| &*i.subject);
        let parts = [tenant, &action.id.to_string(), subject, "key", &text];
        let key = self.machine.keys.idempotency_key(&parts.map(str::as_bytes));
        let of = if self.is_sensitive(template.reads(), view) { ["written", &*template.text().value] } else { ["made", &*text] };
        Ok(Some((key.into(), known_by("key", &of).into())))
    }

    /// The request of a key was done: from now on its answer is given to whoever asks for the same.
    pub fn key_applied(&mut self, action: &Action, key: Arc<str>, result: CallResult, outcome: Option<Arc<str>>) {
        let until = later(self.at, action.safety.idempotency_ttl_s.saturating_mul(1_000));
        self.claims.push(Claim::KeyApplied { key, recorded: Recorded { taint: of_result(Some(action), &result), result, outcome }, until });
    }

    /// Frees the key of a write that was under way before this turn, is not any more, and was not done.
    pub fn free_key(&mut self, before: Option<&Arc<Flight>>) {
        let Some(write) = before.map(|f| f.settles.as_ref().unwrap_or(f)).filter(|f| f.reserves && f.attempt > 0) else { return };
        let same = |f: &Arc<Flight>| f.digest == write.digest;
        let goes_on = self.state.flight.as_ref().is_some_and(|f| same(f) || f.settles.as_ref().is_some_and(same));
        let doubtful = write.digest.as_ref().and_then(|d| self.state.writes.get(d)).is_some_and(|w| w.doubt.is_some());
        let Some(key) = write.request.idempotency_key.clone() else { return };
        let applied = self.claims.iter().any(|c| matches!(c, Claim::KeyApplied { key: k, .. } if *k == key));
        if !goes_on && !doubtful && !applied {
            self.claims.push(Claim::KeyFreed { key });
        }
    }

    /// Counts a try to be verified, across all conversations of the tenant: by each input that does not have to be kept secret, for who
    /// guesses changes the secret and keeps the rest. `false` if there were too many.
    pub fn count_try(&mut self, action: &Action, inputs: &Value, max: u32) -> bool {
        let buckets = self.tried(action, inputs).into_iter();
        let claims: Vec<Claim> = buckets.map(|bucket| Claim::Rate { bucket, max, per_s: TRIES_FOR_S }).collect();
        let free = claims.iter().all(|c| self.refusal(c).is_none());
        if free {
            self.claims.extend(claims);
        }
        free
    }

    /// Somebody was verified with these inputs: what they tried before does not count against them.
    pub fn clear_tries(&mut self, action: &Action, inputs: &Value) {
        let buckets = self.tried(action, inputs).into_iter();
        self.claims.extend(buckets.map(|bucket| Claim::RateCleared { bucket }));
    }

    fn tried(&self, action: &Action, inputs: &Value) -> Vec<Arc<str>> {
        let Some(map) = inputs.json.as_object() else { return Vec::new() };
        let secret = |name: &str| !inputs.taint.member(Some(name)).is_clean();
        let all_secret = map.keys().all(|name| secret(name));
        let counted = map.iter().filter(|(name, json)| (all_secret || !secret(name)) && !json.is_null());
        let id = action.id.to_string();
        counted.map(|(name, json)| self.bucket(&["verify", &id, name, &crate::value::display(json)])).collect()
    }
}

/// Whether a key would lack something there.
fn is_vacant(read: &Read, view: &View<'_>) -> bool {
    let Some((first, rest)) = read.keys.split_first() else {
        return view.whole(read.root).is_none_or(|v| is_empty(&v.json));
    };
    let found = view.member(read.root, first).and_then(|n| rest.iter().try_fold(n.json, |json, key| json.get(&**key)));
    found.is_none_or(is_empty)
}

fn is_empty(json: &Json) -> bool {
    match json {
        Json::Null => true,
        Json::String(text) => text.trim().is_empty(),
        Json::Array(items) => items.is_empty(),
        Json::Object(map) => map.is_empty(),
        Json::Bool(_) | Json::Number(_) => false,
    }
}
