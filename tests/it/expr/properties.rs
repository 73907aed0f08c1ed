//! What holds of every text and every tree.

use evalexpr::Value as Theirs;
use proptest::prelude::*;
use serde_json::{Value as Json, json};
use waypost::expr::{Cases, Program};

use super::data::{Data, eval, parse};

fn data() -> Data {
    Data::new(json!({
        "variables": {"a": 1, "b": 2.5, "t": "text", "n": null, "l": [1, "x", [2]], "m": {"k": {"j": 1}}},
        "user": {"identity": {"user_id": "u"}}, "response": {"status": 200, "body": "<html>"}, "now": "2026-01-05T09:00:00Z", "outcome": "x",
    }))
}

/// Text made of what expressions are made of, so that much of it gets past the first token.
fn soup() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        prop::sample::select(vec![
            "$variables.l",
            "$variables.m",
            "$variables.t",
            "$variables.",
            "response.body",
            "$now",
            "$",
            "a",
            "x",
            "let ",
            "let x = ",
            ";",
            "(",
            ")",
            "[",
            "]",
            "{",
            "}",
            ",",
            ":",
            "?",
            ".",
            "..",
            "==",
            "!=",
            "=",
            "<",
            ">=",
            " in ",
            " and ",
            " not ",
            "&&",
            "||",
            "&",
            "!",
            "-",
            "+",
            "*",
            "/",
            "%",
            "1",
            "0x",
            "9223372036854775807",
            "1.5e3",
            "2u",
            "'",
            "\"",
            "'''",
            "'a'",
            "r'\\'",
            "b'x'",
            "'\\u00",
            "\\",
            "null",
            "true",
            "has(",
            "coalesce(",
            "size(",
            ".map(x, ",
            ".filter(i, x, ",
            ".exists(x, x",
            ".split(",
            ".matches(",
            "range(",
            "mask(",
            "timestamp(",
            "duration(",
            "string(",
            "//",
            "\n",
            " ",
            "é",
            "\u{a0}",
            "🦀",
        ])
        .prop_map(str::to_owned),
        "\\PC{0,3}",
    ];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

/// Trees as text, always in the language.
fn sentence() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        "null",
        "true",
        "0",
        "-7",
        "9223372036854775807",
        "0.5",
        "-1e300",
        "''",
        "'aé\\n\\'b'",
        "$variables.a",
        "$variables.b",
        "$variables.t",
        "$variables.l",
        "$variables.m.k.j",
        "$variables.missing",
        "response.body.x",
        "$user",
        "$now",
        "$variables.m['a b']",
        "timestamp('2026-01-05T09:00:00Z')",
        "duration('1h')",
    ])
    .prop_map(str::to_owned);
    leaf.prop_recursive(6, 48, 3, |inner| {
        let binary = prop::sample::select(vec!["==", "!=", "<", "<=", ">", ">=", "in", "+", "-", "*", "/", "%", "&&", "||"]);
        prop_oneof![
            (inner.clone(), binary, inner.clone()).prop_map(|(a, op, b)| format!("({a}) {op} ({b})")),
            (inner.clone(), prop::sample::select(vec!["!", "-", "--", "!!"])).prop_map(|(a, op)| format!("{op}({a})")),
            (inner.clone(), inner.clone(), inner.clone())
                .prop_map(|(a, b, c)| format!("{a} ? {b} : {c}").replace("? ?", "?"))
                .prop_map(|s| format!("({s})")),
            prop::collection::vec(inner.clone(), 0..3).prop_map(|all| format!("[{}]", all.join(", "))),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{{'k': {a}, 'j': {b}}}")),
            (inner.clone(), prop::sample::select(vec![".k", "['a b']", "[0]", ".size()", ".upperAscii()", ".distinct()", ".abs()"]))
                .prop_map(|(a, op)| format!("({a}){op}")),
            (inner.clone(), inner.clone(), prop::sample::select(vec!["all", "exists", "exists_one", "filter", "map"]))
                .prop_map(|(a, b, name)| format!("({a}).{name}(x, x == ({b}))")),
            inner.clone().prop_map(|a| format!("coalesce({a}, string(dyn({a})))")),
            inner.prop_map(|a| format!("has(({a}).k)")),
        ]
    })
}

