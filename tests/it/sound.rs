//! Soundness: whatever a journey is and whatever comes in, nothing gated is sent without its gate, and where the engine refuses for
//! the way that led there, the checker had said so.
//!
//! `PROPTEST_CASES` sets how many workspaces are tried, `PROPTEST_RNG_SEED` which.

mod attempts;
mod journeys;
mod oracle;
mod plans;
mod service;
mod talk;
mod ways;
mod woven;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;
use proptest::test_runner::{RngSeed, TestCaseError, TestError, TestRunner};
use waypost::check::{self, Checked, Loaded};
use waypost::engine::{Keys, Machine};
use waypost::source::{CODES, Severity};

use attempts::{Attempt, attempts};
use journeys::{Files, Made, Plan, write};
use plans::plan;
use talk::{Move, Play, calm, moves, slow, tempting};
use ways::{Way, ways};
use woven::{surroundings, weave};

/// What the checker says of gates. Where it says nothing else of a workspace, the engine has to keep them alone.
const PROOFS: [&str; 5] = ["WP0501", "WP0502", "WP0503", "WP0504", "WP0506"];

/// The journeys that somebody may start; they run the others.
const STARTED: [&str; 2] = ["alpha", "beta"];

/// Journeys to start that were made, those that the checker takes, those of them in which something gated was written; and what came of it all.
#[derive(Default)]
struct Counts {
    made: Cell<u32>,
    taken: Cell<u32>,
    reached: Cell<u32>,
    gated: Cell<u32>,
    /// First conversations in which something was denied for the way that a journey leads.
    around: Cell<u32>,
    /// First conversations in which all came that was expected.
    met: Cell<u32>,
    denied: Cell<u32>,
    /// Journeys that the checker does not take, by what it finds.
    refused: RefCell<BTreeMap<String, u32>>,
}

fn add(to: &Cell<u32>, n: usize) {
    to.set(to.get() + u32::try_from(n).unwrap_or(u32::MAX));
}

/// What the checker says of each journey: the codes of its errors.
fn findings(checked: &Checked) -> BTreeMap<&str, BTreeSet<&str>> {
    let names = checked.workspace.journeys.values().map(|j| (j.span.file, j.slug.name.as_str()));
    let mut found: BTreeMap<&str, BTreeSet<&str>> = names.clone().map(|(_, name)| (name, BTreeSet::new())).collect();
    for d in checked.diagnostics.0.iter().filter(|d| d.severity == Severity::Error) {
        let journey = names.clone().find(|(file, _)| *file == d.span.file).map_or("", |(_, name)| name);
        found.entry(journey).or_default().insert(d.code.as_str());
    }
    found
}

/// A workspace without its proofs.
fn unproved(files: &Files, settings: &str) -> Option<Loaded> {
    let mut files: Files = files.iter().filter(|(name, _)| name != "waypost.yaml").cloned().collect();
    let allowed: Vec<String> = PROOFS.iter().map(|code| format!("{code}: allow")).collect();
    files.push(("waypost.yaml".to_owned(), format!("lints: {{{}}}\n{settings}", allowed.join(", ")).into()));
    check::load(files).loaded()
}

/// The machine of a workspace in which only proofs are wanting, what it is later, and the journeys that lack none.
fn machines(made: &Made, counts: &Counts) -> Option<(Machine, Option<Machine>, BTreeSet<String>)> {
    let checked = check::load(made.files.clone());
    let found = findings(&checked);
    let taken: BTreeSet<String> = found.iter().filter(|(_, codes)| codes.is_empty()).map(|(name, _)| (*name).to_owned()).collect();
    add(&counts.made, STARTED.len());
    add(&counts.taken, STARTED.iter().filter(|j| taken.contains(**j)).count());
    for code in found.values().flatten() {
        *counts.refused.borrow_mut().entry((*code).to_owned()).or_default() += 1;
    }
    let loaded = checked.loaded().or_else(|| unproved(&made.files, &made.settings))?;
    let machine = |loaded| Machine::new(loaded, Keys::derive(b"a key for tests"));
    let newer = made.newer.as_ref().and_then(|files| unproved(files, &made.settings)).map(|newer| machine(newer).with_older(&loaded));
    Some((machine(loaded), newer, taken))
}

