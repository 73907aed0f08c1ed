//! Ways around a gate in random surroundings: behind other steps and before others, in a branch of one, with more among their own, in
//! a conversation that goes on. What surrounds a way is as careful authors write it, with names of its own.

use proptest::prelude::*;

use super::journeys::{Block, Plan, Shown, Stmt, Value, ends, tidy, waiting};
use super::plans::{asks, calls, choice};
use super::talk::{Move, calm, tempting};

/// How somebody gets into the branch that a way is in.
#[derive(Debug, Clone, Copy)]
enum Branch {
    None,
    Option,
    OtherOption,
    If,
    Refusal,
    Trouble,
    No,
    Stuck,
}

/// What is around a way.
#[derive(Debug, Clone)]
pub struct Surroundings {
    before: Block,
    branch: Branch,
    /// In the other branch.
    beside: Block,
    behind: Block,
    /// Where something is said among the steps of the way.
    among: Vec<usize>,
    beta: Block,
    after: Vec<Move>,
    apart: Vec<Move>,
}

/// A confirm and what it is for, with fields of its own.
fn gated() -> impl Strategy<Value = Block> + Clone {
    let action = prop::sample::select(vec!["pay", "ship", "peek", "grand"]);
    (action, prop::option::weighted(0.3, Just(choice())), prop::sample::select(vec![4_usize, 5]))
        .prop_map(|(action, waits, field)| {
            let sent = Value::Named(if field == 4 { "z0" } else { "z1" });
            [Stmt::Collect(vec![field]), asks(None, Shown::Own)].into_iter().chain(waits).chain([calls(action, sent)]).collect()
        })
        .boxed()
}

fn pieces(most: usize) -> impl Strategy<Value = Block> + Clone {
    let plain = prop::sample::select(vec![
        Stmt::Collect(vec![4]),
        Stmt::Collect(vec![4, 5]),
        Stmt::Hum,
        Stmt::Guide(None),
        choice(),
        calls("look", Value::Named("z0")),
        calls("note", Value::Constant),
        Stmt::Set("z2", Value::Named("z1")),
        Stmt::Choice { keep: false, one: Vec::new(), other: vec![Stmt::Back(0)], free: None },
    ]);
    let one = prop_oneof![2 => gated(), 3 => plain.prop_map(|s| vec![s])];
    let some = one.prop_recursive(1, 4, 2, |inner| {
        let two = (prop::collection::vec(inner.clone(), 0..2), prop::collection::vec(inner, 0..2), any::<bool>());
        two.prop_map(|(one, other, asked)| {
            let (one, other) = (tidy(one.concat()), tidy(other.concat()));
            vec![if asked { Stmt::Choice { keep: false, one, other, free: None } } else { Stmt::If(2, one, other) }]
        })
    });
    prop::collection::vec(some, 0..most).prop_map(|b| tidy(b.concat())).boxed()
}

pub fn surroundings() -> impl Strategy<Value = Surroundings> {
    use Branch::{If, No, None, Option, OtherOption, Refusal, Stuck, Trouble};
    let branch = prop::sample::select(vec![None, None, None, Option, OtherOption, If, Refusal, Trouble, No, Stuck]);
    let among = prop::collection::vec(0..8_usize, 0..3);
    let beta = (gated(), pieces(2)).prop_map(|(gated, more)| tidy([gated, more].concat()));
    let some = || prop_oneof![2 => Just(Vec::new()), 3 => pieces(3)];
    (some(), branch, pieces(2), some(), among, beta, tempting(), calm()).prop_map(
        |(before, branch, beside, behind, among, beta, after, apart)| Surroundings {
            before,
            branch,
            beside,
            behind,
            among,
            beta,
            after,
            apart,
        },
    )
}

