//! The program and real services: `check --connect`, and a signed webhook that a journey sends.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::outbound::server::{Seen, Server, answer, json};

fn workspace(files: &[(&str, &str)]) -> TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    for (name, text) in files {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a directory")).expect("made");
        std::fs::write(path, text).expect("written");
    }
    dir
}

/// Runs the program beside the server, which needs this thread's runtime.
async fn run(directory: &Path, url: &str, args: &[&str], typed: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_waypost"));
    command.args(args).current_dir(directory).env("URL", url).env("KEY", "k-1").env("SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let typed = typed.to_owned();
    let ended = tokio::task::spawn_blocking(move || {
        let mut child = command.spawn().expect("it starts");
        child.stdin.take().expect("a pipe").write_all(typed.as_bytes()).expect("it reads");
        child.wait_with_output().expect("it ends")
    });
    ended.await.expect("it ran")
}

fn service(name: &str, base_url: &str, more: &str) -> String {
    format!("name: {name}\ntype: rest_api\nconfig: {{base_url: \"{base_url}\", {more}}}\n")
}

#[tokio::test]
async fn each_service_says_whether_it_answers() {
    let server = Server::start(|seen: &Seen| match (seen.path(), seen.header("x-api-key")) {
        ("/health", Some("k-1")) => json("{}"),
        ("/health", _) => answer("401 Unauthorized", &[], b""),
        ("/broken", _) => answer("500 Internal Server Error", &[], b""),
        _ => answer("404 Not Found", &[], b""),
    })
    .await;
    let key = "auth_type: api_key, credentials: {api_key: \"${KEY}\"}, test_endpoint: /health";
    let good = workspace(&[
        ("integrations/keyed.yaml", &service("Keyed", "${URL}", key)),
        ("integrations/bare.yaml", &service("Bare", "${URL}", "auth_type: none")),
    ]);
    let ran = run(good.path(), &server.url(), &["check", "--connect"], "").await;
    let out = String::from_utf8_lossy(&ran.stdout).into_owned();
    assert_eq!(ran.status.code(), Some(0), "{out}");
    let bare = "✓ bare: it answers 404 at its base URL; a `test_endpoint` would say more\n";
    assert_eq!(out, format!("{bare}✓ keyed at `/health`: it answers 200\n"));

    let bad = workspace(&[
        ("integrations/keyed.yaml", &service("Keyed", "${URL}", key)),
        ("integrations/wrong.yaml", &service("Wrong", "${URL}", &key.replace("${KEY}", "${URL}"))),
        ("integrations/broken.yaml", &service("Broken", "${URL}", "auth_type: none, test_endpoint: /broken")),
        ("integrations/dead.yaml", &service("Dead", "http://127.0.0.1:1", "auth_type: none")),
        ("integrations/unset.yaml", &service("Unset", "${NOWHERE_URL}", "auth_type: none")),
    ]);
    let ran = run(bad.path(), &server.url(), &["check", "--connect", "--format", "json"], "").await;
    assert_eq!(ran.status.code(), Some(1));
    let found: Value = serde_json::from_slice(&ran.stdout).expect("JSON");
    let short = |c: &Value| json!([c["integration"], c["ok"], c["status"], c["code"]]);
    let all: Vec<Value> = found["connections"].as_array().expect("a list").iter().map(short).collect();
    assert_eq!(
        all,
        [
            json!(["broken", false, 500, null]),
            json!(["dead", false, null, "refused"]),
            json!(["keyed", true, 200, null]),
            json!(["unset", false, null, "misconfigured"]),
            json!(["wrong", false, 401, null]),
        ]
    );
    let ran = run(bad.path(), &server.url(), &["check", "--connect", "--format", "sarif"], "").await;
    assert_eq!(ran.status.code(), Some(2));
}

#[tokio::test]
async fn a_service_is_not_asked_while_the_workspace_has_errors() {
    let server = Server::start(|_| json("{}")).await;
    let broken = workspace(&[
        ("integrations/shop.yaml", &service("Shop", "${URL}", "auth_type: none")),
        ("journeys/a.yaml", "name: A\ncallable: true\njourney:\n  - goto: nowhere\n"),
    ]);
    let ran = run(broken.path(), &server.url(), &["check", "--connect"], "").await;
    assert_eq!((ran.status.code(), server.seen().len()), (Some(1), 0));
}

#[tokio::test]
async fn a_webhook_is_signed_and_bears_its_own_headers() {
    use base64::Engine as _;
    let server = Server::start(|_| json("{}")).await;
    let hook = "name: Hook
type: webhook
config:
  base_url: \"${URL}\"
  auth_type: hmac
  credentials: {secret: \"${SECRET}\", custom_headers: {X-Tenant: \"${KEY}\"}}
  default_headers: {X-From: waypost}
actions:
  - name: Tell
    type: write
    invocation: {endpoint: /told, headers: {X-Kind: note}}
    input_schema: {note: string}
    outcomes: [{name: told, condition: response.status == 200}]
    settings: {idempotency: key}
";
    let journey = "name: Tell
trigger: {goal: tell a colleague, examples: [tell a colleague]}
journey:
  - collect: [note]
  - confirm: [note]
  - action: hook.tell
    outcomes: {told: [{done: They know.}]}
";
    let dir = workspace(&[
        ("integrations/hook.yaml", hook),
        ("journeys/tell.yaml", journey),
        ("datapoints/note.yaml", "name: Note\ntype: string\n"),
    ]);
    let ran = run(dir.path(), &server.url(), &["chat", "--journey", "tell"], "we close at six\nyes\n").await;
    let out = String::from_utf8_lossy(&ran.stdout).into_owned();
    assert!(out.contains("They know."), "{out}{}", String::from_utf8_lossy(&ran.stderr));
    let seen = server.seen();
    let [told] = &*seen else { panic!("{seen:?}") };
    assert_eq!((told.line.as_str(), told.body.as_str()), ("POST /told HTTP/1.1", r#"{"note":"we close at six"}"#));
    assert_eq!([told.header("x-tenant"), told.header("x-from"), told.header("x-kind")], [Some("k-1"), Some("waypost"), Some("note")]);
    let (id, time) = (told.header("webhook-id").expect("an id"), told.header("webhook-timestamp").expect("a time"));
    assert_eq!(Some(id), told.header("idempotency-key"), "a write that is sent again is the same message");
    let base64 = base64::engine::general_purpose::STANDARD;
    let key = base64.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("base64");
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(&key).expect("a key");
    mac.update(format!("{id}.{time}.{}", told.body).as_bytes());
    let signature = format!("v1,{}", base64.encode(mac.finalize().into_bytes()));
    assert_eq!(told.header("webhook-signature"), Some(signature.as_str()));
}
