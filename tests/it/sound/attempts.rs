//! Attempts on the engine, one for each of its rules: a journey, mostly one that the checker takes, and somebody who would get around
//! the rule.
//! Without it, something would be sent, or happen, that the judge does not let pass.
//!
//! Each says what it comes to: a code, or a part of what is noted.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::json;
use waypost::engine::Command;
use waypost::supervise::Identity;
use waypost::value::Name;

use super::journeys::{Block, Newer, Plan, Shown, Stmt, Value};
use super::plans::{asks, calls, choice, verifies};
use super::talk::{AGENT, EPOCH, Move};
use super::ways::{FOUND, GO, LOOK, OTHER, PLAIN, all, answer, either, fails, give, go, known, nothing};

/// An attempt: what it is made in, and what is said.
pub struct Attempt {
    pub name: &'static str,
    pub plan: Plan,
    /// Whether the checker takes the journey.
    pub proved: bool,
    pub talk: Vec<Move>,
}

const PHONE: usize = 1;
const COLLEAGUE: usize = 2;
const HOST: usize = 3;
const PORTER: usize = 6;

const TAKE: Move = command(2);
const HAND_BACK: Move = command(3);
const CANCEL: Move = Move::Command { by: 0, which: 0 };
/// Not there for the answer.
const AWAY: Move = Move::Late(40);
/// What a yes comes to that does not count.
const AGAIN: Move = Move::Expect("it is put again");

const fn command(which: usize) -> Move {
    Move::Command { by: COLLEAGUE, which }
}

/// A yes in words, by somebody; to the question that stands; to the one before.
const fn says_yes(by: usize) -> Move {
    Move::Yes { by, how: 0 }
}

const fn confirms(by: usize) -> Move {
    Move::Yes { by, how: 1 }
}

const fn confirms_older(by: usize) -> Move {
    Move::Yes { by, how: 2 }
}

const fn blindly(by: usize) -> Move {
    Move::Do(by, Command::Confirm { question: None })
}

/// What is asked for, by somebody of the company, a host or an agent.
const fn gone(by: usize) -> Move {
    Move::Go { by, pick: 0, agent: by == AGENT }
}

const fn forwards(by: usize, question: usize, old: bool) -> Move {
    Move::Forward { by, word: 0, question, old }
}

const fn expect(what: &'static str) -> Move {
    Move::Expect(what)
}

fn f0() -> Stmt {
    Stmt::Collect(vec![0])
}

fn sends(action: &'static str) -> Stmt {
    calls(action, Value::Named("f0"))
}

fn pay() -> Stmt {
    sends("pay")
}

fn look() -> Stmt {
    calls("look", Value::Constant)
}

fn search() -> Stmt {
    Stmt::Search("look", vec![Stmt::Escalate])
}

fn identity(who: &str) -> Identity {
    let at = |s| Timestamp::from_second(EPOCH + s).unwrap_or_default();
    Identity { subject: who.into(), level: 1, at: at(0), expires: at(900) }
}

struct Attempts(Vec<Attempt>);

impl Attempts {
    fn add(&mut self, name: &'static str, alpha: Block, talk: impl IntoIterator<Item = Move>) -> &mut Attempt {
        let plan = Plan { alpha, beta: Vec::new(), gamma: Vec::new(), returns: "x", rules: PLAIN };
        // It begins with its start.
        let talk = std::iter::once(GO).chain(talk).collect();
        self.0.push(Attempt { name, plan, proved: true, talk });
        let last = self.0.len() - 1;
        &mut self.0[last]
    }

    /// In a journey whose input anybody may give.
    fn inside(&mut self, name: &'static str, gamma: Block, talk: impl IntoIterator<Item = Move>) -> &mut Attempt {
        let attempt = self.add(name, Vec::new(), talk);
        (attempt.plan.gamma, attempt.plan.rules.open, attempt.talk[0]) = (gamma, true, Move::Begin(0));
        attempt
    }
}

pub fn attempts() -> Vec<Attempt> {
    let mut attempts = Attempts(Vec::new());
    old_yeses(&mut attempts);
    no_yeses(&mut attempts);
    others_yeses(&mut attempts);
    persons(&mut attempts);
    words(&mut attempts);
    approvals(&mut attempts);
    places(&mut attempts);
    starts(&mut attempts);
    claims(&mut attempts);
    doubts(&mut attempts);
    searches(&mut attempts);
    attempts.0
}

