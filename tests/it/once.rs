//! What counts across conversations: rates, idempotency keys and their answers, tries of a verification.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value as Json, json};
use tokio::sync::Notify;
use waypost::check;
use waypost::driver::{Clock, Entropy, Runtime, Turn, TurnResult};
use waypost::engine::input::Open;
use waypost::engine::{Actor, CallEffect, CallFailure, CallResult, Command, EventBody, Keys, Principal};
use waypost::model::ErrorKind;
use waypost::store::{ConversationKey, MemoryStore, Store};
use waypost::value::Name;

const JOURNEYS: &str = "
name: Go
trigger: {goal: g, examples: [go]}
journey:
  - collect: [ref, amount]
  - action: api.it
    on_error:
      rate_limited: [{done: {outcome: rate_limited}}]
      busy: [{done: {outcome: busy}}]
      denied: [{done: {outcome: denied}}]
      in_doubt: [{done: {outcome: in_doubt}}]
      not_applied: [{done: {outcome: not_applied}}]
      default: [{done: {outcome: other}}]
  - done: {message: 'Number {{ variables.it.id }}.', outcome: went}
";

/// A back end that answers in order, remembers what reached it, and can be made to wait.
#[derive(Clone, Default)]
struct Api(Arc<Inner>);

#[derive(Default)]
struct Inner {
    answers: Mutex<VecDeque<CallResult>>,
    calls: Mutex<Vec<String>>,
    slow: Mutex<bool>,
    begun: Notify,
    go: Notify,
}

impl Api {
    fn answers(&self, results: impl IntoIterator<Item = CallResult>) {
        self.0.answers.lock().unwrap().extend(results);
    }

    fn calls(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.calls.lock().unwrap())
    }

    async fn call(&self, effect: CallEffect) -> CallResult {
        self.0.calls.lock().unwrap().push(format!("{} {}", effect.request.action.action, effect.attempt));
        if *self.0.slow.lock().unwrap() {
            self.0.begun.notify_one();
            self.0.go.notified().await;
        }
        let next = self.0.answers.lock().unwrap().pop_front();
        next.unwrap_or_else(|| panic!("nothing answers {}", effect.request.action))
    }
}

struct World {
    runtime: Arc<dyn Fn() -> Runtime<MemoryStore, PerformApi>>,
    clock: Clock,
    api: Api,
}

type PerformApi = Box<dyn Fn(CallEffect) -> std::pin::Pin<Box<dyn Future<Output = CallResult> + Send>> + Send + Sync>;

impl World {
    fn new(action: &str) -> Self {
        Self::with(action, JOURNEYS)
    }

    fn with(action: &str, journey: &str) -> Self {
        Self::at(action, journey, Clock::manual("2026-11-22T09:00:00Z".parse().unwrap()))
    }

    fn at(action: &str, journey: &str, clock: Clock) -> Self {
        let integration = format!(
            "name: Api\ntype: rest_api\nconfig: {{base_url: 'http://api.test', auth_type: none}}\nactions:\n  - name: It\n{}\n  - name: Ask\n    type: read\n    invocation: {{method: GET, endpoint: /ask}}\n    outcomes: [{{name: there, condition: 'response.body.there'}}, {{name: gone, condition: '!response.body.there'}}]\n",
            indent(action)
        );
        let fields = "- {name: Ref, slug: ref, type: string}\n- {name: Amount, slug: amount, type: number}\n- {name: Code, slug: code, type: string}\n";
        let files = [
            ("waypost.yaml", "queues: {default: care}\n"),
            ("integrations/a.yaml", &*integration),
            ("journeys/j.yaml", journey),
            ("datapoints/d.yaml", fields),
        ];
        let checked = check::load(files.map(|(name, text)| (name.to_owned(), Arc::from(text))).to_vec());
        let loaded = checked.loaded().unwrap_or_else(|| panic!("{:#?}", checked.diagnostics));
        let (store, api, time) = (MemoryStore::new(), Api::default(), clock.clone());
        let to = api.clone();
        let runtime = move || {
            let api = to.clone();
            let perform: PerformApi = Box::new(move |effect| {
                let api = api.clone();
                Box::pin(async move { api.call(effect).await })
            });
            Runtime::with(loaded.clone(), store.clone(), perform, time.clone(), Entropy::seeded(1), Keys::derive(b"key")).unwrap()
        };
        Self { runtime: Arc::new(runtime), clock, api }
    }

