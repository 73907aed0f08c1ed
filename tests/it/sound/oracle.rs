//! The judge. It remembers what was put, what was said and by whom, and what happened to each variable, and judges every request
//! that is sent from that alone. What the engine granted, or thinks of an identity, it does not look at.

mod judge;
mod laws;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use waypost::engine::{Actor, Answer, CallEffect, CallResult, Command, Event, EventBody, InputBody};

use super::journeys::{Fact, Made, Rules};
use super::service::{APPROVED, ROLE};

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
    /// Whether it was sent before what was asked last can have been seen.
    pub unaware: bool,
    /// Why it could not have what it claimed.
    pub full: Option<&'a str>,
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
    by: String,
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
    /// Whether it has no value any more.
    gone: bool,
}

impl Variable {
    fn given(moment: u64) -> Self {
        Self { moment, reads: BTreeSet::new(), given: true, gone: false }
    }
}

#[derive(Debug, Default)]
struct Run {
    id: u32,
    journey: String,
    called: bool,
    /// The steps on the way here, without what was gone back before.
    way: Vec<String>,
    step: String,
    entered: u64,
    variables: BTreeMap<String, Variable>,
    /// Whether it was begun after the workspace had changed.
    late: bool,
    /// The people of the company who said something in it.
    helpers: BTreeSet<String>,
    /// What a write was sent with.
    spent: BTreeSet<String>,
    /// What an agent asked in the search at hand, and since when it may.
    asked: u32,
    since: Option<Timestamp>,
}

/// An action that waits for an approval.
#[derive(Debug)]
struct Hold {
    id: String,
    run: u32,
    step: String,
    entered: u64,
    at: Timestamp,
    moment: u64,
    barred: BTreeSet<String>,
    /// Who decided, and whether for it.
    decided: Option<(String, bool)>,
}

#[derive(Debug)]
struct Flight {
    effect: String,
    action: String,
    carried: BTreeSet<String>,
    run: u32,
    step: String,
    /// Whether it was asked with something that only an agent said.
    proposed: bool,
    done: bool,
    /// When it was sent first, and what, by which it is known again.
    at: Timestamp,
    request: String,
}

#[derive(Debug, Clone)]
struct Identity {
    subject: String,
    level: u32,
    at: Timestamp,
    ttl: i64,
    /// The run that verified.
    run: u32,
}

