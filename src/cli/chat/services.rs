//! Who answers a call in the terminal: a stub, nobody in a dry run, or the real service.

use std::fmt::Write;
use std::sync::Arc;

use crate::driver::Perform;
use crate::engine::{CallEffect, CallFailure, CallResult};
use crate::model::ErrorKind;
use crate::model::action::{Effects, Method};
use crate::outbound::HttpPerformer;
use crate::transcript::Stubs;

/// Says something to whoever watches.
pub(in crate::cli) type Notice = Arc<dyn Fn(&str) + Send + Sync>;

/// Answers by stubs where there are some, sends the rest, but no writes in a dry run.
#[derive(Clone)]
pub(in crate::cli) struct Services {
    /// Tried first.
    pub(in crate::cli) stubs: Option<Stubs>,
    /// The real services.
    pub(in crate::cli) http: HttpPerformer,
    /// In a dry run, who is told what would be sent.
    pub(in crate::cli) dry_run: Option<Notice>,
}

impl Perform for Services {
    async fn perform(&self, effect: CallEffect) -> CallResult {
        if let Some(stubs) = self.stubs.as_ref().filter(|s| s.has(&effect.request.action)) {
            return stubs.perform(effect).await;
        }
        match (&self.dry_run, effect.request.effects) {
            (Some(notice), Effects::Write) => {
                notice(&written_out(&effect));
                let detail = "a dry run sends no writes: give the action a stub to see what would follow";
                CallResult::Failed(CallFailure {
                    kind: ErrorKind::Denied,
                    code: "dry_run".into(),
                    sent: false,
                    detail: detail.into(),
                    retry_after_ms: None,
                })
            }
            _ => self.http.call(effect).await,
        }
    }
}

/// A request as it would go over the wire, without credentials; of one with anything sensitive in it, only what it is made of.
fn written_out(effect: &CallEffect) -> String {
    let request = &effect.request;
    if request.sensitive {
        return format!("{} …  ({})\nwith {}", method(request.method), request.action, effect.shown);
    }
    let query: Vec<String> = request.query.iter().map(|(k, v)| format!("{k}={v}")).collect();
    let query = if query.is_empty() { String::new() } else { format!("?{}", query.join("&")) };
    let mut out = format!("{} {}{query}  ({})", method(request.method), request.path, request.action);
    for (name, value) in &request.headers {
        let _ = write!(out, "\n{name}: {value}");
    }
    if let Some(body) = &request.body {
        out.push('\n');
        out.push_str(body);
    }
    out
}

const fn method(method: Method) -> &'static str {
    match method {
        Method::Get => "GET",
        Method::Head => "HEAD",
        Method::Post => "POST",
        Method::Put => "PUT",
        Method::Patch => "PATCH",
        Method::Delete => "DELETE",
        Method::Options => "OPTIONS",
    }
}
