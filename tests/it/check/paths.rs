//! Small random journeys under supervision: what the checker proves against a walk through every state that a run can come to, with
//! all that people may do on the way. The walk knows nothing of the checker: it remembers each yes, what was assigned since and where
//! it was used, who is known, what a value was computed from, and what is hidden.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

use proptest::prelude::*;
use proptest::test_runner::{RngSeed, TestCaseError, TestRunner};
use waypost::check::load;

/// The first three are asked for, the last of them hidden; the fourth is computed.
const VARIABLES: [&str; 4] = ["apple", "berry", "code", "plum"];
const CODE: usize = 2;
const PLUM: usize = 3;
const STEPS: usize = 24;

const POST: &str = "name: Post
type: rest_api
config: {base_url: 'https://post.example'}
actions:
  - {name: Pay, type: write, invocation: {method: POST, endpoint: /pay}, input_schema: {x: {type: string}}, settings: {idempotency: key},
     safety: {requires_confirmation: true, redact_fields: [inputs.x]}}
  - {name: Ship, type: write, invocation: {method: POST, endpoint: /ship}, input_schema: {x: {type: string}}, settings: {idempotency: key},
     safety: {requires_confirmation: true, redact_fields: [inputs.x]}}
  - {name: Tell, type: read, invocation: {method: POST, endpoint: /tell}, input_schema: {x: {type: string}}}
  - {name: Open, type: read, invocation: {method: GET, endpoint: /open}, safety: {requires_identity_verification: true}}
  - {name: Check, type: read, invocation: {method: POST, endpoint: /check}, outcomes: [{name: ok, condition: response.status == 200}]}
";
const DATAPOINTS: &str = "- {name: Apple, type: string}\n- {name: Berry, type: string}\n- {name: Code, type: string, sensitive: true}\n";

type Block = Vec<Stmt>;

#[derive(Debug, Clone)]
enum Stmt {
    Collect(usize),
    Set,
    /// What it shows, whether it is for paying alone, where a no and a change lead.
    Confirm(u8, bool, Option<Block>, Option<Block>),
    /// One of the two that need a yes, what it sends, where an error leads.
    Act(usize, usize, Option<Block>),
    Tell(usize),
    Say(usize),
    Open,
    Verify(bool, Block),
    Choice(Vec<Block>),
    If(Block, Block),
    Goto(usize),
    Done,
}

fn block(depth: u32) -> impl Strategy<Value = Block> {
    let shown = || prop::sample::select(vec![0b1011_u8, 0b0011, 0b1001, 0b0001, 0b0010, 0b1000, 0]);
    let sent = || prop::sample::select(vec![0_usize, 0, 1, PLUM]);
    let leaf = prop_oneof![
        3 => (0..3_usize).prop_map(Stmt::Collect),
        2 => Just(Stmt::Set),
        5 => (shown(), prop::bool::weighted(0.2)).prop_map(|(shown, only)| Stmt::Confirm(shown, only, None, None)),
        5 => (0..2_usize, sent()).prop_map(|(action, x)| Stmt::Act(action, x, None)),
        1 => (0..VARIABLES.len()).prop_map(Stmt::Tell),
        1 => (0..VARIABLES.len()).prop_map(Stmt::Say),
        1 => Just(Stmt::Open),
        1 => Just(Stmt::Choice(vec![Vec::new(), Vec::new()])),
        2 => (0_usize..64).prop_map(Stmt::Goto),
        1 => Just(Stmt::Done),
    ];
    let stmt = leaf.prop_recursive(depth, 12, 3, move |inner| {
        let list = || prop::collection::vec(inner.clone(), 0..3);
        prop_oneof![
            prop::collection::vec(list(), 2..3).prop_map(Stmt::Choice),
            (list(), list()).prop_map(|(a, b)| Stmt::If(a, b)),
            (shown(), prop::option::of(list()), prop::option::of(list())).prop_map(|(s, no, change)| Stmt::Confirm(s, false, no, change)),
            (0..2_usize, sent(), list()).prop_map(|(action, x, error)| Stmt::Act(action, x, Some(error))),
            (any::<bool>(), list()).prop_map(|(anybody, failed)| Stmt::Verify(anybody, failed)),
        ]
    });
    prop::collection::vec(stmt, 1..6)
}

/// On what a step is left.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Way {
    Plain,
    Yes,
    No,
    Change,
    Error,
    Verified,
    Goto,
}

/// The journey flat: each step with its ways on; past the last, the end.
#[derive(Default)]
struct Flat {
    steps: Vec<(Stmt, Vec<(Way, usize)>)>,
    text: String,
}

