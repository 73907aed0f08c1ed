//! A turn of the machine: against its own expression and template alone, in time, and after a large answer; and a turn of the runtime among
//! more conversations than a few.

#![expect(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "what a benchmark is made of must be sound")]

mod common;

use std::sync::Arc;

use common::{PAIRS, Report, generate, repeat, show, timed};
use jiff::Timestamp;
use serde_json::{Value as Json, json};
use waypost::check;
use waypost::driver::{Clock, Runtime, Turn};
use waypost::engine::effect::EffectId;
use waypost::engine::input::Open;
use waypost::engine::{
    Actor, CallEffect, CallResult, Command, Effect, HttpAnswer, Input, InputBody, Keys, Machine, Principal, Progress, State,
};
use waypost::expr::{Node, Root, Scope};
use waypost::model::StepKind;
use waypost::store::MemoryStore;
use waypost::template::Undefined;
use waypost::value::{Name, Taint, Value};

/// Turns in one measurement.
const TURNS: u32 = 2_000;

const BENCH: &str = "\
name: Look up
trigger: {goal: look up a case, examples: [look up my case]}
journey:
  - set: {filler: $user.filler}
  - collect: [reason]
  - collect: [case_id]
  - action: desk.find-case -> case
    outcomes:
      found: continue
      closed: [done: It is closed.]
      missing: [done: There is none.]
    on_error: {default: escalate}
  - say: 'Case {{ variables.case.id }} is {{ variables.case.state }}, because of {{ variables.reason }}.'
    name: tell
  - collect: {fields: [code]}
  - say: 'Thanks for {{ variables.filler | length }} and {{ variables.code | mask }}.'
";

/// Conversations that speak one after another: few, as many as are kept at hand, and more; and turns of all of them in one measurement.
const FEW: usize = 32;
const MANY: usize = 1_000;
const MORE: usize = 4_000;
const SPOKEN: usize = 8_000;

const AGAIN: &str = "\
name: Again
trigger: {goal: hear it again, examples: [say it again]}
journey:
  - choice: {prompt: Once more?, options: {Once more: [{goto: ask}], Enough: done}}
    name: Ask
";

/// Conversations that act, in one measurement; and those that acted before.
const ACTING: usize = 2_000;
const ACTED: usize = 30_000;

const ACT: [(&str, &str); 2] = [
    (
        "integrations/desk.yaml",
        "\
name: Desk
type: rest_api
config: {base_url: 'https://desk.example', auth_type: none}
actions:
  - name: Note it
    type: write
    invocation: {method: POST, endpoint: /notes}
    outcomes: [{name: noted, condition: response.status == 200}]
    settings: {idempotency: key}
    safety: {idempotency_key: 'note {{ user.order }}'}
",
    ),
    (
        "journeys/note.yaml",
        "\
name: Note
trigger: {goal: have it noted, examples: [note it]}
journey:
  - confirm: {message: Shall I note it?, on_reject: [done: Fine.]}
  - action: desk.note-it
    outcomes: {noted: [done: It is noted.]}
    on_error: {default: escalate}
",
    ),
];

/// A conversation in the hand: a state and the clock that its inputs carry.
struct Talk<'a> {
    machine: &'a Machine,
    state: State,
    n: u64,
}

impl Talk<'_> {
    fn give(&mut self, actor: Actor, body: InputBody) -> Progress {
        self.n += 1;
        let mut entropy = [7; 32];
        entropy[..8].copy_from_slice(&self.n.to_be_bytes());
        let at = Timestamp::from_second(1_767_600_000).expect("a time");
        let principal = Principal { id: "bench".into(), roles: Vec::new(), scopes: Vec::new() };
        let mut progress = self.machine.handle(
            &self.state,
            Input { at, actor, principal, message_id: None, entropy, refused: Vec::new(), unaware: false, answered: false, body },
        );
        self.state = std::mem::take(&mut progress.state);
        progress
    }

    fn fill(&mut self, name: &str, value: &str) -> Progress {
        self.give(Actor::Agent, InputBody::Command(Command::Fill(vec![(Name::new(name), json!(value))])))
    }

    fn answer(&mut self, progress: &Progress, body: &Arc<Json>) -> Progress {
        let Some(Effect::Call(call)) = progress.effects.first() else { panic!("a call is wanted: {:?}", progress.answer) };
        let id: EffectId = call.id.clone();
        let answer = HttpAnswer { status: 200, headers: Vec::new(), body: body.clone(), invalid_json: false };
        self.give(Actor::System, InputBody::Result(id, CallResult::Answered(answer)))
    }
}