fn exercise(text: &str) {
    let (program, faults) = parse(text);
    assert_eq!(program.is_broken(), !faults.is_empty(), "{text}");
    for fault in &faults {
        assert!(text.get(fault.range.clone()).is_some(), "{text}: {fault:?}");
    }
    let data = data();
    for read in program.reads() {
        assert!(text.get(read.range.clone()).is_some(), "{text}: {read:?}");
    }
    let value = program.eval(&data);
    let truth = program.test(&data);
    match (&value, &truth) {
        (Ok(value), Ok(truth)) => {
            let expected = match &*value.json {
                Json::Null => false,
                Json::Bool(b) => *b,
                Json::Number(n) => n.as_f64() != Some(0.0),
                // A duration of nothing counts as false, and its text is not empty.
                Json::String(s) => !s.is_empty() && (s != "0s" || *truth),
                Json::Array(a) => !a.is_empty(),
                Json::Object(o) => !o.is_empty(),
            };
            assert_eq!(*truth, expected, "{text}");
        }
        (Err(error), _) => assert!(text.get(error.range.clone()).is_some(), "{text}: {error:?}"),
        (Ok(_), Err(error)) => panic!("{text}: {error:?}"),
    }
    if program.always_true() || program.always_false() {
        assert_ne!(truth.map(|t| t != program.always_true()), Ok(true), "{text}");
    }
    let _ = (program.conjuncts(), program.constant(), program.set_when(true), program.implies(&program));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_breaks_anything(text in "\\PC{0,80}") {
        exercise(&text);
    }

    #[test]
    fn no_soup_breaks_anything(text in soup()) {
        exercise(&text);
    }

    #[test]
    fn a_printed_tree_reads_back(text in sentence()) {
        exercise(&text);
        let (program, faults) = parse(&text);
        // Only its size may keep a tree from being read.
        prop_assume!(faults.iter().all(|f| f.code.as_str() != "WP0107"));
        prop_assert_eq!(&faults, &[]);
        let printed = program.print();
        let (again, faults) = parse(&printed);
        prop_assert_eq!(faults, []);
        prop_assert!(again.same_as(&program), "{} / {}", text, printed);
        prop_assert_eq!(again.eval(&data()).map_err(|e| e.message), program.eval(&data()).map_err(|e| e.message));
    }

    #[test]
    fn a_condition_that_follows_is_taken_earlier(a in condition(), b in condition(), x in 0..4i64, y in 0..4i64) {
        let (earlier, later) = (parse(&a).0, parse(&b).0);
        if later.implies(&earlier) {
            let data = Data::new(json!({"variables": {"x": x, "y": y}}));
            if later.test(&data) == Ok(true) {
                prop_assert_eq!(earlier.test(&data), Ok(true), "`{}` then `{}`", a, b);
            }
        }
    }

    #[test]
    fn what_several_conditions_take_is_taken(all in prop::collection::vec(condition(), 2..5), data in prop::collection::vec(anything(), 2)) {
        let programs: Vec<Program> = all.iter().map(|t| parse(t).0).collect();
        let cases = Cases::of(&programs.iter().map(Some).collect::<Vec<_>>());
        let set: serde_json::Map<String, Json> =
            ["x", "y"].into_iter().zip(data).filter_map(|(k, v)| Some((k.to_owned(), v?))).collect();
        let data = Data::new(json!({ "variables": set }));
        let truth: Vec<bool> = programs.iter().map(|p| p.test(&data) == Ok(true)).collect();
        for (n, is) in truth.iter().enumerate() {
            if let Some(by) = cases.taken_by(n).filter(|_| *is) {
                prop_assert!(by.iter().any(|b| truth.get(*b) == Some(&true)), "{:?}: {} by {:?} with {:?}", all, n, by, set);
            }
            if let Some(always) = cases.always(n) {
                prop_assert_eq!(*is, always, "{} with {:?}", all[n], set);
            }
        }
    }

    /// Arithmetic, comparison and logic, where both languages give something: see `ARCHITECTURE.md` for why that one is no dependency.
    #[test]
    fn evalexpr_agrees(text in common()) {
        let theirs = evalexpr::eval(&text);
        let ours = eval(&text, &data());
        match (theirs, ours) {
            (Ok(Theirs::Int(a)), Ok(b)) => prop_assert_eq!(Json::from(a), b, "{}", text),
            (Ok(Theirs::Boolean(a)), Ok(b)) => prop_assert_eq!(Json::from(a), b, "{}", text),
            (Ok(Theirs::Float(a)), Ok(b)) => prop_assert_eq!(json!(a), b, "{}", text),
            (Ok(Theirs::String(a)), Ok(b)) => prop_assert_eq!(Json::from(a), b, "{}", text),
            (Err(_), Err(_)) => {}
            // No double is an error there, and none in JSON is no number.
            (Ok(Theirs::Float(a)), Err(error)) => prop_assert!(!a.is_finite(), "{}: {:?}", text, error),
            // It evaluates both sides always.
            (Err(_), Ok(Json::Bool(_))) => prop_assert!(text.contains("&&") || text.contains("||"), "{}", text),
            (a, b) => prop_assert!(false, "{}: {:?} {:?}", text, a, b),
        }
    }
}

