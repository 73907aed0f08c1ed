//! Transcripts: what each expectation takes, how stubs answer, where failures point. Each case is a directory made by `new`,
//! with one file of transcripts in the place of its own.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

/// Runs transcripts in a workspace of parcels: exit status, and what `--format json` prints.
fn test(transcripts: &str, args: &[&str]) -> (i32, Value) {
    let (status, out, err) = run(transcripts, &[&["--format", "json"], args].concat());
    (status, serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: {out}{err}")))
}

fn run(transcripts: &str, args: &[&str]) -> (i32, String, String) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("parcels");
    let waypost = |args: &[&str]| {
        let output =
            Command::new(env!("CARGO_BIN_EXE_waypost")).args(args).env_remove("PARCELS_URL").stdin(Stdio::null()).output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    assert_eq!(waypost(&["new", path.to_str().unwrap()]).0, 0);
    std::fs::write(path.join("tests/parcels.yaml"), transcripts).unwrap();
    waypost(&[&["test", path.to_str().unwrap()], args].concat())
}

/// The failures of the only test, each as line and message.
fn failures(result: &Value) -> Vec<(u64, String)> {
    let tests = result["tests"].as_array().unwrap();
    let all = tests.iter().flat_map(|t| t["failures"].as_array().unwrap());
    all.map(|f| (f["line"].as_u64().unwrap(), f["message"].as_str().unwrap().to_owned())).collect()
}

fn passes(transcripts: &str) {
    let (status, result) = test(transcripts, &[]);
    assert_eq!((status, failures(&result)), (0, vec![]), "{result:#}");
}

fn fails(transcripts: &str, expected: &[(u64, &str)]) {
    let (status, result) = test(transcripts, &[]);
    let failures = failures(&result);
    let met = failures.len() == expected.len()
        && failures.iter().zip(expected).all(|((line, message), (at, part))| line == at && message.contains(part));
    assert!(met && status == 1, "expected {expected:#?}, got {failures:#?}");
}

const FOUND: &str = "{status: 200, body: {id: P1234, status: in_transit, street: 1 High Street}}";

#[test]
fn every_expectation_that_is_met_passes() {
    passes(&format!(
        "name: all of them
journey: track-parcel
context: {{identity: {{user_id: u-1}}}}
now: 2026-03-01T10:00:00Z
stubs:
  parcels.get-parcel: [{FOUND}]
talk:
  - expect: {{says: What is the number, phase: phase_collect, status: active, journey: track_parcel, calls: [], variables: {{parcel_number: null}}}}
  - agent: {{fill: {{parcel-number: nonsense}}}}
  - expect: {{errors: {{parcel_number: pattern}}, phase: collect}}
  - user: P1234
  - expect:
      says: [{{is: Parcel P1234 is on its way to 1 High Street.}}]
      status: completed
      outcome: done
      variables: {{parcel-number: P1234, parcel: {{street: 1 High Street}}}}
      calls: [{{parcels.get-parcel: {{parcel-number: P1234}}}}]
      not_called: parcels.redirect-parcel
  - user: hello
  - expect: {{says: {{matches: '(?i)track parcel|what i can do|help'}}, options: [redirect-parcel, Track parcel]}}
"
    ));
}

#[test]
fn each_expectation_that_is_not_met_points_at_itself() {
    fails(
        &format!(
            "name: none of them
journey: track-parcel
stubs:
  parcels.get-parcel: {FOUND}
talk:
  - user: P1234
  - expect:
      says: {{is: Parcel P1234 is on its way}}
      phase: phase_collect
      status: active
      outcome: delivered
      journey: redirect-parcel
      options: [yes]
      variables: {{parcel: {{street: 2 High Street}}}}
      calls:
        - parcels.get-parcel: {{parcel_number: P1234}}
        - parcels.redirect-parcel
      not_called: [parcels.get-parcel]
      errors: [parcel_number]
      refused: forbidden
      denied: no_grant
"
        ),
        &[
            (8, "something else is said"),
            (9, "the phase is another"),
            (10, "the status is another"),
            (11, "the outcome is another"),
            (12, "it is in another journey"),
            (13, "the options are others"),
            (14, "the variable `parcel` has another value"),
            (17, "this call was not made"),
            (18, "`parcels.get-parcel` was called"),
            (19, "the errors are others"),
            (20, "it was not refused"),
            (21, "no call was denied"),
        ],
    );
}

#[test]
fn failures_say_what_was_expected_and_what_was() {
    let (_, result) = test(
        &format!(
            "name: another street\nstubs: {{parcels.get-parcel: {FOUND}}}\ntalk:\n  - user: where is my parcel P1234?\n  - expect: {{says: 2 High Street}}\n"
        ),
        &[],
    );
    let failure = &result["tests"][0]["failures"][0];
    assert_eq!(failure["expected"], "2 High Street");
    assert_eq!(failure["actual"], "Parcel P1234 is on its way to 1 High Street.");
    assert_eq!((&result["tests"][0]["name"], &result["tests"][0]["file"]), (&"another street".into(), &"tests/parcels.yaml".into()));
    assert_eq!(result["summary"], serde_json::json!({"passed": 0, "failed": 1}));
}

#[test]
fn what_cannot_be_read_fails_with_a_hint_and_leaves_the_others_alone() {
    fails(
        &format!(
            "nam: a typo
talk: [{{user: hi}}]
---
name: many
stubs: {{parcels.get-parcle: {{status: 200}}}}
talk:
  - usr: hi
  - user: hi
    agent: next
  - agent: {{fil: {{a: b}}}}
  - wait: soon
  - expect: {{phase: phase_colect, say: hi}}
---
name: sound
stubs: {{parcels.get-parcel: {FOUND}}}
talk: [{{user: 'where is my parcel P1234?'}}]
"
        ),
        &[
            (1, "did you mean `name`?"),
            (5, "did you mean `parcels.get-parcel`?"),
            (7, "did you mean `user`?"),
            (9, "exactly one key"),
            (10, "did you mean `fill`?"),
            (11, "`soon` is not a duration"),
            (12, "did you mean `phase_collect`?"),
            (12, "did you mean `says`?"),
        ],
    );
}

#[test]
fn a_host_says_one_thing_at_a_time() {
    fails(
        "name: it
talk:
  - host: {}
  - host: {context: {}, identified: {subject: u}}
  - host: {identified: {}}
  - host: {identified: {subject: u, level: high, at: soon}}
  - host: {verified: {subject: u}}
  - host: u
",
        &[
            (3, "one thing at a time"),
            (4, "one thing at a time"),
            (5, "`subject` is missing"),
            (6, "a level is a whole number"),
            (7, "unknown key `verified`"),
            (8, "a host's word is a map"),
        ],
    );
    passes(
        "name: it
now: 2026-03-01T10:00:00Z
talk:
  - host: {identified: {subject: u-1, level: 2}}
  - host: {context: {identity: {user_id: u-1, user_name: Ann}}}
  - host: {identified: {subject: u-2}}
  - expect: {refused: other_subject}
",
    );
}

#[test]
fn what_the_record_does_not_hold_fails_the_test() {
    fails(
        "name: later\nstubs: {}\ntalk:\n  - user: hello\n  - expect: {audit: grant, case: {status: Open}}\n",
        &[(5, "the audit does not say this"), (5, "the case is another")],
    );
}

#[test]
fn a_call_without_a_stub_fails_the_test() {
    fails(
        "name: none\nstubs: {}\ntalk:\n  - user: where is my parcel P1234?\n",
        &[(4, "`parcels.get-parcel` was called, and no stub answers it")],
    );
    fails("name: none at all\ntalk:\n  - user: where is my parcel P1234?\n", &[(3, "no stub answers it")]);
}

#[test]
fn a_refusal_that_nothing_expects_fails_the_test() {
    let talk = "name: refused\nstubs: {}\ntalk:\n  - user: redirect parcel P1234\n  - user: 2 Mill Lane\n  - agent: confirm\n";
    fails(talk, &[(6, "this was refused")]);
    passes(&format!("{talk}  - expect: {{refused: forbidden}}\n"));
}

#[test]
fn stubs_answer_in_order_and_by_condition() {
    passes(
        "name: in order, the last again
stubs:
  parcels.get-parcel:
    - {status: 404}
    - {status: 200, body: {id: P1, status: in_transit, street: here}}
talk:
  - user: where is my parcel P0001?
  - expect: {says: I cannot find}
  - user: P0001
  - expect: {says: on its way}
  - user: where is my parcel P0001?
  - expect: {says: on its way}
---
name: by condition, however often
stubs:
  parcels.get-parcel:
    - {when: inputs.parcel_number == 'P0001', status: 200, body: {id: P1, status: delivered, street: here}}
    - {status: 404}
talk:
  - user: where is my parcel P0001?
  - expect: {says: was delivered}
  - user: where is my parcel P0001?
  - expect: {says: was delivered}
  - user: where is my parcel P0002?
  - expect: {says: I cannot find}
",
    );
}

#[test]
fn every_fault_of_a_stub_reaches_the_journey() {
    let case = |fault: &str, expect: &str| {
        format!(
            "name: {fault}\nstubs: {{parcels.get-parcel: {{fault: {fault}, status: 200, body: {{id: P1, status: in_transit, street: here}}}}}}\ntalk:\n  - user: where is my parcel P1234?\n  - expect: {{{expect}}}\n"
        )
    };
    let cases: Vec<String> = [
        ("timeout", "status: escalated"),
        ("connect", "status: escalated"),
        ("503", "status: escalated"),
        ("cut", "status: escalated"),
        ("garbage", "status: escalated"),
        ("slow", "says: on its way"),
    ]
    .iter()
    .map(|(fault, expect)| case(fault, expect))
    .collect();
    passes(&cases.join("---\n"));
}

#[test]
fn a_write_is_sent_once_whatever_goes_wrong() {
    let case = |fault: &str| {
        format!(
            "name: {fault}\nstubs: {{parcels.redirect-parcel: {{fault: {fault}}}}}\ntalk:\n  - user: redirect parcel P1234\n  - user: 2 Mill Lane\n  - user: yes\n  - expect: {{status: escalated, calls: [parcels.redirect-parcel]}}\n"
        )
    };
    let (status, result) = test(&["cut", "timeout", "503"].map(case).join("---\n"), &["--strict"]);
    assert_eq!((status, failures(&result)), (0, vec![]), "{result:#}");
}

#[test]
fn strict_fails_on_calls_and_stubs_that_nothing_names() {
    let talk = format!(
        "name: strict\nstubs:\n  parcels.get-parcel:\n    - {FOUND}\n    - {{status: 404}}\ntalk:\n  - user: where is my parcel P1234?\n  - expect: {{calls: []}}\n"
    );
    let (status, result) = test(&talk, &["--strict"]);
    assert_eq!(status, 1);
    assert_eq!(failures(&result).iter().map(|f| f.0).collect::<Vec<_>>(), [8, 5], "{result:#}");
}

#[test]
fn the_clock_moves_only_by_wait() {
    passes(
        "name: nobody comes back\nstubs: {}\ntalk:\n  - user: where is my parcel?\n  - wait: 23h\n  - expect: {status: active}\n  - wait: 25h\n  - expect: {status: abandoned}\n",
    );
}

#[test]
fn reports_are_made_for_people_and_for_ci() {
    let talk = format!(
        "name: good & \"sound\"\nstubs: {{parcels.get-parcel: {FOUND}}}\ntalk: [{{user: 'where is my parcel P1234?'}}]\n---\nname: bad\nstubs: {{}}\ntalk:\n  - user: hello\n  - expect: {{phase: phase_confirm}}\n"
    );
    let (status, out, err) = run(&talk, &[]);
    assert_eq!((status, err.as_str()), (1, ""));
    assert!(
        out.contains("✓ good & \"sound\"")
            && out.contains("✗ bad")
            && out.contains("--> tests/parcels.yaml:9:14")
            && out.contains("1 failed, 1 passed"),
        "{out}"
    );
    assert!(!out.contains('\x1b'));
    let (_, xml, _) = run(&talk, &["--format", "junit"]);
    assert!(
        xml.contains("<testsuites tests=\"2\" failures=\"1\"")
            && xml.contains("name=\"good &amp; &quot;sound&quot;\"")
            && xml.contains("<failure "),
        "{xml}"
    );
    let (status, out, _) = run(&talk, &["--filter", "good"]);
    assert_eq!(status, 0, "{out}");
    assert_eq!(run(&talk, &["--filter", "no such name"]).0, 2);
}

#[test]
fn paths_lead_to_their_workspace() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("parcels");
    let waypost = |args: &[&str]| Command::new(env!("CARGO_BIN_EXE_waypost")).args(args).current_dir(&dir).output().unwrap();
    assert!(waypost(&["new", "parcels"]).status.success());
    for given in ["parcels", "parcels/tests", "parcels/tests/parcels.yaml", path.to_str().unwrap()] {
        let output = waypost(&["test", given, "--format", "json"]);
        let result: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(result["summary"], serde_json::json!({"passed": 5, "failed": 0}), "{given}");
        assert_eq!(result["tests"][0]["file"], "tests/parcels.yaml", "{given}");
    }
    assert_eq!(waypost(&["test", "."]).status.code(), Some(2));
    // A directory of transcripts about journeys may be called so.
    std::fs::create_dir(path.join("tests/journeys")).unwrap();
    std::fs::rename(path.join("tests/parcels.yaml"), path.join("tests/journeys/parcels.yaml")).unwrap();
    for given in ["parcels/tests", "parcels/tests/journeys", "parcels/tests/journeys/parcels.yaml"] {
        let output = waypost(&["test", given, "--format", "json"]);
        let result: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(result["summary"]["passed"], 5, "{given}");
    }
    std::fs::write(Path::new(&path).join("waypost.yaml"), "agnt: {}\n").unwrap();
    let output = waypost(&["test", "parcels"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("WP0103"));
}
