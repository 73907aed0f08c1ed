//! What is logged, counted and traced: all of it, and nothing of what was said or sent.

use std::io::Write as _;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value as Json, json};
use waypost::cli::demo::backend::Backend;
use waypost::driver::{Clock, Runtime, Turn};
use waypost::engine::input::{Command, Open};
use waypost::engine::{Actor, CallEffect, CallFailure, CallResult, Principal};
use waypost::model::action::ErrorKind;
use waypost::store::{ConversationKey, MemoryStore, Store};
use waypost::telemetry::{Open as OpenNow, Span, What};

use crate::api::program::Program;
use crate::outbound::server::{Do, Server, answer};
use crate::serving::Serving;

const BANK: &str = "{name: bank, type: rest_api, config: {base_url: 'https://bank.example', auth_type: none}, actions: [
  {name: look, type: read, invocation: {method: GET, endpoint: /look}, settings: {retries: 1},
    outcomes: [{name: found, condition: response.status == 200}]},
  {name: pay, type: write, invocation: {method: POST, endpoint: /pay}, input_schema: {amount: {type: number}},
    outcomes: [{name: paid, condition: response.status == 200}], safety: {requires_approval: {role: treasurer, queue: money, ttl: 1h}}},
  {name: send, type: write, invocation: {method: POST, endpoint: /send}, input_schema: {amount: {type: number}},
    outcomes: [{name: sent, condition: response.status == 200}],
    safety: {requires_confirmation: true, reconcile: {call: bank.look, applied: {found: sent}}}}]}";
const JOURNEYS: &str = "
{name: Pay, trigger: {goal: pay a bill, examples: [pay my bill]}, fallback: {to: support, message: A colleague.},
  journey: [{collect: [amount]}, {action: bank.look, outcomes: {found: continue}}, {action: bank.pay, outcomes: {paid: continue}}, {done: {message: Paid., outcome: paid}}]}
---
{name: Send, trigger: {goal: send money, examples: [send money]}, fallback: {to: support, message: A colleague.},
  journey: [{collect: [amount]}, {confirm: {fields: [amount], message: 'Send {{ variables.amount }}?'}},
    {action: bank.send, outcomes: {sent: [{done: {message: Sent., outcome: sent}}]}}]}
";
const FILES: [(&str, &str); 3] =
    [("integrations/bank.yaml", BANK), ("journeys/all.yaml", JOURNEYS), ("datapoints/all.yaml", "{name: Amount, type: number}")];

/// The bank answers a first look with 503, and breaks off a sending.
fn bank(looks: &AtomicUsize, call: &CallEffect) -> CallResult {
    match &*call.action.id.action.name.to_string() {
        "look" if looks.fetch_add(1, Ordering::Relaxed) == 0 => CallResult::answered(503, json!({})),
        "send" => CallResult::Failed(CallFailure {
            kind: ErrorKind::Connect,
            code: "cut".into(),
            sent: true,
            detail: "it broke off".into(),
            retry_after_ms: None,
        }),
        _ => CallResult::answered(200, json!({})),
    }
}

