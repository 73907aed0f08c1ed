//! What an expression or a template of a run can see, without copying anything.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::effect::HttpAnswer;
use super::state::{Run, State};
use crate::expr::{Node, Read, Root, Scope};
use crate::supervise::{Source, Variables};
use crate::value::{Json, Name, Taint, Value};

/// A view of a run.
pub(super) struct View<'a> {
    state: &'a State,
    run: Option<&'a Run>,
    now: Timestamp,
    clean: Taint,
    each: Option<&'a Value>,
    each_taint: Taint,
    inputs: Option<&'a Value>,
    input_taints: OnceCell<BTreeMap<String, Taint>>,
    response: Option<(&'a HttpAnswer, &'a Taint)>,
    replaced: Option<(&'a [Arc<str>], &'a Value)>,
    status: Json,
    headers: OnceCell<Json>,
    conversation: OnceCell<Value>,
}

impl<'a> View<'a> {
    pub fn new(state: &'a State, run: Option<&'a Run>, now: Timestamp) -> Self {
        Self {
            state,
            run,
            now,
            clean: Taint::default(),
            each: None,
            each_taint: Taint::default(),
            inputs: None,
            input_taints: OnceCell::new(),
            response: None,
            replaced: None,
            status: Json::Null,
            headers: OnceCell::new(),
            conversation: OnceCell::new(),
        }
    }

    /// The top run's view.
    pub fn top(state: &'a State, now: Timestamp) -> Self {
        Self::new(state, state.top().map(|r| &**r), now)
    }

    pub fn each(self, each: Option<&'a Value>) -> Self {
        Self { each, each_taint: each.map(|v| v.taint.computed()).unwrap_or_default(), ..self }
    }

    pub fn inputs(self, inputs: &'a Value) -> Self {
        Self { inputs: Some(inputs), ..self }
    }

    pub fn response(self, answer: &'a HttpAnswer, taint: &'a Taint) -> Self {
        Self { response: Some((answer, taint)), status: answer.status.into(), ..self }
    }

    /// The same with another value at a root's key: to see whether a text depends on it.
    pub fn replacing(self, path: &'a [Arc<str>], value: &'a Value) -> Self {
        Self { replaced: Some((path, value)), ..self }
    }

    fn variables(&self) -> Option<&'a Variables> {
        self.run.map(|r| &*r.variables)
    }

    fn user(&self) -> Option<&'a Json> {
        self.state.opened.as_ref().map(|o| &*o.user)
    }

    fn conversation(&self) -> &Value {
        self.conversation.get_or_init(|| {
            let identity = match &self.state.identity {
                None => serde_json::json!({"verified": false}),
                Some(i) => serde_json::json!({
                    "verified": i.verified(self.now),
                    "subject": i.subject,
                    "level": i.level,
                    "at": i.at.to_string(),
                    "expires": i.expires.to_string(),
                }),
            };
            let open = self.state.opened.as_deref();
            Value::from(serde_json::json!({
                "id": open.map(|o| &o.conversation),
                "agent": open.map(|o| &o.agent),
                "tenant": open.map(|o| &o.tenant),
                "identity": identity,
            }))
        })
    }

    fn headers(&self) -> &Json {
        self.headers.get_or_init(|| {
            let headers = self.response.iter().flat_map(|(answer, _)| &answer.headers);
            Json::Object(headers.map(|(k, v)| (k.to_lowercase(), Json::String(v.to_string()))).collect())
        })
    }

    fn node<'s>(&'s self, json: &'s Json) -> Node<'s> {
        Node { json, taint: &self.clean }
    }
}

