//! What transcripts come to, what else there is, and what they notice: `test --coverage`, `test --update`, `explore`, `mutate`, as a
//! person runs them.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

/// Exit status, standard output, standard error.
fn waypost(args: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_waypost")).args(args).stdin(Stdio::null()).output().unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
}

fn json(args: &[&str]) -> (i32, Value) {
    let (status, out, err) = waypost(&[args, &["--format", "json"]].concat());
    (status, serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: {out}{err}")))
}

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The shipped workspace without its transcripts.
fn shipped() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for part in ["journeys", "integrations", "datapoints"] {
        std::fs::create_dir(dir.path().join(part)).unwrap();
        for entry in std::fs::read_dir(Path::new(ROOT).join(part)).unwrap() {
            let path = entry.unwrap().path();
            std::fs::copy(&path, dir.path().join(part).join(path.file_name().unwrap())).unwrap();
        }
    }
    let settings = std::fs::read_to_string(Path::new(ROOT).join("waypost.yaml")).unwrap();
    std::fs::write(dir.path().join("waypost.yaml"), settings).unwrap();
    dir
}

/// A workspace made by `new`.
fn parcels() -> (tempfile::TempDir, String) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("parcels").to_str().unwrap().to_owned();
    assert_eq!(waypost(&["new", &path]).0, 0);
    (dir, path)
}

#[test]
fn the_shipped_transcripts_come_to_everything() {
    let (status, out) = json(&["test", ROOT, "--min-coverage", "100"]);
    let coverage = &out["coverage"];
    assert_eq!((status, coverage["percent"].as_f64()), (0, Some(100.0)), "{coverage:#}");
    for kind in ["steps", "branches", "outcomes", "errors", "gates"] {
        assert_eq!(coverage[kind]["covered"], coverage[kind]["total"]);
        assert!(coverage[kind]["total"].as_u64().unwrap() > 5, "{kind}");
    }
}

#[test]
fn what_is_missing_is_named_by_step_and_line() {
    let (_dir, path) = parcels();
    let filter = ["test", &path, "--filter", "a parcel that is on its way"];
    let (status, out) = json(&filter);
    assert_eq!(status, 0);
    let journeys = out["coverage"]["journeys"].as_array().unwrap();
    let redirect = journeys.iter().find(|j| j["journey"] == "redirect-parcel").unwrap();
    let missing = redirect["missing"].as_array().unwrap();
    assert_eq!(redirect["covered"], 0);
    let no = missing.iter().find(|m| m["kind"] == "gate" && m["what"] == "a no").expect("a confirm that was never refused");
    assert!(no["line"].as_u64().unwrap() > 1 && no["file"] == "journeys/redirect-parcel.yaml", "{no}");

    let (status, out, err) = waypost(&[&filter[..], &["--coverage", "--min-coverage", "99.5"]].concat());
    assert_eq!(status, 1);
    assert!(out.contains("redirect-parcel does not come to") && err.contains("are covered, less than 99.5 %"), "{out}{err}");
    let (status, ..) = waypost(&[&filter[..], &["--min-coverage", "0"]].concat());
    assert_eq!(status, 0);
    let (status, _, err) = waypost(&["test", &path, "--min-coverage", "101"]);
    assert!(status == 2 && err.contains("from 0 to 100"), "{err}");
}

#[test]
fn the_page_draws_each_journey_with_what_is_missing() {
    let (dir, path) = parcels();
    let page = dir.path().join("out");
    let (status, ..) = waypost(&["test", &path, "--filter", "a parcel that is on its way", "--coverage-html", page.to_str().unwrap()]);
    assert_eq!(status, 0);
    let html = std::fs::read_to_string(page.join("index.html")).unwrap();
    assert_eq!(html.matches("<svg").count(), 2);
    assert!(html.contains("<g class=\"miss\">") && html.contains("<g class=\"hit\">") && html.contains("not come to: "), "{html}");
    assert!(!html.contains("http://") || html.matches("http://").count() == html.matches("http://www.w3.org/2000/svg").count());
    let file = dir.path().join("a/cover.html");
    assert_eq!(waypost(&["test", &path, "--coverage-html", file.to_str().unwrap()]).0, 0);
    assert!(file.is_file());
}

