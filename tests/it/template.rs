//! Templates: the page for authors is executed, then what holds for every template.

use std::sync::Arc;

use serde_json::json;
use waypost::expr::{Fault, Node, Root, Scope};
use waypost::source::{Span, Text};
use waypost::template::{Rendered, Template, Undefined};
use waypost::value::{Json, Path, Segment, Taint, Value};

/// A scope over one JSON document whose keys are the roots.
struct Roots {
    json: Json,
    clean: Taint,
    secret: Vec<&'static str>,
    whole: Taint,
}

impl Roots {
    fn new(json: Json) -> Self {
        Self { json, clean: Taint::default(), secret: Vec::new(), whole: Taint::whole() }
    }

    fn secret(mut self, key: &'static str) -> Self {
        self.secret.push(key);
        self
    }
}

fn name(root: Root) -> &'static str {
    match root {
        Root::User => "user",
        Root::Variables => "variables",
        Root::Outcome => "outcome",
        Root::Now => "now",
        Root::Conversation => "conversation",
        Root::Each => "each",
        Root::Response => "response",
        Root::Inputs => "inputs",
        Root::Entity => "entity",
        Root::Event => "data",
        Root::Primitives => "primitives",
    }
}

impl Scope for Roots {
    fn member(&self, root: Root, key: &str) -> Option<Node<'_>> {
        let json = self.json.get(name(root))?.get(key)?;
        let secret = root == Root::Variables && self.secret.contains(&key);
        Some(Node { json, taint: if secret { &self.whole } else { &self.clean } })
    }

    fn whole(&self, root: Root) -> Option<Value> {
        let json = self.json.get(name(root))?.clone();
        let paths = self.secret.iter().filter(|_| root == Root::Variables);
        let taint = Taint::of(paths.map(|k| Path(vec![Segment::Key((*k).into())])));
        Some(Value { json: Arc::new(json), taint })
    }
}

fn text(source: &str) -> Text {
    Text::plain(source, Span::default(), 0)
}

fn parse(source: &str) -> (Template, Vec<Fault>) {
    Template::parse(text(source))
}

fn sample() -> Roots {
    Roots::new(json!({
        "variables": {"order": {"id": "A1", "total": 1234.5, "status": "shipped", "items": [{"name": "cup", "n": 2}, {"name": "pot", "n": 1}]},
            "tags": ["a", "b", "c"], "nothing": null, "flag": true, "count": 3, "order_id": "#W1", "card": "4111111111111111", "typed": "{{ user.id }}"},
        "user": {"id": "u-1", "identity": {"user_name": "Ann"}},
        "outcome": "shipped", "now": "2026-01-05T09:00:00Z",
        "conversation": {"id": "c-1"}, "each": {"id": "e"}, "inputs": {"q": "x y"},
    }))
}

#[expect(clippy::expect_used, reason = "a template that does not render fails the test")]
fn render(source: &str) -> Rendered {
    let (template, faults) = parse(source);
    assert_eq!(faults, vec![], "{source}");
    template.render(&sample(), Undefined::Nothing).expect(source)
}

fn shows(source: &str, expected: &str) {
    assert_eq!(render(source).text, expected, "{source}");
}

