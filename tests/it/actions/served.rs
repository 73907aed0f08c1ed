//! Triggered actions in service: registered and listed, done by themselves and for decisions, once or at least once, and recorded.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value as Json, json};
use waypost::driver::Clock;
use waypost::registry::{ActionResult, ActionStatus, run_id};
use waypost::store::records::{DecisionsOf, Defines, NewDefinition, NewDelivery, Record, Records, SHARED};
use waypost::store::{Address, ConversationKey, Store};

use super::{action, decision};
use crate::api::served::{As, Plan, Served, files};
use crate::outbound::server::{Do, Server, answer};

const KEYS: &str = "
server:
  keys:
    - {name: chief, key: chief-key-000000000, role: admin, tenants: [acme]}
    - {name: host, key: host-key-0000000000, role: runtime, tenants: [acme]}
    - {name: model, key: model-key-000000000, role: agent, tenants: [acme]}
    - {name: theirs, key: theirs-key-00000000, role: admin, tenants: [else]}
    - {name: team, key: team-key-0000000000, role: admin, tenants: [acme], scopes: ['namespace:team']}
secrets: [TOKEN]
channels:
  book: {type: log}
workflows:
  ring: {journey: call-back}
";
const CALL_BACK: &str = "
name: Call back
callable: true
inputs: {entity: {required: true}}
journey:
  - set: {whom: $variables.entity, decided: $user.decision.decision_id}
  - done: {outcome: called}
";
const FIELDS: &str = "{name: Entity, slug: entity, type: string}\n";
const PLANTED: &str = "planted-77aa";

fn chief() -> As {
    As::key("chief-key-000000000")
}

fn host() -> As {
    As::key("host-key-0000000000")
}

async fn served(hooks: &str) -> Served {
    served_with(hooks, "").await
}

async fn served_with(hooks: &str, more: &str) -> Served {
    let settings = format!("{KEYS}egress: {{allow_hosts: ['{}']}}\n{more}", hooks.trim_start_matches("http://"));
    let workspace = [("waypost.yaml", &*settings), ("journeys/call-back.yaml", CALL_BACK), ("datapoints/fields.yaml", FIELDS)];
    Plan::of(files(&workspace)).secret("TOKEN", PLANTED).serve().await
}

/// An action with an id of its own.
fn named(id: &str, config: &Json, fire_on: &str) -> Json {
    let mut action = action(config, fire_on);
    action["action_id"] = json!(id);
    action["version"] = json!("1");
    action
}

fn hook(url: &str, path: &str) -> Json {
    json!({"type": "webhook", "endpoint": format!("{url}{path}")})
}

async fn condition(served: &Served) {
    let body = json!({
        "condition_id": "many-complaints", "version": "3", "namespace": "org", "input": "data.complaints",
        "strategy": {"type": "threshold", "params": {"direction": "above", "value": 3}},
    });
    assert_eq!(served.post(&chief(), "/conditions", &body).await.status, 200);
}

async fn register(served: &Served, body: &Json) {
    let made = served.post(&chief(), "/actions", body).await;
    assert_eq!(made.status, 200, "{made:?}");
}

async fn evaluate(served: &Served, complaints: u32, more: Json) -> Json {
    let mut body = json!({"version": "3", "entity": "order-7", "data": {"complaints": complaints}});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let decided = served.post(&chief(), "/conditions/many-complaints/evaluate", &body).await;
    assert_eq!(decided.status, 200, "{decided:?}");
    decided.body
}

fn result<'j>(decision: &'j Json, action: &str) -> &'j Json {
    decision["actions"].as_array().unwrap().iter().find(|a| a["action_id"] == action).unwrap()
}

