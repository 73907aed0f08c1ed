//! Templates of messages, prompts, endpoints and headers: minijinja, set up once.
//!
//! What the user typed is data here: it is never parsed as a template. Knows nothing of YAML and nothing of journeys.

mod analysis;
mod context;
mod environment;
mod filters;
mod scan;

use std::fmt::Write as _;
use std::io::{self, Write};
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use jiff::tz::TimeZone;
use minijinja::value::Value as Jinja;
use minijinja::{Environment, Error, ErrorKind};

use self::analysis::{Analysis, Emit, Known, Site, Slot};
use self::context::{Context, FRAME, Frame, Miss, Shown};
use self::scan::{Tag, TagKind};
use crate::expr::{Fault, Read, Root, Scope};
use crate::source::{Code, Text};
use crate::value::Segment;

/// What stands for a sensitive value where it may not be shown.
pub const REDACTED: &str = "[redacted]";

/// Longest text of one render, in bytes.
const MAX_OUTPUT: usize = 256 * 1024;

/// A compiled template. Cloning shares it.
#[derive(Debug, Clone)]
pub struct Template(Arc<Compiled>);

#[derive(Debug)]
struct Compiled {
    text: Text,
    zone: TimeZone,
    /// What is rendered, if it holds no tags.
    constant: Option<Arc<str>>,
    broken: bool,
    reads: Vec<Read>,
    sites: Vec<Site>,
    slots: Arc<[Slot]>,
    emits: Vec<Emit>,
    bare: Vec<Known>,
    /// Compiled at the first render.
    plain: OnceLock<Option<Environment<'static>>>,
    /// The same with every emitting tag wrapped, compiled when the first sensitive value comes.
    sealed: OnceLock<Option<Environment<'static>>>,
}

/// What becomes of an undefined value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Undefined {
    /// It renders as nothing, and is noted: in what a person reads.
    Nothing,
    /// It is an error: in an endpoint, a header, a query, a body, a key.
    Error,
}

/// A rendered template.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rendered {
    /// The text.
    pub text: String,
    /// Whether a sensitive value was put into it unmasked.
    pub tainted: bool,
    /// Paths that were undefined.
    pub undefined: Vec<Arc<str>>,
    /// The paths of the sensitive values that were put into it unmasked.
    pub sensitive: Vec<Arc<str>>,
    /// The text with `[redacted]` for them; `None` where there are none.
    pub redacted: Option<String>,
    /// The template, where there are any: what it makes of them is told by nothing else that may be shown.
    pub written: Option<Arc<str>>,
}

impl Rendered {
    /// The text as it may be shown to everybody.
    #[must_use]
    pub fn shown(&self) -> &str {
        self.redacted.as_deref().unwrap_or(&self.text)
    }
}

/// Why a template did not render. Says names and types, never values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct RenderError {
    /// One lower-case sentence.
    pub message: String,
    /// Where in the template.
    pub range: Range<usize>,
}

impl Template {
    /// Compiles; a template with faults (`WP0701`, `WP0403`, `WP0107`) is broken and renders to an error. Times are shown in UTC.
    #[must_use]
    pub fn parse(text: Text) -> (Self, Vec<Fault>) {
        Self::parse_in(text, TimeZone::UTC)
    }

    /// The same, with times shown as they are in that zone.
    #[must_use]
    pub fn parse_in(text: Text, zone: TimeZone) -> (Self, Vec<Fault>) {
        let tags = scan::tags(&text.value);
        let (analysis, faults) = if tags.is_empty() && text.value.len() <= scan::MAX_TEMPLATE {
            (Analysis::default(), Vec::new())
        } else {
            match parse(&text.value, &tags) {
                Ok(mut analysis) => {
                    let faults = std::mem::take(&mut analysis.faults);
                    (analysis, faults)
                }
                Err(fault) => (Analysis::default(), vec![fault]),
            }
        };
        // As the engine has it: one line break at the very end is dropped.
        let constant = (tags.is_empty() && faults.is_empty()).then(|| {
            let bare = text.value.strip_suffix('\n').map(|t| t.strip_suffix('\r').unwrap_or(t));
            bare.map_or_else(|| Arc::clone(&text.value), Arc::from)
        });
        let compiled = Compiled {
            constant,
            broken: !faults.is_empty(),
            reads: analysis.sites.iter().map(|s| s.read.clone()).collect(),
            slots: analysis.slots(),
            sites: analysis.sites,
            emits: analysis.emits,
            bare: analysis.bare,
            text,
            zone,
            plain: OnceLock::new(),
            sealed: OnceLock::new(),
        };
        (Self(Arc::new(compiled)), faults)
    }

