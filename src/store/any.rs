//! Whichever store an address names.

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;

use super::address::Address;
use super::records::{
    DecisionsOf, Defined, Defines, Definition, DefinitionOf, Delivery, Namespaces, NewDefinition, Owed, PrimitiveWrite, Record, Recorded,
    Records, Registered,
};
use super::{
    AuditHead, AuditRow, Commit, Committed, ConversationKey, DigestText, Erased, Executed, Held, Listed, MemoryStore, PostgresStore, Reply,
    Seals, Sought, SqliteStore, Stat, Store, StoreError, Stored, Version,
};
use crate::engine::Event;
use crate::model::workspace::ContentHash;
use crate::registry::{Decision, PrimitiveId, Sample, Series};

/// A store of any kind. Clones share it.
#[derive(Debug, Clone)]
pub enum AnyStore {
    /// In memory.
    Memory(MemoryStore),
    /// In a file.
    Sqlite(SqliteStore),
    /// On a server.
    Postgres(PostgresStore),
}

/// Opens the store at an address.
pub async fn open(address: &Address, seals: Seals) -> Result<AnyStore, StoreError> {
    match address {
        Address::Memory => Ok(AnyStore::Memory(MemoryStore::with(seals))),
        Address::Sqlite(path) => Ok(AnyStore::Sqlite(SqliteStore::open(path, seals)?)),
        Address::Postgres(url) => Ok(AnyStore::Postgres(PostgresStore::open(url, seals).await?)),
    }
}

impl AnyStore {
    /// Copies all of it into a new file, while it is being used.
    pub async fn backup(&self, into: &Path) -> Result<(), StoreError> {
        match self {
            Self::Memory(_) => Err(StoreError::Unsupported("a store in memory has nothing to back up".into())),
            Self::Sqlite(store) => store.backup(into).await,
            Self::Postgres(_) => Err(StoreError::Unsupported("a store on a server is backed up by `pg_dump --schema waypost`".into())),
        }
    }
}

/// The same call on whichever store it is. What a server is asked takes much room while it is under way: it is not to be part of
/// everything that may ask one.
macro_rules! each {
    ($self:ident, $store:ident => $call:expr) => {
        match $self {
            Self::Memory($store) => $call.await,
            Self::Sqlite($store) => $call.await,
            Self::Postgres($store) => Box::pin($call).await,
        }
    };
}

impl Store for AnyStore {
    async fn load(&self, key: &ConversationKey, known: u64) -> Result<Option<Stored>, StoreError> {
        each!(self, store => store.load(key, known))
    }

    async fn events(&self, key: &ConversationKey, after: u64, limit: usize) -> Result<Vec<(u64, Event)>, StoreError> {
        each!(self, store => store.events(key, after, limit))
    }

    async fn commit(&self, commit: Commit) -> Result<Committed, StoreError> {
        each!(self, store => store.commit(commit))
    }

    async fn reply(&self, key: &ConversationKey, message_id: &str, now: Timestamp) -> Result<Option<Reply>, StoreError> {
        each!(self, store => store.reply(key, message_id, now))
    }

    async fn holder(&self, tenant: &str, kind: &str, key: &str, now: Timestamp) -> Result<Option<ConversationKey>, StoreError> {
        each!(self, store => store.holder(tenant, kind, key, now))
    }

    async fn put_texts(&self, version: Version) -> Result<(), StoreError> {
        each!(self, store => store.put_texts(version))
    }

    async fn text(&self, hash: &ContentHash) -> Result<Option<Arc<str>>, StoreError> {
        each!(self, store => store.text(hash))
    }

