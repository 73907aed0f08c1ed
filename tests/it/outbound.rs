//! Requests over real sockets: what an answer, and every way of not answering, comes to.

pub mod server;
mod through;
pub mod tools;

use std::collections::BTreeMap;
use std::io::Write;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::SignedDuration;
use proptest::prelude::*;
use server::{Do, Server, answer, json};
use url::Url;
use waypost::driver::Clock;
use waypost::engine::{CallFailure, CallResult, HttpAnswer};
use waypost::model::action::{Auth, ErrorKind, IntegrationType};
use waypost::model::{Integration, Settings};
use waypost::outbound::{BadUrl, HttpPerformer, Resolver, Secrets, join};
use waypost::source::{Span, Text};
use waypost::value::{Json, Slug};

fn text(value: &str) -> Text {
    Text::plain(value, Span::default(), 0)
}

fn service(base_url: &str, auth: Auth) -> Integration {
    Integration {
        name: "Service".into(),
        slug: Slug::new("service"),
        description: None,
        kind: IntegrationType::RestApi,
        base_url: text(base_url),
        command: Vec::new(),
        environment: Vec::new(),
        auth,
        headers: Vec::new(),
        allow_hosts: Vec::new(),
        test_endpoint: Some("/ping".into()),
        provider: None,
        span: Span::default(),
    }
}

/// Builds a performer of one integration.
struct Given {
    integration: Integration,
    settings: Settings,
    secrets: Vec<(&'static str, String)>,
    resolver: Resolver,
    clock: Clock,
}

fn given(integration: Integration) -> Given {
    let clock = Clock::manual("2026-11-22T09:00:00Z".parse().unwrap());
    Given { integration, settings: Settings::default(), secrets: Vec::new(), resolver: Resolver::System, clock }
}

impl Given {
    fn secret(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.secrets.push((name, value.into()));
        self
    }

    fn allow(mut self, host: &str) -> Self {
        self.integration.allow_hosts.push(host.into());
        self
    }

    fn resolves(mut self, host: &str, addresses: &[&str]) -> Self {
        let addresses: Vec<IpAddr> = addresses.iter().map(|a| a.parse().unwrap()).collect();
        self.resolver = Resolver::Table(BTreeMap::from([(host.to_owned(), addresses)]));
        self
    }

