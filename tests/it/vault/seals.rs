//! Sealed where they are written, opened where they are read; without the key asked again, read again, and never written again.

use std::sync::{Arc, Mutex};

use serde_json::json;
use waypost::check::{self, Loaded};
use waypost::driver::{Clock, Entropy, Runtime, Turn, TurnResult};
use waypost::engine::input::Open;
use waypost::engine::{Actor, CallEffect, CallResult, Event, EventBody, Keys, Principal, State, Status};
use waypost::store::{ConversationKey, MemoryStore, Seals, Store};

const BANK: &str = "
name: Bank
type: rest_api
config: {base_url: 'https://bank.example.com', auth_type: none}
actions:
  - name: Account
    type: read
    invocation: {method: GET, endpoint: '/accounts'}
    outcomes: [{name: found, condition: response.status == 200}]
    safety: {redact_fields: [response.iban]}
  - name: Pay
    type: write
    invocation: {method: POST, endpoint: '/payments'}
    input_schema: {pin: {type: string}, iban: {type: string, required: false}}
    outcomes: [{name: paid, condition: response.status == 200}]
    safety: {requires_confirmation: true}
  - name: Note
    type: write
    invocation: {method: POST, endpoint: '/notes'}
    outcomes: [{name: noted, condition: response.status == 200}]
";

const FIELDS: &str = "
{name: PIN, type: string, sensitive: true, validation: {pattern: '^\\d{4}$'}, ui: {prompt: Which PIN?}}
---
{name: Amount, type: number, ui: {prompt: How much?}}
";

/// Collects a PIN, reads an account whose number is sensitive, asks, pays.
const PAY: &str = "
name: Pay
trigger: {goal: Pay a bill, examples: [pay my bill]}
fallback: {to: care, message: A colleague takes over.}
journey:
  - collect: [pin]
  - action: bank.account -> account
  - collect: [amount]
  - confirm: {message: 'Pay {{ variables.amount }} from {{ variables.account.iban | mask }} with PIN {{ variables.pin | mask }}?'}
  - action: bank.pay
    inputs: {pin: $variables.pin, iban: $variables.account.iban}
    outcomes: {paid: [{done: Paid.}]}
";

/// Writes before it asks for the PIN's last use.
const NOTE: &str = "
name: Note first
trigger: {goal: Note and pay, examples: [note it first]}
fallback: {to: care, message: A colleague takes over.}
journey:
  - collect: [pin]
  - action: bank.note
    outcomes: {noted: continue}
  - collect: [amount]
  - done: 'Noted {{ variables.amount }}.'
";

fn workspace() -> Loaded {
    let files = [
        ("waypost.yaml", "queues: {default: care, names: [care]}"),
        ("integrations/bank.yaml", BANK),
        ("journeys/pay.yaml", PAY),
        ("journeys/note.yaml", NOTE),
        ("datapoints/fields.yaml", FIELDS),
    ];
    let checked = check::load(files.map(|(name, text)| (name.to_owned(), Arc::from(text))).to_vec());
    checked.loaded().unwrap_or_else(|| panic!("{:#?}", checked.diagnostics))
}

/// What the bank was asked, by path.
#[derive(Clone, Default)]
struct Bank {
    asked: Arc<Mutex<Vec<String>>>,
    hangs: bool,
}

impl waypost::driver::Perform for Bank {
    async fn perform(&self, call: CallEffect) -> CallResult {
        let path = call.request.path.to_string();
        self.asked.lock().unwrap().push(format!("{path} {}", call.request.body.as_deref().unwrap_or("")));
        if self.hangs && path == "/payments" {
            std::future::pending::<()>().await;
        }
        CallResult::answered(200, if path == "/accounts" { json!({"iban": "AT61 1904 3002 3457 3201"}) } else { json!({}) })
    }
}

impl Bank {
    fn asked(&self, path: &str) -> usize {
        self.asked.lock().unwrap().iter().filter(|a| a.starts_with(path)).count()
    }
}

fn seals(master: &str) -> Seals {
    Seals::new(master.as_bytes(), &[], [7; 16])
}

struct Process {
    runtime: Runtime<MemoryStore, Bank>,
    key: ConversationKey,
    clock: Clock,
}

