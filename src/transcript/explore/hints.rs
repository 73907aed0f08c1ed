//! What the journey and all that it calls hold their data against, gathered by the last key of each path: the same thing bears the same
//! name in an answer, in the variable that keeps it and in the result of a called journey.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::expr::{Against, Mention, Program, Root};
use crate::model::action::OwnerRule;
use crate::model::step::{Call, Catch, ChoiceFrom};
use crate::model::{Action, ErrorKind, Journey, Operand, StepKind, Workspace};
use crate::template::Template;
use crate::value::{Json, Name};

/// A path: its root, and the keys after it.
pub(super) type Path = (Root, Vec<Arc<str>>);

/// What is known of the data that matter to a journey.
#[derive(Debug, Default)]
pub(super) struct Hints {
    /// What a key is held against, in the order written.
    pub(super) literals: BTreeMap<Arc<str>, Vec<Json>>,
    /// Other paths that it is held against.
    pub(super) paths: BTreeMap<Arc<str>, Vec<Path>>,
    /// Keys that are looked at as true or false.
    pub(super) truths: BTreeSet<Arc<str>>,
    /// Every path that is read.
    pub(super) reads: Vec<Path>,
    /// Variables that take an action's answer.
    pub(super) saved: BTreeMap<(Name, Name), BTreeSet<Arc<str>>>,
    /// Paths of an action's answer that a verification's subject, or a rule of whose something is, reads.
    pub(super) ruled: BTreeMap<(Name, Name), Vec<Vec<Arc<str>>>>,
    /// Errors that are caught of an action.
    pub(super) caught: BTreeMap<(Name, Name), BTreeSet<ErrorKind>>,
    /// Variables that are an element of a list.
    elements: Vec<(Arc<str>, Path)>,
    /// Journeys that it can come to, itself among them.
    pub(super) journeys: BTreeMap<Name, Arc<Journey>>,
}

impl Hints {
    pub(super) fn of(workspace: &Workspace, journey: &Arc<Journey>) -> Self {
        let mut hints = Self::default();
        let mut wait = vec![journey.clone()];
        wait.extend(workspace.settings.identity_journey.as_ref().and_then(|n| workspace.journeys.get(n)).cloned());
        while let Some(next) = wait.pop() {
            if hints.journeys.insert(next.slug.name.clone(), next.clone()).is_none() {
                for step in &next.steps {
                    hints.step(workspace, &step.kind);
                    if let StepKind::Run(run) = &step.kind {
                        wait.extend(run.journey.clone());
                    }
                }
            }
        }
        let elements = std::mem::take(&mut hints.elements);
        let within: Vec<Path> = hints
            .reads
            .iter()
            .filter(|(root, _)| *root == Root::Variables)
            .filter_map(|(_, keys)| {
                let (variable, rest) = keys.split_first()?;
                let (_, (root, list)) = elements.iter().find(|(v, _)| v == variable).filter(|_| !rest.is_empty())?;
                Some((*root, list.iter().cloned().chain(["*".into()]).chain(rest.iter().cloned()).collect()))
            })
            .collect();
        hints.reads.extend(within);
        hints
    }

    /// A condition: what it is as a whole is looked at as true or false.
    fn condition(&mut self, program: &Program) {
        self.program(program);
        self.truths.extend(program.path().and_then(|(_, keys)| keys.last().cloned()));
    }

    fn program(&mut self, program: &Program) {
        let whole = program.path();
        for Mention { root, keys, with } in program.mentions() {
            let Some(last) = keys.last().cloned() else { continue };
            match with {
                Against::Literal(json) => {
                    let all = self.literals.entry(last).or_default();
                    if !all.contains(&json) {
                        all.push(json);
                    }
                }
                Against::Path(r, k) => self.paths.entry(last).or_default().push((r, k)),
                Against::Truth if whole.is_none() => {
                    self.truths.insert(last);
                }
                Against::Truth | Against::Nothing => {}
            }
            self.reads.push((root, keys));
        }
    }

    fn template(&mut self, template: &Template) {
        self.reads.extend(template.reads().iter().map(|r| (r.root, r.keys.clone())));
    }

    fn operand(&mut self, operand: &Operand) {
        match operand {
            Operand::Literal(_) => {}
            Operand::Expr(program) => self.program(program),
            Operand::Template(template) => self.template(template),
            Operand::List(items) => items.iter().for_each(|i| self.operand(i)),
            Operand::Map(pairs) => pairs.iter().for_each(|(_, o)| self.operand(o)),
        }
    }

