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
use super::problem::Problem;
use super::wire::Line;
use crate::driver::Watch;
use crate::service::Caller;
use crate::store::ConversationKey;

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
    let last = match named(&headers, "last-event-id")? {
        Some(id) => Some(id.parse().map_err(|_| Problem::bad_request("header", "the header `last-event-id` is no number"))?),
        None => None,
    };
    let room = app.admission.stream()?;
    let watch = app.service.runtime().watch(&key);
    let seq = last.or(from.after).unwrap_or(0);
    let ends = Box::pin(tokio::time::sleep(app.admission.limits().stream));
    let reader = Reader { app, caller, key, watch, seq, ready: Vec::new(), ends, _room: room };
    let events = stream::unfold(reader, Reader::next);
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(ALIVE)).into_response())
}

struct Reader {
    app: App,
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
    /// The next event; the end when the service stops, or the stream's time is over. Whoever comes again then goes on where this ended.
    async fn next(mut self) -> Option<(Result<Event, Infallible>, Self)> {
        loop {
            if (&mut self.ends).now_or_never().is_some() {
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
