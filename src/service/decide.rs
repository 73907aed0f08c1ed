//! Decisions: a condition is evaluated over what is known, the decision is recorded, and what is bound to it follows.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

use super::access::Caller;
use super::conditions::{cursor, entity, position};
use super::error::ServiceError;
use super::look::{Asked, Page};
use super::{PAGE_MAX, Service};
use crate::registry::{
    ActionDefinition, ActionResult, ActionStatus, Condition, ConditionDefinition, DEPTH_MAX, Decision, Given, HISTORY_MAX, Judged, Known,
    Operands, Sample, Series, is_name,
};
use crate::store::records::{DecisionsOf, Defines, Definition, DefinitionOf, Namespaces, Record, Records, bound_to};
use crate::value::Json;

/// How deep registered conditions may be made of each other.
const NESTED: usize = 8;
/// Conditions that one is made of, all in all.
const ALL_MAX: usize = 256;

/// Conditions that are kept ready.
const READY: usize = 16_384;

/// What a condition is to be evaluated over.
#[derive(Debug, Clone, Default)]
pub struct Evaluate {
    /// Which condition.
    pub condition: Arc<str>,
    /// Which version of it.
    pub version: Arc<str>,
    /// For what.
    pub entity: Arc<str>,
    /// As of when; none: now.
    pub timestamp: Option<Timestamp>,
    /// Data of the caller.
    pub data: Json,
    /// Nothing is to be sent.
    pub dry_run: bool,
    /// The decision is answered before its actions are done.
    pub later: bool,
}

/// A decision, and everything that it says of why.
#[derive(Debug, Clone, PartialEq)]
pub struct Explained {
    /// It.
    pub decision: Decision,
    /// The condition, as it is registered.
    pub condition: Option<Json>,
    /// Why, in a sentence.
    pub why: String,
    /// Of each action that is bound: whether it fired, and why or why not.
    pub actions: Vec<(ActionResult, String)>,
}

/// An evaluation under way.
pub(super) struct Evaluation {
    pub(super) tenant: Arc<str>,
    pub(super) entity: Arc<str>,
    pub(super) timestamp: Timestamp,
    pub(super) data: Arc<Json>,
    pub(super) dry_run: bool,
    pub(super) depth: u32,
    pub(super) event: Option<Arc<str>>,
    pub(super) conversation: Option<Arc<str>>,
}

/// A condition in the making.
struct Making {
    /// Conditions that it may still be made of.
    left: usize,
    /// Whether one of them is not there.
    missing: bool,
}

/// Conditions that are ready to be evaluated, by tenant and number: nothing of them ever changes.
#[derive(Debug, Default)]
pub(super) struct Conditions(Mutex<BTreeMap<Key, Arc<Condition>>>);

/// A tenant, and the number of a definition.
type Key = (Arc<str>, u64);

impl Conditions {
    fn get(&self, key: &Key) -> Option<Arc<Condition>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    fn put(&self, key: Key, condition: Arc<Condition>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Any of them is made again from what is registered.
        if all.len() >= READY {
            all.clear();
        }
        all.insert(key, condition);
    }
}

impl Service {
    /// Evaluates a condition, records the decision and does what is bound to it.
    pub async fn evaluate(&self, caller: &Caller, asked: Evaluate) -> Result<Decision, ServiceError> {
        if !asked.dry_run {
            caller.writes("to evaluate a condition for more than a dry run")?;
        }
        let definition = self.definition(caller, Defines::Condition, &asked.condition, Some(&asked.version)).await?;
        let condition = self.condition(&caller.tenant, &definition).await?;
        let evaluation = Evaluation {
            tenant: caller.tenant.clone(),
            entity: entity(&asked.entity)?,
            timestamp: asked.timestamp.unwrap_or_else(|| self.runtime().clock().now()),
            data: Arc::new(asked.data),
            dry_run: asked.dry_run,
            depth: 0,
            event: None,
            conversation: None,
        };
        let judged = self.judged(&condition, &evaluation).await?;
        let decision = self.decision_of(&condition, &evaluation, &judged)?;
        let mut decided = self.decided(vec![(decision, judged)], &evaluation.tenant, None, asked.later).await?;
        // Only what settles an event can find it settled.
        let mut decision = decided.pop().ok_or_else(|| ServiceError::Internal("the decision was not recorded".into()))?;
        self.only_seen(caller, std::slice::from_mut(&mut decision)).await?;
        Ok(decision)
    }

    /// A registered condition, with those that it is made of.
    pub(super) async fn condition(&self, tenant: &str, definition: &Definition) -> Result<Arc<Condition>, ServiceError> {
        let key = (Arc::from(tenant), definition.seq);
        if let Some(ready) = self.0.conditions.get(&key) {
            return Ok(ready);
        }
        let mut making = Making { left: ALL_MAX, missing: false };
        let condition = self.built(tenant, definition, NESTED, &mut making).await?;
        // What is missing may come.
        if !making.missing {
            self.0.conditions.put(key, condition.clone());
        }
        Ok(condition)
    }

