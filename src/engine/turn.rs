//! One turn: a scratch copy of the state that moves only by events, and what the turn comes to.

use std::cell::Cell;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

use super::answer::{Answer, FieldError, ReadResult, Refusal};
use super::effect::{CallResult, Claim, Effect, EffectId, Progress, Refused};
use super::event::{Assigned, Brought, Draft, EventBody, TurnBegun, VERSION};
use super::input::{Actor, Input, InputBody, Principal};
use super::machine::{Machine, Plan};
use super::recall::{Hidden, Recall};
use super::scope::View;
use super::state::{Run, State};
use super::walk::Here;
use super::{Event, present};
use crate::expr::Scope;
use crate::model::{ContentHash, Next, Step, StepId};
use crate::supervise::{Origin, Source};
use crate::template::{Rendered, Template, Undefined};
use crate::value::{Name, Value, hex};

/// What a sensitive value is shown as.
pub(super) const REDACTED: &str = "[redacted]";

/// Events that a turn has room for at first.
const EVENTS: usize = 16;

/// Where a step leads.
#[derive(Debug)]
pub(super) enum Go {
    /// On, by a branch if it says which.
    To(Next, Option<String>),
    /// By `goto`: a collect there asks again.
    Goto(StepId),
    /// Somebody or something is waited for.
    Wait,
    /// To the journey's fallback, for this reason.
    Fall(String),
    /// The run ends.
    End(Arc<str>, Option<Value>),
    /// A run was put on top: it begins.
    Begin,
}

impl Go {
    pub fn next(step: &Step) -> Self {
        Self::To(step.next, None)
    }

    pub fn via(next: Next, how: impl Into<String>) -> Self {
        Self::To(next, Some(how.into()))
    }
}

/// Something that is said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Saying {
    pub text: Arc<str>,
    /// With sensitive values hidden, if there are any in it.
    pub redacted: Option<Arc<str>>,
    /// What was not set and is shown as nothing.
    pub unset: Vec<Arc<str>>,
    /// The template by which sensitive values are said.
    pub by: Option<Arc<str>>,
}

impl Saying {
    pub fn plain(text: impl Into<Arc<str>>) -> Self {
        Self { text: text.into(), redacted: None, unset: Vec::new(), by: None }
    }

    /// As that actor may see it.
    pub fn to(&self, actor: Actor) -> Arc<str> {
        match &self.redacted {
            Some(redacted) if actor == Actor::Agent => redacted.clone(),
            _ => self.text.clone(),
        }
    }

    /// As logs and traces may show it.
    pub fn shown(&self) -> &Arc<str> {
        self.redacted.as_ref().unwrap_or(&self.text)
    }
}

impl From<Rendered> for Saying {
    fn from(rendered: Rendered) -> Self {
        let redacted = rendered.tainted.then(|| rendered.shown().into());
        Self { text: rendered.text.into(), redacted, unset: rendered.undefined, by: rendered.written }
    }
}

/// A turn under way.
pub(super) struct Turn<'m> {
    pub machine: &'m Machine,
    pub at: Timestamp,
    pub actor: Actor,
    pub principal: Principal,
    pub state: State,
    pub events: Vec<Event>,
    pub effects: Vec<Effect>,
    pub claims: Vec<Claim>,
    refused_claims: Vec<Refused>,
    pub unaware: bool,
    /// Whether nobody is told what is asked now.
    pub answered: bool,
    pub said: Vec<Saying>,
    pub errors: Vec<FieldError>,
    pub refused: Option<Refusal>,
    /// The id of the message that a host forwards.
    pub forwarded: Option<Arc<str>>,
    /// What waits for the read that is being decided on.
    pub asking: Option<Arc<Draft>>,
    /// What a read of an investigation answered.
    pub read: Option<ReadResult>,
    /// The attempt to run an action of a provider that this was.
    pub executed: Option<Arc<str>>,
    /// The message that began a journey in this turn: its collects may take values from it.
    pub heard: Option<Arc<str>>,
    /// The collects, by run, that the turn has gone on from: what they had, they have used.
    pub passed: Vec<(u32, StepId)>,
    /// What the command at hand was sent with.
    pub with: Option<Value>,
    /// An answer that no event holds.
    pub late: Option<Box<(EffectId, CallResult)>>,
    /// What was decided on what may not be shown.
    pub recall: Recall,
    message_id: Option<Arc<str>>,
    entropy: [u8; 32],
    ids: u32,
    // Where the last look-ups led: a turn mostly stays in one journey, and at a step for a while.
    plan: Cell<Option<&'m Arc<Plan>>>,
    step: Cell<StepId>,
    body: Option<InputBody>,
}

