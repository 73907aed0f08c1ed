//! What happened in a conversation: versioned, terse, and all that its state is made of.
//!
//! An answer from outside is kept once: the variables made of it say so ([`EventBody::Kept`]) and do not repeat it.
//!
//! Long because every kind of event stands here with all that it may hold: what is folded for ever has to be seen together.

use std::sync::Arc;

use jiff::Timestamp;

use super::answer::AnswerOption;
use super::case::Case;
use super::effect::{CallResult, EffectId, Recorded, Refused, Request};
use super::execution::{Attempt, Wanted};
use super::input::{Actor, Open};
use crate::model::action::ErrorKind;
use crate::model::step::Priority;
use crate::model::{ActionId, ContentHash, Offered, StepKey};
use crate::supervise::{Approved, Grant, Identity, Origin, Owner, Ownership, Question, Source, Verdict};
use crate::value::{Json, Name, Taint, Value};

/// The version of the form of events.
pub const VERSION: u16 = 1;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Event {
    /// The version of the event's form: [`VERSION`].
    pub v: u16,
    /// When, to the millisecond.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub at: Timestamp,
    /// What.
    #[serde(flatten)]
    pub body: EventBody,
}

/// What happened. Every event is small; large ones are boxed, so that a list of events is.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum EventBody {
    /// The conversation was opened.
    Opened(Box<Open>),
    /// A turn began.
    Turn(Box<TurnBegun>),
    /// A message came while an action was in flight, and waits.
    Queued(Box<Queued>),
    /// The message that waited longest is taken up.
    Dequeued,
    /// A message was taken for the wish to start a journey.
    Routed {
        /// Which.
        journey: Name,
        /// How alike, in thousandths.
        score: u32,
    },
    /// Nothing was near enough: what the agent can do was offered.
    Offered {
        /// The journeys, by slug.
        options: Vec<AnswerOption>,
    },
    /// A run began, on top of the others.
    Began(Box<Began>),
    /// The run came to a step.
    Entered {
        /// Which.
        step: StepKey,
        /// By what, if not in order: `outcome:shipped`, `error:timeout`, `goto`, …
        #[serde(default, skip_serializing_if = "Option::is_none")]
        via: Option<Arc<str>>,
    },
    /// Fields were asked for.
    Asked {
        /// Which.
        fields: Vec<Name>,
        /// Whether they may be left out.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        optional: bool,
    },
    /// Fields of a collect had values already.
    Skipped {
        /// Which.
        fields: Vec<Name>,
    },
    /// Options were put.
    Options {
        /// They, if they are not those written in the journey.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        options: Vec<AnswerOption>,
        /// Those that are, as they were shown.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        written: Option<Vec<AnswerOption>>,
    },
    /// An instruction of a guide was given.
    Instructed {
        /// From 0.
        index: u32,
    },
    /// An investigation may begin.
    Investigating {
        /// Until when.
        #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
        until: Timestamp,
    },
    /// A field got a value.
    Filled(Box<Filled>),
    /// An attempt to answer what is asked failed.
    Missed,
    /// A variable was assigned.
    Set(Box<Assigned>),
    /// A variable was unset.
    Unset {
        /// Which.
        name: Name,
    },
    /// A variable took the last answer.
    Kept(Box<Kept>),
    /// Something was said to the user.
    Said {
        /// The text.
        text: Arc<str>,
        /// The text with sensitive values hidden, if there are any in it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        redacted: Option<Arc<str>>,
    },
    /// A confirm put its question.
    Question(Box<Question>),
    /// The question was given to the channel again, unchanged.
    Reshown {
        /// Which channel.
        channel: Arc<str>,
    },
    /// A yes made a grant.
    Granted {
        /// It.
        grant: Box<Grant>,
    },
    /// The run's grants ended.
    GrantsEnded {
        /// Which run.
        run: u32,
        /// Only of this confirm.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        step: Option<StepKey>,
        /// Why.
        why: Arc<str>,
    },
    /// An action was decided on. Always before it starts.
    Decided(Box<Decided>),
    /// A request may leave: it is durable before a byte does.
    ActionStarted {
        /// The effect.
        effect: EffectId,
        /// From 1.
        attempt: u32,
        /// Neither sent nor waited for after this.
        #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
        until: Timestamp,
        /// Who sends it: the turn that started it.
        owner: u64,
    },
    /// A request came to something.
    ActionFinished(Box<Finished>),
    /// The answer of an earlier request under the same idempotency key is taken, and nothing is sent.
    Replayed(Box<Recorded>),
    /// It is tried again later.
    RetryAt {
        /// When.
        #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
        when: Timestamp,
        /// Not the same again, but the read that settles its doubt.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        reconcile: bool,
    },
    /// An action had an outcome.
    Matched {
        /// Which.
        outcome: Arc<str>,
    },
    /// An action had an error.
    Failed {
        /// Its kind.
        kind: ErrorKind,
        /// Why, as a code.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        code: Option<Arc<str>>,
        /// Why, in words, without values.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        detail: Option<Arc<str>>,
    },
    /// An action waits for an approval.
    Held(Box<Held>),
    /// A held action waits no more.
    HoldEnded(Box<HoldEnded>),
    /// One element of an `each` is done: its result is kept until the last.
    EachDone,
    /// A late result of a write settled its doubt.
    Settled {
        /// The digest of the write.
        digest: Arc<str>,
    },
    /// The workspace's identity journey runs first, once.
    Identifying,
    /// A try of a verification was counted.
    VerifyTried,
    /// Somebody was verified.
    Verified {
        /// Who, how surely and until when.
        identity: Box<Identity>,
    },
    /// A field with a value got a new one: the run goes back.
    Corrected {
        /// The field.
        field: Name,
        /// The collect that asked for it last.
        step: StepKey,
    },
    /// The run waits for a next message after its `done`.
    Paused,
    /// It goes on.
    Resumed,
    /// The top run ended.
    Ended(Box<Ended>),
    /// The conversation went to a person.
    Escalated(Box<Escalated>),
    /// An operator took over.
    TakenOver,
    /// An operator handed back.
    HandedBack,
    /// Nobody came back in time.
    Abandoned,
    /// The caller's claim is another from now on.
    Context {
        /// `$user`.
        user: Arc<Json>,
    },
    /// The conversation has a case from now on, or another one.
    Case(Box<Case>),
    /// A provider is asked what it offers.
    Asking(Box<Asking>),
    /// A provider said what it offers, or did not.
    Discovered(Box<Discovered>),
    /// An action of a provider was picked at a choice, or an input of it was given.
    Picked(Box<Picked>),
    /// Somebody wanted an action of a provider to run. It is durable before a byte leaves.
    Executing(Box<Executing>),
    /// An action of a provider came to something: its effects on the case are done with this event.
    Executed(Box<Executed>),
    /// Something that should not be: the conversation says so.
    Fault {
        /// A stable code.
        code: Arc<str>,
        /// One sentence.
        text: Arc<str>,
    },
    /// A line of the trace, of no effect on the state.
    Noted {
        /// What.
        text: Arc<str>,
    },
    /// The input was refused, and changed nothing.
    Refused {
        /// A stable code: `forbidden`, `not_now`, `stale`, …
        code: Arc<str>,
    },
    /// Sensitive values were sealed with a key that is gone.
    Lost(Box<Lost>),
    /// An event whose sensitive parts are sealed: at rest, and where no key opens it.
    Sealed {
        /// The event with `[redacted]` in their place.
        body: Box<EventBody>,
        /// What was taken out: the id of its key and, after a dot, what only that key opens.
        sealed: Arc<str>,
    },
}

