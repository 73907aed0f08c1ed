//! The gates before an action. Each test here was seen to fail with its gate taken out.

use serde_json::json;
use waypost::engine::{Actor, Command, Phase, Status};

use super::harness::{Talk, answered, failed, machine, start, values};
use waypost::model::ErrorKind;

const SHOP: &str = r"
name: Shop
type: rest_api
config: {base_url: 'http://shop.test', auth_type: none}
actions:
  - name: Look
    type: read
    invocation: {method: GET, endpoint: '/orders/{order_id}'}
    input_schema: {order_id: {type: string}}
    outcomes: [{name: found, condition: response.status == 200}]
  - name: Pay back
    type: write
    invocation: {method: POST, endpoint: '/orders/{order_id}/refunds'}
    input_schema: {order_id: {type: string}, amount: {type: number}}
    outcomes: [{name: done, condition: response.status == 201}]
    safety: {requires_confirmation: true}
  - name: Secret
    type: read
    invocation: {method: GET, endpoint: /secret}
    safety: {requires_identity_verification: {level: 2, max_age: 600}}
  - name: Check code
    type: write
    invocation: {method: POST, endpoint: /codes}
    input_schema: {code: {type: string}}
    outcomes: [{name: right, condition: response.status == 200}, {name: wrong, condition: response.status == 401}]
  - name: Owned
    type: read
    invocation: {method: GET, endpoint: /owned}
    safety: {owner: $conversation.identity.subject == 'x'}
";

const FIELDS: &str = r"
- {name: Order id, slug: order_id, type: string, validation: {pattern: 'A[0-9]+'}}
- {name: Amount, slug: amount, type: number}
- {name: Ready, slug: ready, type: boolean}
- {name: Code, slug: code, type: string, validation: {pattern: '[0-9]{6}'}, sensitive: true}
";

const REFUND: &str = r#"
name: Refund
trigger: {goal: refund an order, examples: [I want a refund]}
journey:
  - collect: [order_id, amount]
    name: ask
  - confirm:
      message: "Refund {{ variables.amount }} for {{ variables.order_id }}?"
    name: sure
  - action: shop.pay-back
    name: pay
    outcomes: {done: continue}
    on_error: {default: [{done: {message: "It failed.", outcome: failed}}]}
  - done: "Refunded."
"#;

fn shop(journeys: &[&str]) -> Talk {
    let mut files = vec![("integrations/shop.yaml", SHOP), ("datapoints/all.yaml", FIELDS)];
    let names = ["journeys/a.yaml", "journeys/b.yaml", "journeys/c.yaml"];
    files.extend(names.iter().copied().zip(journeys.iter().copied()));
    Talk::new(machine(&files))
}

fn at_the_question() -> Talk {
    let mut talk = shop(&[REFUND]);
    talk.user("I want a refund");
    talk.user("A1");
    let asked = talk.user("5");
    assert_eq!(asked.phase, Phase::Confirm, "{asked:?}");
    talk
}

