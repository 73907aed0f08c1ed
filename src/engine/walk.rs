//! From step to step, until somebody or something is waited for.

use std::sync::Arc;

use super::case::Case;
use super::event::{Began, Ended, Escalated, EventBody};
use super::state::Run;
use super::steps;
use super::turn::{Go, Turn};
use crate::model::step::{Priority, StepKind};
use crate::model::{Journey, Next, Step, StepId};
use crate::supervise::Origin;
use crate::template::Template;
use crate::value::{Name, Value};

/// Runs that may stand on each other.
pub(super) const DEPTH: usize = 16;

/// A step of the top run's journey, and the journey itself.
#[derive(Clone, Copy)]
pub(super) struct Here<'m> {
    pub journey: &'m Arc<Journey>,
    pub id: StepId,
}

impl<'m> Here<'m> {
    pub fn step(self) -> Option<&'m Step> {
        self.journey.step(self.id)
    }
}

impl Turn<'_> {
    /// Goes on until something is waited for. Every round enters a step, ends a run or stops, so the budget of steps bounds it.
    pub fn walk(&mut self, mut go: Go) {
        loop {
            go = match go {
                Go::Wait => return,
                Go::To(Next::Step(id), via) => self.enter(id, via, false),
                Go::To(Next::End, via) => self.end_run(&"done".into(), None, via),
                Go::Goto(id) => self.enter(id, Some("goto".into()), true),
                Go::Begin => match self.top() {
                    Some((_, plan)) => Go::To(plan.journey.first, None),
                    None => Go::Wait,
                },
                Go::Fall(reason) => self.fall_back(&reason),
                Go::End(outcome, result) => self.end_run(&outcome, result, None),
            };
        }
    }

    fn enter(&mut self, id: StepId, via: Option<String>, asks_again: bool) -> Go {
        let Some((_, plan)) = self.top() else { return self.lost() };
        let Some(step) = plan.journey.step(id) else { return self.lost() };
        // The step that waits at the end of the way is none of those that ran at once.
        let budget = self.machine.workspace.settings.limits.instant_steps.saturating_add(step.kind.is_interactive().into());
        if self.state.instant >= budget {
            let text = format!("more than {} steps ran without waiting for anybody", self.state.instant);
            self.emit(EventBody::Fault { code: "instant_steps".into(), text: text.as_str().into() });
            return Go::Fall(text);
        }
        self.emit(EventBody::Entered { step: step.key.clone(), via: via.map(Into::into) });
        if asks_again {
            self.clear_collected(id, step);
        }
        if self.state.taken {
            // Whoever took it over hands it back first: then the step begins.
            return Go::Wait;
        }
        self.act(&plan.journey, step)
    }

    fn act(&mut self, journey: &Journey, step: &Step) -> Go {
        match &step.kind {
            StepKind::Collect(collect) => steps::collect::enter(self, step, collect),
            StepKind::Action(call) => steps::action::enter(self, step, call),
            StepKind::Choice(choice) => steps::choice::enter(self, choice),
            StepKind::Confirm(confirm) => steps::confirm::enter(self, step, confirm),
            StepKind::Guide(guide) => steps::guide::enter(self, guide),
            StepKind::Investigate(search) => steps::investigate::enter(self, search),
            StepKind::Verify(verify) => steps::verify::enter(self, verify),
            StepKind::Say(template) => steps::say::enter(self, step, template),
            StepKind::If(branch) => steps::branch::enter(self, branch),
            StepKind::Set(assigns) => steps::set::enter(self, step, assigns),
            StepKind::Goto(Some(id)) => Go::Goto(*id),
            StepKind::Run(run) => steps::run::enter(self, run),
            StepKind::Done(done) => steps::done::enter(self, done),
            StepKind::Escalate(escalate) => steps::escalate::enter(self, escalate),
            StepKind::Goto(None) | StepKind::Broken => {
                Go::Fall(format!("the journey `{}` has a step that could not be read", journey.slug))
            }
        }
    }

    /// The collect at hand has what it needs: a `goto` back to it in this turn asks again, or the two would never wait.
    pub fn pass(&mut self) {
        let place = self.top().map(|(run, _)| run.id).zip(self.here().map(|h| h.id));
        self.passed.extend(place);
    }

    /// Reaching a collect by `goto` clears its fields, except those filled in this turn that it has not gone on from yet.
    fn clear_collected(&mut self, id: StepId, step: &Step) {
        let StepKind::Collect(collect) = &step.kind else { return };
        let passed = self.state.top().is_some_and(|r| self.passed.contains(&(r.id, id)));
        let began = if passed { u64::MAX } else { self.state.turn_began };
        let sets = collect.any_of.iter().flat_map(|s| &s.fields);
        for field in collect.fields.iter().chain(&collect.optional).chain(sets) {
            let old = self.state.top().and_then(|r| r.variables.set.get(&field.name)).is_some_and(|v| v.seq <= began);
            if old {
                self.emit(EventBody::Unset { name: field.name.clone() });
            }
        }
    }

    /// The run is pinned to a journey that this machine does not have.
    fn lost(&mut self) -> Go {
        let text = "the run's version of its journey is not here";
        self.emit(EventBody::Fault { code: "version".into(), text: text.into() });
        self.escalate(None, Some(text.into()), Priority::Normal, Vec::new());
        Go::Wait
    }

    /// The journey cannot continue: it goes to a person, the doubts named.
    fn fall_back(&mut self, reason: &str) -> Go {
        let Some((_, plan)) = self.top() else { return self.lost() };
        let fallback = &plan.journey.fallback;
        match &fallback.message {
            Some(message) if self.say_template(message) => {}
            _ => self.say("I cannot go on with this. I am handing you over to a colleague."),
        }
        let told = fallback.reason.as_ref().and_then(|t| self.reason(t)).unwrap_or_else(|| reason.into());
        if &*told != reason {
            self.note(reason);
        }
        self.escalate(fallback.to.clone(), Some(told), fallback.priority, Vec::new());
        Go::Wait
    }

    /// A reason for a hand-over; one that would show a sensitive value is not given.
    pub fn reason(&mut self, template: &Template) -> Option<Arc<str>> {
        self.render(template).map(|saying| saying.shown().clone())
    }

    pub fn escalate(&mut self, to: Option<Arc<str>>, reason: Option<Arc<str>>, priority: Priority, include: Vec<(Arc<str>, Value)>) {
        let doubt = self.state.writes.values().filter(|w| w.doubt.is_some()).filter_map(|w| w.action.clone()).collect();
        let to = to.unwrap_or_else(|| self.machine.workspace.settings.default_queue.clone());
        let open = self.state.opened.as_ref().filter(|_| self.state.case.is_none());
        let case = open.map(|o| Box::new(Case::opened(&o.conversation, &self.machine.workspace.settings.case_statuses)));
        self.emit(EventBody::Escalated(Box::new(Escalated { to, reason, priority, include, doubt, case })));
    }

    /// Puts a run on top.
    pub fn begin_run(&mut self, journey: &Journey, called: bool, with: Vec<(Name, Value, Origin)>) -> Result<(), String> {
        if self.state.runs.len() >= DEPTH {
            return Err(format!("more than {DEPTH} runs on top of each other"));
        }
        let origins = with.iter().map(|(.., o)| *o).collect();
        let with = with.into_iter().map(|(n, v, _)| (n, v)).collect();
        let began =
            Began { run: self.state.begun + 1, journey: journey.slug.name.clone(), hash: journey.hash.clone(), called, with, origins };
        self.emit(EventBody::Began(Box::new(began)));
        Ok(())
    }

    /// Ends the top run: its caller goes on, or the run that it stood on puts its question again.
    pub fn end_run(&mut self, outcome: &Arc<str>, result: Option<Value>, via: Option<String>) -> Go {
        let Some(run) = self.state.top().cloned() else { return Go::Wait };
        let word = match self.here().and_then(Here::step).map(|s| &s.kind) {
            // The result is no value of the caller's: whose word it is has to be told here.
            Some(StepKind::Done(done)) => match self.word_of(done.result.iter().map(|(_, o)| o)) {
                Origin::Proposed => Origin::Proposed,
                Origin::Said | Origin::Computed | Origin::Answer => Origin::Answer,
            },
            _ => Origin::Answer,
        };
        self.emit(EventBody::Ended(Box::new(Ended {
            run: run.id,
            outcome: outcome.clone(),
            result: result.clone(),
            via: via.map(Into::into),
        })));
        if !run.called {
            return self.come_back();
        }
        let Some(here) = self.here() else { return self.lost() };
        match here.step() {
            Some(Step { kind: StepKind::Run(call), next, .. }) => {
                steps::run::returned(self, call, *next, outcome, result.map(|r| (r, word)))
            }
            Some(Step { kind: StepKind::Action(_), .. }) if self.state.taken => Go::Wait,
            Some(step @ Step { kind: StepKind::Action(call), .. }) => steps::action::enter(self, step, call),
            // Its time begins anew: it stood still for the one who had to be verified.
            Some(Step { kind: StepKind::Investigate(search), .. }) => steps::investigate::enter(self, search),
            _ => self.lost(),
        }
    }

    /// Puts the question of the step at which the top run stands once more: after a digression, a refusal, a hand-back.
    pub fn put_again(&mut self) {
        let Some(here) = self.here() else { return };
        if self.state.top().is_some_and(|r| r.paused || !r.stand.waits) {
            return;
        }
        if let Some(step) = here.step() {
            steps::put(self, step);
        }
    }

    /// Ends grants of the runs under a digression in which a write starts.
    pub fn end_grants_below(&mut self) {
        let runs: Vec<Arc<Run>> = self.state.runs.clone();
        // INVARIANT: a called run and its callers are one line of work; what lies under the first that nobody called is suspended.
        let first = runs.iter().rposition(|r| !r.called).unwrap_or(0);
        for run in runs.iter().take(first).filter(|r| !r.grants.is_empty()) {
            let why = "a write was started in another journey".into();
            self.emit(EventBody::GrantsEnded { run: run.id, step: None, why });
        }
    }
}