#[test]
fn roots_and_values() {
    shows("Order {{ variables.order.id }} is {{ data.order.status }}.", "Order A1 is shipped.");
    shows("{{ context.user.identity.user_name }} {{ user.id }} {{ context.order.id }} {{ fields.count }}", "Ann u-1 A1 3");
    shows("{{ outcome }} {{ now }} {{ conversation.id }} {{ each.id }} {{ inputs.q }}", "shipped 2026-01-05T09:00:00Z c-1 e x y");
    shows("Total: ${{ variables.order.total }} $${{ variables.count }}", "Total: $1234.5 $$3");
    shows("{% for i in variables.order['items'] %}{{ loop.index }}. {{ i.name }} x{{ i.n }}; {% endfor %}", "1. cup x2; 2. pot x1; ");
    shows(
        "{{ variables.tags[1] }} {{ variables.tags|length }} {{ variables.tags }} {{ variables.order['items'][0] }}",
        r#"b 3 ["a","b","c"] {"name":"cup","n":2}"#,
    );
    shows("{% for k in variables.order %}{{ k }} {% endfor %}", "id total status items ");
    shows("{{ variables['order-id'] }} {{ 'a' ~ variables.count }} {{ variables.count + 1 }} {{ not variables.flag }}", "#W1 a3 4 false");
    shows("{% if variables.order.total > 1000 and 'a' in variables.tags %}big{% else %}small{% endif %}", "big");
    shows("{{ variables.typed }} <b>&</b>", "{{ user.id }} <b>&</b>");
    shows("{% set n = variables.order %}{{ n.id }} {{ 'x' if n.status == 'shipped' else 'y' }}", "A1 x");
    shows("{{ variables|length }} {% raw %}{{ x }}{% endraw %}{# no #}", "8 {{ x }}");
    shows("line\n", "line");
    shows("{{ outcome }}\n", "shipped");
}

#[test]
fn own_filters() {
    shows("{{ variables.order['items'][0]|pairs }}", "name cup, n 2");
    shows(
        "{{ variables.order.total|money('USD') }} {{ 5|money('EUR') }} {{ 500|money('JPY') }} {{ '12.005'|money('CHF') }} {{ -0.001|money('USD') }}",
        "$1,234.50 €5.00 ¥500 12.01 CHF $0.00",
    );
    shows("{{ 999999.999|money }} {{ -5|money('usd') }}", "1,000,000.00 -$5.00");
    shows(
        "{{ now|date }} {{ now|date('%H:%M') }} {{ '2026-02-01'|date('%d.%m.%Y') }} {{ '2026-02-01T10:00:00+02:00'|date('%H:%M %z') }}",
        "5 January 2026 09:00 01.02.2026 10:00 +0200",
    );
    shows("{{ variables.card|mask }} {{ 'ab'|mask }}", "••••••••••••1111 ••");
    shows("{{ variables.tags|sentence }}; {{ ['x']|sentence }}; {{ []|sentence }}", "a, b and c; x; ");
    shows("{{ variables.gone|money('EUR') }}{{ variables.gone|date }}{{ variables.gone|pairs }}{{ variables.gone|sentence }}", "");
}

#[test]
fn what_is_undefined_is_noted_or_an_error() {
    let r = render("a{{ variables.gone }}b{{ variables.order.nope.deeper }}c{{ variables.nothing }}{{ user.x|upper }}");
    assert_eq!(r.text, "abc");
    assert_eq!(
        r.undefined.iter().map(|u| &**u).collect::<Vec<_>>(),
        ["variables.gone", "variables.order.nope", "variables.nothing", "user.x"]
    );
    for fine in [
        "{% if variables.gone %}{{ variables.gone }}{% endif %}",
        "{{ variables.gone|default('-') }}",
        "{{ variables.gone or '-' }}",
        "{{ '-' if variables.gone is undefined else variables.gone }}",
        "{% if variables.gone is defined and variables.gone.x %}{% endif %}",
        "{% if variables.nothing is none %}{% endif %}",
        "{% if variables.gone != none %}{{ variables.gone }}{% endif %}",
    ] {
        assert_eq!(render(fine).undefined, Vec::<Arc<str>>::new(), "{fine}");
        assert!(parse(fine).0.render(&sample(), Undefined::Error).is_ok(), "{fine}");
    }
    let source = "/orders/{{ variables.gone }}";
    let e = parse(source).0.render(&sample(), Undefined::Error).unwrap_err();
    assert_eq!((e.message.as_str(), source.get(e.range).unwrap()), ("`variables.gone` is not set", "variables.gone"));
    for wrong in [
        "{{ variables.nothing }}",
        "{{ 'x' ~ variables.gone }}",
        "{{ variables.gone|upper }}",
        "{% if variables.order %}{{ variables.order.nope }}{% endif %}",
    ] {
        assert!(parse(wrong).0.render(&sample(), Undefined::Error).is_err(), "{wrong}");
    }
}