fn condition() -> impl Strategy<Value = String> {
    let atom =
        (prop::sample::select(vec!["$variables.x", "$variables.y"]), prop::sample::select(vec!["==", "!=", "<", "<=", ">", ">="]), 0..4)
            .prop_map(|(path, op, n)| format!("{path} {op} {n}"));
    let atom = prop_oneof![
        4 => atom,
        1 => prop::sample::select(vec!["$variables.x", "!$variables.y", "$variables.x in [1, 2]", "has($variables.x)", "true", "2 <= $variables.y"]).prop_map(str::to_owned),
    ];
    atom.prop_recursive(2, 6, 3, |inner| {
        (prop::collection::vec(inner, 2..4), prop::sample::select(vec![" && ", " || "])).prop_map(|(all, op)| format!("({})", all.join(op)))
    })
}

/// What may stand at a path; nothing too.
fn anything() -> impl Strategy<Value = Option<Json>> {
    let some = [
        json!(null),
        json!(true),
        json!(0),
        json!(1),
        json!(1.5),
        json!(2),
        json!(3),
        json!(-7),
        json!(""),
        json!("x"),
        json!([]),
        json!([1]),
        json!({}),
    ];
    prop::sample::select(some.into_iter().map(Some).chain([None]).collect::<Vec<_>>())
}

/// Sentences that mean the same in both languages: operands of one type, integers and doubles never mixed.
fn common() -> impl Strategy<Value = String> {
    let int = || {
        prop_oneof![(0..20i64).prop_map(|n| n.to_string()), Just("9223372036854775807".to_owned())].prop_recursive(4, 16, 2, |inner| {
            prop_oneof![
                (inner.clone(), prop::sample::select(vec!["+", "-", "*", "/", "%"]), inner.clone())
                    .prop_map(|(a, op, b)| format!("({a} {op} {b})")),
                inner.prop_map(|a| format!("(-{a})")),
            ]
        })
    };
    let double = || {
        (0..200i32).prop_map(|n| format!("{:?}", f64::from(n) / 8.0)).prop_recursive(4, 16, 2, |inner| {
            (inner.clone(), prop::sample::select(vec!["+", "-", "*", "/"]), inner).prop_map(|(a, op, b)| format!("({a} {op} {b})"))
        })
    };
    let text = || {
        "[a-z]{0,4}"
            .prop_map(|s| format!("\"{s}\""))
            .prop_recursive(2, 4, 2, |inner| (inner.clone(), inner).prop_map(|(a, b)| format!("({a} + {b})")))
    };
    let compare = || prop::sample::select(vec!["==", "!=", "<", "<=", ">", ">="]);
    let truth = prop_oneof![
        (int(), compare(), int()).prop_map(|(a, op, b)| format!("({a} {op} {b})")),
        (double(), compare(), double()).prop_map(|(a, op, b)| format!("({a} {op} {b})")),
        (text(), compare(), text()).prop_map(|(a, op, b)| format!("({a} {op} {b})")),
        Just("true".to_owned()),
        Just("false".to_owned()),
    ]
    .prop_recursive(3, 12, 2, |inner| {
        prop_oneof![
            (inner.clone(), prop::sample::select(vec!["&&", "||", "==", "!="]), inner.clone())
                .prop_map(|(a, op, b)| format!("({a} {op} {b})")),
            inner.prop_map(|a| format!("!{a}")),
        ]
    });
    prop_oneof![int(), double(), text(), truth]
}
