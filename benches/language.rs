//! Expressions, templates and routing: the condition of an outcome and a short message against look-ups by hand, parsing, and the
//! choice among a thousand journeys.

#![expect(clippy::expect_used, reason = "what a benchmark is made of must be sound")]

mod common;
#[path = "floors/pointer.rs"]
mod floor;

use std::hint::black_box;

use common::{Report, generate, repeat, show, timed};
use serde_json::{Value as Json, json};
use waypost::check;
use waypost::expr::{Node, Program, Root, Scope};
use waypost::source::{Span, Text};
use waypost::template::{Template, Undefined};
use waypost::understand::Router;
use waypost::value::{Taint, Value};

/// Evaluations in one measurement.
const TIMES: u32 = 100_000;

/// What is looked at.
struct Data {
    variables: Json,
    response: Json,
    clean: Taint,
}

impl Scope for Data {
    fn member(&self, root: Root, key: &str) -> Option<Node<'_>> {
        let json = match root {
            Root::Response => &self.response,
            _ => &self.variables,
        };
        Some(Node { json: json.get(key)?, taint: &self.clean })
    }

    fn whole(&self, _: Root) -> Option<Value> {
        None
    }
}

fn text(text: &str) -> Text {
    Text::plain(text, Span::default(), 0)
}

fn each<A>(f: impl FnMut() -> A) -> f64 {
    timed(9, repeat(TIMES, f)) / f64::from(TIMES)
}

fn main() {
    let mut report = Report::default();
    let data = Data {
        variables: json!({"order": {"id": "A-1", "status": "shipped", "items": [1, 2, 3]}, "name": "Ada"}),
        response: json!({"status": 200, "body": {"state": "open"}}),
        clean: Taint::default(),
    };

    let source = text("response.status == 200 && $variables.order.status == 'shipped'");
    let (condition, faults) = Program::parse(source.clone());
    assert!(faults.is_empty() && condition.test(&data).expect("a condition") && floor::condition(&data.response, &data.variables));
    report.pair(
        "the condition of an outcome / two look-ups by hand",
        1.5,
        repeat(TIMES, || floor::condition(black_box(&data.response), black_box(&data.variables))),
        repeat(TIMES, || black_box(&condition).test(black_box(&data))),
    );
    println!("the condition of an outcome: {}", show(each(|| black_box(&condition).test(black_box(&data)))));
    println!("parsing it: {}", show(each(|| Program::parse(black_box(&source).clone()))));

    let source = text("Order {{ variables.order.id }} is {{ variables.order.status }}.");
    let (template, faults) = Template::parse(source.clone());
    let rendered = template.render(&data, Undefined::Nothing).expect("a text");
    assert!(faults.is_empty() && rendered.text == floor::message(&data.variables), "{rendered:?}");
    report.pair(
        "a short message / its words put together by hand",
        5.0,
        repeat(TIMES, || floor::message(black_box(&data.variables))),
        repeat(TIMES, || black_box(&template).render(black_box(&data), Undefined::Nothing)),
    );
    println!("a short message: {}", show(each(|| black_box(&template).render(black_box(&data), Undefined::Nothing))));

    let checked = check::load(generate::workspace(1_000));
    let workspace = checked.loaded().expect("the workspace checks");
    let router = Router::new(&workspace);
    let ranked = router.route("please close my case of kind 517", &data);
    assert!(!ranked.is_empty(), "many journeys look alike to it");
    let seconds = timed(9, || router.route(black_box("please close my case of kind 517"), &data));
    report.most("the journey of a message among 1,000", seconds * 1e3, 1.0, "ms");
    report.finish();
}
