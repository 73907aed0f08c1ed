//! Conversations over a store and a performer: answered once, in turn, in time, and again after a crash.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use tokio::sync::Notify;
use waypost::check::{self, Loaded};
use waypost::driver::{Clock, DriverError, Entropy, Perform, Runtime, Sent, Turn, TurnResult};
use waypost::engine::input::Open;
use waypost::engine::{Actor, CallEffect, CallFailure, CallResult, Command, HttpAnswer, Keys, Phase, Principal, Status};
use waypost::model::ErrorKind;
use waypost::registry::EventKind;
use waypost::store::records::{Defines, NewDefinition};
use waypost::store::{Around, Commit, Commits, Committed, ConversationKey, MemoryStore, Records as _, Store, StoreError};

const SHOP: &str = "
name: Shop
type: rest_api
config: {base_url: 'https://shop.example.com', auth_type: none}
actions:
  - name: Get order
    type: read
    invocation: {method: GET, endpoint: '/orders/{order_id}'}
    input_schema: {order_id: {type: string}}
    outcomes:
      - {name: found, condition: response.status == 200}
      - {name: missing, condition: response.status == 404}
    settings: {timeout_ms: 5000, retries: 2}
  - name: Cancel order
    type: write
    invocation: {method: POST, endpoint: '/orders/{order_id}/cancel'}
    input_schema: {order_id: {type: string}}
    outcomes: [{name: cancelled, condition: response.status == 200}]
    safety: {requires_confirmation: true}
";

const ORDER: &str = "
name: Order status
trigger: {goal: Find out where an order is, examples: [where is my order]}
fallback: {to: care, message: I cannot look that up.}
journey:
  - collect: [order_id]
  - action: shop.get-order -> order
    outcomes:
      found: [{done: 'Order {{ variables.order_id }} is {{ variables.order.status }}.'}]
      missing: [{done: 'There is no order {{ variables.order_id }}.'}]
";

const CANCEL: &str = "
name: Cancel order
trigger: {goal: Cancel an order, examples: [cancel my order]}
fallback: {to: care, message: A colleague takes over.}
journey:
  - collect: [order_id]
  - confirm: {fields: [order_id], message: 'Cancel {{ variables.order_id }}?'}
  - action: shop.cancel-order
    outcomes:
      cancelled: [{done: Cancelled.}]
";

const FIELDS: &str = "{name: Order ID, type: string, validation: {pattern: '^[A-Z]\\d+$'}, ui: {prompt: Which order?}}";

fn workspace_with(settings: &str, order: &str) -> Loaded {
    let files = [
        ("waypost.yaml", settings),
        ("integrations/shop.yaml", SHOP),
        ("journeys/order.yaml", order),
        ("journeys/cancel.yaml", CANCEL),
        ("datapoints/fields.yaml", FIELDS),
    ];
    let checked = check::load(files.map(|(name, text)| (name.to_owned(), Arc::from(text))).to_vec());
    checked.loaded().unwrap_or_else(|| panic!("{:#?}", checked.diagnostics))
}

fn workspace(settings: &str) -> Loaded {
    workspace_with(&format!("queues: {{default: care, names: [care]}}\n{settings}"), ORDER)
}

fn clock() -> Clock {
    Clock::manual("2026-11-22T09:00:00Z".parse().unwrap())
}

fn runtime<P: Perform>(loaded: Loaded, store: &MemoryStore, performer: P, clock: &Clock) -> Runtime<MemoryStore, P> {
    let keys = Keys::derive(b"key");
    Runtime::with(loaded, store.clone(), performer, clock.clone(), Entropy::seeded(1), keys).unwrap()
}

fn shipped() -> CallResult {
    CallResult::Answered(HttpAnswer { status: 200, headers: Vec::new(), body: Arc::new(json!({"status": "shipped"})), invalid_json: false })
}

fn failure(kind: ErrorKind, sent: bool) -> CallResult {
    CallResult::Failed(CallFailure { kind, code: "test".into(), sent, detail: "as the test wants".into(), retry_after_ms: None })
}

async fn open<S: Store, P: Perform>(runtime: &Runtime<S, P>) -> ConversationKey {
    open_as(runtime, "c-1").await
}