#[tokio::test]
async fn an_action_is_registered_once_listed_and_hidden_from_others() {
    let served = served("http://127.0.0.1:1").await;
    let mut body = named("tell", &hook("http://127.0.0.1:1", "/x"), "true");
    body["config"]["headers"] = json!({"Authorization": "Bearer written-out", "x-team": "desk"});
    assert_eq!(served.post(&As::nobody(), "/actions", &body).await.status, 401);
    assert_eq!(served.post(&host(), "/actions", &body).await.status, 403);
    let elevated = host().with("x-elevated-key", "chief-key-000000000");
    assert_eq!(served.post(&elevated, "/actions", &body).await.status, 200);
    assert_eq!(served.post(&chief(), "/actions", &body).await.status, 409, "not even word for word");
    for bad in [
        json!({}),
        json!([1]),
        action(&json!({"type": "carrier-pigeon"}), "true"),
        action(&json!({"type": "notification", "channel": "opps"}), "true"),
    ] {
        let refused = served.post(&chief(), "/actions", &bad).await;
        assert_eq!(refused.status, 400, "{refused:?}");
    }
    let seen = served.get(&host(), "/actions/tell?version=1").await;
    assert_eq!(seen.body["config"]["headers"], json!({"Authorization": "[redacted]", "x-team": "desk"}));
    assert_eq!(served.get(&host(), "/actions/tell?version=2").await.status, 404);
    for stranger in [As::key("theirs-key-00000000"), As::key("team-key-0000000000")] {
        assert_eq!(served.get(&stranger, "/actions/tell?version=1").await.status, 404);
        assert_eq!(served.get(&stranger, "/actions").await.body["total_count"], 0);
        let body = json!({"version": "1", "entity": "x"});
        assert_eq!(served.post(&stranger, "/actions/tell/trigger", &body).await.status, 404);
    }
    let two = named("twice", &json!({"type": "notification", "channel": "book"}), "any");
    let by = chief();
    let (one, other) = tokio::join!(served.post(&by, "/actions", &two), served.post(&by, "/actions", &two));
    assert_eq!(BTreeSet::from([one.status, other.status]), BTreeSet::from([200, 409]));
}

#[tokio::test]
async fn an_action_by_itself_is_a_decision_that_holds_and_a_dry_run_sends_nothing() {
    let server = Server::start(|_| answer("200 OK", &[], b"fine")).await;
    let served = served(&server.url()).await;
    let mut body = named("tell", &hook(&server.url(), "/in/${TOKEN}"), "true");
    body["config"]["headers"] = json!({"x-key": "${TOKEN}"});
    body["config"]["payload_template"] = json!({"e": "{entity}", "v": "{decision_value}", "at": "{timestamp}", "k": "${TOKEN}"});
    register(&served, &body).await;
    register(&served, &named("calm", &hook(&server.url(), "/calm"), "false")).await;
    let ask = json!({"version": "1", "entity": "order-7", "timestamp": "2026-01-05T09:00:00Z", "dry_run": true});
    let shown = json!({"e": "order-7", "v": true, "at": "2026-01-05T09:00:00Z", "k": "[redacted]"});
    let dry = served.post(&As::key("model-key-000000000"), "/actions/tell/trigger", &ask).await;
    assert_eq!((dry.status, &dry.body["status"], &dry.body["payload_sent"]), (200, &json!("would_trigger"), &Json::Null), "{dry:?}");
    assert_eq!(dry.body["payload_preview"], shown);
    assert!(server.seen().is_empty());
    let kept = served.get(&host(), &format!("/decisions/{}", dry.body["decision_id"].as_str().unwrap())).await;
    assert_eq!((&kept.body["dry_run"], &kept.body["value"]), (&json!(true), &json!(true)));

    let wet = json!({"version": "1", "entity": "order-7", "timestamp": "2026-01-05T09:00:00Z"});
    assert_eq!(served.post(&host(), "/actions/tell/trigger", &wet).await.status, 403);
    assert_eq!(served.post(&chief(), "/actions/nothing/trigger", &wet).await.status, 404);
    let done = served.post(&chief(), "/actions/tell/trigger", &wet).await;
    assert_eq!((done.status, &done.body["status"], &done.body["payload_sent"]), (200, &json!("triggered"), &shown), "{done:?}");
    let sent = &server.seen()[0];
    assert_eq!((sent.path(), sent.header("x-key")), (&*format!("/in/{PLANTED}"), Some(PLANTED)));
    assert_eq!(serde_json::from_str::<Json>(&sent.body).unwrap()["k"], PLANTED);
    assert_eq!(served.post(&chief(), "/actions/calm/trigger", &wet).await.body["status"], "skipped");
    for path in ["/actions", "/decisions", "/deliveries", "/actions/tell"] {
        let all = served.get(&chief(), path).await.body.to_string();
        assert!(!all.contains(PLANTED), "{path}: {all}");
    }
}