    /// Another process.
    fn process(&self) -> Runtime<MemoryStore, PerformApi> {
        (self.runtime)()
    }
}

fn indent(text: &str) -> String {
    text.trim_matches('\n').lines().map(|l| format!("    {l}")).collect::<Vec<_>>().join("\n")
}

async fn open(runtime: &Runtime<MemoryStore, PerformApi>, id: &str, user: &str) -> ConversationKey {
    let claim = Arc::new(json!({"identity": {"user_id": user}}));
    let open = Open { conversation: id.into(), tenant: "acme".into(), agent: "shop".into(), user_id: user.into(), user: claim };
    runtime.open(open).await.unwrap()
}

async fn agent(runtime: &Runtime<MemoryStore, PerformApi>, key: &ConversationKey, command: Command) -> TurnResult {
    runtime.turn(key, Actor::Agent, Principal::default(), None, Turn::Command(command)).await.unwrap()
}

fn start(reference: &str, amount: i64) -> Command {
    let variables = vec![(Name::new("ref"), json!(reference)), (Name::new("amount"), json!(amount))];
    Command::Start { journey: Name::new("go"), variables }
}

/// What a conversation of its own comes to that asks for this.
async fn go(runtime: &Runtime<MemoryStore, PerformApi>, id: &str, user: &str, reference: &str, amount: i64) -> String {
    let key = open(runtime, id, user).await;
    outcome(&agent(runtime, &key, start(reference, amount)).await)
}

fn outcome(result: &TurnResult) -> String {
    result.answer.outcome.as_deref().unwrap_or("none").to_owned()
}

fn made(id: i64) -> CallResult {
    CallResult::answered(201, json!({"id": id}))
}

fn cut() -> CallResult {
    let detail = "as the test wants".into();
    CallResult::Failed(CallFailure { kind: ErrorKind::Connect, code: "cut".into(), sent: true, detail, retry_after_ms: None })
}

fn not_sent() -> CallResult {
    let detail = "as the test wants".into();
    CallResult::Failed(CallFailure { kind: ErrorKind::Connect, code: "refused".into(), sent: false, detail, retry_after_ms: None })
}

const WRITE: &str = "
type: write
invocation: {method: POST, endpoint: /it}
input_schema: {ref: {type: string, required: false}, amount: {type: number, required: false}}
output_datapoint: it
outcomes: [{name: done, condition: response.status == 201}]
";

#[tokio::test]
async fn a_rate_counts_permits_of_a_user_in_all_conversations() {
    let world = World::new(&format!("{WRITE}safety: {{rate_limit: {{max: 2, per: 1m, scope: user}}}}"));
    world.api.answers((1..9).map(made));
    assert_eq!(go(&world.process(), "c1", "u1", "a", 1).await, "went");
    assert_eq!(go(&world.process(), "c2", "u1", "b", 1).await, "went");
    world.clock.shift(Duration::from_secs(20));
    let third = open(&world.process(), "c3", "u1").await;
    let result = agent(&world.process(), &third, start("c", 1)).await;
    assert_eq!(outcome(&result), "rate_limited");
    let detail = result.events.iter().find_map(|e| match &e.body {
        EventBody::Failed { kind: ErrorKind::RateLimited, code, detail } => Some((code.clone().unwrap(), detail.clone().unwrap())),
        _ => None,
    });
    let (code, detail) = detail.unwrap();
    assert_eq!((&*code, &*detail), ("rate_limited", "it ran as often as `rate_limit` allows: there is room again in 40 s"));
    assert_eq!(world.api.calls().len(), 2);
    assert_eq!(go(&world.process(), "c4", "u2", "a", 1).await, "went");
    world.clock.shift(Duration::from_secs(41));
    assert_eq!(go(&world.process(), "c5", "u1", "d", 1).await, "went");
}