/// What somebody does between a yes and what it was for.
fn old_yeses(attempts: &mut Attempts) {
    let asked = || vec![f0(), all(), choice(), pay()];
    let ended = expect("no_grant");
    attempts.add("a yes of long ago", asked(), [GO, GO, Move::Late(950), GO, ended.clone()]);
    let attempt = attempts.add("a yes in another version", asked(), [GO, GO, Move::Renew, GO, ended.clone()]);
    attempt.plan.rules.newer = Some(Newer::Text);
    attempts.add("a yes before a colleague had it", asked(), [GO, GO, TAKE, HAND_BACK, GO, ended.clone()]);
    let talk = [GO, GO, Move::Digress, Move::Word(1), HAND_BACK, GO, ended.clone()];
    attempts.add("a yes before a colleague was called elsewhere", asked(), talk).plan.beta = vec![choice()];
    let talk = [GO, GO, Move::Digress, GO, CANCEL, GO, ended.clone()];
    let attempt = attempts.add("a yes before a write elsewhere", asked(), talk);
    attempt.plan.beta = vec![calls("note", Value::Constant), choice()];
    let tagged = || asks(None, Shown::Tagged);
    let paid = || calls("pay", Value::Tag);
    attempts.add("a yes to what the user was", vec![tagged(), choice(), paid()], [GO, Move::Context, GO, ended]);
    // Back to the beginning, and not on from where something was asked later.
    let (m1, shows_m1) = (|| Stmt::Set("m1", Value::Constant), asks(Some(vec![1]), Shown::Fields));
    let back = either(vec![calls("pay", Value::Perhaps("m1"))], vec![Stmt::Unset("m1"), Stmt::Back(3)]);
    let talk = [GO, GO, GO, OTHER, give(2), GO, GO, GO, expect("sent")];
    attempts.add("on from what was asked before a goto", vec![f0(), m1(), shows_m1, Stmt::Collect(vec![2]), back], talk).proved = false;
    attempts.add("a goto back to what was given", vec![f0(), either(Vec::new(), vec![Stmt::Back(1)])], [GO, OTHER, expect("asks")]);
    let anew = [Stmt::Set("m1", Value::Constant), Stmt::Unset("m1"), calls("pay", Value::Perhaps("m1"))];
    attempts.add("a yes before it was set and unset", [vec![f0(), all()], anew.to_vec()].concat(), [GO, GO, expect("no_grant")]).proved =
        false;
    let length = asks(Some(vec![0]), Shown::Counted);
    attempts.add("a yes to how long it is", vec![f0(), length, pay()], [GO, GO, expect("no_grant")]).proved = false;
    let longer = Stmt::Set("f0", Value::Longer("f0"));
    attempts
        .add("a yes to nothing of what was made of itself", vec![f0(), longer, nothing(), pay()], [GO, GO, expect("no_grant")])
        .proved = false;
}

/// What is no yes.
fn no_yeses(attempts: &mut Attempts) {
    let asked = || vec![f0(), all(), pay()];
    for (name, nearly) in [
        ("a yes and a no", 0),
        ("a yes that asks", 1),
        ("a yes and something else", 7),
        ("a yes that is not sure", 8),
        ("a yes to something changed", 9),
    ] {
        attempts.add(name, asked(), [GO, Move::Nearly(nearly), expect("missed")]);
    }
    let late = || vec![f0(), look(), all(), pay()];
    attempts.add("a yes before the question", late(), [GO, says_yes(0), GO, AGAIN]);
    attempts.add("a yes to what nobody was there for", late(), [GO, AWAY, GO, says_yes(0), AGAIN]);
    attempts.add("a yes to what nobody was told", late(), [GO, Move::Left, GO, says_yes(0), AGAIN]);
    attempts.add("a yes of somebody unaware", asked(), [GO, Move::Unaware("yes"), expect("nothing")]);
    let tagged = vec![f0(), asks(None, Shown::Tagged), calls("pay", Value::Tag)];
    attempts.add("a yes to what was put by a claim", tagged, [GO, Move::Context, says_yes(0), AGAIN]);
    let talk = [GO, Move::Nearly(0), confirms_older(0), expect("stale")];
    attempts.add("a yes to the question before", asked(), talk);
    attempts.add("a yes twice", vec![f0(), nothing(), all(), pay()], [GO, GO, Move::Again, expect("nothing")]);
    attempts.add("a yes to somebody who has it", asked(), [GO, TAKE, confirms(0), expect("escalated"), HAND_BACK]);
    attempts.add("a yes to what was given up", asked(), [GO, Move::Wait(100_000), confirms(0), expect("abandoned")]);
}

