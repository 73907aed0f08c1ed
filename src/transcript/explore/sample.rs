//! Values to try for a field: its examples, its type and bounds, and what conditions hold it against.

use jiff::Timestamp;

use crate::model::{Datapoint, DatapointType};
use crate::understand::{Locale, normalise};
use crate::value::Json;

/// Values that the field takes, the first the one to take where it does not matter. Two at least, where there are two.
pub(super) fn values(datapoint: &Datapoint, held: &[Json], locale: &Locale, now: Timestamp) -> Vec<Json> {
    let mut all: Vec<Json> = datapoint.examples.clone();
    all.extend(told(datapoint));
    all.extend(held.iter().filter(|v| !v.is_null()).cloned());
    all.extend(of_kind(datapoint, &datapoint.kind));
    let mut seen = Vec::new();
    all.retain(|value| match normalise(datapoint, value, locale, now) {
        Ok(normal) if !seen.contains(&normal) => {
            seen.push(normal);
            true
        }
        _ => false,
    });
    all
}

/// What its own words show of it: `such as H1042`.
fn told(datapoint: &Datapoint) -> Vec<Json> {
    let Some(pattern) = &datapoint.pattern else { return Vec::new() };
    let prompt = datapoint.prompt.as_ref().map(|t| t.text().value.clone());
    let texts = prompt.into_iter().chain(datapoint.placeholder.clone()).chain(datapoint.description.clone());
    texts.filter_map(|text| pattern.inside.find(&text).map(|m| m.as_str().into())).collect()
}

fn of_kind(datapoint: &Datapoint, kind: &DatapointType) -> Vec<Json> {
    let texts = |list: &[&str]| list.iter().map(|t| (*t).into()).collect();
    match kind {
        DatapointType::Email => texts(&["kim@example.com", "lee@example.com"]),
        DatapointType::Phone => texts(&["+43 1 5123456", "+44 20 7946 0958", "+1 212 555 2368"]),
        DatapointType::Boolean => vec![true.into(), false.into()],
        DatapointType::Date => {
            let bounds = [&datapoint.min, &datapoint.max];
            bounds.into_iter().flatten().cloned().chain(["2026-02-02".into(), "2026-03-03".into()]).collect()
        }
        DatapointType::Enum(values) => values.iter().map(|v| (**v).into()).collect(),
        DatapointType::Number => {
            let number = |json: &Option<Json>| json.as_ref().and_then(Json::as_f64);
            let (low, high) = (number(&datapoint.min), number(&datapoint.max));
            let bounds = [&datapoint.min, &datapoint.max].into_iter().flatten().cloned();
            let between = low.map_or(2.0, |l| high.map_or(l + 1.0, |h| f64::midpoint(l, h).floor()));
            #[expect(clippy::cast_possible_truncation, reason = "what is out of bounds is no value of the field, and left out")]
            let whole = Json::from(between as i64);
            [whole, 2.into(), 3.into()].into_iter().chain(bounds).collect()
        }
        DatapointType::List(item) => {
            let items = of_kind(datapoint, item);
            let one = items.first().cloned().map(|i| Json::Array(vec![i]));
            let other = items.get(1).cloned().map(|i| Json::Array(vec![i]));
            one.into_iter().chain(other).collect()
        }
        DatapointType::String => strings(datapoint),
    }
}

fn strings(datapoint: &Datapoint) -> Vec<Json> {
    if let Some(pattern) = &datapoint.pattern {
        return (0..3).filter_map(|n| matching(&pattern.source, n)).map(Json::from).collect();
    }
    let least = usize::try_from(datapoint.min_length.unwrap_or(0)).unwrap_or(0).min(10_000);
    let most = usize::try_from(datapoint.max_length.unwrap_or(10_000)).unwrap_or(10_000);
    let name = datapoint.name.to_lowercase();
    let fit = |word: &str| {
        let long = word.chars().chain(std::iter::repeat_n('a', least.saturating_sub(word.chars().count())));
        Json::from(long.take(most.max(1)).collect::<String>())
    };
    vec![fit(&format!("{name} one")), fit(&format!("{name} two"))]
}

/// A text that a plain pattern matches: classes, groups of alternatives, counts.
fn matching(pattern: &str, variant: usize) -> Option<String> {
    let chars: Vec<char> = pattern.trim_start_matches('^').trim_end_matches('$').chars().collect();
    let mut out = String::new();
    let mut at = 0;
    while let Some(&c) = chars.get(at) {
        at += 1;
        let pick = |set: &[char]| set.get(variant % set.len().max(1)).copied();
        let unit: String = match c {
            '\\' => {
                let class = chars.get(at)?;
                at += 1;
                match class {
                    'd' => pick(&['1', '2', '3'])?.to_string(),
                    'w' => pick(&['a', 'b', 'c'])?.to_string(),
                    's' => " ".to_owned(),
                    other => other.to_string(),
                }
            }
            '[' => {
                let end = chars.iter().skip(at).position(|c| *c == ']')? + at;
                let first = *chars.get(at)?;
                let set: Vec<char> = match (first, chars.get(at + 1), chars.get(at + 2)) {
                    ('^', ..) => return None,
                    (low, Some('-'), Some(high)) if at + 2 < end => (low..=*high).take(3).collect(),
                    (only, ..) => vec![only],
                };
                at = end + 1;
                pick(&set)?.to_string()
            }
            '(' => {
                let end = chars.iter().skip(at).position(|c| *c == ')')? + at;
                let inner: String = chars.get(at..end)?.iter().collect();
                let inner = inner.trim_start_matches("?:");
                let options: Vec<&str> = inner.split('|').collect();
                at = end + 1;
                matching(options.get(variant % options.len().max(1))?, variant)?
            }
            '.' => pick(&['a', 'b', 'c'])?.to_string(),
            '|' => return Some(out),
            other => other.to_string(),
        };
        let times = match chars.get(at) {
            Some('{') => {
                let end = chars.iter().skip(at).position(|c| *c == '}')? + at;
                let count: String = chars.get(at + 1..end)?.iter().collect();
                at = end + 1;
                count.split(',').next()?.parse::<usize>().ok()?.clamp(0, 200)
            }
            Some('?' | '*') => {
                at += 1;
                0
            }
            Some('+') => {
                at += 1;
                1
            }
            _ => 1,
        };
        out.push_str(&unit.repeat(times));
    }
    Some(out)
}
