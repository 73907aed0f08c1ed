//! Who performs the requests that were allowed.

use std::future::Future;

use crate::engine::{CallEffect, CallResult};
use crate::outbound::HttpPerformer;

/// Performs a request: over HTTP, by a stub, or by a function of whoever embeds the library.
///
/// An `async` function or closure from a [`CallEffect`] to a [`CallResult`] is one.
pub trait Perform: Send + Sync + 'static {
    /// Performs it, and says what came of it. Dropped when the request's time is up.
    fn perform(&self, effect: CallEffect) -> impl Future<Output = CallResult> + Send;
}

impl<F, R> Perform for F
where
    F: Fn(CallEffect) -> R + Send + Sync + 'static,
    R: Future<Output = CallResult> + Send,
{
    fn perform(&self, effect: CallEffect) -> impl Future<Output = CallResult> + Send {
        self(effect)
    }
}

impl Perform for HttpPerformer {
    async fn perform(&self, effect: CallEffect) -> CallResult {
        self.call(effect).await
    }
}