impl<'m> Turn<'m> {
    pub fn new(machine: &'m Machine, state: State, input: Input) -> Self {
        let at = Timestamp::from_millisecond(input.at.as_millisecond()).unwrap_or(input.at);
        Self {
            machine,
            at: at.max(state.last_at),
            actor: input.actor,
            principal: input.principal,
            state,
            events: Vec::with_capacity(EVENTS),
            effects: Vec::new(),
            claims: Vec::new(),
            refused_claims: input.refused,
            unaware: input.unaware,
            answered: input.answered,
            said: Vec::new(),
            errors: Vec::new(),
            refused: None,
            forwarded: None,
            asking: None,
            read: None,
            executed: None,
            heard: None,
            passed: Vec::new(),
            with: None,
            late: None,
            recall: Recall::default(),
            message_id: input.message_id,
            entropy: input.entropy,
            ids: 0,
            plan: Cell::new(None),
            step: Cell::new(StepId(0)),
            body: Some(input.body),
        }
    }

    pub fn run(self) -> Progress {
        self.ran().0
    }

    /// The same, and what became of hidden values.
    pub fn ran(mut self) -> (Progress, Hidden) {
        let before = self.state.version;
        let flight = self.state.flight.clone();
        if let Some(body) = self.body.take() {
            self.handle(body);
        }
        self.mark_sensitive();
        self.mark_brought();
        self.free_key(flight.as_ref());
        if let (Some(refusal), false) = (&self.refused, self.events.is_empty()) {
            let code = refusal.code.clone();
            self.emit(EventBody::Refused { code });
        }
        let wake_at = self.wake_at();
        let answer = self.answer(before);
        let hidden = self.recall.hidden();
        (Progress { state: self.state, events: self.events, claims: self.claims, effects: self.effects, wake_at, answer }, hidden)
    }

    fn answer(&mut self, before: u64) -> Answer {
        let told = self.state.version != before && !(self.refused.is_some() && self.said.is_empty());
        let said = told.then_some(self.said.as_slice());
        let mut answer = present::standing(self.machine, &self.state, self.actor, self.at, said);
        answer.errors = std::mem::take(&mut self.errors);
        answer.refused = self.refused.take();
        answer.read = self.read.take();
        answer.execution = self.executed.take();
        answer
    }

    /// When the machine wants to be woken.
    fn wake_at(&self) -> Option<Timestamp> {
        use super::answer::Status;
        let flight = self.state.flight.as_ref();
        let retry = flight.and_then(|f| f.retry_at);
        let limit = self.state.top().filter(|_| flight.is_none()).and_then(|r| r.stand.until);
        let errands = !self.state.errands.is_empty();
        // Nobody is idle while an action is under way: its answer, or who takes it over, moves the conversation on.
        let held = self.state.holds().map(|h| h.until).min();
        let idle = match self.state.status {
            _ if flight.is_some() || held.is_some() || errands => None,
            Status::Active | Status::Paused => Some(self.idle_at()),
            Status::Completed | Status::Escalated | Status::Abandoned | Status::Cancelled => None,
        };
        [retry, limit, held, idle].into_iter().flatten().min()
    }

    /// When the conversation is given up if nobody comes back.
    pub fn idle_at(&self) -> Timestamp {
        later(self.state.last_at, self.machine.workspace.settings.limits.idle_s.saturating_mul(1_000))
    }

    /// Moves the scratch copy, and keeps the event. What was held for something that is no more is withdrawn.
    pub fn emit(&mut self, body: EventBody) {
        let event = Event { v: VERSION, at: self.at, body };
        let holds: Vec<Arc<str>> = self.state.holds().map(|h| h.id.clone()).collect();
        self.state.apply(&event);
        let ended = matches!(event.body, EventBody::HoldEnded(_));
        self.events.push(event);
        if !holds.is_empty() && !ended {
            self.withdraw(&holds);
        }
    }

