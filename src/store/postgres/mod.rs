//! PostgreSQL: connections from a pool, of which a few write, each all that waits in one transaction.
//!
//! Many processes may share it: conversations are compared and set under locks of their rows, claims under locks of their own.

mod claims;
mod commit;
mod erase;
mod open;
mod read;
mod records;
mod texts;
mod tls;
mod together;
mod writers;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use deadpool_postgres::{Object, Pool};
use jiff::Timestamp;
use tokio::sync::oneshot;
use tokio_postgres::error::SqlState;
use writers::Queue;

use super::rows::Rows;
use super::{
    AuditHead, AuditRow, Commit, Committed, ConversationKey, DigestText, Erased, Executed, Held, Listed, Reply, Seals, Sought, Stat, Store,
    StoreError, Stored, Version,
};
use crate::engine::Event;
use crate::model::workspace::ContentHash;

/// How long the server may take for one call, connecting included.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often a commit is tried again of a conversation that somebody else began in the same moment.
const AGAIN: usize = 3;

/// A store on a server. Clones share it.
#[derive(Clone)]
pub struct PostgresStore(Arc<Inner>);

struct Inner {
    pool: Pool,
    queue: Queue,
    seals: Seals,
    commits: AtomicU64,
    transactions: AtomicU64,
    swept: AtomicI64,
}

impl std::fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PostgresStore").field("pool", &self.0.pool.status()).finish_non_exhaustive()
    }
}

impl PostgresStore {
    /// Connects to a server, and makes the tables if there are none. The database itself must be there.
    pub async fn open(url: &str, seals: Seals) -> Result<Self, StoreError> {
        let pool = open::pool(url)?;
        within(open::migrate(&pool)).await?;
        let (commits, transactions, swept) = (AtomicU64::new(0), AtomicU64::new(0), AtomicI64::new(i64::MIN));
        Ok(Self(Arc::new(Inner { pool, queue: Queue::default(), seals, commits, transactions, swept })))
    }

    async fn client(&self) -> Result<Object, StoreError> {
        client(&self.0.pool).await
    }

    /// Reads; once more on another connection if the one that it had turns out to be lost.
    async fn read<T, F>(&self, read: impl Fn(Object) -> F) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        within(async {
            match read(self.client().await?).await {
                Err(failure) if failure.lost => read(self.client().await?).await.map_err(StoreError::from),
                other => other.map_err(StoreError::from),
            }
        })
        .await
    }

    /// Writes what waits until nothing does.
    async fn write(self) {
        let mut writer = self.0.queue.writer();
        while let Some(mut group) = writer.next() {
            let jobs = std::mem::take(&mut group.jobs);
            let done = self.commit_all(jobs.iter().map(|job| &job.rows).collect()).await;
            drop(group);
            for (job, done) in jobs.into_iter().zip(done) {
                // Whoever waited may have gone; what is committed is committed.
                drop(job.told.send(done));
            }
        }
    }

    /// Commits all that can be; what one of them alone is to blame for is not the others'.
    async fn commit_all(&self, group: Vec<&Rows>) -> Vec<Result<Committed, StoreError>> {
        let mut all: Vec<commit::Outcome> = group.iter().map(|_| None).collect();
        for _ in 0..AGAIN {
            let left: Vec<&Rows> = group.iter().zip(&all).filter(|(_, done)| done.is_none()).map(|(rows, _)| *rows).collect();
            if left.is_empty() {
                break;
            }
            let done = match self.transaction(&left).await {
                Ok(done) => done,
                Err(error) if left.len() == 1 => vec![Some(Err(error))],
                Err(error) => {
                    tracing::warn!(%error, commits = left.len(), "commits are tried one by one");
                    let mut done = Vec::with_capacity(left.len());
                    for rows in left {
                        let one = self.transaction(&[rows]).await;
                        done.push(one.map_or_else(|error| Some(Err(error)), |mut one| one.pop().flatten()));
                    }
                    done
                }
            };
            for (place, done) in all.iter_mut().filter(|place| place.is_none()).zip(done) {
                *place = done;
            }
        }
        all.into_iter().map(|done| done.unwrap_or_else(|| Err(busy()))).collect()
    }

    /// All in one transaction; an error, if its server refuses something of it and nothing is done. Where nobody answers, each is told so.
    async fn transaction(&self, group: &[&Rows]) -> Result<Vec<commit::Outcome>, StoreError> {
        let each = |error: StoreError| group.iter().map(|_| Some(Err(error.clone()))).collect();
        let client = match within(self.client()).await {
            Ok(client) => client,
            Err(error) => return Ok(each(error)),
        };
        let failure = match tokio::time::timeout(PATIENCE, commit::commit(&client, &self.0.seals, group)).await {
            Ok(Ok(done)) => {
                self.0.transactions.fetch_add(1, Ordering::Relaxed);
                if let Some(rows) = group.first()
                    && tokio::time::timeout(PATIENCE, self.sweep(&client, rows.now)).await.is_err()
                {
                    drop(Object::take(client));
                }
                return Ok(done);
            }
            Ok(Err(failure)) => Some(failure),
            Err(_) => None,
        };
        // What it was about to do with it, it does not do.
        drop(Object::take(client));
        // Nobody knows whether it was done, nor is there anybody to ask.
        let Some(failure) = failure else { return Ok(each(silent())) };
        if !failure.lost {
            return Err(failure.into());
        }
        // Nobody said whether it was done; the rows themselves do.
        let asked = within(async {
            let client = self.client().await?;
            let mut done = Vec::with_capacity(group.len());
            for rows in group {
                done.push(Some(commit::was_done(&client, rows).await.map_err(StoreError::from)));
            }
            Ok(done)
        });
        Ok(asked.await.unwrap_or_else(|_| each(failure.into())))
    }

    /// Now and then, drops what counts for nobody any more.
    async fn sweep(&self, client: &Object, now: Timestamp) {
        let now_nanos = super::rows::nanos(now);
        let last = self.0.swept.load(Ordering::Relaxed);
        let due = last.checked_add(claims::SWEEP_EVERY).is_none_or(|next| next <= now_nanos) || last == i64::MIN;
        if due
            && self.0.swept.compare_exchange(last, now_nanos, Ordering::Relaxed, Ordering::Relaxed).is_ok()
            && let Err(failure) = claims::sweep(client, now).await
        {
            tracing::warn!(error = %failure.error, "what is out of date could not be dropped");
        }
    }
}

