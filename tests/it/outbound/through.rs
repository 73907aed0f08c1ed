//! Requests as the machine decides them, sent by a runtime over real sockets.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use waypost::check;
use waypost::driver::{Clock, Entropy, Perform, Runtime, Turn};
use waypost::engine::input::Open;
use waypost::engine::{Actor, CallEffect, CallResult, Keys, Principal};
use waypost::model::ErrorKind;
use waypost::outbound::{HttpPerformer, Secrets};
use waypost::store::MemoryStore;

use super::server::{Do, Server, answer, json};
use super::{answered, brief, comes_to};

/// Performs over HTTP, and keeps what came of each call.
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

/// Says `message` to a journey of one action, and gives what came of its calls.
async fn said_to(action: &str, settings: &str, url: &str, message: &str) -> Vec<CallResult> {
    said_when(Clock::System.as_fn(), action, settings, url, message).await
}

/// The same, with a clock of its own for what goes out.
async fn said_when(
    now: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    action: &str,
    settings: &str,
    url: &str,
    message: &str,
) -> Vec<CallResult> {
    let integration = format!(
        "{{name: Shop, type: rest_api, config: {{base_url: '${{URL}}/api', auth_type: none, default_headers: {{X-Tenant: acme}}}}, actions: [{action}]}}"
    );
    let journey = "
name: Do it
trigger: {goal: Do the thing, examples: [do the thing]}
fallback: {to: care, message: It did not work.}
journey:
  - collect: [note]
  - action: shop.act
    outcomes: {fine: [{done: Fine.}]}
";
    let field = "{name: Note, type: string, ui: {prompt: What note?}}";
    let settings = format!("queues: {{default: care, names: [care]}}\nsecrets: [URL]\n{settings}");
    let files = [
        ("waypost.yaml", &*settings),
        ("integrations/shop.yaml", &integration),
        ("journeys/act.yaml", journey),
        ("datapoints/note.yaml", field),
    ];
    let checked = check::load(files.map(|(name, text)| (name.to_owned(), Arc::from(text))).to_vec());
    let loaded = checked.loaded().unwrap_or_else(|| panic!("{:#?}", checked.diagnostics));
    let http = HttpPerformer::new(loaded.workspace(), &Secrets::given([("URL", url)]), now);
    let kept = Kept { http, results: Arc::default() };
    let keys = Keys::derive(b"key");
    let runtime = Runtime::with(loaded, MemoryStore::new(), kept.clone(), Clock::System, Entropy::seeded(1), keys).unwrap();
    let open = Open { conversation: "c".into(), tenant: "acme".into(), agent: "a".into(), user_id: "u".into(), user: Arc::new(json!({})) };
    let key = runtime.open(open).await.unwrap();
    for text in ["do the thing", message] {
        runtime.turn(&key, Actor::User, Principal::default(), None, Turn::Message(text.into())).await.unwrap();
    }
    kept.results.lock().unwrap().clone()
}

const FINE: &str = "outcomes: [{name: fine, condition: response.status == 200}]";

fn post(more: &str) -> String {
    format!(
        "{{name: act, type: write, invocation: {{method: POST, endpoint: '/notes/{{note}}/done'}}, input_schema: {{note: {{type: string}}}}, {FINE}, {more}}}"
    )
}

/// A process may be stopped anywhere between its decision and the first byte, and go on much later.
#[tokio::test]
async fn nothing_goes_out_when_its_time_is_over_wherever_that_is_seen() {
    let act = format!(
        "{{name: act, type: write, invocation: {{method: POST, endpoint: /notes}}, input_schema: {{note: {{type: string}}}}, {FINE}, settings: {{timeout_ms: 5000}}}}"
    );
    for in_time in 1..64 {
        let looks = Arc::new(AtomicUsize::new(0));
        let counted = looks.clone();
        let system = Clock::System.as_fn();
        let now =
            move || if counted.fetch_add(1, Ordering::SeqCst) < in_time { system() } else { system() + SignedDuration::from_hours(1) };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let arrived = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut bytes = vec![0; 4096];
            let count = stream.read(&mut bytes).await.unwrap_or(0);
            // A connection without a request in it is nothing; the result tells.
            if count == 0 {
                std::future::pending::<()>().await;
            } else {
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await.unwrap();
            }
            count
        };
        let said = said_when(Arc::new(now), &act, "", &url, "hello");
        let mut arrived = Box::pin(arrived);
        let results = tokio::select! {
            results = said => results,
            count = &mut arrived => {
                assert!(count > 0);
                assert!(in_time > 3, "only {in_time} looks before the first byte");
                return;
            }
        };
        let arrived = tokio::time::timeout(Duration::from_millis(20), &mut arrived).await.unwrap_or(0);
        let CallResult::Failed(failed) = &results[0] else { panic!("{results:?}") };
        assert_eq!((arrived, &*failed.code, failed.sent), (0, "permit_expired", false), "after {in_time} looks in time");
    }
    panic!("it never goes out");
}

