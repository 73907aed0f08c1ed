//! What is known of an expression before it runs: types, shape, and what follows from it.

use std::sync::Arc;

use serde_json::json;
use waypost::expr::{Cases, Conjunct, Program, Record, Relation, Root, Type, TypeEnv};
use waypost::source::Code;

use super::data::program;

struct Shop;

fn record(members: &[(&str, Type)], open: bool) -> Type {
    Type::Record(Arc::new(Record { members: members.iter().map(|(k, t)| (Arc::from(*k), t.clone())).collect(), open }))
}

impl TypeEnv for Shop {
    fn has(&self, root: Root) -> bool {
        !matches!(root, Root::Inputs | Root::Each)
    }

    fn member(&self, root: Root, key: &str) -> Option<Type> {
        match (root, key) {
            (Root::Variables, "status") => Some(Type::OneOf(Arc::from(["shipped".into(), "packed".into()]))),
            (Root::Variables, "count") | (Root::Response, "status") => Some(Type::Number),
            (Root::Variables, "name") => Some(Type::Text),
            (Root::Variables, "paid") => Some(Type::Bool),
            (Root::Variables, "order") => Some(record(&[("id", Type::Text), ("total", Type::Number)], false)),
            (Root::Variables, "items") => Some(Type::List(Arc::new(record(&[("qty", Type::Number)], false)))),
            (Root::Variables, _) | (Root::Response, "headers" | "body") => Some(Type::Any),
            _ => None,
        }
    }

    fn whole(&self, root: Root) -> Type {
        if root == Root::Now { Type::Timestamp } else { Type::Any }
    }

    fn members(&self, root: Root) -> Vec<Arc<str>> {
        if root == Root::Response { vec!["status".into(), "headers".into(), "body".into()] } else { Vec::new() }
    }
}

#[test]
fn types_show_mistakes() {
    for (text, code, range, help) in [
        ("response.status == '200'", Code::WP0402, 19..24, "write `200` without quotes"),
        ("response.staus == 200", Code::WP0403, 9..14, "did you mean `status`?"),
        ("response.result == 200", Code::WP0403, 9..15, "expected one of `status`, `headers`, `body`"),
        ("$variables.name > 3", Code::WP0402, 18..19, "write `'3'` with quotes"),
        ("$variables.name < null", Code::WP0402, 18..22, "only `==` and `!=` take null"),
        ("$variables.name + 1", Code::WP0402, 16..17, "string(value)"),
        ("$variables.name + $variables.count", Code::WP0402, 16..17, "string(value)"),
        ("size($variables.count)", Code::WP0402, 5..21, "size('abc')"),
        ("$variables.count.startsWith('a')", Code::WP0402, 0..16, "startsWith"),
        ("$variables.status == 'shiped'", Code::WP0402, 21..29, "did you mean `'shipped'`?"),
        ("$variables.status in ['packed', 'sent']", Code::WP0402, 32..38, "expected one of `shipped`, `packed`"),
        ("$variables.order.totl > 3", Code::WP0403, 17..21, "did you mean `total`?"),
        ("$variables.items.qty > 3", Code::WP0402, 17..20, "[0].qty"),
        ("$variables.items.exists(i, i.qt > 3)", Code::WP0403, 29..31, "did you mean `qty`?"),
        ("$variables.items.length > 3", Code::WP0402, 17..23, "size(value)"),
        ("'a' in $variables.name", Code::WP0402, 7..22, "contains"),
        ("$now > '2026-01-05T09:00:00Z'", Code::WP0402, 7..29, "timestamp('2026-01-05T09:00:00Z')"),
        ("$each.id == 1", Code::WP0403, 0..5, "$variables"),
        ("-$variables.name == 1", Code::WP0402, 1..16, ""),
        ("let n = $variables.name; n * 2 == 1", Code::WP0402, 27..28, ""),
    ] {
        let faults = program(text).check(&Shop);
        assert_eq!(faults.len(), 1, "{text}: {faults:?}");
        assert_eq!((faults[0].code, faults[0].range.clone()), (code, range), "{text}: {faults:?}");
        assert!(faults[0].help.as_deref().unwrap_or("").contains(help), "{text}: {faults:?}");
    }
}