    /// Records that the turn began: who, what, and with which words.
    pub fn begin(&mut self, what: &str, text: Option<Arc<str>>) {
        self.passed.clear();
        let id = self.message_id.clone();
        if let Some(id) = &id {
            self.claims.push(Claim::Message { id: id.clone() });
        }
        let sensitive = text.is_some() && (self.is_asked_for_sensitive() || self.machine.asks_for_sensitive && self.state.flight.is_some());
        let message = self.forwarded.take();
        let other = message.iter().filter(|m| id.as_ref() != Some(*m)).map(|id| Claim::Message { id: id.clone() });
        self.claims.extend(other);
        let today = &self.machine.workspace.hash;
        let brought = Brought {
            with: self.with.take(),
            roles: self.principal.roles.clone(),
            scopes: self.principal.scopes.clone(),
            unaware: self.unaware,
            answered: self.answered,
            overdue: self.wake_at().is_some_and(|at| at < self.at),
            due: self.wake_at().filter(|_| what == "wake"),
            refused: self.refused_claims.clone(),
            workspace: (self.state.workspace.as_ref() != Some(today)).then(|| today.clone()),
            ..Brought::default()
        };
        let mut turn =
            TurnBegun { actor: self.actor, by: self.principal.id.clone(), id, message, what: what.into(), text, sensitive, brought };
        // What the clock or a service brings is late by a little always.
        turn.brought.overdue &= turn.is_of_a_person();
        self.emit(EventBody::Turn(Box::new(turn)));
    }

    /// How a claim was refused when this input was handled before.
    pub fn refusal(&self, claim: &Claim) -> Option<&Refused> {
        self.refused_claims.iter().find(|r| r.claim == *claim)
    }

    /// Whether a sensitive field is asked for: what is said now is meant for it, even if it does not fill it.
    pub fn is_asked_for_sensitive(&self) -> bool {
        let Some((run, plan)) = self.top() else { return false };
        run.stand.asked.iter().any(|f| plan.field(f).is_some_and(|d| d.sensitive))
    }

    /// A message that filled a sensitive field, or had its value again, is as sensitive as the field.
    fn mark_sensitive(&mut self) {
        let mut turn = None;
        let kept = self.recall.has_kept();
        for i in 0..self.events.len() {
            match self.events.get_mut(i).map(|e| &mut e.body) {
                Some(EventBody::Turn(begun)) => {
                    turn = begun.text.is_some().then_some(i);
                    begun.sensitive |= kept && begun.text.is_some();
                }
                Some(EventBody::Filled(filled)) if !filled.value.taint.is_clean() => {
                    if let Some(EventBody::Turn(begun)) = turn.and_then(|t| self.events.get_mut(t)).map(|e| &mut e.body) {
                        begun.sensitive = true;
                    }
                }
                _ => {}
            }
        }
    }

    /// What was drawn, decided on hidden values or came too late is told with the turn.
    fn mark_brought(&mut self) {
        let Some(turn) = self.events.iter_mut().find_map(|e| if let EventBody::Turn(turn) = &mut e.body { Some(turn) } else { None })
        else {
            return;
        };
        turn.brought.entropy = (self.ids > 0).then(|| hex(&self.entropy).into());
        turn.brought.judged = self.recall.judged(turn.sensitive);
        turn.brought.late = self.late.take();
    }

    /// Whether this message or command was taken in before.
    pub fn is_repeated(&self) -> bool {
        self.message_id.as_ref().is_some_and(|id| self.state.ids.contains(id))
    }

    /// Refuses the input: nothing changed.
    pub fn refuse(&mut self, code: &str, reason: impl Into<Arc<str>>) {
        self.refused = Some(Refusal { code: code.into(), reason: reason.into() });
    }

    pub fn note(&mut self, text: impl Into<Arc<str>>) {
        self.emit(EventBody::Noted { text: text.into() });
    }

    /// The channel that the answer goes to.
    pub fn channel(&self) -> Arc<str> {
        if self.principal.id.is_empty() { actor_name(self.actor).into() } else { self.principal.id.clone() }
    }

    /// The channel that is given what this turn puts: nobody, if its caller was answered before, or there is none.
    pub fn given_to(&self) -> Arc<str> {
        let limit = later(self.state.last_at, self.machine.workspace.settings.limits.turn_ms);
        if self.actor == Actor::System || self.answered || self.at > limit { "".into() } else { self.channel() }
    }

    /// A fresh id, from the turn's entropy.
    pub fn fresh_id(&mut self, prefix: &str) -> Arc<str> {
        self.ids += 1;
        let mut hash = Sha256::new();
        hash.update(self.entropy);
        hash.update(self.ids.to_be_bytes());
        hash.update(self.state.version.to_be_bytes());
        let digest = hash.finalize();
        format!("{prefix}{}", hex(digest.get(..8).unwrap_or(&digest))).into()
    }

