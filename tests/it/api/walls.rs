//! Who is kept out, and what does no harm: keys, tenants, other people's conversations, hosts and origins, sizes, slowness, crowds, tokens.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use serde_json::{Value as Json, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use waypost::api::Limits;

use super::served::{As, Plan, Served, files, shop};
use crate::outbound::server::{Do, Server};

const JOURNEY: &str = "{name: Hi, trigger: {goal: greet, examples: [hi]}, journey: [{collect: [city]}, {confirm: {fields: [city], message: 'Greet {{ variables.city }}?'}}, {done: Hi.}]}";
const KEYS: &str = "secrets: [K1, K2, K3, K4, K5, JWT]
server: {keys: [
  {name: web, key: '${K1}', role: user, tenants: [acme]}, {name: bot, key: '${K2}', role: agent, tenants: [acme]},
  {name: app, key: '${K3}', role: runtime, tenants: [acme, other], scopes: [identity]},
  {name: boss, key: '${K4}', role: admin, tenants: [acme]}, {name: host, key: '${K5}', role: runtime, tenants: [acme]}]}
identity: {jwt: {issuer: host, audience: waypost, algorithms: [HS256], keys: ['${JWT}']}}";
const SHARED: &str = "a key that host and service share, and nobody else";

async fn keyed() -> Served {
    let written = [("journeys/hi.yaml", JOURNEY), ("datapoints/all.yaml", "{name: City, type: string}"), ("waypost.yaml", KEYS)];
    let plan = Plan::of(files(&written)).secret("JWT", SHARED);
    let keys = [("K1", "k-web"), ("K2", "k-bot"), ("K3", "k-app"), ("K4", "k-boss"), ("K5", "k-host")];
    keys.into_iter().fold(plan, |plan, (name, key)| plan.secret(name, key)).serve().await
}

fn start() -> Json {
    json!({"command": {"type": "start", "journey": "hi"}})
}

#[tokio::test]
async fn only_known_keys_come_in_and_each_as_what_it_is() {
    let served = keyed().await;
    for wrong in [As::nobody(), As::key("k-we"), As::key("k-webb"), As::key("")] {
        let answer = served.turn(&wrong, start()).await;
        assert_eq!((answer.status, answer.code()), (401, "unauthorized"));
        assert_eq!(answer.headers["www-authenticate"], "Bearer");
    }
    let (web, bot, app, boss) = (As::key("k-web"), As::key("k-bot"), As::key("k-app").with("tenant-id", "acme"), As::key("k-boss"));
    let forbidden = [
        (&bot, json!({"message": "hi"})),
        (&bot, json!({"command": {"type": "start", "journey": "hi"}, "context": {"identity": {"user_id": "u-1"}}})),
        (&bot, json!({"command": {"type": "start", "journey": "hi"}, "actor": "user"})),
        (&bot, json!({"said": {"text": "yes", "message_id": "m-1"}})),
        (&bot, json!({"command": {"type": "confirm"}})),
        (&bot, json!({"command": {"type": "approve", "hold": "h"}})),
        (&web, json!({"said": {"text": "yes", "message_id": "m-1"}})),
        (&web, json!({"message": "hi", "actor": "user"})),
        (&app, json!({"message": "hi", "actor": "agent"})),
        (&app, json!({"command": {"type": "confirm"}})),
        (&boss, json!({"message": "hi"})),
        (&boss, start()),
    ];
    for (who, body) in forbidden {
        let answer = served.turn(who, body.clone()).await;
        assert_eq!((answer.status, answer.code()), (403, "forbidden"), "{body}: {answer:?}");
    }
    let id = served.turn(&bot, start()).await.conversation();
    for inner in ["/audit-logs"] {
        assert_eq!(served.look(&bot, &id, inner).await.status, 403);
    }
    assert_eq!(served.get(&bot, "/agents/default/holds").await.status, 403);
    let traced = served.post(&bot, "/agents/default/converse?trace=true", &start()).await;
    assert_eq!(traced.status, 403);
    let traced = served.post(&app, "/agents/default/converse?trace=true", &start()).await;
    assert!(traced.body["trace"].as_array().is_some_and(|t| !t.is_empty()), "{traced:?}");
    assert_eq!(served.post(&bot, "/capabilities/validate", &json!({"text": "x"})).await.status, 403);
}

