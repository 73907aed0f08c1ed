//! Who writes: a few connections, each of which takes all that waits and makes one transaction of it, so that it shares one sync of the disk.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::super::rows::Rows;
use super::super::{Committed, StoreError};
use super::claims;

/// Transactions at a time: one can be on its way while another is synced. What comes meanwhile shares the next.
const WRITERS: usize = 2;
/// Commits that share one at most.
const TOGETHER: usize = 128;

/// A commit, and who waits for it. They may have gone: then nobody needs to begin with it.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) rows: Rows,
    pub(super) told: oneshot::Sender<Result<Committed, StoreError>>,
    // Of which no other may be under way beside it.
    alone: Vec<Alone>,
}

/// What only one commit at a time is about: so no transaction waits for another of this process, and those of one share nothing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Alone {
    Conversation(super::ConversationKey),
    Claim(i64),
}

/// What waits to be written.
#[derive(Debug, Default)]
pub(super) struct Queue(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    waiting: VecDeque<Job>,
    under_way: BTreeSet<Alone>,
    writers: usize,
}

/// Those that one transaction takes. Dropped, however it ended, others may be about the same.
pub(super) struct Group<'a> {
    pub(super) jobs: Vec<Job>,
    queue: &'a Queue,
    alone: Vec<Alone>,
}

/// A place among those who write.
pub(super) struct Writer<'a> {
    queue: &'a Queue,
    is_given_up: bool,
}

impl Queue {
    /// Puts a commit to the others. Whoever is told so has to see that somebody writes.
    pub(super) fn push(&self, rows: Rows, told: oneshot::Sender<Result<Committed, StoreError>>) -> bool {
        let locks = claims::locks(&rows).into_iter().map(Alone::Claim);
        let alone = locks.chain([Alone::Conversation(rows.key.clone())]).collect();
        let mut inner = self.inner();
        inner.waiting.push_back(Job { rows, told, alone });
        let is_free = inner.writers < WRITERS;
        inner.writers += usize::from(is_free);
        is_free
    }

    /// The place that [`Queue::push`] gave.
    pub(super) fn writer(&self) -> Writer<'_> {
        Writer { queue: self, is_given_up: false }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<'a> Writer<'a> {
    /// All that can be written together now. Where there is nothing, the place is given up in the same moment: whoever comes gets it, and
    /// whoever has what the rest waits for takes that next.
    pub(super) fn next(&mut self) -> Option<Group<'a>> {
        let mut inner = self.queue.inner();
        let Inner { waiting, under_way, writers } = &mut *inner;
        let (mut jobs, mut alone) = (Vec::new(), Vec::new());
        for job in std::mem::take(waiting) {
            if job.told.is_closed() {
                continue;
            }
            if jobs.len() >= TOGETHER || job.alone.iter().any(|a| under_way.contains(a)) {
                waiting.push_back(job);
            } else {
                under_way.extend(job.alone.iter().cloned());
                alone.extend(job.alone.iter().cloned());
                jobs.push(job);
            }
        }
        if jobs.is_empty() {
            *writers -= 1;
            self.is_given_up = true;
            return None;
        }
        Some(Group { jobs, queue: self.queue, alone })
    }
}

impl Drop for Writer<'_> {
    fn drop(&mut self) {
        if !self.is_given_up {
            self.queue.inner().writers -= 1;
        }
    }
}

impl Drop for Group<'_> {
    fn drop(&mut self) {
        let mut inner = self.queue.inner();
        for alone in &self.alone {
            inner.under_way.remove(alone);
        }
    }
}