impl EventBody {
    /// It, also where its sensitive parts are sealed.
    #[must_use]
    pub fn plain(&self) -> &Self {
        match self {
            Self::Sealed { body, .. } => body,
            other => other,
        }
    }

    /// Whether it is part of the transcript: who said what, which journeys ran and how they ended. All that is kept of a conversation
    /// that has ended for good, beside its audit.
    #[must_use]
    pub fn is_transcript(&self) -> bool {
        matches!(
            self.plain(),
            Self::Turn(_)
                | Self::Offered { .. }
                | Self::Began(_)
                | Self::Said { .. }
                | Self::Question(_)
                | Self::Ended(_)
                | Self::Escalated(_)
                | Self::TakenOver
                | Self::HandedBack
                | Self::Abandoned
        )
    }
}

/// A turn began.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct TurnBegun {
    /// Who.
    pub actor: Actor,
    /// Whose credential.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub by: Arc<str>,
    /// The sender's id of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Arc<str>>,
    /// The id of the message that a host forwards by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<Arc<str>>,
    /// `message`, `said`, a command's name, `result`, `wake`, `take_over_effect`.
    pub what: Arc<str>,
    /// A message's text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<Arc<str>>,
    /// Whether the text filled a sensitive field, or may have been meant to.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub sensitive: bool,
    /// All else that went into the machine with it, so that it can be played again.
    #[serde(rename = "in", default, skip_serializing_if = "Brought::is_empty")]
    pub brought: Brought,
}

