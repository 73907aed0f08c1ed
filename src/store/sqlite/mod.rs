//! SQLite: one writer thread that commits all that waits as one transaction, and readers on connections of their own.
//!
//! Several processes may open one file: every commit checks versions and claims inside its transaction.

mod claims;
mod commit;
mod erase;
mod open;
mod read;
mod records;
mod texts;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::Connection;

use super::rows::Rows;
use super::{
    AuditHead, AuditRow, Commit, Committed, ConversationKey, DigestText, Erased, Executed, Held, Listed, Reply, Seals, Sought, Stat, Store,
    StoreError, Stored, Version,
};
use crate::engine::Event;
use crate::model::workspace::ContentHash;
use writer::Writer;

/// How long a lock of another process is waited for.
pub const BUSY: Duration = Duration::from_secs(5);
/// What is said of a file that is there, and of one that SQLite needs beside it.
const CANNOT_OPEN: &str = "its file cannot be opened";
/// Reading connections that are kept.
const READERS: usize = 8;

/// A store in a file. Clones share it.
#[derive(Debug, Clone)]
pub struct SqliteStore(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    busy: Duration,
    seals: Seals,
    /// Gone before the writer: whoever closes the file last tidies up its log, and a reader may not.
    readers: Mutex<Vec<Connection>>,
    writer: Writer,
}

impl SqliteStore {
    /// Opens a file, and makes it if there is none.
    pub fn open(path: &Path, seals: Seals) -> Result<Self, StoreError> {
        Self::open_waiting(path, seals, BUSY)
    }

    /// The same, waiting so long for a lock of another process.
    pub fn open_waiting(path: &Path, seals: Seals, busy: Duration) -> Result<Self, StoreError> {
        let writer = Writer::start(open::writing(path, busy)?, path, seals.clone())?;
        Ok(Self(Arc::new(Inner { path: path.to_owned(), busy, seals, writer, readers: Mutex::default() })))
    }

    /// Copies all of it into a new file, as it stands at one moment, while it is being used.
    pub async fn backup(&self, into: &Path) -> Result<(), StoreError> {
        let into = into.to_owned();
        self.read(move |connection, _| read::backup(connection, &into)).await
    }

    /// A point read: a few pages that were lately written. To hand it to another thread would take longer than it does.
    fn look<T>(&self, look: impl FnOnce(&Connection, &Seals) -> Result<T, StoreError>) -> Result<T, StoreError> {
        self.0.with_reader(look)
    }

    /// A read that may be long.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection, &Seals) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let inner = self.0.clone();
        let task = tokio::task::spawn_blocking(move || inner.with_reader(read));
        task.await.unwrap_or_else(|_| Err(StoreError::Unavailable("a read was broken off".into())))
    }
}

impl Inner {
    fn with_reader<T>(&self, read: impl FnOnce(&Connection, &Seals) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let kept = self.readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = kept.map_or_else(|| open::reading(&self.path, self.busy), Ok)?;
        let result = read(&connection, &self.seals);
        // One that failed is not kept: whatever was wrong with it is gone with it.
        if result.is_ok() {
            let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
            if readers.len() < READERS {
                readers.push(connection);
            }
        }
        result
    }
}

impl Store for SqliteStore {
    async fn load(&self, key: &ConversationKey, known: u64) -> Result<Option<Stored>, StoreError> {
        self.look(|connection, seals| read::load(connection, seals, key, known))
    }

    async fn events(&self, key: &ConversationKey, after: u64, limit: usize) -> Result<Vec<(u64, Event)>, StoreError> {
        let key = key.clone();
        self.read(move |connection, seals| read::events(connection, seals, &key, after, limit)).await
    }

    async fn commit(&self, commit: Commit) -> Result<Committed, StoreError> {
        self.0.writer.commit(Rows::of(&self.0.seals, commit)?).await
    }

    async fn reply(&self, key: &ConversationKey, message_id: &str, now: Timestamp) -> Result<Option<Reply>, StoreError> {
        self.look(|connection, seals| read::reply(connection, seals, key, message_id, now))
    }

    async fn holder(&self, tenant: &str, kind: &str, key: &str, now: Timestamp) -> Result<Option<ConversationKey>, StoreError> {
        self.look(|connection, _| read::holder(connection, tenant, kind, key, now))
    }

    async fn put_texts(&self, version: Version) -> Result<(), StoreError> {
        self.0.writer.run(move |connection| texts::put(connection, &version)).await
    }

    async fn text(&self, hash: &ContentHash) -> Result<Option<Arc<str>>, StoreError> {
        self.look(|connection, _| texts::get(connection, hash))
    }

