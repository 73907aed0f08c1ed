//! Sessions over HTTP. Each is its caller's alone: its id is no credential. And there are only so many.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use rmcp::transport::streamable_http_server::session::SessionManager as _;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;

use crate::service::Caller;

/// The header that names a session.
const ID: &str = "mcp-session-id";

/// The sessions of a process, and whose each is.
#[derive(Debug)]
pub(super) struct Sessions {
    manager: Arc<LocalSessionManager>,
    most: usize,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// Grows with every request: what is smaller was longer ago.
    now: u64,
    all: HashMap<String, One>,
}

/// A session.
#[derive(Debug)]
struct One {
    of: Caller,
    used: u64,
}

impl Sessions {
    pub(super) fn new(manager: Arc<LocalSessionManager>, most: usize) -> Arc<Self> {
        Arc::new(Self { manager, most: most.max(1), known: Mutex::default() })
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it is that caller's, who uses it now.
    fn is_of(&self, id: &str, caller: &Caller) -> bool {
        let mut known = self.known();
        known.now += 1;
        let now = known.now;
        let own = known.all.get_mut(id).filter(|s| s.of == *caller);
        own.map(|s| s.used = now).is_some()
    }

    /// A session has begun; gives those that end for it.
    async fn began(&self, id: String, caller: Caller) -> Vec<String> {
        let there = self.manager.sessions.read().await;
        let mut known = self.known();
        // Those that ended by themselves.
        known.all.retain(|id, _| there.contains_key(id.as_str()));
        drop(there);
        known.now += 1;
        let used = known.now;
        known.all.insert(id, One { of: caller, used });
        let mut ended = Vec::new();
        while known.all.len() > self.most
            && let Some(id) = known.spare()
        {
            known.all.remove(&id);
            ended.push(id);
        }
        ended
    }
}

impl Known {
    /// Of the key that has the most sessions, the one that was idle longest.
    fn spare(&self) -> Option<String> {
        let mut counts = BTreeMap::<_, usize>::new();
        for session in self.all.values() {
            *counts.entry((&session.of.key, &session.of.tenant)).or_default() += 1;
        }
        let most = counts.into_iter().max_by_key(|(_, n)| *n).map(|(of, _)| of)?;
        let own = self.all.iter().filter(|(_, s)| (&s.of.key, &s.of.tenant) == most);
        own.min_by_key(|(_, s)| s.used).map(|(id, _)| id.clone())
    }
}

fn id_of(headers: &HeaderMap) -> Option<String> {
    headers.get(ID).filter(|id| !id.is_empty()).map(|id| id.to_str().unwrap_or_default().to_owned())
}

/// Lets into a session only whose it is; to anybody else there is none.
pub(super) async fn own(State(sessions): State<Arc<Sessions>>, request: Request, next: Next) -> Response {
    let caller = request.extensions().get::<Caller>().cloned().map(super::as_agent);
    let ends = *request.method() == Method::DELETE;
    match (caller, id_of(request.headers())) {
        (Some(caller), Some(id)) if sessions.is_of(&id, &caller) => {
            let response = next.run(request).await;
            if ends && response.status().is_success() {
                sessions.known().all.remove(&id);
            }
            response
        }
        (Some(_) | None, Some(_)) => (StatusCode::NOT_FOUND, "Not Found: Session not found").into_response(),
        (caller, None) => {
            let response = next.run(request).await;
            if let (Some(caller), Some(id)) = (caller, id_of(response.headers())) {
                for ended in sessions.began(id, caller).await {
                    if let Err(error) = sessions.manager.close_session(&ended.into()).await {
                        tracing::debug!(%error, "a session had ended already");
                    }
                }
            }
            response
        }
    }
}
