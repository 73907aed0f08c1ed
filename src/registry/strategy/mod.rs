//! How a condition decides: one file each, with its parameters and its formula.

mod change;
mod composite;
mod equals;
mod expression;
mod percentile;
mod threshold;
mod z_score;

use jiff::SignedDuration;

pub use change::{Change, Movement};
pub use composite::{Composite, Operator};
pub use equals::Equals;
pub use expression::Expression;
pub use percentile::{End, Percentile};
pub use threshold::{Side, Threshold};
pub use z_score::{Deviation, ZScore};

use super::{Fault, Reason, Verdict};
use crate::source::{Code, did_you_mean};
use crate::value::Json;

/// The names of the strategies.
pub const TYPES: [&str; 7] = ["expression", "threshold", "equals", "composite", "change", "z_score", "percentile"];
/// Records of an entity that a strategy over its history needs at least, where one is too few to say anything.
pub(super) const HISTORY_MIN: usize = 3;

/// How a condition decides.
#[derive(Debug, Clone)]
pub enum Strategy {
    /// By an expression.
    Expression(Expression),
    /// Whether a number is past another.
    Threshold(Threshold),
    /// Whether a value is the one, or one of several.
    Equals(Equals),
    /// By other conditions.
    Composite(Composite),
    /// Whether a number has moved away from the one before it.
    Change(Change),
    /// Whether a number is far from the mean of those before it.
    ZScore(ZScore),
    /// Whether a number is among the highest or lowest of those before it.
    Percentile(Percentile),
}

impl Strategy {
    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Expression(_) => "expression",
            Self::Threshold(_) => "threshold",
            Self::Equals(_) => "equals",
            Self::Composite(_) => "composite",
            Self::Change(_) => "change",
            Self::ZScore(_) => "z_score",
            Self::Percentile(_) => "percentile",
        }
    }

    /// How far back it looks, if it looks at an entity's history at all.
    #[must_use]
    pub const fn history(&self) -> Option<Window> {
        match self {
            Self::Change(change) => Some(change.window),
            Self::ZScore(z_score) => Some(z_score.window),
            Self::Percentile(percentile) => Some(percentile.window),
            Self::Expression(_) | Self::Threshold(_) | Self::Equals(_) | Self::Composite(_) => None,
        }
    }

    /// The strategy of a `strategy` key; what is wrong with it goes to `faults`.
    pub(super) fn parse(json: &Json, depth: usize, faults: &mut Vec<Fault>) -> Option<Self> {
        let Some(map) = json.as_object() else {
            faults.push(Fault::new(Code::WP0104, &[], "expected a map with `type` and `params`"));
            return None;
        };
        for key in map.keys().filter(|k| !matches!(k.as_str(), "type" | "params")) {
            let fault = Fault::new(Code::WP0103, &[key], format!("unknown key `{key}` in a strategy"));
            faults.push(fault.help("its parameters stand under `params`"));
        }
        let name = match map.get("type") {
            Some(Json::String(name)) => name.as_str(),
            Some(_) => {
                faults.push(Fault::new(Code::WP0104, &["type"], "expected the name of a strategy").help(one_of(&TYPES)));
                return None;
            }
            None => {
                faults.push(Fault::new(Code::WP0105, &[], "`type` is missing from a strategy").help(one_of(&TYPES)));
                return None;
            }
        };
        let empty = serde_json::Map::new();
        let given = match map.get("params") {
            Some(Json::Object(params)) => params,
            None | Some(Json::Null) => &empty,
            Some(_) => {
                faults.push(Fault::new(Code::WP0104, &["params"], "expected a map of parameters"));
                return None;
            }
        };
        let mut found = Vec::new();
        let mut params = Params { strategy: name, given, faults: &mut found };
        let strategy = match name {
            "expression" => Expression::parse(&mut params).map(Self::Expression),
            "threshold" => Threshold::parse(&mut params).map(Self::Threshold),
            "equals" => Equals::parse(&mut params).map(Self::Equals),
            "composite" => Composite::parse(&mut params, depth).map(Self::Composite),
            "change" => Change::parse(&mut params).map(Self::Change),
            "z_score" => ZScore::parse(&mut params).map(Self::ZScore),
            "percentile" => Percentile::parse(&mut params).map(Self::Percentile),
            _ => {
                let fault = Fault::new(Code::WP0906, &["type"], format!("there is no strategy `{name}`"));
                let near = did_you_mean(name, TYPES);
                faults.push(fault.help(near.map_or_else(|| one_of(&TYPES), |near| format!("write `{near}`"))));
                return None;
            }
        };
        let whole = found.is_empty();
        faults.extend(found.into_iter().map(|f| f.below(&["params"])));
        strategy.filter(|_| whole)
    }
}

fn one_of(words: &[&str]) -> String {
    format!("expected one of {}", words.iter().map(|w| format!("`{w}`")).collect::<Vec<_>>().join(", "))
}

/// Why nobody can say, in a code and in a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unknown {
    /// The code.
    pub reason: Reason,
    /// The sentence, without values.
    pub detail: String,
}

