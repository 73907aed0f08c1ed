//! Journeys from their documents.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::SettingsText;
use super::context::{Context, Seen};
use super::datapoint::Datapoints;
use super::hash::Hasher;
use super::integration::Integrations;
use super::runs::{self, RunsTo};
use super::settings::lints;
use super::step::Steps;
use crate::model::datapoint::Datapoint;
use crate::model::journey::{Fallback, Journey, JourneyInput, Trigger};
use crate::model::step::Priority;
use crate::source::{Code, Diagnostic, Severity, Span};
use crate::syntax::shape::Shape;
use crate::syntax::{Node, each_step, step_parts};
use crate::value::{Name, Slug};

/// What can be told of a journey's document before it is built.
pub struct Declared<'n, 's> {
    pub node: &'n Node<'s>,
    /// Names of its steps, in order, and where they stand.
    pub steps: Vec<(Slug, Span)>,
    /// How many steps it has, but for targets of one word.
    pub count: usize,
    /// Variables that anything in it assigns, and inputs that it gives to actions.
    pub assigned: BTreeSet<Name>,
    runs: Vec<(Name, Span)>,
}

impl<'n, 's> Declared<'n, 's> {
    pub fn new(node: &'n Node<'s>) -> Self {
        let mut out = Self { node, steps: Vec::new(), count: 0, assigned: BTreeSet::new(), runs: Vec::new() };
        out.assigned.extend(node.get("inputs").map(Node::entries).unwrap_or_default().iter().map(|e| Name::new(&e.key)));
        let Some(steps) = node.get("journey") else { return out };
        each_step(steps, &Shape::List(&Shape::Step), &mut |step| out.step(step));
        out
    }

    fn step(&mut self, step: &Node<'_>) {
        self.count += 1;
        let Some((kind, entry, full)) = step_parts(step) else { return };
        if let Some((title, span)) = step_name(step, entry, full) {
            self.steps.push((Slug::from_title(title), span));
        }
        let value = &entry.value;
        let names = |n: &Node<'_>| n.items().iter().filter_map(Context::name).collect::<Vec<_>>();
        let keys = |n: Option<&Node<'_>>| n.map(Node::entries).unwrap_or_default().iter().map(|e| Name::new(&e.key)).collect::<Vec<_>>();
        self.assigned.extend(if full { value.get("as").and_then(Context::name) } else { None });
        match kind {
            "collect" if full => {
                for key in ["fields", "optional"] {
                    self.assigned.extend(value.get(key).map(names).unwrap_or_default());
                }
                for set in value.get("any_of").map(Node::items).unwrap_or_default() {
                    self.assigned.extend(set.get("fields").map(names).unwrap_or_default());
                }
            }
            "collect" => self.assigned.extend(names(value)),
            "action" | "verify" => {
                if let Some((_, name)) = value.str().and_then(|s| s.split_once("->")) {
                    self.assigned.insert(Name::new(name.trim()));
                }
                self.assigned.extend(keys(if full { value.get("inputs") } else { step.get("inputs") }));
            }
            "choice" => {
                self.assigned.insert(Name::new("freeform"));
            }
            "set" => self.assigned.extend(keys(Some(value))),
            "run" => {
                let named = if full { value.get("journey") } else { Some(value) };
                self.runs.extend(named.and_then(|n| Some((Context::name(n)?, n.span))));
            }
            _ => {}
        }
    }
}

/// A step's name, inside its object or beside its key.
pub fn step_name<'n>(step: &'n Node<'_>, entry: &'n crate::syntax::Entry<'_>, full: bool) -> Option<(&'n str, Span)> {
    let inside = if full { entry.value.get("name") } else { None };
    let node = inside.or_else(|| step.get("name"))?;
    Some((node.str()?, node.span))
}

/// Journeys while they are built.
pub struct Journeys<'b, 's> {
    pub integrations: &'b Integrations,
    pub datapoints: &'b Datapoints<'s>,
    pub settings: &'b SettingsText,
    pub strict: bool,
    pub poisoned: bool,
    pub named: BTreeMap<Name, usize>,
    /// The same as their authors wrote them.
    pub shown: BTreeSet<Slug>,
    pub built: BTreeMap<Name, Arc<Journey>>,
    /// `run`s that close a circle, or go too deep.
    pub closing: BTreeSet<Span>,
    /// How many `run`s deep each journey goes.
    pub depths: BTreeMap<Name, usize>,
}

