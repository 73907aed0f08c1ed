//! The program itself, run as people and scripts run it: what it prints where, and how it ends.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// What a run of the program came to.
struct Ran {
    status: i32,
    out: String,
    err: String,
}

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_waypost"));
    command.args(args).current_dir(ROOT).env_remove("CLICOLOR_FORCE").env_remove("NO_COLOR").env("COLUMNS", "100");
    command
}

fn ran(output: Output) -> Ran {
    let text = |bytes| String::from_utf8(bytes).expect("the program prints UTF-8");
    Ran { status: output.status.code().expect("it ends by itself"), out: text(output.stdout), err: text(output.stderr) }
}

fn waypost(args: &[&str]) -> Ran {
    ran(command(args).stdin(Stdio::null()).output().expect("it starts"))
}

/// Runs it with those lines typed at it.
fn typed(args: &[&str], lines: &str) -> Ran {
    let mut child = command(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    // A program that ends with an error need not have read.
    drop(child.stdin.take().expect("a pipe").write_all(lines.as_bytes()));
    ran(child.wait_with_output().expect("it ends"))
}

/// A workspace as `new` makes it.
fn workspace() -> (TempDir, String) {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("parcels").to_str().expect("UTF-8").to_owned();
    assert_eq!(waypost(&["new", &path]).status, 0);
    (dir, path)
}

fn edit(workspace: &str, file: &str, from: &str, to: &str) -> PathBuf {
    let path = Path::new(workspace).join(file);
    let text = std::fs::read_to_string(&path).expect("the file is there");
    assert!(text.contains(from), "{from} is not in {file}");
    std::fs::write(&path, text.replacen(from, to, 1)).expect("written");
    path
}

#[test]
fn help_goes_to_standard_output_and_usage_errors_end_with_2() {
    let help = waypost(&["--help"]);
    assert_eq!((help.status, help.err.as_str()), (0, ""));
    let commands: Vec<&str> = help
        .out
        .lines()
        .skip_while(|l| *l != "Commands:")
        .skip(1)
        .take_while(|l| !l.is_empty())
        .filter_map(|l| l.split_whitespace().next())
        .collect();
    assert_eq!(commands, COMMANDS);
    for command in COMMANDS {
        let help = waypost(&[command, "--help"]);
        assert_eq!((help.status, help.err.as_str()), (0, ""), "{command}");
        assert!(help.out.contains("Examples:"), "{command} has no examples");
    }
    for wrong in [&["server"][..], &["check", "--format", "yaml"], &["graph"], &[]] {
        let ran = waypost(wrong);
        assert_eq!((ran.status, ran.out.as_str()), (2, ""), "{wrong:?}");
        assert!(!ran.err.is_empty(), "{wrong:?} says nothing");
    }
}

const COMMANDS: &[&str] = &[
    "demo",
    "new",
    "check",
    "explain",
    "chat",
    "test",
    "record",
    "replay",
    "explore",
    "mutate",
    "serve",
    "mcp",
    "decide",
    "trigger",
    "deliveries",
    "provider",
    "audit",
    "store",
    "graph",
    "schema",
    "completions",
];

#[test]
fn a_directory_that_is_no_workspace_is_told_so() {
    let empty = tempfile::tempdir().expect("a directory");
    let path = empty.path().to_str().expect("UTF-8");
    for (path, says) in [
        (path, "it has no `waypost.yaml`, `journeys/`, `integrations/` or `datapoints/`"),
        ("no-such-place", "there is no `no-such-place`"),
        ("Cargo.toml", "is a file, not a workspace"),
    ] {
        let ran = waypost(&["check", path]);
        assert_eq!((ran.status, ran.out.as_str()), (2, ""), "{path}");
        assert!(ran.err.contains(says) && ran.err.contains("help:"), "{}", ran.err);
    }
}

#[test]
fn check_points_at_the_fault_in_every_format_and_ends_with_1() {
    let (_dir, path) = workspace();
    let clean = waypost(&["check", &path, "--deny", "warnings"]);
    assert_eq!((clean.status, clean.out.as_str()), (0, ""), "{}", clean.err);
    assert_eq!(clean.err, "no findings in 2 journeys and 1 integration\n");

    edit(&path, "journeys/track-parcel.yaml", "parcels.get-parcel ->", "parcels.get-parcle ->");
    let full = waypost(&["check", &path]);
    assert_eq!(full.status, 1);
    assert!(full.out.contains("WP0201") && full.out.contains("journeys/track-parcel.yaml:12:"), "{}", full.out);
    assert!(!full.out.contains('\x1b'), "no colour in a pipe");
    assert!(waypost(&["check", &path, "--color", "always"]).out.contains('\x1b'));

    let json: Value = serde_json::from_str(&waypost(&["check", &path, "--format", "json"]).out).expect("JSON");
    let found = &json["diagnostics"][0];
    assert_eq!((found["code"].as_str(), found["severity"].as_str(), found["line"].as_u64()), (Some("WP0201"), Some("error"), Some(12)));
    assert_eq!(found["file"], "journeys/track-parcel.yaml");
    assert_eq!(json["summary"]["errors"], 1);
    let sarif: Value = serde_json::from_str(&waypost(&["check", &path, "--format", "sarif"]).out).expect("JSON");
    assert_eq!(sarif["version"], "2.1.0");
    assert!(waypost(&["check", &path, "--format", "concise"]).out.lines().count() == 1);
    assert!(waypost(&["check", &path, "--format", "github"]).out.starts_with("::error "));
}

#[test]
fn warnings_fail_only_where_they_are_denied() {
    let (_dir, path) = workspace();
    edit(&path, "integrations/parcels.yaml", "auth_type: none", "auth_type: bearer\n  credentials: {api_key: abcdef0123456789}");
    let ran = waypost(&["check", &path]);
    assert_eq!(ran.status, 0, "{}{}", ran.out, ran.err);
    assert!(ran.out.contains("WP0801"), "{}", ran.out);
    assert_eq!(waypost(&["check", &path, "--deny", "warnings"]).status, 1);
}

#[test]
fn a_file_that_is_not_utf8_is_a_finding() {
    let (_dir, path) = workspace();
    std::fs::write(Path::new(&path).join("journeys/latin.yaml"), b"name: caf\xe9\n").expect("written");
    let ran = waypost(&["check", &path, "--format", "concise"]);
    assert_eq!(ran.status, 1);
    assert!(ran.out.contains("WP0101") && ran.out.contains("not UTF-8"), "{}", ran.out);
}

#[test]
fn watching_checks_again_after_a_change() {
    let (_dir, path) = workspace();
    let mut child = command(&["check", &path, "--watch", "--format", "concise"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut said = BufReader::new(child.stderr.take().expect("a pipe")).lines().map(|l| l.expect("UTF-8"));
    assert!(said.find(|l| l.starts_with("watching")).is_some());
    edit(&path, "journeys/track-parcel.yaml", "get-parcel ->", "get-parcle ->");
    let seen: Vec<String> = said.by_ref().take_while(|l| !l.starts_with("watching")).collect();
    child.kill().expect("stopped");
    child.wait().expect("stopped");
    assert!(seen.iter().any(|l| l.starts_with("1 error ")), "{seen:?}");
}

#[test]
fn new_refuses_what_is_there_already() {
    let (_dir, path) = workspace();
    let again = waypost(&["new", &path]);
    assert_eq!(again.status, 2);
    assert!(again.err.contains("is not empty") && again.err.contains("help:"), "{}", again.err);
    assert_eq!(waypost(&["new", "Cargo.toml"]).status, 2);
}

#[test]
fn explain_knows_every_code_and_what_was_meant() {
    for written in ["WP0401", "wp0401", "0401", "401"] {
        let ran = waypost(&["explain", written]);
        assert!(ran.status == 0 && ran.out.contains("WP0401"), "{written}");
    }
    assert_eq!(waypost(&["explain"]).out.lines().count(), waypost::source::CODES.len());
    let unknown = waypost(&["explain", "WP9999"]);
    assert_eq!((unknown.status, unknown.out.as_str()), (2, ""));
}

#[test]
fn graphs_are_drawn_in_three_formats() {
    let (_dir, path) = workspace();
    let mermaid = waypost(&["graph", "redirect-parcel", &path]);
    assert_eq!(mermaid.status, 0, "{}", mermaid.err);
    insta::assert_snapshot!(mermaid.out);
    let dot = waypost(&["graph", "redirect_parcel", &path, "--format", "dot"]).out;
    assert!(dot.starts_with("digraph") && dot.contains("parcels.redirect-parcel"), "{dot}");
    let svg = waypost(&["graph", "redirect-parcel", &path, "--format", "svg"]).out;
    assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>") && svg.contains("parcels.redirect-parcel"));
    let unknown = waypost(&["graph", "redirect-parcl", &path]);
    assert_eq!(unknown.status, 2);
    assert!(unknown.err.contains("did you mean `redirect-parcel`?"), "{}", unknown.err);
}

#[test]
fn an_action_is_triggered_from_the_shell() {
    let shipped = env!("CARGO_MANIFEST_DIR");
    let go = |more: &[&str]| {
        let mut args = vec!["trigger", "tell-care", shipped, "--entity", "c-1", "--timestamp", "2026-01-05T09:00:00Z", "--store", "memory"];
        args.extend(more);
        waypost(&args)
    };
    let json = |out: &str| -> Value { serde_json::from_str(out).expect("JSON") };
    let dry = go(&["--version", "1", "--dry-run"]);
    let shown = json(&dry.out);
    assert_eq!((dry.status, &shown["status"], &shown["payload_sent"]), (0, &"would_trigger".into(), &Value::Null), "{}", dry.err);
    let message = "conversation c-1 was handed to customer care at 2026-01-05T09:00:00Z";
    assert_eq!(shown["payload_preview"]["message"], message);
    assert!(!dry.err.contains(message), "{}", dry.err);
    let wet = go(&["--version", "1"]);
    assert_eq!((wet.status, &json(&wet.out)["status"]), (0, &"triggered".into()), "{}", wet.err);
    assert!(wet.err.contains(message), "the log channel is the program's log: {}", wet.err);
    let unknown = go(&["--version", "9"]);
    assert_eq!((unknown.status, unknown.out.as_str()), (2, ""));
    assert!(unknown.err.contains("there is no action `tell-care` of version `9`"), "{}", unknown.err);
    let none = waypost(&["deliveries", shipped, "--dead", "--store", "memory"]);
    assert_eq!((none.status, none.out.as_str(), none.err.as_str()), (0, "", "there are none\n"));
    let directory = tempfile::tempdir().unwrap();
    let mistyped = directory.path().join("typo.db");
    let nowhere = waypost(&["deliveries", shipped, "--store", &format!("sqlite:{}", mistyped.display())]);
    assert!(nowhere.status == 2 && nowhere.err.contains("there is no store") && !mistyped.exists(), "{}", nowhere.err);
}

#[test]
fn schemas_accept_the_files_that_new_makes() {
    let (_dir, path) = workspace();
    for (kind, file) in
        [("journey", "journeys/track-parcel.yaml"), ("integration", "integrations/parcels.yaml"), ("settings", "waypost.yaml")]
    {
        let schema: Value = serde_json::from_str(&waypost(&["schema", kind]).out).expect("JSON");
        let text = std::fs::read_to_string(Path::new(&path).join(file)).expect("the file is there");
        let parsed = waypost::syntax::parse(waypost::source::FileId(0), &text);
        let document = parsed.documents.first().expect("a document").json();
        let validator = jsonschema::validator_for(&schema).expect("a schema");
        let faults: Vec<String> = validator.iter_errors(&document).map(|e| e.to_string()).collect();
        assert!(faults.is_empty(), "{file}: {faults:?}");
    }
    assert_eq!(waypost(&["schema", "jorney"]).status, 2);
}

#[test]
fn completions_are_made_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let ran = waypost(&["completions", shell]);
        assert!(ran.status == 0 && ran.out.contains("check"), "{shell}");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let mut child = command(&["schema", "journey"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    drop(child.stdout.take());
    let ran = ran(child.wait_with_output().expect("it ends"));
    assert_eq!((ran.status, ran.err.as_str()), (0, ""));
}

/// The conversation of a chat with the stubs that `new` makes.
fn chat(path: &str, args: &[&str], lines: &str) -> Ran {
    let stubs = format!("{path}/stubs.yaml");
    typed(&[&["chat", path, "--stubs", &stubs], args].concat(), lines)
}

#[test]
fn a_chat_reads_lines_and_prints_what_is_said() {
    let (_dir, path) = workspace();
    let ran = chat(&path, &[], "where is my parcel?\nP1234\n");
    assert_eq!(ran.status, 0, "{}", ran.err);
    insta::assert_snapshot!(ran.out, @"
    you>   where is my parcel?
    agent> What is the number of your parcel? It looks like P1234.
    you>   P1234
    agent> Parcel P1234 is on its way to 1 High Street.
    ");
}

#[test]
fn a_chat_does_not_begin_in_a_journey_that_others_run() {
    let root = env!("CARGO_MANIFEST_DIR");
    let ran = chat(root, &["--journey", "verify-identity"], "");
    assert_eq!(ran.status, 2);
    assert!(ran.err.contains("`verify-identity` is only run by other journeys") && ran.err.contains("cancel-order"), "{}", ran.err);
    let ran = chat(root, &["--journey", "verify-idenity"], "");
    assert!(ran.err.contains("has no journey `verify-idenity`") && !ran.err.contains("verify-identity"), "{}", ran.err);
}

#[test]
fn a_chat_takes_commands_after_a_slash() {
    let (_dir, path) = workspace();
    let lines =
        "/start redirect-parcel parcel-number=P1234\n/fill new_street=\"2 Mill Lane\"\n/confirm\n/why\n/fil x=1\nyes\n/quit\nnot read\n";
    let ran = chat(&path, &["--trace"], lines);
    assert_eq!(ran.status, 0, "{}", ran.err);
    assert!(ran.out.contains("Shall I send parcel P1234 to 2 Mill Lane?") && ran.out.contains("Done: parcel P1234"), "{}", ran.out);
    assert!(!ran.out.contains("not read"));
    for said in ["refused (forbidden)", "at redirect-parcel, step confirm", "did you mean `/fill`?", "parcels.redirect-parcel", "allow"] {
        assert!(ran.err.contains(said), "{said} is not in\n{}", ran.err);
    }
}

#[test]
fn what_waits_in_a_chat_is_approved_by_an_operator() {
    let (_dir, path) = workspace();
    let file = std::path::Path::new(&path).join("integrations/parcels.yaml");
    let text = std::fs::read_to_string(&file).expect("a file");
    let held = text.replace("requires_confirmation: true", "requires_confirmation: true, requires_approval: {role: clerk}");
    assert_ne!(text, held);
    std::fs::write(&file, held).expect("written");
    let lines = "/start redirect-parcel parcel-number=P1234\n/fill new_street=\"2 Mill Lane\"\nyes\nyes\n/approve it is known\n/approve\n";
    let ran = chat(&path, &["--trace"], lines);
    let (waits, done) = (ran.out.find("needs somebody's approval"), ran.out.find("Done: parcel P1234"));
    assert!(waits.is_some() && waits < done, "{}{}", ran.out, ran.err);
    for said in ["approved by operator:operator: it is known", "refused (not_now): nothing is held"] {
        assert!(ran.err.contains(said), "{said} is not in\n{}", ran.err);
    }
}

#[test]
fn options_are_numbered_and_picked_by_number() {
    let (_dir, path) = workspace();
    let ran = chat(&path, &[], "hello\n1\n");
    assert!(ran.out.contains("1. ") && ran.out.contains("2. "), "{}", ran.out);
    assert!(ran.out.contains("What is the number of your parcel?"), "{}", ran.out);
}

#[test]
fn time_passes_in_a_chat_and_a_yes_grows_old() {
    let (_dir, path) = workspace();
    let ran = chat(&path, &[], "redirect parcel P1234\n/wait 25h\n");
    assert!(ran.err.contains("abandoned"), "{}", ran.err);
}

#[test]
fn a_chat_says_why_a_service_was_not_reached() {
    let (_dir, path) = workspace();
    // The port was free a moment ago, and nobody listens on it.
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let mut program = command(&["chat", &path]);
    let mut child = program
        .env("PARCELS_URL", format!("http://{free}"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    child.stdin.take().expect("a pipe").write_all(b"where is my parcel P1234\n/why\n").expect("it reads");
    let ran = ran(child.wait_with_output().expect("it ends"));
    assert_eq!(ran.status, 0, "{}", ran.err);
    assert!(ran.err.contains("error: connect (refused): the service refused the connection"), "{}", ran.err);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a server beside the program that is tried")]
fn a_dry_run_sends_reads_and_shows_writes() {
    let server = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", server.local_addr().expect("an address"));
    let asked = std::thread::spawn(move || {
        let mut asked = Vec::new();
        for stream in server.incoming().take(1) {
            let mut stream = stream.expect("a connection");
            let mut line = String::new();
            BufReader::new(stream.try_clone().expect("a handle")).read_line(&mut line).expect("a request");
            asked.push(line.trim().to_owned());
            let body = r#"{"id": "P1234", "status": "in_transit", "street": "1 High Street"}"#;
            write!(
                stream,
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            )
            .expect("answered");
        }
        asked
    });
    let (_dir, path) = workspace();
    let mut child = command(&["chat", &path, "--dry-run"])
        .env("PARCELS_URL", &url)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let lines = "where is my parcel P1234?\nredirect parcel P1234\n2 Mill Lane\nyes\n";
    child.stdin.take().expect("a pipe").write_all(lines.as_bytes()).expect("it reads");
    let ran = ran(child.wait_with_output().expect("it ends"));
    assert_eq!(asked.join().expect("served"), ["GET /parcels/P1234 HTTP/1.1"]);
    assert!(ran.out.contains("on its way to 1 High Street"), "{}{}", ran.out, ran.err);
    assert!(ran.err.contains("not sent: PUT /parcels/P1234/street") && ran.err.contains("2 Mill Lane"), "{}", ran.err);
    assert!(!ran.out.contains("Done:"), "{}", ran.out);
}

#[test]
fn a_chat_says_which_secret_is_missing() {
    let (_dir, path) = workspace();
    let ran = typed(&["chat", &path], "where is my parcel P1234?\n");
    assert_eq!(ran.status, 0);
    assert!(ran.err.contains("`parcels` cannot be called") && ran.err.contains("PARCELS_URL"), "{}", ran.err);
}

#[test]
fn a_chat_refuses_files_that_it_cannot_use() {
    let (_dir, path) = workspace();
    let stubs = edit(&path, "stubs.yaml", "parcels.get-parcel:", "parcels.get-parcle:");
    let ran = typed(&["chat", &path, "--stubs", stubs.to_str().expect("UTF-8")], "hello\n");
    assert_eq!(ran.status, 2);
    assert!(ran.err.contains("did you mean `parcels.get-parcel`?"), "{}", ran.err);
    assert_eq!(typed(&["chat", &path, "--context", "no-such-file"], "").status, 2);
    assert_eq!(typed(&["chat", &path, "--journey", "no-such-journey"], "").status, 2);
    edit(&path, "journeys/track-parcel.yaml", "get-parcel ->", "get-parcle ->");
    let ran = typed(&["chat", &path], "hello\n");
    assert_eq!((ran.status, ran.out.as_str()), (1, ""));
    assert!(ran.err.contains("WP0201"));
}

#[test]
fn the_demo_plays_from_any_directory() {
    let elsewhere = tempfile::tempdir().expect("a directory");
    let ran = ran(command(&["demo"]).current_dir(elsewhere.path()).stdin(Stdio::null()).output().expect("it starts"));
    assert_eq!(ran.status, 0, "{}", ran.err);
    for said in ["Order H1017 is on its way", "refused (forbidden)", "Order H1042 is cancelled", "POST /orders/H1042/cancellation"] {
        assert!(ran.out.contains(said), "{said} is not in\n{}", ran.out);
    }
    assert_eq!(ran.out.matches("POST /orders/H1042/cancellation").count(), 1);
    assert!(ran.out.contains("/orders/H1043/cancellation   409"), "the shop refuses one: {}", ran.out);
    assert!(!ran.out.contains("\"code\":\"4"), "a code is shown: {}", ran.out);
}

#[test]
fn the_demo_brings_the_whole_shipped_workspace() {
    let shipped = waypost::driver::files::read_dir(Path::new(ROOT)).expect("it can be read");
    let mut brought: Vec<(String, std::sync::Arc<str>)> =
        waypost::cli::demo::WORKSPACE.iter().map(|(name, text)| ((*name).to_owned(), (*text).into())).collect();
    brought.sort();
    assert_eq!(brought, shipped);
}

#[test]
fn a_store_is_looked_after() {
    let (dir, path) = workspace();
    let file = dir.path().join("kept.db");
    let (store, copy) = (format!("sqlite:{}", file.display()), dir.path().join("copy.db").to_str().expect("UTF-8").to_owned());
    let missing = waypost(&["store", "stat", "--store", &store]);
    assert_eq!(missing.status, 2);
    assert!(missing.err.contains("there is no store"), "{}", missing.err);
    let unnamed = waypost(&["store", "stat", "--workspace", &path]);
    assert!(unnamed.status == 2 && unnamed.err.contains("--store sqlite:FILE"), "{}", unnamed.err);

    let talk = typed(&["chat", &path, "--store", &store, "--conversation", "c-1"], "where is my parcel?\n");
    assert_eq!(talk.status, 0, "{}", talk.err);
    let beside: Vec<_> = std::fs::read_dir(dir.path()).expect("it can be read").filter_map(|e| Some(e.ok()?.file_name())).collect();
    assert!(beside.iter().all(|name| !name.to_string_lossy().starts_with("kept.db-")), "{beside:?}");
    let stat = waypost(&["store", "stat", "--store", &store]);
    assert!(stat.status == 0 && stat.out.contains("conversations  1, 1 of which may go on"), "{}{}", stat.out, stat.err);
    let stat = waypost(&["store", "stat", "--store", &store, "--format", "json"]);
    let stat: Value = serde_json::from_str(&stat.out).expect("JSON");
    assert_eq!((&stat["kind"], &stat["schema"], &stat["conversations"]), (&"sqlite".into(), &5.into(), &1.into()));

    let copied = waypost(&["store", "backup", &copy, "--store", &store]);
    assert_eq!(copied.status, 0, "{}", copied.err);
    let again = waypost(&["store", "backup", &copy, "--store", &store]);
    assert!(again.status == 2 && again.err.contains("is there already"), "{}", again.err);

    let erased = waypost(&["store", "erase", "--user", "you", "--store", &store, "--format", "json"]);
    assert_eq!(erased.status, 0, "{}", erased.err);
    let erased: Value = serde_json::from_str(&erased.out).expect("JSON");
    assert_eq!(erased["conversations"], 1);
    assert!(erased["audit"].as_u64() > Some(0));
    let gone = typed(&["chat", &path, "--store", &store, "--conversation", "c-1"], "hello\n");
    assert!(gone.status == 2 && gone.err.contains("was erased with its user"), "{}", gone.err);
    let kept = waypost(&["store", "stat", "--store", &format!("sqlite:{copy}"), "--format", "json"]);
    assert_eq!(serde_json::from_str::<Value>(&kept.out).expect("JSON")["unfinished"], 1, "a copy is another store");
}

#[test]
fn a_condition_is_decided_in_a_workspace() {
    let data = r#"{"queue": "customer-care", "in_doubt": []}"#;
    let decide = |more: &[&str]| waypost(&[&["decide", "handed-to-care", "--entity", "c-1", "--store", "memory"], more].concat());
    let ran = decide(&["--version", "1", "--data", data, "--format", "json"]);
    assert!(ran.status == 0 && ran.err.contains("channel=\"care\""), "the bound action is done: {}", ran.err);
    let decision: Value = serde_json::from_str(&ran.out).expect("JSON");
    assert_eq!((&decision["value"], &decision["condition_version"], &decision["entity"]), (&true.into(), &"1".into(), &"c-1".into()));
    let said = decide(&["--version", "1", "--dry-run", "--timestamp", "2026-01-05T09:00:00Z"]);
    assert!(said.out.starts_with("unknown handed-to-care 1 for c-1 at 2026-01-05T09:00:00Z, a dry run\n  missing_input: "), "{}", said.out);
    let gone = decide(&["--version", "7"]);
    assert_eq!(gone.status, 2);
    assert!(gone.err.contains("there is no condition `handed-to-care` of version `7`"), "{}", gone.err);
    for (data, said) in [("[]", "`--data` is no object"), ("{", "`--data` is not JSON"), ("@gone.json", "there is no `gone.json`")] {
        let wrong = decide(&["--version", "1", "--data", data]);
        assert_eq!(wrong.status, 2);
        assert!(wrong.err.contains(said), "{}", wrong.err);
    }
    let nobody = decide_there("http://127.0.0.1:9");
    assert_eq!(nobody.status, 2);
    assert!(nobody.err.contains("`http://127.0.0.1:9` does not answer"), "{}", nobody.err);
    assert!(decide_there("ftp://here").err.contains("`ftp://here` is no address of a service"));
}

#[test]
fn a_dry_run_leaves_the_files_as_drafts() {
    let (dir, path) = workspace();
    let root = std::path::Path::new(&path);
    let store = format!("sqlite:{}", dir.path().join("tried.db").display());
    let draft = |above: u32| {
        let rule = format!("strategy: {{type: threshold, params: {{direction: above, value: {above}}}}}");
        let text = format!("condition_id: big\nversion: 1\nnamespace: org\ninput: data.n\n{rule}\n");
        let not = "---\ncondition_id: small\nversion: 1\nnamespace: org\nstrategy: {type: composite, params: {operator: NOT, operands: [{condition_id: big, condition_version: 1}]}}\n";
        let action = "action_id: note\nversion: 1\nnamespace: org\nconfig: {type: register, primitive_id: org.small}\ntrigger: {fire_on: any, condition_id: small, condition_version: 1}\n";
        for (name, text) in [("conditions/big.yaml", text + not), ("actions/note.yaml", format!("description: above {above}\n{action}"))] {
            std::fs::create_dir_all(root.join(name).parent().expect("it has one")).expect("a directory");
            std::fs::write(root.join(name), text).expect("a file");
        }
    };
    let go = |command: &[&str], more: &[&str]| {
        waypost(&[command, &[&*path, "--version", "1", "--entity", "c-1", "--store", &store], more].concat())
    };
    let decide = |more: &[&str]| go(&["decide", "small", "--data", r#"{"n": 5}"#], more);
    for (above, value) in [(3, "false"), (7, "true"), (4, "false")] {
        draft(above);
        let ran = decide(&["--dry-run"]);
        assert!(ran.status == 0 && ran.out.starts_with(&format!("{value} small 1")), "{}{}", ran.out, ran.err);
        assert!(ran.out.contains("note 1: would_trigger"), "{}", ran.out);
        let ran = go(&["trigger", "note"], &["--dry-run"]);
        assert_eq!(ran.status, 0, "{}", ran.err);
        let listed = waypost(&["deliveries", &path, "--store", &store]);
        assert_eq!(listed.status, 0, "{}", listed.err);
    }
    // What is meant in earnest is registered, all of it, and then never changes; a draft of it is still looked at.
    assert_eq!(decide(&[]).status, 0);
    draft(9);
    let changed = decide(&[]);
    assert_eq!(changed.status, 2);
    assert!(changed.err.contains("`big` of version `1` was registered as something else, and never changes"), "{}", changed.err);
    let ran = decide(&["--dry-run"]);
    assert!(ran.out.starts_with("true small 1"), "{}{}", ran.out, ran.err);
}

#[test]
fn what_is_sent_again_takes_no_other_with_it() {
    let (dir, path) = workspace();
    let root = std::path::Path::new(&path);
    let settings = std::fs::read_to_string(root.join("waypost.yaml")).expect("the settings");
    assert!(!settings.contains("\negress:"), "{settings}");
    std::fs::write(root.join("waypost.yaml"), format!("{settings}\negress: {{allow_hosts: ['127.0.0.1:9']}}\n")).expect("a file");
    std::fs::create_dir_all(root.join("actions")).expect("a directory");
    std::fs::create_dir_all(root.join("conditions")).expect("a directory");
    let always = "condition_id: always\nversion: 1\nnamespace: org\nstrategy: {type: expression, params: {expression: 'true'}}\n";
    std::fs::write(root.join("conditions/always.yaml"), always).expect("a file");
    for (id, retries) in [("waits", 9), ("gone", 0)] {
        let text = format!(
            "action_id: {id}\nversion: 1\nnamespace: org\nconfig: {{type: webhook, endpoint: 'http://127.0.0.1:9/in'}}\n\
             trigger: {{fire_on: any, condition_id: always, condition_version: 1}}\ndelivery: {{retries: {retries}, backoff_ms: 0}}\n"
        );
        std::fs::write(root.join(format!("actions/{id}.yaml")), text).expect("a file");
    }
    let store = format!("sqlite:{}", dir.path().join("sent.db").display());
    let go = |args: &[&str]| waypost(&[args, &["--store", &store]].concat());
    for id in ["waits", "gone"] {
        let ran = go(&["trigger", id, &path, "--version", "1", "--entity", "c-1"]);
        assert_eq!(ran.status, 1, "{}{}", ran.out, ran.err);
    }
    let one = |args: &[&str]| -> Value {
        let ran = go(&[&["deliveries", &path], args].concat());
        assert_eq!(ran.status, 0, "{}", ran.err);
        serde_json::from_str(&ran.out).expect("one line of JSON")
    };
    let dead = one(&["--dead"]);
    assert_eq!((&dead["action_id"], &dead["tries"]), (&"gone".into(), &1.into()));
    let again = one(&["--retry", dead["delivery_id"].as_str().expect("an id")]);
    assert_eq!((&again["action_id"], &again["status"], &again["tries"]), (&"gone".into(), &"dead".into(), &1.into()), "{again}");
    let other = one(&[]);
    assert_eq!((&other["action_id"], &other["tries"]), (&"waits".into(), &1.into()), "{other}");
}

#[test]
fn a_variable_that_is_set_to_nothing_is_not_set() {
    let with = |level: &str, format: &str| {
        ran(command(&["explain", "WP0105"]).envs([("WAYPOST_LOG", level), ("WAYPOST_LOG_FORMAT", format)]).output().unwrap())
    };
    let nothing = with("", "");
    assert_eq!((nothing.status, &*nothing.err), (0, ""));
    assert!(with("loud", "").err.contains("[possible values: off, error, warn, info, debug, trace]"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_answers_and_is_no_service_of_ours_is_said() {
    let server = crate::outbound::server::Server::start(|_| crate::outbound::server::json("{}")).await.url();
    let asked = async |args: &[&str]| {
        let args: Vec<String> = args.iter().chain(&["--server", &server]).map(|&a| a.to_owned()).collect();
        tokio::task::spawn_blocking(move || waypost(&args.iter().map(String::as_str).collect::<Vec<_>>())).await.unwrap()
    };
    let about = ["--version", "1", "--entity", "c-1"];
    for (args, key) in [
        ([&["decide", "any"], &about[..]].concat(), "decision_id"),
        ([&["trigger", "any"], &about[..]].concat(), "status"),
        (vec!["deliveries"], "items"),
        (vec!["deliveries", "--retry", "1"], "delivery_id"),
        (vec!["provider", "discover", "any", "--conversation", "c-1"], "items"),
    ] {
        let ran = asked(&args).await;
        let said = format!("error: what answers at `{server}` is not `waypost serve`: its answer has no `{key}`");
        assert!(ran.status == 2 && ran.err.contains(&said) && ran.out.is_empty(), "{args:?}: {} {}", ran.out, ran.err);
    }
}

fn decide_there(server: &str) -> Ran {
    waypost(&["decide", "handed-to-care", "--version", "1", "--entity", "c-1", "--dry-run", "--server", server])
}
