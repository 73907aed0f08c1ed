//! A store around another, in which only what surrounds a commit differs. It must not know what that is.

use std::future::Future;
use std::sync::Arc;

use jiff::Timestamp;

use super::{
    AuditHead, AuditRow, Commit, Committed, ConversationKey, DigestText, Erased, Executed, Held, Listed, Reply, Sought, Stat, Store,
    StoreError, Stored, Version,
};
use crate::engine::Event;
use crate::model::ContentHash;

/// What is done with a commit on its way to the store within.
pub trait Commits: Send + Sync + 'static {
    /// Hands it on, or does not.
    ///
    /// # Errors
    /// The store's, and what it finds itself.
    fn commit<S: Store>(&self, store: &S, commit: Commit) -> impl Future<Output = Result<Committed, StoreError>> + Send;
}

/// A store, and what surrounds its commits. All else is asked of the store.
#[derive(Debug, Clone)]
pub struct Around<S, C> {
    /// The store within.
    pub store: S,
    /// What is done with each commit.
    pub commits: C,
}

impl<S: Store, C: Commits> Store for Around<S, C> {
    fn commit(&self, commit: Commit) -> impl Future<Output = Result<Committed, StoreError>> + Send {
        self.commits.commit(&self.store, commit)
    }

    fn load(&self, key: &ConversationKey, known: u64) -> impl Future<Output = Result<Option<Stored>, StoreError>> + Send {
        self.store.load(key, known)
    }

    fn events(
        &self,
        key: &ConversationKey,
        after: u64,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<(u64, Event)>, StoreError>> + Send {
        self.store.events(key, after, limit)
    }

    fn reply(
        &self,
        key: &ConversationKey,
        message_id: &str,
        now: Timestamp,
    ) -> impl Future<Output = Result<Option<Reply>, StoreError>> + Send {
        self.store.reply(key, message_id, now)
    }

    fn holder(
        &self,
        tenant: &str,
        kind: &str,
        key: &str,
        now: Timestamp,
    ) -> impl Future<Output = Result<Option<ConversationKey>, StoreError>> + Send {
        self.store.holder(tenant, kind, key, now)
    }

    fn put_texts(&self, version: Version) -> impl Future<Output = Result<(), StoreError>> + Send {
        self.store.put_texts(version)
    }

    fn text(&self, hash: &ContentHash) -> impl Future<Output = Result<Option<Arc<str>>, StoreError>> + Send {
        self.store.text(hash)
    }

    fn conversations(
        &self,
        tenant: &str,
        agent: &str,
        user: Option<&str>,
        after: Option<&str>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Listed>, StoreError>> + Send {
        self.store.conversations(tenant, agent, user, after, limit)
    }

    fn due(&self, by: Timestamp, limit: usize) -> impl Future<Output = Result<Vec<(Timestamp, ConversationKey)>, StoreError>> + Send {
        self.store.due(by, limit)
    }

    fn audit(&self, key: &ConversationKey, from: u64, limit: usize) -> impl Future<Output = Result<Vec<AuditRow>, StoreError>> + Send {
        self.store.audit(key, from, limit)
    }

    fn heads(
        &self,
        after: Option<&ConversationKey>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<(ConversationKey, AuditHead)>, StoreError>> + Send {
        self.store.heads(after, limit)
    }

    fn holds(
        &self,
        tenant: &str,
        agent: &str,
        after: Option<&str>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Held>, StoreError>> + Send {
        self.store.holds(tenant, agent, after, limit)
    }

    fn hold(&self, tenant: &str, id: &str) -> impl Future<Output = Result<Option<Held>, StoreError>> + Send {
        self.store.hold(tenant, id)
    }

    fn executions(&self, tenant: &str, sought: Sought<'_>, limit: usize) -> impl Future<Output = Result<Vec<Executed>, StoreError>> + Send {
        self.store.executions(tenant, sought, limit)
    }

    fn secret(&self, name: &str, fresh: [u8; 32]) -> impl Future<Output = Result<[u8; 32], StoreError>> + Send {
        self.store.secret(name, fresh)
    }

    fn stat(&self) -> impl Future<Output = Result<Stat, StoreError>> + Send {
        self.store.stat()
    }

    fn erase_user(&self, tenant: &str, user: &str, digest: DigestText) -> impl Future<Output = Result<Erased, StoreError>> + Send {
        self.store.erase_user(tenant, user, digest)
    }
}
