//! The state of a conversation: nothing but the fold of its events. Its parts are shared, so that a copy costs little.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::answer::{AnswerOption, Status};
use super::case::Case;
use super::effect::{CallResult, EffectId, Request};
use super::event::{Draft, Escalated, Held, HoldEnd, Picked, Purpose, Queued};
use super::execution::{Attempt, Wanted};
use super::input::Open;
use super::recent::Recent;
use crate::model::provider::DISCOVER;
use crate::model::{ActionId, ContentHash, Offered, StepKey};
use crate::supervise::{Approved, Grant, Identity, Ownership, Question, Source, Variables};
use crate::value::{Json, Name, Shared, Slug, Taint, Value};

/// A conversation's state.
#[derive(Debug, Clone, PartialEq, Default, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct State {
    /// How many events it is made of.
    pub version: u64,
    /// How many turns it had.
    pub turn: u64,
    /// The version at which it last moved, and the one before the present turn: what is refused moves nothing.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) moved: u64,
    #[serde(skip_serializing_if = "is_default")]
    pub(super) moved_before: u64,
    /// The version at which the present turn began.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) turn_began: u64,
    /// When somebody last did something.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) last_at: Timestamp,
    /// How it was opened.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) opened: Option<Arc<Open>>,
    /// Its status.
    pub(super) status: Status,
    /// Runs that have not ended; the last is on top.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) runs: Vec<Arc<Run>>,
    /// How many runs there were.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) begun: u32,
    /// The last run that ended: its journey and outcome, and the turn.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) last: Option<(Name, Arc<str>, u64)>,
    /// Who was verified. The subject is the conversation's for good.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) identity: Option<Arc<Identity>>,
    /// Tries of a verification.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) tries: u32,
    /// Ids of the messages and commands taken in: an older one that comes again is refused by its claim.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) ids: Recent<256>,
    /// What the user said, for verifications that want the user's own word.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) heard: Recent<64>,
    /// Messages that wait for an action in flight.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) queue: Vec<Arc<Queued>>,
    /// The action in flight, or waiting to be tried again.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) flight: Option<Arc<Flight>>,
    /// Writes that were sent, by the digest of their request.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) writes: Arc<BTreeMap<Arc<str>, Write>>,
    /// Instant steps since somebody was waited for.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) instant: u32,
    /// What was offered when no journey was near enough.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) offered: Vec<AnswerOption>,
    /// Where it went, if it went to a person.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) escalation: Option<Arc<Escalated>>,
    /// Whether an operator has it without an escalation.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) taken: bool,
    /// The last thing that should not be.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) fault: Option<Arc<str>>,
    /// Whether anything sensitive was ever in it.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) sensitive: bool,
    /// Variables that no key opens, each with its run.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) lost: BTreeSet<(u32, Name)>,
    /// When `$user` was last assigned; 0: never since it was opened.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) user: u64,
    /// The case.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) case: Option<Arc<Case>>,
    /// What each provider offered last.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) offers: Arc<BTreeMap<Name, Arc<Offers>>>,
    /// What providers were asked and have not answered.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) errands: Arc<BTreeMap<EffectId, Arc<Errand>>>,
    /// The operator who brought the present turn on the user's behalf.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) acting: Option<Arc<str>>,
    /// The version of the workspace that the last turn was handled by.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) workspace: Option<ContentHash>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// A run of a journey.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub(super) struct Run {
    /// Its number in the conversation.
    pub id: u32,
    /// Its journey.
    pub journey: Name,
    /// The version that it is pinned to.
    pub hash: ContentHash,
    /// Whether the run below called it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub called: bool,
    /// The step at which it stands.
    #[serde(default, skip_serializing_if = "is_default")]
    pub at: Option<StepKey>,
    /// Its variables.
    #[serde(default, skip_serializing_if = "is_default")]
    pub variables: Arc<Variables>,
    /// The name of the last matched outcome.
    #[serde(default, skip_serializing_if = "is_default")]
    pub outcome: Option<Arc<str>>,
    /// Which collect last asked for a field, and when it was entered.
    #[serde(default, skip_serializing_if = "Shared::is_empty")]
    pub asked: Shared<Name, (StepKey, u64)>,
    /// Optional fields that were asked for, and by which collect: once is enough, unless a `goto` comes there again.
    #[serde(default, skip_serializing_if = "is_default")]
    pub offered: Arc<BTreeMap<Name, StepKey>>,
    /// Yeses, the newest last.
    #[serde(default, skip_serializing_if = "is_default")]
    pub grants: Vec<Arc<Grant>>,
    /// What started writes have read.
    #[serde(default, skip_serializing_if = "is_default")]
    pub locked: Arc<BTreeSet<Name>>,
    /// Whether it, or a run that it called, started a write.
    #[serde(default, skip_serializing_if = "is_default")]
    pub wrote: bool,
    /// The operators who moved it on the user's behalf.
    #[serde(default, skip_serializing_if = "is_default")]
    pub helpers: Vec<Arc<str>>,
    /// Whether it waits for a message after its `done`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub paused: bool,
    /// How it stands at its step.
    #[serde(default, skip_serializing_if = "is_default")]
    pub stand: Stand,
}

