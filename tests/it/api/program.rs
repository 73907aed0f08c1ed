//! The program `serve`, as an operator runs it: what it prints, what it takes anew, and how it ends. The README's walk-through is played
//! against it.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use waypost::cli::demo::backend::Backend;
use waypost::driver::Clock;

/// How long a line is waited for.
const LONG: Duration = Duration::from_mins(1);

/// The program, killed when it is dropped.
pub struct Program {
    child: Child,
    lines: Receiver<String>,
    /// Its address.
    pub at: String,
}

#[expect(clippy::disallowed_methods, reason = "a test reads what the program prints")]
fn reader(stream: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = channel();
    std::thread::spawn(move || BufReader::new(stream).lines().map_while(Result::ok).all(|line| sender.send(line).is_ok()));
    lines
}

impl Program {
    fn start(workspace: &Path, args: &[&str], shop: &str) -> Self {
        Self::start_with(workspace, args, &[("SHOP_URL", shop)])
    }

    /// Starts it with secrets in its environment.
    pub fn start_with(workspace: &Path, args: &[&str], secrets: &[(&str, &str)]) -> Self {
        let mut child = Self::command(workspace, args).envs(secrets.iter().copied()).spawn().unwrap();
        let lines = reader(child.stderr.take().unwrap());
        let mut program = Self { child, lines, at: String::new() };
        program.at = address(&program.prints("listening on http://"));
        program
    }

    fn command(workspace: &Path, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_waypost"));
        command.arg("serve").arg(workspace).args(["--listen", "127.0.0.1:0"]).args(args).env("NO_COLOR", "1");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        command
    }

    /// From now on nobody reads what it prints.
    fn unread(&mut self) {
        drop(std::mem::replace(&mut self.lines, channel().1));
    }

    /// Waits until it prints a line with that in it.
    pub fn prints(&self, text: &str) -> String {
        let mut seen = Vec::new();
        while let Ok(line) = self.lines.recv_timeout(LONG) {
            if line.contains(text) {
                return line;
            }
            seen.push(line);
        }
        panic!("it did not print `{text}`, but:\n{}", seen.join("\n"));
    }

    /// Tells it to stop, and gives what it printed since it was last read.
    pub fn stops(mut self) -> Vec<String> {
        self.signal("-TERM");
        assert!(self.child.wait().unwrap().success());
        std::mem::replace(&mut self.lines, channel().1).into_iter().collect()
    }

    pub fn signal(&self, signal: &str) {
        assert!(Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap().success());
    }

    /// Whether it ends well; waits until it ends.
    pub fn ended(&mut self) -> bool {
        self.child.wait().unwrap().success()
    }

    /// Bytes that it was large at any time.
    pub fn largest(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).unwrap();
        line.split_whitespace().next().unwrap().parse::<u64>().unwrap() << 10
    }
}

/// The address in the line that tells of it.
fn address(line: &str) -> String {
    line.split("http://").nth(1).unwrap().split(' ').next().unwrap().to_owned()
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn root() -> PathBuf {
    env!("CARGO_MANIFEST_DIR").into()
}

/// A client of whatever is served here, as patient as that.
fn client(patience: Duration) -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().timeout(patience).build().unwrap()
}

