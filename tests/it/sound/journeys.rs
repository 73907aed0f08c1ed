//! Random workspaces: journeys as trees of statements, their text, and what each step reads, shows and assigns. The last is written
//! down where the step is made, not asked of the crate.
//!
//! Values bear marks (a letter and four digits), each its own, and nothing that is computed loses the marks of what went into it. So
//! whether a text shows all that a request carries can be seen by looking at both.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::service::{CONFIRMED, DATAPOINTS, FIELDS, POLICIES, SERVICE, SPEAKING, TRIES};

pub type Block = Vec<Stmt>;

/// A value that an author writes. Numbers count round the variables that are set where it stands.
#[derive(Debug, Clone)]
pub enum Value {
    Constant,
    Variable(usize),
    Template(usize),
    Joined(usize, usize),
    /// That variable, if it is set where the value stands.
    Named(&'static str),
    /// That variable, set or not.
    Perhaps(&'static str),
    /// That variable with something after it.
    Longer(&'static str),
    Outcome,
    Tag,
    Subject,
}

#[derive(Debug, Clone)]
pub enum Shown {
    Fields,
    Message,
    /// With what the caller says of the user.
    Tagged,
    /// The last only in what is left out: a branch, a loop, a name that is not given, a filter.
    Hidden(u8),
    /// Of the last only how long it is.
    Counted,
    /// What is around a way.
    Own,
}

/// Where somebody gets to who wants it otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// The first step that waits.
    First,
    On,
}

#[derive(Debug, Clone)]
pub enum Stmt {
    Collect(Vec<usize>),
    /// The first field, or the two others.
    AnyOf(Block, Block),
    Set(&'static str, Value),
    Unset(&'static str),
    Confirm {
        shows: Option<Vec<usize>>,
        how: Shown,
        only: Option<usize>,
        change: Option<Change>,
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
        /// What comes of anything else that is said.
        free: Option<Block>,
    },
    If(usize, Block, Block),
    Verify {
        code: Value,
        level: u32,
        ttl: u32,
        anybody: bool,
        failed: Block,
    },
    Run {
        with: Value,
        ended: Option<Block>,
    },
    /// The same, and on from that outcome of the engine alone.
    RunTo(&'static str),
    Each(usize, usize),
    Investigate,
    /// One that asks only that read, and may find nothing.
    Search(&'static str, Block),
    /// A collect that gives up.
    Tries(usize, Block),
    /// A choice from a list.
    Pick(Block),
    /// A read, and what comes of that trouble: a kind of error, or `exhausted`.
    Trouble(&'static str, Block),
    /// A confirm that shows nothing, and where a change there leads.
    Changes(Block),
    /// A verification by an action that needs a yes, and keeps its answer.
    Oath(Value),
    Say(usize),
    /// Says nothing of anything.
    Hum,
    Guide(Option<Block>),
    Goto(usize),
    /// A pause that goes on at a step that waits and was written not long before.
    Rest(usize),
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
    /// A step whose agent asks these reads with values of its own.
    Investigate(Vec<&'static str>),
    Collect(Vec<&'static str>),
    Other,
}

/// Files by name.
pub type Files = Vec<(String, Arc<str>)>;

/// A workspace, and what is known of its steps by journey and name.
pub struct Made {
    pub files: Files,
    pub settings: String,
    pub facts: BTreeMap<String, BTreeMap<String, Fact>>,
    /// What it is later.
    pub newer: Option<Files>,
    /// The journeys that are others then: their own text, or what they call.
    pub renewed: BTreeSet<String>,
    pub rules: Rules,
}

/// What of a workspace the judge has to know beside its steps.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// Whether whoever is not verified is sent to a journey for that.
    pub proves: bool,
    /// Whether another subject may be verified after one.
    pub switch: bool,
    /// Which of the policies it has.
    pub policy: Option<usize>,
    pub newer: Option<Newer>,
    /// Whether `gamma` can be started by itself, and its input given by anybody.
    pub open: bool,
}

/// How a workspace changes while somebody talks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Newer {
    /// The journey `alpha` has another text.
    Text,
    /// A note needs a yes.
    Stricter,
    /// It did.
    Looser,
    /// There is no note any more.
    Gone,
}

#[derive(Debug, Clone)]
pub struct Plan {
    pub alpha: Block,
    pub beta: Block,
    pub gamma: Block,
    /// What `gamma` gives back, if it is set there; else what it was given.
    pub returns: &'static str,
    pub rules: Rules,
}

/// Cut after what never goes on, since nothing reaches the rest.
pub fn tidy(block: Block) -> Block {
    let stop = block.iter().position(ends).map_or(block.len(), |i| i + 1);
    block.into_iter().take(stop).collect()
}

pub fn ends(stmt: &Stmt) -> bool {
    let all = |b: &Block| b.last().is_some_and(ends);
    match stmt {
        Stmt::Choice { one, other, free, .. } => all(one) && all(other) && free.as_ref().is_none_or(all),
        Stmt::AnyOf(a, b) | Stmt::If(_, a, b) => all(a) && all(b),
        Stmt::Goto(_) | Stmt::Back(_) | Stmt::Pause(_) | Stmt::Rest(_) | Stmt::Done | Stmt::Escalate => true,
        _ => false,
    }
}

fn branches(stmt: &Stmt) -> Vec<&Block> {
    match stmt {
        Stmt::Confirm { no, .. } => no.iter().collect(),
        Stmt::Call { refused, error, .. } => refused.iter().chain(error).collect(),
        Stmt::Choice { one, other, free, .. } => [one, other].into_iter().chain(free).collect(),
        Stmt::If(_, a, b) | Stmt::AnyOf(a, b) => vec![a, b],
        Stmt::Guide(stuck) => stuck.iter().collect(),
        Stmt::Verify { failed, .. } => vec![failed],
        Stmt::Run { ended, .. } => ended.iter().collect(),
        Stmt::Search(_, block) | Stmt::Tries(_, block) | Stmt::Pick(block) | Stmt::Trouble(_, block) | Stmt::Changes(block) => vec![block],
        _ => Vec::new(),
    }
}

/// The numbers of the steps that wait, in the order they are written.
pub fn waiting(block: &[Stmt], number: &mut usize, found: &mut Vec<usize>) {
    for stmt in block {
        if matches!(
            stmt,
            Stmt::Collect(_)
                | Stmt::Tries(..)
                | Stmt::AnyOf(..)
                | Stmt::Confirm { .. }
                | Stmt::Changes(_)
                | Stmt::Choice { .. }
                | Stmt::Pick(_)
                | Stmt::Investigate
                | Stmt::Search(..)
        ) {
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
    fn journey(mut head: Json, block: &[Stmt], called: bool, returns: &str) -> (Json, BTreeMap<String, Fact>) {
        let mut waits = Vec::new();
        waiting(block, &mut 0, &mut waits);
        let mut writer = Self { number: 0, waits, called, facts: BTreeMap::new() };
        let mut env: Env = called.then(|| "x".to_owned()).into_iter().collect();
        let (mut steps, open) = writer.block(block, &mut env);
        if open && called {
            let found = if env.contains(returns) { returns } else { "x" };
            steps.push(json!({"done": {"outcome": "out", "result": {"v": format!("$variables.{}", path(found))}}}));
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
            Value::Named(name) if !env.contains(*name) => constant(),
            Value::Named(name) | Value::Perhaps(name) | Value::Longer(name) => {
                reads.insert((*name).to_owned());
                let path = path(name);
                match value {
                    Value::Named(_) => format!("$variables.{path}").into(),
                    Value::Perhaps(_) => format!("$variables.{path} == null ? 'none' : $variables.{path}").into(),
                    _ => format!("$variables.{path} + '-x'").into(),
                }
            }
            Value::Outcome => json!("$outcome"),
            Value::Tag => {
                reads.insert("$user".to_owned());
                json!("$user.tag")
            }
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
                fact = Fact::Collect(names.clone());
                json!({"collect": names})
            }
            Stmt::AnyOf(one, other) => {
                fact = Fact::Collect(FIELDS[..3].to_vec());
                let (mut joined, sets) = (None, [(vec!["f0"], one), (vec!["f1", "f2"], other)]);
                let sets = sets.map(|(names, block)| {
                    let mut env = env.clone();
                    env.extend(names.iter().map(|n| (*n).to_owned()));
                    json!({"fields": names, "then": self.branch(block, &env, &mut joined)})
                });
                after = joined;
                json!({"collect": {"any_of": sets}})
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
                    (Shown::Own, _) => {
                        shown.retain(|n| n.starts_with('z'));
                        if shown.is_empty() { json!({"message": "Shall I?"}) } else { json!({"fields": shown}) }
                    }
                    (Shown::Tagged, _) => {
                        let listed: String = shown.iter().map(|n| show(n)).collect();
                        shown.insert("$user".to_owned());
                        json!({"message": listed + " {{ user.tag }}?"})
                    }
                    (_, None) => json!({"message": "Shall I?"}),
                    (Shown::Fields, _) => json!({"fields": shown}),
                    (Shown::Message, _) => json!({"message": shown.iter().map(|n| show(n)).collect::<String>() + "?"}),
                    (Shown::Hidden(_) | Shown::Counted, Some((last, rest))) => {
                        shown = rest.iter().filter(|n| *n != last).map(|n| (*n).clone()).collect();
                        let last = match how {
                            Shown::Counted => format!(" {{{{ variables.{} | length }}}}", path(last)),
                            Shown::Hidden(1) => format!("{{% for i in user.never %}}{}{{% endfor %}}", show(last)),
                            Shown::Hidden(2) => {
                                format!("{{% if user.never %}}{{% set c = variables.{} %}}{{% endif %}} {{{{ c }}}}", path(last))
                            }
                            Shown::Hidden(3) => format!("{{% filter length %}}{}{{% endfilter %}}", show(last)),
                            _ => format!("{{% if user.never %}}{}{{% endif %}}", show(last)),
                        };
                        json!({"message": shown.iter().map(|n| show(n)).collect::<String>() + &last + "?"})
                    }
                };
                if let Some(only) = only {
                    step["for"] = json!([format!("svc.{}", CONFIRMED[*only])]);
                }
                match (change, self.waits.first()) {
                    (Some(Change::First), Some(first)) => step["on_change"] = json!({"goto": format!("s{first}")}),
                    (Some(Change::On), _) => step["on_change"] = json!("continue"),
                    (_, None) | (None, _) => {}
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
                if *action == "tip" || SPEAKING.contains(action) {
                    reads.insert("f0".to_owned());
                } else {
                    inputs["x"] = Self::value(x, env, &mut reads);
                    if let Some(y) =
                        y.as_ref().filter(|_| !matches!(*action, "look" | "note" | "gift" | "mine" | "deed" | "mail" | "hers" | "ring"))
                    {
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
            Stmt::Choice { keep, one, other, free } => {
                let (mut before, mut joined) = (env.clone(), None);
                let labels = [format!("O{own:03}1"), format!("O{own:03}2")];
                if *keep {
                    before.insert("p0".to_owned());
                }
                let options =
                    json!({&labels[0]: self.branch(one, &before, &mut joined), &labels[1]: self.branch(other, &before, &mut joined)});
                let mut step = json!({"prompt": "Which?", "options": options});
                if let Some(free) = free {
                    let mut env = env.clone();
                    env.insert("freeform".to_owned());
                    step["freeform"] = json!(true);
                    step["freeform_handler"] = self.branch(free, &env, &mut joined);
                }
                after = joined;
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
            Stmt::Verify { code, level, ttl, anybody, failed } => {
                let code = Self::value(code, env, &mut reads);
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
            Stmt::RunTo(outcome) => {
                json!({"run": {"journey": "gamma", "with": {"x": "fixed"}, "outcomes": {*outcome: "continue"}}})
            }
            Stmt::Run { ended, .. } => {
                if let Some(block) = ended {
                    self.branch(block, env, &mut None);
                }
                json!({"say": "Nothing to run."})
            }
            Stmt::Search(action, none) => {
                fact = Fact::Investigate(vec![action]);
                let before = env.clone();
                after.get_or_insert_default().insert("i0".to_owned());
                let fallback = self.branch(none, &before, &mut after);
                json!({"investigate": {"goal": "Look", "using": [format!("svc.{action}")], "as": "i0", "findings": {"found": "continue"}, "fallback": fallback}})
            }
            Stmt::Tries(field, spent) => {
                fact = Fact::Collect(vec![FIELDS[*field]]);
                let before = env.clone();
                after.get_or_insert_default().insert(FIELDS[*field].to_owned());
                let spent = self.branch(spent, &before, &mut after);
                json!({"collect": {"fields": [FIELDS[*field]], "retry": {"max": 1, "on_exhausted": spent}}})
            }
            Stmt::Changes(block) => {
                let before = env.clone();
                fact = Fact::Confirm { shows: BTreeSet::new(), only: None };
                let changed = self.branch(block, &before, &mut after);
                json!({"confirm": {"message": "Shall I?", "on_change": changed}})
            }
            Stmt::Pick(block) => {
                let before = env.clone();
                let mut joined = None;
                let picked = self.branch(block, &before, &mut joined);
                after = joined;
                json!({"choice": {"prompt": "Which?", "from": "[{'id': 'o-1', 'label': 'One'}]", "on_pick": picked}})
            }
            Stmt::Trouble(kind, block) => {
                let before = env.clone();
                let block = self.branch(block, &before, &mut after);
                fact = Fact::Call { reads, keeps: None };
                let mut step = json!({"call": "svc.look", "inputs": {"x": "fixed"}, "outcomes": {"done": "continue", "t0409": "continue"}});
                match *kind {
                    "exhausted" => step["retry"] = json!({"max": 1, "on_exhausted": block}),
                    kind => step["on_error"] = json!({kind: block}),
                }
                json!({"action": step})
            }
            Stmt::Oath(code) => {
                let x = Self::value(code, env, &mut reads);
                fact = Fact::Verify { reads, level: 1, ttl: 900, anybody: true };
                after.get_or_insert_default().insert("r0".to_owned());
                json!({"verify": {"call": "svc.peek", "inputs": {"x": x}, "as": "r0", "verified": ["done"], "subject": "response.body.who",
                    "max_tries": TRIES, "source": "any", "on_failed": [{"escalate": "support"}]}})
            }
            Stmt::Hum => json!({"say": "Hm."}),
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
                fact = Fact::Investigate(vec!["look", "peek"]);
                after.get_or_insert_default().insert("i0".to_owned());
                json!({"investigate": {"goal": "Look", "using": ["svc.look", "svc.peek"], "as": "i0", "findings": {"found": "continue"}, "fallback": "escalate"}})
            }
            Stmt::Guide(None) => json!({"guide": ["Do this.", "Do that."]}),
            Stmt::Guide(Some(stuck)) => {
                let before = env.clone();
                json!({"guide": {"steps": ["Do this.", "Do that."], "on_stuck": self.branch(stuck, &before, &mut after)}})
            }
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
            Stmt::Rest(n) => {
                let mut step = json!({"message": "Anything else?", "pause_for_resume": true});
                if let Some(target) = self.waits.iter().rev().filter(|w| **w < own).nth(*n) {
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
    let rules = plan.rules;
    let trigger = |name: &str| json!({"name": name, "trigger": {"goal": format!("do {name}"), "examples": [format!("do {name}")], "requires": ["tag"]}});
    let mut gamma = json!({"name": "gamma", "callable": true, "inputs": {"x": {"required": true}}});
    if rules.open {
        gamma = trigger("gamma");
        gamma["inputs"] = json!({"x": {"required": true, "from": "caller"}});
    }
    let mut journeys = vec![
        ("alpha", trigger("alpha"), plan.alpha.clone(), false),
        ("beta", trigger("beta"), plan.beta.clone(), false),
        ("gamma", gamma, plan.gamma.clone(), true),
    ];
    let mut settings = String::new();
    if rules.proves {
        let verify = Stmt::Verify { code: Value::Named("f2"), level: 2, ttl: 900, anybody: false, failed: vec![Stmt::Escalate] };
        journeys.push(("prove", json!({"name": "prove", "callable": true}), vec![Stmt::Collect(vec![2]), verify], false));
    }
    match (rules.proves, rules.switch) {
        (true, switch) => settings = format!("identity: {{journey: prove, allow_switch: {switch}}}"),
        (false, true) => "identity: {allow_switch: true}".clone_into(&mut settings),
        (false, false) => {}
    }
    let strict = SERVICE.replacen("outcomes: *ends}", "outcomes: *ends, safety: {requires_confirmation: true}}", 1);
    let without: String = SERVICE.split_inclusive('\n').filter(|line| !line.contains("name: Note")).collect();
    let (service, later) = match rules.newer {
        None | Some(Newer::Text) => (SERVICE, SERVICE),
        Some(Newer::Stricter) => (SERVICE, &*strict),
        Some(Newer::Looser) => (&*strict, SERVICE),
        Some(Newer::Gone) => (SERVICE, &*without),
    };
    let mut files: Files =
        vec![("integrations/svc.yaml".to_owned(), Arc::from(service)), ("datapoints/all.yaml".to_owned(), Arc::from(DATAPOINTS))];
    files.push(("waypost.yaml".to_owned(), settings.as_str().into()));
    files.extend(
        rules.policy.map(|p| ("policies/all.cedar".to_owned(), format!("permit(principal, action, resource);\n{}", POLICIES[p]).into())),
    );
    let mut facts = BTreeMap::new();
    for (name, head, block, called) in journeys {
        let (json, known) = Writer::journey(head, &block, called, plan.returns);
        let text = serde_json::to_string_pretty(&json).unwrap_or_default();
        files.push((format!("journeys/{name}.yaml"), text.into()));
        facts.insert(name.to_owned(), known);
    }
    let texts = |of: &str| -> BTreeSet<String> {
        let written = files.iter().filter_map(|(n, t)| Some((n.strip_prefix("journeys/")?.strip_suffix(".yaml")?, t)));
        written.filter(|(_, t)| t.contains(of)).map(|(n, _)| n.to_owned()).collect()
    };
    let mut renewed = match rules.newer {
        None => BTreeSet::new(),
        Some(Newer::Text) => BTreeSet::from(["alpha".to_owned()]),
        Some(Newer::Stricter | Newer::Looser | Newer::Gone) => texts("\"svc.note\""),
    };
    if renewed.contains("gamma") {
        renewed.extend(texts("\"gamma\""));
    }
    let newer = rules.newer.map(|how| {
        let mut files = files.clone();
        files[0].1 = later.into();
        for (name, text) in files.iter_mut().filter(|(n, _)| n.starts_with("journeys/")) {
            match how {
                Newer::Text if name == "journeys/alpha.yaml" => *text = text.replacen("do alpha", "do alpha now", 1).into(),
                Newer::Gone => *text = text.replace("\"svc.note\"", "\"svc.look\"").into(),
                Newer::Text | Newer::Stricter | Newer::Looser => {}
            }
        }
        files
    });
    Made { files, settings, facts, newer, renewed, rules }
}
