//! The one table of functions: evaluation, the checks of arguments and the page for authors all read it.
//!
//! A function sees values only: no scope, no tree, no clock.

pub(super) mod convert;
pub(super) mod list;
pub(super) mod text;
pub(super) mod time;

use super::value::{Budget, Reason, Val};

/// How a function is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// `f(x)`
    Global,
    /// `x.f()`
    Method,
    /// Both.
    Either,
}

/// What becomes of the taint of the arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    /// The result is computed from them: all of it is tainted if any part of them is.
    Computed,
    /// The result holds parts of the first, in their places.
    Kept,
    /// The result may be shown.
    Cleared,
}

/// What an argument or a result is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    Any,
    Bool,
    Int,
    Number,
    Double,
    Text,
    List,
    Texts,
    Numbers,
    Map,
    Time,
    Span,
}

impl Sort {
    /// As it stands for a value in the page for authors.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Any => "value",
            Self::Bool => "truth value",
            Self::Int => "integer",
            Self::Number => "number",
            Self::Double => "double",
            Self::Text => "text",
            Self::List => "list",
            Self::Texts => "texts",
            Self::Numbers => "numbers",
            Self::Map => "map",
            Self::Time => "timestamp",
            Self::Span => "duration",
        }
    }

    /// In an author's words.
    pub(super) fn what(self) -> &'static str {
        match self {
            Self::Any => "any value",
            Self::Bool => "a truth value",
            Self::Int => "an integer",
            Self::Number => "a number",
            Self::Double => "a double",
            Self::Text => "text",
            Self::List => "a list",
            Self::Texts => "a list of text",
            Self::Numbers => "a list of numbers",
            Self::Map => "a map",
            Self::Time => "a timestamp",
            Self::Span => "a duration",
        }
    }

    fn admits(self, value: &Val<'_>) -> bool {
        match self {
            Self::Any => true,
            Self::Bool => matches!(value, Val::Bool(_)),
            Self::Int => matches!(value, Val::Int(_)),
            Self::Double => matches!(value, Val::Double(_)),
            Self::Number => matches!(value, Val::Int(_) | Val::Double(_)),
            Self::Text => value.as_text().is_some(),
            Self::List | Self::Texts | Self::Numbers => value.is_list(),
            Self::Map => value.is_map(),
            Self::Time => matches!(value, Val::Time(_)),
            Self::Span => matches!(value, Val::Span(_)),
        }
    }
}

/// One way to call a function: what it takes (of a method, the value it is called on first) and what it gives.
#[derive(Debug)]
pub(super) struct Form {
    pub(super) takes: &'static [Sort],
    pub(super) gives: Sort,
}

type Run = for<'a> fn(&mut Budget, &[Val<'a>]) -> Result<Val<'a>, Reason>;

/// A row of the table.
#[derive(Debug)]
pub(super) struct Builtin {
    pub(super) name: &'static str,
    pub(super) style: Style,
    pub(super) flow: Flow,
    pub(super) forms: &'static [Form],
    pub(super) about: &'static str,
    /// An expression, and one with the same value.
    pub(super) example: (&'static str, &'static str),
    pub(super) run: Run,
}

impl PartialEq for Builtin {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

/// The row of a name.
pub(super) fn find(name: &str) -> Option<&'static Builtin> {
    TABLE.iter().find(|b| b.name == name)
}

