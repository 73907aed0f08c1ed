//! Random workspaces: journeys as trees of statements, their text, and what each step reads, shows and assigns. The last is written
//! down where the step is made, not asked of the crate.
//!
//! Values bear marks (a letter and four digits), each its own, and nothing that is computed loses the marks of what went into it. So
//! whether a text shows all that a request carries can be seen by looking at both.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;
use proptest::sample::subsequence;
use serde_json::{Value as Json, json};

/// Fields that collects ask for. The marks of each begin with a letter of its own.
pub const FIELDS: [&str; 3] = ["f0", "f1", "f2"];
/// Actions that need a yes.
pub const CONFIRMED: [&str; 5] = ["pay", "ship", "peek", "tip", "vault"];
/// Actions that need a verified subject: of which level, and how many seconds ago at most.
pub const IDENTIFIED: [(&str, u32, i64); 2] = [("open", 1, 300), ("vault", 2, 600)];
/// Verifications that a conversation may try.
pub const TRIES: u32 = 3;
/// Actions that change nothing.
pub const READS: [&str; 3] = ["look", "peek", "check"];

pub const SERVICE: &str = r"
name: Svc
type: rest_api
config: {base_url: 'http://svc.test', auth_type: none}
actions:
  - {name: Look, type: read, invocation: {method: GET, endpoint: '/look/{x}'}, input_schema: {x: {type: string}}, settings: {retries: 1},
     outcomes: &ends [{name: done, condition: response.status == 200}, {name: t0409, condition: response.status == 409}]}
  - {name: Note, type: write, invocation: {method: POST, endpoint: /note}, input_schema: {x: {type: string}}, outcomes: *ends}
  - {name: Pay, type: write, invocation: {method: POST, endpoint: '/pay/{x}'}, outcomes: *ends,
     input_schema: {x: {type: string}, y: {type: string, required: false}}, safety: {requires_confirmation: true}}
  - {name: Ship, type: write, invocation: {method: PUT, endpoint: /ship, query: {q: $inputs.x}, dynamic_headers: {X-Y: $inputs.y}}, outcomes: *ends,
     input_schema: {x: {type: string}, y: {type: string, required: false}}, settings: {idempotency: natural, retries: 1}, safety: {requires_confirmation: true}}
  - {name: Peek, type: read, invocation: {method: GET, endpoint: /peek, query: {q: $inputs.x}}, outcomes: *ends,
     input_schema: {x: {type: string}, y: {type: string, required: false}}, settings: {retries: 1}, safety: {requires_confirmation: true}}
  - {name: Tip, type: write, invocation: {method: POST, endpoint: /tip}, outcomes: *ends,
     input_schema: {f0: {type: string}, tag: {type: string, required: false}}, safety: {requires_confirmation: true}}
  - {name: Open, type: write, invocation: {method: POST, endpoint: /open}, outcomes: *ends,
     input_schema: {x: {type: string}, y: {type: string, required: false}}, safety: {requires_identity_verification: {level: 1, max_age: 300}}}
  - {name: Vault, type: write, invocation: {method: POST, endpoint: /vault}, outcomes: *ends, settings: {idempotency: key, retries: 1},
     input_schema: {x: {type: string}, y: {type: string, required: false}},
     safety: {requires_confirmation: true, requires_identity_verification: {level: 2, max_age: 600}}}
  - {name: Check, type: read, invocation: {method: POST, endpoint: /check}, input_schema: {code: {type: string}}, outcomes: *ends}
";

const DATAPOINTS: &str = r"
- {name: f0, type: string, validation: {pattern: 'a[0-9]{4}'}}
- {name: f1, type: string, validation: {pattern: 'b[0-9]{4}'}}
- {name: f2, type: string, validation: {pattern: 'c[0-9]{4}'}}
- {name: x, type: string}
";

pub type Block = Vec<Stmt>;

