//! Functions of lists and numbers, and `size`.

use super::super::value::{Budget, Reason, Val, exact_int};

pub(super) fn size<'a>(budget: &mut Budget, args: &[Val<'a>]) -> Result<Val<'a>, Reason> {
    let count = match args.first() {
        Some(value) => match value.as_text() {
            Some(text) => {
                budget.step(text.len() / 64)?;
                text.chars().count()
            }
            None => value.len().unwrap_or(0),
        },
        None => 0,
    };
    Ok(Val::Int(i64::try_from(count).unwrap_or(i64::MAX)))
}

pub(super) fn range<'a>(budget: &mut Budget, args: &[Val<'a>]) -> Result<Val<'a>, Reason> {
    let (from, to) = match args {
        [Val::Int(from), Val::Int(to)] => (*from, *to),
        [Val::Int(to)] => (0, *to),
        _ => return Err("`range` takes integers".into()),
    };
    let count = usize::try_from(to.saturating_sub(from).max(0)).unwrap_or(usize::MAX);
    budget.step(count)?;
    budget.list((from..to).map(Val::Int).collect())
}

pub(super) fn sum<'a>(budget: &mut Budget, args: &[Val<'a>]) -> Result<Val<'a>, Reason> {
    let Some(list) = args.first() else { return Ok(Val::Int(0)) };
    let mut total = Val::Int(0);
    for index in 0..list.len().unwrap_or(0) {
        budget.step(1)?;
        let element = list.element(index).unwrap_or(Val::Null);
        total = match (&total, &element) {
            (Val::Int(a), Val::Int(b)) => Val::Int(a.checked_add(*b).ok_or("the sum does not fit in 64 bits")?),
            (a, b) => match (as_double(a), as_double(b)) {
                (Some(a), Some(b)) => Val::Double(a + b),
                _ => return Err(format!("`sum` takes a list of numbers; element {index} is {}", element.what())),
            },
        };
    }
    Ok(total)
}

#[expect(clippy::cast_precision_loss, reason = "an integer that meets a double becomes the nearest one")]
pub(in super::super) fn as_double(value: &Val<'_>) -> Option<f64> {
    match value {
        Val::Int(n) => Some(*n as f64),
        Val::Double(n) => Some(*n),
        _ => None,
    }
}

pub(super) fn round<'a>(_: &mut Budget, args: &[Val<'a>]) -> Result<Val<'a>, Reason> {
    match args {
        [whole @ Val::Int(_), ..] => Ok(whole.clone()),
        [Val::Double(n)] => exact_int(n.round()).map(Val::Int).ok_or_else(|| "the rounded number does not fit in 64 bits".into()),
        [Val::Double(n), Val::Int(places @ 0..=15)] => {
            let shown = format!("{:.*}", usize::try_from(*places).unwrap_or(0), nudge(*n));
            shown.parse().map(Val::Double).map_err(|_| "`round` takes a finite number".into())
        }
        _ => Err("`round` takes 0 to 15 places".into()),
    }
}

/// The number as it is written in decimals, a hair further from zero, so that a written half rounds away from it.
fn nudge(n: f64) -> f64 {
    n + n * f64::EPSILON
}

pub(super) fn abs<'a>(_: &mut Budget, args: &[Val<'a>]) -> Result<Val<'a>, Reason> {
    match args {
        [Val::Int(n)] => n.checked_abs().map(Val::Int).ok_or_else(|| "the result does not fit in 64 bits".into()),
        [Val::Double(n)] => Ok(Val::Double(n.abs())),
        _ => Err("`abs` takes a number".into()),
    }
}

pub(super) fn distinct<'a>(budget: &mut Budget, args: &[Val<'a>]) -> Result<Val<'a>, Reason> {
    let Some(list) = args.first() else { return Err("`distinct` takes a list".into()) };
    let mut seen: Vec<Val<'a>> = Vec::new();
    for index in 0..list.len().unwrap_or(0) {
        let element = list.element(index).unwrap_or(Val::Null);
        let mut new = true;
        for other in &seen {
            budget.step(1)?;
            if element.equals(other, budget)? {
                new = false;
                break;
            }
        }
        if new {
            seen.push(element);
        }
    }
    budget.list(seen)
}
