//! What the language says of expressions: values, missing members, truth, faults, guards, taint.

use std::sync::Arc;

use serde_json::json;
use waypost::expr::{Node, Program, Root, Scope};
use waypost::source::Code;
use waypost::value::{Taint, Value};

use super::data::{Data, eval, parse, program};

fn shop() -> Data {
    Data::new(json!({
        "variables": {"order": {"id": "A1", "status": "shipped", "total": 12.5, "items": [{"sku": "x", "qty": 2}, {"sku": "y", "qty": 3}]}, "note": null, "count": 3},
        "user": {"identity": {"user_id": "u-1"}, "entitlements": ["vip"]},
        "response": {"status": 200, "headers": {"etag": "1"}, "body": {"ok": true}},
        "outcome": "found",
        "now": "2026-01-05T09:00:00Z",
        "conversation": {"identity": {"verified": true, "level": 1}},
        "inputs": {"order_id": "A1"},
        "each": "e",
    }))
}

#[test]
fn values() {
    for (text, expected) in [
        ("$variables.order.status == 'shipped' && response.status == 200", json!(true)),
        ("$data.order.id + '-' + fields.order['id']", json!("A1-A1")),
        ("$context.user.identity.user_id == $user.identity.user_id", json!(true)),
        ("$variables.order.items[1].qty * 2", json!(6)),
        ("$variables.order.items.map(i, i.qty).sum()", json!(5)),
        ("$variables.order.items.filter(i, x, i > 0).map(x, x.sku)", json!(["y"])),
        ("$variables.order.total * $variables.count", json!(37.5)),
        ("'vip' in user.entitlements", json!(true)),
        ("let n = $variables.count; let m = n * 2; m > n ? 'more' : 'less'", json!("more")),
        ("$outcome == 'found' && $each == 'e'", json!(true)),
        ("$now > timestamp('2026-01-01T00:00:00Z')", json!(true)),
        ("$now + duration('1h')", json!("2026-01-05T10:00:00Z")),
        ("{'a': [1, 2u, 0x1F], 'b': {1: null}}", json!({"a": [1, 2, 31], "b": {"1": null}})),
        ("coalesce($variables.missing, $variables.note, 'x')", json!("x")),
        ("size($variables)", json!(3)),
        ("r'\\d' + \"\\u00e9\\x41\\101\\n\" + '''it's'''", json!("\\déAA\nit's")),
        ("round(2.5) == 3 && round(-2.5) == -3 && round(1.005, 2) == 1.01", json!(true)),
        ("[3, 1, 3, 1.0].distinct()", json!([3, 1])),
        ("mask('12345') + mask('ab') + mask('4111111111111111')", json!("••••5••••••••••••••1111")),
        ("9007199254740993 == 9007199254740992.0", json!(false)),
        ("-9223372036854775808", json!(i64::MIN)),
        ("// a comment\n1 // another\n + 1", json!(2)),
    ] {
        assert_eq!(eval(text, &shop()).map_err(|e| e.message), Ok(expected), "{text}");
    }
}

#[test]
fn missing_is_null_and_any_type_is_a_condition() {
    for (text, expected) in [
        ("$variables.missing.deep.er", json!(null)),
        ("$variables.note.x == null && $variables.order.items[9] == null", json!(true)),
        ("has($variables.note) && !has($variables.missing)", json!(true)),
        ("has($variables.order.id) && !has($variables.order.id.x) && has(response.body.ok) && !has(response.body.no)", json!(true)),
        ("$variables.missing || $variables.note || ''", json!(false)),
        ("$variables.order && 'a' && 1", json!(true)),
        ("![] && !{} && !0 && !0.0 && !''", json!(true)),
        ("$variables.missing ? 1 : 2", json!(2)),
        ("1 == '1' || true == 1 || null == 0", json!(false)),
        ("false && 1 / 0 == 1", json!(false)),
    ] {
        assert_eq!(eval(text, &shop()).map_err(|e| e.message), Ok(expected), "{text}");
    }
}

#[test]
fn failures_say_types_and_places() {
    for (text, range, part) in [
        ("1 / 0 == 1 || true", 2..3, "division by zero"),
        ("9223372036854775807 + 1", 20..21, "64 bits"),
        ("$variables.missing < 3", 19..20, "null and a number have no order"),
        ("'a' + 1", 4..5, "string(value)"),
        ("$variables.order.id.x", 20..21, "text has no member `x`"),
        ("size(3)", 0..7, "`size` takes text, a list or a map, not a number"),
        ("'x' in 'xy'", 4..6, "contains"),
        ("[1, 'a'].sum()", 9..14, "element 1 is text"),
        ("0.0 / 0.0", 0..9, "no finite number"),
    ] {
        let error = eval(text, &shop()).expect_err(text);
        assert!(error.message.contains(part) && error.range == range, "{text}: {error:?}");
    }
}

