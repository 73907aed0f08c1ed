//! The template engine, set up once: the filters, tests and functions that there are, no escaping, fuel, and a budget of work.

use std::sync::LazyLock;

use jiff::tz::TimeZone;
use minijinja::value::{Kwargs, Rest, Value, ValueKind, ValueOrKwargs};
use minijinja::{Environment, Error, ErrorKind, Output, State, UndefinedBehavior, filters, tests};

use super::context::FrameObject;
use super::filters as own;

/// Filters that an author may use.
pub(super) const FILTERS: [&str; 45] = [
    "abs",
    "attr",
    "batch",
    "bool",
    "capitalize",
    "count",
    "d",
    "date",
    "default",
    "dictsort",
    "first",
    "float",
    "groupby",
    "indent",
    "int",
    "items",
    "join",
    "last",
    "length",
    "lines",
    "list",
    "lower",
    "map",
    "mask",
    "max",
    "min",
    "money",
    "pairs",
    "reject",
    "rejectattr",
    "replace",
    "reverse",
    "round",
    "select",
    "selectattr",
    "sentence",
    "sort",
    "split",
    "string",
    "sum",
    "title",
    "tojson",
    "trim",
    "unique",
    "upper",
];
/// Tests that an author may use.
pub(super) const TESTS: [&str; 27] = [
    "boolean",
    "defined",
    "divisibleby",
    "endingwith",
    "eq",
    "even",
    "false",
    "float",
    "ge",
    "gt",
    "in",
    "integer",
    "iterable",
    "le",
    "lower",
    "lt",
    "mapping",
    "ne",
    "none",
    "number",
    "odd",
    "sequence",
    "startingwith",
    "string",
    "true",
    "undefined",
    "upper",
];
/// Functions that an author may use.
pub(super) const FUNCTIONS: [&str; 1] = ["range"];

/// Instructions of one render.
const FUEL: u64 = 20_000;
/// Bytes and elements that the filters of one render may go through.
const WORK: usize = 4 << 20;
/// Numbers that one `range` gives.
const MAX_RANGE: i64 = 10_000;
/// The filter that a sealed template puts around what it emits. No author can write it: it is not in [`FILTERS`].
pub(super) const SEAL: &str = "__emit";

/// The work that is left to a render.
struct Budget(usize);

fn spend(state: &mut State, work: usize) -> Result<(), Error> {
    let budget = state.get_or_insert_extension_with(|| Budget(WORK));
    match budget.0.checked_sub(work) {
        Some(left) => {
            budget.0 = left;
            Ok(())
        }
        None => Err(own::error("the template does too much work")),
    }
}

fn size(value: &Value) -> usize {
    value.as_str().map_or_else(|| value.len().unwrap_or(1), str::len) + 1
}

/// A built-in filter, within the budget: its arguments are paid before, its result after.
fn paid(filter: Value) -> impl Fn(&mut State, Rest<ValueOrKwargs>) -> Result<Value, Error> + Send + Sync + 'static {
    move |state, args| {
        let args = args.into_values();
        spend(state, args.iter().map(size).sum())?;
        let out = filter.call(state, &args)?;
        spend(state, size(&out))?;
        Ok(out)
    }
}

fn format(out: &mut Output, state: &mut State, value: &Value) -> Result<(), Error> {
    if value.is_undefined() || value.is_none() {
        return Ok(());
    }
    let written = if let Some(text) = value.as_str() {
        spend(state, text.len())?;
        out.write_str(text)
    } else if value.as_object().is_some() {
        let text = value.to_string();
        spend(state, text.len())?;
        out.write_str(&text)
    } else if value.kind() == ValueKind::Bool {
        out.write_str(if value.is_true() { "true" } else { "false" })
    } else {
        out.write_fmt(format_args!("{value}"))
    };
    written.map_err(|_| Error::from(ErrorKind::WriteFailure))
}

fn range(state: &mut State, from: i64, to: Option<i64>, step: Option<i64>) -> Result<Value, Error> {
    let (from, to, step) = (to.map_or(0, |_| from), to.unwrap_or(from), step.unwrap_or(1));
    if step == 0 {
        return Err(own::error("`range` takes a step other than 0"));
    }
    let span = if step > 0 { to.checked_sub(from) } else { from.checked_sub(to) };
    let count = span.and_then(|s| i64::try_from(s.max(0).unsigned_abs().div_ceil(step.unsigned_abs())).ok()).filter(|n| *n <= MAX_RANGE);
    let Some(count) = count else {
        return Err(own::error(format!("`range` gives at most {MAX_RANGE} numbers")));
    };
    let numbers: Vec<i64> = (0..count).map(|i| from.saturating_add(step.saturating_mul(i))).collect();
    spend(state, numbers.len())?;
    Ok(Value::from(numbers))
}

/// `indent` puts spaces before every line, so its width is bounded too.
fn indent(state: &mut State, text: String, width: usize, rest: Rest<Value>) -> Result<Value, Error> {
    spend(state, text.len().saturating_add(text.matches('\n').count().saturating_add(1).saturating_mul(width)))?;
    let args: Vec<Value> = [Value::from(text), Value::from(width)].into_iter().chain(rest.0).collect();
    Value::from_function(filters::indent).call(state, &args)
}

/// `join` and `replace` multiply, so their result is paid before it is made.
fn join(state: &mut State, value: Value, with: Option<String>, kwargs: Kwargs) -> Result<Value, Error> {
    let between = with.as_deref().unwrap_or("").len();
    let items: usize = value.try_iter()?.map(|v| size(&v).saturating_add(between)).fold(0, usize::saturating_add);
    spend(state, items)?;
    let _ = kwargs;
    Value::from_function(filters::join).call(state, &[value, Value::from(with.unwrap_or_default())])
}