#[tokio::test]
async fn a_rate_may_be_of_a_conversation_or_of_the_action() {
    for (scope, other_conversation) in [("conversation", "went"), ("action", "rate_limited")] {
        let world = World::new(&format!("{WRITE}safety: {{rate_limit: {{max: 1, per: 1m, scope: {scope}}}}}"));
        world.api.answers((1..9).map(made));
        let runtime = world.process();
        assert_eq!(go(&runtime, "c1", "u1", "a", 1).await, "went");
        assert_eq!(go(&runtime, "c1", "u1", "b", 1).await, "rate_limited");
        assert_eq!(go(&runtime, "c2", "u2", "c", 1).await, other_conversation, "{scope}");
    }
}

#[tokio::test]
async fn a_rate_counts_what_an_investigation_reads() {
    let journey = "
name: Go
trigger: {goal: g, examples: [go]}
journey:
  - investigate: {goal: find out, using: [api.it], findings: {found: [{done: {outcome: found}}]}, max_calls: 5}
";
    let read = "type: read\ninvocation: {method: GET, endpoint: /it}\nsafety: {rate_limit: {max: 2, per: 1m, scope: action}}";
    let world = World::with(read, journey);
    world.api.answers((1..9).map(|_| CallResult::answered(200, json!({}))));
    let runtime = world.process();
    let key = open(&runtime, "c1", "u1").await;
    agent(&runtime, &key, Command::Start { journey: Name::new("go"), variables: Vec::new() }).await;
    let ask = || Command::Read { action: "api.it".into(), inputs: Vec::new() };
    for _ in 0..2 {
        assert!(agent(&runtime, &key, ask()).await.answer.refused.is_none());
    }
    let refused = agent(&runtime, &key, ask()).await.answer.refused.unwrap();
    assert!(refused.reason.contains("there is room again in 60 s"), "{refused:?}");
    assert_eq!(world.api.calls().len(), 2);
}

fn keyed(more: &str) -> String {
    format!("{WRITE}safety: {{idempotency_key: 'pay-{{{{ inputs.ref }}}}', idempotency_ttl: 1h{more}}}\n")
}

#[tokio::test]
async fn what_was_done_under_a_key_is_told_again_and_not_done_again() {
    let world = World::new(&keyed(""));
    world.api.answers([made(7), made(8), made(9)]);
    let first = open(&world.process(), "c1", "u1").await;
    assert_eq!(agent(&world.process(), &first, start("a", 1)).await.answer.text(), "Number 7.");
    let second = open(&world.process(), "c2", "u1").await;
    assert_eq!(agent(&world.process(), &second, start("a", 1)).await.answer.text(), "Number 7.");
    assert_eq!(world.api.calls(), ["it 1"]);
    assert_eq!(go(&world.process(), "c3", "u1", "a", 2).await, "denied", "other inputs");
    assert_eq!(agent(&world.process(), &first, start("a", 1)).await.answer.text(), "Number 7.", "in the same conversation too");
    assert_eq!(agent(&world.process(), &second, start("b", 1)).await.answer.text(), "Number 8.", "another key");
    world.clock.shift(Duration::from_hours(1));
    assert_eq!(agent(&world.process(), &second, start("a", 2)).await.answer.text(), "Number 9.", "it is kept for an hour");
}

#[tokio::test]
async fn a_refusal_frees_the_key_and_so_does_what_was_not_sent() {
    for refusal in [CallResult::answered(409, json!({})), not_sent()] {
        let world = World::new(&keyed(""));
        world.api.answers([refusal, made(1)]);
        assert_eq!(go(&world.process(), "c1", "u1", "a", 1).await, "other");
        assert_eq!(go(&world.process(), "c2", "u1", "a", 2).await, "went");
    }
}

