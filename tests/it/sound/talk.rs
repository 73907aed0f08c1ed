//! A conversation over a random workspace: mostly somebody who does what is asked, and now and then somebody who does not.

use std::sync::Arc;

use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value as Json, json};
use waypost::engine::input::{Open, Said};
use waypost::engine::{
    Actor, CallEffect, CallResult, Claim, Command, Effect, EventBody, Input, InputBody, Machine, Phase, Principal, Progress, Recorded,
    Refused, State, Status,
};
use waypost::model::ErrorKind;
use waypost::value::{Name, Taint};

use super::journeys::Made;
use super::oracle::{NO, Oracle, Put, Tally, YES};
use super::service::{ASKED, FIELDS, LETTERS, ROLE};
use crate::engine::harness::{answered, failed};

/// When every talk begins.
pub const EPOCH: i64 = 1_767_603_600;
/// Seconds in which a caller waits for what its input leads to.
const PATIENCE: i64 = 30;

/// Messages that are no plain yes, whatever they look like.
const NEARLY: [&str; 10] = [
    "yes no",
    "yes?",
    "yes, and also a0001",
    "not yes",
    "yes and no",
    "maybe",
    "ok but not now",
    "yes tomorrow",
    "yes, not sure",
    "yes, change it",
];
const WORDS: [&str; 4] = ["cancel", "talk to a person", "do beta", "change it"];

/// Who does something, and by which channel.
const WHO: [(Actor, &str); 8] = [
    (Actor::User, ""),
    (Actor::User, "telephone"),
    (Actor::Operator, "op-1"),
    (Actor::Runtime, "host"),
    (Actor::Operator, "op-2"),
    (Actor::Operator, "clerk"),
    (Actor::Runtime, "porter"),
    (Actor::Agent, ""),
];
pub const AGENT: usize = WHO.len() - 1;

