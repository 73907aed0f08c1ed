//! One JSON object, for programs.

use serde_json::{Value, json};

use super::Results;

pub(super) fn render(results: &Results) -> String {
    let tests: Vec<Value> = results
        .tests
        .iter()
        .map(|test| {
            let failures: Vec<Value> = test
                .failures
                .iter()
                .map(|f| json!({"line": results.line(f.span), "message": f.message, "expected": f.expected, "actual": f.actual}))
                .collect();
            let status = if failures.is_empty() { "passed" } else { "failed" };
            json!({"name": test.name, "file": test.file, "status": status, "failures": failures, "ms": test.ms})
        })
        .collect();
    let failed = results.failed();
    let summary = json!({"passed": results.tests.len() - failed, "failed": failed});
    format!("{:#}\n", json!({"tests": tests, "summary": summary, "coverage": results.coverage.json()}))
}
