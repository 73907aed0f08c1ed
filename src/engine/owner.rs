//! Whose a resource is (supervision, 4): by an expression, or by a read that is asked right before the verdict and used for nothing else.

use std::sync::Arc;

use super::call::{Trouble, Wanted, given};
use super::effect::{CallResult, HttpAnswer};
use super::event::{Draft, Purpose, Told};
use super::redact;
use super::state::Flight;
use super::turn::{Go, Turn};
use crate::expr::{Program, Root, Scope, Type, TypeEnv};
use crate::model::action::{ApprovalRule, Effects, ErrorKind, OwnerRule, RateLimit, Safety};
use crate::model::step::StepKind;
use crate::model::{Action, ActionId, Operand};
use crate::source::Span;
use crate::supervise::{Owner, Ownership};
use crate::value::{Json, Name, Slug, Taint, Value, display};

/// A rule whose read has to be asked.
pub(super) struct Asks {
    call: (Arc<str>, Span),
    inputs: Vec<(Name, Operand)>,
}

impl Turn<'_> {
    /// The action as today's workspace has it.
    pub fn today(&self, action: &Action) -> Option<Arc<Action>> {
        let key = (action.id.integration.name.clone(), action.id.action.name.clone());
        self.machine.workspace.actions.get(&key).cloned()
    }

    /// The action as the run's version has it, with what today's hides, counts and audits beside. What decides on it asks both.
    pub fn guarded(&self, action: Arc<Action>) -> Arc<Action> {
        let Some(now) = self.today(&action).filter(|now| now.hash != action.hash) else { return action };
        let mut guarded = (*action).clone();
        let (own, now) = (&mut guarded.safety, &now.safety);
        own.redact.extend(now.redact.iter().filter(|p| !action.safety.redact.contains(p)).cloned());
        own.audit_detailed |= now.audit_detailed;
        own.rate_limit = own.rate_limit.take().into_iter().chain(now.rate_limit.clone()).reduce(RateLimit::stricter);
        own.idempotency_key = own.idempotency_key.take().or_else(|| now.idempotency_key.clone());
        Arc::new(guarded)
    }

    /// An action that a rule of the run's version names: in that version, else in today's.
    pub fn named(&self, reference: &str) -> Option<Arc<Action>> {
        let pinned = self.top().and_then(|(_, plan)| plan.workspace.action(reference));
        pinned.or_else(|| self.machine.workspace.action(reference)).cloned()
    }

    /// What the run's version of an action asks for, and what today's does where that is another.
    pub fn safeties(&self, action: &Arc<Action>) -> Vec<Safety> {
        let today = self.today(action).filter(|now| now.hash != action.hash);
        std::iter::once(&action.safety).chain(today.as_deref().map(|a| &a.safety)).cloned().collect()
    }

    /// The rules of approval that apply to these inputs. One that cannot be evaluated does.
    pub fn approvals(&self, action: &Arc<Action>, inputs: &Value) -> Vec<ApprovalRule> {
        let rules = self.safeties(action).into_iter().filter_map(|s| s.approval);
        let view = self.view().inputs(inputs);
        rules.filter(|r| r.when.as_ref().is_none_or(|when| self.test(when, &view).unwrap_or(true))).collect()
    }

    /// What the rules of ownership find, and the first whose read has not told yet. `read`: what reads have told so far.
    pub fn owners(&self, action: &Arc<Action>, inputs: &Value, read: &[Ownership]) -> (Vec<Ownership>, Option<Asks>) {
        let view = self.view().inputs(inputs);
        let mut told = read.iter();
        let mut asks = None;
        let rules = self.safeties(action).into_iter().filter_map(|s| s.owner);
        let owners = rules.map(|rule| match rule {
            OwnerRule::Expr(is) => {
                if self.is_sensitive(is.reads(), &view) {
                    self.recall.guess();
                }
                Ownership::Told(owner(&is, &view))
            }
            OwnerRule::Read { call, inputs, .. } => told.next().cloned().unwrap_or_else(|| {
                asks.get_or_insert(Asks { call, inputs });
                Ownership::Unread
            }),
        });
        (owners.collect(), asks)
    }

    /// Asks the read that tells whose it is; the draft waits for its answer.
    pub fn ask_owner(&mut self, rule: &Asks, draft: Draft) -> Result<Go, Trouble> {
        let refuse = |why: &str| Trouble::coded(ErrorKind::Denied, "owner", why);
        if draft.purpose == Purpose::Owner {
            return Err(refuse("the read that tells whose it is would itself have to ask another"));
        }
        let read = self.named(&rule.call.0).filter(|a| a.effects == Effects::Read);
        let Some(action) = read else { return Err(refuse("the read that tells whose it is is not here")) };
        let inputs = given(&rule.inputs, rule.call.1);
        let about = draft.inputs.clone();
        let wanted = Wanted { action: &action, inputs: &inputs, each: None, about: Some(&about), purpose: Purpose::Owner };
        self.asking = Some(Arc::new(draft));
        let called = self.call(&wanted);
        self.asking = None;
        called.map_err(|trouble| refuse(&format!("the read that tells whose it is: {}", trouble.detail)))
    }

    /// The read told, or failed: the draft that waited is decided on.
    pub fn told_owner(&mut self, flight: &Flight, owner: Owner) -> Go {
        let Some(draft) = &flight.draft else { return Go::Wait };
        let mut draft = (**draft).clone();
        draft.owners.push(Ownership::Told(owner));
        self.take_up(draft)
    }

    /// What the answer of an owner's read says.
    pub fn owner_of(&self, flight: &Flight, result: &CallResult) -> Owner {
        let (Some(draft), CallResult::Answered(answer)) = (&flight.draft, result) else { return Owner::Unknown };
        let Some(action) = self.drafted(draft) else { return Owner::Unknown };
        let mut rules = self.safeties(&action).into_iter().filter_map(|s| match s.owner {
            Some(OwnerRule::Read { is, .. }) => Some(is),
            Some(OwnerRule::Expr(_)) | None => None,
        });
        let Some(is) = rules.nth(draft.owners.len()) else { return Owner::Unknown };
        let taint = Taint::default();
        owner(&is, &self.view().inputs(&draft.inputs).response(answer, &taint))
    }

    /// Whether an answer is not the verified person's, by `result_owner`; and the outcome that it comes to then.
    pub fn foreign(&self, action: &Arc<Action>, flight: &Flight, result: &CallResult) -> Option<Slug> {
        let CallResult::Answered(answer) = result else { return None };
        let taint = Taint::default();
        let view = self.view().inputs(&flight.inputs).response(answer, &taint);
        let subject = self.state.identity.as_ref().filter(|i| i.verified(self.at)).map(|i| &i.subject);
        let rules = self.safeties(action).into_iter().filter_map(|s| s.result_owner);
        let mut foreign = rules.filter(|(is, _)| match owner(is, &view) {
            Owner::Is(owner) => subject != Some(&owner),
            Owner::Meets => subject.is_none(),
            Owner::Fails | Owner::Unknown => true,
        });
        foreign.next().map(|(_, otherwise)| otherwise)
    }

    /// The outcome of an answer that is somebody else's.
    pub fn otherwise(&self, action: &Arc<Action>) -> Option<Slug> {
        self.safeties(action).into_iter().find_map(|s| s.result_owner).map(|(_, otherwise)| otherwise)
    }

    /// A digest of the rules that judge an answer.
    fn judges(&self, action: &Arc<Action>, flight: &Flight) -> Arc<str> {
        let of = |action: &Arc<Action>| action.hash.0.get(..16).unwrap_or_default().to_owned();
        let asked = flight.draft.as_ref().and_then(|d| self.drafted(d));
        asked.map_or_else(|| of(action), |asked| format!("{}.{}", of(action), of(&asked))).into()
    }

    /// What was told of an answer that is played again and is hidden.
    pub fn told(&self, action: &Arc<Action>, flight: &Flight) -> Option<Told> {
        self.recall.finished()?.told.as_ref()?;
        self.recall.told(&self.judges(action, flight))
    }

    /// What is told of an answer that is not kept or not to be shown. Nobody is named who is not the verified person.
    pub fn telling(&self, action: &Arc<Action>, flight: &Flight, outcome: Option<&Arc<str>>, owner: Option<&Owner>, foreign: bool) -> Told {
        let subject = self.state.identity.as_ref().map(|i| &i.subject);
        let owner = owner.map(|owner| match owner {
            Owner::Is(who) if subject != Some(who) => Owner::Fails,
            Owner::Is(_) | Owner::Meets | Owner::Fails | Owner::Unknown => owner.clone(),
        });
        Told { by: self.judges(action, flight), outcome: outcome.cloned(), owner, foreign }
    }

    /// Whether what an answer means stands on something that is not to be shown.
    pub fn stands_on_hidden(&self, action: &Arc<Action>, flight: &Flight, result: &CallResult) -> bool {
        let CallResult::Answered(answer) = result else { return false };
        let taint = redact::of_response(&action.safety, &answer.body);
        if !taint.is_clean() || !flight.inputs.taint.is_clean() {
            return true;
        }
        let view = self.view().inputs(&flight.inputs).response(answer, &taint);
        action.outcomes.iter().filter_map(|o| o.condition.as_ref()).any(|c| self.is_sensitive(c.reads(), &view))
    }

    /// Whether the answer that is played again is hidden, as a whole or in part.
    pub fn is_answer_hidden(&self) -> bool {
        self.recall.finished().is_some_and(|f| f.dropped || !f.taint.is_clean())
    }

    /// The action of a draft.
    pub fn drafted(&self, draft: &Draft) -> Option<Arc<Action>> {
        self.action_for(&draft.action, draft.purpose)
    }

    /// The action that the run stands at, or that one of its rules names.
    pub fn action_for(&self, id: &ActionId, purpose: Purpose) -> Option<Arc<Action>> {
        let here = self.here()?;
        let own = match (&here.step()?.kind, purpose) {
            (StepKind::Action(call), Purpose::Step) => call.action.clone(),
            (StepKind::Verify(verify), Purpose::Step) => verify.call.action.clone(),
            (StepKind::Investigate(search), Purpose::Read) => {
                search.using.iter().filter_map(|(a, _)| a.as_ref()).find(|a| a.id == *id).cloned()
            }
            _ => None,
        };
        own.or_else(|| self.named(&id.to_string())).map(|action| self.guarded(action))
    }
}

