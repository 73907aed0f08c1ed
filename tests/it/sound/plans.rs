//! Which journeys are made: trees of statements, mostly as careful authors write them, with shapes among them in which one rule
//! alone stands between somebody and what is not theirs to do.

use proptest::prelude::*;
use proptest::sample::subsequence;

use super::journeys::{Block, Change, Newer, Plan, Rules, Shown, Stmt, Value, tidy};
use super::service::{CONFIRMED, POLICIES, SPEAKING};

/// How many of the actions that need a yes are called anywhere.
const FREE: usize = CONFIRMED.len() - SPEAKING.len();

pub fn choice() -> Stmt {
    Stmt::Choice { keep: false, one: Vec::new(), other: Vec::new(), free: None }
}

/// A confirm that shows those variables, or all.
pub fn asks(shows: Option<Vec<usize>>, how: Shown) -> Stmt {
    Stmt::Confirm { shows, how, only: None, change: None, no: None }
}

pub fn calls(action: &'static str, x: Value) -> Stmt {
    Stmt::Call { action, x, y: None, keep: false, refused: None, error: None }
}

pub fn verifies(code: Value, level: u32, ttl: u32) -> Stmt {
    Stmt::Verify { code, level, ttl, anybody: false, failed: vec![Stmt::Escalate] }
}

/// Ways on which a rule stands alone: without it, something would be done that nobody may do.
fn shapes() -> impl Strategy<Value = Block> + Clone {
    use Stmt::{Back, Collect, Investigate, Run, Say, Set, Unset};
    let f0 = || Value::Named("f0");
    let all = || asks(None, Shown::Fields);
    let pay = move || calls("pay", f0());
    let run = |with| Run { with, ended: Some(Vec::new()) };
    // Asked again, and gone on from without an answer.
    let again = Stmt::Confirm { shows: None, how: Shown::Fields, only: None, change: Some(Change::On), no: None };
    let look_again = Stmt::Choice { keep: false, one: Vec::new(), other: vec![Back(1)], free: None };
    // A no to a second question.
    let second = Stmt::Confirm { shows: Some(Vec::new()), how: Shown::Message, only: None, change: None, no: Some(Vec::new()) };
    // Left for a while.
    let paused = Stmt::Choice { keep: false, one: vec![Stmt::Pause(2)], other: Vec::new(), free: None };
    // Set and unset again, so that it is as if nothing had been.
    let anew = [Set("m1", Value::Constant), Unset("m1")];
    let made = vec![Unset("m1"), Set("m0", Value::Perhaps("m1"))];
    let mail = Stmt::Call { action: "mail", x: f0(), y: None, keep: true, refused: None, error: None };
    let known = |ttl| vec![Collect(vec![2]), verifies(Value::Named("f2"), 2, ttl)];
    prop::sample::select(vec![
        vec![Collect(vec![0]), again, look_again, pay()],
        vec![Collect(vec![0]), all(), second, pay()],
        vec![Collect(vec![0]), all(), run(Value::Constant), pay()],
        [vec![Collect(vec![0]), all()], anew.to_vec(), vec![calls("pay", Value::Perhaps("m1"))]].concat(),
        [anew.to_vec(), made, anew.to_vec(), vec![calls("look", Value::Named("m0"))]].concat(),
        vec![Collect(vec![1]), Set("f1", Value::Longer("f1")), asks(Some(Vec::new()), Shown::Message), calls("pay", Value::Named("f1"))],
        vec![Collect(vec![1]), Set("f1", Value::Constant), choice(), calls("note", Value::Named("f1"))],
        vec![Collect(vec![0]), all(), Investigate, pay()],
        vec![Investigate, verifies(Value::Named("i0"), 1, 900), calls("open", Value::Constant)],
        vec![Investigate, run(Value::Named("i0")), calls("open", Value::Constant)],
        vec![choice(), calls("gift", Value::Constant), calls("gift", Value::Constant)],
        vec![Collect(vec![0]), calls("look", f0()), all(), pay()],
        [known(60), vec![choice(), calls("open", Value::Constant)]].concat(),
        [known(900), vec![choice(), calls("open", Value::Constant)]].concat(),
        vec![Collect(vec![0]), all(), choice(), calls("grand", f0()), choice(), calls("grand", f0())],
        vec![Collect(vec![0]), all(), calls("grand", f0())],
        [known(900), vec![Collect(vec![0]), calls("deed", f0()), calls("mine", Value::Subject)]].concat(),
        [known(900), vec![Collect(vec![0]), calls("mine", f0())]].concat(),
        [known(900), vec![Collect(vec![0]), mail, Say(7), calls("note", Value::Named("r0"))]].concat(),
        vec![asks(None, Shown::Tagged), choice(), calls("pay", Value::Tag)],
        vec![Collect(vec![0]), all(), Stmt::Guide(Some(Vec::new())), calls("note", f0()), pay()],
        vec![Collect(vec![0]), all(), paused, pay()],
        vec![Collect(vec![0]), all(), calls("look", f0()), pay()],
        vec![Collect(vec![2]), verifies(Value::Named("f2"), 1, 900), Collect(vec![0]), all(), verifies(f0(), 1, 900), pay()],
        vec![choice(), calls("gift", Value::Tag)],
        vec![choice(), calls("note", Value::Constant), choice(), calls("note", Value::Constant)],
    ])
    .boxed()
}

