//! Small random journeys under supervision: what the checker proves against a walk through every state that a run can come to, with
//! all that people may do on the way. The walk knows nothing of the checker: it remembers each yes, what was assigned since and where
//! it was used, who is known, what a value was computed from, and what is hidden.

mod walk;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

use proptest::prelude::*;
use proptest::test_runner::{RngSeed, TestCaseError, TestRunner};
use waypost::check::load;

use walk::{Found, Walk};

/// The first three are asked for, the last of them hidden; the fourth is computed, and of the fifth a part is hidden.
const VARIABLES: [&str; 5] = ["apple", "berry", "code", "plum", "token"];
const APPLE: usize = 0;
const BERRY: usize = 1;
const CODE: usize = 2;
const PLUM: usize = 3;
const TOKEN: usize = 4;
const STEPS: usize = 24;
/// Where a journey goes that cannot go on.
const FALLBACK: usize = STEPS + 1;

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
  - {name: Fetch, type: read, invocation: {method: GET, endpoint: /tokens}, safety: {redact_fields: [response.secret]}}
  - {name: Check, type: read, invocation: {method: POST, endpoint: /check}, outcomes: [{name: ok, condition: response.status == 200}]}
";
const DATAPOINTS: &str = "- {name: Apple, type: string}\n- {name: Berry, type: string}\n- {name: Code, type: string, sensitive: true}\n";

/// What other journeys run.
const INNER: &str = "name: Inner\ncallable: true\njourney:\n  - confirm: {message: Inner?}\n";

type Block = Vec<Stmt>;