#[tokio::test]
async fn a_key_of_half_a_template_is_no_key() {
    let missing = "{idempotency_key: 'pay-{{ conversation.identity.subject }}-{{ inputs.ref }}'}";
    for (safety, reference) in [(missing, "a"), ("{idempotency_key: 'pay-{{ inputs.ref }}'}", "  ")] {
        let world = World::new(&format!("{WRITE}safety: {safety}\n"));
        let key = open(&world.process(), "c1", "u1").await;
        let result = agent(&world.process(), &key, start(reference, 1)).await;
        let kind = result.events.iter().find_map(|e| match &e.body {
            EventBody::Failed { kind, .. } => Some(*kind),
            _ => None,
        });
        assert_eq!(kind, Some(ErrorKind::InvalidInput));
        assert!(world.api.calls().is_empty());
    }
}

#[tokio::test]
async fn two_conversations_with_one_key_at_the_same_moment_make_one_request() {
    let world = World::at(&keyed(""), JOURNEYS, Clock::System);
    world.api.answers([made(7), made(8)]);
    *world.api.0.slow.lock().unwrap() = true;
    let (one, two) = (world.process(), world.process());
    let (a, b) = (open(&one, "c1", "u1").await, open(&two, "c2", "u1").await);
    let first = agent(&one, &a, start("a", 1));
    let second = async {
        world.api.0.begun.notified().await;
        let second = agent(&two, &b, start("a", 1));
        tokio::pin!(second);
        // It waits for the key before the first is answered.
        tokio::select! {
            biased;
            result = &mut second => panic!("{result:?}"),
            () = tokio::task::yield_now() => {}
        }
        world.api.0.go.notify_one();
        second.await
    };
    let (first, second) = tokio::join!(first, second);
    assert_eq!((first.answer.text(), second.answer.text()), ("Number 7.".into(), "Number 7.".into()));
    assert_eq!(world.api.calls(), ["it 1"]);
}

#[tokio::test]
async fn a_key_that_stays_taken_elsewhere_is_busy_after_the_time_of_the_action() {
    let world = World::new(&keyed(", reconcile: {call: api.ask, after: 10m, applied: {there: done}, not_applied: [gone]}"));
    world.api.answers([cut()]);
    let (one, two) = (world.process(), world.process());
    assert_eq!(go(&one, "c1", "u1", "a", 1).await, "none", "in doubt");
    let began = world.clock.now();
    assert_eq!(go(&two, "c2", "u1", "a", 1).await, "busy");
    let waited = world.clock.now().duration_since(began).as_millis();
    assert!((10_000..10_100).contains(&waited), "{waited}");
    assert_eq!(world.api.calls(), ["it 1"]);
}

#[tokio::test]
async fn doubt_keeps_a_key_until_a_read_settles_it() {
    let rule = ", reconcile: {call: api.ask, after: 1m, applied: {there: done}, not_applied: [gone]}";
    for (there, then, calls) in [(true, "Number .", vec!["it 1", "ask 1"]), (false, "Number 8.", vec!["it 1", "ask 1", "it 1"])] {
        let world = World::new(&keyed(rule));
        world.api.answers([cut(), CallResult::answered(200, json!({"there": there})), made(8)]);
        let runtime = world.process();
        assert_eq!(go(&runtime, "c1", "u1", "a", 1).await, "none");
        let woken = runtime.advance(Duration::from_mins(5)).await.unwrap();
        assert_eq!(outcome(&woken.last().unwrap().1), if there { "went" } else { "not_applied" });
        let other = open(&runtime, "c2", "u1").await;
        assert_eq!(agent(&runtime, &other, start("a", 1)).await.answer.text(), then);
        assert_eq!(world.api.calls(), calls);
    }
}