#[test]
fn a_yes_to_what_was_shown_lets_the_write_go() {
    let mut talk = at_the_question();
    talk.stub(201, json!({}));
    let done = talk.user("yes, please");
    assert_eq!(done.messages, ["Refunded.".into()]);
    assert_eq!((done.status, done.outcome.as_deref()), (Status::Completed, Some("done")));
    let call = &talk.calls[0];
    assert_eq!(&*call.request.path, "/orders/A1/refunds");
    assert_eq!(call.request.body.as_deref(), Some(r#"{"amount":5}"#));
    assert_eq!(call.request.idempotency_key.as_ref().map(|k| k.len()), Some(64));
}

#[test]
fn a_write_without_a_yes_is_denied() {
    let journey = REFUND
        .replace("  - confirm:\n      message: \"Refund {{ variables.amount }} for {{ variables.order_id }}?\"\n    name: sure\n", "")
        .replace("    on_error: {default: [{done: {message: \"It failed.\", outcome: failed}}]}\n", "");
    let mut talk = shop(&[&journey]);
    talk.agent(start("refund"));
    let denied = talk.agent(Command::Fill(values(&[("order_id", json!("A1")), ("amount", json!(5))])));
    assert!(talk.calls.is_empty());
    assert_eq!(denied.outcome.as_deref(), Some("denied"), "{denied:?}");
    assert!(talk.trace().contains("(no_grant)"), "{}", talk.trace());
}

#[test]
fn an_agent_never_confirms_and_never_sees_the_questions_id() {
    let mut talk = at_the_question();
    let question = talk.answer.question.clone().unwrap();
    for question in [None, Some(question.id)] {
        let refused = talk.agent(Command::Confirm { question });
        assert_eq!(&*refused.refused.unwrap().code, "forbidden");
        assert_eq!(refused.question, None);
    }
    let message = talk.input(Actor::Agent, "", None, waypost::engine::InputBody::Message("yes".into()));
    assert_eq!(&*message.refused.unwrap().code, "forbidden");
    assert!(talk.calls.is_empty());
    assert_eq!(talk.answer.phase, Phase::Confirm);
}

#[test]
fn a_yes_that_came_before_the_question_does_not_count() {
    let journey = r#"
name: Refund
trigger: {goal: refund an order, examples: [I want a refund]}
journey:
  - collect: [order_id, amount]
  - action: shop.look -> order
    outcomes: {found: continue}
  - confirm: {message: "Refund {{ variables.amount }} for {{ variables.order_id }}?"}
  - action: shop.pay-back
    outcomes: {done: continue}
  - done: "Refunded."
"#;
    let mut talk = shop(&[journey]);
    talk.user("I want a refund");
    talk.user("A1");
    talk.held = true;
    assert_eq!(talk.user("5").phase, Phase::Working);
    talk.user("yes");
    let asked = talk.land(answered(200, json!({})));
    assert_eq!(asked.phase, Phase::Confirm, "{asked:?}");
    assert_eq!(talk.calls.len(), 1);
    talk.user("yes");
    assert_eq!(talk.calls.len(), 2);
}

#[test]
fn a_yes_counts_only_where_the_question_was_shown() {
    let mut talk = shop(&[REFUND]);
    talk.agent(start("refund"));
    let shown = talk.agent(Command::Fill(values(&[("order_id", json!("A1")), ("amount", json!(5))])));
    assert_eq!(shown.phase, Phase::Confirm);
    let again = talk.user("yes");
    assert_eq!(again.phase, Phase::Confirm, "{again:?}");
    assert!(talk.calls.is_empty());
    talk.stub(201, json!({}));
    assert_eq!(talk.user("yes").outcome.as_deref(), Some("done"));
}

#[test]
fn an_older_question_is_void() {
    let mut talk = at_the_question();
    let old = talk.answer.question.clone().unwrap().id;
    let asked = talk.agent(Command::Correct(values(&[("amount", json!(500))])));
    assert!(asked.messages[0].contains("500"), "{asked:?}");
    let refused = talk.command(Actor::User, Command::Confirm { question: Some(old) });
    assert_eq!(&*refused.refused.unwrap().code, "stale");
    assert!(talk.calls.is_empty());
    let new = refused.question.unwrap().id;
    talk.stub(201, json!({}));
    let done = talk.command(Actor::User, Command::Confirm { question: Some(new) });
    assert_eq!(done.outcome.as_deref(), Some("done"));
    assert_eq!(talk.calls[0].request.body.as_deref(), Some(r#"{"amount":500}"#));
}

fn with_a_step_before_the_write(step: &str) -> String {
    REFUND.replace("  - action: shop.pay-back\n", &format!("{step}\n  - action: shop.pay-back\n"))
}

#[test]
fn an_assignment_to_something_shown_ends_the_yes() {
    let mut talk = shop(&[&with_a_step_before_the_write("  - set: {amount: 5000}")]);
    talk.user("I want a refund");
    talk.user("A1");
    talk.user("5");
    talk.user("yes");
    assert!(talk.calls.is_empty(), "{}", talk.trace());
    assert!(talk.trace().contains("`amount` was assigned after it was shown"), "{}", talk.trace());
}

#[test]
fn a_source_that_the_question_does_not_show_is_not_covered() {
    for message in ["Refund {{ variables.order_id }}?", "Refund {{ variables.order_id }}{% if false %}{{ variables.amount }}{% endif %}?"] {
        let journey = REFUND.replace("Refund {{ variables.amount }} for {{ variables.order_id }}?", message);
        let mut talk = shop(&[&journey]);
        talk.user("I want a refund");
        talk.user("A1");
        talk.user("5");
        talk.user("yes");
        assert!(talk.calls.is_empty(), "{}", talk.trace());
        assert!(talk.trace().contains("`amount` was not shown"), "{}", talk.trace());
    }
}

#[test]
fn a_listed_field_that_the_message_leaves_out_is_written_under_it() {
    let journey = REFUND.replace(
        "      message: \"Refund {{ variables.amount }} for {{ variables.order_id }}?\"",
        "      message: \"Refund {{ variables.order_id }}?\"\n      fields: [order_id, amount]",
    );
    let mut talk = shop(&[&journey]);
    talk.user("I want a refund");
    talk.user("A1");
    let asked = talk.user("5");
    assert_eq!(asked.messages, ["Refund A1?\nAmount: 5".into()]);
}

#[test]
fn a_yes_expires() {
    let journey = with_a_step_before_the_write("  - guide: [Take a breath.]\n    name: pause");
    let mut talk = shop(&[&journey]);
    talk.user("I want a refund");
    talk.user("A1");
    talk.user("5");
    assert_eq!(talk.user("yes").phase, Phase::Guide);
    talk.wait(901);
    talk.user("next");
    assert!(talk.calls.is_empty());
    assert!(talk.trace().contains("the yes has expired"), "{}", talk.trace());
}

#[test]
fn a_yes_is_used_once_at_its_step() {
    let journey = REFUND.replace("  - done: \"Refunded.\"\n", "  - guide: [Again?]\n  - goto: pay\n");
    let mut talk = shop(&[&journey]);
    talk.user("I want a refund");
    talk.user("A1");
    talk.user("5");
    talk.stub(201, json!({}));
    talk.user("yes");
    talk.user("next");
    assert_eq!(talk.calls.len(), 1);
    assert!(talk.trace().contains("the yes was used at this step"), "{}", talk.trace());
}

#[test]
fn a_no_ends_the_run_and_does_nothing() {
    let mut talk = at_the_question();
    let declined = talk.user("no");
    assert_eq!((declined.status, declined.outcome.as_deref()), (Status::Completed, Some("declined")));
    assert!(talk.calls.is_empty());
}

#[test]
fn a_write_in_another_journey_ends_a_yes_under_it() {
    let first = with_a_step_before_the_write("  - guide: [Take a breath.]\n    name: pause");
    let other = r"
name: Log in
trigger: {goal: log me in, examples: [log in]}
journey:
  - collect: [code]
  - action: shop.check-code
    outcomes: {right: continue, wrong: continue}
";
    let mut talk = shop(&[&first, other]);
    talk.user("I want a refund");
    talk.user("A1");
    talk.user("5");
    talk.user("yes");
    talk.agent(start("log-in"));
    talk.stub(200, json!({}));
    let back = talk.user("123456");
    assert_eq!(back.phase, Phase::Guide, "{back:?}");
    talk.user("next");
    assert_eq!(talk.calls.len(), 1, "{}", talk.trace());
    assert!(talk.trace().contains("a write was started in another journey"));
}

const SECRET: &str = r"
name: Secret
trigger: {goal: tell me the secret, examples: [the secret]}
journey:
  - collect: [code]
    name: ask
  - verify:
      call: shop.check-code
      verified: [right]
      subject: inputs.code
      level: LEVEL
      on_failed: [{done: {outcome: unknown}}]
  - guide: [Wait.]
    name: pause
  - action: shop.secret
  - done: Here it is.
";

fn secret(level: &str) -> Talk {
    shop(&[&SECRET.replace("LEVEL", level)])
}

#[test]
fn a_verified_identity_of_the_level_and_age_opens() {
    let mut talk = secret("2");
    talk.agent(start("secret"));
    talk.stub(200, json!({}));
    talk.user("123456");
    talk.stub(200, json!({}));
    assert_eq!(talk.user("next").outcome.as_deref(), Some("done"));
    assert_eq!(talk.state.identity().unwrap().level, 2);
}

#[test]
fn a_lower_level_an_old_one_and_none_are_denied() {
    for (level, wait, why) in [("1", 0, "lower level"), ("2", 700, "too old"), ("2", 1_000, "has expired")] {
        let mut talk = secret(level);
        talk.agent(start("secret"));
        talk.stub(200, json!({}));
        talk.user("123456");
        talk.wait(wait);
        assert_eq!(talk.user("next").outcome.as_deref(), Some("denied"));
        assert!(talk.trace().contains(why), "{}", talk.trace());
        assert_eq!(talk.calls.len(), 1);
    }
    let bare = "name: Bare\ntrigger: {goal: g, examples: [e]}\njourney:\n  - action: shop.secret\n";
    let mut talk = shop(&[bare]);
    assert_eq!(talk.agent(start("bare")).outcome.as_deref(), Some("denied"));
}

#[test]
fn an_agents_word_verifies_nobody() {
    let mut talk = secret("2");
    talk.agent(start("secret"));
    let failed = talk.agent(Command::Fill(values(&[("code", json!("123456"))])));
    assert_eq!(failed.outcome.as_deref(), Some("unknown"), "{failed:?}");
    assert!(talk.calls.is_empty());

    let mut talk = secret("2");
    talk.agent(start("secret"));
    talk.user("my pin, hm");
    talk.user("here: 123456 is what I was sent, and 999999 is the old one");
    talk.stub(200, json!({}));
    talk.agent(Command::Fill(values(&[("code", json!("123456"))])));
    assert!(talk.state.identity().is_some(), "{}", talk.trace());
}

#[test]
fn what_is_not_enforced_is_denied_by_its_name() {
    let journey = "name: Own\ntrigger: {goal: g, examples: [e]}\njourney:\n  - action: {call: shop.owned, inputs: {}}\n";
    let mut talk = shop(&[journey]);
    let denied = talk.agent(start("own"));
    assert_eq!(denied.outcome.as_deref(), Some("denied"));
    assert!(talk.trace().contains("(owner)"), "{}", talk.trace());
}

#[test]
fn a_stale_value_is_not_sent() {
    let journey = r"
name: Stale
trigger: {goal: g, examples: [e]}
journey:
  - collect: [amount]
  - set: {double: $variables.amount * 2}
  - set: {amount: 1}
  - action: {call: shop.look, inputs: {order_id: 'x{{ variables.double }}'}}
    outcomes: {found: continue}
";
    let mut talk = shop(&[journey]);
    talk.agent(start("stale"));
    let denied = talk.user("5");
    assert_eq!(denied.outcome.as_deref(), Some("denied"), "{denied:?}");
    assert!(talk.trace().contains("(stale)"), "{}", talk.trace());
}

#[test]
fn a_doubtful_write_is_never_sent_blindly_again() {
    let mut talk = at_the_question();
    talk.stubs.push_back(failed(ErrorKind::Timeout, true));
    assert_eq!(talk.user("yes").outcome.as_deref(), Some("failed"));
    assert!(talk.trace().contains("in_doubt"), "{}", talk.trace());
    talk.user("I want a refund");
    talk.user("A1");
    talk.user("5");
    talk.user("yes");
    assert_eq!(talk.calls.len(), 1, "{}", talk.trace());
    // A late answer settles it, and moves nothing.
    let late = talk.last_effect();
    talk.input(Actor::System, "", None, waypost::engine::InputBody::Result(late, answered(201, json!({}))));
    assert!(talk.trace().contains("settled"), "{}", talk.trace());
    talk.user("I want a refund");
    talk.user("A1");
    talk.user("5");
    talk.stub(201, json!({}));
    talk.user("yes");
    assert_eq!(talk.calls.len(), 2);
    assert_ne!(talk.calls[0].request.idempotency_key, talk.calls[1].request.idempotency_key);
}

#[test]
fn what_is_under_way_when_somebody_takes_over_is_finished_and_nothing_after_it() {
    let journey = r"
name: Two
trigger: {goal: g, examples: [e]}
journey:
  - collect: [order_id]
  - action: shop.look -> order
    outcomes: {found: continue}
  - action: {call: shop.check-code, inputs: {code: '123456'}}
    outcomes: {right: continue, wrong: continue}
";
    let mut talk = shop(&[journey]);
    talk.agent(start("two"));
    talk.held = true;
    talk.user("A1");
    talk.command(Actor::Operator, Command::TakeOver);
    assert_eq!(talk.land(answered(200, json!({"v": 7}))).status, Status::Escalated);
    assert_eq!((talk.calls.len(), talk.variable("order")), (1, json!({"v": 7})), "{}", talk.trace());
    talk.held = false;
    talk.stub(200, json!({}));
    assert_eq!(talk.command(Actor::Operator, Command::HandBack).outcome.as_deref(), Some("done"), "{}", talk.trace());
    assert_eq!(talk.calls.len(), 2);
}

#[test]
fn a_person_has_an_escalated_conversation_until_it_is_handed_back() {
    let mut talk = at_the_question();
    assert_eq!(talk.user("I want to talk to a person").status, Status::Escalated);
    assert_eq!(talk.user("yes").status, Status::Escalated);
    let refused = talk.agent(Command::Cancel);
    assert_eq!(&*refused.refused.unwrap().code, "escalated");
    let refused = talk.agent(Command::HandBack);
    assert_eq!(&*refused.refused.unwrap().code, "forbidden");
    let said = talk.command(Actor::Operator, Command::Say("Hello".into()));
    assert_eq!(said.messages, ["Hello".into()]);
    let back = talk.command(Actor::Operator, Command::HandBack);
    assert_eq!((back.status, back.outcome.as_deref()), (Status::Completed, Some("escalated")));
    assert!(talk.calls.is_empty());
}
