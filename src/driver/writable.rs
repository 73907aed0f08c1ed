//! Whether what is committed is kept. Knows nothing of what is in it.

use std::sync::atomic::{AtomicBool, Ordering};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

use crate::store::{Committed, StoreError};

/// How long after a commit that the store could not keep the next is expected to fail, too. Then it is worth a try.
const FAILING: SignedDuration = SignedDuration::from_secs(30);

/// Why the last commit was not kept, if it was not, and when.
pub type Unkept = Option<(Timestamp, String)>;

/// How the last commit went.
#[derive(Debug, Default)]
pub(super) struct Writable {
    failing: AtomicBool,
    last: watch::Sender<Unkept>,
}

impl Writable {
    /// What came of a commit.
    pub(super) fn came(&self, now: Timestamp, committed: &Result<Committed, StoreError>) {
        match committed {
            Ok(_) => {
                // Mostly nothing has to be told, and nobody to be waited for.
                if self.failing.load(Ordering::Relaxed) && self.failing.swap(false, Ordering::Relaxed) {
                    self.last.send_replace(None);
                }
            }
            Err(error @ (StoreError::Unavailable(_) | StoreError::Unwritable(_))) => {
                self.failing.store(true, Ordering::Relaxed);
                self.last.send_replace(Some((now, error.to_string())));
            }
            // It is about one conversation.
            Err(StoreError::Erased(_) | StoreError::Corrupt(_) | StoreError::Unsupported(_)) => {}
        }
    }

    /// Tells of changes.
    pub(super) fn watch(&self) -> watch::Receiver<Unkept> {
        self.last.subscribe()
    }

    /// Whether a commit now would most likely not be kept.
    pub(super) fn is_failing(&self, now: Timestamp) -> bool {
        self.last.borrow().as_ref().is_some_and(|(at, _)| now.duration_since(*at) < FAILING)
    }
}