#[tokio::test]
async fn keys_do_not_go_with_a_reload() {
    let served = keyed().await;
    let open = files(&[("journeys/hi.yaml", JOURNEY), ("datapoints/all.yaml", "{name: City, type: string}")]);
    let refused = served.service.reload(open).await.unwrap_err().to_string();
    assert!(refused.contains("the keys are gone"), "{refused}");
    assert_eq!(served.turn(&As::nobody(), start()).await.status, 401);
}

#[tokio::test]
async fn a_question_s_id_is_for_the_user_and_the_host() {
    let served = keyed().await;
    let (web, bot, app) =
        (As::key("k-web").user("u-1"), As::key("k-bot").user("u-1"), As::key("k-app").with("tenant-id", "acme").user("u-1"));
    let begin = json!({"command": {"type": "start", "journey": "hi", "variables": {"city": "Vienna"}}});
    let to_bot = served.turn(&bot, begin.clone()).await;
    assert_eq!(to_bot.phase(), "phase_confirm");
    let id = to_bot.conversation();
    let asked = served.look(&web, &id, "").await.body["response"]["question"]["id"].as_str().unwrap().to_owned();
    assert!(!to_bot.body.to_string().contains(&asked));
    assert!(!served.look(&bot, &id, "/history").await.body.to_string().contains(&asked));
    assert!(served.look(&web, &id, "/history").await.body.to_string().contains(&asked));
    // The question was given to the agent: a bare yes of the user's own channel does not know what it is to.
    let put_again = served.say(&web, &id, "yes").await;
    assert_eq!(put_again.phase(), "phase_confirm");
    assert_eq!(served.say(&web, &id, "yes").await.says(), "Hi.");
    let to_app = served.turn(&app, begin).await;
    let (id, question) = (to_app.conversation(), to_app.body["response"]["question"]["id"].clone());
    assert!(question.is_string(), "a host shows what the model that it runs must not answer: {to_app:?}");
    let said = |message: &str, question: &Json| json!({"conversation_id": id, "said": {"text": "yes", "message_id": message, "question": question}});
    assert_eq!(served.turn(&app, said("m-1", &json!("q-none"))).await.code(), "stale");
    // What was said to another question is said to none after it.
    assert_eq!(served.turn(&app, said("m-1", &question)).await.code(), "used");
    assert_eq!(served.turn(&app, said("m-2", &question)).await.says(), "Hi.");
    assert_eq!(served.turn(&app, said("m-2", &question)).await.code(), "used");
}

#[tokio::test]
async fn tenants_and_users_do_not_see_each_other() {
    let served = keyed().await;
    let web = |user: &str| As::key("k-web").user(user);
    assert_eq!(served.turn(&As::key("k-web").with("tenant-id", "other"), start()).await.code(), "tenant");
    assert_eq!(served.turn(&As::key("k-app"), start()).await.code(), "tenant_missing");
    let id = served.turn(&web("u-1"), start()).await.conversation();
    let others = [web("u-2"), As::key("k-web"), As::key("k-app").with("tenant-id", "other"), As::key("k-bot").user("u-2")];
    for other in others {
        for at in ["", "/history", "/transcript", "/events"] {
            let looked = served.look(&other, &id, at).await;
            assert_eq!((looked.status, looked.code()), (404, "no_conversation"), "{at}");
        }
        let said = served.command(&other, &id, json!({"type": "fill", "values": {"city": "Graz"}})).await;
        assert_eq!((said.status, said.code()), (404, "no_conversation"));
    }
    for (who, seen) in
        [(web("u-1"), 1), (web("u-2"), 0), (As::key("k-web"), 0), (As::key("k-boss"), 1), (As::key("k-app").with("tenant-id", "other"), 0)]
    {
        let listed = served.get(&who, "/agents/default/conversations").await;
        assert_eq!(listed.body["items"].as_array().unwrap().len(), seen);
    }
    assert_eq!(served.look(&web("u-1"), &id, "").await.status, 200);
    assert_eq!(served.look(&web("u-1"), "nothing", "").await.status, 404);
    for bad in ["a\u{1}b", &"x".repeat(300)] {
        let body = json!({"conversation_id": bad, "message": "hi"});
        assert_eq!(served.turn(&web("u-1"), body).await.status, 404);
    }
}

