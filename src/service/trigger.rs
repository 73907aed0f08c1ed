//! Triggered actions: what each comes to for a decision, done at once or by whoever comes after, and what came of it in the record.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use tokio::task::JoinSet;

use super::access::Caller;
use super::conditions::{cursor, entity, position};
use super::error::ServiceError;
use super::look::{Asked, Page};
use super::{PAGE_MAX, Service};
use crate::driver::{Sent, Turn};
use crate::engine::input::Open;
use crate::engine::{Actor, Command, Principal};
use crate::outbound::Undelivered;
use crate::registry::payload::FilledValue;
use crate::registry::{
    ActionDefinition, ActionResult, ActionStatus, Config, DEPTH_MAX, Decision, Deed, PrimitiveId, Verdict, run_id, told,
};
use crate::store::records::{
    After, Defines, Definition, DefinitionOf, Delivery, Namespaces, NewDefinition, NewDelivery, PrimitiveWrite, Record, Recorded, Records,
    bound_to,
};
use crate::value::{Json, Name};

/// Actions of one decision that are done at once, at most.
const AT_ONCE: usize = 8;
/// How long a sending may take, with what is around it; a journey may take as long as a turn.
const SENDING: SignedDuration = SignedDuration::from_secs(30);
/// How much longer than it may take a try is its process's own. After that whoever comes takes it up.
const MARGIN: SignedDuration = SignedDuration::from_secs(60);
/// How often deliveries of other processes, and those that wait, are looked for.
const POLL: Duration = Duration::from_secs(1);
/// The user of conversations that decisions begin.
const NOBODY: &str = "system";

/// An action that is to be done by itself.
#[derive(Debug, Clone, Default)]
pub struct Trigger {
    /// Which.
    pub action: Arc<str>,
    /// Which version of it.
    pub version: Arc<str>,
    /// For what.
    pub entity: Arc<str>,
    /// As of when; none: now.
    pub timestamp: Option<Timestamp>,
    /// Nothing is to be sent.
    pub dry_run: bool,
}

/// What an action comes to for a decision.
pub(super) struct Plan {
    /// What is to be said of it now.
    pub(super) result: ActionResult,
    /// What follows once the decision is recorded.
    pub(super) then: Then,
}

/// What follows once a decision is recorded.
pub(super) enum Then {
    /// Nothing.
    Nothing,
    /// A primitive is written, in the transaction of the record.
    Write(Box<PrimitiveWrite>),
    /// A line is logged.
    Log(Arc<str>, FilledValue),
    /// It is tried.
    Try(Box<Job>),
}

/// An action to be tried.
#[derive(Clone)]
pub(super) struct Job {
    action: ActionDefinition,
    deed: Deed,
}

/// One try of an action.
struct Tried {
    result: ActionResult,
    /// In how many milliseconds at the soonest the same may do; none: never.
    again: Option<u64>,
}

impl Service {
    /// Registers an action: a version of it never changes.
    pub async fn register_action(&self, caller: &Caller, body: &Json) -> Result<Definition, ServiceError> {
        caller.writes("to register an action")?;
        let (definition, config) = ActionDefinition::parse(body, &self.0.calls.declared()).map_err(|faults| {
            let said: Vec<String> = faults.iter().map(ToString::to_string).collect();
            ServiceError::Rejected("action", said.join("; "))
        })?;
        caller.in_sight(&definition.namespace)?;
        if let Config::Register { primitive, .. } = &config {
            PrimitiveId::parse(primitive).map_or(Ok(()), |p| caller.in_sight(&p.namespace))?;
            self.declared_primitive(caller, primitive)
                .map_err(|why| ServiceError::Rejected("action", format!("`config.primitive_id`: {why}")))?;
        }
        let (id, version) = (&definition.trigger.condition_id, &definition.trigger.condition_version);
        // Whoever sees all may bind what is registered later; others only what they see.
        if caller.namespaces() != Namespaces(None) && self.seen_definition(caller, Defines::Condition, id, Some(version)).await?.is_none() {
            let why = format!("`trigger`: this key sees no condition `{id}` of version `{version}`: register it first");
            return Err(ServiceError::Rejected("action", why));
        }
        self.registered(new_action(&caller.tenant, &definition, self.runtime().clock().now())?).await
    }

