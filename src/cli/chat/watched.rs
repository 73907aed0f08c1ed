//! A store in memory that shows each event as soon as it is durable: the trace, as it happens.

use std::future::Future;
use std::sync::Arc;

use jiff::Timestamp;

use crate::engine::{Event, TraceLine, trace};
use crate::model::ContentHash;
use crate::store::{Commit, Committed, ConversationKey, Listed, MemoryStore, Reply, Store, StoreError, Stored};

/// Shows lines of the trace.
pub(in crate::cli) type Watch = Arc<dyn Fn(&TraceLine) + Send + Sync>;

/// A store in memory, and whoever watches it.
pub(in crate::cli) struct Watched {
    store: MemoryStore,
    watch: Option<Watch>,
}

impl Watched {
    pub(in crate::cli) fn new(watch: Option<Watch>) -> Self {
        Self { store: MemoryStore::default(), watch }
    }
}

impl Store for Watched {
    fn load(&self, key: &ConversationKey, known: u64) -> impl Future<Output = Result<Option<Stored>, StoreError>> + Send {
        self.store.load(key, known)
    }

    fn events(&self, key: &ConversationKey, from: u64, limit: usize) -> impl Future<Output = Result<Vec<Event>, StoreError>> + Send {
        self.store.events(key, from, limit)
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

    fn reply(&self, key: &ConversationKey, message_id: &str) -> impl Future<Output = Result<Option<Reply>, StoreError>> + Send {
        self.store.reply(key, message_id)
    }

    fn put_texts(&self, texts: Vec<(ContentHash, Arc<str>)>) -> impl Future<Output = Result<(), StoreError>> + Send {
        self.store.put_texts(texts)
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
}