/// A way in its surroundings; and what is said to go it, and to the journey beside it. `vip`: whether its user is one.
pub fn weave(way: &Plan, talk: &[Move], vip: bool, around: &Surroundings) -> (Plan, Vec<Vec<Move>>) {
    let inside = matches!(talk.first(), Some(Move::Begin(_)));
    let mut own = if inside { way.gamma.clone() } else { way.alpha.clone() };
    for n in &around.among {
        own.insert(n % (own.len() + 1), Stmt::Hum);
    }
    let beside = || around.beside.clone();
    let compose = |own: Block| {
        let rest = if own.last().is_some_and(ends) { own } else { [own, around.behind.clone()].concat() };
        let look = |refused, error| Stmt::Call { action: "look", x: Value::Constant, y: None, keep: false, refused, error };
        let branch = match around.branch {
            Branch::None => return [around.before.clone(), rest].concat(),
            Branch::Option => Stmt::Choice { keep: false, one: rest, other: beside(), free: None },
            Branch::OtherOption => Stmt::Choice { keep: false, one: beside(), other: rest, free: None },
            Branch::If if vip => Stmt::If(2, rest, beside()),
            Branch::If => Stmt::If(2, beside(), rest),
            Branch::Refusal => look(Some(rest), None),
            Branch::Trouble => look(None, Some(rest)),
            Branch::No => Stmt::Confirm { shows: Some(Vec::new()), how: Shown::Message, only: None, change: None, no: Some(rest) },
            Branch::Stuck => Stmt::Guide(Some(rest)),
        };
        [around.before.clone(), vec![branch]].concat()
    };
    let go = |pick| Move::Go { by: 0, pick, agent: false };
    let fails = Move::Land { back: 0, result: 3 };
    let turn = count(&around.before);
    let (first, moves) = match around.branch {
        Branch::None => (turn, Vec::new()),
        Branch::Option => (turn + 1, vec![go(0)]),
        Branch::OtherOption => (turn + 1 + count(&around.beside), vec![go(1)]),
        Branch::If if vip => (turn + 1, Vec::new()),
        Branch::If => (turn + 1 + count(&around.beside), Vec::new()),
        Branch::Refusal => (turn + 1, vec![go(1)]),
        Branch::Trouble => (turn + 1, vec![fails.clone(), go(0), fails]),
        Branch::No => (turn + 1, vec![Move::No { by: 0, how: 0 }]),
        Branch::Stuck => (turn + 1, vec![go(6)]),
    };
    // Where the way goes to by number, other steps wait before it now.
    let more = waits(&compose(own.clone())).iter().filter(|n| **n < first).count();
    each(&mut own, &mut |stmt| {
        if let Stmt::Goto(n) | Stmt::Pause(n) = stmt {
            *n += more;
        }
    });
    let beta = if way.beta.is_empty() { around.beta.clone() } else { way.beta.clone() };
    let mut plan = Plan { beta, ..way.clone() };
    *if inside { &mut plan.gamma } else { &mut plan.alpha } = compose(own);
    let (begin, rest) = talk.split_at(1);
    let journey = if inside { "gamma" } else { "alpha" };
    let talk = [begin, &[Move::Come { journey, first, turn, moves }], rest, &around.after].concat();
    (plan, vec![talk, [vec![Move::Digress], around.apart.clone()].concat()])
}

/// Looks at every statement.
fn each(block: &mut Block, see: &mut dyn FnMut(&mut Stmt)) {
    for stmt in block {
        see(stmt);
        match stmt {
            Stmt::Confirm { no: Some(one), .. }
            | Stmt::Guide(Some(one))
            | Stmt::Verify { failed: one, .. }
            | Stmt::Run { ended: Some(one), .. }
            | Stmt::Search(_, one)
            | Stmt::Tries(_, one)
            | Stmt::Pick(one)
            | Stmt::Trouble(_, one)
            | Stmt::Changes(one) => each(one, see),
            Stmt::Call { refused, error, .. } => refused.iter_mut().chain(error).for_each(|b| each(b, see)),
            Stmt::Choice { one, other, free, .. } => [one, other].into_iter().chain(free).for_each(|b| each(b, see)),
            Stmt::If(_, one, other) | Stmt::AnyOf(one, other) => [one, other].into_iter().for_each(|b| each(b, see)),
            _ => {}
        }
    }
}

/// How many statements there are.
fn count(block: &Block) -> usize {
    let mut number = 0;
    waiting(block, &mut number, &mut Vec::new());
    number
}

/// The numbers of the steps that wait.
fn waits(block: &Block) -> Vec<usize> {
    let mut found = Vec::new();
    waiting(block, &mut 0, &mut found);
    found
}