    /// Does an action by itself: it counts as a decision that holds.
    pub async fn trigger(&self, caller: &Caller, asked: Trigger) -> Result<ActionResult, ServiceError> {
        let found = self.definition(caller, Defines::Action, &asked.action, Some(&asked.version)).await?;
        if !asked.dry_run {
            caller.writes("to trigger an action for more than a dry run")?;
        }
        let action = read(&found)?;
        let decision = Decision {
            decision_id: self.runtime().fresh_id()?,
            condition_id: action.trigger.condition_id.clone(),
            condition_version: action.trigger.condition_version.clone(),
            namespace: action.namespace.clone(),
            entity: entity(&asked.entity)?,
            timestamp: asked.timestamp.unwrap_or_else(|| self.runtime().clock().now()),
            value: Verdict::True,
            reason: None,
            detail: "triggered by itself".into(),
            inputs: json!({}),
            actions: Vec::new(),
            dry_run: asked.dry_run,
            depth: 0,
            event: None,
            conversation_id: None,
        };
        let id = decision.decision_id.clone();
        let record = Record::new(caller.tenant.clone(), self.runtime().clock().now());
        let decided = self.act(record, vec![(decision, vec![action])], false).await?;
        let result = decided.into_iter().flatten().next().and_then(|d| d.actions.into_iter().next());
        let result = result.ok_or_else(|| ServiceError::Internal("the decision was not recorded".into()))?;
        Ok(ActionResult { decision_id: Some(id), ..result })
    }

    /// Records decisions, and does what each of their actions comes to: at once, or behind the answer. `None`: somebody else settled the
    /// event of the record before.
    pub(super) async fn act(
        &self,
        mut record: Record,
        decisions: Vec<(Decision, Vec<ActionDefinition>)>,
        later: bool,
    ) -> Result<Option<Vec<Decision>>, ServiceError> {
        let (mut jobs, mut lines) = (Vec::new(), Vec::new());
        for (at, (mut decision, actions)) in decisions.into_iter().enumerate() {
            for (n, action) in (0..).zip(actions) {
                let Plan { result, then } = self.plan(&record.tenant, &action, &decision);
                decision.actions.push(result);
                match then {
                    Then::Nothing => {}
                    Then::Write(write) => record.primitives.push(*write),
                    Then::Log(channel, entry) => lines.push((channel, entry)),
                    Then::Try(job) => {
                        record.deliveries.push(NewDelivery {
                            decision: decision.decision_id.clone(),
                            n,
                            action_id: action.action_id.clone(),
                            action_version: action.version.clone(),
                            due: self.lease(record.now, jobs.len()),
                        });
                        jobs.push((at, *job));
                    }
                }
            }
            record.decisions.push(decision);
        }
        let mut decisions = record.decisions.clone();
        let (tenant, begun) = (record.tenant.clone(), record.deliveries.clone());
        let ids = match self.runtime().store().record(record).await? {
            Recorded::Done { deliveries } => deliveries,
            Recorded::Settled => return Ok(None),
        };
        for (channel, entry) in lines {
            log(&channel, &entry);
        }
        let begun = begun.into_iter().zip(ids).map(|(new, id)| new.kept(id, tenant.clone()));
        let jobs: Vec<_> = jobs.into_iter().zip(begun).map(|((at, job), delivery)| (at, delivery, job)).collect();
        if jobs.is_empty() {
            return Ok(Some(decisions));
        }
        let this = self.clone();
        let of = decisions.clone();
        // A task of its own: a caller who goes away must not stop what has begun.
        let doing = self.0.doing.spawn(async move { this.try_all(&of, jobs).await });
        if !later {
            let done = doing.await.map_err(|_| ServiceError::Internal("doing the actions broke off".into()))?;
            for (at, n, result) in done {
                if let Some(decision) = decisions.get_mut(at) {
                    decision.place(n, result);
                }
            }
        }
        Ok(Some(decisions))
    }

    /// Tries actions at once, so many at a time, and records each as it comes.
    async fn try_all(&self, decisions: &[Decision], jobs: Vec<(usize, Delivery, Job)>) -> Vec<(usize, u32, ActionResult)> {
        let mut under_way = JoinSet::new();
        let mut left = jobs.into_iter();
        let mut done = Vec::new();
        loop {
            while under_way.len() < AT_ONCE
                && let Some((at, delivery, job)) = left.next()
            {
                let Some(decision) = decisions.get(at).cloned() else { continue };
                let this = self.clone();
                under_way.spawn(async move { (at, delivery.n, this.attempt(&delivery, &decision, &job).await) });
            }
            match under_way.join_next().await {
                Some(Ok(one)) => done.push(one),
                // What broke off is taken up when its lease is over.
                Some(Err(error)) => tracing::error!(%error, "doing an action broke off"),
                None => return done,
            }
        }
    }

