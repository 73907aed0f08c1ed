//! The values that evaluation works on: borrowed from the data as long as nothing is computed.
//!
//! Knows nothing of scopes and trees. Whoever walks or builds something pays its [`Budget`].

use std::cmp::Ordering;
use std::sync::Arc;

use indexmap::IndexMap;
use jiff::{SignedDuration, Timestamp};

use crate::value::Json;

/// What one evaluation may still do.
#[derive(Debug)]
pub(super) struct Budget {
    steps: u32,
    bytes: usize,
}

/// Why something has no value: one lower-case sentence, without values.
pub(super) type Reason = String;

/// Steps of one evaluation: parts visited, elements compared, kilobytes searched.
pub(super) const MAX_STEPS: u32 = 500_000;
/// Bytes that one evaluation may build.
pub(super) const MAX_BYTES: usize = 16 << 20;
/// Lists and maps in each other, in what an evaluation gives.
pub(super) const MAX_NESTING: u32 = 100;

impl Budget {
    pub(super) fn new() -> Self {
        Self { steps: MAX_STEPS, bytes: MAX_BYTES }
    }

    pub(super) fn step(&mut self, count: usize) -> Result<(), Reason> {
        match u32::try_from(count).ok().and_then(|n| self.steps.checked_sub(n)) {
            Some(left) => {
                self.steps = left;
                Ok(())
            }
            None => Err(format!("this takes more than {MAX_STEPS} steps")),
        }
    }

    pub(super) fn build(&mut self, bytes: usize) -> Result<(), Reason> {
        match self.bytes.checked_sub(bytes) {
            Some(left) => {
                self.bytes = left;
                Ok(())
            }
            None => Err(format!("this builds more than {} MB", MAX_BYTES >> 20)),
        }
    }

    /// A new text, paid for.
    pub(super) fn text<'a>(&mut self, text: impl AsRef<str>) -> Result<Val<'a>, Reason> {
        let text = text.as_ref();
        self.build(text.len() + 16)?;
        Ok(Val::Built(text.into()))
    }

    /// A new list, its spine paid for.
    pub(super) fn list<'a>(&mut self, items: Vec<Val<'a>>) -> Result<Val<'a>, Reason> {
        self.build(items.len() * size_of::<Val<'_>>() + 16)?;
        Ok(Val::List(Arc::new(items)))
    }
}

/// A key of a map. JSON knows only text; maps written in an expression may also have numbers and truth values.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Key {
    Bool(bool),
    Int(i64),
    Text(Arc<str>),
}

pub(super) type Entries<'a> = IndexMap<Key, Val<'a>>;