/// The same over two journeys, with what the inner one gives back.
fn nested() -> impl Strategy<Value = (Block, Block, &'static str)> + Clone {
    use Stmt::{Collect, Investigate, Run};
    let run = |with| Run { with, ended: Some(Vec::new()) };
    let back = Run { with: Value::Constant, ended: None };
    let open = || calls("open", Value::Constant);
    let all = || asks(None, Shown::Fields);
    prop::sample::select(vec![
        (vec![Investigate, run(Value::Named("i0")), open()], vec![verifies(Value::Named("x"), 1, 900)], "x"),
        (vec![back, verifies(Value::Named("r1"), 1, 900), open()], vec![Investigate], "i0"),
        (vec![Collect(vec![0]), all(), run(Value::Constant), calls("pay", Value::Named("f0"))], vec![Collect(vec![1]), all()], "x"),
        (vec![Collect(vec![0]), run(Value::Named("f0")), open()], vec![verifies(Value::Named("x"), 1, 900)], "x"),
    ])
    .boxed()
}

/// The same in a journey that is run.
fn inner_shapes() -> impl Strategy<Value = Block> + Clone {
    let verified = verifies(Value::Named("x"), 1, 900);
    prop::sample::select(vec![
        vec![verified],
        vec![Stmt::Investigate],
        vec![Stmt::Collect(vec![0]), asks(None, Shown::Fields)],
        vec![choice()],
    ])
    .boxed()
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
    let how = prop_oneof![3 => Just(Shown::Fields), 3 => Just(Shown::Message), 2 => (0..4_u8).prop_map(Shown::Hidden), 1 => Just(Shown::Counted), 1 => Just(Shown::Tagged)];
    let only = prop::option::weighted(0.15, 0..FREE);
    let change = prop::option::weighted(0.2, prop_oneof![3 => Just(Change::First), 1 => Just(Change::On)]);
    (shows, how, only, change, no).prop_map(|(shows, how, only, change, no)| Stmt::Confirm { shows, how, only, change, no })
}

fn call(
    actions: &'static [&'static str],
    refused: impl Strategy<Value = Option<Block>>,
    error: impl Strategy<Value = Option<Block>>,
) -> impl Strategy<Value = Stmt> {
    let action = prop::sample::select(actions);
    (action, value(), prop::option::weighted(0.4, value()), prop::bool::weighted(0.3), refused, error)
        .prop_map(|(action, x, y, keep, refused, error)| Stmt::Call { action, x, y, keep, refused, error })
}

fn verify(failed: impl Strategy<Value = Block>) -> impl Strategy<Value = Stmt> {
    let code = prop_oneof![4 => (0..8_usize).prop_map(Value::Variable), 3 => Just(Value::Named("f2")), 1 => Just(Value::Named("i0"))];
    (code, 1..3_u32, prop::sample::select(vec![60_u32, 900]), prop::bool::weighted(0.3), failed)
        .prop_map(|(code, level, ttl, anybody, failed)| Stmt::Verify { code, level, ttl, anybody, failed })
}