#[test]
fn faults_say_what_to_type() {
    for (text, code, range, help) in [
        ("$variables.a and $variables.b", Code::WP0404, 13..16, "write `&&`"),
        ("$variables.a or $variables.b", Code::WP0404, 13..15, "write `||`"),
        ("not $variables.a", Code::WP0404, 0..3, "write `!`"),
        ("not($variables.a)", Code::WP0404, 0..3, "write `!`"),
        ("$variables.a = 1", Code::WP0404, 13..14, "write `==`"),
        ("order.status == 'x'", Code::WP0403, 0..5, "$variables.order"),
        ("$varables.order == 'x'", Code::WP0403, 0..9, "$variables"),
        ("$variables.order-id == 'x'", Code::WP0403, 17..19, "order_id"),
        ("siz($variables.a)", Code::WP0403, 0..3, "size"),
        ("size(1, 2)", Code::WP0402, 0..4, "size('abc')"),
        ("contains('a', 'b')", Code::WP0404, 0..8, "'shipped'.contains('ship')"),
        ("($variables.a == 1", Code::WP0404, 0..1, "`)`"),
        ("$variables.a == 'x", Code::WP0404, 16..18, "`'`"),
        ("$variables.a == 5x", Code::WP0404, 16..18, "quotes"),
        ("$variables.a ==", Code::WP0404, 15..15, "a value is"),
        ("", Code::WP0404, 0..0, "$variables.order_id"),
        ("$variables.a $variables.b", Code::WP0404, 13..23, "operator"),
        ("$variables.a ? 1", Code::WP0404, 16..16, "condition ? value : other"),
        ("let x 1; x", Code::WP0404, 6..7, "let name = value;"),
        ("let user = 1; 2", Code::WP0208, 4..8, "the_user"),
        ("'a\\q'", Code::WP0404, 2..4, "backslash"),
        ("b'a'", Code::WP0404, 0..1, "`b`"),
        ("99999999999999999999", Code::WP0404, 0..20, "9223372036854775807"),
        ("'a'.matches('(')", Code::WP0404, 12..15, "RE2"),
        ("[1, 2].map(x)", Code::WP0404, 7..13, "map(x, value)"),
        ("{a: 1}", Code::WP0404, 1..2, "'a'"),
        ("$variables.a ?? 1", Code::WP0404, 13..15, "coalesce"),
        ("$variables.a == ‘x’", Code::WP0404, 16..23, "straight quotes"),
    ] {
        let (program, faults) = parse(text);
        assert_eq!(faults.len(), 1, "{text}: {faults:?}");
        let fault = &faults[0];
        assert_eq!((fault.code, fault.range.clone()), (code, range), "{text}: {fault:?}");
        assert!(fault.help.as_deref().is_some_and(|h| h.contains(help)), "{text}: {fault:?}");
        assert!(program.is_broken());
    }
}

#[test]
fn several_faults_are_found_at_once() {
    let (_, faults) = parse("$variables.a and status == 1 or size(1, 2) = 'x'");
    let codes: Vec<_> = faults.iter().map(|f| f.code.as_str()).collect();
    assert_eq!(codes, ["WP0404", "WP0403", "WP0404", "WP0402", "WP0404"], "{faults:?}");
}

#[test]
fn limits_are_faults() {
    for text in [
        "(".repeat(100),
        "!".repeat(100) + "true",
        "1".to_owned() + &" + 1".repeat(300),
        "$user".to_owned() + &".a".repeat(300),
        " ".repeat(5000),
    ] {
        let (_, faults) = parse(&text);
        assert!(faults.len() == 1 && faults[0].code == Code::WP0107, "{faults:?}");
    }
    program(&("(".repeat(60) + "1" + &")".repeat(60)));
    program(&("1".to_owned() + &" + 1".repeat(256)));
}

fn reads(program: &Program) -> Vec<(String, bool)> {
    program.reads().iter().map(|r| (r.keys.join("."), r.guarded)).collect()
}