#[derive(Debug, Clone)]
pub(super) enum Val<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(&'a str),
    Built(Arc<str>),
    /// A list of the data.
    Array(&'a [Json]),
    /// A map of the data.
    Object(&'a serde_json::Map<String, Json>),
    List(Arc<Vec<Val<'a>>>),
    Map(Arc<Entries<'a>>),
    Time(Timestamp),
    Span(SignedDuration),
}

impl<'a> From<&'a Json> for Val<'a> {
    fn from(json: &'a Json) -> Self {
        match json {
            Json::Null => Self::Null,
            Json::Bool(b) => Self::Bool(*b),
            Json::Number(n) => n.as_i64().map_or_else(|| Self::Double(n.as_f64().unwrap_or(f64::NAN)), Self::Int),
            Json::String(s) => Self::Text(s),
            Json::Array(a) => Self::Array(a),
            Json::Object(o) => Self::Object(o),
        }
    }
}

impl Val<'_> {
    /// What it is, in an author's words.
    pub(super) fn what(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a truth value",
            Self::Int(_) | Self::Double(_) => "a number",
            Self::Text(_) | Self::Built(_) => "text",
            Self::Array(_) | Self::List(_) => "a list",
            Self::Object(_) | Self::Map(_) => "a map",
            Self::Time(_) => "a timestamp",
            Self::Span(_) => "a duration",
        }
    }

    /// Whether it counts as true.
    pub(super) fn is_true(&self) -> bool {
        match self {
            Self::Null => false,
            Self::Bool(b) => *b,
            Self::Int(n) => *n != 0,
            Self::Double(n) => *n != 0.0 && !n.is_nan(),
            Self::Text(s) => !s.is_empty(),
            Self::Built(s) => !s.is_empty(),
            Self::Array(a) => !a.is_empty(),
            Self::Object(o) => !o.is_empty(),
            Self::List(l) => !l.is_empty(),
            Self::Map(m) => !m.is_empty(),
            Self::Time(_) => true,
            Self::Span(s) => !s.is_zero(),
        }
    }

    pub(super) fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(s) => Some(s),
            Self::Built(s) => Some(s),
            _ => None,
        }
    }

    /// The number of elements or entries.
    pub(super) fn len(&self) -> Option<usize> {
        match self {
            Self::Array(a) => Some(a.len()),
            Self::List(l) => Some(l.len()),
            Self::Object(o) => Some(o.len()),
            Self::Map(m) => Some(m.len()),
            _ => None,
        }
    }

    pub(super) fn is_list(&self) -> bool {
        matches!(self, Self::Array(_) | Self::List(_))
    }

    pub(super) fn is_map(&self) -> bool {
        matches!(self, Self::Object(_) | Self::Map(_))
    }

    /// An element of a list.
    pub(super) fn element(&self, index: usize) -> Option<Self> {
        match self {
            Self::Array(a) => a.get(index).map(Self::from),
            Self::List(l) => l.get(index).cloned(),
            _ => None,
        }
    }

    /// The entry of a map with a text for its key.
    pub(super) fn member(&self, key: &str) -> Option<Self> {
        match self {
            Self::Object(o) => o.get(key).map(Self::from),
            Self::Map(m) => m.get(&Key::Text(key.into())).cloned(),
            _ => None,
        }
    }

    /// The entry of a map; numbers are found by value.
    pub(super) fn entry(&self, key: &Self) -> Option<Self> {
        match (self, key.to_key()) {
            (_, Some(Key::Text(key))) => self.member(&key),
            (Self::Map(m), Some(key)) => m.get(&key).cloned(),
            _ => None,
        }
    }

    pub(super) fn to_key(&self) -> Option<Key> {
        match self {
            Self::Bool(b) => Some(Key::Bool(*b)),
            Self::Int(n) => Some(Key::Int(*n)),
            Self::Double(n) => exact_int(*n).map(Key::Int),
            Self::Text(s) => Some(Key::Text((*s).into())),
            Self::Built(s) => Some(Key::Text(Arc::clone(s))),
            _ => None,
        }
    }

    /// Keys of a map or indexes of a list, beside the values. The spine is paid for.
    pub(super) fn entries(&self, budget: &mut Budget) -> Result<Vec<(Self, Self)>, Reason> {
        budget.build(self.len().unwrap_or(0) * 2 * size_of::<Self>())?;
        Ok(match self {
            Self::Array(a) => (0..).map(Self::Int).zip(a.iter().map(Self::from)).collect(),
            Self::List(l) => (0..).map(Self::Int).zip(l.iter().cloned()).collect(),
            Self::Object(o) => o.iter().map(|(k, v)| (Self::Text(k), Self::from(v))).collect(),
            Self::Map(m) => m.iter().map(|(k, v)| (k.to_val(), v.clone())).collect(),
            _ => Vec::new(),
        })
    }

    /// Equality by value; values of different types are different.
    pub(super) fn equals(&self, other: &Self, budget: &mut Budget) -> Result<bool, Reason> {
        self.equals_within(other, budget, 0)
    }

    fn equals_within(&self, other: &Self, budget: &mut Budget, depth: u32) -> Result<bool, Reason> {
        if let (Some(a), Some(b)) = (self.as_text(), other.as_text()) {
            return Ok(a == b);
        }
        if let Some(order) = numeric_order(self, other) {
            return Ok(order == Some(Ordering::Equal));
        }
        match (self, other) {
            (Self::Null, Self::Null) => return Ok(true),
            (Self::Bool(a), Self::Bool(b)) => return Ok(a == b),
            (Self::Time(a), Self::Time(b)) => return Ok(a == b),
            (Self::Span(a), Self::Span(b)) => return Ok(a == b),
            _ => {}
        }
        let lists = self.is_list() && other.is_list();
        if !(lists || self.is_map() && other.is_map()) || self.len() != other.len() {
            return Ok(false);
        }
        if depth > 2 * MAX_NESTING {
            return Err("the values are nested too deep to be compared".into());
        }
        let entries = self.entries(budget)?;
        budget.step(entries.len())?;
        for (at, (key, value)) in entries.iter().enumerate() {
            let twin = if lists { other.element(at) } else { other.entry(key) };
            let Some(twin) = twin else { return Ok(false) };
            if !value.equals_within(&twin, budget, depth + 1)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Which comes first; `None` with a NaN.
    pub(super) fn order(&self, other: &Self) -> Result<Option<Ordering>, Reason> {
        if let (Some(a), Some(b)) = (self.as_text(), other.as_text()) {
            return Ok(Some(a.cmp(b)));
        }
        if let Some(order) = numeric_order(self, other) {
            return Ok(order);
        }
        match (self, other) {
            (Self::Bool(a), Self::Bool(b)) => Ok(Some(a.cmp(b))),
            (Self::Time(a), Self::Time(b)) => Ok(Some(a.cmp(b))),
            (Self::Span(a), Self::Span(b)) => Ok(Some(a.cmp(b))),
            _ => Err(format!("{} and {} have no order", self.what(), other.what())),
        }
    }

    /// As JSON, copied and paid for; times and durations as text.
    pub(super) fn to_json(&self, budget: &mut Budget) -> Result<Json, Reason> {
        self.to_json_within(budget, 0)
    }

    fn to_json_within(&self, budget: &mut Budget, depth: u32) -> Result<Json, Reason> {
        if depth > MAX_NESTING {
            return Err(format!("the value is nested more than {MAX_NESTING} deep"));
        }
        budget.build(size_of::<Json>() + self.as_text().map_or(0, str::len))?;
        Ok(match self {
            Self::Null => Json::Null,
            Self::Bool(b) => Json::Bool(*b),
            Self::Int(n) => Json::from(*n),
            Self::Double(n) => serde_json::Number::from_f64(*n).map(Json::Number).ok_or("the result is no finite number")?,
            Self::Text(s) => Json::String((*s).into()),
            Self::Built(s) => Json::String((&**s).into()),
            Self::Time(t) => Json::String(show_time(*t)),
            Self::Span(s) => Json::String(show_span(*s)),
            Self::Array(_) | Self::List(_) => {
                let mut out = Vec::with_capacity(self.len().unwrap_or(0));
                for index in 0..self.len().unwrap_or(0) {
                    out.push(self.element(index).unwrap_or(Self::Null).to_json_within(budget, depth + 1)?);
                }
                Json::Array(out)
            }
            Self::Object(o) => {
                let mut out = serde_json::Map::with_capacity(o.len());
                for (key, value) in *o {
                    budget.build(key.len())?;
                    out.insert(key.clone(), Self::from(value).to_json_within(budget, depth + 1)?);
                }
                Json::Object(out)
            }
            Self::Map(m) => {
                let mut out = serde_json::Map::with_capacity(m.len());
                for (key, value) in m.iter() {
                    let shown = key.to_string();
                    budget.build(shown.len())?;
                    if out.insert(shown, value.to_json_within(budget, depth + 1)?).is_some() {
                        return Err("two keys of the map are the same as text".into());
                    }
                }
                Json::Object(out)
            }
        })
    }
}

impl Key {
    pub(super) fn to_val<'a>(&self) -> Val<'a> {
        match self {
            Self::Bool(b) => Val::Bool(*b),
            Self::Int(n) => Val::Int(*n),
            Self::Text(s) => Val::Built(Arc::clone(s)),
        }
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Bool(b) => b.fmt(f),
            Self::Int(n) => n.fmt(f),
            Self::Text(s) => f.write_str(s),
        }
    }
}

