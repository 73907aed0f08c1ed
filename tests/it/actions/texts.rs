//! What texts of actions become, what is said of faulty ones, and what each kind of channel is given.

use serde_json::{Value as Json, json};
use waypost::registry::payload::{Filled, Style};
use waypost::registry::{ActionDefinition, Decision, Deed, depth_of, run_id};

use super::{action, decision, deed, letter, workspace};

const SETTINGS: &str = r#"
secrets: [HOOK_TOKEN, HOOK_URL]
channels:
  desk: {type: slack, url: "${SLACK_URL}"}
  pager: {type: pagerduty, routing_key: "${PAGER_KEY}", severity: critical}
  hook: {type: webhook, url: "https://hooks.example.com/in", secret: "${HOOK_SECRET}"}
  book: {type: log}
workflows:
  follow-up: {url: "https://flows.example.com/start", secret: "${FLOW_SECRET}", headers: {x-key: "${FLOW_KEY}"}}
  ring: {journey: call-back}
"#;

fn body(config: &Json, decision: &waypost::registry::Decision) -> Json {
    letter(SETTINGS, config, decision).body.unwrap().shown()
}

fn webhook(payload: Json) -> Json {
    json!({"type": "webhook", "endpoint": "https://api.example.com/x", "payload_template": payload})
}

#[test]
fn a_placeholder_alone_keeps_its_type_and_stands_anywhere_else_in_words() {
    let payload = json!({
        "who": "{entity}", "holds": "{decision_value}", "value": "{value}", "at": "{timestamp}",
        "nested": [{"of {condition_id}": "{condition_id}@{condition_version}"}, 7, null, true],
        "id": "<{decision_id}>", "json": "{\"a\": {value}, \"b\": {}}",
    });
    let of = |value: Json| body(&webhook(payload.clone()), &decision(value, "order-7"));
    assert_eq!(
        of(json!(true)),
        json!({
            "who": "order-7", "holds": true, "value": 7, "at": "2026-01-05T09:00:00Z",
            "nested": [{"of many-complaints": "many-complaints@3"}, 7, null, true],
            "id": "<d-1>", "json": "{\"a\": 7, \"b\": {}}",
        })
    );
    assert_eq!(of(json!(null))["holds"], json!(null));
    let said = body(&webhook(json!("it is {decision_value}")), &decision(json!(null), "x"));
    assert_eq!(said, json!("it is unknown"));
}

#[test]
fn what_a_decision_brings_is_no_template_and_no_secret() {
    let sent = letter(SETTINGS, &webhook(json!({"t": "${HOOK_TOKEN}", "e": "{entity}"})), &decision(json!(true), "${HOOK_TOKEN}{value}"));
    let body = sent.body.unwrap();
    let put: Result<Json, ()> = body.with(&mut |name: &str| Ok(format!("<{name}>")));
    assert_eq!(put, Ok(json!({"t": "<HOOK_TOKEN>", "e": "${HOOK_TOKEN}{value}"})));
    assert_eq!(body.shown(), json!({"t": "[redacted]", "e": "${HOOK_TOKEN}{value}"}));
}

