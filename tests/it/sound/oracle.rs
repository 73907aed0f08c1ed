//! The judge. It remembers what was put, what was said and by whom, and what happened to each variable, and judges every request
//! that is sent from that alone. What the engine granted, or thinks of an identity, it does not look at.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use waypost::engine::{Actor, Answer, CallEffect, CallResult, Command, Event, EventBody, InputBody};

use super::journeys::{CONFIRMED, Fact, IDENTIFIED, READS, TRIES};

type Facts = BTreeMap<String, BTreeMap<String, Fact>>;

/// Words that the talks use for a plain yes, and for a no.
pub const YES: [&str; 4] = ["yes", "Yes, please", "go ahead", "ok"];
pub const NO: [&str; 2] = ["no", "no, thanks"];
/// Seconds that a yes lives.
const GRANT_TTL: i64 = 900;

/// Something that was said to the machine.
pub struct Put<'a> {
    pub at: Timestamp,
    pub actor: Actor,
    pub principal: &'a str,
    pub id: Option<&'a str>,
    pub body: &'a InputBody,
    /// Whether whoever sent it is still there for the answer.
    pub heard: bool,
}

#[derive(Debug)]
struct Question {
    id: String,
    text: String,
    run: u32,
    step: String,
    /// When it was put, in inputs and then in events.
    input: u64,
    moment: u64,
}

#[derive(Debug)]
struct Yes {
    question: usize,
    at: Timestamp,
    /// The steps that used it, each as it was entered: the elements of a list are one use.
    used: BTreeMap<String, u64>,
    /// Why it does not count any more, and whether that lies in the journey rather than in what somebody did.
    over: Option<(&'static str, bool)>,
}

#[derive(Debug, Clone)]
struct Variable {
    moment: u64,
    reads: BTreeSet<String>,
    /// Whether a person or an agent gave it, rather than the journey.
    given: bool,
}

#[derive(Debug, Default)]
struct Run {
    id: u32,
    journey: String,
    called: bool,
    step: String,
    entered: u64,
    variables: BTreeMap<String, Variable>,
}

#[derive(Debug)]
struct Flight {
    effect: String,
    run: u32,
    step: String,
    /// Whether it was asked with something that only an agent said.
    proposed: bool,
    done: bool,
}

#[derive(Debug, Clone)]
struct Identity {
    subject: String,
    level: u32,
    at: Timestamp,
    ttl: i64,
}

#[derive(Debug, Default)]
pub struct Tally {
    /// Gated requests that were sent, and the journeys in which one of them was a write.
    pub gated: u32,
    pub wrote: BTreeSet<String>,
    /// Denials for want of a yes or a subject.
    pub denied: u32,
    /// Denials that no one's doing is the cause of, but the way that a journey leads: the journey, the code by which the checker had to
    /// report it, and why.
    pub unproved: Vec<(String, &'static str, String)>,
}

pub struct Oracle<'f> {
    facts: &'f Facts,
    /// Whether whoever is not verified is sent to a journey for that.
    proves: bool,
    input: u64,
    moment: u64,
    runs: Vec<Run>,
    questions: Vec<Question>,
    /// The question that stands now.
    standing: Option<usize>,
    /// The question that each channel was given last.
    given: BTreeMap<String, Option<usize>>,
    yeses: Vec<Yes>,
    flight: Option<Flight>,
    identity: Option<Identity>,
    tries: u32,
    ids: BTreeSet<String>,
    said: BTreeSet<String>,
    proposed: BTreeSet<String>,
    pub tally: Tally,
}

/// The marks in a text: a letter and four digits.
pub fn marks(text: &str) -> BTreeSet<String> {
    let bytes = text.as_bytes();
    let is_mark = |w: &&[u8]| w[0].is_ascii_lowercase() && w[1..].iter().all(u8::is_ascii_digit);
    bytes.windows(5).filter(is_mark).filter_map(|w| std::str::from_utf8(w).ok().map(str::to_owned)).collect()
}

fn of_a_person(actor: Actor) -> bool {
    matches!(actor, Actor::User | Actor::Runtime | Actor::Operator)
}

impl<'f> Oracle<'f> {
    pub fn new(facts: &'f Facts, proves: bool) -> Self {
        Self {
            facts,
            proves,
            input: 0,
            moment: 0,
            runs: Vec::new(),
            questions: Vec::new(),
            standing: None,
            given: BTreeMap::new(),
            yeses: Vec::new(),
            flight: None,
            identity: None,
            tries: 0,
            ids: BTreeSet::new(),
            said: BTreeSet::new(),
            proposed: BTreeSet::new(),
            tally: Tally::default(),
        }
    }