async fn open_as<S: Store, P: Perform>(runtime: &Runtime<S, P>, id: &str) -> ConversationKey {
    let user = Arc::new(json!({"identity": {"user_id": "u-1"}}));
    let open = Open { conversation: id.into(), tenant: "acme".into(), agent: "shop".into(), user_id: "u-1".into(), user };
    runtime.open(open).await.unwrap()
}

async fn send<S: Store, P: Perform>(
    runtime: &Runtime<S, P>,
    key: &ConversationKey,
    id: Option<&str>,
    text: &str,
) -> Result<TurnResult, DriverError> {
    runtime.turn(key, Actor::User, Principal::default(), id.map(Into::into), Turn::Message(text.into())).await
}

async fn say<S: Store, P: Perform>(runtime: &Runtime<S, P>, key: &ConversationKey, text: &str) -> TurnResult {
    send(runtime, key, None, text).await.unwrap()
}

/// Counts the calls it answers.
#[derive(Clone, Default)]
struct Counted(Arc<AtomicUsize>);

impl Perform for Counted {
    async fn perform(&self, _: CallEffect) -> CallResult {
        self.0.fetch_add(1, Ordering::SeqCst);
        shipped()
    }
}

#[tokio::test]
async fn a_turn_ends_when_a_person_is_waited_for() {
    let store = MemoryStore::new();
    let runtime = runtime(workspace(""), &store, |_| async { shipped() }, &clock());
    let key = open(&runtime).await;
    let asked = say(&runtime, &key, "where is my order?").await;
    assert_eq!((asked.answer.text(), asked.answer.phase), ("Which order?".into(), Phase::Collect));
    let answered = say(&runtime, &key, "A1").await;
    assert_eq!((answered.answer.text(), answered.answer.status), ("Order A1 is shipped.".into(), Status::Completed));
    assert!(answered.events.len() > 3);
    let stored = store.load(&key, 0).await.unwrap().unwrap();
    assert_eq!(stored.version, runtime.state(&key).await.unwrap().version);
    assert_eq!(runtime.present(&key, Actor::User).await.unwrap().status, Status::Completed);
    assert!(format!("{runtime:?}").contains("conversations: 0"), "a lock is left: {runtime:?}");
}

#[tokio::test]
async fn a_conversation_is_of_one_tenant_and_user() {
    let runtime = runtime(workspace(""), &MemoryStore::new(), |_| async { shipped() }, &clock());
    let key = open(&runtime).await;
    assert_eq!(open(&runtime).await, key);
    let theirs =
        Open { conversation: "c-1".into(), tenant: "acme".into(), agent: "shop".into(), user_id: "u-2".into(), user: Arc::default() };
    assert_eq!(runtime.open(theirs.clone()).await, Err(DriverError::NotYours("c-1".into())));
    let elsewhere = ConversationKey::new("other", "c-1");
    assert_eq!(send(&runtime, &elsewhere, None, "hi").await, Err(DriverError::NoConversation("c-1".into())));
    let one = runtime.open(Open { conversation: "".into(), ..theirs.clone() }).await.unwrap();
    let two = runtime.open(Open { conversation: "".into(), ..theirs }).await.unwrap();
    assert_ne!(one, two);
}

#[tokio::test]
async fn who_asks_twice_for_a_conversation_gets_one() {
    let (store, clock) = (MemoryStore::new(), clock());
    let runtimes = [1, 2].map(|seed| {
        let (keys, entropy) = (Keys::derive(b"key"), Entropy::seeded(seed));
        Runtime::with(workspace(""), store.clone(), |_| async { shipped() }, clock.clone(), entropy, keys).unwrap()
    });
    let theirs = |user: &str| Open {
        conversation: "".into(),
        tenant: "acme".into(),
        agent: "shop".into(),
        user_id: user.into(),
        user: Arc::default(),
    };
    let (one, two) = tokio::join!(runtimes[0].open_once(theirs("u-1"), "k"), runtimes[1].open_once(theirs("u-1"), "k"));
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_eq!((&one.0, one.1 != two.1), (&two.0, true), "both {one:?} and {two:?}");
    assert_eq!(runtimes[0].open_once(theirs("u-1"), "k").await.unwrap(), (one.0.clone(), true));
    assert_eq!(runtimes[0].open_once(theirs("u-2"), "k").await, Err(DriverError::NotYours(one.0.id.clone())));
    assert_ne!(runtimes[0].open_once(theirs("u-1"), "l").await.unwrap().0, one.0);
    assert_eq!(store.conversations("acme", "shop", None, None, 9).await.unwrap().len(), 2);
    runtimes[0].advance(Duration::from_hours(24)).await.unwrap();
    let later = runtimes[0].open_once(theirs("u-1"), "k").await.unwrap();
    assert!(!later.1 && later.0 != one.0);
}

