//! Providers in a conversation: asks what they offer, decides on what somebody wants of it, sends it, and reflects what came back.
//!
//! These requests are errands beside the action in flight. A choice of a journey waits for its own; for an operator's no run waits, but the
//! next turn of the conversation comes after it, or after `limits.turn`.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::answer::Status;
use super::case::{Bench, Case, NOT_TAKEN, reflect};
use super::effect::{CallEffect, CallResult, Effect, EffectId, Request};
use super::event::{Asking, Class, Discovered, EventBody, Executed, Executing, who};
use super::execution::{Attempt, ExecutionStatus, Wanted};
use super::input::{Actor, Principal};
use super::machine::Machine;
use super::request;
use super::result::classify;
use super::state::{Errand, Offers, State};
use super::steps::offer;
use super::turn::{Go, Turn, actor_name, later};
use crate::model::action::{Effects, IntegrationType, Method};
use crate::model::provider::{self, Offered, plain};
use crate::model::step::{Choice, ChoiceFrom, StepKind};
use crate::model::{Action, Integration};
use crate::policy::{Policies, Scene, Speaker, Who};
use crate::supervise::Permit;
use crate::supervise::provider::{Asker, From, Proposal, ask, decide_execution, locked};
use crate::supervise::{Decision, Reason, Rule, Verdict};
use crate::value::{Json, Name, Slug};

/// Past a provider's time, until its sender is given up.
const MARGIN_MS: u64 = 2_000;
/// A message of a provider, at most.
const MESSAGE: usize = 1_000;
/// Items of a discovery of which is told why they were left out.
const LEFT_OUT: usize = 10;

/// An action that is offered for a conversation, and why the one who looks may not run it.
#[derive(Debug, Clone, PartialEq)]
pub struct Offer {
    /// The provider.
    pub provider: Slug,
    /// The action.
    pub offered: Offered,
    /// Whether it only looks.
    pub reads: bool,
    /// Why it is not for whoever looks.
    pub locked: Option<Reason>,
}

/// A provider of which nothing is offered, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct LeftOut {
    /// The provider.
    pub provider: Slug,
    /// A stable code.
    pub code: Arc<str>,
    /// Why, in words.
    pub why: Arc<str>,
}

impl Machine {
    /// The providers of the workspace.
    fn providers(&self) -> impl Iterator<Item = &Arc<Integration>> {
        self.workspace.integrations.values().filter(|i| i.kind == IntegrationType::Provider)
    }

    /// What was offered last for a conversation, each with why it is not for whoever looks; and who offers nothing, and why.
    #[must_use]
    pub fn offers(&self, state: &State, actor: Actor, principal: &Principal, now: Timestamp) -> (Vec<Offer>, Vec<LeftOut>) {
        let (mut out, mut left_out) = (Vec::new(), Vec::new());
        for integration in self.providers() {
            let slug = &integration.slug;
            if state.errands.values().any(|e| matches!(&**e, Errand::Discover { provider, .. } if *provider == slug.name)) {
                let why = "it is still asked what it offers".into();
                left_out.push(LeftOut { provider: slug.clone(), code: "working".into(), why });
                continue;
            }
            let Some(offers) = state.offers.get(&slug.name) else { continue };
            if let Some((code, why)) = &offers.failed {
                left_out.push(LeftOut { provider: slug.clone(), code: code.clone(), why: why.clone() });
            }
            for why in &offers.left_out {
                left_out.push(LeftOut { provider: slug.clone(), code: "malformed".into(), why: why.clone() });
            }
            let asker = Asker { actor: actor_name(actor), roles: &principal.roles, from: From::Direct };
            for offered in &offers.actions {
                let locked = self.locked(state, integration, offered, asker, (actor, principal), now);
                let reads = integration.provider.as_ref().is_some_and(|p| p.is_read(&offered.id));
                out.push(Offer { provider: slug.clone(), offered: offered.clone(), reads, locked });
            }
        }
        (out, left_out)
    }

