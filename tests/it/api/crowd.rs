//! Many conversations at once over two processes and one store, with a service that fails every tenth call in every way, and one of the
//! processes going away in the middle: every turn is answered, and nothing that was said is lost or heard twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value as Json, json};
use waypost::store::Address;

use super::served::{Plan, Served, files};
use crate::outbound::server::{Do, Server};

/// Conversations under way at once.
const AT_ONCE: usize = 32;

const SERVICE: &str = "{name: trouble, type: rest_api, config: {base_url: '${URL}', auth_type: none}, actions: [{name: get, type: read,
  invocation: {method: GET, endpoint: /it}, outcomes: [{name: found, condition: response.status == 200}], settings: {timeout_ms: 150}}]}";
const JOURNEY: &str = "{name: Visit, trigger: {goal: plan a visit, examples: [visit]}, journey: [{collect: [city]},
  {action: trouble.get, outcomes: {found: continue}, on_error: {default: continue}}, {collect: [street]}, {done: 'To {{ variables.city }}, {{ variables.street }}.'}]}";
const FIELDS: &str = "[{name: City, type: string, validation: {pattern: 'City[0-9]+'}}, {name: Street, type: string, validation: {pattern: 'Street[0-9]+'}}]";

fn answer(n: usize) -> Do {
    let fine = || Do::Send(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}".to_vec());
    if !n.is_multiple_of(10) {
        return fine();
    }
    match n / 10 % 5 {
        0 => Do::Send(b"HTTP/1.1 500 Oh\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_vec()),
        1 => Do::Send(b"HTTP/1.1 200 OK\r\ncontent-length: 90\r\n\r\n{\"half\":".to_vec()),
        2 => Do::Hang,
        3 => Do::Send(b"garbage\r\n\r\n".to_vec()),
        _ => Do::Drip(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}".to_vec()),
    }
}

struct Crowd {
    client: reqwest::Client,
    urls: [String; 2],
}

impl Crowd {
    /// One turn: at one process, and at the other under the same id where that one is gone.
    async fn turn(&self, n: usize, id: &str, body: &Json) -> Json {
        for attempt in 0..20 {
            let url = &self.urls[(n + attempt) % 2];
            let sent = self.client.post(url).header("idempotency-key", id).header("user-id", format!("u-{n}")).json(body).send().await;
            match sent {
                Ok(answer) if answer.status() == 200 => return answer.json().await.unwrap(),
                Ok(answer) if answer.status() == 503 => {}
                Ok(answer) => panic!("{body}: {} {}", answer.status(), answer.text().await.unwrap()),
                Err(error) => assert!(error.is_connect() || error.is_request(), "{error:?}"),
            }
        }
        panic!("nobody answered {body}");
    }

    async fn conversation(&self, n: usize) -> String {
        let first = self.turn(n, &format!("{n}-1"), &json!({"command": {"type": "start", "journey": "visit"}})).await;
        let id = first["conversation_id"].as_str().unwrap().to_owned();
        let say = |message: String| json!({"conversation_id": id, "message": message});
        self.turn(n, &format!("{n}-2"), &say(format!("City{n}"))).await;
        let last = self.turn(n, &format!("{n}-3"), &say(format!("Street{n}"))).await;
        assert_eq!(last["response"]["message"], json!(format!("To City{n}, Street{n}.")), "{last}");
        id
    }
}

/// What the user said, in order, and how often the end was told.
async fn heard(served: &Served, id: &str) -> (Vec<String>, usize) {
    let history = served.look(&super::served::As::nobody(), id, "/history?limit=200").await.body;
    let lines = history["items"].as_array().unwrap();
    let text = |l: &Json| l["text"].as_str().unwrap().to_owned();
    let said = lines.iter().filter(|l| l["kind"] == json!("message")).map(text).collect();
    (said, lines.iter().filter(|l| l["kind"] == json!("said") && text(l).starts_with("To City")).count())
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::disallowed_methods, reason = "a crowd is many tasks, and a test is told by its environment how large")]
async fn nothing_is_lost_or_doubled_when_services_fail_and_a_process_goes() {
    let crowd: usize = std::env::var("CROWD").ok().and_then(|n| n.parse().ok()).unwrap_or(200);
    let calls = AtomicUsize::new(0);
    let server = Server::start(move |_| answer(calls.fetch_add(1, Ordering::Relaxed))).await;
    let dir = tempfile::tempdir().unwrap();
    let written = [
        ("integrations/trouble.yaml", SERVICE),
        ("journeys/visit.yaml", JOURNEY),
        ("datapoints/all.yaml", FIELDS),
        ("waypost.yaml", "secrets: [URL]"),
    ];
    let store = Address::Sqlite(dir.path().join("w.db"));
    let plan = || Plan { store: store.clone(), ..Plan::of(files(&written)).secret("URL", server.url()) };
    let (stays, goes) = (plan().serve().await, plan().serve().await);
    let urls = [stays.url("/agents/default/converse"), goes.url("/agents/default/converse")];
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_mins(1)).build().unwrap();
    let all = Arc::new(Crowd { client, urls });
    let next = Arc::new(AtomicUsize::new(0));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..AT_ONCE {
        let (all, next, stop) = (all.clone(), next.clone(), goes.stop.clone());
        tasks.spawn(async move {
            let mut done = Vec::new();
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if n >= crowd {
                    return done;
                }
                if n == crowd / 2 {
                    stop.cancel();
                }
                done.push((n, all.conversation(n).await));
            }
        });
    }
    let mut ended = 0;
    while let Some(done) = tasks.join_next().await {
        for (n, id) in done.unwrap() {
            ended += 1;
            assert_eq!(heard(&stays, &id).await, (vec![format!("City{n}"), format!("Street{n}")], 1));
        }
    }
    assert_eq!(ended, crowd);
    let stat = waypost::store::Store::stat(stays.service.runtime().store()).await.unwrap();
    assert_eq!(stat.conversations, crowd as u64, "a start that came twice is one conversation");
}