    /// What an action comes to for a decision.
    fn plan(&self, tenant: &str, action: &ActionDefinition, decision: &Decision) -> Plan {
        let result = |status| ActionResult::new(action.action_id.clone(), action.version.clone(), status);
        let failed = |code: &str, why: &str| Plan { result: result(ActionStatus::Failed).failed(code, why), then: Then::Nothing };
        if !action.trigger.fire_on.fires(decision.value) || decision.depth > DEPTH_MAX {
            return Plan { result: result(ActionStatus::Skipped), then: Then::Nothing };
        }
        let declared = self.0.calls.declared();
        let config = match Config::read(&action.config, &declared) {
            Ok(config) => config,
            Err(faults) => return failed("config", &faults.first().map_or_else(String::new, ToString::to_string)),
        };
        let deed = match config.deed(tenant, action, decision, &declared) {
            Ok(deed) => deed,
            Err(why) => return failed("config", &why),
        };
        if let Deed::Write { entity: of, .. } = &deed
            && let Err(error) = entity(of)
        {
            return failed("entity", &error.to_string());
        }
        if decision.dry_run {
            if let Deed::Send(letter) = &deed
                && let Err(Undelivered { failure, .. }) = self.0.calls.post().check(letter)
            {
                return failed(&failure.code, &failure.detail);
            }
            let preview = payload(decision, &deed);
            let result = ActionResult { payload_preview: Some(preview), ..result(ActionStatus::WouldTrigger) };
            return Plan { result, then: Then::Nothing };
        }
        match deed {
            Deed::Log { .. } | Deed::Write { .. } => {
                let result = ActionResult { payload_sent: Some(payload(decision, &deed)), attempts: 1, ..result(ActionStatus::Triggered) };
                let then = match deed {
                    Deed::Log { channel, entry } => Then::Log(channel, entry),
                    Deed::Write { primitive, entity, value } => {
                        let by = Some(decision.decision_id.clone());
                        Then::Write(Box::new(PrimitiveWrite { primitive, entity, at: decision.timestamp, value, by }))
                    }
                    Deed::Send(_) | Deed::Run { .. } => Then::Nothing,
                };
                Plan { result, then }
            }
            Deed::Send(_) | Deed::Run { .. } => {
                let job = Job { action: action.clone(), deed };
                Plan { result: result(ActionStatus::Pending), then: Then::Try(Box::new(job)) }
            }
        }
    }

    /// One try of an action, recorded: what came of it, and what becomes of its delivery.
    async fn attempt(&self, delivery: &Delivery, decision: &Decision, job: &Job) -> ActionResult {
        let Tried { result, again } = self.attempted(&delivery.tenant, decision, job).await;
        let tries = delivery.tries.saturating_add(1);
        let result = ActionResult { attempts: tries, ..result };
        let now = self.runtime().clock().now();
        let error: Arc<str> = result.error.as_ref().map_or_else(|| "".into(), |e| e.message.clone());
        let after = match (result.status, job.action.delivery, again) {
            (ActionStatus::Failed, Some(durable), Some(soonest)) if tries <= durable.retries => {
                let wait = durable.wait_ms(tries).max(soonest);
                let due = now.checked_add(SignedDuration::from_millis(i64::try_from(wait).unwrap_or(i64::MAX))).unwrap_or(Timestamp::MAX);
                After::Again { due, tries, error }
            }
            (ActionStatus::Failed, Some(_), _) => After::Dead { tries, error },
            _ => After::Gone,
        };
        self.note(delivery, result.clone(), after, Vec::new()).await;
        result
    }

    /// Records what came of a try, with what it writes. What cannot be recorded is taken up when its lease is over.
    async fn note(&self, delivery: &Delivery, result: ActionResult, after: After, primitives: Vec<PrimitiveWrite>) {
        let record = Record {
            primitives,
            results: vec![(delivery.decision.clone(), delivery.n, result)],
            delivered: vec![(delivery.id, after)],
            ..Record::new(delivery.tenant.clone(), self.runtime().clock().now())
        };
        if let Err(error) = self.runtime().store().record(record).await {
            tracing::error!(%error, decision = %delivery.decision, action = %delivery.action_id, "what came of an action cannot be recorded");
        }
    }