impl Unknown {
    pub(super) fn new(reason: Reason, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into() }
    }

    pub(super) fn short(needed: usize, found: usize) -> Self {
        let detail = format!("{needed} earlier value{} of the entity are needed, and {found} there", if needed == 1 { "" } else { "s" });
        Self::new(Reason::InsufficientHistory, detail.replace("value of the entity are", "value of the entity is"))
    }
}

/// What a formula came to: whether the condition holds, and what was compared, for who asks why.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// Whether it holds.
    pub verdict: Verdict,
    /// What was compared with what.
    pub detail: String,
    /// Numbers on the way.
    pub numbers: Vec<(&'static str, f64)>,
}

impl Found {
    pub(super) fn new(holds: bool, detail: impl Into<String>) -> Self {
        Self { verdict: holds.into(), detail: detail.into(), numbers: Vec::new() }
    }

    pub(super) fn with(mut self, name: &'static str, number: f64) -> Self {
        self.numbers.push((name, number));
        self
    }
}

/// A stretch of time before an evaluation; `None`: all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window(pub Option<SignedDuration>);

/// The parameters of a strategy, as they are read.
pub(super) struct Params<'a> {
    strategy: &'a str,
    given: &'a serde_json::Map<String, Json>,
    faults: &'a mut Vec<Fault>,
}

impl<'a> Params<'a> {
    pub(super) fn fault(&mut self, key: &str, message: impl Into<String>, help: impl Into<String>) {
        self.faults.push(Fault::new(Code::WP0906, &[key], message).help(help));
    }

    pub(super) fn get(&self, key: &str) -> Option<&'a Json> {
        self.given.get(key).filter(|v| !v.is_null())
    }

    /// Reports parameters that the strategy does not have.
    pub(super) fn only(&mut self, known: &[&str]) {
        for key in self.given.keys().filter(|k| !known.contains(&k.as_str()) && *k != "input") {
            let message = format!("`{}` has no parameter `{key}`", self.strategy);
            let near = did_you_mean(key, known.iter().copied());
            self.faults
                .push(Fault::new(Code::WP0906, &[key], message).help(near.map_or_else(|| one_of(known), |near| format!("write `{near}`"))));
        }
    }

    fn must(&mut self, key: &str, what: &str) -> Option<&'a Json> {
        let found = self.get(key);
        if found.is_none() {
            let message = format!("`{}` needs the parameter `{key}`", self.strategy);
            self.faults.push(Fault::new(Code::WP0906, &[], message).help(format!("add `{key}:`, {what}")));
        }
        found
    }

    pub(super) fn number(&mut self, key: &str) -> Option<f64> {
        let found = self.must(key, "a number")?;
        let number = found.as_f64().filter(|n| n.is_finite());
        if number.is_none() {
            self.fault(key, format!("expected a number for `{key}`"), "write it without quotes");
        }
        number
    }

    pub(super) fn word<T: Copy>(&mut self, key: &str, words: &[(&str, T)]) -> Option<T> {
        let names: Vec<&str> = words.iter().map(|(n, _)| *n).collect();
        let found = self.must(key, &one_of(&names))?;
        let word = found.as_str().and_then(|text| words.iter().find(|(n, _)| *n == text));
        if word.is_none() {
            let near = found.as_str().and_then(|text| did_you_mean(text, names.iter().copied()));
            let help = near.map_or_else(|| one_of(&names), |near| format!("write `{near}`"));
            self.fault(key, format!("`{key}` of `{}` cannot be {found}", self.strategy), help);
        }
        word.map(|(_, value)| *value)
    }

    pub(super) fn list(&mut self, key: &str, what: &str) -> Option<&'a [Json]> {
        let found = self.must(key, what)?;
        let list = found.as_array();
        if list.is_none() {
            self.fault(key, format!("expected a list for `{key}`"), what);
        }
        list.map(Vec::as_slice)
    }

    /// A length of time: `7d`, `30m`, or seconds.
    pub(super) fn window(&mut self, otherwise: Window) -> Option<Window> {
        let Some(found) = self.get("window") else { return Some(otherwise) };
        let window = match found {
            Json::Number(n) => n.as_i64().map(SignedDuration::from_secs),
            Json::String(text) => duration(text),
            _ => None,
        };
        let window = window.filter(SignedDuration::is_positive);
        if window.is_none() {
            self.fault("window", format!("`window` cannot be {found}"), "write a length of time such as `30d`, `24h` or `15m`");
        }
        window.map(|w| Window(Some(w)))
    }

    pub(super) fn faults(&mut self) -> &mut Vec<Fault> {
        self.faults
    }
}

/// `7d`, `24h`, `30m`, `90s`, `500ms`, `2w`, or a number of seconds.
fn duration(text: &str) -> Option<SignedDuration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    let each: i64 = match unit {
        "ms" => 1,
        "" | "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        "w" => 604_800_000,
        _ => return None,
    };
    number.parse::<i64>().ok()?.checked_mul(each).map(SignedDuration::from_millis)
}
