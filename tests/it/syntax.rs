//! Files to trees, trees to the model.

use std::fmt::Write as _;
use std::sync::Arc;

use waypost::model::{self, Workspace};
use waypost::source::Diagnostics;
use waypost::source::Severity::{Error, Warning};

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

/// Documents that say each step in its short and in its full form.
const EVERY_STEP: &str = r#"
name: Every step
slug: every
description: Each kind in each form
trigger: {goal: see every step, examples: [show me], priority: 2, requires: [user_id, customAttributes.tier]}
knowledge: {collections: [faq], documents: [faq/returns], settings: {relevance_threshold: 0.5, max_chunks: 3, mode: must_cite}}
fallback: {to: support, message: Sorry., reason: stuck, priority: high}
inputs: {order_id: {required: false, from: caller}}
lints: {WP0407: allow}
journey:
  - collect: [order_id]
  - collect:
      name: Both
      fields: [order_id]
      optional: [reason]
      instructions: Ask kindly.
      prompt: "Which order, and why?"
      retry: {max: 2, message: Once more., on_exhausted: [{escalate: support}]}
  - collect: {any_of: [{fields: [order_id], then: continue}, {fields: [reason], then: {goto: last}}]}
  - action: shop.get-order
  - action: shop.get-order -> order
    inputs: {order_id: $variables.order_id}
    outcomes: {found: continue, missing: done}
    on_error: {timeout: continue, default: escalate}
    retry: {max: 2, delay: 500ms, on_exhausted: escalate}
  - action: {call: shop.get-order, as: orders, each: "[1, 2]", inputs: {order_id: "{{ each }}"}, name: Each}
  - choice: {Refund it: continue, Keep it: [{say: Fine.}]}
    name: Which
  - choice:
      prompt: "And now?"
      options: {Again: {goto: which}, Enough: continue}
      freeform: true
      freeform_handler: [{say: "{{ variables.freeform }}"}]
      as: wish
      retry: {max: 1, on_exhausted: done}
  - choice: {from: "[]", on_pick: continue}
  - confirm: [order_id]
  - confirm: {fields: [order_id], message: Sure?, on_change: {goto: both}, on_reject: done, for: [shop.cancel-order]}
  - guide: [Unplug it., Plug it in.]
  - guide:
      steps: [Unplug it., {say: Wait., unless: "$variables.order_id == 'A1'", on_stuck: [{say: Hold it longer.}]}]
      on_complete: continue
      on_stuck: escalate
  - investigate:
      goal: Find out why
      using: [shop.get-order]
      timeout: 1m
      max_calls: 3
      findings: {late: continue, lost: escalate}
      fallback: done
      as: found
  - verify:
      call: shop.get-order
      inputs: {order_id: $variables.order_id}
      verified: [found]
      subject: response.body.owner
      source: any
      level: 2
      ttl: 15m
      max_tries: 3
      on_failed: escalate
      on_error: {default: continue}
  - say: "Hello"
  - if: $variables.order_id == 'A1'
    then: [{say: One}]
    else: [{say: Other}]
  - if: true
    then: continue
  - set: {a: "1 + 1", b: "{{ variables.a }}", c: [1, x], d: null, e: true}
  - run: sub
  - run: {journey: sub, with: {reason: why}, as: got, outcomes: {served: continue, declined: done}}
  - goto: last
  - done: {message: Bye., outcome: bye, result: {a: $variables.a}, pause_for_resume: true, resume: [{say: Back.}]}
    name: Last
  - escalate: {to: support, reason: r, priority: urgent, include: [order_id, user.user_id], message: A person comes.}
"#;

const SUB: &str = "name: Sub\ncallable: true\ninputs: {reason: {}}\njourney: [{done: {outcome: served, result: {x: '1'}}}]\n";

fn every_step() -> (Workspace, Diagnostics) {
    build(&[("integrations/shop.yaml", SHOP), ("datapoints/f.yaml", FIELDS), ("journeys/a.yaml", EVERY_STEP), ("journeys/sub.yaml", SUB)])
}

