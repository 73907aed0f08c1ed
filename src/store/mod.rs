//! Where conversations are kept: events under optimistic versions, claims in the same transaction, texts by hash, timers.
//!
//! Knows nothing of how events come about: it never folds them, and takes time only as an argument.

mod claims;
mod log;
mod memory;

use std::future::Future;
use std::sync::Arc;

use jiff::Timestamp;

use crate::engine::{Answer, Claim, Event, Refused, State};
use crate::model::workspace::ContentHash;

pub use memory::MemoryStore;

/// How many events lie between two snapshots, so that a load folds less than twice as many.
pub const SNAPSHOT_EVERY: u64 = 128;

/// Names a conversation. Everything in a store stands under a tenant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct ConversationKey {
    /// The tenant.
    pub tenant: Arc<str>,
    /// The conversation's id.
    pub id: Arc<str>,
}

impl ConversationKey {
    /// The key of a tenant's conversation.
    #[must_use]
    pub fn new(tenant: impl Into<Arc<str>>, id: impl Into<Arc<str>>) -> Self {
        Self { tenant: tenant.into(), id: id.into() }
    }
}

/// Whose a conversation is: fixed when it is opened.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Owner {
    /// The agent.
    pub agent: Arc<str>,
    /// The first user.
    pub user: Arc<str>,
}

/// A conversation in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its key.
    pub key: ConversationKey,
    /// Whose it is.
    pub owner: Owner,
    /// Its version.
    pub version: u64,
    /// When it was last committed to.
    pub updated: Timestamp,
}

/// What a load gives: enough to go on from the version that the caller already knows.
#[derive(Debug)]
pub struct Stored {
    /// Whose it is.
    pub owner: Owner,
    /// Its version: how many events it has.
    pub version: u64,
    /// The newest snapshot, if it is newer than what the caller knows.
    pub snapshot: Option<State>,
    /// The events after the snapshot, or else after the known version.
    pub events: Vec<Event>,
}

/// What is recorded under a message's id, to be given again when it comes again.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// The message's id.
    pub message_id: Arc<str>,
    /// Digest of what was sent under that id.
    pub digest: Arc<str>,
    /// What its turn answered, as far as it has come.
    pub answer: Answer,
}

/// One transaction.
#[derive(Debug)]
pub struct Commit {
    /// Which conversation.
    pub key: ConversationKey,
    /// The version that the events follow on; 0 opens the conversation.
    pub expected: u64,
    /// When.
    pub now: Timestamp,
    /// Whose the conversation is, if this opens it.
    pub owner: Option<Owner>,
    /// What happened.
    pub events: Vec<Event>,
    /// What must be had for it to have happened.
    pub claims: Vec<Claim>,
    /// When the conversation wants to be woken; replaces what stood before.
    pub wake_at: Option<Timestamp>,
    /// The state after the events, when it is time for a snapshot.
    pub snapshot: Option<State>,
    /// The answer so far of the turn that this belongs to; replaces what stood under its id.
    pub reply: Option<Reply>,
}

/// What came of a commit. Anything but `Done` changed nothing.
#[derive(Debug, Clone, PartialEq)]
pub enum Committed {
    /// It is durable; the conversation has this version now.
    Done {
        /// The version after it.
        version: u64,
    },
    /// Somebody else committed first.
    Conflict {
        /// The version that stands.
        version: u64,
    },
    /// Claims could not be had.
    ClaimRefused {
        /// Which of them, and why; at least one.
        refused: Vec<Refused>,
    },
}

/// Why a store cannot do what it is asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// It cannot be reached or is out of order.
    #[error("the store cannot be reached: {0}")]
    Unavailable(String),
    /// What it holds cannot be read.
    #[error("the store holds something that cannot be read: {0}")]
    Corrupt(String),
}

/// Keeps conversations. Every method is one transaction.
pub trait Store: Send + Sync + 'static {
    /// The conversation from the version `known` on; `None` if there is none of that key.
    fn load(&self, key: &ConversationKey, known: u64) -> impl Future<Output = Result<Option<Stored>, StoreError>> + Send;

    /// All events of a conversation from a version on, at most `limit`, for histories.
    fn events(&self, key: &ConversationKey, from: u64, limit: usize) -> impl Future<Output = Result<Vec<Event>, StoreError>> + Send;

    /// Appends events if the version is the expected one and every claim can be had: all of it or nothing.
    fn commit(&self, commit: Commit) -> impl Future<Output = Result<Committed, StoreError>> + Send;

    /// What was recorded under a message's id, for as long as message ids are kept.
    fn reply(&self, key: &ConversationKey, message_id: &str) -> impl Future<Output = Result<Option<Reply>, StoreError>> + Send;

    /// Keeps texts by their hash; one that is there already stays.
    fn put_texts(&self, texts: Vec<(ContentHash, Arc<str>)>) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// The text with that hash.
    fn text(&self, hash: &ContentHash) -> impl Future<Output = Result<Option<Arc<str>>, StoreError>> + Send;

    /// A tenant's conversations with an agent, by id, after `after`; of one user only if `user` is given.
    fn conversations(
        &self,
        tenant: &str,
        agent: &str,
        user: Option<&str>,
        after: Option<&str>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Listed>, StoreError>> + Send;

    /// Conversations that wanted to be woken by then, earliest first.
    fn due(&self, by: Timestamp, limit: usize) -> impl Future<Output = Result<Vec<(Timestamp, ConversationKey)>, StoreError>> + Send;
}

/// How long a message's id and its answer are kept.
pub const MESSAGE_IDS_KEPT: jiff::SignedDuration = jiff::SignedDuration::from_hours(24);