#[derive(Debug, Clone)]
enum Stmt {
    /// What it asks for, and where it gives up.
    Collect(usize, Option<Block>),
    /// The first field or the second.
    AnyOf(Block, Block),
    Set,
    /// What it shows, whether it is for paying alone, where a no and a change lead.
    Confirm(u8, bool, Option<Block>, Option<Block>),
    /// One of the two that need a yes, what it sends, where an error leads, and whether only after it was tried again.
    Act(usize, usize, Option<(bool, Block)>),
    Tell(usize),
    Say(usize),
    Open,
    Fetch,
    /// Whether what is hidden is what was said.
    Probe(Block, Block),
    /// Another journey, and where a no in it leads.
    Run(Option<Block>),
    Pause(usize),
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
        3 => (0..3_usize).prop_map(|v| Stmt::Collect(v, None)),
        2 => Just(Stmt::Set),
        5 => (shown(), prop::bool::weighted(0.2)).prop_map(|(shown, only)| Stmt::Confirm(shown, only, None, None)),
        5 => (0..2_usize, sent()).prop_map(|(action, x)| Stmt::Act(action, x, None)),
        1 => (0..VARIABLES.len()).prop_map(Stmt::Tell),
        1 => (0..VARIABLES.len()).prop_map(Stmt::Say),
        1 => Just(Stmt::Open),
        1 => Just(Stmt::Choice(vec![Vec::new(), Vec::new()])),
        1 => prop_oneof![Just(Stmt::Fetch), Just(Stmt::Run(None)), (0_usize..64).prop_map(Stmt::Pause)],
        2 => (0_usize..64).prop_map(Stmt::Goto),
        1 => Just(Stmt::Done),
    ];
    let stmt = leaf.prop_recursive(depth, 12, 3, move |inner| {
        let list = || prop::collection::vec(inner.clone(), 0..3);
        prop_oneof![
            prop::collection::vec(list(), 2..3).prop_map(Stmt::Choice),
            (list(), list()).prop_map(|(a, b)| Stmt::If(a, b)),
            (shown(), prop::option::of(list()), prop::option::of(list())).prop_map(|(s, no, change)| Stmt::Confirm(s, false, no, change)),
            (0..2_usize, sent(), any::<bool>(), list()).prop_map(|(action, x, again, error)| Stmt::Act(action, x, Some((again, error)))),
            (0..3_usize, list()).prop_map(|(v, spent)| Stmt::Collect(v, Some(spent))),
            (list(), list()).prop_map(|(a, b)| Stmt::AnyOf(a, b)),
            (list(), list()).prop_map(|(a, b)| Stmt::Probe(a, b)),
            list().prop_map(|no| Stmt::Run(Some(no))),
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
    Spent,
    First,
    Second,
    Declined,
    Pause,
}

/// The journey flat: each step with its ways on; past the last, the end.
#[derive(Default)]
struct Flat {
    steps: Vec<(Stmt, Vec<(Way, usize)>)>,
    text: String,
}

impl Flat {
    fn of(block: &[Stmt], from: Option<usize>, tells: Option<usize>) -> Self {
        let mut flat = Self::default();
        flat.text.push_str("name: Random\ncallable: true\n");
        if let Some(v) = tells {
            let _ = writeln!(
                flat.text,
                "fallback: {{to: care, message: \"Sorry{{% if variables.{0} %}}{{{{ variables.{0} }}}}{{% endif %}}\"}}",
                VARIABLES[v]
            );
        }
        flat.text.push_str("journey:\n");
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
            Stmt::Collect(v, None) => {
                line(format!("collect: [{}]", VARIABLES[*v]));
                plain
            }
            Stmt::Collect(v, Some(spent)) => {
                line(format!("collect:\n{pad}    fields: [{}]\n{pad}    retry:\n{pad}      max: 1", VARIABLES[*v]));
                vec![(Way::Plain, next), (Way::Spent, self.branch("on_exhausted", spent, next, indent + 6, total, from))]
            }
            Stmt::AnyOf(a, b) => {
                line(format!("collect:\n{pad}    any_of:\n{pad}      - fields: [apple]"));
                let first = self.branch("then", a, next, indent + 8, total, from);
                let _ = writeln!(self.text, "{pad}      - fields: [berry]");
                vec![(Way::First, first), (Way::Second, self.branch("then", b, next, indent + 8, total, from))]
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
                if let Some((again, error)) = error {
                    let (key, nested) = if *again { ("retry", "on_exhausted") } else { ("on_error", "default") };
                    let _ = writeln!(self.text, "{pad}  {key}:");
                    if *again {
                        let _ = writeln!(self.text, "{pad}    max: 1");
                    }
                    ways.push((Way::Error, self.branch(nested, error, next, indent + 4, total, from)));
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
            Stmt::Fetch => {
                line("action: post.fetch -> token".to_owned());
                plain
            }
            Stmt::Probe(a, b) => {
                line("if: $variables.token.secret == $variables.apple".to_owned());
                vec![
                    (Way::Plain, self.branch("then", a, next, indent + 2, total, from)),
                    (Way::Plain, self.branch("else", b, next, indent + 2, total, from)),
                ]
            }
            Stmt::Run(no) => {
                line("run: inner".to_owned());
                let mut ways = plain;
                if let Some(no) = no {
                    line("outcomes:".to_owned());
                    ways.push((Way::Declined, self.branch("declined", no, next, indent + 4, total, from)));
                }
                ways
            }
            Stmt::Pause(target) => {
                line(format!("done: {{message: Well?, pause_for_resume: true, resume: {{goto: s{}}}}}", target % total));
                vec![(Way::Pause, target % total)]
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
            Stmt::Act(_, _, error) => error.iter().map(|(_, b)| size(b)).sum(),
            Stmt::Collect(_, spent) => spent.iter().map(|b| size(b)).sum(),
            Stmt::Run(no) => no.iter().map(|b| size(b)).sum(),
            Stmt::Verify(_, failed) => size(failed),
            Stmt::Choice(options) => options.iter().map(|o| size(o)).sum(),
            Stmt::If(a, b) | Stmt::AnyOf(a, b) | Stmt::Probe(a, b) => size(a) + size(b),
            _ => 0,
        }
    };
    block.iter().map(of).sum()
}

const PROVED: [&str; 9] = ["WP0501", "WP0502", "WP0503", "WP0504", "WP0506", "WP0509", "WP0601", "WP0602", "WP0603"];

/// The fields that a step asks for.
fn asks(stmt: &Stmt) -> u8 {
    match stmt {
        Stmt::Collect(v, _) => 1 << v,
        Stmt::AnyOf(..) => 1 << APPLE | 1 << BERRY,
        _ => 0,
    }
}

/// What the walk says of a journey; `None` if it is too large for that. Where nothing shows what is sent, and which of these are only
/// because of a correction, it tells apart.
fn walked(flat: &Flat, from: Option<usize>, tells: Option<usize>, loose: bool) -> Option<(Walk<'_>, BTreeSet<usize>)> {
    let fields = flat.steps.iter().map(|(stmt, _)| asks(stmt)).fold(0, |a, b| a | b);
    let walk =
        |unshown| Walk { flat, from, fields, tells, found: Found::new(), sent: BTreeSet::new(), before: BTreeMap::new(), unshown, loose };
    let mut first = walk(BTreeSet::new());
    if !first.all() {
        return None;
    }
    let (mut unshown, mut perhaps) = (BTreeSet::new(), BTreeSet::new());
    for (at, (before, forward)) in &first.before {
        let Stmt::Act(action, x, _) = &flat.steps[*at].0 else { continue };
        let of = |confirms: u32| (0..32).filter(|c| confirms >> c & 1 == 1 && first.is_for(*c, *action)).collect::<Vec<_>>();
        let lacks = |confirms: &[usize]| !confirms.is_empty() && !confirms.iter().any(|c| first.shows(*c, *x));
        let (before, forward) = (of(*before), of(*forward));
        if lacks(&forward) {
            unshown.insert(*at);
        }
        if lacks(&before) != lacks(&forward) {
            perhaps.insert(*at);
        }
    }
    let mut walk = walk(unshown.clone());
    for at in unshown {
        walk.note("WP0504", at);
    }
    walk.all().then_some((walk, perhaps))
}

/// What was tried, walked through, and of that such that the checker says exactly what the walk finds; and what was found.
#[derive(Debug, Default)]
struct Counts {
    tried: u32,
    walked: u32,
    exact: u32,
    found: BTreeMap<&'static str, u32>,
}

/// Where the checker may say more than a run can come to, beside what a loose walk finds: it follows one yes for each call, so that what
/// ends one of two that show different things ends both; and where a field is asked for twice, by a `goto` or after a pause too, or
/// something is changed at a confirm, it does not tell which collect asked last.
fn is_exact(flat: &Flat) -> bool {
    let kinds =
        flat.steps.iter().filter_map(|(stmt, _)| if let Stmt::Confirm(shown, only, ..) = stmt { Some((*shown, *only)) } else { None });
    let changes = flat.steps.iter().any(|(stmt, _)| matches!(stmt, Stmt::Confirm(.., Some(_))));
    let asked: Vec<u8> = flat.steps.iter().map(|(stmt, _)| asks(stmt)).collect();
    let twice = (0..3).any(|v| asked.iter().filter(|a| *a >> v & 1 == 1).count() > 1);
    let back = flat
        .steps
        .iter()
        .flat_map(|(_, ways)| ways)
        .any(|(way, to)| matches!(way, Way::Goto | Way::Pause) && asked.get(*to).is_some_and(|a| *a != 0));
    kinds.collect::<BTreeSet<_>>().len() < 2 && !changes && !twice && !back
}

fn agree(block: &[Stmt], from: Option<usize>, tells: Option<usize>, counts: &mut Counts) -> Result<(), TestCaseError> {
    let first: Vec<Stmt> = [Stmt::Collect(APPLE, None), Stmt::Collect(BERRY, None)]
        .into_iter()
        .chain((from == Some(CODE)).then_some(Stmt::Collect(CODE, None)))
        .chain([Stmt::Set])
        .collect();
    let block = [first, block.to_vec()].concat();
    prop_assume!(size(&block) <= STEPS);
    let flat = Flat::of(&block, from, tells);
    counts.tried += 1;
    let walks = || Some((walked(&flat, from, tells, false)?, walked(&flat, from, tells, true)?));
    let Some(((walk, _), (loose, perhaps))) = walks() else { return Err(TestCaseError::reject("too many states")) };
    counts.walked += 1;

    let files = [
        ("journeys/random.yaml", flat.text.as_str()),
        ("journeys/inner.yaml", INNER),
        ("datapoints/all.yaml", DATAPOINTS),
        ("integrations/post.yaml", POST),
        ("waypost.yaml", "queues: {default: care}\n"),
    ];
    let checked = load(files.into_iter().map(|(n, t)| (n.to_owned(), Arc::from(t))).collect());
    let lines: Vec<&str> = flat.text.lines().collect();
    let mut told = Found::new();
    for d in &checked.diagnostics.0 {
        let line = checked.workspace.sources.position(d.span.file, d.span.start).line as usize;
        let name = lines[..line.min(lines.len())].iter().rev().find_map(|l| l.trim().strip_prefix("- name: s"));
        let code = PROVED.into_iter().chain(["WP0507"]).find(|c| *c == d.code.as_str());
        match code {
            Some(code) => {
                prop_assert!(!d.path.is_empty(), "{code} without a way\n{}", flat.text);
                told.entry(code).or_default().insert(name.and_then(|n| n.parse().ok()).unwrap_or(FALLBACK));
            }
            None => prop_assert!(d.code.as_str() < "WP0500" && d.code.as_str() >= "WP0300", "{d:?}\n{}", flat.text),
        }
    }
    let of =
        |codes: &[&str], found: &Found| codes.iter().flat_map(|c| found.get(c).into_iter().flatten().copied()).collect::<BTreeSet<_>>();
    // Which of these is told where several are true is a matter of words.
    let gates: &[&str] = &["WP0501", "WP0502", "WP0504"];
    let alike: [&[&str]; 7] = [gates, &["WP0503"], &["WP0506"], &["WP0509"], &["WP0601"], &["WP0602"], &["WP0603"]];
    for codes in alike {
        let (walked, told_of) = (of(codes, &walk.found), of(codes, &told));
        let missed = walked.difference(&told_of).next();
        prop_assert!(missed.is_none(), "{codes:?} at {missed:?} not found\n{}\n{:?}\n{told:?}", flat.text, walk.found);
    }
    let exact = is_exact(&flat);
    counts.exact += u32::from(exact);
    let apart: [&[&str]; 2] = [&["WP0501", "WP0502"], &["WP0504"]];
    for codes in apart.into_iter().chain(alike.into_iter().skip(1)).filter(|_| exact) {
        let (at_most, told_of) = (of(codes, &loose.found), of(codes, &told));
        let more = told_of.difference(&at_most).find(|s| !(codes[0] < "WP0505" && codes[0] != "WP0503" && perhaps.contains(s)));
        prop_assert!(more.is_none(), "{codes:?} at {more:?} found for nothing\n{}\n{:?}\n{told:?}", flat.text, walk.found);
    }
    for code in PROVED {
        *counts.found.entry(code).or_default() += u32::from(walk.found.contains_key(code));
    }
    for (n, (stmt, _)) in flat.steps.iter().enumerate().filter(|(_, (s, _))| matches!(s, Stmt::Confirm(_, false, ..))) {
        let both = (0..2).all(|action| walk.sent.contains(&(n, action)));
        prop_assert!(!both || of(&["WP0507"], &told).contains(&n), "{stmt:?} at s{n} reaches two\n{}", flat.text);
    }
    Ok(())
}

/// `PROPTEST_CASES` sets how many journeys are tried, `PROPTEST_RNG_SEED` which; without that they are others each time.
#[test]
fn proofs_agree_with_a_walk_through_every_state() {
    let mut config = ProptestConfig { max_global_rejects: 65_536, failure_persistence: None, ..ProptestConfig::default() };
    let seed = match config.rng_seed {
        RngSeed::Fixed(seed) => seed,
        RngSeed::Random => u64::from(std::process::id()),
    };
    println!("seed {seed}");
    config.rng_seed = RngSeed::Fixed(seed);
    let counts = std::cell::RefCell::new(Counts::default());
    let from = prop::sample::select(vec![None, Some(APPLE), Some(APPLE), Some(BERRY), Some(CODE)]);
    let tells = prop::sample::select(vec![None, Some(CODE), Some(PLUM), Some(TOKEN)]);
    let journeys = (block(2), from, tells);
    let result = TestRunner::new(config).run(&journeys, |(block, from, tells)| agree(&block, from, tells, &mut counts.borrow_mut()));
    println!("{:?}", counts.borrow());
    if let Err(why) = result {
        panic!("seed {seed}: {why}");
    }
    // A branch that can be probed is rare among so few.
    for code in PROVED.into_iter().filter(|c| *c != "WP0603" || counts.borrow().tried > 2_000) {
        assert!(counts.borrow().found.get(code).is_some_and(|n| *n > 0), "{code} never comes up");
    }
}