fn token(claims: &Json, algorithm: jsonwebtoken::Algorithm, key: &[u8]) -> String {
    let key = jsonwebtoken::EncodingKey::from_secret(key);
    jsonwebtoken::encode(&jsonwebtoken::Header::new(algorithm), claims, &key).unwrap()
}

#[tokio::test]
async fn a_host_vouches_by_a_signed_token_for_this_conversation_alone() {
    use jsonwebtoken::Algorithm::{HS256, HS512};
    let served = keyed().await;
    let app = As::key("k-app").with("tenant-id", "acme").user("u-1");
    let id = served.turn(&app, start()).await.conversation();
    let now = waypost::driver::Clock::System.now().as_second();
    let claims = |change: &[(&str, Json)]| {
        let mut claims = json!({"iss": "host", "aud": "waypost", "sub": "C-1", "exp": now + 60, "nonce": id, "level": 2});
        for (key, value) in change {
            claims[*key] = value.clone();
        }
        claims
    };
    let send = |token: String| json!({"conversation_id": id, "identity_token": token});
    let good = token(&claims(&[]), HS256, SHARED.as_bytes());
    let (head, rest) = good.split_once('.').unwrap();
    let none = format!("eyJhbGciOiJub25lIn0.{rest}");
    let mut critical = jsonwebtoken::Header::new(HS256);
    critical.crit = Some(vec!["b64".into()]);
    let by = jsonwebtoken::EncodingKey::from_secret(SHARED.as_bytes());
    let bad = [
        token(&claims(&[("aud", json!("others"))]), HS256, SHARED.as_bytes()),
        token(&claims(&[("iss", json!("others"))]), HS256, SHARED.as_bytes()),
        token(&claims(&[("exp", json!(now - 1))]), HS256, SHARED.as_bytes()),
        token(&claims(&[("exp", json!(1e300))]), HS256, SHARED.as_bytes()),
        token(&claims(&[("exp", Json::Null)]), HS256, SHARED.as_bytes()),
        token(&claims(&[("nbf", json!(now + 50))]), HS256, SHARED.as_bytes()),
        token(&claims(&[("nbf", json!("soon"))]), HS256, SHARED.as_bytes()),
        token(&claims(&[("nonce", json!("another"))]), HS256, SHARED.as_bytes()),
        token(&claims(&[("nonce", Json::Null)]), HS256, SHARED.as_bytes()),
        token(&claims(&[("sub", json!(" "))]), HS256, SHARED.as_bytes()),
        token(&claims(&[]), HS512, SHARED.as_bytes()),
        token(&claims(&[]), HS256, b"another key of the same length, or longer"),
        none,
        jsonwebtoken::encode(&critical, &claims(&[]), &by).unwrap(),
        format!("{head}.{head}.{head}"),
        "x".into(),
        "x".repeat(10_000),
    ];
    for bad in bad {
        let answer = served.turn(&app, send(bad.clone())).await;
        assert_eq!((answer.status, answer.code()), (422, "token"), "{bad}");
    }
    let others = As::key("k-host").user("u-1");
    assert_eq!(served.turn(&others, send(good.clone())).await.code(), "forbidden", "it has not the scope");
    assert_eq!(served.turn(&app, json!({"message": "hi", "identity_token": good})).await.code(), "token", "there is no conversation yet");
    let key = waypost::store::ConversationKey::new("acme", &*id);
    assert!(served.service.runtime().state(&key).await.unwrap().identity().is_none());
    assert_eq!(served.turn(&app, send(good.clone())).await.status, 200);
    let state = served.service.runtime().state(&key).await.unwrap();
    let identity = state.identity().unwrap();
    assert_eq!((&*identity.subject, identity.level, identity.expires.as_second()), ("C-1", 2, now + 60));
    let second = token(&claims(&[("sub", json!("C-2"))]), HS256, SHARED.as_bytes());
    assert_eq!(served.turn(&app, send(second)).await.code(), "token", "a second subject is refused");
}

