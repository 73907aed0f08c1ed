//! `equals`: whether a value is the one that is named, or one of several.

use super::{Found, Params};
use crate::value::Json;

/// `equals {value | labels}`: with both, `labels` are those that `value` is chosen from.
#[derive(Debug, Clone, PartialEq)]
pub struct Equals {
    /// The one.
    pub value: Option<Json>,
    /// The several.
    pub labels: Vec<Json>,
}

impl Equals {
    pub(super) fn parse(params: &mut Params<'_>) -> Option<Self> {
        params.only(&["value", "labels"]);
        let value = params.get("value").cloned();
        if value.as_ref().is_some_and(|v| v.is_object() || v.is_array()) {
            params.fault("value", "expected text, a number or a truth value for `value`", "name several under `labels`");
            return None;
        }
        let labels = match params.get("labels") {
            None => Vec::new(),
            Some(Json::Array(labels)) if !labels.is_empty() && !labels.iter().any(|l| l.is_object() || l.is_array() || l.is_null()) => {
                labels.clone()
            }
            Some(_) => {
                params.fault("labels", "expected a list of at least one value for `labels`", "write `[gold, silver]`");
                return None;
            }
        };
        if value.is_none() && labels.is_empty() {
            params.fault("value", "`equals` needs the parameter `value` or `labels`", "add `value:`, what it has to be");
            return None;
        }
        if let Some(value) = value.as_ref().filter(|v| !labels.is_empty() && !labels.iter().any(|l| same(l, v))) {
            params.fault("value", format!("`value` is {value}, which is none of the `labels`"), "name one of them");
            return None;
        }
        Some(Self { value, labels })
    }

    /// Whether it is that, or one of those.
    #[must_use]
    pub fn decide(&self, given: &Json) -> Found {
        if let Some(value) = &self.value {
            let holds = same(value, given);
            return Found::new(holds, format!("it is {}{value}", if holds { "" } else { "not " }));
        }
        let holds = self.labels.iter().any(|l| same(l, given));
        Found::new(holds, format!("it is {} of the labels", if holds { "one" } else { "none" }))
    }
}

/// Numbers are the same whatever they are written as.
fn same(a: &Json, b: &Json) -> bool {
    match (whole(a).zip(whole(b)), a.as_f64().zip(b.as_f64())) {
        (Some((a, b)), _) => a == b,
        (None, Some((a, b))) => a.total_cmp(&b).is_eq() || (a - b) == 0.0,
        (None, None) => a == b,
    }
}

/// A number that is written whole: as a float it might be another.
fn whole(number: &Json) -> Option<i128> {
    number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from))
}