#[test]
fn an_update_on_a_full_disk_leaves_the_file_as_it_was() {
    let Some(disk) = crate::store::faults::Disk::of("1m") else { return };
    let path = disk.root().join("parcels").to_str().unwrap().to_owned();
    assert_eq!(waypost(&["new", &path]).0, 0);
    let file = Path::new(&path).join("tests/parcels.yaml");
    let one = |n: usize| {
        format!(
            "name: parcel {n}
stubs:
  parcels.get-parcel: [{{status: 200, body: {{id: P1234, status: delivered, street: 1 High Street}}}}]
talk:
  - user: where is my parcel P1234?
  - expect: {{says: x, calls: [parcels.get-parcel]}}
"
        )
    };
    let text = (0..100).map(one).collect::<Vec<_>>().join("---\n");
    std::fs::write(&file, &text).unwrap();
    let mut fill = std::fs::File::create(disk.root().join("fill")).unwrap();
    while std::io::Write::write(&mut fill, &[0; 4096]).is_ok() {}
    let (status, _, err) = waypost(&["test", &path, "--update"]);
    assert!(status == 2 && err.contains("cannot write") && err.contains("No space left"), "{status} {err}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
    assert_eq!(std::fs::read_dir(file.parent().unwrap()).unwrap().count(), 1, "nothing is left beside it");
    drop(fill);
    std::fs::remove_file(disk.root().join("fill")).unwrap();
    assert_eq!(waypost(&["test", &path, "--update"]).0, 0);
    assert_eq!(std::fs::read_to_string(&file).unwrap().matches("Parcel P1234 was delivered").count(), 100);
}

#[test]
fn an_update_takes_words_and_never_a_gate_by_the_way() {
    let (_dir, path) = parcels();
    let file = Path::new(&path).join("tests/parcels.yaml");
    let words = "name: words
stubs:
  parcels.get-parcel: [{status: 200, body: {id: P1234, status: delivered, street: 1 High Street}}]
talk:
  - user: where is my parcel P1234?
  - expect: {says: It was eaten by a dog, status: active, calls: [parcels.get-parcel]}
";
    std::fs::write(&file, words).unwrap();
    let (status, out, err) = waypost(&["test", &path, "--update"]);
    assert!(status == 0 && err.contains("updated 2 expectations in 1 file"), "{out}{err}");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains("says: Parcel P1234 was delivered to 1 High Street., status: completed, calls"), "{text}");

    // What is asked is another thing than it was: a call, a call that nothing was said of, a question that came.
    let call = text.replace("parcels.get-parcel]}", "parcels.redirect-parcel]}").replace("was delivered", "was lost");
    let unsaid = text.replace(", calls: [parcels.get-parcel]", "").replace("was delivered", "was lost");
    let question =
        "name: a question\nstubs: {}\ntalk:\n  - user: redirect parcel P1234\n  - user: 2 Mill Lane\n  - expect: {says: Done}\n".to_owned();
    for gate in [call, unsaid, question] {
        std::fs::write(&file, &gate).unwrap();
        let (status, _, err) = waypost(&["test", &path, "--update"]);
        assert!(status == 1 && err.contains("--accept-gates"), "{err}");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), gate);
        let (status, out, err) = waypost(&["test", &path, "--update", "--accept-gates"]);
        assert_eq!(status, 0, "{out}{err}");
        assert_ne!(std::fs::read_to_string(&file).unwrap(), gate);
    }
    let (status, ..) = waypost(&["test", &path, "--accept-gates"]);
    assert_eq!(status, 2, "it means nothing without `--update`");
}

