//! Steps of one journey: lists are flattened into its arena, each step gets its stable id, and targets become places.
//!
//! The steps of a list come before the steps of their branches in the arena. Recursion is as deep as the file's tree.

mod call;
mod choice;
mod collect;
mod confirm;
mod end;
mod flow;
mod guide;
mod investigate;
mod run;
mod verify;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::context::{Context, Seen};
use super::journey::{Declared, Journeys, step_name};
use crate::model::action::Action;
use crate::model::datapoint::Datapoint;
use crate::model::graph::edges;
use crate::model::journey::{Journey, JourneyInput};
use crate::model::step::{Branch, Field, Next, Step, StepId, StepKey, StepKind};
use crate::source::{Code, Span};
use crate::syntax::{Entry, Node, NodeKind, step_parts};
use crate::value::{Name, Slug};

/// A step as it is read: its key, what stands behind it, and the step around it.
pub struct Site<'n, 's> {
    /// The whole step.
    pub step: &'n Node<'s>,
    /// What stands behind its key.
    pub value: &'n Node<'s>,
    /// Whether that is the full form.
    pub full: bool,
    /// Its stable id.
    pub key: StepKey,
    /// Where `continue` goes.
    pub next: Next,
}

impl<'n, 's> Site<'n, 's> {
    /// A key of the full form, or one that stands beside the short one.
    pub fn get(&self, key: &str) -> Option<&'n Node<'s>> {
        let inside = if self.full { self.value.get(key) } else { None };
        inside.or_else(|| self.step.get(key))
    }
}

/// What [`step_parts`] tells of a step.
type StepParts<'n, 's> = (&'static str, &'n Entry<'s>, bool);

/// The steps of a journey while it is built.
pub struct Steps<'j, 'b, 'n, 's, 't> {
    pub journeys: &'j Journeys<'b, 't>,
    declared: &'j Declared<'n, 's>,
    inputs: &'j [JourneyInput],
    names: BTreeMap<Name, Span>,
    slugs_taken: BTreeSet<Name>,
    counts: BTreeMap<Arc<str>, u32>,
    gotos: Vec<(StepId, Arc<str>, Span)>,
    /// Names that stand in steps whose kind could not be read: a `goto` to one of them is no mistake of its own.
    unread: BTreeSet<Name>,
    undeclared: BTreeMap<Name, Arc<Datapoint>>,
    out: Built,
}

/// What became of them.
#[derive(Default)]
pub struct Built {
    pub steps: Vec<Step>,
    pub by_key: BTreeMap<StepKey, StepId>,
    pub by_slug: BTreeMap<Name, StepId>,
    pub goto_targets: BTreeSet<StepId>,
    pub outcomes: BTreeSet<Slug>,
    /// The texts of all that the steps refer to, by what it is.
    pub texts: BTreeMap<String, String>,
}

/// The names of a step that could not be read, and of all that stands in it. As deep as the file's tree.
fn names_below(node: &Node<'_>, into: &mut BTreeSet<Name>) {
    for entry in node.entries() {
        if entry.key == "name"
            && let Some(title) = entry.value.str()
        {
            into.insert(Slug::from_title(title).name);
        }
        names_below(&entry.value, into);
    }
    for item in node.items() {
        names_below(item, into);
    }
}

impl<'j, 'b, 'n, 's, 't> Steps<'j, 'b, 'n, 's, 't> {
    pub fn new(journeys: &'j Journeys<'b, 't>, declared: &'j Declared<'n, 's>, inputs: &'j [JourneyInput]) -> Self {
        let mut names = BTreeMap::new();
        for (slug, span) in &declared.steps {
            names.entry(slug.name.clone()).or_insert(*span);
        }
        Self {
            journeys,
            declared,
            inputs,
            names,
            slugs_taken: BTreeSet::new(),
            counts: BTreeMap::new(),
            gotos: Vec::new(),
            unread: BTreeSet::new(),
            undeclared: BTreeMap::new(),
            out: Built { steps: Vec::with_capacity(declared.count), ..Built::default() },
        }
    }

