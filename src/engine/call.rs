//! Calls of actions: found inputs, one frozen request, a verdict, a start; then the answer, tries after it, and doubt.

use std::sync::Arc;

use jiff::Timestamp;

use super::claims::{AuthorsKey, Taking};
use super::effect::{CallEffect, CallResult, Claim, Effect, EffectId};
use super::event::{Class, Decided, Draft, EventBody, Finished, Purpose, Told};
use super::hold;
use super::input::Actor;
use super::inputs::{self, Resolved};
use super::operand;
use super::owner::Asks;
use super::redact;
use super::request;
use super::scope::{self, View};
use super::state::{Flight, Run};
use super::turn::{Go, Turn, later};
use crate::model::action::{Effects, ErrorKind, Idempotency, Reconcile};
use crate::model::step::{Call, Input, StepKind};
use crate::model::{Action, Operand};
use crate::policy::{Scene, Speaker, Who};
use crate::source::Span;
use crate::supervise::{Approval, Approved, Decision, Intent, Ledger, Ownership, Permit, Source, Today, Verdict, decide};
use crate::value::{Json, Name, Taint, Value};

/// The root of what an agent proposed in an investigation, among the sources of a request.
pub(super) const AGENT: &str = "$agent";
/// Past an action's timeout, until its sender is given up.
const MARGIN_MS: u64 = 2_000;
/// A delay between tries, at most.
const LONGEST_DELAY_MS: u64 = 300_000;
/// A wait for an idempotency key that is taken elsewhere: at first, and at most.
const KEY_WAIT_MS: (u64, u64) = (100, 2_000);
/// How long a method that is idempotent by nature may be sent again.
const NATURAL_MS: i64 = 30_000;

/// An error of a call: its kind, why, and the answer's status.
#[derive(Debug, Clone)]
pub(super) struct Trouble {
    pub kind: ErrorKind,
    pub code: Option<Arc<str>>,
    pub detail: Arc<str>,
    /// Tries were configured and are used up.
    pub exhausted: bool,
}

impl Trouble {
    pub fn new(kind: ErrorKind, detail: impl Into<Arc<str>>) -> Self {
        Self { kind, code: None, detail: detail.into(), exhausted: false }
    }

    pub fn coded(kind: ErrorKind, code: &str, detail: impl Into<Arc<str>>) -> Self {
        Self { code: Some(code.into()), ..Self::new(kind, detail) }
    }
}

/// How a call is wanted.
pub(super) struct Wanted<'a> {
    pub action: &'a Arc<Action>,
    pub inputs: &'a [Input],
    pub each: Option<&'a Value>,
    /// The inputs of the action that a read is asked about: what settles its doubt, or tells whose it is.
    pub about: Option<&'a Value>,
    pub purpose: Purpose,
}

/// The inputs of a call, its request, what that reads, and the idempotency key that its author wrote, with a digest of what that is made of.
type Built = (Value, super::effect::Request, Vec<Source>, Option<AuthorsKey>);

/// What a verdict on a draft is made from.
struct Case<'a> {
    action: &'a Arc<Action>,
    purpose: Purpose,
    inputs: &'a Value,
    sources: &'a [Source],
    digest: Option<&'a Arc<str>>,
    owners: &'a [Ownership],
    approved: Option<&'a Approved>,
    taking: &'a Taking,
    until: Timestamp,
    placed: bool,
}