impl Flat {
    fn of(block: &[Stmt], from: Option<usize>) -> Self {
        let mut flat = Self::default();
        flat.text.push_str("name: Random\ncallable: true\njourney:\n");
        let total = size(block);
        flat.block(block, total, 2, total, from);
        flat
    }

    fn block(&mut self, block: &[Stmt], after: usize, indent: usize, total: usize, from: Option<usize>) -> usize {
        let first = self.steps.len();
        let mut own = first;
        for (i, stmt) in block.iter().enumerate() {
            let next = if i + 1 < block.len() { own + size(std::slice::from_ref(stmt)) } else { after };
            self.step(stmt, next, indent, total, from);
            own = next;
        }
        if block.is_empty() { after } else { first }
    }

    fn branch(&mut self, key: &str, block: &[Stmt], next: usize, indent: usize, total: usize, from: Option<usize>) -> usize {
        let pad = " ".repeat(indent);
        let _ = write!(self.text, "{pad}{key}: ");
        self.text.push_str(if block.is_empty() { "continue\n" } else { "\n" });
        self.block(block, next, indent + 2, total, from)
    }

    fn step(&mut self, stmt: &Stmt, next: usize, indent: usize, total: usize, from: Option<usize>) {
        let own = self.steps.len();
        self.steps.push((stmt.clone(), Vec::new()));
        let pad = " ".repeat(indent);
        let _ = writeln!(self.text, "{pad}- name: s{own}");
        let mut line = |text: String| {
            let _ = writeln!(self.text, "{pad}  {text}");
        };
        let plain = vec![(Way::Plain, next)];
        let ways = match stmt {
            Stmt::Collect(v) => {
                line(format!("collect: [{}]", VARIABLES[*v]));
                plain
            }
            Stmt::Set => {
                line(format!("set: {{plum: {}}}", from.map_or("1".to_owned(), |v| format!("$variables.{}", VARIABLES[v]))));
                plain
            }
            Stmt::Confirm(shown, only, no, change) => {
                let names: Vec<&str> = (0..4).filter(|v| shown >> v & 1 == 1).map(|v| VARIABLES[v]).collect();
                line(format!("confirm:\n{pad}    message: Sure?"));
                if !names.is_empty() {
                    line(format!("  fields: [{}]", names.join(", ")));
                }
                if *only {
                    line("  for: [post.pay]".to_owned());
                }
                let mut ways = vec![(Way::Yes, next)];
                if let Some(no) = no {
                    ways.push((Way::No, self.branch("on_reject", no, next, indent + 4, total, from)));
                }
                if let Some(change) = change {
                    ways.push((Way::Change, self.branch("on_change", change, next, indent + 4, total, from)));
                }
                ways
            }
            Stmt::Act(action, x, error) => {
                line(format!("action: {{call: post.{}, inputs: {{x: $variables.{}}}}}", ["pay", "ship"][*action], VARIABLES[*x]));
                let mut ways = plain;
                if let Some(error) = error {
                    let _ = writeln!(self.text, "{pad}  on_error:");
                    ways.push((Way::Error, self.branch("default", error, next, indent + 4, total, from)));
                }
                ways
            }
            Stmt::Tell(x) => {
                line(format!("action: {{call: post.tell, inputs: {{x: $variables.{}}}}}", VARIABLES[*x]));
                plain
            }
            Stmt::Say(v) => {
                line(format!("say: \"Well {{% if variables.{0} %}}{{{{ variables.{0} }}}}{{% endif %}}\"", VARIABLES[*v]));
                plain
            }
            Stmt::Open => {
                line("action: post.open".to_owned());
                plain
            }
            Stmt::Verify(anybody, failed) => {
                line(format!("verify:\n{pad}    call: post.check\n{pad}    verified: [ok]\n{pad}    subject: response.body.who"));
                if *anybody {
                    line("  source: any".to_owned());
                }
                vec![(Way::Verified, next), (Way::Plain, self.branch("on_failed", failed, next, indent + 4, total, from))]
            }
            Stmt::Choice(options) => {
                line(format!("choice:\n{pad}    options:"));
                let options = options.iter().enumerate();
                options.map(|(i, o)| (Way::Plain, self.branch(&format!("Option {i}"), o, next, indent + 6, total, from))).collect()
            }
            Stmt::If(a, b) => {
                line("if: $user.user_id == null".to_owned());
                vec![
                    (Way::Plain, self.branch("then", a, next, indent + 2, total, from)),
                    (Way::Plain, self.branch("else", b, next, indent + 2, total, from)),
                ]
            }
            Stmt::Goto(target) => {
                line(format!("goto: s{}", target % total));
                vec![(Way::Goto, target % total)]
            }
            Stmt::Done => {
                line("done: Over.".to_owned());
                Vec::new()
            }
        };
        self.steps[own].1 = ways;
    }
}

