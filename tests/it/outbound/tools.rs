//! Tools of MCP servers as actions: against the official Python SDK's server, and against wire frames of our own where one must misbehave.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use waypost::check;
use waypost::driver::{Clock, Entropy, Perform, Runtime, Turn};
use waypost::engine::input::Open;
use waypost::engine::{Actor, Answer, CallEffect, CallResult, Keys, Principal, Status};
use waypost::model::ErrorKind;
use waypost::outbound::{HttpPerformer, Secrets};
use waypost::store::MemoryStore;

use super::server::{Do, Seen, Server, answer};
use super::{answered, brief, comes_to};
use crate::python::Script;

/// Performs as in earnest, and keeps what came of each call.
#[derive(Clone)]
struct Kept {
    http: HttpPerformer,
    results: Arc<Mutex<Vec<CallResult>>>,
}

impl Perform for Kept {
    async fn perform(&self, effect: CallEffect) -> CallResult {
        let result = self.http.call(effect).await;
        self.results.lock().unwrap().push(result.clone());
        result
    }
}

/// What came of the calls of a conversation, and its last answer.
struct Came {
    results: Vec<CallResult>,
    last: Answer,
}

/// The desk of a shop whose tools are at a URL.
struct Desk {
    http: HttpPerformer,
    loaded: Arc<check::Loaded>,
}

