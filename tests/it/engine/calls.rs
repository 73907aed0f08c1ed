//! Calls: inputs, requests, outcomes, errors, tries, doubt, and what may be shown.

use std::sync::Arc;

use serde_json::{Value as Json, json};
use waypost::engine::{CallResult, Command, HttpAnswer, Phase, Status};
use waypost::model::ErrorKind;

use super::harness::{Talk, answered, failed, machine, start, values};

/// A workspace with one action of that body, and a journey that collects `a` and `b` and calls it.
fn calling(action: &str, step: &str) -> Talk {
    let integration = format!(
        "name: Api\ntype: rest_api\nconfig: {{base_url: 'http://api.test', auth_type: none}}\nactions:\n  - name: It\n{}\n  - name: Ask\n    type: read\n    invocation: {{method: GET, endpoint: /ask}}\n    outcomes: [{{name: there, condition: 'response.body.there'}}, {{name: gone, condition: '!response.body.there'}}]\n",
        indent(action, 4)
    );
    let journey = format!(
        "name: Go\ntrigger: {{goal: g, examples: [e]}}\njourney:\n  - collect: [a, b]\n  - action: api.it\n    name: it\n{}\n  - done: {{outcome: went}}\n",
        indent(step, 4)
    );
    let fields =
        "- {name: A, slug: a, type: string}\n- {name: B, slug: b, type: string}\n- {name: Pin, slug: pin, type: string, sensitive: true}\n";
    Talk::new(machine(&[("integrations/a.yaml", &integration), ("journeys/j.yaml", &journey), ("datapoints/d.yaml", fields)]))
}

fn indent(text: &str, by: usize) -> String {
    text.trim_matches('\n').lines().map(|l| format!("{}{l}", " ".repeat(by))).collect::<Vec<_>>().join("\n")
}

fn go(talk: &mut Talk, a: &str, b: &str) -> waypost::engine::Answer {
    talk.agent(start("go"));
    talk.agent(Command::Fill(values(&[("a", json!(a)), ("b", json!(b))])))
}

const READ: &str = "
type: read
invocation: {method: GET, endpoint: '/things/{a}'}
input_schema: {a: {type: string}}
";

#[test]
fn a_value_cannot_leave_its_segment() {
    for (value, path) in [("A/../1", "/things/A%2F..%2F1"), ("#7?x=1", "/things/%237%3Fx%3D1"), ("a b%2e", "/things/a%20b%252e")] {
        let mut talk = calling(READ, "");
        talk.stub(200, json!({}));
        go(&mut talk, value, "x");
        assert_eq!(&*talk.calls[0].request.path, path);
    }
    for value in [".", ".."] {
        let mut talk = calling(READ, "on_error: {invalid_input: [{done: {outcome: bad}}]}");
        assert_eq!(go(&mut talk, value, "x").outcome.as_deref(), Some("bad"));
        assert!(talk.calls.is_empty());
    }
}