async fn client(pool: &Pool) -> Result<Object, StoreError> {
    pool.get().await.map_err(|error| match error {
        deadpool_postgres::PoolError::Backend(error) => match Failure::from(error).error {
            // Nothing was read yet that could be wrong: it speaks no TLS, perhaps.
            StoreError::Corrupt(why) => StoreError::Unavailable(format!("no connection to its server: {why}")),
            other => other,
        },
        other => StoreError::Unavailable(format!("no connection to its server: {other}")),
    })
}

async fn within<T>(work: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    match tokio::time::timeout(PATIENCE, work).await {
        Ok(result) => result,
        Err(_) => Err(silent()),
    }
}

fn silent() -> StoreError {
    StoreError::Unavailable("its server does not answer".into())
}

fn busy() -> StoreError {
    StoreError::Unavailable("others keep beginning the same conversation".into())
}

impl Store for PostgresStore {
    async fn load(&self, key: &ConversationKey, known: u64) -> Result<Option<Stored>, StoreError> {
        self.read(|client| read::load(client, &self.0.seals, key, known)).await
    }

    async fn events(&self, key: &ConversationKey, after: u64, limit: usize) -> Result<Vec<(u64, Event)>, StoreError> {
        self.read(|client| read::events(client, &self.0.seals, key, after, limit)).await
    }

    async fn commit(&self, commit: Commit) -> Result<Committed, StoreError> {
        let rows = Rows::of(&self.0.seals, commit)?;
        self.0.commits.fetch_add(1, Ordering::Relaxed);
        let (told, answer) = oneshot::channel();
        if self.0.queue.push(rows, told) {
            #[expect(clippy::disallowed_methods, reason = "the store's own writers: no commit waits for what another brought along")]
            tokio::spawn(self.clone().write());
        }
        within(async { answer.await.unwrap_or_else(|_| Err(silent())) }).await
    }

    async fn reply(&self, key: &ConversationKey, message_id: &str, now: Timestamp) -> Result<Option<Reply>, StoreError> {
        self.read(|client| read::reply(client, &self.0.seals, key, message_id, now)).await
    }

    async fn holder(&self, tenant: &str, kind: &str, key: &str, now: Timestamp) -> Result<Option<ConversationKey>, StoreError> {
        self.read(|client| read::holder(client, tenant, kind, key, now)).await
    }

    async fn put_texts(&self, version: Version) -> Result<(), StoreError> {
        within(async { Ok(texts::put(self.client().await?, &version).await?) }).await
    }

    async fn text(&self, hash: &ContentHash) -> Result<Option<Arc<str>>, StoreError> {
        self.read(|client| texts::get(client, hash)).await
    }

