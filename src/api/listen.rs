//! Accepts connections and serves them: with bounds on how many there are and how long a head may take, until it is told to stop.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Bytes of a request's head, at most.
const HEAD: usize = 32 * 1024;
/// How long accepting is left alone after the machine refused it, for want of files for one.
const PAUSE: Duration = Duration::from_millis(100);

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
    /// Connections.
    pub connections: usize,
    /// Until a head has come, also between two requests of a connection.
    pub head: Duration,
    /// Until a body has come.
    pub body: Duration,
    /// Until connections are cut when the server stops.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            at_once: 4_096,
            waiting: 1_024,
            wait: Duration::from_secs(5),
            streams: 1_024,
            connections: 8_192,
            head: Duration::from_secs(30),
            body: Duration::from_secs(30),
            grace: Duration::from_secs(40),
        }
    }
}

/// Serves until `stop` is cancelled, then lets what is under way finish.
pub async fn serve(listener: TcpListener, router: Router, limits: Limits, stop: CancellationToken) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(limits.head).max_header_size(HEAD).pipeline_flush(true);
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
                let connection = connection(http.clone(), stream, from, router.clone(), stop.clone());
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

async fn connection(http: Arc<http1::Builder>, stream: TcpStream, from: SocketAddr, router: Router, stop: CancellationToken) {
    // Without it every small answer waits for the acknowledgement of the one before.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, %from, "a connection keeps its delay");
    }
    let serving = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
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