fn size(block: &[Stmt]) -> usize {
    let of = |stmt: &Stmt| {
        1 + match stmt {
            Stmt::Confirm(_, _, no, change) => no.iter().chain(change).map(|b| size(b)).sum(),
            Stmt::Act(_, _, error) => error.iter().map(|b| size(b)).sum(),
            Stmt::Verify(_, failed) => size(failed),
            Stmt::Choice(options) => options.iter().map(|o| size(o)).sum(),
            Stmt::If(a, b) => size(a) + size(b),
            _ => 0,
        }
    };
    block.iter().map(of).sum()
}

/// A yes: which confirm's, what was assigned since, at which steps it was used.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Yes {
    confirm: usize,
    assigned: u8,
    used: u32,
}

/// What is known of a run.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
struct Run {
    set: u8,
    /// Which collect asked last for each field, in order, and whether plum was assigned since.
    asked: Vec<(usize, usize)>,
    since: u8,
    yeses: Vec<Yes>,
    /// The confirms that were ever said yes to.
    said: u32,
    known: bool,
    /// Whether what plum was computed from was assigned since, and whether that was hidden.
    old: bool,
    hidden: bool,
    /// Whether anything was corrected: what one yes reaches then is not followed by the checker.
    corrected: bool,
}

impl Run {
    fn assign(&mut self, v: usize, from: Option<usize>) {
        self.set |= 1 << v;
        self.touch(v, from);
    }

    fn touch(&mut self, v: usize, from: Option<usize>) {
        self.yeses.iter_mut().for_each(|y| y.assigned |= 1 << v);
        self.old |= from == Some(v) && self.set >> PLUM & 1 == 1;
    }

    fn unset(&mut self, v: usize, from: Option<usize>) {
        if self.set >> v & 1 == 1 {
            self.set &= !(1 << v);
            self.touch(v, from);
            self.old &= v != PLUM;
        }
    }

    fn compute(&mut self, from: Option<usize>) {
        self.assign(PLUM, None);
        self.since = 0b111;
        self.old = false;
        self.hidden = from == Some(CODE);
    }

    fn ask(&mut self, v: usize, at: usize) {
        self.asked.retain(|(asked, _)| *asked != v);
        self.asked.push((v, at));
        self.since &= !(1 << v);
    }

    fn hides(&self, v: usize) -> bool {
        self.set >> v & 1 == 1 && (v == CODE || v == PLUM && self.hidden)
    }

    /// What people may do while the run waits at a place.
    fn meanwhile(&self, at: usize, fields: u8, from: Option<usize>) -> Vec<(usize, Self)> {
        let mut found = Vec::new();
        for v in (0..3).filter(|v| fields >> v & 1 == 1) {
            let asked = self.asked.iter().position(|(asked, _)| *asked == v).filter(|_| self.set >> v & 1 == 1);
            let mut then = self.clone();
            then.assign(v, from);
            match asked {
                None => found.push((at, then)),
                Some(i) => {
                    if self.since >> v & 1 == 1 {
                        then.unset(PLUM, from);
                    }
                    then.asked.truncate(i + 1);
                    then.corrected = true;
                    found.push((self.asked[i].1, then));
                }
            }
        }
        found
    }
}

/// What the walk finds, which goes on behind it, so that one mistake does not hide another: by code, the steps where it happens.
type Found = BTreeMap<&'static str, BTreeSet<usize>>;

struct Walk<'a> {
    flat: &'a Flat,
    /// What plum is computed from, and which fields are asked for somewhere.
    from: Option<usize>,
    fields: u8,
    found: Found,
    /// The confirms whose yes each action was sent on.
    sent: BTreeSet<(usize, usize)>,
}

