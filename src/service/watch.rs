//! What the service says of itself: metrics, and traces to a collector.

use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

use super::Service;
use super::access::{Caller, Role};
use super::error::ServiceError;
use crate::outbound;
use crate::store::Store;
use crate::telemetry::{Exporter, Open, TracesError};

/// How old the store's counts may be: counting what is open is no work for every look.
const OLD: SignedDuration = SignedDuration::from_secs(15);

/// The store's counts, and when they were made.
#[derive(Debug, Default)]
pub(super) struct Looked(Mutex<Option<(Timestamp, Open)>>);

/// Where traces go.
pub type TracesTo = Exporter;

impl Service {
    /// The metrics of this process, for hosts and people of the company.
    pub async fn metrics(&self, caller: &Caller) -> Result<String, ServiceError> {
        match caller.role {
            Role::Runtime | Role::Operator | Role::Admin => {}
            Role::User | Role::Agent => {
                return Err(ServiceError::Forbidden(format!("a key of the role `{}` sees no metrics", caller.role.as_str())));
            }
        }
        let now = self.runtime().clock().now();
        let known = *self.looked();
        let open = match known.filter(|(at, _)| now.duration_since(*at) < OLD) {
            Some((_, open)) => Some(open),
            // Without its store a process still says what it counted itself.
            None => match self.runtime().store().stat().await {
                Ok(stat) => {
                    let open = Open { conversations: stat.unfinished, holds: stat.holds };
                    *self.looked() = Some((now, open));
                    Some(open)
                }
                Err(error) => {
                    tracing::warn!(%error, "what is open could not be counted");
                    None
                }
            },
        };
        Ok(self.runtime().telemetry().metrics().text(open))
    }

    fn looked(&self) -> std::sync::MutexGuard<'_, Option<(Timestamp, Open)>> {
        self.0.looked.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What sends traces to the collector that the workspace names, if it names one; to be driven by the program.
    pub fn traces(&self) -> Result<Option<TracesTo>, TracesError> {
        let Some(address) = self.workspace().settings.otlp.clone() else { return Ok(None) };
        let client = outbound::collector().map_err(|e| TracesError::Address(e.to_string()))?;
        let Some(spans) = self.runtime().telemetry().traces() else { return Ok(None) };
        Exporter::new(&address, client, spans).map(Some)
    }
}
