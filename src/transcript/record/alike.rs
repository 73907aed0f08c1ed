//! Whether what happened is what was recorded: event by event, and where not, in which field.
//!
//! What an installation's own keys made is another thing each time: digests and keys are alike if one always stands for the same other.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::file::redacted;
use crate::engine::answer::AnswerOption;
use crate::engine::event::Draft;
use crate::engine::{Event, EventBody, Request};
use crate::value::Json;

/// What is recorded and what happened, where they are not the same.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Difference {
    /// The turn, from 1; 0: the opening.
    pub turn: usize,
    /// The journey and the step at which the conversation stood.
    pub step: Arc<str>,
    /// The event and the path of the field in it.
    pub field: String,
    /// What was recorded.
    pub old: Json,
    /// What happened.
    pub new: Json,
}

/// What was found to stand for what.
#[derive(Debug, Default)]
pub(super) struct Alike {
    /// Whether it is another version of the workspace, whose hashes are others.
    other_version: bool,
    keyed: BTreeMap<Arc<str>, Arc<str>>,
    back: BTreeMap<Arc<str>, Arc<str>>,
}

/// How two lists of events compare.
#[derive(Debug)]
pub(super) enum Compared {
    /// They are the same.
    Same,
    /// Only what is said, or why, is worded otherwise.
    Text(Box<Found>),
    /// Something else happened.
    Path(Box<Found>),
}

/// The first difference: of which event, where in it, and what it is on both sides.
#[derive(Debug)]
pub(super) struct Found {
    pub field: String,
    pub old: Json,
    pub new: Json,
}

impl Alike {
    /// Compares with what another version of the workspace does.
    pub fn with_another_version() -> Self {
        Self { other_version: true, ..Self::default() }
    }

    /// Compares what was recorded with what happened.
    pub fn compare(&mut self, old: &[Event], new: &[Event]) -> Compared {
        let mut text = None;
        for (at, before) in old.iter().enumerate() {
            let Some(after) = new.get(at) else {
                return Compared::Path(Box::new(Found { field: "event".into(), old: kind(before), new: Json::Null }));
            };
            if before == after {
                continue;
            }
            let after = redacted(after);
            if let Some(found) = self.event(before, after) {
                match found {
                    (found, true) => text = text.or(Some(found)),
                    (found, false) => return Compared::Path(Box::new(found)),
                }
            }
        }
        match (new.get(old.len()), text) {
            (Some(more), _) => Compared::Path(Box::new(Found { field: "event".into(), old: Json::Null, new: kind(more) })),
            (None, Some(text)) => Compared::Text(Box::new(text)),
            (None, None) => Compared::Same,
        }
    }

    /// The first difference, and whether it is one of words alone.
    fn event(&mut self, old: &Event, mut new: Event) -> Option<(Found, bool)> {
        self.align(&old.body, &mut new.body);
        if *old == new {
            return None;
        }
        let words = {
            let mut reworded = new.clone();
            reword(&old.body, &mut reworded.body);
            *old == reworded
        };
        let json = |event: &Event| serde_json::to_value(event).unwrap_or_default();
        let (old, new) = (json(old), json(&new));
        if old.get("type") != new.get("type") {
            let of = |json: &Json| json.get("type").cloned().unwrap_or_default();
            return Some((Found { field: "event".into(), old: of(&old), new: of(&new) }, false));
        }
        let mut path = old.get("type").and_then(Json::as_str).unwrap_or("event").to_owned();
        let (old, new) = first_difference(&old, &new, &mut path);
        Some((Found { field: path, old, new }, words))
    }

    /// Whether one digest stands for the other, as it did before.
    fn stands_for(&mut self, old: &Arc<str>, new: &Arc<str>) -> bool {
        match (self.keyed.get(old), self.back.get(new)) {
            (Some(n), Some(o)) => n == new && o == old,
            (None, None) => {
                self.keyed.insert(old.clone(), new.clone());
                self.back.insert(new.clone(), old.clone());
                true
            }
            _ => false,
        }
    }

