//! Accepts connections and serves them: with bounds on how many there are and how long a head may take, until it is told to stop.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::guard::Front;
use super::patient::Patient;
use crate::model::settings::{self, Serving};

/// Bytes of a request's head, at most.
const HEAD: usize = 32 * 1024;
/// How long accepting is left alone after the machine refused it, for want of files for one.
const PAUSE: Duration = Duration::from_millis(100);

/// How long what is under way may take to end when the server stops, beside the time of a turn.
const GRACE: Duration = Duration::from_secs(10);

/// Bounds of the server.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Requests that are handled at once.
    pub at_once: usize,
    /// Requests that wait for their turn beside those.
    pub waiting: usize,
    /// How long one waits.
    pub wait: Duration,
    /// Streams of events.
    pub streams: usize,
    /// Until a stream ends, and its reader comes again.
    pub stream: Duration,
    /// Connections.
    pub connections: usize,
    /// Until a head has come, also between two requests of a connection.
    pub head: Duration,
    /// Until a body has come.
    pub body: Duration,
    /// Until a caller has taken what is sent.
    pub send: Duration,
    /// Until connections are cut when the server stops.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self::of(&settings::Limits::default())
    }
}

impl Limits {
    /// As a workspace has them. What was let in is answered, however long a turn may take.
    #[must_use]
    pub fn of(limits: &settings::Limits) -> Self {
        let Serving { requests, waiting, wait_ms, connections, streams, stream_ms, receive_ms, send_ms } = limits.serving;
        let count = |n: u32| usize::try_from(n).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        let receive = Duration::from_millis(receive_ms);
        Self {
            at_once: count(requests),
            waiting: count(waiting),
            wait: Duration::from_millis(wait_ms),
            streams: count(streams),
            stream: Duration::from_millis(stream_ms),
            connections: count(connections),
            head: receive,
            body: receive,
            send: Duration::from_millis(send_ms),
            grace: Duration::from_millis(limits.turn_ms).saturating_add(GRACE),
        }
    }
}

/// Serves until `stop` is cancelled, then lets what is under way finish.
pub async fn serve(listener: TcpListener, front: Front, limits: Limits, stop: CancellationToken) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(limits.head).max_header_size(HEAD);
    let http = Arc::new(http);
    let room = Arc::new(Semaphore::new(limits.connections));
    let tasks = TaskTracker::new();
    loop {
        // Without room, connections wait in the machine's own queue.
        let permit = tokio::select! {
            permit = room.clone().acquire_owned() => permit,
            () = stop.cancelled() => break,
        };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => break,
        };
        match accepted {
            Ok((stream, from)) => {
                let connection = connection(http.clone(), Patient::new(stream, limits.send), from, front.clone(), stop.clone());
                tasks.spawn(async move {
                    connection.await;
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
    drop(listener);
    tasks.close();
    if tokio::time::timeout(limits.grace, tasks.wait()).await.is_err() {
        tracing::warn!(connections = tasks.len(), "connections are cut: they did not end in time");
    }
}

async fn connection(http: Arc<http1::Builder>, stream: Patient, from: SocketAddr, front: Front, stop: CancellationToken) {
    // Without it every small answer waits for the acknowledgement of the one before.
    if let Err(error) = stream.tcp().set_nodelay(true) {
        tracing::debug!(%error, %from, "a connection keeps its delay");
    }
    let handle = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        let front = front.clone();
        async move { Ok::<_, Infallible>(front.answer(request.map(Body::new)).await) }
    });
    let serving = http.serve_connection(TokioIo::new(stream), handle);
    let mut serving = std::pin::pin!(serving);
    let ended = tokio::select! {
        ended = serving.as_mut() => ended,
        () = stop.cancelled() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, %from, "a connection ended early");
    }
}