#[tokio::test]
async fn an_action_that_fails_fails_nothing_else_and_stands_in_the_record() {
    let server = Server::start(|seen| match seen.path() {
        "/bad" => answer("503 X", &[], seen.head.as_bytes()),
        _ => answer("200 OK", &[], b""),
    })
    .await;
    let served = served(&server.url()).await;
    condition(&served).await;
    register(&served, &named("good", &hook(&server.url(), "/good"), "true")).await;
    register(&served, &named("bad", &hook(&server.url(), "/bad"), "any")).await;
    register(&served, &named("away", &hook("http://127.0.0.1:9", "/"), "any")).await;
    register(&served, &named("calm", &json!({"type": "notification", "channel": "book"}), "false")).await;
    register(&served, &named("note", &json!({"type": "register", "primitive_id": "org.upset"}), "any")).await;
    let decided = evaluate(&served, 7, json!({})).await;
    assert_eq!(decided["value"], true);
    let status = |id: &str| result(&decided, id)["status"].clone();
    assert_eq!((status("good"), status("calm"), status("note")), (json!("triggered"), json!("skipped"), json!("triggered")));
    assert_eq!(result(&decided, "good")["payload_sent"]["decision_id"], decided["decision_id"]);
    assert_eq!((status("bad"), &result(&decided, "bad")["error"]["code"]), (json!("failed"), &json!("http_503")));
    assert_eq!((status("away"), &result(&decided, "away")["error"]["code"]), (json!("failed"), &json!("egress")));
    let kept = served.get(&host(), &format!("/decisions/{}", decided["decision_id"].as_str().unwrap())).await;
    assert_eq!(kept.body, decided);
    assert_eq!(server.seen().iter().filter(|s| s.path() == "/bad").count(), 1, "one try");
    let written = served.get(&host(), "/primitives/org.upset?entity=order-7").await;
    assert_eq!((&written.body["value"], &written.body["decision_id"]), (&json!(true), &decided["decision_id"]));
    // What was written back is read by the next evaluation.
    let reads = json!({
        "condition_id": "upset", "version": "1", "namespace": "org", "input": "org.upset",
        "strategy": {"type": "equals", "params": {"value": true}},
    });
    assert_eq!(served.post(&chief(), "/conditions", &reads).await.status, 200);
    let next = served.post(&chief(), "/conditions/upset/evaluate", &json!({"version": "1", "entity": "order-7"})).await;
    assert_eq!(next.body["value"], true, "{next:?}");
    assert_eq!(served.service.deliver_due().await.unwrap(), 0, "nothing is left to do");
}

#[tokio::test]
async fn actions_are_done_behind_the_answer_if_that_is_asked_for() {
    let server = Server::start(|_| answer("200 OK", &[], b"")).await;
    let served = served(&server.url()).await;
    condition(&served).await;
    register(&served, &named("tell", &hook(&server.url(), "/x"), "true")).await;
    let decided = evaluate(&served, 7, json!({"async": true})).await;
    assert_eq!(result(&decided, "tell")["status"], "pending");
    let path = format!("/decisions/{}", decided["decision_id"].as_str().unwrap());
    let mut kept = served.get(&host(), &path).await.body;
    for _ in 0..2_000 {
        if result(&kept, "tell")["status"] == "triggered" {
            break;
        }
        tokio::task::yield_now().await;
        kept = served.get(&host(), &path).await.body;
    }
    assert_eq!(result(&kept, "tell")["status"], "triggered");
}