impl Builtin {
    /// Calls it with arguments that have been checked against its forms.
    pub(super) fn call<'a>(&self, budget: &mut Budget, args: &[Val<'a>]) -> Result<Val<'a>, Reason> {
        budget.step(1)?;
        if self.forms.iter().any(|f| f.takes.len() == args.len() && f.takes.iter().zip(args).all(|(s, v)| s.admits(v))) {
            return (self.run)(budget, args);
        }
        Err(self.mismatch(args))
    }

    fn mismatch(&self, args: &[Val<'_>]) -> Reason {
        let place = (0..args.len())
            .find(|i| !self.forms.iter().any(|f| f.takes.get(*i).zip(args.get(*i)).is_some_and(|(s, v)| s.admits(v))))
            .unwrap_or(0);
        let given = args.get(place).map_or("nothing", Val::what);
        format!("`{}` takes {}, not {given}", self.name, self.expected(place))
    }

    /// What may stand in a place, in words.
    pub(super) fn expected(&self, place: usize) -> String {
        let mut words: Vec<&str> = Vec::new();
        for what in self.forms.iter().filter_map(|f| f.takes.get(place)).map(|s| s.what()) {
            if !words.contains(&what) {
                words.push(what);
            }
        }
        match words.split_last() {
            Some((last, [])) => (*last).into(),
            Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
            None => "nothing".into(),
        }
    }
}

const fn form(takes: &'static [Sort], gives: Sort) -> Form {
    Form { takes, gives }
}

macro_rules! table {
    ($($name:literal $style:ident $flow:ident [$(($($takes:ident),*) -> $gives:ident),+] $about:literal, $example:literal => $value:literal, $run:path;)*) => {
        /// Every function.
        pub(super) const TABLE: &[Builtin] = &[$(Builtin {
            name: $name, style: Style::$style, flow: Flow::$flow,
            forms: &[$(form(&[$(Sort::$takes),*], Sort::$gives)),+],
            about: $about, example: ($example, $value), run: $run,
        }),*];
    };
}