    fn locked(
        &self,
        state: &State,
        integration: &Arc<Integration>,
        offered: &Offered,
        asker: Asker<'_>,
        (actor, principal): (Actor, &Principal),
        now: Timestamp,
    ) -> Option<Reason> {
        let nothing = json!({});
        let policies = self.policies.as_deref().map(|p| (p, scene(state, actor, principal, &nothing)));
        locked(&integration.provider.clone().unwrap_or_default(), &offered.action(integration), asker, policies, now)
    }
}

/// What the policies are asked about.
fn scene<'a>(state: &'a State, actor: Actor, principal: &'a Principal, inputs: &'a Json) -> Scene<'a> {
    let open = state.opened.as_deref();
    let who = match actor {
        Actor::User => Who::User,
        Actor::Agent => Who::Agent,
        Actor::Operator => Who::Operator,
        Actor::Admin => Who::Admin,
        Actor::Runtime => Who::Runtime,
        Actor::System => Who::System,
    };
    Scene {
        speaker: Speaker { who, id: &principal.id, roles: &principal.roles },
        conversation: open.map_or("", |o| &*o.conversation),
        tenant: open.map_or("", |o| &*o.tenant),
        agent: open.map_or("", |o| &*o.agent),
        user_id: open.map_or("", |o| &*o.user_id),
        user: open.map_or(&Json::Null, |o| &*o.user),
        journey: state.top().map_or("", |r| r.journey.as_str()),
        inputs,
    }
}