    async fn attempted(&self, tenant: &Arc<str>, decision: &Decision, job: &Job) -> Tried {
        let result = |status| ActionResult::new(job.action.action_id.clone(), job.action.version.clone(), status);
        // While it waited its turn, whom it was decided on may have been erased.
        if matches!(self.runtime().store().decision(tenant, &decision.decision_id).await, Ok(None)) {
            let gone = result(ActionStatus::Failed).failed("gone", "the decision is not there any more");
            return Tried { result: gone, again: None };
        }
        match &job.deed {
            Deed::Send(letter) => match self.0.calls.post().send(letter).await {
                Ok(()) => {
                    let payload_sent = letter.body.as_ref().map(FilledValue::shown);
                    Tried { result: ActionResult { payload_sent, ..result(ActionStatus::Triggered) }, again: None }
                }
                Err(Undelivered { failure, again }) => {
                    let again = again.then_some(failure.retry_after_ms.unwrap_or(0));
                    let payload_sent = letter.body.as_ref().filter(|_| failure.sent).map(FilledValue::shown);
                    let result = ActionResult { payload_sent, ..result(ActionStatus::Failed).failed(&failure.code, failure.detail) };
                    Tried { result, again }
                }
            },
            Deed::Run { journey, input } => self.run_journey(tenant, decision, job, (journey, input.as_ref())).await,
            // Neither is ever tried: both are done with the record.
            Deed::Log { .. } | Deed::Write { .. } => Tried { result: result(ActionStatus::Triggered), again: None },
        }
    }

    /// Runs a journey of the workspace, in a conversation of its own, until it needs a person.
    async fn run_journey(&self, tenant: &Arc<str>, decision: &Decision, job: &Job, (name, input): (&Name, Option<&Json>)) -> Tried {
        let action = &job.action;
        let result = |status| ActionResult::new(action.action_id.clone(), action.version.clone(), status);
        let failed = |code: &str, why: String, again: bool| Tried {
            result: result(ActionStatus::Failed).failed(code, why),
            again: again.then_some(0),
        };
        let workspace = self.workspace();
        let Some(journey) = workspace.journeys.get(name) else {
            return failed("workflow", format!("there is no journey `{name}` any more"), false);
        };
        let whole = deeper(decision);
        let variables: Vec<(Name, Json)> = match input.and_then(Json::as_object) {
            Some(input) => input.iter().map(|(n, v)| (Name::new(n), v.clone())).collect(),
            // Of the whole decision it takes what it has a place for, and reads the rest where it stands in `$user`.
            None => journey.inputs.iter().filter_map(|i| Some((i.name.clone(), whole.get(i.name.as_str())?.clone()))).collect(),
        };
        let id = run_id(tenant, decision, &action.action_id, &action.version);
        let open = Open {
            conversation: id.clone(),
            tenant: tenant.clone(),
            agent: workspace.settings.agent_slug.clone(),
            user_id: NOBODY.into(),
            user: Arc::new(json!({"decision": whole})),
        };
        let start = async {
            let key = self.runtime().open(open).await?;
            let principal = Principal { id: format!("action:{}", action.action_id).into(), ..Principal::default() };
            // The decision is what it is known again by: however often it is tried, it is started once.
            let sent = Sent { id: Some("start".into()), ..Sent::default() };
            let turn = Turn::Command(Command::Start { journey: name.clone(), variables });
            self.runtime().turn_as(&key, Actor::System, principal, sent, turn).await
        };
        match start.await {
            Ok(turn) => match turn.answer.refused {
                None => {
                    let payload_sent = Some(input.cloned().unwrap_or(whole));
                    let result = ActionResult { payload_sent, conversation_id: Some(id), ..result(ActionStatus::Triggered) };
                    Tried { result, again: None }
                }
                Some(refused) => failed("workflow", refused.reason.to_string(), false),
            },
            Err(error) => failed("workflow", ServiceError::from(error).to_string(), true),
        }
    }

