//! The service over HTTP, driven as agent runtimes drive it.

mod beside;
mod conditions;
mod crowd;
mod expected;
mod namespaces;
mod page;
pub mod program;
pub mod served;
mod talk;
mod walls;

use serde_json::{Value as Json, json};
use served::{As, Plan, Served, files, shipped, shop};
use waypost::cli::demo::backend::Backend;
use waypost::driver::Clock;
use waypost::store::Address;

/// Up to the question whether an order shall be cancelled.
async fn to_the_question(served: &Served, backend: &Backend, who: &As) -> (String, served::Answered) {
    let first = served.turn(who, json!({"message": "I want to cancel order H1042"})).await;
    assert_eq!((first.status, first.phase()), (200, "phase_collect"), "{first:?}");
    let id = first.conversation();
    served.say(who, &id, "nora.falk@example.com").await;
    let code = backend.mails().last().unwrap().code.clone();
    let mut next = served.say(who, &id, &code).await;
    if next.phase() == "phase_collect" {
        next = served.say(who, &id, "changed my mind").await;
    }
    assert_eq!(next.phase(), "phase_confirm", "{next:?}");
    (id, next)
}

fn cancellations(backend: &Backend) -> usize {
    backend.requests().iter().filter(|r| r.path.ends_with("/cancellation") && !r.repeated).count()
}

#[tokio::test]
async fn a_conversation_from_its_first_message_to_its_end() {
    let (backend, served) = shop("").await;
    let who = As::nobody().user("u-1").with("x-request-id", "r-7");
    let (id, question) = to_the_question(&served, &backend, &who).await;
    assert_eq!(question.headers["x-request-id"], "r-7");
    assert!(question.body["response"]["question"]["id"].is_string(), "{question:?}");
    let said = served.say(&who, &id, "yes please").await;
    assert_eq!((said.phase(), &said.body["state"]["outcome"]), ("phase_done", &json!("cancelled")), "{said:?}");
    assert_eq!(cancellations(&backend), 1);
    let listed = served.get(&who, &format!("/agents/{}/conversations", served.agent)).await;
    assert_eq!(listed.body["items"][0]["conversation_id"], json!(id));
    let history = served.look(&who, &id, "/history?limit=3").await;
    assert_eq!(history.body["items"][0]["kind"], json!("message"));
    let next = history.body["next_cursor"].as_str().unwrap().to_owned();
    let rest = served.look(&who, &id, &format!("/history?cursor={next}&limit=200")).await;
    assert!(rest.body["items"].as_array().unwrap().iter().any(|l| l["kind"] == json!("question")), "{rest:?}");
    assert_ne!(rest.body["items"][0], history.body["items"][0]);
    let audit = served.look(&who, &id, "/audit-logs?limit=200").await;
    let verdicts = |line: &Json| line["kind"] == json!("verdict") && line["what"] == json!("shop.cancel-order");
    let rows = audit.body["items"].as_array().unwrap();
    assert!(rows.iter().flat_map(|r| r["lines"].as_array().unwrap()).any(verdicts), "{audit:?}");
}

#[tokio::test]
async fn a_context_comes_bare_or_with_its_version_and_is_fixed() {
    let (_backend, served) = shop("").await;
    let who = As::nobody();
    let bare = json!({"identity": {"user_id": "u-1", "user_name": "Nora"}, "customAttributes": {"tier": "gold"}});
    let first = served.turn(&who, json!({"message": "hello", "context": bare})).await;
    let versioned = served.turn(&who, json!({"message": "hello", "context": {"version": "v1", "context": bare}})).await;
    assert_eq!((first.status, versioned.status), (200, 200));
    let listed = served.get(&As::nobody().user("u-1"), &format!("/agents/{}/conversations", served.agent)).await;
    assert_eq!(listed.body["items"].as_array().unwrap().len(), 2);
    let id = first.conversation();
    assert_eq!(served.look(&As::nobody().user("u-2"), &id, "").await.status, 404);
    let theirs = json!({"conversation_id": id, "message": "hi", "context": {"identity": {"user_id": "u-2"}}});
    assert_eq!(served.turn(&who, theirs).await.status, 404);
    for wrong in [json!({"identity": 1}), json!({"version": 1, "context": {}}), json!({"nobody": {}}), json!([])] {
        let answer = served.turn(&who, json!({"message": "hi", "context": wrong})).await;
        assert_eq!((answer.status, answer.code()), (422, "body"), "{wrong}");
    }
}