#[test]
fn faults_are_told_apart_and_said_once() {
    let declared = workspace(SETTINGS).declared();
    let faults = |body: &Json| -> Vec<String> {
        let found = ActionDefinition::parse(body, &declared).expect_err("it is faulty");
        found.iter().map(|f| format!("{} {f}", f.code)).collect()
    };
    let hook = |more: Json| {
        let mut config = json!({"type": "webhook", "endpoint": "https://api.example.com/{entity}"});
        config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        config
    };
    for (config, expected) in [
        (json!({"type": "notification", "channel": "desks"}), "WP0902 `config.channel`: there is no channel `desks` (write `desk`)"),
        (json!({"type": "workflow", "workflow_id": "nothing"}), "WP0903 `config.workflow_id`: there is no workflow `nothing`"),
        (json!({"type": "register", "primitive_id": "calm"}), "WP0904 `config.primitive_id`: `calm` is no primitive"),
        (
            hook(json!({"payload_template": {"a": ["{entitty}"]}})),
            "WP0905 `config.payload_template.a.0`: there is no placeholder `{entitty}` (write `{entity}`)",
        ),
        (hook(json!({"payload_template": "{{ entity }}"})), "(write `{entity}`)"),
        (hook(json!({"headers": {"x-a": "${PATH}"}})), "WP0905 `config.headers.x-a`: `${PATH}` is none of the workspace's secrets"),
        (hook(json!({"headers": {"x-a": "${file:/etc/passwd}"}})), "WP0905"),
        (hook(json!({"headers": {"Webhook-Signature": "v1,x"}})), "WP0803 `config.headers.Webhook-Signature`: the header"),
        (hook(json!({"headers": {"x-a": "1\r\nx-b: 2"}})), "WP0803"),
        (hook(json!({"method": "BREW"})), "WP0803 `config.method`"),
        (hook(json!({"endpoint": "https://{entity}.example.com/"})), "WP0803 `config.endpoint`: a placeholder stands in the path"),
        (hook(json!({"endpoint": "https://u:p@example.com/"})), "WP0803 `config.endpoint`: a URL holds no credentials"),
        (hook(json!({"endpoint": "file:///etc/passwd"})), "WP0803 `config.endpoint`: only `http` and `https`"),
        (hook(json!({"methods": "POST"})), "WP0103 `config.methods`: unknown key `methods` in a webhook (write `method`)"),
        (hook(json!({"channel": "desk"})), "is not of type `webhook`"),
        (json!({"type": "webhok", "endpoint": "x"}), "there are no actions of type `webhok` (write `webhook`)"),
        (json!({"type": "workflow", "workflow_id": "ring", "input_mapping": {"a": "${HOOK_TOKEN}"}}), "a journey is not given secrets"),
        (json!("webhook"), "WP0104 `config`: expected a map"),
    ] {
        let found = faults(&action(&config, "true"));
        assert!(found.len() == 1 && found[0].contains(expected), "{config}: {found:#?}");
    }
    let good = action(&json!({"type": "notification", "channel": "book"}), "true");
    for (path, value, expected) in [
        ("/trigger/fire_on", json!("maybe"), "`trigger.fire_on`"),
        ("/version", json!(1), "put it in quotes"),
        ("/action_id", json!("a/b"), "cannot be the `action_id`"),
        ("/namespace", json!(null), "`namespace` is missing"),
        ("/trigger/condition_id", json!(7), "`trigger.condition_id`"),
    ] {
        let mut bad = good.clone();
        *bad.pointer_mut(path).unwrap() = value;
        let found = faults(&bad);
        assert!(found.len() == 1 && found[0].contains(expected), "{path}: {found:#?}");
    }
    for (delivery, expected) in [
        (json!({"backoff_ms": 5}), "`retries` is missing"),
        (json!({"retries": -1}), "whole number of at most 20"),
        (json!({"retries": 2, "backof_ms": 5}), "write `backoff_ms`"),
    ] {
        let mut bad = good.clone();
        bad["delivery"] = delivery;
        let found = faults(&bad);
        assert!(found.len() == 1 && found[0].contains(expected), "{found:#?}");
    }
    for missing in ["action_id", "version", "config", "trigger", "namespace"] {
        let mut bad = good.clone();
        bad.as_object_mut().unwrap().remove(missing);
        assert!(faults(&bad)[0].contains(&format!("`{missing}` is missing")), "{missing}");
    }
}

