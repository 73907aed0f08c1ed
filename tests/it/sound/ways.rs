//! Ways around each gate, one for each rule of the proofs: the checker says so of the journey, and the engine denies where it leads.
//!
//! Where a rule of the checker were missing, it would take the journey, and the denial would come from a way that nobody had reported.

use super::journeys::{Block, Change, Plan, Rules, Shown, Stmt, Value};
use super::plans::{asks, calls, choice, verifies};
use super::talk::Move;

/// A way: what it gets around, the code by which it is reported, and where; and who goes it.
pub struct Way {
    pub name: &'static str,
    pub code: &'static str,
    pub plan: Plan,
    pub vip: bool,
    pub talk: Vec<Move>,
}

/// What is asked for: a value, a yes, the first option, a good answer.
pub const GO: Move = go(0);
/// The second option; a refusal.
pub const OTHER: Move = go(1);
pub const NO: Move = Move::No { by: 0, how: 0 };
/// A change of nothing.
const CHANGED: Move = Move::Command { by: 0, which: 6 };
/// The one who is asked did what was asked of an agent.
pub const FOUND: Move = go(6);
pub const LOOK: Move = Move::Ask("svc.look");

pub const fn go(pick: usize) -> Move {
    Move::Go { by: 0, pick, agent: false }
}

/// A value for a field that is not asked for now.
pub const fn give(field: usize) -> Move {
    Move::Give { by: 0, how: 0, field, old: false }
}

const fn change(field: usize) -> Move {
    Move::Give { by: 0, how: 2, field, old: false }
}

pub const fn answer(result: usize) -> Move {
    Move::Land { back: 0, result }
}

pub fn all() -> Stmt {
    asks(None, Shown::Fields)
}

pub fn nothing() -> Stmt {
    asks(Some(Vec::new()), Shown::Message)
}

/// A confirm that shows some of what is set there, in the order of names.
fn some(shown: &[usize]) -> Stmt {
    asks(Some(shown.to_vec()), Shown::Fields)
}

/// A confirm that shows nothing, and where a change or a no leads on.
fn second(change: Option<Change>, no: Option<Block>) -> Stmt {
    Stmt::Confirm { shows: Some(Vec::new()), how: Shown::Message, only: None, change, no }
}

pub fn either(one: Block, other: Block) -> Stmt {
    Stmt::Choice { keep: false, one, other, free: None }
}

fn picks() -> Stmt {
    Stmt::Choice { keep: true, one: Vec::new(), other: Vec::new(), free: None }
}

fn reads(name: &'static str) -> Stmt {
    Stmt::Call { action: "look", x: Value::Perhaps(name), y: None, keep: false, refused: None, error: None }
}

/// A read whose answer is kept.
fn keeps(x: Value) -> Stmt {
    Stmt::Call { action: "look", x, y: None, keep: true, refused: None, error: None }
}

fn looks(refused: Option<Block>, error: Option<Block>) -> Stmt {
    Stmt::Call { action: "look", x: Value::Constant, y: None, keep: false, refused, error }
}

fn runs(with: Value) -> Stmt {
    Stmt::Run { with, ended: Some(Vec::new()) }
}

/// Knows who it is, by a code.
pub fn known(level: u32) -> Block {
    vec![Stmt::Collect(vec![2]), verifies(Value::Named("f2"), level, 900)]
}

pub fn fails(code: Value, failed: Block) -> Stmt {
    Stmt::Verify { code, level: 1, ttl: 900, anybody: false, failed }
}

pub const PLAIN: Rules = Rules { proves: false, switch: false, policy: None, newer: None, open: false };

/// All that is put together to ways.
struct Ways(Vec<Way>);