/// What an input brought beside who, when and what: with it, the same input can be given again.
#[derive(Debug, Clone, PartialEq, Default, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Brought {
    /// What a command was sent with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub with: Option<Value>,
    /// The roles of its sender.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<Arc<str>>,
    /// What else its sender may do.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<Arc<str>>,
    /// Whether something had just been asked of which its sender could not know.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unaware: bool,
    /// Whether its sender had been answered before it came.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub answered: bool,
    /// Whether it came after the time at which the conversation was to move on by itself.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub overdue: bool,
    /// What the clock brings: when the conversation was to move on by itself.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::optional", skip_serializing_if = "Option::is_none")]
    pub due: Option<Timestamp>,
    /// The randomness, in hexadecimal, if anything was made of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entropy: Option<Arc<str>>,
    /// Claims that could not be had.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<Refused>,
    /// Conditions that stood on what may not be shown, and what they came to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub judged: Vec<Judged>,
    /// The version of the workspace, if it is another than in the turn before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workspace: Option<ContentHash>,
    /// An answer that no event holds. That nothing waited for it: without its body; that a provider gave it: as far as it is read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub late: Option<Box<(EffectId, CallResult)>>,
}

impl Brought {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether it holds an answer in which anything is sensitive.
    #[must_use]
    pub fn is_answered(&self) -> bool {
        self.refused.iter().any(|r| r.recorded.as_ref().is_some_and(super::Recorded::is_sensitive))
    }
}

/// A condition that stood on what may not be shown.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Judged {
    /// As it is written.
    pub on: Arc<str>,
    /// What it came to; nothing, if it failed.
    #[serde(rename = "is", default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<bool>,
}

/// What was told of an answer that is not kept, or not to be shown.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Told {
    /// A digest of the rules that judged it.
    pub by: Arc<str>,
    /// The outcome that matched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Arc<str>>,
    /// Whose it said something is; anybody but the verified person is not named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Owner>,
    /// Whether it was somebody else's itself.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub foreign: bool,
}

impl TurnBegun {
    /// Whether somebody did it, not a timer or an answer from outside.
    #[must_use]
    pub fn is_of_a_person(&self) -> bool {
        !matches!(&*self.what, "result" | "discovered" | "wake" | "take_over_effect" | "unsealed" | "claim_refused")
    }

    /// Whether it only asks what providers offer, which moves nothing.
    #[must_use]
    pub fn is_aside(&self) -> bool {
        matches!(&*self.what, "command:discover" | "discovered")
    }

    /// The operator who acts on the user's behalf by it.
    #[must_use]
    pub fn helper(&self) -> Option<Arc<str>> {
        let own = ["approve", "refuse", "take_over", "say", "hand_back", "discover", "execute"];
        let own = self.what.strip_prefix("command:").is_some_and(|name| own.contains(&name));
        (self.actor == Actor::Operator && !own).then(|| who(self.actor, &self.by))
    }

    /// Whether somebody sent it: everything else follows from what was sent, or from time.
    #[must_use]
    pub fn is_sent(&self) -> bool {
        matches!(&*self.what, "message" | "said") || self.what.starts_with("command:")
    }

    /// Whether its text is the user's own.
    #[must_use]
    pub fn is_the_users(&self) -> bool {
        matches!(&*self.what, "message" | "said") && matches!(self.actor, Actor::User | Actor::Runtime | Actor::Operator)
    }
}

/// Who did something: the actor, and whose credential it was.
pub(super) fn who(actor: Actor, by: &Arc<str>) -> Arc<str> {
    let actor = super::turn::actor_name(actor);
    if by.is_empty() { actor.into() } else { format!("{actor}:{by}").into() }
}

/// A provider is asked what it offers.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Asking {
    /// Which.
    pub provider: Name,
    /// The effect.
    pub effect: EffectId,
    /// Neither sent nor waited for after this.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub until: Timestamp,
    /// Keyed digest of what it is told.
    pub context: Arc<str>,
    /// What is decided on with its answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub then: Option<Wanted>,
    /// Whether the run on top waits for it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub waits: bool,
    /// A digest of where it is sent and as whom, as that is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub way: Option<Arc<str>>,
}

/// What a provider said that it offers.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Discovered {
    /// The effect.
    pub effect: EffectId,
    /// Which provider.
    pub provider: Name,
    /// Keyed digest of what it was told.
    pub context: Arc<str>,
    /// What it offers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub actions: Vec<Offered>,
    /// Why some of it was left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<Arc<str>>,
    /// Why it offers nothing, if it did not answer: a code, and words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<(Arc<str>, Arc<str>)>,
}