/// A conversation that stands where the case's number is asked for, with 2 KB in its variables.
fn standing(machine: &Machine) -> State {
    let mut talk = Talk { machine, state: State::default(), n: 0 };
    let user = json!({"identity": {"user_id": "u-1"}, "filler": "x".repeat(2_000)});
    let open =
        Open { conversation: "c-1".into(), tenant: "t".into(), agent: "default".into(), user_id: "u-1".into(), user: Arc::new(user) };
    let _ = talk.give(Actor::User, InputBody::Open(open));
    let _ = talk.give(Actor::Agent, InputBody::Command(Command::Start { journey: Name::new("look-up"), variables: Vec::new() }));
    let progress = talk.fill("reason", "it broke");
    assert!(progress.answer.refused.is_none() && progress.answer.errors.is_empty(), "{:?}", progress.answer);
    talk.state
}

/// What the floor's expression and template see.
struct Floor {
    variables: Json,
    response: Json,
    clean: Taint,
}

impl Scope for Floor {
    fn member(&self, root: Root, key: &str) -> Option<Node<'_>> {
        let json = if root == Root::Response { &self.response } else { &self.variables };
        Some(Node { json: json.get(key)?, taint: &self.clean })
    }
    fn whole(&self, _: Root) -> Option<Value> {
        None
    }
}

fn case(size: usize) -> Arc<Json> {
    Arc::new(json!({"id": "C-17", "state": "open", "priority": 3, "history": "h".repeat(size)}))
}

async fn nobody(_: CallEffect) -> CallResult {
    panic!("nothing is called")
}

/// Turns of so many conversations that speak one after another, over a store in memory: how long all of them take.
#[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
fn spoken(executor: &tokio::runtime::Runtime, conversations: usize) -> f64 {
    let files = vec![("waypost.yaml".into(), "".into()), ("journeys/again.yaml".into(), AGAIN.into())];
    let loaded = check::load(files).loaded().expect("the workspace checks");
    let runtime = Runtime::new(loaded, MemoryStore::new(), nobody, Clock::System).expect("a runtime");
    let say = async |key: &_, command| {
        let said = runtime.turn(key, Actor::User, Principal::default(), None, Turn::Command(command)).await.expect("a turn");
        assert!(said.answer.refused.is_none(), "{:?}", said.answer);
    };
    executor.block_on(async {
        let mut keys = Vec::new();
        for _ in 0..conversations {
            let user = Arc::new(json!({}));
            let open = Open { conversation: "".into(), tenant: "t".into(), agent: "default".into(), user_id: "".into(), user };
            let key = runtime.open(open).await.expect("a conversation");
            say(&key, Command::Start { journey: Name::new("again"), variables: Vec::new() }).await;
            keys.push(key);
        }
        let began = std::time::Instant::now();
        for key in keys.iter().cycle().take(SPOKEN) {
            say(key, Command::Choose("once-more".into())).await;
        }
        began.elapsed().as_secs_f64()
    })
}

async fn desk(_: CallEffect) -> CallResult {
    CallResult::answered(200, json!({}))
}

/// Conversations that act once each, under a key of their author's, over a store in memory in which so many acted before: how long they take.
#[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
fn acted(executor: &tokio::runtime::Runtime, before: usize) -> f64 {
    let files = [("waypost.yaml", "")].into_iter().chain(ACT).map(|(name, text)| (name.into(), text.into())).collect();
    let loaded = check::load(files).loaded().expect("the workspace checks");
    let runtime = Runtime::new(loaded, MemoryStore::new(), desk, Clock::System).expect("a runtime");
    let act = async |n: usize| {
        let user = Arc::new(json!({"order": n}));
        let open = Open { conversation: "".into(), tenant: "t".into(), agent: "default".into(), user_id: "".into(), user };
        let key = runtime.open(open).await.expect("a conversation");
        for command in [Command::Start { journey: Name::new("note"), variables: Vec::new() }, Command::Confirm { question: None }] {
            let said = runtime.turn(&key, Actor::User, Principal::default(), None, Turn::Command(command)).await.expect("a turn");
            assert!(said.answer.refused.is_none() && said.answer.errors.is_empty(), "{:?}", said.answer);
        }
    };
    executor.block_on(async {
        for n in 0..before {
            act(n).await;
        }
        let began = std::time::Instant::now();
        for n in before..before + ACTING {
            act(n).await;
        }
        began.elapsed().as_secs_f64()
    })
}