#[tokio::test]
async fn without_keys_only_programs_on_this_machine_come_in() {
    let (_backend, served) = shop("").await;
    let body = json!({"message": "hi"});
    let elsewhere = ["waypost.example", "127.0.0.1.evil.example", "evil.example:8700", "10.0.0.1"];
    for host in elsewhere.into_iter().chain(["localhost:80@evil.example", "localhost:", "localhost:http", "[::1]evil", "[::1"]) {
        let answer = served.turn(&As::nobody().with("host", host), body.clone()).await;
        assert_eq!((answer.status, answer.code()), (403, "host"), "{host}");
    }
    for host in ["localhost", "LOCALHOST:1", "127.0.0.1:9", "[::1]:9"] {
        assert_eq!(served.turn(&As::nobody().with("host", host), body.clone()).await.status, 200, "{host}");
    }
    for origin in ["https://evil.example", "null", "http://localhost:3000"] {
        let answer = served.turn(&As::nobody().with("origin", origin), body.clone()).await;
        assert_eq!((answer.status, answer.code()), (403, "origin"), "{origin}");
    }
    let own = format!("http://{}", served.at);
    assert_eq!(served.turn(&As::nobody().with("origin", &own), body.clone()).await.status, 200);
    let path = format!("/agents/{}/converse", served.agent);
    for kind in [None, Some("text/plain"), Some("application/x-www-form-urlencoded"), Some("application/jsonx")] {
        let answer = served.raw(&As::nobody(), &path, kind, body.to_string()).await;
        assert_eq!((answer.status, answer.code()), (415, "media_type"), "{kind:?}");
    }
}

/// What comes to a request that is written by hand, its head first.
async fn by_hand(served: &Served, request: &str) -> String {
    let mut stream = tokio::net::TcpStream::connect(served.at).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = vec![0; 4_096];
    let read = tokio::time::timeout(Duration::from_secs(10), stream.read(&mut answer)).await.expect("an answer in time").unwrap();
    String::from_utf8_lossy(&answer[..read]).into_owned()
}

#[tokio::test]
async fn a_request_has_one_host_and_a_body_is_as_long_as_may_be_and_in_plain() {
    let (_backend, served) = shop("limits: {body: 2KB}").await;
    let head = "content-type: application/json\r\n";
    let path = format!("/api/v1/agents/{}/converse", served.agent);
    for (line, hosts) in
        [(path.clone(), "host: localhost\r\nhost: evil.example\r\n"), (format!("http://evil.example{path}"), "host: localhost\r\n")]
    {
        let answer = by_hand(&served, &format!("POST {line} HTTP/1.1\r\n{hosts}{head}content-length: 0\r\n\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 403"), "{line} {hosts}: {answer}");
    }
    // Refused by what it says, before anything of it is read.
    let large = format!("POST {path} HTTP/1.1\r\nhost: localhost\r\n{head}expect: 100-continue\r\ncontent-length: 99999999999\r\n\r\n");
    let answer = by_hand(&served, &large).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    let body = json!({"message": "hi"});
    let packed = served.turn(&As::nobody().with("content-encoding", "gzip"), body.clone()).await;
    assert_eq!((packed.status, packed.code()), (415, "media_type"));
    assert_eq!(served.turn(&As::nobody().with("content-encoding", "identity"), body).await.status, 200);
}

#[tokio::test]
async fn a_stream_ends_with_its_key_and_goes_on_with_what_is_new() {
    let served = keyed().await;
    let boss = As::key("k-boss");
    let id = served.turn(&As::key("k-bot"), start()).await.conversation();
    // Somebody who saw more than there is, as after a store was put back.
    let (more, _) = tokio::join!(served.events(&boss, &id, Some(u64::MAX), 1), async {
        tokio::task::yield_now().await;
        served.command(&As::key("k-bot"), &id, json!({"type": "cancel"})).await
    });
    assert!(!more.is_empty());
    let without = KEYS.replace("{name: boss, key: '${K4}', role: admin, tenants: [acme]}, ", "");
    let left = files(&[("journeys/hi.yaml", JOURNEY), ("datapoints/all.yaml", "{name: City, type: string}"), ("waypost.yaml", &without)]);
    let (ended, reloaded) =
        tokio::join!(tokio::time::timeout(Duration::from_secs(10), served.events(&boss, &id, None, usize::MAX)), async {
            // Once it is open.
            served.events(&boss, &id, None, 1).await;
            served.service.reload(left).await
        });
    reloaded.unwrap();
    assert!(ended.is_ok(), "it goes on without its key");
    assert_eq!(served.look(&boss, &id, "").await.status, 401);
}

