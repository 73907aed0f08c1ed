//! What is too much: at the limit it is taken, past it it is refused or cut, and said.

use std::io::Write;
use std::path::Path;
use std::process::{Command as Process, Stdio};

use serde_json::{Value as Json, json};
use waypost::driver::files;
use waypost::engine::{Command, Phase};
use waypost::model::{Datapoint, DatapointType, Settings};
use waypost::outbound::Secrets;
use waypost::understand::{Locale, normalise};

use crate::engine::harness::{Talk, answered, loaded, machine, start, values};

const SERVICE: &str = "
name: Api
type: rest_api
config: {base_url: 'http://api.test', auth_type: none}
actions:
  - name: Get
    type: read
    invocation: {method: GET, endpoint: '/things/{n}'}
    input_schema: {n: integer}
    outcomes: [{name: there, condition: response.status == 200}]
";

fn talk(journey: &str) -> Talk {
    let fields = "- {name: Word, type: string}\n- {name: Words, type: list, items: string}\n";
    Talk::new(machine(&[("integrations/api.yaml", SERVICE), ("journeys/go.yaml", journey), ("datapoints/d.yaml", fields)]))
}

fn journey(steps: &str) -> String {
    format!("name: Go\ntrigger: {{goal: go, examples: [go on]}}\njourney:\n{steps}")
}

#[test]
fn a_read_is_made_for_fifty_elements() {
    for (count, calls, outcome) in [(50, 50, "read"), (51, 0, "too-many")] {
        let step = format!(
            "  - action: {{call: api.get, each: range({count}), inputs: {{n: $each}}, outcomes: {{there: continue}}, on_error: {{invalid_input: [{{done: {{outcome: too-many}}}}], default: [{{done: {{outcome: failed}}}}]}}}}\n  - done: {{outcome: read}}\n"
        );
        let mut talk = talk(&journey(&step));
        for _ in 0..count {
            talk.stub(200, json!({}));
        }
        let answer = talk.agent(start("go"));
        assert_eq!((talk.calls.len(), answer.outcome.as_deref()), (calls, Some(outcome)));
    }
}

#[test]
fn fifty_options_are_offered_with_short_labels() {
    let steps = "  - choice: {prompt: Which?, from: \"range(60).map(i, {'id': string(i), 'label': range(300).map(j, 'x').join('') + string(i)})\", on_pick: continue}\n  - done: Never.\n";
    let answer = talk(&journey(steps)).agent(start("go"));
    assert_eq!(answer.phase, Phase::Choice, "{answer:?}");
    assert_eq!((answer.options.len(), answer.options[0].label.len()), (50, 200));
}

#[test]
fn eight_messages_wait() {
    let mut talk =
        talk(&journey("  - action: {call: api.get, inputs: {n: 1}, outcomes: {there: continue}}\n  - collect: [word]\n  - done: Good.\n"));
    talk.held = true;
    assert_eq!(talk.agent(start("go")).phase, Phase::Working);
    for n in 0..8 {
        assert!(talk.user(&format!("word {n}")).refused.is_none(), "{n}");
    }
    assert_eq!(talk.user("one more").refused.map(|r| r.code.to_string()).as_deref(), Some("busy"));
    talk.land(answered(200, json!({})));
}

#[test]
fn twenty_journeys_are_offered() {
    let all: Vec<(String, String)> = (0..25)
        .map(|n| {
            (
                format!("journeys/{n}.yaml"),
                format!("name: Thing {n}\ntrigger: {{goal: thing {n}, examples: [thing {n}]}}\njourney: [{{done: Good.}}]\n"),
            )
        })
        .collect();
    let files: Vec<(&str, &str)> = all.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    assert_eq!(Talk::new(machine(&files)).user("zzz qqq").options.len(), 20);
}

fn field(kind: DatapointType) -> Datapoint {
    let workspace = loaded(&[
        ("journeys/go.yaml", &journey("  - collect: [word]\n  - done: Good.\n")),
        ("datapoints/d.yaml", "{name: Word, type: string}"),
    ]);
    let mut field = Datapoint::clone(workspace.datapoints.values().next().expect("one"));
    field.kind = kind;
    field
}

#[test]
fn values_have_a_length() {
    let locale = Locale::new(&Settings::default());
    let taken = |kind: DatapointType, value: Json| normalise(&field(kind), &value, &locale, jiff::Timestamp::UNIX_EPOCH).is_ok();
    let list = || DatapointType::List(Box::new(DatapointType::String));
    for (kind, good, bad) in [
        (DatapointType::String, json!("x".repeat(10_000)), json!("x".repeat(10_001))),
        (list(), json!(vec!["x"; 200]), json!(vec!["x"; 201])),
        (DatapointType::Number, json!(format!("{}7", "0".repeat(39))), json!(format!("{}7", "0".repeat(40)))),
        (DatapointType::Phone, json!(format!("+44 20 7946{}0018", " ".repeat(25))), json!(format!("+44 20 7946{}0018", " ".repeat(26)))),
    ] {
        assert!(taken(kind.clone(), good.clone()), "{good}");
        assert!(!taken(kind, bad.clone()), "{bad}");
    }
}

