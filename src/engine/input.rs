//! What goes into the machine.

use std::sync::Arc;

use jiff::Timestamp;

use super::effect::{CallResult, EffectId, Refused};
use crate::supervise::Identity;
use crate::value::{Json, Name};

/// One thing that happened outside. Everything that the machine may not know by itself comes with it.
#[derive(Debug, Clone)]
pub struct Input {
    /// When.
    pub at: Timestamp,
    /// Who, by the credential that sent it.
    pub actor: Actor,
    /// Whose credential it was.
    pub principal: Principal,
    /// The sender's id of it: the same id twice is one turn.
    pub message_id: Option<Arc<str>>,
    /// Randomness for ids.
    pub entropy: [u8; 32],
    /// Claims that were refused when this input was handled before: nothing came of it then, and it is handled again.
    pub refused: Vec<Refused>,
    /// Whether something was just asked of which its sender cannot know: what it says is noted, and answers nothing.
    pub unaware: bool,
    /// Whether its sender was answered before it came: what is asked now is told to nobody.
    pub answered: bool,
    /// What.
    pub body: InputBody,
}

/// Who speaks (supervision, 1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Actor {
    /// The end user's own channel.
    User,
    /// A language model through tools.
    Agent,
    /// A person of the company.
    Operator,
    /// An elevated key.
    Admin,
    /// A trusted host that forwards both.
    Runtime,
    /// A condition, a timer, the driver itself.
    System,
}

/// Whose credential an input came with.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Principal {
    /// Its id.
    pub id: Arc<str>,
    /// Roles, of an operator.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<Arc<str>>,
    /// What it may do beside: `context`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<Arc<str>>,
}

/// What a user said to a trusted host, as the host forwards it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// One message, word for word.
    pub text: Arc<str>,
    /// Its id: used once.
    pub message_id: Arc<str>,
    /// The question that it was received after, if one stood.
    pub question: Option<Arc<str>>,
}

/// What happened.
#[derive(Debug, Clone)]
pub enum InputBody {
    /// The conversation's first input: opens it. The caller's claim (`$user`) is fixed by it.
    Open(Open),
    /// The user said something.
    Message(Arc<str>),
    /// Somebody asks for something by name.
    Command(Command),
    /// An effect has a result.
    Result(EffectId, CallResult),
    /// A time that `wake_at` named has come.
    Wake,
    /// The process that had an effect in flight is gone, or past its time.
    TakeOver(EffectId),
    /// Sensitive values were loaded that no key opens.
    Unsealed,
}

/// How a conversation begins.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Open {
    /// The conversation's id.
    pub conversation: Arc<str>,
    /// The tenant.
    pub tenant: Arc<str>,
    /// The agent.
    pub agent: Arc<str>,
    /// The user.
    pub user_id: Arc<str>,
    /// `$user`: identity, preferences, entitlements, customAttributes.
    pub user: Arc<Json>,
}

/// A command (surfaces, 2). The wire forms are the surfaces' business.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Start a journey.
    Start {
        /// Its slug.
        journey: Name,
        /// Inputs and fields.
        variables: Vec<(Name, Json)>,
    },
    /// Give values of fields.
    Fill(Vec<(Name, Json)>),
    /// Pick an option by id.
    Choose(Arc<str>),
    /// Yes, to that question.
    Confirm {
        /// The question's id.
        question: Option<Arc<str>>,
    },
    /// No.
    Reject {
        /// The question's id.
        question: Option<Arc<str>>,
    },
    /// Change something that a confirm shows.
    Change(Vec<(Name, Json)>),
    /// On with a guide.
    Next,
    /// Back in a guide.
    Back,
    /// Stuck in a guide.
    Stuck,
    /// Ask a listed read of an investigation.
    Read {
        /// `integration.action`.
        action: Arc<str>,
        /// Its inputs.
        inputs: Vec<(Name, Json)>,
    },
    /// Name what an investigation found.
    Finding(Name),
    /// Correct fields.
    Correct(Vec<(Name, Json)>),
    /// End the top run.
    Cancel,
    /// To a person.
    Handoff(Option<Arc<str>>),
    /// Go on after a pause.
    Resume,
    /// A trusted host forwards what the user said.
    Said(Said),
    /// The caller's claim is another from now on: an assignment to all of `$user`.
    Context(Arc<Json>),
    /// A host vouches, by a token that was checked, for who the user is.
    Identified(Identity),
    /// Providers are asked what they offer.
    Discover,
    /// An action of a provider is to run.
    Execute {
        /// The provider.
        provider: Name,
        /// The action, as the provider has it.
        action: Arc<str>,
        /// Its inputs.
        inputs: Arc<Json>,
        /// Whether whoever asks says yes to it with that.
        confirmed: bool,
    },
    /// An operator takes over.
    TakeOver,
    /// An operator says something.
    Say(Arc<str>),
    /// An operator hands back.
    HandBack,
    /// Approve a held action.
    Approve {
        /// The hold.
        hold: Arc<str>,
        /// A note.
        note: Option<Arc<str>>,
    },
    /// Refuse a held action.
    Refuse {
        /// The hold.
        hold: Arc<str>,
        /// A note.
        note: Option<Arc<str>>,
    },
}