#[tokio::test]
async fn a_workflow_is_a_journey_run_by_nobody() {
    let served = served("http://127.0.0.1:1").await;
    register(&served, &named("ring", &json!({"type": "workflow", "workflow_id": "ring"}), "true")).await;
    let mapped = json!({"type": "workflow", "workflow_id": "call-back", "input_mapping": {"entity": "{entity}!"}});
    register(&served, &named("mapped", &mapped, "true")).await;
    let wrong = json!({"type": "workflow", "workflow_id": "ring", "input_mapping": {"whom": "{entity}"}});
    register(&served, &named("wrong", &wrong, "true")).await;
    let go =
        async |id: &str| served.post(&chief(), &format!("/actions/{id}/trigger"), &json!({"version": "1", "entity": "order-7"})).await.body;
    for (id, entity) in [("ring", "order-7"), ("mapped", "order-7!")] {
        let done = go(id).await;
        assert_eq!((&done["status"], &done["payload_sent"]["entity"]), (&json!("triggered"), &json!(entity)), "{done}");
        let run = done["conversation_id"].as_str().unwrap();
        let log = served.look(&chief(), run, "/history").await.body.to_string();
        assert!(log.contains("call_back") || log.contains("call-back"), "{log}");
        assert!(log.contains("called"), "{log}");
    }
    let failed = go("wrong").await;
    assert_eq!((&failed["status"], &failed["error"]["code"]), (&json!("failed"), &json!("workflow")), "{failed}");
}

#[tokio::test]
async fn what_is_durable_is_tried_until_it_is_taken_or_given_up_and_sent_again() {
    let tries = Arc::new(AtomicUsize::new(0));
    let count = tries.clone();
    let server = Server::start(move |seen| match (seen.path(), count.fetch_add(1, Ordering::SeqCst)) {
        ("/flaky", 0 | 1) => answer("503 X", &[], b""),
        ("/dead", 0..=2) | ("/never", _) => answer("500 X", &[], b""),
        _ => answer("200 OK", &[], b""),
    })
    .await;
    let served = served(&server.url()).await;
    for (id, path, retries) in [("flaky", "/flaky", 5), ("dead", "/dead", 2), ("refused", "/never", 0)] {
        let mut body = named(id, &hook(&server.url(), path), "true");
        body["delivery"] = json!({"retries": retries, "backoff_ms": 0});
        register(&served, &body).await;
    }
    let go =
        async |id: &str| served.post(&chief(), &format!("/actions/{id}/trigger"), &json!({"version": "1", "entity": "order-7"})).await.body;
    let result_of = async |decision: &Json| -> Json {
        let path = format!("/decisions/{}", decision["decision_id"].as_str().unwrap());
        served.get(&chief(), &path).await.body["actions"][0].clone()
    };
    let first = go("flaky").await;
    assert_eq!((&first["status"], &first["attempts"]), (&json!("failed"), &json!(1)), "{first}");
    assert_eq!(served.get(&chief(), "/deliveries").await.body["items"][0]["tries"], 1);
    assert_eq!(served.service.deliver_due().await.unwrap(), 1);
    assert_eq!(served.service.deliver_due().await.unwrap(), 1);
    let last = result_of(&first).await;
    assert_eq!((&last["status"], &last["attempts"]), (&json!("triggered"), &json!(3)), "{last}");
    assert_eq!(served.service.deliver_due().await.unwrap(), 0);
    let ids: BTreeSet<String> = server.seen().iter().map(|s| s.header("idempotency-key").unwrap().to_owned()).collect();
    assert_eq!(ids.len(), 1, "every try has the same key");

    tries.store(0, Ordering::SeqCst);
    let given_up = go("dead").await;
    while served.service.deliver_due().await.unwrap() > 0 {}
    let dead = served.get(&host(), "/deliveries?dead=true").await.body["items"][0].clone();
    assert_eq!((&dead["action_id"], &dead["tries"], &dead["status"]), (&json!("dead"), &json!(3), &json!("dead")), "{dead}");
    assert_eq!(result_of(&given_up).await["status"], "failed");
    let id = dead["delivery_id"].as_str().unwrap();
    assert_eq!(served.get(&As::key("theirs-key-00000000"), &format!("/deliveries/{id}")).await.status, 404);
    assert_eq!(served.post(&host(), &format!("/deliveries/{id}/retry"), &json!({})).await.status, 403);
    assert_eq!(served.post(&chief(), &format!("/deliveries/{id}/retry"), &json!({})).await.status, 200);
    assert_eq!(served.post(&chief(), &format!("/deliveries/{id}/retry"), &json!({})).await.status, 409);
    assert_eq!(served.service.deliver_due().await.unwrap(), 1);
    assert_eq!(result_of(&given_up).await["status"], "triggered");
    assert_eq!(served.get(&host(), "/deliveries?dead=true").await.body["items"], json!([]));
}