    /// A number below `bound` from the turn's entropy.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.ids += 1;
        let mut hash = Sha256::new();
        hash.update(self.entropy);
        hash.update(self.ids.to_be_bytes());
        let digest = hash.finalize();
        let n = digest.iter().take(8).fold(0_u64, |n, b| (n << 8) | u64::from(*b));
        if bound == 0 { 0 } else { n % bound }
    }

    /// The top run, and what is known of its journey.
    pub fn top(&self) -> Option<(&Arc<Run>, &'m Arc<Plan>)> {
        let run = self.state.top()?;
        let known = self.plan.get().filter(|p| p.journey.hash == run.hash);
        let plan = known.or_else(|| self.machine.plan(run))?;
        self.plan.set(Some(plan));
        Some((run, plan))
    }

    /// Today's version of the top run's journey.
    pub fn version(&self) -> Option<&'m ContentHash> {
        let run = self.state.top()?;
        self.machine.workspace.journeys.get(&run.journey).map(|j| &j.hash)
    }

    /// Where the top run stands.
    pub fn here(&self) -> Option<Here<'m>> {
        let (run, plan) = self.top()?;
        let key = run.at.as_ref()?;
        let id = self.step.get();
        let known = plan.journey.step(id).filter(|s| s.key == *key).map(|_| id);
        let id = known.or_else(|| plan.journey.step_by_key(key).map(|(id, _)| id))?;
        self.step.set(id);
        Some(Here { journey: &plan.journey, id })
    }

    pub fn view(&self) -> View<'_> {
        View::top(&self.state, self.at)
    }

    /// Says something of the engine's own.
    pub fn say(&mut self, text: impl Into<Arc<str>>) {
        self.say_as(Saying::plain(text));
    }

    pub fn say_as(&mut self, saying: Saying) {
        self.note_unset(&saying.unset);
        if !saying.text.trim().is_empty() {
            self.recall.say(saying.by.as_deref());
            self.said.push(saying.clone());
            self.emit(EventBody::Said { text: saying.text, redacted: saying.redacted });
        }
    }

    pub fn say_all(&mut self, sayings: Vec<Saying>) {
        for saying in sayings {
            self.say_as(saying);
        }
    }

    /// Says in the trace what a text lacks.
    pub fn note_unset(&mut self, paths: &[Arc<str>]) {
        for path in paths {
            self.note(format!("`{path}` is not set and was shown as nothing"));
        }
    }

    /// What a template for a person comes to. A fault in it is told of, and gives nothing.
    pub fn render(&mut self, template: &Template) -> Option<Saying> {
        let rendered = template.render(&self.view(), Undefined::Nothing);
        match rendered {
            Ok(mut rendered) => {
                self.note_unset(&std::mem::take(&mut rendered.undefined));
                Some(rendered.into())
            }
            Err(fault) => {
                self.emit(EventBody::Fault { code: "template".into(), text: fault.message.into() });
                None
            }
        }
    }

    /// Says what a template comes to; whether there was anything that could be said.
    pub fn say_template(&mut self, template: &Template) -> bool {
        let saying = self.render(template);
        let told = saying.is_some();
        if let Some(saying) = saying {
            self.say_as(saying);
        }
        told
    }

    /// Assigns a variable. What reads the variable itself goes on from what was there: that one's sources, and its origin unless it was
    /// computed too, for nothing says any more what the value was.
    pub fn assign(&mut self, name: &Name, value: Value, mut origin: Origin, from: Vec<Source>) {
        let mut kept: Vec<Source> = Vec::with_capacity(from.len());
        for source in from {
            if source.root() == name.as_str() {
                let Some(before) = self.state.top().and_then(|r| r.variables.set.get(name)) else { continue };
                if before.origin != Origin::Computed {
                    origin = before.origin;
                }
                for older in &before.from {
                    super::scope::push(&mut kept, older.clone());
                }
            } else {
                super::scope::push(&mut kept, source);
            }
        }
        self.emit(EventBody::Set(Box::new(Assigned { name: name.clone(), value, origin, from: kept })));
    }
}

/// A time that many milliseconds later.
pub(super) fn later(at: Timestamp, ms: u64) -> Timestamp {
    let ms = i64::try_from(ms).unwrap_or(i64::MAX);
    at.checked_add(SignedDuration::from_millis(ms)).unwrap_or(Timestamp::MAX)
}

/// An actor as it is written.
#[must_use]
pub const fn actor_name(actor: Actor) -> &'static str {
    match actor {
        Actor::User => "user",
        Actor::Agent => "agent",
        Actor::Operator => "operator",
        Actor::Admin => "admin",
        Actor::Runtime => "runtime",
        Actor::System => "system",
    }
}

/// The value of an expression where a failing one is noted and reads as nothing.
pub(super) fn lenient(program: &crate::expr::Program, scope: &dyn Scope) -> Result<Value, String> {
    program.eval(scope).map_err(|e| e.message)
}
