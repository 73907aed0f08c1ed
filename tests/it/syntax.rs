//! Files to trees, trees to the model.

use std::sync::Arc;

use waypost::model::{self, Workspace};
use waypost::source::Diagnostics;

fn build(files: &[(&str, &str)]) -> (Workspace, Diagnostics) {
    model::build(files.iter().map(|(n, t)| ((*n).to_owned(), Arc::from(*t))).collect())
}

fn say(workspace: &Workspace, diagnostics: &Diagnostics) -> String {
    let line = |d: &waypost::source::Diagnostic| {
        let at = workspace.sources.position(d.span.file, d.span.start);
        let name = workspace.sources.file(d.span.file).map_or("", |f| &f.name).to_owned();
        let help = d.help.as_deref().map_or_else(String::new, |h| format!(" | {h}"));
        format!("{name}:{}:{} {} `{}` {}{help}\n", at.line, at.column, d.code, workspace.sources.slice(d.span), d.message)
    };
    diagnostics.0.iter().map(line).collect()
}

const SHOP: &str = r"
name: Shop
type: rest_api
config: {base_url: '${SHOP_URL}', auth_type: bearer, credentials: {api_key: '${SHOP_KEY}'}}
actions:
  - name: Get order
    type: read
    invocation: {method: GET, endpoint: '/orders/{order_id}'}
    input_schema: {order_id: {type: string}}
    outcomes:
      - {name: found, condition: response.status == 200}
      - {name: missing, condition: response.status == 404}
  - name: Cancel order
    invocation: {method: POST, endpoint: '/orders/{order_id}/cancel'}
    input_schema: {order_id: {type: string}, reason: {type: string, required: false}}
    outcomes: [{name: cancelled, condition: response.status == 200}]
    safety: {requires_confirmation: true}
";

const FIELDS: &str = "- {name: Order id, slug: order_id, type: string, validation: {pattern: 'A\\d+'}}\n- {name: Reason, type: string}\n";

#[test]
fn a_small_workspace_builds_without_a_word() {
    let journey = r#"
name: Cancel an order
trigger: {goal: cancel an order, examples: [cancel my order]}
journey:
  - collect: [order_id]
    name: Ask
  - action: shop.get-order -> order
    name: Look
    outcomes:
      found: continue
      missing:
        - say: "There is no order {{ variables.order_id }}."
        - goto: ask
  - confirm: [order_id]
  - action: {call: shop.cancel-order, outcomes: {cancelled: done}, on_error: {default: escalate}}
  - done: Done.
"#;
    let (workspace, diagnostics) = build(&[("integrations/shop.yaml", SHOP), ("datapoints/f.yaml", FIELDS), ("journeys/c.yaml", journey)]);
    assert_eq!(say(&workspace, &diagnostics), "");
    let journey = workspace.journey("cancel-an-order").unwrap();
    let keys: Vec<String> = journey.steps.iter().map(|s| s.key.to_string()).collect();
    assert_eq!(
        keys,
        [
            "ask",
            "look",
            "confirm",
            "action",
            "done",
            "look.outcomes.missing.say",
            "look.outcomes.missing.goto",
            "action.outcomes.cancelled.done",
            "action.on_error.default.escalate"
        ]
    );
}
