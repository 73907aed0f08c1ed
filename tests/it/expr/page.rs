//! `grammar/expressions.md` is true: its list of functions is the table's, and every example on it holds.

use serde_json::json;
use waypost::expr::functions_page;

use super::data::{Data, eval};

const PAGE: &str = include_str!("../../../grammar/expressions.md");

#[test]
fn the_page_lists_the_functions_of_the_table() {
    assert!(PAGE.contains(&functions_page()), "put this into grammar/expressions.md:\n{}", functions_page());
}

#[test]
fn every_example_of_the_table_holds() {
    let data = Data::default();
    let mut examples = 0;
    for row in functions_page().lines().filter(|l| l.starts_with("| `")) {
        let cell = row.replace("\\|", "|");
        let (left, right) = cell.rsplit_once("` is `").expect(row);
        let (_, left) = left.rsplit_once(" | `").expect(row);
        let right = right.trim_end_matches("` |");
        assert_eq!(eval(left, &data), eval(right, &data), "{row}");
        examples += 1;
    }
    assert!(examples > 40, "{examples}");
}

/// Blocks marked `expr` hold `expression  →  value`, or `→ error`; they see the data in the block marked `json`.
#[test]
fn every_example_of_the_page_holds() {
    let (mut block, mut data, mut examples) = (None, String::new(), Vec::new());
    for line in PAGE.lines() {
        match (block, line.strip_prefix("```")) {
            (None, Some(kind)) => block = Some(kind),
            (Some(_), Some(_)) => block = None,
            (Some("json"), None) => data.push_str(line),
            (Some("expr"), None) => examples.push(line),
            _ => {}
        }
    }
    let data = Data::new(serde_json::from_str(&data).expect("the block of data"));
    for example in &examples {
        let (text, expected) = example.split_once("  → ").expect(example);
        let given = eval(text.trim(), &data);
        match expected.trim() {
            "error" => assert!(given.is_err(), "{example}: {given:?}"),
            value => assert_eq!(given.map_err(|e| e.message), eval(value, &Data::new(json!({}))).map_err(|e| e.message), "{example}"),
        }
    }
    assert!(examples.len() > 20, "{}", examples.len());
}
