//! Triggered actions from their documents: each is read as it would be if it were registered by a call, and its faults are put where
//! they stand.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use super::condition::{names, report};
use super::context::Context;
use crate::model::workspace::{WrittenAction, WrittenCondition};
use crate::registry::{ActionDefinition, Config, Declared, Fault, Named};
use crate::source::{Code, Diagnostic};
use crate::syntax::Node;
use crate::value::Json;

/// The triggered actions of a workspace, with the document of each.
#[derive(Default)]
pub struct Triggered<'n, 's> {
    read: BTreeMap<Named, (WrittenAction, Config, &'n Node<'s>)>,
}

/// What else of a workspace actions are checked against.
pub struct Around<'a> {
    /// Its conditions.
    pub conditions: &'a [WrittenCondition],
    /// Whether a condition may be missing that is there.
    pub poisoned: bool,
    /// The primitives that it declares, if it does.
    pub primitives: Option<&'a BTreeSet<Arc<str>>>,
}

impl<'n, 's> Triggered<'n, 's> {
    /// Takes an action of a file.
    pub fn add(&mut self, cx: &mut Context<'_>, node: &'n Node<'s>, file: &Arc<str>, declared: &Declared) {
        let (definition, config) = match ActionDefinition::parse(&body(node), declared) {
            Ok(read) => read,
            Err(faults) => return faults.into_iter().for_each(|fault| report(cx, node, fault)),
        };
        let span = node.get("action_id").map_or(node.span, |n| n.span);
        let name = (definition.action_id.clone(), definition.version.clone());
        if let Some((first, ..)) = self.read.get(&name) {
            let message = format!("the version `{}` of the action `{}` is there already", name.1, name.0);
            let d = Diagnostic::new(Code::WP0203, span, message).label(first.span, "the first");
            return cx.push(d.help("raise the version, or give one of the two another id"));
        }
        let written = WrittenAction { definition: Arc::new(definition), file: file.clone(), span };
        self.read.insert(name, (written, config, node));
    }

    /// Looks up what they name, and gives them in order of id and version.
    pub fn done(self, cx: &mut Context<'_>, around: &Around<'_>) -> Vec<WrittenAction> {
        for (written, config, node) in self.read.values() {
            let trigger = &written.definition.trigger;
            condition(cx, node, (&trigger.condition_id, &trigger.condition_version), around);
            if let (Config::Register { primitive, .. }, Some(known)) = (config, around.primitives)
                && !known.contains(primitive)
            {
                let fault = Fault::new(Code::WP0904, &["config", "primitive_id"], format!("there is no primitive `{primitive}`"));
                let near = cx.near(primitive, known.iter().map(|k| &**k)).map(str::to_owned);
                let help = near.map_or_else(|| "declare it under `primitives` in `waypost.yaml`".into(), |near| format!("write `{near}`"));
                report(cx, node, fault.help(help));
            }
        }
        self.circles(cx, around.conditions);
        self.read.into_values().map(|(written, ..)| written).collect()
    }

