//! What is done, counted, timed and traced: made of the events that a turn brings and of the edges of the driver.
//!
//! Names, codes and times only: of what was said or sent nothing comes here. Knows no conversation's state, and decides nothing.

mod metrics;
mod span;
mod traces;

use std::sync::OnceLock;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use crate::engine::Event;
use crate::model::Workspace;
use crate::value::Name;

pub use metrics::{Metrics, Open};
pub use span::{Span, What, spans};
pub use traces::{Exporter, TracesError};

/// Turns whose spans wait for the collector; more are dropped, and counted.
const WAITING: usize = 4_096;

/// A turn that is over.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'t> {
    /// Whose.
    pub tenant: &'t str,
    /// Its conversation.
    pub conversation: &'t str,
    /// What it brought: `message`, `command`, `wake` …
    pub what: &'static str,
    /// The journeys that were under way when it began, the top one last.
    pub journeys: &'t [Name],
    /// What happened.
    pub events: &'t [Event],
    /// When it began.
    pub began: Timestamp,
    /// When it was over.
    pub ended: Timestamp,
    /// The workspace, which knows what kind a step is of.
    pub workspace: &'t Workspace,
    /// Why it came to nothing, as a code.
    pub failed: Option<&'static str>,
}

/// Where it all is kept.
#[derive(Debug, Default)]
pub struct Telemetry {
    metrics: Metrics,
    traces: OnceLock<Sender<Vec<Span>>>,
}

impl Telemetry {
    /// Counts a turn, logs it, and hands its spans on.
    pub fn turn(&self, seen: &Seen<'_>) {
        if seen.events.is_empty() && seen.failed.is_none() {
            return;
        }
        let spans = spans(seen);
        self.metrics.turn(seen, &spans);
        log(seen, &spans);
        if let Some(traces) = self.traces.get()
            && traces.try_send(spans).is_err()
        {
            self.metrics.dropped();
        }
    }

    /// How long the store took for something.
    pub fn stored(&self, what: &'static str, took: Duration) {
        self.metrics.stored(what, took);
    }

    /// The metrics.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// The spans of each turn from now on, for whoever asks first.
    #[must_use]
    pub fn traces(&self) -> Option<Receiver<Vec<Span>>> {
        let (sender, receiver) = channel(WAITING);
        self.traces.set(sender).is_ok().then_some(receiver)
    }
}

fn log(seen: &Seen<'_>, spans: &[Span]) {
    let Seen { tenant, conversation, what, .. } = *seen;
    let millis = seen.ended.as_millisecond().saturating_sub(seen.began.as_millisecond());
    if let Some(failed) = seen.failed {
        tracing::warn!(tenant, conversation, what, millis, failed, "a turn came to nothing");
        return;
    }
    for span in spans {
        let facts = span.facts();
        match span.what {
            What::Turn => tracing::info!(tenant, conversation, what, millis, %facts, "turn"),
            What::Step | What::Verdict | What::Call => {
                tracing::debug!(tenant, conversation, kind = span.what.as_str(), name = %span.name, millis = span.millis(), %facts, "part of a turn");
            }
        }
    }
}
