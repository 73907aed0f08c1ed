//! Work that goes on when whoever waits for it goes away. Knows nothing of conversations.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

/// Work that is done where it is waited for, and by itself from the moment on at which nobody waits any more.
///
/// A task of its own from the start would do the same; but most work is done before anybody leaves, and need not change hands.
pub(super) struct Carried<F>(Option<Pin<Box<F>>>)
where
    F: Future + Send + 'static,
    F::Output: Send;

/// The work broke off.
#[derive(Debug)]
pub(super) struct Broken;

impl<F> Carried<F>
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    pub(super) fn new(work: F) -> Self {
        Self(Some(Box::pin(work)))
    }
}

impl<F> Future for Carried<F>
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    type Output = Result<F::Output, Broken>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(work) = &mut self.0 else { return Poll::Ready(Err(Broken)) };
        // What broke off is dropped, and never looked at again.
        let polled = match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context))) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(output)) => Ok(output),
            Err(_) => Err(Broken),
        };
        self.0 = None;
        Poll::Ready(polled)
    }
}

impl<F> Drop for Carried<F>
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn drop(&mut self) {
        // Without an executor the process is ending, and the work with it.
        if let Some(work) = self.0.take()
            && let Ok(executor) = tokio::runtime::Handle::try_current()
        {
            executor.spawn(work);
        }
    }
}