#[test]
fn what_may_work_is_no_mistake() {
    for text in [
        "response.status == 200 && response.body.anything.at.all == 'x'",
        "$variables.unknown + 1 > 2 && $variables.unknown + 'a' == 'ba'",
        "$variables.name == null || $variables.count != null",
        "$variables.count * 1.5 < 3",
        "($variables.paid ? 'a' : 1) == 1",
        "$variables.paid && $variables.count && $variables.name",
        "$variables.status.size() > 3 && $variables.status + '!' == 'packed!'",
        "$variables.items.map(i, i.qty).sum() + $variables.items[0].qty > 2",
        "$now - timestamp($variables.unknown) > duration('24h') && $now + duration('1h') > $now",
        "$variables.order.id in {'a': 1} && {'a': 1}.a == 1 && {'a': 1}.b == null",
        "dyn($variables.name) == 1",
        "coalesce($variables.name, 'x').upperAscii() == 'X'",
        "[1, 'a', null].size() == 3 && [[1], ['a']].exists(l, l == [2])",
    ] {
        assert_eq!(program(text).check(&Shop), [], "{text}");
    }
}

#[test]
fn the_type_of_the_whole_is_known() {
    let of = |text: &str| program(text).type_in(&Shop);
    assert_eq!(of("$variables.items.map(i, i.qty)"), Type::List(Arc::new(Type::Number)));
    assert_eq!(of("$variables.paid ? $variables.name : null"), Type::Text);
    assert_eq!(of("$now - $now"), Type::Duration);
    assert_eq!(of("$variables.unknown"), Type::Any);
}

#[test]
fn printing_gives_one_form() {
    for (text, printed) in [
        ("context.user.id==\"a'b\"", "$user.id == 'a\\'b'"),
        ("data['a'].b['c-d'][0]", "$variables.a.b['c-d'][0]"),
        ("((1+2))*3-(4-5)", "(1 + 2) * 3 - (4 - 5)"),
        ("a ? b : c ? d : e", "a ? b : c ? d : e"),
        ("(a ? b : c) ? d : e", "(a ? b : c) ? d : e"),
        ("!(a && b) || !!c", "!(a && b) || !!c"),
        ("-(5) + -5 - -(-5).abs()", "-(5) + -5 - --5.abs()"),
        ("let x = 1u;x+0x10", "let x = 1; x + 16"),
        ("l.map(x,x>1,x*2.0)", "l.map(x, x > 1, x * 2.0)"),
    ] {
        let bind = |s: &str| format!("let a = 1; let b = 1; let c = 1; let d = 1; let e = 1; let l = []; {s}");
        let (text, printed) = if text.starts_with("let") { (text.to_owned(), printed.to_owned()) } else { (bind(text), bind(printed)) };
        let first = program(&text);
        assert_eq!(first.print(), printed);
        assert!(program(&printed).same_as(&first), "{text}");
    }
}

#[test]
fn conjuncts_are_told_apart() {
    let identity = |key: &str| vec![Arc::from("identity"), Arc::from(key)];
    let program = program("$conversation.identity.verified && (1 <= $conversation.identity.level && size($variables.name) > 2)");
    assert_eq!(
        program.conjuncts(),
        [
            Conjunct::Truth { root: Root::Conversation, keys: identity("verified") },
            Conjunct::Compare { root: Root::Conversation, keys: identity("level"), relation: Relation::GreaterEqual, value: json!(1) },
            Conjunct::Other,
        ]
    );
}