    fn performer(self) -> HttpPerformer {
        let slug = self.integration.slug.name.clone();
        let (mut workspace, _) = waypost::model::build(Vec::new());
        workspace.settings = Arc::new(self.settings);
        workspace.integrations = BTreeMap::from([(slug, Arc::new(self.integration))]);
        HttpPerformer::with_resolver(&workspace, &Secrets::given(self.secrets), self.clock.as_fn(), &self.resolver)
    }
}

const LONG: Duration = Duration::from_secs(10);

async fn probe(given: Given) -> CallResult {
    given.performer().probe("service", LONG).await
}

/// What a service that behaves like this comes to.
async fn faced_with(behaviour: impl Fn() -> Do + Send + Sync + 'static, within: Duration) -> CallResult {
    let server = Server::start(move |_| behaviour()).await;
    given(service(&server.url(), Auth::None)).performer().probe("service", within).await
}

fn failed(result: CallResult) -> CallFailure {
    match result {
        CallResult::Failed(failure) => failure,
        CallResult::Answered(answer) => panic!("answered: {answer:?}"),
    }
}

fn answered(result: CallResult) -> HttpAnswer {
    match result {
        CallResult::Answered(answer) => answer,
        CallResult::Failed(failure) => panic!("failed: {failure:?}"),
    }
}

/// Kind, code, and whether a byte may have left.
fn brief(result: CallResult) -> (ErrorKind, String, bool) {
    let failure = failed(result);
    (failure.kind, failure.code.to_string(), failure.sent)
}

fn comes_to(kind: ErrorKind, code: &str, sent: bool) -> (ErrorKind, String, bool) {
    (kind, code.to_owned(), sent)
}

#[tokio::test]
async fn a_json_answer_is_parsed_and_its_headers_are_in_lower_case() {
    let headers = [
        ("Content-Type", "application/json; charset=utf-8"),
        ("X-Rest", "a"),
        ("x-rest", "b"),
        ("Set-Cookie", "s=1"),
        ("X-Auth-Token", "t-1"),
        ("api_key", "k-1"),
        ("x-tokens-left", "7"),
    ];
    let result = faced_with(move || answer("201 Created", &headers, br#"{"id": "A1"}"#), LONG).await;
    let answer = answered(result);
    assert_eq!(answer.status, 201);
    assert_eq!(*answer.body, serde_json::json!({"id": "A1"}));
    assert!(!answer.invalid_json);
    let header = |name: &str| answer.headers.iter().find(|(n, _)| &**n == name).map(|(_, v)| &**v);
    assert_eq!(header("x-rest"), Some("a, b"));
    for credential in ["set-cookie", "x-auth-token", "api_key"] {
        assert_eq!(header(credential), None, "a server's credentials are no business of conditions, and no part of what is recorded");
    }
    assert_eq!(header("x-tokens-left"), Some("7"));
}

#[tokio::test]
async fn a_status_is_an_answer_whatever_it_says() {
    for status in ["404 Not Found", "429 Too Many Requests", "500 Internal Server Error", "503 Service Unavailable"] {
        let result = faced_with(move || answer(status, &[("retry-after", "7")], b"no"), LONG).await;
        let answer = answered(result);
        assert!(status.starts_with(&answer.status.to_string()));
        assert_eq!(*answer.body, Json::String("no".into()));
        assert!(answer.headers.contains(&("retry-after".into(), "7".into())));
    }
}

#[tokio::test]
async fn what_says_json_and_is_not_is_flagged_and_kept_as_text() {
    let html = answered(faced_with(|| answer("200 OK", &[("content-type", "application/json")], b"<html>"), LONG).await);
    assert!(html.invalid_json);
    assert_eq!(*html.body, Json::String("<html>".into()));
    let deep = "[".repeat(100_000);
    let deep = answered(faced_with(move || json(&deep), LONG).await);
    assert!(deep.invalid_json);
    let wrong_type = answered(faced_with(|| answer("200 OK", &[("content-type", "text/html")], b"<html>"), LONG).await);
    assert!(!wrong_type.invalid_json);
    let empty = answered(faced_with(|| answer("204 No Content", &[("content-type", "application/json")], b""), LONG).await);
    assert!(!empty.invalid_json && empty.body.is_null());
    let unsaid = answered(faced_with(|| answer("200 OK", &[], br#" {"a": 1}"#), LONG).await);
    assert_eq!(*unsaid.body, serde_json::json!({"a": 1}));
}

#[tokio::test]
async fn a_refused_connection_sent_nothing() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let result = probe(given(service(&format!("http://{free}"), Auth::None))).await;
    assert_eq!(brief(result), comes_to(ErrorKind::Connect, "refused", false));
}

#[tokio::test]
async fn a_name_without_an_address_sent_nothing() {
    let result = probe(given(service("http://shop.example.com", Auth::None)).resolves("other.example.com", &["93.184.216.34"])).await;
    let failure = failed(result);
    assert_eq!((failure.kind, failure.sent), (ErrorKind::Connect, false));
}

#[tokio::test]
async fn a_server_that_does_not_speak_tls_sent_nothing() {
    let server = Server::start(|_| json("{}")).await;
    let result = probe(given(service(&format!("https://{}", server.address), Auth::None))).await;
    let failure = failed(result);
    assert_eq!((failure.kind, failure.sent), (ErrorKind::Connect, false));
    assert_eq!(server.seen().len(), 0);
}

#[tokio::test]
async fn a_server_that_hangs_or_drips_may_have_done_it() {
    let short = Duration::from_millis(200);
    assert_eq!(brief(faced_with(|| Do::Hang, short).await), comes_to(ErrorKind::Timeout, "timeout", true));
    let head = || Do::Drip(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n".to_vec());
    assert_eq!(brief(faced_with(head, short).await), comes_to(ErrorKind::Timeout, "timeout", true));
    let body = || Do::Drip(b"HTTP/1.1 200 OK\r\n\r\n".iter().copied().chain([b'x'; 500]).collect());
    assert_eq!(brief(faced_with(body, Duration::from_millis(900)).await), comes_to(ErrorKind::Timeout, "timeout", true));
}

#[tokio::test]
async fn a_connection_that_is_cut_may_have_done_it() {
    for bytes in [
        "",
        "HTTP/1.1 200 OK\r\ncontent-le",
        "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"half\":",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhel",
    ] {
        let result = faced_with(move || Do::Send(bytes.into()), LONG).await;
        assert_eq!(brief(result), comes_to(ErrorKind::Connect, "cut", true), "{bytes:?}");
    }
}

#[tokio::test]
async fn what_is_not_http_may_have_done_it() {
    let result = faced_with(|| Do::Send(b"I am a teapot\r\n\r\n".to_vec()), LONG).await;
    assert_eq!(brief(result), comes_to(ErrorKind::Connect, "unreadable", true));
}

#[tokio::test]
async fn huge_heads_are_refused() {
    let many = || Do::Send([b"HTTP/1.1 200 OK\r\n".as_slice(), &b"x-y: z\r\n".repeat(2_000), b"\r\n"].concat());
    assert_eq!(brief(faced_with(many, LONG).await), comes_to(ErrorKind::Connect, "headers_too_large", true));
    let long = || answer("200 OK", &[("x-long", &"y".repeat(100_000))], b"{}");
    assert_eq!(brief(faced_with(long, LONG).await), comes_to(ErrorKind::Connect, "headers_too_large", true));
    let endless = || Do::Send([b"HTTP/1.1 200 OK\r\nx-long: ".as_slice(), &b"y".repeat(2_000_000)].concat());
    assert_eq!(brief(faced_with(endless, LONG).await), comes_to(ErrorKind::Connect, "headers_too_large", true));
}

#[tokio::test]
async fn huge_bodies_are_refused_announced_or_not() {
    let body = vec![b' '; 10_000_000];
    let unannounced = [b"HTTP/1.1 200 OK\r\n\r\n".as_slice(), &body].concat();
    assert_eq!(
        brief(faced_with(move || answer("200 OK", &[], &body), LONG).await),
        comes_to(ErrorKind::InvalidOutput, "body_too_large", true)
    );
    let result = faced_with(move || Do::Send(unannounced.clone()), LONG).await;
    assert_eq!(brief(result), comes_to(ErrorKind::InvalidOutput, "body_too_large", true));
    let result = faced_with(move || answer("500 Oh", &[], &vec![b' '; 10_000_000]), LONG).await;
    assert_eq!(brief(result), comes_to(ErrorKind::HttpStatus, "body_too_large", true), "of a failure the status counts");
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    // Stored blocks would not be small: this one is made by the tool that everybody has.
    let mut child = std::process::Command::new("gzip")
        .arg("-c")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    std::thread::scope(|s| {
        s.spawn(move || stdin.write_all(bytes).unwrap());
        child.wait_with_output().unwrap().stdout
    })
}

#[tokio::test]
async fn what_is_compressed_is_counted_as_it_unpacks() {
    let headers = [("content-encoding", "gzip"), ("content-type", "application/json")];
    let small = gzip(br#"{"a": 1}"#);
    let result = answered(faced_with(move || answer("200 OK", &headers, &small), LONG).await);
    assert_eq!(*result.body, serde_json::json!({"a": 1}));
    let bomb = gzip(&vec![b' '; 50_000_000]);
    assert!(bomb.len() < 100_000);
    let result = faced_with(move || answer("200 OK", &headers, &bomb), LONG).await;
    assert_eq!(brief(result), comes_to(ErrorKind::InvalidOutput, "body_too_large", true));
    let result = faced_with(move || answer("200 OK", &headers, b"not gzip"), LONG).await;
    assert_eq!(brief(result), comes_to(ErrorKind::InvalidOutput, "bad_encoding", true));
}

fn redirect(status: &str, to: &str) -> Do {
    answer(status, &[("location", to)], b"")
}

#[tokio::test]
async fn a_redirect_on_the_same_host_is_followed_with_credentials() {
    let server = Server::start(|r| if r.path() == "/ping" { redirect("302 Found", "/pong?x=1") } else { json("1") }).await;
    let given = given(service(&server.url(), Auth::Bearer { api_key: text("${KEY}") })).secret("KEY", "k-1");
    assert_eq!(*answered(probe(given).await).body, serde_json::json!(1));
    assert_eq!(server.seen()[1].path(), "/pong?x=1");
    assert_eq!(server.seen()[1].header("authorization"), Some("Bearer k-1"));
}

#[tokio::test]
async fn a_redirect_to_another_host_goes_there_only_if_allowed_and_without_credentials() {
    let other = Server::start(|_| json("2")).await;
    let target = format!("http://localhost:{}/x", other.address.port());
    let server = Server::start(move |_| redirect("307 Temporary Redirect", &target)).await;
    let with = || {
        let mut integration = service(&server.url(), Auth::ApiKey { api_key: text("${KEY}"), header: "X-API-Key".into() });
        integration.headers.push(("X-Tenant".into(), text("${KEY}")));
        given(integration).secret("KEY", "k-1")
    };
    assert_eq!(brief(probe(with()).await), comes_to(ErrorKind::Denied, "egress", true));
    assert_eq!(other.seen().len(), 0);
    assert_eq!(*answered(probe(with().allow("localhost")).await).body, serde_json::json!(2));
    let seen = other.seen().remove(0);
    assert!(!seen.head.contains("k-1"), "{}", seen.head);
    assert_eq!(server.seen()[0].header("x-api-key"), Some("k-1"));
}

#[tokio::test]
async fn redirects_end() {
    let server = Server::start(|_| redirect("302 Found", "/again")).await;
    let result = probe(given(service(&server.url(), Auth::None))).await;
    assert_eq!(brief(result), comes_to(ErrorKind::HttpStatus, "too_many_redirects", true));
    assert_eq!(server.seen().len(), 6);
}

#[tokio::test]
async fn a_redirect_to_an_address_of_the_machine_or_its_network_is_refused() {
    for target in [
        "http://169.254.169.254/latest/meta-data",
        "http://[::ffff:169.254.169.254]/",
        "http://2852039166/",
        "http://0xa9fea9fe/",
        "http://10.0.0.1/",
        "http://[fd00:ec2::254]/",
        "file:///etc/passwd",
        "ftp://127.0.0.1/etc/passwd",
    ] {
        let server = Server::start(move |_| redirect("302 Found", target)).await;
        let result =
            probe(given(service(&server.url(), Auth::None)).allow("169.254.169.254").allow("10.0.0.1").allow("[fd00:ec2::254]")).await;
        assert_eq!(brief(result), comes_to(ErrorKind::Denied, "egress", true), "{target}");
    }
}

#[tokio::test]
async fn a_name_that_resolves_to_a_private_address_is_refused() {
    for address in [
        "127.0.0.1",
        "10.1.2.3",
        "192.168.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "::1",
        "fe80::1",
        "fc00::1",
        "::ffff:127.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
    ] {
        let result = probe(given(service("http://shop.example.com:1", Auth::None)).resolves("shop.example.com", &[address])).await;
        assert_eq!(brief(result), comes_to(ErrorKind::Denied, "egress", false), "{address}");
    }
}

#[tokio::test]
async fn a_base_url_that_names_loopback_in_any_form_may_go_there() {
    let server = Server::start(|_| json("1")).await;
    let port = server.address.port();
    for host in ["127.0.0.1", "2130706433", "0x7f.1", "localhost", "[::ffff:127.0.0.1]"] {
        let result = probe(given(service(&format!("http://{host}:{port}"), Auth::None))).await;
        assert_eq!(*answered(result).body, serde_json::json!(1), "{host}");
    }
}

#[tokio::test]
async fn localhost_that_resolves_elsewhere_is_refused() {
    let result = probe(given(service("http://localhost:1", Auth::None)).resolves("localhost", &["192.168.1.1"])).await;
    assert_eq!(brief(result), comes_to(ErrorKind::Denied, "egress", false));
}

#[tokio::test]
async fn every_type_of_credentials_proves_who_sends() {
    let cases: [(Auth, &str, &str); 3] = [
        (Auth::Bearer { api_key: text("${KEY}") }, "authorization", "Bearer s3cret"),
        (Auth::ApiKey { api_key: text("${KEY}"), header: "X-Shop-Key".into() }, "x-shop-key", "s3cret"),
        (Auth::Basic { username: text("waypost"), password: text("${KEY}") }, "authorization", "Basic d2F5cG9zdDpzM2NyZXQ="),
    ];
    for (auth, header, value) in cases {
        let server = Server::start(|_| json("1")).await;
        let mut integration = service(&server.url(), auth);
        integration.headers.push(("X-Custom".into(), text("a ${KEY} b")));
        answered(probe(given(integration).secret("KEY", "s3cret")).await);
        let seen = server.seen().remove(0);
        assert_eq!(seen.header(header), Some(value));
        assert_eq!(seen.header("x-custom"), Some("a s3cret b"));
        assert_eq!(seen.line, "GET /ping HTTP/1.1");
    }
}

#[tokio::test]
async fn a_signature_is_that_of_standard_webhooks() {
    use base64::Engine as _;
    use hmac::{Hmac, KeyInit, Mac};
    let server = Server::start(|_| json("1")).await;
    let auth = Auth::Hmac { secret: text("${KEY}") };
    answered(probe(given(service(&server.url(), auth)).secret("KEY", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")).await);
    let seen = server.seen().remove(0);
    let (id, time) = (seen.header("webhook-id").unwrap(), seen.header("webhook-timestamp").unwrap());
    assert_eq!(time, "1795338000");
    let key = base64::engine::general_purpose::STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(&key).unwrap();
    mac.update(format!("{id}.{time}.{}", seen.body).as_bytes());
    let expected = format!("v1,{}", base64::engine::general_purpose::STANDARD.encode(mac.finalize().into_bytes()));
    assert_eq!(seen.header("webhook-signature"), Some(expected.as_str()));
}

fn oauth(server: &Server) -> Integration {
    let auth = Auth::OAuth2 {
        client_id: text("waypost"),
        client_secret: text("${KEY}"),
        token_url: text(&format!("{}/token", server.url())),
        scope: Some(text("orders")),
    };
    service(&server.url(), auth)
}

#[tokio::test]
async fn a_token_is_short() {
    for (padding, code) in [(10, None), (70_000, Some("token_body_too_large"))] {
        let server = Server::start(move |r| match r.path() {
            "/token" => json(&format!(r#"{{"access_token": "t", "expires_in": 60, "note": "{}"}}"#, "x".repeat(padding))),
            _ => json("{}"),
        })
        .await;
        match probe(given(oauth(&server)).secret("KEY", "s")).await {
            CallResult::Answered(_) => assert_eq!(code, None),
            CallResult::Failed(failure) => assert_eq!(Some(&*failure.code), code),
        }
    }
}

/// A service whose tokens are numbered.
async fn token_server(expires_in: u64, refuses: &'static [&'static str]) -> Server {
    let fetched = Mutex::new(0);
    Server::start(move |r| {
        if r.path() == "/token" {
            let mut n = fetched.lock().unwrap();
            *n += 1;
            json(&format!(r#"{{"access_token": "t{n}", "token_type": "Bearer", "expires_in": {expires_in}}}"#))
        } else if r.header("authorization").is_some_and(|a| refuses.contains(&a)) {
            answer("401 Unauthorized", &[], b"")
        } else {
            json("1")
        }
    })
    .await
}

fn paths(server: &Server) -> Vec<String> {
    server.seen().iter().map(|s| s.path().to_owned()).collect()
}

#[tokio::test]
async fn a_token_is_fetched_once_and_again_when_it_expires() {
    let server = token_server(600, &[]).await;
    let given = given(oauth(&server)).secret("KEY", "s&cret");
    let Clock::Manual(clock) = given.clock.clone() else { panic!("the clock is manual") };
    let start = given.clock.now();
    let performer = given.performer();
    for _ in 0..3 {
        answered(performer.probe("service", LONG).await);
    }
    assert_eq!(paths(&server), ["/token", "/ping", "/ping", "/ping"]);
    assert_eq!(server.seen()[0].body, "grant_type=client_credentials&scope=orders&client_id=waypost&client_secret=s%26cret");
    assert_eq!(server.seen()[3].header("authorization"), Some("Bearer t1"));
    clock.set(start + SignedDuration::from_secs(601));
    answered(performer.probe("service", LONG).await);
    assert_eq!(server.seen()[5].header("authorization"), Some("Bearer t2"));
}

#[tokio::test]
async fn callers_at_the_same_time_share_one_token() {
    let server = token_server(600, &[]).await;
    let performer = given(oauth(&server)).secret("KEY", "s").performer();
    let calls = (0..20).map(|_| {
        let performer = performer.clone();
        async move { performer.probe("service", LONG).await }
    });
    let mut set: tokio::task::JoinSet<CallResult> = calls.collect();
    while let Some(result) = set.join_next().await {
        answered(result.unwrap());
    }
    assert_eq!(paths(&server).iter().filter(|p| *p == "/token").count(), 1);
}

#[tokio::test]
async fn a_token_that_the_service_refuses_is_renewed_once() {
    let server = token_server(600, &["Bearer t1"]).await;
    answered(probe(given(oauth(&server)).secret("KEY", "s")).await);
    assert_eq!(paths(&server), ["/token", "/ping", "/token", "/ping"]);
    let server = token_server(600, &["Bearer t1", "Bearer t2"]).await;
    let answer = answered(probe(given(oauth(&server)).secret("KEY", "s")).await);
    assert_eq!(answer.status, 401);
    assert_eq!(paths(&server), ["/token", "/ping", "/token", "/ping"]);
}

#[tokio::test]
async fn a_client_that_the_token_server_refuses_sent_nothing() {
    let server = Server::start(|r| if r.path() == "/token" { answer("401 Unauthorized", &[], b"{}") } else { json("1") }).await;
    let result = probe(given(oauth(&server)).secret("KEY", "s")).await;
    assert_eq!(brief(result), comes_to(ErrorKind::AuthFailed, "token_refused", false));
    assert_eq!(paths(&server), ["/token", "/token"], "asked once more with the secret in the header");
    assert!(server.seen()[1].header("authorization").is_some_and(|a| a.starts_with("Basic ")));

    let server = Server::start(|_| answer("429 Slow Down", &[("retry-after", "3")], b"")).await;
    let failure = failed(probe(given(oauth(&server)).secret("KEY", "s")).await);
    assert_eq!((failure.kind, failure.sent, failure.retry_after_ms), (ErrorKind::RateLimited, false, Some(3_000)));
    let server = Server::start(|_| json("{}")).await;
    assert_eq!(brief(probe(given(oauth(&server)).secret("KEY", "s")).await), comes_to(ErrorKind::AuthFailed, "token_unreadable", false));
    let server = Server::start(|_| Do::Send(Vec::new())).await;
    assert_eq!(brief(probe(given(oauth(&server)).secret("KEY", "s")).await), comes_to(ErrorKind::Connect, "token_cut", false));
}

#[tokio::test]
async fn a_missing_secret_names_the_variable() {
    let auth = Auth::Bearer { api_key: text("${SHOP_KEY}") };
    let given = given(service("http://127.0.0.1:1", auth)).secret("OTHER", "s3cret");
    let performer = given.performer();
    let problems = performer.problems();
    assert_eq!(&*problems[0].1, "the integration `service`: the environment variable `SHOP_KEY` is not set");
    let failure = failed(performer.probe("service", LONG).await);
    assert_eq!((failure.kind, failure.sent), (ErrorKind::AuthFailed, false));
    assert!(failure.detail.contains("SHOP_KEY"));
}

#[tokio::test]
async fn a_secret_cannot_add_headers() {
    let auth = Auth::Bearer { api_key: text("${KEY}") };
    let failure = failed(probe(given(service("http://127.0.0.1:1", auth)).secret("KEY", "a\r\nX-Evil: 1")).await);
    assert_eq!((failure.kind, failure.sent), (ErrorKind::AuthFailed, false));
    assert!(!failure.detail.contains("Evil"));
}

#[test]
fn secrets_come_from_variables_and_files_and_are_not_looked_into() {
    use secrecy::ExposeSecret;
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("key"), "from file\n").unwrap();
    let file = dir.path().join("key");
    let secrets = Secrets::given([("A", "${B}"), ("B", "b")]);
    let get = |t: &str| secrets.resolve(t).map(|s| s.expose_secret().to_owned()).map_err(|e| e.to_string());
    assert_eq!(get("x${A}-${B}y"), Ok("x${B}-by".into()));
    assert_eq!(get(&format!("${{file:{}}}", file.display())), Ok("from file".into()));
    assert_eq!(get("no end ${A"), Ok("no end ${A".into()));
    assert_eq!(get("${C}"), Err("the environment variable `C` is not set".into()));
    assert_eq!(get("${file:nowhere}"), Err("the secret file `nowhere` cannot be read".into()));
    assert!(get("${a b}").unwrap_err().contains("neither the name"));
    assert!(!format!("{secrets:?}").contains("${B}"), "{secrets:?}");
}

/// Takes all that is logged, at the most talkative level.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn no_secret_is_in_any_log_or_error() {
    const PLANTED: &str = "PLANTED-7d1f";
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(move || writer.clone()).finish();
    let mut told = Vec::new();
    tracing::subscriber::with_default(subscriber, || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let tokens = Server::start(|_| json(&format!(r#"{{"access_token": "{PLANTED}"}}"#))).await;
            let cut = Server::start(|_| Do::Send(b"HTTP/1.1 2".to_vec())).await;
            let auths = || {
                [
                    Auth::Bearer { api_key: text("${KEY}") },
                    Auth::ApiKey { api_key: text("${KEY}"), header: "X-Key".into() },
                    Auth::Basic { username: text("${KEY}"), password: text("${KEY}") },
                    Auth::Hmac { secret: text("${KEY}") },
                    Auth::OAuth2 { client_id: text("${KEY}"), client_secret: text("${KEY}"), token_url: text(&tokens.url()), scope: None },
                ]
            };
            for base in [tokens.url(), cut.url(), "http://127.0.0.1:1".to_owned(), "http://elsewhere.invalid".to_owned()] {
                for auth in auths() {
                    let mut integration = service(&format!("{base}/${{KEY}}"), auth);
                    integration.headers.push(("X-Custom".into(), text("${KEY}")));
                    let performer = given(integration).secret("KEY", PLANTED).performer();
                    match performer.probe("service", LONG).await {
                        CallResult::Failed(failure) => told.push(format!("{failure:?}")),
                        CallResult::Answered(_) => told.push("answered".to_owned()),
                    }
                    told.push(format!("{performer:?} {:?}", performer.problems()));
                }
            }
        });
    });
    let told = told.concat();
    let logged = String::from_utf8_lossy(&log.0.lock().unwrap()).into_owned();
    assert!(logged.contains("127.0.0.1"), "the log was not taken");
    assert!(told.contains("answered"));
    for secret in [PLANTED, "UExBTlRFRC03ZDFm"] {
        assert!(!told.contains(secret), "{told}");
        if let Some(line) = logged.lines().find(|l| l.contains(secret)) {
            panic!("{line}");
        }
    }
}

#[test]
fn a_path_is_put_under_the_base() {
    let built = |base: &str, path: &str| join::<&str, &str>(&Url::parse(base).unwrap(), path, &[]).map(|u| u.to_string());
    assert_eq!(built("http://h/api/v1", "/orders/%23A1").unwrap(), "http://h/api/v1/orders/%23A1");
    assert_eq!(built("http://h/api/v1/", "orders").unwrap(), "http://h/api/v1/orders");
    assert_eq!(built("http://h/hook?k=1", "").unwrap(), "http://h/hook?k=1");
    assert_eq!(built("http://h/?k=1", "/a?b=2").unwrap(), "http://h/a?k=1&b=2");
    for path in ["/a/../b", "/a/%2e%2E/b", "/./b", "/a/.%2e", ".."] {
        assert_eq!(built("http://h/api", path), Err(BadUrl::Leaves), "{path}");
    }
    for path in ["/a b", "/a\\b", "/a#b", "/a\nb", "/ä", "/a?b#c"] {
        assert_eq!(built("http://h/api", path), Err(BadUrl::NotEncoded), "{path}");
    }
    let url = join(&Url::parse("http://h").unwrap(), "/a", &[("x&y", "1=2 #"), ("x&y", "")]).unwrap();
    assert_eq!(url.as_str(), "http://h/a?x%26y=1%3D2+%23&x%26y=");
}

proptest! {
    #[test]
    fn a_value_in_a_path_never_leaves_its_segment(value in any::<String>()) {
        let base = Url::parse("http://h/api").unwrap();
        let encoded = percent_encoding::utf8_percent_encode(&value, percent_encoding::NON_ALPHANUMERIC).to_string();
        match join::<&str, &str>(&base, &format!("/orders/{encoded}/cancel"), &[]) {
            Ok(url) => {
                let segments: Vec<_> = url.path_segments().unwrap().collect();
                prop_assert_eq!(&segments, &["api", "orders", &*encoded, "cancel"]);
                prop_assert_eq!(url.host_str(), Some("h"));
                prop_assert_eq!(url.query(), None);
            }
            Err(error) => {
                prop_assert_eq!(error, BadUrl::Leaves);
                prop_assert!(value == "." || value == "..");
            }
        }
    }

    #[test]
    fn a_path_as_it_is_stays_under_its_base_or_is_refused(path in "[ -~\\t\\r\\n%./\\\\é?#@:]{0,40}") {
        let base = Url::parse("http://h/api").unwrap();
        if let Ok(url) = join::<&str, &str>(&base, &path, &[]) {
            prop_assert_eq!(url.host_str(), Some("h"));
            prop_assert!(url.path() == "/api" || url.path().starts_with("/api/"), "{}", url);
        }
    }

    #[test]
    fn a_query_says_what_was_given(pairs in prop::collection::vec((any::<String>(), any::<String>()), 0..5)) {
        let url = join(&Url::parse("http://h/a").unwrap(), "/b", &pairs).unwrap();
        let back: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        prop_assert_eq!(back, pairs);
    }
}