impl Walk<'_> {
    fn note(&mut self, code: &'static str, at: usize) {
        self.found.entry(code).or_default().insert(at);
    }

    /// Whether a confirm shows what an action at that step sends, and is for it.
    fn covers(&self, confirm: usize, action: usize, x: usize) -> bool {
        let Stmt::Confirm(shown, only, ..) = &self.flat.steps[confirm].0 else { return false };
        let is_shown = |v: usize| shown >> v & 1 == 1;
        let computed = x == PLUM && self.from.is_none_or(is_shown);
        (!only || action == 0) && (is_shown(x) || computed)
    }

    /// The yeses that an action may be sent on.
    fn live(&self, run: &Run, at: usize, action: usize, x: usize) -> Vec<usize> {
        let counts = |y: &&Yes| {
            let Stmt::Confirm(shown, ..) = &self.flat.steps[y.confirm].0 else { return false };
            self.covers(y.confirm, action, x) && y.assigned & (shown | 1 << x) == 0 && y.used >> at & 1 == 0
        };
        run.yeses.iter().filter(counts).map(|y| y.confirm).collect()
    }

    fn all(&mut self) -> bool {
        let (mut seen, mut open) = (BTreeSet::new(), vec![(0, Run::default())]);
        while let Some((at, run)) = open.pop() {
            if at >= self.flat.steps.len() || !seen.insert((at, run.clone())) {
                continue;
            }
            if seen.len() > 8_000 {
                return false;
            }
            self.step(at, run, &mut open);
        }
        true
    }

    fn step(&mut self, at: usize, mut run: Run, open: &mut Vec<(usize, Run)>) {
        let flat = self.flat;
        let (stmt, ways) = &flat.steps[at];
        match stmt {
            Stmt::Collect(v) => {
                run.ask(*v, at);
                if run.set >> v & 1 == 0 {
                    open.extend(run.meanwhile(at, self.fields & !(1 << v), self.from));
                    run.assign(*v, self.from);
                }
            }
            Stmt::Set => run.compute(self.from),
            Stmt::Choice(_) => open.extend(run.meanwhile(at, self.fields, self.from)),
            Stmt::Confirm(shown, ..) => {
                if (0..4).any(|v| shown >> v & 1 == 1 && run.hides(v)) {
                    self.note("WP0601", at);
                }
                run.yeses.retain(|y| y.confirm != at);
                open.extend(run.meanwhile(at, self.fields, self.from));
            }
            Stmt::Say(v) if run.hides(*v) => self.note("WP0601", at),
            Stmt::Tell(x) => {
                if run.hides(*x) {
                    self.note("WP0602", at);
                }
                if *x == PLUM && run.old {
                    self.note("WP0506", at);
                }
            }
            Stmt::Act(action, x, _) => {
                let live = self.live(&run, at, *action, *x);
                if !run.corrected {
                    self.sent.extend(live.iter().map(|c| (*c, *action)));
                }
                if *x == PLUM && run.old {
                    self.note("WP0506", at);
                }
                if live.is_empty() {
                    let asked = (0..flat.steps.len()).any(|c| run.said >> c & 1 == 1 && self.covers(c, *action, *x));
                    self.note(if asked { "WP0502" } else { "WP0501" }, at);
                }
                run.yeses.iter_mut().for_each(|y| y.used |= 1 << at);
            }
            Stmt::Open if !run.known => self.note("WP0503", at),
            Stmt::Verify(true, _) => self.note("WP0509", at),
            _ => {}
        }
        for (way, to) in ways {
            let mut then = run.clone();
            match way {
                Way::Yes => {
                    then.yeses.push(Yes { confirm: at, assigned: 0, used: 0 });
                    then.yeses.sort();
                    then.said |= 1 << at;
                }
                Way::No => then.yeses.clear(),
                Way::Verified => then.known = true,
                Way::Goto => {
                    if let Stmt::Collect(v) = &flat.steps[*to].0 {
                        then.unset(*v, self.from);
                        if let Some(i) = then.asked.iter().position(|a| a == &(*v, *to)) {
                            then.asked.truncate(i + 1);
                        }
                    }
                }
                Way::Change => {
                    // What is changed on the way is as if it were corrected, but for where the run goes then.
                    open.extend(run.meanwhile(at, self.fields, self.from).into_iter().map(|(_, then)| (*to, then)));
                }
                Way::Plain | Way::Error => {}
            }
            open.push((*to, then));
        }
    }
}

const PROVED: [&str; 7] = ["WP0501", "WP0502", "WP0503", "WP0506", "WP0509", "WP0601", "WP0602"];