fn replace(state: &mut State, text: String, from: String, to: String) -> Result<String, Error> {
    let found = text.matches(&from).count();
    spend(state, text.len().saturating_add(found.saturating_mul(to.len())))?;
    Ok(text.replace(&from, &to))
}

fn seal(value: Value, tag: usize, frame: Value) -> Value {
    frame.downcast_object_ref::<FrameObject>().map_or_else(Value::default, |frame| frame.0.emit(tag, &value))
}

/// `null` reads as nothing, so both count as none.
fn is_none(value: &Value) -> bool {
    value.is_undefined() || value.is_none()
}

static BASE: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut env = Environment::empty();
    env.set_undefined_behavior(UndefinedBehavior::Chainable);
    env.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    env.set_formatter(format);
    env.set_fuel(Some(FUEL));
    env.set_debug(false);
    env.set_recursion_limit(50);
    env.add_filter("abs", paid(Value::from_function(filters::abs)));
    env.add_filter("attr", paid(Value::from_function(filters::attr)));
    env.add_filter("batch", paid(Value::from_function(filters::batch)));
    env.add_filter("bool", paid(Value::from_function(filters::bool)));
    env.add_filter("capitalize", paid(Value::from_function(filters::capitalize)));
    env.add_filter("count", paid(Value::from_function(filters::length)));
    env.add_filter("d", paid(Value::from_function(filters::default)));
    env.add_filter("default", paid(Value::from_function(filters::default)));
    env.add_filter("dictsort", paid(Value::from_function(filters::dictsort)));
    env.add_filter("first", paid(Value::from_function(filters::first)));
    env.add_filter("float", paid(Value::from_function(filters::float)));
    env.add_filter("groupby", paid(Value::from_function(filters::groupby)));
    env.add_filter("indent", indent);
    env.add_filter("int", paid(Value::from_function(filters::int)));
    env.add_filter("items", paid(Value::from_function(filters::items)));
    env.add_filter("join", join);
    env.add_filter("last", paid(Value::from_function(filters::last)));
    env.add_filter("length", paid(Value::from_function(filters::length)));
    env.add_filter("lines", paid(Value::from_function(filters::lines)));
    env.add_filter("list", paid(Value::from_function(filters::list)));
    env.add_filter("lower", paid(Value::from_function(filters::lower)));
    env.add_filter("map", paid(Value::from_function(filters::map)));
    env.add_filter("max", paid(Value::from_function(filters::max)));
    env.add_filter("min", paid(Value::from_function(filters::min)));
    env.add_filter("reject", paid(Value::from_function(filters::reject)));
    env.add_filter("rejectattr", paid(Value::from_function(filters::rejectattr)));
    env.add_filter("replace", replace);
    env.add_filter("reverse", paid(Value::from_function(filters::reverse)));
    env.add_filter("round", paid(Value::from_function(filters::round)));
    env.add_filter("select", paid(Value::from_function(filters::select)));
    env.add_filter("selectattr", paid(Value::from_function(filters::selectattr)));
    env.add_filter("sort", paid(Value::from_function(filters::sort)));
    env.add_filter("split", paid(Value::from_function(filters::split)));
    env.add_filter("string", paid(Value::from_function(filters::string)));
    env.add_filter("sum", paid(Value::from_function(filters::sum)));
    env.add_filter("title", paid(Value::from_function(filters::title)));
    env.add_filter("tojson", paid(Value::from_function(filters::tojson)));
    env.add_filter("trim", paid(Value::from_function(filters::trim)));
    env.add_filter("unique", paid(Value::from_function(filters::unique)));
    env.add_filter("upper", paid(Value::from_function(filters::upper)));
    env.add_filter("mask", paid(Value::from_function(own::mask)));
    env.add_filter("money", paid(Value::from_function(own::money)));
    env.add_filter("pairs", paid(Value::from_function(own::pairs)));
    env.add_filter("sentence", paid(Value::from_function(own::sentence)));
    env.add_filter(SEAL, seal);
    env.add_function("range", range);
    env.add_test("boolean", tests::is_boolean);
    env.add_test("defined", tests::is_defined);
    env.add_test("divisibleby", tests::is_divisibleby);
    env.add_test("endingwith", tests::is_endingwith);
    env.add_test("eq", tests::is_eq);
    env.add_test("even", tests::is_even);
    env.add_test("false", tests::is_false);
    env.add_test("float", tests::is_float);
    env.add_test("ge", tests::is_ge);
    env.add_test("gt", tests::is_gt);
    env.add_test("in", tests::is_in);
    env.add_test("integer", tests::is_integer);
    env.add_test("iterable", tests::is_iterable);
    env.add_test("le", tests::is_le);
    env.add_test("lower", tests::is_lower);
    env.add_test("lt", tests::is_lt);
    env.add_test("mapping", tests::is_mapping);
    env.add_test("ne", tests::is_ne);
    env.add_test("none", is_none);
    env.add_test("number", tests::is_number);
    env.add_test("odd", tests::is_odd);
    env.add_test("sequence", tests::is_sequence);
    env.add_test("startingwith", tests::is_startingwith);
    env.add_test("string", tests::is_string);
    env.add_test("true", tests::is_true);
    env.add_test("undefined", tests::is_undefined);
    env.add_test("upper", tests::is_upper);
    env
});

/// An environment that holds one template under the name `t`, and shows times as they are in that zone.
pub(super) fn compile(text: &str, zone: &TimeZone) -> Result<Environment<'static>, Error> {
    let mut env = BASE.clone();
    let zone = zone.clone();
    let date = move |value: &Value, format: Option<String>| own::date(value, format, &zone);
    env.add_filter("date", paid(Value::from_function(date)));
    env.add_template_owned("t", text.to_owned())?;
    Ok(env)
}
