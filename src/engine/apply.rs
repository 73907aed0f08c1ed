//! The one fold: live, on load, in replay and in tests. Total and silent.
//!
//! Long because every kind of event has its arm in the one fold.

use std::sync::Arc;

use jiff::Timestamp;

use super::answer::Status;
use super::effect::{CallResult, EffectId};
use super::event::{
    Asking, Assigned, Began, Class, Decided, Discovered, Ended, Event, EventBody, Executed, Executing, Filled, Finished, HoldEnd,
    HoldEnded, Kept, Lost, Purpose,
};
use super::execution::{ExecutionStatus, Wanted};
use super::recent::Recent;
use super::state::{Errand, Flight, Hold, Offers, Run, Stand, State, cut};
use crate::model::StepKey;
use crate::supervise::{Grant, Origin, Variable, Variables};
use crate::value::{Json, Name, Shared, Taint, Value};

impl Run {
    /// A yes is used at the step where the run stands.
    fn use_grants(&mut self) {
        let Some(at) = &self.at else { return };
        for grant in self.grants.iter_mut().filter(|g| !g.used.contains(at)) {
            Arc::make_mut(grant).used.push(at.clone());
        }
    }

    /// When that collect last asked for something that no other has asked for since.
    fn asked_at(&self, step: &StepKey) -> Option<u64> {
        self.asked.values().filter(|(s, _)| s == step).map(|(_, n)| *n).max()
    }

    /// Forgets what was asked later: it is asked anew on the way, and nothing goes back, or forward, to there before.
    fn forget_asked_after(&mut self, since: u64) {
        self.asked.retain(|_, (_, n)| *n <= since);
    }

    fn note_asked(&mut self, fields: &[Name]) {
        if let Some(at) = self.at.clone() {
            let entered = self.stand.entered;
            self.asked.extend(fields.iter().map(|f| (f.clone(), (at.clone(), entered))));
        }
    }
}

impl State {
    /// Folds one event in. Total: an event that makes no sense here changes nothing but the version.
    pub fn apply(&mut self, event: &Event) {
        self.version += 1;
        match event.body.plain() {
            EventBody::Turn(turn) if turn.is_aside() => self.moved_before = self.moved,
            EventBody::Asking(_) | EventBody::Discovered(_) => {}
            EventBody::Turn(_) => self.moved_before = std::mem::replace(&mut self.moved, self.version),
            EventBody::Refused { .. } => {
                self.moved = self.moved_before;
                // What was done in the turn before is still what was done last.
                if let Some((.., turn)) = &mut self.last
                    && *turn + 1 == self.turn
                {
                    *turn = self.turn;
                }
            }
            _ => self.moved = self.version,
        }
        self.sensitive |= event.is_sensitive();
        self.fold(&event.body, event.at, self.version);
    }