/// How many journeys may stand below one, each run by the one above.
const MAX_RUNS: usize = 16;

impl Journeys<'_, '_> {
    /// Builds all of them, those that others run first.
    pub fn build(&mut self, cx: &mut Context<'_>, declared: &[Declared<'_, '_>]) {
        let mut slugs: Vec<Option<(Slug, Span)>> = Vec::new();
        for (i, journey) in declared.iter().enumerate() {
            let slug = cx.slug(journey.node);
            match &slug {
                Some((slug, span)) => {
                    let first = self.named.get(&slug.name).and_then(|first| slugs.get(*first)).and_then(Option::as_ref);
                    if let Some((_, first)) = first {
                        cx.duplicate("a journey", slug, *span, *first);
                    } else {
                        self.named.insert(slug.name.clone(), i);
                        self.shown.insert(slug.clone());
                    }
                }
                None => self.poisoned = true,
            }
            slugs.push(slug);
        }
        let to = |(name, span): &(Name, Span)| self.named.get(name).map(|i| (*i, *span));
        let runs: Vec<RunsTo> = declared.iter().map(|d| d.runs.iter().filter_map(to).collect()).collect();
        let names: Vec<Option<Slug>> = slugs.iter().map(|s| s.as_ref().map(|(slug, _)| slug.clone())).collect();
        let (order, closing) = runs::order(cx, &names, &runs);
        self.closing = closing;
        for i in order {
            let (Some(declared), Some(slug)) = (declared.get(i), slugs.get(i)) else { continue };
            let (slug, span) = slug.clone().unwrap_or_else(|| (Slug::new(""), declared.node.span));
            let first = self.named.get(&slug.name) == Some(&i);
            let depth = self.depth(cx, declared);
            self.depths.insert(slug.name.clone(), depth);
            let journey = self.journey(cx, declared, slug, span);
            if first {
                self.built.insert(journey.slug.name.clone(), Arc::new(journey));
            }
        }
    }

    /// How many `run`s deep a journey goes; a `run` that goes too deep is reported and left out.
    fn depth(&mut self, cx: &mut Context<'_>, declared: &Declared<'_, '_>) -> usize {
        let mut deepest = 0;
        for (name, span) in &declared.runs {
            let Some(below) = self.depths.get(name).filter(|_| !self.closing.contains(span)) else { continue };
            if *below < MAX_RUNS {
                deepest = deepest.max(below + 1);
                continue;
            }
            let message = format!("from here journeys run each other more than {MAX_RUNS} deep");
            cx.push(Diagnostic::new(Code::WP0107, *span, message).help("let one journey do what two of them do"));
            self.closing.insert(*span);
        }
        deepest
    }

    /// The journey of that name; an unknown one is `WP0206` unless it may stand where something could not be read.
    pub fn resolve(&self, cx: &mut Context<'_>, written: &str, span: Span) -> Option<Arc<Journey>> {
        let name = Name::new(written);
        if self.closing.contains(&span) {
            return None;
        }
        if let Some(journey) = self.built.get(&name) {
            return Some(Arc::clone(journey));
        }
        if !self.poisoned && !self.named.contains_key(&name) {
            let known = self.shown.iter().map(|slug| &*slug.shown);
            cx.unknown(Code::WP0206, span, format!("there is no journey `{written}`"), written, known);
        }
        None
    }

    /// The datapoint of a field; an undeclared one is a plain string, with `WP0205` unless `quiet`.
    pub fn field(&self, cx: &mut Context<'_>, written: &str, span: Span, quiet: bool) -> Arc<Datapoint> {
        if let Some(datapoint) = self.datapoints.by_name.get(&Name::new(written)) {
            return Arc::clone(datapoint);
        }
        if !quiet && !self.datapoints.poisoned {
            let mut d = Diagnostic::new(Code::WP0205, span, format!("no file declares the field `{written}`"));
            d.severity = if self.strict { Severity::Error } else { Severity::Warning };
            let known = self.datapoints.by_name.values().map(|d| &*d.slug.shown);
            let near = cx.near(written, known).map(ToOwned::to_owned);
            cx.push(match near {
                Some(near) => d.help(format!("write `{near}`, or declare `{written}` in `datapoints/`")),
                None => d.help(format!("declare it in `datapoints/`: `name: {written}` and `type: string`")),
            });
        }
        Arc::new(self.datapoints.undeclared(written, span))
    }

