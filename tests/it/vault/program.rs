//! `waypost audit`, as people and scripts run it, on a store that somebody has touched.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use rusqlite::Connection;
use serde_json::{Value as Json, json};
use waypost::check;
use waypost::driver::{Clock, Entropy, Runtime, Turn, Vault};
use waypost::engine::input::Open;
use waypost::engine::{Actor, CallEffect, CallResult, Principal};
use waypost::outbound::Secrets;
use waypost::store::SqliteStore;

const SETTINGS: &str = "secrets: [SEAL]\nstore: {url: 'sqlite:shop.db', seal_key: '${SEAL}'}\n";
const ASK: &str = "
name: Ask
trigger: {goal: Ask something, examples: [ask something]}
journey:
  - collect: [note]
  - done: 'Thank you.'
";
const NOTE: &str = "{name: Note, type: string, ui: {prompt: Which note?}}";
const SEAL: &str = "0123456789abcdef0123456789abcdef";

/// A workspace's directory with a store in which two conversations were held.
async fn shop() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let files = [("waypost.yaml", SETTINGS), ("journeys/ask.yaml", ASK), ("datapoints/note.yaml", NOTE)];
    for (name, text) in files {
        let path = directory.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let checked = check::load(files.map(|(name, text)| (name.to_owned(), Arc::from(text))).to_vec());
    let loaded = checked.loaded().unwrap_or_else(|| panic!("{:#?}", checked.diagnostics));
    let vault = Vault::new(&loaded.settings, &Secrets::given([("SEAL", SEAL)]), Entropy::System).unwrap();
    let store = SqliteStore::open(&directory.path().join("shop.db"), vault.seals().unwrap()).unwrap();
    let keys = vault.keys(&store).await.unwrap();
    let nobody = async |_: CallEffect| CallResult::answered(200, json!({}));
    let nobody = move |call: CallEffect| nobody(call);
    let runtime = Runtime::with(loaded, store, nobody, Clock::System, Entropy::System, keys).unwrap();
    for id in ["c-1", "c-2"] {
        let user = Arc::new(json!({"identity": {"user_id": "u"}}));
        let open = Open { conversation: id.into(), tenant: "acme".into(), agent: "default".into(), user_id: "u".into(), user };
        let key = runtime.open(open).await.unwrap();
        for text in ["ask something", "a note"] {
            runtime.turn(&key, Actor::User, Principal::default(), None, Turn::Message(text.into())).await.unwrap();
        }
    }
    directory
}

struct Ran {
    status: i32,
    out: String,
    err: String,
}

fn audit(directory: &Path, args: &[&str]) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_waypost"));
    command.arg("audit").args(args).current_dir(directory).env("SEAL", SEAL).stdin(Stdio::null());
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { status: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
}

fn touch(directory: &Path, sql: &str) {
    let changed = Connection::open(directory.join("shop.db")).unwrap().execute_batch(sql);
    changed.unwrap_or_else(|e| panic!("{sql}: {e}"));
}

#[tokio::test]
async fn an_audit_is_verified_and_exported() {
    let shop = shop().await;
    let whole = audit(shop.path(), &["verify"]);
    assert_eq!((whole.status, &*whole.out, &*whole.err), (0, "whole: 6 entries of 2 conversations\n", ""));
    let exported = audit(shop.path(), &["export", "--conversation", "c-2"]);
    let lines: Vec<Json> = exported.out.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!((exported.status, lines.len()), (0, 3));
    assert_eq!(
        (&lines[1]["tenant"], &lines[1]["conversation"], &lines[1]["seq"], &lines[1]["what"]),
        (&json!("acme"), &json!("c-2"), &json!(2), &json!("message"))
    );
    assert!(!exported.out.contains("a note"));
    let none = audit(shop.path(), &["export", "--tenant", "other"]);
    assert_eq!((none.status, &*none.out, &*none.err), (0, "", "there are none\n"));
    let nobody = audit(shop.path(), &["export", "--conversation", "c-9"]);
    assert_eq!((nobody.status, nobody.err.contains("no conversation `c-9`")), (2, true), "{}", nobody.err);
}

