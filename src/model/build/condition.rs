//! Conditions from their documents: each is read as it would be if it were registered by a call, and its faults are put where they stand.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::context::Context;
use crate::model::workspace::WrittenCondition;
use crate::registry::{ConditionDefinition, Fault, Named};
use crate::source::{Code, Diagnostic};
use crate::syntax::Node;
use crate::value::Json;

/// Operands that are still to be looked at: where each is named, and what.
type Left = Vec<(Vec<String>, Named)>;

/// The conditions of a workspace, with the documents of each.
pub struct Conditions<'n, 's> {
    read: BTreeMap<Named, (WrittenCondition, &'n Node<'s>)>,
    poisoned: bool,
}

impl<'n, 's> Conditions<'n, 's> {
    /// None yet; `poisoned`: a file of them could not be read.
    pub fn new(poisoned: bool) -> Self {
        Self { read: BTreeMap::new(), poisoned }
    }

    /// Whether one may be missing that is there.
    pub fn is_poisoned(&self) -> bool {
        self.poisoned
    }

    /// Takes a condition of a file; `sound`: nothing was found to be wrong with its form.
    pub fn add(&mut self, cx: &mut Context<'_>, node: &'n Node<'s>, file: &Arc<str>, sound: bool) {
        let definition = if sound { ConditionDefinition::parse(&body(node)) } else { Err(Vec::new()) };
        let definition = match definition {
            Ok(definition) => definition,
            Err(faults) => {
                self.poisoned = true;
                for fault in faults {
                    report(cx, node, fault);
                }
                return;
            }
        };
        let span = node.get("condition_id").map_or(node.span, |n| n.span);
        let name = (definition.condition_id.clone(), definition.version.clone());
        if let Some((first, _)) = self.read.get(&name) {
            let message = format!("the version `{}` of the condition `{}` is there already", name.1, name.0);
            let d = Diagnostic::new(Code::WP0203, span, message).label(first.span, "the first");
            cx.push(d.help("raise the version, or give one of the two another id"));
            return;
        }
        self.read.insert(name, (WrittenCondition { definition: Arc::new(definition), file: file.clone(), span }, node));
    }

    /// Looks up what they name, and gives them in order of id and version.
    pub fn done(self, cx: &mut Context<'_>, primitives: Option<&BTreeSet<Arc<str>>>) -> Vec<WrittenCondition> {
        for (written, node) in self.read.values() {
            for (path, id, version) in written.definition.named() {
                if self.poisoned || self.read.contains_key(&(id.clone(), version.clone())) {
                    continue;
                }
                let path: Vec<&str> = path.iter().map(String::as_str).collect();
                let versions: Vec<&str> = self.read.keys().filter(|(i, _)| i == id).map(|(_, v)| &**v).collect();
                let fault = if versions.is_empty() {
                    let near = cx.near(id, self.read.keys().map(|(i, _)| &**i)).map(str::to_owned);
                    let fault = Fault::new(Code::WP0901, &path, format!("there is no condition `{id}`")).at("condition_id");
                    near.map_or_else(|| fault.clone(), |near| fault.clone().help(format!("write `{near}`")))
                } else {
                    let known = versions.iter().map(|v| format!("`{v}`")).collect::<Vec<_>>().join(", ");
                    let message = format!("the condition `{id}` has no version `{version}`");
                    Fault::new(Code::WP0901, &path, message).at("condition_version").help(format!("expected one of {known}"))
                };
                report(cx, node, fault);
            }
            let unknown = |id: &str| primitives.is_some_and(|known| !known.iter().any(|k| **k == *id));
            for (path, id) in written.definition.primitives() {
                let id = id.to_string();
                if unknown(&id) {
                    let path: Vec<&str> = path.iter().map(String::as_str).collect();
                    let near = cx.near(&id, primitives.into_iter().flatten().map(|k| &**k)).map(str::to_owned);
                    let fault = Fault::new(Code::WP0904, &path, format!("there is no primitive `{id}`"));
                    let help =
                        near.map_or_else(|| "declare it under `primitives` in `waypost.yaml`".into(), |near| format!("write `{near}`"));
                    report(cx, node, fault.help(help));
                }
            }
        }
        self.circles(cx);
        self.read.into_values().map(|(written, _)| written).collect()
    }