#[tokio::test]
async fn the_same_turn_twice_is_one_turn() {
    let (backend, served) = shop("").await;
    let who = As::nobody().user("u-1");
    let (id, question) = to_the_question(&served, &backend, &who).await;
    let keyed = who.clone().with("idempotency-key", "k-1");
    let yes = json!({"conversation_id": id, "message": "yes please"});
    let first = served.turn(&keyed, yes.clone()).await;
    let again = served.turn(&keyed, yes).await;
    assert_eq!((first.status, &first.body), (200, &again.body));
    assert_eq!(cancellations(&backend), 1);
    let other = served.turn(&keyed, json!({"conversation_id": id, "message": "no"})).await;
    assert_eq!((other.status, other.code()), (422, "id_reused"));
    let start = json!({"message": "where is my order H1017?"});
    let a = served.turn(&who.clone().with("idempotency-key", "s-1"), start.clone()).await;
    let b = served.turn(&who.clone().with("idempotency-key", "s-1"), start.clone()).await;
    let c = served.turn(&As::nobody().user("u-2").with("idempotency-key", "s-1"), start).await;
    assert_eq!(a.body, b.body);
    assert_ne!(a.conversation(), c.conversation());
    assert_eq!(other.body["detail"], json!("the id `k-1` was used for something else"));
    let stale = json!({"conversation_id": id, "command": {"type": "cancel", "at": question.body["at"]}});
    let stale = served.turn(&who, stale).await;
    assert_eq!((stale.status, stale.code()), (409, "stale"));
    assert_eq!(stale.body["at"], first.body["at"]);
    assert!(stale.body["expects"]["commands"].is_array(), "{stale:?}");
}

#[tokio::test]
async fn a_refused_command_changes_nothing_and_says_what_may_come() {
    let (_backend, served) = shop("").await;
    let who = As::nobody().user("u-1");
    let refused = served.turn(&who, json!({"command": {"type": "fill", "values": {"order_id": "H1042"}}})).await;
    assert_eq!((refused.status, refused.code()), (409, "not_now"), "{refused:?}");
    assert_eq!(refused.body["conversation_id"], Json::Null);
    let unknown = served.turn(&who, json!({"command": {"type": "start", "journey": "nothing"}})).await;
    assert_eq!((unknown.status, unknown.code()), (422, "unknown_journey"));
    let listed = served.get(&who, &format!("/agents/{}/conversations", served.agent)).await;
    assert_eq!(listed.body["items"], json!([]), "nothing is kept of a start that was refused");
    let begun = served.turn(&who, json!({"command": {"type": "start", "journey": "order-status"}})).await;
    let id = begun.conversation();
    let before = served.look(&who, &id, "").await;
    let wrong = served.command(&who, &id, json!({"type": "next"})).await;
    assert_eq!((wrong.status, wrong.code()), (409, "not_now"));
    assert!(wrong.commands().contains(&"fill".to_owned()), "{wrong:?}");
    assert_eq!(served.look(&who, &id, "").await.body, before.body);
    let forbidden = served.command(&who, &id, json!({"type": "confirm"})).await;
    assert_eq!((forbidden.status, forbidden.code()), (403, "forbidden"));
    assert_eq!(served.look(&who, &id, "").await.body, before.body);
}

#[tokio::test]
async fn what_is_told_is_what_may_be_done_and_how_it_is_called() {
    let (backend, served) = shop("").await;
    let who = As::nobody().user("u-1");
    let begun = served.turn(&who, json!({"message": "where is my order?"})).await;
    let id = begun.conversation();
    // A command without an actor is the model's: nothing is listed that it may not send.
    for command in begun.commands() {
        assert!(!["confirm", "reject", "approve", "say"].contains(&&*command), "{begun:?}");
    }
    let (_, question) = to_the_question(&served, &backend, &who).await;
    assert!(question.commands().iter().all(|c| !["confirm", "reject"].contains(&&**c)), "{question:?}");
    let history = served.look(&who, &id, "/history").await;
    let began = history.body["items"].as_array().unwrap().iter().find(|l| l["kind"] == json!("began")).unwrap().clone();
    assert_eq!(began["text"], json!("order-status"));
    served.command(&who, &id, json!({"type": "cancel"})).await;
    let done = served.look(&who, &id, "").await;
    assert_eq!(done.phase(), "phase_done");
    for _ in 0..2 {
        assert_eq!(served.command(&who, &id, json!({"type": "next"})).await.status, 409);
        assert_eq!(served.look(&who, &id, "").await.body, done.body);
    }
}