#[tokio::test]
async fn every_metric_of_the_dashboard_is_moved() {
    let checked = waypost::check::load(FILES.map(|(name, text)| (name.into(), text.into())).into());
    let report = || checked.report().render(waypost::source::render::Format::Full, false);
    let loaded = checked.loaded().unwrap_or_else(|| panic!("{}", report()));
    let looks = Arc::<AtomicUsize>::default();
    let clock = Clock::manual("2026-11-22T09:00:00Z".parse().unwrap());
    let runtime = Runtime::new(loaded, MemoryStore::new(), move |call| std::future::ready(bank(&looks, &call)), clock).unwrap();
    let mut traces = runtime.telemetry().traces().unwrap();
    assert!(runtime.telemetry().traces().is_none(), "spans go to one place");
    let open = async |user: &str| {
        let claim = Arc::new(json!({"identity": {"user_id": user}}));
        let open = Open { conversation: "".into(), tenant: "acme".into(), agent: "default".into(), user_id: user.into(), user: claim };
        runtime.open(open).await.unwrap()
    };
    let turn = async |key: &ConversationKey, actor: Actor, principal: Principal, turn: Turn| {
        runtime.turn(key, actor, principal, None, turn).await.unwrap()
    };
    let say = async |key: &ConversationKey, text: &str| turn(key, Actor::User, Principal::default(), Turn::Message(text.into())).await;

    let first = open("u-1").await;
    say(&first, "do you sell houses?").await;
    say(&first, "pay my bill").await;
    say(&first, "4711").await;
    let treasurer = Principal { id: "tess".into(), roles: vec!["treasurer".into()], ..Principal::default() };
    let hold = runtime.store().holds("acme", "default", None, 10).await.unwrap().first().map(|h| h.row.id.clone()).unwrap();
    let approve = Command::Approve { hold, note: None };
    let paid = turn(&first, Actor::Operator, treasurer, Turn::Command(approve)).await;
    assert_eq!(paid.answer.text(), "Paid.");
    let second = open("u-2").await;
    say(&second, "send money").await;
    say(&second, "4712").await;
    say(&second, "yes").await;
    runtime.advance(Duration::from_hours(1)).await.unwrap();
    turn(&second, Actor::Agent, Principal::default(), Turn::Command(Command::Next)).await;
    say(&second, "talk to a person").await;

    let mut all = Vec::new();
    while let Ok(spans) = traces.try_recv() {
        all.push(spans);
    }
    let paying = all.iter().find(|t| t.iter().any(|s| s.what == What::Call && s.name == "bank.pay")).unwrap();
    for span in paying {
        let parent = span.parent.map(|p| paying[p].what);
        let wanted = match span.what {
            What::Turn => None,
            What::Step => Some(What::Turn),
            What::Verdict | What::Call => Some(What::Step),
        };
        assert!(parent == wanted || parent == Some(What::Turn), "{span:?}");
        assert!(span.from <= span.to && span.from >= paying[0].from && span.to <= paying[0].to, "{span:?}");
    }
    let looked: Vec<_> = all.iter().flatten().filter(|s| s.what == What::Call && s.name == "bank.look").collect();
    assert_eq!(
        looked.iter().map(|s| (s.attribute("attempt"), s.attribute("status"))).collect::<Vec<_>>()[..2],
        [(Some("1"), Some("503")), (Some("2"), Some("200"))]
    );
    assert!(!format!("{all:?}").contains("471"), "what was filled in is in no span");

    drop(traces);
    say(&second, "hello").await;
    let stat = runtime.store().stat().await.unwrap();
    let text = runtime.telemetry().metrics().text(Some(OpenNow { conversations: stat.unfinished, holds: 1 }));
    println!("{text}");
    assert!(!text.contains("471") && !text.contains("u-1") && text.ends_with("# EOF\n"));
    let dashboard: Json = serde_json::from_str(include_str!("../../docs/grafana.json")).unwrap();
    let asked: Vec<&str> = dashboard["panels"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|p| p["targets"].as_array().unwrap())
        .map(|t| t["expr"].as_str().unwrap())
        .collect();
    let moved = |name: &str| {
        let counts = |line: &&str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' '])) && !line.ends_with(" 0");
        text.lines().any(|line| counts(&line))
    };
    let named = |name: &str| asked.iter().any(|expr| expr.contains(name));
    for line in text.lines().filter_map(|l| l.strip_prefix("# TYPE ")) {
        let (name, kind) = line.split_once(' ').unwrap();
        let name = match kind {
            "counter" => format!("{name}_total"),
            "histogram" => format!("{name}_count"),
            _ => name.to_owned(),
        };
        assert!(moved(&name), "{name} was not moved");
        assert!(named(name.trim_end_matches("_count")), "{name} is on no panel");
    }
    for expr in asked {
        for name in expr.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|w| w.starts_with("waypost_")) {
            assert!(moved(name), "{name} of a panel is no metric, or was not moved");
        }
    }
}