const JOURNEY: &str = "
name: Do it
trigger: {goal: Do the thing, examples: [do the thing]}
fallback: {to: care, message: A person looks into it.}
journey:
  - collect: [order_id]
  - action: shop.act -> told
    outcomes: {fine: [{done: \"Fine: {{ variables.told.status }}\"}], refused: [{done: The shop would not.}]}
    on_error: {http_status: [{done: An error.}], timeout: [{done: Too slow.}], invalid_output: [{done: Nonsense.}]}
";

const OUTCOMES: &str = "outcomes: [{name: fine, condition: response.status == 200}, \
     {name: refused, condition: \"response.status == 500 && string(response.body).contains('is not open')\", settles: true}]";

impl Desk {
    fn new(url: &str, config: &str, action: &str, settings: &str) -> Self {
        Self::of(&format!("base_url: '{url}', {config}"), action, settings)
    }

    fn of(config: &str, action: &str, settings: &str) -> Self {
        let integration = format!(
            "{{name: Shop, type: mcp, config: {{{config}}}, actions: [{{name: act, {action}, \
             input_schema: {{order_id: {{type: string}}}}, {OUTCOMES}}}]}}"
        );
        let settings = format!("queues: {{default: care, names: [care]}}\n{settings}");
        let files = [
            ("waypost.yaml", &*settings),
            ("integrations/shop.yaml", &integration),
            ("journeys/act.yaml", JOURNEY),
            ("datapoints/order.yaml", "{name: Order ID, type: string, ui: {prompt: Which order?}}"),
        ];
        let checked = check::load(files.map(|(name, text)| (name.to_owned(), Arc::from(text))).to_vec());
        let loaded = checked.loaded().unwrap_or_else(|| panic!("{:#?}", checked.diagnostics));
        let secrets = Secrets::given([("KEY", "s3cret")]);
        Self { http: HttpPerformer::new(loaded.workspace(), &secrets, Clock::System.as_fn()), loaded: Arc::new(loaded) }
    }

    async fn talk(&self, order: &str) -> Came {
        let kept = Kept { http: self.http.clone(), results: Arc::default() };
        let keys = Keys::derive(b"key");
        let runtime =
            Runtime::with((*self.loaded).clone(), MemoryStore::new(), kept.clone(), Clock::System, Entropy::seeded(1), keys).unwrap();
        let open =
            Open { conversation: "c".into(), tenant: "acme".into(), agent: "a".into(), user_id: "u".into(), user: Arc::new(json!({})) };
        let key = runtime.open(open).await.unwrap();
        let say = |text: &str| runtime.turn(&key, Actor::User, Principal::default(), None, Turn::Message(text.into()));
        say("do the thing").await.unwrap();
        let last = say(order).await.unwrap().answer;
        let results = kept.results.lock().unwrap().clone();
        Came { results, last }
    }
}

const READ: &str = "type: read, invocation: {tool: order}";
const CANCEL: &str = "type: write, invocation: {tool: cancel, headers: {X-Desk: '7'}, body: {order_id: $inputs.order_id, reason: changed}}";

#[tokio::test]
async fn tools_of_a_real_server_are_actions() {
    for args in [[].as_slice(), &["--json"]] {
        let Some(mut shop) = Script::start("shop.py", args) else { return };
        let url = shop.line();
        let desk = |action| Desk::new(&url, "auth_type: api_key, credentials: {api_key: '${KEY}', api_key_header: X-Shop-Key}", action, "");

        let came = desk(READ).talk("A1").await;
        assert_eq!(came.last.text(), "Fine: open", "{:?}", came.results);
        assert_eq!(*answered(came.results[0].clone()).body, json!({"id": "A1", "status": "open"}));

        let came = desk(READ).talk("B9").await;
        let told = answered(came.results[0].clone());
        assert_eq!((told.status, &*told.body), (500, &json!("Error executing tool order: no order B9")));
        assert_eq!(came.last.status, Status::Escalated, "no outcome matched, and nothing handles that");

        let motto = desk("type: read, invocation: {tool: motto, body: {}}").talk("A1").await;
        assert_eq!(*answered(motto.results[0].clone()).body, json!({"result": "We ship on Mondays."}));
        let listed = desk("type: read, invocation: {tool: listed, body: {}}").talk("A1").await;
        assert_eq!(*answered(listed.results[0].clone()).body, json!({"orders": ["A1", "A2"]}), "JSON in a text is JSON");

        let cancels = desk(CANCEL);
        let came = cancels.talk("A1").await;
        assert_eq!(came.last.text(), "Fine: cancelled");
        let told: Value = serde_json::from_str(&shop.line()).unwrap();
        assert_eq!((&told["cancel"], &told["reason"]), (&json!("A1"), &json!("changed")));
        assert_eq!((&told["x-shop-key"], &told["x-desk"]), (&json!("s3cret"), &json!("7")));
        assert!(told["idempotency-key"].as_str().is_some_and(|k| k.len() >= 32), "{told}");

        let came = cancels.talk("A2").await;
        assert_eq!(came.last.text(), "The shop would not.", "an outcome settles what a tool calls an error");

        let probed = answered(cancels.http.probe("shop", super::LONG).await);
        assert_eq!(*probed.body, json!({"tools": ["order", "motto", "listed", "cancel", "process", "die", "slow"], "more": false}));
    }
}

#[tokio::test]
async fn a_tool_that_takes_too_long_leaves_a_write_in_doubt() {
    let Some(mut shop) = Script::start("shop.py", &[]) else { return };
    let url = shop.line();
    let slow = "invocation: {tool: slow, body: {}}, settings: {timeout_ms: 1500, retries: 3, retry_backoff_ms: 1}";
    let came = Desk::new(&url, "auth_type: none", &format!("type: write, {slow}"), "").talk("A1").await;
    assert_eq!(came.results.len(), 1, "never sent again");
    assert_eq!(brief(came.results[0].clone()), comes_to(ErrorKind::Timeout, "timeout", true));
    assert_eq!(came.last.status, Status::Escalated);
}

/// What an older server does: it knows no `server/discover`, greets, gives a session, and answers a call of a tool, or what tools it has, like
/// this.
pub fn older(seen: &Seen, tool: impl FnOnce(&Value) -> Do) -> Do {
    if seen.line.starts_with("DELETE") {
        return answer("204 No Content", &[], b"");
    }
    let message: Value = serde_json::from_str(&seen.body).unwrap();
    match message["method"].as_str().unwrap() {
        "server/discover" => answer("400 Bad Request", &[], b"no session"),
        "initialize" => {
            let result =
                json!({"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}, "serverInfo": {"name": "s", "version": "1"}});
            let body = json!({"jsonrpc": "2.0", "id": message["id"], "result": result}).to_string();
            answer("200 OK", &[("content-type", "application/json"), ("mcp-session-id", "s-1")], body.as_bytes())
        }
        "tools/call" | "tools/list" => tool(&message),
        _ => answer("202 Accepted", &[], b""),
    }
}

pub fn reply(message: &Value, result: Value) -> Do {
    let body = json!({"jsonrpc": "2.0", "id": message["id"], "result": result}).to_string();
    answer("200 OK", &[("content-type", "application/json")], body.as_bytes())
}

pub fn error(message: &Value, code: i64) -> Do {
    let body = json!({"jsonrpc": "2.0", "id": message["id"], "error": {"code": code, "message": "oh"}}).to_string();
    answer("200 OK", &[("content-type", "application/json")], body.as_bytes())
}

async fn against(action: &str, settings: &str, does: impl Fn(&Value) -> Do + Send + Sync + 'static) -> (Came, Vec<Seen>) {
    let server = Server::start(move |seen| older(seen, &does)).await;
    let came = Desk::new(&server.url(), "auth_type: none", action, settings).talk("A1").await;
    let calls = server.seen().into_iter().filter(|s| s.body.contains("tools/call")).collect();
    (came, calls)
}

#[tokio::test]
async fn an_older_server_is_greeted_and_called_in_its_session() {
    let (came, calls) = against(READ, "", |m| reply(m, json!({"content": [], "structuredContent": {"status": "open"}}))).await;
    assert_eq!(came.last.text(), "Fine: open");
    assert_eq!(calls[0].header("mcp-session-id"), Some("s-1"));
    assert_eq!(calls[0].header("mcp-protocol-version"), Some("2025-06-18"));
    let sent: Value = serde_json::from_str(&calls[0].body).unwrap();
    assert_eq!(sent["params"]["arguments"], json!({"order_id": "A1"}));
    assert_eq!(sent["params"]["name"], json!("order"));
}

#[tokio::test]
async fn an_answer_may_stand_in_a_stream_of_events() {
    let (came, _) = against(READ, "", |m| {
        let progress = json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": 1, "progress": 1}});
        let result = json!({"content": [{"type": "text", "text": "{\"status\":\n\"open\"}"}]});
        let result = json!({"jsonrpc": "2.0", "id": m["id"], "result": result});
        let events = format!(": hello\r\n\r\nid: 1\r\ndata: {progress}\r\n\r\nevent: message\r\ndata: {result}\r\n\r\n");
        // The stream has not ended after the answer.
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 100000\r\n\r\n";
        Do::Send((head.to_owned() + &events).into_bytes())
    })
    .await;
    assert_eq!(came.last.text(), "Fine: open", "{:?}", came.results);
}

#[tokio::test]
async fn an_error_of_the_protocol_is_no_error_of_the_tool() {
    let (came, calls) = against(CANCEL, "", |m| error(m, -32602)).await;
    assert_eq!(answered(came.results[0].clone()).status, 400, "not begun");
    assert_eq!(calls.len(), 1);
    let (came, _) = against(CANCEL, "", |m| error(m, -32603)).await;
    assert_eq!(answered(came.results[0].clone()).status, 500, "nobody knows");
    assert_eq!(came.last.status, Status::Escalated);
}

#[tokio::test]
async fn a_write_without_a_readable_answer_is_sent_once() {
    type Does = fn(&Value) -> Do;
    let garbled: [(Does, &str); 6] = [
        (|_| Do::Send(Vec::new()), "cut"),
        (|_| answer("200 OK", &[("content-type", "application/json")], b"nonsense"), "unreadable"),
        (|_| answer("200 OK", &[("content-type", "text/event-stream")], b"data: {\"jsonrpc\"\n\n"), "unreadable"),
        (|m| reply(m, json!({"resultType": "input_required", "inputRequests": {}})), "input_required"),
        (|m| reply(m, json!({"content": [{"type": "text", "text": "x".repeat(200_000)}]})), "body_too_large"),
        (|_| Do::Send(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{".to_vec()), "cut"),
    ];
    for (does, code) in garbled {
        let action = format!("{CANCEL}, settings: {{timeout_ms: 5000, retries: 3, retry_backoff_ms: 1}}");
        let (came, calls) = against(&action, "limits: {response: 100KB}", does).await;
        let (_, found, sent) = brief(came.results[0].clone());
        assert_eq!((&*found, sent, calls.len()), (code, true, 1));
        assert_eq!(came.last.status, Status::Escalated, "{code}");
    }
}

#[tokio::test]
async fn a_status_of_http_is_the_answer() {
    let (came, _) = against(CANCEL, "", |_| answer("429 Slow", &[("retry-after", "1")], b"{}")).await;
    assert_eq!(answered(came.results[0].clone()).status, 429);
}

#[tokio::test]
async fn a_server_that_lost_its_sessions_is_greeted_again() {
    let lost = Mutex::new(true);
    let (came, calls) = against(CANCEL, "", move |m| {
        if std::mem::take(&mut *lost.lock().unwrap()) {
            answer("404 Not Found", &[], b"")
        } else {
            reply(m, json!({"content": [], "structuredContent": {"status": "cancelled"}}))
        }
    })
    .await;
    assert_eq!(came.last.text(), "Fine: cancelled");
    assert_eq!(calls.len(), 2, "the first was refused before it was looked at");
}

#[tokio::test]
async fn what_is_no_mcp_server_is_not_called() {
    let nobody = Server::start(|_| answer("200 OK", &[("content-type", "text/html")], b"<html>")).await;
    let refusing = Server::start(|_| answer("401 Unauthorized", &[], b"")).await;
    let broken = Server::start(|_| answer("503 Oh", &[], b"")).await;
    let cases = [
        (nobody.url(), comes_to(ErrorKind::Connect, "unreadable", false)),
        (refusing.url(), comes_to(ErrorKind::AuthFailed, "mcp_refused", false)),
        (broken.url(), comes_to(ErrorKind::Connect, "mcp_unavailable", false)),
        ("http://127.0.0.1:9".to_owned(), comes_to(ErrorKind::Connect, "refused", false)),
    ];
    for (url, expected) in cases {
        let came = Desk::new(&url, "auth_type: none", CANCEL, "").talk("A1").await;
        assert_eq!(brief(came.results[0].clone()), expected);
    }
}

#[tokio::test]
async fn a_redirect_leads_only_where_it_may() {
    let (came, _) = against(CANCEL, "", |_| answer("307 There", &[("location", "http://elsewhere.example/mcp")], b"")).await;
    assert_eq!(brief(came.results[0].clone()), comes_to(ErrorKind::Denied, "egress", true));
}

#[tokio::test]
async fn one_connection_serves_many_calls() {
    let server = Server::start(|seen| older(seen, |m| reply(m, json!({"content": [], "structuredContent": {"status": "open"}})))).await;
    let desk = Desk::new(&server.url(), "auth_type: none", READ, "");
    for _ in 0..3 {
        assert_eq!(desk.talk("A1").await.last.text(), "Fine: open");
    }
    assert_eq!(server.seen().iter().filter(|s| s.body.contains("\"initialize\"")).count(), 1);
}

/// The same server as a program: what it is given, and what becomes of it.
fn by_program(action: &str, deaths: &std::path::Path) -> Option<Desk> {
    let python = crate::python::interpreter()?;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/shop.py");
    let config =
        format!("command: ['{}', '{script}', --stdio], env: {{SHOP_KEY: '${{KEY}}', DEATHS: '{}'}}", python.display(), deaths.display());
    Some(Desk::of(&config, action, ""))
}

fn status(pid: &Value) -> bool {
    std::path::Path::new(&format!("/proc/{pid}")).exists()
}

#[tokio::test]
async fn a_program_is_an_mcp_server_too() {
    let dir = tempfile::tempdir().unwrap();
    let deaths = dir.path().join("deaths");
    let desk = |action: &str| by_program(action, &deaths);
    let process = "type: read, invocation: {tool: process, body: {}}";
    let Some(first) = desk(process) else { return };
    let came = first.talk("A1").await;
    let told = answered(came.results[0].clone()).body;
    // It finds what it is given, what programs need to run, and nothing of ours.
    let environment = told["environment"].as_object().unwrap();
    assert_eq!((&environment["SHOP_KEY"], environment.contains_key("PATH")), (&json!("s3cret"), true));
    for name in environment.keys() {
        assert!(!name.starts_with("CARGO") && !name.starts_with("RUST") && name != "KEY", "{name} is none of its business");
    }
    assert_eq!(first.talk("A1").await.last.text(), "Fine: running");
    let again = answered(first.talk("A1").await.results[0].clone()).body;
    assert_eq!(again["pid"], told["pid"], "it is started once");
    assert!(status(&told["pid"]));
    drop(first);
    for _ in 0..400 {
        if !status(&told["pid"]) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert!(!status(&told["pid"]), "it outlives whoever started it");

    let cancels = desk(CANCEL).unwrap();
    assert_eq!(cancels.talk("A1").await.last.text(), "Fine: cancelled");
    assert_eq!(cancels.talk("A1").await.last.text(), "The shop would not.");
}

#[tokio::test]
async fn a_program_that_dies_is_started_again_and_a_write_in_it_is_in_doubt() {
    let dir = tempfile::tempdir().unwrap();
    let deaths = dir.path().join("deaths");
    let died = || std::fs::read_to_string(&deaths).unwrap_or_default().len();
    let read = "type: read, invocation: {tool: die, body: {}}, settings: {retries: 2}";
    let Some(desk) = by_program(read, &deaths) else { return };
    let came = desk.talk("A1").await;
    assert_eq!((died(), came.results.len(), came.last.status), (3, 3, Status::Escalated), "{:?}", came.results);
    let write = by_program("type: write, invocation: {tool: die, body: {}}, settings: {retries: 2}", &deaths).unwrap();
    let came = write.talk("A1").await;
    assert_eq!(
        (died(), came.results.len(), came.last.status),
        (4, 1, Status::Escalated),
        "sent once, and nobody knows: {:?}",
        came.results
    );
    let slow = by_program("type: read, invocation: {tool: slow, body: {}}, settings: {timeout_ms: 300}", &deaths).unwrap();
    // The time to start is part of the time of the first call.
    assert_eq!(slow.talk("A1").await.last.text(), "Too slow.");
}

#[tokio::test]
async fn what_is_no_program_or_no_server_is_said_to_be_none() {
    for (command, detail) in [
        ("[/nowhere/at-all]", "cannot be started"),
        ("['true']", "does not answer as an MCP server"),
        ("[echo, '{\"jsonrpc\": 1}']", "does not answer as an MCP server"),
    ] {
        let came = Desk::of(&format!("command: {command}"), READ, "").talk("A1").await;
        let Some(CallResult::Failed(failed)) = came.results.first() else { panic!("{command}: {:?}", came.results) };
        assert!(!failed.sent && failed.detail.contains(detail), "{command}: {failed:?}");
    }
}