#[tokio::test]
async fn events_go_on_where_they_broke_off_also_in_another_process() {
    let dir = tempfile::tempdir().unwrap();
    let store = Address::Sqlite(dir.path().join("w.db"));
    let backend = Backend::start(Clock::System.now()).await.unwrap();
    let plan = || Plan { store: store.clone(), ..Plan::of(shipped("")).secret("SHOP_URL", backend.url()) };
    let first = plan().serve().await;
    let who = As::nobody().user("u-1");
    let id = first.turn(&who, json!({"message": "where is my order?"})).await.conversation();
    let seen = first.events(&As::nobody(), &id, None, 4).await;
    assert!(seen.windows(2).all(|w| w[0].0 <= w[1].0), "{seen:?}");
    let second = plan().serve().await;
    let last = seen.last().unwrap().0;
    let nobody = As::nobody();
    let watching = second.events(&nobody, &id, Some(last), 2);
    let saying = first.say(&who, &id, "talk to a person");
    let (more, said) = tokio::join!(watching, saying);
    assert_eq!(said.body["state"]["status"], json!("escalated"), "{said:?}");
    assert!(more.iter().all(|(seq, ..)| *seq > last), "{more:?}");
    first.stop.cancel();
    let third = plan().serve().await;
    assert_eq!(third.events(&As::nobody(), &id, Some(last), 2).await, more);
}

#[tokio::test]
async fn two_processes_share_a_conversation() {
    let dir = tempfile::tempdir().unwrap();
    let store = Address::Sqlite(dir.path().join("w.db"));
    let backend = Backend::start(Clock::System.now()).await.unwrap();
    let plan = || Plan { store: store.clone(), ..Plan::of(shipped("")).secret("SHOP_URL", backend.url()) };
    let (one, other) = (plan().serve().await, plan().serve().await);
    let who = As::nobody().user("u-1");
    let (id, _) = to_the_question(&one, &backend, &who).await;
    // Both are told yes, at once and under the same id: it is one yes.
    let keyed = who.with("idempotency-key", "yes-1");
    let (a, b) = tokio::join!(one.say(&keyed, &id, "yes please"), other.say(&keyed, &id, "yes please"));
    assert!([&a, &b].iter().all(|x| x.status == 200), "{a:?} {b:?}");
    assert_eq!(cancellations(&backend), 1);
}

const HELD: &[(&str, &str)] = &[
    (
        "integrations/bank.yaml",
        "{name: bank, type: rest_api, config: {base_url: '${BANK_URL}', auth_type: none}, actions: [{name: pay, type: write,
          invocation: {method: POST, endpoint: /payments}, input_schema: {amount: {type: number}},
          outcomes: [{name: paid, condition: response.status < 500}],
          safety: {requires_approval: {role: treasurer, queue: money, ttl: 1h}}}]}",
    ),
    ("datapoints/all.yaml", "{name: Amount, type: number}"),
    (
        "journeys/pay.yaml",
        "{name: Pay, trigger: {goal: pay a bill, examples: [pay]}, journey: [{collect: [amount]}, {action: bank.pay, outcomes: {paid: continue}}, {done: Paid.}]}",
    ),
    (
        "waypost.yaml",
        "secrets: [BANK_URL, K1, K2, K3]
server: {keys: [{name: app, key: '${K1}', role: runtime}, {name: tess, key: '${K2}', role: operator, scopes: [treasurer]},
  {name: olaf, key: '${K3}', role: operator}]}",
    ),
];