#[test]
fn constants_are_known() {
    assert_eq!(program("1 + 2 == 3").constant(), Some(json!(true)));
    assert_eq!(program("$variables.a").constant(), None);
    for (text, always, never) in [
        ("true", true, false),
        ("1 > 2", false, true),
        ("$variables.a || true", true, false),
        ("$variables.a == 1 || $variables.a != 1", true, false),
        ("$variables.a && !$variables.a", false, true),
        ("$variables.a > 1 || true", false, false),
        ("$variables.a", false, false),
        ("$variables.a == 1 && $variables.a == 2", false, true),
        ("$variables.a == 'x' && $variables.a in ['y', 'z']", false, true),
        ("$variables.a < 3 || $variables.a >= 3", false, false),
        ("$variables.a == null || $variables.a != null", true, false),
        ("$user.a.b || !$user.a.b", false, false),
        ("$user.a.b > 1 && !has($user.a)", false, true),
        ("$variables.a > 0.1 && $variables.a < 0.2", false, false),
        ("$variables.a > 'a' && $variables.a < 'a\\x00'", false, true),
        ("$variables.a ? !$variables.a : false", false, true),
    ] {
        assert_eq!((program(text).always_true(), program(text).always_false()), (always, never), "{text}");
    }
}

#[test]
fn an_earlier_condition_may_take_all_of_a_later_one() {
    for (earlier, later, taken) in [
        ("response.status >= 400", "response.status == 404", true),
        ("response.status == 404", "response.status >= 400", false),
        ("response.status < 300", "response.status == 200 && response.body.ok", true),
        ("response.status == 200 && response.body.ok", "response.status == 200", false),
        ("response.status != 200", "500 <= response.status", true),
        ("response.status in [404, 410]", "response.status == 404", true),
        ("response.status >= 400", "response.status in [404, 410]", true),
        ("response.status in [404]", "response.status in [404, 410]", false),
        ("true", "response.status == 1", true),
        ("response.body.ok", "response.body.ok == true", true),
        ("response.body.a || response.body.b", "response.body.b", false),
        ("response.status || response.body", "response.body", true),
        ("has(response.body.a)", "response.body.a == 'x'", true),
        ("response.status > 1", "response.status >= 1", false),
        ("!response.body.x", "response.body.x == null", true),
        ("response.body['a'] == \"x\"", "response.body.a=='x'", true),
    ] {
        assert_eq!(program(later).implies(&program(earlier)), taken, "`{earlier}` before `{later}`");
    }
}

#[test]
fn several_conditions_may_take_all_of_a_later_one() {
    for (conditions, by) in [
        (&["response.status < 300", "response.status >= 300", "matches(response.body.a, 'x')"][..], Some(&[0, 1][..])),
        (&["response.status < 300", "response.status > 299", "true"], Some(&[0, 1])),
        (&["response.status < 300", "response.status > 300", "response.status < 400"], None),
        (&["response.status < 300", "response.status > 300", "response.status != 300"], Some(&[0, 1])),
        (&["response.body == 1", "response.body.ok", "!response.body.ok", "response.body == 2"], None),
        (&["$variables.a", "!$variables.a", "response.body.ok"], Some(&[0, 1])),
        (&["$user.a.b", "!$user.a.b", "response.body.ok"], None),
        (&["$user.a.b", "!$user.a.b", "$user.a.c == 1"], Some(&[0, 1])),
        (&["$variables.a == 'x'", "$variables.b", "$variables.a == 'y'", "$variables.a in ['x', 'y']"], Some(&[0, 2])),
        (&["inputs.n < 5", "inputs.n >= 5", "inputs.n == null"], None),
        (&["inputs.n < 5", "inputs.n >= 5", "inputs.n != null"], None),
        (&["inputs.n < 5", "inputs.n >= 5", "inputs.n == 4.5"], Some(&[0])),
        (&["inputs.n < 5", "inputs.n >= 5", "inputs.n > 4"], Some(&[0, 1])),
        (&["inputs.a && inputs.b", "inputs.a && !inputs.b", "!inputs.a && inputs.b", "inputs.a || inputs.b"], Some(&[0, 1, 2])),
        (&["inputs.a && matches(inputs.b, 'x')", "!inputs.a", "inputs.a"], None),
        (&["response.headers.ETag == 'a'", "response.headers['etag'] != 'a'", "true"], Some(&[0, 1])),
    ] {
        let programs: Vec<Program> = conditions.iter().map(|t| program(t)).collect();
        let all: Vec<Option<&Program>> = programs.iter().map(Some).collect();
        assert_eq!(Cases::of(&all).taken_by(conditions.len() - 1).as_deref(), by, "{conditions:?}");
    }
}