fn main() {
    let mut report = Report::default();
    let mut files = generate::workspace(1_000);
    files.push(("journeys/look-up.yaml".into(), BENCH.into()));
    let checked = check::load(files);
    let machine = Machine::new(checked.loaded().expect("the workspace checks"), Keys::derive(b"bench"));
    let workspace = machine.workspace().clone();
    let state = standing(&machine);
    println!("1,000 journeys loaded; a state of {} bytes as JSON", serde_json::to_vec(&state).expect("JSON").len());

    // The floor: the matched outcome's condition and the message's template, on the same data.
    let body = case(200);
    let scope = Floor {
        variables: json!({"case": *body, "reason": "it broke"}),
        response: json!({"status": 200, "body": *body}),
        clean: Taint::default(),
    };
    let action = workspace.action("desk.find-case").expect("the action").clone();
    let condition = action.outcomes[0].condition.as_ref().expect("a condition").clone();
    let journey = workspace.journey("look-up").expect("the journey").clone();
    let tell = journey.by_slug.get("tell").and_then(|id| journey.step(*id)).expect("the step");
    let StepKind::Say(template) = &tell.kind else { panic!("a say") };
    assert!(condition.test(&scope).expect("a condition"));
    assert_eq!(template.render(&scope, Undefined::Nothing).expect("a text").text, "Case C-17 is open, because of it broke.");

    let turn = || {
        let mut talk = Talk { machine: &machine, state: state.clone(), n: 10 };
        let progress = talk.fill("case_id", "C-17");
        let progress = talk.answer(&progress, &body);
        assert_eq!(progress.answer.messages.len(), 2);
        talk.state.version
    };
    let floor = || (condition.test(&scope), template.render(&scope, Undefined::Nothing));
    report.pair("a turn of three steps / its expression and template", 5.0, repeat(TURNS, floor), repeat(TURNS, turn));
    let one = timed(9, repeat(TURNS, turn)) / f64::from(TURNS);
    println!("a turn: {}", show(one));
    report.most("a turn of three steps", one * 1e6, 10.0, "µs");

    // Ten turns after an answer of 1 KB and of 100 KB was stored.
    let after = |size: usize| {
        let mut talk = Talk { machine: &machine, state: state.clone(), n: 10 };
        let progress = talk.fill("case_id", "C-17");
        let _ = talk.answer(&progress, &case(size));
        talk.state
    };
    let (small, large) = (after(1_000), after(100_000));
    let ten = |state: &State| {
        let mut talk = Talk { machine: &machine, state: state.clone(), n: 100 };
        for _ in 0..10 {
            let progress = talk.fill("code", "12");
            assert!(!progress.answer.errors.is_empty(), "no code: asked again");
        }
        talk.state.version
    };
    report.pair("ten turns after 100 KB were stored / after 1 KB", 1.2, repeat(200, || ten(&small)), repeat(200, || ten(&large)));

    let executor = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("an executor");
    spoken(&executor, FEW);
    for (many, limit, what) in [(MANY, 1.5, "1,000"), (MORE, 6.0, "4,000")] {
        let rows = (0..PAIRS).map(|_| (spoken(&executor, FEW), spoken(&executor, many))).collect();
        report.pairs(&format!("8,000 turns of {what} conversations that speak one after another, in memory / of 32"), limit, rows);
    }
    let rows = (0..PAIRS).map(|_| (acted(&executor, 0), acted(&executor, ACTED))).collect();
    report.pairs("2,000 conversations that act under a key, in memory, after 30,000 that did / after none", 1.5, rows);
    report.finish();
}
