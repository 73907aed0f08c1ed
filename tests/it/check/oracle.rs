//! Small random journeys: what the data-flow says of them against a walk through every state that they can come to.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

use proptest::prelude::*;
use waypost::check::load;

const VARIABLES: [&str; 3] = ["apple", "berry", "cherry"];

#[derive(Debug, Clone)]
enum Stmt {
    Set(usize),
    Unset(usize),
    Say(usize),
    Collect(usize),
    Choice(Vec<Vec<Stmt>>),
    If(Vec<Stmt>, Vec<Stmt>),
    /// What its result is called, its two outcomes, its error.
    Action(usize, Vec<Stmt>, Vec<Stmt>, Option<Vec<Stmt>>),
    Goto(usize),
    Done,
}

fn block(depth: u32) -> impl Strategy<Value = Vec<Stmt>> {
    let var = 0..VARIABLES.len();
    let leaf = prop_oneof![
        4 => var.clone().prop_map(Stmt::Set),
        1 => var.clone().prop_map(Stmt::Unset),
        4 => var.clone().prop_map(Stmt::Say),
        2 => var.prop_map(Stmt::Collect),
        2 => (0_usize..64).prop_map(Stmt::Goto),
        1 => Just(Stmt::Done),
    ];
    let stmt = leaf.prop_recursive(depth, 16, 3, |inner| {
        let list = || prop::collection::vec(inner.clone(), 1..3);
        prop_oneof![
            prop::collection::vec(list(), 2..3).prop_map(Stmt::Choice),
            (list(), list()).prop_map(|(a, b)| Stmt::If(a, b)),
            (0..VARIABLES.len(), list(), list(), prop::option::of(list())).prop_map(|(v, a, b, e)| Stmt::Action(v, a, b, e)),
        ]
    });
    prop::collection::vec(stmt, 1..5)
}

/// One step of the flat journey: what it does, and where each of its ways leads (`None`: off the end).
struct Step<'a> {
    stmt: &'a Stmt,
    ways: Vec<(Way, Option<usize>)>,
}

#[derive(Clone, Copy, PartialEq)]
enum Way {
    Plain,
    Result,
    Goto,
}

/// Numbers the steps in the order they are written, and joins their branches.
fn flatten<'a>(block: &'a [Stmt], after: Option<usize>, steps: &mut Vec<Step<'a>>) -> Option<usize> {
    let firsts: Vec<usize> = {
        let mut at = steps.len();
        block
            .iter()
            .map(|s| {
                let own = at;
                at += size(s);
                own
            })
            .collect()
    };
    for (i, stmt) in block.iter().enumerate() {
        let next = firsts.get(i + 1).copied().or(after);
        let own = steps.len();
        steps.push(Step { stmt, ways: Vec::new() });
        let branch = |b: &'a [Stmt], steps: &mut Vec<Step<'a>>| flatten(b, next, steps);
        let ways = match stmt {
            Stmt::Set(_) | Stmt::Unset(_) | Stmt::Say(_) | Stmt::Collect(_) => vec![(Way::Plain, next)],
            Stmt::Choice(options) => options.iter().map(|o| (Way::Plain, branch(o, steps))).collect(),
            Stmt::If(a, b) => vec![(Way::Plain, branch(a, steps)), (Way::Plain, branch(b, steps))],
            Stmt::Action(_, a, b, e) => {
                let mut ways = vec![(Way::Result, branch(a, steps)), (Way::Result, branch(b, steps))];
                ways.extend(e.iter().map(|e| (Way::Plain, branch(e, steps))));
                ways
            }
            Stmt::Goto(target) => vec![(Way::Goto, Some(*target))],
            Stmt::Done => Vec::new(),
        };
        steps[own].ways = ways;
    }
    firsts.first().copied().or(after)
}

fn size(stmt: &Stmt) -> usize {
    let all = |b: &[Stmt]| b.iter().map(size).sum::<usize>();
    1 + match stmt {
        Stmt::Choice(options) => options.iter().map(|o| all(o)).sum(),
        Stmt::If(a, b) => all(a) + all(b),
        Stmt::Action(_, a, b, e) => all(a) + all(b) + e.iter().map(|e| all(e)).sum::<usize>(),
        _ => 0,
    }
}