async fn process(store: MemoryStore, bank: &Bank, clock: &Clock) -> Process {
    let runtime = Runtime::with(workspace(), store, bank.clone(), clock.clone(), Entropy::seeded(1), Keys::derive(b"key")).unwrap();
    let user = Arc::new(json!({"identity": {"user_id": "u-1"}}));
    let open = Open { conversation: "c-1".into(), tenant: "acme".into(), agent: "bank".into(), user_id: "u-1".into(), user };
    let key = runtime.open(open).await.unwrap();
    Process { runtime, key, clock: clock.clone() }
}

impl Process {
    async fn say(&self, text: &str) -> TurnResult {
        self.runtime.turn(&self.key, Actor::User, Principal::default(), None, Turn::Message(text.into())).await.unwrap()
    }

    async fn events(&self) -> Vec<Event> {
        self.runtime.store().events(&self.key, 0, 10_000).await.unwrap().into_iter().map(|(_, event)| event).collect()
    }

    async fn state(&self) -> State {
        std::sync::Arc::unwrap_or_clone(self.runtime.state(&self.key).await.unwrap())
    }
}

fn clock() -> Clock {
    Clock::manual("2026-11-22T09:00:00Z".parse().unwrap())
}

fn is_sealed(event: &Event) -> bool {
    matches!(event.body, EventBody::Sealed { .. })
}

async fn up_to_the_question(store: &MemoryStore, bank: &Bank, clock: &Clock) -> Process {
    let process = process(store.clone(), bank, clock).await;
    for text in ["pay my bill", "4711", "20"] {
        process.say(text).await;
    }
    process
}

#[tokio::test]
async fn what_is_sensitive_is_sealed_for_its_conversation_and_its_key() {
    let (store, bank, clock) = (MemoryStore::with(seals("one")), Bank::default(), clock());
    let told = up_to_the_question(&store, &bank, &clock).await;
    let state = told.state().await;
    told.say("yes").await;
    let events = told.events().await;
    assert!(!events.iter().any(is_sealed));
    let first = seals("one");
    let mut secrets = 0;
    for event in &events {
        let mut bytes = Vec::new();
        first.write_event(&told.key, event, &mut bytes).unwrap();
        let text = String::from_utf8(bytes.clone()).unwrap();
        assert!(!text.contains("4711") && !text.contains("3457"), "{text}");
        secrets += usize::from(event.is_sensitive());
        assert_eq!(first.read_event(&told.key, &bytes).unwrap(), *event);
        let rotated = Seals::new(b"two", &[b"one"], [8; 16]);
        assert_eq!(rotated.read_event(&told.key, &bytes).unwrap(), *event);
        for (seals, key) in [(seals("two"), told.key.clone()), (first.clone(), ConversationKey::new("acme", "c-2"))] {
            let read = seals.read_event(&key, &bytes).unwrap();
            assert_eq!(is_sealed(&read), event.is_sensitive(), "{read:?}");
            let mut again = Vec::new();
            seals.write_event(&key, &read, &mut again).unwrap();
            assert_eq!(first.read_event(&told.key, &again).unwrap(), *event, "what cannot be opened is kept as it is");
        }
        let mut touched = bytes.clone();
        if event.is_sensitive() {
            let at = text.rfind('"').unwrap() - 3;
            touched[at] = if touched[at] == b'A' { b'B' } else { b'A' };
            assert!(is_sealed(&first.read_event(&told.key, &touched).unwrap()), "a touched seal opens");
        }
    }
    assert_eq!(secrets, 4, "the message, the field, the answer and the request");
    let mut bytes = Vec::new();
    first.write_state(&told.key, &state, &mut bytes).unwrap();
    assert!(!String::from_utf8_lossy(&bytes).contains("4711"));
    assert_eq!(first.read_state(&told.key, &bytes).unwrap(), Some(state));
    assert_eq!(seals("two").read_state(&told.key, &bytes).unwrap(), None);
}

#[tokio::test]
async fn a_process_with_the_key_goes_on_where_the_last_one_was() {
    let (store, bank, clock) = (MemoryStore::with(seals("one")), Bank::default(), clock());
    let before = up_to_the_question(&store, &bank, &clock).await.state().await;
    let after = process(store.seen_with(seals("one")), &bank, &clock).await;
    assert_eq!(after.state().await, before);
    assert_eq!(after.say("yes").await.answer.text(), "Paid.");
    assert_eq!((bank.asked("/accounts"), bank.asked("/payments")), (1, 1));
}

