//! A store that shows each event as soon as it is durable: the trace, as it happens.

use std::future::Future;
use std::sync::Arc;

use jiff::Timestamp;

use crate::engine::{Event, TraceLine, trace};
use crate::model::ContentHash;
use crate::store::{
    AnyStore, AuditHead, AuditRow, Commit, Committed, ConversationKey, DigestText, Erased, Held, Listed, Reply, Stat, Store, StoreError,
    Stored, Version,
};

/// Shows lines of the trace.
pub(in crate::cli) type Watch = Arc<dyn Fn(&TraceLine) + Send + Sync>;

/// A store, and whoever watches it.
pub(in crate::cli) struct Watched {
    store: AnyStore,
    watch: Option<Watch>,
}

impl Watched {
    pub(in crate::cli) fn new(store: AnyStore, watch: Option<Watch>) -> Self {
        Self { store, watch }
    }
}

impl Store for Watched {
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

    async fn commit(&self, commit: Commit) -> Result<Committed, StoreError> {
        let lines = if self.watch.is_some() { trace(&commit.events) } else { Vec::new() };
        let committed = self.store.commit(commit).await?;
        if let (Some(watch), Committed::Done { .. }) = (&self.watch, &committed) {
            for line in &lines {
                watch(line);
            }
        }
        Ok(committed)
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