    async fn built(&self, tenant: &str, of: &Definition, depth: usize, making: &mut Making) -> Result<Arc<Condition>, ServiceError> {
        making.left = making.left.saturating_sub(1);
        let broken = |why: String| ServiceError::Internal(format!("the condition `{}` cannot be read: {why}", of.id));
        let body: Json = serde_json::from_str(&of.body).map_err(|e| broken(e.to_string()))?;
        let parsed = ConditionDefinition::parse(&body);
        let parsed = parsed.map_err(|faults| broken(faults.first().map_or_else(String::new, ToString::to_string)))?;
        let mut operands = Operands::new();
        for (_, id, version) in parsed.named() {
            let name = (id.clone(), version.clone());
            if depth == 0 || making.left == 0 || operands.contains_key(&name) {
                continue;
            }
            let of = DefinitionOf { defines: Defines::Condition, id, version: Some(version), namespaces: &Namespaces::default() };
            match self.defined(tenant, of).await? {
                Some(inner) => drop(operands.insert(name, Box::pin(self.built(tenant, &inner, depth - 1, making)).await?)),
                None => making.missing = true,
            }
        }
        Ok(Arc::new(Condition::new(parsed, operands)))
    }

    /// That the conditions that one is made of are registered, where the caller sees them.
    pub(super) async fn composed(&self, caller: &Caller, definition: &ConditionDefinition) -> Result<(), ServiceError> {
        for (path, id, version) in definition.named() {
            if self.seen_definition(caller, Defines::Condition, id, Some(version)).await?.is_none() {
                let why = format!("`{}`: there is no condition `{id}` of version `{version}`", path.join("."));
                return Err(ServiceError::Rejected("condition", why));
            }
        }
        Ok(())
    }

    /// What a condition comes to over what is known by then.
    pub(super) async fn judged(&self, condition: &Condition, evaluation: &Evaluation) -> Result<Judged, ServiceError> {
        let needs = condition.needs();
        let (store, tenant, entity) = (self.runtime().store(), &*evaluation.tenant, &*evaluation.entity);
        let mut primitives = BTreeMap::new();
        for id in needs.primitives {
            if let Some(found) = store.primitive(tenant, &id, entity, evaluation.timestamp).await? {
                primitives.insert(id, Known { value: Arc::new(found.value), at: found.at });
            }
        }
        let mut history: BTreeMap<Series, Vec<Sample>> = BTreeMap::new();
        for (series, window) in needs.history {
            let from = window.map_or(Timestamp::MIN, |w: SignedDuration| evaluation.timestamp.checked_sub(w).unwrap_or(Timestamp::MIN));
            // One more than is looked at: of a primitive the last is its present value.
            let found = store.history(tenant, &series, entity, (from, evaluation.timestamp), HISTORY_MAX + 1).await?;
            history.insert(series, found);
        }
        let given = Given { entity, timestamp: evaluation.timestamp, data: &evaluation.data, primitives, history };
        Ok(condition.evaluate(&given))
    }

    /// The decision that it is, with an id of its own.
    pub(super) fn decision_of(&self, condition: &Condition, evaluation: &Evaluation, judged: &Judged) -> Result<Decision, ServiceError> {
        let definition = &condition.definition;
        Ok(Decision {
            decision_id: self.runtime().fresh_id()?,
            condition_id: definition.condition_id.clone(),
            condition_version: definition.version.clone(),
            namespace: definition.namespace.clone(),
            entity: evaluation.entity.clone(),
            timestamp: evaluation.timestamp,
            value: judged.value,
            reason: judged.reason,
            detail: judged.detail.as_str().into(),
            inputs: judged.inputs.clone(),
            actions: Vec::new(),
            dry_run: evaluation.dry_run,
            depth: evaluation.depth,
            event: evaluation.event.clone(),
            conversation_id: evaluation.conversation.clone(),
        })
    }

    /// Records decisions, and what is bound to them as still to be done. Empty, if the event was settled by somebody else.
    pub(super) async fn decided(
        &self,
        judged: Vec<(Decision, Judged)>,
        tenant: &Arc<str>,
        settles: Option<u64>,
        later: bool,
    ) -> Result<Vec<Decision>, ServiceError> {
        let mut record = Record { settles, ..Record::new(tenant.clone(), self.runtime().clock().now()) };
        let mut decided = Vec::with_capacity(judged.len());
        for (decision, judged) in judged {
            if !decision.dry_run {
                let sample = |(series, value)| (series, decision.entity.clone(), Sample { at: decision.timestamp, value });
                record.samples.extend(judged.samples.into_iter().map(sample));
            }
            let actions = self.bound_actions(tenant, &decision).await?;
            decided.push((decision, actions));
        }
        Ok(self.act(record, decided, later).await?.unwrap_or_default())
    }