#[test]
fn reads_are_known_with_their_guards() {
    for (text, expected) in [
        ("$variables.a.b == 1", vec![("a.b", false)]),
        ("has($variables.a) && $variables.a.b == 1", vec![("a", true), ("a.b", true)]),
        ("$variables.a != null && $variables.a.b", vec![("a", true), ("a.b", true)]),
        ("$variables.a == null || $variables.a.b", vec![("a", true), ("a.b", true)]),
        ("!has($variables.a) || $variables.a", vec![("a", true), ("a", true)]),
        ("has($variables.a) || $variables.a", vec![("a", true), ("a", false)]),
        ("has($variables.a) ? $variables.a : $variables.b", vec![("a", true), ("a", true), ("b", false)]),
        ("coalesce($variables.a, $variables.b)", vec![("a", true), ("b", true)]),
        ("$variables.a[$variables.i].c", vec![("a", false), ("i", false)]),
        ("$variables.l.exists(x, x == $variables.b)", vec![("l", false), ("b", false)]),
        ("let a = $variables.a; a.b", vec![("a", false)]),
    ] {
        let program = program(text);
        let expected: Vec<_> = expected.into_iter().map(|(k, g)| (k.to_owned(), g)).collect();
        assert_eq!(reads(&program), expected, "{text}");
    }
    let program = program("1 == 2 || $variables.order.items[0].sku == 'x'");
    assert_eq!(program.reads()[0].range, 10..32);
    assert_eq!(program.reads()[0].root, Root::Variables);
}

#[test]
fn guards_prove_to_the_branches_after() {
    let keys = |text: &str, truth| program(text).set_when(truth).into_iter().map(|(_, k)| k.join(".")).collect::<Vec<_>>();
    assert_eq!(keys("has($variables.a) && $variables.b.c == 1", true), ["a", "b.c"]);
    assert_eq!(keys("has($variables.a)", false), [""; 0]);
    assert_eq!(keys("$variables.a == null", false), ["a"]);
    assert_eq!(keys("!has($variables.a) || $variables.b == null", false), ["a", "b"]);
}

#[test]
fn taint_follows_the_data() {
    let data = shop().taint(Root::Variables, "order", &["id"]);
    for (text, tainted) in [
        ("$variables.order.id", Some("")),
        ("$variables.order", Some("id")),
        ("$variables.order.status", None),
        ("$variables.order.id == 'A1'", Some("")),
        ("'x' + $variables.order.id", Some("")),
        ("[$variables.order]", Some("*.id")),
        ("{'o': $variables.order}", Some("o.id")),
        ("$variables['ord' + 'er']['id']", Some("")),
        ("$variables.order.items.exists(i, i.sku == $variables.order.id)", Some("")),
        ("[$variables.order].map(o, o.status)", None),
        ("[$variables.order].map(o, o.id)", Some("*")),
        ("mask($variables.order.id)", None),
        ("has($variables.order.id)", Some("")),
        ("$variables.order.id == 'A1' ? 1 : 2", None),
        ("size($variables)", Some("")),
    ] {
        let value = program(text).eval(&data).expect(text);
        let shown = |t: &Taint| {
            t.paths()
                .map(|p| {
                    p.0.iter()
                        .map(|s| if let waypost::value::Segment::Key(k) = s { k.to_string() } else { "*".into() })
                        .collect::<Vec<_>>()
                        .join(".")
                })
                .collect::<Vec<_>>()
        };
        assert_eq!(shown(&value.taint), tainted.into_iter().collect::<Vec<_>>(), "{text}");
    }
}

/// A scope whose every member is one value that it holds shared.
struct Held(Value);

impl Scope for Held {
    fn member(&self, _: Root, _: &str) -> Option<Node<'_>> {
        Some(Node { json: &self.0.json, taint: &self.0.taint })
    }

    fn whole(&self, _: Root) -> Option<Value> {
        None
    }

    fn shared(&self, _: Root, _: &str) -> Option<Value> {
        Some(self.0.clone())
    }
}

#[test]
fn a_member_of_a_root_is_not_copied() {
    let held = Held(Value { json: Arc::new(json!({"id": "A-1"})), taint: Taint::whole() });
    for text in ["$variables.order", "variables['order']", "(user.order)"] {
        let value = program(text).eval(&held).expect(text);
        assert!(Arc::ptr_eq(&value.json, &held.0.json), "`{text}` is a copy");
        assert_eq!(value.taint, held.0.taint);
    }
    assert_eq!(program("$variables.order.id").eval(&held).expect("a value").json, Arc::new(json!("A-1")));
}

#[test]
fn bombs_are_stopped() {
    for text in [
        "range(1000000000)",
        "range(400000).map(x, 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa')",
        "range(900).map(a, range(900).map(b, a * b))",
        "range(200).all(a, range(200).all(b, range(200).all(c, true)))",
        "let a = 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'; let b = a+a+a+a+a+a+a+a; let c = b+b+b+b+b+b+b+b; let d = c+c+c+c+c+c+c+c; let e = d+d+d+d+d+d+d+d; let f = e+e+e+e+e+e+e+e; let g = f+f+f+f+f+f+f+f; g+g",
        "let a = range(1000); let b = a.map(x, a); b == b.map(x, x)",
    ] {
        let error = eval(text, &shop()).expect_err(text);
        assert!(error.message.contains("takes more than") || error.message.contains("builds more than"), "{text}: {error:?}");
    }
}