    /// The id of the question that stands, of the newest, or of the one before.
    pub fn question(&self, back: usize) -> Option<&str> {
        self.questions.iter().rev().nth(back).map(|q| q.id.as_str())
    }

    /// The fact of the step at which the top run stands.
    pub fn place(&self) -> Option<(&str, &str)> {
        self.runs.last().map(|r| (r.journey.as_str(), r.step.as_str()))
    }

    /// Looks at an input and all that came of it. `Err` says what should not have been.
    pub fn watch(&mut self, put: &Put<'_>, events: &[Event], answer: &Answer, sent: &[CallEffect]) -> Result<(), String> {
        self.input += 1;
        if !put.id.is_some_and(|id| self.ids.contains(id)) {
            self.hear(put);
        }
        if let InputBody::Result(effect, result) = put.body {
            self.result(&effect.0, result, put.at);
        }
        let cancels =
            matches!(put.body, InputBody::Command(Command::Cancel)) || matches!(put.body, InputBody::Message(m) if &**m == "cancel");
        for event in events {
            self.moment += 1;
            self.happened(event, put, cancels)?;
            if let EventBody::ActionStarted { effect, attempt, .. } = &event.body {
                let call = sent.iter().find(|c| c.id == *effect).ok_or("a start without an effect")?;
                self.judge(call, *attempt, put.at)?;
            }
        }
        if answer.refused.is_none() {
            self.ids.extend(put.id.map(str::to_owned));
        }
        if let Some(asked) = &answer.question
            && put.actor == Actor::Agent
        {
            return Err(format!("an agent was given the id of the question {asked:?}"));
        }
        if put.heard && !answer.messages.is_empty() {
            let shown = self.standing.filter(|q| answer.messages.iter().any(|m| m.contains(self.questions[*q].text.as_str())));
            self.given.insert(channel(put), shown);
        }
        Ok(())
    }

    /// What was said: a yes, a no, values.
    fn hear(&mut self, put: &Put<'_>) {
        let person = of_a_person(put.actor);
        let asked = self.standing;
        let was_given = self.given.get(&channel(put)).copied().flatten();
        let named = |id: &Option<std::sync::Arc<str>>, oracle: &Self| match id {
            Some(id) => asked.filter(|q| oracle.questions[*q].id == **id),
            None => asked.filter(|q| was_given == Some(*q)),
        };
        let mut values: Vec<String> = Vec::new();
        match put.body {
            InputBody::Message(text) if person => {
                self.said.extend(marks(text));
                if YES.contains(&&**text) {
                    if let Some(question) = asked.filter(|q| was_given == Some(*q)) {
                        self.yes(question, put.at);
                    }
                } else if NO.contains(&&**text)
                    && let Some(question) = asked
                {
                    self.no(question);
                }
            }
            InputBody::Command(Command::Confirm { question }) if person => {
                if let Some(question) = named(question, self) {
                    self.yes(question, put.at);
                }
            }
            InputBody::Command(Command::Reject { question }) if person => {
                if let Some(question) = named(question, self) {
                    self.no(question);
                }
            }
            InputBody::Command(Command::Fill(given) | Command::Correct(given) | Command::Change(given)) => {
                values.extend(given.iter().map(|(_, v)| v.to_string()));
            }
            InputBody::Command(Command::Read { inputs, .. }) => values.extend(inputs.iter().map(|(_, v)| v.to_string())),
            InputBody::Command(Command::Start { variables, .. }) => values.extend(variables.iter().map(|(_, v)| v.to_string())),
            _ => {}
        }
        let marks = values.iter().flat_map(|v| marks(v));
        if put.actor == Actor::Agent { self.proposed.extend(marks) } else { self.said.extend(marks) }
    }

