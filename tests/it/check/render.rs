//! How findings look in each format, as golden files.

use waypost::source::render::{Format, Report, explain};
use waypost::source::{CODES, Code, Diagnostic, Diagnostics, SourceMap, Span};

const JOURNEY: &str = "\
name: Größe wählen
trigger: {goal: pick a size, examples: [size]}
journey:
  - name: ask
    collect: [größe]
  - action: orders.get-details
    as: order
    outcomes:
      found: continue
  - say: \"order {{ variables.order.id }}: 50% off\"
";

const ORDERS: &str = "name: Orders\r\nactions:\r\n  - name: Get details\r\n";

fn findings() -> (SourceMap, Diagnostics) {
    let mut sources = SourceMap::default();
    let journey = sources.add("journeys/größe, wählen.yaml", JOURNEY);
    let orders = sources.add("integrations/orders.yaml", ORDERS);
    let at = |file, text: &str, needle: &str| {
        let start = text.find(needle).map_or(0, |i| u32::try_from(i).unwrap_or_default());
        Span { file, start, end: start + u32::try_from(needle.len()).unwrap_or_default() }
    };
    let mut all = Diagnostics::default();
    all.push(
        Diagnostic::new(Code::WP0401, at(journey, JOURNEY, "variables.order.id"), "`order` may be unset here")
            .here("unset if `look up` fails")
            .label(at(journey, JOURNEY, "as: order"), "set here")
            .path(vec!["ask".into(), "orders.get-details".into(), "say".into()])
            .help("write `{% if variables.order %}`, or go elsewhere in `on_error`"),
    );
    all.push(
        Diagnostic::new(Code::WP0303, at(journey, JOURNEY, "outcomes"), "outcome `missing` is not handled")
            .label(at(orders, ORDERS, "Get details"), "declared here")
            .help("add `missing:` under `outcomes`"),
    );
    all.push(Diagnostic::new(Code::WP0105, Span { file: orders, start: 999, end: 999 }, "missing key `base_url`"));
    all.push(Diagnostic::new(Code::WP0105, Span::NOWHERE, "no journey in this workspace").help("write one: `waypost new`"));
    (sources, all)
}

fn shown(format: Format) -> String {
    let (sources, diagnostics) = findings();
    let report = Report { diagnostics: &diagnostics, sources: &sources, journeys: 1, integrations: 2 };
    report.render(format, false)
}

#[test]
fn full() {
    insta::assert_snapshot!(shown(Format::Full));
}

#[test]
fn concise() {
    insta::assert_snapshot!(shown(Format::Concise));
}

#[test]
fn json() {
    insta::assert_snapshot!(shown(Format::Json));
}

#[test]
fn sarif() {
    let mut log: serde_json::Value = serde_json::from_str(&shown(Format::Sarif)).unwrap();
    for rule in log["runs"][0]["tool"]["driver"]["rules"].as_array_mut().unwrap() {
        for page in rule["help"].as_object_mut().unwrap().values_mut() {
            *page = "the page".into();
        }
    }
    insta::assert_snapshot!(serde_json::to_string_pretty(&log).unwrap());
}

#[test]
fn github() {
    insta::assert_snapshot!(shown(Format::Github));
}

#[test]
fn the_last_line_counts() {
    let (sources, diagnostics) = findings();
    let report = |diagnostics| Report { diagnostics, sources: &sources, journeys: 1, integrations: 2 }.summary();
    assert_eq!(report(&diagnostics), "3 errors and 1 warning in 1 journey and 2 integrations");
    assert_eq!(report(&Diagnostics::default()), "no findings in 1 journey and 2 integrations");
}

#[test]
fn colour_is_the_callers_to_decide() {
    let (sources, diagnostics) = findings();
    let report = Report { diagnostics: &diagnostics, sources: &sources, journeys: 1, integrations: 2 };
    assert!(report.render(Format::Full, true).contains("\u{1b}["));
    assert!(report.render(Format::Concise, true).contains("\u{1b}["));
}

#[test]
fn each_code_is_explained() {
    for info in CODES {
        let page = explain(&info.code.as_str().to_lowercase()).unwrap();
        assert!(page.starts_with(&format!("# {}: {}\n", info.code, info.title)), "{}: the page's first line", info.code);
    }
    assert_eq!(explain("WP9999"), None);
}