impl Turn<'_> {
    fn provider(&self, name: &Name) -> Option<Arc<Integration>> {
        self.machine.workspace.integrations.get(name).filter(|i| i.kind == IntegrationType::Provider).cloned()
    }

    /// The case that a host gives beside what it says of the user.
    pub fn take_case(&self, user: &mut Arc<Json>) -> Option<Result<Case, &'static str>> {
        user.get("case").filter(|c| !c.is_null())?;
        let given = Arc::make_mut(user).as_object_mut()?.remove("case")?;
        Some(Case::given(&given, &self.machine.workspace.settings.case_statuses))
    }

    pub fn take_on(&mut self, case: Option<Result<Case, &'static str>>) {
        match case {
            Some(Ok(case)) => self.emit(EventBody::Case(Box::new(case))),
            Some(Err(why)) => self.note(format!("{NOT_TAKEN}{why}")),
            None => {}
        }
    }

    /// What a provider offers now to whoever speaks at a choice.
    pub fn open_offers(&self, name: &Name) -> Vec<Offered> {
        let Some(integration) = self.provider(name) else { return Vec::new() };
        let Some(offers) = self.state.offers.get(name) else { return Vec::new() };
        let asker = Asker { actor: actor_name(self.actor), roles: &self.principal.roles, from: From::Choice };
        let who = (self.actor, &self.principal);
        let open = |o: &&Offered| self.machine.locked(&self.state, &integration, o, asker, who, self.at).is_none();
        offers.actions.iter().filter(open).cloned().collect()
    }

    /// Whether the user is asked before it runs.
    pub fn asks_first(&self, offered: &Offered) -> bool {
        let at = self.here().and_then(super::walk::Here::step).map(|s| &s.kind);
        let provider = match at {
            Some(StepKind::Choice(Choice { from: Some(ChoiceFrom::Provider(name)), .. })) => self.provider(name),
            _ => None,
        };
        provider.and_then(|i| i.provider.as_ref().map(|p| p.asks_first(offered))).unwrap_or(true)
    }

    /// What providers are told of the case in hand.
    fn case_in_hand(&self) -> Json {
        self.state.case_in_hand()
    }

    /// The case at hand.
    pub fn case_id(&self) -> Option<Arc<str>> {
        self.state.case.as_ref().map(|c| c.id.clone())
    }

    fn digest_of(&self, context: &Json) -> Arc<str> {
        let full = self.machine.keys.digest(&[b"context", sorted(context).as_bytes()]);
        full.get(..32).unwrap_or(&full).into()
    }

    /// Whether what a provider offered last may be used again.
    fn is_fresh(&self, integration: &Integration, context: &str) -> bool {
        let ttl = integration.provider.as_ref().map_or(0, |p| p.ttl_s);
        self.state.offers.get(&integration.slug.name).is_some_and(|offers| offers.is_good(context, ttl, self.at))
    }

    /// Asks all providers at once that have not said lately what they offer here.
    pub fn discover_all(&mut self) {
        let context = self.case_in_hand();
        let digest = self.digest_of(&context);
        let asked = |state: &State, name: &Name| state.errands.values().any(|e| e.asks(name, &digest));
        for integration in self.machine.providers().cloned().collect::<Vec<_>>() {
            if !self.is_fresh(&integration, &digest) && !asked(&self.state, &integration.slug.name) {
                self.ask_provider(&integration, &context, None, false);
            }
        }
    }

    /// Learns what a provider offers, for the choice at hand; `None`: it is known.
    pub fn learn(&mut self, name: &Name) -> Option<Go> {
        let integration = self.provider(name)?;
        let context = self.case_in_hand();
        if self.is_fresh(&integration, &self.digest_of(&context)) {
            return None;
        }
        self.ask_provider(&integration, &context, None, true);
        Some(Go::Wait)
    }

    fn ask_provider(&mut self, integration: &Arc<Integration>, context: &Json, then: Option<Wanted>, waits: bool) {
        let action = provider::discover(integration);
        let id = EffectId(self.fresh_id("e"));
        let until = later(self.at, action.settings.timeout_ms.saturating_add(MARGIN_MS));
        let (provider, way) = (integration.slug.name.clone(), Some(request::way(integration)));
        let asking = Asking { provider, effect: id.clone(), until, context: self.digest_of(context), then, waits, way };
        self.emit(EventBody::Asking(Box::new(asking)));
        self.send_errand(id, ask(until), action, "/discover", &json!({"context": context}), until);
    }

    fn send_errand(&mut self, id: EffectId, permit: Permit, action: Action, path: &str, body: &Json, until: Timestamp) {
        let request = Request {
            action: action.id.clone(),
            method: Method::Post,
            path: path.into(),
            query: Vec::new(),
            headers: Vec::new(),
            body: Some(body.to_string().into()),
            idempotency_key: None,
            effects: if path == "/discover" { Effects::Read } else { Effects::Write },
            sensitive: false,
        };
        let inputs = Arc::new(body.get("inputs").cloned().unwrap_or_else(|| body.clone()));
        let effect = CallEffect {
            id,
            permit,
            request: Arc::new(request),
            action: Arc::new(action),
            shown: inputs.clone(),
            inputs,
            attempt: 1,
            until,
        };
        self.effects.push(Effect::Call(Box::new(effect)));
    }

    /// Runs an action of a provider, if it is offered now, and whoever asks may.
    pub fn execute(&mut self, wanted: Wanted) -> Go {
        let Some(integration) = self.provider(&wanted.provider) else {
            return self.not_run(&wanted, "unknown_provider", &format!("there is no provider `{}`", wanted.provider));
        };
        // The same may be under way already, and wait for what its provider offers.
        if self.state.errands.values().any(|e| e.is_for(&wanted)) {
            return self.not_run(&wanted, "busy", "the same is under way");
        }
        let context = self.case_in_hand();
        if self.is_fresh(&integration, &self.digest_of(&context)) {
            return self.attempt(&integration, &wanted);
        }
        let waits = wanted.from == From::Choice;
        self.ask_provider(&integration, &context, Some(wanted), waits);
        Go::Wait
    }

    fn not_run(&mut self, wanted: &Wanted, code: &str, why: &str) -> Go {
        match wanted.from {
            From::Direct => {
                self.refuse(code, why);
                Go::Wait
            }
            From::Choice => offer::ended(self, ExecutionStatus::Denied, Some(&format!("I cannot do that: {why}."))),
        }
    }

    /// Decides on it, and sends it.
    fn attempt(&mut self, integration: &Arc<Integration>, wanted: &Wanted) -> Go {
        let config = integration.provider.clone().unwrap_or_default();
        let name = Name::new(&wanted.action);
        let offers = self.state.offers.get(&integration.slug.name).cloned();
        let offered = offers.as_ref().and_then(|o| o.actions.iter().find(|a| Name::new(&a.id) == name));
        let action = offered.map(|o| o.action(integration));
        let until = later(self.at, config.timeout_ms.saturating_add(MARGIN_MS));
        let id = format!("{}.{}", integration.slug, offered.map_or(&*wanted.action, |o| &o.id));
        let digest = self.execution_digest(&id, wanted);
        let before = self.state.writes.get(&digest).cloned().unwrap_or_default();
        let proposal = Proposal {
            provider: &config,
            offered: match (offered, &action) {
                (Some(offered), Some(action)) => Ok((offered, action)),
                _ => Err(not_offered(offers.as_deref())),
            },
            asker: Asker { actor: actor_name(wanted.actor), roles: &wanted.principal.roles, from: wanted.from },
            yes: wanted.yes.as_ref(),
            elsewhere: wanted.case != self.case_id(),
            other: offered.is_some_and(|o| wanted.shown.as_ref().is_some_and(|shown| *shown != self.as_shown(o))),
            fault: offered.and_then(|o| o.fault(&wanted.inputs)),
            policies: self.policies().map(|p| (p, scene(&self.state, wanted.actor, &wanted.principal, &wanted.inputs))),
            busy: self.state.errands.values().any(|e| e.is_of(&digest)),
            in_doubt: before.doubt.is_some() && config.mcp && !offered.is_some_and(|o| config.is_read(&o.id)),
            until,
        };
        let (verdict, permit) = decide_execution(&proposal, self.at);
        let sent = permit.is_some();
        let denied = verdict.reasons.iter().find(|r| r.code.is_some()).cloned();
        let execution = self.execution_id(&id, &digest, before.n);
        let label = offered.map_or_else(|| plain(&wanted.action, 200), |o| o.label.clone());
        let status = if sent { ExecutionStatus::Sent } else { ExecutionStatus::Denied };
        let attempt = self.attempted(wanted, (id.into(), label), execution.clone(), status, denied.as_ref());
        let waits = wanted.from == From::Choice;
        self.executed = Some(attempt.id.clone());
        let effect = EffectId(attempt.id.clone());
        let way = (attempt.status == ExecutionStatus::Sent).then(|| request::way(integration));
        let executing = Executing { attempt, provider: integration.slug.name.clone(), digest, until, waits, verdict, way };
        self.emit(EventBody::Executing(Box::new(executing)));
        if let (Some(permit), Some(offered), Some(action)) = (permit, offered, action) {
            if waits && action.effects == Effects::Write {
                self.end_grants_below();
            }
            let body =
                json!({"action_id": offered.id, "context": self.case_in_hand(), "inputs": *wanted.inputs, "execution_id": execution});
            self.send_errand(effect, permit, action, "/execute", &body, until);
            return Go::Wait;
        }
        let (code, why) = denied.map_or((None, "it was not allowed".into()), |r| (r.code, r.text));
        self.not_run(wanted, code.as_deref().unwrap_or("denied"), &why)
    }

    /// By which an offer is known for the one that somebody said yes to: by all that its provider says it does, and takes.
    pub fn as_shown(&self, offered: &Offered) -> Arc<str> {
        let description = offered.description.as_deref().unwrap_or_default();
        let schema = offered.input_schema.as_deref().map(sorted).unwrap_or_default();
        let parts: [&[u8]; 5] = [b"offered", offered.id.as_bytes(), offered.label.as_bytes(), description.as_bytes(), schema.as_bytes()];
        let full = self.machine.keys.digest(&parts);
        full.get(..32).unwrap_or(&full).into()
    }

    fn policies(&self) -> Option<&Policies> {
        self.machine.policies.as_deref()
    }

    /// An attempt as it begins.
    fn attempted(
        &mut self,
        wanted: &Wanted,
        (action, label): (Arc<str>, Arc<str>),
        execution: Arc<str>,
        status: ExecutionStatus,
        why: Option<&Reason>,
    ) -> Attempt {
        Attempt {
            id: self.attempt_id(),
            execution,
            agent: self.state.opened.as_ref().map(|o| o.agent.clone()).unwrap_or_default(),
            action,
            label,
            inputs: wanted.inputs.clone(),
            case: self.case_id(),
            by: who(wanted.actor, &wanted.principal.id),
            from: wanted.from,
            status,
            attempted: self.at,
            sent: (status == ExecutionStatus::Sent).then_some(self.at),
            returned: None,
            http: None,
            code: why.and_then(|r| r.code.clone()),
            reason: why.map(|r| r.text.clone()),
            message: None,
            effects: Vec::new(),
        }
    }

    /// Who was asked said no.
    pub fn declined(&mut self, wanted: &Wanted, label: &Arc<str>) {
        let slug = self.provider(&wanted.provider).map_or_else(|| Slug::new(wanted.provider.as_str()), |i| i.slug.clone());
        let id = format!("{slug}.{}", wanted.action);
        let digest = self.execution_digest(&id, wanted);
        let execution = self.execution_id(&id, &digest, self.state.writes.get(&digest).map_or(0, |w| w.n));
        let no = Reason { rule: Rule::Confirmation, code: Some("declined".into()), text: "the answer to the question was no".into() };
        let attempt = self.attempted(wanted, (id.into(), label.clone()), execution, ExecutionStatus::Declined, Some(&no));
        let verdict = Verdict { decision: Decision::Deny, reasons: Vec::new(), question: None };
        let executing = Executing { attempt, provider: wanted.provider.clone(), digest, until: self.at, waits: false, verdict, way: None };
        self.emit(EventBody::Executing(Box::new(executing)));
    }

    /// By which the same is known again, without telling what it was asked with: for another case it is something else.
    fn execution_digest(&self, action: &str, wanted: &Wanted) -> Arc<str> {
        let case = wanted.case.as_deref().unwrap_or_default();
        let inputs = sorted(&wanted.inputs);
        let parts: [&[u8]; 4] = [b"execution", action.as_bytes(), case.as_bytes(), inputs.as_bytes()];
        let full = self.machine.keys.digest(&parts);
        full.get(..32).unwrap_or(&full).into()
    }

    /// What the provider knows a repetition by: another one only after a definite answer.
    fn execution_id(&self, action: &str, digest: &str, n: u32) -> Arc<str> {
        let open = self.state.opened.as_deref();
        let tenant = open.map_or("", |o| &*o.tenant);
        let conversation = open.map_or("", |o| &*o.conversation);
        let parts: [&[u8]; 6] =
            [b"execution", tenant.as_bytes(), conversation.as_bytes(), action.as_bytes(), digest.as_bytes(), &n.to_be_bytes()];
        let full = self.machine.keys.idempotency_key(&parts);
        format!("exec_{}", full.get(..32).unwrap_or(&full)).into()
    }

    /// Later ones are greater.
    fn attempt_id(&mut self) -> Arc<str> {
        let at = u64::try_from(self.at.as_millisecond()).unwrap_or(0);
        format!("{at:012x}{}", self.fresh_id("-")).into()
    }

    /// An errand came back.
    pub fn errand_result(&mut self, effect: &EffectId, result: &CallResult) -> Go {
        let Some(errand) = self.state.errands.get(effect).cloned() else { return Go::Wait };
        self.late = errand.word(effect, result);
        // A run that went another way in the meantime waits for nothing here any more.
        let stands = self.state.top().is_some_and(|r| r.stand.errand.as_ref() == Some(effect));
        match &*errand {
            Errand::Discover { provider, context, then, waits, .. } => {
                self.discovered(effect, provider, context, result);
                match (then, self.provider(provider)) {
                    _ if *waits && !stands => Go::Wait,
                    // Somebody took the conversation over after the yes: it is asked for anew when they have handed it back.
                    (Some(_), _) if *waits && self.state.status == Status::Escalated => Go::Wait,
                    (Some(wanted), _) if *waits && wanted.yes.is_none() && offer::is_asked(self) => {
                        offer::put(self);
                        Go::Wait
                    }
                    // What it is about has changed since it was asked: what was offered then is not offered now.
                    (Some(wanted), Some(_)) if **context != *self.digest_of(&self.case_in_hand()) => self.execute(wanted.clone()),
                    (Some(wanted), Some(integration)) => self.attempt(&integration, wanted),
                    (Some(wanted), None) => self.not_run(wanted, "unknown_provider", "the workspace has this provider no more"),
                    (None, _) if *waits && self.state.status != Status::Escalated => offer::learnt(self),
                    (None, _) => Go::Wait,
                }
            }
            Errand::Execute { provider, attempt, digest, waits, .. } => {
                let attempt = self.reflected(provider, attempt, digest, result);
                let (status, message) = (attempt.status, attempt.message.clone());
                self.executed = Some(attempt.id);
                if *waits && stands { offer::ended(self, status, message.as_deref()) } else { Go::Wait }
            }
        }
    }

    fn discovered(&mut self, effect: &EffectId, provider: &Name, context: &Arc<str>, result: &CallResult) {
        let (mut actions, mut left_out, mut failed) = (Vec::new(), Vec::new(), None);
        match result {
            CallResult::Failed(failure) => failed = Some((failure.code.clone(), failure.detail.clone())),
            CallResult::Answered(answer) if !(200..300).contains(&answer.status) => {
                failed = Some(("http_status".into(), format!("it answered with the status {}", answer.status).into()));
            }
            CallResult::Answered(answer) => match Offered::list(&answer.body).filter(|_| !answer.invalid_json) {
                Some((offered, out)) => {
                    actions = offered;
                    left_out = out.into_iter().take(LEFT_OUT).map(Arc::from).collect();
                }
                None => failed = Some(("malformed".into(), "its answer is no list of actions".into())),
            },
        }
        let discovered =
            Discovered { effect: effect.clone(), provider: provider.clone(), context: context.clone(), actions, left_out, failed };
        self.emit(EventBody::Discovered(Box::new(discovered)));
    }

    /// What a provider's answer comes to: each effect that it may cause is done, in the transaction that records the answer.
    fn reflected(&mut self, provider: &Name, attempt: &Attempt, digest: &Arc<str>, result: &CallResult) -> Attempt {
        let doubted = self.state.writes.get(digest).is_some_and(|w| w.doubt.is_some());
        let mut attempt = Attempt { returned: Some(self.at), ..attempt.clone() };
        let mut said = None;
        match result {
            CallResult::Failed(failure) => {
                (attempt.code, attempt.reason) = (Some(failure.code.clone()), Some(failure.detail.clone()));
            }
            CallResult::Answered(answer) => {
                attempt.http = Some(answer.status);
                attempt.message = answer.body.get("message").and_then(Json::as_str).map(|m| plain(m, MESSAGE)).filter(|m| !m.is_empty());
                said =
                    answer.body.get("success").and_then(Json::as_bool).filter(|_| !answer.invalid_json).map(|done| (done, &*answer.body));
            }
        }
        let mut class = classify(result, doubted, false);
        let reads = self.is_read(provider, &attempt);
        attempt.status = match (class, said) {
            (Class::Applied, Some((done, body))) => self.answered(provider, &mut attempt, done, body),
            (Class::Applied, None) => {
                // It was begun, and may be done.
                class = Class::InDoubt;
                attempt.code = Some("malformed".into());
                attempt.reason = Some("its answer does not say whether it was done".into());
                ExecutionStatus::InDoubt
            }
            (Class::InDoubt, _) => ExecutionStatus::InDoubt,
            (Class::NotSent | Class::Refused, _) => ExecutionStatus::Failed,
        };
        if reads && attempt.status == ExecutionStatus::InDoubt {
            // Looking does nothing that could be in doubt.
            (attempt.status, class) = (ExecutionStatus::Failed, Class::Refused);
        }
        if let (ExecutionStatus::Failed | ExecutionStatus::InDoubt, None, Some(status)) = (attempt.status, &attempt.code, attempt.http) {
            attempt.code = Some("http_status".into());
            attempt.reason = Some(format!("it answered with the status {status}").into());
        }
        let executed = Executed { attempt: attempt.clone(), provider: provider.clone(), digest: digest.clone(), class };
        self.emit(EventBody::Executed(Box::new(executed)));
        attempt
    }

    fn is_read(&self, provider: &Name, attempt: &Attempt) -> bool {
        let config = self.provider(provider).and_then(|i| i.provider.clone());
        attempt.action.split_once('.').is_some_and(|(_, id)| config.is_some_and(|c| c.is_read(id)))
    }

    fn answered(&self, provider: &Name, attempt: &mut Attempt, done: bool, body: &Json) -> ExecutionStatus {
        let allowed = self.provider(provider).and_then(|i| i.provider.as_ref().map(|p| p.effects.clone())).unwrap_or_default();
        let (told, by) = (attempt.case.clone(), attempt.action.clone());
        let bench = Bench { told: told.as_deref(), allowed: &allowed, statuses: &self.machine.workspace.settings.case_statuses, by: &by };
        let case: Option<&Case> = self.state.case.as_deref();
        attempt.effects = reflect(body.get("effects").unwrap_or(&Json::Null), case, &bench);
        if done {
            return ExecutionStatus::Executed;
        }
        attempt.code = Some("provider".into());
        attempt.reason = Some("the provider says that it was not done".into());
        ExecutionStatus::Failed
    }
}