/// As YAML, each step named by its number.
fn write(block: &[Stmt], indent: usize, number: &mut usize, steps: usize, out: &mut String) {
    let pad = " ".repeat(indent);
    for stmt in block {
        let own = *number;
        *number += 1;
        let mut nested = |key: &str, b: &[Stmt], number: &mut usize| {
            let _ = writeln!(out, "{pad}{key}");
            write(b, indent + 6, number, steps, out);
        };
        match stmt {
            Stmt::Choice(options) => {
                nested(&format!("- name: s{own}\n{pad}  choice:"), &[], number);
                for (i, o) in options.iter().enumerate() {
                    nested(&format!("    Option {i}:"), o, number);
                }
            }
            Stmt::If(a, b) => {
                nested(&format!("- name: s{own}\n{pad}  if: $user.user_id == null\n{pad}  then:"), a, number);
                nested("  else:", b, number);
            }
            Stmt::Action(v, a, b, e) => {
                nested(
                    &format!("- name: s{own}\n{pad}  action: post.find -> {}\n{pad}  outcomes:\n{pad}    found:", VARIABLES[*v]),
                    a,
                    number,
                );
                nested("    lost:", b, number);
                if let Some(e) = e {
                    nested("  on_error:\n", &[], number);
                    nested("    default:", e, number);
                }
            }
            simple => {
                let text = match simple {
                    Stmt::Set(v) => format!("set: {{{}: 1}}", VARIABLES[*v]),
                    Stmt::Unset(v) => format!("set: {{{}: null}}", VARIABLES[*v]),
                    Stmt::Say(v) => format!("say: \"{{{{ variables.{} }}}}\"", VARIABLES[*v]),
                    Stmt::Collect(v) => format!("collect: [{}]", VARIABLES[*v]),
                    Stmt::Goto(target) => format!("goto: s{}", target % steps),
                    _ => "done: \"Over.\"".to_owned(),
                };
                nested(&format!("- name: s{own}\n{pad}  {text}"), &[], number);
            }
        }
    }
}

/// What is known of a run: what is set and by a step, which collect asked last for each variable, in order, and what steps assigned
/// since.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
struct Run {
    set: u8,
    by_step: u8,
    asked: Vec<(usize, usize)>,
    since: [u8; 3],
}

impl Run {
    fn assign(&mut self, v: usize) {
        self.set |= 1 << v;
        self.by_step |= 1 << v;
        self.since.iter_mut().for_each(|s| *s |= 1 << v);
    }

    fn unset(&mut self, vars: u8) {
        self.set &= !vars;
        self.by_step &= !vars;
    }

    fn ask(&mut self, v: usize, at: usize) {
        self.asked.retain(|(asked, _)| *asked != v);
        self.asked.push((v, at));
        self.since[v] = 0;
    }

    /// By a `goto` to the collect there: it asks again, and what was asked after it is forgotten.
    fn ask_again(&mut self, v: usize, at: usize) {
        self.unset(1 << v);
        if let Some(i) = self.asked.iter().position(|a| *a == (v, at)) {
            self.asked.truncate(i + 1);
        }
    }

    /// Back to the collects at which somebody who is waited for may correct something; what was asked after it is forgotten.
    fn corrections(&self) -> Vec<(usize, Self)> {
        let given = |v: usize| self.set >> v & 1 == 1 && self.by_step >> v & 1 == 0;
        let all = self.asked.iter().enumerate().filter(|(_, (v, _))| given(*v));
        all.map(|(i, (v, at))| {
            let mut back = self.clone();
            back.unset(self.since[*v] & self.by_step);
            back.asked.truncate(i + 1);
            (*at, back)
        })
        .collect()
    }
}

