//! The rules: one file each. A rule sees a [`Subject`] and pushes what it finds; it never sees what other rules found.

mod agents_word;
mod busy_loop;
mod doubt;
mod ended_yes;
mod missing_input;
mod no_owner;
mod probed;
mod says_secret;
mod secret;
mod sent_secret;
mod shadowed;
mod stale;
mod two_actions;
mod types;
mod unconfirmed;
mod unhandled_outcome;
mod unreachable;
mod unset;
mod unshown;
mod unused;
mod unverified;
mod write_in_investigate;
mod yes;

pub use busy_loop::journeys_that_wait;

use super::gates::Gates;
use super::secrecy::Secrecy;
use super::subject::Subject;
use super::verified::Levels;
use crate::model::Action;
use crate::source::Diagnostics;
use secret::Exposure;

/// All that is wrong with a journey.
pub fn check_journey(subject: &Subject<'_>, found: &mut Diagnostics) {
    unreachable::check(subject, found);
    busy_loop::check(subject, found);
    unhandled_outcome::check(subject, found);
    write_in_investigate::check(subject, found);
    shadowed::check_journey(subject, found);
    types::check_journey(subject, found);
    unset::check(subject, found);
    missing_input::check(subject, found);
    unused::check(subject, found);
}

/// All that is wrong with what a journey does under supervision.
pub fn prove_journey(subject: &Subject<'_>, identities: &Levels<'_>, secrecy: &Secrecy, found: &mut Diagnostics) {
    if let Some(gates) = Gates::of(subject) {
        unconfirmed::check(subject, &gates, found);
        ended_yes::check(subject, &gates, found);
        unshown::check(subject, &gates, found);
        two_actions::check(subject, &gates, found);
    }
    agents_word::check(subject, found);
    unverified::check(subject, identities, found);
    stale::check(subject, found);
    if let Some(exposure) = Exposure::of(subject, secrecy) {
        says_secret::check(&exposure, found);
        sent_secret::check(&exposure, found);
        probed::check(&exposure, found);
    }
}

/// All that is wrong with an action, whoever calls it.
pub fn check_action(action: &Action, found: &mut Diagnostics) {
    shadowed::check_action(action, found);
    types::check_action(action, found);
}

/// All that is wrong with what an action asks of supervision, whoever calls it.
pub fn prove_action(action: &Action, found: &mut Diagnostics) {
    doubt::check(action, found);
    no_owner::check(action, found);
    says_secret::check_action(action, found);
}

/// `` `a`, `b` and `c` ``.
fn list(names: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    let quoted: Vec<String> = names.into_iter().map(|n| format!("`{}`", n.as_ref())).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => quoted.concat(),
    }
}