/// How a run stands at its step. Begins anew at every step.
#[derive(Debug, Clone, PartialEq, Default, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub(super) struct Stand {
    /// The version at which it came there.
    pub entered: u64,
    /// The fields that are asked for.
    #[serde(skip_serializing_if = "is_default")]
    pub asked: Vec<Name>,
    /// Optional fields that were asked for since.
    #[serde(skip_serializing_if = "is_default")]
    pub optional: Vec<Name>,
    /// Attempts that failed.
    #[serde(skip_serializing_if = "is_default")]
    pub missed: u32,
    /// Options from elsewhere.
    #[serde(skip_serializing_if = "is_default")]
    pub options: Vec<AnswerOption>,
    /// Whether it waits for somebody.
    #[serde(skip_serializing_if = "is_default")]
    pub waits: bool,
    /// The question of a confirm.
    #[serde(skip_serializing_if = "is_default")]
    pub question: Option<Arc<Question>>,
    /// The instruction of a guide.
    #[serde(skip_serializing_if = "is_default")]
    pub index: u32,
    /// Until when an investigation may go on.
    #[serde(skip_serializing_if = "is_default")]
    pub until: Option<Timestamp>,
    /// Reads that an investigation made; elements that an `each` is past.
    #[serde(skip_serializing_if = "is_default")]
    pub calls: u32,
    /// The results of an `each` so far.
    #[serde(skip_serializing_if = "is_default")]
    pub each: Vec<Value>,
    /// Whether the identity journey was run for this action.
    #[serde(skip_serializing_if = "is_default")]
    pub identified: bool,
    /// The action that waits for an approval.
    #[serde(skip_serializing_if = "is_default")]
    pub hold: Option<Arc<Hold>>,
    /// The action of a provider that was picked.
    #[serde(skip_serializing_if = "is_default")]
    pub picked: Option<Arc<Picked>>,
    /// What it waits for of a provider.
    #[serde(skip_serializing_if = "is_default")]
    pub errand: Option<EffectId>,
}

/// What a provider offered last.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub(super) struct Offers {
    /// When.
    pub at: Timestamp,
    /// Keyed digest of what it was told.
    pub context: Arc<str>,
    /// What it offers.
    pub actions: Vec<Offered>,
    /// Why some of it was left out.
    #[serde(default, skip_serializing_if = "is_default")]
    pub left_out: Vec<Arc<str>>,
    /// Why it offers nothing, if it did not answer.
    #[serde(default, skip_serializing_if = "is_default")]
    pub failed: Option<(Arc<str>, Arc<str>)>,
}

