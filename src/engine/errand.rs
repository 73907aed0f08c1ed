//! What is kept of the word of a provider, so that it can be given again; and what it is told.

use std::sync::Arc;

use serde_json::{Map, json};

use super::effect::{CallFailure, CallResult, EffectId, HttpAnswer};
use super::event::Discovered;
use super::state::{Errand, State};
use crate::model::Offered;
use crate::model::action::ErrorKind;
use crate::model::provider::OFFERED;
use crate::value::Json;

/// Characters of a text, and bytes of a schema, that are kept: more than are read.
const TEXT: usize = 4_000;
const SCHEMA: usize = 64 * 1024;
/// Effects that are kept: one more than are judged.
const EFFECTS: usize = 51;

impl State {
    /// What a provider is told of the case in hand.
    #[must_use]
    pub fn case_in_hand(&self) -> Json {
        let open = self.opened.as_deref();
        let status = serde_json::to_value(self.status).unwrap_or_default();
        json!({
            "ticket": self.case.as_ref().map(|c| c.json()),
            "user": open.map_or(&Json::Null, |o| &*o.user),
            "conversation": {
                "id": open.map_or("", |o| &*o.conversation),
                "agent": open.map_or("", |o| &*o.agent),
                "status": status,
                "journey": self.top().map(|r| r.journey.as_str()),
            },
        })
    }
}

impl Errand {
    /// An answer to it as far as it is read; nothing, if the event that it comes to tells all of it.
    pub(super) fn word(&self, effect: &EffectId, result: &CallResult) -> Option<Box<(EffectId, CallResult)>> {
        let discovers = matches!(self, Self::Discover { .. });
        let kept = match result {
            CallResult::Answered(answer) => {
                let read = !answer.invalid_json && (200..300).contains(&answer.status);
                let body = match (discovers, read) {
                    (true, true) => match Offered::list(&answer.body) {
                        Some((_, left_out)) if left_out.is_empty() => return None,
                        found => found.map_or(Json::Null, |_| listed(&answer.body)),
                    },
                    (true, false) => Json::Null,
                    (false, _) => done(&answer.body),
                };
                CallResult::Answered(HttpAnswer { headers: Vec::new(), body: Arc::new(body), ..answer.clone() })
            }
            CallResult::Failed(failure) => CallResult::Failed(failure.clone()),
        };
        Some(Box::new((effect.clone(), kept)))
    }
}

/// A list of offers, of which some are left out.
fn listed(body: &Json) -> Json {
    const KEYS: [&str; 6] = ["id", "label", "description", "requires_confirmation", "input_schema", "disabled_reason"];
    let items = body.as_array().or_else(|| body.get("actions")?.as_array());
    let item = |item: &Json| match item {
        Json::Object(map) => Json::Object(KEYS.iter().filter_map(|key| Some(((*key).to_owned(), short(map.get(*key)?)))).collect()),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::Array(_) => Json::Null,
    };
    let kept: Json = items.into_iter().flatten().take(OFFERED + 1).map(item).collect();
    if body.get("more") == Some(&Json::Bool(true)) { json!({"actions": kept, "more": true}) } else { kept }
}

/// What came of an execution.
fn done(body: &Json) -> Json {
    let mut kept = Map::new();
    for key in ["success", "message"] {
        kept.extend(body.get(key).map(|json| (key.to_owned(), short(json))));
    }
    match body.get("effects") {
        Some(Json::Array(effects)) => {
            kept.insert("effects".into(), effects.iter().take(EFFECTS).cloned().collect());
        }
        Some(one) => {
            kept.insert("effects".into(), one.clone());
        }
        None => {}
    }
    Json::Object(kept)
}

fn short(json: &Json) -> Json {
    match json {
        Json::String(text) => text.chars().take(TEXT).collect::<String>().into(),
        Json::Object(_) if json.to_string().len() <= SCHEMA => json.clone(),
        // Of another kind than it should be, or too large: so it is again.
        Json::Object(_) | Json::Array(_) => Json::from(0),
        Json::Null | Json::Bool(_) | Json::Number(_) => json.clone(),
    }
}

impl Discovered {
    /// An answer that comes to this; nothing, if some of it is told nowhere.
    #[must_use]
    pub fn result(&self) -> Option<CallResult> {
        match &self.failed {
            Some((code, detail)) => {
                let failure =
                    CallFailure { kind: ErrorKind::Internal, code: code.clone(), sent: true, detail: detail.clone(), retry_after_ms: None };
                Some(CallResult::Failed(failure))
            }
            None if self.left_out.is_empty() => Some(CallResult::answered(200, serde_json::to_value(&self.actions).ok()?)),
            None => None,
        }
    }
}
