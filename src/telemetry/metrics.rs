//! What is counted and timed, for Prometheus.

use std::borrow::Cow;
use std::fmt::Write;
use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::{Seen, Span, What};
use crate::engine::event::{Class, EventBody};

/// Labels: names that the workspace's author gave, and codes. Never anything of a conversation.
type Labels<const N: usize> = [(&'static str, Text); N];
type Text = Cow<'static, str>;

type Count<const N: usize> = Family<Labels<N>, Counter>;
type Times<const N: usize> = Family<Labels<N>, Histogram, fn() -> Histogram>;

/// Of the conversations that there are, what the store knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Open {
    /// Conversations that may go on.
    pub conversations: u64,
    /// Actions that are held.
    pub holds: u64,
}

/// The metrics of a process, in a registry of their own.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    turns: Count<2>,
    turn: Times<1>,
    steps: Times<1>,
    outcomes: Count<2>,
    verdicts: Count<3>,
    calls: Count<2>,
    call: Times<1>,
    retries: Count<1>,
    in_doubt: Count<1>,
    settled: Counter,
    routed: Count<1>,
    holds: Count<1>,
    escalations: Count<1>,
    store: Times<1>,
    dropped: Counter,
    open: Gauge,
    held: Gauge,
}

/// From half a millisecond to a minute.
fn times() -> Histogram {
    Histogram::new([0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0])
}

impl Default for Metrics {
    fn default() -> Self {
        let new_times = || Times::<1>::new_with_constructor(times);
        let mut all = Self {
            registry: Registry::with_prefix("waypost"),
            turns: Family::default(),
            turn: new_times(),
            steps: new_times(),
            outcomes: Family::default(),
            verdicts: Family::default(),
            calls: Family::default(),
            call: new_times(),
            retries: Family::default(),
            in_doubt: Family::default(),
            settled: Counter::default(),
            routed: Family::default(),
            holds: Family::default(),
            escalations: Family::default(),
            store: new_times(),
            dropped: Counter::default(),
            open: Gauge::default(),
            held: Gauge::default(),
        };
        let r = &mut all.registry;
        r.register("turns", "Turns, by what they brought and how they ended", all.turns.clone());
        r.register_with_unit("turn", "From a turn's beginning to its last answer", Unit::Seconds, all.turn.clone());
        r.register_with_unit("step", "From a step's entry to the next one's, within a turn", Unit::Seconds, all.steps.clone());
        r.register("outcomes", "Runs of journeys, by how they ended", all.outcomes.clone());
        r.register("verdicts", "What was decided of actions, and why", all.verdicts.clone());
        r.register("calls", "Requests sent, by what came back", all.calls.clone());
        r.register_with_unit("call", "From a request to its answer", Unit::Seconds, all.call.clone());
        r.register("retries", "Requests sent again", all.retries.clone());
        r.register("in_doubt", "Writes of which nobody knew what came", all.in_doubt.clone());
        r.register("doubts_settled", "Writes in doubt of which it became known", all.settled.clone());
        r.register(
            "routed",
            "First messages, by the journey that they were taken to mean; `nowhere` is what was offered",
            all.routed.clone(),
        );
        r.register("holds", "Actions that waited for an approval, by what became of them", all.holds.clone());
        r.register("escalations", "Conversations that went to people, by queue", all.escalations.clone());
        r.register_with_unit("store", "What the store took", Unit::Seconds, all.store.clone());
        r.register("traces_dropped", "Turns whose spans the collector was too slow for", all.dropped.clone());
        r.register("conversations_open", "Conversations that may go on", all.open.clone());
        r.register("holds_open", "Actions that wait for an approval", all.held.clone());
        all
    }
}

impl Metrics {
    pub(super) fn turn(&self, seen: &Seen<'_>, spans: &[Span]) {
        let refused =
            seen.events.iter().find_map(|e| if let EventBody::Refused { code } = &e.body { Some(code.to_string()) } else { None });
        let end = seen.failed.map(Text::from).or(refused.map(Text::from)).unwrap_or(Text::Borrowed("answered"));
        count(&self.turns, [("what", seen.what.into()), ("end", end)]);
        for span in spans {
            let of = |name: &str| span.found(name).cloned().unwrap_or_default();
            let took = seconds(span);
            match span.what {
                What::Turn => self.turn.get_or_create(&[("what", seen.what.into())]).observe(took),
                What::Step => self.steps.get_or_create(&[("kind", of("kind"))]).observe(took),
                What::Verdict => {
                    let labels = [("action", span.name.clone().into()), ("decision", of("decision")), ("code", of("code"))];
                    count(&self.verdicts, labels);
                }
                What::Call => {
                    let result = span.attribute("status").map_or_else(|| of("error"), |status| class(status).into());
                    count(&self.calls, [("action", span.name.clone().into()), ("result", result)]);
                    self.call.get_or_create(&[("action", span.name.clone().into())]).observe(took);
                    if span.attribute("attempt").is_some_and(|n| n != "1") {
                        count(&self.retries, [("action", span.name.clone().into())]);
                    }
                }
            }
            if let Some((journey, outcome)) = span.attribute("ended").and_then(|e| e.split_once(':')) {
                count(&self.outcomes, [("journey", journey.to_owned().into()), ("outcome", outcome.to_owned().into())]);
            }
            if let Some(journey) = span.attribute("routed") {
                count(&self.routed, [("journey", journey.to_owned().into())]);
            }
        }
        for event in seen.events {
            self.event(&event.body);
        }
    }

    fn event(&self, body: &EventBody) {
        let body = if let EventBody::Sealed { body, .. } = body { body } else { body };
        if let EventBody::ActionFinished(finished) = body {
            if finished.class == Some(Class::InDoubt) {
                count(&self.in_doubt, [("action", finished.action.to_string().into())]);
            }
        } else if let EventBody::Settled { .. } = body {
            self.settled.inc();
        } else if let EventBody::Held(_) = body {
            count(&self.holds, [("how", "asked".into())]);
        } else if let EventBody::HoldEnded(ended) = body {
            count(&self.holds, [("how", ended.how.as_str().into())]);
        } else if let EventBody::Escalated(escalated) = body {
            count(&self.escalations, [("queue", escalated.to.to_string().into())]);
        }
    }

    pub(super) fn stored(&self, what: &'static str, took: Duration) {
        self.store.get_or_create(&[("what", what.into())]).observe(took.as_secs_f64());
    }

    pub(super) fn dropped(&self) {
        self.dropped.inc();
    }

    /// All of them in the form of `OpenMetrics`, with what the store says is open.
    #[must_use]
    pub fn text(&self, open: Option<Open>) -> String {
        if let Some(open) = open {
            self.open.set(i64::try_from(open.conversations).unwrap_or(i64::MAX));
            self.held.set(i64::try_from(open.holds).unwrap_or(i64::MAX));
        }
        let mut text = String::new();
        if encode(&mut text, &self.registry).is_err() {
            text.clear();
            let _ = writeln!(text, "# EOF");
        }
        text
    }
}

fn count<const N: usize>(of: &Count<N>, labels: Labels<N>) {
    of.get_or_create(&labels).inc();
}

fn seconds(span: &Span) -> f64 {
    Duration::try_from(span.to.duration_since(span.from)).unwrap_or_default().as_secs_f64()
}

/// `200` is `2xx`.
fn class(status: &str) -> String {
    status.chars().next().map(|c| format!("{c}xx")).unwrap_or_default()
}