    /// The text it was compiled from, and where that stands.
    #[must_use]
    pub fn text(&self) -> &Text {
        &self.0.text
    }

    /// Whether it did not compile.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.0.broken
    }

    /// Every path it reads, in order.
    #[must_use]
    pub fn reads(&self) -> &[Read] {
        &self.0.reads
    }

    /// The paths that every render certainly shows, masked or not: with another value there it is another text.
    pub fn shows(&self) -> impl Iterator<Item = &(Root, Vec<Arc<str>>)> {
        self.0.emits.iter().flat_map(|e| &e.shows)
    }

    /// Whether the value of a read stands in every text as it is, neither masked nor made into something else.
    #[must_use]
    pub fn holds(&self, read: &Read) -> bool {
        self.0.bare.iter().any(|(root, keys)| *root == read.root && *keys == read.keys)
    }

    /// What reaches the text unmasked: where the tag stands that lets it through, a root, and the path after it.
    pub fn says(&self) -> impl Iterator<Item = (usize, Root, &[Segment])> {
        self.0.emits.iter().flat_map(|e| e.sources.iter().map(|s| (e.start, s.root, &*s.path)))
    }

    /// Its text if it holds no tags.
    #[must_use]
    pub fn constant(&self) -> Option<&str> {
        self.0.constant.as_deref()
    }

    /// Renders within bounds of fuel and size.
    ///
    /// # Errors
    /// When a filter does not take what it is given, a bound is passed, or something is undefined where that is an error.
    pub fn render(&self, scope: &dyn Scope, undefined: Undefined) -> Result<Rendered, RenderError> {
        let this = &*self.0;
        if let Some(text) = &this.constant {
            return Ok(Rendered { text: String::from(&**text), ..Rendered::default() });
        }
        let Some(env) = this.plain.get_or_init(|| if this.broken { None } else { environment::compile(&this.text.value, &this.zone).ok() })
        else {
            return Err(RenderError { message: "the template did not compile".into(), range: 0..this.text.value.len() });
        };
        let frame = Arc::new(Frame::new(&this.slots, scope));
        let mut rendered = Rendered { text: this.run(env, &frame)?, ..Rendered::default() };
        let missed = this.missed(frame.misses());
        if let (Undefined::Error, Some((path, range))) = (undefined, missed.first()) {
            return Err(RenderError { message: format!("`{path}` is not set"), range: range.clone() });
        }
        rendered.undefined = missed.into_iter().map(|(path, _)| path).collect();
        if !frame.is_clean() {
            this.redact(&frame, &mut rendered)?;
            rendered.written = rendered.tainted.then(|| this.text.value.clone());
        }
        Ok(rendered)
    }
}

impl Compiled {
    fn run(&self, env: &Environment<'static>, frame: &Arc<Frame>) -> Result<String, RenderError> {
        let mut out = Capped(Vec::with_capacity(self.text.value.len() + 64));
        let context = Jinja::from_object(Context(Arc::clone(frame)));
        let result = env.get_template("t").and_then(|t| t.render_captured_to(context, &mut out).map(|_| ()));
        match result {
            Ok(()) => String::from_utf8(out.0)
                .map_err(|_| RenderError { message: "the template gave no text".into(), range: 0..self.text.value.len() }),
            Err(e) => Err(RenderError { message: reason(&e), range: self.place(&e) }),
        }
    }