/// Yeses of those who cannot say them.
fn others_yeses(attempts: &mut Attempts) {
    let asked = || vec![f0(), all(), pay()];
    let not_theirs = || expect("forbidden");
    attempts.add("a yes by telephone", asked(), [GO, says_yes(PHONE), AGAIN]);
    attempts.add("a yes by telephone, to anything", asked(), [GO, blindly(PHONE), AGAIN]);
    attempts.add("a host's yes", asked(), [gone(HOST), says_yes(HOST), AGAIN]);
    attempts.add("a host that confirms", asked(), [GO, confirms(HOST), not_theirs()]);
    attempts.add("an agent that confirms", asked(), [GO, confirms(AGENT), not_theirs()]);
    attempts.add("an agent that says yes", asked(), [gone(AGENT), says_yes(AGENT), not_theirs()]);
    attempts.add("a yes that no host forwards", asked(), [GO, forwards(0, 0, false), not_theirs()]);
    attempts.add("a yes that an agent forwards", asked(), [GO, forwards(AGENT, 0, false), not_theirs()]);
    let talk = [GO, forwards(HOST, 1, true), forwards(HOST, 0, true), expect("used")];
    attempts.add("a forwarded yes twice", asked(), talk);
    let talk = [GO, Move::Nearly(0), forwards(HOST, 1, false), expect("stale")];
    attempts.add("a forwarded yes to the question before", asked(), talk);
    let talk = [GO, Move::Nearly(0), forwards(HOST, 1, true), forwards(HOST, 0, true), expect("used")];
    attempts.add("a forwarded yes that came too late", asked(), talk);
}

