//! `guide`: one instruction at a time, on, back, or stuck.

use super::Answered;
use crate::engine::event::EventBody;
use crate::engine::hear::Heard;
use crate::engine::turn::{Go, Turn};
use crate::model::step::Guide;
use crate::understand::{Reply, Words, classify, is_word};

/// How often an instruction is said again, until a message that means nothing here counts as being stuck.
const REPEATS: u32 = 3;

pub(in crate::engine) fn enter(turn: &mut Turn<'_>, guide: &Guide) -> Go {
    forward(turn, guide, 0)
}

/// To the first instruction from there on that is not skipped.
fn forward(turn: &mut Turn<'_>, guide: &Guide, from: usize) -> Go {
    let index = (from..guide.steps.len()).find(|i| !is_skipped(turn, guide, *i));
    match index {
        Some(index) => give(turn, guide, index),
        None => Go::via(guide.on_complete, "complete"),
    }
}

fn is_skipped(turn: &mut Turn<'_>, guide: &Guide, index: usize) -> bool {
    let Some(program) = guide.steps.get(index).and_then(|i| i.unless.as_ref()) else { return false };
    let skipped = turn.test(program, &turn.view());
    skipped.unwrap_or_else(|fault| {
        turn.note(format!("`unless` of an instruction failed: {}", fault.message));
        false
    })
}

fn give(turn: &mut Turn<'_>, guide: &Guide, index: usize) -> Go {
    turn.emit(EventBody::Instructed { index: u32::try_from(index).unwrap_or(u32::MAX) });
    put(turn, guide);
    Go::Wait
}

fn index(turn: &Turn<'_>) -> usize {
    turn.state.top().map_or(0, |r| r.stand.index as usize)
}

pub(in crate::engine) fn put(turn: &mut Turn<'_>, guide: &Guide) {
    if let Some(instruction) = guide.steps.get(index(turn)) {
        turn.say_template(&instruction.say);
    }
}

pub(in crate::engine) fn next(turn: &mut Turn<'_>, guide: &Guide) -> Go {
    let here = index(turn);
    forward(turn, guide, here + 1)
}

pub(in crate::engine) fn back(turn: &mut Turn<'_>, guide: &Guide) -> Go {
    let here = index(turn);
    let before = (0..here).rev().find(|i| !is_skipped(turn, guide, *i)).unwrap_or(here);
    give(turn, guide, before)
}

pub(in crate::engine) fn stuck(turn: &mut Turn<'_>, guide: &Guide) -> Go {
    let here = index(turn);
    match guide.steps.get(here).and_then(|i| i.on_stuck).or(guide.on_stuck) {
        Some(next) => Go::via(next, format!("stuck:{here}")),
        None => Go::Fall(format!("stuck at instruction {}", here + 1)),
    }
}

pub(in crate::engine) fn hear(turn: &mut Turn<'_>, guide: &Guide, heard: &Heard) -> Answered {
    let locale = &turn.machine.locale;
    if is_word(Words::Back, &heard.text, locale) {
        return Answered::Yes(back(turn, guide));
    }
    if is_word(Words::Stuck, &heard.text, locale) {
        return Answered::Yes(stuck(turn, guide));
    }
    if is_word(Words::Next, &heard.text, locale) || classify(&heard.text, "", locale) == Reply::Yes {
        return Answered::Yes(next(turn, guide));
    }
    Answered::No
}

pub(in crate::engine) fn miss(turn: &mut Turn<'_>, guide: &Guide) -> Go {
    turn.emit(EventBody::Missed);
    if turn.state.top().map_or(0, |r| r.stand.missed) > REPEATS {
        return stuck(turn, guide);
    }
    turn.say("Say \"next\" when it is done, \"back\" for the one before, or \"stuck\" if it does not work.");
    put(turn, guide);
    Go::Wait
}