/// A value that an author writes. Numbers count round the variables that are set where it stands.
#[derive(Debug, Clone)]
pub enum Value {
    Constant,
    Variable(usize),
    Template(usize),
    Joined(usize, usize),
    Outcome,
    Tag,
    Subject,
}

#[derive(Debug, Clone)]
pub enum Shown {
    Fields,
    Message,
    /// The last only in a branch that is never taken.
    Hidden,
    /// Of the last only how long it is.
    Counted,
}

#[derive(Debug, Clone)]
pub enum Stmt {
    Collect(Vec<usize>),
    Set(&'static str, Value),
    Unset(&'static str),
    Confirm {
        shows: Option<Vec<usize>>,
        how: Shown,
        only: Option<usize>,
        change: bool,
        no: Option<Block>,
    },
    Call {
        action: &'static str,
        x: Value,
        y: Option<Value>,
        keep: bool,
        refused: Option<Block>,
        error: Option<Block>,
    },
    Choice {
        keep: bool,
        one: Block,
        other: Block,
    },
    If(usize, Block, Block),
    Verify {
        field: usize,
        level: u32,
        ttl: u32,
        anybody: bool,
        failed: Block,
    },
    Run {
        with: Value,
        ended: Option<Block>,
    },
    Each(usize, usize),
    Investigate,
    Say(usize),
    Guide,
    Goto(usize),
    /// To a step that waits and was written not long before.
    Back(usize),
    Pause(usize),
    Done,
    Escalate,
}

/// What the author of a step knows of it.
#[derive(Debug, Clone)]
pub enum Fact {
    Confirm {
        shows: BTreeSet<String>,
        only: Option<&'static str>,
    },
    Call {
        reads: BTreeSet<String>,
        keeps: Option<&'static str>,
    },
    Verify {
        reads: BTreeSet<String>,
        level: u32,
        ttl: i64,
        anybody: bool,
    },
    Set {
        name: &'static str,
        reads: BTreeSet<String>,
    },
    /// A step whose agent asks reads with values of its own.
    Investigate,
    Other,
}

/// A workspace, and what is known of its steps by journey and name.
pub struct Made {
    pub files: Vec<(String, Arc<str>)>,
    pub settings: &'static str,
    pub facts: BTreeMap<String, BTreeMap<String, Fact>>,
}

#[derive(Debug, Clone)]
pub struct Plan {
    pub alpha: Block,
    pub beta: Block,
    pub gamma: Block,
    /// Whether whoever is not verified is sent to a journey for that.
    pub proves: bool,
}

fn value() -> impl Strategy<Value = Value> + Clone {
    prop_oneof![
        2 => Just(Value::Constant),
        8 => (0..8_usize).prop_map(Value::Variable),
        2 => (0..8_usize).prop_map(Value::Template),
        2 => (0..8_usize, 0..8_usize).prop_map(|(a, b)| Value::Joined(a, b)),
        1 => prop_oneof![Just(Value::Outcome), Just(Value::Tag), Just(Value::Subject)],
    ]
}

fn fields() -> impl Strategy<Value = Vec<usize>> + Clone {
    subsequence(vec![0, 1, 2], 1..3)
}

fn confirm(no: impl Strategy<Value = Option<Block>>) -> impl Strategy<Value = Stmt> {
    let shows = prop_oneof![3 => Just(None), 2 => prop::collection::vec(0..8_usize, 1..3).prop_map(Some)];
    let how = prop_oneof![3 => Just(Shown::Fields), 3 => Just(Shown::Message), 1 => Just(Shown::Hidden), 1 => Just(Shown::Counted)];
    let only = prop::option::weighted(0.15, 0..CONFIRMED.len());
    (shows, how, only, prop::bool::weighted(0.15), no).prop_map(|(shows, how, only, change, no)| Stmt::Confirm {
        shows,
        how,
        only,
        change,
        no,
    })
}

fn call(
    actions: &'static [&'static str],
    refused: impl Strategy<Value = Option<Block>>,
    error: impl Strategy<Value = Option<Block>>,
) -> impl Strategy<Value = Stmt> {
    let action = prop::sample::select(actions);
    (action, value(), prop::option::weighted(0.4, value()), any::<bool>(), refused, error)
        .prop_map(|(action, x, y, keep, refused, error)| Stmt::Call { action, x, y, keep, refused, error })
}

fn verify(failed: impl Strategy<Value = Block>) -> impl Strategy<Value = Stmt> {
    (0..8_usize, 1..3_u32, prop::sample::select(vec![60_u32, 900]), prop::bool::weighted(0.3), failed)
        .prop_map(|(field, level, ttl, anybody, failed)| Stmt::Verify { field, level, ttl, anybody, failed })
}

fn leaf() -> impl Strategy<Value = Stmt> + Clone {
    let none = || Just(None::<Block>);
    let free = prop_oneof![
        3 => fields().prop_map(Stmt::Collect),
        2 => (prop::sample::select(vec!["m0", "m1", "m0", "m1", "f1"]), value()).prop_map(|(name, value)| Stmt::Set(name, value)),
        1 => prop::sample::select(vec!["m0", "f0"]).prop_map(Stmt::Unset),
        2 => confirm(none()),
        2 => call(&["look", "look", "note"], none(), none()),
        2 => call(&CONFIRMED, none(), none()),
        1 => call(&["open"], none(), none()),
        1 => verify(Just(vec![Stmt::Escalate])),
        1 => (0..8_usize).prop_map(Stmt::Say),
        1 => Just(Stmt::Guide),
        1 => Just(Stmt::Choice { keep: false, one: Vec::new(), other: Vec::new() }),
    ];
    let way = prop_oneof![
        2 => (value(), prop::option::of(Just(Vec::new()))).prop_map(|(with, ended)| Stmt::Run { with, ended }),
        1 => (0..8_usize, 0..8_usize).prop_map(|(a, b)| Stmt::Each(a, b)),
        1 => Just(Stmt::Investigate),
        2 => (0..16_usize).prop_map(Stmt::Goto),
        1 => (0..16_usize).prop_map(Stmt::Pause),
        1 => Just(Stmt::Done),
    ];
    prop_oneof![6 => free, 1 => way].boxed()
}

/// What may stand between a gate and what it is for; most of it ends the gate.
fn between() -> impl Strategy<Value = Block> + Clone {
    let none = || Just(None::<Block>);
    let variables = || prop::sample::select(vec!["m0", "f0", "f1", "f2"]);
    let one = prop_oneof![
        6 => Just(Stmt::Choice { keep: false, one: Vec::new(), other: Vec::new() }),
        2 => (variables(), value()).prop_map(|(name, value)| Stmt::Set(name, value)),
        1 => variables().prop_map(Stmt::Unset),
        1 => fields().prop_map(Stmt::Collect),
        1 => confirm(Just(Some(Vec::new()))),
        1 => call(&["look", "note", "pay"], none(), none()),
        1 => (0..16_usize).prop_map(Stmt::Pause),
        1 => (value(), prop::option::of(Just(Vec::new()))).prop_map(|(with, ended)| Stmt::Run { with, ended }),
        1 => (0..8_usize, 0..8_usize).prop_map(|(a, b)| Stmt::Each(a, b)),
        1 => Just(Stmt::Investigate),
    ];
    prop_oneof![3 => Just(Vec::new()), 3 => one.clone().prop_map(|s| vec![s]), 2 => prop::collection::vec(one, 2)].boxed()
}

/// A confirm and what it is for, as a careful author has them.
fn careful() -> impl Strategy<Value = Block> + Clone {
    let how = prop_oneof![Just(Shown::Fields), Just(Shown::Message)];
    let waits = prop::option::weighted(0.3, Just(Stmt::Choice { keep: false, one: Vec::new(), other: Vec::new() }));
    let on_error = prop::option::of(Just(vec![Stmt::Done]));
    (fields(), how, waits, call(&["pay", "ship", "tip", "peek", "pay", "ship"], Just(None), on_error))
        .prop_map(|(fields, how, waits, call)| {
            let confirm = Stmt::Confirm { shows: None, how, only: None, change: false, no: None };
            [Stmt::Collect(fields), confirm].into_iter().chain(waits).chain([call]).collect()
        })
        .boxed()
}

/// A confirm and what it is for, perhaps over and over.
fn gated() -> impl Strategy<Value = Block> + Clone {
    let none = || Just(None::<Block>);
    let on_error = prop_oneof![2 => none(), 1 => Just(Some(vec![Stmt::Done]))];
    let back = prop::option::weighted(0.2, (0..2_usize).prop_map(Stmt::Back));
    let set = (prop::sample::select(vec!["m0", "f1"]), value()).prop_map(|(name, value)| Stmt::Set(name, value));
    let before = prop::option::weighted(0.4, prop_oneof![set, call(&["look"], none(), none())]);
    (fields(), prop::bool::weighted(0.8), before, confirm(none()), between(), call(&CONFIRMED, none(), on_error), back)
        .prop_map(|(fields, asks, before, confirm, between, call, back)| {
            let asks = asks.then_some(Stmt::Collect(fields));
            asks.into_iter().chain(before).chain([confirm]).chain(between).chain([call]).chain(back).collect()
        })
        .boxed()
}

/// A verification and what it is for.
fn verified() -> impl Strategy<Value = Block> + Clone {
    let failed = prop_oneof![3 => Just(vec![Stmt::Escalate]), 1 => Just(Vec::new())];
    let back = prop::option::weighted(0.2, (0..2_usize).prop_map(Stmt::Back));
    (verify(failed), between(), call(&["open", "open", "vault"], Just(None), Just(None)), back)
        .prop_map(|(verify, between, call, back)| {
            [Stmt::Collect(vec![2]), verify].into_iter().chain(between).chain([call]).chain(back).collect()
        })
        .boxed()
}

/// A value, something computed from it, another value for it, and a call.
fn outdated() -> impl Strategy<Value = Block> + Clone {
    let renewed = prop_oneof![Just(Stmt::Set("f1", Value::Constant)), Just(Stmt::Collect(vec![0, 1])), Just(Stmt::Unset("f1"))];
    (value(), renewed, call(&["note", "look"], Just(None), Just(None)))
        .prop_map(|(value, renewed, call)| vec![Stmt::Collect(vec![1]), Stmt::Set("m0", value), renewed, call])
        .boxed()
}

fn pieces(depth: u32, most: usize) -> impl Strategy<Value = Block> + Clone {
    let one = prop_oneof![14 => careful(), 6 => gated(), 2 => verified(), 1 => outdated(), 3 => leaf().prop_map(|s| vec![s])];
    let some = one.prop_recursive(depth, 12, 2, |inner| {
        let list = || prop::collection::vec(inner.clone(), 0..3).prop_map(|b| tidy(b.concat()));
        let maybe = move || prop::option::of(list());
        let list = || prop::collection::vec(inner.clone(), 0..3).prop_map(|b| tidy(b.concat()));
        prop_oneof![
            (any::<bool>(), list(), list()).prop_map(|(keep, one, other)| Stmt::Choice { keep, one, other }),
            (0..5_usize, list(), list()).prop_map(|(c, a, b)| Stmt::If(c, a, b)),
            call(&["pay", "look", "note", "peek"], maybe(), maybe()),
            confirm(maybe()),
            verify(list()),
            (value(), maybe()).prop_map(|(with, ended)| Stmt::Run { with, ended }),
        ]
        .prop_map(|s| vec![s])
    });
    prop::collection::vec(some, 1..most).prop_map(|b| tidy(b.concat()))
}

/// A workspace of three journeys: one to start, one to digress into, and one that both may run.
pub fn plan() -> impl Strategy<Value = Plan> {
    let note = Stmt::Call { action: "note", x: Value::Constant, y: None, keep: false, refused: None, error: None };
    let note = prop::option::weighted(0.3, Just(vec![note]));
    let first = || prop::option::weighted(0.5, careful());
    let joined = |parts: [Option<Block>; 3]| parts.into_iter().flatten().flatten().collect();
    let alpha = (first(), pieces(2, 4)).prop_map(move |(first, rest)| joined([first, Some(rest), None]));
    let beta = (note, first(), pieces(1, 3)).prop_map(move |(note, first, rest)| joined([note, first, Some(rest)]));
    (alpha, beta, pieces(1, 2), prop::bool::weighted(0.2)).prop_map(|(alpha, beta, gamma, proves)| Plan {
        alpha,
        beta,
        gamma: gamma.into_iter().filter(|s| !matches!(s, Stmt::Run { .. })).collect(),
        proves,
    })
}

/// Cut after what never goes on, since nothing reaches the rest.
fn tidy(block: Block) -> Block {
    let stop = block.iter().position(ends).map_or(block.len(), |i| i + 1);
    block.into_iter().take(stop).collect()
}

fn ends(stmt: &Stmt) -> bool {
    let all = |b: &Block| b.last().is_some_and(ends);
    match stmt {
        Stmt::Choice { one, other, .. } => all(one) && all(other),
        Stmt::If(_, a, b) => all(a) && all(b),
        Stmt::Goto(_) | Stmt::Back(_) | Stmt::Pause(_) | Stmt::Done | Stmt::Escalate => true,
        _ => false,
    }
}

fn branches(stmt: &Stmt) -> Vec<&Block> {
    match stmt {
        Stmt::Confirm { no, .. } => no.iter().collect(),
        Stmt::Call { refused, error, .. } => refused.iter().chain(error).collect(),
        Stmt::Choice { one, other, .. } => vec![one, other],
        Stmt::If(_, a, b) => vec![a, b],
        Stmt::Verify { failed, .. } => vec![failed],
        Stmt::Run { ended, .. } => ended.iter().collect(),
        _ => Vec::new(),
    }
}

/// The numbers of the steps that wait, in the order they are written.
fn waiting(block: &[Stmt], number: &mut usize, found: &mut Vec<usize>) {
    for stmt in block {
        if matches!(stmt, Stmt::Collect(_) | Stmt::Confirm { .. } | Stmt::Choice { .. } | Stmt::Investigate) {
            found.push(*number);
        }
        *number += 1;
        for branch in branches(stmt) {
            waiting(branch, number, found);
        }
    }
}

type Env = BTreeSet<String>;

struct Writer {
    number: usize,
    waits: Vec<usize>,
    called: bool,
    facts: BTreeMap<String, Fact>,
}

impl Writer {
    fn journey(mut head: Json, block: &[Stmt], called: bool) -> (Json, BTreeMap<String, Fact>) {
        let mut waits = Vec::new();
        waiting(block, &mut 0, &mut waits);
        let mut writer = Self { number: 0, waits, called, facts: BTreeMap::new() };
        let mut env: Env = called.then(|| "x".to_owned()).into_iter().collect();
        let (mut steps, open) = writer.block(block, &mut env);
        if open && called {
            steps.push(json!({"done": {"outcome": "out", "result": {"v": "$variables.x"}}}));
        } else if steps.is_empty() {
            steps.push(json!({"say": "Nothing to do."}));
        }
        head["journey"] = steps.into();
        (head, writer.facts)
    }