/// An answer without what it holds.
pub(super) fn dropped(result: CallResult) -> CallResult {
    match result {
        CallResult::Answered(answer) => {
            CallResult::Answered(HttpAnswer { status: answer.status, headers: Vec::new(), body: Arc::default(), invalid_json: false })
        }
        CallResult::Failed(failure) => CallResult::Failed(failure),
    }
}

/// Whose a rule says that it is. What is written as a condition is held, or not; anything else names the owner.
fn owner(is: &Program, view: &dyn Scope) -> Owner {
    let Ok(value) = is.eval(view) else { return Owner::Unknown };
    if is.type_in(&Anything) == Type::Bool {
        return if *value.json == Json::Bool(true) { Owner::Meets } else { Owner::Fails };
    }
    match &*value.json {
        Json::String(_) | Json::Number(_) => {
            Some(display(&value.json)).filter(|t| !t.is_empty()).map_or(Owner::Unknown, |t| Owner::Is(t.into()))
        }
        Json::Null | Json::Bool(_) | Json::Array(_) | Json::Object(_) => Owner::Unknown,
    }
}

/// Nothing is known of the roots.
struct Anything;

impl TypeEnv for Anything {
    fn has(&self, _: Root) -> bool {
        true
    }

    fn member(&self, _: Root, _: &str) -> Option<Type> {
        Some(Type::Any)
    }

    fn whole(&self, _: Root) -> Type {
        Type::Any
    }

    fn members(&self, _: Root) -> Vec<Arc<str>> {
        Vec::new()
    }
}
