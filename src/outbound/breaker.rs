//! What keeps one provider from weighing on the others: so many requests at a time, and none for a while once it keeps failing.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::failure::failure;
use crate::engine::{CallFailure, HttpAnswer};
use crate::model::action::ErrorKind;

/// Requests to one provider at a time; more wait for their turn, within their own time.
const AT_ONCE: usize = 8;
/// Failures in a row after which it is left alone.
const FAILURES: u32 = 5;
/// For how long: then one request tries it.
const ALONE: SignedDuration = SignedDuration::from_secs(30);

/// The breaker of one provider.
pub(super) struct Breaker {
    room: Semaphore,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    failures: u32,
    until: Option<Timestamp>,
}

impl Default for Breaker {
    fn default() -> Self {
        Self { room: Semaphore::new(AT_ONCE), state: Mutex::default() }
    }
}

impl Breaker {
    /// Room for one request, if the provider is not left alone and there is some in time. Nothing was sent where there is none.
    pub(super) async fn enter(&self, now: Timestamp, within: Duration) -> Result<SemaphorePermit<'_>, CallFailure> {
        {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            if state.until.is_some_and(|until| now < until) {
                let why = "the provider kept failing and is left alone for a while";
                return Err(failure(ErrorKind::Provider, "circuit_open", false, why));
            }
            if state.until.is_some() {
                // Whoever comes while this one tries finds it left alone still.
                state.until = now.checked_add(ALONE).ok();
            }
        }
        match tokio::time::timeout(within, self.room.acquire()).await {
            Ok(Ok(room)) => Ok(room),
            Ok(Err(_)) | Err(_) => Err(failure(ErrorKind::Provider, "busy", false, "too much is asked of the provider at once")),
        }
    }

    /// What came of a request.
    pub(super) fn left(&self, now: Timestamp, outcome: &Result<HttpAnswer, CallFailure>) {
        let failed = match outcome {
            Ok(answer) => answer.status >= 500 || answer.status == 429,
            Err(failed) => failed.kind != ErrorKind::InvalidInput,
        };
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if failed {
            state.failures = state.failures.saturating_add(1);
            if state.failures >= FAILURES {
                state.until = now.checked_add(ALONE).ok();
            }
        } else {
            *state = State::default();
        }
    }
}