impl Identity {
    fn is_valid(&self, now: Timestamp) -> bool {
        now.as_second() - self.at.as_second() < self.ttl
    }
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
    /// What was expected of an input, and whether it came.
    pub expected: Vec<(&'static str, bool)>,
}

impl Tally {
    /// Whether all came that was expected, and something was.
    pub fn is_met(&self) -> bool {
        !self.expected.is_empty() && self.expected.iter().all(|(_, met)| *met)
    }
}

pub struct Oracle<'f> {
    facts: &'f Facts,
    others: &'f BTreeSet<String>,
    rules: Rules,
    /// Whether the workspace has changed.
    renewed: bool,
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
    /// Since when somebody of the company has the conversation.
    taken: Option<u64>,
    holds: Vec<Hold>,
    identity: Option<Identity>,
    /// Whose a read said that something is, in the input that brought its answer.
    owner: Option<(BTreeSet<String>, String, u64)>,
    /// Marks of answers that were somebody else's.
    hidden: BTreeSet<String>,
    /// Ids of messages that hosts forwarded.
    forwarded: BTreeSet<String>,
    tries: u32,
    ids: BTreeSet<String>,
    said: BTreeSet<String>,
    proposed: BTreeSet<String>,
    /// Whether the conversation was given up.
    ended: bool,
    /// Writes of which nobody knows what came of them, and the last request of each.
    doubts: BTreeMap<String, String>,
    /// Whether the user is one for whom journeys are.
    tagged: bool,
    /// The moment before this input.
    before: u64,
    /// The collect that was gone back to in this input.
    back: Option<(u32, String)>,
    /// What the last input came to: codes, notes, and what else stands for its end.
    came_to: Vec<String>,
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
    pub fn new(made: &'f Made) -> Self {
        Self {
            facts: &made.facts,
            others: &made.renewed,
            rules: made.rules,
            renewed: false,
            input: 0,
            moment: 0,
            runs: Vec::new(),
            questions: Vec::new(),
            standing: None,
            given: BTreeMap::new(),
            yeses: Vec::new(),
            flight: None,
            taken: None,
            holds: Vec::new(),
            identity: None,
            owner: None,
            hidden: BTreeSet::new(),
            forwarded: BTreeSet::new(),
            tries: 0,
            ids: BTreeSet::new(),
            said: BTreeSet::new(),
            proposed: BTreeSet::new(),
            ended: false,
            doubts: BTreeMap::new(),
            tagged: true,
            before: 0,
            back: None,
            came_to: Vec::new(),
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

    /// The step at which the newest run of a journey stands.
    pub fn step_of(&self, journey: &str) -> Option<&str> {
        self.runs.iter().rfind(|r| r.journey == journey).map(|r| r.step.as_str())
    }

    /// Whether a yes was said that may still count.
    pub fn is_live(&self) -> bool {
        self.yeses.iter().any(|y| y.over.is_none())
    }

    /// Whether somebody was verified.
    pub fn is_known(&self) -> bool {
        self.identity.is_some()
    }

    /// The workspace is another from now on.
    pub fn renew(&mut self) {
        self.renewed = true;
        let old: Vec<u32> = self.runs.iter().filter(|r| self.others.contains(&r.journey)).map(|r| r.id).collect();
        self.over("another version", false, |q| old.contains(&q.run));
    }

    /// Looks at an input and all that came of it. `Err` says what should not have been.
    pub fn watch(&mut self, put: &Put<'_>, events: &[Event], answer: &Answer, sent: &[CallEffect]) -> Result<(), String> {
        self.input += 1;
        (self.before, self.back) = (self.moment, None);
        let idle = |e: &Event| matches!(e.body, EventBody::Turn(_) | EventBody::Refused { .. });
        let nothing = answer.refused.is_none() && events.iter().all(idle);
        self.came_to = nothing.then(|| "nothing".to_owned()).into_iter().chain(answer.refused.iter().map(|r| r.code.to_string())).collect();
        let repeated = put.id.is_some_and(|id| self.ids.contains(id));
        if !repeated {
            self.hear(put);
        } else if let Some(event) = events.first() {
            return Err(format!("an input was taken twice: {:?}", event.body));
        }
        self.theirs(put, events)?;
        if let Some(event) = events.iter().find(|e| self.ended && !idle(e) && !matches!(e.body, EventBody::Noted { .. })) {
            return Err(format!("the conversation had been given up, and came to {:?}", event.body));
        }
        self.settle(put.body);
        if let InputBody::Result(effect, result) = put.body {
            let awaited = self.flight.as_ref().is_some_and(|f| f.effect == *effect.0 && !f.done);
            let moves = |e: &&Event| {
                !matches!(e.body, EventBody::Turn(_) | EventBody::Noted { .. } | EventBody::Settled { .. } | EventBody::Refused { .. })
            };
            if let Some(moved) = events.iter().find(moves).filter(|_| !awaited) {
                return Err(format!("an answer that nobody waited for came to {:?}", moved.body));
            }
            self.result(&effect.0, result, put.at);
        }
        let top = self.runs.last().map(|r| r.id);
        let cancels =
            matches!(put.body, InputBody::Command(Command::Cancel)) || matches!(put.body, InputBody::Message(m) if &**m == "cancel");
        for event in events {
            self.moment += 1;
            self.happened(event, put, cancels)?;
            if let EventBody::ActionStarted { effect, attempt, .. } = &event.body {
                let call = sent.iter().find(|c| c.id == *effect).ok_or("a start without an effect")?;
                self.judge(call, *attempt, put)?;
            }
        }
        match (&answer.refused, put.body) {
            (None, _) => {
                self.ids.extend(put.id.map(str::to_owned));
                self.help(put, top);
            }
            // A message that answers nothing may be sent again where it could not be taken.
            (Some(why), InputBody::Command(Command::Said(said))) if said.question.is_none() && &*why.code != "used" => {
                self.forwarded.remove(&*said.message_id);
            }
            _ => {}
        }
        let said = answer.messages.iter().map(|m| &**m).chain(answer.question.iter().map(|q| &*q.text));
        if let Some(mark) = said.flat_map(marks).find(|m| self.hidden.contains(m)) {
            return Err(format!("{mark} was shown, which is of an answer that is somebody else's"));
        }
        if let Some(asked) = &answer.question
            && put.actor == Actor::Agent
        {
            return Err(format!("an agent was given the id of the question {asked:?}"));
        }
        // Who a user is may be told apart from what is shown to them.
        let told = put.heard && !matches!(put.body, InputBody::Command(Command::Context(_)));
        if told && !answer.messages.is_empty() {
            let shown = self.standing.filter(|q| answer.messages.iter().any(|m| m.contains(self.questions[*q].text.as_str())));
            self.given.insert(channel(put), shown);
        }
        Ok(())
    }

    /// Whoever of the company speaks for the user has a part in what the run comes to.
    fn help(&mut self, put: &Put<'_>, top: Option<u32>) {
        let own = match put.body {
            InputBody::Command(command) => matches!(
                command,
                Command::TakeOver | Command::Say(_) | Command::HandBack | Command::Approve { .. } | Command::Refuse { .. }
            ),
            _ => false,
        };
        let spoke = matches!(put.body, InputBody::Command(_) | InputBody::Message(_));
        let run = self.runs.iter_mut().find(|r| Some(r.id) == top);
        if let (Actor::Operator, false, true, Some(run)) = (put.actor, own, spoke, run) {
            run.helpers.insert(put.principal.to_owned());
        }
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
            InputBody::Message(text) if person && put.unaware => self.said.extend(marks(text)),
            InputBody::Message(text) if person => {
                self.said.extend(marks(text));
                if YES.contains(&&**text) {
                    // A host forwards the message with the question that it answers.
                    if let Some(question) = asked.filter(|q| was_given == Some(*q) && put.actor != Actor::Runtime) {
                        self.yes(question, put);
                    }
                } else if NO.contains(&&**text)
                    && let Some(question) = asked
                {
                    self.no(question);
                }
            }
            InputBody::Command(Command::Confirm { question }) if person => {
                if let Some(question) = named(question, self).filter(|_| put.actor != Actor::Runtime) {
                    self.yes(question, put);
                }
            }
            InputBody::Command(Command::Said(said)) if put.actor == Actor::Runtime => {
                let fresh = !said.message_id.is_empty() && put.full.is_none() && self.forwarded.insert(said.message_id.to_string());
                self.said.extend(marks(&said.text));
                let question = asked.filter(|q| said.question.as_deref() == Some(&*self.questions[*q].id));
                match question.filter(|_| fresh) {
                    Some(question) if YES.contains(&&*said.text) => self.yes(question, put),
                    Some(question) if NO.contains(&&*said.text) => self.no(question),
                    _ => {}
                }
            }
            InputBody::Command(Command::Approve { hold, .. }) => self.approve(put, hold, true),
            InputBody::Command(Command::Refuse { hold, .. }) => self.approve(put, hold, false),
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

    fn yes(&mut self, question: usize, put: &Put<'_>) {
        if self.questions[question].input < self.input {
            self.yeses.push(Yes { question, at: put.at, by: channel(put), used: BTreeMap::new(), over: None });
        }
    }

    fn approve(&mut self, put: &Put<'_>, id: &str, approved: bool) {
        let Some(hold) = self.holds.iter_mut().find(|h| h.id == id && h.decided.is_none()) else { return };
        let entitled = put.actor == Actor::Operator && ROLE.1.contains(&put.principal);
        let late = put.at.as_second() - hold.at.as_second() >= APPROVED.1;
        if entitled && !late && !(approved && hold.barred.contains(put.principal)) {
            hold.decided = Some((put.principal.to_owned(), approved));
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
        let (action, carried) = (flight.action.clone(), flight.carried.clone());
        let Some(run) = self.runs.last().filter(|r| r.id == flight.run && r.step == flight.step) else { return };
        if let CallResult::Answered(answer) = result {
            let who = answer.body.get("who").and_then(|w| w.as_str()).unwrap_or_default();
            let known = self.identity.as_ref().filter(|i| i.is_valid(at)).map(|i| &*i.subject);
            match &*action {
                "whose" if answer.status == 200 || answer.status == 409 => self.owner = Some((carried, who.to_owned(), self.input)),
                "mail" if known != Some(who) => self.hidden.extend(marks(&answer.body.to_string()).into_iter().filter(|m| m != who)),
                _ => {}
            }
        }
        let fact = self.facts.get(&run.journey).and_then(|j| j.get(&run.step));
        let (Some(Fact::Verify { level, ttl, .. }), CallResult::Answered(answer)) = (fact, result) else { return };
        let Some(subject) = answer.body.get("who").and_then(|w| w.as_str()).filter(|_| answer.status == 200) else { return };
        let (run, subject) = (run.id, subject.to_owned());
        self.known(Identity { subject, level: *level, at, ttl: *ttl, run });
    }

    /// Somebody was verified: another than before only where that may be, and then what the one before gave and said yes to goes.
    fn known(&mut self, identity: Identity) {
        let other = self.identity.as_ref().is_some_and(|i| i.subject != identity.subject);
        if other && self.rules.switch {
            let base = self.runs.iter().rposition(|r| !r.called).map_or(identity.run, |base| self.runs[base].id);
            self.over("another subject", true, |q| q.run >= base);
            self.over("another subject in another journey", false, |_| true);
            for run in &mut self.runs {
                run.variables.clear();
                run.spent.clear();
            }
            self.said.clear();
            self.standing = None;
        }
        if !other || self.rules.switch {
            self.identity = Some(identity);
        }
    }

    fn happened(&mut self, event: &Event, put: &Put<'_>, cancels: bool) -> Result<(), String> {
        let moment = self.moment;
        self.came_to.extend(end_of(&event.body, self.taken.is_some()));
        self.lawful(&event.body, put)?;
        match &event.body {
            EventBody::Began(began) => {
                let given = began.with.iter().map(|(n, _)| (n.to_string(), Variable { given: !began.called, ..Variable::given(moment) }));
                let variables = given.collect();
                self.standing = None;
                let below = self.runs.last().filter(|_| began.called);
                let late = below.map_or(self.renewed, |r| r.late);
                let helpers = below.map(|r| r.helpers.clone()).unwrap_or_default();
                self.runs.push(Run {
                    late,
                    helpers,
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
                        self.over("it was called off", i > base, |q| line.contains(&q.run));
                    }
                    self.runs.remove(i);
                    self.holds.retain(|h| h.run != ended.run);
                }
                if self.flight.as_ref().is_some_and(|f| f.run == ended.run) {
                    self.flight = None;
                }
            }
            EventBody::Entered { step, via } => {
                self.standing = None;
                self.gone_back(step.0.as_ref(), via.as_deref())?;
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
                let before = run.variables.insert(filled.name.to_string(), Variable::given(moment));
                if before.is_some_and(|v| !v.given && !v.gone) {
                    return Err(format!("`{}` was filled, which the journey sets", filled.name));
                }
            }
            EventBody::Set(assigned) => self.assign(assigned.name.as_str()),
            EventBody::Kept(kept) => self.assign(kept.name.as_str()),
            EventBody::Unset { name } => {
                // What has no value is not changed by taking it away.
                let variable = self.runs.last_mut().and_then(|r| r.variables.get_mut(name.as_str()));
                if let Some(variable) = variable.filter(|v| !v.gone) {
                    *variable = Variable { moment, reads: BTreeSet::new(), given: false, gone: true };
                }
            }
            EventBody::Corrected { .. } => {
                // What was computed since is as if it had never been.
                let variables = self.runs.last_mut().into_iter().flat_map(|r| r.variables.values_mut());
                variables.filter(|v| !v.given).for_each(|v| v.gone = true);
            }
            EventBody::Context { .. } => {
                for run in &mut self.runs {
                    run.variables.insert("$user".to_owned(), Variable::given(moment));
                }
            }
            EventBody::Held(held) => {
                let Some(run) = self.runs.last() else { return Err("a hold without a run".into()) };
                let barred = run.helpers.iter().cloned().chain([put.principal.to_owned()]).collect();
                let (run, step, entered) = (run.id, run.step.clone(), run.entered);
                let id = held.id.to_string();
                self.holds.push(Hold { id, run, step, entered, at: put.at, moment, barred, decided: None });
            }
            EventBody::Asked { .. } => self.back = None,
            EventBody::Abandoned => self.ended = true,
            EventBody::Paused => {
                self.over("a pause", true, |_| true);
            }
            EventBody::Escalated(_) | EventBody::TakenOver | EventBody::HandedBack => {
                self.standing = None;
                match &event.body {
                    EventBody::TakenOver => self.taken = Some(moment),
                    EventBody::HandedBack => self.taken = None,
                    _ => {}
                }
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

    /// Whoever is sent back to a collect is asked there again for what was given before.
    fn gone_back(&mut self, step: &str, via: Option<&str>) -> Result<(), String> {
        let Some(run) = self.runs.last() else { return Ok(()) };
        let fact = |step: &str| self.facts.get(&run.journey).and_then(|j| j.get(step));
        if let Some((id, before)) = self.back.take()
            && id == run.id
            && let Some(Fact::Collect(fields)) = fact(&before)
            && fields.iter().all(|f| run.variables.get(*f).is_some_and(|v| !v.gone && v.moment <= self.before))
        {
            return Err(format!("{step} followed {before}, which did not ask again"));
        }
        let behind = run.way.iter().rposition(|s| s == step);
        let asks = |step: &str| if let Some(Fact::Collect(fields)) = fact(step) { Some(fields) } else { None };
        let later = run.way.get(behind.map_or(0, |i| i + 1)..).unwrap_or_default();
        // Who was asked for it elsewhere since, is not back there.
        let again = |fields: &Vec<&str>| later.iter().filter_map(|s| asks(s)).flatten().any(|f| fields.contains(f));
        let back = behind.filter(|_| asks(step).is_some_and(|fields| via == Some("goto") && !again(fields)));
        let corrects = via == Some("correction");
        if corrects && behind.is_none() {
            return Err(format!("a correction led on to {step}"));
        }
        if via == Some("goto") && asks(step).is_some() {
            self.back = Some((run.id, step.to_owned()));
        }
        let until = back.or(behind.filter(|_| corrects)).unwrap_or(run.way.len());
        if let Some(run) = self.runs.last_mut() {
            run.way.truncate(until);
            run.way.push(step.to_owned());
        }
        Ok(())
    }

    /// Notes whether the last input came to that.
    pub fn expect(&mut self, what: &'static str) {
        self.tally.expected.push((what, self.came_to.iter().any(|c| c.contains(what))));
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
            // What is computed from itself comes from what it came from before.
            let before = run.variables.get(name).filter(|_| reads.contains(name));
            let reads = before.into_iter().flat_map(|v| v.reads.iter().cloned()).chain(reads.iter().cloned()).collect();
            run.variables.insert(name.to_owned(), Variable { moment, reads, given: false, gone: false });
        }
    }
}

/// What stands for the end that an input came to.
fn end_of(body: &EventBody, taken: bool) -> Option<String> {
    let word = match body {
        EventBody::Decided(decided) => return decided.verdict.code().map(ToString::to_string),
        EventBody::Failed { kind, code, .. } => return Some(code.as_ref().map_or(kind.as_str(), |c| c).to_owned()),
        EventBody::Noted { text } | EventBody::Said { text, .. } => return Some(text.to_string()),
        EventBody::HoldEnded(ended) => return Some(format!("{:?}", ended.how).to_lowercase()),
        EventBody::ActionFinished(finished) if finished.dropped => "dropped",
        EventBody::Entered { .. } | EventBody::Ended(_) if taken => "taken",
        EventBody::Entered { via: Some(via), .. } => via,
        EventBody::Replayed(_) => "replayed",
        EventBody::ActionStarted { .. } => "sent",
        EventBody::Asked { .. } => "asks",
        EventBody::Held(_) => "held",
        EventBody::Missed => "missed",
        EventBody::Queued(_) => "queued",
        EventBody::Offered { .. } => "offered",
        _ => return None,
    };
    Some(word.to_owned())
}

fn channel(put: &Put<'_>) -> String {
    if put.principal.is_empty() { format!("{:?}", put.actor) } else { put.principal.to_owned() }
}
