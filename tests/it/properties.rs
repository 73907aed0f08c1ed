//! Properties of the machine: whatever comes in, in whatever order, it ends within its bounds, never panics, never starts a call
//! without a verdict that allows it, and its live state is the fold of its events (the last two are asserted by the harness).

use std::fmt::Write as _;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use proptest::prelude::*;
use serde_json::{Value as Json, json};
use waypost::check;
use waypost::engine::{Actor, Command, EventBody, InputBody, Keys, Machine, Phase, Principal, Status};
use waypost::model::ErrorKind;
use waypost::source::SourceMap;
use waypost::transcript::{self, Options, Runner};
use waypost::value::Name;

use crate::engine::harness::{Talk, answered, failed};

/// The shipped workspace: every step kind in realistic use.
static LOADED: LazyLock<check::Loaded> = LazyLock::new(|| {
    let files = waypost::driver::files::read_dir(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
    check::load(files).loaded().unwrap()
});

static SHIPPED: LazyLock<Arc<Machine>> = LazyLock::new(|| Arc::new(Machine::new(LOADED.clone(), Keys::derive(b"k"))));

const MESSAGES: [&str; 22] = [
    "where is my order H1042",
    "I want a refund",
    "cancel my order",
    "yes",
    "no",
    "yes please",
    "yes but to my other address",
    "H0988",
    "H1042",
    "1",
    "2",
    "next",
    "back",
    "stuck",
    "cancel",
    "talk to a person",
    "ada@example.com",
    "123456",
    "my grinder does not work",
    "skip",
    "change it",
    "12 Oak Street, 90210 Springfield",
];

const NAMES: [&str; 10] = ["order_id", "email", "code", "reason", "street", "city", "amount", "method", "sku", "nothing_that_exists"];

#[derive(Debug, Clone)]
enum Move {
    Say(usize, Option<u8>),
    Do(Actor, usize, usize, usize),
    Land(usize, u16, usize),
    Fail(usize, bool),
    Wait(i64),
    TakeOver(usize),
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let actor = prop_oneof![
        1 => Just(Actor::User), 4 => Just(Actor::Agent), 1 => Just(Actor::Operator), 1 => Just(Actor::Runtime), 1 => Just(Actor::Admin), 1 => Just(Actor::System)
    ];
    let one = prop_oneof![
        6 => (0..MESSAGES.len(), proptest::option::weighted(0.2, 0..4_u8)).prop_map(|(m, id)| Move::Say(m, id)),
        6 => (actor, 0..20_usize, 0..NAMES.len(), 0..8_usize).prop_map(|(a, c, n, v)| Move::Do(a, c, n, v)),
        6 => (0..3_usize, prop_oneof![4 => Just(200_u16), 1 => Just(201), 1 => Just(202), 1 => Just(404), 1 => Just(409), 1 => Just(422), 1 => Just(429), 1 => Just(503)], 0..6_usize)
            .prop_map(|(i, s, b)| Move::Land(i, s, b)),
        1 => (0..3_usize, any::<bool>()).prop_map(|(i, sent)| Move::Fail(i, sent)),
        2 => prop_oneof![Just(1_i64), Just(30), Just(1_000), Just(90_000)].prop_map(Move::Wait),
        1 => (0..3_usize).prop_map(Move::TakeOver),
    ];
    proptest::collection::vec(one, 1..40)
}

fn stubs() -> impl Strategy<Value = Vec<(u16, usize)>> {
    let status = prop_oneof![6 => Just(200_u16), 1 => Just(404), 1 => Just(409), 1 => Just(503)];
    proptest::collection::vec((status, 0..6_usize), 6)
}

fn bodies(i: usize) -> Json {
    match i {
        0 => json!({"id": "H0988", "customer_id": "C-1", "status": "delivered", "total": 99, "currency": "EUR", "refundable": true,
                    "items": [{"sku": "K1", "title": "Kettle", "price": 49.5}], "delivered_on": "2026-01-01"}),
        1 => json!({"id": "H1042", "customer_id": "C-1", "status": "processing", "total": 12, "currency": "EUR", "items": []}),
        2 => json!({"customer_id": "C-1", "verified": true, "refund_id": "R1", "arrives_by": "2026-01-09"}),
        3 => json!([]),
        4 => json!("text"),
        _ => Json::Null,
    }
}

fn command(which: usize, name: usize, value: usize) -> Command {
    let name = Name::new(NAMES[name]);
    let json = [json!("H1042"), json!("ada@example.com"), json!("123456"), json!(5), json!(""), Json::Null, json!([1]), json!({"a": "b"})];
    let values = vec![(name, json[value].clone())];
    let journeys = ["refund", "cancel-order", "order-status", "change-address", "grinder-help", "find-order", "verify-identity", "none"];
    match which {
        0 => Command::Start { journey: Name::new(journeys[value]), variables: Vec::new() },
        1 => Command::Start { journey: Name::new(journeys[value]), variables: values },
        2 | 3 => Command::Fill(values),
        4 => Command::Choose(["k1", "K1", "store-credit", "original-payment-method", "refund", "x", "", "the-item"][value].into()),
        5 => Command::Confirm { question: None },
        6 => Command::Confirm { question: Some("q0".into()) },
        7 => Command::Reject { question: None },
        8 => Command::Change(if value > 4 { Vec::new() } else { values }),
        9 => Command::Next,
        10 => Command::Back,
        11 => Command::Stuck,
        12 => Command::Read { action: ["shop.get-order", "shop.refund-item", "x", "a.b"][value % 4].into(), inputs: values },
        13 => Command::Finding(Name::new(["fine", "broken", "unknown", ""][value % 4])),
        14 => Command::Correct(values),
        15 => Command::Cancel,
        16 => Command::Handoff(None),
        17 => Command::Resume,
        18 => Command::TakeOver,
        _ => Command::HandBack,
    }
}

fn play(talk: &mut Talk, step: &Move) {
    match step {
        Move::Say(m, id) => {
            let id = id.map(|i| format!("m{i}"));
            talk.input(Actor::User, "", id.as_deref(), InputBody::Message(MESSAGES[*m].into()));
        }
        Move::Do(actor, which, name, value) => {
            talk.command(*actor, command(*which, *name, *value));
        }
        Move::Land(back, status, body) => result(talk, *back, answered(*status, bodies(*body))),
        Move::Fail(back, sent) => result(talk, *back, failed(if *sent { ErrorKind::Timeout } else { ErrorKind::Connect }, *sent)),
        Move::Wait(seconds) => {
            talk.wait(*seconds);
        }
        Move::TakeOver(back) => {
            if let Some(call) = talk.calls.iter().rev().nth(*back) {
                let effect = call.id.clone();
                talk.input(Actor::System, "", None, InputBody::TakeOver(effect));
            }
        }
    }
}

fn result(talk: &mut Talk, back: usize, result: waypost::engine::CallResult) {
    if let Some(call) = talk.calls.iter().rev().nth(back) {
        let effect = call.id.clone();
        talk.input(Actor::User, "", None, InputBody::Result(effect, result));
    }
}

/// The same as entries of a transcript, as far as one can say it; after stubs of every action.
fn written(moves: &[Move], stubs: &[(u16, usize)]) -> String {
    let mut text = "name: any\nstubs:\n".to_owned();
    for ((integration, action), n) in LOADED.actions.keys().zip(0..) {
        let _ = writeln!(text, "  {integration}.{action}:");
        for (status, body) in stubs.iter().skip(n % 3).step_by(2) {
            let _ = writeln!(text, "    - {{status: {status}, body: {}}}", bodies(*body));
        }
    }
    text.push_str("talk:\n");
    for step in moves {
        match step {
            Move::Say(m, _) => {
                let _ = writeln!(text, "  - user: '{}'", MESSAGES[*m]);
            }
            Move::Do(actor @ (Actor::User | Actor::Agent | Actor::Operator), which, name, value) => {
                let command = command(*which, *name, *value);
                let values = |v: &[(Name, Json)]| Json::Object(v.iter().map(|(n, j)| (n.to_string(), j.clone())).collect());
                let with = match &command {
                    Command::Start { journey, variables } => json!({"journey": journey.as_str(), "variables": values(variables)}),
                    Command::Fill(v) | Command::Change(v) | Command::Correct(v) => values(v),
                    Command::Choose(option) => json!(option),
                    Command::Read { action, inputs } => json!({"action": action, "inputs": values(inputs)}),
                    Command::Finding(name) => json!(name.as_str()),
                    _ => json!({}),
                };
                let who = match actor {
                    Actor::User => "user",
                    Actor::Agent => "agent",
                    _ => "operator",
                };
                let _ = writeln!(text, "  - {who}: {{{}: {with}}}", command.name());
            }
            Move::Wait(seconds) => {
                let _ = writeln!(text, "  - wait: {seconds}s");
            }
            Move::Do(..) | Move::Land(..) | Move::Fail(..) | Move::TakeOver(_) => {}
        }
    }
    text
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_inputs_in_any_order_end_within_bounds(moves in moves()) {
        let mut talk = Talk::with(SHIPPED.clone(), json!({"identity": {"user_id": "u-1"}}));
        talk.held = true;
        for step in &moves {
            let before = talk.events.len();
            play(&mut talk, step);
            prop_assert!(talk.events.len() - before < 500, "{step:?} made {} events", talk.events.len() - before);
            let expects = talk.machine.expects(&talk.state, Actor::Agent, &Principal::default());
            prop_assert_eq!(&expects, &talk.machine.expects(&talk.state, Actor::Agent, &Principal::default()));
            let answer = &talk.answer;
            prop_assert_eq!(answer.phase == Phase::Escalated, answer.status == Status::Escalated);
            if answer.phase == Phase::Collect {
                prop_assert!(expects.commands.iter().any(|(n, _)| &**n == "fill" || &**n == "correct"), "{expects:?}");
            }
        }
        // A call that needs a yes never left without a question that was answered by somebody who may.
        let trace = talk.trace();
        for call in &talk.calls {
            if call.action.safety.requires_confirmation {
                prop_assert!(trace.contains("said yes to"), "{trace}");
                prop_assert!(!trace.contains("agent said yes"), "{trace}");
            }
        }
    }

    /// Whatever comes in, its recording plays again: with what is hidden taken out, and under other keys.
    #[test]
    fn any_inputs_in_any_order_play_again(moves in moves()) {
        let mut talk = Talk::with(SHIPPED.clone(), json!({"identity": {"user_id": "u-1"}}));
        talk.held = true;
        for step in &moves {
            play(&mut talk, step);
        }
        if let Err(why) = crate::record::plays(&LOADED, &talk.events) {
            prop_assert!(false, "{why}");
        }
    }

    /// Whatever is said and answered, its recording makes a test that passes.
    #[test]
    fn any_conversation_makes_a_test_that_passes(moves in moves(), stubs in stubs()) {
        let text = written(&moves, &stubs);
        let executor = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let made = executor.block_on(async {
            let file = SourceMap::default().add("t", Arc::<str>::from(&*text));
            // What names what there is not cannot be said.
            let script = transcript::read(file, &text, Some(&LOADED)).remove(0).script?;
            let (_, events) = Runner::new(LOADED.clone(), Options::default()).record(&script).await.unwrap();
            // Of one that was given up, only what was said is kept.
            if !matches!(events[0].body, EventBody::Opened(_)) {
                return None;
            }
            Some((crate::record::plays(&LOADED, &events), crate::record::makes_a_test(&LOADED, &events).await))
        });
        if let Some((plays, test)) = made {
            prop_assert!(plays.is_ok(), "{plays:?}\n{text}");
            prop_assert!(test.is_ok(), "{}\n{text}", test.unwrap_err());
        }
    }
}
