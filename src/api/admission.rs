//! How much is handled at once: what comes beside that waits a while, and what comes beside those that wait is sent away.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::listen::Limits;
use super::problem::Problem;
use crate::service::ServiceError;

/// Room for requests and for streams.
#[derive(Debug)]
pub(super) struct Admission {
    running: Arc<Semaphore>,
    streams: Arc<Semaphore>,
    waiting: AtomicUsize,
    limits: Limits,
}

impl Admission {
    pub(super) fn new(limits: Limits) -> Self {
        let running = Arc::new(Semaphore::new(limits.at_once));
        let streams = Arc::new(Semaphore::new(limits.streams));
        Self { running, streams, waiting: AtomicUsize::new(0), limits }
    }

    /// The limits.
    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Room for one request, now or soon.
    pub(super) async fn enter(&self) -> Result<OwnedSemaphorePermit, Problem> {
        if let Ok(permit) = self.running.clone().try_acquire_owned() {
            return Ok(permit);
        }
        let _waiting = Waiting::join(&self.waiting, self.limits.waiting).ok_or(ServiceError::Overloaded)?;
        match tokio::time::timeout(self.limits.wait, self.running.clone().acquire_owned()).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) | Err(_) => Err(ServiceError::Overloaded.into()),
        }
    }

    /// Room for one stream, now or not at all.
    pub(super) fn stream(&self) -> Result<OwnedSemaphorePermit, Problem> {
        self.streams.clone().try_acquire_owned().map_err(|_| ServiceError::Overloaded.into())
    }
}

/// A place in the queue.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn join(count: &'a AtomicUsize, most: usize) -> Option<Self> {
        let joined = count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| (n < most).then_some(n + 1));
        joined.ok().map(|_| Self(count))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
