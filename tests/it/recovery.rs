//! Real processes over one store: the second goes on where the first was killed, stopped, or still at it.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

/// Longer than anything here takes.
const LONG: Duration = Duration::from_mins(1);

/// A back end that keeps whoever orders waiting until it is told, counts what it was asked, and knows what was ordered.
struct BackEnd {
    url: String,
    /// Whom clients trust, where it has a certificate.
    authority: Option<String>,
    asked: Arc<Mutex<BTreeMap<String, usize>>>,
    arrived: Mutex<Receiver<String>>,
    gate: Arc<(Mutex<bool>, Condvar)>,
}

impl BackEnd {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (asked, gate) = (Arc::<Mutex<BTreeMap<String, usize>>>::default(), Arc::<(Mutex<bool>, Condvar)>::default());
        let (sender, arrived) = channel();
        let (log, at) = (asked.clone(), gate.clone());
        thread(move || {
            for stream in listener.incoming() {
                let (log, at, sender) = (log.clone(), at.clone(), sender.clone());
                thread(move || serve(stream.unwrap(), &log, &at, &sender));
            }
        });
        Self { url, authority: None, asked, arrived: Mutex::new(arrived), gate }
    }

    /// One behind TLS that keeps the first who comes waiting before it shakes hands, so that no request can be sent, and answers
    /// everybody at once. It says when that one has come, and when it has gone.
    fn reluctant() -> Self {
        let (config, authority) = crate::tls::certified();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
        let (asked, gate) = (Arc::<Mutex<BTreeMap<String, usize>>>::default(), Arc::<(Mutex<bool>, Condvar)>::default());
        let (sender, arrived) = channel();
        let (log, at) = (asked.clone(), gate.clone());
        thread(move || {
            let open = Arc::new((Mutex::new(true), Condvar::new()));
            for (n, stream) in listener.incoming().enumerate() {
                let (log, at, open, sender) = (log.clone(), at.clone(), open.clone(), sender.clone());
                let stream = stream.unwrap();
                let tls = rustls::ServerConnection::new(config.clone()).unwrap();
                thread(move || {
                    if n == 0 {
                        stream.peek(&mut [0]).unwrap();
                        sender.send("it has come".to_owned()).unwrap();
                        drop(at.1.wait_while(at.0.lock().unwrap(), |open| !*open).unwrap());
                    }
                    serve(rustls::StreamOwned::new(tls, stream), &log, &open, &channel().0);
                    if n == 0 {
                        let _ = sender.send("it has gone".to_owned());
                    }
                });
            }
        });
        Self { url, authority: Some(authority), asked, arrived: Mutex::new(arrived), gate }
    }

    fn waits_until(&self, what: &str) {
        assert_eq!(self.arrived.lock().unwrap().recv_timeout(LONG).unwrap(), what);
    }

    fn wait_for_order(&self) {
        self.waits_until(&order("c-1"));
    }

    fn answer(&self) {
        *self.gate.0.lock().unwrap() = true;
        self.gate.1.notify_all();
    }

    fn orders(&self, conversation: &str) -> usize {
        self.asked.lock().unwrap().get(&order(conversation)).copied().unwrap_or(0)
    }
}

fn serve(stream: impl Read + Write, asked: &Mutex<BTreeMap<String, usize>>, gate: &(Mutex<bool>, Condvar), sender: &Sender<String>) {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    // Whoever was killed before the end of its request has asked for nothing.
    let read = |reader: &mut BufReader<_>, line: &mut String| {
        line.clear();
        reader.read_line(line).is_ok() && line.ends_with('\n')
    };
    if !read(&mut reader, &mut line) {
        return;
    }
    let what = line.rsplit_once(' ').unwrap().0.to_owned();
    let mut length = 0;
    loop {
        if !read(&mut reader, &mut line) {
            return;
        }
        if line.trim().is_empty() {
            break;
        }
        if let Some(n) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = n.trim().parse().unwrap();
        }
    }
    let mut body = String::new();
    if reader.by_ref().take(length).read_to_string(&mut body).is_err() || body.len() as u64 != length {
        return;
    }
    let what = if length > 0 { format!("{what} {body}") } else { what };
    *asked.lock().unwrap().entry(what.clone()).or_default() += 1;
    let mut status = "200 OK";
    if what.starts_with("POST") {
        // A test that does not wait for orders has left.
        let _ = sender.send(what);
        drop(gate.1.wait_while(gate.0.lock().unwrap(), |open| !*open).unwrap());
    } else if !asked.lock().unwrap().contains_key(&order(what.trim_start_matches("GET /orders/"))) {
        status = "404 Not Found";
    }
    // Whoever asked may be gone by now.
    let _ = write!(
        reader.get_mut(),
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{{}}"
    );
    let _ = reader.get_mut().flush();
}

