//! The part of `grammar/expressions.md` that lists functions and macros, made from their tables.

use std::fmt::Write as _;

use super::builtins::{Builtin, Style, TABLE};
use super::macros::MACROS;

/// Every function and macro as a table in Markdown, each with an example that holds.
#[must_use]
pub fn functions_page() -> String {
    let mut out = String::from("| function | gives | for example |\n|---|---|---|\n");
    for function in TABLE {
        let forms: Vec<String> = function.forms.iter().map(|f| form(function, f)).collect();
        row(&mut out, &forms, function.about, function.example);
    }
    row(
        &mut out,
        &["`has(path)` → truth value".into()],
        "whether a member is there, even if it is null; nothing on the way fails",
        ("has({'a': null}.a)", "true"),
    );
    row(
        &mut out,
        &["`coalesce(value, …)` → value".into()],
        "the first that is not null; those after it are not evaluated",
        ("coalesce(null, 'x')", "'x'"),
    );
    out.push_str("\n| macro | gives | for example |\n|---|---|---|\n");
    for r in MACROS {
        let forms: Vec<String> = r.forms.iter().map(|f| format!("`list.{f}`")).collect();
        let alias = if r.alias.is_empty() { String::new() } else { format!("; also written `{}`", r.alias) };
        row(&mut out, &forms, &format!("{}{alias}", r.about), r.example);
    }
    out
}

/// A row of the table.
fn row(out: &mut String, forms: &[String], about: &str, example: (&str, &str)) {
    let cell = |text: &str| text.replace('|', "\\|");
    let _ = writeln!(out, "| {} | {} | `{}` is `{}` |", forms.join("<br>"), cell(about), cell(example.0), cell(example.1));
}

fn form(function: &Builtin, form: &super::builtins::Form) -> String {
    let takes: Vec<&str> = form.takes.iter().map(|s| s.name()).collect();
    let call = match (function.style, takes.split_first()) {
        (Style::Method, Some((receiver, rest))) => format!("{receiver}.{}({})", function.name, rest.join(", ")),
        (Style::Global | Style::Either | Style::Method, _) => format!("{}({})", function.name, takes.join(", ")),
    };
    let either = if function.style == Style::Either { ", `.` too" } else { "" };
    format!("`{call}` → {}{either}", form.gives.name())
}