    fn fold(&mut self, body: &EventBody, at: Timestamp, seq: u64) {
        match body {
            EventBody::Opened(open) => {
                self.opened = Some(Arc::new((**open).clone()));
                self.last_at = at;
            }
            EventBody::Turn(turn) => {
                self.turn += 1;
                self.turn_began = seq;
                if turn.brought.workspace.is_some() {
                    self.workspace.clone_from(&turn.brought.workspace);
                }
                for id in turn.id.iter().chain(turn.message.iter().filter(|m| turn.id.as_ref() != Some(*m))) {
                    self.ids.push(id.clone());
                }
                if turn.is_of_a_person() {
                    self.last_at = at;
                    self.instant = 0;
                }
                self.acting = turn.helper();
                if let (Some(helper), Some(run)) = (self.acting.clone(), self.top_mut())
                    && !run.helpers.contains(&helper)
                {
                    run.helpers.push(helper);
                }
                if let Some(text) = &turn.text
                    && turn.is_the_users()
                {
                    self.heard.push(text.clone());
                }
            }
            EventBody::Queued(message) => self.queue.push(Arc::new((**message).clone())),
            EventBody::Dequeued => {
                if !self.queue.is_empty() {
                    self.queue.remove(0);
                    self.instant = 0;
                }
            }
            EventBody::Routed { .. } => self.offered.clear(),
            EventBody::Offered { options } => self.offered.clone_from(options),
            EventBody::Began(began) => self.begin(began, seq),
            EventBody::Entered { step, via } => {
                self.instant += 1;
                if let Some(run) = self.top_mut() {
                    // What was read in one visit of a search has used the yeses there.
                    if run.stand.calls > 0 {
                        run.use_grants();
                    }
                    // A `goto` to a collect asks again for what it had asked for.
                    if let (Some("goto"), Some(since)) = (via.as_deref(), run.asked_at(step)) {
                        run.forget_asked_after(since);
                    }
                    if via.as_deref() == Some("goto") && run.offered.values().any(|s| s == step) {
                        Arc::make_mut(&mut run.offered).retain(|_, s| s != step);
                    }
                    let identified = run.stand.identified && run.at.as_ref() == Some(step);
                    run.at = Some(step.clone());
                    run.stand = Stand { entered: seq, identified, ..Stand::default() };
                }
            }
            EventBody::Asked { fields, optional } => {
                self.wait();
                if let Some(run) = self.top_mut() {
                    run.stand.asked.clone_from(fields);
                    if *optional {
                        run.stand.optional.extend(fields.iter().cloned());
                        if let Some(at) = run.at.clone() {
                            Arc::make_mut(&mut run.offered).extend(fields.iter().map(|f| (f.clone(), at.clone())));
                        }
                    }
                    run.note_asked(fields);
                }
            }
            EventBody::Skipped { fields } => {
                if let Some(run) = self.top_mut() {
                    run.note_asked(fields);
                }
            }
            EventBody::Options { options, .. } => {
                self.wait();
                if let Some(run) = self.top_mut() {
                    run.stand.options.clone_from(options);
                }
            }
            EventBody::Instructed { index } => {
                self.wait();
                if let Some(run) = self.top_mut() {
                    run.stand.index = *index;
                }
            }
            EventBody::Investigating { until } => {
                self.wait();
                if let Some(run) = self.top_mut() {
                    run.stand.until = Some(*until);
                }
            }
            EventBody::Filled(filled) => self.fill(filled, seq),
            EventBody::Missed => {
                if let Some(run) = self.top_mut() {
                    run.stand.missed += 1;
                }
            }
            EventBody::Set(assigned) => self.set(assigned, seq),
            EventBody::Unset { name } => {
                if let Some(run) = self.top_mut() {
                    let variables = Arc::make_mut(&mut run.variables);
                    if variables.set.remove(name).is_some() {
                        variables.gone.insert(name.clone(), seq);
                    }
                    // What is asked anew is another value than the one that a write has read.
                    if run.locked.contains(name) {
                        Arc::make_mut(&mut run.locked).remove(name);
                    }
                }
            }
            EventBody::Kept(kept) => self.keep(kept, seq),
            EventBody::Question(question) => {
                self.wait();
                if let Some(run) = self.top_mut() {
                    run.stand.question = Some(Arc::new((**question).clone()));
                }
            }
            EventBody::Reshown { channel } => {
                if let Some(question) = self.top_mut().and_then(|r| r.stand.question.as_mut()) {
                    Arc::make_mut(question).channel = channel.clone();
                }
            }
            EventBody::Granted { grant } => {
                if let Some(run) = self.top_mut() {
                    run.grants.retain(|g| g.step != grant.step);
                    run.grants.push(Arc::new(Grant { seq, ..(**grant).clone() }));
                }
            }
            EventBody::GrantsEnded { run, step, .. } => {
                if let Some(run) = self.runs.iter_mut().find(|r| r.id == *run) {
                    Arc::make_mut(run).grants.retain(|g| step.as_ref().is_some_and(|s| *s != g.step));
                }
            }
            EventBody::Decided(decided) => self.decided(decided, at),
            EventBody::Held(held) => {
                self.wait();
                if let Some(run) = self.top_mut() {
                    run.stand.hold = Some(Arc::new(Hold { held: (**held).clone(), at, decided: None, lost: false }));
                }
            }
            EventBody::HoldEnded(ended) => {
                self.last_at = at;
                self.end_hold(ended);
            }
            EventBody::ActionStarted { effect, attempt, until, .. } => {
                if let Some(flight) = &mut self.flight {
                    let flight = Arc::make_mut(flight);
                    flight.effect = Some(effect.clone());
                    flight.attempt = *attempt;
                    flight.until = *until;
                    flight.retry_at = None;
                    flight.result = None;
                    if *attempt == 1 {
                        flight.began = at;
                    }
                }
                self.lock();
            }
            EventBody::ActionFinished(finished) => self.finished(finished),
            EventBody::Replayed(recorded) => {
                if let Some(flight) = &mut self.flight {
                    let flight = Arc::make_mut(flight);
                    flight.result = Some(Arc::new(recorded.result.clone()));
                    flight.taint = recorded.taint.clone();
                }
            }
            EventBody::RetryAt { when, reconcile } => {
                if let Some(flight) = &mut self.flight {
                    let flight = Arc::make_mut(flight);
                    flight.retry_at = Some(*when);
                    flight.reconcile = *reconcile;
                }
            }
            EventBody::Matched { outcome } => {
                if self.settle_flight()
                    && let Some(run) = self.top_mut()
                {
                    run.outcome = Some(outcome.clone());
                }
            }
            EventBody::Failed { .. } => {
                self.settle_flight();
            }
            EventBody::EachDone => {
                if let Some(body) = self.answer() {
                    // The elements of a list are one use of a yes.
                    self.flight = None;
                    if let Some(run) = self.top_mut() {
                        run.stand.calls += 1;
                        run.stand.each.push(body);
                    }
                }
            }
            EventBody::Lost(lost) => self.lose(lost, seq),
            EventBody::Sealed { body, .. } => {
                if !matches!(**body, EventBody::Sealed { .. }) {
                    self.fold(body, at, seq);
                    self.mark_lost(body);
                }
            }
            EventBody::Settled { digest } => {
                if let Some(write) = Arc::make_mut(&mut self.writes).get_mut(digest) {
                    write.doubt = None;
                    write.n += 1;
                }
            }
            EventBody::Identifying => {
                if let Some(run) = self.top_mut() {
                    run.stand.identified = true;
                }
            }
            EventBody::VerifyTried => self.tries += 1,
            EventBody::Verified { identity } => {
                if self.identity.as_ref().is_some_and(|i| i.subject != identity.subject) {
                    self.change_subject();
                }
                self.identity = Some(Arc::new((**identity).clone()));
            }
            EventBody::Corrected { step, .. } => {
                if let Some(run) = self.top_mut() {
                    let since = run.asked_at(step).unwrap_or(0);
                    run.forget_asked_after(since);
                    let variables = Arc::make_mut(&mut run.variables);
                    let later: Vec<Name> =
                        variables.set.iter().filter(|(_, v)| v.seq > since && !v.step.is_empty()).map(|(n, _)| n.clone()).collect();
                    for name in later {
                        variables.set.remove(&name);
                        variables.gone.insert(name, seq);
                    }
                }
            }
            EventBody::Paused => {
                self.hold_grants();
                if let Some(run) = self.top_mut() {
                    run.paused = true;
                }
                self.status = Status::Paused;
            }
            EventBody::Resumed => {
                if let Some(run) = self.top_mut() {
                    run.paused = false;
                }
                self.status = Status::Active;
            }
            EventBody::Ended(ended) => self.end(ended),
            EventBody::Escalated(escalated) => {
                self.escalation = Some(Arc::new((**escalated).clone()));
                if let Some(case) = &escalated.case {
                    self.case = Some(Arc::new((**case).clone()));
                }
                self.hold_grants();
                if let Some(run) = self.top_mut() {
                    run.stand.hold = None;
                }
                self.status = Status::Escalated;
            }
            EventBody::TakenOver => {
                self.taken = true;
                self.hold_grants();
                self.status = Status::Escalated;
            }
            EventBody::HandedBack => {
                self.taken = false;
                self.escalation = None;
                self.restate();
            }
            EventBody::Abandoned => {
                self.status = Status::Abandoned;
                self.drop_flight();
                self.queue.clear();
            }
            EventBody::Context { user } => {
                if let Some(open) = &mut self.opened {
                    Arc::make_mut(open).user = user.clone();
                }
                for run in &mut self.runs {
                    Arc::make_mut(&mut Arc::make_mut(run).variables).user = seq;
                }
                self.user = seq;
            }
            EventBody::Case(case) => self.case = Some(Arc::new((**case).clone())),
            EventBody::Asking(asking) => self.asking(asking),
            EventBody::Discovered(discovered) => self.discovered(discovered, at),
            EventBody::Picked(picked) => {
                self.wait();
                if let Some(run) = self.top_mut() {
                    run.stand.picked = Some(Arc::new((**picked).clone()));
                    run.stand.question = None;
                }
            }
            EventBody::Executing(executing) => self.executing(executing),
            EventBody::Executed(executed) => self.executed(executed),
            EventBody::Fault { text, .. } => self.fault = Some(text.clone()),
            EventBody::Said { .. } | EventBody::Refused { .. } | EventBody::Noted { .. } => {}
        }
    }