    fn digest(&mut self, old: &Arc<str>, new: &mut Arc<str>) {
        if old != new && self.stands_for(old, new) {
            new.clone_from(old);
        }
    }

    fn optional(&mut self, old: Option<&Arc<str>>, new: Option<&mut Arc<str>>) {
        if let (Some(old), Some(new)) = (old, new) {
            self.digest(old, new);
        }
    }

    /// The keys of a request; of one that is hidden they say nothing, for what they were made of is not here.
    fn request(&mut self, old: &Request, new: &mut Arc<Request>, old_digest: Option<&Arc<str>>, new_digest: &mut Option<Arc<str>>) {
        let hidden = old.sensitive && new.sensitive;
        if hidden && old_digest.is_some() == new_digest.is_some() {
            *new_digest = old_digest.cloned();
        }
        self.optional(old_digest, new_digest.as_mut());
        if old.idempotency_key != new.idempotency_key && old.idempotency_key.is_some() == new.idempotency_key.is_some() {
            let new = Arc::make_mut(new);
            if hidden {
                new.idempotency_key.clone_from(&old.idempotency_key);
            }
            self.optional(old.idempotency_key.as_ref(), new.idempotency_key.as_mut());
        }
    }

    fn draft(&mut self, old: &Draft, new: &mut Draft) {
        self.request(&old.request, &mut new.request, old.digest.as_ref(), &mut new.digest);
        new.key_of = new.key_of.take().filter(|_| old.key_of.is_some());
    }

    /// Gives what happened the recorded names of what is the same thing under another name.
    fn align(&mut self, old: &EventBody, new: &mut EventBody) {
        match (old, new) {
            (EventBody::Turn(old), EventBody::Turn(new)) => {
                // Which words something hidden was said in, is told apart.
                let mut judged = std::mem::take(&mut new.brought.judged);
                judged.retain(|j| !j.is_of_words());
                judged.extend(old.brought.judged.iter().filter(|j| j.is_of_words()).cloned());
                new.brought = old.brought.clone();
                new.brought.judged = judged;
                // The sender's, and what became of it: what it says is compared where it matters.
                new.sensitive = old.sensitive;
            }
            // It was recorded before they were kept.
            (EventBody::Options { written: None, .. }, EventBody::Options { written, .. }) if !self.other_version => *written = None,
            (EventBody::Began(old), EventBody::Began(new)) if self.other_version => new.hash.clone_from(&old.hash),
            (EventBody::Granted { grant: old }, EventBody::Granted { grant: new }) if self.other_version => {
                new.version.clone_from(&old.version);
            }
            (EventBody::Question(old), EventBody::Question(new)) if old.text == new.text => {
                if new.redacted.is_some() {
                    new.digest.clone_from(&old.digest);
                }
                self.digest(&old.digest, &mut new.digest);
            }
            (EventBody::Decided(old), EventBody::Decided(new)) => {
                if let (Some(old_request), Some(new_request)) = (&old.request, &mut new.request) {
                    self.request(old_request, new_request, old.digest.as_ref(), &mut new.digest);
                } else {
                    self.optional(old.digest.as_ref(), new.digest.as_mut());
                }
                if let (Some(old), Some(new)) = (&old.draft, &mut new.draft) {
                    self.draft(old, Arc::make_mut(new));
                }
                // It was recorded before they were kept.
                new.way = new.way.take().filter(|_| old.way.is_some());
                new.key_of = new.key_of.take().filter(|_| old.key_of.is_some());
            }
            (EventBody::Held(old), EventBody::Held(new)) => self.draft(&old.draft, &mut new.draft),
            (EventBody::Settled { digest: old }, EventBody::Settled { digest: new }) => self.digest(old, new),
            (EventBody::Asking(old), EventBody::Asking(new)) => {
                self.digest(&old.context, &mut new.context);
                new.way = new.way.take().filter(|_| old.way.is_some());
                if let (Some(old), Some(new)) = (&old.then, &mut new.then) {
                    self.optional(old.shown.as_ref(), new.shown.as_mut());
                }
            }
            (EventBody::Discovered(old), EventBody::Discovered(new)) => self.digest(&old.context, &mut new.context),
            (EventBody::Executing(old), EventBody::Executing(new)) => {
                new.way = new.way.take().filter(|_| old.way.is_some());
                self.digest(&old.digest, &mut new.digest);
                self.digest(&old.attempt.execution, &mut new.attempt.execution);
            }
            (EventBody::Executed(old), EventBody::Executed(new)) => {
                self.digest(&old.digest, &mut new.digest);
                self.digest(&old.attempt.execution, &mut new.attempt.execution);
            }
            (EventBody::ActionFinished(old), EventBody::ActionFinished(new)) => {
                if let (Some(old), Some(new)) = (&old.told, &mut new.told)
                    && self.other_version
                {
                    new.by.clone_from(&old.by);
                }
            }
            _ => {}
        }
    }
}