    fn place(&self, error: &Error) -> Range<usize> {
        let whole = 0..self.text.value.len();
        error.range().filter(|r| self.text.value.get(r.clone()).is_some()).unwrap_or(whole)
    }

    /// The look-ups without a value that no guard foresaw, each with where it is read.
    fn missed(&self, misses: Vec<Miss>) -> Vec<(Arc<str>, Range<usize>)> {
        let noted = |(root, keys): Miss| {
            let unforeseen = self.sites.iter().find(|s| {
                let known = s.read.keys.len().min(keys.len());
                s.read.root == root && s.read.keys.get(..known) == keys.get(..known) && s.proved < keys.len().max(1)
            })?;
            let path = std::iter::once(root.bare()).chain(keys.iter().map(|k| &**k)).collect::<Vec<_>>().join(".");
            Some((path.into(), unforeseen.read.range.clone()))
        };
        misses.into_iter().filter_map(noted).collect()
    }

    /// Renders again with the sensitive parts sealed, to learn which of them were put in, and how the text looks without them.
    fn redact(&self, frame: &Frame, rendered: &mut Rendered) -> Result<(), RenderError> {
        let tainted = |emit: &Emit| emit.sources.iter().any(|s| frame.is_tainted(s));
        let sealed: Vec<bool> = self.emits.iter().map(tainted).collect();
        if !sealed.contains(&true) {
            return Ok(());
        }
        let compile = || self.wrapped().and_then(|text| environment::compile(&text, &self.zone).ok());
        let Some(env) = self.sealed.get_or_init(compile) else {
            // INVARIANT: what cannot be sealed is treated as sensitive as a whole.
            rendered.tainted = true;
            rendered.redacted = Some(REDACTED.to_owned());
            return Ok(());
        };
        let frame = Arc::new(frame.seal(sealed, Shown::Redacted));
        let text = self.run(env, &frame)?;
        let reached = frame.reached();
        if reached.is_empty() {
            return Ok(());
        }
        rendered.tainted = true;
        rendered.redacted = Some(text);
        let sources = reached.iter().filter_map(|i| self.emits.get(*i)).flat_map(|e| &e.sources);
        for source in sources.filter(|s| frame.is_tainted(s)) {
            let segments = source.path.iter().map(|s| match s {
                Segment::Key(key) => &**key,
                Segment::Any => "*",
            });
            let path: Arc<str> = std::iter::once(source.root.bare()).chain(segments).collect::<Vec<_>>().join(".").into();
            if !rendered.sensitive.contains(&path) {
                rendered.sensitive.push(path);
            }
        }
        Ok(())
    }

    /// The text with every emitting tag wrapped in the sealing filter.
    fn wrapped(&self) -> Option<String> {
        let text = &*self.text.value;
        let tags: Vec<Tag> = scan::tags(text).into_iter().filter(|t| t.kind == TagKind::Emit).collect();
        if tags.len() != self.emits.len() {
            return None;
        }
        let mut out = String::with_capacity(text.len() * 2);
        let mut at = 0;
        for (i, tag) in tags.iter().enumerate() {
            let inner = tag.inner(text);
            out.push_str(text.get(at..inner.start)?);
            let expression = text.get(inner.clone())?;
            write!(out, " ({expression}) | {}({i}, {FRAME}) ", environment::SEAL).ok()?;
            at = inner.end;
        }
        out.push_str(text.get(at..)?);
        Some(out)
    }
}

/// A writer that refuses to grow past the bound.
struct Capped(Vec<u8>);