#[tokio::test]
async fn who_waits_its_turn_is_left_alone_for_as_long() {
    let server = Server::start(|_| Do::Hang).await;
    // A journey may take as long as a turn.
    for (settings, round) in [("", 30), ("limits: {turn: 10m}\n", 600)] {
        let served = served_with(&server.url(), settings).await;
        condition(&served).await;
        for n in 0..17 {
            register(&served, &named(&format!("tell-{n}"), &hook(&server.url(), "/x"), "true")).await;
        }
        let before = Clock::System.now();
        evaluate(&served, 7, json!({"async": true})).await;
        let listed = served.get(&chief(), "/deliveries").await.body["items"].as_array().unwrap().clone();
        let mut due: Vec<Timestamp> = listed.iter().map(|d| d["due"].as_str().unwrap().parse().unwrap()).collect();
        due.sort();
        assert!(due[0].duration_since(before).as_secs() >= round + 60, "{} {before}", due[0]);
        let after: Vec<i64> = due.iter().map(|d| d.duration_since(due[0]).as_secs()).collect();
        assert_eq!(after, [[0; 8], [round; 8]].concat().into_iter().chain([2 * round]).collect::<Vec<i64>>());
    }
}

#[tokio::test]
async fn no_more_is_taken_up_than_is_done_at_once() {
    let server = Server::start(|_| answer("200 OK", &[], b"")).await;
    let served = served(&server.url()).await;
    let mut durable = named("durable", &hook(&server.url(), "/x"), "true");
    durable["delivery"] = json!({"retries": 1, "backoff_ms": 1});
    register(&served, &durable).await;
    let now = "2026-01-05T09:00:00Z".parse().unwrap();
    let mut made = decision(json!(true), "order-7");
    let mut record = Record::new("acme".into(), now);
    for n in 0..20 {
        made.actions.push(ActionResult::new("durable".into(), "1".into(), ActionStatus::Pending));
        let (action_id, action_version) = ("durable".into(), "1".into());
        record.deliveries.push(NewDelivery { decision: made.decision_id.clone(), n, action_id, action_version, due: now });
    }
    record.decisions.push(made);
    served.service.runtime().store().record(record).await.unwrap();
    for taken in [8, 8, 4, 0] {
        assert_eq!(served.service.deliver_due().await.unwrap(), taken);
    }
}

#[tokio::test]
async fn what_waits_its_turn_is_not_begun_once_its_user_is_erased() {
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let held = gate.clone();
    let bytes = b"HTTP/1.1 200 X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    let server = Server::start(move |_| Do::Held(held.clone(), bytes.to_vec())).await;
    let again = "condition_id: many-complaints\nversion: 3\nnamespace: org\non: journey.started\nstrategy: {type: expression, params: {expression: 'true'}}\n";
    let hello = "name: Hello\ntrigger: {goal: say hello, examples: [hello]}\njourney:\n  - done: Hello.\n";
    let settings = format!("{KEYS}egress: {{allow_hosts: ['{}']}}\n", server.address);
    let workspace = [
        ("waypost.yaml", &*settings),
        ("journeys/call-back.yaml", CALL_BACK),
        ("journeys/hello.yaml", hello),
        ("datapoints/fields.yaml", FIELDS),
        ("conditions/again.yaml", again),
    ];
    let served = Plan::of(files(&workspace)).serve().await;
    served.service.define_files().await.unwrap();
    for n in 0..8 {
        register(&served, &named(&format!("tell-{n}"), &hook(&server.url(), "/x"), "true")).await;
    }
    for id in ["ring", "ninth"] {
        let config = if id == "ring" { json!({"type": "workflow", "workflow_id": "ring"}) } else { hook(&server.url(), "/ninth") };
        register(&served, &named(id, &config, "true")).await;
    }
    let begun = served.turn(&host().user("u-1"), json!({"command": {"type": "start", "journey": "hello"}})).await;
    assert_eq!(begun.status, 200, "{begun:?}");
    assert_eq!(served.service.settle_owed().await.unwrap(), 1);
    while server.seen().len() < 8 {
        tokio::task::yield_now().await;
    }
    let store = served.service.runtime().store();
    let made = store.decisions("acme", &DecisionsOf::default(), None, 1).await.unwrap().remove(0).1;
    assert_eq!(made.actions.len(), 10, "{made:?}");
    store.erase_user("acme", "u-1", Arc::new(|text| text.into())).await.unwrap();
    gate.close();
    served.service.rest(Duration::from_mins(1)).await;
    let run = ConversationKey::new("acme", run_id("acme", &made, "ring", "1"));
    assert_eq!(store.load(&run, 0).await.unwrap().map(|stored| stored.version), None);
    assert!(server.seen().iter().all(|seen| seen.path() == "/x"), "nor is anything sent");
}