    fn journey(&mut self, cx: &mut Context<'_>, declared: &Declared<'_, '_>, slug: Slug, span: Span) -> Journey {
        let node = declared.node;
        let callable = node.get("callable").and_then(Node::bool).unwrap_or(false);
        let trigger = trigger(cx, node);
        if node.is_map() && node.lacks("trigger") && node.lacks("callable") | (node.get("callable").and_then(Node::bool) == Some(false)) {
            let span = node.entries().first().map_or(node.span, |e| e.key_span);
            let d = Diagnostic::new(Code::WP0105, span, "`trigger` is missing from a journey");
            cx.push(d.help("add `trigger:` with `goal` and `examples`, or `callable: true` if only `run` reaches it"));
        }
        let inputs = self.inputs(cx, node);
        let mut steps = Steps::new(self, declared, &inputs);
        let first = steps.all(cx);
        let used = steps.finish(cx);
        let mut hash = Hasher::default();
        hash.add(cx.slice(node.span)).add(&self.settings.meaning);
        for text in used.texts.values() {
            hash.add(text);
        }
        Journey {
            name: Context::str_at(node, "name").unwrap_or_else(|| Arc::clone(&slug.shown)),
            slug,
            description: Context::str_at(node, "description"),
            trigger,
            callable,
            inputs,
            steps: used.steps,
            first,
            by_key: used.by_key,
            by_slug: used.by_slug,
            goto_targets: used.goto_targets,
            outcomes: used.outcomes.into_iter().collect(),
            fallback: fallback(cx, node),
            knowledge: node.get("knowledge").map(Node::json),
            lints: lints(cx, node.get("lints")),
            span,
            hash: hash.finish(),
        }
    }

    fn inputs(&self, cx: &mut Context<'_>, node: &Node<'_>) -> Vec<JourneyInput> {
        let mut inputs: Vec<JourneyInput> = Vec::new();
        let mut seen = Seen::default();
        for entry in node.get("inputs").map(Node::entries).unwrap_or_default() {
            let name = Name::new(&entry.key);
            if cx.again(&mut seen, "an input", &Slug::new(&entry.key), entry.key_span) {
                continue;
            }
            cx.variable(&name, entry.key_span);
            inputs.push(JourneyInput {
                datapoint: self.field(cx, &entry.key, entry.key_span, false),
                name,
                required: entry.value.get("required").and_then(Node::bool).unwrap_or(false),
                from_caller: entry.value.get("from").and_then(Node::str) == Some("caller"),
                span: entry.key_span,
            });
        }
        inputs
    }
}

fn trigger(cx: &mut Context<'_>, journey: &Node<'_>) -> Option<Trigger> {
    let node = journey.get("trigger").filter(|n| n.is_map())?;
    let requires = node.get("requires").map(Node::items).unwrap_or_default();
    Some(Trigger {
        goal: Context::str_at(node, "goal").unwrap_or_default(),
        examples: Context::list_at(node, "examples"),
        priority: node.get("priority").map(Node::json).and_then(|j| j.as_f64()).unwrap_or(0.0),
        requires: requires.iter().filter_map(|n| cx.path(n, "$user.", &[])).collect(),
    })
}

fn fallback(cx: &mut Context<'_>, journey: &Node<'_>) -> Fallback {
    let Some(node) = journey.get("fallback") else { return Fallback::default() };
    if !node.is_map() {
        return Fallback { to: node.str().map(Arc::from), ..Fallback::default() };
    }
    Fallback {
        to: Context::str_at(node, "to"),
        message: cx.template_at(node, "message"),
        reason: cx.template_at(node, "reason"),
        priority: priority(node),
    }
}

/// How urgent an escalation is.
pub fn priority(node: &Node<'_>) -> Priority {
    match node.get("priority").and_then(Node::str) {
        Some("low") => Priority::Low,
        Some("high") => Priority::High,
        Some("urgent") => Priority::Urgent,
        _ => Priority::Normal,
    }
}