    /// Takes up deliveries that are due: those that wait for another try, and those whose process is gone. Says how many.
    pub async fn deliver_due(&self) -> Result<usize, ServiceError> {
        let now = self.runtime().clock().now();
        let due = self.runtime().store().claim_deliveries(now, self.lease(now, 0), AT_ONCE).await?;
        let found = due.len();
        let mut under_way = JoinSet::new();
        for delivery in due {
            let this = self.clone();
            under_way.spawn(async move { this.take_up(&delivery).await });
        }
        while under_way.join_next().await.is_some() {}
        Ok(found)
    }

    /// One more try of a delivery that somebody else began, or began before.
    async fn take_up(&self, delivery: &Delivery) {
        let result = |status| ActionResult::new(delivery.action_id.clone(), delivery.action_version.clone(), status);
        let found = match self.found(delivery).await {
            Ok(found) => found,
            Err(error) => return tracing::warn!(%error, "a delivery cannot be read"),
        };
        let Some((decision, action)) = found else {
            let gone = result(ActionStatus::Failed).failed("gone", "the decision or the action is not there any more");
            return self.note(delivery, gone, After::Gone, Vec::new()).await;
        };
        // One try is one try: whether it came as far as the service, nobody knows.
        if action.delivery.is_none() && delivery.error.is_none() && delivery.tries == 0 {
            let why = "the process ended while it was being done: whether it was done is not known";
            return self.note(delivery, result(ActionStatus::Failed).failed("interrupted", why), After::Gone, Vec::new()).await;
        }
        let tries = delivery.tries.saturating_add(1);
        match self.plan(&delivery.tenant, &action, &decision) {
            Plan { then: Then::Try(job), .. } => drop(self.attempt(delivery, &decision, &job).await),
            // What its workspace has come to do otherwise meanwhile is done with the record.
            Plan { result, then: Then::Write(write) } => {
                self.note(delivery, ActionResult { attempts: tries, ..result }, After::Gone, vec![*write]).await;
            }
            Plan { result, then: Then::Log(channel, entry) } => {
                self.note(delivery, ActionResult { attempts: tries, ..result }, After::Gone, Vec::new()).await;
                log(&channel, &entry);
            }
            Plan { result, then: Then::Nothing } => {
                let after = match &result.error {
                    Some(error) if action.delivery.is_some() => After::Dead { tries: delivery.tries, error: error.message.clone() },
                    Some(_) | None => After::Gone,
                };
                self.note(delivery, result, after, Vec::new()).await;
            }
        }
    }

    async fn found(&self, delivery: &Delivery) -> Result<Option<(Decision, ActionDefinition)>, ServiceError> {
        let store = self.runtime().store();
        let Some(decision) = store.decision(&delivery.tenant, &delivery.decision).await? else { return Ok(None) };
        let (id, version) = (&*delivery.action_id, Some(&*delivery.action_version));
        let of = DefinitionOf { defines: Defines::Action, id, version, namespaces: &Namespaces::default() };
        let Some(definition) = store.definition(&delivery.tenant, of).await? else { return Ok(None) };
        Ok(Some((decision, read(&definition)?)))
    }