#[tokio::test]
async fn the_same_message_twice_is_one_turn() {
    let calls = Counted::default();
    let runtime = runtime(workspace(""), &MemoryStore::new(), calls.clone(), &clock());
    let key = open(&runtime).await;
    say(&runtime, &key, "where is my order?").await;
    let first = send(&runtime, &key, Some("m-1"), "A1").await.unwrap();
    let version = runtime.state(&key).await.unwrap().version;
    let second = send(&runtime, &key, Some("m-1"), "A1").await.unwrap();
    assert!(!first.repeated && second.repeated);
    assert_eq!(first.answer, second.answer);
    assert_eq!((calls.0.load(Ordering::SeqCst), runtime.state(&key).await.unwrap().version), (1, version));
    assert_eq!(send(&runtime, &key, Some("m-1"), "B2").await, Err(DriverError::MessageReused("m-1".into())));
}

#[tokio::test]
async fn turns_of_one_conversation_come_one_after_the_other() {
    let (inside, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (now, peak) = (inside.clone(), most.clone());
    let performer = move |_| {
        let (now, peak) = (now.clone(), peak.clone());
        async move {
            peak.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            now.fetch_sub(1, Ordering::SeqCst);
            shipped()
        }
    };
    let runtime = runtime(workspace(""), &MemoryStore::new(), performer, &clock());
    let key = open(&runtime).await;
    let turns: tokio::task::JoinSet<TurnResult> = (0..10)
        .map(|n| {
            let (runtime, key) = (runtime.clone(), key.clone());
            async move { say(&runtime, &key, &format!("where is my order A{n}")).await }
        })
        .collect();
    for result in turns.join_all().await {
        assert!(result.answer.text().ends_with("is shipped."), "{:?}", result.answer);
    }
    assert_eq!(most.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_slow_call_is_answered_working_and_goes_on() {
    let go = Arc::new(Notify::new());
    let gate = go.clone();
    let performer = move |_| {
        let gate = gate.clone();
        async move {
            gate.notified().await;
            shipped()
        }
    };
    let runtime = runtime(workspace("limits: {turn: 50ms}"), &MemoryStore::new(), performer, &clock());
    let key = open(&runtime).await;
    let working = send(&runtime, &key, Some("m-1"), "where is my order A1").await.unwrap();
    assert_eq!((working.answer.phase, working.answer.awaiting_input), (Phase::Working, false));
    go.notify_one();
    let answer = runtime.settled(&key, Actor::User).await.unwrap();
    assert_eq!(answer.status, Status::Completed);
    let again = send(&runtime, &key, Some("m-1"), "where is my order A1").await.unwrap();
    assert_eq!(again.answer.text(), "Order A1 is shipped.");
}

#[tokio::test]
async fn a_caller_who_goes_away_does_not_stop_what_began() {
    let (started, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (start, gate) = (started.clone(), go.clone());
    let performer = move |_| {
        let (start, gate) = (start.clone(), gate.clone());
        async move {
            start.notify_one();
            gate.notified().await;
            shipped()
        }
    };
    let runtime = runtime(workspace(""), &MemoryStore::new(), performer, &clock());
    let key = open(&runtime).await;
    tokio::select! {
        _ = say(&runtime, &key, "where is my order A1") => panic!("answered before the call was"),
        () = started.notified() => {}
    }
    go.notify_one();
    assert_eq!(runtime.settled(&key, Actor::User).await.unwrap().status, Status::Completed);
}

#[tokio::test]
async fn a_performer_that_panics_is_a_failed_call() {
    async fn broken(_: CallEffect) -> CallResult {
        panic!("a bug of whoever embeds us")
    }
    let runtime = runtime(workspace(""), &MemoryStore::new(), broken, &clock());
    let key = open(&runtime).await;
    let result = say(&runtime, &key, "where is my order A1").await;
    assert_eq!(result.answer.status, Status::Escalated);
    assert!(result.answer.text().contains("I cannot look that up."), "{:?}", result.answer);
}

#[tokio::test]
async fn a_failed_read_is_tried_again_in_the_same_turn() {
    let attempts = Arc::new(Mutex::new(Vec::new()));
    let seen = attempts.clone();
    let performer = move |call: CallEffect| {
        let n = call.attempt;
        seen.lock().unwrap().push(n);
        async move { if n < 3 { failure(ErrorKind::Connect, false) } else { shipped() } }
    };
    let clock = clock();
    let before = clock.now();
    let runtime = runtime(workspace(""), &MemoryStore::new(), performer, &clock);
    let key = open(&runtime).await;
    let result = say(&runtime, &key, "where is my order A1").await;
    assert_eq!(result.answer.text(), "Order A1 is shipped.");
    assert_eq!(*attempts.lock().unwrap(), [1, 2, 3]);
    assert!(clock.now() > before, "a manual clock moves over what is waited for");
}

#[tokio::test]
async fn time_that_passes_wakes_who_wanted_it() {
    let clock = clock();
    let runtime = runtime(workspace("limits: {idle: 1h}"), &MemoryStore::new(), |_| async { shipped() }, &clock);
    let key = open(&runtime).await;
    say(&runtime, &key, "where is my order?").await;
    assert!(runtime.advance(Duration::from_secs(3_599)).await.unwrap().is_empty());
    let woken = runtime.advance(Duration::from_secs(2)).await.unwrap();
    assert_eq!(woken.len(), 1);
    assert_eq!((&woken[0].0, woken[0].1.answer.status), (&key, Status::Abandoned));
    let system = self::runtime(workspace(""), &MemoryStore::new(), |_| async { shipped() }, &Clock::System);
    assert_eq!(system.advance(Duration::from_secs(1)).await, Err(DriverError::NotManual));
}

#[tokio::test]
async fn a_run_goes_on_with_the_version_it_began_with() {
    let store = MemoryStore::new();
    let clock = clock();
    let first = runtime(workspace(""), &store, |_| async { shipped() }, &clock);
    let key = open(&first).await;
    say(&first, &key, "where is my order?").await;
    drop(first);
    let newer = workspace_with("queues: {default: care, names: [care]}", &ORDER.replace("is {{ variables.order.status }}", "has moved"));
    let second = runtime(newer, &store, |_| async { shipped() }, &clock);
    assert_eq!(say(&second, &key, "A1").await.answer.text(), "Order A1 is shipped.");
    assert_eq!(say(&second, &key, "where is my order A1").await.answer.text(), "Order A1 has moved.");
}

#[tokio::test]
async fn policies_are_always_today_s() {
    let (store, clock) = (MemoryStore::new(), clock());
    let first = runtime(workspace(""), &store, |_| async { shipped() }, &clock);
    let key = open(&first).await;
    say(&first, &key, "where is my order?").await;
    drop(first);
    // The run stands on the version without policies, and on a read that the newer one spells otherwise, or has as a write.
    let newer = |policy: &str, name: &str, kind: &str| {
        let look = SHOP.replace("Get order", name).replace("type: read", kind);
        let ask = ORDER.replace("shop.get-order", &format!("shop.{}", name.to_lowercase().replace(' ', "-")));
        let files = [
            ("waypost.yaml", "queues: {default: care, names: [care]}"),
            ("integrations/shop.yaml", &*look),
            ("journeys/order.yaml", &*ask),
            ("journeys/cancel.yaml", CANCEL),
            ("datapoints/fields.yaml", FIELDS),
            ("policies/all.cedar", policy),
        ];
        let checked = check::load(files.map(|(name, text)| (name.to_owned(), Arc::from(text))).to_vec());
        checked.loaded().unwrap_or_else(|| panic!("{:#?}", checked.diagnostics))
    };
    let forbids =
        "permit(principal, action, resource); @id(\"no-looking\") forbid(principal is User, action in Action::\"reads\", resource);";
    let writes = "permit(principal, action, resource); @id(\"no-writing\") forbid(principal, action in Action::\"writes\", resource);";
    for (policy, name, kind, calls, said) in [
        (forbids, "get_order", "type: read", 0, "`no-looking` forbids it"),
        (writes, "get_order", "type: write", 0, "`no-writing` forbids it"),
        ("permit(principal, action, resource);", "get_order", "type: read", 1, "shipped"),
    ] {
        let store = store.clone();
        let sent = Arc::new(AtomicUsize::new(0));
        let counted = sent.clone();
        let perform = move |_| {
            counted.fetch_add(1, Ordering::SeqCst);
            async { shipped() }
        };
        let second = runtime(newer(policy, name, kind), &store, perform, &clock);
        let result = say(&second, &key, "A1").await;
        let shown = format!("{:?} {}", result.events, result.answer.text());
        assert_eq!(sent.load(Ordering::SeqCst), calls, "{shown}");
        assert!(shown.contains(said), "{shown}");
        if calls == 0 {
            say(&second, &key, "cancel").await;
            drop(second);
            let again = runtime(workspace(""), &store, |_| async { shipped() }, &clock);
            say(&again, &key, "where is my order?").await;
        }
    }
}

#[tokio::test]
async fn a_run_whose_version_is_lost_says_so() {
    let (store, clock) = (MemoryStore::new(), clock());
    let first = runtime(workspace(""), &store, |_| async { shipped() }, &clock);
    let key = open(&first).await;
    say(&first, &key, "where is my order?").await;
    let bare = MemoryStore::new();
    let stored = store.load(&key, 0).await.unwrap().unwrap();
    let empty = waypost::store::Commit::new(key.clone(), 0, clock.now());
    let commit = waypost::store::Commit { owner: Some(stored.owner), events: stored.events.into(), ..empty };
    bare.commit(commit).await.unwrap();
    let newer = workspace_with("queues: {default: care, names: [care]}", &ORDER.replace("is {{ variables.order.status }}", "has moved"));
    let second = runtime(newer, &bare, |_| async { shipped() }, &clock);
    assert!(matches!(send(&second, &key, None, "A1").await, Err(DriverError::Unrunnable(_))));
}

/// A process that dies while a call is in flight: its runtime is gone with its tasks.
fn die_in_flight(store: &MemoryStore, clock: &Clock, talk: &[&str]) -> ConversationKey {
    let process = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    process.block_on(async {
        let runtime = runtime(workspace("limits: {turn: 50ms}"), store, |_| std::future::pending(), clock);
        let key = open(&runtime).await;
        let mut last = TurnResult::default();
        for text in talk {
            last = say(&runtime, &key, text).await;
        }
        assert_eq!(last.answer.phase, Phase::Working);
        key
    })
}

#[test]
fn a_read_in_flight_in_a_process_that_died_is_made_again() {
    let (store, clock, calls) = (MemoryStore::new(), clock(), Counted::default());
    let key = die_in_flight(&store, &clock, &["where is my order A1"]);
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
        let runtime = runtime(workspace(""), &store, calls.clone(), &clock);
        let woken = runtime.advance(Duration::from_hours(1)).await.unwrap();
        assert_eq!(calls.0.load(Ordering::SeqCst), 1);
        assert!(woken.iter().any(|(k, r)| *k == key && r.answer.text() == "Order A1 is shipped."), "{woken:?}");
    });
}

#[tokio::test]
async fn each_kind_of_event_is_owed_to_the_conditions_that_are_bound_to_it() {
    let (store, clock) = (MemoryStore::new(), clock());
    let bound: Vec<Arc<str>> = EventKind::ALL.iter().map(|kind| kind.as_str().into()).collect();
    let body = r#"{"condition_id": "all", "version": "1"}"#.into();
    let (tenant, namespace, id, version) = ("acme".into(), "org".into(), "all".into(), "1".into());
    let definition = NewDefinition { tenant, defines: Defines::Condition, namespace, id, version, body, bound, at: clock.now() };
    store.register(definition).await.unwrap();
    let shop = |call: CallEffect| async move {
        if call.inputs["order_id"] == json!("B2") { failure(ErrorKind::InvalidInput, true) } else { shipped() }
    };
    let runtime = runtime(workspace("limits: {idle: 1h}"), &store, shop, &clock);
    let owed = async || {
        let owed = store.claim_owed(clock.now(), clock.now() + Duration::from_hours(99), 100).await.unwrap();
        owed.into_iter().map(|o| o.event.to_string()).collect::<Vec<_>>()
    };
    say(&runtime, &open_as(&runtime, "c-1").await, "where is my order A1").await;
    assert_eq!(owed().await, ["journey.started", "action.finished", "conversation.completed"]);
    say(&runtime, &open_as(&runtime, "c-2").await, "where is my order B2").await;
    assert_eq!(owed().await, ["journey.started", "action.failed", "conversation.escalated"]);
    say(&runtime, &open_as(&runtime, "c-3").await, "cancel my order").await;
    runtime.advance(Duration::from_hours(2)).await.unwrap();
    assert_eq!(owed().await, ["journey.started", "conversation.abandoned"]);
}

#[test]
fn what_a_turn_came_to_is_told_to_whoever_sends_it_again_after_its_process_died() {
    let (store, clock, calls) = (MemoryStore::new(), clock(), Counted::default());
    let executor = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let key = executor().block_on(async {
        let runtime = runtime(workspace("limits: {turn: 50ms}"), &store, |_| std::future::pending(), &clock);
        let key = open(&runtime).await;
        let first = send(&runtime, &key, Some("m-1"), "where is my order A1").await.unwrap();
        assert_eq!(first.answer.phase, Phase::Working);
        key
    });
    executor().block_on(async {
        let runtime = runtime(workspace(""), &store, calls.clone(), &clock);
        runtime.advance(Duration::from_hours(1)).await.unwrap();
        for meanwhile in [None, Some("where is my order B2")] {
            if let Some(text) = meanwhile {
                assert_eq!(send(&runtime, &key, Some("m-2"), text).await.unwrap().answer.text(), "Order B2 is shipped.");
            }
            let again = send(&runtime, &key, Some("m-1"), "where is my order A1").await.unwrap();
            assert_eq!((again.answer.text(), again.answer.phase), ("Order A1 is shipped.".to_owned(), Phase::Done));
        }
        assert_eq!(calls.0.load(Ordering::SeqCst), 2);
    });
}

/// A store that cannot be written so many times.
#[derive(Clone, Default)]
struct Full(Arc<AtomicUsize>);

impl Commits for Full {
    async fn commit<S: Store>(&self, store: &S, commit: Commit) -> Result<Committed, StoreError> {
        let refuse = |n: usize| n.checked_sub(1);
        if self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, refuse).is_ok() {
            return Err(StoreError::Unwritable("the disk is full".into()));
        }
        store.commit(commit).await
    }
}

#[tokio::test]
async fn what_a_service_said_is_kept_until_the_store_can_be_written_again() {
    let (full, calls) = (Full::default(), Counted::default());
    let (disk, count) = (full.clone(), calls.clone());
    let performer = move |call: CallEffect| {
        let (disk, count) = (disk.clone(), count.clone());
        async move {
            disk.0.store(3, Ordering::SeqCst);
            count.perform(call).await
        }
    };
    let store = Around { store: MemoryStore::new(), commits: full };
    let keys = Keys::derive(b"key");
    let runtime = Runtime::with(workspace(""), store, performer, clock(), Entropy::seeded(1), keys).unwrap();
    let key = open(&runtime).await;
    say(&runtime, &key, "cancel my order A1").await;
    let said = say(&runtime, &key, "yes").await.answer;
    assert_eq!((said.text(), said.status, calls.0.load(Ordering::SeqCst)), ("Cancelled.".to_owned(), Status::Completed, 1));
}

#[tokio::test]
async fn what_another_process_did_meanwhile_is_what_counts() {
    let (store, clock, calls) = (MemoryStore::new(), clock(), Counted::default());
    let process = |seed| {
        let (keys, store) = (Keys::derive(b"key"), store.clone());
        Runtime::with(workspace(""), store, calls.clone(), clock.clone(), Entropy::seeded(seed), keys).unwrap()
    };
    let other = process(0);
    let by = |runtime: &Runtime<_, _>, key: &ConversationKey, actor, sent: Sent, turn: Turn| {
        let (runtime, key): (Runtime<MemoryStore, Counted>, _) = (runtime.clone(), key.clone());
        async move { runtime.turn_as(&key, actor, Principal::default(), sent, turn).await }
    };
    // Each time one that has met nobody yet.
    let asked = async |n: u64| {
        let one = process(n);
        let key = open_as(&one, &format!("c-{n}")).await;
        assert_eq!(say(&one, &key, "cancel my order A1").await.answer.phase, Phase::Confirm);
        (one, key)
    };
    // Of what comes to nothing, too, the answer is how things stand.
    let (one, key) = asked(1).await;
    by(&other, &key, Actor::User, Sent::default(), Turn::Command(Command::Cancel)).await.unwrap();
    let refused = by(&one, &key, Actor::Agent, Sent::default(), Turn::Command(Command::Confirm { question: None })).await.unwrap().answer;
    assert!(refused.refused.is_some() && refused.phase != Phase::Confirm, "{refused:?}");
    // Who has seen what it did knows the newest.
    let (one, key) = asked(2).await;
    by(&other, &key, Actor::User, Sent::default(), Turn::Message("hello?".into())).await.unwrap();
    let at = Some(other.state(&key).await.unwrap().moved());
    let went_on = by(&one, &key, Actor::User, Sent { at, ..Sent::default() }, Turn::Message("yes".into())).await.unwrap();
    assert_eq!((went_on.answer.text(), calls.0.load(Ordering::SeqCst)), ("Cancelled.".to_owned(), 1));
    let (one, key) = asked(3).await;
    let at = Some(one.state(&key).await.unwrap().moved());
    by(&other, &key, Actor::User, Sent::default(), Turn::Message("hello?".into())).await.unwrap();
    let late = by(&one, &key, Actor::User, Sent { at, ..Sent::default() }, Turn::Message("yes".into())).await;
    assert_eq!(late, Err(DriverError::Stale));
    // What it was sent is not taken again.
    let (one, key) = asked(4).await;
    let sent = || Sent { id: Some("m-1".into()), ..Sent::default() };
    let first = by(&other, &key, Actor::User, sent(), Turn::Message("yes".into())).await.unwrap();
    let again = by(&one, &key, Actor::User, sent(), Turn::Message("yes".into())).await.unwrap();
    assert!(again.repeated && again.answer == first.answer, "{again:?}");
    assert_eq!(calls.0.load(Ordering::SeqCst), 2);
    let (one, key) = asked(5).await;
    by(&other, &key, Actor::User, sent(), Turn::Message("hello?".into())).await.unwrap();
    let reused = by(&one, &key, Actor::User, sent(), Turn::Message("yes".into())).await;
    assert_eq!((reused, calls.0.load(Ordering::SeqCst)), (Err(DriverError::MessageReused("m-1".into())), 2));
}

#[test]
fn a_write_in_flight_in_a_process_that_died_is_never_sent_again() {
    let (store, clock, calls) = (MemoryStore::new(), clock(), Counted::default());
    let key = die_in_flight(&store, &clock, &["cancel my order A1", "yes"]);
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
        let runtime = runtime(workspace(""), &store, calls.clone(), &clock);
        runtime.advance(Duration::from_hours(1)).await.unwrap();
        assert_eq!(calls.0.load(Ordering::SeqCst), 0);
        let answer = runtime.present(&key, Actor::User).await.unwrap();
        assert_eq!(answer.status, Status::Escalated, "a person looks into what nobody knows");
    });
}

