//! A store in a process that dies at a given point: from then on nothing in it ever goes on.

use std::collections::BTreeMap;
use std::future::pending;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::sync::Notify;
use waypost::engine::EventBody;
use waypost::store::{Around, Commit, Commits, Committed, MemoryStore, Store, StoreError};

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

/// A store in memory that outlives whoever uses it.
pub type Mortal = Around<MemoryStore, Lived>;

/// A store in memory, and the life of the process that uses it.
pub fn mortal(store: MemoryStore, life: Arc<Life>) -> Mortal {
    Around { store, commits: Lived(life) }
}

#[derive(Clone)]
pub struct Lived(Arc<Life>);

impl Commits for Lived {
    async fn commit<S: Store>(&self, store: &S, commit: Commit) -> Result<Committed, StoreError> {
        let n = self.0.commits.fetch_add(1, Ordering::Relaxed);
        let answered = commit.events.iter().any(|e| matches!(e.body, EventBody::ActionFinished(_)));
        self.0.answers.lock().unwrap().insert(n, answered);
        self.0.pass(Point::BeforeCommit(n)).await;
        // Whoever else stands here has read the same.
        tokio::task::yield_now().await;
        let committed = store.commit(commit).await;
        self.0.pass(Point::AfterCommit(n)).await;
        committed
    }
}