impl Ways {
    fn add(&mut self, name: &'static str, code: &'static str, alpha: Block, talk: impl IntoIterator<Item = Move>) -> &mut Way {
        let plan = Plan { alpha, beta: Vec::new(), gamma: Vec::new(), returns: "x", rules: PLAIN };
        // It begins with its start.
        let talk = std::iter::once(GO).chain(talk).collect();
        self.0.push(Way { name, code, plan, vip: false, talk });
        let last = self.0.len() - 1;
        &mut self.0[last]
    }

    /// In a journey whose input anybody may give.
    fn inside(&mut self, name: &'static str, code: &'static str, gamma: Block, talk: impl IntoIterator<Item = Move>) -> &mut Way {
        let way = self.add(name, code, Vec::new(), talk);
        (way.plan.gamma, way.plan.rules.open, way.talk[0]) = (gamma, true, Move::Begin(0));
        way
    }
}

pub fn ways() -> Vec<Way> {
    let mut ways = Ways(Vec::new());
    ends(&mut ways);
    corrections(&mut ways);
    covers(&mut ways);
    gives(&mut ways);
    identities(&mut ways);
    ages(&mut ways);
    edges(&mut ways);
    ways.0
}

/// What ends a yes.
fn ends(ways: &mut Ways) {
    use Stmt::{Back, Collect, Guide, Oath, Rest, Search, Set, Unset};
    let f0 = || Collect(vec![0]);
    let pay = |name| calls("pay", Value::Named(name));
    let fixed = || calls("pay", Value::Constant);
    let set = |name| Set(name, Value::Constant);
    let look_for = || Search("look", vec![Stmt::Escalate]);
    ways.add("used", "WP0502", vec![f0(), all(), choice(), pay("f0"), either(Vec::new(), vec![Back(1)])], [GO, GO, GO, GO, OTHER, GO]);
    ways.add("assigned by a set", "WP0502", vec![set("m1"), all(), set("m1"), pay("m1")], [GO]);
    ways.add("assigned, and not shown", "WP0502", vec![set("m1"), nothing(), set("m1"), pay("m1")], [GO]);
    ways.add("unset by a set", "WP0502", vec![set("m1"), all(), Unset("m1"), calls("pay", Value::Perhaps("m1"))], [GO]);
    let kept = || keeps(Value::Constant);
    ways.add("assigned by an action", "WP0502", vec![kept(), all(), kept(), pay("r0")], [GO, GO, GO]);
    ways.add("assigned by a choice", "WP0502", vec![picks(), all(), picks(), pay("p0")], [GO, GO, GO]);
    let talk = [LOOK, GO, FOUND, GO, GO, LOOK, GO, FOUND];
    ways.add("assigned by an investigation", "WP0502", vec![look_for(), all(), look_for(), pay("i0")], talk);
    let run = || Stmt::Run { with: Value::Constant, ended: None };
    ways.add("assigned by a run", "WP0502", vec![run(), all(), run(), pay("r1")], [GO]);
    let oath = || Oath(Value::Named("f0"));
    ways.add("assigned by a verification", "WP0502", vec![f0(), all(), oath(), all(), oath(), pay("r0")], [GO, GO, GO, GO, GO]);
    ways.add("a no", "WP0502", vec![f0(), all(), second(None, Some(Vec::new())), pay("f0")], [GO, GO, NO]);
    let paused = either(Vec::new(), vec![Rest(0)]);
    ways.add("a pause", "WP0502", vec![f0(), all(), paused, pay("f0")], [GO, GO, OTHER, GO, GO]);
    ways.add("a change", "WP0502", vec![f0(), all(), second(Some(Change::On), None), pay("f0")], [GO, GO, change(0)]);
    let again = either(Vec::new(), vec![Back(1)]);
    ways.add("put again", "WP0502", vec![second(Some(Change::On), None), again, fixed()], [GO, OTHER, CHANGED, GO]);
    let inner = |gamma: Block, way: &mut Way| way.plan.gamma = gamma;
    let over = |outcome| vec![f0(), all(), Stmt::RunTo(outcome), pay("f0")];
    inner(vec![nothing()], ways.add("a no inside", "WP0502", over("declined"), [GO, GO, NO]));
    let cancel = Move::Command { by: 0, which: 0 };
    inner(vec![choice()], ways.add("a cancel inside", "WP0502", over("cancelled"), [GO, GO, cancel]));
    let twice = || [known(1), vec![nothing()]].concat();
    let way = ways.add(
        "another subject",
        "WP0502",
        [twice(), vec![fails(Value::Named("f2"), Vec::new()), fixed()]].concat(),
        [GO, GO, GO, go(2)],
    );
    way.plan.rules.switch = true;
    let way = ways.add(
        "another subject inside",
        "WP0502",
        [twice(), vec![Stmt::Run { with: Value::Named("f2"), ended: None }, fixed()]].concat(),
        [GO, GO, GO, go(2)],
    );
    way.plan.gamma = vec![verifies(Value::Named("x"), 1, 900)];
    way.plan.rules.switch = true;
    let x = || pay("x");
    ways.inside("given at a choice", "WP0502", vec![all(), choice(), x()], [GO, Move::Hand, GO]);
    ways.inside("given at a confirm", "WP0502", vec![all(), nothing(), x()], [GO, Move::Hand, GO]);
    ways.inside("given at a guide", "WP0502", vec![all(), Guide(None), x()], [GO, Move::Hand, GO, GO]);
    ways.inside("given at an investigation", "WP0502", vec![all(), look_for(), x()], [GO, Move::Hand, FOUND]);
    ways.inside("given at a collect", "WP0502", vec![all(), f0(), x()], [GO, Move::Hand, GO]);
    ways.inside("given at a hold", "WP0502", vec![all(), calls("gift", Value::Constant), x()], [GO, Move::Hand, GO, GO]);
    let way = ways.inside(
        "given where somebody is verified",
        "WP0502",
        vec![all(), calls("open", Value::Constant), x()],
        [GO, Move::Hand, GO, GO, GO],
    );
    way.plan.rules.proves = true;
    // Whoever is asked for it the second time corrects what was asked for before, and is asked the first time then.
    let (set_f1, f1, shows_x) = (|| set("f1"), || Collect(vec![1]), some(&[2]));
    let way = vec![set_f1(), f0(), shows_x, f1(), calls("peek", Value::Named("x")), Unset("f1"), f1()];
    ways.inside("given at a collect of what a step sets", "WP0502", way, [GO, GO, GO, give(0), GO, Move::Hand, GO]);
    let asked = either(vec![Collect(vec![3])], Vec::new());
    ways.inside("given though asked on another way", "WP0502", vec![asked, all(), choice(), x()], [OTHER, GO, Move::Hand, GO]);
}