#[tokio::test]
async fn the_same_inputs_and_randomness_give_the_same_events() {
    let talk = async || {
        let clock = clock();
        let runtime = runtime(workspace(""), &MemoryStore::new(), |_| async { shipped() }, &clock);
        let key = open(&runtime).await;
        for text in ["cancel my order", "A1", "yes"] {
            say(&runtime, &key, text).await;
        }
        runtime.store().events(&key, 0, 1_000).await.unwrap()
    };
    let events = talk().await;
    assert!(events.len() > 10);
    assert_eq!(events, talk().await);
}

const LOOK_THEN_ASK: &str = "
name: Look and cancel
trigger: {goal: Return a parcel, examples: [return my parcel]}
fallback: {to: care, message: A colleague takes over.}
journey:
  - collect: [order_id]
  - action: shop.get-order -> order
    outcomes: {found: continue, missing: [{done: Nothing there.}]}
  - confirm: {fields: [order_id], message: 'Cancel {{ variables.order_id }} of {{ user.user_name }}?'}
  - action: shop.cancel-order
    outcomes:
      cancelled: [{done: Cancelled.}]
";

/// A question that is put when its caller has an answer already was shown to nobody, whatever the caller said in the meantime.
#[tokio::test]
async fn a_yes_to_what_nobody_was_told_is_no_yes() {
    for meanwhile in [None, Some("hello?")] {
        let (go, calls) = (Arc::new(Notify::new()), Counted::default());
        let (gate, count) = (go.clone(), calls.clone());
        let performer = move |call: CallEffect| {
            let (gate, count) = (gate.clone(), count.clone());
            async move {
                if call.action.id.to_string().ends_with("get-order") {
                    gate.notified().await;
                } else {
                    count.perform(call).await;
                }
                shipped()
            }
        };
        let settings = "queues: {default: care, names: [care]}\nlimits: {turn: 50ms}";
        let runtime = runtime(workspace_with(settings, LOOK_THEN_ASK), &MemoryStore::new(), performer, &clock());
        let key = open(&runtime).await;
        let working = say(&runtime, &key, "return my parcel A1").await;
        assert_eq!(working.answer.phase, Phase::Working, "{:?}", working.answer);
        if let Some(meanwhile) = meanwhile {
            assert_eq!(say(&runtime, &key, meanwhile).await.answer.phase, Phase::Working);
        }
        go.notify_one();
        assert_eq!(runtime.settled(&key, Actor::User).await.unwrap().phase, Phase::Confirm);
        let blind = say(&runtime, &key, "yes").await;
        assert_eq!((blind.answer.phase, calls.0.load(Ordering::SeqCst)), (Phase::Confirm, 0), "{:?}", blind.answer);
        assert!(blind.answer.text().contains("Cancel A1"), "{:?}", blind.answer);
        say(&runtime, &key, "yes").await;
        assert_eq!(calls.0.load(Ordering::SeqCst), 1);
    }
}

