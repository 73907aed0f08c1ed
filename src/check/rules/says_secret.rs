//! `WP0601`: something sensitive that is said unmasked, or put into a label, a hand-over, a URL or a header.

use std::collections::BTreeSet;

use super::secret::Exposure;
use crate::check::flow::Node;
use crate::check::parts;
use crate::check::secrecy::{self, Of};
use crate::check::variables::Var;
use crate::expr::{Program, Root};
use crate::model::Action;
use crate::model::action::EndpointPart;
use crate::model::step::{Call, ChoiceFrom, Operand, Step, StepKind, Verify};
use crate::source::{Code, Diagnostic, Diagnostics, Span};
use crate::template::Template;
use crate::value::Secrets;

pub(super) fn check(exposure: &Exposure<'_>, found: &mut Diagnostics) {
    let subject = exposure.subject;
    for (id, step) in subject.journey.iter() {
        let node = Node(id.0);
        let Some(held) = exposure.held(node) else { continue };
        let of = |root: Root, key: Option<&str>| exposure.exposed.member(held, root, key);
        let mut leaks = Leaks { exposure, node, of: &of, seen: BTreeSet::new(), found };
        leaks.step(step);
    }
    let fallback = subject.graph.fallback();
    if let Some(held) = exposure.held(fallback) {
        let of = |root: Root, key: Option<&str>| exposure.exposed.member(held, root, key);
        let mut leaks = Leaks { exposure, node: fallback, of: &of, seen: BTreeSet::new(), found };
        let told = &subject.journey.fallback;
        leaks.templates([&told.message], "is said in full");
        leaks.templates([&told.reason], "is handed over in full");
    }
}

/// What an action's own URL and headers show of what it says to be sensitive.
pub(super) fn check_action(action: &Action, found: &mut Diagnostics) {
    let declared = secrecy::declared(action);
    if declared.is_clean() {
        return;
    }
    for part in &action.invocation.endpoint {
        if let EndpointPart::Param(name, span) = part
            && declared.member(name.as_str()).is_certain()
        {
            found.push(in_url(*span, &format!("`{name}` is sensitive by `redact_fields`, and stands in the URL")));
        }
    }
    let of = |root: Root, key: Option<&str>| if root == Root::Inputs { of_inputs(&declared, key) } else { Secrets::default() };
    for (key, operand) in action.invocation.query.iter().chain(&action.invocation.headers) {
        if secrecy::of_operand(operand, &of).is_certain() {
            found.push(in_url(span_of(operand).unwrap_or(action.span), &format!("what is sensitive by `redact_fields` goes into `{key}`")));
        }
    }
}

fn of_inputs(declared: &Secrets, key: Option<&str>) -> Secrets {
    key.map_or_else(|| declared.clone(), |key| declared.member(key))
}

fn in_url(span: Span, message: &str) -> Diagnostic {
    Diagnostic::new(Code::WP0601, span, message).help("send it in the body: what URLs and headers hold is logged on the way")
}

fn span_of(operand: &Operand) -> Option<Span> {
    match operand {
        Operand::Expr(program) => Some(whole(program)),
        Operand::Template(template) => Some(template.text().part(&(0..template.text().value.len()))),
        Operand::Literal(_) | Operand::List(_) | Operand::Map(_) => None,
    }
}

fn whole(program: &Program) -> Span {
    program.text().part(&(0..program.text().value.len()))
}

struct Leaks<'l, 'a> {
    exposure: &'l Exposure<'a>,
    node: Node,
    of: Of<'l>,
    seen: BTreeSet<(Option<Var>, Span)>,
    found: &'l mut Diagnostics,
}

impl Leaks<'_, '_> {
    fn step(&mut self, step: &Step) {
        const SAID: &str = "is said in full";
        match &step.kind {
            StepKind::Collect(c) => {
                self.templates([&c.prompt, &c.retry_message], SAID);
                for field in parts::fields(step) {
                    if let Some(prompt) = field.datapoint.prompt.as_ref().filter(|p| !secrecy::said(p, self.of).is_empty()) {
                        let var = secrecy::said(prompt, self.of).first().and_then(|(_, _, key)| self.var(key.map(|k| &**k)));
                        self.tell(var, field.span, "is said in full by this field's prompt");
                    }
                }
            }
            StepKind::Choice(c) => {
                self.templates([&c.prompt, &c.retry_message], SAID);
                for option in &c.options {
                    self.template(&option.label, "stands in a label in full");
                }
                if let Some(ChoiceFrom::Expr(from)) = &c.from {
                    self.program(from, "may stand in a label in full");
                }
            }
            StepKind::Confirm(c) => {
                self.templates([&c.message], SAID);
                for field in &c.fields {
                    if (self.of)(Root::Variables, Some(field.name.as_str())).is_certain() {
                        self.tell(self.var(Some(field.name.as_str())), field.span, "is shown in full by the question");
                    }
                }
            }
            StepKind::Guide(g) => g.steps.iter().for_each(|i| self.template(&i.say, SAID)),
            StepKind::Say(t) => self.template(t, SAID),
            StepKind::Done(d) => self.templates([&d.message], SAID),
            StepKind::Escalate(e) => {
                self.templates([&e.message], SAID);
                self.templates([&e.reason], "is handed over in full");
                for program in &e.include {
                    self.program(program, "is handed over in full");
                }
            }
            StepKind::Action(call) | StepKind::Verify(Verify { call, .. }) => self.call(call),
            StepKind::Investigate(_) | StepKind::If(_) | StepKind::Set(_) | StepKind::Goto(_) | StepKind::Run(_) | StepKind::Broken => {}
        }
    }

