//! A workspace with one long journey, made by rule.

use std::fmt::Write;

use crate::common::generate::{Files, base};

/// A workspace with one journey of so many steps, 200 variables, and a `goto` back in every 19 steps.
///
/// One step sets all variables first, so that long and short journeys hold the same mix of steps.
pub fn one(steps: usize) -> Files {
    let mut files = base();
    let mut text = String::from("name: Long\ntrigger: {goal: a long way, examples: [the long way]}\njourney:\n");
    text.push_str("  - set:\n");
    for v in 0..200 {
        let _ = writeln!(text, "      v{v}: {v}");
    }
    let mut n = 3;
    let mut block = 0;
    let _ = writeln!(text, "  - collect: [reason]\n    name: b0");
    while n + 19 <= steps {
        let _ = writeln!(text, "  - collect: [reason]\n    name: b{}", block + 1);
        for k in 0..8 {
            let v = (block * 8 + k) % 200;
            let _ = writeln!(text, "  - set: {{v{v}: \"$variables.v{} + 1\"}}", (v + 7) % 200);
            let _ = writeln!(text, "  - say: 'step {{{{ variables.v{v} }}}}'");
        }
        let _ = writeln!(text, "  - if: $variables.v{} > 100\n    then: [{{goto: b{}}}]", block % 200, block * 7 % (block + 1));
        n += 19;
        block += 1;
    }
    for _ in n..steps {
        text.push_str("  - say: Nearly there.\n");
    }
    text.push_str("  - done: The end.\n");
    files.push(("journeys/long.yaml".into(), text.into()));
    files
}

/// A workspace with one journey of so many steps in which something is to be proved in every ten: a yes, an identity, fresh values,
/// and what may be said.
pub fn supervised(steps: usize) -> Files {
    let mut files = base();
    let mut text = String::from("name: Long\ntrigger: {goal: a long way, examples: [the long way]}\njourney:\n");
    text.push_str(
        "  - collect: [code]\n  - verify: {call: desk.check-code, verified: [right], subject: $variables.code, on_failed: escalate}\n",
    );
    let mut n = 3;
    let mut block = 0;
    while n + 10 <= steps {
        let _ = writeln!(text, "  - collect: [case_id, reason]\n    name: b{block}");
        let _ = writeln!(
            text,
            "  - action: desk.find-case -> case\n    outcomes: {{found: continue, closed: continue, missing: [{{goto: b{block}}}]}}"
        );
        let _ = writeln!(text, "  - set: {{note{}: \"$variables.case.state + ' ' + mask($variables.code)\"}}", block % 50);
        let _ = writeln!(text, "  - say: 'noted {{{{ variables.note{} }}}}'", block % 50);
        let _ = writeln!(text, "  - confirm: {{fields: [case_id, reason], for: [desk.close-case]}}");
        let _ = writeln!(text, "  - action: desk.close-case\n    outcomes: {{closed: continue, refused: [{{goto: b{block}}}]}}");
        let _ = writeln!(text, "  - choice: {{On: continue, Back: {{goto: b{block}}}}}");
        n += 10;
        block += 1;
    }
    for _ in n..steps {
        text.push_str("  - say: Nearly there.\n");
    }
    text.push_str("  - done: The end.\n");
    files.push(("journeys/long.yaml".into(), text.into()));
    files
}

/// The same with names of its own in every ten steps: fields, an answer, and what is computed from both and sent.
pub fn distinct(steps: usize) -> Files {
    let mut files = base();
    let mut points = String::new();
    let mut text = String::from("name: Long\ntrigger: {goal: a long way, examples: [the long way]}\njourney:\n");
    let blocks = steps / 10;
    for b in 0..blocks {
        let _ = writeln!(points, "- {{name: Case {b}, type: string, validation: {{pattern: 'C-[0-9]+'}}}}");
        let _ = writeln!(points, "- {{name: Why {b}, type: string}}");
        let _ = writeln!(text, "  - collect: [case_{b}, why_{b}]\n    name: b{b}");
        let outcomes = format!("{{found: continue, closed: continue, missing: [{{goto: b{b}}}]}}");
        let _ = writeln!(
            text,
            "  - action: desk.find-case -> found{b}\n    inputs: {{case_id: $variables.case_{b}}}\n    outcomes: {outcomes}"
        );
        let _ = writeln!(text, "  - set: {{note{b}: \"$variables.found{b}.state + ' ' + $variables.why_{b}\"}}");
        let _ = writeln!(text, "  - say: 'noted {{{{ variables.note{b} }}}}'");
        let _ = writeln!(text, "  - confirm: {{fields: [case_{b}, note{b}], for: [desk.close-case]}}");
        let _ = writeln!(
            text,
            "  - action: desk.close-case\n    inputs: {{case_id: $variables.case_{b}, reason: $variables.note{b}}}\n    outcomes: {{closed: continue, refused: [{{goto: b{b}}}]}}"
        );
        let _ = writeln!(text, "  - choice: {{On: continue, Back: {{goto: b{b}}}}}");
    }
    for _ in blocks * 10 + 1..steps {
        text.push_str("  - say: Nearly there.\n");
    }
    text.push_str("  - done: The end.\n");
    files.push(("journeys/long.yaml".into(), text.into()));
    files.push(("datapoints/many.yaml".into(), points.into()));
    files
}