/// The `sh` blocks of a heading.
fn scripts(page: &str, heading: &str) -> String {
    let section = page.split("\n## ").find(|s| s.starts_with(heading)).unwrap();
    section.split("```sh\n").skip(1).map(|s| s.split("```").next().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_walk_through_of_the_readme_works_as_it_stands() {
    let backend = Backend::start(Clock::System.now()).await.unwrap();
    let program = Program::start(&root(), &["--store", "memory"], &backend.url());
    let page = std::fs::read_to_string(root().join("README.md")).unwrap();
    let script = scripts(&page, "Serve it").replace("localhost:8700", &program.at);
    assert!(script.matches("curl").count() >= 3, "the walk-through is gone");
    let ran = Command::new("bash").args(["-eu", "-o", "pipefail", "-c", &script]).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "{script}\n{out}\n{err}");
    assert!(out.contains("phase_confirm") && out.contains("\"outcome\":\"cancelled\""), "{script}\n{out}");
    assert_eq!(backend.requests().iter().filter(|r| r.path.ends_with("/cancellation")).count(), 1);
}

/// A workspace of one journey that greets.
struct Greeter(tempfile::TempDir);

impl Greeter {
    fn new() -> Self {
        let greeter = Self(tempfile::tempdir().unwrap());
        std::fs::create_dir_all(greeter.0.path().join("journeys")).unwrap();
        greeter.greets("Hello.");
        greeter
    }

    fn greets(&self, text: &str) {
        self.write(&format!("{{name: Hi, trigger: {{goal: greet, examples: [hi]}}, journey: [{{done: {text}}}]}}"));
    }

    fn write(&self, journey: &str) {
        std::fs::write(self.0.path().join("journeys/hi.yaml"), journey).unwrap();
    }
}

/// How it greets.
async fn said(program: &Program) -> String {
    let url = format!("http://{}/api/v1/agents/default/converse", program.at);
    let answer = client(LONG).post(url).json(&serde_json::json!({"message": "hi"})).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    answer.json::<serde_json::Value>().await.unwrap()["response"]["message"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workspace_is_taken_anew_while_it_runs_and_a_signal_ends_it() {
    let greeter = Greeter::new();
    let mut program = Program::start(greeter.0.path(), &["--store", "memory"], "");
    assert_eq!(said(&program).await, "Hello.");
    greeter.write("name: [");
    program.prints("not taken");
    assert_eq!(said(&program).await, "Hello.");
    greeter.greets("Good day.");
    program.prints("taken anew");
    assert_eq!(said(&program).await, "Good day.");
    program.signal("-TERM");
    program.prints("stopped");
    assert!(program.ended());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workspace_that_another_takes_the_place_of_is_taken_anew() {
    let (one, two, place) = (Greeter::new(), Greeter::new(), tempfile::tempdir().unwrap());
    two.greets("Good day.");
    let at = place.path().join("current");
    let lead_to = |greeter: &Greeter| {
        let next = place.path().join("next");
        std::os::unix::fs::symlink(greeter.0.path(), &next).unwrap();
        std::fs::rename(next, &at).unwrap();
    };
    lead_to(&one);
    let program = Program::start(&at, &["--store", "memory"], "");
    assert_eq!(said(&program).await, "Hello.");
    // A link is swapped, as deployments do.
    lead_to(&two);
    program.prints("taken anew");
    assert_eq!(said(&program).await, "Good day.");
    two.greets("Good night.");
    program.prints("taken anew");
    assert_eq!(said(&program).await, "Good night.");
    // So is a directory below it.
    let policies = tempfile::tempdir().unwrap();
    std::fs::write(policies.path().join("all.cedar"), "permit(principal, action").unwrap();
    std::os::unix::fs::symlink(policies.path(), two.0.path().join("policies")).unwrap();
    program.prints("not taken");
    std::fs::remove_file(two.0.path().join("policies")).unwrap();
    // A directory that is gone is not an empty workspace.
    std::fs::remove_file(&at).unwrap();
    program.prints("not taken");
    std::fs::create_dir(&at).unwrap();
    program.prints("not taken");
    assert_eq!(said(&program).await, "Good night.");
    std::fs::remove_dir(&at).unwrap();
    lead_to(&one);
    program.prints("taken anew");
    assert_eq!(said(&program).await, "Hello.");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_comes_is_let_in_while_a_workspace_waits_for_its_store() {
    let greeter = Greeter::new();
    let store = greeter.0.path().join("kept.db");
    let mut program = Program::start(greeter.0.path(), &["--store", &format!("sqlite:{}", store.display())], "");
    let other = rusqlite::Connection::open(store).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    greeter.greets("Good day.");
    // Longer than it waits for the store.
    for _ in 0..60 {
        let answer = client(Duration::from_secs(2)).get(format!("http://{}/healthz", program.at)).send().await;
        assert!(answer.is_ok_and(|a| a.status() == 200), "nobody is let in");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    program.prints("not taken");
    // It is taken as soon as the store can be written to, without being asked again.
    other.execute_batch("ROLLBACK").unwrap();
    program.prints("taken anew");
    program.signal("-TERM");
    assert!(program.ended());
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_cannot_keep_anything_says_so_and_is_not_ready() {
    let Some(disk) = crate::store::faults::Disk::of("2m") else { return };
    let greeter = Greeter::new();
    let store = format!("sqlite:{}", disk.root().join("kept.db").display());
    let program = Program::start(greeter.0.path(), &["--store", &store], "");
    let client = client(LONG);
    let (ready, converse) = (format!("http://{}/readyz", program.at), format!("http://{}/api/v1/agents/default/converse", program.at));
    let is_ready = async || client.get(&ready).send().await.unwrap();
    assert_eq!(said(&program).await, "Hello.");
    assert_eq!(is_ready().await.status(), 200);
    let filler = disk.root().join("filler");
    assert!(std::fs::write(&filler, vec![7; 4 << 20]).is_err(), "the disk is not full");
    let turn = async || client.post(&converse).json(&serde_json::json!({"message": "hi"})).send().await.unwrap().status();
    let mut turns = 0;
    while turn().await != 503 {
        turns += 1;
        assert!(turns < 1_000, "a full disk takes turn after turn");
    }
    program.prints("nothing is kept: the store cannot be written to: its disk is full");
    let answer = is_ready().await;
    assert_eq!(answer.status(), 503);
    let problem: serde_json::Value = answer.json().await.unwrap();
    assert_eq!(problem["detail"], "the store did not keep what was last committed", "why is not for anybody");
    std::fs::remove_file(filler).unwrap();
    assert_eq!(said(&program).await, "Hello.");
    program.prints("turns are kept again");
    assert_eq!(is_ready().await.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_goes_on_where_nobody_reads_what_it_prints() {
    let greeter = Greeter::new();
    let mut program = Program::start(greeter.0.path(), &["--store", "memory", "--log", "trace"], "");
    program.unread();
    // The first lines may still be read.
    for _ in 0..3 {
        assert_eq!(said(&program).await, "Hello.");
    }
    greeter.write("name: [");
    // That it is not taken, nobody can see.
    tokio::time::sleep(Duration::from_secs(1)).await;
    greeter.greets("Good day.");
    let mut says = said(&program).await;
    for _ in 0..50 {
        if says == "Good day." {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        says = said(&program).await;
    }
    assert_eq!(says, "Good day.");
    program.signal("-TERM");
    assert!(program.ended());
}

#[tokio::test(flavor = "multi_thread")]
async fn it_waits_for_nobody_to_read_what_it_prints() {
    let greeter = Greeter::new();
    let mut child = Program::command(greeter.0.path(), &["--store", "memory", "--log", "trace"]).spawn().unwrap();
    let mut printed = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("listening on") {
        line.clear();
        assert_ne!(printed.read_line(&mut line).unwrap(), 0);
    }
    let mut program = Program { child, lines: channel().1, at: address(&line) };
    // Past what a pipe holds.
    for _ in 0..400 {
        assert_eq!(said(&program).await, "Hello.");
    }
    greeter.greets("Good day.");
    let mut turns = 0;
    while said(&program).await != "Good day." {
        turns += 1;
        assert!(turns < 100_000, "it is not taken anew");
    }
    program.signal("-TERM");
    assert!(program.ended());
    let mut kept = String::new();
    printed.read_to_string(&mut kept).unwrap();
    assert!(kept.len() > 0xE000, "{} bytes do not fill a pipe", kept.len());
}

#[test]
fn without_keys_it_does_not_listen_for_others() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_waypost"));
    let root = root();
    let ran = command
        .args(["serve", root.to_str().unwrap(), "--listen", "0.0.0.0:0", "--store", "memory"])
        .env("SHOP_URL", "http://127.0.0.1:9")
        .output()
        .unwrap();
    let err = String::from_utf8(ran.stderr).unwrap();
    assert_eq!((ran.status.code(), ran.stdout.len()), (Some(2), 0));
    assert!(err.contains("without keys only this machine is served"), "{err}");
}
