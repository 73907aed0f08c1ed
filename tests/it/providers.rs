//! Providers over HTTP, against services on loopback that answer well and badly: discovered, authorized, executed, reflected.
//!
//! Long because each bad answer is a case of its own, and what they are held against stands beside them.

mod examples;
mod offered;
mod tools;

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value as Json, json};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;
use waypost::check;
use waypost::driver::{Clock, Entropy, Runtime, Turn};
use waypost::engine::input::Open;
use waypost::engine::{Actor, CallEffect, CallResult, Command as Commanded, ExecutionStatus, Keys, Principal};
use waypost::outbound::{HttpPerformer, Secrets};
use waypost::store::{ConversationKey, MemoryStore, Sought, Store as _};
use waypost::value::Name;

use crate::api::served::{Answered, As, Plan, Served, files};
use crate::outbound::server::{Do, Seen, Server, answer, json as in_json};

const SECRET: &str = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

const SETTINGS: &str = "
secrets: [KEY_OP, KEY_CLERK, KEY_USER, KEY_HOST, KEY_AGENT]
case:
  statuses:
    Open: [In Progress]
    In Progress: [Closed]
    Closed: []
server:
  keys:
    - {name: op, key: \"${KEY_OP}\", role: operator, scopes: [billing]}
    - {name: clerk, key: \"${KEY_CLERK}\", role: operator}
    - {name: web, key: \"${KEY_USER}\", role: user}
    - {name: bot, key: \"${KEY_AGENT}\", role: agent}
    - {name: host, key: \"${KEY_HOST}\", role: runtime, scopes: [context]}
";

const JOURNEY: &str = "
name: Help
trigger: {goal: Get help with a case, examples: [help me]}
journey:
  - collect: [topic]
  - escalate: support
";

fn provider(name: &str, url: &str, more: &str) -> String {
    format!("name: {name}\ntype: provider\nconfig: {{base_url: \"{url}\", {more}}}\n")
}

/// A service with these providers.
async fn served(providers: &[(&str, &str, &str)], more: &[(&str, &str)]) -> Served {
    let mut all: Vec<(String, String)> = vec![
        ("waypost.yaml".into(), SETTINGS.into()),
        ("journeys/help.yaml".into(), JOURNEY.into()),
        ("datapoints/topic.yaml".into(), "name: Topic\ntype: string\n".into()),
    ];
    for (name, url, config) in providers {
        all.push((format!("integrations/{name}.yaml"), provider(name, url, config)));
    }
    all.retain(|(name, _)| more.iter().all(|(n, _)| n != name));
    all.extend(more.iter().map(|(n, t)| ((*n).to_owned(), (*t).to_owned())));
    let all: Vec<(&str, &str)> = all.iter().map(|(n, t)| (n.as_str(), t.as_str())).collect();
    let mut plan = Plan::of(files(&all)).secret("SECRET", format!("whsec_{SECRET}"));
    for name in ["KEY_OP", "KEY_CLERK", "KEY_USER", "KEY_HOST", "KEY_AGENT"] {
        plan = plan.secret(name, name.to_lowercase());
    }
    plan.serve().await
}

fn op() -> As {
    As::key("key_op")
}

/// A conversation with a case.
async fn conversation(served: &Served, case: Json) -> String {
    let context = json!({"identity": {"user_id": "u-1"}, "case": case});
    let began = served.turn(&As::key("key_host"), json!({"message": "help me", "actor": "user", "context": context})).await;
    assert_eq!(began.status, 200, "{began:?}");
    began.conversation()
}

fn case() -> Json {
    json!({"id": "C-1", "status": "Open", "issue_type": "payment", "fields": {"amount": 5}})
}

fn path(id: &str) -> String {
    format!("/conversations/{id}/actions")
}

async fn run(served: &Served, who: &As, id: &str, action: &str, body: Json) -> Answered {
    served.post(who, &format!("/conversations/{id}/actions/{action}"), &body).await
}

async fn case_of(served: &Served, who: &As, id: &str) -> Json {
    served.get(who, &format!("/agents/{}/conversations/{id}", served.agent)).await.body["case"].clone()
}

fn ids(answered: &Answered) -> Vec<String> {
    answered.body["items"].as_array().into_iter().flatten().map(|i| i["id"].as_str().unwrap().to_owned()).collect()
}

fn list() -> Json {
    json!([
        {"id": "retry", "label": "Retry it", "description": "Again", "requires_confirmation": false},
        {"id": "refund", "label": "Refund it", "requires_confirmation": true,
         "input_schema": {"type": "object", "properties": {"amount": {"type": "number", "maximum": 100}}, "required": ["amount"]}},
        {"id": "gone", "label": "Gone", "requires_confirmation": false, "disabled_reason": "it was shipped"},
    ])
}

/// A provider that offers the list, and answers an execution with that.
async fn good(effects: Json) -> Server {
    let answered = json!({"success": true, "message": "done\u{7}", "effects": effects}).to_string();
    Server::start(move |seen: &Seen| match seen.path() {
        "/discover" => in_json(&list().to_string()),
        _ => in_json(&answered),
    })
    .await
}

fn asked(server: &Server, path: &str) -> Vec<Json> {
    server.seen().iter().filter(|s| s.path() == path).map(|s| serde_json::from_str(&s.body).unwrap()).collect()
}

#[tokio::test]
async fn what_is_offered_is_run_and_changes_the_case() {
    let effects = json!([
        {"type": "add_comment", "content": "retried", "is_public": false},
        {"type": "change_status", "status": "In Progress"},
        {"type": "update_fields", "fields": {"amount": 6}},
        {"type": "launch_rocket"},
        {"type": "add_comment", "content": 7},
        {"type": "change_status", "status": "Open"},
        {"type": "change_status", "status": "Nowhere"},
        {"type": "add_comment", "content": "x", "is_public": true, "case_id": "C-2"},
    ]);
    let server = good(effects).await;
    let all = "auth_type: none, effects: [add_comment, change_status, update_fields]";
    let served = served(&[("pay", &server.url(), all)], &[]).await;
    let id = conversation(&served, case()).await;
    let offered = served.get(&op(), &path(&id)).await;
    assert_eq!((offered.status, ids(&offered)), (200, vec!["pay.retry".into(), "pay.refund".into(), "pay.gone".into()]), "{offered:?}");
    assert_eq!(offered.body["items"][2]["disabled_reason"], "it was shipped");
    let told = &asked(&server, "/discover")[0]["context"];
    assert_eq!(
        (&told["ticket"]["id"], &told["ticket"]["issue_type"], &told["conversation"]["id"]),
        (&json!("C-1"), &json!("payment"), &json!(id))
    );
    assert_eq!(told["user"]["identity"]["user_id"], "u-1");

    let ran = run(&served, &op(), &id, "pay.retry", json!({})).await;
    assert_eq!((ran.status, &ran.body["status"], &ran.body["message"]), (200, &json!("executed"), &json!("done")), "{ran:?}");
    let effects: Vec<Json> = ran.body["effects"].as_array().unwrap().iter().map(|e| json!([e["type"], e["applied"], e["code"]])).collect();
    assert_eq!(
        effects,
        [
            json!(["add_comment", true, null]),
            json!(["change_status", true, null]),
            json!(["update_fields", true, null]),
            json!(["launch_rocket", false, "unknown"]),
            json!(["add_comment", false, "malformed"]),
            json!(["change_status", false, "move_not_allowed"]),
            json!(["change_status", false, "unknown_status"]),
            json!(["add_comment", false, "other_case"]),
        ]
    );
    let sent = &asked(&server, "/execute")[0];
    assert_eq!((&sent["action_id"], &sent["inputs"], &sent["execution_id"]), (&json!("retry"), &json!({}), &ran.body["execution_id"]));
    assert_eq!(sent["context"]["ticket"]["id"], "C-1");

    let whole = case_of(&served, &op(), &id).await;
    assert_eq!((&whole["status"], &whole["fields"]), (&json!("In Progress"), &json!({"amount": 6})));
    assert_eq!(whole["comments"], json!([{"content": "retried", "is_public": false, "by": "pay.retry"}]));
    let theirs = case_of(&served, &As::key("key_user").user("u-1"), &id).await;
    assert_eq!((&theirs["id"], &theirs["comments"], &theirs["fields"]), (&json!("C-1"), &json!([]), &json!({})));
    let audit = served.get(&op(), &format!("/agents/{}/conversations/{id}/audit-logs?limit=200", served.agent)).await;
    let text = audit.body.to_string();
    assert!(text.contains("\"effect\"") && text.contains("move_not_allowed") && !text.contains("retried"), "{text}");

    let executions = served.get(&op(), &format!("/executions?conversation={id}&status=executed")).await;
    assert_eq!(executions.body["items"][0], ran.body);
}

#[tokio::test]
async fn a_provider_causes_only_what_its_configuration_lists() {
    let effects = json!([{"type": "change_status", "status": "In Progress"}, {"add_comment": {"content": "hello", "is_public": true}}]);
    let server = good(effects).await;
    let served = served(&[("pay", &server.url(), "auth_type: none, effects: [add_comment]")], &[]).await;
    let id = conversation(&served, case()).await;
    let ran = run(&served, &op(), &id, "pay.retry", json!({})).await;
    let codes: Vec<&Json> = ran.body["effects"].as_array().unwrap().iter().map(|e| &e["code"]).collect();
    assert_eq!(codes, [&json!("not_allowed"), &Json::Null], "{ran:?}");
    let theirs = case_of(&served, &As::key("key_user").user("u-1"), &id).await;
    assert_eq!((&theirs["status"], &theirs["comments"][0]["content"]), (&json!("Open"), &json!("hello")));
}

#[tokio::test]
async fn only_who_may_runs_what_was_discovered_and_confirmed() {
    let server = good(json!([])).await;
    let served = served(&[("pay", &server.url(), "auth_type: none, roles: [billing]")], &[]).await;
    let id = conversation(&served, case()).await;
    let clerk = As::key("key_clerk");
    let offered = served.get(&clerk, &path(&id)).await;
    assert_eq!(offered.body["items"][0]["locked"]["code"], "role", "{offered:?}");
    assert!(served.get(&op(), &path(&id)).await.body["items"][0].get("locked").is_none());
    for who in ["key_user", "key_agent"] {
        let who = As::key(who).user("u-1");
        assert_eq!(served.get(&who, &path(&id)).await.body["items"], json!([]));
        let refused = run(&served, &who, &id, "pay.retry", json!({})).await;
        assert_eq!((refused.status, refused.code()), (403, "forbidden"));
    }
    let codes = [
        (&clerk, "pay.retry", json!({}), 403, "role"),
        (&op(), "pay.steal", json!({}), 409, "not_discovered"),
        (&op(), "nobody.retry", json!({}), 404, "unknown_provider"),
        (&op(), "retry", json!({}), 422, "action"),
        (&op(), "pay.gone", json!({}), 409, "disabled"),
        (&op(), "pay.refund", json!({"inputs": {"amount": 5}}), 409, "no_grant"),
        (&op(), "pay.refund", json!({"inputs": {}, "confirmed": true}), 422, "invalid_input"),
        (&op(), "pay.refund", json!({"inputs": {"amount": 500}, "confirmed": true}), 422, "invalid_input"),
        (&op(), "pay.refund", json!({"inputs": {"amount": 5, "to": "me"}, "confirmed": true}), 422, "invalid_input"),
        (&As::key("key_host"), "pay.retry", json!({}), 403, "role"),
    ];
    for (who, action, body, status, code) in codes {
        let refused = run(&served, who, &id, action, body).await;
        assert_eq!((refused.status, refused.code()), (status, code), "{action} {refused:?}");
    }
    assert!(asked(&server, "/execute").is_empty());
    let done = run(&served, &op(), &id, "pay.refund", json!({"inputs": {"amount": 5}, "confirmed": true})).await;
    assert_eq!((done.status, &done.body["status"]), (200, &json!("executed")), "{done:?}");
    let denied = served.get(&op(), &format!("/executions?conversation={id}&status=denied&action=pay.refund")).await;
    let codes: Vec<&Json> = denied.body["items"].as_array().unwrap().iter().map(|i| &i["code"]).collect();
    assert_eq!(codes, ["invalid_input", "invalid_input", "invalid_input", "no_grant"]);
    // Pages go on where the last one ended.
    let first = served.get(&op(), "/executions?limit=2").await;
    let cursor = first.body["next_cursor"].as_str().unwrap();
    let second = served.get(&op(), &format!("/executions?limit=200&cursor={cursor}")).await;
    assert_eq!(second.body["items"].as_array().unwrap().len(), 7, "{second:?}");
    assert_eq!(served.get(&As::key("key_user"), "/executions").await.status, 403);
    let elsewhere = served.get(&op().with("tenant-id", "other"), "/executions").await;
    assert_eq!(elsewhere.body["items"], json!([]));
    assert_eq!(served.get(&op().with("tenant-id", "other"), &path(&id)).await.status, 404);
}

#[tokio::test]
async fn a_host_runs_reads_and_no_write_that_nobody_wants() {
    let server = Server::start(|seen: &Seen| match seen.path() {
        "/discover" => {
            in_json(&json!([{"id": "look", "requires_confirmation": false}, {"id": "pay", "requires_confirmation": false}]).to_string())
        }
        _ => in_json(r#"{"success": true, "effects": []}"#),
    })
    .await;
    let served = served(&[("pay", &server.url(), "auth_type: none, reads: [look]")], &[]).await;
    let id = conversation(&served, case()).await;
    let host = As::key("key_host");
    let listed = served.get(&host, &path(&id)).await;
    let locked: Vec<&Json> = listed.body["items"].as_array().unwrap().iter().map(|i| &i["locked"]["code"]).collect();
    assert_eq!(locked, [&Json::Null, &json!("no_grant")], "{listed:?}");
    for (who, action, body, came) in [
        (&host, "pay.look", json!({}), (200, "")),
        (&host, "pay.pay", json!({}), (409, "no_grant")),
        (&host, "pay.pay", json!({"confirmed": true}), (409, "no_grant")),
        (&op(), "pay.pay", json!({}), (200, "")),
    ] {
        let ran = run(&served, who, &id, action, body).await;
        let code = if ran.status == 200 { "" } else { ran.code() };
        assert_eq!((ran.status, code), came, "{action} {ran:?}");
    }
    let ran: Vec<Json> = asked(&server, "/execute").iter().map(|s| s["action_id"].clone()).collect();
    assert_eq!(ran, ["look", "pay"]);
}

#[tokio::test]
async fn policies_decide_when_it_is_shown_and_when_it_runs() {
    let server = good(json!([])).await;
    let policy =
        "permit(principal, action, resource);\n@id(\"no-refunds\")\nforbid(principal, action == Action::\"pay.refund\", resource);\n";
    let policy = policy.replace("action == Action::\"pay.refund\"", "action in Action::\"pay.*\"");
    let served = served(&[("pay", &server.url(), "auth_type: none")], &[("policies/pay.cedar", &policy)]).await;
    let id = conversation(&served, case()).await;
    assert_eq!(served.get(&op(), &path(&id)).await.body["items"][0]["locked"]["code"], "policy");
    let refused = run(&served, &op(), &id, "pay.retry", json!({})).await;
    assert_eq!((refused.status, refused.code()), (403, "policy"), "{refused:?}");
    assert!(asked(&server, "/execute").is_empty());
}

#[tokio::test]
async fn a_discovery_is_used_again_for_its_time_and_its_context() {
    let server = good(json!([{"type": "update_fields", "fields": {"n": 1}}])).await;
    let fresh = good(json!([])).await;
    let all = "auth_type: none, effects: [update_fields]";
    let providers = [("pay", server.url(), format!("{all}, ttl: 1h")), ("now", fresh.url(), format!("{all}, ttl: 0"))];
    let providers: Vec<(&str, &str, &str)> = providers.iter().map(|(n, u, c)| (*n, u.as_str(), c.as_str())).collect();
    let served = served(&providers, &[]).await;
    let id = conversation(&served, case()).await;
    for _ in 0..3 {
        served.get(&op(), &path(&id)).await;
    }
    assert_eq!((asked(&server, "/discover").len(), asked(&fresh, "/discover").len()), (1, 3));
    // The case is another: what was offered for the one before says nothing.
    run(&served, &op(), &id, "pay.retry", json!({})).await;
    assert_eq!(asked(&server, "/discover").len(), 1);
    served.get(&op(), &path(&id)).await;
    assert_eq!(asked(&server, "/discover").len(), 2);
}

#[tokio::test]
async fn a_bad_provider_is_left_out_and_recorded_and_keeps_nobody_up() {
    let good = good(json!([])).await;
    let slow = Server::start(|_| Do::Hang).await;
    let huge = Server::start(|_| in_json(&format!("[\"{}\"]", "x".repeat(1_100_000)))).await;
    let text = Server::start(|_| answer("200 OK", &[("content-type", "text/html")], b"<p>hello</p>")).await;
    let map = Server::start(|_| in_json("{\"hello\": 1}")).await;
    let failing = Server::start(|_| answer("500 Internal Server Error", &[], b"")).await;
    let half = Server::start(|_| in_json(r#"[{"id": "ok", "label": "Ok"}, {"label": "no id"}, 7, {"id": "ok"}, {"id": "a/b"}, {"id": "s", "input_schema": {"type": 7}}]"#)).await;
    let quick = "auth_type: none, timeout_ms: 1000";
    let servers =
        [("good", &good), ("slow", &slow), ("huge", &huge), ("text", &text), ("map", &map), ("failing", &failing), ("half", &half)];
    let urls: Vec<(&str, String)> = servers.iter().map(|(n, s)| (*n, s.url())).collect();
    let mut providers: Vec<(&str, &str, &str)> = urls.iter().map(|(n, u)| (*n, u.as_str(), quick)).collect();
    providers.push(("dead", "http://127.0.0.1:1", quick));
    let served = served(&providers, &[]).await;
    let id = conversation(&served, case()).await;
    let began = Clock::System.now();
    let offered = served.get(&op(), &path(&id)).await;
    let took = Clock::System.now().duration_since(began);
    assert!(took.as_secs() < 6, "{took:?}");
    assert_eq!(ids(&offered), ["good.retry", "good.refund", "good.gone", "half.ok"]);
    let left_out: Vec<Json> = offered.body["left_out"].as_array().unwrap().iter().map(|l| json!([l["provider"], l["code"]])).collect();
    let expected = [
        ("dead", "refused"),
        ("failing", "http_status"),
        ("half", "malformed"),
        ("half", "malformed"),
        ("half", "malformed"),
        ("half", "malformed"),
        ("half", "malformed"),
        ("huge", "body_too_large"),
        ("map", "malformed"),
        ("slow", "timeout"),
        ("text", "malformed"),
    ];
    assert_eq!(left_out, expected.map(|(p, c)| json!([p, c])), "{offered:?}");
    let audit = served.get(&op(), &format!("/agents/{}/conversations/{id}/audit-logs?limit=200", served.agent)).await;
    assert!(audit.body.to_string().contains("left_out"));
    // Nobody but those of the company is told of it, and what the one offers the others run.
    let user = As::key("key_user").user("u-1");
    assert_eq!(served.get(&user, &path(&id)).await.body, json!({"items": [], "left_out": []}));
    let refused = run(&served, &op(), &id, "slow.retry", json!({})).await;
    assert_eq!((refused.status, refused.code()), (409, "not_discovered"), "{refused:?}");
}

#[tokio::test]
async fn a_provider_that_keeps_failing_is_left_alone() {
    let server = Server::start(|_| answer("503 Service Unavailable", &[], b"")).await;
    let served = served(&[("pay", &server.url(), "auth_type: none, ttl: 0")], &[]).await;
    let id = conversation(&served, case()).await;
    let mut last = Json::Null;
    for _ in 0..8 {
        last = served.get(&op(), &path(&id)).await.body["left_out"][0]["code"].clone();
    }
    assert_eq!((server.seen().len(), last), (5, json!("circuit_open")));
}

#[tokio::test]
async fn a_provider_that_was_left_alone_is_tried_again_once_and_used_if_it_answers() {
    const WELL: usize = 1;
    const HANGS: usize = 2;
    let how = Arc::new(AtomicUsize::new(0));
    let now = how.clone();
    let server = Server::start(move |_| match now.load(Ordering::Relaxed) {
        WELL => in_json(&list().to_string()),
        HANGS => Do::Hang,
        _ => answer("503 Service Unavailable", &[], b""),
    })
    .await;
    let config = "auth_type: none, ttl: 0, timeout_ms: 1000";
    let loaded = check::load(files(&[("integrations/pay.yaml", &provider("pay", &server.url(), config))])).loaded().unwrap();
    let clock = Clock::manual("2026-11-22T09:00:00Z".parse().unwrap());
    let http = HttpPerformer::new(loaded.workspace(), &Secrets::given([("NONE", "none")]), clock.as_fn());
    let runtime = Runtime::with(loaded, MemoryStore::new(), http, clock, Entropy::seeded(1), Keys::derive(b"k")).unwrap();
    let open = |id: &str| {
        let user = Arc::new(json!({}));
        Open { conversation: id.into(), tenant: "acme".into(), agent: "default".into(), user_id: "u-1".into(), user }
    };
    let discover = async |key: &ConversationKey| {
        runtime.turn(key, Actor::Operator, Principal::default(), None, Turn::Command(Commanded::Discover)).await.unwrap();
    };
    let key = runtime.open(open("c-1")).await.unwrap();
    let mut came = Vec::new();
    for (wait, is_well) in [
        (0, false),
        (0, false),
        (0, false),
        (0, false),
        (0, false),
        (0, true),
        (29, true),
        (2, false),
        (0, true),
        (31, true),
        (0, true),
        (0, false),
        (0, true),
    ] {
        runtime.advance(std::time::Duration::from_secs(wait)).await.unwrap();
        how.store(usize::from(is_well), Ordering::Relaxed);
        discover(&key).await;
        let state = runtime.state(&key).await.unwrap();
        let (offers, left_out) = runtime.offers_of(&state, Actor::Operator, &Principal::default()).await.unwrap();
        came.push((server.seen().len(), offers.len(), left_out.first().map(|l| l.code.to_string())));
    }
    let failing = |n| (n, 0, Some("http_status".to_owned()));
    let alone = |n| (n, 0, Some("circuit_open".to_owned()));
    let (good, again) = (|n| (n, 3, None), (8, 3, None));
    let first = [failing(1), failing(2), failing(3), failing(4), failing(5), alone(5), alone(5)];
    assert_eq!(came[..7], first);
    assert_eq!(came[7..], [failing(6), alone(6), good(7), again, failing(9), good(10)]);

    how.store(0, Ordering::Relaxed);
    for _ in 0..5 {
        discover(&key).await;
    }
    runtime.advance(std::time::Duration::from_secs(31)).await.unwrap();
    how.store(HANGS, Ordering::Relaxed);
    let other = runtime.open(open("c-2")).await.unwrap();
    tokio::join!(discover(&key), discover(&other));
    assert_eq!(server.seen().len(), 16, "one tries it");
}

/// A provider whose executions end in that way, one after the other.
async fn ends(ways: Vec<fn() -> Do>) -> Server {
    let n = AtomicUsize::new(0);
    Server::start(move |seen: &Seen| match seen.path() {
        "/discover" => in_json(&list().to_string()),
        _ => ways.get(n.fetch_add(1, Ordering::Relaxed)).map_or_else(|| in_json("{}"), |way| way()),
    })
    .await
}

#[tokio::test]
async fn what_nobody_knows_is_in_doubt_and_is_the_same_execution_when_it_is_tried_again() {
    let server = ends(vec![
        || answer("500 Internal Server Error", &[], b""),
        || Do::Hang,
        || answer("400 Bad Request", &[], b""),
        || in_json(r#"{"success": true, "message": "ok", "effects": [{"type": "add_comment", "content": "once", "is_public": true}]}"#),
        || in_json(r#"{"success": false, "message": "no", "effects": []}"#),
        || answer("404 Not Found", &[], b""),
        || in_json("[1]"),
        || answer("200 OK", &[("content-type", "application/json")], b"{\"succ"),
    ])
    .await;
    let served = served(&[("pay", &server.url(), "auth_type: none, effects: [add_comment], timeout_ms: 300")], &[]).await;
    let id = conversation(&served, case()).await;
    let mut came = Vec::new();
    for _ in 0..8 {
        let ran = run(&served, &op(), &id, "pay.retry", json!({})).await;
        came.push(json!([ran.body["status"], ran.body["code"]]));
    }
    // A refusal after a doubt leaves the doubt; after a definite answer it is another execution.
    let expected = [
        ["in_doubt", "http_status"].map(Json::from),
        ["in_doubt", "timeout"].map(Json::from),
        ["in_doubt", "http_status"].map(Json::from),
        [json!("executed"), Json::Null],
        ["failed", "provider"].map(Json::from),
        ["failed", "http_status"].map(Json::from),
        ["in_doubt", "malformed"].map(Json::from),
        ["in_doubt", "malformed"].map(Json::from),
    ];
    assert_eq!(came, expected.map(|e| json!(e)));
    let sent: Vec<Json> = asked(&server, "/execute").iter().map(|s| s["execution_id"].clone()).collect();
    assert_eq!(sent.len(), 8);
    assert!(sent[..4].iter().all(|id| *id == sent[0]), "{sent:?}");
    assert!(sent[4] != sent[0] && sent[5] != sent[4] && sent[6] != sent[5], "{sent:?}");
    assert_eq!(sent[7], sent[6], "what cannot be read may have been done");
    assert_eq!(case_of(&served, &op(), &id).await["comments"].as_array().unwrap().len(), 1);
    let attempts = served.get(&op(), &format!("/executions?conversation={id}")).await;
    assert_eq!(attempts.body["items"].as_array().unwrap().len(), 8);
}

#[tokio::test]
async fn the_same_execution_twice_is_one() {
    let server = good(json!([{"type": "add_comment", "content": "once", "is_public": true}])).await;
    let served = served(&[("pay", &server.url(), "auth_type: none, effects: [add_comment]")], &[]).await;
    let id = conversation(&served, case()).await;
    let who = op().with("idempotency-key", "k-1");
    let (first, second) = (run(&served, &who, &id, "pay.retry", json!({})).await, run(&served, &who, &id, "pay.retry", json!({})).await);
    assert_eq!((first.status, &first.body), (200, &second.body));
    let other = run(&served, &who, &id, "pay.refund", json!({"inputs": {"amount": 1}, "confirmed": true})).await;
    assert_eq!((other.status, other.code()), (422, "id_reused"));
    assert_eq!((asked(&server, "/execute").len(), case_of(&served, &op(), &id).await["comments"].as_array().unwrap().len()), (1, 1));
}

fn signature(id: &str, at: &str, body: &str) -> String {
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(&BASE64.decode(SECRET).unwrap()).unwrap();
    mac.update(format!("{id}.{at}.{body}").as_bytes());
    format!("v1,{}", BASE64.encode(mac.finalize().into_bytes()))
}

#[tokio::test]
async fn signatures_are_held_against_what_they_vouch_for() {
    let kept = Arc::new(std::sync::Mutex::new(None::<(String, String, String)>));
    let n = AtomicUsize::new(0);
    let server = Server::start(move |seen: &Seen| {
        let header = |name: &str| seen.header(name).unwrap_or_default().to_owned();
        let (id, at) = (header("webhook-id"), header("webhook-timestamp"));
        assert_eq!(header("webhook-signature"), signature(&id, &at, &seen.body));
        let body = list().to_string();
        let signed = |id: &str, at: &str, signature: &str| {
            let headers = [("webhook-id", id), ("webhook-timestamp", at), ("webhook-signature", signature)];
            answer("200 OK", &[&headers[..], &[("content-type", "application/json")]].concat(), body.as_bytes())
        };
        match n.fetch_add(1, Ordering::Relaxed) {
            0 => {
                let good = signature(&id, &at, &body);
                *kept.lock().unwrap() = Some((id.clone(), at.clone(), good.clone()));
                signed(&id, &at, &good)
            }
            1 => signed(&id, &at, &signature(&id, &at, "[]")),
            2 => {
                let (id, at, good) = kept.lock().unwrap().clone().unwrap();
                signed(&id, &at, &good)
            }
            3 => {
                let old = (at.parse::<i64>().unwrap() - 301).to_string();
                signed(&id, &old, &signature(&id, &old, &body))
            }
            _ => in_json(&body),
        }
    })
    .await;
    let config = "auth_type: hmac, credentials: {secret: \"${SECRET}\"}, ttl: 0";
    let served = served(&[("pay", &server.url(), config)], &[]).await;
    let id = conversation(&served, case()).await;
    let mut came = Vec::new();
    for _ in 0..5 {
        let offered = served.get(&op(), &path(&id)).await;
        came.push((ids(&offered).len(), offered.body["left_out"][0]["code"].clone()));
    }
    let bad = json!("bad_signature");
    assert_eq!(came, [(3, Json::Null), (0, bad.clone()), (0, bad.clone()), (0, bad), (3, Json::Null)]);
}

#[tokio::test]
async fn keys_are_sent_as_they_are_configured_and_shown_to_nobody() {
    let takes = async |of: fn(&Seen) -> bool| {
        Server::start(move |seen: &Seen| if of(seen) { in_json(&list().to_string()) } else { answer("401 Unauthorized", &[], b"") }).await
    };
    let one = takes(|seen| seen.header("authorization") == Some("Bearer key_op") && seen.header("x-api-key").is_none()).await;
    let two = takes(|seen| seen.header("x-api-key") == Some("key_op") && seen.header("authorization").is_none()).await;
    let key = "credentials: {api_key: \"${KEY_OP}\"}";
    let (bearer, header) = (format!("auth_type: bearer, {key}"), format!("auth_type: api_key, {key}"));
    let served = served(&[("one", &one.url(), &bearer), ("two", &two.url(), &header)], &[]).await;
    let id = conversation(&served, case()).await;
    let offered = served.get(&op(), &path(&id)).await;
    assert_eq!(ids(&offered).len(), 6, "{offered:?}");
    let audit = served.get(&op(), &format!("/agents/{}/conversations/{id}/audit-logs?limit=200", served.agent)).await;
    assert!(!audit.body.to_string().contains("key_op"));
}

#[tokio::test]
async fn a_case_is_opened_when_the_conversation_goes_to_a_person() {
    let server = good(json!([{"type": "change_status", "status": "In Progress"}])).await;
    let served = served(&[("pay", &server.url(), "auth_type: none, effects: [change_status]")], &[]).await;
    let user = As::key("key_user").user("u-1");
    let id = served.turn(&user, json!({"message": "help me"})).await.conversation();
    assert_eq!(case_of(&served, &op(), &id).await, Json::Null);
    let ran = run(&served, &op(), &id, "pay.retry", json!({})).await;
    assert_eq!(ran.body["effects"][0]["code"], "no_case", "{ran:?}");
    served.say(&user, &id, "my invoice").await;
    let case = case_of(&served, &op(), &id).await;
    assert_eq!((&case["status"], case["id"].as_str().is_some_and(|i| i.contains(&id))), (&json!("Open"), true), "{case}");
    run(&served, &op(), &id, "pay.retry", json!({})).await;
    assert_eq!(case_of(&served, &op(), &id).await["status"], "In Progress");
    let bad = json!({"message": "help me", "actor": "user", "context": {"identity": {"user_id": "u-2"}, "case": {"status": "Open"}}});
    let refused = served.turn(&As::key("key_host"), bad).await;
    assert_eq!((refused.status, refused.code()), (422, "body"), "{refused:?}");
}

/// Settings under which a turn is answered before a provider that hangs is.
fn hasty() -> String {
    format!("{SETTINGS}limits: {{turn: 300ms}}\n")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_is_still_asked_is_said_to_be() {
    let server = Server::start(|_| Do::Hang).await;
    let served = served(&[("pay", &server.url(), "auth_type: none, timeout_ms: 5000")], &[("waypost.yaml", &hasty())]).await;
    let id = conversation(&served, case()).await;
    let offered = served.get(&op(), &path(&id)).await;
    assert_eq!(offered.body["left_out"][0]["code"], "working", "{offered:?}");
    let ran = run(&served, &op(), &id, "pay.retry", json!({})).await;
    assert_eq!((ran.status, ran.code()), (409, "working"), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_at_once_is_sent_once_while_it_is_under_way() {
    let server = ends(vec![|| Do::Hang, || in_json(r#"{"success": true, "effects": []}"#)]).await;
    let served = served(&[("pay", &server.url(), "auth_type: none, timeout_ms: 5000")], &[("waypost.yaml", &hasty())]).await;
    let id = conversation(&served, case()).await;
    let who = op();
    let retry = || run(&served, &who, &id, "pay.retry", json!({}));
    let (one, two) = tokio::join!(retry(), retry());
    let mut came = [&one, &two].map(|ran| json!([ran.status, ran.body["status"], ran.body["code"]]).to_string());
    came.sort();
    assert_eq!(came, [r#"[200,"sent",null]"#, r#"[409,409,"busy"]"#]);
    assert_eq!(asked(&server, "/execute").len(), 1);
    // Something else of the same provider waits for nothing.
    let other = run(&served, &op(), &id, "pay.refund", json!({"inputs": {"amount": 1}, "confirmed": true})).await;
    assert_eq!(other.body["status"], "executed", "{other:?}");
}

/// Runs the program beside the servers, which need this thread's runtime.
async fn program(directory: &Path, args: &[&str]) -> (i32, Json) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_waypost"));
    command.args(args).current_dir(directory).env("WAYPOST_KEY", "key_op").stdin(Stdio::null());
    let ran = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    (
        ran.status.code().unwrap(),
        serde_json::from_slice(&ran.stdout).unwrap_or(Json::String(String::from_utf8_lossy(&ran.stderr).into_owned())),
    )
}

#[tokio::test]
async fn the_program_asks_a_provider_from_a_workspace_and_through_a_server() {
    let server = good(json!([])).await;
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(directory.path().join("integrations")).unwrap();
    std::fs::write(directory.path().join("integrations/pay.yaml"), provider("pay", &server.url(), "auth_type: none")).unwrap();
    std::fs::write(directory.path().join("integrations/dead.yaml"), provider("dead", "http://127.0.0.1:1", "auth_type: none")).unwrap();
    std::fs::write(directory.path().join("case.json"), r#"{"identity": {"user_id": "u-9"}, "case": {"id": "C-9"}}"#).unwrap();
    let (status, found) = program(directory.path(), &["provider", "discover", "pay", "--context", "case.json"]).await;
    assert_eq!((status, &found["items"][0]["id"], &found["left_out"]), (0, &json!("pay.retry"), &json!([])), "{found}");
    let told = &asked(&server, "/discover")[0]["context"];
    assert_eq!((&told["ticket"]["id"], &told["user"]["identity"]["user_id"]), (&json!("C-9"), &json!("u-9")));
    let (status, found) = program(directory.path(), &["provider", "discover", "dead"]).await;
    assert_eq!((status, &found["left_out"][0]["code"]), (1, &json!("refused")), "{found}");
    let (status, words) = program(directory.path(), &["provider", "discover", "nobody"]).await;
    assert_eq!((status, words.as_str().unwrap().contains("has no provider `nobody`")), (2, true), "{words}");

    let served = served(&[("pay", &server.url(), "auth_type: none"), ("dead", "http://127.0.0.1:1", "auth_type: none")], &[]).await;
    let id = conversation(&served, case()).await;
    let at = format!("http://{}", served.at);
    let (status, found) = program(directory.path(), &["provider", "discover", "pay", "--server", &at, "--conversation", &id]).await;
    assert_eq!((status, found["items"].as_array().unwrap().len(), &found["left_out"]), (0, 3, &json!([])), "{found}");
    let (status, _) = program(directory.path(), &["provider", "discover", "dead", "--server", &at, "--conversation", &id]).await;
    assert_eq!(status, 1);
    let (status, words) = program(directory.path(), &["provider", "discover", "pay", "--server", &at, "--conversation", "c-none"]).await;
    assert_eq!((status, words.as_str().unwrap().contains("404")), (2, true), "{words}");
}

/// A service that answers nobody, and how many are let into it at a time, at most.
#[expect(clippy::disallowed_methods, reason = "a test starts its server")]
async fn crowded() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (there, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let told = most.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (there, most) = (there.clone(), most.clone());
            tokio::spawn(async move {
                most.fetch_max(there.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
                let mut bytes = [0; 1024];
                while stream.read(&mut bytes).await.is_ok_and(|n| n > 0) {}
                there.fetch_sub(1, Ordering::Relaxed);
            });
        }
    });
    (url, told)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_is_asked_so_much_at_a_time_and_no_longer_than_it_may_take() {
    let (url, most) = crowded().await;
    let served = served(&[("slow", &url, "auth_type: none, timeout_ms: 400")], &[]).await;
    let mut conversations = Vec::new();
    for n in 0..32 {
        conversations.push(conversation(&served, json!({"id": format!("C-{n}")})).await);
    }
    let began = Clock::System.now();
    let asked = conversations.iter().map(|id| async { served.get(&op(), &path(id)).await.body["left_out"][0]["code"].clone() });
    let codes = futures_util::future::join_all(asked).await;
    let took = Clock::System.now().duration_since(began);
    assert!(took.as_secs() < 6, "{took:?}");
    // Too slow, too slow to connect, no room, left alone: as the machine's load has it.
    assert!(codes.iter().all(Json::is_string), "{codes:?}");
    // Eight; one that has given up may be noticed a little later.
    let most = most.load(Ordering::Relaxed);
    assert!((1..=16).contains(&most), "{most}");
}

/// A process that dies while an execution is under way: the next one says that nobody knows what came of it, and tries it as the same one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::disallowed_methods, reason = "a turn of a process that dies is not waited for")]
async fn an_execution_of_a_process_that_died_is_in_doubt() {
    let at = "2026-11-22T09:00:00Z".parse().unwrap();
    let (clock, store) = (Clock::manual(at), MemoryStore::new());
    let loaded =
        check::load(files(&[("integrations/pay.yaml", &provider("pay", "http://127.0.0.1:1", "auth_type: none"))])).loaded().unwrap();
    let sent = Arc::new(std::sync::Mutex::new(Vec::new()));
    let answers = |hangs: bool| {
        let sent = sent.clone();
        move |effect: CallEffect| {
            let sent = sent.clone();
            async move {
                if &*effect.request.path == "/discover" {
                    return CallResult::answered(200, list());
                }
                let body: Json = serde_json::from_str(effect.request.body.as_deref().unwrap()).unwrap();
                sent.lock().unwrap().push(body["execution_id"].clone());
                if hangs {
                    std::future::pending::<()>().await;
                }
                CallResult::answered(200, json!({"success": true, "effects": []}))
            }
        }
    };
    let keys = Keys::derive(b"k");
    let first = Runtime::with(loaded.clone(), store.clone(), answers(true), clock.clone(), Entropy::seeded(1), keys.clone()).unwrap();
    let user = Arc::new(json!({"case": {"id": "C-1"}}));
    let open = Open { conversation: "c-1".into(), tenant: "acme".into(), agent: "default".into(), user_id: "u-1".into(), user };
    let key = first.open(open).await.unwrap();
    let execute = || {
        let inputs = Arc::new(json!({}));
        Turn::Command(Commanded::Execute { provider: Name::new("pay"), action: "retry".into(), inputs, confirmed: false })
    };
    let (dying, of) = (first.clone(), key.clone());
    let dies = tokio::spawn(async move { dying.turn(&of, Actor::Operator, Principal::default(), None, execute()).await });
    while sent.lock().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    dies.abort();
    let second = Runtime::with(loaded, store.clone(), answers(false), clock, Entropy::seeded(2), keys).unwrap();
    let stands = async || {
        let found = store.executions("acme", Sought::default(), 10).await.unwrap();
        found.iter().map(|e| (e.row.status, e.row.code.clone().unwrap_or_default().to_string())).collect::<Vec<_>>()
    };
    assert_eq!(stands().await, [(ExecutionStatus::Sent, String::new())]);
    second.advance(std::time::Duration::from_secs(30)).await.unwrap();
    assert_eq!(stands().await, [(ExecutionStatus::InDoubt, "sender_gone".to_owned())]);
    second.turn(&key, Actor::Operator, Principal::default(), None, execute()).await.unwrap();
    assert_eq!(stands().await[0].0, ExecutionStatus::Executed);
    let sent = sent.lock().unwrap().clone();
    assert!(sent.len() == 2 && sent[0] == sent[1], "{sent:?}");
}