    /// Conditions that are made of themselves: each circle is reported once, at the operand that closes it.
    fn circles(&self, cx: &mut Context<'_>) {
        let mut done: BTreeSet<&Named> = BTreeSet::new();
        for start in self.read.keys() {
            // Each entry: a condition, and its operands that are still to be looked at.
            let mut way: Vec<(&Named, Left)> = vec![(start, self.operands(start))];
            while let Some((at, left)) = way.last_mut() {
                let at = *at;
                let Some((path, next)) = left.pop() else {
                    done.insert(at);
                    way.pop();
                    continue;
                };
                let Some((next, _)) = self.read.get_key_value(&next) else { continue };
                if let Some(begin) = way.iter().position(|(name, _)| *name == next) {
                    let names: Vec<String> = way.iter().skip(begin).chain(way.get(begin)).map(|((id, _), _)| format!("`{id}`")).collect();
                    let path: Vec<&str> = path.iter().map(String::as_str).collect();
                    let message = format!("these conditions are made of each other: {}", names.join(" → "));
                    let fault = Fault::new(Code::WP0908, &path, message).at("condition_id").help("leave out one of the operands");
                    if let Some((_, node)) = self.read.get(at) {
                        report(cx, node, fault);
                    }
                } else if !done.contains(next) {
                    way.push((next, self.operands(next)));
                }
            }
        }
    }

    fn operands(&self, of: &Named) -> Left {
        let named = self.read.get(of).map(|(written, _)| written.definition.named()).unwrap_or_default();
        named.into_iter().map(|(path, id, version)| (path, (id.clone(), version.clone()))).collect()
    }
}

/// A document as a call would bring it: names are text, whatever they read as.
fn body(node: &Node<'_>) -> Json {
    let mut json = node.json();
    names(node, &mut json, &["condition_id", "version", "namespace", "entity"]);
    if let (Some(json), Some(strategy)) = (json.get_mut("strategy"), node.get("strategy")) {
        of_strategy(strategy, json, 0);
    }
    json
}

/// Operands name conditions, too.
fn of_strategy(node: &Node<'_>, json: &mut Json, depth: usize) {
    names(node, json, &["type"]);
    let operands = node.get("params").and_then(|p| p.get("operands"));
    let written = json.get_mut("params").and_then(|p| p.get_mut("operands")).and_then(Json::as_array_mut);
    let (Some(operands), Some(written)) = (operands, written) else { return };
    // Deeper ones are refused.
    if depth > 16 {
        return;
    }
    for (node, json) in operands.items().iter().zip(written) {
        names(node, json, &["condition_id", "condition_version"]);
        if let (Some(strategy), Some(json)) = (node.get("strategy"), json.get_mut("strategy")) {
            of_strategy(strategy, json, depth + 1);
        }
    }
}

/// Names are text, whatever they read as.
pub fn names(node: &Node<'_>, json: &mut Json, keys: &[&str]) {
    let Json::Object(map) = json else { return };
    for key in keys {
        if let (Some(text), Some(place)) = (node.get(key).and_then(Node::str), map.get_mut(*key))
            && !place.is_null()
        {
            *place = Json::from(text);
        }
    }
}

/// Puts a fault where it stands.
pub fn report(cx: &mut Context<'_>, node: &Node<'_>, fault: Fault) {
    let mut at = node;
    let mut key = None;
    for step in &fault.path {
        let next = match step.parse::<usize>() {
            Ok(n) if at.is_list() => at.items().get(n),
            _ => {
                let entry = at.entry(step);
                key = entry.map(|e| e.key_span).or(key);
                entry.map(|e| &e.value)
            }
        };
        let Some(next) = next else { break };
        at = next;
    }
    let span = match &fault.range {
        Some(range) => cx.text(at).map_or(at.span, |text| text.part(range)),
        None if fault.code == Code::WP0103 => key.unwrap_or(at.span),
        None if at.is_map() => at.entries().first().map_or(at.span, |e| e.key_span),
        None if at.span.start == at.span.end => key.unwrap_or(at.span),
        None => at.span,
    };
    let d = Diagnostic::new(fault.code, span, fault.message);
    cx.push(match fault.help {
        Some(help) => d.help(help),
        None => d,
    });
}