    async fn conversations(
        &self,
        tenant: &str,
        agent: &str,
        user: Option<&str>,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Listed>, StoreError> {
        self.read(|client| read::conversations(client, tenant, agent, user, after.unwrap_or_default(), limit)).await
    }

    async fn due(&self, by: Timestamp, limit: usize) -> Result<Vec<(Timestamp, ConversationKey)>, StoreError> {
        self.read(|client| read::due(client, by, limit)).await
    }

    async fn audit(&self, key: &ConversationKey, from: u64, limit: usize) -> Result<Vec<AuditRow>, StoreError> {
        self.read(|client| read::audit(client, key, from, limit)).await
    }

    async fn heads(&self, after: Option<&ConversationKey>, limit: usize) -> Result<Vec<(ConversationKey, AuditHead)>, StoreError> {
        self.read(|client| read::heads(client, after, limit)).await
    }

    async fn holds(&self, tenant: &str, agent: &str, after: Option<&str>, limit: usize) -> Result<Vec<Held>, StoreError> {
        self.read(|client| read::holds(client, tenant, agent, after.unwrap_or_default(), limit)).await
    }

    async fn hold(&self, tenant: &str, id: &str) -> Result<Option<Held>, StoreError> {
        self.read(|client| read::hold(client, tenant, id)).await
    }

    async fn executions(&self, tenant: &str, sought: Sought<'_>, limit: usize) -> Result<Vec<Executed>, StoreError> {
        self.read(|client| read::executions(client, tenant, sought, limit)).await
    }

    async fn secret(&self, name: &str, fresh: [u8; 32]) -> Result<[u8; 32], StoreError> {
        self.read(|client| texts::secret(client, name, fresh)).await
    }

    async fn stat(&self) -> Result<Stat, StoreError> {
        let stat = self.read(read::stat).await?;
        let (commits, transactions) = (self.0.commits.load(Ordering::Relaxed), self.0.transactions.load(Ordering::Relaxed));
        Ok(Stat { commits, transactions, ..stat })
    }

    async fn erase_user(&self, tenant: &str, user: &str, digest: DigestText) -> Result<Erased, StoreError> {
        let mut erased = Erased::default();
        loop {
            let some = within(async { Ok(erase::some(self.client().await?, tenant, user, &digest).await?) }).await?;
            erased.conversations += some.conversations;
            erased.audit += some.audit;
            if some.conversations == 0 {
                break;
            }
        }
        erase::settle(self.client().await?).await?;
        Ok(erased)
    }
}

/// A failure, and whether it is that the connection was lost, so that nobody knows how far it came.
#[derive(Debug)]
struct Failure {
    error: StoreError,
    lost: bool,
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self { error, lost: false }
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        failure.error
    }
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        let Some(told) = error.as_db_error() else {
            use std::error::Error as _;
            let source = error.source();
            let why = source.map_or_else(|| error.to_string(), |s| format!("{error}: {s}"));
            let lost = error.is_closed() || source.is_some_and(<dyn std::error::Error>::is::<std::io::Error>);
            let said = if lost { StoreError::Unavailable(format!("no connection to its server: {why}")) } else { StoreError::Corrupt(why) };
            return Self { error: said, lost };
        };
        let words = told.message();
        let error = match told.code() {
            &SqlState::DISK_FULL | &SqlState::INSUFFICIENT_RESOURCES => StoreError::Unwritable("the disk of its server is full".into()),
            &SqlState::READ_ONLY_SQL_TRANSACTION => StoreError::Unwritable("its server may only be read".into()),
            &SqlState::INSUFFICIENT_PRIVILEGE => StoreError::Unwritable(format!("there is no permission to: {words}")),
            &SqlState::DATA_CORRUPTED | &SqlState::INDEX_CORRUPTED => StoreError::Corrupt(words.to_owned()),
            &SqlState::INVALID_CATALOG_NAME | &SqlState::INVALID_PASSWORD | &SqlState::INVALID_AUTHORIZATION_SPECIFICATION => {
                StoreError::Unsupported(format!("the server of the store says: {words}"))
            }
            _ => StoreError::Unavailable(format!("its server says: {words}")),
        };
        let going = [&SqlState::ADMIN_SHUTDOWN, &SqlState::CRASH_SHUTDOWN, &SqlState::CANNOT_CONNECT_NOW];
        Self { lost: going.contains(&told.code()), error }
    }
}

/// Numbers as PostgreSQL has them.
fn int(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// Numbers as PostgreSQL had them.
fn uint(n: i64) -> u64 {
    u64::try_from(n).unwrap_or(0)
}

/// A limit as PostgreSQL has it.
fn most(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