impl Write for Capped {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MAX_OUTPUT {
            return Err(io::Error::other("full"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Why a render failed, without any value: only messages known to hold none are repeated.
fn reason(error: &Error) -> String {
    let mut source = std::error::Error::source(error);
    for _ in 0..4 {
        let Some(inner) = source else { break };
        if let Some(filters::Said(said)) = inner.downcast_ref() {
            return said.clone();
        }
        source = inner.source();
    }
    match error.kind() {
        ErrorKind::OutOfFuel => "the template does too much work".into(),
        ErrorKind::WriteFailure => format!("the text is longer than {} KiB", MAX_OUTPUT / 1024),
        ErrorKind::MissingArgument => "a filter lacks an argument".into(),
        ErrorKind::TooManyArguments => "a filter is given too many arguments".into(),
        ErrorKind::InvalidOperation => match error.detail() {
            Some(detail) if detail.starts_with("tried to use") => detail.to_owned(),
            _ => "an operator or a filter does not take what it is given".into(),
        },
        _ => "an operator or a filter does not take what it is given".into(),
    }
}

/// Parses and walks a text within the limits.
fn parse(text: &str, tags: &[Tag]) -> Result<Analysis, Fault> {
    let fault = |code, range, message: String, help: &str| Err(Fault { code, range, message, help: Some(help.to_owned()) });
    if text.len() > scan::MAX_TEMPLATE {
        return fault(
            Code::WP0107,
            0..text.len(),
            format!("the template is longer than {} KiB", scan::MAX_TEMPLATE / 1024),
            "say less, or split it into several steps",
        );
    }
    if let Some(tag) = tags.iter().find(|t| !t.closed) {
        let (open, close) = match tag.kind {
            TagKind::Emit => ("{{", "}}"),
            TagKind::Statement => ("{%", "%}"),
            TagKind::Comment => ("{#", "#}"),
        };
        let place = tag.range.start..tag.range.start + 2;
        return fault(Code::WP0701, place, format!("`{open}` is never closed"), &format!("add `{close}` at its end"));
    }
    if let Some(tag) = tags.iter().find(|t| t.range.len() > scan::MAX_TAG) {
        let message = format!("the tag is longer than {} KiB", scan::MAX_TAG / 1024);
        return fault(Code::WP0107, tag.range.clone(), message, "compute it in a `set` step first");
    }
    if tags.len() > scan::MAX_TAGS {
        return fault(
            Code::WP0107,
            0..text.len(),
            format!("the template holds more than {} tags", scan::MAX_TAGS),
            "split it into several steps",
        );
    }
    for tag in tags.iter().filter(|t| t.kind != TagKind::Comment) {
        if let Some(place) = dollar(text, tag) {
            return fault(Code::WP0701, place, "in a template a root is written without `$`".into(), "remove the `$`");
        }
    }
    let tree =
        minijinja::machinery::parse(text, "t", minijinja::syntax::SyntaxConfig::default()).map_err(|e| syntax_fault(text, tags, &e))?;
    Ok(Analysis::of(text, &tree))
}

/// A `$` before a name, outside quotes.
fn dollar(text: &str, tag: &Tag) -> Option<Range<usize>> {
    let inner = tag.inner(text);
    let mut quote = None;
    for (i, c) in text.get(inner.clone())?.char_indices() {
        match (quote, c) {
            (Some(q), c) if q == c => quote = None,
            (None, '\'' | '"') => quote = Some(c),
            (None, '$') => return Some(inner.start + i..inner.start + i + 1),
            _ => {}
        }
    }
    None
}

fn syntax_fault(text: &str, tags: &[Tag], error: &Error) -> Fault {
    let detail = error.detail().unwrap_or("it cannot be read");
    if detail.contains("unexpected end of input")
        && let Some((word, range)) = scan::open_block(text, tags)
    {
        return Fault {
            code: Code::WP0701,
            range,
            message: format!("`{{% {word} %}}` is never closed"),
            help: Some(format!("add `{{% end{word} %}}`")),
        };
    }
    let whole = 0..text.len();
    let range = error.range().filter(|r| text.get(r.clone()).is_some_and(|t| !t.is_empty())).unwrap_or(whole);
    let help = (detail.contains("unknown statement")).then(|| "expected one of `if`, `for`, `set`, `with`, `filter`, `raw`".to_owned());
    Fault { code: Code::WP0701, range, message: detail.to_owned(), help }
}
