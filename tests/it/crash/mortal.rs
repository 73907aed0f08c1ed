//! A store in a process that dies at a given point: from then on nothing in it ever goes on.

use std::collections::BTreeMap;
use std::future::pending;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use tokio::sync::Notify;
use waypost::engine::{Event, EventBody};
use waypost::model::ContentHash;
use waypost::store::{
    AuditHead, AuditRow, Commit, Committed, ConversationKey, DigestText, Erased, Held, Listed, MemoryStore, Reply, Stat, Store, StoreError,
    Stored, Version,
};

/// Where a process dies. Commits and requests are counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Point {
    BeforeCommit(usize),
    AfterCommit(usize),
    BeforeSend(usize),
    AfterSend(usize),
}

/// The life of a process.
pub struct Life {
    die_at: Option<Point>,
    seed: u64,
    commits: AtomicUsize,
    calls: AtomicUsize,
    /// Commits of an answer.
    answers: Mutex<BTreeMap<usize, bool>>,
    over: AtomicBool,
    died: Notify,
}

static LIVES: AtomicU64 = AtomicU64::new(0);

impl Life {
    pub fn until(die_at: Option<Point>) -> Self {
        let seed = LIVES.fetch_add(1, Ordering::Relaxed);
        let (commits, calls) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Self { die_at, seed, commits, calls, answers: Mutex::default(), over: AtomicBool::new(false), died: Notify::new() }
    }

    pub fn seed(&self) -> u64 {
        self.seed
    }

    pub fn next_call(&self) -> usize {
        self.calls.fetch_add(1, Ordering::Relaxed)
    }

    /// Goes past a point, or dies there.
    pub async fn pass(&self, point: Point) {
        if self.die_at == Some(point) {
            self.over.store(true, Ordering::Relaxed);
            self.died.notify_one();
        }
        if self.is_over() {
            pending::<()>().await;
        }
    }

    pub async fn died(&self) {
        self.died.notified().await;
    }

    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// All points that it went past.
    pub fn points(&self) -> Vec<Point> {
        let commits = (0..self.commits.load(Ordering::Relaxed)).flat_map(|n| [Point::BeforeCommit(n), Point::AfterCommit(n)]);
        let calls = (0..self.calls.load(Ordering::Relaxed)).flat_map(|n| [Point::BeforeSend(n), Point::AfterSend(n)]);
        commits.chain(calls).collect()
    }

    /// What a point is called.
    pub fn column(&self, point: Point) -> &'static str {
        match point {
            Point::BeforeCommit(n) if self.answers.lock().unwrap().get(&n) == Some(&true) => "answered",
            Point::BeforeCommit(_) => "before a commit",
            Point::AfterCommit(_) => "after a commit",
            Point::BeforeSend(_) => "before a request",
            Point::AfterSend(_) => "after a request",
        }
    }
}

#[derive(Clone)]
pub struct Mortal {
    pub store: MemoryStore,
    pub life: Arc<Life>,
}

impl Store for Mortal {
    async fn commit(&self, commit: Commit) -> Result<Committed, StoreError> {
        let n = self.life.commits.fetch_add(1, Ordering::Relaxed);
        let answered = commit.events.iter().any(|e| matches!(e.body, EventBody::ActionFinished(_)));
        self.life.answers.lock().unwrap().insert(n, answered);
        self.life.pass(Point::BeforeCommit(n)).await;
        // Whoever else stands here has read the same.
        tokio::task::yield_now().await;
        let committed = self.store.commit(commit).await;
        self.life.pass(Point::AfterCommit(n)).await;
        committed
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