#[tokio::test]
async fn doubt_that_nothing_settles_keeps_its_key_for_good() {
    let world = World::new(&keyed(""));
    world.api.answers([cut()]);
    assert_eq!(go(&world.process(), "c1", "u1", "a", 1).await, "in_doubt");
    world.clock.shift(Duration::from_hours(999));
    assert_eq!(go(&world.process(), "c1", "u1", "a", 1).await, "in_doubt");
    assert_eq!(go(&world.process(), "c2", "u1", "a", 1).await, "busy");
    assert_eq!(world.api.calls(), ["it 1"]);
}

#[tokio::test]
async fn tries_to_be_verified_count_in_all_conversations() {
    let journey = "
name: Go
trigger: {goal: g, examples: [go]}
journey:
  - collect: [ref, code]
  - verify: {call: api.it, verified: [right], subject: inputs.ref, source: any, max_tries: 2, on_failed: [{done: {outcome: failed}}]}
  - done: {outcome: verified}
";
    let check = "
type: read
invocation: {method: GET, endpoint: /it}
input_schema: {ref: {type: string}, code: {type: string}}
outcomes: [{name: right, condition: response.status == 200}, {name: wrong, condition: response.status == 422}]
safety: {redact_fields: [inputs.code]}
";
    let world = World::with(check, journey);
    world.api.answers((0..9).map(|_| CallResult::answered(422, json!({}))));
    let runtime = world.process();
    let guess = async |id: &str, who: &str, code: &str| {
        let key = open(&runtime, id, "u1").await;
        let variables = vec![(Name::new("ref"), json!(who)), (Name::new("code"), json!(code))];
        outcome(&agent(&runtime, &key, Command::Start { journey: Name::new("go"), variables }).await)
    };
    for (id, code) in [("c1", "1"), ("c2", "2"), ("c3", "3")] {
        assert_eq!(guess(id, "a@x", code).await, "failed");
    }
    assert_eq!(world.api.calls().len(), 2, "the third guess in a third conversation is not asked");
    assert_eq!(guess("c4", "b@x", "3").await, "failed");
    assert_eq!(world.api.calls().len(), 1, "another subject's are its own");
    world.clock.shift(Duration::from_hours(1));
    assert_eq!(guess("c5", "a@x", "4").await, "failed");
    assert_eq!(world.api.calls().len(), 1, "after an hour there are tries again");
    world.api.0.answers.lock().unwrap().clear();
    world.api.answers((0..9).map(|_| CallResult::answered(200, json!({}))));
    for id in ["c6", "c7", "c8"] {
        assert_eq!(guess(id, "a@x", "right").await, "verified", "who is verified has their tries back");
    }
}

#[tokio::test]
async fn what_a_claim_refuses_loses_nothing_that_was_said() {
    let world = World::new(&format!("{WRITE}safety: {{rate_limit: {{max: 1, per: 1m, scope: action}}}}"));
    world.api.answers([made(1)]);
    let runtime = world.process();
    assert_eq!(go(&runtime, "c1", "u1", "a", 1).await, "went");
    let key = open(&runtime, "c2", "u2").await;
    let user = |id: &'static str, text: &'static str| {
        runtime.turn(&key, Actor::User, Principal::default(), Some(id.into()), Turn::Message(text.into()))
    };
    user("m1", "go").await.unwrap();
    user("m2", "my-ref").await.unwrap();
    let last = user("m3", "12").await.unwrap();
    assert_eq!(outcome(&last), "rate_limited");
    let again = user("m3", "12").await.unwrap();
    assert!(again.repeated, "its answer is recorded under its id as any other's");
    let events = runtime.store().events(&key, 0, 1_000).await.unwrap();
    let said: Vec<_> = events
        .iter()
        .filter_map(|(_, e)| match &e.body {
            EventBody::Turn(t) => t.text.as_deref(),
            _ => None,
        })
        .collect();
    assert_eq!(said, ["go", "my-ref", "12"]);
    let filled: Vec<Json> = events
        .iter()
        .filter_map(|(_, e)| match &e.body {
            EventBody::Filled(f) => Some((*f.value.json).clone()),
            _ => None,
        })
        .collect();
    assert_eq!(filled, [json!("my-ref"), json!(12)]);
}
