//! The conversation that is measured: where is my order, A7; it is shipped, cancel it? yes. Three turns, two calls of a service.

/// What the answers of the three turns hold.
pub const TURNS: [&str; 3] = ["order number", "shipped", "cancelled"];

/// How a server is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// `POST /api/v1/agents/default/converse`, ours.
    Converse,
    /// `POST /turn {"session", "input"}`, what is put beside it.
    Turn,
}

/// Where turns go.
pub const CONVERSE: &str = "/api/v1/agents/default/converse";

impl Dialect {
    pub const fn path(self) -> &'static str {
        match self {
            Self::Converse => CONVERSE,
            Self::Turn => "/turn",
        }
    }

    /// The body of a turn; the first begins a conversation.
    pub fn body(self, conversation: &str, turn: usize, order: &str) -> String {
        match (self, turn) {
            (Self::Converse, 0) => r#"{"command":{"type":"start","journey":"order-status"},"actor":"user"}"#.into(),
            (Self::Converse, 1) => format!(
                r#"{{"conversation_id":"{conversation}","command":{{"type":"fill","values":{{"order_id":"{order}"}}}},"actor":"user"}}"#
            ),
            (Self::Converse, _) => format!(r#"{{"conversation_id":"{conversation}","command":{{"type":"confirm"}},"actor":"user"}}"#),
            (Self::Turn, 0) => format!(r#"{{"session":"{conversation}","input":{{"intent":"order_status"}}}}"#),
            (Self::Turn, 1) => format!(r#"{{"session":"{conversation}","input":{{"order_id":"{order}"}}}}"#),
            (Self::Turn, _) => format!(r#"{{"session":"{conversation}","input":{{"confirm":true}}}}"#),
        }
    }

    /// Takes the name that the server gave the conversation.
    pub fn named(self, conversation: &mut String, answer: &[u8]) {
        const KEY: &str = "\"conversation_id\":\"";
        if self == Self::Converse {
            let answer = std::str::from_utf8(answer).expect("an answer is text");
            let id = answer.split_once(KEY).and_then(|(_, rest)| rest.split('"').next()).expect("the name of a conversation");
            id.clone_into(conversation);
        }
    }
}

/// Whether those bytes stand in these.
pub fn holds(all: &[u8], part: &str) -> bool {
    all.windows(part.len()).any(|w| w == part.as_bytes())
}

/// The workspace of it, and of two journeys beside: one that asks the same again and again, and one that calls a service that hangs.
pub const WORKSPACE: [(&str, &str); 6] = [
    ("waypost.yaml", "secrets: [SHOP_URL]\n"),
    (
        "integrations/shop.yaml",
        "\
name: Shop
type: rest_api
config: {base_url: '${SHOP_URL}', auth_type: none}
actions:
  - name: Get order
    type: read
    invocation: {method: GET, endpoint: '/orders/{order_id}'}
    input_schema: {order_id: {type: string}}
    outcomes:
      - {name: found, condition: response.status == 200}
      - {name: missing, condition: response.status == 404}
  - name: Cancel order
    type: write
    invocation: {method: POST, endpoint: '/orders/{order_id}/cancel'}
    input_schema: {order_id: {type: string}}
    outcomes: [{name: cancelled, condition: response.status == 200}]
    settings: {idempotency: key}
  - name: Wait
    type: read
    invocation: {method: GET, endpoint: /wait}
    outcomes: [{name: over, condition: response.status == 200}]
    settings: {timeout_ms: 600000}
",
    ),
    (
        "datapoints/all.yaml",
        "- {name: Order id, type: string, validation: {pattern: '[A-Za-z0-9]+'}, ui: {prompt: 'What is your order number?'}}\n",
    ),
    (
        "journeys/order-status.yaml",
        "\
name: Order status
trigger: {goal: see where an order is and cancel it, examples: [where is my order]}
journey:
  - collect: [order_id]
  - action: shop.get-order -> order
    outcomes:
      found: continue
      missing: [done: 'Sorry, I found no order {{ variables.order_id }}.']
    on_error: {default: escalate}
  - confirm:
      fields: [order_id]
      message: 'Order {{ variables.order_id }} is {{ variables.order.status }}, arriving {{ variables.order.eta }}. Do you want to cancel it?'
      on_reject: [done: 'OK, order {{ variables.order_id }} stays as it is.']
  - action: shop.cancel-order
    outcomes: {cancelled: [done: 'Order {{ variables.order_id }} has been cancelled.']}
    on_error: {default: escalate}
",
    ),
    (
        "journeys/again.yaml",
        "\
name: Again
trigger: {goal: hear it again, examples: [say it again]}
journey:
  - choice: {prompt: Once more?, options: {Once more: [{goto: ask}], Enough: done}}
    name: Ask
",
    ),
    (
        "journeys/wait.yaml",
        "\
name: Wait
trigger: {goal: wait for something, examples: [wait for it]}
journey:
  - {action: shop.wait, outcomes: {over: [done: It is over.]}, on_error: {default: escalate}}
",
    ),
];
