//! Real processes over one store: the second goes on where the first was killed, stopped, or still at it.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// Longer than anything here takes.
const LONG: Duration = Duration::from_mins(1);

/// A back end that keeps whoever orders waiting until it is told, and counts what it was asked.
struct BackEnd {
    url: String,
    asked: Arc<Mutex<BTreeMap<String, usize>>>,
    arrived: Receiver<String>,
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
        Self { url, asked, arrived, gate }
    }

    fn wait_for_order(&self) {
        assert_eq!(self.arrived.recv_timeout(LONG).unwrap(), "POST /orders");
    }

    fn answer(&self) {
        *self.gate.0.lock().unwrap() = true;
        self.gate.1.notify_all();
    }

    fn orders(&self) -> usize {
        self.asked.lock().unwrap().get("POST /orders").copied().unwrap_or(0)
    }
}

fn serve(mut stream: TcpStream, asked: &Mutex<BTreeMap<String, usize>>, gate: &(Mutex<bool>, Condvar), sender: &Sender<String>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    let what = line.rsplit_once(' ').unwrap().0.to_owned();
    let mut length = 0;
    loop {
        line.clear();
        reader.read_line(&mut line).unwrap();
        if line.trim().is_empty() {
            break;
        }
        if let Some(n) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = n.trim().parse().unwrap();
        }
    }
    reader.take(length).read_to_end(&mut Vec::new()).unwrap();
    *asked.lock().unwrap().entry(what.clone()).or_default() += 1;
    if what == "POST /orders" {
        sender.send(what).unwrap();
        drop(gate.1.wait_while(gate.0.lock().unwrap(), |open| !*open).unwrap());
    }
    // Whoever asked may be gone by now.
    let _ = stream
        .write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 12\r\nconnection: close\r\n\r\n{\"id\": \"77\"}");
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
        let mut child = Command::new(env!("CARGO_BIN_EXE_waypost"))
            .args(["chat", ".", "--store", store, "--conversation", "c-1"])
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
    output_datapoint: order
    outcomes: [{{name: ordered, condition: response.status == 200}}]
    settings: {{timeout_ms: {timeout_ms}}}
    safety:
      reconcile: {{call: shop.last-order, after: 0s, applied: {{there: ordered}}, not_applied: [none]}}
  - name: Last order
    type: read
    invocation: {{method: GET, endpoint: /orders/last}}
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
        assert_eq!(back_end.orders(), 1);
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
        assert_eq!(back_end.orders(), 1);
        assert_eq!(back_end.asked.lock().unwrap().get("GET /orders/last"), Some(&1));
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
        assert_eq!(back_end.orders(), 1);
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