#[tokio::test]
async fn who_left_before_the_answer_was_told_no_question() {
    let (reached, go, calls) = (Arc::new(Notify::new()), Arc::new(Notify::new()), Counted::default());
    let (at, gate, count) = (reached.clone(), go.clone(), calls.clone());
    let performer = move |call: CallEffect| {
        let (at, gate, count) = (at.clone(), gate.clone(), count.clone());
        async move {
            if call.action.id.to_string().ends_with("get-order") {
                at.notify_one();
                gate.notified().await;
            } else {
                count.perform(call).await;
            }
            shipped()
        }
    };
    let settings = "queues: {default: care, names: [care]}";
    let runtime = runtime(workspace_with(settings, LOOK_THEN_ASK), &MemoryStore::new(), performer, &clock());
    let key = open(&runtime).await;
    tokio::select! {
        () = reached.notified() => {}
        early = say(&runtime, &key, "return my parcel A1") => panic!("{:?}", early.answer),
    }
    go.notify_one();
    assert_eq!(runtime.settled(&key, Actor::User).await.unwrap().phase, Phase::Confirm);
    let blind = say(&runtime, &key, "yes").await;
    assert_eq!((blind.answer.phase, calls.0.load(Ordering::SeqCst)), (Phase::Confirm, 0), "{:?}", blind.answer);
    say(&runtime, &key, "yes").await;
    assert_eq!(calls.0.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_question_that_a_context_changed_was_shown_to_nobody() {
    let calls = Counted::default();
    let settings = "queues: {default: care, names: [care]}";
    let runtime = runtime(workspace_with(settings, LOOK_THEN_ASK), &MemoryStore::new(), calls.clone(), &clock());
    let key = open(&runtime).await;
    let asked = say(&runtime, &key, "return my parcel A1").await;
    assert_eq!((asked.answer.phase, calls.0.load(Ordering::SeqCst)), (Phase::Confirm, 1), "{:?}", asked.answer);
    let user = Arc::new(json!({"identity": {"user_id": "u-1", "user_name": "Nora"}}));
    let principal = Principal { scopes: vec!["context".into()], ..Principal::default() };
    let turn = Turn::Command(waypost::engine::Command::Context(user));
    runtime.turn(&key, Actor::User, principal, None, turn).await.unwrap();
    let blind = say(&runtime, &key, "yes").await;
    assert_eq!((blind.answer.phase, calls.0.load(Ordering::SeqCst)), (Phase::Confirm, 1), "{:?}", blind.answer);
    assert!(blind.answer.text().contains("of Nora?"), "{:?}", blind.answer);
    say(&runtime, &key, "yes").await;
    assert_eq!(calls.0.load(Ordering::SeqCst), 2);
}