#[tokio::test]
async fn whoever_stops_waits_for_what_is_under_way() {
    let first = AtomicUsize::new(0);
    let server = Server::start(move |_| match first.fetch_add(1, Ordering::SeqCst) {
        0 => Do::Drip(b"HTTP/1.1 200 X\r\ncontent-length: 0\r\n\r\n".to_vec()),
        _ => Do::Hang,
    })
    .await;
    let served = served(&server.url()).await;
    condition(&served).await;
    register(&served, &named("tell", &hook(&server.url(), "/x"), "true")).await;
    let decided = evaluate(&served, 7, json!({"async": true})).await;
    assert_eq!(result(&decided, "tell")["status"], "pending");
    served.service.rest(Duration::from_mins(1)).await;
    let kept = served.get(&host(), &format!("/decisions/{}", decided["decision_id"].as_str().unwrap())).await.body;
    assert_eq!(result(&kept, "tell")["status"], "triggered", "{kept}");
    // One that takes too long is left to the next.
    assert_eq!(served.get(&host(), "/deliveries").await.body["items"], json!([]));
    let decided = evaluate(&served, 7, json!({"async": true})).await;
    served.service.rest(Duration::ZERO).await;
    let kept = served.get(&host(), &format!("/decisions/{}", decided["decision_id"].as_str().unwrap())).await.body;
    assert_eq!(result(&kept, "tell")["status"], "pending", "nobody has waited for it: {kept}");
    let left = served.get(&host(), "/deliveries").await.body["items"][0].clone();
    assert_eq!((&left["decision_id"], &left["tries"]), (&decided["decision_id"], &json!(0)), "{left}");
}

#[tokio::test]
async fn what_is_sent_no_more_is_done_and_not_given_up() {
    let server = Server::start(|_| answer("503 X", &[], b"")).await;
    let channel = |settings: &str| format!("{KEYS}  hook: {settings}\n").replace("workflows:\n  ring: {journey: call-back}\n", "");
    let workspace = |settings: &str| {
        files(&[
            ("waypost.yaml", &channel(settings)),
            ("journeys/call-back.yaml", CALL_BACK),
            ("datapoints/fields.yaml", "{name: Entity, slug: entity, type: string}\n"),
        ])
    };
    let served = Plan::of(workspace(&format!("{{type: webhook, url: '{}/in'}}", server.url()))).serve().await;
    let mut body = named("tell", &json!({"type": "notification", "channel": "hook"}), "true");
    body["delivery"] = json!({"retries": 5, "backoff_ms": 0});
    register(&served, &body).await;
    let first = served.post(&chief(), "/actions/tell/trigger", &json!({"version": "1", "entity": "e"})).await.body;
    assert_eq!(first["status"], "failed");
    assert!(served.service.reload(workspace("{type: log}")).await.unwrap());
    assert_eq!(served.service.deliver_due().await.unwrap(), 1);
    let kept = served.get(&chief(), &format!("/decisions/{}", first["decision_id"].as_str().unwrap())).await.body;
    assert_eq!((&kept["actions"][0]["status"], &kept["actions"][0]["attempts"]), (&json!("triggered"), &json!(2)), "{kept}");
    for list in ["/deliveries", "/deliveries?dead=true"] {
        assert_eq!(served.get(&chief(), list).await.body["items"], json!([]), "{list}");
    }
}