fn leaf() -> impl Strategy<Value = Stmt> + Clone {
    let none = || Just(None::<Block>);
    let free = prop_oneof![
        3 => fields().prop_map(Stmt::Collect),
        2 => (prop::sample::select(vec!["m0", "m1", "m0", "m1", "f1"]), value()).prop_map(|(name, value)| Stmt::Set(name, value)),
        1 => prop::sample::select(vec!["m0", "f0"]).prop_map(Stmt::Unset),
        2 => confirm(none()),
        2 => call(&["look", "look", "note"], none(), none()),
        2 => call(&CONFIRMED[..FREE], none(), none()),
        1 => call(&["open"], none(), none()),
        1 => verify(Just(vec![Stmt::Escalate])),
        1 => (0..8_usize).prop_map(Stmt::Say),
        1 => Just(Stmt::Guide(None)),
        1 => Just(choice()),
        1 => call(&["mail", "mine", "deed", "grand", "gift"], none(), none()),
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
        6 => Just(choice()),
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
    let waits = prop::option::weighted(0.3, Just(choice()));
    let on_error = prop::option::of(Just(vec![Stmt::Done]));
    (fields(), how, waits, call(&["pay", "ship", "tip", "peek", "pay", "ship", "grand"], Just(None), on_error))
        .prop_map(|(fields, how, waits, call)| {
            let confirm = asks(None, how);
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
    (fields(), prop::bool::weighted(0.8), before, confirm(none()), between(), call(&CONFIRMED[..FREE], none(), on_error), back)
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
    let one =
        prop_oneof![20 => careful(), 6 => gated(), 2 => verified(), 1 => outdated(), 3 => shapes(), 3 => leaf().prop_map(|s| vec![s])];
    let some = one.prop_recursive(depth, 12, 2, |inner| {
        let list = || prop::collection::vec(inner.clone(), 0..3).prop_map(|b| tidy(b.concat()));
        let maybe = || prop::option::of(list());
        prop_oneof![
            (any::<bool>(), list(), list(), prop::option::weighted(0.3, list())).prop_map(|(keep, one, other, free)| Stmt::Choice {
                keep,
                one,
                other,
                free
            }),
            (list(), list()).prop_map(|(one, other)| Stmt::AnyOf(one, other)),
            maybe().prop_map(Stmt::Guide),
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
    let note = prop::option::weighted(0.3, Just(vec![calls("note", Value::Constant)]));
    let first = || prop_oneof![4 => Just(None), 6 => careful().prop_map(Some), 2 => shapes().prop_map(Some)];
    let joined = |parts: [Option<Block>; 3]| tidy(parts.into_iter().flatten().flatten().collect());
    let alpha = (first(), pieces(2, 4)).prop_map(move |(first, rest)| joined([first, Some(rest), None]));
    let beta = (note, first(), pieces(1, 3)).prop_map(move |(note, first, rest)| joined([note, first, Some(rest)]));
    let gamma = prop_oneof![3 => pieces(1, 2), 1 => inner_shapes()];
    let newer = prop_oneof![2 => Just(Newer::Text), 2 => Just(Newer::Stricter), 1 => Just(Newer::Looser), 1 => Just(Newer::Gone)];
    let policy = prop::option::weighted(0.2, 0..POLICIES.len());
    let rules = (prop::bool::weighted(0.2), prop::bool::weighted(0.3), policy, prop::option::weighted(0.25, newer))
        .prop_map(|(proves, switch, policy, newer)| Rules { proves, switch, policy, newer, open: false });
    let apart = (alpha, gamma, prop::sample::select(vec!["x", "i0"]));
    let together = prop_oneof![9 => apart, 1 => nested()];
    (together, beta, rules).prop_map(|((alpha, gamma, returns), beta, rules)| Plan {
        alpha,
        beta,
        gamma: gamma.into_iter().filter(|s| !matches!(s, Stmt::Run { .. })).collect(),
        returns,
        rules,
    })
}