    /// The actions that are bound to a decision's condition, in the order in which they were registered.
    pub(super) async fn bound_actions(&self, tenant: &str, decision: &Decision) -> Result<Vec<ActionDefinition>, ServiceError> {
        let to = bound_to(&decision.condition_id, &decision.condition_version);
        let bound = self.bound(tenant, Defines::Action, &to).await?;
        let mut actions = Vec::with_capacity(bound.len());
        for definition in bound {
            match serde_json::from_str(&definition.body) {
                Ok(action) => actions.push(action),
                Err(error) => tracing::error!(action = %definition.id, %error, "an action cannot be read"),
            }
        }
        Ok(actions)
    }

    /// A tenant's decision.
    pub async fn decision(&self, caller: &Caller, id: &str) -> Result<Decision, ServiceError> {
        caller.looks_into("decisions")?;
        let found = if is_name(id) { self.runtime().store().decision(&caller.tenant, id).await? } else { None };
        let seen = found.filter(|d| caller.namespaces().has(&d.namespace));
        let mut decision = seen.ok_or_else(|| ServiceError::no_record("decision", id, None))?;
        self.only_seen(caller, std::slice::from_mut(&mut decision)).await?;
        Ok(decision)
    }

    /// Leaves what came of actions that a caller does not see out of decisions.
    async fn only_seen(&self, caller: &Caller, decisions: &mut [Decision]) -> Result<(), ServiceError> {
        let mut known: BTreeMap<(Arc<str>, Arc<str>), bool> = BTreeMap::new();
        for decision in decisions {
            for result in std::mem::take(&mut decision.actions) {
                let name = (result.action_id.clone(), result.action_version.clone());
                let seen = match known.get(&name) {
                    Some(seen) => *seen,
                    None => self.sees_action(caller, &name.0, &name.1).await?,
                };
                known.insert(name, seen);
                if seen {
                    decision.actions.push(result);
                }
            }
        }
        Ok(())
    }

    /// A tenant's decisions, newest first.
    pub async fn decisions(
        &self,
        caller: &Caller,
        of: Option<Arc<str>>,
        condition_id: Option<Arc<str>>,
        asked: &Asked,
    ) -> Result<Page<Decision>, ServiceError> {
        caller.looks_into("decisions")?;
        let limit = asked.limit.clamp(1, PAGE_MAX);
        let before = position(asked.after.as_deref())?;
        let of = DecisionsOf { entity: of, condition_id, namespaces: caller.namespaces() };
        let found = self.runtime().store().decisions(&caller.tenant, &of, before, limit + 1).await?;
        let Page { items, next } = Page::cut(found, limit, |(row, _)| cursor(*row));
        let mut items: Vec<Decision> = items.into_iter().map(|(_, decision)| decision).collect();
        self.only_seen(caller, &mut items).await?;
        Ok(Page { items, next })
    }

    /// A decision with everything that says why.
    pub async fn explain(&self, caller: &Caller, id: &str) -> Result<Explained, ServiceError> {
        let decision = self.decision(caller, id).await?;
        let (condition, version) = (&decision.condition_id, &decision.condition_version);
        let definition = self.seen_definition(caller, Defines::Condition, condition, Some(version)).await?;
        let condition = definition.and_then(|d| serde_json::from_str(&d.body).ok());
        let why = match decision.reason {
            None => format!("it is {}: {}", decision.value.as_str(), decision.detail),
            Some(reason) => format!("nobody can say ({}): {}", reason.as_str(), decision.detail),
        };
        let actions = decision.actions.iter().map(|result| (result.clone(), why_action(&decision, result))).collect();
        Ok(Explained { decision, condition, why, actions })
    }
}

/// Why an action was fired or not, and what came of it.
fn why_action(decision: &Decision, result: &ActionResult) -> String {
    let value = decision.value.as_str();
    match result.status {
        ActionStatus::Skipped if decision.depth > DEPTH_MAX => {
            format!("it was not fired: more than {DEPTH_MAX} decisions led to this one")
        }
        ActionStatus::Skipped => format!("it was not fired: it is not meant for a decision that is {value}"),
        ActionStatus::WouldTrigger => format!("the decision is {value}: it would have been fired, and this was a dry run"),
        ActionStatus::Triggered => format!("the decision is {value}: it was fired, and done"),
        ActionStatus::Pending => format!("the decision is {value}: it was fired, and is under way"),
        ActionStatus::Failed => {
            let why = result.error.as_ref().map_or_else(String::new, |e| format!(": {} ({})", e.message, e.code));
            format!("the decision is {value}: it was fired, and failed{why}")
        }
    }
}
