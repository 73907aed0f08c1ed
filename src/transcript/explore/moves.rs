//! What may be said or done where a conversation waits for somebody.

use std::sync::Arc;

use jiff::Timestamp;

use super::hints::Hints;
use super::{Move, sample, variables};
use crate::engine::{Answer, Command};
use crate::model::datapoint::Datapoint;
use crate::model::step::{Collect, Investigate, StepKind};
use crate::model::{Action, Journey, Step};
use crate::understand::Locale;
use crate::value::{Json, Name, display};

/// Where it waits.
pub(super) struct Waiting<'a> {
    pub(super) journey: &'a Journey,
    pub(super) step: &'a Step,
    /// Of the state.
    pub(super) likeness: &'a Json,
    pub(super) answer: &'a Answer,
    pub(super) hints: &'a Hints,
    pub(super) locale: &'a Locale,
    pub(super) now: Timestamp,
    /// When the machine wants to be woken.
    pub(super) wake_at: Option<Timestamp>,
}

/// Alternatives of one thing to say, the most natural first: the first that the machine takes is the one.
pub(super) type Ways = Vec<Move>;

impl Waiting<'_> {
    fn run(&self, key: &str) -> Option<&Json> {
        self.likeness.get("runs")?.as_array()?.last()?.get(key)
    }

    fn missed(&self) -> u64 {
        self.run("missed").and_then(Json::as_u64).unwrap_or(0)
    }

    /// Each thing that may be said, in the ways that it may be.
    pub(super) fn moves(&self) -> Vec<Ways> {
        let say = |text: &str| vec![Move::Say(text.into())];
        if self.run("paused").and_then(Json::as_bool) == Some(true) {
            return vec![say("hello again")];
        }
        // Who missed once may miss until it is enough.
        if self.missed() > 0 {
            return vec![say("?")];
        }
        let mut out: Vec<Ways> = match &self.step.kind {
            StepKind::Collect(collect) => self.collect(collect),
            StepKind::Choice(_) => {
                let pick =
                    |o: &crate::engine::answer::AnswerOption| vec![Move::Say(o.label.clone()), Move::User(Command::Choose(o.id.clone()))];
                self.answer.options.iter().map(pick).collect()
            }
            StepKind::Confirm(_) => self.confirm(),
            StepKind::Guide(_) => vec![
                vec![Move::Say("next".into()), Move::User(Command::Next)],
                vec![Move::Say("I am stuck".into()), Move::User(Command::Stuck)],
            ],
            StepKind::Investigate(search) => self.investigate(search),
            StepKind::Action(_) => vec![
                vec![Move::Operator(Command::Approve { hold: "".into(), note: None })],
                vec![Move::Operator(Command::Refuse { hold: "".into(), note: None })],
            ],
            StepKind::Verify(_)
            | StepKind::Say(_)
            | StepKind::If(_)
            | StepKind::Set(_)
            | StepKind::Goto(_)
            | StepKind::Run(_)
            | StepKind::Done(_)
            | StepKind::Escalate(_)
            | StepKind::Broken => Vec::new(),
        };
        if matches!(self.step.kind, StepKind::Collect(_) | StepKind::Choice(_) | StepKind::Confirm(_)) {
            out.push(say("?"));
        }
        out
    }

    fn datapoint(&self, name: &Name) -> Option<Arc<Datapoint>> {
        let of = |step: &Step| match &step.kind {
            StepKind::Collect(c) => {
                let all = c.fields.iter().chain(&c.optional).chain(c.any_of.iter().flat_map(|s| &s.fields));
                all.into_iter().find(|f| f.name == *name).map(|f| f.datapoint.clone())
            }
            _ => None,
        };
        self.journey.steps.iter().find_map(of)
    }

    /// Values of a field: those that guards tell apart, or one.
    fn values(&self, name: &Name, all: bool) -> Vec<Json> {
        let Some(datapoint) = self.datapoint(name) else { return Vec::new() };
        let held = self.hints.literals.get(name.as_str()).cloned().unwrap_or_default();
        let mut values = sample::values(&datapoint, &held, self.locale, self.now);
        let told_apart = !held.is_empty() || self.hints.truths.contains(name.as_str());
        if !told_apart && !all {
            values.truncate(1);
        }
        values
    }

    fn collect(&self, collect: &Collect) -> Vec<Ways> {
        let names = |key: &str| -> Vec<Name> {
            let list = self.run(key).and_then(Json::as_array);
            list.into_iter().flatten().filter_map(Json::as_str).map(Name::new).collect()
        };
        let (asked, optional) = (names("asked"), names("optional"));
        let fill = |values: Vec<(Name, Json)>| Move::User(Command::Fill(values));
        let mut out: Vec<Ways> = Vec::new();
        if !collect.any_of.is_empty() {
            // Each set, by a command: one message says too little of which is meant.
            for set in &collect.any_of {
                let values = set.fields.iter().filter_map(|f| Some((f.name.clone(), self.values(&f.name, false).into_iter().next()?)));
                out.push(vec![fill(values.collect())]);
            }
            return out;
        }
        if let [only] = &*asked {
            for value in self.values(only, false) {
                let said = match &value {
                    Json::Bool(true) => "yes".to_owned(),
                    Json::Bool(false) => "no".to_owned(),
                    other => display(other),
                };
                out.push(vec![Move::Say(said.into()), fill(vec![(only.clone(), value)])]);
            }
        } else {
            let one = |name: &Name| Some((name.clone(), self.values(name, false).into_iter().next()?));
            let all: Vec<(Name, Json)> = asked.iter().filter_map(one).collect();
            for (index, (name, _)) in all.iter().enumerate() {
                for value in self.values(name, false).into_iter().skip(usize::from(index > 0)) {
                    let mut values = all.clone();
                    if let Some(slot) = values.get_mut(index) {
                        slot.1 = value;
                    }
                    out.push(vec![fill(values)]);
                }
            }
        }
        if asked.first().is_some_and(|f| optional.contains(f)) {
            out.push(vec![Move::Say("skip".into())]);
        }
        out
    }

    fn confirm(&self) -> Vec<Ways> {
        let mut out = vec![
            vec![Move::Say("yes".into()), Move::User(Command::Confirm { question: None })],
            vec![Move::Say("no".into()), Move::User(Command::Reject { question: None })],
            vec![Move::User(Command::Change(Vec::new()))],
        ];
        let set: Vec<(Name, Json)> = variables(self.likeness).into_iter().flatten().map(|(n, v)| (Name::new(n), v.clone())).collect();
        for (name, now) in set {
            let other = self.values(&name, true).into_iter().find(|v| *v != now);
            out.extend(other.map(|v| vec![Move::User(Command::Change(vec![(name, v)]))]));
        }
        out
    }

    fn investigate(&self, search: &Investigate) -> Vec<Ways> {
        let made = self.run("calls").and_then(Json::as_u64).unwrap_or(0);
        let mut out: Vec<Ways> = Vec::new();
        // Each read once, in the order of the list.
        let next = usize::try_from(made).ok().and_then(|n| search.using.get(n)).and_then(|(a, _)| a.as_ref());
        if let Some(action) = next {
            let read = Command::Read { action: action.id.to_string().into(), inputs: self.inputs(action) };
            out.push(vec![Move::Agent(read)]);
        }
        for finding in &search.findings {
            out.push(vec![Move::Agent(Command::Finding(finding.name.name.clone()))]);
        }
        if let Some(at) = self.wake_at {
            let seconds = u64::try_from(at.duration_since(self.now).as_secs()).unwrap_or(0) + 1;
            out.push(vec![Move::Wait(seconds)]);
        }
        out
    }

    /// Inputs of a read: variables of the same name, else something of their kind.
    fn inputs(&self, action: &Action) -> Vec<(Name, Json)> {
        use crate::model::action::FieldType;
        let known = variables(self.likeness);
        let value = |f: &crate::model::action::InputField| {
            known.and_then(|v| v.get(f.name.as_str())).cloned().unwrap_or_else(|| match f.kind {
                FieldType::Number | FieldType::Integer => 1.into(),
                FieldType::Boolean => true.into(),
                FieldType::Object => serde_json::json!({}),
                FieldType::Array => Json::Array(Vec::new()),
                FieldType::String | FieldType::Any => format!("{} one", f.name.as_str().replace('_', " ")).into(),
            })
        };
        action.inputs.iter().filter(|f| f.required).map(|f| (f.name.clone(), value(f))).collect()
    }
}