impl Turn<'_> {
    /// Decides on a call and starts it. What it comes to comes as an input of its own, unless it was done before under the same key.
    pub fn call(&mut self, wanted: &Wanted<'_>) -> Result<Go, Trouble> {
        let action = self.guarded(wanted.action.clone());
        let draft = self.draft(wanted, &action)?;
        self.pursue(&action, draft)
    }

    /// Builds the request, once: what is decided on is what is sent.
    fn draft(&self, wanted: &Wanted<'_>, action: &Action) -> Result<Draft, Trouble> {
        let Some((run, _)) = self.top() else { return Err(Trouble::new(ErrorKind::Internal, "there is no run")) };
        let (inputs, mut request, sources, key) =
            self.build(wanted, action, run).map_err(|detail| Trouble::new(ErrorKind::InvalidInput, detail))?;
        let digest = (action.effects == Effects::Write).then(|| self.write_digest(action, &request::canonical(&request)));
        let reserves = key.is_some();
        let (key, key_of) = key.unzip();
        request.idempotency_key = key;
        Ok(Draft {
            action: action.id.clone(),
            purpose: wanted.purpose,
            request: Arc::new(request),
            inputs,
            sources: sources.into(),
            digest,
            reserves,
            owners: Vec::new(),
            approved: None,
            key_of,
        })
    }

    /// Decides on a draft: it is sent, held, or denied; or a read is asked first whose it is.
    pub fn pursue(&mut self, action: &Arc<Action>, mut draft: Draft) -> Result<Go, Trouble> {
        if let Some(digest) = draft.digest.as_ref().filter(|_| !draft.reserves) {
            // Not sooner: there may have been a definite answer to the same write while this one waited.
            Arc::make_mut(&mut draft.request).idempotency_key = Some(self.idempotency_key(action, digest));
        }
        let key = draft.digest.clone().zip(draft.request.idempotency_key.clone()).filter(|_| draft.reserves);
        let taking = self.taking(action, key.map(|(digest, key)| Claim::Key { key, digest }));
        let until = later(self.at, action.settings.timeout_ms.saturating_add(MARGIN_MS));
        let case = Case {
            action,
            purpose: draft.purpose,
            inputs: &draft.inputs,
            sources: &draft.sources,
            digest: draft.digest.as_ref(),
            owners: &draft.owners,
            approved: draft.approved.as_ref(),
            taking: &taking,
            until,
            placed: self.state.flight.is_none() || matches!(draft.purpose, Purpose::Reconcile | Purpose::Owner),
        };
        let (verdict, permit, asks) = self.decide(&case)?;
        if let Some(rule) = asks.filter(|_| verdict.decision != Decision::Deny) {
            return self.ask_owner(&rule, draft);
        }
        let trouble = denied(&verdict);
        let rules = (verdict.decision == Decision::Hold).then(|| self.approvals(action, &draft.inputs));
        // What waits for its key stays as it was decided.
        let frozen = permit.is_some() || trouble.kind == ErrorKind::Busy;
        let asking = self.asking.take();
        self.emit(EventBody::Decided(Box::new(Decided {
            action: action.id.clone(),
            purpose: draft.purpose,
            verdict,
            request: frozen.then(|| draft.request.clone()),
            inputs: frozen.then(|| draft.inputs.clone()),
            sources: if frozen { draft.sources.clone() } else { Arc::default() },
            digest: draft.digest.clone(),
            reserves: frozen && draft.reserves,
            detailed: action.safety.audit_detailed,
            again: false,
            owners: if frozen { draft.owners.clone() } else { Vec::new() },
            approved: draft.approved.clone().filter(|_| frozen),
            draft: asking.filter(|_| frozen),
            way: frozen.then(|| request::way(&action.integration)),
            key_of: draft.key_of.clone().filter(|_| frozen),
        })));
        match (permit, rules) {
            (Some(permit), _) => Ok(self.proceed(action, permit, taking, until)),
            (None, Some(rules)) => {
                draft.owners.clear();
                self.hold(draft, &rules);
                Ok(Go::Wait)
            }
            (None, None) if trouble.kind == ErrorKind::Busy => self.wait_for_key(action, trouble),
            (None, None) => Err(trouble),
        }
    }

    /// Sends what was decided, or takes the answer that it had before under its key.
    fn proceed(&mut self, action: &Arc<Action>, permit: Permit, mut taking: Taking, until: Timestamp) -> Go {
        let Some(flight) = self.state.flight.clone() else { return Go::Wait };
        if let Some(recorded) = taking.recorded.take() {
            return self.replay(action, recorded);
        }
        self.claim(taking);
        self.send(action, permit, flight.request.clone(), &flight.inputs, flight.attempt + 1, until);
        Go::Wait
    }

    /// The same request is under way elsewhere: asks again a little later, for as long as the action itself may take.
    fn wait_for_key(&mut self, action: &Action, busy: Trouble) -> Result<Go, Trouble> {
        let Some(flight) = self.state.flight.clone() else { return Err(busy) };
        let waited = u64::try_from(self.at.as_millisecond() - flight.began.as_millisecond()).unwrap_or(0);
        let left = action.settings.timeout_ms.saturating_sub(waited);
        if left == 0 {
            return Err(busy);
        }
        let wait = waited.clamp(KEY_WAIT_MS.0, KEY_WAIT_MS.1).min(left);
        self.emit(EventBody::RetryAt { when: later(self.at, wait), reconcile: false });
        Ok(Go::Wait)
    }

    fn build(&self, wanted: &Wanted<'_>, action: &Action, run: &Run) -> Result<Built, String> {
        let view = View::new(&self.state, Some(run), self.at).each(wanted.each);
        let view = if let Some(about) = wanted.about { view.inputs(about) } else { view };
        let resolved = inputs::resolve(action, wanted.inputs, &view, &self.state, run, &self.recall)?;
        let view = View::new(&self.state, Some(run), self.at).each(wanted.each).inputs(&resolved.value);
        let request = request::build(action, &resolved.value, &view)?;
        self.judge_sent(action, wanted, &resolved.value, request.sensitive);
        let key = self.authors_key(action, &view)?;
        let Resolved { value, mut sources } = resolved;
        let listed = if wanted.each.is_some() { self.list_of_each(run) } else { Vec::new() };
        let proposed = if wanted.purpose == Purpose::Read { self.proposed(wanted.inputs) } else { Vec::new() };
        for source in request::sources(action, &run.variables).into_iter().chain(listed).chain(proposed) {
            scope::push(&mut sources, source);
        }
        Ok((value, request, sources, key))
    }

    /// Notes what hidden values go through on their way out: what is sent of them is in no recording.
    fn judge_sent(&self, action: &Action, wanted: &Wanted<'_>, inputs: &Value, sensitive: bool) {
        if !sensitive && inputs.taint.is_clean() {
            return;
        }
        let is_hidden = |name: &Name| {
            let own = inputs.json.as_object().into_iter().flatten().find(|(key, _)| Name::new(key) == *name);
            own.is_some_and(|(key, _)| !inputs.taint.member(Some(key)).is_clean())
        };
        // What somebody gives a read is no author's word, but a value.
        let given = if wanted.purpose == Purpose::Read { &[] } else { wanted.inputs };
        let given = given.iter().map(|i| (&i.name, &i.value)).chain(action.input_mappings.iter().map(|(n, o)| (n, o)));
        let mut parts: Vec<String> = given.filter(|(n, _)| is_hidden(n)).map(|(n, o)| format!("{n} {}", operand::written(o))).collect();
        parts.extend(action.inputs.iter().filter(|f| is_hidden(&f.name)).map(|f| format!("{} {:?}", f.name, f.kind)));
        parts.extend(action.input_schema.iter().map(|s| s.written().to_owned()));
        if sensitive {
            parts.push(request::written(action));
        }
        self.judge_written("sent", &parts.iter().map(String::as_str).collect::<Vec<_>>());
    }

    /// What the list of an `each` reads: its elements come from there.
    fn list_of_each(&self, run: &Run) -> Vec<Source> {
        let step = self.here().and_then(super::walk::Here::step);
        match step.map(|s| &s.kind) {
            Some(StepKind::Action(Call { each: Some(program), .. })) => scope::sources(program.reads(), &run.variables),
            _ => Vec::new(),
        }
    }

    /// Inputs of a read that only an agent vouches for: nobody was shown them, and they are no constants.
    fn proposed(&self, inputs: &[Input]) -> Vec<Source> {
        let literal = |input: &Input| if let Operand::Literal(json) = &input.value { self.stands_in_users_words(json) } else { false };
        let inputs = inputs.iter().filter(|i| self.actor == Actor::Agent && !literal(i));
        inputs.map(|i| Source { path: Arc::new([AGENT.into(), i.name.shared()]), seq: 0 }).collect()
    }

    /// The verdict, the permit of one that allows, and the rule whose read has to tell first whose it is.
    fn decide(&self, case: &Case<'_>) -> Result<(Verdict, Option<Permit>, Option<Asks>), Trouble> {
        let Some((run, _)) = self.top() else { return Err(Trouble::new(ErrorKind::Internal, "there is no run")) };
        let Some(step) = &run.at else { return Err(Trouble::new(ErrorKind::Internal, "there is no step")) };
        let Case { action, sources, until, placed, .. } = *case;
        let doubtful = case.digest.and_then(|d| self.state.writes.get(d)).is_some_and(|w| w.doubt.is_some());
        let in_doubt = doubtful && action.settings.idempotency != Idempotency::Key;
        let now_action = self.today(action);
        let today = match &now_action {
            None => Today::Gone,
            Some(now) if now.hash == action.hash => Today::Same,
            Some(now) => Today::Changed(now),
        };
        let (owners, asks) = self.owners(action, case.inputs, case.owners);
        let roles = hold::roles(&self.approvals(action, case.inputs));
        let approval = match case.approved {
            _ if roles.is_empty() => Approval::Unneeded,
            Some(approved) => Approval::Given(approved),
            None if hold::can_wait(case.purpose) => Approval::Needed(&roles),
            None => Approval::Impossible,
        };
        let intent = Intent { action, today, step, placed, sources, owners: &owners, approval, until };
        let ledger = Ledger {
            variables: &run.variables,
            grants: &run.grants,
            identity: self.state.identity.as_deref(),
            policies: self.machine.policies.as_deref().map(|p| (p, self.scene(run, &case.inputs.json))),
            in_doubt,
            grant_ttl_s: self.machine.workspace.settings.limits.grant_ttl_s,
            version: self.version(),
            rate: case.taking.rate_stands,
            key: case.taking.key_stands,
        };
        if ledger.policies.is_some() && !case.inputs.taint.is_clean() {
            self.recall.guess();
        }
        let (verdict, permit) = decide(&intent, &ledger, self.at);
        Ok((verdict, permit, asks))
    }

    /// What the policies are asked about.
    fn scene<'a>(&'a self, run: &'a Run, inputs: &'a Json) -> Scene<'a> {
        let open = self.state.opened.as_deref();
        let who = match self.actor {
            Actor::User => Who::User,
            Actor::Agent => Who::Agent,
            Actor::Operator => Who::Operator,
            Actor::Admin => Who::Admin,
            Actor::Runtime => Who::Runtime,
            Actor::System => Who::System,
        };
        Scene {
            speaker: Speaker { who, id: &self.principal.id, roles: &self.principal.roles },
            conversation: open.map_or("", |o| &*o.conversation),
            tenant: open.map_or("", |o| &*o.tenant),
            agent: open.map_or("", |o| &*o.agent),
            user_id: open.map_or("", |o| &*o.user_id),
            user: open.map_or(&Json::Null, |o| &*o.user),
            journey: run.journey.as_str(),
            inputs,
        }
    }

    fn send(
        &mut self,
        action: &Arc<Action>,
        permit: Permit,
        request: Arc<super::effect::Request>,
        inputs: &Value,
        attempt: u32,
        until: Timestamp,
    ) {
        let id = EffectId(self.fresh_id("e"));
        if action.effects == Effects::Write {
            self.end_grants_below();
        }
        let owner = self.state.turn;
        self.emit(EventBody::ActionStarted { effect: id.clone(), attempt, until, owner });
        let shown = if inputs.taint.is_clean() { inputs.json.clone() } else { Arc::new(redact::shown(inputs)) };
        let inputs = inputs.json.clone();
        let effect = CallEffect { id, permit, request, action: action.clone(), inputs, shown, attempt, until };
        self.effects.push(Effect::Call(Box::new(effect)));
    }

    /// By which a write is known again: keyed, so that it says nothing of what was sent.
    fn write_digest(&self, action: &Action, canonical: &str) -> Arc<str> {
        let full = self.machine.keys.digest(&[b"request", action.id.to_string().as_bytes(), canonical.as_bytes()]);
        full.get(..32).unwrap_or(&full).into()
    }

    /// HMAC over tenant, action, subject, conversation, digest of the request, and the number of definite answers to it.
    fn idempotency_key(&self, action: &Action, digest: &str) -> Arc<str> {
        let open = self.state.opened.as_deref();
        let subject = self.state.identity.as_ref().map_or("", |i| &*i.subject);
        let n = self.state.writes.get(digest).map_or(0, |w| w.n);
        let key = self.machine.keys.idempotency_key(&[
            open.map_or("", |o| &*o.tenant).as_bytes(),
            action.id.to_string().as_bytes(),
            subject.as_bytes(),
            open.map_or("", |o| &*o.conversation).as_bytes(),
            digest.as_bytes(),
            &n.to_be_bytes(),
        ]);
        key.into()
    }

    /// Decides once more on what is in flight, and sends the same bytes again.
    pub fn call_again(&mut self, action: &Arc<Action>) -> Result<Go, Trouble> {
        let (Some(flight), Some((run, _))) = (self.state.flight.clone(), self.top()) else {
            return Err(Trouble::new(ErrorKind::Internal, "nothing is in flight"));
        };
        let until = later(self.at, action.settings.timeout_ms.saturating_add(MARGIN_MS));
        let placed = run.id == flight.run;
        let unsent = flight.attempt == 0;
        let reserve = flight.digest.clone().zip(flight.request.idempotency_key.clone()).filter(|_| unsent && flight.reserves);
        let taking = self.taking(action, reserve.map(|(digest, key)| Claim::Key { key, digest }));
        // Whether it may be sent again in spite of doubt was settled before it came here.
        let case = Case {
            action,
            purpose: flight.purpose,
            inputs: &flight.inputs,
            sources: &flight.sources,
            digest: flight.digest.as_ref().filter(|_| unsent),
            owners: &flight.owners,
            approved: flight.approved.as_ref(),
            taking: &taking,
            until,
            placed,
        };
        let (verdict, permit, _) = self.decide(&case)?;
        let trouble = denied(&verdict);
        self.emit(EventBody::Decided(Box::new(Decided {
            action: action.id.clone(),
            purpose: flight.purpose,
            verdict,
            request: None,
            inputs: None,
            sources: Arc::default(),
            digest: None,
            reserves: false,
            detailed: false,
            again: true,
            owners: Vec::new(),
            approved: None,
            draft: None,
            way: None,
            key_of: None,
        })));
        match permit {
            Some(permit) => Ok(self.proceed(action, permit, taking, until)),
            None if trouble.kind == ErrorKind::Busy => self.wait_for_key(action, trouble),
            None => Err(trouble),
        }
    }

    /// Records what came of a request, and what that means for a write.
    pub fn finish(&mut self, action: Option<&Action>, effect: &EffectId, result: CallResult, class: Option<Class>, dropped: bool) {
        self.finish_told(action, effect, result, class, dropped, None);
    }

    /// The same, with what was told of an answer that is not kept or not to be shown.
    pub fn finish_told(
        &mut self,
        action: Option<&Action>,
        effect: &EffectId,
        result: CallResult,
        class: Option<Class>,
        dropped: bool,
        told: Option<Told>,
    ) {
        let taint = if dropped { Taint::default() } else { redact::of_result(action, &result) };
        let finished = Finished {
            effect: effect.clone(),
            action: action.map(|a| a.id.to_string().into()).unwrap_or_default(),
            result,
            class,
            taint,
            detailed: action.is_some_and(|a| a.safety.audit_detailed),
            dropped,
            told: told.map(Box::new),
        };
        self.emit(EventBody::ActionFinished(Box::new(finished)));
    }

    /// Whether what is in flight may be sent again after this result (supervision, 7).
    pub fn may_resend(&self, action: &Action, flight: &Flight, class: Option<Class>) -> bool {
        if action.effects == Effects::Read {
            return true;
        }
        match action.settings.idempotency {
            Idempotency::Key => true,
            Idempotency::Natural => {
                let since = self.at.as_millisecond() - flight.began.as_millisecond();
                class == Some(Class::NotSent) || since < NATURAL_MS
            }
            Idempotency::None => class == Some(Class::NotSent),
        }
    }

    /// Tries again later: exponential backoff with jitter, or when the server asks.
    pub fn retry_later(&mut self, attempt: u32, base_ms: u64, asked_ms: Option<u64>) {
        let doubled = base_ms.saturating_mul(1_u64.checked_shl(attempt.saturating_sub(1).min(32)).unwrap_or(u64::MAX));
        let delay = doubled.min(LONGEST_DELAY_MS);
        let jittered = delay / 2 + self.below(delay / 2 + 1);
        let wait = asked_ms.map_or(jittered, |asked| asked.clamp(jittered, LONGEST_DELAY_MS.max(jittered)));
        self.emit(EventBody::RetryAt { when: later(self.at, wait), reconcile: false });
    }

    /// Asks the read that settles the doubt of the write in flight.
    pub fn reconcile(&mut self, rule: &Reconcile) -> Go {
        let Some(action) = self.named(&rule.call.0) else {
            return Go::Fall("the read that settles doubt is not here".into());
        };
        let inputs = given(&rule.inputs, rule.call.1);
        if action.effects == Effects::Write {
            return self.doubt_remains("what settles doubt is not a read");
        }
        let about = self.state.flight.as_ref().map(|f| f.inputs.clone());
        let wanted = Wanted { action: &action, inputs: &inputs, each: None, about: about.as_ref(), purpose: Purpose::Reconcile };
        match self.call(&wanted) {
            Ok(go) => go,
            Err(trouble) => self.doubt_remains(&trouble.detail),
        }
    }
}

/// Inputs as a step would give them.
pub(super) fn given(inputs: &[(Name, Operand)], span: Span) -> Vec<Input> {
    let input = |(name, value): &(Name, Operand)| Input { name: name.clone(), value: value.clone(), span, value_span: span };
    inputs.iter().map(input).collect()
}

fn denied(verdict: &Verdict) -> Trouble {
    let detail = verdict.why().cloned().unwrap_or_else(|| "it was not allowed".into());
    let code = verdict.code().cloned();
    let kind = match code.as_deref() {
        Some("in_doubt") => ErrorKind::InDoubt,
        Some("rate_limited") => ErrorKind::RateLimited,
        Some("busy") => ErrorKind::Busy,
        _ => ErrorKind::Denied,
    };
    Trouble { kind, code, detail, exhausted: false }
}