    fn top_mut(&mut self) -> Option<&mut Run> {
        self.runs.last_mut().map(Arc::make_mut)
    }

    fn wait(&mut self) {
        if let Some(run) = self.top_mut() {
            run.stand.waits = true;
        }
    }

    fn hold_grants(&mut self) {
        for run in &mut self.runs {
            if !run.grants.is_empty() {
                Arc::make_mut(run).grants.clear();
            }
        }
        // A yes that waits for a provider's word on what it offers is held as one, too.
        let waiting = |e: &Arc<Errand>| matches!(&**e, Errand::Discover { then: Some(Wanted { yes: Some(_), .. }), waits: true, .. });
        if self.errands.values().any(waiting) {
            for errand in Arc::make_mut(&mut self.errands).values_mut().filter(|e| waiting(e)) {
                if let Errand::Discover { then: Some(wanted), .. } = Arc::make_mut(errand) {
                    wanted.yes = None;
                }
            }
        }
    }

    /// Another subject: what the last one gave, and said yes to, goes.
    fn change_subject(&mut self) {
        for run in &mut self.runs {
            let run = Arc::make_mut(run);
            run.grants.clear();
            run.variables = Arc::new(Variables { user: self.user, ..Variables::default() });
            run.asked = Shared::default();
            run.offered = Arc::default();
            // What was put there was put to somebody else: the step begins anew when the run comes on top again.
            run.stand = Stand { waits: run.stand.waits, ..Stand::default() };
        }
        self.heard = Recent::default();
    }