#[tokio::test]
async fn what_a_dead_process_left_is_said_or_done_by_the_next() {
    let server = Server::start(|_| answer("200 OK", &[], b"")).await;
    let served = served(&server.url()).await;
    register(&served, &named("once", &hook(&server.url(), "/x"), "true")).await;
    let mut durable = named("durable", &hook(&server.url(), "/x"), "true");
    durable["delivery"] = json!({"retries": 1, "backoff_ms": 1});
    register(&served, &durable).await;
    // As a process leaves it that dies between the record and the sending.
    let store = served.service.runtime().store();
    let now = "2026-01-05T09:00:00Z".parse().unwrap();
    let mut made = decision(json!(true), "order-7");
    let mut record = Record::new("acme".into(), now);
    for (n, id) in [(0, "once"), (1, "durable")] {
        made.actions.push(ActionResult::new(id.into(), "1".into(), ActionStatus::Pending));
        record.deliveries.push(NewDelivery {
            decision: made.decision_id.clone(),
            n,
            action_id: id.into(),
            action_version: "1".into(),
            due: now,
        });
    }
    record.decisions.push(made);
    store.record(record).await.unwrap();
    assert_eq!(served.service.deliver_due().await.unwrap(), 2);
    let kept = served.get(&chief(), "/decisions/d-1").await.body;
    assert_eq!((&result(&kept, "once")["status"], &result(&kept, "once")["error"]["code"]), (&json!("failed"), &json!("interrupted")));
    assert_eq!(result(&kept, "durable")["status"], "triggered");
    assert_eq!(server.seen().len(), 1);
    assert_eq!(served.service.deliver_due().await.unwrap(), 0);
}

#[tokio::test]
async fn ten_thousand_versions_are_paged_by_two_while_a_third_registers() {
    let directory = tempfile::tempdir().unwrap();
    let store = Address::Sqlite(directory.path().join("store.db"));
    let workspace = [("waypost.yaml", KEYS), ("journeys/call-back.yaml", CALL_BACK), ("datapoints/fields.yaml", FIELDS)];
    let served = Plan { store, ..Plan::of(files(&workspace)) }.serve().await;
    let version = |n: usize| {
        let mut body = named("many", &json!({"type": "notification", "channel": "book"}), "any");
        body["version"] = json!(n.to_string());
        body
    };
    let file = |n: usize| NewDefinition {
        tenant: SHARED.into(),
        defines: Defines::Action,
        namespace: "org".into(),
        id: "many".into(),
        version: n.to_string().into(),
        body: version(n).to_string().into(),
        bound: Vec::new(),
        at: "2026-01-05T09:00:00Z".parse().unwrap(),
    };
    served.service.runtime().store().define_files((0..10_000).map(file).collect()).await.unwrap();
    let read = async || {
        let (mut seen, mut cursor) = (Vec::<usize>::new(), String::new());
        loop {
            let page = served.get(&host(), &format!("/actions?limit=200{cursor}")).await.body;
            assert!(page["total_count"].as_u64().unwrap() >= 10_000);
            seen.extend(page["items"].as_array().unwrap().iter().map(|d| d["version"].as_str().unwrap().parse::<usize>().unwrap()));
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return seen,
            }
        }
    };
    let write = async {
        for n in 10_000..10_060 {
            register(&served, &version(n)).await;
        }
    };
    let (one, other, ()) = tokio::join!(read(), read(), write);
    for seen in [one, other] {
        let there: BTreeSet<usize> = seen.iter().copied().collect();
        assert_eq!(there.len(), seen.len(), "nothing twice");
        assert!((0..10_000).all(|n| there.contains(&n)), "nothing missing");
        assert!(seen.windows(2).all(|w| w[0] > w[1]), "newest first");
    }
}