/// Something that a provider was asked.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "errand", rename_all = "snake_case")]
pub(super) enum Errand {
    /// What it offers.
    Discover {
        /// Which.
        provider: Name,
        /// Until when it is waited for.
        until: Timestamp,
        /// Keyed digest of what it was told.
        context: Arc<str>,
        /// What is decided on with its answer.
        then: Option<Wanted>,
        /// Whether the run on top waits for it.
        waits: bool,
    },
    /// To run one of its actions.
    Execute {
        /// Which.
        provider: Name,
        /// Until when it is waited for.
        until: Timestamp,
        /// The attempt.
        attempt: Box<Attempt>,
        /// By which the same is known again.
        digest: Arc<str>,
        /// Whether the run on top waits for it.
        waits: bool,
    },
}

impl Errand {
    pub(super) fn until(&self) -> Timestamp {
        match self {
            Self::Discover { until, .. } | Self::Execute { until, .. } => *until,
        }
    }

    pub(super) fn action(&self) -> ActionId {
        let of = |provider: &str, action: &str| ActionId { integration: Slug::new(provider), action: Slug::new(action) };
        match self {
            Self::Discover { provider, .. } => of(provider.as_str(), DISCOVER),
            Self::Execute { attempt, .. } => {
                attempt.action.split_once('.').map_or_else(|| of("", ""), |(provider, action)| of(provider, action))
            }
        }
    }
}

/// An action of a run that waits for an approval, or was decided on while the run was not on top.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub(super) struct Hold {
    /// What was held.
    pub held: Held,
    /// When.
    pub at: Timestamp,
    /// How it was decided, and by whom.
    #[serde(default, skip_serializing_if = "is_default")]
    pub decided: Option<(HoldEnd, Arc<str>)>,
    /// Whether no key opens it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub lost: bool,
}

/// An action in flight.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub(super) struct Flight {
    /// Which.
    pub action: ActionId,
    /// What for.
    #[serde(default, skip_serializing_if = "is_default")]
    pub purpose: Purpose,
    /// The run that wants it.
    pub run: u32,
    /// The effect; none before it started.
    #[serde(default, skip_serializing_if = "is_default")]
    pub effect: Option<EffectId>,
    /// The frozen request.
    pub request: Arc<Request>,
    /// The inputs.
    pub inputs: Value,
    /// What it read.
    #[serde(default, skip_serializing_if = "<[Source]>::is_empty")]
    pub sources: Arc<[Source]>,
    /// Of a write.
    #[serde(default, skip_serializing_if = "is_default")]
    pub digest: Option<Arc<str>>,
    /// Whether its idempotency key is an author's, and taken for this request alone.
    #[serde(default, skip_serializing_if = "is_default")]
    pub reserves: bool,
    /// The attempt under way, from 1; 0 while it waits for its key.
    #[serde(default, skip_serializing_if = "is_default")]
    pub attempt: u32,
    /// How many of its attempts were left by a sender that was gone before their end was known.
    #[serde(default, skip_serializing_if = "is_default")]
    pub gone: u32,
    /// Until when it is waited for.
    #[serde(default, skip_serializing_if = "is_default")]
    pub until: Timestamp,
    /// When the first attempt began, or the wait for its key.
    #[serde(default, skip_serializing_if = "is_default")]
    pub began: Timestamp,
    /// When it is tried again, or its doubt looked into.
    #[serde(default, skip_serializing_if = "is_default")]
    pub retry_at: Option<Timestamp>,
    /// Whether what comes next is the read that settles its doubt.
    #[serde(default, skip_serializing_if = "is_default")]
    pub reconcile: bool,
    /// What came of it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub result: Option<Arc<CallResult>>,
    /// What of the answer's body is sensitive.
    #[serde(default, skip_serializing_if = "is_default")]
    pub taint: Taint,
    /// Whether no key opens what it sends, or what it was answered.
    #[serde(default, skip_serializing_if = "is_default")]
    pub lost: bool,
    /// The write whose doubt this read settles.
    #[serde(default, skip_serializing_if = "is_default")]
    pub settles: Option<Arc<Flight>>,
    /// What the reads told whose it is.
    #[serde(default, skip_serializing_if = "is_default")]
    pub owners: Vec<Ownership>,
    /// The approval that it was given.
    #[serde(default, skip_serializing_if = "is_default")]
    pub approved: Option<Approved>,
    /// What waits for this read to tell whose it is.
    #[serde(default, skip_serializing_if = "is_default")]
    pub draft: Option<Arc<Draft>>,
}

