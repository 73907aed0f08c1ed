//! Functions from one type to another.

use super::super::value::{Budget, Reason, Val, exact_int, show_span, show_time};
use super::list::as_double;

pub(super) fn int<'a>(_: &mut Budget, args: &[Val<'a>]) -> Result<Val<'a>, Reason> {
    match args.first() {
        Some(Val::Int(n)) => Ok(Val::Int(*n)),
        Some(Val::Double(n)) => exact_int(n.trunc()).map(Val::Int).ok_or_else(|| "the number does not fit in 64 bits".into()),
        Some(Val::Time(t)) => Ok(Val::Int(super::time::floor(*t))),
        Some(text) => match text.as_text().map(str::parse) {
            Some(Ok(n)) => Ok(Val::Int(n)),
            _ => Err("the text writes no integer".into()),
        },
        None => Err("`int` takes a value".into()),
    }
}

pub(super) fn double<'a>(_: &mut Budget, args: &[Val<'a>]) -> Result<Val<'a>, Reason> {
    match args.first() {
        Some(number @ (Val::Int(_) | Val::Double(_))) => as_double(number).map(Val::Double).ok_or_else(String::new),
        Some(text) => match text.as_text().map(str::parse) {
            Some(Ok(n)) => Ok(Val::Double(n)),
            _ => Err("the text writes no number".into()),
        },
        None => Err("`double` takes a value".into()),
    }
}

pub(super) fn string<'a>(budget: &mut Budget, args: &[Val<'a>]) -> Result<Val<'a>, Reason> {
    match args.first() {
        Some(Val::Int(n)) => budget.text(n.to_string()),
        Some(Val::Double(n)) => budget.text(show_double(*n)),
        Some(Val::Bool(b)) => Ok(Val::Text(if *b { "true" } else { "false" })),
        Some(Val::Time(t)) => budget.text(show_time(*t)),
        Some(Val::Span(s)) => budget.text(show_span(*s)),
        Some(text) => Ok(text.clone()),
        None => Err("`string` takes a value".into()),
    }
}

/// The shortest form that reads back as the same number, with an exponent where the digits would be many.
pub(in super::super) fn show_double(n: f64) -> String {
    if n == 0.0 || (1e-6..1e21).contains(&n.abs()) || !n.is_finite() { n.to_string() } else { format!("{n:e}") }
}

pub(super) fn bool<'a>(_: &mut Budget, args: &[Val<'a>]) -> Result<Val<'a>, Reason> {
    match args.first() {
        Some(Val::Bool(b)) => Ok(Val::Bool(*b)),
        Some(text) => match text.as_text() {
            Some("true" | "True" | "TRUE" | "t" | "1") => Ok(Val::Bool(true)),
            Some("false" | "False" | "FALSE" | "f" | "0") => Ok(Val::Bool(false)),
            _ => Err("the text writes no truth value".into()),
        },
        None => Err("`bool` takes a value".into()),
    }
}

pub(super) fn dynamic<'a>(_: &mut Budget, args: &[Val<'a>]) -> Result<Val<'a>, Reason> {
    args.first().cloned().ok_or_else(|| "`dyn` takes a value".into())
}
