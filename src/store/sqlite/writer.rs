//! The one thread that writes: everything that waits for it becomes one transaction, and shares one sync of the disk.

use std::collections::VecDeque;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::oneshot;

use super::super::records::{Record, Recorded};
use super::super::rows::Rows;
use super::super::{Committed, Seals, StoreError};
use super::{claims, commit, failed, records};

/// Commits that share one transaction at most.
const TOGETHER: usize = 512;
/// How often what is out of date is looked for.
const SWEEP_EVERY: SignedDuration = SignedDuration::from_secs(10);

type Told<T> = oneshot::Sender<Result<T, StoreError>>;

/// What one transaction is shared for.
enum Work {
    Commit(Box<Rows>),
    Record(Box<Record>),
}

impl Work {
    fn now(&self) -> Timestamp {
        match self {
            Self::Commit(rows) => rows.now,
            Self::Record(record) => record.now,
        }
    }
}

/// What came of it.
#[derive(Clone)]
enum Done {
    Committed(Committed),
    Recorded(Recorded),
}

/// Work, and who waits for it.
enum Asked {
    Commit(Box<Rows>, Told<Committed>),
    Record(Box<Record>, Told<Recorded>),
}

/// Who waits for what came of it. They may have gone; what is committed is committed.
enum Tell {
    Commit(Told<Committed>),
    Record(Told<Recorded>),
}

impl Asked {
    fn parts(self) -> (Work, Tell) {
        match self {
            Self::Commit(rows, told) => (Work::Commit(rows), Tell::Commit(told)),
            Self::Record(record, told) => (Work::Record(record), Tell::Record(told)),
        }
    }
}

impl Tell {
    fn tell(self, answer: Result<Done, StoreError>) {
        match (self, answer) {
            (Self::Commit(told), Ok(Done::Committed(committed))) => drop(told.send(Ok(committed))),
            (Self::Record(told), Ok(Done::Recorded(recorded))) => drop(told.send(Ok(recorded))),
            (Self::Commit(told), Err(error)) => drop(told.send(Err(error))),
            (Self::Record(told), Err(error)) => drop(told.send(Err(error))),
            (Self::Commit(told), Ok(Done::Recorded(_))) => drop(told.send(Err(gone()))),
            (Self::Record(told), Ok(Done::Committed(_))) => drop(told.send(Err(gone()))),
        }
    }
}

/// Work on the connection, or why there is none to work on.
type Apart = Box<dyn FnOnce(Result<&mut Connection, StoreError>) + Send>;

enum Job {
    Together(Asked),
    Alone(Apart),
}

/// The writer's other end. Gone with it, the thread ends and closes the file.
#[derive(Debug)]
pub(super) struct Writer {
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    commits: AtomicU64,
    transactions: AtomicU64,
}

impl Writer {
    pub(super) fn start(connection: Connection, path: &Path, seals: Seals) -> Result<Self, StoreError> {
        let (jobs, waiting) = channel();
        let counts = Arc::<Counts>::default();
        let desk = Desk { connection, place: Place::of(path), path: path.to_owned(), seals, counts: counts.clone(), swept: Timestamp::MIN };
        let thread = std::thread::Builder::new()
            .name("waypost-sqlite".into())
            .spawn(move || desk.work(&waiting))
            .map_err(|e| StoreError::Unavailable(format!("its thread cannot be started: {e}")))?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread), counts })
    }

    /// Commits, together with whoever waits at the same time.
    pub(super) async fn commit(&self, rows: Rows) -> Result<Committed, StoreError> {
        let (told, answer) = oneshot::channel();
        self.send(Job::Together(Asked::Commit(Box::new(rows), told)))?;
        answer.await.unwrap_or_else(|_| Err(gone()))
    }

    /// Keeps what evaluations leave, together with whoever waits at the same time.
    pub(super) async fn record(&self, record: Record) -> Result<Recorded, StoreError> {
        let (told, answer) = oneshot::channel();
        self.send(Job::Together(Asked::Record(Box::new(record), told)))?;
        answer.await.unwrap_or_else(|_| Err(gone()))
    }

    /// Writes in a transaction of its own.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        write: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let write = |connection: &mut Connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
            let result = write(&transaction)?;
            transaction.commit().map_err(failed)?;
            Ok(result)
        };
        self.apart(write).await
    }

    /// Does something on the writer's connection outside a transaction.
    pub(super) async fn apart<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (told, answer) = oneshot::channel();
        self.send(Job::Alone(Box::new(move |connection| {
            // Whoever asked may have gone; the work counts all the same.
            let _ = told.send(connection.and_then(work));
        })))?;
        answer.await.unwrap_or_else(|_| Err(gone()))
    }

    /// Commits that were asked for, and transactions that they took.
    pub(super) fn counted(&self) -> (u64, u64) {
        (self.counts.commits.load(Ordering::Relaxed), self.counts.transactions.load(Ordering::Relaxed))
    }

    fn send(&self, job: Job) -> Result<(), StoreError> {
        self.jobs.as_ref().and_then(|jobs| jobs.send(job).ok()).ok_or_else(gone)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // It ends when it has done what it was given; how it ended tells nobody anything any more.
            let _ = thread.join();
        }
    }
}