#[test]
fn each_channel_is_given_what_its_service_documents() {
    let tell = |channel: &str| json!({"type": "notification", "channel": channel});
    let summary = "many-complaints 3 is true for a&lt;b&gt;&amp; as of 2026-01-05T09:00:00Z: 7 is above 3";
    assert_eq!(body(&tell("desk"), &decision(json!(true), "a<b>&")), json!({"text": summary}));
    let marked = json!({"type": "notification", "channel": "desk", "message_template": "<https://x|see> {entity}"});
    assert_eq!(body(&marked, &decision(json!(true), "<!channel>"))["text"], "<https://x|see> &lt;!channel&gt;");

    let event = body(&tell("pager"), &decision(json!(true), "order-7"));
    assert_eq!(event["routing_key"], "[redacted]");
    assert_eq!(event["event_action"], "trigger");
    assert_eq!(event["dedup_key"], "waypost:acme:org:many-complaints:order-7");
    assert_eq!(event["payload"]["severity"], "critical");
    assert_eq!(event["payload"]["source"], "order-7");
    assert_eq!(event["payload"]["custom_details"]["decision_id"], "d-1");
    let long = json!({"type": "notification", "channel": "pager", "message_template": "é".repeat(3_000)});
    assert_eq!(body(&long, &decision(json!(true), "x"))["payload"]["summary"].as_str().unwrap().chars().count(), 1_024);
    let far = body(&tell("pager"), &decision(json!(true), &"x".repeat(200)));
    assert!(far["dedup_key"].as_str().unwrap().len() <= 255);
    let mut large = decision(json!(true), "x");
    large.inputs = json!({"input": "y".repeat(600_000)});
    assert!(body(&tell("pager"), &large).to_string().len() < 512_000);
    assert_eq!(body(&tell("pager"), &decision(json!(false), "order-7"))["event_action"], "resolve");

    let hook = letter(SETTINGS, &tell("hook"), &decision(json!(true), "order-7"));
    assert!(hook.secret.is_some() && hook.own);
    assert_eq!(hook.body.unwrap().shown()["decision"]["value"], true);
    match deed(SETTINGS, &tell("book"), "any", &decision(json!(true), "order-7")) {
        Deed::Log { channel, entry } => {
            assert_eq!(&*channel, "book");
            assert_eq!(entry.shown()["message"], "many-complaints 3 is true for order-7 as of 2026-01-05T09:00:00Z: 7 is above 3");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_cut_is_never_longer_than_it_may_be() {
    let text = |parts: &[&str]| parts.iter().fold(Filled::plain(""), |text, part| text.and(part, Style::Plain));
    for (parts, most, cut) in [
        (&["abc"][..], 3, "abc"),
        (&["abcd"], 3, "ab…"),
        (&["ab", "cd"], 2, "a…"),
        (&["ab", "cd"], 3, "ab…"),
        (&["ab", "cd"], 4, "abcd"),
        (&["ab", "", "c"], 2, "a…"),
        (&["é", "é"], 1, "…"),
    ] {
        assert_eq!(text(parts).cut(most).shown(), cut, "{parts:?} to {most}");
    }
}

#[test]
fn webhooks_and_engines_are_given_the_whole_decision_if_nothing_is_written() {
    let plain = json!({"type": "webhook", "endpoint": "https://api.example.com/x"});
    let sent = letter(SETTINGS, &plain, &decision(json!(true), "order-7"));
    let whole = sent.body.as_ref().unwrap().shown();
    assert_eq!((&whole["decision_id"], &whole["value"], whole.get("actions")), (&json!("d-1"), &json!(true), None));
    assert!(sent.secret.is_none() && !sent.own);
    assert_eq!(&*sent.idempotency_key, "d-1:tell-the-desk:1.2");
    let named = json!({"type": "webhook", "endpoint": "https://api.example.com/x", "channel": "hook"});
    assert!(letter(SETTINGS, &named, &decision(json!(true), "x")).secret.is_some());
    let same = json!({"type": "webhook", "endpoint": "https://hooks.example.com/in"});
    assert!(letter(SETTINGS, &same, &decision(json!(true), "x")).secret.is_some());
    let engine = letter(SETTINGS, &json!({"type": "workflow", "workflow_id": "follow-up"}), &decision(json!(true), "x"));
    assert_eq!(engine.body.unwrap().shown()["decision_id"], "d-1");
    assert!(engine.secret.is_some());
    let mapped = json!({"type": "workflow", "workflow_id": "ring", "input_mapping": {"who": "{entity}", "n": "{value}"}});
    match deed(SETTINGS, &mapped, "any", &decision(json!(true), "order-7")) {
        Deed::Run { journey, input } => assert_eq!((journey.as_str(), input), ("call_back", Some(json!({"who": "order-7", "n": 7})))),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_decision_is_written_back_for_whom_its_field_names() {
    let back = |field: Option<&str>| {
        let mut config = json!({"type": "register", "primitive_id": "desk.calm"});
        if let Some(field) = field {
            config["entity_field"] = json!(field);
        }
        deed(SETTINGS, &config, "any", &decision(json!(true), "order-7"))
    };
    let whose = |deed: Deed| match deed {
        Deed::Write { entity, value, .. } => (entity.to_string(), value),
        other => panic!("{other:?}"),
    };
    assert_eq!(whose(back(None)), ("order-7".into(), json!(true)));
    assert_eq!(whose(back(Some("inputs.data.complaints"))), ("7".into(), json!(true)));
}

#[test]
fn ids_of_runs_say_how_deep_they_are() {
    let made = Decision { depth: 1, ..decision(json!(true), "x") };
    let id = run_id("acme", &made, "a", "1");
    assert_eq!(id, run_id("acme", &made, "a", "1"));
    let other = Decision { decision_id: "d-2".into(), ..made.clone() };
    for other in [
        run_id("acme", &other, "a", "1"),
        run_id("else", &made, "a", "1"),
        run_id("acme", &made, "a", "2"),
        run_id("acme", &made, "b", "1"),
    ] {
        assert_ne!(id, other);
    }
    assert_eq!((depth_of(&id), depth_of("0199-x"), depth_of("decided-x")), (2, 0, 0));
}
