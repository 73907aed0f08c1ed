//! `check --connect`: asks each service of a workspace whether it lives and takes its credentials. Nothing of a journey is sent.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;
use tokio::task::JoinSet;

use super::Failure;
use super::terminal::{BAD, GOOD, Terminal};
use crate::check::Loaded;
use crate::driver::Clock;
use crate::engine::CallResult;
use crate::model::action::{Integration, IntegrationType};
use crate::outbound::{HttpPerformer, Secrets};

/// How long a service may take.
const WITHIN: Duration = Duration::from_secs(10);

/// What came of asking one service.
#[derive(Debug, Serialize)]
pub(super) struct Connection {
    integration: String,
    /// Where it was asked, below its base URL.
    endpoint: Option<String>,
    pub(super) ok: bool,
    status: Option<u16>,
    /// Why there was no answer: a stable code, such as `refused`.
    code: Option<String>,
    detail: String,
}

/// Asks them all at once; in order of their names.
pub(super) fn ask(loaded: &Loaded, root: &Path) -> Result<Vec<Connection>, Failure> {
    let http = HttpPerformer::new(loaded, &Secrets::environment(root), Clock::System.as_fn());
    let asked = loaded.integrations.values().filter(|i| i.kind != IntegrationType::Provider).cloned();
    let executor = super::chat::session::executor()?;
    let mut found = executor.block_on(async {
        let mut asking = JoinSet::new();
        for integration in asked {
            let http = http.clone();
            asking.spawn(async move {
                let result = http.probe(integration.slug.name.as_str(), WITHIN).await;
                connection(&integration, result)
            });
        }
        asking.join_all().await
    });
    found.sort_by(|a, b| a.integration.cmp(&b.integration));
    Ok(found)
}

fn connection(integration: &Integration, result: CallResult) -> Connection {
    let asks_tools = integration.kind == IntegrationType::Mcp;
    let endpoint = integration.test_endpoint.as_deref().filter(|_| !asks_tools);
    let (ok, status, code, detail) = match result {
        CallResult::Failed(failure) => (false, None, Some(failure.code.to_string()), failure.detail.to_string()),
        CallResult::Answered(answer) if asks_tools => {
            let more = answer.body.get("more").and_then(serde_json::Value::as_bool) == Some(true);
            (true, None, None, if more { "it lists its tools, more than are read" } else { "it lists its tools" }.to_owned())
        }
        CallResult::Answered(answer) => {
            let status = answer.status;
            // What it says at its base URL, where no question is written for it, means only that it is there.
            let (ok, detail) = match (status, endpoint) {
                (401 | 403, _) => (false, format!("it answers {status}: it does not take these credentials")),
                (200..=299, _) => (true, format!("it answers {status}")),
                (100..=499, None) => (true, format!("it answers {status} at its base URL; a `test_endpoint` would say more")),
                _ => (false, format!("it answers {status}")),
            };
            (ok, Some(status), None, detail)
        }
    };
    let (integration, endpoint) = (integration.slug.shown.to_string(), endpoint.map(ToOwned::to_owned));
    Connection { integration, endpoint, ok, status, code, detail }
}

/// A line for each.
pub(super) fn show(found: &[Connection], terminal: &mut Terminal) -> std::io::Result<()> {
    for one in found {
        let (look, mark) = if one.ok { (GOOD, "✓") } else { (BAD, "✗") };
        let at = one.endpoint.as_ref().map(|e| format!(" at `{e}`")).unwrap_or_default();
        writeln!(terminal.out, "{look}{mark}{look:#} {}{at}: {}", one.integration, one.detail)?;
    }
    Ok(())
}