/// What goes back before a yes, or past its end.
fn corrections(ways: &mut Ways) {
    use Stmt::{Back, Collect, Done, Set};
    let (f0, f1) = (|| Collect(vec![0]), || Collect(vec![1]));
    let pay = |name| calls("pay", Value::Named(name));
    ways.add("a field is corrected", "WP0502", vec![f0(), all(), Collect(vec![0, 2]), pay("f0")], [GO, GO, give(0), GO]);
    let either_way = either(vec![pay("f0"), Done], vec![Back(2)]);
    ways.add("put again, then corrected", "WP0502", vec![f0(), all(), f1(), either_way], [GO, GO, GO, OTHER, give(1), GO]);
    let ended = either(vec![pay("f0"), Done], vec![second(None, Some(Vec::new())), choice()]);
    ways.add("ended, then corrected", "WP0502", vec![f0(), all(), f1(), ended], [GO, GO, GO, OTHER, NO, give(1), GO]);
    // What the caller says of the user leads to another branch the second time.
    let once = |then: Block| Stmt::If(2, then, Vec::new());
    let way = vec![f0(), all(), f1(), once(vec![f0(), choice(), Done]), pay("f0")];
    ways.add("corrected twice", "WP0502", way, [GO, GO, GO, give(0), Move::Context, give(1)]).vip = true;
    let way = vec![all(), f0(), once(vec![choice(), Done]), pay("x")];
    ways.inside("given, then corrected", "WP0502", way, [GO, GO, Move::Hand, Move::Context, give(0)]).vip = true;
    let m0 = |from| Set("m0", Value::Perhaps(from));
    let way = vec![f0(), m0("f0"), f1(), once(vec![f0(), choice(), Done]), reads("m0")];
    ways.add("an older value, corrected twice", "WP0506", way, [GO, GO, give(0), Move::Context, give(1)]).vip = true;
    let asked = either(vec![Collect(vec![2])], Vec::new());
    let way = vec![asked, m0("f2"), f1(), once(vec![choice(), Done]), reads("m0")];
    ways.add("an older value, given, then corrected", "WP0506", way, [OTHER, GO, give(2), Move::Context, give(1)]).vip = true;
    let renewed = either(vec![calls("pay", Value::Perhaps("m0")), Done], vec![Set("m0", Value::Constant), all(), choice()]);
    let way = vec![Set("m0", Value::Constant), all(), f1(), renewed];
    ways.add("unset by a correction", "WP0502", way, [GO, GO, OTHER, GO, give(1), GO]);
}