// With threads: the collector answers while the program is waited for.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_logs_counts_and_traces_and_tells_no_secret() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let collector = Server::start(|_| answer("200 OK", &[("content-type", "application/x-protobuf")], b"")).await;
    let backend = Backend::start(Clock::System.now()).await.unwrap();
    let settings = format!(
        "telemetry: {{otlp: '{}'}}
server: {{keys: [{{name: app, key: '${{APP_KEY}}', role: runtime}}, {{name: phone, key: '${{PHONE_KEY}}', role: user}}]}}",
        collector.url()
    );
    let env = [("APP_KEY", "app-key-canary-1"), ("PHONE_KEY", "phone-key-canary-2")];
    let serving = Serving::start(&backend, &settings, &["--log", "debug", "--log-format", "json"], &env);
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let converse = async |body: Json| -> Json {
        let request = client.post(format!("{}/api/v1/agents/hollin-wren/converse", serving.url)).bearer_auth("app-key-canary-1");
        request.header("user-id", "u-77").json(&body).send().await.unwrap().json().await.unwrap()
    };
    let first = converse(json!({"message": "I want to cancel order H1042"})).await;
    let id = first["conversation_id"].as_str().unwrap().to_owned();
    let say = async |text: &str| converse(json!({"conversation_id": id, "message": text})).await;
    say("nora.falk@example.com").await;
    let code = backend.mails().last().unwrap().code.clone();
    let mut last = say(&code).await;
    for text in ["changed my mind", "yes please"] {
        if last["state"]["status"] == json!("active") {
            last = say(text).await;
        }
    }
    assert_eq!(last["state"]["outcome"], json!("cancelled"), "{last}");
    let metrics = async |key: &str| {
        let got = client.get(format!("{}/metrics", serving.url)).bearer_auth(key).send().await.unwrap();
        (got.status().as_u16(), got.headers()["content-type"].to_str().unwrap().to_owned(), got.text().await.unwrap())
    };
    let (status, kind, text) = metrics("app-key-canary-1").await;
    assert_eq!((status, kind.as_str()), (200, "application/openmetrics-text; version=1.0.0; charset=utf-8"));
    assert!(text.contains("waypost_outcomes_total{journey=\"cancel-order\",outcome=\"cancelled\"} 1"), "{text}");
    assert!(text.contains("waypost_store_seconds_count{what=\"commit\"}") && text.contains("waypost_conversations_open 1"), "{text}");
    assert_eq!((metrics("phone-key-canary-2").await.0, metrics("wrong").await.0), (403, 401));
    let log = serving.stop();
    let traced: String = collector.seen().iter().map(|s| s.body.clone()).collect();
    assert!(collector.seen().iter().all(|s| s.path() == "/v1/traces"));
    for span in ["turn message", "step which-order", "step ask-code", "verdict shop.cancel-order", "call shop.cancel-order", "waypost"] {
        assert!(traced.contains(span), "no `{span}` in {traced}");
    }
    let lines: Vec<Json> = log.iter().filter(|l| l.starts_with('{')).map(|l| serde_json::from_str(l).unwrap()).collect();
    let turn = lines.iter().find(|l| l["message"] == json!("turn")).unwrap();
    assert_eq!((&turn["what"], &turn["conversation"], &turn["tenant"]), (&json!("message"), &json!(id), &json!("default")), "{turn}");
    let log = log.join("\n");
    for secret in ["nora.falk", &code, "H1042", "changed my mind", "canary", "u-77"] {
        for (what, text) in [("the traces", &traced), ("the metrics", &text), ("the log", &log)] {
            assert!(!text.contains(secret), "`{secret}` is in {what}: {text}");
        }
    }
}