impl Flight {
    /// Senders that may be gone, one after another, before one of them counts as a try: a request must not take them along for ever.
    pub const GONE: u32 = 3;

    /// The attempts that count as tries: not those of senders that were gone, for nobody knows what they came to.
    pub fn tries(&self) -> u32 {
        self.attempt.saturating_sub(self.gone.min(Self::GONE))
    }
}

/// A write that was sent, by the digest of its request.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub(super) struct Write {
    /// Which action.
    pub action: Option<ActionId>,
    /// Definite answers so far: the next one has another key.
    pub n: u32,
    /// The effect of which nobody knows what came.
    #[serde(default, skip_serializing_if = "is_default")]
    pub doubt: Option<EffectId>,
    /// The idempotency key that is taken for it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub key: Option<Arc<str>>,
}

/// What is pending: an action that started and has no result, or that is to be tried again. Only a new decision sends anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// The effect, once it started.
    pub effect: Option<EffectId>,
    /// Which action.
    pub action: ActionId,
    /// Until when its sender may be waited for.
    pub until: Timestamp,
    /// When it is to be tried again.
    pub retry_at: Option<Timestamp>,
}

/// What a conversation waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    place: Option<(Name, Option<StepKey>)>,
    asked: Vec<Name>,
    options: Vec<Arc<str>>,
    shown: Option<Vec<Arc<[Arc<str>]>>>,
    question: Option<Arc<str>>,
    /// The action of a provider that was picked, and what is asked for it.
    picked: Option<(Arc<str>, Option<Arc<str>>)>,
    index: u32,
    waits: bool,
    working: bool,
    held: bool,
    status: Status,
}

impl State {
    /// The version at which it last moved: later ones only record what was refused.
    #[must_use]
    pub fn moved(&self) -> u64 {
        self.moved
    }

    /// Whether a turn was taken in under that id.
    #[must_use]
    pub fn has_taken(&self, id: &Arc<str>) -> bool {
        self.ids.contains(id)
    }

    /// Its status.
    #[must_use]
    pub fn status(&self) -> Status {
        self.status
    }

    /// How it was opened.
    #[must_use]
    pub fn opened(&self) -> Option<&Arc<Open>> {
        self.opened.as_ref()
    }

    /// The versions of journeys that its runs are pinned to.
    pub fn pinned(&self) -> impl Iterator<Item = &ContentHash> {
        self.runs.iter().map(|r| &r.hash)
    }

    /// The journeys under way, the top one last.
    pub fn journeys(&self) -> impl Iterator<Item = &Name> {
        self.runs.iter().map(|r| &r.journey)
    }

    /// The variables of the top run, or of none.
    pub fn variables(&self) -> impl Iterator<Item = (&Name, &Value)> {
        self.runs.last().into_iter().flat_map(|r| r.variables.set.iter().map(|(n, v)| (n, &v.value)))
    }

    /// The journey of the top run, and the step at which it stands.
    #[must_use]
    pub fn place(&self) -> Option<(&Name, Option<&StepKey>)> {
        self.runs.last().map(|r| (&r.journey, r.at.as_ref()))
    }

