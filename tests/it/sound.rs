//! Soundness: whatever a journey is and whatever comes in, nothing gated is sent without its gate, and where the engine refuses for
//! the way that led there, the checker had said so.
//!
//! `PROPTEST_CASES` sets how many workspaces are tried, `PROPTEST_RNG_SEED` which.

mod journeys;
mod oracle;
mod talk;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;
use proptest::test_runner::{RngSeed, TestCaseError, TestError, TestRunner};
use waypost::check;
use waypost::engine::{Keys, Machine};
use waypost::source::Severity;

use journeys::{Plan, plan, write};
use talk::{Move, Play, moves};

/// Whether the checker proves gates yet.
const PROVED: bool = false;

/// Workspaces, those that the checker takes, talks, and those in which something gated was sent.
#[derive(Default)]
struct Counts {
    made: Cell<u32>,
    taken: Cell<u32>,
    reached: Cell<u32>,
    gated: Cell<u32>,
    denied: Cell<u32>,
    /// Workspaces that the checker does not take, by what it finds.
    refused: RefCell<BTreeMap<String, u32>>,
}

fn add(to: &Cell<u32>, n: u32) {
    to.set(to.get() + n);
}

/// Plays talks over a workspace. Says what should not have been, with all that led to it.
fn judged(plan: &Plan, talks: &[Vec<Move>], vip: bool, counts: &Counts) -> Result<(), TestCaseError> {
    let made = write(plan);
    add(&counts.made, 1);
    let checked = check::load(made.files.clone());
    let Some(loaded) = checked.loaded() else {
        let errors = checked.diagnostics.0.iter().filter(|d| d.severity == Severity::Error);
        let codes: BTreeSet<&str> = errors.map(|d| d.code.as_str()).collect();
        for code in codes {
            *counts.refused.borrow_mut().entry(code.to_owned()).or_default() += 1;
        }
        return Ok(());
    };
    add(&counts.taken, 1);
    let machine = Arc::new(Machine::new(loaded, Keys::derive(b"a key for tests")));
    let mut reached = false;
    for talk in talks {
        let mut play = Play::new(&machine, &made, plan.proves, vip);
        let unsound = talk.iter().find_map(|step| play.play(step).err());
        let tally = play.tally();
        let unproved = tally.unproved.first().filter(|_| PROVED).map(|why| format!("the checker had not reported it: {why}"));
        if let Some(why) = unsound.or(unproved) {
            let journeys = made.files.iter().filter(|(n, _)| n.starts_with("journeys/"));
            let journeys: Vec<String> = journeys.map(|(n, t)| format!("{n}: {t}")).collect();
            return Err(TestCaseError::fail(format!("{why}\n{}\n{}", journeys.join("\n"), play.log.join("\n"))));
        }
        reached |= tally.writes > 0;
        add(&counts.gated, tally.gated);
        add(&counts.denied, tally.denied);
    }
    add(&counts.reached, reached.into());
    Ok(())
}

#[test]
fn nothing_gated_is_sent_without_its_gate() {
    let counts = Counts::default();
    let mut config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    if matches!(config.rng_seed, RngSeed::Random) {
        config.rng_seed = RngSeed::Fixed(3);
    }
    let talks = prop::collection::vec(moves(), 4);
    let result = TestRunner::new(config).run(&(plan(), talks, any::<bool>()), |(plan, talks, vip)| judged(&plan, &talks, vip, &counts));
    if let Err(TestError::Fail(why, _)) = result {
        panic!("{why}");
    }
    let (made, taken, reached) = (counts.made.get(), counts.taken.get(), counts.reached.get());
    println!(
        "{made} workspaces, {taken} taken by the checker, {reached} of them sent a gated write; {} gated requests, {} denials; the others have {:?}",
        counts.gated.get(),
        counts.denied.get(),
        counts.refused.borrow()
    );
    assert!(taken * 10 >= made * 3, "only {taken} of {made} workspaces are taken by the checker");
    assert!(reached * 10 >= taken * 3, "only {reached} of {taken} workspaces sent a gated write");
}
