//! `confirm`: shows, asks, and takes nothing but a plain yes of the right person for one.

use std::sync::Arc;

use super::Answered;
use crate::engine::event::{EventBody, who};
use crate::engine::hear::Heard;
use crate::engine::input::Actor;
use crate::engine::scope::{View, push};
use crate::engine::shown;
use crate::engine::turn::{Go, Saying, Turn};
use crate::model::Step;
use crate::model::step::Confirm;
use crate::supervise::{Grant, Question, Source};
use crate::template::Undefined;
use crate::understand::{self, Reply, classify};
use crate::value::{Json, display};

/// How often the question is put again, until what is no answer counts as a no.
const REPEATS: u32 = 3;

pub(in crate::engine) fn enter(turn: &mut Turn<'_>, step: &Step, confirm: &Confirm) -> Go {
    match ask(turn, step, confirm) {
        Ok(()) => Go::Wait,
        Err(reason) => Go::Fall(format!("the question could not be put: {reason}")),
    }
}

/// Puts the question anew: older ids of it are void, and so is a yes to it.
pub(in crate::engine) fn put(turn: &mut Turn<'_>, step: &Step, confirm: &Confirm) {
    if let Err(reason) = ask(turn, step, confirm) {
        turn.note(format!("the question could not be put: {reason}"));
    }
}

fn ask(turn: &mut Turn<'_>, step: &Step, confirm: &Confirm) -> Result<(), String> {
    let Some(run) = turn.state.top().cloned() else { return Ok(()) };
    if run.grants.iter().any(|g| g.step == step.key) {
        let why = "the same question was put again".into();
        turn.emit(EventBody::GrantsEnded { run: run.id, step: Some(step.key.clone()), why });
    }
    let (saying, shown) = text(confirm, &turn.view(), &run.variables, turn.at, turn)?;
    turn.note_unset(&saying.unset);
    let id = turn.fresh_id("q");
    let question = Question {
        id,
        digest: turn.machine.keys.digest(&[b"question", saying.text.as_bytes()]).into(),
        text: saying.text.clone(),
        redacted: saying.redacted.clone(),
        shown: shown.into(),
        turn: turn.state.turn,
        channel: turn.given_to(),
    };
    turn.recall.say(saying.by.as_deref());
    turn.said.push(saying);
    turn.emit(EventBody::Question(Box::new(question)));
    Ok(())
}

/// The question as it is shown, and what it shows.
fn text(
    confirm: &Confirm,
    view: &View<'_>,
    variables: &crate::supervise::Variables,
    at: jiff::Timestamp,
    turn: &Turn<'_>,
) -> Result<(Saying, Vec<Source>), String> {
    let mut shown = Vec::new();
    let (mut full, mut hidden, mut tainted) = (String::new(), String::new(), false);
    let (mut unset, mut by) = (Vec::new(), None);
    if let Some(message) = &confirm.message {
        let rendered = message.render(view, Undefined::Nothing).map_err(|e| e.message)?;
        tainted = rendered.tainted;
        rendered.shown().clone_into(&mut hidden);
        for source in shown::by(message, &rendered.text, &turn.state, at) {
            push(&mut shown, source);
        }
        full = rendered.text;
        (unset, by) = (rendered.undefined, rendered.written);
    }
    for field in &confirm.fields {
        let variable = variables.set.get(&field.name);
        let parts = variable.map_or_else(Vec::new, |v| parts(&v.value.json));
        let value = parts.join(", ");
        let source = Source { path: Arc::new([field.name.shared()]), seq: variables.seq(field.name.as_str()) };
        push(&mut shown, source);
        if confirm.message.is_some() && !value.is_empty() && understand::stand_in_order(&full, parts.iter().map(String::as_str)) {
            continue;
        }
        let sensitive = variable.is_some_and(|v| !v.value.taint.is_clean());
        tainted |= sensitive;
        let name = &field.datapoint.name;
        let told = if value.is_empty() { "not given" } else { &value };
        let told_hidden = if sensitive { crate::engine::turn::REDACTED } else { told };
        for (out, told) in [(&mut full, told), (&mut hidden, told_hidden)] {
            if !out.is_empty() {
                out.push('\n');
            }
            out.extend([&**name, ": ", told]);
        }
    }
    if confirm.message.is_none() {
        for out in [&mut full, &mut hidden] {
            out.push_str("\nIs that right?");
        }
    }
    Ok((Saying { text: full.into(), redacted: tainted.then(|| hidden.into()), unset, by }, shown))
}