    fn end_hold(&mut self, ended: &HoldEnded) {
        let of = |r: &Run| r.stand.hold.as_ref().is_some_and(|h| h.held.id == ended.hold);
        let Some(run) = self.runs.iter_mut().find(|r| of(r)).map(Arc::make_mut) else { return };
        match (&mut run.stand.hold, ended.how) {
            (Some(hold), HoldEnd::Approved | HoldEnd::Refused | HoldEnd::Expired) => {
                Arc::make_mut(hold).decided = Some((ended.how, ended.by.clone().unwrap_or_default()));
            }
            (hold, _) => *hold = None,
        }
    }

    fn restate(&mut self) {
        self.status = match self.runs.last() {
            None => Status::Completed,
            Some(run) if run.paused => Status::Paused,
            Some(_) => Status::Active,
        };
    }

    fn asking(&mut self, asking: &Asking) {
        let Asking { provider, effect, until, context, then, waits, .. } = asking.clone();
        self.wait_for(&effect, waits);
        let errand = Errand::Discover { provider, until, context, then, waits };
        Arc::make_mut(&mut self.errands).insert(effect, Arc::new(errand));
    }

    /// The run on top waits for a provider.
    fn wait_for(&mut self, effect: &EffectId, waits: bool) {
        if let Some(run) = self.top_mut().filter(|_| waits) {
            run.stand.waits = true;
            run.stand.errand = Some(effect.clone());
        }
    }

    fn errand_over(&mut self, effect: &EffectId) {
        Arc::make_mut(&mut self.errands).remove(effect);
        for run in self.runs.iter_mut().filter(|r| r.stand.errand.as_ref() == Some(effect)) {
            Arc::make_mut(run).stand.errand = None;
        }
    }

    fn discovered(&mut self, discovered: &Discovered, at: Timestamp) {
        let Discovered { effect, provider, context, actions, left_out, failed } = discovered.clone();
        self.errand_over(&effect);
        Arc::make_mut(&mut self.offers).insert(provider, Arc::new(Offers { at, context, actions, left_out, failed }));
    }