    /// All steps; gives the first.
    pub fn all(&mut self, cx: &mut Context<'_>) -> Next {
        for input in self.inputs {
            self.uses_datapoint(&input.datapoint);
        }
        let Some(list) = self.declared.node.get("journey") else { return Next::End };
        self.list(cx, list.items(), Next::End, "")
    }

    /// Resolves what could not be before all steps were there.
    pub fn finish(mut self, cx: &mut Context<'_>) -> Built {
        for (id, written, span) in std::mem::take(&mut self.gotos) {
            let target = self.out.by_slug.get(Name::new(&written).as_str()).copied();
            let Some(target) = target else {
                if self.unread.contains(Name::new(&written).as_str()) {
                    continue;
                }
                let message = format!("no step of this journey is named `{written}`");
                cx.unknown(Code::WP0202, span, message, &written, self.declared.steps.iter().map(|(s, _)| &*s.shown));
                continue;
            };
            self.out.goto_targets.insert(target);
            if let Some(step) = self.out.steps.get_mut(id.0 as usize) {
                step.kind = StepKind::Goto(Some(target));
            }
        }
        let ends = self.out.steps.iter().any(|s| edges(s).iter().any(|e| e.to == Next::End)) || self.out.steps.is_empty();
        if ends {
            self.out.outcomes.insert(Slug::new("done"));
        }
        for step in &self.out.steps {
            if let StepKind::Done(done) = &step.kind {
                self.out.outcomes.insert(done.outcome.clone());
            }
        }
        self.out
    }