    /// Conditions that read what their own decisions write, directly or by way of others: each circle is reported once.
    fn circles(&self, cx: &mut Context<'_>, conditions: &[WrittenCondition]) {
        let name = |c: &WrittenCondition| (c.definition.condition_id.clone(), c.definition.version.clone());
        let mut readers: BTreeMap<String, Vec<Named>> = BTreeMap::new();
        let mut parts: BTreeMap<Named, Vec<Named>> = BTreeMap::new();
        for condition in conditions {
            for (_, primitive) in condition.definition.primitives() {
                readers.entry(primitive.to_string()).or_default().push(name(condition));
            }
            for (_, id, version) in condition.definition.named() {
                parts.entry((id.clone(), version.clone())).or_default().push(name(condition));
            }
        }
        let mut writes: BTreeMap<Named, Vec<&Arc<str>>> = BTreeMap::new();
        for (written, config, _) in self.read.values() {
            if let Config::Register { primitive, .. } = config {
                let trigger = &written.definition.trigger;
                writes.entry((trigger.condition_id.clone(), trigger.condition_version.clone())).or_default().push(primitive);
            }
        }
        let mut told: BTreeSet<Named> = BTreeSet::new();
        for (written, config, node) in self.read.values() {
            let Config::Register { primitive, .. } = config else { continue };
            let trigger = &written.definition.trigger;
            let start = (trigger.condition_id.clone(), trigger.condition_version.clone());
            // What hangs on the decision, nearest first, each with what it hangs on by.
            let mut seen: BTreeMap<Named, Option<Named>> = BTreeMap::new();
            let mut next: VecDeque<(Named, Option<Named>)> =
                readers.get(&**primitive).into_iter().flatten().map(|r| (r.clone(), None)).collect();
            while let Some((at, by)) = next.pop_front() {
                if seen.contains_key(&at) {
                    continue;
                }
                seen.insert(at.clone(), by);
                let fed = writes.get(&at).into_iter().flatten().filter_map(|p| readers.get(&***p)).flatten();
                next.extend(fed.chain(parts.get(&at).into_iter().flatten()).map(|n| (n.clone(), Some(at.clone()))));
            }
            if !seen.contains_key(&start) {
                continue;
            }
            let mut way = vec![start.clone()];
            let mut at = seen.get(&start).cloned().flatten();
            // INVARIANT: what was seen first hangs on what was seen before it, so this ends.
            while let Some(step) = at.take().filter(|s| *s != start) {
                at = seen.get(&step).cloned().flatten();
                way.push(step);
            }
            if way.iter().any(|c| told.contains(c)) {
                continue;
            }
            let ids: Vec<String> = way.iter().rev().map(|(id, _)| format!("`{id}`")).collect();
            let message = match ids.as_slice() {
                [one] => format!("the condition {one} reads `{primitive}`, to which its own decision is written"),
                all => format!("what is written to `{primitive}` comes back to the condition that decided it, by {}", all.join(" → ")),
            };
            let fault = Fault::new(Code::WP0907, &["config", "primitive_id"], message);
            report(cx, node, fault.help("write to a primitive that none of them reads"));
            told.extend(way);
        }
    }
}

/// The condition that an action is bound to has to be there.
fn condition(cx: &mut Context<'_>, node: &Node<'_>, (id, version): (&Arc<str>, &Arc<str>), around: &Around<'_>) {
    let known = |c: &&WrittenCondition| c.definition.condition_id == *id;
    let versions: Vec<&str> = around.conditions.iter().filter(known).map(|c| &*c.definition.version).collect();
    if around.poisoned || versions.contains(&&**version) {
        return;
    }
    let fault = if versions.is_empty() {
        let fault = Fault::new(Code::WP0901, &["trigger", "condition_id"], format!("there is no condition `{id}`"));
        let near = cx.near(id, around.conditions.iter().map(|c| &*c.definition.condition_id)).map(str::to_owned);
        match near {
            Some(near) => fault.help(format!("write `{near}`")),
            None => fault.help("write it into a file of `conditions/`"),
        }
    } else {
        let known = versions.iter().map(|v| format!("`{v}`")).collect::<Vec<_>>().join(", ");
        let message = format!("the condition `{id}` has no version `{version}`");
        Fault::new(Code::WP0901, &["trigger", "condition_version"], message).help(format!("expected one of {known}"))
    };
    report(cx, node, fault);
}

/// A document as a call would bring it: names are text, whatever they read as.
fn body(node: &Node<'_>) -> Json {
    let mut json = node.json();
    names(node, &mut json, &["action_id", "version", "namespace"]);
    if let (Some(trigger), Some(written)) = (node.get("trigger"), json.get_mut("trigger")) {
        names(trigger, written, &["fire_on", "condition_id", "condition_version"]);
    }
    json
}