    fn executing(&mut self, executing: &Executing) {
        let Executing { attempt, provider, digest, until, waits, .. } = executing.clone();
        if attempt.status != ExecutionStatus::Sent {
            return;
        }
        let effect = EffectId(attempt.id.clone());
        self.wait_for(&effect, waits);
        if let Some(run) = self.top_mut().filter(|_| waits) {
            run.wrote = true;
            run.stand.question = None;
        }
        let errand = Errand::Execute { provider, until, attempt: Box::new(attempt), digest, waits };
        Arc::make_mut(&mut self.errands).insert(effect, Arc::new(errand));
    }

    fn executed(&mut self, executed: &Executed) {
        let effect = EffectId(executed.attempt.id.clone());
        let Some(errand) = self.errands.get(&effect).cloned() else { return };
        self.errand_over(&effect);
        let write = Arc::make_mut(&mut self.writes).entry(executed.digest.clone()).or_default();
        write.action = Some(errand.action());
        match executed.class {
            Class::NotSent => {}
            Class::Refused | Class::Applied => {
                write.n += 1;
                write.doubt = None;
            }
            Class::InDoubt => write.doubt = Some(effect),
        }
        if let Some(case) = &mut self.case {
            let case = Arc::make_mut(case);
            for change in executed.attempt.effects.iter().filter_map(|e| e.change.as_ref()) {
                case.apply(change);
            }
        }
    }

    fn begin(&mut self, began: &Began, seq: u64) {
        let below = self.runs.last().filter(|_| began.called);
        let mut helpers = below.map(|r| r.helpers.clone()).unwrap_or_default();
        helpers.extend(self.acting.iter().filter(|h| !helpers.contains(h)).cloned().collect::<Vec<_>>());
        let mut run = Run {
            helpers,
            id: began.run,
            journey: began.journey.clone(),
            hash: began.hash.clone(),
            called: began.called,
            at: None,
            variables: Arc::default(),
            outcome: None,
            asked: Shared::default(),
            offered: Arc::default(),
            grants: Vec::new(),
            locked: Arc::default(),
            wrote: false,
            paused: false,
            stand: Stand::default(),
        };
        let variables = Arc::make_mut(&mut run.variables);
        variables.user = self.user;
        for (i, (name, value)) in began.with.iter().enumerate() {
            let origin = began.origins.get(i).copied().unwrap_or(Origin::Answer);
            let variable = Variable { value: value.clone(), seq, origin, from: Vec::new(), step: Arc::default() };
            variables.set.insert(name.clone(), Arc::new(variable));
        }
        self.begun = self.begun.max(began.run);
        self.offered.clear();
        self.runs.push(Arc::new(run));
        self.status = Status::Active;
    }

    fn fill(&mut self, filled: &Filled, seq: u64) {
        let id = filled.run.or(self.runs.last().map(|r| r.id)).unwrap_or(0);
        self.lost.remove(&(id, filled.name.clone()));
        let run = match filled.run {
            Some(id) => self.runs.iter_mut().find(|r| r.id == id),
            None => self.runs.last_mut(),
        };
        let Some(run) = run.map(Arc::make_mut) else { return };
        let variable = Variable { value: filled.value.clone(), seq, origin: filled.origin, from: Vec::new(), step: Arc::default() };
        run.stand.asked.retain(|f| *f != filled.name);
        Arc::make_mut(&mut run.variables).set.insert(filled.name.clone(), Arc::new(variable));
    }

    fn set(&mut self, assigned: &Assigned, seq: u64) {
        let Some(run) = self.top_mut() else { return };
        let id = run.id;
        let step = run.at.as_ref().map(|s| s.0.clone()).unwrap_or_default();
        let variables = Arc::make_mut(&mut run.variables);
        let variable = Variable { value: assigned.value.clone(), seq, origin: assigned.origin, from: assigned.from.clone(), step };
        variables.set.insert(assigned.name.clone(), Arc::new(variable));
        self.lost.remove(&(id, assigned.name.clone()));
    }

    /// The body of the answer that the action in flight got.
    fn answer(&self) -> Option<Value> {
        let flight = self.flight.as_ref()?;
        match &**flight.result.as_ref()? {
            CallResult::Answered(answer) => Some(Value { json: answer.body.clone(), taint: flight.taint.clone() }),
            CallResult::Failed(_) => None,
        }
    }