#[tokio::test]
async fn people_of_the_company_approve_and_take_over() {
    let backend = Backend::start(Clock::System.now()).await.unwrap();
    let plan = Plan::of(files(HELD)).secret("BANK_URL", backend.url()).secret("K1", "k-app").secret("K2", "k-tess").secret("K3", "k-olaf");
    let served = plan.serve().await;
    let (app, tess, olaf) = (As::key("k-app").user("u-1"), As::key("k-tess"), As::key("k-olaf"));
    let held = served.turn(&app, json!({"command": {"type": "start", "journey": "pay", "variables": {"amount": 5}}})).await;
    assert_eq!(held.phase(), "phase_hold", "{held:?}");
    let id = held.conversation();
    let holds = served.get(&olaf, "/agents/default/holds").await;
    let hold = holds.body["items"][0]["hold_id"].as_str().unwrap().to_owned();
    let one = served.get(&tess, &format!("/agents/default/holds/{hold}")).await;
    assert_eq!((&one.body["inputs"], &one.body["conversation_id"]), (&json!({"amount": 5}), &json!(id)));
    assert_eq!(served.get(&tess, "/agents/default/holds/nothing").await.status, 404);
    let approve = json!({"type": "approve", "hold": hold, "note": "fine"});
    let not_hers = served.command(&app, &id, approve.clone()).await;
    assert_eq!((not_hers.status, not_hers.code()), (403, "forbidden"));
    let not_his = served.command(&olaf, &id, approve.clone()).await;
    assert_eq!((not_his.status, not_his.code()), (403, "forbidden"));
    assert!(!not_his.commands().contains(&"approve".to_owned()), "{not_his:?}");
    assert!(backend.requests().is_empty());
    let approved = served.command(&tess, &id, approve.clone()).await;
    assert_eq!((approved.status, approved.says()), (200, "Paid."), "{approved:?}");
    assert_eq!(backend.requests().len(), 1);
    assert_eq!(served.command(&tess, &id, approve).await.status, 409);
    let taken = served.command(&olaf, &id, json!({"type": "take_over"})).await;
    assert_eq!((taken.status, taken.phase()), (200, "phase_escalated"));
    assert_eq!(served.command(&olaf, &id, json!({"type": "take_over"})).await.status, 409);
    let said = served.command(&olaf, &id, json!({"type": "say", "text": "This is Olaf."})).await;
    assert_eq!(said.says(), "This is Olaf.");
    let history = served.look(&app, &id, "/history").await;
    let spoken = |l: &&Json| l["text"] == json!("This is Olaf.");
    assert_eq!(history.body["items"].as_array().unwrap().iter().find(spoken).unwrap()["who"], json!("operator"));
    assert_eq!(served.command(&olaf, &id, json!({"type": "hand_back"})).await.status, 200);
    let audit = served.look(&tess, &id, "/audit-logs?limit=200").await.body.to_string();
    for who in ["operator:tess", "operator:olaf", "command:approve", "command:take_over", "command:hand_back"] {
        assert!(audit.contains(who), "{who} is not in {audit}");
    }
}

