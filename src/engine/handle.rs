//! Inputs: who may send what, now; and where each goes.
//!
//! Long because who may send what, and where it goes, has to be seen together.

use std::sync::Arc;

use super::answer::{AnswerOption, Status};
use super::event::{Class, EventBody, Queued};
use super::execution::Wanted;
use super::hear::{Heard, Wish};
use super::input::{Actor, Command, InputBody, Open, Said};
use super::state::{Errand, Flight, State};
use super::steps::{self, Answered, choice, collect, confirm, guide, investigate, offer};
use super::turn::{Go, Turn};
use crate::engine::effect::{CallFailure, CallResult, Claim, EffectId};
use crate::model::action::{Effects, Idempotency};
use crate::model::step::StepKind;
use crate::supervise::provider::{From, Yes};
use crate::supervise::{Identity, Origin};
use crate::understand::{Words, is_word, normalise};
use crate::value::{Json, Name, Taint, Value};

/// Messages that wait for an action in flight, at most.
const QUEUE: usize = 8;
/// Journeys that are offered, at most.
const OFFERS: usize = 20;

impl Turn<'_> {
    pub fn handle(&mut self, body: InputBody) {
        match body {
            InputBody::Open(open) => self.open(open),
            InputBody::Message(text) => self.message(text),
            InputBody::Command(command) => self.command(command),
            InputBody::Result(effect, result) => {
                let asked = matches!(self.state.errands.get(&effect).map(|e| &**e), Some(Errand::Discover { .. }));
                self.begin(if asked { "discovered" } else { "result" }, None);
                let go = if self.state.errands.contains_key(&effect) {
                    self.errand_result(&effect, &result)
                } else {
                    self.result(&effect, result)
                };
                self.walk(go);
                self.drain();
            }
            InputBody::Wake => self.wake(),
            InputBody::Unsealed => self.unsealed(),
            InputBody::TakeOver(effect) => {
                self.begin("take_over_effect", None);
                let go = self.take_over_effect(&effect);
                self.walk(go);
                self.drain();
            }
        }
    }

    fn open(&mut self, mut open: Open) {
        if self.state.opened.is_some() {
            return self.refuse("open", "the conversation is open already");
        }
        flatten(&mut open.user);
        let case = self.take_case(&mut open.user);
        self.emit(EventBody::Opened(Box::new(open)));
        self.take_on(case);
    }

    /// Whether anything may be said to this conversation at all.
    fn is_open(&mut self) -> bool {
        if self.state.opened.is_none() {
            self.refuse("not_open", "there is no such conversation");
        } else if self.state.status == Status::Abandoned {
            self.refuse("abandoned", "the conversation was given up and is over");
        }
        self.refused.is_none()
    }

    fn message(&mut self, text: Arc<str>) {
        if !self.is_open() || self.is_repeated() {
            return;
        }
        if !matches!(self.actor, Actor::User | Actor::Runtime | Actor::Operator) {
            return self.refuse("forbidden", "only the user's own channel says messages");
        }
        if self.state.is_busy() && self.state.queue.len() >= QUEUE {
            return self.refuse("busy", "too many messages wait already");
        }
        self.begin("message", Some(text.clone()));
        let heard = Heard { text, turn: self.state.turn, actor: self.actor, channel: self.channel(), answers: None };
        if self.state.is_busy() {
            let sensitive = self.machine.asks_for_sensitive;
            let queued = Queued { text: heard.text, turn: heard.turn, actor: heard.actor, channel: heard.channel, sensitive };
            return self.emit(EventBody::Queued(Box::new(queued)));
        }
        self.hear(&heard);
        self.drain();
    }

    /// Takes up the messages that waited, as long as nothing is in flight.
    pub fn drain(&mut self) {
        for _ in 0..QUEUE {
            if self.state.is_busy() {
                return;
            }
            let Some(next) = self.state.queue.first().cloned() else { return };
            self.emit(EventBody::Dequeued);
            self.recall.hear(&next.text, &self.machine.hears, next.sensitive);
            let heard = Heard { text: next.text.clone(), turn: next.turn, actor: next.actor, channel: next.channel.clone(), answers: None };
            self.hear(&heard);
        }
    }

    /// A message: an option that it names, then everywhere-words, then the answer to what is asked, then another wish, then an
    /// attempt that failed.
    fn hear(&mut self, heard: &Heard) {
        self.recall.hear(&heard.text, &self.machine.hears, false);
        if self.state.status == Status::Escalated {
            // Whoever took it over speaks for himself.
            if !self.state.taken {
                self.say("A colleague has this conversation and will answer you here.");
            }
            return;
        }
        let locale = &self.machine.locale;
        let has_run = self.state.top().is_some();
        if self.names_option(&heard.text) {
            return self.answer_or_wish(heard);
        }
        if has_run && self.is_meant("cancel", &heard.text, |text| is_word(Words::Cancel, text, locale)) {
            return self.cancel();
        }
        if self.is_meant("person", &heard.text, |text| is_word(Words::Person, text, locale)) {
            return self.hand_off(Some("the user asked for a person".into()));
        }
        if !has_run {
            return self.first_wish(heard);
        }
        if self.state.status == Status::Paused {
            return self.resume(Some(heard));
        }
        self.answer_or_wish(heard);
    }

    /// Whether a choice stands open that has an option of that name: `Stop` is an option there before it is a word that cancels.
    fn names_option(&self, text: &str) -> bool {
        let standing = self.here().filter(|_| self.state.status == Status::Active && self.state.top().is_some_and(|r| r.stand.waits));
        standing.is_some_and(|here| match here.step().map(|s| &s.kind) {
            Some(StepKind::Choice(choice)) => choice::is_named(self, choice, text),
            _ => false,
        })
    }

    fn answer_or_wish(&mut self, heard: &Heard) {
        if self.unaware {
            return;
        }
        let Some(here) = self.here() else { return };
        let Some(step) = here.step() else { return };
        if !self.state.top().is_some_and(|r| r.stand.waits) {
            return;
        }
        match steps::hear(self, step, heard) {
            Answered::Yes(go) => self.walk(go),
            Answered::No => {
                if let Wish::One(journey, score) = self.wish(&heard.text) {
                    return self.start_by_message(heard, &journey, score);
                }
                let go = steps::miss(self, step, heard);
                self.walk(go);
            }
        }
    }

    fn first_wish(&mut self, heard: &Heard) {
        let offered = self.state.offered.clone();
        let pairs = offered.iter().map(|o| (&*o.id, &*o.label));
        let picked = crate::understand::pick(&heard.text, pairs).and_then(|i| offered.get(i)).map(|o| Name::new(&o.id));
        // What is said of the user may be another since it was offered.
        if let Some(journey) = picked.filter(|journey| self.meets(journey)) {
            return self.start_by_message(heard, &journey, 1_000);
        }
        match self.wish(&heard.text) {
            Wish::One(journey, score) => self.start_by_message(heard, &journey, score),
            Wish::Several(journeys) => self.offer_each(&journeys),
            Wish::Nothing => self.offer(),
        }
    }

    /// One thing after the other: the wishes of a message, as a choice.
    fn offer_each(&mut self, journeys: &[Name]) {
        let known = journeys.iter().filter_map(|name| self.machine.workspace.journeys.get(name));
        let options: Vec<AnswerOption> = known.map(|j| AnswerOption { id: j.slug.shown.clone(), label: j.name.clone() }).collect();
        let names: Vec<&str> = options.iter().map(|o| &*o.label).collect();
        self.say(format!("That is more than one thing. Which shall we do first: {}?", names.join("; ")));
        self.emit(EventBody::Offered { options });
    }

    /// What the agent can do, as a choice.
    fn offer(&mut self) {
        let options: Vec<AnswerOption> = self
            .machine
            .workspace
            .journeys
            .values()
            .filter(|j| j.trigger.is_some() && !j.callable && self.meets(&j.slug.name))
            .take(OFFERS)
            .map(|j| AnswerOption { id: j.slug.shown.clone(), label: j.name.clone() })
            .collect();
        if options.is_empty() {
            return self.say("I cannot help with that.");
        }
        let names: Vec<&str> = options.iter().map(|o| &*o.label).collect();
        self.say(format!("I am not sure what you need. I can help with: {}.", names.join("; ")));
        self.emit(EventBody::Offered { options });
    }

    /// Whether `trigger.requires` holds for this user.
    fn meets(&self, journey: &Name) -> bool {
        let Some(trigger) = self.machine.workspace.journeys.get(journey).and_then(|j| j.trigger.as_ref()) else { return false };
        trigger.requires.iter().all(|r| r.test(&self.view()).unwrap_or(false))
    }

    fn start_by_message(&mut self, heard: &Heard, journey: &Name, score: u32) {
        let Some(journey) = self.machine.workspace.journeys.get(journey).cloned() else { return };
        self.emit(EventBody::Routed { journey: journey.slug.name.clone(), score });
        match self.begin_run(&journey, false, Vec::new()) {
            Ok(()) => {
                self.heard = Some(heard.text.clone());
                self.walk(Go::Begin);
            }
            Err(reason) => self.say(format!("That has to wait: {reason}.")),
        }
    }

    fn cancel(&mut self) {
        self.say("Cancelled.");
        self.walk(Go::End("cancelled".into(), None));
    }

    fn hand_off(&mut self, reason: Option<Arc<str>>) {
        let fallback = self.top().and_then(|(_, plan)| plan.journey.fallback.to.clone());
        self.say("I am handing you over to a colleague.");
        self.escalate(fallback, reason, crate::model::step::Priority::Normal, Vec::new());
    }

    /// After `pause_for_resume`: to its `resume`, or the run ends and the message is a wish.
    fn resume(&mut self, heard: Option<&Heard>) {
        let Some(here) = self.here() else { return };
        let Some(StepKind::Done(done)) = here.step().map(|s| &s.kind) else { return };
        self.emit(EventBody::Resumed);
        if let Some(next) = done.resume {
            self.heard = heard.map(|h| h.text.clone());
            return self.walk(Go::via(next, "resume"));
        }
        let result = steps::done::result(self, done);
        self.walk(Go::End(done.outcome.shown.clone(), result));
        if let Some(heard) = heard {
            self.hear(heard);
        }
    }

    fn wake(&mut self) {
        let flight = self.state.flight.clone();
        if let Some(flight) = flight {
            if flight.retry_at.is_none_or(|at| at > self.at) {
                return;
            }
            self.begin("wake", None);
            let Some(action) = self.action_in_flight(&flight) else { return };
            let rule = action.safety.reconcile.clone().filter(|_| flight.reconcile);
            let go = match rule {
                Some(rule) => self.reconcile(&rule),
                None => self.resend(&action, &flight),
            };
            self.walk(go);
            return self.drain();
        }
        if self.expire_holds() {
            return self.drain();
        }
        let limit = self.state.top().and_then(|r| r.stand.until);
        if limit.is_some_and(|at| at <= self.at)
            && let Some(here) = self.here()
            && let Some(StepKind::Investigate(search)) = here.step().map(|s| &s.kind)
        {
            self.begin("wake", None);
            return self.walk(investigate::give_up(search, "the investigation took too long"));
        }
        if matches!(self.state.status, Status::Active | Status::Paused) && self.idle_at() <= self.at {
            self.begin("wake", None);
            self.emit(EventBody::Abandoned);
        }
    }

    /// The sender of an effect is gone. A read is decided again and sent; a write is in doubt, and sent again only where that is safe.
    fn take_over_effect(&mut self, effect: &EffectId) -> Go {
        if self.state.errands.contains_key(effect) {
            return self.errand_result(effect, &CallResult::Failed(CallFailure::sender_gone()));
        }
        let flight = self.state.flight.clone().filter(|f| f.effect.as_ref() == Some(effect) && f.result.is_none());
        let gone = CallResult::Failed(CallFailure::sender_gone());
        let Some(flight) = flight else {
            self.late = Some(Box::new((effect.clone(), gone)));
            return Go::Wait;
        };
        let Some(action) = self.action_in_flight(&flight) else { return self.result(effect, gone) };
        let safe = action.effects == Effects::Read || action.settings.idempotency == Idempotency::Key;
        if !safe || flight.gone >= Flight::GONE {
            return self.result(effect, gone);
        }
        self.finish(Some(&action), effect, gone, (action.effects == Effects::Write).then_some(Class::InDoubt), false);
        self.resend(&action, &flight)
    }

    /// Decides again on what is in flight, and sends it again. A write in doubt that may not be sent stays in doubt.
    fn resend(&mut self, action: &Arc<crate::model::Action>, flight: &Flight) -> Go {
        match self.call_again(action) {
            Ok(go) => go,
            Err(_) if self.is_doubtful(flight) => self.in_doubt(action, flight),
            Err(trouble) => self.failed_call(action, flight, trouble),
        }
    }

    fn command(&mut self, command: Command) {
        if !self.is_open() || self.is_repeated() {
            return;
        }
        let name = command.name();
        self.with = self.brought_by(&command);
        if !may_send(self.actor, name) {
            self.begin(&format!("command:{name}"), None);
            return self.refuse("forbidden", format!("`{name}` is not for this caller"));
        }
        let for_operators = matches!(
            command,
            Command::TakeOver
                | Command::Say(_)
                | Command::HandBack
                | Command::Approve { .. }
                | Command::Refuse { .. }
                | Command::Discover
                | Command::Execute { .. }
        );
        if let Command::Said(said) = &command
            && self.is_late(said)
        {
            return self.too_late(said.message_id.clone());
        }
        if self.state.status == Status::Escalated && !for_operators {
            return self.refuse("escalated", "a person has this conversation");
        }
        if self.state.is_busy() && !for_operators {
            return self.refuse("working", "an action is under way");
        }
        if let Command::Said(said) = command {
            return self.said(said);
        }
        // What is refused changes nothing but the record that it was asked for; so the record comes first.
        self.begin(&format!("command:{name}"), None);
        match command {
            Command::Start { journey, variables } => self.start(&journey, &variables),
            Command::Fill(values) => self.filled(&values),
            Command::Correct(values) => {
                if !self.has_correctable() {
                    return self.not_now("there is no value to correct");
                }
                self.filled(&values);
            }
            Command::Choose(option) => self.choose(&option),
            Command::Confirm { question } => self.confirmed(question.as_ref()),
            Command::Reject { question } => self.rejected(question.as_ref()),
            Command::Change(values) => self.change(&values),
            Command::Next | Command::Back | Command::Stuck => self.guided(&command),
            Command::Read { action, inputs } => self.read(&action, &inputs),
            Command::Finding(name) => self.finding(&name),
            Command::Cancel => {
                if self.state.top().is_none() {
                    return self.not_now("nothing is under way");
                }
                self.cancel();
            }
            Command::Handoff(reason) => self.hand_off(reason),
            Command::Resume => {
                if self.state.status != Status::Paused {
                    return self.not_now("nothing is paused");
                }
                self.resume(None);
            }
            Command::Said(said) => self.said(said),
            Command::Context(user) => self.context(user),
            Command::Identified(identity) => self.identified(identity),
            Command::TakeOver => {
                if self.state.taken {
                    return self.not_now("somebody has taken the conversation over already");
                }
                self.emit(EventBody::TakenOver);
            }
            Command::Say(text) => {
                if self.state.status != Status::Escalated {
                    return self.not_now("take the conversation over first");
                }
                self.say(text);
            }
            Command::HandBack => self.hand_back(),
            Command::Discover => self.discover_all(),
            Command::Execute { provider, action, inputs, confirmed } => {
                let yes = confirmed.then_some(Yes::Operator);
                let (actor, principal) = (self.actor, self.principal.clone());
                let case = self.case_id();
                let go = self.execute(Wanted { provider, action, inputs, yes, shown: None, case, from: From::Direct, actor, principal });
                self.walk(go);
            }
            Command::Approve { hold, note } => self.decide_hold(&hold, note, true),
            Command::Refuse { hold, note } => self.decide_hold(&hold, note, false),
        }
        self.drain();
    }

    /// One message of the user's, forwarded by a host; with the question that it was shown, it can be the answer to it.
    fn said(&mut self, said: Said) {
        if self.is_used(&said.message_id) {
            return self.refuse("used", "a message is taken once, under an id of its own");
        }
        self.forwarded = Some(said.message_id);
        self.begin("said", Some(said.text.clone()));
        let channel = self.channel();
        self.hear(&Heard { text: said.text, turn: self.state.turn, actor: self.actor, channel, answers: said.question });
        self.drain();
    }

    fn is_used(&self, message: &Arc<str>) -> bool {
        let elsewhere = self.refusal(&Claim::Message { id: message.clone() }).is_some();
        elsewhere || message.is_empty() || self.state.ids.contains(message)
    }

    /// Whether a message is said to answer a question that does not stand.
    fn is_late(&self, said: &Said) -> bool {
        let waits = !self.state.is_busy() && self.state.status != Status::Escalated;
        let run = self.state.top().filter(|r| waits && r.stand.waits);
        said.question.is_some() && said.question != run.and_then(|r| r.stand.question.as_ref()).map(|q| q.id.clone())
    }

    /// It was said before any question that comes from here on: it answers none of them, whatever a host says later.
    fn too_late(&mut self, message: Arc<str>) {
        if self.is_used(&message) {
            return self.refuse("used", "a message is taken once, under an id of its own");
        }
        self.forwarded = Some(message);
        self.begin("said", None);
        self.refuse("stale", "that question does not stand any more");
    }

    /// A later claim of the caller's: whatever was computed from the one before is stale, and a yes that showed it has ended.
    fn context(&mut self, mut user: Arc<Json>) {
        if !self.principal.scopes.iter().any(|s| &**s == "context") {
            return self.refuse("forbidden", "this key has not the scope `context`");
        }
        flatten(&mut user);
        // Who a user is may be told apart from what is shown to them: a question that this changes has been shown to nobody.
        self.answered = true;
        let case = self.take_case(&mut user);
        self.emit(EventBody::Context { user });
        self.take_on(case);
        let go = self.come_back();
        self.walk(go);
    }

    /// A host's word of who the user is counts as a verification does. Nothing is put again by it: a question stands as it was shown.
    fn identified(&mut self, identity: Identity) {
        if !self.principal.scopes.iter().any(|s| &**s == "identity") {
            return self.refuse("forbidden", "this key has not the scope `identity`");
        }
        let other = self.state.identity.as_ref().is_some_and(|i| i.subject != identity.subject);
        if other && !self.machine.workspace.settings.identity_allow_switch {
            return self.refuse("other_subject", "somebody else was verified in this conversation");
        }
        self.emit(EventBody::Verified { identity: Box::new(identity) });
    }

    fn not_now(&mut self, why: &str) {
        self.refuse("not_now", why);
    }

    fn start(&mut self, journey: &Name, variables: &[(Name, Json)]) {
        // A decision reaches what only `run` reaches otherwise, and gives it what a `run` would.
        let decided = self.actor == Actor::System;
        let found = self.machine.workspace.journeys.get(journey).filter(|j| decided || !j.callable && j.trigger.is_some()).cloned();
        let Some(journey) = found else {
            return self.refuse("unknown_journey", format!("there is no journey `{journey}` to start"));
        };
        if journey.trigger.is_some() && !self.meets(&journey.slug.name) {
            return self.refuse("requires", format!("`{}` is not for this user", journey.slug));
        }
        if self.state.runs.iter().any(|r| r.journey == journey.slug.name) {
            return self.not_now("that journey is under way");
        }
        if self.state.runs.len() >= super::walk::DEPTH {
            return self.not_now("too many journeys are under way");
        }
        let Some(plan) = self.machine.plan_of(&journey).cloned() else { return };
        let mut with = Vec::new();
        let mut problems = Vec::new();
        for (name, json) in variables {
            let input = journey.inputs.iter().find(|i| (i.from_caller || decided) && i.name == *name).map(|i| &i.datapoint);
            let Some(datapoint) = plan.field(name).or(input) else {
                return self.refuse("not_fillable", format!("no step of `{}` asks for `{name}`", journey.slug));
            };
            if datapoint.sensitive {
                self.recall.judge_by(&self.rules([&**datapoint]), self.recall.hides(json));
            }
            if self.recall.hides(json) {
                // What did not fit was not asked after.
                let Some(value) = self.recall.began_with(name) else { continue };
                if self.actor == Actor::Agent {
                    self.stands_in_users_words(json);
                }
                let origin = self.recall.began_origin(name).unwrap_or(Origin::Said);
                with.push((name.clone(), value, origin));
                continue;
            }
            match normalise(datapoint, json, &self.machine.locale, self.at) {
                Ok(json) => {
                    let own = self.actor != Actor::Agent || self.stands_in_users_words(&json);
                    let origin = match own {
                        true if decided => Origin::Computed,
                        true => Origin::Said,
                        false => Origin::Proposed,
                    };
                    let taint = if datapoint.sensitive { Taint::whole() } else { Taint::default() };
                    with.push((name.clone(), Value { json: Arc::new(json), taint }, origin));
                }
                Err(problem) => problems.push((name.clone(), problem)),
            }
        }
        let missing = journey.inputs.iter().find(|i| i.required && !with.iter().any(|(n, ..)| *n == i.name));
        if let Some(input) = missing {
            self.report(&problems);
            if problems.iter().any(|(n, _)| *n == input.name) {
                return;
            }
            return self.refuse("missing_input", format!("`{}` needs `{}`", journey.slug, input.name));
        }
        if let Err(reason) = self.begin_run(&journey, false, with) {
            return self.not_now(&reason);
        }
        self.report(&problems);
        self.walk(Go::Begin);
    }

    fn filled(&mut self, values: &[(Name, Json)]) {
        if self.state.top().is_none_or(|r| r.paused || !r.stand.waits) {
            return self.not_now("nothing asks for values");
        }
        if self.state.top().is_some_and(|r| r.stand.picked.is_some()) {
            let go = offer::fill(self, values);
            return self.walk(go);
        }
        let Some(fills) = self.fill(values) else { return };
        self.report(&fills.problems);
        if let Some(back) = fills.back {
            return self.walk(back);
        }
        let Some(here) = self.here() else { return };
        let Some(step) = here.step() else { return };
        if fills.taken.is_empty() {
            return;
        }
        let go = if let StepKind::Collect(fields) = &step.kind { collect::filled(self, step, fields) } else { self.come_back() };
        self.walk(go);
    }

    fn choose(&mut self, option: &Arc<str>) {
        if self.state.top().is_none() && self.state.offered.iter().any(|o| o.id == *option) {
            return self.start(&Name::new(option), &[]);
        }
        let Some(here) = self.here() else { return self.not_now("nothing is to be chosen") };
        let Some(StepKind::Choice(step)) = here.step().map(|s| &s.kind).filter(|_| self.waits()) else {
            return self.not_now("nothing is to be chosen");
        };
        if self.state.top().is_some_and(|r| r.stand.picked.is_some()) {
            return self.not_now("something was chosen already: answer what is asked");
        }
        match choice::choose(self, step, option) {
            Some(go) => self.walk(go),
            None => self.refuse("unknown_option", format!("`{option}` is none of the options")),
        }
    }

    fn waits(&self) -> bool {
        self.state.top().is_some_and(|r| r.stand.waits && !r.paused)
    }

    /// The question that stands, if the command names it; without a name it counts where it was the last thing given.
    fn question(&mut self, named: Option<&Arc<str>>) -> bool {
        let Some(question) = self.state.top().filter(|r| r.stand.waits).and_then(|r| r.stand.question.clone()) else {
            self.not_now("no question wants a yes");
            return false;
        };
        match named {
            Some(id) if *id != question.id => {
                self.refuse("stale", "that question does not stand any more");
                false
            }
            Some(_) => true,
            None if question.channel == self.channel() && question.turn < self.state.turn => true,
            None => {
                self.note("an answer came that the question was not shown to: it is put again");
                self.put_again();
                false
            }
        }
    }

    fn confirmed(&mut self, named: Option<&Arc<str>>) {
        if !self.question(named) {
            return;
        }
        let Some(here) = self.here() else { return };
        let Some(step) = here.step() else { return };
        let Some(question) = self.state.top().and_then(|r| r.stand.question.clone()) else { return };
        let go = match &step.kind {
            StepKind::Confirm(asks) => confirm::yes(self, step, asks, &question),
            StepKind::Choice(_) => offer::yes(self, &question.id),
            _ => return,
        };
        self.walk(go);
    }

    fn rejected(&mut self, named: Option<&Arc<str>>) {
        if !self.question(named) {
            return;
        }
        let Some(here) = self.here() else { return };
        let Some(step) = here.step() else { return };
        let go = match &step.kind {
            StepKind::Confirm(asks) => confirm::no(self, asks),
            StepKind::Choice(_) => offer::no(self),
            _ => return,
        };
        self.walk(go);
    }

    fn change(&mut self, values: &[(Name, Json)]) {
        let Some(here) = self.here() else { return self.not_now("nothing is to be changed") };
        let Some(step) = here.step() else { return };
        let StepKind::Confirm(asks) = &step.kind else { return self.not_now("nothing is to be changed") };
        if values.is_empty() {
            let go = confirm::change(self, step, asks);
            return self.walk(go);
        }
        let Some(fills) = self.fill(values) else { return };
        self.report(&fills.problems);
        match (fills.back, asks.on_change) {
            (Some(_), Some(next)) => self.walk(Go::via(next, "change")),
            (Some(back), None) => self.walk(back),
            (None, _) if !fills.taken.is_empty() => self.put_again(),
            (None, _) => {}
        }
    }

    fn guided(&mut self, command: &Command) {
        let Some(here) = self.here() else { return self.not_now("no guide is under way") };
        let Some(StepKind::Guide(steps)) = here.step().map(|s| &s.kind).filter(|_| self.waits()) else {
            return self.not_now("no guide is under way");
        };
        let go = match command {
            Command::Back => guide::back(self, steps),
            Command::Stuck => guide::stuck(self, steps),
            _ => guide::next(self, steps),
        };
        self.walk(go);
    }

    fn read(&mut self, action: &str, inputs: &[(Name, Json)]) {
        let Some(here) = self.here() else { return self.not_now("nothing is to be looked into") };
        let Some(StepKind::Investigate(search)) = here.step().map(|s| &s.kind).filter(|_| self.waits()) else {
            return self.not_now("nothing is to be looked into");
        };
        match investigate::read(self, search, action, inputs) {
            Ok(go) => self.walk(go),
            Err(reason) => self.refuse("not_allowed", reason),
        }
    }

    fn finding(&mut self, name: &Name) {
        let Some(here) = self.here() else { return self.not_now("nothing is to be looked into") };
        let Some(StepKind::Investigate(search)) = here.step().map(|s| &s.kind).filter(|_| self.waits()) else {
            return self.not_now("nothing is to be looked into");
        };
        match investigate::finding(self, search, name) {
            Some(go) => self.walk(go),
            None => self.refuse("unknown_finding", format!("`{name}` is none of the findings")),
        }
    }

    /// Ends the escalated run, with those that called it; one that was only taken over goes on.
    fn hand_back(&mut self) {
        if self.state.status != Status::Escalated {
            return self.not_now("nobody has taken the conversation over");
        }
        let escalated = self.state.escalation.is_some();
        for _ in 0..super::walk::DEPTH {
            let Some(run) = self.state.top().filter(|_| escalated).cloned() else { break };
            let ended = super::event::Ended { run: run.id, outcome: "escalated".into(), result: None, via: None };
            self.emit(EventBody::Ended(Box::new(ended)));
            if !run.called {
                break;
            }
        }
        self.emit(EventBody::HandedBack);
        let go = self.come_back();
        self.walk(go);
    }
}