/// `None` unless both are numbers; `Some(None)` with a NaN.
#[expect(clippy::option_option, reason = "no numbers, and numbers without an order, are two things")]
fn numeric_order(a: &Val<'_>, b: &Val<'_>) -> Option<Option<Ordering>> {
    match (a, b) {
        (Val::Int(a), Val::Int(b)) => Some(Some(a.cmp(b))),
        (Val::Double(a), Val::Double(b)) => Some(a.partial_cmp(b)),
        (Val::Int(a), Val::Double(b)) => Some(order_int_double(*a, *b)),
        (Val::Double(a), Val::Int(b)) => Some(order_int_double(*b, *a).map(Ordering::reverse)),
        _ => None,
    }
}

/// Exact, where turning the integer into a double would round it.
#[expect(clippy::cast_possible_truncation, reason = "only doubles within the range of i64 are cut to their whole part")]
fn order_int_double(a: i64, b: f64) -> Option<Ordering> {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    if b.is_nan() {
        None
    } else if b >= LIMIT {
        Some(Ordering::Less)
    } else if b < -LIMIT {
        Some(Ordering::Greater)
    } else {
        Some(a.cmp(&(b.trunc() as i64)).then_with(|| 0.0.partial_cmp(&b.fract()).unwrap_or(Ordering::Equal)))
    }
}

/// The integer that a double is, if it is one.
#[expect(clippy::cast_possible_truncation, reason = "checked to be whole and in range")]
pub(super) fn exact_int(n: f64) -> Option<i64> {
    (n.fract() == 0.0 && (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&n)).then_some(n as i64)
}

/// RFC 3339 in UTC, with as many digits of a second as it has.
pub(super) fn show_time(time: Timestamp) -> String {
    time.to_string()
}

/// Seconds with an `s`, as CEL writes a duration.
pub(super) fn show_span(span: SignedDuration) -> String {
    let (seconds, nanos) = (span.as_secs(), span.subsec_nanos().unsigned_abs());
    let sign = if span.is_negative() { "-" } else { "" };
    let fraction = format!("{nanos:09}");
    let fraction = fraction.trim_end_matches('0');
    let dot = if fraction.is_empty() { "" } else { "." };
    format!("{sign}{}{dot}{fraction}s", seconds.unsigned_abs())
}