    /// Takes up deliveries as they come due, until it is dropped.
    pub async fn run_deliveries(&self) {
        loop {
            let this = self.clone();
            match self.whole(async move { this.deliver_due().await }).await {
                Ok(found) if found == AT_ONCE => continue,
                Ok(_) => {}
                Err(error) => tracing::warn!(%error, "the deliveries cannot be read"),
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// A tenant's deliveries, newest first: those that were given up, or those that are still tried.
    pub async fn deliveries(&self, caller: &Caller, dead: bool, asked: &Asked) -> Result<Page<Delivery>, ServiceError> {
        caller.looks_into("deliveries")?;
        let limit = asked.limit.clamp(1, PAGE_MAX);
        let before = position(asked.after.as_deref())?;
        let found = self.runtime().store().deliveries(&caller.tenant, dead, before, limit + 1).await?;
        let Page { items, next } = Page::cut(found, limit, |d| cursor(d.id));
        let mut seen = Vec::new();
        for delivery in items {
            if self.is_seen(caller, &delivery).await? {
                seen.push(delivery);
            }
        }
        Ok(Page { items: seen, next })
    }

    /// A tenant's delivery.
    pub async fn delivery(&self, caller: &Caller, id: &str) -> Result<Delivery, ServiceError> {
        caller.looks_into("deliveries")?;
        let gone = || ServiceError::no_record("delivery", id, None);
        let number = id.parse().map_err(|_| gone())?;
        let found = self.runtime().store().delivery(&caller.tenant, number).await?.ok_or_else(gone)?;
        if self.is_seen(caller, &found).await? { Ok(found) } else { Err(gone()) }
    }

    /// Sends a delivery that was given up once more, with all its tries before it.
    pub async fn send_again(&self, caller: &Caller, id: &str) -> Result<Delivery, ServiceError> {
        self.revived(caller, id, self.runtime().clock().now()).await
    }

    /// The same, and tries it here and now, and no other. `None`: it is done with.
    pub async fn send_now(&self, caller: &Caller, id: &str) -> Result<Option<Delivery>, ServiceError> {
        let revived = self.revived(caller, id, self.lease(self.runtime().clock().now(), 0)).await?;
        self.take_up(&revived).await;
        Ok(self.runtime().store().delivery(&caller.tenant, revived.id).await?)
    }

    /// A delivery that was given up is given up no more: whoever comes may take it up from then on.
    async fn revived(&self, caller: &Caller, id: &str, due: Timestamp) -> Result<Delivery, ServiceError> {
        caller.writes("to send a delivery again")?;
        let found = self.delivery(caller, id).await?;
        let revived = self.runtime().store().revive(&caller.tenant, found.id, due).await?;
        revived.ok_or_else(|| ServiceError::Taken(format!("the delivery `{id}` was not given up: it is still tried")))
    }

    async fn is_seen(&self, caller: &Caller, delivery: &Delivery) -> Result<bool, ServiceError> {
        self.sees_action(caller, &delivery.action_id, &delivery.action_version).await
    }

    /// Until when a try is its process's own, where so many are begun before it.
    fn lease(&self, now: Timestamp, before: usize) -> Timestamp {
        let turn = SignedDuration::from_millis(i64::try_from(self.workspace().settings.limits.turn_ms).unwrap_or(i64::MAX));
        let rounds = i32::try_from(before / AT_ONCE).unwrap_or(i32::MAX).saturating_add(1);
        now.checked_add(SENDING.max(turn).saturating_mul(rounds).saturating_add(MARGIN)).unwrap_or(Timestamp::MAX)
    }
}

/// What is kept of an action that is registered.
pub(super) fn new_action(tenant: &Arc<str>, definition: &ActionDefinition, at: Timestamp) -> Result<NewDefinition, ServiceError> {
    let body = serde_json::to_string(definition).map_err(|e| ServiceError::Internal(e.to_string()))?;
    Ok(NewDefinition {
        tenant: tenant.clone(),
        defines: Defines::Action,
        namespace: definition.namespace.clone(),
        id: definition.action_id.clone(),
        version: definition.version.clone(),
        body: body.into(),
        bound: vec![bound_to(&definition.trigger.condition_id, &definition.trigger.condition_version)],
        at,
    })
}

/// An action as it is registered.
pub(super) fn read(definition: &Definition) -> Result<ActionDefinition, ServiceError> {
    let broken = |e: serde_json::Error| ServiceError::Internal(format!("the action `{}` cannot be read: {e}", definition.id));
    serde_json::from_str(&definition.body).map_err(broken)
}

/// What is delivered, as a record shows it.
fn payload(decision: &Decision, deed: &Deed) -> Json {
    match deed {
        Deed::Send(letter) => letter.body.as_ref().map_or(Json::Null, FilledValue::shown),
        Deed::Log { entry, .. } => entry.shown(),
        Deed::Write { primitive, entity, value } => json!({"primitive_id": primitive, "entity": entity, "value": value}),
        Deed::Run { input, .. } => input.clone().unwrap_or_else(|| deeper(decision)),
    }
}

/// A decision as the journey of a workflow sees it: one decision deeper.
fn deeper(decision: &Decision) -> Json {
    let mut told = told(decision);
    if let Some(map) = told.as_object_mut() {
        map.insert("depth".into(), Json::from(decision.depth.saturating_add(1)));
    }
    told
}

/// A line of the program's log, secrets hidden.
fn log(channel: &str, entry: &FilledValue) {
    let entry = entry.shown();
    let message = entry.get("message").and_then(Json::as_str).unwrap_or_default();
    let id = entry.pointer("/decision/decision_id").and_then(Json::as_str).unwrap_or_default();
    tracing::info!(target: "waypost::channel", channel, decision = id, "{message}");
}