/// Gives what happened the recorded words.
fn reword(old: &EventBody, new: &mut EventBody) {
    match (old, new) {
        (EventBody::Said { text: o, redacted: r }, EventBody::Said { text, redacted }) => {
            text.clone_from(o);
            redacted.clone_from(r);
        }
        (EventBody::Question(o), EventBody::Question(n)) => {
            (n.text, n.digest, n.redacted) = (o.text.clone(), o.digest.clone(), o.redacted.clone());
        }
        (EventBody::Offered { options: o }, EventBody::Offered { options: n }) => relabel(o, n),
        (EventBody::Options { options: o, written: w }, EventBody::Options { options: n, written: v }) => {
            relabel(o, n);
            relabel(w.as_deref().unwrap_or_default(), v.as_deref_mut().unwrap_or_default());
        }
        (EventBody::Failed { detail: o, .. }, EventBody::Failed { detail: n, .. }) => n.clone_from(o),
        (EventBody::Noted { text: o }, EventBody::Noted { text: n })
        | (EventBody::GrantsEnded { why: o, .. }, EventBody::GrantsEnded { why: n, .. }) => n.clone_from(o),
        (EventBody::Escalated(o), EventBody::Escalated(n)) if o.reason.is_some() == n.reason.is_some() => n.reason.clone_from(&o.reason),
        (EventBody::Decided(o), EventBody::Decided(n)) => {
            for (old, new) in o.verdict.reasons.iter().zip(&mut n.verdict.reasons) {
                new.text.clone_from(&old.text);
            }
        }
        (EventBody::Executing(o), EventBody::Executing(n)) => {
            for (old, new) in o.verdict.reasons.iter().zip(&mut n.verdict.reasons) {
                new.text.clone_from(&old.text);
            }
            if o.attempt.reason.is_some() == n.attempt.reason.is_some() {
                n.attempt.reason.clone_from(&o.attempt.reason);
            }
        }
        _ => {}
    }
}

fn relabel(old: &[AnswerOption], new: &mut [AnswerOption]) {
    for (old, new) in old.iter().zip(new) {
        new.label.clone_from(&old.label);
    }
}

fn kind(event: &Event) -> Json {
    let json = serde_json::to_value(event).unwrap_or_default();
    json.get("type").cloned().unwrap_or_default()
}

/// The first place where two values are not the same.
fn first_difference(old: &Json, new: &Json, path: &mut String) -> (Json, Json) {
    use std::fmt::Write as _;
    match (old, new) {
        (Json::Object(o), Json::Object(n)) => {
            let keys = o.keys().chain(n.keys().filter(|k| !o.contains_key(*k)));
            for key in keys {
                let (a, b) = (o.get(key).unwrap_or(&Json::Null), n.get(key).unwrap_or(&Json::Null));
                if a != b {
                    let _ = write!(path, ".{key}");
                    return first_difference(a, b, path);
                }
            }
            (Json::Null, Json::Null)
        }
        (Json::Array(o), Json::Array(n)) if o.len() == n.len() => {
            for (at, (a, b)) in o.iter().zip(n).enumerate() {
                if a != b {
                    let _ = write!(path, "[{at}]");
                    return first_difference(a, b, path);
                }
            }
            (Json::Null, Json::Null)
        }
        _ => (old.clone(), new.clone()),
    }
}
