//! Events as they happen: server-sent events that go on where they broke off, after a restart and in another process too, for they are read
//! from the store.

use std::convert::Infallible;
use std::pin::Pin;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::{FutureExt as _, stream};
use serde::Deserialize;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Sleep;

use super::App;
use super::body::{Named, Params, Who, named};
use super::guard;
use super::problem::Problem;
use super::wire::Line;
use crate::driver::Watch;
use crate::service::{Caller, ServiceError};
use crate::store::ConversationKey;

/// The header that names the last event that was seen.
const LAST: &str = "last-event-id";
/// How often the store is looked into for what another process did.
const LOOK: Duration = Duration::from_secs(1);
/// How often something is sent, so that a broken connection is noticed.
const ALIVE: Duration = Duration::from_secs(15);

/// Where to begin.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct From {
    after: Option<u64>,
}

pub(super) async fn events(
    State(app): State<App>,
    Who(caller): Who,
    Named((agent, id)): Named<(String, String)>,
    Params(from): Params<From>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let key = app.service.looked_at(&caller, &agent, &id.into()).await?;
    let said = headers.get(LAST).is_some_and(|id| !id.is_empty());
    let last = match said.then(|| named(&headers, LAST)).transpose()?.flatten() {
        Some(id) => Some(id.parse().map_err(|_| Problem::bad_request("header", "the header `last-event-id` is no number"))?),
        None => None,
    };
    let room = app.admission.stream()?;
    let watch = app.service.runtime().watch(&key);
    // Whoever knows more than there is, of a store that was put back, goes on with what is new.
    let seq = match last.or(from.after) {
        Some(seq) => seq.min(app.service.runtime().state(&key).await.map_err(ServiceError::from)?.version),
        None => 0,
    };
    let ends = Box::pin(tokio::time::sleep(app.admission.limits().stream));
    let reader = Reader { app, headers, caller, key, watch, seq, ready: Vec::new(), ends, _room: room };
    let events = stream::unfold(reader, Reader::next);
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(ALIVE)).into_response())
}

struct Reader {
    app: App,
    /// Of the request, by which its caller is known again.
    headers: HeaderMap,
    caller: Caller,
    key: ConversationKey,
    watch: Watch,
    /// The last event that was looked at.
    seq: u64,
    /// What was read and not sent yet, the next last.
    ready: Vec<Line>,
    ends: Pin<Box<Sleep>>,
    _room: OwnedSemaphorePermit,
}

impl Reader {
    /// Whether who reads would still be let in, as the same caller: keys may change while the stream is open.
    fn is_let_in(&self) -> bool {
        guard::caller(&self.app, &self.headers).is_ok_and(|caller| caller == self.caller)
    }

    /// The next event; the end when the service stops, or the stream's time is over. Whoever comes again then goes on where this ended.
    async fn next(mut self) -> Option<(Result<Event, Infallible>, Self)> {
        loop {
            if (&mut self.ends).now_or_never().is_some() || !self.is_let_in() {
                return None;
            }
            if let Some(line) = self.ready.pop() {
                let event = Event::default().id(line.seq.to_string()).event(line.kind).json_data(&line);
                return event.ok().map(|event| (Ok(event), self));
            }
            // Asked for before the store is: what comes in between is not missed.
            let happened = self.watch.next();
            match self.app.service.events(&self.caller, &self.key, self.seq).await {
                Ok((lines, seq)) if seq > self.seq => {
                    self.seq = seq;
                    self.ready = lines.into_iter().map(Line::from).rev().collect();
                    continue;
                }
                Ok(_) => {}
                Err(error) => tracing::warn!(%error, "the events of a conversation cannot be read"),
            }
            tokio::select! {
                () = happened => {}
                () = tokio::time::sleep(LOOK) => {}
                () = self.app.closing.cancelled() => return None,
                () = &mut self.ends => return None,
            }
        }
    }
}