/// Who somebody is, and whose something is.
fn persons(attempts: &mut Attempts) {
    let code = |ttl| vec![Stmt::Collect(vec![2]), verifies(Value::Named("f2"), 2, ttl)];
    let open = || calls("open", Value::Constant);
    let later = |ttl| [code(ttl), vec![choice(), open()]].concat();
    attempts.add("verified for a minute", later(60), [GO, GO, Move::Late(70), GO, expect("identity")]);
    attempts.add("verified too long ago", later(900), [GO, GO, Move::Late(400), GO, expect("identity")]);
    let owned = |step| [known(1), vec![f0(), step]].concat();
    let theirs = || expect("owner");
    attempts.add("somebody else's", owned(sends("mine")), [GO, GO, GO, theirs()]);
    attempts.add("somebody else's, as a read says", owned(sends("deed")), [GO, GO, GO, answer(7), theirs()]);
    let mail = Stmt::Call { action: "mail", x: Value::Named("f0"), y: None, keep: true, refused: None, error: None };
    let shown = [known(1), vec![f0(), mail, Stmt::Say(7), calls("note", Value::Named("r0"))]].concat();
    attempts.add("somebody else's answer", shown, [GO, GO, GO, answer(7), expect("dropped")]);
    let twice = [known(1), vec![fails(Value::Named("f2"), Vec::new()), calls("mine", Value::Subject)]].concat();
    attempts.add("somebody else after all", twice, [GO, GO, go(2), expect("a second one is refused")]);
    let minute = |step| [code(60), vec![f0(), choice(), step]].concat();
    let talk = |then| [GO, GO, GO, Move::Late(70), GO, then];
    attempts.add("one's own, a minute later", minute(calls("hers", Value::Subject)), talk(theirs()));
    let attempt = attempts.add("a policy for who is verified, a minute later", minute(sends("note")), talk(expect("policy")));
    attempt.plan.rules.policy = Some(3);
    let attempt = attempts.add("a policy for what is confirmed", vec![f0(), choice(), sends("note")], [GO, GO, expect("policy")]);
    attempt.plan.rules.policy = Some(1);
    let mailed = || Stmt::Call { action: "mail", x: Value::Named("f0"), y: None, keep: true, refused: None, error: None };
    let noted = || [calls("note", Value::Named("r0"))];
    let shown = minute(mailed()).into_iter().chain(noted()).collect();
    attempts.add("one's own answer, a minute later", shown, [GO, GO, GO, Move::Late(70), GO, GO, expect("dropped")]);
    attempts.add("what a read does not know", owned(sends("deed")), [GO, GO, GO, answer(5), theirs()]);
    attempts.add("nobody's answer", owned(mailed()).into_iter().chain(noted()).collect(), [GO, GO, GO, answer(5), expect("dropped")]);
    let nobody = vec![Stmt::Collect(vec![2]), fails(Value::Named("f2"), Vec::new()), open()];
    attempts.add("verified as nobody", nobody.clone(), [GO, answer(5), expect("identity")]).proved = false;
    attempts.add("verified by a refusal", nobody, [GO, OTHER, expect("identity")]).proved = false;
    let host = |by, who| Move::Do(by, Command::Identified(identity(who)));
    let plain = || vec![choice(), f0()];
    attempts.add("a host that may not say who it is", plain(), [host(PORTER, "s0001"), expect("forbidden")]);
    attempts.add("a user who says who it is", plain(), [host(0, "s0001"), expect("forbidden")]);
    attempts.add("a host that says it is another", [known(1), plain()].concat(), [GO, GO, host(HOST, "s0002"), expect("other_subject")]);
    let claims = |by| Move::Do(by, Command::Context(Arc::new(json!({"tag": "u0009"}))));
    attempts.add("a host that may not claim", plain(), [claims(PORTER), expect("forbidden")]);
    attempts.add("an agent that claims", plain(), [claims(AGENT), expect("forbidden")]);
    let guessed = vec![Stmt::Collect(vec![2]), fails(Value::Named("f2"), vec![Stmt::Back(0)])];
    let talk = [GO, OTHER, GO, OTHER, GO, OTHER, GO, expect("verification was tried")];
    attempts.add("guessed too often", guessed, talk);
}

/// Whose word something is.
fn words(attempts: &mut Attempts) {
    let word = expect("is an agent's word");
    let begun = vec![choice(), verifies(Value::Named("x"), 1, 900)];
    attempts.inside("an agent's word to begin with", begun, [GO, word.clone()]).talk[0] = Move::Begin(AGENT);
    let check = |of| verifies(Value::Named(of), 1, 900);
    let run = |with| Stmt::Run { with: Value::Named(with), ended: None };
    let talk = || [LOOK, GO, FOUND, word.clone()];
    // What somebody else said before is nobody's word any more.
    let other = [known(1), vec![fails(Value::Named("f2"), Vec::new()), Stmt::Collect(vec![2]), check("f2")]].concat();
    let repeated = Move::Repeat { by: AGENT, field: 2 };
    attempts.add("a code that another said", other, [GO, GO, go(2), repeated, word.clone()]).plan.rules.switch = true;
    attempts.add("an agent's code", vec![Stmt::Collect(vec![2]), check("f2")], [gone(AGENT), word.clone()]);
    let longer = Stmt::Set("f2", Value::Longer("f2"));
    attempts.add("an agent's code, made longer", vec![Stmt::Collect(vec![2]), longer, check("f2")], [gone(AGENT), word.clone()]);
    attempts.add("what an agent asked for", vec![search(), check("i0")], talk());
    attempts.add("an agent's word into a run", vec![search(), run("i0")], talk()).plan.gamma = vec![check("x")];
    let made = Stmt::Set("m0", Value::Named("i0"));
    attempts.add("an agent's word, made into another, into a run", vec![search(), made, run("m0")], talk()).plan.gamma = vec![check("x")];
    let attempt = attempts.add("an agent's word out of a run", vec![run("nothing"), check("r1")], talk());
    (attempt.plan.gamma, attempt.plan.returns) = (vec![search()], "i0");
}