fn gone() -> StoreError {
    StoreError::Unavailable("its writer has ended".into())
}

/// Which file stands at a path: that of a device with a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place(u64, u64);

impl Place {
    fn of(path: &Path) -> Option<Self> {
        std::fs::metadata(path).ok().map(|m| Self(m.dev(), m.ino()))
    }
}

struct Desk {
    connection: Connection,
    // Where it was opened, and which file stood there.
    path: PathBuf,
    place: Option<Place>,
    seals: Seals,
    counts: Arc<Counts>,
    swept: Timestamp,
}

impl Desk {
    fn work(mut self, jobs: &Receiver<Job>) {
        let mut waiting = VecDeque::new();
        while let Some(first) = waiting.pop_front().or_else(|| jobs.recv().ok()) {
            waiting.push_front(first);
            waiting.extend(jobs.try_iter().take(TOGETHER));
            let mut group = Vec::new();
            while group.len() < TOGETHER {
                match waiting.pop_front() {
                    Some(Job::Together(asked)) => group.push(asked),
                    Some(other @ Job::Alone(_)) => {
                        waiting.push_front(other);
                        break;
                    }
                    None => break,
                }
            }
            if group.is_empty() {
                if let Some(Job::Alone(work)) = waiting.pop_front() {
                    let there = self.is_there();
                    work(there.map(|()| &mut self.connection));
                }
            } else {
                self.group(group);
            }
        }
    }

    /// Commits all of them or, if that fails, each by itself: one that cannot be done takes no other with it.
    fn group(&mut self, group: Vec<Asked>) {
        let n = u64::try_from(group.len()).unwrap_or(u64::MAX);
        self.counts.commits.fetch_add(n, Ordering::Relaxed);
        let (work, told): (Vec<Work>, Vec<Tell>) = group.into_iter().map(Asked::parts).unzip();
        let all: Vec<&Work> = work.iter().collect();
        let answers = match self.together(&all) {
            Together::Done(answers) => answers.into_iter().map(Ok).collect(),
            Together::Shut(error) => vec![Err(error); all.len()],
            Together::Failed(error) if all.len() == 1 => vec![Err(error)],
            Together::Failed(_) => all.iter().map(|one| self.alone(one)).collect(),
        };
        for (tell, answer) in told.into_iter().zip(answers) {
            tell.tell(answer);
        }
    }

    fn alone(&mut self, work: &Work) -> Result<Done, StoreError> {
        match self.together(&[work]) {
            Together::Done(mut answers) => answers.pop().ok_or_else(gone),
            Together::Shut(error) | Together::Failed(error) => Err(error),
        }
    }

    /// Whether the file is where it was opened. One that was moved or deleted can still be written, and what is written is lost.
    fn is_there(&self) -> Result<(), StoreError> {
        if self.place.is_some() && Place::of(&self.path) != self.place {
            let why = "its file was moved, replaced or deleted: put it back where it was, or start again with what is there now";
            return Err(StoreError::Unavailable(why.into()));
        }
        Ok(())
    }

    fn together(&mut self, all: &[&Work]) -> Together {
        if let Err(error) = self.is_there() {
            return Together::Shut(error);
        }
        let transaction = match self.connection.transaction_with_behavior(TransactionBehavior::Immediate) {
            Ok(transaction) => transaction,
            Err(error) => return Together::Shut(failed(error)),
        };
        let mut answers = Vec::with_capacity(all.len());
        for work in all {
            let done = match work {
                Work::Commit(rows) => commit::commit(&transaction, &self.seals, rows).map(Done::Committed),
                Work::Record(record) => records::record(&transaction, record).map(Done::Recorded),
            };
            match done {
                Ok(answer) => answers.push(answer),
                Err(error) => return Together::Failed(error),
            }
        }
        let now = all.iter().map(|w| w.now()).max().unwrap_or(Timestamp::MIN);
        let due = self.swept.checked_add(SWEEP_EVERY).is_ok_and(|next| next <= now);
        if due && let Err(error) = claims::sweep(&transaction, now) {
            return Together::Failed(failed(error));
        }
        match transaction.commit() {
            Ok(()) => {
                self.counts.transactions.fetch_add(1, Ordering::Relaxed);
                if due {
                    self.swept = now;
                }
                Together::Done(answers)
            }
            Err(error) => Together::Failed(failed(error)),
        }
    }
}

enum Together {
    Done(Vec<Done>),
    /// Nothing can be written now.
    Shut(StoreError),
    /// One of them failed, or all.
    Failed(StoreError),
}