/// `$user.user_id` is `$user.identity.user_id`.
fn flatten(user: &mut Arc<Json>) {
    if let Some(identity) = user.get("identity").and_then(Json::as_object).cloned()
        && let Json::Object(user) = Arc::make_mut(user)
    {
        for (key, value) in identity {
            user.entry(key).or_insert(value);
        }
    }
}

/// Who may send which command (supervision, 1).
#[must_use]
pub fn may_send(actor: Actor, command: &str) -> bool {
    match command {
        // What a decision starts, nobody else has asked for.
        "start" => matches!(actor, Actor::User | Actor::Agent | Actor::Runtime | Actor::Operator | Actor::System),
        "fill" | "choose" | "change" | "next" | "back" | "stuck" | "correct" | "cancel" | "handoff" | "resume" => {
            matches!(actor, Actor::User | Actor::Agent | Actor::Runtime | Actor::Operator)
        }
        // A host forwards the user's own words instead, and the engine judges them.
        "confirm" => matches!(actor, Actor::User | Actor::Operator),
        "said" | "identified" => actor == Actor::Runtime,
        "reject" => matches!(actor, Actor::User | Actor::Runtime | Actor::Operator),
        "read" | "finding" => matches!(actor, Actor::Agent | Actor::Runtime | Actor::Operator),
        "context" => matches!(actor, Actor::User | Actor::Runtime | Actor::Operator | Actor::Admin),
        "discover" | "execute" => matches!(actor, Actor::Operator | Actor::Runtime),
        "take_over" | "say" | "hand_back" | "approve" | "refuse" => actor == Actor::Operator,
        _ => false,
    }
}

impl Command {
    /// Its name, as surfaces have it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Start { .. } => "start",
            Self::Fill(_) => "fill",
            Self::Choose(_) => "choose",
            Self::Confirm { .. } => "confirm",
            Self::Reject { .. } => "reject",
            Self::Change(_) => "change",
            Self::Next => "next",
            Self::Back => "back",
            Self::Stuck => "stuck",
            Self::Read { .. } => "read",
            Self::Finding(_) => "finding",
            Self::Correct(_) => "correct",
            Self::Cancel => "cancel",
            Self::Handoff(_) => "handoff",
            Self::Resume => "resume",
            Self::Said(_) => "said",
            Self::Context(_) => "context",
            Self::Identified(_) => "identified",
            Self::Discover => "discover",
            Self::Execute { .. } => "execute",
            Self::TakeOver => "take_over",
            Self::Say(_) => "say",
            Self::HandBack => "hand_back",
            Self::Approve { .. } => "approve",
            Self::Refuse { .. } => "refuse",
        }
    }
}

impl State {
    /// Whether an action is in flight, or waits to be tried again.
    #[must_use]
    pub fn is_working(&self) -> bool {
        self.is_busy()
    }
}