/// What a walk through every state finds: variables read unset, steps never reached, whether some loop never waits.
fn walk(steps: &[Step<'_>]) -> (BTreeSet<&'static str>, BTreeSet<usize>, bool) {
    let (mut unset, mut seen, mut open) = (BTreeSet::new(), BTreeSet::new(), vec![(0, Run::default())]);
    while let Some((at, run)) = open.pop() {
        if !seen.insert((at, run.clone())) {
            continue;
        }
        let step = &steps[at];
        let mut own = run.clone();
        match step.stmt {
            Stmt::Set(v) => own.assign(*v),
            Stmt::Unset(v) => own.unset(1 << v),
            Stmt::Say(v) if run.set >> v & 1 == 0 => {
                unset.insert(VARIABLES[*v]);
            }
            Stmt::Collect(v) => {
                own.ask(*v, at);
                if own.set >> v & 1 == 0 {
                    open.extend(own.corrections());
                    own.set |= 1 << v;
                }
            }
            Stmt::Choice(_) => open.extend(own.corrections()),
            _ => {}
        }
        for (way, to) in &step.ways {
            let Some(to) = to.map(|t| if *way == Way::Goto { t % steps.len() } else { t }) else { continue };
            let mut after = own.clone();
            match (way, step.stmt, steps[to].stmt) {
                (Way::Result, Stmt::Action(v, ..), _) => after.assign(*v),
                (Way::Goto, _, Stmt::Collect(v)) => after.ask_again(*v, to),
                _ => {}
            }
            open.push((to, after));
        }
    }
    let reached: BTreeSet<usize> = seen.iter().map(|(at, _)| *at).collect();
    let dead = (0..steps.len()).filter(|s| !reached.contains(s)).collect();
    let busy = reached.iter().any(|start| returns(steps, *start));
    (unset, dead, busy)
}

/// Whether a variable is both asked for and assigned, or unset: then the proof does not tell whether it holds a value that somebody gave,
/// which can be corrected.
fn overlaps(steps: &[Step<'_>]) -> bool {
    let asked = |v: usize| steps.iter().any(|s| matches!(s.stmt, Stmt::Collect(c) if *c == v));
    steps.iter().any(|s| matches!(s.stmt, Stmt::Set(v) | Stmt::Unset(v) | Stmt::Action(v, ..) if asked(*v)))
}

/// Whether a run can come from a step back to it without a step that waits.
fn returns(steps: &[Step<'_>], start: usize) -> bool {
    let (mut seen, mut open) = (BTreeSet::new(), vec![start]);
    while let Some(at) = open.pop() {
        if matches!(steps[at].stmt, Stmt::Choice(_)) {
            continue;
        }
        for (way, to) in &steps[at].ways {
            let Some(to) = to.map(|t| if *way == Way::Goto { t % steps.len() } else { t }) else { continue };
            if *way == Way::Goto && matches!(steps[to].stmt, Stmt::Collect(_)) {
                continue;
            }
            if to == start {
                return true;
            }
            if seen.insert(to) {
                open.push(to);
            }
        }
    }
    false
}

proptest! {
    #![proptest_config(ProptestConfig { max_global_rejects: 8_192, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_data_flow_agrees_with_a_walk_through_every_state(block in block(2)) {
        let count = block.iter().map(size).sum();
        let mut steps = Vec::new();
        flatten(&block, None, &mut steps);
        prop_assume!(steps.len() == count && count <= 32);
        let (unset, dead, busy) = walk(&steps);

        let mut journey = "name: Random\ncallable: true\njourney:\n".to_owned();
        write(&block, 2, &mut 0, count, &mut journey);
        let files = [
            ("journeys/random.yaml", journey.as_str()),
            ("datapoints/all.yaml", "- {name: Apple, type: string}\n- {name: Berry, type: string}\n- {name: Cherry, type: string}\n"),
            ("integrations/post.yaml", "name: Post\ntype: rest_api\nconfig: {base_url: \"https://post.example\"}\nactions:\n  - name: Find\n    type: read\n    invocation: {method: GET, endpoint: /parcels}\n    outcomes: [{name: found, condition: response.status == 200}, {name: lost, condition: response.status == 404}]\n"),
        ];
        let checked = load(files.into_iter().map(|(n, t)| (n.to_owned(), Arc::from(t))).collect());
        let of = |code: &str| checked.diagnostics.0.iter().filter(|d| d.code.as_str() == code).collect::<Vec<_>>();
        let others: Vec<_> = checked.diagnostics.0.iter().filter(|d| !["WP0301", "WP0302", "WP0401", "WP0407"].contains(&d.code.as_str())).collect();
        prop_assert!(others.is_empty(), "{others:#?}\n{journey}");

        let named: BTreeSet<&str> = of("WP0401").iter().filter_map(|d| VARIABLES.into_iter().find(|v| d.message.starts_with(&format!("`{v}`")))).collect();
        prop_assert!(named.is_superset(&unset), "unset {unset:?}, found {named:?}\n{journey}");
        prop_assert!(named == unset || overlaps(&steps), "unset {unset:?}, found {named:?}\n{journey}");
        prop_assert_eq!(!of("WP0302").is_empty(), busy, "busy\n{}", journey);
        let lines: Vec<&str> = journey.lines().collect();
        let told: BTreeSet<usize> = of("WP0301").iter().map(|d| {
            let line = checked.workspace.sources.position(d.span.file, d.span.start).line as usize;
            let name = lines[..line].iter().rev().find_map(|l| l.trim().strip_prefix("- name: s"));
            name.and_then(|n| n.parse().ok()).unwrap_or(usize::MAX)
        }).collect();
        prop_assert!(told.is_subset(&dead), "told {told:?} of {dead:?}\n{journey}");
        prop_assert_eq!(told.is_empty(), dead.is_empty(), "dead {:?}\n{}", dead, journey);
        for d in of("WP0401").into_iter().filter(|d| d.message.contains("may be")) {
            prop_assert_eq!(d.path.first().map(String::as_str), Some("s0"), "a witness begins where a run does");
        }
    }
}