#[test]
fn every_form_of_every_step_is_read() {
    let (workspace, diagnostics) = every_step();
    assert_eq!(say(&workspace, &diagnostics), "");
    let journey = workspace.journey("every").unwrap();
    let broken: Vec<String> = journey
        .steps
        .iter()
        .filter(|s| matches!(s.kind, model::StepKind::Broken | model::StepKind::Goto(None)))
        .map(|s| s.key.to_string())
        .collect();
    assert_eq!(broken, [""; 0]);
    let outcomes: Vec<&str> = journey.outcomes.iter().map(|o| &*o.shown).collect();
    assert_eq!(outcomes, ["bye", "done"]);
    assert_eq!(journey.by_key.len(), journey.steps.len(), "stable ids are unique");
}

#[test]
fn edges_lead_everywhere_a_run_can_go() {
    let (workspace, _) = every_step();
    let journey = workspace.journey("every").unwrap();
    let name = |next: model::Next| match next {
        model::Next::Step(id) => journey.step(id).unwrap().key.to_string(),
        model::Next::End => "END".to_owned(),
    };
    let mut out = String::new();
    for step in &journey.steps {
        let edges: Vec<String> = model::graph::edges(step).iter().map(|e| format!("{:?} -> {}", e.kind, name(e.to))).collect();
        writeln!(out, "{}: {}", step.key, edges.join(", ")).unwrap();
    }
    let tidy = regex::Regex::new(r#"Slug \{ shown: "([^"]*)", name: Name\("[^"]*"\) \}"#).unwrap();
    insta::assert_snapshot!("edges", tidy.replace_all(&out, "$1"));
}

#[test]
fn text_that_yaml_would_misread_is_to_be_quoted() {
    for (line, place, help) in [
        ("  - say: {{ variables.x }}", "{{ variables.x }}", r#"say: "{{ variables.x }}""#),
        ("  - say: {{ variables.x }} hi", "{{ variables.x }} hi", r#"say: "{{ variables.x }} hi""#),
        ("  - if: $a ? b : c", "$a ? b : c", r#"if: "$a ? b : c""#),
        ("  - say: Note: é is it", "Note: é is it", r#"say: "Note: é is it""#),
        ("  - say: @x is", "@x is", r#"say: "@x is""#),
        ("  - say: `x`", "`x`", r#"say: "`x`""#),
        ("  - then: done\n    if: !has($variables.x)", "!has($variables.x)", r#"if: "!has($variables.x)""#),
        ("  - if: \"a\" == $variables.x", "\"a\" == $variables.x", r#"if: '"a" == $variables.x'"#),
        ("  - set: {x: $a ? 1 : 2}", "$a ? 1 : 2", r#"x: "$a ? 1 : 2""#),
        ("  - say: *x", "*x", r#"say: "*x""#),
        ("  - if: $user.x\n    then: [{say: {{ variables.x }}}]", "{{ variables.x }}", r#"say: "{{ variables.x }}""#),
        ("  - guide:\n      - {{ variables.x }} is\n      - b", "{{ variables.x }} is", r#""{{ variables.x }} is""#),
        ("  - collect: {fields: [order_id], prompt: {{x}}, hi}", "{{x}}, hi", r#"prompt: "{{x}}, hi""#),
    ] {
        let text = format!("name: A\ncallable: true\njourney:\n{line}\n");
        let (workspace, diagnostics) = build(&[("journeys/a.yaml", &text)]);
        let [only] = diagnostics.0.as_slice() else { panic!("{line}: {}", say(&workspace, &diagnostics)) };
        assert_eq!((only.code.as_str(), workspace.sources.slice(only.span)), ("WP0101", place), "{line}");
        assert_eq!(only.help.as_deref(), Some(&*format!("quote this: `{help}`")), "{line}");
    }
}

/// Checks the place of every character of every scalar; counts those that stand in the file as they are.
fn places(node: &waypost::syntax::Node<'_>, source: &str) -> usize {
    let mut checked = 0;
    if let Some(text) = node.text(source) {
        for (at, c) in text.value.char_indices().filter(|(_, c)| !c.is_whitespace()) {
            let span = text.part(&(at..at + c.len_utf8()));
            let found = source.get(span.start as usize..span.end as usize).unwrap();
            let escaped = found.starts_with('\\') || found.starts_with('\'');
            assert!(found.starts_with(c) || escaped, "`{c}` at {at} of {:?} is placed at {found:?}", text.value);
            checked += usize::from(found.starts_with(c));
        }
    }
    let below = node.items().iter().chain(node.entries().iter().map(|e| &e.value));
    checked + below.map(|n| places(n, source)).sum::<usize>()
}

#[test]
fn every_byte_of_a_scalar_knows_its_place() {
    let source = "a: plain é text\nb: plain é\n  that goes\n\n  on\nc: 'it''s \u{1F389} é'\nd: \"tab\\t é \\u00e9 \\U0001F389 \\x41 \\\"q\\\" end\"\ne: |\n  line é one\n    more $x\n\n  two\nf: >-\n   folded é\n   on\n\n   and $y\n     deeper\n   out\ng: \"two\n  lines é \\\n  joined\"\nh: |2\n    kept\n  less\ni: [é flow, 'x y']\nj:\n  - >\n    é in\n    a list\nk: \"crlf\r\n  é\"\n";
    let parsed = waypost::syntax::parse(waypost::source::FileId(0), source);
    assert!(parsed.diagnostics.0.is_empty(), "{:?}", parsed.diagnostics);
    let checked: usize = parsed.documents.iter().map(|n| places(n, source)).sum();
    assert!(checked > 120, "only {checked} characters were where they stand");
}

#[test]
fn a_fault_in_folded_text_is_underlined_where_it_stands() {
    let journey = "name: A\ncallable: true\njourney:\n  - say: >-\n      Höflich:\n      {{ variables.x | nix }}\n  - set:\n      a: |\n        1 +\n        nope\n";
    let (workspace, diagnostics) = build(&[("journeys/a.yaml", journey)]);
    let found: Vec<(&str, u32)> =
        diagnostics.0.iter().map(|d| (d.code.as_str(), workspace.sources.position(d.span.file, d.span.start).line)).collect();
    assert_eq!(found, [("WP0701", 6), ("WP0403", 10)], "{}", say(&workspace, &diagnostics));
}

#[test]
fn plain_scalars_read_by_the_core_schema() {
    let source = "[no, on, off, yes, y, true, False, null, ~, 12, -3, +4, 0o17, 0xff, 1.5, -2e3, .5, 1_000, 0755, 1.2.3, 12:30, .inf, '12', 18446744073709551615, 2026-01-01]";
    let parsed = waypost::syntax::parse(waypost::source::FileId(0), source);
    let json = parsed.documents[0].json().to_string();
    assert_eq!(
        json,
        r#"["no","on","off","yes","y",true,false,null,null,12,-3,4,15,255,1.5,-2000.0,0.5,"1_000",755,"1.2.3","12:30",".inf","12",18446744073709551615,"2026-01-01"]"#
    );
}

#[test]
fn limits_hold_and_are_said_once() {
    let bomb = "a: &a [x, x, x, x, x, x, x, x, x]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a]\nc: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b]\nd: &d [*c, *c, *c, *c, *c, *c, *c, *c, *c]\ne: [*d, *d, *d, *d, *d, *d, *d, *d, *d]\n";
    let deep: String = (0..70).fold(String::new(), |s, i| s + &" ".repeat(i) + "a:\n");
    for text in [
        bomb.to_owned(),
        "[".repeat(100_000),
        "{a: ".repeat(100_000),
        "- ".repeat(100_000),
        deep,
        "x".repeat((1 << 20) + 1),
        "a: &a [*a]\n".to_owned(),
    ] {
        let (workspace, diagnostics) = build(&[("journeys/a.yaml", &text)]);
        let codes: Vec<&str> = diagnostics.0.iter().map(|d| d.code.as_str()).collect();
        assert_eq!(codes, ["WP0107"], "{:.40}: {}", text, say(&workspace, &diagnostics));
    }
}

#[test]
fn a_chain_of_runs_has_an_end() {
    let chain = |n: usize| {
        let one = |i: usize| {
            let step = if i + 1 < n { format!("run: j{}", i + 1) } else { "done: x".to_owned() };
            format!("name: J{i}\ncallable: true\njourney: [{{{step}}}]\n---\n")
        };
        let (_, diagnostics) = build(&[("journeys/a.yaml", &(0..n).map(one).collect::<String>())]);
        diagnostics.0.iter().map(|d| d.code.as_str()).collect::<Vec<_>>()
    };
    assert_eq!(chain(17), [""; 0], "sixteen below the first");
    assert_eq!(chain(18), ["WP0107"]);
    assert!(chain(3_000).iter().all(|c| *c == "WP0107"));
}

#[test]
fn names_of_a_great_scope_are_still_told_apart() {
    let keys = (0..3_000).fold(String::new(), |keys, i| keys + &format!("      a{i}: 1\n"));
    let journey = format!("name: A\ncallable: true\njourney:\n  - set:\n{keys}      a-7: 1\n      a7-: 1\n      a_7: 1\n");
    let (workspace, diagnostics) = build(&[("journeys/a.yaml", &journey)]);
    let found: Vec<(&str, &str)> = diagnostics.0.iter().map(|d| (d.code.as_str(), workspace.sources.slice(d.span))).collect();
    assert_eq!(found, [("WP0203", "a_7")]);
}

#[test]
fn what_follows_a_broken_document_is_still_read() {
    let text = "name: [\n---\nname: B\ncallable: true\njourney:\n  - sya: hi\n  - goto: nowhere\n";
    let (workspace, diagnostics) = build(&[("journeys/a.yaml", text)]);
    let codes: Vec<&str> = diagnostics.0.iter().map(|d| d.code.as_str()).collect();
    assert_eq!(codes, ["WP0101", "WP0103", "WP0202"], "{}", say(&workspace, &diagnostics));
}

#[test]
fn what_may_stand_in_a_broken_file_is_not_missed() {
    let journey = "name: A\ncallable: true\njourney: [{collect: [order_id]}, {action: shop.get-order}, {run: sub}, {done: x}]\n";
    let broken =
        [("integrations/shop.yaml", "a: ["), ("datapoints/f.yaml", "a: ["), ("journeys/sub.yaml", "a: ["), ("journeys/a.yaml", journey)];
    let (workspace, diagnostics) = build(&broken);
    let codes: Vec<&str> = diagnostics.0.iter().map(|d| d.code.as_str()).collect();
    assert_eq!(codes, ["WP0101"; 3], "{}", say(&workspace, &diagnostics));
}

#[test]
fn bytes_that_are_no_text_are_reported_where_they_stand() {
    let text = waypost::syntax::decode(b"name: A\nslug: \xff\n");
    let (workspace, diagnostics) = build(&[("journeys/a.yaml", &text)]);
    assert_eq!(diagnostics.0.len(), 1);
    assert_eq!(workspace.sources.position(diagnostics.0[0].span.file, diagnostics.0[0].span.start).line, 2);
}

#[test]
fn strictness_makes_an_undeclared_field_an_error() {
    let journey = "name: A\ncallable: true\njourney: [{collect: [color]}, {collect: [color]}, {done: x}]\n";
    let severity = |files: &[(&str, &str)], strict: bool| {
        let files = files.iter().map(|(n, t)| ((*n).to_owned(), Arc::from(*t))).collect();
        let (_, diagnostics) = model::build_with(files, model::Options { strict });
        diagnostics.0.iter().map(|d| (d.code.as_str(), d.severity)).collect::<Vec<_>>()
    };
    assert_eq!(severity(&[("journeys/a.yaml", journey)], false), [("WP0205", Warning)]);
    assert_eq!(severity(&[("journeys/a.yaml", journey)], true), [("WP0205", Error)]);
    assert_eq!(severity(&[("journeys/a.yaml", journey), ("waypost.yaml", "strict: true")], false), [("WP0205", Error)]);
}

#[test]
fn suppressions_are_data_with_a_reason() {
    let text = "name: A # waypost: allow(WP0407, wp0303) two at once\n# waypost: allow(WP0401) below\n\n# and why\njourney:\n";
    let (found, faults) = waypost::syntax::allows(waypost::source::FileId(0), text);
    assert!(faults.0.is_empty());
    let found: Vec<(u32, u32, usize, &str)> = found.iter().map(|a| (a.line, a.covers, a.codes.len(), &*a.reason)).collect();
    assert_eq!(found, [(1, 1, 2, "two at once"), (2, 5, 1, "below")]);
    for (text, code) in [("# waypost: allow(WP0407)", "WP0105"), ("# waypost: allow", "WP0105"), ("# waypost: allow(WP4711) x", "WP0103")] {
        let (found, faults) = waypost::syntax::allows(waypost::source::FileId(0), text);
        assert!(found.is_empty());
        assert_eq!(faults.0.iter().map(|d| d.code.as_str()).collect::<Vec<_>>(), [code], "{text}");
    }
}

#[test]
fn a_journey_is_pinned_to_all_that_it_refers_to() {
    let files = |shop: &str, fields: &str, sub: &str, other: &str| {
        let (workspace, _) = build(&[
            ("integrations/shop.yaml", shop),
            ("datapoints/f.yaml", fields),
            ("journeys/a.yaml", EVERY_STEP),
            ("journeys/s.yaml", sub),
            ("journeys/o.yaml", other),
        ]);
        (workspace.journey("every").unwrap().hash.clone(), workspace.hash.clone())
    };
    let other = "name: Other\ncallable: true\njourney: [{done: x}]\n";
    let base = files(SHOP, FIELDS, SUB, other);
    assert_eq!(base, files(SHOP, FIELDS, SUB, other));
    assert_eq!(base.0, files(SHOP, FIELDS, SUB, &other.replace("done: x", "done: y")).0, "another journey is no part of it");
    assert_ne!(base.0, files(&SHOP.replace("response.status == 200", "response.status < 300"), FIELDS, SUB, other).0);
    assert_ne!(base.0, files(&SHOP.replace("SHOP_URL", "OTHER_URL"), FIELDS, SUB, other).0);
    assert_ne!(base.0, files(SHOP, &FIELDS.replace("A\\d", "B\\d"), SUB, other).0);
    assert_ne!(base.0, files(SHOP, FIELDS, &SUB.replace("'1'", "'2'"), other).0);
}

#[test]
fn a_workspace_is_built_again_from_its_kept_texts() {
    let (workspace, _) = every_step();
    let kept = serde_json::to_string(&workspace.texts()).unwrap();
    let mut kept: model::WorkspaceTexts = serde_json::from_str(&kept).unwrap();
    let (again, diagnostics) = kept.build().unwrap();
    assert!(diagnostics.0.is_empty());
    assert_eq!(again.hash, workspace.hash);
    kept.files[0].1 = "name: forged".into();
    assert!(kept.build().is_none());
}

const TALK: &str = "\
name: everything that a transcript may hold
now: 2026-01-05T09:00:00Z
context: {identity: {user_id: u-1}}
stubs:
  orders.get: {body: {id: 1}}
  orders.put:
    - {when: inputs.a == 1, status: 201, headers: {X-A: 1}}
    - fault: 503
talk:
  - user: hi
  - user: {choose: a}
  - agent: confirm
  - agent: {fill: {a: 1}}
  - agent: {start: {journey: refund, variables: {a: 1}}}
  - agent: {read: {orders.get: {id: 1}}}
  - operator: {approve: {hold: h1, note: fine}, id: o-1, roles: [boss]}
  - wait: 20m
  - crash: true
  - expect: {says: [Hello, {is: Good.}], phase: choice, status: active, options: [a, b], calls: [orders.get, {orders.put: {a: 1}}]}
  - expect: {says: {matches: '^H'}, variables: {a: null}, errors: {a: number}, not_called: orders.get, audit: [one], denied: cap}
";

/// Every transcript of the repository: what the reader takes, the schema takes.
#[test]
fn the_schema_of_transcripts_takes_those_that_there_are() {
    let kind = waypost::syntax::Kind::ALL.into_iter().find(|k| k.name() == "transcript").unwrap();
    let schema = jsonschema::draft202012::new(&waypost::syntax::schema(kind)).unwrap();
    let mut seen = 0;
    for directory in ["tests/journeys", "examples/retail/tests"] {
        for entry in std::fs::read_dir(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(directory)).unwrap() {
            let path = entry.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            for document in &waypost::syntax::parse(waypost::source::FileId(0), &text).documents {
                let json = document.json();
                let wrong: Vec<String> = schema.iter_errors(&json).map(|e| format!("{}: {e}", e.instance_path())).collect();
                assert!(wrong.is_empty(), "{}: {wrong:?}", path.display());
                let mut found = Diagnostics::default();
                waypost::syntax::check(document, &kind.shape(), &mut found);
                assert!(found.0.is_empty(), "{}: {:?}", path.display(), found.0);
                seen += 1;
            }
        }
    }
    assert!(seen > 80, "{seen}");
}

#[test]
fn schemas_agree_with_the_reader() {
    let read = |text: &str| waypost::syntax::parse(waypost::source::FileId(0), text).documents[0].json();
    let settings = "agent: {slug: shop}\nlimits: {idle: 24h, body: 1MB, instant_steps: 50}\nlints: {WP0407: deny}\n";
    for (kind, good, bad) in [
        (
            "journey",
            EVERY_STEP,
            &[
                ("collect: [order_id]", "colect: [order_id]"),
                ("max: 2", "max: two"),
                ("goto: last", "goto: [last]"),
                ("name: Every step\n", ""),
                ("on_reject: done", "on_reject: stop"),
            ][..],
        ),
        (
            "integration",
            SHOP,
            &[("type: read", "type: reed"), ("input_schema", "input_shema"), ("requires_confirmation: true", "requires_confirmation: 1")][..],
        ),
        ("datapoint", FIELDS, &[("type: string", "type: text"), ("validation", "validate")][..]),
        ("settings", settings, &[("24h", "a day"), ("deny", "forbid"), ("agent", "agents")][..]),
        (
            "transcript",
            TALK,
            &[
                ("talk", "talks"),
                ("user: hi", "usr: hi"),
                ("fault: 503", "fault: 504"),
                ("status: 201", "satus: 201"),
                ("wait: 20m", "wait: soon"),
                ("agent: confirm", "agent: confrim"),
                ("fill: {a: 1}", "fil: {a: 1}"),
                ("fill: {a: 1}", "fill: {a: 1}, next: true"),
                ("is: Good.", "equals: Good."),
                ("phase: choice", "phase: chosen"),
                ("status: active", "status: open"),
                ("options: [a, b]", "options: a"),
                ("denied: cap", "denies: cap"),
                ("hold: h1", "held: h1"),
                ("roles: [boss]", "role: boss"),
                ("journey: refund,", ""),
            ][..],
        ),
    ] {
        let kind = waypost::syntax::Kind::ALL.into_iter().find(|k| k.name() == kind).unwrap();
        let schema = jsonschema::draft202012::new(&waypost::syntax::schema(kind)).unwrap();
        assert!(schema.is_valid(&read(good)), "{}: {:?}", kind.name(), schema.iter_errors(&read(good)).next().map(|e| e.to_string()));
        for (from, to) in bad {
            let faulty = good.replacen(from, to, 1);
            assert_ne!(faulty, good, "{from}");
            assert!(!schema.is_valid(&read(&faulty)), "{}: `{to}` passes the schema", kind.name());
            let mut found = Diagnostics::default();
            waypost::syntax::check(&waypost::syntax::parse(waypost::source::FileId(0), &faulty).documents[0], &kind.shape(), &mut found);
            assert!(!found.0.is_empty(), "{}: `{to}` passes the reader", kind.name());
        }
    }
}

mod any_input {
    use super::*;
    use proptest::prelude::*;

    const KINDS: [&str; 4] = ["journeys/x.yaml", "integrations/x.yaml", "datapoints/x.yaml", "waypost.yaml"];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400), kind in 0_usize..4) {
            build(&[(KINDS[kind], &waypost::syntax::decode(&bytes))]);
        }

        #[test]
        fn no_yaml_makes_it_panic(text in "[ a-c:{}\\[\\],\"'|>#&*!?%@`\\-\n\té$.1~]{0,200}", kind in 0_usize..4) {
            build(&[(KINDS[kind], &text)]);
        }

        #[test]
        fn no_slip_in_a_sample_makes_it_panic(
            sample in 0_usize..3,
            slips in proptest::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0_usize..4), 1..4),
        ) {
            let (kind, text) = [(KINDS[0], EVERY_STEP), (KINDS[1], SHOP), (KINDS[2], FIELDS)][sample];
            let mut chars: Vec<char> = text.chars().collect();
            for (a, b, how) in slips {
                let (a, b) = (a.index(chars.len()), b.index(chars.len()));
                match how {
                    0 => { chars.remove(a); }
                    1 => chars.swap(a, b),
                    2 => { let c = chars[b]; chars.insert(a, c); }
                    _ => { chars.drain(a.min(b)..(a.min(b) + 12).min(chars.len())); }
                }
                if chars.is_empty() { break; }
            }
            let text: String = chars.into_iter().collect();
            let (workspace, diagnostics) = build(&[(kind, &text), ("integrations/shop.yaml", SHOP), ("datapoints/f.yaml", FIELDS)]);
            for d in &diagnostics.0 {
                prop_assert!(d.span.start <= d.span.end);
                prop_assert!(workspace.sources.file(d.span.file).is_some_and(|f| d.span.end as usize <= f.text.len() && f.text.is_char_boundary(d.span.start as usize) && f.text.is_char_boundary(d.span.end as usize)), "{} {:?}", d.message, d.span);
            }
        }
    }
}