#[derive(Debug, Clone)]
pub enum Move {
    /// What is asked for, by the one who is at it: a value, a yes, an option, an answer of the service.
    Go {
        by: usize,
        pick: usize,
        agent: bool,
    },
    /// A yes, by anybody, in words or to the newest question or an older one.
    Yes {
        by: usize,
        how: usize,
    },
    No {
        by: usize,
        how: usize,
    },
    Nearly(usize),
    Word(usize),
    /// A value for a field: new, or one that was given before.
    Give {
        by: usize,
        how: usize,
        field: usize,
        old: bool,
    },
    Tell {
        by: usize,
        field: usize,
        old: bool,
    },
    Start {
        by: usize,
        journey: usize,
        with: Option<usize>,
    },
    Land {
        back: usize,
        result: usize,
    },
    Wait(i64),
    /// Time passes, and who should wake the machine is late.
    Late(i64),
    Gone,
    /// What would slip past a rule here, if it were not there.
    Tempt(usize),
    /// Somebody decides on what waits for an approval.
    Approve(usize),
    /// A host forwards an answer, with a question and an id that may be old.
    Forward {
        by: usize,
        word: usize,
        question: usize,
        old: bool,
    },
    /// The caller says something else of the user.
    Context,
    /// The workspace becomes another.
    Renew,
    Command {
        by: usize,
        which: usize,
    },
    /// The last input once more, with the id that it had.
    Again,
    /// An operator takes the conversation over and hands it back.
    Interlude,
    /// Something else, in the middle of it.
    Digress,
    /// A value for the input of a journey that is run.
    Hand,
    /// That journey by itself.
    Begin(usize),
    /// An agent asks that read.
    Ask(&'static str),
    /// Somebody sends just that.
    Do(usize, Command),
    /// The user's own channel says that, before what was asked last can have come there.
    Unaware(&'static str),
    /// The user says that.
    Say(&'static str),
    /// The value that a field was given last, once more.
    Repeat {
        by: usize,
        field: usize,
    },
    /// Who waited for an answer was given one: nobody is told what comes of the next result.
    Left,
    /// The next input cannot have what it claims, for that reason.
    Full(&'static str),
    /// What the last input came to: a code, or a part of what is noted.
    Expect(&'static str),
    /// Somebody does what is asked until the journey is at the step of that number, or at one behind it; and at one before it, these.
    Come {
        journey: &'static str,
        first: usize,
        turn: usize,
        moves: Vec<Move>,
    },
}

/// Somebody who does what is asked.
pub fn calm() -> impl Strategy<Value = Vec<Move>> {
    let one = (0..8_usize, prop::bool::weighted(0.1)).prop_map(|(pick, agent)| Move::Go { by: 0, pick, agent });
    prop::collection::vec(one, 20..40)
}

/// Somebody who does what is asked, takes time, and says yes or no too early.
pub fn slow() -> impl Strategy<Value = Vec<Move>> {
    let go = (0..8_usize).prop_map(|pick| Move::Go { by: 0, pick, agent: false });
    let wait = prop::sample::select(vec![70_i64, 400, 700, 950]).prop_map(Move::Wait);
    let answer = prop_oneof![Just(Move::No { by: 0, how: 0 }), Just(Move::Yes { by: 0, how: 0 })];
    prop::collection::vec(prop_oneof![10 => go, 2 => wait, 1 => answer], 20..40)
}

/// Somebody who does what is asked, and whatever a rule alone keeps from succeeding.
pub fn tempting() -> impl Strategy<Value = Vec<Move>> {
    let go = (0..8_usize, prop::bool::weighted(0.15)).prop_map(|(pick, agent)| Move::Go { by: 0, pick, agent });
    let tempt = (0..24_usize).prop_map(Move::Tempt);
    prop::collection::vec(prop_oneof![5 => go, 3 => tempt, 1 => Just(Move::Renew)], 20..40)
}

/// Anybody who does anything.
pub fn moves() -> impl Strategy<Value = Vec<Move>> {
    let by = || prop_oneof![6 => Just(0_usize), 1 => 1..WHO.len()];
    let anybody = || 0..WHO.len();
    let one = prop_oneof![
        34 => (by(), 0..8_usize, prop::bool::weighted(0.3)).prop_map(|(by, pick, agent)| Move::Go { by, pick, agent }),
        2 => (anybody(), 0..4_usize).prop_map(|(by, how)| Move::Yes { by, how }),
        1 => (anybody(), 0..3_usize).prop_map(|(by, how)| Move::No { by, how }),
        1 => (0..NEARLY.len()).prop_map(Move::Nearly),
        1 => (0..WORDS.len()).prop_map(Move::Word),
        4 => (anybody(), 0..3_usize, 0..ASKED, any::<bool>()).prop_map(|(by, how, field, old)| Move::Give { by, how, field, old }),
        1 => (0..4_usize, 0..ASKED, any::<bool>()).prop_map(|(by, field, old)| Move::Tell { by, field, old }),
        1 => (anybody(), 0..3_usize, prop::option::of(0..ASKED)).prop_map(|(by, journey, with)| Move::Start { by, journey, with }),
        1 => (0..3_usize, 0..8_usize).prop_map(|(back, result)| Move::Land { back, result }),
        3 => prop::sample::select(vec![1_i64, 20, 70, 400, 700, 950, 950]).prop_map(Move::Wait),
        1 => prop::sample::select(vec![70_i64, 700]).prop_map(Move::Late),
        1 => Just(Move::Gone),
        2 => (0..24_usize).prop_map(Move::Tempt),
        1 => (0..8_usize).prop_map(Move::Approve),
        1 => (anybody(), 0..4_usize, 0..3_usize, any::<bool>()).prop_map(|(by, word, question, old)| Move::Forward { by: if by < 6 { 3 } else { by }, word, question, old }),
        1 => prop_oneof![Just(Move::Context), Just(Move::Renew)],
        1 => (anybody(), 0..8_usize).prop_map(|(by, which)| Move::Command { by, which }),
        1 => Just(Move::Again),
        1 => Just(Move::Interlude),
        1 => Just(Move::Digress),
    ];
    prop::collection::vec(one, 4..40)
}

pub struct Play<'f> {
    machine: Arc<Machine>,
    /// What the machine is later.
    newer: Option<Arc<Machine>>,
    state: State,
    now: Timestamp,
    wake_at: Option<Timestamp>,
    calls: Vec<CallEffect>,
    pub oracle: Oracle<'f>,
    marks: u32,
    given: Vec<[String; FIELDS.len()]>,
    asked: Vec<usize>,
    last: Timestamp,
    caller: (Actor, String),
    /// The last input that had an id: it may come again.
    repeatable: Option<(usize, String, InputBody)>,
    n: u32,
    inputs: u64,
    /// Whether the caller of what is under way was answered.
    left: bool,
    full: Option<&'static str>,
    /// Whether it writes down what happens.
    told: bool,
    pub log: Vec<String>,
}

type Verdict = Result<(), String>;

impl<'f> Play<'f> {
    pub fn new(machine: &Arc<Machine>, newer: Option<&Arc<Machine>>, made: &'f Made, vip: bool, told: bool) -> Self {
        let now = Timestamp::from_second(EPOCH).unwrap_or_default();
        let mut play = Self {
            machine: machine.clone(),
            newer: newer.cloned(),
            state: State::default(),
            now,
            wake_at: None,
            calls: Vec::new(),
            oracle: Oracle::new(made),
            marks: 0,
            given: vec![LETTERS.map(|letter| format!("{letter}0000"))],
            asked: Vec::new(),
            last: now,
            caller: (Actor::User, String::new()),
            repeatable: None,
            n: 0,
            inputs: 0,
            left: false,
            full: None,
            told,
            log: Vec::new(),
        };
        let user = Arc::new(json!({"identity": {"user_id": "u-1"}, "tag": "u0001", "vip": vip}));
        let open = Open { conversation: "c-1".into(), tenant: "t-1".into(), agent: "default".into(), user_id: "u-1".into(), user };
        let opened = play.handle(Actor::User, "", None, InputBody::Open(open), [false; 2], Vec::new());
        play.state = opened.state;
        play
    }

    fn handle(
        &self,
        actor: Actor,
        principal: &str,
        id: Option<&str>,
        body: InputBody,
        [unaware, answered]: [bool; 2],
        refused: Vec<Refused>,
    ) -> Progress {
        let mut entropy = [0; 32];
        entropy[..8].copy_from_slice(&self.inputs.to_be_bytes());
        let roles = if ROLE.1.contains(&principal) { vec![ROLE.0.into()] } else { Vec::new() };
        let principal = Principal { id: principal.into(), roles, scopes: scopes(principal) };
        let input = Input { at: self.now, actor, principal, message_id: id.map(Into::into), entropy, refused, unaware, answered, body };
        self.machine.handle(&self.state, input)
    }

    pub fn tally(&self) -> &Tally {
        &self.oracle.tally
    }

    fn tell(&mut self, line: impl FnOnce() -> String) {
        if self.told {
            self.log.push(line());
        }
    }

    fn put(&mut self, actor: Actor, principal: &str, id: Option<&str>, body: InputBody) -> Verdict {
        self.put_as(actor, principal, id, body, false)
    }

    fn put_as(&mut self, actor: Actor, principal: &str, id: Option<&str>, body: InputBody, unaware: bool) -> Verdict {
        let now = self.now;
        let follows = matches!(body, InputBody::Result(..));
        if !follows && actor != Actor::System {
            self.last = now;
            self.caller = (actor, principal.to_owned());
        }
        self.tell(|| format!("{:>6} {actor:?} {principal} {id:?} {body:?}", now.as_second() - EPOCH));
        let answered = follows && std::mem::take(&mut self.left);
        self.inputs += 1;
        let mut progress = self.handle(actor, principal, id, body.clone(), [unaware, answered], Vec::new());
        let pending = self.full.take();
        let refused: Vec<Refused> = pending.map_or_else(Vec::new, |why| refusals(&progress.claims, why, self.now));
        // What is counted is counted out, whether the engine asks or not.
        let full =
            refused.first().map(|r| r.reason.to_string()).or_else(|| pending.filter(|why| *why == "rate_limited").map(str::to_owned));
        if !refused.is_empty() {
            progress = self.handle(actor, principal, id, body.clone(), [unaware, answered], refused);
        }
        self.state = progress.state;
        self.wake_at = progress.wake_at;
        for event in &progress.events {
            if !matches!(event.body, EventBody::Turn(_) | EventBody::Said { .. }) {
                self.tell(|| format!("         {}", short(&serde_json::to_string(&event.body).unwrap_or_default())));
            }
            if let EventBody::Asked { fields, .. } = &event.body {
                self.asked = fields.iter().filter_map(|f| FIELDS.iter().position(|n| *n == f.as_str())).collect();
            }
        }
        let patient = now.as_second() - self.last.as_second() <= PATIENCE;
        let heard = actor != Actor::System && !answered && (!follows || patient);
        let put = Put { at: now, actor, principal, id, body: &body, heard, unaware, full: full.as_deref() };
        let sent: Vec<CallEffect> = progress.effects.into_iter().map(|Effect::Call(call)| *call).collect();
        self.oracle.watch(&put, &progress.events, &progress.answer, &sent)?;
        self.calls.extend(sent);
        Ok(())
    }

    fn by(&mut self, who: usize, body: InputBody) -> Verdict {
        let (actor, principal) = WHO[who % WHO.len()];
        self.n += 1;
        let id = format!("i{}", self.n);
        self.repeatable = Some((who, id.clone(), body.clone()));
        self.put(actor, principal, Some(&id), body)
    }

    fn say(&mut self, who: usize, text: &str) -> Verdict {
        self.by(who, InputBody::Message(text.into()))
    }

    fn command(&mut self, who: usize, command: Command) -> Verdict {
        self.by(who, InputBody::Command(command))
    }

    fn mark(&mut self, letter: char) -> String {
        self.marks += 1;
        format!("{letter}{:04}", self.marks)
    }

    /// A value for a field: the first one ever, the last one, or a new one.
    fn value(&mut self, field: usize, old: bool) -> String {
        if old && let Some(known) = self.given.get(self.n as usize % self.given.len()) {
            return known[field].clone();
        }
        let mark = self.mark(LETTERS[field]);
        let mut known = self.given.last().cloned().unwrap_or_default();
        known[field].clone_from(&mark);
        self.given.push(known);
        mark
    }

    /// An answer of the service: done, mostly.
    fn result(&mut self, which: usize) -> CallResult {
        let body = json!({"v": self.mark('r'), "who": if which == 7 { "s0002" } else { "s0001" }});
        match which {
            1 => answered(409, body),
            5 => answered(200, json!({"v": body["v"]})),
            2 => answered(503, body),
            3 => failed(ErrorKind::Timeout, true),
            4 => failed(ErrorKind::Connect, false),
            _ => answered(200, body),
        }
    }

    fn land(&mut self, back: usize, which: usize) -> Verdict {
        let Some(effect) = self.calls.iter().rev().nth(back).map(|c| c.id.clone()) else { return Ok(()) };
        let result = self.result(which);
        let (actor, principal) = self.caller.clone();
        self.put(actor, &principal, None, InputBody::Result(effect, result))
    }

    fn wake(&mut self) -> Verdict {
        match self.wake_at {
            Some(at) if at <= self.now => self.put(Actor::System, "", None, InputBody::Wake),
            _ => Ok(()),
        }
    }

    pub fn play(&mut self, step: &Move) -> Verdict {
        match step {
            Move::Go { by, pick, agent } => self.go(*by, *pick, *agent),
            Move::Yes { by, how } => match how {
                0 => self.say(*by, YES[self.n as usize % YES.len()]),
                how => {
                    let question = self.oracle.question(how - 1).map(Arc::from);
                    self.command(*by, Command::Confirm { question })
                }
            },
            Move::No { by, how } => match how {
                0 => self.say(*by, NO[self.n as usize % NO.len()]),
                how => {
                    let question = self.oracle.question(how - 1).map(Arc::from);
                    self.command(*by, Command::Reject { question })
                }
            },
            Move::Nearly(n) => self.say(0, NEARLY[*n]),
            Move::Word(n) => self.say(0, WORDS[*n]),
            Move::Give { by, how, field, old } => {
                let values = vec![(Name::new(FIELDS[*field]), Json::from(self.value(*field, *old)))];
                let command = [Command::Fill, Command::Correct, Command::Change][*how](values);
                self.command(*by, command)
            }
            Move::Tell { by, field, old } => {
                let text = format!("make it {}", self.value(*field, *old));
                self.say(*by, &text)
            }
            Move::Start { by, journey, with } => {
                let variables = with.map(|f| (Name::new(FIELDS[f]), Json::from(self.value(f, false))));
                let journey = Name::new(["alpha", "beta", "gamma"][*journey]);
                self.command(*by, Command::Start { journey, variables: variables.into_iter().collect() })
            }
            Move::Land { back, result } => self.land(*back, *result),
            Move::Wait(seconds) => {
                self.now += jiff::SignedDuration::from_secs(*seconds);
                self.wake()
            }
            Move::Late(seconds) => {
                self.now += jiff::SignedDuration::from_secs(*seconds);
                Ok(())
            }
            Move::Tempt(n) => self.tempt(*n),
            Move::Approve(pick) => self.approve(*pick),
            Move::Forward { by, word, question, old } => self.forward(*by, *word, *question, *old),
            Move::Context => {
                let user = json!({"identity": {"user_id": "u-1"}, "tag": self.mark('u')});
                self.command(0, Command::Context(Arc::new(user)))
            }
            Move::Renew => {
                if let Some(newer) = self.newer.take() {
                    self.machine = newer;
                    self.oracle.renew();
                    self.tell(|| "         the workspace is another".to_owned());
                }
                Ok(())
            }
            Move::Gone => {
                let Some(effect) = self.calls.last().map(|c| c.id.clone()) else { return Ok(()) };
                self.put(Actor::System, "", None, InputBody::TakeOver(effect))
            }
            Move::Command { by, which } => {
                let command = match which {
                    0 => Command::Cancel,
                    1 => Command::Resume,
                    2 => Command::TakeOver,
                    3 | 4 => Command::HandBack,
                    5 => Command::Choose("o0001".into()),
                    6 => Command::Change(Vec::new()),
                    _ => Command::Next,
                };
                self.command(*by, command)
            }
            Move::Interlude => {
                self.command(2, Command::TakeOver)?;
                self.command(2, Command::HandBack)
            }
            Move::Hand => {
                let x = self.mark('d');
                self.command(0, Command::Fill(vec![(Name::new("x"), x.into())]))
            }
            Move::Begin(by) => {
                let x = self.mark('d');
                self.command(*by, Command::Start { journey: Name::new("gamma"), variables: vec![(Name::new("x"), x.into())] })
            }
            Move::Ask(action) => {
                let x = self.mark('d');
                self.command(AGENT, Command::Read { action: (*action).into(), inputs: vec![(Name::new("x"), x.into())] })
            }
            Move::Do(by, command) => self.command(*by, command.clone()),
            Move::Say(text) => self.say(0, text),
            Move::Unaware(text) => {
                let (actor, principal) = WHO[0];
                self.n += 1;
                let id = format!("i{}", self.n);
                self.put_as(actor, principal, Some(&id), InputBody::Message((*text).into()), true)
            }
            Move::Repeat { by, field } => {
                let value = self.given.last().map_or("", |given| given[*field].as_str()).to_owned();
                self.command(*by, Command::Fill(vec![(Name::new(FIELDS[*field]), value.into())]))
            }
            Move::Full(why) => {
                self.full = Some(why);
                Ok(())
            }
            Move::Left => {
                self.left = true;
                Ok(())
            }
            Move::Expect(what) => {
                self.oracle.expect(what);
                Ok(())
            }
            Move::Come { journey, first, turn, moves } => {
                let mut moves = moves.iter();
                for _ in 0..PATIENCE {
                    let Some(step) = self.oracle.step_of(journey) else { break };
                    let number = step.strip_prefix('s').and_then(|n| n.parse::<usize>().ok()).unwrap_or_default();
                    if number >= *first {
                        break;
                    }
                    let own = if number == *turn { moves.next() } else { None };
                    match own {
                        Some(own) => self.play(own)?,
                        None => self.go(0, 0, false)?,
                    }
                }
                Ok(())
            }
            Move::Digress => self.command(0, Command::Start { journey: Name::new("beta"), variables: Vec::new() }),
            Move::Again => {
                let Some((who, id, body)) = self.repeatable.clone() else { return Ok(()) };
                let (actor, principal) = WHO[who % WHO.len()];
                self.put(actor, principal, Some(&id), body)
            }
        }
    }

    fn approve(&mut self, pick: usize) -> Verdict {
        let Some(hold) = self.state.holds().next().map(|h| h.id.clone()) else { return Ok(()) };
        let by = [4, 4, 4, 2, 2, 5, 4, 0][pick % 8];
        let command = if pick == 6 { Command::Refuse { hold, note: None } } else { Command::Approve { hold, note: None } };
        self.command(by, command)
    }

    fn forward(&mut self, by: usize, word: usize, question: usize, old: bool) -> Verdict {
        let text = [YES[0], YES[1], NO[0], NEARLY[0]][word % 4];
        let question = self.oracle.question(question).map(Arc::from);
        self.n += 1;
        let message_id = if old { "m-1".into() } else { format!("m{}", self.n).into() };
        let (actor, principal) = WHO[by % WHO.len()];
        self.put(actor, principal, None, InputBody::Command(Command::Said(Said { text: text.into(), message_id, question })))
    }

    /// What must not succeed where the conversation stands.
    fn tempt(&mut self, n: usize) -> Verdict {
        let now = self.machine.present(&self.state, Actor::User, self.now);
        let computed = |play: &mut Self| {
            let value = play.value(1, false);
            let who = if n.is_multiple_of(2) { AGENT } else { 0 };
            play.command(who, Command::Correct(vec![(Name::new("f1"), value.into())]))
        };
        match (now.status, now.phase) {
            (Status::Escalated, _) if n.is_multiple_of(2) => self.land(0, 0),
            (Status::Escalated, _) => self.command(0, Command::Confirm { question: self.oracle.question(0).map(Arc::from) }),
            (_, Phase::Working) if n == 23 => self.command(2, Command::TakeOver),
            (_, Phase::Working) => match n % 6 {
                0 | 1 => self.say(0, YES[0]),
                2 => self.land(1, 0),
                3 => self.forward(3, 0, 0, false),
                4 => {
                    self.now += jiff::SignedDuration::from_secs(PATIENCE + 10);
                    self.land(0, 0)
                }
                _ => self.land(0, 2),
            },
            (_, Phase::Confirm) => match n % 12 {
                0 => self.say(AGENT, YES[0]),
                1 => self.command(AGENT, Command::Confirm { question: None }),
                2 if n > 12 => self.command(2, Command::TakeOver),
                2 => self.say(0, NEARLY[self.n as usize % NEARLY.len()]),
                3 | 4 => self.say(0, NO[0]),
                5 | 6 => self.command(0, Command::Change(Vec::new())),
                7 => self.say(1, YES[0]),
                8 => self.command(1, Command::Confirm { question: None }),
                9 => self.command(0, Command::Confirm { question: self.oracle.question(1).map(Arc::from) }),
                10 => self.forward(3, 0, 0, n > 12),
                _ => computed(self),
            },
            (_, Phase::Choice | Phase::Guide) => match n % 8 {
                0 | 1 if self.oracle.is_known() => self.play(&Move::Late([70, 400, 700, 950][n / 8])),
                2 if self.oracle.is_live() => self.play(&Move::Late(950)),
                3 | 4 => computed(self),
                5 => self.play(&Move::Interlude),
                6 => self.play(&Move::Context),
                _ => self.say(0, "cancel"),
            },
            (_, Phase::Investigate) => {
                let x = self.mark('d');
                self.command(AGENT, Command::Read { action: "svc.peek".into(), inputs: vec![(Name::new("x"), x.into())] })
            }
            (_, Phase::Hold) if n < 6 => {
                self.play(&Move::Late(700))?;
                self.approve(0)
            }
            (_, Phase::Hold) if n < 12 => {
                self.play(&Move::Digress)?;
                self.approve(0)?;
                self.play(&Move::Context)
            }
            (_, Phase::Hold) if n < 15 => self.play(&Move::Context),
            (_, Phase::Hold) => self.approve(n % 8),
            (_, Phase::Collect) if n.is_multiple_of(3) => computed(self),
            _ => self.go(0, n % 8, n % 3 == 1),
        }
    }

    /// What is asked for.
    fn go(&mut self, by: usize, pick: usize, agent: bool) -> Verdict {
        let helper = if agent { AGENT } else { by };
        let now = self.machine.present(&self.state, Actor::User, self.now);
        match (now.status, now.phase) {
            (Status::Escalated, _) => self.command(2, Command::HandBack),
            (Status::Abandoned, _) => Ok(()),
            (_, Phase::Working) => match self.wake_at.filter(|at| *at > self.now) {
                Some(at) if self.state.pending().any(|p| p.retry_at.is_some()) => {
                    self.now = at;
                    self.wake()
                }
                _ if pick == 3 => self.land(1, 0),
                _ => self.land(0, [0, by + 1, 7].get(pick).copied().unwrap_or_default()),
            },
            (_, Phase::Collect) => {
                let field = self.asked.get(pick % self.asked.len().max(1)).copied().unwrap_or(0);
                let value = self.value(field, false);
                if agent {
                    return self.command(helper, Command::Fill(vec![(Name::new(FIELDS[field]), value.into())]));
                }
                self.say(by.min(3), &value)
            }
            (_, Phase::Choice) if pick == 7 => {
                let text = format!("hm, {}", self.mark('e'));
                self.say(by.min(3), &text)
            }
            (_, Phase::Choice) => match now.options.get(pick % now.options.len().max(1)) {
                Some(option) => self.command(helper, Command::Choose(option.id.clone())),
                None => Ok(()),
            },
            (_, Phase::Confirm) if agent && pick == 0 => self.say(helper, "yes"),
            (_, Phase::Confirm) if pick < 6 => self.say(by.min(3), YES[pick % YES.len()]),
            (_, Phase::Confirm) => {
                let question = self.oracle.question(0).map(Arc::from);
                self.command(by.min(3), Command::Confirm { question })
            }
            (_, Phase::Investigate) if pick > 5 => self.command(AGENT, Command::Finding(Name::new("found"))),
            (_, Phase::Investigate) => {
                let x = if pick == 5 { self.value(0, true) } else { self.mark('d') };
                let action = if pick == 0 { "svc.peek" } else { "svc.look" };
                self.command(AGENT, Command::Read { action: action.into(), inputs: vec![(Name::new("x"), x.into())] })
            }
            (_, Phase::Guide) => self.command(helper, [Command::Next, Command::Stuck, Command::Back][pick.saturating_sub(5)].clone()),
            (_, Phase::Hold) => self.approve(pick),
            (Status::Paused, _) => self.say(by.min(3), "go on"),
            _ => {
                let journey = if pick > 4 { "beta" } else { "alpha" };
                self.command(helper, Command::Start { journey: Name::new(journey), variables: Vec::new() })
            }
        }
    }
}

/// What of these claims cannot be had, for that reason.
fn refusals(claims: &[Claim], why: &str, at: Timestamp) -> Vec<Refused> {
    let of = |claim: &&Claim| match claim {
        Claim::Rate { .. } => why == "rate_limited",
        Claim::Message { .. } => why == "used",
        Claim::Key { .. } => !matches!(why, "rate_limited" | "used"),
        _ => false,
    };
    let result = || answered(200, json!({"at": at.as_second()}));
    let recorded = (why == "applied").then(|| Recorded { taint: Taint::default(), result: result(), outcome: None });
    let refused = |claim: &Claim| Refused { claim: claim.clone(), reason: why.into(), retry_at: None, recorded: recorded.clone() };
    claims.iter().filter(of).map(refused).collect()
}

/// What a credential may do beside.
fn scopes(principal: &str) -> Vec<Arc<str>> {
    let some: &[&str] = match principal {
        "porter" | "clerk" => &[],
        "host" => &["context", "identity"],
        _ => &["context"],
    };
    some.iter().map(|s| (*s).into()).collect()
}

fn short(text: &str) -> String {
    text.chars().take(300).collect()
}
