//! Conditions by themselves: their formulas against slow plain ones over random histories, and what is not to be changed by what comes
//! later.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use serde_json::{Value as Json, json};
use waypost::registry::{Condition, ConditionDefinition, Given, Judged, Known, Operands, PrimitiveId, Reason, Sample, Series, Verdict};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_795_000_000 + seconds).unwrap()
}

fn parse(strategy: &Json, input: &str) -> Result<ConditionDefinition, String> {
    let mut body = json!({"condition_id": "c", "version": "1", "namespace": "org", "strategy": strategy});
    if !input.is_empty() {
        body["input"] = input.into();
    }
    ConditionDefinition::parse(&body).map_err(|faults| faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
}

fn condition(strategy: &Json, input: &str) -> Condition {
    Condition::new(parse(strategy, input).unwrap_or_else(|e| panic!("{strategy}: {e}")), Operands::new())
}

fn over(condition: &Condition, data: &Json, known: &[(&str, Json)], history: &[Sample], now: Timestamp) -> Judged {
    let primitives: BTreeMap<_, _> =
        known.iter().map(|(id, v)| (PrimitiveId::parse(id).unwrap(), Known { value: Arc::new(v.clone()), at: now })).collect();
    let history = condition.needs().history.into_keys().map(|series| (series, history.to_vec())).collect();
    condition.evaluate(&Given { entity: "c-1", timestamp: now, data, primitives, history })
}

fn judge(strategy: &Json, input: &str, data: &Json) -> (Option<bool>, Option<Reason>) {
    let judged = over(&condition(strategy, input), data, &[("billing.balance", json!(12.5)), ("billing.plan", json!("gold"))], &[], at(0));
    (judged.value.as_bool(), judged.reason)
}

#[test]
fn each_strategy_decides() {
    let known = |strategy: Json, input: &str, data: Json| match judge(&strategy, input, &data) {
        (Some(value), None) => value,
        other => panic!("{strategy} over {data}: {other:?}"),
    };
    let expression = |text: &str| json!({"type": "expression", "params": {"expression": text}});
    let threshold = |direction: &str, value: f64| json!({"type": "threshold", "params": {"direction": direction, "value": value}});
    assert!(known(expression("data.amount > 10 && primitives.billing.plan == 'gold' && entity == 'c-1'"), "", json!({"amount": 11})));
    assert!(!known(expression("has(data.amount) && data.amount > 10"), "", json!({})));
    assert!(known(expression("data.kind == 'a' ? data.x > 1 : now < timestamp('2100-01-01T00:00:00Z')"), "", json!({"kind": "b"})));
    assert!(known(json!({"type": "expression"}), "data.amount > 10", json!({"amount": 11})));
    assert!(known(threshold("above", 12.0), "billing.balance", json!({})));
    assert!(!known(threshold("above", 12.5), "billing.balance", json!({})));
    assert!(known(threshold("below", 12.0), "data.amount * 2", json!({"amount": 5})));
    assert!(known(json!({"type": "equals", "params": {"value": "gold"}}), "billing.plan", json!({})));
    assert!(known(json!({"type": "equals", "params": {"value": 3}}), "data.n", json!({"n": 3.0})));
    let (even, odd) = (9_007_199_254_740_992_i64, 9_007_199_254_740_993_i64);
    for (value, given, same) in [(odd, odd, true), (odd, even, false), (even, odd, false), (-odd, -even, false)] {
        assert_eq!(
            known(json!({"type": "equals", "params": {"value": value}}), "data.n", json!({"n": given})),
            same,
            "{value} and {given}"
        );
        assert_eq!(
            known(json!({"type": "equals", "params": {"labels": [value]}}), "data.n", json!({"n": given})),
            same,
            "{value} and {given}"
        );
    }
    assert!(!known(json!({"type": "equals", "params": {"value": u64::MAX}}), "data.n", json!({"n": -1})));
    assert!(!known(json!({"type": "equals", "params": {"labels": ["silver", "bronze"]}}), "billing.plan", json!({})));
    let either = |operator: &str, values: &[f64]| {
        let operands: Vec<Json> = values.iter().map(|v| json!({"input": "data.n", "strategy": threshold("above", *v)})).collect();
        json!({"type": "composite", "params": {"operator": operator, "operands": operands}})
    };
    assert!(known(either("OR", &[9.0, 2.0]), "", json!({"n": 5})));
    assert!(!known(either("AND", &[9.0, 2.0]), "", json!({"n": 5})));
    assert!(known(either("NOT", &[9.0]), "", json!({"n": 5})));
}

#[test]
fn how_far_back_is_looked_if_nobody_says() {
    let month = SignedDuration::from_hours(30 * 24);
    for (strategy, window) in [
        (json!({"type": "z_score", "params": {"threshold": 2, "direction": "any"}}), Some(month)),
        (json!({"type": "z_score", "params": {"threshold": 2, "direction": "any", "window": "90s"}}), Some(SignedDuration::from_secs(90))),
        (json!({"type": "percentile", "params": {"direction": "top", "value": 10}}), None),
        (json!({"type": "change", "params": {"direction": "any", "value": 1}}), Some(SignedDuration::from_hours(24))),
    ] {
        let condition = condition(&strategy, "billing.balance");
        assert_eq!(condition.needs().history.into_values().collect::<Vec<_>>(), [window], "{strategy}");
        // What is older does not count.
        let days = |n: i64| at(-n * 24 * 60 * 60);
        let old: Vec<Sample> = [35, 34, 33, 32, 31].map(|n| Sample { at: days(n), value: f64::from(u8::try_from(n).unwrap()) }).into();
        let judged = over(&condition, &json!({}), &[("billing.balance", json!(1000))], &old, at(0));
        assert_eq!(judged.value.as_bool().is_some(), window.is_none(), "{strategy}: {judged:?}");
    }
}

#[test]
fn what_cannot_be_said_is_unknown_with_its_reason() {
    let threshold = json!({"type": "threshold", "params": {"direction": "above", "value": 1}});
    let expression = |text: &str| json!({"type": "expression", "params": {"expression": text}});
    let cases = [
        (threshold.clone(), "data.amount", json!({}), Reason::MissingInput),
        (threshold.clone(), "data.order.amount", json!({"order": {}}), Reason::MissingInput),
        (threshold.clone(), "billing.debt", json!({}), Reason::MissingInput),
        (threshold.clone(), "data.amount", json!({"amount": "many"}), Reason::TypeMismatch),
        (expression("data.amount > 1"), "", json!({}), Reason::MissingInput),
        (expression("data.status == 'gone'"), "", json!({}), Reason::MissingInput),
        (expression("primitives.billing.debt == 'none'"), "", json!({}), Reason::MissingInput),
        (expression("data.amount > 1"), "", json!({"amount": "many"}), Reason::FailingExpression),
        (expression("data.amount"), "", json!({"amount": 3}), Reason::TypeMismatch),
        (
            json!({"type": "change", "params": {"direction": "any", "value": 0.1}}),
            "data.amount",
            json!({"amount": 3}),
            Reason::InsufficientHistory,
        ),
        (
            json!({"type": "z_score", "params": {"direction": "any", "threshold": 1}}),
            "data.amount",
            json!({"amount": 3}),
            Reason::InsufficientHistory,
        ),
        (
            json!({"type": "percentile", "params": {"direction": "top", "value": 10}}),
            "data.amount",
            json!({"amount": 3}),
            Reason::InsufficientHistory,
        ),
    ];
    for (strategy, input, data, reason) in cases {
        assert_eq!(judge(&strategy, input, &data), (None, Some(reason)), "{strategy} {input} {data}");
    }
    // What is known may decide, whatever else is not.
    let part = |amount: &str| json!({"input": amount, "strategy": threshold});
    let composite =
        |operator: &str| json!({"type": "composite", "params": {"operator": operator, "operands": [part("data.a"), part("data.b")]}});
    assert_eq!(judge(&composite("OR"), "", &json!({"a": 2})).0, Some(true));
    assert_eq!(judge(&composite("AND"), "", &json!({"a": 0})).0, Some(false));
    assert_eq!(judge(&composite("AND"), "", &json!({"a": 2})), (None, Some(Reason::MissingInput)));
    let same: Vec<Sample> = (0..5).map(|n| Sample { at: at(n), value: 4.0 }).collect();
    let z = condition(&json!({"type": "z_score", "params": {"direction": "any", "threshold": 1}}), "data.n");
    assert_eq!(over(&z, &json!({"n": 9}), &[], &same, at(9)).reason, Some(Reason::ZeroVariance));
    let change = condition(&json!({"type": "change", "params": {"direction": "any", "value": 1}}), "data.n");
    assert_eq!(over(&change, &json!({"n": 9}), &[], &[Sample { at: at(0), value: 0.0 }], at(9)).reason, Some(Reason::InfiniteChange));
}

#[test]
fn what_is_wrong_with_a_condition_is_said() {
    let cases = [
        (json!({"type": "treshold", "params": {}}), "data.n", "`strategy.type`: there is no strategy `treshold` (write `threshold`)"),
        (
            json!({"type": "threshold", "params": {"direction": "above"}}),
            "data.n",
            "`strategy.params`: `threshold` needs the parameter `value`",
        ),
        (
            json!({"type": "threshold", "params": {"direction": "abov", "value": 1}}),
            "data.n",
            "`direction` of `threshold` cannot be \"abov\" (write `above`)",
        ),
        (json!({"type": "threshold", "params": {"direction": "above", "value": "1"}}), "data.n", "expected a number for `value`"),
        (json!({"type": "threshold", "params": {"direction": "above", "value": 1}}), "", "`input` is missing"),
        (json!({"type": "threshold", "params": {"direction": "above", "value": 1}}), "dta.n +", "`input`: expected a value"),
        (json!({"type": "threshold", "params": {"direction": "above", "value": 1}}), "amount", "nothing is called `amount` here"),
        (
            json!({"type": "percentile", "params": {"direction": "above", "value": 5}}),
            "data.n",
            "`direction` of `percentile` cannot be \"above\"",
        ),
        (json!({"type": "percentile", "params": {"direction": "top", "value": 101}}), "data.n", "is from 0 to 100"),
        (json!({"type": "change", "params": {"direction": "any", "value": 1, "window": "soon"}}), "data.n", "`window` cannot be \"soon\""),
        (json!({"type": "z_score", "params": {"direction": "any", "threshold": -1}}), "data.n", "`threshold` of `z_score` is above 0"),
        (json!({"type": "equals", "params": {}}), "data.n", "needs the parameter `value` or `labels`"),
        (json!({"type": "composite", "params": {"operator": "AND", "operands": []}}), "", "there are 0 operands"),
        (
            json!({"type": "composite", "params": {"operator": "NOT", "operands": [{"condition_id": "a"}]}}),
            "",
            "`condition_version` is missing",
        ),
        (json!({"type": "expression", "params": {"expression": "variables.x > 1"}}), "", "nothing is called `variables` here"),
        (json!({"type": "expression", "params": {"expression": "primitives.x > 1"}}), "", "does not say which primitive"),
    ];
    for (strategy, input, said) in cases {
        let why = parse(&strategy, input).expect_err(&strategy.to_string());
        assert!(why.contains(said), "{strategy}: {why}");
    }
}

/// Slow, plain, and by the book: the relative change, the standard score with the population's deviation, and the percentile by
/// linear interpolation (Hyndman and Fan's seventh). `None`: nobody can say.
#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "they are few")]
fn by_the_book(strategy: &Json, x: f64, before: &[f64]) -> Option<bool> {
    let (params, n) = (&strategy["params"], before.len());
    let direction = params["direction"].as_str().unwrap();
    let sum = |values: &[f64]| values.iter().fold(0.0, |a, b| a + b);
    match strategy["type"].as_str().unwrap() {
        "change" => {
            let p = *before.last()?;
            let change = (x - p) / p.abs();
            let value = params["value"].as_f64().unwrap();
            (p != 0.0).then_some(match direction {
                "increase" => change > value,
                "decrease" => -change > value,
                _ => change > value || -change > value,
            })
        }
        "z_score" => {
            let mean = sum(before) / n as f64;
            let squares: Vec<f64> = before.iter().map(|v| (v - mean) * (v - mean)).collect();
            let deviation = (sum(&squares) / n as f64).sqrt();
            let (z, threshold) = ((x - mean) / deviation, params["threshold"].as_f64().unwrap());
            let flat = before.iter().all(|v| v - before[0] == 0.0);
            (n >= 3 && !flat).then_some(match direction {
                "above" => z > threshold,
                "below" => -z > threshold,
                _ => z > threshold || -z > threshold,
            })
        }
        _ => {
            let value = params["value"].as_f64().unwrap();
            if n < 3 {
                return None;
            }
            let mut sorted = before.to_vec();
            sorted.sort_by(|a, b| a.partial_cmp(b).unwrap());
            let of = if direction == "top" { 100.0 - value } else { value };
            let h = (n as f64 - 1.0) * of / 100.0;
            let (low, high) = (sorted[h.floor() as usize], sorted[h.ceil() as usize]);
            let cutoff = low + (high - low) * (h - h.floor());
            Some(match (direction, value) {
                (_, 100.0) => true,
                (_, 0.0) => false,
                ("top", _) => x > cutoff,
                _ => x < cutoff,
            })
        }
    }
}

fn strategies() -> impl Strategy<Value = Json> {
    let windows = prop_oneof![Just(json!("10s")), Just(json!("1m")), Just(json!(30))];
    let change = (prop_oneof![Just("increase"), Just("decrease"), Just("any")], 0..4_i32, windows.clone())
        .prop_map(|(d, v, w)| json!({"type": "change", "params": {"direction": d, "value": f64::from(v) / 4.0, "window": w}}));
    let z = (prop_oneof![Just("above"), Just("below"), Just("any")], 1..7_i32, windows.clone())
        .prop_map(|(d, t, w)| json!({"type": "z_score", "params": {"direction": d, "threshold": f64::from(t) / 2.0, "window": w}}));
    let percentile = (prop_oneof![Just("top"), Just("bottom")], 0..=20_i32, windows)
        .prop_map(|(d, v, w)| json!({"type": "percentile", "params": {"direction": d, "value": f64::from(v) * 5.0, "window": w}}));
    prop_oneof![change, z, percentile]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn history_strategies_are_those_of_the_book(
        strategy in strategies(),
        mut past in prop::collection::vec((0..90_i64, -20..20_i32), 0..30),
        x in -40..40_i32,
        later in prop::collection::vec((90..200_i64, -20..20_i32), 0..5),
        primitive in any::<bool>(),
    ) {
        past.sort_by_key(|(t, _)| *t);
        past.dedup_by_key(|(t, _)| *t);
        let (now, x) = (at(90), f64::from(x));
        let window = match &strategy["params"]["window"] { Json::String(w) if w == "10s" => 10, Json::String(_) => 60, _ => 30 };
        let inside: Vec<f64> = past.iter().filter(|(t, _)| *t >= 90 - window).map(|(_, v)| f64::from(*v)).collect();
        let expected = by_the_book(&strategy, x, &inside);
        let condition = condition(&strategy, if primitive { "billing.balance" } else { "data.x" });
        let sample = |(t, v): &(i64, i32)| Sample { at: at(*t), value: f64::from(*v) };
        let mut history: Vec<Sample> = past.iter().map(sample).collect();
        let judge = |history: &[Sample]| over(&condition, &json!({"x": x}), &[("billing.balance", json!(x))], history, now);
        let first = judge(&history);
        // Where two ways of adding differ in their last digits, either is right: such scores lie at the limit itself.
        let close = first.inputs["z_score"].as_f64().is_some_and(|z| (z.abs() - strategy["params"]["threshold"].as_f64().unwrap()).abs() < 1e-9);
        let close = close || first.inputs["cutoff"].as_f64().is_some_and(|c| (c - x).abs() < 1e-9);
        prop_assert!(close || first.value.as_bool() == expected, "{strategy} {x} {inside:?}: {first:?}, not {expected:?}");
        // Nothing that is known later changes it.
        history.extend(later.iter().map(sample));
        prop_assert_eq!(judge(&history), first);
    }

    #[test]
    fn a_definition_is_read_or_refused_and_never_breaks(body in any_json()) {
        let _ = ConditionDefinition::parse(&body);
        let whole = json!({"condition_id": "c", "version": "1", "namespace": "n", "input": body, "strategy": {"type": "equals", "params": {"value": 1}}});
        let _ = ConditionDefinition::parse(&whole);
        for name in waypost::registry::strategy::TYPES {
            let whole = json!({"condition_id": "c", "version": "1", "namespace": "n", "input": "data.n", "strategy": {"type": name, "params": body}});
            if let Ok(definition) = ConditionDefinition::parse(&whole) {
                let condition = Condition::new(definition, Operands::new());
                let judged = over(&condition, &body, &[], &[], at(0));
                prop_assert_eq!(judged.reason.is_some(), judged.value == Verdict::Unknown);
            }
        }
    }
}

fn any_json() -> impl Strategy<Value = Json> {
    let keys = prop_oneof![
        Just("direction"),
        Just("value"),
        Just("window"),
        Just("labels"),
        Just("operands"),
        Just("operator"),
        Just("strategy"),
        Just("input"),
        Just("type"),
        Just("params"),
        Just("expression")
    ];
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<f64>().prop_map(|n| json!(n)),
        prop_oneof![
            Just("above"),
            Just("any"),
            Just("top"),
            Just("NOT"),
            Just("data.n"),
            Just("equals"),
            Just("9d"),
            Just("99999999999999999d")
        ]
        .prop_map(Json::from),
    ];
    leaf.prop_recursive(4, 24, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
            prop::collection::vec((keys.clone(), inner), 0..5)
                .prop_map(|all| Json::Object(all.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())),
        ]
    })
}

#[test]
fn the_same_expression_keeps_its_history_across_versions() {
    let series = |strategy: Json, input: &str| condition(&strategy, input).needs().history.into_keys().next();
    let change = |value: f64| json!({"type": "change", "params": {"direction": "any", "value": value}});
    assert_eq!(series(change(0.1), "data.amount"), series(change(0.5), "data . amount"));
    assert_ne!(series(change(0.1), "data.amount"), series(change(0.1), "data.total"));
    assert_eq!(series(change(0.1), "billing.balance"), Some(Series::Primitive(PrimitiveId::parse("billing.balance").unwrap())));
    let window = condition(&change(0.1), "data.amount").needs().history.into_values().next().unwrap();
    assert_eq!(window, Some(SignedDuration::from_hours(24)));
}
