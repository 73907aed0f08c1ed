//! Spans to a collector, as OTLP over HTTP.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_http::HttpClient;
use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanExporter as _, SpanLinks};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc::Receiver;

use super::{Span, What};

/// Turns that go in one request.
const BATCH: usize = 256;

/// Why spans cannot be sent.
#[derive(Debug, thiserror::Error)]
pub enum TracesError {
    /// The address is none.
    #[error("`telemetry.otlp` is no address of a collector: {0}")]
    Address(String),
}

/// Sends spans, a batch after the other.
#[derive(Debug)]
pub struct Exporter {
    to: SpanExporter,
    spans: Receiver<Vec<Span>>,
    // What was received and is not sent: a sending that is broken off is begun again.
    turns: Vec<Vec<Span>>,
}

impl Exporter {
    /// To the collector at that address; without a path, to its `/v1/traces`.
    pub fn new(address: &str, client: impl HttpClient + 'static, spans: Receiver<Vec<Span>>) -> Result<Self, TracesError> {
        let mut url = url::Url::parse(address).map_err(|e| TracesError::Address(e.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(TracesError::Address("it has to begin with `http://` or `https://`".into()));
        }
        if url.path() == "/" {
            url.set_path("/v1/traces");
        }
        let builder = SpanExporter::builder().with_http().with_http_client(client).with_endpoint(url.as_str());
        let mut exporter = builder.build().map_err(|e| TracesError::Address(e.to_string()))?;
        let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
        exporter.set_resource(&Resource::builder_empty().with_service_name("waypost").with_attribute(version).build());
        Ok(Self { to: exporter, spans, turns: Vec::new() })
    }

    /// Sends what comes. What is dropped in the middle of it is sent when it is called again: a collector knows it by its ids.
    pub async fn run(&mut self) {
        while self.send().await {}
    }

    /// Sends what is left.
    pub async fn finish(&mut self) {
        self.spans.close();
        self.run().await;
    }

    async fn send(&mut self) -> bool {
        if self.turns.is_empty() && self.spans.recv_many(&mut self.turns, BATCH).await == 0 {
            return false;
        }
        let batch: Vec<SpanData> = self.turns.iter().flat_map(|turn| written(turn)).collect();
        if let Err(error) = self.to.export(batch).await {
            tracing::warn!(%error, turns = self.turns.len(), "the collector did not take what was traced");
        }
        self.turns.clear();
        true
    }
}

/// The spans of a turn in the collector's form. Its ids are digests of whose it is and when, so the same turn has the same ones.
fn written(turn: &[Span]) -> Vec<SpanData> {
    let Some(root) = turn.first() else { return Vec::new() };
    let of = |name| root.attribute(name).unwrap_or_default();
    let mut digest = Sha256::new();
    for part in [of("tenant"), of("conversation"), &root.from.as_nanosecond().to_string()] {
        digest.update(part.as_bytes());
        digest.update([0]);
    }
    let digest: [u8; 32] = digest.finalize().into();
    let id = |at: usize| digest.iter().skip(at).take(8).fold(0_u64, |id, byte| id << 8 | u64::from(*byte));
    let trace = TraceId::from(u128::from(id(0)) << 64 | u128::from(id(8)));
    let span_id = |n: usize| SpanId::from(id(16).wrapping_add(u64::try_from(n).unwrap_or(0)).max(1));
    let scope = InstrumentationScope::builder("waypost").with_version(env!("CARGO_PKG_VERSION")).build();
    let mut all = Vec::new();
    for (n, span) in turn.iter().enumerate() {
        let mut attributes: Vec<KeyValue> =
            span.attributes.iter().map(|(name, value)| KeyValue::new(format!("waypost.{name}"), value.clone())).collect();
        attributes.push(KeyValue::new("waypost.span", span.what.as_str()));
        all.push(SpanData {
            span_context: SpanContext::new(trace, span_id(n), TraceFlags::SAMPLED, false, TraceState::default()),
            parent_span_id: span.parent.map_or(SpanId::INVALID, span_id),
            parent_span_is_remote: false,
            span_kind: match span.what {
                What::Turn => SpanKind::Server,
                What::Call => SpanKind::Client,
                What::Step | What::Verdict => SpanKind::Internal,
            },
            name: format!("{} {}", span.what.as_str(), span.name).into(),
            start_time: system(span.from),
            end_time: system(span.to),
            attributes,
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: if span.failed { Status::error("") } else { Status::Unset },
            instrumentation_scope: scope.clone(),
        });
    }
    all
}

fn system(at: Timestamp) -> SystemTime {
    let nanos = u64::try_from(at.as_nanosecond()).unwrap_or(0);
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_nanos(nanos)).unwrap_or(SystemTime::UNIX_EPOCH)
}
