//! Where a conversation stands, as one who asks may see it. Pure: nothing is put again by looking.

use std::sync::Arc;

use jiff::Timestamp;

use super::answer::{Answer, AnswerOption, Phase, Question, Status};
use super::input::Actor;
use super::machine::{Machine, Plan};
use super::scope::View;
use super::state::{Run, State};
use super::steps::{choice, collect, offer};
use super::turn::Saying;
use crate::model::Step;
use crate::model::step::StepKind;
use crate::template::Undefined;

/// The answer that says how things stand; without `said`, it says again what is asked.
pub(super) fn standing(machine: &Machine, state: &State, actor: Actor, now: Timestamp, said: Option<&[Saying]>) -> Answer {
    let plan = state.top().and_then(|run| machine.plan(run));
    let mut answer = Answer { at: state.moved(), status: state.status, phase: phase(state, plan), ..Answer::default() };
    answer.journey = match (state.top(), &state.last) {
        (Some(run), _) => Some(plan.map_or_else(|| run.journey.shared(), |p| p.journey.slug.shown.clone())),
        (None, Some((journey, ..))) => {
            Some(machine.workspace.journeys.get(journey).map_or_else(|| journey.as_str().into(), |j| j.slug.shown.clone()))
        }
        (None, None) => None,
    };
    answer.outcome = state.last.as_ref().map(|(_, outcome, _)| outcome.clone());
    answer.awaiting_input = matches!(answer.phase, Phase::Collect | Phase::Choice | Phase::Confirm | Phase::Guide | Phase::Investigate)
        || state.status == Status::Paused;
    if answer.phase == Phase::Choice && state.top().is_none() {
        answer.options.clone_from(&state.offered);
    }
    let again = said.is_none();
    let tell = |answer: &mut Answer, said: &[Saying]| {
        answer.messages = said.iter().map(|s| s.to(actor)).collect();
        answer.sensitive = actor != Actor::Agent && said.iter().any(|s| s.redacted.is_some());
    };
    tell(&mut answer, said.unwrap_or_default());
    let Some(run) = state.top().filter(|r| answer.phase != Phase::Working && !r.paused && r.stand.waits) else {
        return answer;
    };
    let Some(plan) = plan else { return answer };
    let step = run.at.as_ref().and_then(|at| plan.journey.step_by_key(at)).map(|(_, step)| step);
    if let (Some(step), false) = (step, state.status == Status::Escalated) {
        let view = View::new(state, Some(run), now);
        if again {
            tell(&mut answer, &sayings(step, run, &view));
        }
        answer.options = options(step, run, &view);
        answer.question = question(run, actor);
        answer.sensitive |= answer.question.is_some() && run.stand.question.as_ref().is_some_and(|q| q.redacted.is_some());
    }
    answer
}

fn question(run: &Run, actor: Actor) -> Option<Question> {
    let question = run.stand.question.as_ref().filter(|_| actor != Actor::Agent)?;
    Some(Question { id: question.id.clone(), text: question.text.clone(), digest: question.digest.clone() })
}

fn options(step: &Step, run: &Run, view: &View<'_>) -> Vec<AnswerOption> {
    match &step.kind {
        StepKind::Choice(step) if run.stand.picked.is_none() => choice::options(step, &run.stand.options, view),
        _ => Vec::new(),
    }
}

fn sayings(step: &Step, run: &Run, view: &View<'_>) -> Vec<Saying> {
    match &step.kind {
        StepKind::Collect(step) => {
            let optional = run.stand.asked.first().is_some_and(|f| run.stand.optional.contains(f));
            collect::prompts(step, &run.stand.asked, optional, view)
        }
        StepKind::Choice(step) => match &run.stand.picked {
            None => choice::prompt(step, view),
            Some(picked) if picked.asks.is_some() => offer::asked(picked),
            Some(_) => run.stand.question.iter().map(|q| Saying::plain(q.text.clone())).collect(),
        },
        StepKind::Confirm(_) => {
            let question = run.stand.question.iter();
            question.map(|q| Saying { redacted: q.redacted.clone(), ..Saying::plain(q.text.clone()) }).collect()
        }
        StepKind::Guide(guide) => {
            let instruction = guide.steps.get(run.stand.index as usize);
            instruction.and_then(|i| i.say.render(view, Undefined::Nothing).ok()).map(Saying::from).into_iter().collect()
        }
        _ => Vec::new(),
    }
}

/// The phase of a conversation.
fn phase(state: &State, plan: Option<&Arc<Plan>>) -> Phase {
    if state.status == Status::Escalated {
        return Phase::Escalated;
    }
    if state.status == Status::Abandoned {
        return Phase::Idle;
    }
    if state.is_busy() {
        return Phase::Working;
    }
    let Some(run) = state.top() else {
        return match &state.last {
            _ if !state.offered.is_empty() => Phase::Choice,
            Some((.., turn)) if *turn == state.turn => Phase::Done,
            _ => Phase::Idle,
        };
    };
    if run.paused {
        return Phase::Done;
    }
    if run.stand.hold.is_some() {
        return Phase::Hold;
    }
    let Some(plan) = plan else { return Phase::Idle };
    let step = run.at.as_ref().and_then(|at| plan.journey.step_by_key(at));
    match step.map(|(_, s)| &s.kind) {
        Some(StepKind::Collect(_)) => Phase::Collect,
        Some(StepKind::Choice(_)) => match &run.stand.picked {
            None => Phase::Choice,
            Some(picked) if picked.asks.is_some() => Phase::Collect,
            Some(_) => Phase::Confirm,
        },
        Some(StepKind::Confirm(_)) => Phase::Confirm,
        Some(StepKind::Guide(_)) => Phase::Guide,
        Some(StepKind::Investigate(_)) => Phase::Investigate,
        _ => Phase::Working,
    }
}
