//! `verify`: the only thing in the language that says who speaks.

use std::sync::Arc;

use crate::engine::call::Wanted;
use crate::engine::effect::CallResult;
use crate::engine::event::{EventBody, Purpose};
use crate::engine::inputs::{self, Resolved};
use crate::engine::redact;
use crate::engine::scope::View;
use crate::engine::state::Flight;
use crate::engine::turn::{Go, Turn, later};
use crate::model::step::{Verify, VerifySource};
use crate::model::{Action, Step};
use crate::supervise::Identity;
use crate::value::{Name, Slug, display};

pub(in crate::engine) fn enter(turn: &mut Turn<'_>, verify: &Verify) -> Go {
    let Some(action) = &verify.call.action else { return Go::Fall("the action is not here".into()) };
    if turn.state.tries >= verify.max_tries {
        turn.note(format!("verification was tried {} times in this conversation", turn.state.tries));
        return not_verified(verify);
    }
    if verify.source == VerifySource::User
        && let Some(name) = agents_word(turn, verify, action)
    {
        turn.note(format!("`{name}` is an agent's word and stands in no message of the user's: it does not count"));
        return not_verified(verify);
    }
    if let Ok(resolved) = resolved(turn, verify, action)
        && !turn.count_try(action, &resolved.value, verify.max_tries)
    {
        turn.note("verification was tried too often with this input, in all conversations together");
        return not_verified(verify);
    }
    turn.emit(EventBody::VerifyTried);
    let wanted = Wanted { action, inputs: &verify.call.inputs, each: None, about: None, purpose: Purpose::Step };
    match turn.call(&wanted) {
        Ok(go) => go,
        Err(trouble) => turn.trouble(trouble),
    }
}

fn not_verified(verify: &Verify) -> Go {
    match verify.on_failed {
        Some(next) => Go::via(next, "not_verified"),
        None => Go::Fall("nobody was verified".into()),
    }
}

fn resolved(turn: &Turn<'_>, verify: &Verify, action: &Action) -> Result<Resolved, String> {
    let run = turn.state.top().ok_or("there is no run")?;
    let view = View::new(&turn.state, Some(run), turn.at);
    inputs::resolve(action, &verify.call.inputs, &view, &turn.state, run, &turn.recall)
}

/// The first variable that the inputs come from which only an agent vouches for.
fn agents_word(turn: &Turn<'_>, verify: &Verify, action: &Action) -> Option<Name> {
    let resolved = resolved(turn, verify, action).ok()?;
    turn.agents_word(turn.state.top()?, resolved.sources)
}

pub(in crate::engine) fn matched(
    turn: &mut Turn<'_>,
    step: &Step,
    verify: &Verify,
    action: &Arc<Action>,
    flight: &Flight,
    outcome: &Arc<str>,
) -> Go {
    let name = Slug::named(outcome).name;
    let verified = verify.verified.iter().any(|(v, _)| v.name == name);
    let subject = if verified { subject(turn, verify, action, flight) } else { Err("no verified outcome") };
    for name in verify.call.save_as.iter().chain(&action.output_datapoint) {
        turn.keep(action, flight, name, None, false);
    }
    turn.emit(EventBody::Matched { outcome: outcome.clone() });
    let subject = match subject {
        Ok(subject) => subject,
        Err(why) => {
            if verified {
                turn.note(why);
            }
            return not_verified(verify);
        }
    };
    let other = turn.state.identity.as_ref().is_some_and(|i| i.subject != subject);
    if other && !turn.machine.workspace.settings.identity_allow_switch {
        turn.note("another subject was verified in this conversation: a second one is refused");
        return not_verified(verify);
    }
    let expires = later(turn.at, verify.ttl_s.saturating_mul(1_000));
    let identity = Identity { subject, level: verify.level, at: turn.at, expires };
    turn.emit(EventBody::Verified { identity: Box::new(identity) });
    turn.clear_tries(action, &flight.inputs);
    Go::To(step.next, Some("verified".into()))
}

fn subject(turn: &Turn<'_>, verify: &Verify, action: &Action, flight: &Flight) -> Result<Arc<str>, &'static str> {
    let Some(program) = &verify.subject else {
        return turn.state.opened.as_ref().map(|o| o.user_id.clone()).filter(|u| !u.is_empty()).ok_or("there is no user");
    };
    let result = turn.state.flight.as_ref().and_then(|f| f.result.as_deref());
    let Some(CallResult::Answered(answer)) = result else { return Err("there is no answer to take the subject from") };
    let taint = redact::of_response(&action.safety, &answer.body);
    let view = View::top(&turn.state, turn.at).inputs(&flight.inputs).response(answer, &taint);
    if turn.is_sensitive(program.reads(), &view) {
        turn.judge_written("subject", &[&program.print()]);
        if let Some(subject) = turn.recall.verified() {
            return Ok(subject);
        }
    }
    let value = program.eval(&view).map_err(|_| "the subject could not be computed")?;
    let text = display(&value.json);
    if text.trim().is_empty() || value.json.is_object() || value.json.is_array() {
        return Err("the subject is empty");
    }
    Ok(text.into())
}