    fn call(&mut self, workspace: &Workspace, call: &Call) {
        call.inputs.iter().for_each(|i| self.operand(&i.value));
        call.each.iter().for_each(|e| self.program(e));
        let Some(action) = &call.action else { return };
        let key = key(action);
        self.saved.entry(key.clone()).or_default().extend(call.save_as.iter().chain(&action.output_datapoint).map(Name::shared));
        let kinds = call.on_error.iter().filter_map(|(catch, ..)| match catch {
            Catch::Kind(kind) => Some(*kind),
            Catch::Default => None,
        });
        self.caught.entry(key).or_default().extend(kinds);
        self.action(workspace, action);
    }

    /// What reads an action's answer beside its outcomes.
    fn rule(&mut self, action: &Action, program: &Program) {
        let body = |m: Mention| {
            let (first, rest) = m.keys.split_first()?;
            (m.root == Root::Response && &**first == "body" && !rest.is_empty()).then(|| rest.to_vec())
        };
        self.ruled.entry(key(action)).or_default().extend(program.mentions().into_iter().filter_map(body));
        // What is no comparison is held against who was verified.
        if let Some(last) = program.path().and_then(|(_, keys)| keys.last().cloned()) {
            let subject = ["identity", "subject"].map(Arc::from).to_vec();
            self.paths.entry(last).or_default().push((Root::Conversation, subject));
        }
        self.program(program);
    }

    fn action(&mut self, workspace: &Workspace, action: &Action) {
        for outcome in action.outcomes.iter().filter_map(|o| o.condition.as_ref()) {
            self.condition(outcome);
        }
        if let Some((is, _)) = &action.safety.result_owner {
            self.rule(action, is);
        }
        if let Some(when) = action.safety.approval.as_ref().and_then(|a| a.when.as_ref()) {
            self.condition(when);
        }
        match &action.safety.owner {
            Some(OwnerRule::Expr(program)) => self.program(program),
            Some(OwnerRule::Read { call, is, .. }) => {
                if let Some(read) = workspace.action(&call.0) {
                    self.rule(read, is);
                    read.outcomes.iter().filter_map(|o| o.condition.as_ref()).for_each(|p| self.program(p));
                }
            }
            None => {}
        }
    }

    fn step(&mut self, workspace: &Workspace, kind: &StepKind) {
        match kind {
            StepKind::Collect(collect) => collect.prompt.iter().for_each(|t| self.template(t)),
            StepKind::Action(call) => self.call(workspace, call),
            StepKind::Verify(verify) => {
                self.call(workspace, &verify.call);
                if let (Some(subject), Some(action)) = (&verify.subject, &verify.call.action) {
                    self.rule(action, subject);
                }
            }
            StepKind::Choice(choice) => {
                choice.prompt.iter().for_each(|t| self.template(t));
                if let Some(ChoiceFrom::Expr(program)) = &choice.from {
                    self.program(program);
                }
            }
            StepKind::Confirm(confirm) => confirm.message.iter().for_each(|t| self.template(t)),
            StepKind::Guide(guide) => guide.steps.iter().for_each(|i| {
                self.template(&i.say);
                i.unless.iter().for_each(|p| self.condition(p));
            }),
            StepKind::Investigate(search) => {
                for action in search.using.iter().filter_map(|(a, _)| a.as_ref()) {
                    self.action(workspace, action);
                }
            }
            StepKind::Say(template) => self.template(template),
            StepKind::If(branch) => self.condition(&branch.condition),
            StepKind::Set(assigns) => {
                for assign in assigns {
                    let Some(value) = &assign.value else { continue };
                    self.operand(value);
                    if let Operand::Expr(program) = value
                        && let Some(list) = program.element_of()
                    {
                        self.elements.push((assign.name.shared(), list));
                    }
                }
            }
            StepKind::Run(run) => run.with.iter().for_each(|i| self.operand(&i.value)),
            StepKind::Done(done) => {
                done.message.iter().for_each(|t| self.template(t));
                done.result.iter().for_each(|(_, o)| self.operand(o));
            }
            StepKind::Escalate(escalate) => {
                escalate.reason.iter().chain(&escalate.message).for_each(|t| self.template(t));
            }
            StepKind::Goto(_) | StepKind::Broken => {}
        }
    }
}

pub(super) fn key(action: &Action) -> (Name, Name) {
    (action.id.integration.name.clone(), action.id.action.name.clone())
}