impl Scope for View<'_> {
    fn member(&self, root: Root, key: &str) -> Option<Node<'_>> {
        if let Some((path, value)) = self.replaced
            && let [r, k] = path
            && **r == *root.dollar()
            && **k == *key
        {
            return Some(Node { json: &value.json, taint: &value.taint });
        }
        match root {
            Root::Variables => {
                let set = &self.variables()?.set;
                let variable = if key.contains('-') { set.get(&Name::new(key)) } else { set.get(key) }?;
                Some(Node { json: &variable.value.json, taint: &variable.value.taint })
            }
            Root::User => Some(self.node(self.user()?.get(key)?)),
            Root::Conversation => Some(self.node(self.conversation().json.get(key)?)),
            Root::Response => match (key, self.response?) {
                ("body", (answer, taint)) => Some(Node { json: &answer.body, taint }),
                ("status", _) => Some(self.node(&self.status)),
                ("headers", _) => Some(self.node(self.headers())),
                _ => None,
            },
            Root::Inputs => {
                let value = self.inputs?;
                let (key, json) = match value.json.get(key) {
                    Some(json) => (Cow::Borrowed(key), json),
                    None => (Cow::Owned(key.replace('-', "_")), value.json.get(key.replace('-', "_"))?),
                };
                Some(Node { json, taint: self.input_taint(&key) })
            }
            Root::Each => {
                let value = self.each?;
                Some(Node { json: value.json.get(key)?, taint: &self.each_taint })
            }
            Root::Outcome | Root::Now | Root::Entity | Root::Event | Root::Primitives => None,
        }
    }

    fn shared(&self, root: Root, key: &str) -> Option<Value> {
        if root == Root::Variables && self.replaced.is_none() {
            let set = &self.variables()?.set;
            return if key.contains('-') { set.get(&Name::new(key)) } else { set.get(key) }.map(|v| v.value.clone());
        }
        self.member(root, key).map(|n| Value { json: Arc::new(n.json.clone()), taint: n.taint.clone() })
    }

    fn whole(&self, root: Root) -> Option<Value> {
        match root {
            Root::Variables => {
                let set = &self.variables()?.set;
                let map = set.iter().map(|(n, v)| (n.to_string(), (*v.value.json).clone())).collect();
                let taint = set.iter().fold(Taint::default(), |t, (n, v)| t.join(&v.value.taint.under(Some(n.as_str()))));
                Some(Value { json: Arc::new(Json::Object(map)), taint })
            }
            Root::User => self.state.opened.as_ref().map(|o| Value::clean(o.user.clone())),
            Root::Outcome => {
                let outcome = self.run?.outcome.as_ref()?;
                Some(Value::from(Json::String(outcome.to_string())))
            }
            Root::Now => Some(Value::from(Json::String(self.now.to_string()))),
            Root::Conversation => Some(self.conversation().clone()),
            Root::Each => self.each.cloned(),
            Root::Inputs => self.inputs.cloned(),
            Root::Entity | Root::Event | Root::Primitives => None,
            Root::Response => {
                let (answer, taint) = self.response?;
                let json = serde_json::json!({"status": self.status, "headers": self.headers(), "body": &*answer.body});
                Some(Value { json: Arc::new(json), taint: taint.under(Some("body")) })
            }
        }
    }
}

impl View<'_> {
    fn input_taint(&self, key: &str) -> &Taint {
        let Some(value) = self.inputs.filter(|v| !v.taint.is_clean()) else { return &self.clean };
        let taints = self.input_taints.get_or_init(|| {
            let keys = value.json.as_object().into_iter().flat_map(|m| m.keys());
            keys.map(|k| (k.clone(), value.taint.member(Some(k)))).collect()
        });
        taints.get(key).unwrap_or(&self.clean)
    }
}

/// What reads come to as sources: variables with their versions, roots as they are.
pub(super) fn sources<'r>(reads: impl IntoIterator<Item = &'r Read>, variables: &Variables) -> Vec<Source> {
    let mut found: Vec<Source> = Vec::new();
    for read in reads {
        match (read.root, read.keys.split_first()) {
            (Root::Variables, None) => {
                for (name, variable) in &variables.set {
                    push(&mut found, Source { path: Arc::new([name.shared()]), seq: variable.seq });
                }
            }
            (Root::Variables, Some((first, rest))) => {
                let name = Name::new(first);
                let path = std::iter::once(name.shared()).chain(rest.iter().cloned()).collect();
                push(&mut found, Source { path, seq: variables.seq(name.as_str()) });
            }
            // What `each` and `inputs` hold was read where they were made.
            (Root::Each | Root::Inputs | Root::Response, _) => {}
            (root, _) => {
                let path = std::iter::once(Arc::from(root.dollar())).chain(read.keys.iter().cloned()).collect();
                push(&mut found, Source { path, seq: variables.seq(root.dollar()) });
            }
        }
    }
    found
}

pub(super) fn push(found: &mut Vec<Source>, source: Source) {
    if !found.contains(&source) {
        found.push(source);
    }
}