/// What an order of a conversation looks like.
fn order(conversation: &str) -> String {
    format!("POST /orders {{\"for\":\"{conversation}\"}}")
}

#[expect(clippy::disallowed_methods, reason = "a test's server and readers")]
fn thread(run: impl FnOnce() + Send + 'static) {
    std::thread::spawn(run);
}

/// A chat in a process of its own.
struct Chat {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
}

impl Chat {
    fn start(workspace: &Path, store: &str, back_end: &BackEnd) -> Self {
        Self::of("c-1", workspace, store, back_end)
    }

    fn of(conversation: &str, workspace: &Path, store: &str, back_end: &BackEnd) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_waypost"));
        if let Some(authority) = &back_end.authority {
            let file = workspace.join("authority.pem");
            std::fs::write(&file, authority).unwrap();
            command.env("SSL_CERT_FILE", file);
        }
        let mut child = command
            .args(["chat", ".", "--store", store, "--conversation", conversation])
            .current_dir(workspace)
            .env("SHOP_URL", &back_end.url)
            .env("SEAL_KEY", "a key of the tests, long enough to be one")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, lines) = channel();
        let streams: [Box<dyn Read + Send>; 2] = [Box::new(child.stdout.take().unwrap()), Box::new(child.stderr.take().unwrap())];
        for stream in streams {
            let sender = sender.clone();
            // The test may have ended before the process says its last.
            thread(move || BufReader::new(stream).lines().map_while(Result::ok).for_each(|line| drop(sender.send(line))));
        }
        let stdin = child.stdin.take();
        Self { child, stdin, lines }
    }

    fn types(&mut self, line: &str) {
        writeln!(self.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    /// Waits until it prints a line with that in it.
    fn prints(&self, text: &str) {
        let mut seen = Vec::new();
        while let Ok(line) = self.lines.recv_timeout(LONG) {
            if line.contains(text) {
                return;
            }
            seen.push(line);
        }
        panic!("it did not print `{text}`, but:\n{}", seen.join("\n"));
    }

    fn signal(&self, signal: &str) {
        let status = Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// Ends it as a user does, and gives what else it printed.
    fn ends(&mut self) -> String {
        drop(self.stdin.take());
        assert!(self.child.wait().unwrap().success());
        self.lines.iter().collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Chat {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn workspace(timeout_ms: u32, said: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let shop = format!(
        "
name: Shop
type: rest_api
config: {{base_url: '${{SHOP_URL}}', auth_type: none}}
actions:
  - name: Order
    type: write
    invocation: {{method: POST, endpoint: /orders}}
    input_schema: {{for: {{type: string}}}}
    input_mappings: {{for: $conversation.id}}
    outcomes: [{{name: ordered, condition: response.status == 200}}]
    settings: {{timeout_ms: {timeout_ms}}}
    safety:
      reconcile: {{call: shop.order-of, inputs: {{for: $inputs.for}}, after: 0s, applied: {{there: ordered}}, not_applied: [none]}}
  - name: Order of
    type: read
    invocation: {{method: GET, endpoint: '/orders/{{for}}'}}
    input_schema: {{for: {{type: string}}}}
    outcomes: [{{name: there, condition: response.status == 200}}, {{name: none, condition: response.status == 404}}]
"
    );
    let journey = format!(
        "
name: Buy
trigger: {{goal: buy it, examples: [buy]}}
fallback: {{to: care, message: A colleague takes over.}}
journey:
  - action: shop.order
    outcomes: {{ordered: continue}}
    on_error: {{not_applied: [{{done: {{message: It is not ordered., outcome: not_ordered}}}}]}}
  - done: {said}
"
    );
    let settings = "queues: {default: care}\nstore: {seal_key: '${SEAL_KEY}'}\nsecrets: [SEAL_KEY]\n";
    for (name, text) in [("waypost.yaml", settings), ("integrations/shop.yaml", &*shop), ("journeys/buy.yaml", &*journey)] {
        let path: PathBuf = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    dir
}

/// Runs it over every kind of store that processes can share.
fn over_each_store(run: impl Fn(&str)) {
    run("sqlite:waypost.db");
    if let Some(cluster) = crate::store::cluster::shared() {
        run(&cluster.database());
    }
}

#[test]
fn a_process_that_starts_while_another_waits_for_an_answer_sends_nothing() {
    over_each_store(|store| {
        let (back_end, workspace) = (BackEnd::start(), workspace(30_000, "It is ordered."));
        let mut first = Chat::start(workspace.path(), store, &back_end);
        first.types("buy");
        back_end.wait_for_order();
        let mut second = Chat::start(workspace.path(), store, &back_end);
        second.prints("an action of it is under way");
        back_end.answer();
        first.prints("It is ordered.");
        second.prints("It is ordered.");
        first.ends();
        second.ends();
        assert_eq!(back_end.orders("c-1"), 1);
    });
}

#[test]
fn what_a_killed_process_had_under_way_is_settled_by_the_next() {
    over_each_store(|store| {
        let (back_end, workspace) = (BackEnd::start(), workspace(500, "It is ordered."));
        let mut first = Chat::start(workspace.path(), store, &back_end);
        first.types("buy");
        back_end.wait_for_order();
        first.signal("-KILL");
        // Nobody says anything: the time of the first is over, and a read tells what came of it.
        let mut second = Chat::start(workspace.path(), store, &back_end);
        second.prints("an action of it is under way");
        second.prints("It is ordered.");
        second.ends();
        assert_eq!(back_end.orders("c-1"), 1);
        assert_eq!(back_end.asked.lock().unwrap().get("GET /orders/c-1"), Some(&1));
    });
}

#[test]
fn a_process_that_was_stopped_past_its_time_does_nothing_again() {
    over_each_store(|store| {
        let (back_end, workspace) = (BackEnd::start(), workspace(500, "It is ordered."));
        let mut first = Chat::start(workspace.path(), store, &back_end);
        first.types("buy");
        back_end.wait_for_order();
        first.signal("-STOP");
        let mut second = Chat::start(workspace.path(), store, &back_end);
        second.prints("It is ordered.");
        back_end.answer();
        first.signal("-CONT");
        first.prints("It is ordered.");
        // Both can go on.
        first.types("/why");
        first.prints("no journey is under way");
        let rest = second.ends() + &first.ends();
        assert!(!rest.contains("colleague"), "{rest}");
        assert_eq!(back_end.orders("c-1"), 1);
    });
}

#[test]
fn a_process_that_was_stopped_before_it_sent_anything_sends_nothing_past_its_time() {
    over_each_store(|store| {
        let (back_end, workspace) = (BackEnd::reluctant(), workspace(500, "It is ordered."));
        let mut first = Chat::start(workspace.path(), store, &back_end);
        first.types("buy");
        back_end.waits_until("it has come");
        first.signal("-STOP");
        // The second asks whether it was ordered, and says that it was not.
        let mut second = Chat::start(workspace.path(), store, &back_end);
        second.prints("It is not ordered.");
        back_end.answer();
        first.signal("-CONT");
        first.prints("It is not ordered.");
        back_end.waits_until("it has gone");
        second.ends();
        first.ends();
        assert_eq!(back_end.orders("c-1"), 0);
        assert_eq!(back_end.asked.lock().unwrap().get("GET /orders/c-1"), Some(&1));
    });
}

#[test]
fn a_conversation_goes_on_with_the_texts_that_it_began_with() {
    over_each_store(|store| {
        let (back_end, old, new) = (BackEnd::start(), workspace(30_000, "The old text."), workspace(30_000, "The new text."));
        let store = if store.starts_with("sqlite") { format!("sqlite:{}", old.path().join("w.db").display()) } else { store.to_owned() };
        let ask = |dir: &Path| {
            let journey = std::fs::read_to_string(dir.join("journeys/buy.yaml")).unwrap();
            let asked = journey.replace("journey:\n", "journey:\n  - choice: {prompt: Sure?, options: {Yes: continue}}\n");
            std::fs::write(dir.join("journeys/buy.yaml"), asked).unwrap();
        };
        ask(old.path());
        ask(new.path());
        back_end.answer();
        let mut first = Chat::start(old.path(), &store, &back_end);
        first.types("buy");
        first.prints("Sure?");
        first.ends();
        let mut second = Chat::start(new.path(), &store, &back_end);
        second.prints("Sure?");
        second.types("yes");
        second.prints("The old text.");
        second.types("buy");
        second.prints("Sure?");
        second.types("yes");
        second.prints("The new text.");
        second.ends();
    });
}

/// How long it takes until its end, from the message on.
#[expect(clippy::disallowed_methods, reason = "what a run takes tells when to kill one")]
fn lives(conversation: &str, workspace: &Path, store: &str, back_end: &BackEnd) -> Duration {
    let mut chat = Chat::of(conversation, workspace, store, back_end);
    chat.types("buy");
    let began = Instant::now();
    chat.prints("ended:");
    let took = began.elapsed();
    chat.ends();
    took
}

/// Kills it at some moment, lets the next one go on, and compares what that says with what the back end knows; gives what came of it.
#[expect(clippy::disallowed_methods, reason = "how long it has lived tells when it dies")]
fn kill(conversation: &str, moment: Duration, workspace: &Path, store: &str, back_end: &BackEnd) -> &'static str {
    let mut first = Chat::of(conversation, workspace, store, back_end);
    first.types("buy");
    let mut before = Vec::new();
    let began = Instant::now();
    while let Some(left) = moment.checked_sub(began.elapsed())
        && let Ok(line) = first.lines.recv_timeout(left)
    {
        before.push(line);
    }
    first.signal("-KILL");
    let ended = before.iter().any(|line| line.contains("ended:"));
    let mut second = Chat::of(conversation, workspace, store, back_end);
    if ended {
        second.prints("ended:");
        second.ends();
        assert_eq!(back_end.orders(conversation), 1);
        return "killed after its end";
    }
    let mut printed = Vec::new();
    let mut began = "ordered, by the one that was killed";
    let said = loop {
        let line = second.lines.recv_timeout(LONG).unwrap_or_else(|e| panic!("killed after {moment:?}: {e} after {printed:#?}"));
        printed.push(line.clone());
        if line.contains("a new conversation") {
            began = "killed before its message was taken: ordered by the next";
            second.types("buy");
        } else if line.contains("ended:") || line.contains("with a person") {
            break line;
        }
    };
    let orders = back_end.orders(conversation);
    let expected = if orders == 0 { "ended: not_ordered" } else { "ended: done" };
    assert!(orders <= 1 && said.contains(expected), "killed after {moment:?}: {orders} orders, and it says {said}");
    second.ends();
    if orders == 0 { "killed before its order arrived: not ordered, and said so" } else { began }
}

/// A number of the process's environment.
#[expect(clippy::disallowed_methods, reason = "a test is told by its environment how much to do")]
fn told(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(otherwise)
}

/// `KILLS=200 cargo test --test it recovery:: -- --nocapture`; `KILL_SEED` for other moments.
#[test]
fn a_process_that_is_killed_at_any_moment_orders_once_and_says_so() {
    const AT_ONCE: u64 = 4;
    let (kills, seed) = (told("KILLS", 8), told("KILL_SEED", 1));
    over_each_store(|store| {
        let (back_end, workspace) = (BackEnd::start(), workspace(500, "It is ordered."));
        back_end.answer();
        let came = Mutex::new(BTreeMap::<&str, usize>::new());
        // As long as nobody kills it, so many at once as are killed, and not for the first time.
        let run = |round: u64| {
            std::thread::scope(|scope| {
                let (back_end, workspace) = (&back_end, workspace.path());
                let runs = (0..AT_ONCE).map(|n| scope.spawn(move || lives(&format!("l-{round}-{n}"), workspace, store, back_end)));
                runs.collect::<Vec<_>>().into_iter().map(|run| run.join().unwrap()).sum::<Duration>()
            })
        };
        let (_cold, whole) = (run(0), run(1) / u32::try_from(AT_ONCE).unwrap());
        let whole = u64::try_from(whole.as_micros()).unwrap();
        std::thread::scope(|scope| {
            for worker in 0..AT_ONCE {
                let (back_end, workspace, came) = (&back_end, workspace.path(), &came);
                scope.spawn(move || {
                    for n in (worker..kills).step_by(usize::try_from(AT_ONCE).unwrap()) {
                        let moment = Duration::from_micros(random(seed, n) % whole);
                        let what = kill(&format!("k-{n}"), moment, workspace, store, back_end);
                        *came.lock().unwrap().entry(what).or_default() += 1;
                    }
                });
            }
        });
        let kind = store.split(':').next().unwrap_or_default();
        println!("{kind}: {kills} kills within {} ms, at random moments of seed {seed}", whole / 1_000);
        for (what, n) in came.into_inner().unwrap() {
            println!("  {n:>4} {what}");
        }
    });
}

/// The n-th random number of a seed.
fn random(seed: u64, n: u64) -> u64 {
    let mut z = seed.wrapping_add((n + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
