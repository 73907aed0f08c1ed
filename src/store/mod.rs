//! Where conversations are kept: events under optimistic versions, claims in the same transaction, texts by hash, timers.
//!
//! Knows nothing of how events come about: it never folds them, and takes time only as an argument.

pub mod address;
mod any;
mod around;
mod claims;
mod dictionary;
mod log;
mod memory;
mod pack;
mod postgres;
pub mod records;
mod rows;
pub mod seal;
mod sqlite;

use std::future::Future;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::engine::{Answer, Attempt, Claim, Event, ExecutionStatus, HoldChange, HoldRow, Refused, State};
use crate::model::workspace::ContentHash;

pub use address::Address;
pub use any::{AnyStore, open};
pub use around::{Around, Commits};
pub use memory::MemoryStore;
pub use postgres::PostgresStore;
pub use records::Records;
pub use seal::Seals;
pub use sqlite::SqliteStore;

/// How many events lie between two snapshots, so that a load folds less than twice as many.
pub const SNAPSHOT_EVERY: u64 = 128;
/// How long a message's id and its answer are kept.
pub const MESSAGE_IDS_KEPT: SignedDuration = SignedDuration::from_hours(24);
/// How long the texts of a version are kept that no unfinished conversation stands on. A process that runs puts its own again before.
pub const VERSIONS_KEPT: SignedDuration = SignedDuration::from_hours(7 * 24);

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
    /// The last row of its audit, which the next one follows.
    pub audit: AuditHead,
}

/// The end of a conversation's audit; of none, number 0 and no code.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct AuditHead {
    /// The number of the last row.
    pub seq: u64,
    /// Its code.
    pub mac: Arc<str>,
}

/// A row of a conversation's audit. A store keeps rows, and knows nothing of what is in them or of how they are chained.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct AuditRow {
    /// Its number in the conversation, from 1.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// What it says; if that was erased, the digest that the chain was made over.
    pub text: Arc<str>,
    /// What chains it to the row before.
    pub mac: Arc<str>,
    /// Whether its text was erased.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub erased: bool,
}

/// A held action, and whose conversation it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The conversation.
    pub key: ConversationKey,
    /// The action.
    pub row: HoldRow,
}

/// An attempt to run an action of a provider, and in which conversation.
#[derive(Debug, Clone, PartialEq)]
pub struct Executed {
    /// The conversation.
    pub key: ConversationKey,
    /// The attempt.
    pub row: Attempt,
}

/// Which attempts are looked for; nothing: any.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sought<'a> {
    /// In that conversation.
    pub conversation: Option<&'a str>,
    /// Of users of that id.
    pub user: Option<&'a str>,
    /// At that action: `provider.action`.
    pub action: Option<&'a str>,
    /// That stand so.
    pub status: Option<ExecutionStatus>,
    /// Before the one of that id: the newest come first.
    pub before: Option<&'a str>,
}

/// The texts of one version of a workspace: kept together, and dropped together once no unfinished conversation stands on any of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// The workspace's hash.
    pub hash: ContentHash,
    /// When it is put.
    pub at: Timestamp,
    /// Its texts, by their hashes.
    pub texts: Vec<(ContentHash, Arc<str>)>,
}

/// What a store holds and what it has done.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize)]
pub struct Stat {
    /// What it is: `memory`, `sqlite` or `postgres`.
    pub kind: &'static str,
    /// The version of its tables.
    pub schema: u32,
    /// Conversations.
    pub conversations: u64,
    /// Those of them that may go on.
    pub unfinished: u64,
    /// Rows of audits.
    pub audit: u64,
    /// Actions that are held.
    pub holds: u64,
    /// Conversations that want to be woken.
    pub timers: u64,
    /// Versions of workspaces.
    pub versions: u64,
    /// Bytes that all of it takes, as far as the store can tell.
    pub bytes: u64,
    /// Commits that this process asked for since it opened the store.
    pub commits: u64,
    /// Transactions that they took: fewer, where several share one.
    pub transactions: u64,
}

/// What an erasure took away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct Erased {
    /// Conversations of the user.
    pub conversations: u64,
    /// Rows of their audits whose texts are gone.
    pub audit: u64,
}

/// The digest of an audit row's text, by whoever has the key of the chain.
pub type DigestText = Arc<dyn Fn(&str) -> Arc<str> + Send + Sync>;

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
    pub events: Arc<Vec<Event>>,
    /// What must be had for it to have happened.
    pub claims: Vec<Claim>,
    /// When the conversation wants to be woken; replaces what stood before.
    pub wake_at: Option<Timestamp>,
    /// The state after the events, when it is time for a snapshot.
    pub snapshot: Option<State>,
    /// The answer so far of the turn that this belongs to; replaces what stood under its id.
    pub reply: Option<Reply>,
    /// Rows that follow on its audit.
    pub audit: Vec<AuditRow>,
    /// The end of its audit after them, if it says more than the number and the code of the last.
    pub audit_head: Option<AuditHead>,
    /// Actions that are held now, and such as are no more.
    pub holds: Vec<HoldChange>,
    /// Attempts to run actions of providers, as they stand now.
    pub executions: Vec<Attempt>,
    /// The journeys that its runs stand on, if they are others than before.
    pub pinned: Option<Vec<ContentHash>>,
    /// What its events owe to conditions: kept only where one is bound to them.
    pub owed: records::Owing,
    /// It has ended for good: the snapshot is all that its state is, and of its events only the transcript stays.
    pub finished: bool,
}