/// A value as a person reads it: a list by its elements, which cannot be taken for several.
fn parts(json: &Json) -> Vec<String> {
    match json {
        Json::Array(items) => items.iter().map(|i| if display(i).contains(',') { i.to_string() } else { display(i) }).collect(),
        other => vec![display(other)],
    }
}

pub(in crate::engine) fn hear(turn: &mut Turn<'_>, step: &Step, confirm: &Confirm, heard: &Heard) -> Answered {
    let Some(question) = turn.state.top().and_then(|r| r.stand.question.clone()) else { return Answered::No };
    let reply = classify(&heard.text, &question.text, &turn.machine.locale);
    match reply {
        Reply::Yes => {
            if !was_shown(&question, heard) {
                turn.note("a yes came that the question was not shown to: it is put again");
                put(turn, step, confirm);
                return Answered::Yes(Go::Wait);
            }
            Answered::Yes(yes(turn, step, confirm, &question))
        }
        Reply::No => Answered::Yes(no(turn, confirm)),
        Reply::Change | Reply::Other => {
            let fills = turn.correct_from(heard);
            if let Some(back) = fills.back {
                let go = confirm.on_change.map_or(back, |next| Go::via(next, "change"));
                return Answered::Yes(go);
            }
            if !fills.taken.is_empty() {
                put(turn, step, confirm);
                return Answered::Yes(Go::Wait);
            }
            if reply != Reply::Change {
                return Answered::No;
            }
            Answered::Yes(change(turn, step, confirm))
        }
    }
}

/// Whether a yes counts: only after the question, where that was the last thing given, or where a host says that it was shown.
pub(in crate::engine) fn was_shown(question: &Question, heard: &Heard) -> bool {
    let shown = match (&heard.answers, heard.actor) {
        (Some(id), _) => *id == question.id,
        (None, Actor::Runtime) => false,
        (None, _) => heard.channel == question.channel,
    };
    heard.turn > question.turn && shown
}

/// A wish for a change that does not say which.
pub(in crate::engine) fn change(turn: &mut Turn<'_>, step: &Step, confirm: &Confirm) -> Go {
    if let Some(next) = confirm.on_change {
        return Go::via(next, "change");
    }
    again(turn, step, confirm, "What should it be instead?")
}

/// A yes: a grant, and on.
pub(in crate::engine) fn yes(turn: &mut Turn<'_>, step: &Step, confirm: &Confirm, question: &Question) -> Go {
    let grant = Grant {
        question: question.id.clone(),
        step: step.key.clone(),
        shown: question.shown.clone(),
        actions: confirm.for_actions.iter().map(|(a, _)| a.clone()).collect(),
        at: turn.at,
        seq: turn.state.version + 1,
        by: who(turn.actor, &turn.principal.id),
        version: turn.version().cloned(),
        used: Vec::new(),
    };
    turn.emit(EventBody::Granted { grant: Box::new(grant) });
    Go::To(step.next, Some("confirmed".into()))
}

/// A no: nothing is done.
pub(in crate::engine) fn no(turn: &mut Turn<'_>, confirm: &Confirm) -> Go {
    if let Some(run) = turn.state.top().cloned()
        && !run.grants.is_empty()
    {
        turn.emit(EventBody::GrantsEnded { run: run.id, step: None, why: "a no".into() });
    }
    if let Some(next) = confirm.on_reject {
        return Go::via(next, "reject");
    }
    turn.say("All right, nothing was done.");
    Go::End("declined".into(), None)
}

pub(in crate::engine) fn miss(turn: &mut Turn<'_>, step: &Step, confirm: &Confirm) -> Go {
    again(turn, step, confirm, "Please answer with yes or no.")
}

/// Says so and puts the question once more, until what is no answer counts as a no.
fn again(turn: &mut Turn<'_>, step: &Step, confirm: &Confirm, say: &str) -> Go {
    turn.emit(EventBody::Missed);
    if turn.state.top().map_or(0, |r| r.stand.missed) > REPEATS {
        return no(turn, confirm);
    }
    turn.say(say);
    put(turn, step, confirm);
    Go::Wait
}