    fn yes(&mut self, question: usize, at: Timestamp) {
        if self.questions[question].input < self.input {
            self.yeses.push(Yes { question, at, used: BTreeMap::new(), over: None });
        }
    }

    fn no(&mut self, question: usize) {
        let run = self.questions[question].run;
        self.over("a no", true, |q| q.run == run);
    }

    fn over(&mut self, why: &'static str, by_the_journey: bool, which: impl Fn(&Question) -> bool) {
        for yes in self.yeses.iter_mut().filter(|y| y.over.is_none()) {
            if which(&self.questions[yes.question]) {
                yes.over = Some((why, by_the_journey));
            }
        }
    }

    /// An answer to a verification: who was verified by it, by what its author wrote.
    fn result(&mut self, effect: &str, result: &CallResult, at: Timestamp) {
        let Some(flight) = self.flight.as_mut().filter(|f| f.effect == effect && !f.done) else { return };
        flight.done = true;
        // What an agent was answered is its own word too.
        if let (true, CallResult::Answered(answer)) = (flight.proposed, result) {
            self.proposed.extend(marks(&answer.body.to_string()));
        }
        let Some(run) = self.runs.last().filter(|r| r.id == flight.run && r.step == flight.step) else { return };
        let fact = self.facts.get(&run.journey).and_then(|j| j.get(&run.step));
        let (Some(Fact::Verify { level, ttl, .. }), CallResult::Answered(answer)) = (fact, result) else { return };
        let Some(subject) = answer.body.get("who").and_then(|w| w.as_str()).filter(|_| answer.status == 200) else { return };
        if self.identity.as_ref().is_none_or(|i| i.subject == subject) {
            self.identity = Some(Identity { subject: subject.to_owned(), level: *level, at, ttl: *ttl });
        }
    }

