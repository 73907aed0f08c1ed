//! Bodies over HTTP, read whole before anything is made of them: bounded in size and in time, so that nobody keeps a place by sending a little.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;

/// How large a body may be, and how long it may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) bytes: usize,
    pub(super) within: Duration,
}

/// Lets in a request when its body is there.
pub(super) async fn read(State(bounds): State<Bounds>, request: Request, next: Next) -> Response {
    let (head, body) = request.into_parts();
    match tokio::time::timeout(bounds.within, collect(body, bounds.bytes)).await {
        Ok(Ok(body)) => next.run(Request::from_parts(head, body.into())).await,
        Ok(Err(refused)) => refused.into_response(),
        Err(_) => (StatusCode::REQUEST_TIMEOUT, "Request Timeout: the body did not come in time").into_response(),
    }
}

async fn collect(body: Body, most: usize) -> Result<Bytes, (StatusCode, &'static str)> {
    let mut stream = body.into_data_stream();
    let mut all = Vec::new();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|_| (StatusCode::BAD_REQUEST, "Bad Request: the body broke off"))?;
        if all.len().saturating_add(chunk.len()) > most {
            return Err((StatusCode::PAYLOAD_TOO_LARGE, "Payload Too Large: the body has too many bytes"));
        }
        all.extend_from_slice(&chunk);
    }
    Ok(all.into())
}