/// A service that is not there is told of without being asked, by the action and a code: where it is, and what it was asked, is not.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_failed_is_in_the_log() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let dir = tempfile::tempdir().unwrap();
    let files = [
        ("waypost.yaml", "secrets: [SHOP_URL]"),
        (
            "integrations/shop.yaml",
            "{name: Shop, type: rest_api, config: {base_url: '${SHOP_URL}', auth_type: none}, actions: [\
             {name: Look, type: read, invocation: {method: GET, endpoint: '/looks/a-17'}, outcomes: [{name: fine, condition: response.status == 200}]}]}",
        ),
        (
            "journeys/look.yaml",
            "{name: Look, trigger: {goal: look, examples: [look]}, journey: [\
             {action: shop.look, outcomes: {fine: [done: Fine.]}, on_error: {default: escalate}}]}",
        ),
    ];
    for (name, text) in files {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    // Nobody listens there any more.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{free}");
    let program = Program::start_with(dir.path(), &["--store", "memory"], &[("SHOP_URL", &url)]);
    let turn = json!({"command": {"type": "start", "journey": "look"}, "actor": "user"});
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = client.post(format!("http://{}/api/v1/agents/default/converse", program.at)).json(&turn).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let line = program.prints("a call failed");
    assert!(line.contains("WARN") && line.contains("action=shop.look") && line.contains("failure=\"refused\""), "{line}");
    assert!(!line.contains("a-17") && !line.contains(&free.port().to_string()), "{line}");
    // Who talks to it at a terminal sees what it does by `--trace`.
    let mut chat = std::process::Command::new(env!("CARGO_BIN_EXE_waypost"));
    chat.arg("chat").arg(dir.path()).env("SHOP_URL", &url).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut chat = chat.spawn().unwrap();
    chat.stdin.take().unwrap().write_all(b"look\n").unwrap();
    let said = chat.wait_with_output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&said.stdout), String::from_utf8_lossy(&said.stderr));
    assert!(out.contains("handing you over") && !err.contains("WARN"), "{out}{err}");
}

/// Whoever stops in the middle of a sending sends it again at the end.
#[tokio::test]
async fn what_was_being_sent_when_it_stops_is_sent() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (asked, first) = (Arc::new(tokio::sync::Notify::new()), AtomicUsize::new(0));
    let hangs = asked.clone();
    let collector = Server::start(move |_| {
        if first.fetch_add(1, Ordering::SeqCst) > 0 {
            return answer("200 OK", &[("content-type", "application/x-protobuf")], b"");
        }
        hangs.notify_one();
        Do::Hang
    })
    .await;
    let now = Clock::System.now();
    let turn = |name: &str| {
        let attributes = vec![("tenant", "acme".into()), ("conversation", name.to_owned().into())];
        vec![Span { what: What::Turn, parent: None, name: name.into(), from: now, to: now, attributes, failed: false }]
    };
    let (spans, receiver) = tokio::sync::mpsc::channel(8);
    let client = waypost::outbound::collector().unwrap();
    let mut exporter = waypost::telemetry::Exporter::new(&collector.url(), client, receiver).unwrap();
    spans.send(turn("the-first")).await.unwrap();
    tokio::select! {
        () = exporter.run() => panic!("it goes on while turns come"),
        () = asked.notified() => {}
    }
    spans.send(turn("the-second")).await.unwrap();
    exporter.finish().await;
    let taken: String = collector.seen().iter().skip(1).map(|s| s.body.clone()).collect();
    assert!(taken.contains("turn the-first") && taken.contains("turn the-second"), "{taken}");
}

#[test]
fn a_collector_has_an_address() {
    let client = || waypost::outbound::collector().unwrap();
    let exporter = |address: &str| {
        let (_, spans) = tokio::sync::mpsc::channel(1);
        waypost::telemetry::Exporter::new(address, client(), spans).map(drop).map_err(|e| e.to_string())
    };
    assert!(exporter("http://localhost:4318").is_ok() && exporter("https://collector.example/otlp/v1/traces").is_ok());
    assert!(exporter("localhost:4318").unwrap_err().contains("`telemetry.otlp`"));
    assert!(exporter("what").unwrap_err().contains("no address"));
}