    /// The steps, and whether a run comes out behind them.
    fn block(&mut self, block: &[Stmt], env: &mut Env) -> (Vec<Json>, bool) {
        let steps = block.iter().map(|s| self.step(s, env)).collect();
        (steps, !block.last().is_some_and(ends))
    }

    /// The branches of a step; after it is set what is set at the end of each that comes out, and of the step's own way.
    fn branch(&mut self, block: &Block, before: &Env, after: &mut Option<Env>) -> Json {
        let mut env = before.clone();
        let (steps, open) = self.block(block, &mut env);
        if open {
            *after = Some(after.take().map_or(env.clone(), |a| &a & &env));
        }
        if steps.is_empty() { json!("continue") } else { steps.into() }
    }

    fn value(value: &Value, env: &Env, reads: &mut BTreeSet<String>) -> Json {
        let mut read = |n: usize| {
            let name = env.iter().nth(n % env.len().max(1))?;
            reads.insert(name.clone());
            Some(path(name))
        };
        let constant = || json!("fixed");
        match value {
            Value::Constant => constant(),
            Value::Variable(n) => read(*n).map_or_else(constant, |p| format!("$variables.{p}").into()),
            Value::Template(n) => read(*n).map_or_else(constant, |p| format!("<{{{{ variables.{p} }}}}>").into()),
            Value::Joined(a, b) => match (read(*a), read(*b)) {
                (Some(a), Some(b)) => format!("$variables.{a} + '-' + $variables.{b}").into(),
                _ => constant(),
            },
            Value::Outcome => json!("$outcome"),
            Value::Tag => json!("$user.tag"),
            Value::Subject => json!("$conversation.identity.subject"),
        }
    }

