//! How the protocol over HTTP ends: calls under way are answered first, then sessions and their streams end.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;
use futures_util::StreamExt as _;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What is under way, and what ends when nothing is.
#[derive(Debug, Clone, Default)]
pub(super) struct Ending {
    calls: TaskTracker,
    sessions: CancellationToken,
}

impl Ending {
    /// Cancelled when sessions end.
    pub(super) fn sessions(&self) -> CancellationToken {
        self.sessions.clone()
    }

    /// Waits until it is to end, and until all that was sent by then is answered; then ends the sessions.
    pub(super) async fn run(self, closing: CancellationToken) {
        closing.cancelled().await;
        self.calls.close();
        self.calls.wait().await;
        self.sessions.cancel();
    }
}

/// Counts a message as under way until its answer has been taken. A stream that a client only listens at is none.
pub(super) async fn count(State(ending): State<Ending>, request: Request, next: Next) -> Response {
    if *request.method() != Method::POST {
        return next.run(request).await;
    }
    let token = ending.calls.token();
    next.run(request).await.map(|body| {
        Body::from_stream(body.into_data_stream().map(move |part| {
            let _under_way = &token;
            part
        }))
    })
}