/// Plays talks over a workspace. Says what should not have been, with all that led to it.
fn judged(plan: &Plan, talks: &[Vec<Move>], vip: bool, counts: &Counts) -> Result<(), TestCaseError> {
    let made = write(plan);
    let Some((machine, newer, taken)) = machines(&made, counts) else { return Ok(()) };
    let (machine, newer) = (Arc::new(machine), newer.map(Arc::new));
    let mut reached = BTreeSet::new();
    let reported = |journey: &str, code: &str| !taken.contains(journey) || !CODES.iter().any(|c| c.code.as_str() == code);
    for (n, talk) in talks.iter().enumerate() {
        let played = |told: bool| {
            let mut play = Play::new(&machine, newer.as_ref(), &made, vip, told);
            let unsound = talk.iter().find_map(|step| play.play(step).err());
            let unproved = play.tally().unproved.iter().find(|(journey, code, _)| !reported(journey, code));
            let unproved = unproved.map(|(.., why)| format!("the checker had not reported it: {why}"));
            (unsound.or(unproved), play)
        };
        let (why, play) = played(false);
        let tally = play.tally();
        if let Some(why) = why {
            let (_, play) = played(true);
            let journeys = made.files.iter().filter(|(n, _)| n.starts_with("journeys/"));
            let journeys: Vec<String> = journeys.map(|(n, t)| format!("{n}: {t}")).collect();
            return Err(TestCaseError::fail(format!("{why}\n{}\n{}", journeys.join("\n"), play.log.join("\n"))));
        }
        reached.extend(STARTED.into_iter().filter(|j| taken.contains(*j) && tally.wrote.contains(*j)));
        add(&counts.around, usize::from(n == 0 && !tally.unproved.is_empty()));
        add(&counts.met, usize::from(n == 0 && tally.is_met()));
        add(&counts.gated, tally.gated as usize);
        add(&counts.denied, tally.denied as usize);
    }
    add(&counts.reached, reached.len());
    Ok(())
}

#[test]
fn nothing_gated_is_sent_without_its_gate() {
    let counts = Counts::default();
    let mut config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    if matches!(config.rng_seed, RngSeed::Random) {
        config.rng_seed = RngSeed::Fixed(3);
    }
    let talks =
        (calm(), slow(), tempting(), tempting(), moves()).prop_map(|(calm, slow, one, other, any)| vec![calm, slow, one, other, any]);
    let result =
        TestRunner::new(config.clone()).run(&(plan(), talks, any::<bool>()), |(plan, talks, vip)| judged(&plan, &talks, vip, &counts));
    if let Err(TestError::Fail(why, _)) = result {
        panic!("{why}");
    }
    let (made, taken, reached) = (counts.made.get(), counts.taken.get(), counts.reached.get());
    around_every_way(&config, &counts);
    every_attempt_fails(&config, &counts);
    println!(
        "{made} journeys, {taken} taken by the checker, {reached} of them sent a gated write; {} gated requests, {} denials; findings {:?}",
        counts.gated.get(),
        counts.denied.get(),
        counts.refused.borrow()
    );
    assert!(taken * 10 >= made * 3, "only {taken} of {made} journeys are taken by the checker");
    assert!(reached * 10 >= taken * 3, "only {reached} of {taken} journeys sent a gated write");
}

/// The same of every way around a gate, each in random surroundings.
fn around_every_way(config: &ProptestConfig, counts: &Counts) {
    let all: Vec<_> = ways().into_iter().map(|w| (w.name, w.plan, w.talk, w.vip)).collect();
    woven_in(config, counts, &all, |counts| counts.around.get(), 7, "ways around a gate");
}

/// The same of every attempt on a rule of the engine.
fn every_attempt_fails(config: &ProptestConfig, counts: &Counts) {
    let all: Vec<_> = attempts().into_iter().map(|a| (a.name, a.plan, a.talk, false)).collect();
    woven_in(config, counts, &all, |counts| counts.met.get(), 9, "attempts on the engine");
}

