//! How the protocol ends: calls under way are answered first, then sessions and their streams end.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;
use futures_util::StreamExt as _;
use rmcp::RoleServer;
use rmcp::model::{ClientNotification, ClientRequest, JsonRpcMessage, RequestId};
use rmcp::service::{RxJsonRpcMessage, TxJsonRpcMessage};
use rmcp::transport::Transport;
use tokio::sync::Notify;
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

/// A transport that ends, when its input does or it is told to, only once all that was asked is answered.
pub(super) struct Answering<T> {
    within: T,
    closing: CancellationToken,
    asked: Arc<Asked>,
}

/// What was asked and is not answered.
#[derive(Default)]
struct Asked {
    ids: Mutex<HashSet<RequestId>>,
    fewer: Notify,
}

impl Asked {
    fn ids(&self) -> MutexGuard<'_, HashSet<RequestId>> {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn done(&self, id: &RequestId) {
        self.ids().remove(id);
        self.fewer.notify_waiters();
    }

    async fn none(&self) {
        loop {
            let mut fewer = std::pin::pin!(self.fewer.notified());
            fewer.as_mut().enable();
            if self.ids().is_empty() {
                return;
            }
            fewer.await;
        }
    }
}

impl<T> Answering<T> {
    /// Around a transport; `closing` is cancelled to end it, or when its input has ended.
    pub(super) fn new(within: T, closing: CancellationToken) -> Self {
        Self { within, closing, asked: Arc::default() }
    }
}

impl<T: Transport<RoleServer>> Transport<RoleServer> for Answering<T> {
    type Error = T::Error;

    fn send(&mut self, item: TxJsonRpcMessage<RoleServer>) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
        let answers = match &item {
            JsonRpcMessage::Response(answer) => Some(answer.id.clone()),
            JsonRpcMessage::Error(error) => error.id.clone(),
            JsonRpcMessage::Request(_) | JsonRpcMessage::Notification(_) => None,
        };
        let asked = self.asked.clone();
        let sent = self.within.send(item);
        async move {
            let sent = sent.await;
            if let Some(id) = answers {
                asked.done(&id);
            }
            sent
        }
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleServer>> {
        let closing = self.closing.clone();
        let message = tokio::select! {
            biased;
            () = closing.cancelled() => None,
            message = self.within.receive() => message,
        };
        match &message {
            // It is under way for as long as somebody listens.
            Some(JsonRpcMessage::Request(request)) if matches!(request.request, ClientRequest::SubscriptionsListenRequest(_)) => {}
            Some(JsonRpcMessage::Request(request)) => {
                self.asked.ids().insert(request.id.clone());
            }
            // What nobody wants any more is not answered.
            Some(JsonRpcMessage::Notification(told)) => {
                if let ClientNotification::CancelledNotification(cancelled) = &told.notification
                    && let Some(id) = &cancelled.params.request_id
                {
                    self.asked.done(id);
                }
            }
            Some(_) => {}
            None => {
                closing.cancel();
                tracing::debug!(asked = self.asked.ids().len(), "ends when what was asked is answered");
                self.asked.none().await;
            }
        }
        message
    }

    fn close(&mut self) -> impl Future<Output = Result<(), Self::Error>> + Send {
        self.within.close()
    }
}