    /// What it waits for: an answer that is given there is one to this, and to nothing else.
    #[must_use]
    pub fn standing(&self) -> Standing {
        let run = self.runs.last();
        let stand = run.map(|r| &r.stand);
        let options = stand.map_or(&self.offered, |s| &s.options);
        Standing {
            place: run.map(|r| (r.journey.clone(), r.at.clone())),
            asked: stand.map(|s| s.asked.clone()).unwrap_or_default(),
            options: options.iter().map(|o| o.id.clone()).collect(),
            shown: stand.and_then(|s| s.question.as_ref()).map(|q| q.shown.iter().map(|s| s.path.clone()).collect()),
            question: stand.and_then(|s| s.question.as_ref()).map(|q| q.redacted.as_ref().unwrap_or(&q.text).clone()),
            picked: stand.and_then(|s| s.picked.as_ref()).map(|p| (p.offered.id.clone(), p.asks.clone())),
            index: stand.map_or(0, |s| s.index),
            waits: stand.is_some_and(|s| s.waits),
            working: self.is_busy(),
            held: stand.is_some_and(|s| s.hold.is_some()),
            status: self.status,
        }
    }

    /// Who was verified last.
    #[must_use]
    pub fn identity(&self) -> Option<&Identity> {
        self.identity.as_deref()
    }

    /// Where it went, if it went to a person.
    #[must_use]
    pub fn escalation(&self) -> Option<&Escalated> {
        self.escalation.as_deref()
    }

    /// What is left of it once nobody can come back: enough to say so. Variables, answers, grants and what was heard are gone.
    #[must_use]
    pub fn remains(&self) -> Self {
        Self {
            version: self.version,
            turn: self.turn,
            moved: self.moved,
            last_at: self.last_at,
            opened: self.opened.as_ref().map(|o| Arc::new(Open { user: Arc::default(), ..(**o).clone() })),
            status: self.status,
            begun: self.begun,
            last: self.last.clone(),
            escalation: self.escalation.as_ref().map(|e| Arc::new(Escalated { include: Vec::new(), ..(**e).clone() })),
            ..Self::default()
        }
    }

    /// Whether anything sensitive was ever in it.
    #[must_use]
    pub fn is_sensitive(&self) -> bool {
        self.sensitive
    }

    /// Whether something that it needs was sealed with a key that is gone.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        let held = self.runs.iter().any(|r| r.stand.hold.as_ref().is_some_and(|h| h.lost));
        held || !self.lost.is_empty() || self.flight.as_ref().is_some_and(|f| f.lost || f.settles.as_ref().is_some_and(|w| w.lost))
    }

    /// What is in flight or to be tried again.
    pub fn pending(&self) -> impl Iterator<Item = Pending> {
        let flight = self.flight.iter();
        let flight = flight.map(|f| Pending { effect: f.effect.clone(), action: f.action.clone(), until: f.until, retry_at: f.retry_at });
        let errand = |(id, errand): (&EffectId, &Arc<Errand>)| Pending {
            effect: Some(id.clone()),
            action: errand.action(),
            until: errand.until(),
            retry_at: None,
        };
        flight.chain(self.errands.iter().map(errand))
    }

    /// Whether the run on top waits for an action, or for a provider.
    pub(super) fn is_busy(&self) -> bool {
        self.flight.is_some() || self.top().is_some_and(|r| r.stand.errand.is_some())
    }

    /// The case.
    #[must_use]
    pub fn case(&self) -> Option<&Case> {
        self.case.as_deref()
    }

    /// The actions that wait for an approval, the one on top last.
    pub fn holds(&self) -> impl DoubleEndedIterator<Item = &Held> {
        self.runs.iter().filter_map(|r| r.stand.hold.as_ref()).filter(|h| h.decided.is_none()).map(|h| &h.held)
    }

    pub(super) fn top(&self) -> Option<&Arc<Run>> {
        self.runs.last()
    }
}

/// `json` cut to `fields`, if it is a map and there are any.
pub(super) fn cut(json: &Arc<Json>, fields: &[Arc<str>]) -> Arc<Json> {
    match &**json {
        Json::Object(map) if !fields.is_empty() => {
            let kept = fields.iter().filter_map(|f| map.get(&**f).map(|v| (f.to_string(), v.clone())));
            Arc::new(Json::Object(kept.collect()))
        }
        _ => json.clone(),
    }
}