#[test]
fn reads_are_known_with_their_places() {
    let reads = |source: &str| {
        let (template, faults) = parse(source);
        assert_eq!(faults, vec![], "{source}");
        let show = |r: &waypost::expr::Read| {
            let path = std::iter::once(name(r.root)).chain(r.keys.iter().map(|k| &**k)).collect::<Vec<_>>().join(".");
            format!("{path}@{}{}", source.get(r.range.clone()).unwrap(), if r.guarded { "?" } else { "" })
        };
        template.reads().iter().map(show).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(
        reads("{{ variables.a.b }} {{ context.user.x }} {{ data['c'].d[0].e }}"),
        "variables.a.b@variables.a.b user.x@context.user.x variables.c.d@data['c'].d"
    );
    assert_eq!(
        reads("{% if variables.a %}{{ variables.a.b }}{{ variables.c }}{% else %}{{ variables.a }}{% endif %}"),
        "variables.a@variables.a? variables.a.b@variables.a.b? variables.c@variables.c variables.a@variables.a"
    );
    assert_eq!(
        reads("{% for o in variables.list %}{{ o.id }} {{ variables.x[o.id] }}{% endfor %}"),
        "variables.list@variables.list variables.x@variables.x"
    );
    assert_eq!(reads("{% set v = variables.a %}{{ v.b }}{{ v }}"), "variables.a@variables.a");
    assert_eq!(reads("{{ variables.a|default(variables.b) }}"), "variables.a@variables.a? variables.b@variables.b");
    assert_eq!(
        reads("{% if not variables.a %}{% elif variables.a.x == 1 %}{{ variables.a.x }}{% endif %}"),
        "variables.a@variables.a? variables.a.x@variables.a.x? variables.a.x@variables.a.x?"
    );
    assert_eq!(reads("{{ (variables.a ~ variables.b) | upper }}"), "variables.a@variables.a variables.b@variables.b");
}

#[test]
fn what_every_render_shows_is_known() {
    let shown = |source: &str| {
        let (template, faults) = parse(source);
        assert_eq!(faults, vec![], "{source}");
        template.shows().map(|(root, keys)| format!("{}.{}", name(*root), keys.join("."))).collect::<Vec<_>>().join(" ")
    };
    for (source, expected) in [
        ("{{ variables.card }} {{ user.id }}", "variables.card user.id"),
        ("{{ variables.order.id | upper | mask }}", "variables.order.id"),
        ("{{ 'No. ' ~ variables.order.id }}", "variables.order.id"),
        ("{% set c = variables.card %}{{ c }}", "variables.card"),
        ("{% for i in variables.items %}{{ i }}{% endfor %}", "variables.items"),
        ("{% for i in variables.items %}{{ i.name }}{% endfor %}", ""),
        ("{% for i in variables.items %}{{ i }}{{ variables.card }}{% endfor %}", "variables.items"),
        ("{% filter upper %}{{ variables.card }}{% endfilter %}", "variables.card"),
        ("{% filter length %}{{ variables.card }}{% endfilter %}", ""),
        ("{% filter upper | length %}{{ variables.card }}{% endfilter %}", ""),
        ("{{ variables.items[0] }} {{ variables.items | length }} {{ variables.items | first }}", ""),
        ("{% if variables.card %}{{ variables.card }}{% endif %}", ""),
        ("{{ variables.card if user.id }}", ""),
        ("{{ variables.card or user.id }}", ""),
        ("{{ variables.card == '1' }}", ""),
        ("{{ user.id | default(variables.card) }}", "user.id"),
        ("{% if user.id %}{% set c = variables.card %}{% endif %}{{ c }}", ""),
        ("{% for i in variables.items if i.name %}{{ variables.card }}{% endfor %}", ""),
        ("{% for i in variables.items %}{{ i }}{% else %}{{ variables.card }}{% endfor %}", "variables.items"),
    ] {
        assert_eq!(shown(source), expected, "{source}");
    }
}

/// What a question shows without being tried rests on this: a value that is missing from some text must not be among them.
#[test]
fn only_a_path_by_itself_stands_in_every_text_as_it_is() {
    for (source, expected) in [
        ("Card {{ variables.card }} of {{ user.id }}, {{ variables.order.id }}", "card id order.id"),
        ("{{ variables.card | upper }} {{ 'No. ' ~ variables.card }} {{ variables.tags[0] }}", ""),
        ("{% set c = variables.card %}{{ c }}", ""),
        ("{% if user.id %}{% set c = variables.card %}{% endif %}{{ c }}", ""),
        ("{% if user.id %}{{ variables.card }}{% else %}{{ variables.card }}{% endif %}", ""),
        ("{% for i in user.none %}{{ variables.card }}{% endfor %}", ""),
        ("{% filter length %}{{ variables.card }}{% endfilter %}", ""),
        ("{% set c %}{{ variables.card }}{% endset %}", ""),
        ("{% with c = user.id %}{{ variables.card }}{% endwith %}", ""),
    ] {
        let (template, faults) = parse(source);
        assert_eq!(faults, vec![], "{source}");
        let held: Vec<String> = template.reads().iter().filter(|r| template.holds(r)).map(|r| r.keys.join(".")).collect();
        assert_eq!(held.join(" "), expected, "{source}");
    }
}

#[test]
fn mistakes_are_told_with_what_to_type() {
    let wrong = |source: &str, code: &str, at: &str, message: &str, help: &str| {
        let (template, faults) = parse(source);
        assert_eq!(faults.len(), 1, "{source}: {faults:?}");
        let f = &faults[0];
        let help_is = f.help.clone().unwrap_or_default();
        assert_eq!(
            (f.code.as_str(), source.get(f.range.clone()).unwrap(), f.message.as_str(), help_is.as_str()),
            (code, at, message, help),
            "{source}"
        );
        assert!(template.is_broken() && template.constant().is_none());
        assert!(template.render(&sample(), Undefined::Nothing).is_err());
    };
    wrong("{{ variabels.a }}", "WP0403", "variabels", "unknown root `variabels`", "did you mean `variables`?");
    wrong("{{ order_number }}", "WP0403", "order_number", "unknown root `order_number`", "for a variable write `variables.order_number`");
    wrong(
        "{{ variables.order-id }}",
        "WP0403",
        "variables.order-id",
        "`variables.order-id` is not a name",
        "`-` subtracts here; write `variables.order_id`",
    );
    wrong(
        "{{ response.body }}",
        "WP0403",
        "response",
        "`response` is known only in an outcome's condition",
        "keep it with `as`, and read it from `variables`",
    );
    wrong("{{ $variables.a }}", "WP0701", "$", "in a template a root is written without `$`", "remove the `$`");
    wrong("{{ variables.a|uper }}", "WP0701", "uper", "unknown filter `uper`", "did you mean `upper`?");
    wrong("{{ rang(3) }}", "WP0701", "rang", "unknown function `rang`", "did you mean `range`?");
    wrong("{{ upper(variables.a) }}", "WP0701", "upper", "unknown function `upper`", "write it as a filter: `… | upper`");
    wrong("{{ variables.a.upper() }}", "WP0701", "upper", "a value has no method `upper`", "write it as a filter: `… | upper`");
    wrong("{{ variables.a is definde }}", "WP0701", "definde", "unknown test `definde`", "did you mean `defined`?");
    wrong("a {{ variables.a", "WP0701", "{{", "`{{` is never closed", "add `}}` at its end");
    wrong("{% if variables.a %}x", "WP0701", "{% if variables.a %}", "`{% if %}` is never closed", "add `{% endif %}`");
    wrong("{{ 1|money('EURO') }}", "WP0701", "money", "`EURO` is not a currency", "write three letters, such as `money(\"EUR\")`");
    wrong("{% set user = 1 %}", "WP0701", "user", "`user` is a root and cannot be assigned in a template", "choose another name");
    wrong(
        &format!("{{{{ {} }}}}", "1+".repeat(600)),
        "WP0107",
        &format!("{{{{ {} }}}}", "1+".repeat(600)),
        "the tag is longer than 1 KiB",
        "compute it in a `set` step first",
    );
    wrong("{{ variables.a. }}", "WP0701", "}}", "unexpected end of variable block, expected identifier or integer", "");
    wrong(
        "{% include 'x' %}",
        "WP0701",
        "include",
        "unknown statement include",
        "expected one of `if`, `for`, `set`, `with`, `filter`, `raw`",
    );
}

#[test]
fn sensitive_values_are_told_and_can_be_hidden() {
    let secret = |source: &str| {
        let (template, faults) = parse(source);
        assert_eq!(faults, vec![], "{source}");
        template.render(&sample().secret("card"), Undefined::Nothing).expect("renders")
    };
    let r = secret("Card {{ variables.card }} of {{ user.id }}, {{- variables.card|upper -}} .");
    assert!(r.tainted && r.text.contains("4111111111111111"));
    assert_eq!(r.shown(), "Card [redacted] of u-1,[redacted].");
    assert_eq!(r.sensitive, vec![Arc::from("variables.card")]);
    for fine in [
        "{{ variables.card|mask }}",
        "{{ variables.order.id }}",
        "{% if variables.card == '1' %}{{ variables.card }}{% endif %}ok",
        "{% filter mask %}{{ variables.card }}{% endfilter %}",
        "{{ variables.order.id if variables.card else '' }}",
        "{{ variables.card is defined }}",
    ] {
        let r = secret(fine);
        assert!(!r.tainted && r.redacted.is_none() && r.sensitive.is_empty(), "{fine}");
    }
    for leak in [
        "{% set c = variables.card %}{{ c }}",
        "{{ 'a' ~ variables.card }}",
        "{{ variables.card == '1' }}",
        "{% for c in [variables.card] %}{{ c }}{% endfor %}",
        "{{ variables }}",
        "{{ variables|pairs }}",
        "{% set c %}{{ variables.card }}{% endset %}{{ c }}",
        "{% set c = variables.card %}{% if variables.order.id == '' %}{% set c = 'none' %}{% endif %}{{ c }}",
        "{{ variables['ca' ~ 'rd'] }}",
        "{{ variables.card|length }}",
        "{{ (variables.card) ~ 'x' }}",
        "{{ variables.card if true }}",
        "{% with v = variables %}{{ v.card }}{% endwith %}",
        "{% for k, v in variables|items %}{{ v }}{% endfor %}",
    ] {
        let r = secret(leak);
        assert!(r.tainted, "{leak}");
        assert!(!r.shown().contains("4111"), "{leak}: {}", r.shown());
    }
}

#[test]
fn nothing_runs_away() {
    let ends = |source: &str| {
        let (template, faults) = parse(source);
        if faults.is_empty() {
            let e = template.render(&sample(), Undefined::Nothing).expect_err(source);
            assert!(!e.message.contains("4111"), "{e}");
        }
    };
    let doubling = format!("{{% set s = 'aaaaaaaa' %}}{}{{{{ s|length }}}}", "{% set s = s ~ s %}".repeat(60));
    assert_eq!(parse(&doubling).1[0].code.as_str(), "WP0107");
    ends("{% for i in range(100000000) %}x{% endfor %}");
    ends("{% for i in range(9999) %}{% for j in range(9999) %}x{% endfor %}{% endfor %}");
    ends("{{ 'a' * 1000000000 }}{{ 'x'|indent(100000000) }}");
    ends(
        "{% set a %}{% for i in range(5000) %}xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx{% endfor %}{% endset %}{% set b %}{% for i in range(2000) %}{{ a }}{% endfor %}{% endset %}",
    );
    ends(
        "{{ range(10000)|join('xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx')|replace('x', 'yyyyyyyyyyyyyyyyyyy') }}",
    );
    ends("{% for i in range(3000) %}{{ range(10000)|sort|length }}{% endfor %}");
    let nested = format!("{}{}", "{% if 1 %}".repeat(400), "{% endif %}".repeat(400));
    assert!(!parse(&nested).1.is_empty());
    let chain = format!("{{% if 0 %}}{}{{% endif %}}", "{% elif 1 %}".repeat(900));
    let _ = parse(&chain).0.render(&sample(), Undefined::Nothing);
    let long = format!("{{{{ {}1 }}}}", "1+".repeat(500));
    let _ = parse(&long).0.render(&sample(), Undefined::Nothing);
    let filters = format!("{{{{ 1{} }}}}", "|abs".repeat(250));
    let _ = parse(&filters).0.render(&sample(), Undefined::Nothing);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 400, failure_persistence: None, ..Default::default() })]
    #[test]
    fn any_text_parses_and_renders_without_a_panic(parts in proptest::collection::vec(proptest::sample::select(vec![
        "{{", "}}", "{%", "%}", "{#", "#}", " ", "variables", ".", "card", "order", "[", "]", "(", ")", "|", "mask", "upper", "'", "\"", "\\", "if", "else", "endif", "for",
        "x", "in", "endfor", "set", "=", "==", "not", "and", "or", "~", "-", "1", "user", "é", "\n", "$", "default", "is", "defined", "range", ",", ":", "{", "}", "raw", "endraw",
        "{{ variables.card }}", "{% if variables.x %}", "{% endif %}", "{% for x in variables.tags %}", "{% endfor %}", "{{ x }}",
    ]), 0..40)) {
        let source = parts.concat();
        let (template, faults) = parse(&source);
        for f in &faults {
            proptest::prop_assert!(source.get(f.range.clone()).is_some(), "{:?}", f);
        }
        for r in template.reads() {
            proptest::prop_assert!(source.get(r.range.clone()).is_some_and(|t| !t.is_empty()), "{:?}", r);
        }
        let scope = sample().secret("card");
        if let Ok(r) = template.render(&scope, Undefined::Nothing) {
            proptest::prop_assert!(faults.is_empty());
            proptest::prop_assert!(!r.shown().contains("4111111111111111"), "{} -> {}", source, r.shown());
        }
        let _ = template.render(&scope, Undefined::Error);
    }
}

#[test]
fn the_page_for_authors_is_true() {
    let page = include_str!("../../grammar/templates.md");
    let blocks = |kind: &str| {
        let open = format!("```{kind}\n");
        page.split(&open).skip(1).filter_map(|rest| rest.split_once("\n```").map(|(block, _)| block.to_owned())).collect::<Vec<_>>()
    };
    let data: Json = serde_json::from_str(&blocks("json")[0]).expect("data");
    let scope = Roots::new(data);
    let examples = blocks("template");
    assert!(examples.len() >= 12);
    for example in examples {
        let (source, expected) = example.split_once("\n=>\n").expect(&example);
        let (template, faults) = parse(source);
        assert_eq!(faults, vec![], "{source}");
        assert_eq!(template.render(&scope, Undefined::Nothing).expect(source).text, expected, "{source}");
    }
    for name in page.split('`').skip(1).step_by(2).filter(|code| code.starts_with("abs attr") || code.starts_with("boolean defined")) {
        for name in name.split_whitespace() {
            let is_test = parse(&format!("{{{{ 1 is {name} }}}}")).1.is_empty();
            assert!(is_test || parse(&format!("{{{{ 1|{name} }}}}")).1.is_empty(), "{name}");
        }
    }
}