/// An action of a provider that was picked at a choice, on the way to its question.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Picked {
    /// As it was offered.
    pub offered: Offered,
    /// The inputs that it has so far.
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    pub inputs: serde_json::Map<String, Json>,
    /// The input that is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asks: Option<Arc<str>>,
}

/// Somebody wanted an action of a provider to run.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Executing {
    /// The attempt; sent if its status says so.
    pub attempt: Attempt,
    /// The provider.
    pub provider: Name,
    /// By which the same is known again.
    pub digest: Arc<str>,
    /// Neither sent nor waited for after this.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub until: Timestamp,
    /// Whether the run on top waits for it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub waits: bool,
    /// What was decided, and why.
    pub verdict: Verdict,
    /// A digest of where it is sent and as whom, as that is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub way: Option<Arc<str>>,
}

/// An action of a provider came to something.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Executed {
    /// The attempt, with what became of its effects.
    pub attempt: Attempt,
    /// The provider.
    pub provider: Name,
    /// By which the same is known again.
    pub digest: Arc<str>,
    /// What the answer means.
    pub class: Class,
}

/// A message that waits.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Queued {
    /// Its text.
    pub text: Arc<str>,
    /// The turn that brought it.
    pub turn: u64,
    /// Who sent it.
    pub actor: Actor,
    /// The channel that it came by.
    pub channel: Arc<str>,
    /// Whether the text may be meant for a sensitive field.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub sensitive: bool,
}

/// A run began.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Began {
    /// Its number in the conversation.
    pub run: u32,
    /// Its journey.
    pub journey: Name,
    /// The version of the journey that it is pinned to.
    pub hash: ContentHash,
    /// Whether the run below called it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub called: bool,
    /// What was passed in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub with: Vec<(Name, Value)>,
    /// Where what was passed in came from: the user's word, an agent's, a caller's computation.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub origins: Vec<Origin>,
}

/// A field got a value.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Filled {
    /// The field.
    pub name: Name,
    /// Its value.
    pub value: Value,
    /// Whose word it is.
    #[serde(rename = "o")]
    pub origin: Origin,
    /// Of a run below the top one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<u32>,
}

/// A variable was assigned.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Assigned {
    /// The variable.
    pub name: Name,
    /// Its value.
    pub value: Value,
    /// Where it came from.
    #[serde(rename = "o")]
    pub origin: Origin,
    /// What it was computed from, with versions.
    #[serde(rename = "f", default, skip_serializing_if = "Vec::is_empty")]
    pub from: Vec<Source>,
}

/// A variable took the body of the last answer, or the list of the answers of an `each`.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Kept {
    /// The variable.
    pub name: Name,
    /// Cut to these fields; empty: all of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<Arc<str>>,
    /// What of it is sensitive.
    #[serde(rename = "t", default, skip_serializing_if = "Taint::is_clean")]
    pub taint: Taint,
    /// The inputs that it was asked with.
    #[serde(rename = "f", default, skip_serializing_if = "Vec::is_empty")]
    pub from: Vec<Source>,
    /// The key under which an investigation keeps it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub under: Option<Arc<str>>,
    /// Whether it is the list of the answers of an `each`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub each: bool,
}

/// What an action in flight is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// The step's own call.
    #[default]
    Step,
    /// A read that an investigation lists.
    Read,
    /// A read that settles the doubt of the step's write.
    Reconcile,
    /// A read that tells whose it is, for the verdict on another action.
    Owner,
}

impl Purpose {
    /// Whether it is the step's own call.
    #[must_use]
    pub fn is_step(&self) -> bool {
        *self == Self::Step
    }
}

/// An action was decided on.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Decided {
    /// Which.
    pub action: ActionId,
    /// What for.
    #[serde(default, skip_serializing_if = "Purpose::is_step")]
    pub purpose: Purpose,
    /// What was decided, and why.
    pub verdict: Verdict,
    /// What would be sent: frozen here, for every attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Arc<Request>>,
    /// The inputs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inputs: Option<Value>,
    /// Everything that the request read.
    #[serde(default, skip_serializing_if = "<[Source]>::is_empty")]
    pub sources: Arc<[Source]>,
    /// Of a write: digest of the request, by which doubt is remembered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Arc<str>>,
    /// Whether its idempotency key is an author's, and taken for this request alone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub reserves: bool,
    /// Whether the audit keeps what may be shown of the inputs.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub detailed: bool,
    /// A new attempt of what is in flight, which keeps its request.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub again: bool,
    /// What the reads told whose it is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub owners: Vec<Ownership>,
    /// The approval that it was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved: Option<Approved>,
    /// What waits for this read to tell whose it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draft: Option<Arc<Draft>>,
    /// A digest of where it is sent and as whom, as that is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub way: Option<Arc<str>>,
    /// A digest of what its author's idempotency key is made of; where that is hidden, of how it is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_of: Option<Arc<str>>,
}