/// Who approves, when, and what.
fn approvals(attempts: &mut Attempts) {
    let held = || expect("held");
    let by_op_2 = Move::Approve(0);
    let by_op_1 = Move::Approve(3);
    let own = || expect("own_request");
    let gift = || vec![f0(), sends("gift")];
    attempts.add("without an approval", gift(), [GO, held()]);
    attempts.add("approved by who asked", vec![f0(), choice(), sends("gift")], [GO, gone(COLLEAGUE), by_op_1.clone(), own()]);
    attempts.add("approved by who helped", vec![f0(), choice(), sends("gift")], [gone(COLLEAGUE), GO, by_op_1.clone(), own()]);
    let refused = Stmt::Call { action: "gift", x: Value::Named("f0"), y: None, keep: false, refused: None, error: Some(Vec::new()) };
    let talk = [GO, Move::Approve(6), by_op_2.clone(), own()];
    attempts.add("approved by who refused what led to it", vec![f0(), refused, sends("gift")], talk);
    attempts.add("approved without the role", gift(), [GO, Move::Approve(5), expect("forbidden")]);
    attempts.add("approved by the user", gift(), [GO, Move::Approve(7), expect("forbidden")]);
    attempts.add("approved too late", gift(), [GO, Move::Late(700), by_op_2.clone(), expect("expired")]);
    attempts.add("refused", gift(), [GO, Move::Approve(6), expect("refused")]);
    let talk = [Move::Hand, expect("withdrawn"), by_op_2.clone(), expect("sent")];
    attempts.inside("approved, and another by then", vec![calls("gift", Value::Named("x"))], talk);
    let talk = [Move::Digress, by_op_2, Move::Context, CANCEL, expect("stale")];
    attempts.add("approved, and another since", vec![calls("gift", Value::Tag)], talk).plan.beta = vec![choice()];
}

/// What cannot be done where, or while something else is.
fn places(attempts: &mut Attempts) {
    let taken = || expect("taken");
    attempts.add("a step while a colleague has it", vec![f0(), look(), sends("note")], [GO, TAKE, answer(0), taken()]);
    let attempt = attempts.add(
        "a step behind a verification while a colleague has it",
        vec![choice(), calls("open", Value::Constant)],
        [GO, GO, TAKE, answer(0), taken()],
    );
    attempt.plan.rules.proves = true;
    let set =
        vec![Stmt::Set("f1", Value::Constant), choice(), calls("note", Value::Named("f1")), Stmt::Unset("f1"), Stmt::Collect(vec![1])];
    attempts.add("what the journey sets", set, [give(1), expect("not_fillable")]);
    let talk = [GO, Move::Land { back: 1, result: 0 }, expect("nothing waits for")];
    attempts.add("an answer to something else", vec![look(), calls("look", Value::Constant)], talk);
    let noted = || vec![f0(), choice(), sends("note")];
    let attempt = attempts.add("an action that needs a yes by now", noted(), [GO, Move::Renew, GO, expect("no_grant")]);
    attempt.plan.rules.newer = Some(Newer::Stricter);
    let attempt = attempts.add("an action that is gone", noted(), [GO, Move::Renew, GO, expect("gone")]);
    attempt.plan.rules.newer = Some(Newer::Gone);
}