    fn templates<const N: usize>(&mut self, all: [&Option<Template>; N], what: &str) {
        for template in all.into_iter().flatten() {
            self.template(template, what);
        }
    }

    fn template(&mut self, template: &Template, what: &str) {
        for (start, root, key) in secrecy::said(template, self.of) {
            let read = template.reads().iter().find(|r| r.range.start >= start && r.root == root && r.keys.first() == key);
            let text = template.text();
            let span = read.map_or_else(|| text.part(&(start..text.value.len())), |r| text.part(&r.range));
            let shown = read.map_or_else(String::new, |r| r.keys.join("."));
            self.tell_of(self.var(key.map(|k| &**k)), &shown, span, what);
        }
    }

    fn program(&mut self, program: &Program, what: &str) {
        if program.secrets(self.of).is_certain() {
            let secret = |v: &Var| (self.of)(Root::Variables, Some(self.exposure.subject.variables.name(*v))).is_certain();
            let reads = program.reads().iter().filter(|r| r.root == Root::Variables);
            let var = reads.filter_map(|r| self.var(r.keys.first().map(|k| &**k))).find(secret);
            self.tell(var, whole(program), what);
        }
    }

    fn call(&mut self, call: &Call) {
        let Some(action) = call.action.as_deref() else { return };
        let declared = secrecy::declared(action);
        let inputs = secrecy::inputs(action, call, &self.exposure.subject.variables, self.of);
        let given = |key: &str| inputs.iter().find(|(n, _)| n.as_str() == key || n.as_str() == key.replace('-', "_")).map(|(_, s)| s);
        let mut told = false;
        for part in &action.invocation.endpoint {
            if let EndpointPart::Param(name, _) = part {
                told |= given(name.as_str()).is_some_and(Secrets::is_certain) && !declared.member(name.as_str()).is_certain();
            }
        }
        let outer = self.of;
        let all = |root: Root, key: Option<&str>| match (root, key) {
            (Root::Inputs, Some(key)) => given(key).cloned().unwrap_or_default(),
            (Root::Inputs, None) => inputs.iter().fold(Secrets::default(), |all, (n, s)| all.join(&s.under(Some(n.as_str())))),
            _ => outer(root, key),
        };
        let own = |root: Root, key: Option<&str>| if root == Root::Inputs { of_inputs(&declared, key) } else { Secrets::default() };
        for (_, operand) in action.invocation.query.iter().chain(&action.invocation.headers) {
            told |= secrecy::of_operand(operand, &all).is_certain() && !secrecy::of_operand(operand, &own).is_certain();
        }
        if told {
            let var = inputs.iter().filter(|(_, s)| s.is_certain()).find_map(|(n, _)| self.source(call, n.as_str()));
            self.tell(var, call.call_span, &format!("goes into the URL or a header of `{}`", action.id));
        }
    }

    /// The sensitive variable that an input is given from.
    fn source(&self, call: &Call, input: &str) -> Option<Var> {
        let variables = &self.exposure.subject.variables;
        let secret = |v: &Var| (self.of)(Root::Variables, Some(variables.name(*v))).is_certain();
        let Some(given) = call.inputs.iter().find(|i| i.name.as_str() == input) else { return self.var(Some(input)).filter(secret) };
        let sources = crate::check::lineage::of_operand(&given.value, variables, given.value_span);
        sources.iter().filter_map(|s| s.path.var(variables)).find(secret)
    }

    fn var(&self, key: Option<&str>) -> Option<Var> {
        self.exposure.subject.variables.named(key?)
    }

    fn tell(&mut self, var: Option<Var>, span: Span, what: &str) {
        let name = var.map_or("it", |v| self.exposure.subject.variables.name(v));
        self.tell_of(var, name, span, what);
    }

    fn tell_of(&mut self, var: Option<Var>, name: &str, span: Span, what: &str) {
        if !self.seen.insert((var, span)) {
            return;
        }
        let message = format!("`{name}` is sensitive, and {what}");
        let help = if what.contains("URL") {
            "send it in the body: what URLs and headers hold is logged on the way".to_owned()
        } else if what.contains("by the question") {
            format!("show its end in the `message`: `{{{{ variables.{name} | mask }}}}`, and do not list it")
        } else if what.contains("handed over") || what.contains("label") {
            format!("leave it out, or hand on its end: `mask(variables.{name})`")
        } else {
            format!("say its end: `{{{{ variables.{name} | mask }}}}`")
        };
        let d = Diagnostic::new(Code::WP0601, span, message).help(help);
        self.found.push(self.exposure.told(d, var, self.node));
    }
}