    /// The steps of a list, which joins at `join`; gives the first.
    fn list(&mut self, cx: &mut Context<'_>, items: &[Node<'_>], join: Next, path: &str) -> Next {
        let base = self.out.steps.len();
        let at = |i: usize| StepId(u32::try_from(base + i).unwrap_or(u32::MAX));
        let mut parts = Vec::with_capacity(items.len());
        for (i, node) in items.iter().enumerate() {
            let next = if i + 1 < items.len() { Next::Step(at(i + 1)) } else { join };
            parts.push(step_parts(node));
            self.reserve(cx, node, parts.last().copied().flatten(), at(i), next, path);
        }
        for (i, (node, parts)) in items.iter().zip(parts).enumerate() {
            let Some(parts) = parts else { continue };
            let kind = self.kind(cx, node, parts, at(i));
            if let Some(step) = self.out.steps.get_mut(base + i) {
                // A `goto` is resolved at the end.
                step.kind = kind;
            }
        }
        if items.is_empty() { join } else { Next::Step(at(0)) }
    }

    /// Gives a step its place in the arena, its stable id and its slug.
    fn reserve(&mut self, cx: &mut Context<'_>, node: &Node<'_>, parts: Option<StepParts<'_, '_>>, id: StepId, next: Next, path: &str) {
        let span = parts.map_or(node.entries().first().map_or(node.span, |e| e.key_span), |(_, e, _)| e.key_span);
        let named = parts.and_then(|(_, entry, full)| step_name(node, entry, full)).map(|(title, at)| (Slug::from_title(title), at));
        if parts.is_none() {
            names_below(node, &mut self.unread);
        }
        let mut slug = None;
        if let Some((found, at)) = named {
            if !Slug::is_valid(&found.shown) {
                let d = crate::source::Diagnostic::new(Code::WP0104, at, "no name for `goto` can be made of this");
                cx.push(d.help("use letters or digits"));
            } else if self.slugs_taken.insert(found.name.clone()) {
                slug = Some(found);
            } else if let Some(first) = self.names.get(&found.name).copied() {
                cx.duplicate("a step", &found, at, first);
            }
        }
        let key = match &slug {
            Some(slug) => StepKey(Arc::clone(&slug.shown)),
            None => self.path_key(path, parts.map_or("step", |(kind, _, _)| kind)),
        };
        if let Some(slug) = &slug {
            self.out.by_slug.insert(slug.name.clone(), id);
        }
        self.push(key, slug, span, StepKind::Broken, next);
    }

    fn push(&mut self, key: StepKey, slug: Option<Slug>, span: Span, kind: StepKind, next: Next) -> StepId {
        let id = StepId(u32::try_from(self.out.steps.len()).unwrap_or(u32::MAX));
        self.out.by_key.insert(key.clone(), id);
        self.out.steps.push(Step { key, slug, span, kind, next });
        id
    }

    /// The path of keys that leads to a step without a name.
    fn path_key(&mut self, path: &str, kind: &str) -> StepKey {
        let whole: Arc<str> = if path.is_empty() { kind.into() } else { format!("{path}.{kind}").into() };
        // INVARIANT: the count grows each turn; a name equals at most one key.
        loop {
            let count = self.counts.entry(Arc::clone(&whole)).and_modify(|n| *n += 1).or_insert(1);
            let key: Arc<str> = if *count == 1 { Arc::clone(&whole) } else { format!("{whole}#{count}").into() };
            if !self.names.contains_key(&*key) {
                return StepKey(key);
            }
        }
    }

    fn kind(&mut self, cx: &mut Context<'_>, node: &Node<'_>, (kind, entry, full): StepParts<'_, '_>, id: StepId) -> StepKind {
        let Some((key, next)) = self.out.steps.get(id.0 as usize).map(|s| (s.key.clone(), s.next)) else { return StepKind::Broken };
        let site = Site { step: node, value: &entry.value, full, key, next };
        let built = match kind {
            "collect" => self.collect(cx, &site).map(StepKind::Collect),
            "action" => self.action(cx, &site).map(StepKind::Action),
            "choice" => self.choice(cx, &site).map(StepKind::Choice),
            "confirm" => self.confirm(cx, &site).map(StepKind::Confirm),
            "guide" => self.guide(cx, &site).map(StepKind::Guide),
            "investigate" => self.investigate(cx, &site).map(StepKind::Investigate),
            "verify" => self.verify(cx, &site).map(StepKind::Verify),
            "say" => cx.template(site.value).map(StepKind::Say),
            "if" => self.branch(cx, &site).map(StepKind::If),
            "set" => Self::set(cx, &site).map(StepKind::Set),
            "goto" => self.goto(site.value, id),
            "run" => self.run(cx, &site).map(StepKind::Run),
            "done" => self.done(cx, &site).map(StepKind::Done),
            _ => Self::escalate(cx, &site).map(StepKind::Escalate),
        };
        built.unwrap_or(StepKind::Broken)
    }

    fn goto(&mut self, value: &Node<'_>, id: StepId) -> Option<StepKind> {
        self.gotos.push((id, value.str()?.into(), value.span));
        Some(StepKind::Goto(None))
    }

    /// Where a branch goes. `branch` are the keys that lead to it from the step.
    fn target(&mut self, cx: &mut Context<'_>, site: &Site<'_, '_>, branch: &str, node: &Node<'_>) -> Next {
        let path = || format!("{}.{branch}", site.key);
        match &node.kind {
            NodeKind::List(items) => self.list(cx, items, site.next, &path()),
            NodeKind::Map(entries) => match entries.as_slice() {
                [Entry { key, key_span, value }] if key == "goto" => {
                    let key = self.path_key(&path(), "goto");
                    let id = self.push(key, None, *key_span, StepKind::Goto(None), site.next);
                    self.goto(value, id);
                    Next::Step(id)
                }
                _ => site.next,
            },
            NodeKind::Scalar(scalar) => {
                let kind = match &*scalar.text {
                    "done" => StepKind::Done(Self::plain_done()),
                    "escalate" => StepKind::Escalate(Self::plain_escalate()),
                    _ => return site.next,
                };
                let key = self.path_key(&path(), &scalar.text);
                Next::Step(self.push(key, None, node.span, kind, site.next))
            }
            NodeKind::Broken => site.next,
        }
    }

    /// The target under a key of the step, if it is there.
    fn target_at(&mut self, cx: &mut Context<'_>, site: &Site<'_, '_>, key: &str) -> Option<Next> {
        let node = site.get(key)?;
        Some(self.target(cx, site, key, node))
    }

    /// The target under a key of a map inside the step.
    fn target_in(&mut self, cx: &mut Context<'_>, site: &Site<'_, '_>, branch: &str, map: &Node<'_>, key: &str) -> Option<Next> {
        let node = map.get(key)?;
        Some(self.target(cx, site, &format!("{branch}.{key}"), node))
    }

    /// Named branches. `known` are the names that there can be; `None`: any.
    fn branches(&mut self, cx: &mut Context<'_>, site: &Site<'_, '_>, key: &str, known: Option<(&str, &[&str])>) -> Vec<Branch> {
        let mut out: Vec<Branch> = Vec::new();
        let mut seen = Seen::default();
        for entry in site.get(key).map(Node::entries).unwrap_or_default() {
            let name = Slug::named(&entry.key);
            if cx.again(&mut seen, "a branch", &name, entry.key_span) {
                continue;
            }
            if let Some((what, known)) = known
                && !known.iter().any(|k| Slug::named(k).name == name.name)
            {
                let message = format!("{what} has no outcome `{name}`");
                cx.unknown(Code::WP0204, entry.key_span, message, &entry.key, known.iter().copied());
            }
            let then = self.target(
                cx,
                site,
                &format!("{key}.{}", if Slug::is_valid(&name.shown) { &name.shown } else { name.name.as_str() }),
                &entry.value,
            );
            out.push(Branch { name, then, span: entry.key_span });
        }
        out
    }

    /// Fields that a list names.
    fn fields(&mut self, cx: &mut Context<'_>, list: Option<&Node<'_>>, shown_only: bool) -> Vec<Field> {
        let mut out: Vec<Field> = Vec::new();
        let mut seen = Seen::default();
        for item in list.map(Node::items).unwrap_or_default() {
            let Some(written) = item.str().filter(|s| Slug::is_valid(s)) else { continue };
            let name = Name::new(written);
            if cx.again(&mut seen, "a field", &Slug::new(written), item.span) {
                continue;
            }
            if !shown_only {
                cx.variable(&name, item.span);
            }
            let known = self.undeclared.get(&name).cloned();
            // What a confirm shows may be any variable of the journey.
            let datapoint = known.unwrap_or_else(|| self.journeys.field(cx, written, item.span, shown_only));
            if !datapoint.declared && !shown_only {
                self.undeclared.insert(name.clone(), Arc::clone(&datapoint));
            }
            self.uses_datapoint(&datapoint);
            out.push(Field { name, datapoint, span: item.span });
        }
        out
    }

    fn uses_datapoint(&mut self, datapoint: &Datapoint) {
        if let Some(text) = self.journeys.datapoints.texts.get(datapoint.variable()) {
            self.out.texts.entry(format!("datapoint {}", datapoint.variable())).or_insert_with(|| (*text).to_owned());
        }
    }

    /// The action that a text names.
    fn action_named(&mut self, cx: &mut Context<'_>, written: &str, span: Span) -> Option<Arc<Action>> {
        let action = self.journeys.integrations.resolve(cx, written, span)?;
        self.uses_action(&action);
        Some(action)
    }

    fn uses_action(&mut self, action: &Action) {
        let key = format!("action {}", action.id);
        if self.out.texts.contains_key(&key) {
            return;
        }
        self.out.texts.insert(key, action.hash.0.to_string());
        let reads = [
            action.safety.reconcile.as_ref().map(|r| &r.call.0),
            match &action.safety.owner {
                Some(crate::model::action::OwnerRule::Read { call, .. }) => Some(&call.0),
                _ => None,
            },
        ];
        for read in reads.into_iter().flatten() {
            if let Some((integration, name)) = read.split_once('.')
                && let Some(read) = self.journeys.integrations.actions.get(&(Name::new(integration), Name::new(name)))
            {
                self.out.texts.insert(format!("action {}", read.id), read.hash.0.to_string());
            }
        }
    }

    fn uses_journey(&mut self, journey: &Journey) {
        self.out.texts.insert(format!("journey {}", journey.slug.name), journey.hash.0.to_string());
    }
}