/// What a yes covers.
fn covers(ways: &mut Ways) {
    use Stmt::{Collect, Each, Set};
    let f0 = || Collect(vec![0]);
    let pay = |name| calls("pay", Value::Named(name));
    let no = Stmt::Confirm { shows: None, how: Shown::Fields, only: None, change: None, no: Some(Vec::new()) };
    ways.add("after a no", "WP0501", vec![f0(), no, pay("f0")], [GO, NO]);
    let ship = Stmt::Confirm { shows: None, how: Shown::Fields, only: Some(1), change: None, no: None };
    ways.add("for another action", "WP0501", vec![f0(), ship, pay("f0")], [GO, GO]);
    ways.add("never asked", "WP0501", vec![f0(), pay("f0")], [GO]);
    ways.add("never asked at a read", "WP0501", vec![f0(), calls("peek", Value::Named("f0"))], [GO]);
    ways.add("never asked at a verification", "WP0501", vec![f0(), Stmt::Oath(Value::Named("f0"))], [GO]);
    ways.add("asked on one way", "WP0501", vec![f0(), either(vec![all()], Vec::new()), pay("f0")], [GO, OTHER]);
    ways.add("asked for by a model", "WP0504", vec![Stmt::Search("peek", vec![Stmt::Escalate])], [Move::Ask("svc.peek")]);
    let both = || vec![Collect(vec![0, 1]), Set("m0", Value::Joined(0, 1))];
    ways.add("too little shown", "WP0504", [both(), vec![some(&[0]), pay("m0")]].concat(), [GO, GO, GO]);
    let shown = vec![f0(), Set("m1", Value::Constant), all(), Set("m1", Value::Constant), pay("f0")];
    ways.add("something shown is assigned", "WP0502", shown, [GO, GO]);
    ways.add("an input", "WP0504", vec![f0(), nothing(), pay("f0")], [GO, GO]);
    ways.add("a list", "WP0504", vec![Collect(vec![0, 1]), nothing(), Each(0, 1)], [GO, GO, GO]);
    ways.add("a field by its name", "WP0504", vec![f0(), asks(Some(Vec::new()), Shown::Tagged), calls("tip", Value::Constant)], [GO, GO]);
    ways.add("the user by its name", "WP0504", vec![f0(), all(), calls("tip", Value::Constant)], [GO, GO]);
    ways.add("a mapping", "WP0504", vec![f0(), nothing(), calls("wire", Value::Constant)], [GO, GO]);
    ways.add("a body", "WP0504", vec![f0(), nothing(), calls("print", Value::Constant)], [GO, GO]);
    ways.add("a key", "WP0504", vec![f0(), nothing(), calls("seal", Value::Constant)], [GO, GO]);
    ways.add("something computed", "WP0504", vec![f0(), Set("m0", Value::Named("f0")), nothing(), pay("m0")], [GO, GO]);
    ways.add("an answer", "WP0504", vec![keeps(Value::Constant), nothing(), pay("r0")], [GO, GO]);
    ways.add("the user", "WP0504", vec![nothing(), calls("pay", Value::Tag)], [GO]);
    ways.add("the outcome", "WP0504", vec![looks(None, None), nothing(), calls("pay", Value::Outcome)], [GO, GO]);
}