    /// What an event holds that no key opens.
    fn mark_lost(&mut self, body: &EventBody) {
        let top = self.runs.last().map_or(0, |r| r.id);
        match body {
            EventBody::Filled(filled) => {
                self.lost.insert((filled.run.unwrap_or(top), filled.name.clone()));
            }
            EventBody::Set(set) => {
                self.lost.insert((top, set.name.clone()));
            }
            EventBody::Began(began) => {
                let sensitive = began.with.iter().filter(|(_, v)| !v.taint.is_clean());
                self.lost.extend(sensitive.map(|(name, _)| (began.run, name.clone())));
            }
            EventBody::Decided(_) | EventBody::ActionFinished(_) | EventBody::Replayed(_) => {
                if let Some(flight) = &mut self.flight {
                    Arc::make_mut(flight).lost = true;
                }
            }
            EventBody::Held(_) => {
                if let Some(hold) = self.top_mut().and_then(|r| r.stand.hold.as_mut()) {
                    Arc::make_mut(hold).lost = true;
                }
            }
            _ => {}
        }
    }

    /// From here on what was lost is gone, whether or not its key comes back.
    fn lose(&mut self, lost: &Lost, seq: u64) {
        for (id, name) in &lost.variables {
            if let Some(run) = self.runs.iter_mut().find(|r| r.id == *id).map(Arc::make_mut) {
                let variables = Arc::make_mut(&mut run.variables);
                variables.set.remove(name);
                variables.gone.insert(name.clone(), seq);
                if run.offered.contains_key(name) {
                    Arc::make_mut(&mut run.offered).remove(name);
                }
            }
        }
        if lost.flight {
            self.flight = None;
        }
        for run in self.runs.iter_mut().filter(|r| r.stand.hold.as_ref().is_some_and(|h| lost.holds.contains(&h.held.id))) {
            Arc::make_mut(run).stand.hold = None;
        }
        self.lost.clear();
        self.heard = super::recent::Recent::default();
        self.queue.retain(|message| !message.sensitive);
    }

    fn keep(&mut self, kept: &Kept, seq: u64) {
        let Some(answer) = self.answer() else { return };
        let opened = !self.flight.as_ref().is_some_and(|f| f.lost);
        let top = self.runs.last().map_or(0, |r| r.id);
        if opened {
            self.lost.remove(&(top, kept.name.clone()));
        } else {
            self.lost.insert((top, kept.name.clone()));
        }
        let cut_answer = Value { json: cut(&answer.json, &kept.fields), taint: kept.taint.clone() };
        let Some(run) = self.top_mut() else { return };
        let step = run.at.as_ref().map(|s| s.0.clone()).unwrap_or_default();
        let before = run.variables.set.get(&kept.name);
        let value = if kept.each {
            let mut list: Vec<Json> = run.stand.each.iter().map(|v| (*cut(&v.json, &kept.fields)).clone()).collect();
            list.push((*cut_answer.json).clone());
            let taint = run.stand.each.iter().fold(kept.taint.clone(), |taint, v| taint.join(&v.taint));
            Value { json: Arc::new(Json::Array(list)), taint: taint.under(None) }
        } else if let Some(key) = &kept.under {
            let mut map = match before.map(|v| &*v.value.json) {
                Some(Json::Object(map)) => map.clone(),
                _ => serde_json::Map::new(),
            };
            let taint = before.map(|v| v.value.taint.clone()).unwrap_or_default();
            map.insert(key.to_string(), (*cut_answer.json).clone());
            Value { json: Arc::new(Json::Object(map)), taint: taint.join(&kept.taint.under(Some(key))) }
        } else {
            cut_answer
        };
        let variable = Variable { value, seq, origin: Origin::Answer, from: kept.from.clone(), step };
        Arc::make_mut(&mut run.variables).set.insert(kept.name.clone(), Arc::new(variable));
    }