    fn happened(&mut self, event: &Event, put: &Put<'_>, cancels: bool) -> Result<(), String> {
        let moment = self.moment;
        match &event.body {
            EventBody::Began(began) => {
                let given =
                    began.with.iter().map(|(n, _)| (n.to_string(), Variable { moment, reads: BTreeSet::new(), given: !began.called }));
                let variables = given.collect();
                self.standing = None;
                self.runs.push(Run {
                    id: began.run,
                    journey: began.journey.to_string(),
                    called: began.called,
                    variables,
                    ..Run::default()
                });
            }
            EventBody::Ended(ended) => {
                self.standing = None;
                if let Some(i) = self.runs.iter().position(|r| r.id == ended.run) {
                    if &*ended.outcome == "declined" || (cancels && &*ended.outcome == "cancelled") {
                        let base = self.runs[..=i].iter().rposition(|r| !r.called).unwrap_or(0);
                        let line: Vec<u32> = self.runs[base..=i].iter().map(|r| r.id).collect();
                        self.over("it was called off", false, |q| line.contains(&q.run));
                    }
                    self.runs.remove(i);
                }
                if self.flight.as_ref().is_some_and(|f| f.run == ended.run) {
                    self.flight = None;
                }
            }
            EventBody::Entered { step, via } => {
                self.standing = None;
                if let Some(run) = self.runs.last_mut() {
                    step.0.as_ref().clone_into(&mut run.step);
                    run.entered = moment;
                    let id = run.id;
                    if via.as_deref() == Some("reject") {
                        self.over("a no", true, |q| q.run == id);
                    }
                }
            }
            EventBody::Question(question) => {
                let Some(run) = self.runs.last() else { return Err("a question without a run".into()) };
                let (id, step) = (run.id, run.step.clone());
                self.over("put again", true, |q| q.run == id && q.step == step);
                self.standing = Some(self.questions.len());
                let (text, input) = (question.text.to_string(), self.input);
                self.questions.push(Question { id: question.id.to_string(), text, run: id, step, input, moment });
            }
            EventBody::Filled(filled) => {
                let id = filled.run.or(self.runs.last().map(|r| r.id));
                let run = self.runs.iter_mut().find(|r| Some(r.id) == id).ok_or("a fill without a run")?;
                run.variables.insert(filled.name.to_string(), Variable { moment, reads: BTreeSet::new(), given: true });
            }
            EventBody::Set(assigned) => self.assign(assigned.name.as_str()),
            EventBody::Kept(kept) => self.assign(kept.name.as_str()),
            EventBody::Unset { name } => self.assign(name.as_str()),
            EventBody::Paused => {
                self.over("a pause", true, |_| true);
            }
            EventBody::Escalated(_) | EventBody::TakenOver | EventBody::HandedBack => {
                self.standing = None;
                self.over("a person had the conversation", false, |_| true);
            }
            EventBody::Decided(decided) => {
                if let Some(code) = decided.verdict.code() {
                    self.denied(decided.action.action.name.as_str(), code, put.at);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn fact(&self) -> Option<&'f Fact> {
        let run = self.runs.last()?;
        self.facts.get(&run.journey)?.get(&run.step)
    }

    fn assign(&mut self, name: &str) {
        let reads = match self.fact() {
            Some(Fact::Set { name: own, reads }) if *own == name => reads.clone(),
            Some(Fact::Call { reads, keeps: Some(own) }) if *own == name => reads.clone(),
            _ => BTreeSet::new(),
        };
        let moment = self.moment;
        if let Some(run) = self.runs.last_mut() {
            run.variables.insert(name.to_owned(), Variable { moment, reads, given: false });
        }
    }

    /// A variable and all that it was computed from, with the moment when each was assigned. `Err`: one is outdated.
    fn sources(run: &Run, reads: &BTreeSet<String>) -> Result<BTreeMap<String, Variable>, String> {
        let mut found: BTreeMap<String, Variable> = BTreeMap::new();
        let mut open: Vec<(String, u64)> = reads.iter().map(|r| (r.clone(), u64::MAX)).collect();
        while let Some((name, computed)) = open.pop() {
            let Some(variable) = run.variables.get(&name) else { continue };
            if variable.moment > computed {
                return Err(name);
            }
            if found.insert(name.clone(), variable.clone()).is_none() {
                open.extend(variable.reads.iter().filter(|r| **r != name).map(|r| (r.clone(), variable.moment)));
            }
        }
        Ok(found)
    }

    fn judge(&mut self, call: &CallEffect, attempt: u32, now: Timestamp) -> Result<(), String> {
        let action = call.request.action.action.name.to_string();
        let Some(run) = self.runs.last() else { return Err(format!("{action} was sent without a run")) };
        let none = BTreeSet::new();
        let reads = match self.fact() {
            Some(Fact::Call { reads, .. } | Fact::Verify { reads, .. }) => reads,
            Some(Fact::Investigate) => &none,
            other => return Err(format!("{action} was sent from {}, which is {other:?}", run.step)),
        };
        let carried =
            marks(&format!("{:?} {:?} {:?} {:?}", call.request.path, call.request.query, call.request.headers, call.request.body));
        let (id, step, entered) = (run.id, run.step.clone(), run.entered);
        if let Err(name) = Self::sources(run, reads) {
            return Err(format!("{action} at {step} was sent with something computed from an older `{name}`"));
        }
        if let Some(Fact::Verify { anybody, .. }) = self.fact() {
            self.tries += u32::from(attempt == 1);
            if self.tries > TRIES {
                return Err("a verification was tried too often".into());
            }
            if let Some(mark) = carried.iter().find(|m| !anybody && self.proposed.contains(*m) && !self.said.contains(*m)) {
                return Err(format!("a verification was tried with {mark}, which only an agent said"));
            }
        }
        if let Some((_, level, age)) = IDENTIFIED.iter().find(|(a, ..)| *a == action) {
            self.tally.gated += 1;
            let known = self.identity.as_ref().ok_or_else(|| format!("{action} was sent and nobody was verified"))?;
            let since = now.as_second() - known.at.as_second();
            if known.level < *level || since > *age || since >= known.ttl {
                return Err(format!("{action} was sent with a verification of level {} after {since} seconds", known.level));
            }
        }
        if CONFIRMED.contains(&&*action) {
            self.tally.gated += 1;
            let whys: Vec<_> = (0..self.yeses.len()).map(|y| self.lacks(y, &action, &carried, now)).collect();
            if !whys.iter().any(Option::is_none) {
                return Err(format!("{action} at {step} was sent with {carried:?} and no yes to it: {whys:?} of {:?}", self.yeses));
            }
        }
        if !READS.contains(&&*action) {
            if CONFIRMED.contains(&&*action) || IDENTIFIED.iter().any(|(a, ..)| *a == action) {
                self.tally.wrote.extend(self.runs.last().map(|r| r.journey.clone()));
            }
            let base = self.runs.iter().rposition(|r| !r.called).unwrap_or(0);
            let under: Vec<u32> = self.runs[..base].iter().map(|r| r.id).collect();
            self.over("a write in another journey", false, |q| under.contains(&q.run));
        }
        for yes in self.yeses.iter_mut().filter(|y| self.questions[y.question].run == id) {
            yes.used.entry(step.clone()).or_insert(entered);
        }
        let proposed =
            matches!(self.fact(), Some(Fact::Investigate)) && carried.iter().any(|m| self.proposed.contains(m) && !self.said.contains(m));
        self.flight = Some(Flight { effect: call.id.0.to_string(), run: id, step, proposed, done: false });
        Ok(())
    }

    /// Why a yes does not stand for what an action carries, and whether that lies in the journey.
    fn lacks(&self, yes: usize, action: &str, carried: &BTreeSet<String>, now: Timestamp) -> Option<(String, bool)> {
        let yes = &self.yeses[yes];
        let question = &self.questions[yes.question];
        let run = self.runs.last().filter(|r| r.id == question.run);
        let Some(run) = run else { return Some(("it was said to another run".into(), true)) };
        if let Some((why, journey)) = yes.over {
            return Some((why.into(), journey));
        }
        if now.as_second() - yes.at.as_second() >= GRANT_TTL {
            return Some(("it is too old".into(), false));
        }
        if yes.used.get(&run.step).is_some_and(|entered| *entered != run.entered) {
            return Some(("it was used there".into(), true));
        }
        let of = |step: &str| self.facts.get(&run.journey).and_then(|j| j.get(step));
        let Some(Fact::Confirm { shows, only }) = of(&question.step) else { return Some(("it was no confirm's".into(), true)) };
        if only.is_some_and(|o| o != action) {
            return Some(("it was for another action".into(), true));
        }
        let sources = match of(&run.step) {
            Some(Fact::Call { reads, .. } | Fact::Verify { reads, .. }) => Self::sources(run, reads).unwrap_or_default(),
            _ => BTreeMap::new(),
        };
        let shown = shows.iter().filter_map(|n| run.variables.get(n).map(|v| (n, v)));
        let late = sources.iter().chain(shown).find(|(_, v)| v.moment > question.moment);
        if let Some((name, variable)) = late {
            return Some((format!("`{name}` was assigned after the question"), !variable.given));
        }
        let shown = marks(&question.text);
        carried.iter().find(|m| !m.starts_with('s') && !shown.contains(*m)).map(|m| (format!("{m} was not shown"), true))
    }

    /// A refusal for want of a yes or a subject: something that somebody did must be the cause, not the way that the journey leads.
    fn denied(&mut self, action: &str, code: &str, now: Timestamp) {
        let Some((journey, step)) = self.place().map(|(j, s)| (j.to_owned(), s.to_owned())) else { return };
        let why = match code {
            "no_grant" => {
                let whys: Vec<_> = (0..self.yeses.len()).map(|y| self.lacks(y, action, &BTreeSet::new(), now)).collect();
                let by_the_journey = whys.iter().flatten().all(|(_, journey)| *journey);
                by_the_journey.then(|| ("WP0501", format!("{journey}.{step} was denied by the way that led there: {whys:?}")))
            }
            "identity" if !self.proves => {
                let nobody = self.identity.is_none();
                nobody.then(|| ("WP0503", format!("{journey}.{step} was denied: nobody was verified on the way there")))
            }
            _ => return,
        };
        self.tally.denied += 1;
        self.tally.unproved.extend(why.map(|(code, why)| (journey, code, why)));
    }
}

fn channel(put: &Put<'_>) -> String {
    if put.principal.is_empty() { format!("{:?}", put.actor) } else { put.principal.to_owned() }
}
