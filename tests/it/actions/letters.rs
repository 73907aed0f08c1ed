//! Letters on their way: to servers on loopback that check them as strictly as the services that they stand for.

use std::sync::Arc;

use base64::Engine as _;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value as Json, json};
use sha2::Sha256;
use waypost::outbound::{Post, Resolver, Secrets, Undelivered};
use waypost::registry::Letter;

use super::{decision, letter, workspace};
use crate::outbound::server::{Do, Seen, Server};

const NOW: &str = "2026-01-05T09:00:01Z";
/// The key of the specification's own example.
const WHSEC: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn post(settings: &str, secrets: &[(&str, &str)]) -> Post {
    let loaded = workspace(settings);
    let secrets = Secrets::given(secrets.iter().copied());
    Post::new(&loaded.settings, &secrets, Arc::new(|| NOW.parse().unwrap()), &Resolver::System)
}

fn answer(status: u16, kind: &str, body: &str) -> Do {
    Do::Send(format!("HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes())
}

/// An incoming webhook of Slack.
fn slack(seen: &Seen) -> Do {
    let refused = |status, why| answer(status, "text/html", why);
    if !seen.line.starts_with("POST /services/T0/B0/x ") {
        return refused(404, "no_service");
    }
    if seen.header("content-type") != Some("application/json") {
        return refused(400, "invalid_payload");
    }
    let Ok(Json::Object(body)) = serde_json::from_str(&seen.body) else { return refused(400, "invalid_payload") };
    if body.keys().any(|k| !["text", "blocks", "attachments", "thread_ts", "mrkdwn"].contains(&k.as_str())) {
        return refused(400, "invalid_payload");
    }
    match body.get("text").and_then(Json::as_str) {
        Some("") | None => refused(400, "no_text"),
        Some(text) if text.chars().count() > 40_000 => refused(400, "msg_too_long"),
        Some(text) if text.contains("archived") => refused(410, "channel_is_archived"),
        Some(_) => answer(200, "text/html", "ok"),
    }
}

/// PagerDuty's Events API, version 2.
fn pagerduty(seen: &Seen) -> Do {
    let refused = |why: &str| {
        answer(
            400,
            "application/json",
            &json!({"status": "invalid event", "message": "Event object is invalid", "errors": [why]}).to_string(),
        )
    };
    if !seen.line.starts_with("POST /v2/enqueue ") || seen.header("content-type") != Some("application/json") {
        return answer(404, "application/json", "{}");
    }
    let Ok(Json::Object(event)) = serde_json::from_str::<Json>(&seen.body) else { return refused("not JSON") };
    let known = ["routing_key", "event_action", "dedup_key", "payload", "images", "links", "client", "client_url"];
    if let Some(key) = event.keys().find(|k| !known.contains(&k.as_str())) {
        return refused(&format!("'{key}' is not known"));
    }
    let text = |of: &Json, key: &str| of.get(key).and_then(Json::as_str).unwrap_or("").to_owned();
    let whole = Json::Object(event);
    let key = text(&whole, "routing_key");
    if key.len() != 32 {
        // A careless service: it says back what it was sent.
        return refused(&format!("Length of 'routing_key' is incorrect (should be 32 characters): {key}"));
    }
    let action = text(&whole, "event_action");
    if !["trigger", "acknowledge", "resolve"].contains(&&*action) {
        return refused("'event_action' is invalid");
    }
    if text(&whole, "dedup_key").chars().count() > 255 {
        return refused("'dedup_key' is too long");
    }
    let payload = &whole["payload"];
    let known = ["summary", "source", "severity", "timestamp", "component", "group", "class", "custom_details"];
    if payload.as_object().is_none_or(|p| p.keys().any(|k| !known.contains(&k.as_str()))) {
        return refused("'payload' is invalid");
    }
    let summary = text(payload, "summary");
    if summary.is_empty() || summary.chars().count() > 1_024 {
        return refused("'payload.summary' is missing or too long");
    }
    if text(payload, "source").is_empty() || !["critical", "error", "warning", "info"].contains(&&*text(payload, "severity")) {
        return refused("'payload.source' or 'payload.severity' is invalid");
    }
    if text(payload, "timestamp").parse::<jiff::Timestamp>().is_err() || !payload["custom_details"].is_object() {
        return refused("'payload.timestamp' or 'payload.custom_details' is invalid");
    }
    if seen.body.len() > 512_000 {
        return answer(413, "text/plain", "");
    }
    let said = json!({"status": "success", "message": "Event processed", "dedup_key": text(&whole, "dedup_key")});
    answer(202, "application/json", &said.to_string())
}

fn tell(channel: &str) -> Json {
    json!({"type": "notification", "channel": channel})
}

fn why(outcome: Result<(), Undelivered>) -> String {
    outcome.expect_err("it is refused").failure.detail.to_string()
}

#[tokio::test]
async fn slack_takes_what_it_is_given_and_its_refusal_is_told() {
    let server = Server::start(slack).await;
    let settings = "channels: {desk: {type: slack, url: '${SLACK_URL}'}}\n";
    let post = post(settings, &[("SLACK_URL", &format!("{}/services/T0/B0/x", server.url()))]);
    post.send(&letter(settings, &tell("desk"), &decision(json!(true), "order-7"))).await.unwrap();
    let body: Json = serde_json::from_str(&server.seen()[0].body).unwrap();
    assert_eq!(body["text"], "many-complaints 3 is true for order-7 as of 2026-01-05T09:00:00Z: 7 is above 3");
    let long = json!({"type": "notification", "channel": "desk", "message_template": "x".repeat(50_000)});
    post.send(&letter(settings, &long, &decision(json!(true), "order-7"))).await.unwrap();
    let gone = post.send(&letter(settings, &tell("desk"), &decision(json!(true), "archived"))).await;
    assert!(!gone.as_ref().unwrap_err().again);
    assert_eq!(why(gone), "the service answered 410: channel_is_archived");
}

#[tokio::test]
async fn pagerduty_takes_what_it_is_given_and_its_refusal_is_told_without_the_key() {
    let server = Server::start(pagerduty).await;
    let settings = format!("channels: {{pager: {{type: pagerduty, url: '{}/v2/enqueue', routing_key: '${{KEY}}'}}}}\n", server.url());
    let of = |key: &str| post(&settings, &[("KEY", key)]);
    let key = "0123456789abcdef0123456789abcdef";
    for value in [json!(true), json!(false), json!(null)] {
        of(key).send(&letter(&settings, &tell("pager"), &decision(value, &"é".repeat(200)))).await.unwrap();
    }
    assert_eq!(serde_json::from_str::<Json>(&server.seen()[0].body).unwrap()["routing_key"], key);
    let refused = of("too-short-a-key").send(&letter(&settings, &tell("pager"), &decision(json!(true), "x"))).await;
    let said = why(refused);
    assert_eq!(said, "the service answered 400: Length of 'routing_key' is incorrect (should be 32 characters): [redacted]");
    // Not the part of it either that ends where what is told does.
    for length in 200..=300 {
        let refused = of(&"k".repeat(length)).send(&letter(&settings, &tell("pager"), &decision(json!(true), "x"))).await;
        assert!(!why(refused).contains("kkk"), "a key of {length} characters");
    }
}

#[tokio::test]
async fn a_secret_that_holds_another_is_hidden_whole() {
    let server = Server::start(|_| answer(400, "application/json", &json!({"errors": ["abcd is bad, so is abcdefgh"]}).to_string())).await;
    let settings = format!("channels: {{pager: {{type: pagerduty, url: '{}/${{SHORT}}', routing_key: '${{LONG}}'}}}}\n", server.url());
    let post = post(&settings, &[("SHORT", "abcd"), ("LONG", "abcdefgh")]);
    let refused = post.send(&letter(&settings, &tell("pager"), &decision(json!(true), "x"))).await;
    assert_eq!(why(refused), "the service answered 400: [redacted] is bad, so is [redacted]");
}

#[tokio::test]
async fn which_refusals_are_worth_another_try_and_how_soon() {
    let server = Server::start(|seen: &Seen| {
        let mut parts = seen.path().trim_start_matches('/').split('/');
        let (status, after) = (parts.next().unwrap_or("500").to_owned(), parts.next().unwrap_or("none").replace('_', " "));
        let header = if after == "none" { String::new() } else { format!("retry-after: {after}\r\n") };
        Do::Send(format!("HTTP/1.1 {status} X\r\n{header}content-length: 0\r\n\r\n").into_bytes())
    })
    .await;
    let day = 24 * 60 * 60 * 1_000;
    for (path, again, after) in [
        ("400/5", false, Some(5_000)),
        ("404/none", false, None),
        ("408/none", true, None),
        ("425/none", true, None),
        ("429/7", true, Some(7_000)),
        ("429/86400", true, Some(day)),
        ("429/86401", true, Some(day)),
        ("503/18446744073709551615", true, Some(day)),
        ("503/soon", true, None),
        // A minute after what the clock says.
        ("503/Mon,_05_Jan_2026_09:01:01_GMT", true, Some(60_000)),
        ("503/-1", true, None),
        ("501/none", true, None),
    ] {
        let (settings, sent) = hooked(&server.url(), &json!({"type": "webhook", "endpoint": format!("{}/{path}", server.url())}), "x");
        let refused = post(&settings, &[("WHSEC", WHSEC)]).send(&sent).await.unwrap_err();
        assert_eq!((refused.again, refused.failure.retry_after_ms), (again, after), "{path}");
    }
}

fn verify(seen: &Seen, key: &str) -> bool {
    let get = |name| seen.header(name).unwrap_or_default();
    let key = base64::engine::general_purpose::STANDARD.decode(key.trim_start_matches("whsec_")).unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
    mac.update(format!("{}.{}.{}", get("webhook-id"), get("webhook-timestamp"), seen.body).as_bytes());
    let signed = base64::engine::general_purpose::STANDARD.encode(mac.finalize().into_bytes());
    get("webhook-signature") == format!("v1,{signed}")
}

fn hooked(url: &str, config: &Json, entity: &str) -> (String, Letter) {
    let host = url.trim_start_matches("http://").to_owned();
    let settings = format!(
        "secrets: [TOKEN, BASE]\negress: {{allow_hosts: ['{host}']}}\nchannels: {{hook: {{type: webhook, url: '{url}/hook', secret: '${{WHSEC}}'}}}}\n"
    );
    let sent = letter(&settings, config, &decision(json!(true), entity));
    (settings, sent)
}

#[tokio::test]
async fn a_webhook_is_signed_as_standard_webhooks_has_it() {
    let server = Server::start(|_| answer(204, "text/plain", "")).await;
    let config = json!({"type": "webhook", "endpoint": format!("{}/hook", server.url()), "channel": "hook", "payload_template": {"test": 2_432_232_314_u64}});
    let (settings, sent) = hooked(&server.url(), &config, "x");
    assert!(!sent.id.contains('.'), "the sign between the parts of what is signed");
    post(&settings, &[("WHSEC", WHSEC)]).send(&sent).await.unwrap();
    let (settings, notice) = hooked(&server.url(), &tell("hook"), "x");
    post(&settings, &[("WHSEC", WHSEC)]).send(&notice).await.unwrap();
    let seen = server.seen();
    assert!(seen.iter().all(|s| verify(s, WHSEC)) && seen.len() == 2);
    assert_eq!(seen[0].header("webhook-id"), Some(&*sent.id));
    assert_eq!(seen[0].header("idempotency-key"), Some("d-1:tell-the-desk:1.2"));
}

#[tokio::test]
async fn a_webhook_goes_only_where_the_workspace_lets_it() {
    let server = Server::start(|seen: &Seen| match seen.path() {
        "/away" => Do::Send(b"HTTP/1.1 307 X\r\nlocation: http://localhost:1/elsewhere\r\ncontent-length: 0\r\n\r\n".to_vec()),
        _ => answer(200, "text/plain", "fine"),
    })
    .await;
    let to = |endpoint: String| json!({"type": "webhook", "endpoint": endpoint});
    let code = |outcome: Result<(), Undelivered>| outcome.expect_err("denied").failure.code.to_string();
    let (settings, _) = hooked(&server.url(), &tell("hook"), "x");
    let post = post(&settings, &[("WHSEC", WHSEC), ("BASE", "http://169.254.169.254")]);
    let go = async |endpoint: String, entity: &str| {
        let (_, sent) = hooked(&server.url(), &to(endpoint), entity);
        assert!(post.check(&sent).is_ok(), "{sent:?}");
        post.send(&sent).await
    };
    go(format!("{}/a/{{entity}}?q={{entity}}", server.url()), "x/../y?z#w&v é").await.unwrap();
    let line = server.seen()[0].line.clone();
    assert_eq!(line, "POST /a/x%2F..%2Fy%3Fz%23w%26v%20%C3%A9?q=x%2F..%2Fy%3Fz%23w%26v%20%C3%A9 HTTP/1.1");
    assert_eq!(code(go(format!("{}/away", server.url()), "x").await), "egress");
    let before = server.seen().len();
    for (endpoint, entity, expected) in [
        ("http://127.0.0.1:1/x".to_owned(), "x", "egress"),
        ("https://example.com/x".to_owned(), "x", "egress"),
        ("${BASE}/latest/meta-data".to_owned(), "x", "egress"),
        (format!("{}/a/{{entity}}/b", server.url()), "..", "bad_url"),
        (format!("{}/a/{{entity}}/b", server.url()), ".", "bad_url"),
        (format!("{}/a/{{entity}}", server.url()), "..", "bad_url"),
        (format!("{}/a/{{entity}}", server.url()), ".", "bad_url"),
        (format!("{}/a/{{entity}}", server.url()), "", "bad_url"),
        (format!("{}/a/{{entity}}/", server.url()), "", "bad_url"),
        ("${BASE}@evil.example/{entity}".to_owned(), "x", "bad_url"),
    ] {
        let (_, sent) = hooked(&server.url(), &to(endpoint.clone()), entity);
        assert_eq!(code(post.check(&sent)), expected, "{endpoint}");
        assert_eq!(code(post.send(&sent).await), expected, "{endpoint}");
    }
    assert_eq!(server.seen().len(), before, "nothing was sent");
}

#[tokio::test]
async fn a_secret_reaches_the_service_and_nothing_else() {
    const PLANTED: &str = "planted-4f1c";
    let server = Server::start(|seen: &Seen| answer(500, "text/plain", &format!("{} {}", seen.head, seen.body))).await;
    let config = json!({
        "type": "webhook", "endpoint": format!("{}/in/${{TOKEN}}", server.url()), "headers": {"Authorization": "Bearer ${TOKEN}"},
        "payload_template": {"key": "${TOKEN}", "e": "{entity}"},
    });
    let (settings, sent) = hooked(&server.url(), &config, "x");
    let outcome = post(&settings, &[("TOKEN", PLANTED), ("WHSEC", WHSEC)]).send(&sent).await;
    let seen = &server.seen()[0];
    assert_eq!(seen.path(), format!("/in/{PLANTED}"));
    assert_eq!(seen.header("authorization"), Some(&*format!("Bearer {PLANTED}")));
    assert!(seen.body.contains(PLANTED));
    let undelivered = outcome.unwrap_err();
    assert!(undelivered.again);
    let kept = format!("{undelivered:?} {sent:?} {}", sent.body.as_ref().unwrap().shown());
    assert!(!kept.contains(PLANTED), "{kept}");
    // Where the service cannot be reached, the place is not told either.
    let (settings, sent) = hooked("http://127.0.0.1:1", &json!({"type": "webhook", "endpoint": "http://127.0.0.1:1/${TOKEN}"}), "x");
    let undelivered = post(&settings, &[("TOKEN", PLANTED)]).send(&sent).await.unwrap_err();
    assert!(undelivered.again && !format!("{undelivered:?}").contains(PLANTED), "{undelivered:?}");
    // One that is not there is named, and nothing is sent.
    let undelivered = post(&settings, &[]).send(&sent).await.unwrap_err();
    assert_eq!(&*undelivered.failure.detail, "the environment variable `TOKEN` is not set");
    assert!(!undelivered.failure.sent);
}