    fn decided(&mut self, decided: &Decided, at: jiff::Timestamp) {
        if decided.again {
            return;
        }
        if decided.purpose == Purpose::Read
            && let Some(run) = self.top_mut()
        {
            run.stand.calls += 1;
        }
        if decided.purpose != Purpose::Owner
            && let Some(run) = self.top_mut()
        {
            run.stand.hold = None;
        }
        let settles = if decided.purpose.is_step() { None } else { self.flight.take() };
        self.flight = match (&decided.request, &decided.inputs) {
            (Some(request), Some(inputs)) => Some(Arc::new(Flight {
                action: decided.action.clone(),
                purpose: decided.purpose,
                run: self.runs.last().map_or(0, |r| r.id),
                effect: None,
                request: request.clone(),
                inputs: inputs.clone(),
                sources: decided.sources.clone(),
                digest: decided.digest.clone(),
                reserves: decided.reserves,
                attempt: 0,
                gone: 0,
                until: jiff::Timestamp::default(),
                began: at,
                retry_at: None,
                reconcile: false,
                result: None,
                taint: Taint::default(),
                lost: false,
                settles,
                owners: decided.owners.clone(),
                approved: decided.approved.clone(),
                draft: decided.draft.clone(),
            })),
            _ => settles,
        };
    }

    /// What a started write has read can no longer be corrected.
    fn lock(&mut self) {
        let Some(flight) = self.flight.clone() else { return };
        if flight.digest.is_none() {
            return;
        }
        if let Some(run) = self.top_mut() {
            run.wrote = true;
            let mut names: Vec<Name> = flight.sources.iter().map(|s| Name::new(s.root())).collect();
            let locked = Arc::make_mut(&mut run.locked);
            while let Some(name) = names.pop() {
                if let Some(variable) = run.variables.set.get(&name) {
                    names.extend(variable.from.iter().map(|s| Name::new(s.root())).filter(|n| !locked.contains(n)));
                }
                locked.insert(name);
            }
        }
    }

    fn finished(&mut self, finished: &Finished) {
        let Some(flight) = &mut self.flight else { return };
        if flight.effect.as_ref() != Some(&finished.effect) {
            return;
        }
        let flight = Arc::make_mut(flight);
        flight.result = Some(Arc::new(finished.result.clone()));
        flight.taint = finished.taint.clone();
        flight.gone += u32::from(finished.result.is_of_sender_gone());
        let (Some(digest), Some(class)) = (flight.digest.clone(), finished.class) else { return };
        let flight = flight.clone();
        let write = Arc::make_mut(&mut self.writes).entry(digest).or_default();
        write.action = Some(flight.action);
        match class {
            Class::NotSent => {}
            Class::Refused | Class::Applied => {
                write.n += 1;
                write.doubt = None;
            }
            Class::InDoubt => {
                write.key = flight.request.idempotency_key.clone().filter(|_| flight.reserves);
                write.doubt = Some(finished.effect.clone());
            }
        }
    }

    /// A write that nobody waits for any more, and of which no answer came, is in doubt.
    fn drop_flight(&mut self) {
        let Some(flight) = self.flight.take() else { return };
        let write = flight.settles.as_ref().unwrap_or(&flight);
        let (Some(digest), Some(effect), None) = (&write.digest, &write.effect, &write.result) else { return };
        let entry = Arc::make_mut(&mut self.writes).entry(digest.clone()).or_default();
        entry.action = Some(write.action.clone());
        entry.key = write.request.idempotency_key.clone().filter(|_| write.reserves);
        entry.doubt = Some(effect.clone());
    }

    /// The action in flight came to its end: a yes that it needed is used at this step.
    fn settle_flight(&mut self) -> bool {
        let Some(flight) = self.flight.take() else { return true };
        let step_call = flight.purpose.is_step();
        if let Some(run) = self.top_mut().filter(|_| step_call) {
            run.use_grants();
        }
        self.flight.clone_from(&flight.settles);
        step_call
    }

    fn end(&mut self, ended: &Ended) {
        if self.runs.last().is_none_or(|r| r.id != ended.run) {
            return;
        }
        if let Some(run) = self.runs.pop() {
            self.lost.retain(|(id, _)| *id != run.id);
            if run.called
                && run.wrote
                && let Some(caller) = self.top_mut()
            {
                caller.wrote = true;
            }
            self.last = Some((run.journey.clone(), ended.outcome.clone(), self.turn));
            if self.flight.as_ref().is_some_and(|f| f.run == run.id) {
                self.drop_flight();
            }
        }
        if self.escalation.is_none() && !self.taken {
            self.restate();
        }
        if self.runs.is_empty() {
            self.fault = None;
        }
    }
}