    #[expect(clippy::too_many_lines, reason = "one arm a step kind")]
    fn step(&mut self, stmt: &Stmt, env: &mut Env) -> Json {
        let own = self.number;
        self.number += 1;
        let mut reads = BTreeSet::new();
        let mut fact = Fact::Other;
        let mut after = Some(env.clone());
        let mut json = match stmt {
            Stmt::Collect(fields) => {
                let names: Vec<&str> = fields.iter().map(|f| FIELDS[*f]).collect();
                env.extend(names.iter().map(|n| (*n).to_owned()));
                after = Some(env.clone());
                json!({"collect": names})
            }
            Stmt::Set(name, value) => {
                let value = Self::value(value, env, &mut reads);
                fact = Fact::Set { name, reads };
                after.get_or_insert_default().insert((*name).to_owned());
                json!({"set": {*name: if value == "fixed" { json!("'fixed'") } else { value }}})
            }
            Stmt::Unset(name) => {
                fact = Fact::Set { name, reads };
                after.get_or_insert_default().remove(*name);
                json!({"set": {*name: null}})
            }
            Stmt::Confirm { shows, how, only, change, no } => {
                let listed: Vec<&String> = match shows {
                    None => env.iter().collect(),
                    Some(some) => some.iter().filter_map(|n| env.iter().nth(n % env.len().max(1))).collect(),
                };
                let mut shown: BTreeSet<String> = listed.iter().map(|n| (*n).clone()).collect();
                let mut step = match (how, listed.split_last()) {
                    (_, None) => json!({"message": "Shall I?"}),
                    (Shown::Fields, _) => json!({"fields": shown}),
                    (Shown::Message, _) => json!({"message": shown.iter().map(|n| show(n)).collect::<String>() + "?"}),
                    (Shown::Hidden | Shown::Counted, Some((last, rest))) => {
                        shown = rest.iter().filter(|n| *n != last).map(|n| (*n).clone()).collect();
                        let last = match how {
                            Shown::Counted => format!(" {{{{ variables.{} | length }}}}", path(last)),
                            _ => format!("{{% if user.never %}}{}{{% endif %}}", show(last)),
                        };
                        json!({"message": shown.iter().map(|n| show(n)).collect::<String>() + &last + "?"})
                    }
                };
                if let Some(only) = only {
                    step["for"] = json!([format!("svc.{}", CONFIRMED[*only])]);
                }
                if let (true, Some(first)) = (change, self.waits.first()) {
                    step["on_change"] = json!({"goto": format!("s{first}")});
                }
                if let Some(no) = no {
                    step["on_reject"] = self.branch(no, env, &mut after);
                }
                fact = Fact::Confirm { shows: shown, only: only.map(|o| CONFIRMED[o]) };
                json!({"confirm": step})
            }
            Stmt::Call { action, x, y, keep, refused, error } => {
                let mut inputs = json!({});
                // Its input is a field that is found by its name.
                let action = if *action == "tip" && (self.called || !env.contains("f0")) { &"pay" } else { action };
                if *action == "tip" {
                    reads.insert("f0".to_owned());
                } else {
                    inputs["x"] = Self::value(x, env, &mut reads);
                    if let Some(y) = y.as_ref().filter(|_| !matches!(*action, "look" | "note")) {
                        inputs["y"] = Self::value(y, env, &mut reads);
                    }
                }
                let keeps = keep.then_some("r0");
                let mut step = json!({"call": format!("svc.{action}"), "inputs": inputs, "outcomes": {"done": "continue"}});
                let before = env.clone();
                if let Some(name) = keeps {
                    step["as"] = name.into();
                    after.get_or_insert_default().insert(name.to_owned());
                }
                step["outcomes"]["t0409"] = match refused {
                    Some(refused) => self.branch(refused, &before, &mut after),
                    None => json!("continue"),
                };
                if let Some(error) = error {
                    step["on_error"] = json!({"default": self.branch(error, &before, &mut after)});
                }
                fact = Fact::Call { reads, keeps };
                json!({"action": step})
            }
            Stmt::Choice { keep, one, other } => {
                let (mut before, mut joined) = (env.clone(), None);
                let labels = [format!("O{own:03}1"), format!("O{own:03}2")];
                if *keep {
                    before.insert("p0".to_owned());
                }
                let options =
                    json!({&labels[0]: self.branch(one, &before, &mut joined), &labels[1]: self.branch(other, &before, &mut joined)});
                after = joined;
                let mut step = json!({"prompt": "Which?", "options": options});
                if *keep {
                    step["as"] = json!("p0");
                }
                json!({"choice": step})
            }
            Stmt::If(which, a, b) => {
                let conditions = [
                    "$conversation.identity.verified",
                    "$conversation.identity.verified && $conversation.identity.level >= 2",
                    "$user.vip == true",
                    "$conversation.identity.verified || $user.vip == true",
                    "!$conversation.identity.verified",
                ];
                let (before, mut joined) = (env.clone(), None);
                let step = json!({"if": conditions[*which], "then": self.branch(a, &before, &mut joined), "else": self.branch(b, &before, &mut joined)});
                after = joined;
                step
            }
            Stmt::Verify { field, level, ttl, anybody, failed } => {
                let code = Self::value(&Value::Variable(*field), env, &mut reads);
                fact = Fact::Verify { reads, level: *level, ttl: (*ttl).into(), anybody: *anybody };
                let before = env.clone();
                json!({"verify": {
                    "call": "svc.check", "inputs": {"code": code}, "verified": ["done"], "subject": "response.body.who", "level": level, "ttl": ttl, "max_tries": TRIES,
                    "source": if *anybody { "any" } else { "user" }, "on_failed": self.branch(failed, &before, &mut after),
                }})
            }
            Stmt::Run { with, ended } if !self.called => {
                let mut step = json!({"journey": "gamma", "with": {"x": Self::value(with, env, &mut reads)}, "as": "r1"});
                let before = env.clone();
                after.get_or_insert_default().insert("r1".to_owned());
                if let Some(ended) = ended {
                    let ended = self.branch(ended, &before, &mut after);
                    step["outcomes"] = json!({"declined": ended, "cancelled": "continue"});
                }
                json!({"run": step})
            }
            Stmt::Run { ended, .. } => {
                if let Some(block) = ended {
                    self.branch(block, env, &mut None);
                }
                json!({"say": "Nothing to run."})
            }
            Stmt::Say(n) => {
                let name = env.iter().nth(n % env.len().max(1));
                json!({"say": name.map_or("Well.".to_owned(), |n| format!("Well{}.", show(n)))})
            }
            Stmt::Each(a, b) => {
                let list = Self::value(&Value::Joined(*a, *b), env, &mut reads);
                let list = list
                    .as_str()
                    .filter(|l| l.starts_with('$'))
                    .map_or("['fixed']".to_owned(), |l| format!("[{}]", l.replace(" + '-' + ", ", ")));
                fact = Fact::Call { reads, keeps: None };
                json!({"action": {"call": "svc.peek", "each": list, "inputs": {"x": "$each"}, "outcomes": {"done": "continue", "t0409": "continue"}}})
            }
            Stmt::Investigate => {
                fact = Fact::Investigate;
                after.get_or_insert_default().insert("i0".to_owned());
                json!({"investigate": {"goal": "Look", "using": ["svc.look", "svc.peek"], "as": "i0", "findings": {"found": "continue"}, "fallback": "escalate"}})
            }
            Stmt::Guide => json!({"guide": ["Do this.", "Do that."]}),
            Stmt::Goto(n) => match self.waits.get(n % self.waits.len().max(1)) {
                Some(target) => json!({"goto": format!("s{target}")}),
                None => json!({"done": "Done."}),
            },
            Stmt::Back(n) => match self.waits.iter().rev().filter(|w| **w < own).nth(*n) {
                Some(target) => json!({"goto": format!("s{target}")}),
                None => json!({"done": "Done."}),
            },
            Stmt::Pause(n) => {
                let mut step = json!({"message": "Anything else?", "pause_for_resume": true});
                if let Some(target) = self.waits.get(n % self.waits.len().max(1)) {
                    step["resume"] = json!({"goto": format!("s{target}")});
                }
                json!({"done": step})
            }
            Stmt::Done => json!({"done": {"message": "Done."}}),
            Stmt::Escalate => json!({"escalate": "support"}),
        };
        *env = after.unwrap_or_default();
        json["name"] = format!("s{own}").into();
        self.facts.insert(format!("s{own}"), fact);
        json
    }
}

/// How a variable's text is read: an answer is a map.
fn path(name: &str) -> String {
    match name.as_bytes() {
        [b'r', _] => format!("{name}.v"),
        [b'i', _] => format!("{name}['svc.look'].v"),
        _ => name.to_owned(),
    }
}

fn show(name: &str) -> String {
    format!(" {{{{ variables.{} }}}}", path(name))
}

/// Writes a workspace.
pub fn write(plan: &Plan) -> Made {
    let trigger = |name: &str| json!({"name": name, "trigger": {"goal": format!("do {name}"), "examples": [format!("do {name}")], "requires": ["tag"]}});
    let mut journeys = vec![
        ("alpha", trigger("alpha"), plan.alpha.clone(), false),
        ("beta", trigger("beta"), plan.beta.clone(), false),
        ("gamma", json!({"name": "gamma", "callable": true, "inputs": {"x": {"required": true}}}), plan.gamma.clone(), true),
    ];
    let mut files =
        vec![("integrations/svc.yaml".to_owned(), Arc::from(SERVICE)), ("datapoints/all.yaml".to_owned(), Arc::from(DATAPOINTS))];
    if plan.proves {
        let verify = Stmt::Verify { field: 0, level: 2, ttl: 900, anybody: false, failed: vec![Stmt::Escalate] };
        journeys.push(("prove", json!({"name": "prove", "callable": true}), vec![Stmt::Collect(vec![2]), verify], false));
    }
    let settings = if plan.proves { "identity: {journey: prove}" } else { "" };
    files.push(("waypost.yaml".to_owned(), settings.into()));
    let mut facts = BTreeMap::new();
    for (name, head, block, called) in journeys {
        let (json, known) = Writer::journey(head, &block, called);
        let text = serde_json::to_string_pretty(&json).unwrap_or_default();
        files.push((format!("journeys/{name}.yaml"), text.into()));
        facts.insert(name.to_owned(), known);
    }
    Made { files, settings, facts }
}
