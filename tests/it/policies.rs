//! The examples of `grammar/policies.md`: each policy with its situations, and what is said of them.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use serde_json::Value as Json;
use waypost::check::{Checked, load};
use waypost::policy::{Gates, Scene, Speaker, Who};

use crate::marked::Marked;
use crate::spec::sections;

fn said(checked: &Checked, row: &[&str]) -> String {
    let [who, action, situation, _] = row else { panic!("a row of four: {row:?}") };
    let loaded = checked.loaded().expect("it loads");
    let who = Who::ALL.into_iter().find(|w| w.name() == *who).unwrap_or_else(|| panic!("nobody is `{who}`"));
    let action = loaded.action(action).unwrap_or_else(|| panic!("no action `{action}`"));
    let situation: Json = serde_json::from_str(situation).unwrap_or_else(|e| panic!("{situation}: {e}"));
    let known = ["inputs", "roles", "tenant", "user", "verified", "confirmed", "now", "journey", "step"];
    assert!(situation.as_object().unwrap().keys().all(|k| known.contains(&&**k)), "{situation}");
    let text = |key: &str, default: &'static str| situation[key].as_str().map_or(default.to_owned(), str::to_owned);
    let roles: Vec<Arc<str>> = situation["roles"].as_array().into_iter().flatten().map(|r| r.as_str().unwrap().into()).collect();
    let (tenant, journey, step) = (text("tenant", "acme"), text("journey", "refund"), text("step", "pay"));
    let scene = Scene {
        speaker: Speaker { who, id: "key-1", roles: &roles },
        conversation: "c-1",
        tenant: &tenant,
        agent: "default",
        user_id: "u-1",
        user: &situation["user"],
        journey: &journey,
        inputs: &situation["inputs"],
    };
    let verified = situation["verified"].as_array().map(|v| (v[0].as_str().unwrap(), u32::try_from(v[1].as_u64().unwrap()).unwrap()));
    let confirmed = situation["confirmed"].as_bool().unwrap_or(false);
    let gates = Gates { step: &step, verified, confirmed, now: text("now", "2026-01-05T12:00:00Z").parse().unwrap() };
    let ruling = loaded.policies().expect("policies").decide(action, &scene, &gates);
    format!("{}: {}", if ruling.allowed { "allow" } else { "deny" }, ruling.text)
}

#[test]
fn every_situation_of_the_page_is_decided_as_it_says() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("grammar/policies.md")).unwrap();
    let sections = sections(&page);
    let shop = sections.iter().find(|s| s.title == "The shop of the examples").expect("the shop");
    let (mut policies, mut rows, mut wrong) = (0, 0, Vec::new());
    let tables = page.split("\n## ").map(|s| s.split_once('\n').unwrap_or((s, "")));
    for (title, text) in tables {
        let section = sections.iter().find(|s| s.title == title);
        let Some(section) = section.filter(|s| s.blocks.iter().any(|b| b.language == "cedar")) else { continue };
        let mut workspace = Marked::default();
        shop.files(&mut workspace);
        section.files(&mut workspace);
        let found = workspace.check();
        assert!(found.diagnostics.0.is_empty(), "{title}: {:#?}", found.diagnostics.0);
        policies += 1;
        let table = text.lines().filter(|l| l.starts_with("| ")).skip(1);
        for line in table {
            let row: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
            rows += 1;
            let said = said(&found, &row);
            if said != row[3] {
                wrong.push(format!("{title}: {line}\n  {said}"));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    assert!(policies >= 10 && rows >= 30, "the examples are gone: {policies} policies, {rows} situations");
}

#[test]
fn names_of_inputs_may_be_anything() {
    let integration = r#"
name: Odd
type: rest_api
config: {base_url: "https://odd.example", auth_type: none}
actions:
  - name: Do it
    type: write
    invocation: {method: POST, endpoint: /it}
    settings: {idempotency: key}
    input_schema:
      type: object
      properties: {"in": {type: string}, "Content Type": {type: string}, "a\"b\\c": {type: integer}, "": {type: boolean}, "é": {type: number}, "x.y": {type: array}}
"#;
    let policy = r#"permit(principal, action, resource) when {
        context.inputs has "Content Type" && context.inputs["Content Type"] == "json" && context.inputs has "a\"b\\c" && context.inputs["a\"b\\c"] > 1 &&
        context.inputs has "in" && context.inputs["in"] == "x" && context.inputs has "é" && context.inputs["é"].lessThan(decimal("2.5")) };"#;
    let files = vec![("integrations/odd.yaml".to_owned(), integration.into()), ("policies/odd.cedar".to_owned(), policy.into())];
    let checked = load(files);
    assert!(checked.diagnostics.0.is_empty(), "{:#?}", checked.diagnostics.0);
    let situation = r#"{"inputs": {"in": "x", "Content Type": "json", "a\"b\\c": 2, "": true, "é": 2.25, "x.y": [1, true, "z"]}}"#;
    assert_eq!(said(&checked, &["User", "odd.do-it", situation, ""]), "allow: `odd.1` permits it");
}

#[test]
fn what_is_too_much_to_compare_is_denied_and_not_cut() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("grammar/policies.md")).unwrap();
    let sections = sections(&page);
    let mut workspace = Marked::default();
    sections.iter().find(|s| s.title == "The shop of the examples").expect("the shop").files(&mut workspace);
    let policies = "permit(principal, action, resource);
        forbid(principal, action == Action::\"shop.pay-back\", resource) when { context.inputs has items && context.inputs.items.contains(\"gift-card\") };
        forbid(principal, action, resource) when { resource.user.hasTag(\"blocked\") };";
    workspace.add("policies/all.cedar", policies);
    let checked = workspace.check();
    let listed = |n: usize| format!(r#"{{"inputs": {{"items": {}}}}}"#, serde_json::to_string(&vec!["book"; n]).unwrap());
    let claimed = |n: usize| {
        let claims: serde_json::Map<String, Json> = (0..n).map(|i| (format!("c{i}"), Json::from(i))).collect();
        format!(r#"{{"user": {}}}"#, Json::Object(claims))
    };
    let nested = |n: usize| format!(r#"{{"user": {}"x"{}}}"#, r#"{"a": "#.repeat(n), "}".repeat(n));
    let of = |situation: String| said(&checked, &["User", "shop.pay-back", &situation, ""]);
    assert_eq!(of(listed(1_000)), "allow: `all.1` permits it");
    assert_eq!(of(listed(1_001)), "deny: the input `items` is nothing that a policy can compare");
    assert_eq!((of(claimed(1_000)), of(nested(8))), ("allow: `all.1` permits it".into(), "allow: `all.1` permits it".into()));
    assert_eq!(of(claimed(1_002)), "deny: the policies could not be asked");
    assert_eq!(of(nested(9)), "deny: the policies could not be asked");
    let many = "permit(principal, action, resource);\n".repeat(1_001);
    workspace.add("policies/all.cedar", &many);
    let found = workspace.check().diagnostics.0;
    assert!(found.iter().any(|d| d.code.as_str() == "WP0107" && d.message.contains("1000 policies")), "{found:#?}");
}