#[test]
fn a_long_message_is_not_searched() {
    let number = |padding: usize| {
        let journey = journey("  - collect: [count]\n  - collect: [word]\n  - done: Good.\n");
        let fields = "- {name: Word, type: string}\n- {name: Count, type: number}\n";
        let mut talk = Talk::new(machine(&[("journeys/go.yaml", &journey), ("datapoints/d.yaml", fields)]));
        talk.agent(start("go"));
        talk.user(&format!("{}I want 17 cups", "so ".repeat(padding)));
        talk.variable("count")
    };
    assert_eq!((number(10), number(3_000)), (json!(17), Json::Null));
}

fn write(root: &Path, name: &str, text: &str) {
    let path = root.join(name);
    std::fs::create_dir_all(path.parent().expect("a directory")).expect("made");
    std::fs::write(path, text).expect("written");
}

#[test]
fn directories_are_read_so_deep() {
    let dir = tempfile::tempdir().expect("a directory");
    let deep = |levels: usize| format!("journeys{}/a.yaml", "/d".repeat(levels));
    write(dir.path(), &deep(31), "name: A\n");
    assert!(files::read(dir.path()).expect("read").unreadable.is_empty());
    write(dir.path(), &deep(40), "name: B\n");
    let found = files::read(dir.path()).expect("read").unreadable;
    assert!(found.iter().any(|u| u.why.contains("nested deeper than 32")), "{found:?}");
}

#[test]
fn a_workspace_has_so_many_files_of_such_a_size() {
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::create_dir(dir.path().join("journeys")).expect("made");
    let sparse = |name: &str, bytes: u64| {
        std::fs::File::create(dir.path().join("journeys").join(name)).expect("made").set_len(bytes).expect("long");
    };
    for n in 0..16 {
        sparse(&format!("{n}.yaml"), 16 << 20);
    }
    assert!(files::read(dir.path()).expect("read").unreadable.is_empty());
    sparse("z.yaml", 1);
    let found = files::read(dir.path()).expect("read").unreadable;
    assert!(matches!(&*found, [u] if u.why == "the workspace is larger than 256 MB"), "{found:?}");

    let dir = tempfile::tempdir().expect("a directory");
    write(dir.path(), "journeys/a.yaml", "");
    for n in 1..50_000 {
        std::fs::hard_link(dir.path().join("journeys/a.yaml"), dir.path().join(format!("journeys/{n}.yaml"))).expect("linked");
    }
    assert!(files::read(dir.path()).expect("read").unreadable.is_empty());
    write(dir.path(), "journeys/z.yaml", "");
    let found = files::read(dir.path()).expect("read").unreadable;
    assert!(matches!(&*found, [u] if u.why == "a workspace has at most 50000 files"), "{found:?}");
}

#[test]
fn a_secret_is_short() {
    let dir = tempfile::tempdir().expect("a directory");
    let read = |bytes: usize| {
        write(dir.path(), "key", &"k".repeat(bytes));
        Secrets::environment(dir.path()).resolve("${file:key}").is_ok()
    };
    assert!(read(64 * 1024));
    assert!(!read(64 * 1024 + 1));
}

#[test]
fn a_line_has_an_end() {
    let dir = tempfile::tempdir().expect("a directory");
    write(dir.path(), "journeys/go.yaml", &journey("  - collect: [word]\n  - done: Good.\n"));
    write(dir.path(), "datapoints/d.yaml", "{name: Word, type: string}");
    let chat = |bytes: usize| {
        let mut command = Process::new(env!("CARGO_BIN_EXE_waypost"));
        let mut child = command
            .arg("chat")
            .arg(dir.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        // A program that has ended reads no more.
        let _ = child.stdin.take().expect("a pipe").write_all(format!("{}\n", "x".repeat(bytes)).as_bytes());
        let out = child.wait_with_output().expect("it ends");
        (out.status.code(), String::from_utf8_lossy(&out.stderr).into_owned())
    };
    assert_eq!(chat(65_535).0, Some(0));
    let (status, err) = chat(65_536);
    assert!(status == Some(2) && err.contains("longer than 64 KiB"), "{err}");
}

#[test]
fn a_correction_of_many_is_one_command() {
    let mut talk = talk(&journey("  - collect: [words]\n  - done: Good.\n"));
    talk.agent(start("go"));
    let many: Vec<String> = (0..201).map(|n| n.to_string()).collect();
    assert_eq!(talk.agent(Command::Fill(values(&[("words", json!(many))]))).errors.len(), 1);
}
