//! What can be wrong in an integration's actions and in datapoints. What a stub does not see, the wire, is left alone.

use super::edit::Found;
use super::expression::condition;
use crate::syntax::Node;

pub(super) fn of(document: &Node<'_>, found: &mut Found<'_>) {
    for action in document.get("actions").map(Node::items).unwrap_or_default() {
        one(action, found);
    }
    if let Some(list) = document.get("datapoints") {
        datapoints(list, found);
    }
}

fn one(action: &Node<'_>, found: &mut Found<'_>) {
    let name = action.get("name").and_then(Node::str).unwrap_or("an action");
    if let Some(safety) = action.get("safety") {
        let alone = safety.entries().len() == 1;
        for rule in safety.entries() {
            let what = format!("`{name}`: removes `{}`", rule.key);
            let edits = if alone { found.without_entry(action, "safety") } else { found.without_entry(safety, &rule.key) };
            // The check of such a mutant has not found that the rule was needed: every way to the action has its yes, proved.
            let same = match &*rule.key {
                "requires_confirmation" => Some("every way to it has its yes already, as is proved: the rule guards journeys to come"),
                "audit_level" => Some("it says how much the audit keeps, of which a conversation sees nothing"),
                _ => None,
            };
            let same = same.map(str::to_owned);
            found.add_same("drop-gate", what, edits, same);
        }
    }
    if let Some(outcomes) = action.get("outcomes") {
        for (index, outcome) in outcomes.items().iter().enumerate() {
            let of = outcome.get("name").and_then(Node::str).unwrap_or_default();
            let edits = found.without_item(outcomes, index);
            found.add("drop-outcome", format!("`{name}` has no outcome `{of}`"), edits);
            if let Some(node) = outcome.get("condition") {
                condition(found, node, &format!("the condition of `{of}` of `{name}`"));
            }
        }
        for pair in outcomes.items().windows(2) {
            let [a, b] = pair else { continue };
            if let (Some(a), Some(b)) = (a.get("name"), b.get("name")) {
                let what = format!("`{name}`: changes over `{}` and `{}`", found.text(a), found.text(b));
                let edits = found.swapped_items(a, b);
                found.add("swap-targets", what, edits);
            }
        }
    }
    if let Some(inputs) = action.get("input_schema").filter(|n| n.entry("properties").is_none()) {
        for input in inputs.entries() {
            found.drop_entry("drop-input", format!("`{name}` takes no `{}`", input.key), inputs, &input.key);
        }
    }
    if let Some(settings) = action.get("settings")
        && settings.entry("retries").is_some()
    {
        found.drop_entry("remove-retry", format!("`{name}` is not tried again"), settings, "retries");
    }
}

/// A datapoint, or a list of them.
pub(super) fn datapoints(document: &Node<'_>, found: &mut Found<'_>) {
    for item in document.items() {
        datapoints(item, found);
    }
    let name = document.get("name").and_then(Node::str).unwrap_or("a datapoint");
    if let Some(validation) = document.get("validation") {
        let alone = validation.entries().len() == 1;
        for rule in validation.entries() {
            let edits = if alone { found.without_entry(document, "validation") } else { found.without_entry(validation, &rule.key) };
            found.add("drop-rule", format!("`{name}`: removes `{}`", rule.key), edits);
            if let Some(number) = rule.value.whole() {
                let what = format!("`{name}`: writes {} for {number} as `{}`", number + 1, rule.key);
                let edits = found.replaced(&rule.value, (number + 1).to_string());
                found.add("change-literal", what, Some(edits));
            }
        }
    }
    if document.entry("sensitive").is_some() {
        found.drop_entry("drop-gate", format!("`{name}` is not sensitive"), document, "sensitive");
    }
    if let Some(values) = document.get("values") {
        for (index, value) in values.items().iter().enumerate() {
            let edits = found.without_item(values, index);
            found.add("drop-value", format!("`{name}` has no value `{}`", found.text(value)), edits);
        }
    }
}
