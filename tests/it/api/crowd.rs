//! Many conversations at once over two processes and one store, with a service that fails every tenth call in every way. One process is
//! killed in the middle and another started: every turn is answered, nothing that was said is lost or heard twice, nothing is booked
//! twice, and every doubt is told. `CROWD=10000 cargo test --test it crowd -- --nocapture` for a large crowd.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use serde_json::{Value as Json, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use waypost::store::{self, Address, Seals, Store as _};

use super::program::Program;
use crate::store::cluster;

/// Conversations under way at once.
const AT_ONCE: usize = 32;
/// How often a turn is sent again, and how long a client waits before it does: longer each time.
const ATTEMPTS: u64 = 40;
const PAUSE: Duration = Duration::from_millis(50);
/// Bytes that a process may have been large at any time, whatever the crowd.
const LARGEST: u64 = 160 << 20;

const FILES: [(&str, &str); 4] = [
    ("waypost.yaml", "secrets: [URL, SEAL]\nstore: {seal_key: '${SEAL}'}\nqueues: {default: care}\n"),
    ("datapoints/all.yaml", "[{name: City, type: string, validation: {pattern: 'City[0-9]+'}}]\n"),
    (
        "integrations/trouble.yaml",
        "
name: Trouble
type: rest_api
config: {base_url: '${URL}', auth_type: none}
actions:
  - {name: Look, type: read, invocation: {method: GET, endpoint: /it}, outcomes: [{name: found, condition: response.status == 200}], settings: {timeout_ms: 200}}
  - name: Book
    type: write
    invocation: {method: POST, endpoint: /bookings}
    input_schema: {city: {type: string}}
    outcomes: [{name: booked, condition: response.status == 200}]
    settings: {timeout_ms: 200, idempotency: key}
",
    ),
    (
        "journeys/visit.yaml",
        "
name: Visit
trigger: {goal: plan a visit, examples: [visit]}
journey:
  - collect: [city]
  - {action: trouble.look, outcomes: {found: continue}, on_error: {default: continue}}
  - confirm: {fields: [city], message: 'Shall I book {{ variables.city }}?'}
  - action: trouble.book
    outcomes: {booked: [done: '{{ variables.city }} is booked.']}
    on_error:
      in_doubt: [done: 'Whether {{ variables.city }} is booked is not known.']
      default: [done: '{{ variables.city }} is not booked.']
",
    ),
];

/// A service that fails every tenth call, in every way, before or after it did what it was asked to. It honours idempotency keys.
#[derive(Default)]
struct Trouble {
    calls: AtomicUsize,
    /// Keys under which something was booked, and what.
    booked: Mutex<HashMap<String, String>>,
    failed: Mutex<BTreeMap<&'static str, usize>>,
}

const WAYS: [&str; 6] = ["refuse", "an error", "half a body", "hang", "garbage", "drip"];