    async fn conversations(
        &self,
        tenant: &str,
        agent: &str,
        user: Option<&str>,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Listed>, StoreError> {
        each!(self, store => store.conversations(tenant, agent, user, after, limit))
    }

    async fn due(&self, by: Timestamp, limit: usize) -> Result<Vec<(Timestamp, ConversationKey)>, StoreError> {
        each!(self, store => store.due(by, limit))
    }

    async fn audit(&self, key: &ConversationKey, from: u64, limit: usize) -> Result<Vec<AuditRow>, StoreError> {
        each!(self, store => store.audit(key, from, limit))
    }

    async fn heads(&self, after: Option<&ConversationKey>, limit: usize) -> Result<Vec<(ConversationKey, AuditHead)>, StoreError> {
        each!(self, store => store.heads(after, limit))
    }

    async fn holds(&self, tenant: &str, agent: &str, after: Option<&str>, limit: usize) -> Result<Vec<Held>, StoreError> {
        each!(self, store => store.holds(tenant, agent, after, limit))
    }

    async fn hold(&self, tenant: &str, id: &str) -> Result<Option<Held>, StoreError> {
        each!(self, store => store.hold(tenant, id))
    }

    async fn executions(&self, tenant: &str, sought: Sought<'_>, limit: usize) -> Result<Vec<Executed>, StoreError> {
        each!(self, store => store.executions(tenant, sought, limit))
    }

    async fn secret(&self, name: &str, fresh: [u8; 32]) -> Result<[u8; 32], StoreError> {
        each!(self, store => store.secret(name, fresh))
    }

    async fn stat(&self) -> Result<Stat, StoreError> {
        each!(self, store => store.stat())
    }

    async fn erase_user(&self, tenant: &str, user: &str, digest: DigestText) -> Result<Erased, StoreError> {
        each!(self, store => store.erase_user(tenant, user, digest))
    }
}

impl Records for AnyStore {
    async fn register(&self, new: NewDefinition) -> Result<Registered, StoreError> {
        each!(self, store => store.register(new))
    }

    async fn define_files(&self, files: Vec<NewDefinition>) -> Result<Defined, StoreError> {
        each!(self, store => store.define_files(files))
    }

    async fn definition(&self, tenant: &str, of: DefinitionOf<'_>) -> Result<Option<Definition>, StoreError> {
        each!(self, store => store.definition(tenant, of))
    }

    async fn definitions(
        &self,
        tenant: &str,
        defines: Defines,
        of: &Namespaces,
        before: Option<u64>,
        limit: usize,
    ) -> Result<(Vec<Definition>, u64), StoreError> {
        each!(self, store => store.definitions(tenant, defines, of, before, limit))
    }

    async fn bound(&self, tenant: &str, defines: Defines, to: &str) -> Result<Vec<Definition>, StoreError> {
        each!(self, store => store.bound(tenant, defines, to))
    }

    async fn primitive(
        &self,
        tenant: &str,
        primitive: &PrimitiveId,
        entity: &str,
        as_of: Timestamp,
    ) -> Result<Option<PrimitiveWrite>, StoreError> {
        each!(self, store => store.primitive(tenant, primitive, entity, as_of))
    }

    async fn history(
        &self,
        tenant: &str,
        series: &Series,
        entity: &str,
        between: (Timestamp, Timestamp),
        limit: usize,
    ) -> Result<Vec<Sample>, StoreError> {
        each!(self, store => store.history(tenant, series, entity, between, limit))
    }

    async fn record(&self, record: Record) -> Result<Recorded, StoreError> {
        each!(self, store => store.record(record))
    }

    async fn decision(&self, tenant: &str, id: &str) -> Result<Option<Decision>, StoreError> {
        each!(self, store => store.decision(tenant, id))
    }

    async fn decisions(
        &self,
        tenant: &str,
        of: &DecisionsOf,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<(u64, Decision)>, StoreError> {
        each!(self, store => store.decisions(tenant, of, before, limit))
    }

    async fn claim_owed(&self, now: Timestamp, lease: Timestamp, limit: usize) -> Result<Vec<Owed>, StoreError> {
        each!(self, store => store.claim_owed(now, lease, limit))
    }

    async fn claim_deliveries(&self, now: Timestamp, lease: Timestamp, limit: usize) -> Result<Vec<Delivery>, StoreError> {
        each!(self, store => store.claim_deliveries(now, lease, limit))
    }

    async fn deliveries(&self, tenant: &str, dead: bool, before: Option<u64>, limit: usize) -> Result<Vec<Delivery>, StoreError> {
        each!(self, store => store.deliveries(tenant, dead, before, limit))
    }

    async fn delivery(&self, tenant: &str, id: u64) -> Result<Option<Delivery>, StoreError> {
        each!(self, store => store.delivery(tenant, id))
    }

    async fn revive(&self, tenant: &str, id: u64, due: Timestamp) -> Result<Option<Delivery>, StoreError> {
        each!(self, store => store.revive(tenant, id, due))
    }
}
