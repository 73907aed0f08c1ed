//! Stubs in place of the services. A stubbed answer goes the same way as one from the wire.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::script::{Reply, Stub, StubFault, StubLists};
use crate::driver::{Clock, Perform};
use crate::engine::{CallEffect, CallFailure, CallResult, HttpAnswer};
use crate::expr::{Node, Root, Scope};
use crate::model::action::Effects;
use crate::model::{ActionId, ErrorKind};
use crate::source::Span;
use crate::value::{Json, Name, Taint, Value};

/// A call that was made.
#[derive(Debug, Clone)]
pub struct Call {
    /// Which action.
    pub action: ActionId,
    /// With what.
    pub inputs: Arc<Json>,
    /// With what, as it may be shown.
    pub shown: Arc<Json>,
    /// From 1: a retry is a call of its own.
    pub attempt: u32,
    /// Whether no stub was there to answer it.
    pub unanswered: bool,
    /// Whether it changes anything.
    pub effects: Effects,
}

impl Call {
    /// Its inputs as they may be written down: without what may not be shown.
    #[must_use]
    pub fn plain(&self) -> Json {
        match (&*self.inputs, &*self.shown) {
            (Json::Object(inputs), Json::Object(shown)) => {
                Json::Object(inputs.iter().filter(|(k, v)| shown.get(*k) == Some(v)).map(|(k, v)| (k.clone(), v.clone())).collect())
            }
            (_, shown) => shown.clone(),
        }
    }

    /// Whether it is of that action.
    #[must_use]
    pub fn is_of(&self, action: &(Name, Name)) -> bool {
        self.action.integration.name == action.0 && self.action.action.name == action.1
    }
}

/// Answers by stubs, and remembers what was called. Clones share both.
#[derive(Debug, Clone)]
pub struct Stubs {
    inner: Arc<Mutex<Inner>>,
    clock: Clock,
}

#[derive(Debug)]
struct Inner {
    lists: StubLists,
    /// How often each stub of a list has answered.
    used: BTreeMap<(Name, Name), Vec<u32>>,
    calls: Vec<Call>,
}

impl Stubs {
    /// Stubs that take their time from that clock.
    #[must_use]
    pub fn new(lists: StubLists, clock: Clock) -> Self {
        let used = lists.iter().map(|(action, list)| (action.clone(), vec![0; list.len()])).collect();
        Self { inner: Arc::new(Mutex::new(Inner { lists, used, calls: Vec::new() })), clock }
    }

    /// The calls since that many of them.
    #[must_use]
    pub fn calls_since(&self, first: usize) -> Vec<Call> {
        self.lock().calls.get(first..).unwrap_or_default().to_vec()
    }

    /// Whether an action has any stub.
    #[must_use]
    pub fn has(&self, action: &ActionId) -> bool {
        self.lock().lists.contains_key(&key(action))
    }

    /// How many calls were made.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.lock().calls.len()
    }

    /// Where the stubs stand that nothing has called.
    #[must_use]
    pub fn unused(&self) -> Vec<Span> {
        let inner = self.lock();
        let pairs = inner.lists.iter().filter_map(|(action, list)| Some(list.iter().zip(inner.used.get(action)?)));
        pairs.flatten().filter(|(_, used)| **used == 0).map(|(stub, _)| stub.span).collect()
    }

    /// Remembers a call that something else answers.
    pub fn note(&self, effect: &CallEffect) {
        self.lock().calls.push(call(effect, false));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, effect: &CallEffect) -> Option<Reply> {
        let mut inner = self.lock();
        let Inner { lists, used, calls } = &mut *inner;
        let action = key(&effect.request.action);
        let chosen = lists.get(&action).and_then(|list| {
            let used = used.get_mut(&action)?;
            let index = choose(list, used, &effect.inputs)?;
            *used.get_mut(index)? += 1;
            list.get(index).map(|stub| stub.reply.clone())
        });
        calls.push(call(effect, chosen.is_none()));
        chosen
    }
}

fn key(action: &ActionId) -> (Name, Name) {
    (action.integration.name.clone(), action.action.name.clone())
}

fn call(effect: &CallEffect, unanswered: bool) -> Call {
    Call {
        action: effect.request.action.clone(),
        inputs: effect.inputs.clone(),
        shown: effect.shown.clone(),
        attempt: effect.attempt,
        unanswered,
        effects: effect.request.effects,
    }
}

/// Those that match answer in order and the last repeats; but one without a `when` never takes over from one whose `when` is true.
fn choose(list: &[Stub], used: &[u32], inputs: &Json) -> Option<usize> {
    let scope = Inputs { inputs, clean: Taint::default() };
    let matches = |stub: &Stub| stub.when.as_ref().is_none_or(|when| when.test(&scope).unwrap_or(false));
    let mut answered = None;
    let mut by_condition = false;
    for (index, (stub, used)) in list.iter().zip(used).enumerate().filter(|(_, (stub, _))| matches(stub)) {
        if by_condition && stub.when.is_none() {
            continue;
        }
        if *used == 0 {
            return Some(index);
        }
        answered = Some(index);
        by_condition |= stub.when.is_some();
    }
    answered
}

impl Perform for Stubs {
    async fn perform(&self, effect: CallEffect) -> CallResult {
        let Some(reply) = self.answer(&effect) else {
            return failed(ErrorKind::Internal, "no_stub", false, "no stub answers this call");
        };
        let answered = |status, body: Json, invalid_json| {
            CallResult::Answered(HttpAnswer { status, headers: reply.headers.clone(), body: Arc::new(body), invalid_json })
        };
        match reply.fault {
            None => answered(reply.status, (*reply.body).clone(), false),
            Some(StubFault::Slow) => {
                let millis = effect.action.settings.timeout_ms.saturating_sub(1);
                let now = self.clock.now();
                let at = now.checked_add(Duration::from_millis(millis)).unwrap_or(now).min(effect.until);
                self.clock.sleep_until(at).await;
                answered(reply.status, (*reply.body).clone(), false)
            }
            Some(StubFault::Timeout) => failed(ErrorKind::Timeout, "timeout", true, "the service did not answer in time"),
            Some(StubFault::Connect) => failed(ErrorKind::Connect, "refused", false, "the service refused the connection"),
            Some(StubFault::Unavailable) => answered(503, Json::Null, false),
            Some(StubFault::Cut) => failed(ErrorKind::Connect, "cut", true, "the connection was cut before the service answered"),
            Some(StubFault::Garbage) => answered(reply.status, Json::from("{\"gar"), true),
        }
    }
}

fn failed(kind: ErrorKind, code: &str, sent: bool, detail: &str) -> CallResult {
    CallResult::Failed(CallFailure { kind, code: code.into(), sent, detail: detail.into(), retry_after_ms: None })
}

/// What a `when` can see.
struct Inputs<'a> {
    inputs: &'a Json,
    clean: Taint,
}

impl Scope for Inputs<'_> {
    fn member(&self, root: Root, key: &str) -> Option<Node<'_>> {
        let json = if root == Root::Inputs { self.inputs.get(key)? } else { return None };
        Some(Node { json, taint: &self.clean })
    }

    fn whole(&self, root: Root) -> Option<Value> {
        (root == Root::Inputs).then(|| Value::clean(self.inputs.clone()))
    }
}