#[test]
fn query_headers_and_body_are_built_as_written() {
    let action = "
type: write
invocation:
  method: POST
  endpoint: /things/{a}
  query: {q: $inputs.b, none: $inputs.c}
  headers: {X-B: '{{ inputs.b }}'}
input_schema: {a: {type: string}, b: {type: string}, c: {type: number, required: false}, n: {type: number}}
";
    let mut talk = calling(action, "inputs: {n: '5'}");
    talk.stub(200, json!({}));
    go(&mut talk, "1", "two");
    let request = &talk.calls[0].request;
    assert_eq!(request.query, [("q".into(), "two".into())]);
    assert_eq!(request.headers, [("X-B".into(), "two".into())]);
    assert_eq!(request.body.as_deref(), Some(r#"{"n":5}"#));

    // Not known before run time, or the checker would say it.
    let mut talk = calling(action, "inputs: {n: $variables.b}\non_error: {invalid_input: [{done: {outcome: bad}}]}");
    assert_eq!(go(&mut talk, "1", "two").outcome.as_deref(), Some("bad"));
    let mut talk = calling(action, "inputs: {n: 1}\non_error: {invalid_input: [{done: {outcome: bad}}]}");
    assert_eq!(go(&mut talk, "1", "two\r\nX-Admin: 1").outcome.as_deref(), Some("bad"));
    assert!(talk.calls.is_empty());
}

#[test]
fn the_first_outcome_that_is_true_wins_and_a_failing_condition_does_not_match() {
    let action = format!(
        "{READ}outcomes:\n  - {{name: broken, condition: \"response.body.n > 'x'\"}}\n  - {{name: small, condition: response.body.n < 10}}\n  - {{name: any, condition: response.status == 200}}\n"
    );
    let step = "outcomes: {broken: [{done: {outcome: broken}}], small: [{done: {outcome: small}}], any: [{done: {outcome: any}}]}\non_error: {default: continue}";
    for (n, outcome) in [(5, "small"), (50, "any")] {
        let mut talk = calling(&action, step);
        talk.stub(200, json!({"n": n}));
        assert_eq!(go(&mut talk, "1", "2").outcome.as_deref(), Some(outcome));
        assert!(talk.trace().contains("the condition of the outcome `broken` failed"), "{}", talk.trace());
    }
}

#[test]
fn errors_have_kinds_and_go_where_they_are_listed() {
    let declared = format!("{READ}outcomes: [{{name: ok, condition: response.status == 200}}]\n");
    let cases: [(&str, CallResult, &str); 6] = [
        (READ, answered(404, json!({})), "http_status"),
        (&declared, answered(404, json!({})), "unmatched"),
        (READ, failed(ErrorKind::Timeout, true), "timeout"),
        (READ, failed(ErrorKind::Connect, false), "connect"),
        (&format!("{READ}output_schema: {{n: {{type: number}}}}\n"), answered(200, json!({"n": "x"})), "invalid_output"),
        (
            READ,
            CallResult::Answered(HttpAnswer { status: 200, headers: Vec::new(), body: Arc::new(json!("{")), invalid_json: true }),
            "invalid_output",
        ),
    ];
    for (action, result, kind) in cases {
        let step =
            format!("outcomes: {{}}\non_error: {{{kind}: [{{done: {{outcome: caught}}}}], default: [{{done: {{outcome: other}}}}]}}")
                .replace("outcomes: {}\n", "");
        let mut talk = calling(action, &step);
        talk.stubs.push_back(result.clone());
        assert_eq!(go(&mut talk, "1", "2").outcome.as_deref(), Some("caught"), "{kind}");
        let mut talk = calling(action, "");
        talk.stubs.push_back(result);
        let fallen = go(&mut talk, "1", "2");
        assert_eq!((fallen.status, fallen.phase), (Status::Escalated, Phase::Escalated), "{kind}");
    }
}

#[test]
fn an_answer_is_cut_to_its_schema_and_kept_once() {
    let action = format!("{READ}output_schema: {{n: {{type: number}}}}\noutput_datapoint: seen\n");
    let mut talk = calling(&action, "as: r\noutcomes: {success: continue}\n");
    talk.stub(200, json!({"n": 1, "secret": "hush"}));
    talk.agent(start("go"));
    talk.agent(Command::Fill(values(&[("a", json!("1")), ("b", json!("2"))])));
    let events = serde_json::to_string(&talk.events).unwrap();
    assert_eq!(events.matches("hush").count(), 1, "{events}");
}

#[test]
fn a_service_says_how_long_to_wait_in_seconds_or_by_a_date() {
    let now = "2026-01-05T09:00:00Z".parse().unwrap();
    for (written, ms) in [
        ("30", Some(30_000)),
        (" 0 ", Some(0)),
        ("Mon, 05 Jan 2026 09:00:45 GMT", Some(45_000)),
        ("Mon, 05 Jan 2026 08:00:00 GMT", Some(0)),
        ("18446744073709551615", Some(u64::MAX)),
        ("-1", None),
        ("1.5", None),
        ("soon", None),
        ("Mon, 05 Jan 2026", None),
        ("", None),
    ] {
        assert_eq!(waypost::engine::effect::retry_after(written, now), ms, "{written}");
    }
    let mut talk = calling(&format!("{READ}settings: {{retries: 2, retry_backoff_ms: 1000}}\n"), "");
    let at = talk.now + jiff::SignedDuration::from_secs(45);
    let date = jiff::fmt::rfc2822::to_string(&at.to_zoned(jiff::tz::TimeZone::UTC)).unwrap();
    talk.stubs.push_back(CallResult::Answered(HttpAnswer {
        status: 503,
        headers: vec![("Retry-After".into(), date.into())],
        body: Arc::new(Json::Null),
        invalid_json: false,
    }));
    assert_eq!(go(&mut talk, "1", "2").phase, Phase::Working);
    assert_eq!(talk.wake_at, Some(at), "{}", talk.trace());
}

#[test]
fn a_failing_read_is_tried_again_later_and_longer_each_time() {
    let action = format!("{READ}settings: {{retries: 2, retry_backoff_ms: 1000}}\n");
    let mut talk = calling(&action, "");
    talk.stub(503, json!({}));
    assert_eq!(go(&mut talk, "1", "2").phase, Phase::Working);
    let first = talk.wake_at.unwrap().as_millisecond() - talk.now.as_millisecond();
    assert!((500..=1_000).contains(&first), "{first}");
    talk.stub(503, json!({}));
    talk.wait(1);
    assert_eq!(talk.calls.len(), 2);
    talk.stub(200, json!({}));
    talk.wait(2);
    assert_eq!(talk.calls.len(), 3);
    assert_eq!(talk.answer.outcome.as_deref(), Some("went"));
    assert_eq!(talk.calls[0].request, talk.calls[2].request);
}

#[test]
fn tries_used_up_go_where_they_should() {
    let mut talk = calling(READ, "retry: {max: 1, delay: 1s, on_exhausted: [{done: {outcome: tired}}]}");
    talk.stub(503, json!({}));
    go(&mut talk, "1", "2");
    talk.stubs.push_back(CallResult::Answered(HttpAnswer {
        status: 429,
        headers: vec![("retry-after".into(), "30".into())],
        body: Arc::new(Json::Null),
        invalid_json: false,
    }));
    talk.wait(1);
    assert_eq!(talk.answer.outcome.as_deref(), Some("tired"));
    // A matched outcome is never tried again.
    let mut talk = calling(
        &format!("{READ}outcomes: [{{name: down, condition: response.status == 503}}]\nsettings: {{retries: 3}}\n"),
        "outcomes: {down: [{done: {outcome: down}}]}\non_error: {default: continue}",
    );
    talk.stub(503, json!({}));
    assert_eq!(go(&mut talk, "1", "2").outcome.as_deref(), Some("down"));
}

const WRITE: &str = "
type: write
invocation: {method: POST, endpoint: /things}
input_schema: {a: {type: string}}
outcomes: [{name: made, condition: response.status == 201}, {name: no, condition: response.status == 422}]
";

#[test]
fn a_write_is_sent_again_only_where_that_is_safe() {
    let retries = "settings: {retries: 3, retry_backoff_ms: 100}\n";
    let doubt = "on_error: {in_doubt: [{done: {outcome: doubt}}], connect: [{done: {outcome: connect}}]}";
    let mut talk = calling(&format!("{WRITE}{retries}"), doubt);
    talk.stubs.push_back(failed(ErrorKind::Timeout, true));
    assert_eq!(go(&mut talk, "1", "2").outcome.as_deref(), Some("doubt"));
    let mut talk = calling(&format!("{WRITE}{retries}"), doubt);
    talk.stub(500, json!({}));
    assert_eq!(go(&mut talk, "1", "2").outcome.as_deref(), Some("doubt"));

    // Nothing was sent: it may be sent.
    let mut talk = calling(&format!("{WRITE}{retries}"), doubt);
    talk.stubs.push_back(failed(ErrorKind::Connect, false));
    go(&mut talk, "1", "2");
    talk.stub(201, json!({}));
    talk.wait(1);
    assert_eq!(talk.answer.outcome.as_deref(), Some("went"));

    // The server honours the key: the same bytes and the same key.
    let mut talk = calling(&format!("{WRITE}settings: {{retries: 3, retry_backoff_ms: 100, idempotency: key}}\n"), doubt);
    talk.stubs.push_back(failed(ErrorKind::Timeout, true));
    go(&mut talk, "1", "2");
    talk.stub(201, json!({}));
    talk.wait(1);
    assert_eq!(talk.answer.outcome.as_deref(), Some("went"));
    assert_eq!(talk.calls[0].request, talk.calls[1].request);

    // A refusal of what may have been done before says nothing.
    let mut talk = calling(&format!("{WRITE}settings: {{retries: 1, retry_backoff_ms: 100, idempotency: key}}\n"), doubt);
    talk.stubs.push_back(failed(ErrorKind::Timeout, true));
    go(&mut talk, "1", "2");
    talk.stub(422, json!({}));
    talk.wait(1);
    assert_eq!(talk.answer.outcome.as_deref(), Some("doubt"));
}

#[test]
fn an_applied_write_that_makes_no_sense_is_not_sent_again() {
    let action = format!("{WRITE}settings: {{retries: 3, idempotency: key}}\n");
    let mut talk = calling(&action, "on_error: {unmatched: [{done: {outcome: odd}}]}");
    talk.stub(204, json!(null));
    assert_eq!(go(&mut talk, "1", "2").outcome.as_deref(), Some("odd"));
    assert_eq!(talk.calls.len(), 1);
}

#[test]
fn a_read_settles_the_doubt_of_a_write() {
    let rule = "safety: {reconcile: {call: api.ask, after: 5, applied: {there: made}, not_applied: [gone]}}\n";
    let step = "outcomes: {made: [{done: {outcome: made}}]}\non_error: {not_applied: [{done: {outcome: lost}}], in_doubt: [{done: {outcome: doubt}}]}";
    for (there, outcome) in [(true, "made"), (false, "lost")] {
        let mut talk = calling(&format!("{WRITE}{rule}"), step);
        talk.stubs.push_back(failed(ErrorKind::Timeout, true));
        assert_eq!(go(&mut talk, "1", "2").phase, Phase::Working);
        talk.stub(200, json!({"there": there}));
        talk.wait(60);
        assert_eq!(talk.calls.len(), 2);
        assert_eq!(talk.answer.outcome.as_deref(), Some(outcome), "{}", talk.trace());
    }
    let mut talk = calling(&format!("{WRITE}{rule}"), step);
    talk.stubs.push_back(failed(ErrorKind::Timeout, true));
    go(&mut talk, "1", "2");
    talk.stubs.push_back(failed(ErrorKind::Connect, false));
    talk.wait(60);
    assert_eq!(talk.answer.outcome.as_deref(), Some("doubt"));
}

#[test]
fn a_sender_that_is_gone_is_taken_over() {
    let mut talk = calling(READ, "");
    talk.held = true;
    go(&mut talk, "1", "2");
    let lost = talk.last_effect();
    talk.held = false;
    talk.stub(200, json!({}));
    talk.input(waypost::engine::Actor::User, "", None, waypost::engine::InputBody::TakeOver(lost));
    assert_eq!(talk.answer.outcome.as_deref(), Some("went"));

    let mut talk = calling(WRITE, "on_error: {in_doubt: [{done: {outcome: doubt}}]}");
    talk.held = true;
    go(&mut talk, "1", "2");
    let lost = talk.last_effect();
    assert_eq!(talk.state.pending().count(), 1);
    talk.input(waypost::engine::Actor::User, "", None, waypost::engine::InputBody::TakeOver(lost));
    assert_eq!(talk.answer.outcome.as_deref(), Some("doubt"));
    assert_eq!(talk.calls.len(), 1);
}

#[test]
fn a_request_that_its_sender_left_is_no_try_that_failed() {
    use waypost::engine::{Actor, InputBody};

    let action = format!("{READ}settings: {{retries: 1}}\n");
    let mut talk = calling(&action, "");
    talk.held = true;
    go(&mut talk, "1", "2");
    let lost = talk.last_effect();
    talk.held = false;
    talk.stubs.push_back(failed(ErrorKind::Timeout, true));
    talk.stub(200, json!({}));
    talk.input(Actor::User, "", None, InputBody::TakeOver(lost));
    talk.wait(60);
    assert_eq!(talk.answer.outcome.as_deref(), Some("went"), "{}", talk.trace());

    // What takes every sender along is not sent for ever.
    let mut talk = calling(&action, "");
    talk.held = true;
    go(&mut talk, "1", "2");
    for _ in 0..20 {
        let lost = talk.last_effect();
        talk.input(Actor::User, "", None, InputBody::TakeOver(lost));
        talk.wait(60);
    }
    assert_eq!((talk.answer.status, talk.calls.len()), (Status::Escalated, 5), "{}", talk.trace());
}

#[test]
fn each_element_has_its_call_and_the_first_that_differs_decides() {
    let action = "
type: read
invocation: {method: GET, endpoint: '/things/{x}'}
input_schema: {x: {type: string}}
outcomes: [{name: fine, condition: response.body.ok}, {name: bad, condition: 'true'}]
";
    let step = "as: list\neach: \"['p', 'q']\"\ninputs: {x: $each}\noutcomes: {fine: continue, bad: [{done: {outcome: bad}}]}";
    let mut talk = calling(action, step);
    talk.stub(200, json!({"ok": true, "n": 1})).stub(200, json!({"ok": true, "n": 2}));
    assert_eq!(go(&mut talk, "1", "2").outcome.as_deref(), Some("went"), "{}", talk.trace());
    let paths: Vec<&str> = talk.calls.iter().map(|c| &*c.request.path).collect();
    assert_eq!(paths, ["/things/p", "/things/q"]);
    let mut talk = calling(action, step);
    talk.stub(200, json!({"ok": false}));
    assert_eq!(go(&mut talk, "1", "2").outcome.as_deref(), Some("bad"));
    assert_eq!(talk.calls.len(), 1);
}

#[test]
fn what_is_sensitive_is_hidden_in_traces_and_from_agents() {
    let integration = "
name: Api
type: rest_api
config: {base_url: 'http://api.test', auth_type: none}
actions:
  - name: Account
    type: read
    invocation: {method: GET, endpoint: /account}
    input_schema: {pin: {type: string}}
    outcomes: [{name: ok, condition: response.status == 200}]
    safety: {redact_fields: [response.iban, token]}
";
    let journey = r#"
name: Go
trigger: {goal: g, examples: [e]}
lints: {WP0601: allow}
journey:
  - collect: [pin]
  - action: api.account -> account
    outcomes: {ok: continue}
  - set: {copy: "$variables.account.iban + '!'"}
  - say: "IBAN {{ variables.account.iban }} of {{ variables.account.name }}, {{ variables.copy }}, {{ variables.account.deep.token }}"
  - guide: [Wait.]
"#;
    let fields = "- {name: Pin, slug: pin, type: string, sensitive: true}\n";
    let journey = journey.replace("lints: {WP0601: allow}\n", "");
    let mut talk =
        Talk::new(machine(&[("integrations/a.yaml", integration), ("journeys/j.yaml", &journey), ("datapoints/d.yaml", fields)]));
    talk.agent(start("go"));
    talk.stub(200, json!({"iban": "DE77", "name": "Ada", "deep": {"token": "T0K"}}));
    let told = talk.agent(Command::Fill(values(&[("pin", json!("4711"))])));
    let text = told.text();
    assert!(text.contains("Ada"), "{text}");
    for secret in ["DE77", "T0K", "4711"] {
        assert!(!text.contains(secret), "{text}");
        assert!(!talk.trace().contains(secret), "{}", talk.trace());
    }
    let seen = talk.user("what is it?");
    assert!(!seen.text().is_empty());
}