/// Why there is no such offer.
fn not_offered(offers: Option<&Offers>) -> Arc<str> {
    match offers.and_then(|o| o.failed.as_ref()) {
        Some((_, why)) => format!("the provider did not say what it offers: {why}").into(),
        None => "the provider does not offer it here and now".into(),
    }
}

impl Offers {
    /// Whether it may be used for that context, at that time.
    fn is_good(&self, context: &str, ttl_s: u64, now: Timestamp) -> bool {
        let ttl = SignedDuration::from_secs(i64::try_from(ttl_s).unwrap_or(i64::MAX));
        self.failed.is_none() && *self.context == *context && now.duration_since(self.at) < ttl
    }
}

impl Errand {
    fn asks(&self, name: &Name, digest: &str) -> bool {
        matches!(self, Self::Discover { provider, context, .. } if provider == name && **context == *digest)
    }

    /// Whether it is to be run once its provider has said what it offers.
    fn is_for(&self, wanted: &Wanted) -> bool {
        let same = |w: &Wanted| {
            (&w.provider, &w.inputs, &w.case) == (&wanted.provider, &wanted.inputs, &wanted.case)
                && Name::new(&w.action) == Name::new(&wanted.action)
        };
        matches!(self, Self::Discover { then: Some(then), .. } if same(then))
    }

    fn is_of(&self, of: &str) -> bool {
        matches!(self, Self::Execute { digest, .. } if **digest == *of)
    }
}

/// As text, with the keys in order.
fn sorted(json: &Json) -> String {
    let mut json = json.clone();
    json.sort_all_objects();
    json.to_string()
}