#[tokio::test]
async fn without_the_key_a_value_is_asked_again_and_a_read_made_again() {
    let (store, bank, clock) = (MemoryStore::with(seals("one")), Bank::default(), clock());
    up_to_the_question(&store, &bank, &clock).await;
    let after = process(store.seen_with(seals("two")), &bank, &clock).await;
    let asked = after.say("0815").await.answer.text();
    assert!(asked.contains("I have to ask for it again") && asked.ends_with("Which PIN?"), "{asked}");
    assert!(!asked.contains("understand"), "{asked}");
    assert_eq!((bank.asked("/accounts"), bank.asked("/payments")), (1, 0), "a yes to what nobody can read any more pays nothing");
    let asked = after.say("4711").await.answer.text();
    assert!(asked.contains("How much?") || asked.contains("Pay 20 from"), "{asked}");
    assert_eq!(bank.asked("/accounts"), 2);
    let told = if asked.contains("How much?") { after.say("20").await.answer.text() } else { asked };
    assert!(told.contains("Pay 20 from"), "{told}");
    assert_eq!(after.say("yes").await.answer.text(), "Paid.");
    assert_eq!(bank.asked("/payments"), 1);
    // Whoever has the first key reads the same conversation.
    let with_both = Seals::new(b"one", &[b"two"], [9; 16]);
    let (mut opened, mut closed) = (State::default(), State::default());
    for (state, seals) in [(&mut opened, with_both), (&mut closed, seals("two"))] {
        for (_, event) in store.seen_with(seals).events(&after.key, 0, 10_000).await.unwrap() {
            state.apply(&event);
        }
    }
    assert_eq!(opened, closed);
}

#[tokio::test]
async fn without_the_key_a_write_in_flight_is_in_doubt_and_goes_to_a_person() {
    let (store, clock) = (MemoryStore::with(seals("one")), clock());
    let bank = Bank { hangs: true, ..Bank::default() };
    let told = up_to_the_question(&store, &bank, &clock).await;
    let yes = tokio::time::timeout(std::time::Duration::from_millis(300), told.say("yes")).await;
    assert!(yes.is_err(), "{yes:?}");
    drop(told.runtime);
    told.clock.shift(std::time::Duration::from_mins(5));
    let after = process(store.seen_with(seals("two")), &bank, &clock).await;
    let answer = after.say("hello?").await.answer;
    assert_eq!(answer.status, Status::Escalated, "{answer:?}");
    let doubt = &after.state().await.escalation().unwrap().doubt.clone();
    assert_eq!(doubt.iter().map(ToString::to_string).collect::<Vec<_>>(), ["bank.pay"]);
    assert_eq!(bank.asked("/payments"), 1, "a write is never sent again");
}

#[tokio::test]
async fn without_the_key_no_write_is_passed_a_second_time() {
    let (store, bank, clock) = (MemoryStore::with(seals("one")), Bank::default(), clock());
    let told = process(store.clone(), &bank, &clock).await;
    for text in ["note it first", "4711"] {
        told.say(text).await;
    }
    assert_eq!(bank.asked("/notes"), 1);
    let after = process(store.seen_with(seals("two")), &bank, &clock).await;
    assert_eq!(after.say("20").await.answer.status, Status::Escalated);
    assert_eq!(bank.asked("/notes"), 1);
}

#[tokio::test]
async fn a_message_that_waits_or_misses_is_hidden_where_a_sensitive_field_may_be_meant() {
    let (store, bank, clock) = (MemoryStore::with(seals("one")), Bank::default(), clock());
    let told = process(store.clone(), &bank, &clock).await;
    for text in ["pay my bill", "47 11, I think"] {
        told.say(text).await;
    }
    let sensitive = |e: &&Event| matches!(&e.body, EventBody::Turn(t) if t.sensitive);
    let events = told.events().await;
    assert_eq!(events.iter().filter(sensitive).count(), 1, "{events:#?}");
    let lines = waypost::engine::trace(&events);
    assert!(!lines.iter().any(|l| l.text.contains("47 11")), "{lines:#?}");
}

#[test]
fn keys_do_not_print() {
    let master = "a master key that is secret";
    let printed = format!("{:?} {:?}", seals(master), Keys::derive(master.as_bytes()));
    assert!(!printed.contains("secret") && printed.len() < 40, "{printed}");
}