/// What may be given while a run waits.
fn gives(ways: &mut Ways) {
    use Stmt::{Back, Collect, Set, Unset};
    let (f0, f1) = (|| Collect(vec![0]), || Collect(vec![1]));
    let m0 = |from| Set("m0", Value::Perhaps(from));
    let way =
        ways.add("given while another journey is run", "WP0506", vec![m0("f1"), runs(Value::Constant), reads("m0"), f1()], [give(1), GO]);
    way.plan.gamma = vec![choice()];
    let way = vec![f0(), Unset("f0"), m0("f0"), choice(), reads("m0")];
    ways.add("given once it has no value any more", "WP0506", way, [GO, give(0), GO]);
    let back = either(vec![f1(), Back(2)], Vec::new());
    let way = vec![f1(), all(), f0(), back, calls("pay", Value::Named("f1"))];
    ways.add("given after a goto", "WP0502", way, [GO, GO, GO, GO, give(1), GO, OTHER]);
    let way = vec![f0(), f1(), second(Some(Change::On), None), m0("f1"), choice(), reads("m0")];
    ways.add("given after a change", "WP0506", way, [GO, GO, change(0), give(1), GO]);
    let back = either(vec![f1(), choice(), Stmt::Done], Vec::new());
    let way = vec![f1(), all(), f0(), back, calls("pay", Value::Named("f1"))];
    ways.add("given after a correction", "WP0502", way, [GO, GO, GO, GO, give(0), give(1), OTHER]);
    let asked = either(vec![Collect(vec![1])], Vec::new());
    ways.add("given before it is asked for", "WP0506", vec![asked, m0("f1"), choice(), reads("m0")], [OTHER, give(1), GO]);
}

