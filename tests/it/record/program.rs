//! `waypost record` and `waypost replay`, as somebody runs them.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use serde_json::Value;
use waypost::check;
use waypost::driver::files::read_dir;
use waypost::driver::{Clock, Entropy, Runtime};
use waypost::engine::input::Open;
use waypost::engine::{CallEffect, CallResult, Event, EventBody, Keys};
use waypost::store::{Seals, SqliteStore};
use waypost::transcript::record::{Header, Writer};

const RETAIL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/retail");

fn waypost(args: &[&str], typed: &str) -> (i32, String, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_waypost"))
        .args(args)
        .env_remove("SHOP_URL")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(typed.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// A workspace of parcels, with stubs in place of its service.
fn parcels(dir: &Path) -> (String, String) {
    let (shop, stubs) = (dir.join("parcels"), dir.join("stubs.yaml"));
    let (shop, stubs) = (shop.to_str().unwrap().to_owned(), stubs.to_str().unwrap().to_owned());
    assert_eq!(waypost(&["new", &shop], "").0, 0);
    std::fs::write(&stubs, "parcels.get-parcel: [{body: {id: P1234, status: in_transit, street: 1 High Street}}]\n").unwrap();
    (shop, stubs)
}

#[test]
fn a_chat_is_recorded_replayed_and_made_a_test() {
    let dir = tempfile::tempdir().unwrap();
    let (shop, stubs) = parcels(dir.path());
    let file = dir.path().join("c.jsonl");
    let file = file.to_str().unwrap();
    let (status, out, err) =
        waypost(&["chat", &shop, "--stubs", &stubs, "--record", file, "--bundle"], "where is my parcel?\nP1234\nthanks\n");
    assert_eq!(status, 0, "{out}{err}");
    // From the texts in the recording, from the directory, and not on another version.
    let (status, out, err) = waypost(&["replay", file, "--workspace", "/"], "");
    assert_eq!(status, 0, "{out}{err}");
    assert!(out.contains("1 recording, all the same"), "{out}");
    let (status, out, err) = waypost(&["chat", &shop, "--stubs", &stubs, "--record", file], "where is my parcel?\nP1234\n");
    assert_eq!(status, 0, "{out}{err}");
    assert_eq!(waypost(&["replay", file, "--workspace", &shop], "").0, 0);
    let (status, _, err) = waypost(&["replay", file, "--workspace", RETAIL], "");
    assert_eq!(status, 2);
    assert!(err.contains("could not be played"), "{err}");

    let (status, test, err) = waypost(&["record", "convert", file, "--workspace", &shop, "--name", "a parcel"], "");
    assert_eq!(status, 0, "{err}");
    std::fs::write(Path::new(&shop).join("tests/recorded.yaml"), &test).unwrap();
    let named = ["test", &shop, "--filter", "a parcel", "--format", "json"];
    let (status, out, _) = waypost(&named, "");
    assert_eq!(status, 0, "{out}\n{test}");

    // What is new fails it as what is another does: something that is said, a call.
    let journey = Path::new(&shop).join("journeys/track-parcel.yaml");
    let text = std::fs::read_to_string(&journey).unwrap();
    let call = "  - action: parcels.get-parcel -> parcel\n";
    let before = "  - action: parcels.get-parcel\n    name: before\n    outcomes: {found: continue, not_found: continue}\n";
    for more in ["  - say: One moment.\n", before] {
        assert!(text.contains(call), "{text}");
        std::fs::write(&journey, text.replacen(call, &format!("{more}{call}"), 1)).unwrap();
        let (status, out, err) = waypost(&named, "");
        assert_eq!(status, 1, "{more}: {out}{err}\n{test}");
    }

    // Another version: the test fails, and the trial says where.
    std::fs::write(&journey, text.replace("is on its way", "is moving")).unwrap();
    assert_eq!(waypost(&["test", &shop, "--filter", "a parcel"], "").0, 1);
    let (status, out, err) = waypost(&["replay", file, "--against", &shop, "--format", "json"], "");
    assert_eq!(status, 1, "{err}");
    let json: Value = serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: {out}"));
    assert_eq!(json["summary"]["text_differs"], 1, "{json:#}");
    assert_eq!(json["recordings"][0]["class"], "text_differs");
    let (status, out, _) = waypost(&["replay", file, "--against", &shop], "");
    assert_eq!(status, 1);
    assert!(out.contains("is on its way") && out.contains("is moving"), "{out}");
}

#[test]
fn a_store_is_recorded_and_replayed() {
    let dir = tempfile::tempdir().unwrap();
    let (shop, stubs) = parcels(dir.path());
    let store = format!("sqlite:{}", dir.path().join("shop.db").display());
    for n in 0..3 {
        let id = format!("c-{n}");
        let (status, out, err) =
            waypost(&["chat", &shop, "--stubs", &stubs, "--store", &store, "--conversation", &id], "where is my parcel?\nP1234\n");
        assert_eq!(status, 0, "{out}{err}");
    }
    let out = dir.path().join("recordings");
    let (status, _, err) = waypost(&["record", "export", &shop, "--store", &store, "--out", out.to_str().unwrap(), "--bundle"], "");
    assert_eq!(status, 0, "{err}");
    assert_eq!(std::fs::read_dir(&out).unwrap().count(), 3);
    let (status, one, _) = waypost(&["record", "export", &shop, "--store", &store, "--conversation", "c-1"], "");
    assert_eq!((status, one.lines().filter(|l| l.starts_with("{\"waypost\"")).count()), (0, 1));
    // The workspace changes: its conversations play on the version in the store, and are tried on the new one.
    let journey = Path::new(&shop).join("journeys/track-parcel.yaml");
    let text = std::fs::read_to_string(&journey).unwrap();
    std::fs::write(&journey, text.replace("is on its way", "is moving")).unwrap();
    let (status, said, err) = waypost(&["replay", "--store", &store, "--workspace", &shop], "");
    assert_eq!(status, 0, "{said}{err}");
    assert!(said.contains("3 recordings, all the same"), "{said}");
    let (status, said, err) = waypost(&["replay", out.to_str().unwrap(), "--against", &shop], "");
    assert_eq!(status, 1, "{said}{err}");
    assert!(said.contains("3 text differs"), "{said}");
    let (status, said, err) = waypost(&["replay", "--store", &store, "--against", &shop], "");
    assert_eq!(status, 1, "{said}{err}");
    // One that was cut is named, and the others are played.
    let victim = out.join("terminal.c-1.jsonl");
    let text = std::fs::read_to_string(&victim).unwrap();
    std::fs::write(&victim, text.lines().take(4).collect::<Vec<_>>().join("\n")).unwrap();
    let (status, said, err) = waypost(&["replay", out.to_str().unwrap(), "--workspace", &shop], "");
    assert_eq!(status, 2, "{said}{err}");
    assert!(said.contains("terminal.c-1.jsonl: the recording was cut") && said.contains("terminal.c-2.jsonl"), "{said}");
    assert!(!said.contains("all the same") && said.contains("1 that cannot be played"), "{said}");
}

#[test]
fn what_is_no_recording_is_told_of() {
    let dir = tempfile::tempdir().unwrap();
    let empty = dir.path().join("empty.jsonl");
    std::fs::write(&empty, "").unwrap();
    let partial = dir.path().join("partial.jsonl");
    let said = EventBody::Said { text: "Hello.".into(), redacted: None };
    let event = Event { v: 1, at: "2026-01-05T09:00:00Z".parse().unwrap(), body: said };
    let mut writer = Writer::begin(Vec::new(), &Header::of("c".into(), "t".into(), std::slice::from_ref(&event), false)).unwrap();
    writer.event(&event).unwrap();
    std::fs::write(&partial, writer.end().unwrap()).unwrap();
    for (args, part) in [
        (vec!["replay", "nowhere.jsonl"], "there is no `nowhere.jsonl`"),
        (vec!["replay", dir.path().join("nothing").to_str().unwrap()], "there is no"),
        (vec!["record", "convert", empty.to_str().unwrap()], "is empty"),
        (vec!["record", "convert", partial.to_str().unwrap()], "only the transcript of this conversation was kept"),
        (vec!["replay", partial.to_str().unwrap()], "1 recording could not be played"),
        (vec!["replay", "--store", "sqlite:/nowhere/at-all.db"], "there is no store"),
        (vec!["replay", empty.to_str().unwrap(), "--tenant", "t"], "--tenant"),
        (vec!["replay", empty.to_str().unwrap(), "--tenant", "t", "--store", "sqlite:s.db"], "--tenant"),
        (vec!["chat", RETAIL, "--record", "/nowhere/at-all/c.jsonl"], "cannot write `/nowhere/at-all/c.jsonl`"),
    ] {
        let (status, out, err) = waypost(&args, "");
        assert_eq!(status, 2, "{args:?}: {out}{err}");
        assert!(err.contains(part), "{args:?}: {err}");
    }
}

/// The most memory that replaying took, in KiB.
fn peak(args: &[&str]) -> u64 {
    let mut child = Command::new(env!("CARGO_BIN_EXE_waypost")).args(args).stdout(Stdio::null()).spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let kib = text.lines().find_map(|l| l.strip_prefix("VmHWM:")).and_then(|l| l.trim().trim_end_matches(" kB").trim().parse().ok());
        peak = peak.max(kib.unwrap_or(0));
        std::thread::yield_now();
    }
    peak
}

#[test]
fn memory_does_not_grow_with_the_recordings() {
    let dir = tempfile::tempdir().unwrap();
    let (shop, stubs) = parcels(dir.path());
    let one = dir.path().join("one.jsonl");
    assert_eq!(waypost(&["chat", &shop, "--stubs", &stubs, "--record", one.to_str().unwrap()], "where is my parcel?\nP1234\n").0, 0);
    let bytes = std::fs::read(&one).unwrap();
    let peaks = [500, 4_000].map(|n| {
        let many = dir.path().join(format!("{n}.jsonl"));
        std::fs::write(&many, bytes.repeat(n)).unwrap();
        peak(&["replay", many.to_str().unwrap(), "--against", &shop])
    });
    let grown = peaks[1].saturating_sub(peaks[0]);
    let more = bytes.len() * 3_500 / 1_024;
    assert!(peaks[0] > 1_000 && grown < 6 * 1_024, "{peaks:?} KiB; the recordings themselves are {more} KiB more");
}

/// The same of a store, however large its conversations are.
#[tokio::test]
async fn memory_does_not_grow_with_the_store() {
    let dir = tempfile::tempdir().unwrap();
    let (shop, _) = parcels(dir.path());
    let loaded = check::load(read_dir(Path::new(&shop)).unwrap()).loaded().unwrap();
    let mut peaks = Vec::new();
    for many in [60, 180] {
        let file = dir.path().join(format!("{many}.db"));
        let store = SqliteStore::open(&file, Seals::new(b"seal", &[], [1; 16])).unwrap();
        let nobody = |_: CallEffect| std::future::ready(CallResult::answered(200, Value::Null));
        let runtime = Runtime::with(loaded.clone(), store, nobody, Clock::System, Entropy::System, Keys::derive(b"test")).unwrap();
        for n in 0..many {
            let user = Arc::new(serde_json::json!({"preferences": {"wish": "x".repeat(500_000)}}));
            let open = Open { conversation: format!("c-{n}").into(), tenant: "t".into(), agent: "a".into(), user_id: "u".into(), user };
            runtime.open(open).await.unwrap();
        }
        drop(runtime);
        peaks.push(peak(&["replay", "--store", &format!("sqlite:{}", file.display()), "--against", &shop]));
    }
    assert!(peaks[0] > 20 * 1_024 && peaks[1].saturating_sub(peaks[0]) < 20 * 1_024, "{peaks:?} KiB");
}