/// However a test is named and its values are written, `--update` writes each place once, and leaves the rest of the file alone.
#[test]
fn an_update_writes_each_place_once() {
    let (_dir, path) = parcels();
    let file = Path::new(&path).join("tests/parcels.yaml");
    let before = "name: words
stubs:
  parcels.get-parcel: [{status: 200, body: {id: P1234, status: delivered, street: 1 High Street}}]
talk:
  - user: where is my parcel P1234?
  - expect:
";
    let after = "      phase: phase_done\n      calls: [parcels.get-parcel]\n";
    let said = "Parcel P1234 was delivered to 1 High Street.";
    // What is expected, and what is written in place of it.
    let cases = [
        ("      says: It was lost\n", format!("      says: {said}\n")),
        ("      says: |\n        It was\n        lost\n", format!("      says: {said}\n")),
        ("      says: >-\n        It was lost\n\n", format!("      says: {said}\n\n")),
        ("      says: |2- # in two lines\n        It was\n        lost\n", format!("      says: {said}\n")),
        ("      says: &lost It was lost\n", format!("      says: &lost {said}\n")),
    ];
    for (written, wanted) in cases {
        std::fs::write(&file, format!("{before}{written}{after}")).unwrap();
        let tests = Path::new(&path).join("tests");
        let (status, out, err) = waypost(&["test", tests.to_str().unwrap(), file.to_str().unwrap(), "--update"]);
        assert_eq!(std::fs::read_to_string(&file).unwrap(), format!("{before}{wanted}{after}"), "{written}: {out}{err}");
        assert!(status == 0 && err.contains("updated 1 expectation in 1 file") && out.contains("1 passed"), "{out}{err}");
    }
    // One value that two expectations share.
    let twice = format!(
        "{before}      says: &lost It was lost\n{after}---\n{}      says: &lost It was lost\n{after}  - expect: {{says: *lost}}\n",
        before.replace("words", "more words")
    );
    std::fs::write(&file, &twice).unwrap();
    let (status, out, err) = waypost(&["test", &path, "--update"]);
    assert!(status == 0 && err.contains("updated 2 expectations in 1 file"), "{out}{err}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), twice.replace("It was lost", said));
}

/// A confirm that is gone, and a write that nobody asked for, are never taken for right with the words beside them.
#[test]
fn an_update_sees_the_gate_that_is_gone_in_another_entry() {
    let (_dir, path) = parcels();
    let journey = Path::new(&path).join("journeys/redirect-parcel.yaml");
    let text = std::fs::read_to_string(&journey).unwrap();
    let (before, confirm) = text.split_once("  - confirm:").expect("a confirm");
    let (_, after) = confirm.split_once("\n  - ").expect("a step after it");
    let unasked = format!("{before}  - {after}");
    let file = Path::new(&path).join("tests/parcels.yaml");
    let talk = |expectations: [&str; 2]| {
        format!(
            "name: redirected
stubs:
  parcels.get-parcel: [{{body: {{id: P1234, status: in_transit, street: 1 High Street}}}}]
  parcels.redirect-parcel: [{{body: {{id: P1234, status: in_transit, street: 2 Mill Lane}}}}]
talk:
  - user: redirect parcel P1234
  - user: 2 Mill Lane
  - expect: {}
  - user: thanks
  - expect: {}
",
            expectations[0], expectations[1]
        )
    };
    std::fs::write(&journey, &unasked).unwrap();
    let integration = Path::new(&path).join("integrations/parcels.yaml");
    let actions = std::fs::read_to_string(&integration).unwrap();
    std::fs::write(&integration, actions.replace("requires_confirmation: true", "requires_confirmation: false")).unwrap();
    // The write is in an entry that passes; after the last one; in one that names another call.
    for expectations in [
        ["{journey: redirect-parcel}", "{says: Somebody else}"],
        ["{says: Somebody else}", "{journey: redirect-parcel}"],
        ["{not_called: [parcels.get-parcel]}", "{says: Somebody else}"],
    ] {
        let written = talk(expectations);
        std::fs::write(&file, &written).unwrap();
        let (status, out, err) = waypost(&["test", &path, "--update"]);
        assert!(status == 1 && err.contains("--accept-gates"), "{out}{err}");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), written);
    }
    // A yes to nothing.
    let yes = "name: yes\nstubs: {parcels.get-parcel: {body: {id: P1234, status: delivered, street: 1 High Street}}}\ntalk:\n  - user: where is my parcel P1234?\n  - expect: {calls: [parcels.get-parcel]}\n  - user: 'yes'\n  - expect: {says: Somebody else}\n";
    std::fs::write(&file, yes).unwrap();
    let (status, out, err) = waypost(&["test", &path, "--update"]);
    assert!(status == 1 && err.contains("--accept-gates"), "{out}{err}");
}