#[tokio::test]
async fn the_workspace_is_taken_anew_whole_or_not_at_all() {
    let backend = Backend::start(Clock::System.now()).await.unwrap();
    let journey = "{name: Look, trigger: {goal: look it up, examples: [look]}, journey: [{collect: [order_id]}, {action: shop.get, outcomes: {found: continue, none: continue}}, {done: Old.}]}";
    let base = [
        (
            "integrations/shop.yaml",
            "{name: shop, type: rest_api, config: {base_url: '${SHOP_URL}', auth_type: none}, actions: [{name: get, type: read, invocation: {method: GET, endpoint: '/orders/{order_id}'}, input_schema: {order_id: {type: string}}, outcomes: [{name: found, condition: response.status == 200}, {name: none, condition: response.status == 404}]}]}",
        ),
        ("datapoints/all.yaml", "{name: Order ID, type: string}"),
        ("waypost.yaml", "secrets: [SHOP_URL]"),
    ];
    let with = |more: &[(&'static str, &'static str)]| files(&base.iter().copied().chain(more.iter().copied()).collect::<Vec<_>>());
    let served = Plan::of(with(&[("journeys/look.yaml", journey)])).secret("SHOP_URL", backend.url()).serve().await;
    let who = As::nobody().user("u-1");
    let start = json!({"command": {"type": "start", "journey": "look"}});
    let fill = json!({"type": "fill", "values": {"order_id": "H1017"}});
    let (first, second) = (served.turn(&who, start.clone()).await.conversation(), served.turn(&who, start.clone()).await.conversation());
    let broken = with(&[("journeys/look.yaml", "{name: Look, journey: [{goto: nowhere}]}")]);
    assert!(served.service.reload(broken).await.is_err());
    let anew = "{name: Look, trigger: {goal: look it up, examples: [look]}, journey: [{collect: [order_id]}, {done: New.}]}";
    assert!(served.service.reload(with(&[("journeys/look.yaml", anew)])).await.unwrap());
    assert!(!served.service.reload(with(&[("journeys/look.yaml", anew)])).await.unwrap(), "the same again is no other");
    assert_eq!(served.command(&who, &first, fill.clone()).await.says(), "Old.", "a conversation under way stays on its version");
    let third = served.turn(&who, start).await.conversation();
    assert_eq!(served.command(&who, &third, fill.clone()).await.says(), "New.");
    let before = backend.requests().len();
    let forbid = with(&[("journeys/look.yaml", anew), ("policies/none.cedar", "forbid(principal, action, resource);")]);
    assert!(served.service.reload(forbid).await.unwrap());
    let stopped = served.command(&who, &second, fill).await;
    assert_eq!(backend.requests().len(), before);
    assert!(stopped.says().contains("forbids it"), "{stopped:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_under_way_is_finished_before_it_stops() {
    let server = crate::outbound::server::Server::start(|_| {
        std::thread::park_timeout(std::time::Duration::from_millis(400));
        crate::outbound::server::Do::Send(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}".to_vec())
    })
    .await;
    let written = [
        (
            "integrations/slow.yaml",
            "{name: slow, type: rest_api, config: {base_url: '${URL}', auth_type: none}, actions: [{name: get, type: read, invocation: {method: GET, endpoint: /it}, outcomes: [{name: found, condition: response.status == 200}]}]}",
        ),
        (
            "journeys/look.yaml",
            "{name: Look, trigger: {goal: look it up, examples: [look]}, journey: [{action: slow.get, outcomes: {found: continue}}, {done: Found.}]}",
        ),
        ("waypost.yaml", "secrets: [URL]"),
    ];
    let mut served = Plan::of(files(&written)).secret("URL", server.url()).serve().await;
    let who = As::nobody();
    let stop = served.stop.clone();
    let turn = served.turn(&who, json!({"command": {"type": "start", "journey": "look"}}));
    let stopping = async {
        while server.seen().is_empty() {
            tokio::task::yield_now().await;
        }
        stop.cancel();
    };
    let (answer, ()) = tokio::join!(turn, stopping);
    assert_eq!((answer.status, answer.says()), (200, "Found."), "{answer:?}");
    (&mut served.done).await.unwrap();
    assert!(tokio::net::TcpStream::connect(served.at).await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn journeys_are_listed_shown_drawn_and_tried() {
    let (_backend, served) = shop("").await;
    let who = As::nobody();
    let listed = served.get(&who, "/capabilities?limit=2").await;
    assert_eq!(listed.body["items"].as_array().unwrap().len(), 2);
    let next = listed.body["next_cursor"].as_str().unwrap();
    assert_eq!(served.get(&who, &format!("/capabilities?cursor={next}")).await.body["next_cursor"], Json::Null);
    let one = served.get(&who, "/capabilities/cancel-order").await;
    assert!(one.body["text"].as_str().unwrap().contains("journey:"));
    for (format, begins) in [("mermaid", "flowchart"), ("dot", "digraph"), ("svg", "<svg")] {
        let drawn = served.get(&who, &format!("/capabilities/cancel-order/graph?format={format}")).await;
        assert!(drawn.body.as_str().unwrap().contains(begins), "{drawn:?}");
    }
    assert_eq!(served.get(&who, "/capabilities/cancel-order/graph?format=pdf").await.status, 400);
    assert_eq!(served.get(&who, "/capabilities/nothing").await.status, 404);
    let fine = served
        .post(
            &who,
            "/capabilities/validate",
            &json!({"text": "{name: Hi, trigger: {goal: greet, examples: [hi]}, journey: [{done: Hi.}]}"}),
        )
        .await;
    assert_eq!(fine.body["valid"], json!(true), "{fine:?}");
    let wrong = served
        .post(
            &who,
            "/capabilities/validate",
            &json!({"text": "{name: Hi, trigger: {goal: greet, examples: [hi]}, journey: [{goto: nowhere}]}"}),
        )
        .await;
    assert_eq!((&wrong.body["valid"], &wrong.body["diagnostics"][0]["code"]), (&json!(false), &json!("WP0202")), "{wrong:?}");
    assert_eq!(served.post(&who, "/capabilities/validate", &json!({"text": "x", "file": "../x.yaml"})).await.status, 422);
}

#[tokio::test]
async fn a_transcript_of_a_conversation_plays_it_again() {
    let (backend, served) = shop("").await;
    let who = As::nobody().user("u-1");
    let id = served.turn(&who, json!({"message": "my grinder is jammed"})).await.conversation();
    talk::plays_again(&served, &who, &id, shipped("")).await;
    let id = served.turn(&who, json!({"message": "my rocket is late"})).await.conversation();
    talk::plays_again(&served, &who, &id, shipped("")).await;
    assert_eq!(served.command(&who, &id, json!({"type": "handoff"})).await.status, 200);
    talk::plays_again(&served, &who, &id, shipped("")).await;
    assert!(backend.requests().is_empty());
}

#[test]
fn every_operation_of_the_document_has_a_name_of_its_own() {
    let document = waypost::api::document();
    let operations = document["paths"].as_object().unwrap().values().flat_map(|item| item.as_object().unwrap().values());
    let mut names: Vec<&str> = operations.map(|o| o["operationId"].as_str().unwrap()).collect();
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all);
}
