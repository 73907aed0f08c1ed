//! Attacks that name ids or come at the same moment, which transcripts cannot say. The others are in `tests/spec/attacks`, those by way
//! of a host's word in `supervised.rs`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;
use waypost::driver::{Clock, Entropy, Perform, Runtime, Turn};
use waypost::engine::input::Open;
use waypost::engine::{Actor, Answer, CallResult, Command, InputBody, Keys, Phase, Principal, Status};
use waypost::store::{ConversationKey, MemoryStore};

use super::harness::{Talk, machine, start};
use crate::crash::mortal::{Life, Mortal, mortal};

const SHOP: &str = r"
name: Shop
type: rest_api
config: {base_url: 'http://shop.test'}
actions:
  - {name: Cancel, invocation: {method: DELETE, endpoint: '/orders/{order_id}'}, input_schema: {order_id: {type: string}}, settings: {idempotency: key},
     outcomes: [{name: done, condition: response.status == 204}], safety: {requires_confirmation: true}}
";
const FIELDS: &str = "{name: Order id, type: string, validation: {pattern: 'A[0-9]+'}}";
const CANCEL: &str = r"
name: Cancel
trigger: {goal: cancel an order, examples: [cancel my order]}
journey:
  - collect: [order_id]
  - confirm: [order_id]
  - action: shop.cancel
    outcomes: {done: continue}
  - done: {outcome: gone}
";
const FILES: [(&str, &str); 3] = [("integrations/shop.yaml", SHOP), ("datapoints/all.yaml", FIELDS), ("journeys/cancel.yaml", CANCEL)];

fn at_the_question(order: &str) -> Talk {
    let mut talk = Talk::new(machine(&FILES));
    talk.user("cancel my order");
    assert_eq!(talk.user(order).phase, Phase::Confirm);
    talk
}

fn gone() -> CallResult {
    CallResult::answered(204, json!(null))
}

#[test]
fn a_question_of_another_conversation_is_none_here() {
    let mut mine = at_the_question("A1");
    let mut theirs = Talk::with(mine.machine.clone(), json!({"identity": {"user_id": "u-2"}}));
    theirs.command(Actor::User, Command::Fill(Vec::new()));
    theirs.input(Actor::User, "other", None, InputBody::Message("cancel my order".into()));
    let asked = theirs.input(Actor::User, "other", None, InputBody::Message("A1".into()));
    let question = mine.answer.question.clone().map(|q| q.id);
    assert_ne!(question, asked.question.map(|q| q.id));
    let refused = theirs.command(Actor::User, Command::Confirm { question });
    assert_eq!(&*refused.refused.unwrap().code, "stale");
    assert!(theirs.calls.is_empty());
    mine.stubs.push_back(gone());
    assert_eq!(mine.user("yes").outcome.as_deref(), Some("gone"));
}

#[test]
fn nobody_answers_for_another_channel_without_the_question() {
    let mut talk = at_the_question("A1");
    for (actor, principal) in [(Actor::User, "elsewhere"), (Actor::Operator, "op-1")] {
        let answer = talk.input(actor, principal, None, InputBody::Command(Command::Confirm { question: None }));
        assert_eq!(answer.phase, Phase::Confirm, "{answer:?}");
        talk.input(Actor::User, "", None, InputBody::Message("what?".into()));
    }
    for actor in [Actor::Agent, Actor::Admin, Actor::System] {
        let question = talk.answer.question.clone().map(|q| q.id);
        let answer = talk.command(actor, Command::Confirm { question });
        assert_eq!(&*answer.refused.unwrap().code, "forbidden");
    }
    assert!(talk.calls.is_empty());
}

#[test]
fn a_yes_that_comes_again_under_its_id_is_not_a_second_one() {
    let mut talk = at_the_question("A1");
    talk.stubs.push_back(gone());
    let done = talk.input(Actor::User, "", Some("m-1"), InputBody::Message("yes".into()));
    assert_eq!(done.outcome.as_deref(), Some("gone"));
    talk.user("cancel my order");
    assert_eq!(talk.user("A2").phase, Phase::Confirm);
    let again = talk.input(Actor::User, "", Some("m-1"), InputBody::Message("yes".into()));
    assert_eq!((again.phase, talk.calls.len()), (Phase::Confirm, 1));
}

#[test]
fn what_is_over_is_over() {
    let mut talk = at_the_question("A1");
    let question = talk.answer.question.clone().map(|q| q.id);
    talk.wait(90_000);
    assert_eq!(talk.answer.status, Status::Abandoned);
    for body in [
        InputBody::Message("yes".into()),
        InputBody::Command(Command::Confirm { question }),
        InputBody::Command(Command::Resume),
        InputBody::Command(start("cancel")),
    ] {
        let refused = talk.input(Actor::User, "", None, body);
        assert_eq!(&*refused.refused.unwrap().code, "abandoned");
    }
    assert!(talk.calls.is_empty());
}

#[test]
fn one_order_and_then_another_are_two_writes_to_a_shop_that_honours_keys() {
    let mut talk = at_the_question("A1");
    talk.stubs.extend([gone(), gone(), gone()]);
    talk.user("yes");
    for order in ["A2", "A1"] {
        talk.user("cancel my order");
        talk.user(order);
        talk.user("yes");
    }
    let keys: Vec<_> = talk.calls.iter().map(|c| c.request.idempotency_key.clone().unwrap()).collect();
    assert_eq!(keys.len(), 3);
    assert!(keys[0] != keys[1] && keys[1] != keys[2] && keys[0] != keys[2], "{keys:?}");
}

async fn turn<P: Perform>(process: &Runtime<Mortal, P>, key: &ConversationKey, turn: Turn) -> Answer {
    process.turn(key, Actor::User, Principal::default(), None, turn).await.unwrap().answer
}

/// In one process, and in two over one store.
#[tokio::test]
async fn two_yeses_at_the_same_moment_are_one_request() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = calls.clone();
    let perform = move |_| {
        let counted = counted.clone();
        async move {
            counted.fetch_add(1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            gone()
        }
    };
    let files = FILES.map(|(name, text)| (name.to_owned(), Arc::from(text)));
    let loaded = waypost::check::load(files.to_vec()).loaded().unwrap();
    let clock = Clock::manual("2026-01-05T09:00:00Z".parse().unwrap());
    let store = mortal(MemoryStore::default(), Arc::new(Life::until(None)));
    let process = |seed| {
        Runtime::with(loaded.clone(), store.clone(), perform.clone(), clock.clone(), Entropy::seeded(seed), Keys::derive(b"k")).unwrap()
    };
    let (here, there) = (process(1), process(2));
    for (conversation, other) in [("c-1", &here), ("c-2", &there)] {
        calls.store(0, Ordering::SeqCst);
        let id = conversation.into();
        let open = Open { conversation: id, tenant: "t".into(), agent: "a".into(), user_id: "u".into(), user: Arc::new(json!({})) };
        let key = here.open(open).await.unwrap();
        turn(&here, &key, Turn::Message("cancel my order".into())).await;
        let question = turn(&here, &key, Turn::Message("A1".into())).await.question.map(|q| q.id);
        let confirm = || Turn::Command(Command::Confirm { question: question.clone() });
        let (one, two) = tokio::join!(turn(&here, &key, confirm()), turn(other, &key, confirm()));
        let refused = [one, two].iter().filter(|answer| answer.refused.is_some()).count();
        assert_eq!((calls.load(Ordering::SeqCst), refused), (1, 1), "{conversation}");
    }
}