#[tokio::test]
async fn decisions_that_lead_to_each_other_come_to_an_end() {
    let again = "condition_id: again\nversion: 1\nnamespace: org\non: journey.started\nstrategy: {type: expression, params: {expression: 'true'}}\n";
    let ring = "action_id: ring\nversion: 1\nnamespace: org\nconfig: {type: workflow, workflow_id: ring}\n\
                trigger: {fire_on: any, condition_id: again, condition_version: 1}\n";
    let hello = "name: Hello\ntrigger: {goal: say hello, examples: [hello]}\njourney:\n  - done: Hello.\n";
    let workspace = [
        ("waypost.yaml", KEYS),
        ("journeys/call-back.yaml", CALL_BACK),
        ("journeys/hello.yaml", hello),
        ("datapoints/fields.yaml", FIELDS),
        ("conditions/again.yaml", again),
        ("actions/ring.yaml", ring),
    ];
    let served = Plan::of(files(&workspace)).serve().await;
    served.service.define_files().await.unwrap();
    let begun = served.turn(&host().user("u-1"), json!({"command": {"type": "start", "journey": "hello"}})).await;
    assert_eq!(begun.status, 200, "{begun:?}");
    let mut rounds = 0;
    while served.service.settle_owed().await.unwrap() > 0 {
        served.service.rest(Duration::from_mins(1)).await;
        rounds += 1;
        assert!(rounds < 20, "it does not end");
    }
    let found = served.get(&host(), "/decisions").await.body["items"].as_array().unwrap().clone();
    let depths: Vec<u64> = found.iter().rev().map(|d| d["depth"].as_u64().unwrap()).collect();
    assert_eq!(depths, [0, 1, 2, 3], "{found:?}");
    // The last run is there, and what happens in it is decided on no more.
    let last = result(&found[0], "ring");
    assert_eq!(last["status"], "triggered", "{last}");
    let log = served.look(&chief(), last["conversation_id"].as_str().unwrap(), "/history").await.body.to_string();
    assert!(log.contains("called"), "{log}");
}

#[tokio::test]
async fn another_try_waits_twice_as_long_or_as_the_service_asks() {
    let tries = Arc::new(AtomicUsize::new(0));
    let count = tries.clone();
    let server = Server::start(move |_| match count.fetch_add(1, Ordering::SeqCst) {
        2 => answer("429 X", &[("retry-after", "600")], b""),
        3 => answer("408 X", &[("retry-after", "1")], b""),
        4 => answer("400 X", &[], b""),
        _ => answer("503 X", &[], b""),
    })
    .await;
    let settings = format!("{KEYS}egress: {{allow_hosts: ['{}']}}\n", server.url().trim_start_matches("http://"));
    let workspace = [("waypost.yaml", &*settings), ("journeys/call-back.yaml", CALL_BACK), ("datapoints/fields.yaml", FIELDS)];
    let clock = Clock::shiftable();
    let served = Plan { clock: clock.clone(), ..Plan::of(files(&workspace)) }.serve().await;
    let mut body = named("tell", &hook(&server.url(), "/x"), "true");
    body["delivery"] = json!({"retries": 9, "backoff_ms": 60_000});
    register(&served, &body).await;
    let mut before = clock.now();
    served.post(&chief(), "/actions/tell/trigger", &json!({"version": "1", "entity": "e"})).await;
    for seconds in [60, 120, 600, 480] {
        let wait = SignedDuration::from_secs(seconds);
        let due: Timestamp = served.get(&chief(), "/deliveries").await.body["items"][0]["due"].as_str().unwrap().parse().unwrap();
        assert!(before + wait <= due && due <= clock.now() + wait, "{seconds}: {before} {due}");
        assert_eq!(served.service.deliver_due().await.unwrap(), 0, "not before its time");
        clock.shift(Duration::from_secs(seconds.unsigned_abs()));
        before = clock.now();
        assert_eq!(served.service.deliver_due().await.unwrap(), 1);
    }
    // What is refused for good is not tried again.
    let dead = served.get(&chief(), "/deliveries?dead=true").await.body["items"][0].clone();
    assert_eq!((&dead["tries"], &dead["error"]), (&json!(5), &json!("the service answered 400")), "{dead}");
}