/// A confirm that keeps no call back is missed where its yes was said, whatever hears that now, and where the talk ended with it.
#[test]
fn an_update_sees_every_confirm_that_is_gone() {
    let (_dir, path) = parcels();
    let (journeys, tests) = (Path::new(&path).join("journeys"), Path::new(&path).join("tests"));
    let write = |confirm: &str, rest: &str| {
        let text = format!(
            "name: Leave a note\ntrigger: {{goal: Leave a note, examples: [leave a note]}}\nfallback: {{to: care, message: Bye.}}\njourney:\n{confirm}{rest}"
        );
        std::fs::write(journeys.join("leave-a-note.yaml"), text).unwrap();
    };
    std::fs::write(
        Path::new(&path).join("datapoints/note.yaml"),
        "- {name: Note, type: string, description: a note}\n- {name: Urgent, type: boolean, description: urgent}\n",
    )
    .unwrap();
    let confirm = "  - confirm: {fields: [], message: Shall I take a note?}\n";
    let note = "  - collect: [note]\n  - done: 'Noted: {{ variables.note }}.'\n";
    let urgent = "  - collect: [urgent]\n  - done: 'Noted: {{ variables.urgent }}.'\n";
    let guide = "  - guide: {steps: [{say: Take a pen.}, {say: Write.}]}\n  - done: Thanks.\n";
    let done = "  - done: Thanks.\n";
    // What follows on the confirm, what is said, and whether the same is seen when only its words change.
    let talks = [
        (note, "- expect: {says: Shall I take a note?}\n  - user: 'yes'\n  - expect: {says: What is the note}\n"),
        (urgent, "- user: 'yes'\n  - expect: {says: urgent}\n  - user: 'yes'\n  - expect: {says: Noted}\n"),
        (guide, "- expect: {says: Shall I take a note?}\n  - user: 'yes'\n  - expect: {says: Take a pen., phase: guide}\n"),
        (guide, "- expect: {says: Shall I take a note?}\n  - agent: confirm\n"),
        (done, "- expect: {says: Shall I take a note?}\n"),
        (done, "- expect: {says: Shall I take a note?}\n  - user: 'no'\n  - expect: {status: cancelled}\n"),
    ];
    let file = tests.join("parcels.yaml");
    for (rest, talk) in talks {
        let written = format!("name: a note\nstubs: {{}}\ntalk:\n  - user: leave a note\n  {talk}");
        std::fs::write(&file, &written).unwrap();
        write("", rest);
        let (status, out, err) = waypost(&["test", &path, "--update"]);
        assert!(status == 1 && std::fs::read_to_string(&file).unwrap() == written, "{written}{out}{err}");
    }
    // Where something else than a question stood, words are words.
    let pinned =
        "name: a note\nstubs: {}\ntalk:\n  - user: leave a note\n  - expect: {says: Take a pencil., phase: guide}\n  - user: 'yes'\n";
    std::fs::write(&file, pinned).unwrap();
    write("", guide);
    let (status, out, err) = waypost(&["test", &path, "--update"]);
    assert!(status == 0 && std::fs::read_to_string(&file).unwrap() == pinned.replace("pencil", "pen"), "{out}{err}");
    // With the confirm, they pass, so that it is what is missed.
    write(confirm, done);
    std::fs::write(&file, format!("name: a note\nstubs: {{}}\ntalk:\n  - user: leave a note\n  {}", talks[4].1)).unwrap();
    let (status, out, err) = waypost(&["test", &path]);
    assert_eq!(status, 0, "{out}{err}");
}