table! {
    "size" Either Computed [(Text) -> Int, (List) -> Int, (Map) -> Int] "the number of characters, elements or entries", "size('abc')" => "3", list::size;
    "contains" Method Computed [(Text, Text) -> Bool] "whether a text holds another", "'shipped'.contains('ship')" => "true", text::contains;
    "startsWith" Method Computed [(Text, Text) -> Bool] "whether a text begins with another", "'A-17'.startsWith('A-')" => "true", text::starts_with;
    "endsWith" Method Computed [(Text, Text) -> Bool] "whether a text ends with another", "'a.pdf'.endsWith('.pdf')" => "true", text::ends_with;
    "matches" Either Computed [(Text, Text) -> Bool] "whether a pattern (RE2) is found anywhere in a text; `^` and `$` bind it to the ends", "'A17'.matches('^[A-Z][0-9]+$')" => "true", text::matches;
    "lowerAscii" Method Computed [(Text) -> Text] "with A to Z in lower case", "'ABC'.lowerAscii()" => "'abc'", text::lower_ascii;
    "upperAscii" Method Computed [(Text) -> Text] "with a to z in upper case", "'abc'.upperAscii()" => "'ABC'", text::upper_ascii;
    "trim" Method Computed [(Text) -> Text] "without white space at both ends", "' a b '.trim()" => "'a b'", text::trim;
    "split" Method Computed [(Text, Text) -> Texts, (Text, Text, Int) -> Texts] "the parts between separators, at most so many; the last holds the rest", "'a,b,c'.split(',')" => "['a', 'b', 'c']", text::split;
    "join" Method Computed [(Texts) -> Text, (Texts, Text) -> Text] "the texts of a list in one, with a separator between them", "['a', 'b'].join(', ')" => "'a, b'", text::join;
    "int" Global Computed [(Number) -> Int, (Text) -> Int, (Time) -> Int] "the whole part of a number; the integer that a text writes; the seconds since 1970 of a timestamp", "int('42') + int(1.9)" => "43", convert::int;
    "double" Global Computed [(Number) -> Double, (Text) -> Double] "as a number with a fraction", "double('1.5')" => "1.5", convert::double;
    "string" Global Computed [(Text) -> Text, (Number) -> Text, (Bool) -> Text, (Time) -> Text, (Span) -> Text] "as text", "string(3) + string(true)" => "'3true'", convert::string;
    "bool" Global Computed [(Bool) -> Bool, (Text) -> Bool] "the truth value that a text writes: `true`, `t`, `1`, `false`, `f`, `0`", "bool('true')" => "true", convert::bool;
    "dyn" Global Kept [(Any) -> Any] "the same value, of which the checker assumes no type", "dyn(1) == 1" => "true", convert::dynamic;
    "timestamp" Global Computed [(Text) -> Time, (Int) -> Time, (Time) -> Time] "the moment that a text (RFC 3339) or a number of seconds since 1970 says", "timestamp('2026-01-05T09:00:00Z') < timestamp('2026-01-06T09:00:00+02:00')" => "true", time::timestamp;
    "duration" Global Computed [(Text) -> Span, (Span) -> Span] "a length of time, written with `h`, `m`, `s`, `ms`, `us`, `ns`", "timestamp('2026-01-05T09:00:00Z') + duration('1h30m')" => "timestamp('2026-01-05T10:30:00Z')", time::duration;
    "getFullYear" Method Computed [(Time) -> Int, (Time, Text) -> Int] "the year, in UTC or the time zone named", "timestamp('2026-01-05T09:00:00Z').getFullYear()" => "2026", time::full_year;
    "getMonth" Method Computed [(Time) -> Int, (Time, Text) -> Int] "the month, from 0", "timestamp('2026-01-05T09:00:00Z').getMonth()" => "0", time::month;
    "getDayOfYear" Method Computed [(Time) -> Int, (Time, Text) -> Int] "the day of the year, from 0", "timestamp('2026-02-01T09:00:00Z').getDayOfYear()" => "31", time::day_of_year;
    "getDayOfMonth" Method Computed [(Time) -> Int, (Time, Text) -> Int] "the day of the month, from 0", "timestamp('2026-01-05T09:00:00Z').getDayOfMonth()" => "4", time::day_of_month;
    "getDate" Method Computed [(Time) -> Int, (Time, Text) -> Int] "the day of the month, from 1", "timestamp('2026-01-05T23:30:00Z').getDate('+02:00')" => "6", time::date;
    "getDayOfWeek" Method Computed [(Time) -> Int, (Time, Text) -> Int] "the day of the week, from 0 for Sunday", "timestamp('2026-01-05T09:00:00Z').getDayOfWeek()" => "1", time::day_of_week;
    "getHours" Method Computed [(Time) -> Int, (Time, Text) -> Int, (Span) -> Int] "the hour of the day; of a duration, all of it in hours", "duration('90m').getHours()" => "1", time::hours;
    "getMinutes" Method Computed [(Time) -> Int, (Time, Text) -> Int, (Span) -> Int] "the minute; of a duration, all of it in minutes", "duration('90m').getMinutes()" => "90", time::minutes;
    "getSeconds" Method Computed [(Time) -> Int, (Time, Text) -> Int, (Span) -> Int] "the second; of a duration, all of it in seconds", "duration('2m').getSeconds()" => "120", time::seconds;
    "getMilliseconds" Method Computed [(Time) -> Int, (Time, Text) -> Int, (Span) -> Int] "the thousandths beyond the second", "duration('1.5s').getMilliseconds()" => "500", time::milliseconds;
    "range" Global Computed [(Int) -> List, (Int, Int) -> List] "the integers from 0, or from the first, up to but not the last", "range(1, 4)" => "[1, 2, 3]", list::range;
    "sum" Either Computed [(Numbers) -> Number] "the numbers of a list added; 0 of an empty one", "[1, 2, 3].sum()" => "6", list::sum;
    "round" Either Computed [(Number) -> Number, (Number, Int) -> Number] "to the nearest integer, a half away from zero; or to so many places (0 to 15)", "round(2.345, 2)" => "2.35", list::round;
    "abs" Either Computed [(Number) -> Number] "without its sign", "abs(-3)" => "3", list::abs;
    "distinct" Either Kept [(List) -> List] "the elements of a list, each once, in order", "[1, 2, 1].distinct()" => "[1, 2]", list::distinct;
    "mask" Either Cleared [(Text) -> Text] "a form of a sensitive text that may be shown: its end, at most a third of it and at most four characters", "mask('4111111111111111')" => "'••••••••••••1111'", text::mask;
}