#[tokio::test]
async fn a_write_goes_out_as_it_was_decided() {
    let server = Server::start(|_| json("{}")).await;
    let results = said_to(&post("settings: {timeout_ms: 5000}"), "", &server.url(), "#1/.. ü&").await;
    assert_eq!(answered(results[0].clone()).status, 200);
    let seen = server.seen().remove(0);
    assert_eq!(seen.line, "POST /api/notes/%231%2F..%20%C3%BC%26/done HTTP/1.1");
    assert_eq!(seen.header("x-tenant"), Some("acme"));
    assert!(seen.header("idempotency-key").is_some_and(|k| k.len() >= 32));
    assert!(seen.header("user-agent").is_some_and(|a| a.starts_with("waypost/")));
}

#[tokio::test]
async fn a_write_that_may_have_been_done_is_sent_once() {
    for behaviour in [|| Do::Send(Vec::new()), || answer("503 Oh", &[], b"")] {
        let server = Server::start(move |_| behaviour()).await;
        said_to(&post("settings: {timeout_ms: 5000, retries: 3, retry_backoff_ms: 1}"), "", &server.url(), "x").await;
        assert_eq!(server.seen().len(), 1);
    }
}

#[tokio::test]
async fn a_write_whose_server_honours_keys_is_sent_again_with_the_same_key() {
    let tries = Mutex::new(0);
    let server = Server::start(move |_| {
        let mut n = tries.lock().unwrap();
        *n += 1;
        if *n < 3 { Do::Send(Vec::new()) } else { json("{}") }
    })
    .await;
    said_to(&post("settings: {timeout_ms: 5000, retries: 3, retry_backoff_ms: 1, idempotency: key}"), "", &server.url(), "x").await;
    let keys: Vec<_> = server.seen().iter().map(|s| s.header("idempotency-key").unwrap().to_owned()).collect();
    assert_eq!(keys.len(), 3);
    assert!(keys.iter().all(|k| *k == keys[0]));
}

#[tokio::test]
async fn an_action_s_own_time_is_kept() {
    let server = Server::start(|_| Do::Hang).await;
    let results = said_to(&post("settings: {timeout_ms: 150}"), "", &server.url(), "x").await;
    assert_eq!(brief(results[0].clone()), comes_to(ErrorKind::Timeout, "timeout", true));
}

#[tokio::test]
async fn a_request_over_the_cap_is_not_sent() {
    let server = Server::start(|_| json("{}")).await;
    let action = format!(
        "{{name: act, type: write, invocation: {{method: POST, endpoint: /notes}}, input_schema: {{note: {{type: string}}}}, {FINE}}}"
    );
    let results = said_to(&action, "limits: {body: 100}", &server.url(), &"x".repeat(200)).await;
    assert_eq!(brief(results[0].clone()), comes_to(ErrorKind::InvalidInput, "request_too_large", false));
    assert_eq!(server.seen().len(), 0);
}

#[tokio::test]
async fn a_value_in_a_header_cannot_add_one() {
    let server = Server::start(|_| json("{}")).await;
    let action = format!(
        "{{name: act, type: read, invocation: {{method: GET, endpoint: /notes, headers: {{X-Note: $inputs.note}}, query: {{note: $inputs.note}}}}, input_schema: {{note: {{type: string}}}}, {FINE}}}"
    );
    said_to(&action, "", &server.url(), "a\r\nX-Evil: 1").await;
    assert!(server.seen().iter().all(|s| s.header("x-evil").is_none()), "{:?}", server.seen());
    said_to(&action, "", &server.url(), "a&b=1 #c").await;
    assert_eq!(server.seen().last().unwrap().line, "GET /api/notes?note=a%26b%3D1+%23c HTTP/1.1");
}