#[tokio::test]
async fn without_keys_only_this_machine_is_called() {
    let away = "{name: away, type: rest_api, config: {base_url: 'http://203.0.113.9', auth_type: none}, actions: [{name: get, type: read, invocation: {method: GET, endpoint: /it}, outcomes: [{name: found, condition: response.status == 200}], settings: {timeout_ms: 500}}]}";
    let public = away.replace("203.0.113.9", "93.184.215.14");
    let journey = "{name: Look, trigger: {goal: look it up, examples: [look]}, journey: [{action: away.get, outcomes: {found: continue}}, {done: Found.}]}";
    let served = Plan::of(files(&[("integrations/away.yaml", &public), ("journeys/look.yaml", journey)])).serve().await;
    let answer =
        served.post(&As::nobody(), "/agents/default/converse?trace=true", &json!({"command": {"type": "start", "journey": "look"}})).await;
    let trace = answer.body["trace"].to_string();
    assert!(trace.contains("this machine alone"), "{trace}");
}

#[tokio::test]
async fn bodies_that_mean_nothing_are_told_so() {
    let (_backend, served) = shop("limits: {body: 2KB}").await;
    let path = format!("/agents/{}/converse", served.agent);
    let json_kind = Some("application/json");
    let cases: &[(&str, u16, &str)] = &[
        ("", 400, "json"),
        ("{", 400, "json"),
        ("[1]", 422, "body"),
        ("null", 422, "body"),
        ("{}", 422, "empty"),
        (r#"{"message": 1}"#, 422, "body"),
        (r#"{"mesage": "hi"}"#, 422, "body"),
        (r#"{"message": "hi", "command": {"type": "next"}}"#, 422, "body"),
        (r#"{"command": {"type": "fly"}}"#, 422, "body"),
        (r#"{"command": {"type": "fill"}}"#, 422, "body"),
        (r#"{"command": {"type": "next", "more": 1}}"#, 422, "body"),
        (r#"{"message": "hi", "id": ""}"#, 422, "body"),
        (r#"{"message": "hi", "at": -1}"#, 422, "body"),
        ("\"\\ud800\"", 400, "json"),
    ];
    for (body, status, code) in cases {
        let answer = served.raw(&As::nobody(), &path, json_kind, (*body).to_owned()).await;
        assert_eq!((answer.status, answer.code()), (*status, *code), "{body}: {answer:?}");
    }
    let deep = format!("{{\"context\": {}1{}}}", "[".repeat(900), "]".repeat(900));
    assert_eq!(served.raw(&As::nobody(), &path, json_kind, deep).await.status, 400);
    let large = json!({"message": "x".repeat(3_000)}).to_string();
    assert_eq!(served.raw(&As::nobody(), &path, json_kind, large).await.code(), "too_large");
    let odd = served.turn(&As::nobody(), json!({"message": "\u{0}\u{7f}\u{202e}"})).await;
    assert_eq!(odd.status, 200, "{odd:?}");
    for (path, status) in [
        ("/nothing", 404),
        ("/agents/nobody/conversations", 404),
        ("/agents/hollin-wren/conversations?limit=0", 400),
        ("/agents/hollin-wren/conversations?limti=1", 400),
        ("/agents/hollin-wren/conversations/x/history?cursor=y", 404),
    ] {
        assert_eq!(served.get(&As::nobody(), path).await.status, status, "{path}");
    }
}

/// Sends bytes, then waits for the end or an answer.
async fn wire(served: &Served, bytes: &[u8]) -> String {
    let mut stream = tokio::net::TcpStream::connect(served.at).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut text = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut text)).await;
    read.expect("the connection is not kept for ever").ok();
    String::from_utf8_lossy(&text).into_owned()
}

#[tokio::test]
async fn another_method_is_told_which_there_are() {
    let (_backend, served) = shop("").await;
    let answer = wire(&served, b"GET /api/v1/agents/hollin-wren/converse HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await;
    let head = answer.to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 405 ") && head.contains("\r\nallow: post\r\n"), "{answer}");
    assert!(answer.contains("this route has another method"), "{answer}");
}

#[tokio::test]
async fn who_sends_half_of_something_is_not_waited_for() {
    let limits = Limits { head: Duration::from_millis(200), body: Duration::from_millis(200), ..Limits::default() };
    let written = [("journeys/hi.yaml", JOURNEY), ("datapoints/all.yaml", "{name: City, type: string}")];
    let served = Plan { limits, ..Plan::of(files(&written)) }.serve().await;
    // Half a head, no head at all, half a body, and a head that never ends.
    wire(&served, b"POST /api/v1/agents/default/converse HTTP/1.1\r\nhost: loc").await;
    wire(&served, b"").await;
    let slow = "POST /api/v1/agents/default/converse HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: 50\r\n\r\n{\"mes";
    let answer = wire(&served, slow.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("\"slow\""), "{answer}");
    let endless = [b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nx: ".as_slice(), &b"y".repeat(200_000), b"\r\n\r\n"].concat();
    let answer = wire(&served, &endless).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    let garbage = wire(&served, b"\x16\x03\x01 hello\r\n\r\n").await;
    assert!(garbage.is_empty() || garbage.starts_with("HTTP/1.1 400"), "{garbage}");
    assert_eq!(served.turn(&As::nobody(), json!({"message": "hi"})).await.status, 200, "everybody else is served");
}

#[tokio::test]
async fn whoever_sends_all_before_it_reads_gets_the_answer_and_does_not_send_for_ever() {
    let (_backend, served) = shop("limits: {body: 2KB}").await;
    let request = |path: &str, bytes: usize| {
        let kind = "content-type: application/json\r\naccept: application/json, text/event-stream";
        format!("POST {path} HTTP/1.1\r\nhost: localhost\r\n{kind}\r\ncontent-length: {bytes}\r\n\r\n")
    };
    let many = "x".repeat(8_000_000);
    for (path, status) in [("/api/v1/agents/hollin-wren/converse", 413), ("/nowhere", 404), ("/questions/a/b/c", 400)] {
        let answer = wire(&served, (request(path, many.len()) + &many).as_bytes()).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{path}: {answer}");
    }
    let mut stream = tokio::net::TcpStream::connect(served.at).await.unwrap();
    stream.write_all(request("/nowhere", usize::MAX).as_bytes()).await.unwrap();
    let endless = async { while stream.write_all(many.as_bytes()).await.is_ok() {} };
    tokio::time::timeout(Duration::from_secs(20), endless).await.expect("nobody is read for ever");
}

#[tokio::test]
async fn what_follows_a_request_does_not_hold_its_answer_up() {
    let served = Plan::of(files(&[("journeys/hi.yaml", JOURNEY), ("datapoints/all.yaml", "{name: City, type: string}")])).serve().await;
    for after in ["\r\n", "GET /healthz HTTP/1.1\r\nhost: loc"] {
        let mut stream = tokio::net::TcpStream::connect(served.at).await.unwrap();
        stream.write_all(format!("GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n{after}").as_bytes()).await.unwrap();
        let mut head = [0; 15];
        let read = tokio::time::timeout(Duration::from_secs(10), stream.read_exact(&mut head)).await;
        read.unwrap_or_else(|_| panic!("no answer beside {after:?}")).unwrap();
        assert_eq!(&head, b"HTTP/1.1 200 OK");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_waits_and_the_rest_is_sent_away() {
    let gate = Arc::new((Mutex::new(false), Condvar::new()));
    let held = gate.clone();
    let server = Server::start(move |_| {
        let (open, changed) = &*held;
        // What waits behind this task's thread goes on elsewhere.
        tokio::task::block_in_place(|| {
            drop(changed.wait_timeout_while(open.lock().unwrap(), Duration::from_secs(10), |open| !*open).unwrap());
        });
        Do::Send(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}".to_vec())
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
    let limits = Limits { at_once: 1, waiting: 1, wait: Duration::from_secs(20), streams: 1, ..Limits::default() };
    let served = Plan { limits, ..Plan::of(files(&written)).secret("URL", server.url()) }.serve().await;
    let who = As::nobody();
    let look = || served.turn(&who, json!({"command": {"type": "start", "journey": "look"}}));
    let crowd = async {
        while server.seen().is_empty() {
            tokio::task::yield_now().await;
        }
        // One is under way. Of two more one waits, and one is sent away at once.
        let (mut a, mut b) = (Box::pin(look()), Box::pin(look()));
        let sent_away = tokio::select! { x = &mut a => x, x = &mut b => x };
        assert_eq!((sent_away.status, sent_away.code()), (503, "overloaded"));
        assert_eq!(sent_away.headers["retry-after"], "1");
        assert_eq!(served.get(&who, "/healthz").await.status, 200, "health is told whatever the crowd");
        *gate.0.lock().unwrap() = true;
        gate.1.notify_all();
    };
    let (first, ()) = tokio::join!(look(), crowd);
    assert_eq!(first.says(), "Found.");
}

#[tokio::test]
async fn streams_and_connections_have_bounds() {
    let written = [("journeys/hi.yaml", JOURNEY), ("datapoints/all.yaml", "{name: City, type: string}")];
    let limits = Limits { streams: 1, ..Limits::default() };
    let served = Plan { limits, ..Plan::of(files(&written)) }.serve().await;
    let id = served.turn(&As::nobody(), start()).await.conversation();
    let events = format!("GET /api/v1/agents/default/conversations/{id}/events HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    let mut first = tokio::net::TcpStream::connect(served.at).await.unwrap();
    first.write_all(events.as_bytes()).await.unwrap();
    let mut head = [0; 15];
    first.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 200 OK");
    let second = wire(&served, events.as_bytes()).await;
    assert!(second.starts_with("HTTP/1.1 503 ") && second.contains("retry-after: "), "{second}");

    let limits = Limits { connections: 1, ..Limits::default() };
    let served = Plan { limits, ..Plan::of(files(&written)) }.serve().await;
    let look = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    let mut only = tokio::net::TcpStream::connect(served.at).await.unwrap();
    only.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    only.read_exact(&mut head).await.unwrap();
    let mut next = Box::pin(wire(&served, look));
    assert!(tokio::time::timeout(Duration::from_millis(300), &mut next).await.is_err(), "there is room for one");
    drop(only);
    assert!(next.await.starts_with("HTTP/1.1 200 OK"));
}

/// A connection that asks for a stream of events and takes next to nothing in.
async fn deaf(served: &Served, conversation: &str) -> tokio::net::TcpStream {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let mut stream = socket.connect(served.at).await.unwrap();
    let ask = format!("GET /api/v1/agents/default/conversations/{conversation}/events HTTP/1.1\r\nhost: localhost\r\n\r\n");
    stream.write_all(ask.as_bytes()).await.unwrap();
    let mut head = [0; 15];
    stream.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 200 OK");
    stream
}

/// The status of one more request for the stream, once it is another than 503.
async fn room_again(served: &Served, conversation: &str) -> Option<String> {
    let ask = format!(
        "GET /api/v1/agents/default/conversations/{conversation}/events HTTP/1.1\r\nhost: localhost\r\nlast-event-id: 1000000\r\n\r\n"
    );
    for _ in 0..200 {
        let mut stream = tokio::net::TcpStream::connect(served.at).await.unwrap();
        stream.write_all(ask.as_bytes()).await.unwrap();
        let mut head = [0; 12];
        stream.read_exact(&mut head).await.unwrap();
        if &head != b"HTTP/1.1 503" {
            return Some(String::from_utf8_lossy(&head).into_owned());
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    None
}

#[tokio::test]
async fn who_never_reads_a_stream_does_not_keep_its_place() {
    let written = [("journeys/hi.yaml", JOURNEY), ("datapoints/all.yaml", "{name: City, type: string}")];
    let limits = Limits { streams: 1, send: Duration::from_millis(300), ..Limits::default() };
    let served = Plan { limits, ..Plan::of(files(&written)) }.serve().await;
    let id = served.turn(&As::nobody(), start()).await.conversation();
    for _ in 0..6 {
        assert_eq!(served.say(&As::nobody(), &id, &"far too long ".repeat(60_000)).await.status, 200);
    }
    let deaf = deaf(&served, &id).await;
    assert_eq!(room_again(&served, &id).await.as_deref(), Some("HTTP/1.1 200"), "the place is free again");
    drop(deaf);
    // Who reads, however late, is cut off as little as anybody, and misses nothing.
    let all = served.events(&As::nobody(), &id, None, 14).await;
    let kinds: Vec<_> = all.iter().map(|(seq, kind, _)| (*seq, &**kind)).collect();
    assert!(kinds.is_sorted() && kinds.iter().filter(|(_, kind)| *kind == "message").count() > 1, "{kinds:?}");
}

#[tokio::test]
async fn a_stream_with_much_to_tell_ends_in_time_too() {
    let written = [("journeys/hi.yaml", JOURNEY), ("datapoints/all.yaml", "{name: City, type: string}")];
    let limits = Limits { streams: 2, stream: Duration::from_millis(300), ..Limits::default() };
    let served = Plan { limits, ..Plan::of(files(&written)) }.serve().await;
    let id = served.turn(&As::nobody(), start()).await.conversation();
    for _ in 0..6 {
        assert_eq!(served.say(&As::nobody(), &id, &"far too long ".repeat(60_000)).await.status, 200);
    }
    let mut slow = deaf(&served, &id).await;
    // Its time passes while another's, begun later, does.
    served.events(&As::nobody(), &id, Some(1_000_000), usize::MAX).await;
    let mut rest = Vec::new();
    while !rest.ends_with(b"\r\n0\r\n\r\n") {
        let read = tokio::time::timeout(Duration::from_secs(20), slow.read_buf(&mut rest)).await;
        assert_ne!(read.expect("it ends").unwrap(), 0, "it is cut");
    }
    let last = String::from_utf8_lossy(&rest).lines().filter_map(|l| l.strip_prefix("id: ")?.parse().ok()).next_back();
    assert!(!served.events(&As::nobody(), &id, last, 1).await.is_empty(), "it told all up to {last:?}");
}

#[tokio::test]
async fn a_stream_ends_in_time_and_goes_on_where_it_ended() {
    let written = [("journeys/hi.yaml", JOURNEY), ("datapoints/all.yaml", "{name: City, type: string}")];
    let limits = Limits { streams: 1, stream: Duration::from_millis(300), ..Limits::default() };
    let served = Plan { limits, ..Plan::of(files(&written)) }.serve().await;
    let id = served.turn(&As::nobody(), start()).await.conversation();
    // Nobody closes this one, and nothing more happens in it.
    let quiet = deaf(&served, &id).await;
    assert_eq!(room_again(&served, &id).await.as_deref(), Some("HTTP/1.1 200"), "the place is free again");
    drop(quiet);
    room_again(&served, &id).await;
    // The end of a stream is an end, not a cut: what it gave, and what the next one gives, is all there is.
    let seen = served.events(&As::nobody(), &id, None, usize::MAX).await;
    served.say(&As::nobody(), &id, "Vienna").await;
    let last = seen.last().unwrap().0;
    room_again(&served, &id).await;
    let more = served.events(&As::nobody(), &id, Some(last), usize::MAX).await;
    room_again(&served, &id).await;
    let all = served.events(&As::nobody(), &id, None, usize::MAX).await;
    assert!(!more.is_empty());
    assert_eq!([seen, more].concat(), all);
}

#[tokio::test]
async fn connections_that_nobody_uses_or_that_are_half_closed_end() {
    let written = [("journeys/hi.yaml", JOURNEY), ("datapoints/all.yaml", "{name: City, type: string}")];
    let limits = Limits { head: Duration::from_millis(200), connections: 1, streams: 1, ..Limits::default() };
    let served = Plan { limits, ..Plan::of(files(&written)) }.serve().await;
    // One request, and then nothing: whoever waits for the only place gets it.
    let mut idle = tokio::net::TcpStream::connect(served.at).await.unwrap();
    idle.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let mut head = [0; 15];
    idle.read_exact(&mut head).await.unwrap();
    let id = served.turn(&As::nobody(), start()).await.conversation();
    drop(idle);
    // A stream whose reader has closed its half is one that nobody reads.
    let events = format!("GET /api/v1/agents/default/conversations/{id}/events HTTP/1.1\r\nhost: localhost\r\n\r\n");
    let other = Plan { limits: Limits { connections: 8, ..limits }, ..Plan::of(files(&written)) }.serve().await;
    let theirs = other.turn(&As::nobody(), start()).await.conversation();
    let mut half = tokio::net::TcpStream::connect(other.at).await.unwrap();
    half.write_all(events.replace(&id, &theirs).as_bytes()).await.unwrap();
    half.read_exact(&mut head).await.unwrap();
    half.shutdown().await.unwrap();
    assert_eq!(room_again(&other, &theirs).await.as_deref(), Some("HTTP/1.1 200"));
}
