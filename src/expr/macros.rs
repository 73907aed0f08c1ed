//! The table of macros: what binds names and evaluates its arguments again and again.

/// What a macro does with the elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Macro {
    All,
    Exists,
    ExistsOne,
    Filter,
    Map,
    TransformList,
    TransformMap,
    TransformMapEntry,
}

/// A row of the table; the page for authors is made from it.
pub(super) struct Row {
    pub(super) which: Macro,
    pub(super) name: &'static str,
    /// Other spellings that are read.
    pub(super) alias: &'static str,
    /// How many names it may bind.
    pub(super) variables: &'static [usize],
    /// How many expressions may follow them.
    pub(super) bodies: &'static [usize],
    pub(super) forms: &'static [&'static str],
    pub(super) about: &'static str,
    /// An expression, and one with the same value.
    pub(super) example: (&'static str, &'static str),
}

#[rustfmt::skip]
pub(super) const MACROS: &[Row] = &[
    Row { which: Macro::All, name: "all", alias: "", variables: &[1, 2], bodies: &[1],
        forms: &["all(x, test)", "all(i, x, test)"],
        about: "whether the test is true for every element; stops at the first for which it is not",
        example: ("[1, 2, 3].all(n, n > 0)", "true") },
    Row { which: Macro::Exists, name: "exists", alias: "", variables: &[1, 2], bodies: &[1],
        forms: &["exists(x, test)", "exists(i, x, test)"],
        about: "whether the test is true for an element; stops at the first for which it is",
        example: ("{'a': 1, 'b': 2}.exists(k, v, k == 'b' && v == 2)", "true") },
    Row { which: Macro::ExistsOne, name: "exists_one", alias: "existsOne", variables: &[1, 2], bodies: &[1],
        forms: &["exists_one(x, test)", "exists_one(i, x, test)"],
        about: "whether the test is true for exactly one element",
        example: ("[1, 2, 3].exists_one(n, n > 2)", "true") },
    Row { which: Macro::Filter, name: "filter", alias: "", variables: &[1, 2], bodies: &[1],
        forms: &["filter(x, test)", "filter(i, x, test)"],
        about: "the elements for which the test is true; of a map the keys, with two names the entries",
        example: ("['a', 'b', 'c'].filter(i, x, i != 1)", "['a', 'c']") },
    Row { which: Macro::Map, name: "map", alias: "", variables: &[1, 2], bodies: &[1, 2],
        forms: &["map(x, value)", "map(x, test, value)", "map(i, x, value)", "map(i, x, test, value)"],
        about: "a list of what each element (for which the test is true) gives; of three arguments the second is a name if nothing else bears it",
        example: ("[1, 2, 3].map(n, n != 2, n * 10)", "[10, 30]") },
    Row { which: Macro::TransformList, name: "transformList", alias: "", variables: &[2], bodies: &[1, 2],
        forms: &["transformList(i, x, value)", "transformList(i, x, test, value)"],
        about: "as `map` with two names",
        example: ("[5, 6].transformList(i, x, i * 100 + x)", "[5, 106]") },
    Row { which: Macro::TransformMap, name: "transformMap", alias: "", variables: &[2], bodies: &[1, 2],
        forms: &["transformMap(k, v, value)", "transformMap(k, v, test, value)"],
        about: "a map with the same keys (or indexes), and for each what the value gives",
        example: ("{'a': 1, 'b': 2}.transformMap(k, v, v > 1, v * 10)", "{'b': 20}") },
    Row { which: Macro::TransformMapEntry, name: "transformMapEntry", alias: "", variables: &[2], bodies: &[1, 2],
        forms: &["transformMapEntry(k, v, entries)", "transformMapEntry(k, v, test, entries)"],
        about: "one map of the entries that each element gives; a key that comes twice is an error",
        example: ("['x', 'y'].transformMapEntry(i, v, {v: i})", "{'x': 0, 'y': 1}") },
];

impl Macro {
    /// The row of a name as written.
    pub(super) fn find(name: &str) -> Option<&'static Row> {
        MACROS.iter().find(|row| row.name == name || (!row.alias.is_empty() && row.alias == name))
    }

    pub(super) fn name(self) -> &'static str {
        MACROS.iter().find(|row| row.which == self).map_or("", |row| row.name)
    }
}
