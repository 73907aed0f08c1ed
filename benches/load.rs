//! Loading and checking: a large workspace against the parser's bare events, one long journey against a short one, and a cold start.

#![expect(clippy::expect_used, reason = "what a benchmark is made of must be sound")]

#[expect(dead_code, reason = "nothing is done many times over here")]
mod common;
#[path = "common/long.rs"]
mod long;
#[path = "floors/yaml.rs"]
mod yaml;

use std::process::{Command, Stdio};

use common::{Report, generate, timed};
use waypost::check;

fn main() {
    let mut report = Report::default();

    let files = generate::workspace(1_000);
    let checked = check::load(files.clone());
    assert!(checked.diagnostics.0.is_empty(), "the generated workspace is clean: {:?}", checked.diagnostics.0.first());
    let steps: usize = checked.workspace.journeys.values().map(|j| j.steps.len()).sum();
    let bytes: usize = files.iter().map(|f| f.1.len()).sum();
    assert_eq!(steps, 1_000 * 20 + 2, "twenty steps a journey, and the two of the one that they run");
    println!("1,000 journeys, {steps} steps, {bytes} bytes, one thread");
    report.pair(
        "load and check 1,000 journeys / the parser's events",
        4.0,
        || yaml::drain(files.iter().map(|f| &*f.1)),
        || check::load(files.clone()),
    );

    let (short, ten) = (long::one(1_000), long::one(10_000));
    for f in [&short, &ten] {
        let checked = check::load(f.clone());
        assert!(!checked.diagnostics.has_errors(), "the long journey checks: {:?}", checked.diagnostics.0.first());
    }
    report.pair("one journey of 10,000 steps / one of 1,000", 12.0, || check::load(short.clone()), || check::load(ten.clone()));
    let seconds = timed(5, || check::load(ten.clone()));
    report.most("one journey of 10,000 steps", seconds, 1.0, "s");

    let proved = |files: &generate::Files, proofs| {
        let (workspace, found) = waypost::model::build(files.clone());
        check::check_with(workspace, found, proofs)
    };
    report.pair(
        "check 1,000 journeys with proofs / without",
        2.0,
        || proved(&files, check::Proofs::None),
        || proved(&files, check::Proofs::All),
    );
    let (short, ten) = (long::supervised(1_000), long::supervised(10_000));
    for f in [&short, &ten] {
        let checked = check::load(f.clone());
        assert!(!checked.diagnostics.has_errors(), "the supervised journey checks: {:?}", checked.diagnostics.0.first());
    }
    report.pair(
        "one supervised journey of 10,000 steps with proofs / without",
        2.0,
        || proved(&ten, check::Proofs::None),
        || proved(&ten, check::Proofs::All),
    );
    report.pair("one supervised journey of 10,000 steps / one of 1,000", 12.0, || check::load(short.clone()), || check::load(ten.clone()));
    let (short, ten) = (long::distinct(1_000), long::distinct(10_000));
    for f in [&short, &ten] {
        let checked = check::load(f.clone());
        assert!(checked.diagnostics.0.is_empty(), "the journey of many names checks: {:?}", checked.diagnostics.0.first());
    }
    report.pair(
        "one journey of 10,000 steps with names of its own in every ten, with proofs / without",
        2.0,
        || proved(&ten, check::Proofs::None),
        || proved(&ten, check::Proofs::All),
    );
    report.pair("the same / one of 1,000", 15.0, || check::load(short.clone()), || check::load(ten.clone()));

    let cold = timed(15, || {
        let status = Command::new(env!("CARGO_BIN_EXE_waypost"))
            .args(["check", env!("CARGO_MANIFEST_DIR")])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        assert!(status.expect("the program starts").success(), "the shipped workspace checks");
    });
    report.most("a cold `check` of the shipped workspace", cold * 1e3, 30.0, "ms");
    report.finish();
}