/// Who is known.
fn identities(ways: &mut Ways) {
    use Stmt::{Collect, Done, If};
    let run = |with| Stmt::Run { with, ended: None };
    let open = || calls("open", Value::Constant);
    let vault = || vec![nothing(), calls("vault", Value::Constant)];
    let weak = || verifies(Value::Named("f2"), 1, 900);
    ways.add("nobody", "WP0503", vec![open()], []);
    ways.add("a level too low", "WP0503", [known(1), vault()].concat(), [GO, GO, GO]);
    ways.add("nobody, asked by an agent", "WP0503", vec![Stmt::Search("file", vec![Stmt::Escalate])], [Move::Ask("svc.file")]);
    ways.add("verified again, less surely", "WP0503", [known(2), vec![weak()], vault()].concat(), [GO, GO, GO, GO]);
    let lower = |step| either([vault(), vec![Done]].concat(), vec![step, choice()]);
    let way = [known(2), vec![Collect(vec![0]), lower(weak())]].concat();
    ways.add("less surely before a correction", "WP0503", way, [GO, GO, GO, OTHER, GO, give(0), GO, GO]);
    let way = [known(2), vec![Collect(vec![0]), lower(run(Value::Named("f2")))]].concat();
    let way = ways.add("less surely before a correction, by a run", "WP0503", way, [GO, GO, GO, OTHER, GO, give(0), GO, GO]);
    way.plan.gamma = vec![verifies(Value::Named("x"), 1, 900)];
    let way = ways.add("less surely by a run", "WP0503", [known(2), vec![run(Value::Named("f2"))], vault()].concat(), [GO, GO, GO, GO]);
    way.plan.gamma = vec![verifies(Value::Named("x"), 1, 900)];
    let failed = vec![Collect(vec![2]), fails(Value::Named("f2"), Vec::new()), open()];
    ways.add("not verified", "WP0503", failed, [GO, OTHER]);
    let way = vec![Collect(vec![2]), run(Value::Named("f2")), open()];
    ways.add("another outcome of a run", "WP0503", way, [GO, OTHER]).plan.gamma = vec![fails(Value::Named("x"), vec![Done])];
    let way = vec![Collect(vec![2]), run(Value::Named("f2")), open()];
    let way = ways.add("an outcome of two ends", "WP0503", way, [GO, OTHER]);
    way.plan.gamma = vec![either(vec![verifies(Value::Named("x"), 1, 900), Done], vec![Done])];
    let way = vec![Collect(vec![2]), Stmt::RunTo("declined"), open()];
    let way = ways.add("an outcome of the engine", "WP0503", way, [GO, NO]);
    way.plan.gamma = vec![nothing(), verifies(Value::Named("x"), 1, 900)];
    ways.add("another condition, false", "WP0503", vec![If(2, vec![Done], Vec::new()), open()], []);
    ways.add("another condition, true", "WP0503", vec![If(2, vec![open()], Vec::new())], []).vip = true;
    let two = either([known(1), vec![run(Value::Constant)]].concat(), vec![run(Value::Constant)]);
    ways.add("run from two places", "WP0503", vec![two], [OTHER]).plan.gamma = vec![open()];
    let way = ways.add("run, and started by itself", "WP0503", [known(1), vec![run(Value::Constant)]].concat(), []);
    (way.plan.gamma, way.plan.rules.open, way.talk) = (vec![open()], true, vec![Move::Begin(0)]);
    ways.add("known on one way", "WP0503", vec![either(known(1), Vec::new()), open()], [OTHER]);
}

/// Values that were computed from older ones.
fn ages(ways: &mut Ways) {
    use Stmt::{Collect, Set, Unset};
    let f0 = || Collect(vec![0]);
    let set = |name| Set(name, Value::Constant);
    let m0 = |from| Set("m0", Value::Perhaps(from));
    ways.add("assigned anew by a set", "WP0506", vec![set("m1"), m0("m1"), set("m1"), reads("m0")], []);
    let verify = Stmt::Verify { code: Value::Named("m0"), level: 1, ttl: 900, anybody: true, failed: Vec::new() };
    ways.add("sent by a verification", "WP0506", vec![set("m1"), m0("m1"), set("m1"), verify], []);
    ways.add("a field that is corrected", "WP0506", vec![f0(), m0("f0"), Collect(vec![0, 2]), reads("m0")], [GO, give(0), GO]);
    let twice = either(vec![reads("m0")], vec![set("m1"), choice()]);
    let way = vec![set("m1"), m0("m1"), f0(), twice];
    ways.add("assigned before a correction", "WP0506", way, [GO, OTHER, give(0), GO]);
    let way = vec![f0(), m0("f0"), f0(), Stmt::Changes(vec![reads("m0"), Stmt::Done])];
    ways.add("a field that is changed", "WP0506", way, [GO, change(0)]);
    ways.add("unset", "WP0506", vec![set("m1"), m0("m1"), Unset("m1"), reads("m0")], []);
    let way = vec![set("m1"), m0("m1"), set("m1"), Set("f1", Value::Named("m0")), reads("f1")];
    ways.add("computed from what is old", "WP0506", way, []);
    let way = vec![set("m1"), m0("m1"), Set("m0", Value::Longer("m0")), set("m1"), reads("m0")];
    ways.add("computed from itself", "WP0506", way, []);
    ways.add("an answer to something older", "WP0506", vec![set("m1"), keeps(Value::Named("m1")), set("m1"), reads("r0")], [GO]);
    ways.add("assigned anew by a choice", "WP0506", vec![picks(), m0("p0"), picks(), reads("m0")], [GO, GO]);
    let way = vec![set("m1"), m0("m1"), Set("f1", Value::Named("m0")), set("m1"), reads("f1")];
    ways.add("two steps away", "WP0506", way, []);
    ways.add("assigned anew on one way", "WP0506", vec![set("m1"), m0("m1"), either(vec![set("m1")], Vec::new()), reads("m0")], [GO]);
}