/// An action as it will be sent if it may be: built once, before anybody is asked.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Draft {
    /// Which.
    pub action: ActionId,
    /// What for.
    #[serde(default, skip_serializing_if = "Purpose::is_step")]
    pub purpose: Purpose,
    /// What would be sent.
    pub request: Arc<Request>,
    /// The inputs.
    pub inputs: Value,
    /// Everything that the request reads.
    #[serde(default, skip_serializing_if = "<[Source]>::is_empty")]
    pub sources: Arc<[Source]>,
    /// Of a write: digest of the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Arc<str>>,
    /// Whether its author wrote its idempotency key, which has to be reserved.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub reserves: bool,
    /// What the reads told whose it is, in the order of the rules.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub owners: Vec<Ownership>,
    /// The approval that it was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved: Option<Approved>,
    /// A digest of what its author's idempotency key is made of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_of: Option<Arc<str>>,
}

/// An action that waits for an approval.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Held {
    /// Its id.
    pub id: Arc<str>,
    /// What was asked for, frozen.
    pub draft: Draft,
    /// Who approves it has all of these roles.
    pub roles: Vec<Arc<str>>,
    /// Where it waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<Arc<str>>,
    /// Who asked for it.
    pub asked_by: Arc<str>,
    /// Who may not approve it: they asked for it or confirmed it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub barred: Vec<Arc<str>>,
    /// Until when.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub until: Timestamp,
}

/// A held action waits no more.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct HoldEnded {
    /// Which.
    pub hold: Arc<str>,
    /// How.
    pub how: HoldEnd,
    /// Who approved or refused it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Arc<str>>,
    /// What they noted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<Arc<str>>,
}

/// How a hold ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldEnd {
    /// Somebody approved it: it is decided again.
    Approved,
    /// Somebody refused it.
    Refused,
    /// Nobody decided in time.
    Expired,
    /// What it was asked for is no more: a value was corrected, the run ended, another person speaks.
    Withdrawn,
}

impl HoldEnd {
    /// As the audit and the trace write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Approved => "approved",
            Self::Refused => "refused",
            Self::Expired => "expired",
            Self::Withdrawn => "withdrawn",
        }
    }
}

/// A request came to something.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Finished {
    /// The effect.
    pub effect: EffectId,
    /// Of which action: `integration.action`.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub action: Arc<str>,
    /// What came of it.
    pub result: CallResult,
    /// Of a write.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<Class>,
    /// What of the answer's body is sensitive.
    #[serde(default, skip_serializing_if = "Taint::is_clean")]
    pub taint: Taint,
    /// Whether the audit keeps what may be shown of it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub detailed: bool,
    /// Whether its body was somebody else's, or only told whose something is, and was dropped before it was kept.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dropped: bool,
    /// What was told of it, where it stood on what is not kept or not to be shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told: Option<Box<Told>>,
}

/// What of a conversation is gone with the key that sealed it. From here on it makes no difference whether the key comes back.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Lost {
    /// Variables, each with its run: they are unset.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub variables: Vec<(u32, Name)>,
    /// Whether the action in flight is among it: nobody waits for it any more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub flight: bool,
    /// Actions that waited for an approval, by their holds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holds: Vec<Arc<str>>,
}

/// What an answer means for a write (supervision, 7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Nothing left.
    NotSent,
    /// It was refused.
    Refused,
    /// It was done.
    Applied,
    /// Nobody knows.
    InDoubt,
}

/// A run ended.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Ended {
    /// Its number.
    pub run: u32,
    /// How.
    pub outcome: Arc<str>,
    /// What its caller gets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Value>,
    /// By which branch it ran off the journey's end, as [`EventBody::Entered`] writes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub via: Option<Arc<str>>,
}

/// The conversation went to a person.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Escalated {
    /// The queue.
    pub to: Arc<str>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Arc<str>>,
    /// How urgent.
    pub priority: Priority,
    /// What goes along.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub include: Vec<(Arc<str>, Value)>,
    /// The writes of which nobody knows what came.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub doubt: Vec<ActionId>,
    /// The case that it opens, if the conversation had none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub case: Option<Box<Case>>,
}