impl Commit {
    /// A transaction in which nothing happens, to be filled.
    #[must_use]
    pub fn new(key: ConversationKey, expected: u64, now: Timestamp) -> Self {
        Self {
            key,
            expected,
            now,
            owner: None,
            events: Arc::default(),
            claims: Vec::new(),
            wake_at: None,
            snapshot: None,
            reply: None,
            audit: Vec::new(),
            audit_head: None,
            holds: Vec::new(),
            executions: Vec::new(),
            pinned: None,
            owed: records::Owing::default(),
            finished: false,
        }
    }
}

/// What came of a commit. Anything but `Done` changed nothing.
#[derive(Debug, Clone, PartialEq)]
pub enum Committed {
    /// It is durable; the conversation has this version now.
    Done {
        /// The version after it.
        version: u64,
        /// Whether conditions are owed some of its events, or may be.
        owes: bool,
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
    /// It has no room for more, or may only be read.
    #[error("the store cannot be written to: {0}")]
    Unwritable(String),
    /// The conversation was erased with its user.
    #[error("the conversation `{0}` was erased with its user")]
    Erased(Arc<str>),
    /// It cannot be opened, or cannot do this.
    #[error("{0}")]
    Unsupported(String),
}

/// Keeps conversations. Every method is one transaction.
pub trait Store: Send + Sync + 'static {
    /// The conversation from the version `known` on; `None` if there is none of that key.
    fn load(&self, key: &ConversationKey, known: u64) -> impl Future<Output = Result<Option<Stored>, StoreError>> + Send;

    /// The events of a conversation after the one with that number, at most `limit`, each with its number: the version that it made. Of
    /// one that has ended for good, those of its transcript, under the numbers that they always had.
    fn events(&self, key: &ConversationKey, after: u64, limit: usize)
    -> impl Future<Output = Result<Vec<(u64, Event)>, StoreError>> + Send;

    /// Appends events if the version is the expected one and every claim can be had: all of it or nothing.
    fn commit(&self, commit: Commit) -> impl Future<Output = Result<Committed, StoreError>> + Send;

    /// What was recorded under a message's id, for as long as message ids are kept.
    fn reply(
        &self,
        key: &ConversationKey,
        message_id: &str,
        now: Timestamp,
    ) -> impl Future<Output = Result<Option<Reply>, StoreError>> + Send;

    /// The conversation that has a name that is used once ([`Claim::Other`]).
    fn holder(
        &self,
        tenant: &str,
        kind: &str,
        key: &str,
        now: Timestamp,
    ) -> impl Future<Output = Result<Option<ConversationKey>, StoreError>> + Send;

    /// Keeps the texts of a version; one that is there already stays. Versions that nobody stands on and that were not put for
    /// [`VERSIONS_KEPT`] go.
    fn put_texts(&self, version: Version) -> impl Future<Output = Result<(), StoreError>> + Send;

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

    /// Rows of a conversation's audit from a number on, at most `limit`.
    fn audit(&self, key: &ConversationKey, from: u64, limit: usize) -> impl Future<Output = Result<Vec<AuditRow>, StoreError>> + Send;

    /// Every conversation of every tenant with the end of its audit, in order, after `after`.
    fn heads(
        &self,
        after: Option<&ConversationKey>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<(ConversationKey, AuditHead)>, StoreError>> + Send;

    /// A tenant's held actions of an agent, by id, after `after`.
    fn holds(
        &self,
        tenant: &str,
        agent: &str,
        after: Option<&str>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Held>, StoreError>> + Send;

    /// A tenant's held action of that id.
    fn hold(&self, tenant: &str, id: &str) -> impl Future<Output = Result<Option<Held>, StoreError>> + Send;

    /// A tenant's attempts to run actions of providers, the newest first.
    fn executions(&self, tenant: &str, sought: Sought<'_>, limit: usize) -> impl Future<Output = Result<Vec<Executed>, StoreError>> + Send;

    /// The secret of that name, as long as the store lasts: `fresh` if there was none before.
    fn secret(&self, name: &str, fresh: [u8; 32]) -> impl Future<Output = Result<[u8; 32], StoreError>> + Send;

    /// What it holds.
    fn stat(&self) -> impl Future<Output = Result<Stat, StoreError>> + Send;

    /// Takes away everything that a user said and that was kept of them. Of their conversations only the audit stays, its texts replaced
    /// by their digests, so that the chain still holds.
    fn erase_user(&self, tenant: &str, user: &str, digest: DigestText) -> impl Future<Output = Result<Erased, StoreError>> + Send;
}

fn no_owner() -> StoreError {
    StoreError::Corrupt("a conversation begins without an owner".into())
}