/// What begins, and what may be given to it.
fn starts(attempts: &mut Attempts) {
    let plain = || vec![f0(), choice()];
    let with_m0 = || vec![(Name::new("m0"), json!("a0001"))];
    let start = |journey: &str, variables| Move::Do(0, Command::Start { journey: Name::new(journey), variables });
    attempts.add("what is only run", plain(), [GO, start("prove", Vec::new()), expect("unknown_journey")]).plan.rules.proves = true;
    attempts.add("what is under way", plain(), [GO, start("alpha", Vec::new()), expect("not_now")]);
    attempts.add("begun with what nobody asks for", plain(), [start("beta", with_m0()), expect("not_fillable")]);
    attempts.add("filled though nobody asks for it", plain(), [Move::Do(0, Command::Fill(with_m0())), expect("not_fillable")]);
    let nameless = || Move::Do(0, Command::Context(Arc::new(json!({}))));
    attempts.add("what is not for this user", plain(), [nameless(), Move::Digress, expect("requires")]);
    let talk = [CANCEL, Move::Say("something"), nameless(), Move::Say("beta"), expect("cannot help")];
    attempts.add("what was offered and is not for this user", plain(), talk).plan.beta = vec![choice()];
    let busy = || vec![f0(), look(), choice()];
    attempts.add("another journey while an action is under way", busy(), [GO, Move::Digress, expect("working")]);
    attempts.add("a word while an action is under way", busy(), [GO, Move::Word(0), expect("queued")]);
    let paid = || vec![f0(), all(), pay()];
    attempts.add("what a write was sent with", [paid(), vec![choice()]].concat(), [GO, GO, GO, give(0), expect("locked")]);
    let tells = Move::Tell { by: 0, field: 0, old: false };
    attempts.add("the same at a confirm", [paid(), vec![nothing()]].concat(), [GO, GO, GO, tells, expect("missed")]);
    attempts.add("an agent's no", paid(), [GO, Move::No { by: AGENT, how: 1 }, expect("forbidden")]);
    attempts.add("a user who takes it over", paid(), [GO, Move::Command { by: 0, which: 2 }, expect("forbidden")]);
    let gift = || vec![f0(), sends("gift")];
    attempts.add("approved while a colleague has it", gift(), [GO, TAKE, Move::Approve(0), expect("approved")]);
    let talk = [GO, Move::Digress, Move::Approve(0), expect("approved"), GO, CANCEL, expect("sent")];
    attempts.add("approved while another action is under way", gift(), talk).plan.beta = vec![calls("note", Value::Constant), choice()];
}

/// What cannot be had.
fn claims(attempts: &mut Attempts) {
    let full = Move::Full("rate_limited");
    let rung = vec![f0(), choice(), sends("ring")];
    attempts.add("too often", rung, [GO, full.clone(), GO, expect("rate_limited")]);
    let known = vec![Stmt::Collect(vec![2]), choice(), verifies(Value::Named("f2"), 1, 900)];
    attempts.add("guessed too often by all", known, [GO, full, GO, expect("tried too often")]);
    let sealed = || vec![f0(), all(), sends("seal")];
    for (name, why, seen) in [
        ("a key that is in use", "busy", "busy"),
        ("a key that was used for something else", "other_inputs", "other_inputs"),
        ("a key that was used for the same", "applied", "replayed"),
    ] {
        attempts.add(name, sealed(), [GO, Move::Full(why), GO, expect(seen)]);
    }
    let talk = [GO, Move::Full("used"), forwards(HOST, 0, false), expect("used")];
    attempts.add("a forwarded yes that was used elsewhere", vec![f0(), all(), pay()], talk);
}

/// Writes of which nobody knows what came of them.
fn doubts(attempts: &mut Attempts) {
    let doubt = || expect("in_doubt");
    let noted = || Stmt::Call { action: "note", x: Value::Named("f0"), y: None, keep: false, refused: None, error: Some(Vec::new()) };
    attempts.add("the same in doubt", vec![f0(), noted(), noted()], [GO, answer(3), doubt()]);
    let asked = |action| vec![f0(), all(), sends(action)];
    attempts.add("again in doubt", asked("pay"), [GO, GO, answer(3), doubt(), GO]);
    attempts.add("again in doubt after a while", asked("ship"), [GO, GO, Move::Late(45), answer(3), doubt(), GO]);
    attempts.add("again by who takes it up", asked("pay"), [GO, GO, Move::Gone, doubt(), GO]);
}

/// What an agent may ask in a search.
fn searches(attempts: &mut Attempts) {
    let over = || expect("no_finding");
    let look_for = |action| vec![Stmt::Search(action, vec![choice()])];
    attempts.add("a read that is not listed", look_for("look"), [Move::Ask("svc.whose"), expect("not_allowed")]);
    attempts.add("a read too late", look_for("look"), [Move::Late(70), LOOK, over()]);
    let asked = (0..8).flat_map(|_| [LOOK, answer(0)]).chain([LOOK, over()]);
    attempts.add("a read too many", look_for("look"), asked);
    attempts.add("a read that needs an approval", look_for("probe"), [Move::Ask("svc.probe"), expect("approval")]);
    let asks = Command::Read { action: "svc.look".into(), inputs: vec![(Name::new("x"), json!("d0009"))] };
    attempts.add("a read that a user asks", look_for("look"), [Move::Do(0, asks), expect("forbidden")]);
}