    async fn conversations(
        &self,
        tenant: &str,
        agent: &str,
        user: Option<&str>,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Listed>, StoreError> {
        let (tenant, agent, user) = (tenant.to_owned(), agent.to_owned(), user.map(str::to_owned));
        let after = after.unwrap_or_default().to_owned();
        self.read(move |connection, _| read::conversations(connection, &tenant, &agent, user.as_deref(), &after, limit)).await
    }

    async fn due(&self, by: Timestamp, limit: usize) -> Result<Vec<(Timestamp, ConversationKey)>, StoreError> {
        self.look(|connection, _| read::due(connection, by, limit))
    }

    async fn audit(&self, key: &ConversationKey, from: u64, limit: usize) -> Result<Vec<AuditRow>, StoreError> {
        let key = key.clone();
        self.read(move |connection, _| read::audit(connection, &key, from, limit)).await
    }

    async fn heads(&self, after: Option<&ConversationKey>, limit: usize) -> Result<Vec<(ConversationKey, AuditHead)>, StoreError> {
        let after = after.cloned();
        self.read(move |connection, _| read::heads(connection, after.as_ref(), limit)).await
    }

    async fn holds(&self, tenant: &str, agent: &str, after: Option<&str>, limit: usize) -> Result<Vec<Held>, StoreError> {
        let (tenant, agent, after) = (tenant.to_owned(), agent.to_owned(), after.unwrap_or_default().to_owned());
        self.read(move |connection, _| read::holds(connection, &tenant, &agent, &after, limit)).await
    }

    async fn hold(&self, tenant: &str, id: &str) -> Result<Option<Held>, StoreError> {
        self.look(|connection, _| read::hold(connection, tenant, id))
    }

    async fn executions(&self, tenant: &str, sought: Sought<'_>, limit: usize) -> Result<Vec<Executed>, StoreError> {
        self.look(|connection, _| read::executions(connection, tenant, sought, limit))
    }

    async fn secret(&self, name: &str, fresh: [u8; 32]) -> Result<[u8; 32], StoreError> {
        let name = name.to_owned();
        self.0.writer.run(move |connection| texts::secret(connection, &name, fresh)).await
    }

    async fn stat(&self) -> Result<Stat, StoreError> {
        let (commits, transactions) = self.0.writer.counted();
        let stat = self.read(|connection, _| read::stat(connection)).await?;
        Ok(Stat { commits, transactions, ..stat })
    }

    async fn erase_user(&self, tenant: &str, user: &str, digest: DigestText) -> Result<Erased, StoreError> {
        let mut erased = Erased::default();
        // Some at a time, so that whoever talks meanwhile need not wait for all of it.
        loop {
            let (tenant, user, digest) = (tenant.to_owned(), user.to_owned(), digest.clone());
            let some = self.0.writer.run(move |connection| erase::some(connection, &tenant, &user, &digest)).await?;
            erased.conversations += some.conversations;
            erased.audit += some.audit;
            if some.conversations == 0 {
                break;
            }
        }
        self.0.writer.apart(erase::settle).await?;
        Ok(erased)
    }
}

/// A failure of the database in the words of a store.
#[expect(clippy::needless_pass_by_value, reason = "it is handed to map_err")]
fn failed(error: rusqlite::Error) -> StoreError {
    use rusqlite::ErrorCode as Code;
    let Some(code) = error.sqlite_error_code() else { return StoreError::Corrupt(error.to_string()) };
    match code {
        Code::DiskFull => StoreError::Unwritable("its disk is full".into()),
        Code::ReadOnly => StoreError::Unwritable("its file may only be read".into()),
        Code::PermissionDenied | Code::AuthorizationForStatementDenied => StoreError::Unwritable("there is no permission to".into()),
        Code::DatabaseBusy | Code::DatabaseLocked | Code::FileLockingProtocolFailed => {
            StoreError::Unavailable("its file is locked by another program".into())
        }
        Code::CannotOpen => StoreError::Unavailable(CANNOT_OPEN.into()),
        Code::SystemIoFailure => StoreError::Unavailable("its file cannot be read or written: the disk reports a failure".into()),
        Code::DatabaseCorrupt => StoreError::Corrupt("the file is damaged".into()),
        Code::NotADatabase => StoreError::Unsupported("the file is not a database of SQLite".into()),
        Code::OutOfMemory => StoreError::Unavailable("there is no memory left".into()),
        _ => StoreError::Unavailable(error.to_string()),
    }
}

/// Numbers as SQLite has them.
fn int(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// Numbers as SQLite had them.
fn uint(n: i64) -> u64 {
    u64::try_from(n).unwrap_or(0)
}

/// A limit as SQLite has it.
fn most(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