/// Explores every journey that can begin, writes what it finds, and holds it to the whole.
#[test]
fn explored_transcripts_of_the_shipped_workspace_come_to_everything() {
    let dir = shipped();
    let path = dir.path().to_str().unwrap();
    let tests = dir.path().join("tests/journeys");
    for journey in ["cancel-order", "change-address", "grinder-help", "order-status", "refund"] {
        let (status, out) = json(&["explore", journey, path, "--write", tests.to_str().unwrap()]);
        assert_eq!(status, 0);
        assert_eq!(out["not_written"].as_array().unwrap().len(), 0, "{journey}: {:#}", out["not_written"]);
        // What it calls may have ways that another journey takes.
        let own = out["unreached"].as_array().unwrap().iter().filter(|p| p["journey"] == journey.replace('-', "_"));
        assert_eq!(own.count(), 0, "{journey}: {:#}", out["unreached"]);
    }
    let (status, out) = json(&["test", path, "--min-coverage", "100"]);
    assert_eq!(status, 0, "{:#}", out["coverage"]);
    // The same again writes the same: there is nothing new.
    let (_, again) = json(&["explore", "refund", path]);
    assert_eq!(again["summary"]["new"], 0);

    let journey = dir.path().join("journeys/order-status.yaml");
    let text = std::fs::read_to_string(&journey).unwrap();
    std::fs::write(&journey, text.replace("was cancelled and paid back", "is lost")).unwrap();
    let (status, out) = json(&["test", path]);
    assert!(status == 1 && out["summary"]["failed"].as_u64().unwrap() > 0);
}

#[test]
fn what_cannot_be_explored_is_said() {
    let (status, _, err) = waypost(&["explore", "find-order", ROOT]);
    assert!(status == 2 && err.contains("callable"), "{err}");
    let (status, _, err) = waypost(&["explore", "refnd", ROOT]);
    assert!(status == 2 && err.contains("did you mean `refund`?"), "{err}");
    let (status, out) = json(&["explore", "refund", ROOT, "--states", "5"]);
    assert_eq!((status, out["summary"]["cut"].as_bool()), (0, Some(true)));
    let why = out["unreached"][0]["why"].as_str().unwrap();
    assert!(why.contains("--states"), "{why}");
}

#[test]
fn somebodys_own_file_is_not_written_over() {
    let (_dir, path) = parcels();
    let tests = Path::new(&path).join("tests");
    let file = tests.join("explored-redirect-parcel.yaml");
    std::fs::write(&file, "name: mine\nstubs: {}\ntalk: []\n").unwrap();
    let (status, _, err) = waypost(&["explore", "redirect-parcel", &path, "--all", "--write", tests.to_str().unwrap()]);
    assert!(status == 2 && err.contains("somebody's own"), "{err}");
    assert!(std::fs::read_to_string(&file).unwrap().starts_with("name: mine"));
}

#[test]
fn mutants_of_a_journey_are_noticed_or_shown() {
    let filter = "journeys/cancel-order.yaml";
    let (status, out) = json(&["mutate", ROOT, "--filter", filter, "--min-score", "90"]);
    let mutants = out["mutants"].as_array().unwrap();
    let survivors: Vec<&Value> = mutants.iter().filter(|m| m["status"] == "survived").collect();
    assert_eq!(status, 0, "{survivors:#?}");
    let confirm = mutants.iter().find(|m| m["operator"] == "drop-confirm").unwrap();
    assert_eq!((&confirm["status"], &confirm["by"]["code"]), (&"check".into(), &"WP0501".into()));
    for operator in
        ["drop-step", "negate-condition", "widen-guard", "swap-targets", "drop-shown-field", "change-literal", "remove-error-target"]
    {
        assert!(mutants.iter().any(|m| m["operator"] == operator), "{operator}");
    }
}

#[test]
fn a_survivor_is_shown_as_a_diff_and_fails_the_score() {
    let (_dir, path) = parcels();
    std::fs::write(Path::new(&path).join("tests/parcels.yaml"), "name: nothing\nstubs: {}\ntalk:\n  - user: hello\n").unwrap();
    let (status, out, err) = waypost(&["mutate", &path, "--filter", "redirect-parcel.yaml", "--min-score", "99"]);
    assert!(status == 1 && err.contains("are noticed, less than 99 %"), "{err}");
    assert!(out.contains("survived journeys/redirect-parcel.yaml:") && out.contains(" - ") && out.contains("by the checker"), "{out}");
    std::fs::write(Path::new(&path).join("tests/parcels.yaml"), "name: no\nstubs: {}\ntalk:\n  - expect: {says: Never}\n").unwrap();
    let (status, _, err) = waypost(&["mutate", &path]);
    assert!(status == 2 && err.contains("a transcript fails on the workspace as it is"), "{err}");
}