/// Every kind of way from a step to the next.
fn edges(ways: &mut Ways) {
    use Stmt::{AnyOf, Back, Collect, Goto, Guide, If, Pause, Pick, Search, Set, Tries, Trouble};
    let pay = || vec![calls("pay", Value::Constant)];
    let then = |step: Stmt| [vec![step], pay()].concat();
    ways.add("on", "WP0501", then(Set("m1", Value::Constant)), []);
    ways.add("on an outcome", "WP0501", vec![looks(Some(pay()), None)], [OTHER]);
    ways.add("on an outcome that is not listed", "WP0501", then(Stmt::Run { with: Value::Constant, ended: None }), []);
    ways.add("on an error", "WP0501", vec![Trouble("timeout", pay())], [answer(3), GO, answer(3)]);
    ways.add("on any error", "WP0501", vec![looks(None, Some(pay()))], [answer(3), GO, answer(3)]);
    ways.add("when retries are used up", "WP0501", vec![Trouble("exhausted", pay())], [answer(3), GO, answer(3)]);
    let maybe = || Move::Nearly(5);
    ways.add("when nothing useful was said", "WP0501", vec![Tries(0, pay())], [maybe(), maybe()]);
    ways.add("on an option", "WP0501", vec![either(pay(), Vec::new())], [GO]);
    ways.add("on an option from a list", "WP0501", vec![Pick(pay())], [GO]);
    let free = Stmt::Choice { keep: false, one: Vec::new(), other: Vec::new(), free: Some(pay()) };
    ways.add("on anything else", "WP0501", vec![free], [go(7)]);
    ways.add("on one of several", "WP0501", vec![AnyOf(pay(), Vec::new())], [give(0)]);
    let ship = Stmt::Confirm { shows: Some(Vec::new()), how: Shown::Message, only: Some(1), change: None, no: None };
    ways.add("on a yes to another action", "WP0501", then(ship), [GO]);
    ways.add("on a change", "WP0501", then(second(Some(Change::On), None)), [CHANGED]);
    ways.add("on a no", "WP0501", vec![second(None, Some(pay()))], [NO]);
    ways.add("after a guide", "WP0501", then(Guide(None)), [GO, GO]);
    ways.add("stuck in a guide", "WP0501", vec![Guide(Some(pay()))], [go(6)]);
    ways.add("on a finding", "WP0501", then(Search("look", vec![Stmt::Escalate])), [FOUND]);
    ways.add("without a finding", "WP0501", vec![Search("look", pay())], [Move::Wait(70)]);
    ways.add("once verified", "WP0501", [known(1), pay()].concat(), [GO, GO]);
    ways.add("not verified, and on", "WP0501", vec![Collect(vec![2]), fails(Value::Named("f2"), pay())], [GO, OTHER]);
    ways.add("if so", "WP0501", vec![If(2, pay(), Vec::new())], []).vip = true;
    ways.add("if not", "WP0501", vec![If(2, Vec::new(), pay())], []);
    ways.add("by a goto", "WP0501", [vec![either(vec![Goto(1)], vec![Stmt::Done]), choice()], pay()].concat(), [GO, GO]);
    ways.add("after a pause", "WP0501", [vec![Pause(0), choice()], pay()].concat(), [GO, GO]);
    let back = either(Vec::new(), vec![Back(0)]);
    ways.add("back and on", "WP0501", then(back), [OTHER, GO]);
}
