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

#[test]
#[ignore = "prints"]
fn probe() {
    let Ok(text) = std::fs::read_to_string("/tmp/probe/all.txt") else { return };
    for case in text.split("=====\n") {
        let mut files: Vec<(String, String)> = Vec::new();
        for line in case.lines() {
            if let Some(name) = line.strip_prefix("@@ ") {
                files.push((name.to_owned(), String::new()));
            } else if let Some((_, t)) = files.last_mut() {
                t.push_str(line);
                t.push('\n');
            }
        }
        files.push(("integrations/shop.yaml".into(), SHOP.into()));
        files.push(("datapoints/zz.yaml".into(), FIELDS.into()));
        let pairs: Vec<(&str, &str)> = files.iter().map(|(a, b)| (&**a, &**b)).collect();
        let (w, d) = build(&pairs);
        println!("---\n{case}>>>\n{}", say(&w, &d));
    }
}

#[test]
#[ignore = "prints"]
fn corpus_probe() {
    const MINE: [&str; 22] = [
        "WP0101", "WP0102", "WP0103", "WP0104", "WP0105", "WP0106", "WP0107", "WP0201", "WP0202", "WP0203", "WP0204", "WP0205", "WP0206",
        "WP0207", "WP0208", "WP0305", "WP0404", "WP0701", "WP0801", "WP0802", "WP0803", "WP0804",
    ];
    let mut common = Vec::new();
    for dir in ["datapoints", "integrations"] {
        for f in std::fs::read_dir(format!("tests/corpus/common/{dir}")).unwrap() {
            let f = f.unwrap();
            common.push((format!("{dir}/{}", f.file_name().to_string_lossy()), std::fs::read_to_string(f.path()).unwrap()));
        }
    }
    let mut cases = Vec::new();
    let mut dirs = vec![std::path::PathBuf::from("tests/corpus/err"), "tests/corpus/ok".into()];
    while let Some(d) = dirs.pop() {
        for f in std::fs::read_dir(d).unwrap() {
            let f = f.unwrap().path();
            if f.is_dir() { dirs.push(f) } else { cases.push(f) }
        }
    }
    cases.sort();
    let mark = regex::Regex::new(r"(?:error|warning): \[(WP\d+)\]").unwrap();
    for case in cases {
        let text = std::fs::read_to_string(&case).unwrap();
        let stem = case.file_name().unwrap().to_string_lossy().replace(".fixed.yaml", "").replace(".yaml", "");
        let mut files: Vec<(String, String)> = Vec::new();
        let mut with = false;
        let mut expect: Vec<(String, usize, String)> = Vec::new();
        let mut name = format!("journeys/{stem}.yaml");
        if !text.contains("--- file: ") {
            files.push((name.clone(), String::new()));
        }
        let mut line = 0;
        let mut pending: Vec<String> = Vec::new();
        for l in text.split_inclusive('\n') {
            with |= l.starts_with("# with: common");
            if let Some(n) = l.strip_prefix("--- file: ") {
                name = n.trim().trim_end_matches(" ---").to_owned();
                files.push((name.clone(), String::new()));
                line = 0;
                continue;
            }
            line += 1;
            if let Some((_, t)) = files.last_mut() {
                t.push_str(l);
            }
            let codes: Vec<String> = mark.captures_iter(l).map(|c| c[1].to_owned()).collect();
            if l.starts_with("# expect:") {
                let at = regex::Regex::new(r"\] (\S+?):(\d+)").unwrap();
                if let Some(c) = at.captures(l) {
                    for code in codes {
                        expect.push((c[1].to_owned(), c[2].parse().unwrap(), code));
                    }
                }
            } else if l.trim_start().starts_with('#') && !codes.is_empty() {
                pending.extend(codes);
            } else {
                for code in pending.drain(..).chain(codes) {
                    expect.push((name.clone(), line, code));
                }
            }
        }
        if with {
            for c in &common {
                if !files.iter().any(|f| f.0 == c.0) {
                    files.push(c.clone());
                }
            }
        }
        let pairs: Vec<(&str, &str)> = files.iter().map(|(a, b)| (&**a, &**b)).collect();
        let (w, d) = build(&pairs);
        let mut got: Vec<(String, usize, String)> =
            d.0.iter()
                .map(|d| {
                    (
                        w.sources.file(d.span.file).unwrap().name.to_string(),
                        w.sources.position(d.span.file, d.span.start).line as usize,
                        d.code.to_string(),
                    )
                })
                .collect();
        got.retain(|g| MINE.contains(&&*g.2));
        expect.retain(|g| MINE.contains(&&*g.2));
        got.sort();
        expect.sort();
        if got != expect {
            println!("=== {}\n  expected {expect:?}\n{}", case.display(), say(&w, &d));
        }
    }
}