impl Trouble {
    #[expect(clippy::disallowed_methods, reason = "a test starts its server")]
    async fn start() -> (Arc<Self>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let trouble = Arc::<Self>::default();
        let here = trouble.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(here.clone().connection(stream));
            }
        });
        (trouble, url)
    }

    async fn connection(self: Arc<Self>, mut stream: TcpStream) {
        let n = self.calls.fetch_add(1, Ordering::Relaxed);
        let fails = n.is_multiple_of(10).then(|| WAYS[n / 10 % WAYS.len()]);
        // What fails has been done already, every other time.
        let does = fails.is_none() || (n / 10 / WAYS.len()).is_multiple_of(2);
        if let Some(way) = fails {
            *self.failed.lock().unwrap().entry(way).or_default() += 1;
        }
        if fails == Some("refuse") {
            // Reset, before anything was read.
            return;
        }
        let Some(request) = read(&mut stream).await else { return };
        if does && let Some((key, city)) = booking(&request) {
            self.booked.lock().unwrap().insert(key, city);
        }
        let fine = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";
        // Whoever asked may be gone.
        let _ = match fails {
            None | Some("refuse") => stream.write_all(fine).await,
            Some("an error") => stream.write_all(b"HTTP/1.1 500 Oh\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await,
            Some("half a body") => stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 90\r\n\r\n{\"half\":").await,
            Some("garbage") => stream.write_all(b"garbage\r\n\r\n").await,
            Some("hang") => stream.read_u8().await.map(drop),
            Some(_) => {
                for byte in fine {
                    if stream.write_all(&[*byte]).await.is_err() {
                        return;
                    }
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                Ok(())
            }
        };
    }

    /// How often each city is booked.
    fn bookings(&self) -> BTreeMap<String, usize> {
        self.booked.lock().unwrap().values().fold(BTreeMap::new(), |mut all, city| {
            *all.entry(city.clone()).or_default() += 1;
            all
        })
    }
}

/// A whole request; who was killed before its end has asked for nothing.
async fn read(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.to_ascii_lowercase().lines().find_map(|l| l.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
            if body.len() >= length {
                return Some(text.into_owned());
            }
        }
        drop(text);
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}

/// The key and the city of a request that books one.
fn booking(request: &str) -> Option<(String, String)> {
    let body = request.starts_with("POST").then(|| request.split_once("\r\n\r\n"))??.1;
    let key = request.lines().find_map(|l| l.strip_prefix("idempotency-key: "))?;
    let body: Json = serde_json::from_str(body).ok()?;
    Some((key.to_owned(), body["city"].as_str()?.to_owned()))
}

struct Crowd {
    client: reqwest::Client,
    servers: RwLock<Vec<String>>,
    /// Turns that were sent again, by why.
    again: Mutex<BTreeMap<String, usize>>,
}

impl Crowd {
    /// Where a turn goes: at each attempt to another server.
    fn server(&self, n: usize) -> String {
        let servers = self.servers.read().unwrap_or_else(PoisonError::into_inner);
        format!("http://{}/api/v1/agents/default/converse", servers[n % servers.len()])
    }

    /// One turn, sent again under the same id, to the next process, until it is answered.
    async fn turn(&self, n: usize, id: &str, body: &Json) -> Json {
        let mut why = String::new();
        for attempt in 0..ATTEMPTS {
            let url = self.server(n + usize::try_from(attempt).unwrap());
            let sent = self.client.post(url).header("idempotency-key", id).header("user-id", format!("u-{n}")).json(body).send().await;
            why = match sent {
                Ok(answer) if answer.status() == 200 => match answer.json::<Json>().await {
                    // Told to wait: the same turn asks what came of it.
                    Ok(answer) if answer["response"]["phase"] == json!("phase_working") => "working".into(),
                    Ok(answer) => return answer,
                    Err(_) => "cut off".into(),
                },
                Ok(answer) if answer.status() == 503 => "503".into(),
                Ok(answer) if answer.status() == 409 => format!("409 {}", answer.json::<Json>().await.unwrap()["code"]),
                Ok(answer) => panic!("{body}: {} {}", answer.status(), answer.text().await.unwrap()),
                Err(error) if error.is_connect() => "no connection".into(),
                Err(error) => {
                    assert!(error.is_request(), "{error:?}");
                    "cut off".into()
                }
            };
            *self.again.lock().unwrap().entry(why.clone()).or_default() += 1;
            tokio::time::sleep(PAUSE * u32::try_from(attempt.min(10)).unwrap()).await;
        }
        panic!("nobody answered {body}: {why}");
    }

    /// A whole conversation: its id, and what it was told at its end.
    async fn conversation(&self, n: usize) -> (String, String) {
        let first = self.turn(n, &format!("{n}-1"), &json!({"command": {"type": "start", "journey": "visit"}})).await;
        let id = first["conversation_id"].as_str().unwrap().to_owned();
        let say = |message: &str| json!({"conversation_id": id, "message": message});
        let asked = self.turn(n, &format!("{n}-2"), &say(&format!("City{n}"))).await;
        assert_eq!(asked["response"]["phase"], json!("phase_confirm"), "{asked}");
        let last = self.turn(n, &format!("{n}-3"), &say("yes")).await;
        (id, last["response"]["message"].as_str().unwrap().to_owned())
    }
}

/// What the user said, in order, and what was told about the city at the end.
async fn heard(all: &Crowd, id: &str, n: usize) -> (Vec<String>, Vec<String>) {
    let url = all.server(0).replace("/converse", &format!("/conversations/{id}/history?limit=200"));
    let history: Json = all.client.get(url).send().await.unwrap().json().await.unwrap();
    let text = |l: &Json| l["text"].as_str().unwrap_or_default().to_owned();
    let of = |kind: &str| history["items"].as_array().unwrap().iter().filter(|l| l["kind"] == json!(kind)).map(text).collect::<Vec<_>>();
    (of("message"), of("said").into_iter().filter(|t| t.contains(&format!("City{n} is"))).collect())
}

#[expect(clippy::disallowed_methods, reason = "a crowd is many tasks, and a test is told by its environment how large")]
async fn over(store: &str, directory: &Path) {
    let crowd: usize = std::env::var("CROWD").ok().and_then(|n| n.parse().ok()).unwrap_or(120);
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (trouble, url) = Trouble::start().await;
    let start =
        || Program::start_with(directory, &["--store", store], &[("URL", &*url), ("SEAL", "a key of the tests, long enough to be one")]);
    let (stays, goes) = (start(), start());
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_mins(1)).build().unwrap();
    let servers = RwLock::new(vec![stays.at.clone(), goes.at.clone()]);
    let all = Arc::new(Crowd { client, servers, again: Mutex::default() });
    let next = Arc::new(AtomicUsize::new(0));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..AT_ONCE {
        let (all, next) = (all.clone(), next.clone());
        tasks.spawn(async move {
            let mut done = Vec::new();
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if n >= crowd {
                    return done;
                }
                done.push((n, all.conversation(n).await));
            }
        });
    }
    // In the middle one is killed, and another takes its place.
    while next.load(Ordering::Relaxed) < crowd / 2 {
        tokio::task::yield_now().await;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let large = goes.largest();
    goes.signal("-KILL");
    let comes = start();
    all.servers.write().unwrap()[1].clone_from(&comes.at);
    let mut told = BTreeMap::<&str, usize>::new();
    let mut ended = Vec::new();
    while let Some(done) = tasks.join_next().await {
        ended.extend(done.unwrap());
    }
    let bookings = trouble.bookings();
    for (n, (id, last)) in &ended {
        let (city, times) = (format!("City{n}"), bookings.get(&format!("City{n}")).copied().unwrap_or(0));
        let (said, end) = heard(&all, id, *n).await;
        assert_eq!((said, end), (vec![city.clone(), "yes".into()], vec![last.clone()]), "lost or heard twice in {id}");
        let fits = |text: &str| *last == text.replace("City", &city);
        let what = match () {
            () if fits("City is booked.") => ("booked", times == 1),
            () if fits("City is not booked.") => ("not booked", times == 0),
            () if fits("Whether City is booked is not known.") => ("not known, and said so", times <= 1),
            () => panic!("{id} ends with: {last}"),
        };
        assert!(what.1, "{city} is booked {times} times, and {id} was told: {last}");
        *told.entry(what.0).or_default() += 1;
    }
    assert_eq!(ended.len(), crowd);
    let stat = store::open(&Address::parse(store, directory).unwrap(), Seals::default()).await.unwrap().stat().await.unwrap();
    assert_eq!(stat.conversations, crowd as u64, "a start that came twice is one conversation");
    let largest = [large, stays.largest(), comes.largest()];
    println!("{}: {crowd} conversations, told at their end: {told:?}", store.split(':').next().unwrap_or_default());
    println!("  calls {}, failed {:?}", trouble.calls.load(Ordering::Relaxed), trouble.failed.lock().unwrap());
    println!("  turns sent again {:?}, largest {:?} MB", all.again.lock().unwrap(), largest.map(|b| b >> 20));
    assert!(largest.iter().all(|b| *b < LARGEST), "a process was {largest:?} bytes large");
}

fn workspace() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in FILES {
        let path = directory.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    directory
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_or_doubled_when_services_fail_and_a_process_is_killed_over_one_file() {
    let directory = workspace();
    over(&format!("sqlite:{}", directory.path().join("w.db").display()), directory.path()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_or_doubled_when_services_fail_and_a_process_is_killed_over_one_server() {
    let Some(cluster) = cluster::shared() else { return };
    let directory = workspace();
    over(&cluster.database(), directory.path()).await;
}