fn agree(block: &[Stmt], from: Option<usize>, counts: &mut BTreeMap<&'static str, u32>) -> Result<(), TestCaseError> {
    let first: Vec<Stmt> = [Stmt::Collect(0), Stmt::Collect(1)]
        .into_iter()
        .chain((from == Some(CODE)).then_some(Stmt::Collect(CODE)))
        .chain([Stmt::Set])
        .collect();
    let block = [first, block.to_vec()].concat();
    prop_assume!(size(&block) <= STEPS);
    let flat = Flat::of(&block, from);
    let asked = |s: &(Stmt, _)| if let Stmt::Collect(v) = s.0 { 1 << v } else { 0 };
    let fields = flat.steps.iter().map(asked).fold(0, |a, b| a | b);
    let mut walk = Walk { flat: &flat, from, fields, found: Found::new(), sent: BTreeSet::new() };
    prop_assume!(walk.all());

    let files = [("journeys/random.yaml", flat.text.as_str()), ("datapoints/all.yaml", DATAPOINTS), ("integrations/post.yaml", POST)];
    let checked = load(files.into_iter().map(|(n, t)| (n.to_owned(), Arc::from(t))).collect());
    let lines: Vec<&str> = flat.text.lines().collect();
    let mut told = Found::new();
    for d in &checked.diagnostics.0 {
        let line = checked.workspace.sources.position(d.span.file, d.span.start).line as usize;
        let name = lines[..line.min(lines.len())].iter().rev().find_map(|l| l.trim().strip_prefix("- name: s"));
        let code = PROVED.into_iter().chain(["WP0504", "WP0507"]).find(|c| *c == d.code.as_str());
        match (code, name.and_then(|n| n.parse().ok())) {
            (Some(code), Some(step)) => {
                prop_assert!(!d.path.is_empty(), "{code} without a way\n{}", flat.text);
                told.entry(code).or_default().insert(step);
            }
            _ => prop_assert!(d.code.as_str() < "WP0500" && d.code.as_str() >= "WP0300", "{d:?}\n{}", flat.text),
        }
    }
    let of = |codes: &[&str], all: &Found| -> BTreeSet<usize> { codes.iter().filter_map(|c| all.get(c)).flatten().copied().collect() };
    // Without a yes on some way, whether there ever was one or not; and where nobody can say yes to it at all.
    let alike: [&[&str]; 7] =
        [&["WP0501", "WP0502", "WP0504"], &["WP0501"], &["WP0503"], &["WP0506"], &["WP0509"], &["WP0601"], &["WP0602"]];
    // What is left of what was asked for, when something is changed at a confirm, the checker takes for less than it is.
    let exact = !flat.steps.iter().any(|(stmt, _)| matches!(stmt, Stmt::Confirm(.., Some(_))));
    for codes in alike {
        let (walked, told_of) = (of(codes, &walk.found), of(codes, &told));
        let unshown = of(&["WP0504"], &told);
        let missed = walked.difference(&told_of).find(|s| !unshown.contains(s));
        prop_assert!(missed.is_none(), "{codes:?} at {missed:?} not found\n{}\n{:?}\n{told:?}", flat.text, walk.found);
        let more = told_of.difference(&walked).find(|s| exact && !unshown.contains(s));
        prop_assert!(more.is_none(), "{codes:?} at {more:?} found for nothing\n{}\n{:?}\n{told:?}", flat.text, walk.found);
    }
    for code in PROVED {
        *counts.entry(code).or_default() += u32::from(walk.found.contains_key(code));
    }
    for (n, (stmt, _)) in flat.steps.iter().enumerate().filter(|(n, (s, _))| matches!(s, Stmt::Confirm(_, false, ..)) && *n < 32) {
        let both = (0..2).all(|action| walk.sent.contains(&(n, action)));
        prop_assert!(!both || of(&["WP0507"], &told).contains(&n), "{stmt:?} at s{n} reaches two\n{}", flat.text);
    }
    Ok(())
}

#[test]
fn proofs_agree_with_a_walk_through_every_state() {
    let mut config = ProptestConfig { max_global_rejects: 65_536, failure_persistence: None, ..ProptestConfig::default() };
    if matches!(config.rng_seed, RngSeed::Random) {
        config.rng_seed = RngSeed::Fixed(5);
    }
    let counts = std::cell::RefCell::new(BTreeMap::new());
    let from = prop::sample::select(vec![None, Some(0), Some(0), Some(1), Some(CODE)]);
    let result = TestRunner::new(config).run(&(block(2), from), |(block, from)| agree(&block, from, &mut counts.borrow_mut()));
    println!("{:?}", counts.borrow());
    if let Err(why) = result {
        panic!("{why}");
    }
    for code in PROVED {
        assert!(counts.borrow().get(code).is_some_and(|n| *n > 0), "{code} never comes up");
    }
}