#[tokio::test]
async fn whoever_touched_the_store_is_named_with_conversation_and_entry() {
    let before = shop().await;
    let heads = before.path().join("heads.jsonl");
    let told = audit(before.path(), &["export", "--heads"]);
    assert_eq!(told.out.lines().count(), 2);
    std::fs::write(&heads, &told.out).unwrap();
    let heads = heads.to_str().unwrap();
    let whole = audit(before.path(), &["verify", "--heads", heads]);
    assert_eq!((whole.status, &*whole.out), (0, "whole: 6 entries of 2 conversations, against 2 ends that were kept\n"));
    // What a full disk leaves of an export is nothing to compare with.
    std::fs::write(before.path().join("empty.jsonl"), "\n").unwrap();
    let empty = audit(before.path(), &["verify", "--heads", "empty.jsonl"]);
    assert!(empty.status == 2 && empty.err.contains("there is no end of a chain in `empty.jsonl`"), "{}", empty.err);
    std::fs::write(before.path().join("bad.jsonl"), "no JSON").unwrap();
    assert_eq!(audit(before.path(), &["verify", "--heads", "bad.jsonl"]).status, 2);

    let of = "conversation = (SELECT row FROM conversations WHERE id = 'c-2')";
    for (sql, expected) in [
        (format!("UPDATE audit SET text = replace(text, 'message', 'massage') WHERE {of} AND seq = 2"), "changed acme/c-2: entry 2"),
        (format!("DELETE FROM audit WHERE {of} AND seq = 2"), "missing acme/c-2: entry 2"),
        (
            format!(
                "UPDATE audit SET seq = 9 WHERE {of} AND seq = 2; UPDATE audit SET seq = 2 WHERE {of} AND seq = 3; UPDATE audit SET seq = 3 WHERE {of} AND seq = 9"
            ),
            "moved acme/c-2: entry 2 holds what was written as entry 3",
        ),
        (format!("DELETE FROM audit WHERE {of} AND seq = 3"), "cut acme/c-2: entry 3"),
    ] {
        let shop = shop().await;
        touch(shop.path(), &sql);
        let found = audit(shop.path(), &["verify"]);
        assert_eq!(found.status, 1, "{sql}: {}{}", found.out, found.err);
        assert!(found.out.contains(expected), "{sql}: {}", found.out);
        let found: Json = serde_json::from_str(&audit(shop.path(), &["verify", "--format", "json"]).out).unwrap();
        assert_eq!(found["findings"][0]["id"], "c-2");
    }

    // The end is cut off, and everything that can be made to fit without the key is made to fit.
    touch(
        before.path(),
        &format!(
            "DELETE FROM audit WHERE {of} AND seq = 3; UPDATE conversations SET audit_seq = 2, audit_mac = (SELECT mac FROM audit WHERE {of} AND seq = 2) WHERE id = 'c-2'"
        ),
    );
    let found = audit(before.path(), &["verify"]);
    assert!(found.out.contains("end acme/c-2: entry 2 is not the end that was written"), "{}", found.out);
    // The store is another one: put back, or written anew with the same key.
    let rewritten = audit(shop().await.path(), &["verify", "--heads", heads]);
    assert_eq!(rewritten.status, 1);
    assert!(rewritten.out.contains("rewritten acme/c-1: entry 3 is another"), "{}", rewritten.out);
}

#[tokio::test]
async fn what_cannot_be_read_is_said_with_status_2() {
    let shop = shop().await;
    for (args, expected) in [
        (vec!["verify", "--store", "sqlite:nowhere.db"], "there is no store `nowhere.db`"),
        (vec!["verify", "--store", "memory"], "no store is named, and one in memory is gone with its program"),
        (vec!["verify", "--heads", "nowhere"], "there is no `nowhere`"),
        (vec!["verify", "/nowhere"], "there is no `/nowhere`"),
    ] {
        let ran = audit(shop.path(), &args);
        assert_eq!((ran.status, ran.err.contains(expected)), (2, true), "{}", ran.err);
        assert_eq!(ran.out, "");
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_waypost"));
    let ran = command.args(["audit", "verify"]).current_dir(shop.path()).env_remove("SEAL").output().unwrap();
    let told = String::from_utf8(ran.stderr).unwrap();
    assert!(told.contains("the environment variable `SEAL` is not set"), "{told}");
    let mut command = Command::new(env!("CARGO_BIN_EXE_waypost"));
    let ran = command.args(["audit", "verify"]).current_dir(shop.path()).env("SEAL", "short").output().unwrap();
    let told = String::from_utf8(ran.stderr).unwrap();
    assert!(told.contains("fewer than 32 characters"), "{told}");
}