type Told = (&'static str, Plan, Vec<Move>, bool);

/// Weaves each into random surroundings. `ends`: how many conversations went to their end, of which `floor` of ten must.
fn woven_in(config: &ProptestConfig, counts: &Counts, all: &[Told], ends: fn(&Counts) -> u32, floor: u64, what: &str) {
    let (before, mut never) = (ends(counts), Vec::new());
    let cases = (config.cases / 64).max(1);
    for (n, (name, plan, talk, vip)) in all.iter().enumerate() {
        let mut config = ProptestConfig { cases, ..config.clone() };
        if let RngSeed::Fixed(seed) = config.rng_seed {
            config.rng_seed = RngSeed::Fixed(seed.wrapping_mul(1_000).wrapping_add(n as u64));
        }
        let ended = ends(counts);
        let result = TestRunner::new(config).run(&surroundings(), |around| {
            let (plan, talks) = weave(plan, talk, *vip, &around);
            judged(&plan, &talks, *vip, counts)
        });
        if let Err(TestError::Fail(why, _)) = result {
            panic!("{name}: {why}");
        }
        if ends(counts) == ended {
            never.push(*name);
        }
    }
    let (tried, ended) = (all.len() as u64 * u64::from(cases), ends(counts) - before);
    println!("{tried} {what} in random surroundings, {ended} of them to their end; never {never:?}");
    assert!(u64::from(ended) * 10 >= tried * floor, "only {ended} of {tried} {what} went to their end");
}

/// Goes a way. Says what is not as it should be.
fn gone(way: &Way) -> Result<(), String> {
    let (made, counts) = (write(&way.plan), Counts::default());
    let journeys = made.files.iter().filter(|(n, _)| n.starts_with("journeys/")).map(|(n, t)| format!("{n}: {t}\n"));
    let journeys: String = journeys.collect();
    let checked = check::load(made.files.clone());
    let Some((machine, _, taken)) = machines(&made, &counts) else {
        return Err(format!("more than proofs is wanting: {:?}\n{journeys}", findings(&checked)));
    };
    let mut play = Play::new(&Arc::new(machine), None, &made, way.vip, true);
    for step in &way.talk {
        play.play(step).map_err(|why| format!("{why}\n{journeys}{}", play.log.join("\n")))?;
    }
    let Some((journey, ..)) = play.tally().unproved.first() else {
        return Err(format!("the engine does not deny it\n{journeys}{}", play.log.join("\n")));
    };
    let found = findings(&checked).remove(journey.as_str()).unwrap_or_default();
    match () {
        () if taken.contains(journey) => Err(format!("the checker had not reported it\n{journeys}")),
        () if !found.contains(way.code) => Err(format!("reported as {found:?}, and not as {}\n{journeys}", way.code)),
        () => Ok(()),
    }
}

#[test]
fn every_way_around_a_gate_is_reported_and_denied() {
    let wrong: Vec<String> = ways().iter().filter_map(|way| Some(format!("{}: {}", way.name, gone(way).err()?))).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Makes an attempt by itself. Says what is not as it should be.
fn tried(attempt: &Attempt) -> Result<(), String> {
    let (made, counts) = (write(&attempt.plan), Counts::default());
    let journeys = made.files.iter().filter(|(n, _)| n.starts_with("journeys/")).map(|(n, t)| format!("{n}: {t}\n"));
    let journeys: String = journeys.collect();
    let found = findings(&check::load(made.files.clone())).into_values().flatten().map(str::to_owned).collect::<BTreeSet<String>>();
    let Some((machine, newer, _)) = machines(&made, &counts) else {
        return Err(format!("more than proofs is wanting: {found:?}\n{journeys}"));
    };
    if found.is_empty() != attempt.proved || made.newer.is_some() != newer.is_some() {
        return Err(format!("the checker says {found:?}\n{journeys}"));
    }
    let mut play = Play::new(&Arc::new(machine), newer.map(Arc::new).as_ref(), &made, false, true);
    for step in &attempt.talk {
        play.play(step).map_err(|why| format!("{why}\n{journeys}{}", play.log.join("\n")))?;
    }
    match (play.tally().unproved.first().filter(|_| attempt.proved), play.tally().is_met()) {
        (Some(unproved), _) => Err(format!("the checker had not reported it: {unproved:?}\n{journeys}{}", play.log.join("\n"))),
        (None, false) => Err(format!("it came to {:?}\n{journeys}{}", play.tally().expected, play.log.join("\n"))),
        (None, true) => Ok(()),
    }
}

#[test]
fn every_attempt_on_the_engine_fails() {
    let wrong: Vec<String> = attempts().iter().filter_map(|a| Some(format!("{}: {}", a.name, tried(a).err()?))).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
