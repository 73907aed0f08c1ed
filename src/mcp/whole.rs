//! Bodies over HTTP, read whole before anything is made of them: in a bounded time, so that nobody keeps a place by sending a little.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{FromRequest as _, Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// Lets in a request when its body is there; how large that may be, a layer above says.
pub(super) async fn read(State(within): State<Duration>, request: Request, next: Next) -> Response {
    let (head, body) = request.into_parts();
    match tokio::time::timeout(within, Bytes::from_request(Request::from_parts(head.clone(), body), &())).await {
        Ok(Ok(body)) => next.run(Request::from_parts(head, body.into())).await,
        Ok(Err(refused)) => refused.into_response(),
        Err(_) => (StatusCode::REQUEST_TIMEOUT, "Request Timeout: the body did not come in time").into_response(),
    }
}
