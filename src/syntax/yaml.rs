//! YAML text to a tree of spanned nodes. The only importer of the YAML crate.
//!
//! Bounded in size, depth and expansion of aliases; after a mistake it goes on at the next document. Knows no keys.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::sync::Arc;

use granit_parser::{ErrorKind, Event, Parser, ScalarStyle, ScanError, Span as YamlSpan};

use super::place;
use super::trap::{self, Around, Stumble};
use crate::source::{Code, Diagnostic, Diagnostics, FileId, Span, Text};
use crate::value::Json;

/// Bytes of a file, at most.
pub const MAX_FILE: usize = 1 << 20;
/// Nesting of lists and maps, at most.
pub const MAX_DEPTH: usize = 64;
/// Nodes that anchors and aliases of one file may copy, at most.
pub const MAX_COPIES: usize = 10_000;

/// A node and where it stands.
#[derive(Debug, Clone)]
pub struct Node<'s> {
    /// From its first to its last byte.
    pub span: Span,
    /// What it is.
    pub kind: NodeKind<'s>,
}

/// What a node is.
#[derive(Debug, Clone)]
pub enum NodeKind<'s> {
    /// Text, or what reads as a number, a truth value or nothing.
    Scalar(Scalar<'s>),
    /// `[a, b]` or `- a`.
    List(Vec<Node<'s>>),
    /// `{a: b}` or `a: b`. No key twice.
    Map(Vec<Entry<'s>>),
    /// Something that was reported already.
    Broken,
}

/// A key and its value.
#[derive(Debug, Clone)]
pub struct Entry<'s> {
    /// The key as text.
    pub key: Cow<'s, str>,
    /// Where the key stands.
    pub key_span: Span,
    /// The value.
    pub value: Node<'s>,
}

/// How a scalar is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Without quotes.
    Plain,
    /// `'…'`.
    Single,
    /// `"…"`.
    Double,
    /// After `|`.
    Literal,
    /// After `>`.
    Folded,
}

/// A scalar.
#[derive(Debug, Clone)]
pub struct Scalar<'s> {
    /// Its text, escapes and folds undone.
    pub text: Cow<'s, str>,
    /// How it is written.
    pub style: Style,
}

/// What is in a file.
#[derive(Debug, Default)]
pub struct Parsed<'s> {
    /// The documents that could be read, empty ones left out.
    pub documents: Vec<Node<'s>>,
    /// Whether any document could not be read.
    pub broken: bool,
    /// What is wrong with it.
    pub diagnostics: Diagnostics,
}

/// The text of a file's bytes. What is not UTF-8 becomes U+FFFD, at which [`parse`] reports the file.
#[must_use]
pub fn decode(bytes: &[u8]) -> Arc<str> {
    String::from_utf8_lossy(bytes).into()
}

impl<'s> Node<'s> {
    /// Its entries, if it is a map.
    #[must_use]
    pub fn entries(&self) -> &[Entry<'s>] {
        if let NodeKind::Map(entries) = &self.kind { entries } else { &[] }
    }

    /// Its elements, if it is a list.
    #[must_use]
    pub fn items(&self) -> &[Node<'s>] {
        if let NodeKind::List(items) = &self.kind { items } else { &[] }
    }

    /// The entry with that key.
    #[must_use]
    pub fn entry(&self, key: &str) -> Option<&Entry<'s>> {
        self.entries().iter().find(|e| e.key == key)
    }

    /// The value of that key, unless it is `null`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Node<'s>> {
        self.entry(key).map(|e| &e.value).filter(|n| !n.is_null())
    }

    /// The scalar, if it is one.
    #[must_use]
    pub fn scalar(&self) -> Option<&Scalar<'s>> {
        if let NodeKind::Scalar(s) = &self.kind { Some(s) } else { None }
    }

    /// The text of a scalar that is not `null`, whatever else it reads as.
    #[must_use]
    pub fn str(&self) -> Option<&str> {
        self.scalar().filter(|s| !s.is_null()).map(|s| &*s.text)
    }

    /// Whether it is `null`, or nothing.
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.scalar().is_some_and(Scalar::is_null)
    }

    /// Whether a key is not there, nor anything that looks like a slip of it.
    #[must_use]
    pub fn lacks(&self, key: &str) -> bool {
        self.entry(key).is_none() && !self.entries().iter().any(|e| crate::source::did_you_mean(&e.key, [key]).is_some())
    }

    /// Whether it is a map.
    #[must_use]
    pub fn is_map(&self) -> bool {
        matches!(self.kind, NodeKind::Map(_))
    }

    /// Whether it is a list.
    #[must_use]
    pub fn is_list(&self) -> bool {
        matches!(self.kind, NodeKind::List(_))
    }

    /// `true` or `false`.
    #[must_use]
    pub fn bool(&self) -> Option<bool> {
        if let Some(Json::Bool(b)) = self.scalar().map(Scalar::json) { Some(b) } else { None }
    }

    /// A whole number, not negative.
    #[must_use]
    pub fn whole(&self) -> Option<u64> {
        self.scalar().and_then(|s| s.json().as_u64())
    }

    /// The text of a scalar, with where each of its bytes stands. `source` is the file's text.
    #[must_use]
    pub fn text(&self, source: &str) -> Option<Text> {
        let scalar = self.scalar().filter(|s| !s.is_null())?;
        Some(place::text(scalar, self.span, source))
    }

    /// The data, as JSON. What was broken is `null`.
    #[must_use]
    pub fn json(&self) -> Json {
        match &self.kind {
            NodeKind::Scalar(s) => s.json(),
            NodeKind::List(items) => Json::Array(items.iter().map(Node::json).collect()),
            NodeKind::Map(entries) => Json::Object(entries.iter().map(|e| (e.key.to_string(), e.value.json())).collect()),
            NodeKind::Broken => Json::Null,
        }
    }

    /// How many nodes it holds, itself among them, and how deep they go.
    fn measure(&self) -> (usize, usize) {
        let below = |nodes: &mut dyn Iterator<Item = &Node<'s>>| {
            nodes.map(Node::measure).fold((1, 0), |(n, d), (count, depth)| (n + count, d.max(depth)))
        };
        let (count, depth) = match &self.kind {
            NodeKind::Scalar(_) | NodeKind::Broken => return (1, 0),
            NodeKind::List(items) => below(&mut items.iter()),
            NodeKind::Map(entries) => below(&mut entries.iter().map(|e| &e.value)),
        };
        (count, depth + 1)
    }
}

impl Scalar<'_> {
    /// Whether it is `null`, `~` or nothing.
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.style == Style::Plain && matches!(&*self.text, "" | "~" | "null" | "Null" | "NULL")
    }

    /// What it reads as by the core schema of YAML 1.2. `no`, `on`, `off` and `yes` are text.
    #[must_use]
    pub fn json(&self) -> Json {
        if self.style != Style::Plain {
            return Json::String(self.text.to_string());
        }
        match &*self.text {
            "" | "~" | "null" | "Null" | "NULL" => Json::Null,
            "true" | "True" | "TRUE" => Json::Bool(true),
            "false" | "False" | "FALSE" => Json::Bool(false),
            text => number(text).map_or_else(|| Json::String(text.to_owned()), Json::Number),
        }
    }
}

/// A number of the core schema: `12`, `-1.5e3`, `0o17`, `0xff`. `.inf` and `.nan` are none in JSON and stay text.
fn number(text: &str) -> Option<serde_json::Number> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    if let Some(hex) = text.strip_prefix("0x") {
        return u64::from_str_radix(hex, 16).ok().filter(|_| !hex.starts_with('+')).map(Into::into);
    }
    if let Some(octal) = text.strip_prefix("0o") {
        return u64::from_str_radix(octal, 8).ok().filter(|_| !octal.starts_with('+')).map(Into::into);
    }
    if digits.bytes().all(|b| b.is_ascii_digit()) {
        let whole = text.strip_prefix('+').unwrap_or(text);
        if let Ok(n) = whole.parse::<i64>() {
            return Some(n.into());
        }
        if let Ok(n) = whole.parse::<u64>() {
            return Some(n.into());
        }
    }
    let float = digits.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'))
        && digits.bytes().any(|b| b.is_ascii_digit());
    if float { text.parse::<f64>().ok().and_then(serde_json::Number::from_f64) } else { None }
}

/// Reads a file: every document that can be read, and what is wrong with the others.
#[must_use]
pub fn parse(file: FileId, source: &str) -> Parsed<'_> {
    let mut tree = Tree::new(file, source);
    if source.len() > MAX_FILE {
        tree.report(
            Diagnostic::new(Code::WP0107, tree.at(0, 0), "this file is longer than 1 MiB")
                .help("move some of its documents to files of their own"),
        );
        return tree.out;
    }
    if let Some(at) = source.find('\u{FFFD}') {
        let span = tree.at(at, at + '\u{FFFD}'.len_utf8());
        tree.report(
            Diagnostic::new(Code::WP0101, span, "this file is not UTF-8: these bytes are no character").help("save the file as UTF-8"),
        );
        return tree.out;
    }
    let mut options = granit_parser::options! { flow_nesting_limit: MAX_DEPTH, block_nesting_limit: MAX_DEPTH };
    options.set_emit_comments(false);
    let mut parser = Parser::new_from_str_with_options(source, options);
    // INVARIANT: every turn takes an event of the parser, or skips to a later document.
    while let Some(next) = parser.next_event() {
        match next {
            Ok((event, span)) => tree.event(event, &span),
            Err(error) => {
                tree.fail(&error);
                if !matches!(parser.proceed_next_document(), Ok(true)) {
                    break;
                }
            }
        }
    }
    tree.out
}

/// A list or a map that is still open.
struct Open<'s> {
    start: usize,
    anchor: usize,
    body: OpenBody<'s>,
}

enum OpenBody<'s> {
    List(Vec<Node<'s>>),
    Map { entries: Vec<Entry<'s>>, key: Option<(Cow<'s, str>, Span)>, broken: bool },
}

struct Tree<'s> {
    file: FileId,
    source: &'s str,
    stack: Vec<Open<'s>>,
    anchors: BTreeMap<usize, Node<'s>>,
    copied: usize,
    last_end: usize,
    /// The rest of a document is left alone after a limit.
    skipping: bool,
    out: Parsed<'s>,
}

impl<'s> Tree<'s> {
    fn new(file: FileId, source: &'s str) -> Self {
        Self { file, source, stack: Vec::new(), anchors: BTreeMap::new(), copied: 0, last_end: 0, skipping: false, out: Parsed::default() }
    }

    fn at(&self, start: usize, end: usize) -> Span {
        let offset = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Span { file: self.file, start: offset(start), end: offset(end.max(start)) }
    }

    fn report(&mut self, d: Diagnostic) {
        self.out.broken |= d.code != Code::WP0102;
        self.out.diagnostics.push(d);
    }

    fn fail(&mut self, error: &ScanError) {
        if !self.skipping {
            let at = error.marker().byte_offset().unwrap_or(0);
            let flow = |o: &&Open<'_>| self.source.get(o.start..).is_some_and(|s| s.starts_with(['[', '{']));
            let around = Around { open: self.stack.iter().rev().find(flow).map(|o| o.start), after: self.last_end };
            self.report(trap::explain(&stumble(error.kind()), at, &around, self.file, self.source));
        }
        self.out.broken = true;
        self.reset();
    }

    fn reset(&mut self) {
        self.stack.clear();
        self.anchors.clear();
        self.skipping = false;
    }

    fn limit(&mut self, span: Span, message: &str, help: &str) {
        self.report(Diagnostic::new(Code::WP0107, span, message).help(help));
        self.stack.clear();
        self.skipping = true;
    }

    fn event(&mut self, event: Event<'s>, span: &YamlSpan) {
        let range = span.byte_range().unwrap_or_default();
        match event {
            Event::DocumentStart(..) | Event::DocumentEnd => self.reset(),
            _ if self.skipping => {}
            Event::Scalar(text, style, anchor, tag) => {
                let style = match style {
                    ScalarStyle::Plain => Style::Plain,
                    ScalarStyle::SingleQuoted => Style::Single,
                    ScalarStyle::DoubleQuoted => Style::Double,
                    ScalarStyle::Literal => Style::Literal,
                    ScalarStyle::Folded => Style::Folded,
                };
                self.last_end = range.end;
                let kind = if tag.is_some() { self.tag(span, range.end) } else { NodeKind::Scalar(Scalar { text, style }) };
                let node = Node { span: self.at(range.start, range.end), kind };
                self.close(node, anchor);
            }
            Event::SequenceStart(_, anchor, tag) => self.open(range.start, anchor, tag.is_some(), span, OpenBody::List(Vec::new())),
            Event::MappingStart(_, anchor, tag) => {
                let body = OpenBody::Map { entries: Vec::new(), key: None, broken: false };
                self.open(range.start, anchor, tag.is_some(), span, body);
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(&range),
            Event::Alias(id) => self.alias(id, self.at(range.start, range.end)),
            // Neither is asked for; stream events and whatever a later version adds hold no data.
            _ => {}
        }
    }

    fn open(&mut self, start: usize, anchor: usize, tagged: bool, span: &YamlSpan, body: OpenBody<'s>) {
        if self.stack.len() >= MAX_DEPTH {
            let span = self.at(start, start + 1);
            self.limit(
                span,
                "this is nested more than 64 deep",
                "name a step and reach it by `goto`, or move steps to a journey of their own",
            );
            return;
        }
        if tagged {
            self.tag(span, start);
        }
        self.last_end = self.last_end.max(start);
        self.stack.push(Open { start, anchor, body });
    }

    fn end(&mut self, range: &std::ops::Range<usize>) {
        let Some(open) = self.stack.pop() else { return };
        if self.source.get(range.clone()).is_some_and(|s| matches!(s, "]" | "}")) {
            self.last_end = range.end;
        }
        let span = self.at(open.start, self.last_end);
        let kind = match open.body {
            OpenBody::List(items) => NodeKind::List(items),
            OpenBody::Map { broken: true, .. } => NodeKind::Broken,
            OpenBody::Map { entries, .. } => NodeKind::Map(self.without_duplicates(entries)),
        };
        self.close(Node { span, kind }, open.anchor);
    }

    /// A node is whole: it goes where it belongs.
    fn close(&mut self, node: Node<'s>, anchor: usize) {
        if anchor != 0 {
            self.copied += node.measure().0;
            if self.copied > MAX_COPIES {
                self.too_many_copies(node.span);
                return;
            }
            self.anchors.insert(anchor, node.clone());
        }
        match self.stack.last_mut().map(|o| &mut o.body) {
            None => {
                if !node.is_null() {
                    self.out.documents.push(node);
                }
            }
            Some(OpenBody::List(items)) => items.push(node),
            Some(OpenBody::Map { entries, key, broken }) => match (key.take(), node.kind) {
                (Some((key, key_span)), kind) => {
                    entries.push(Entry { key, key_span, value: Node { span: node.span, kind } });
                }
                (None, NodeKind::Scalar(s)) => *key = Some((s.text, node.span)),
                (None, kind) => {
                    *broken = true;
                    *key = Some((Cow::Borrowed(""), node.span));
                    if !matches!(kind, NodeKind::Broken) {
                        self.report(trap::complex_key(node.span, self.source));
                    }
                    self.spoil_brackets();
                }
            },
        }
    }

    /// What stands behind a misread `{{` in the same brackets is misread too.
    fn spoil_brackets(&mut self) {
        for open in self.stack.iter_mut().rev() {
            if !self.source.get(open.start..).is_some_and(|s| s.starts_with(['{', '['])) {
                break;
            }
            if let OpenBody::Map { broken, .. } = &mut open.body {
                *broken = true;
            }
        }
    }

    fn tag(&mut self, span: &YamlSpan, end: usize) -> NodeKind<'s> {
        let start = span.tag_start().and_then(|m| m.byte_offset()).unwrap_or(end);
        self.report(trap::tag(start, self.file, self.source));
        NodeKind::Broken
    }

    fn too_many_copies(&mut self, span: Span) {
        let message = format!("the aliases of this file expand to more than {MAX_COPIES} nodes");
        self.limit(span, &message, "write the text out, or put shared steps into a journey that others `run`");
    }

    fn alias(&mut self, id: usize, span: Span) {
        let Some(target) = self.anchors.get(&id) else {
            self.limit(span, "this alias stands inside what it names", "write the text out");
            return;
        };
        let (count, depth) = target.measure();
        self.copied += count;
        if self.copied > MAX_COPIES {
            self.too_many_copies(span);
        } else if self.stack.len() + depth > MAX_DEPTH {
            self.limit(span, "this alias expands to more than 64 levels of nesting", "write the text out");
        } else {
            let node = target.clone();
            self.last_end = self.last_end.max(span.end as usize);
            self.close(node, 0);
        }
    }

    fn without_duplicates(&mut self, entries: Vec<Entry<'s>>) -> Vec<Entry<'s>> {
        let mut order: Vec<usize> = (0..entries.len()).collect();
        let key = |i: usize| entries.get(i).map_or("", |e| &*e.key);
        if entries.len() > 1 {
            order.sort_by(|a, b| key(*a).cmp(key(*b)));
        }
        let mut again: BTreeSet<usize> = BTreeSet::new();
        let mut found = Vec::new();
        for group in order.chunk_by(|a, b| key(*a) == key(*b)) {
            let [first, others @ ..] = group else { continue };
            for i in others {
                if let (Some(a), Some(b)) = (entries.get(*first), entries.get(*i)) {
                    let mut message = String::new();
                    let _ = write!(message, "the key `{}` stands here twice", b.key);
                    found.push(
                        Diagnostic::new(Code::WP0102, b.key_span, message).label(a.key_span, "first here").help("keep one of the two"),
                    );
                    again.insert(*i);
                }
            }
        }
        for d in found {
            self.report(d);
        }
        if again.is_empty() {
            return entries;
        }
        entries.into_iter().enumerate().filter(|(i, _)| !again.contains(i)).map(|(_, e)| e).collect()
    }
}

/// The parser's errors, by what an author does about them.
fn stumble(kind: &ErrorKind) -> Stumble {
    match kind {
        ErrorKind::RecursionLimitExceeded => Stumble::Depth,
        ErrorKind::UnexpectedCharacter { character } => Stumble::Character(*character),
        ErrorKind::UnknownAnchor => Stumble::Alias,
        ErrorKind::InvalidTrailingDoubleQuotedScalar | ErrorKind::InvalidTrailingSingleQuotedScalar => Stumble::AfterQuotes,
        ErrorKind::MappingValueNotAllowed | ErrorKind::InvalidColonPlacement => Stumble::Colon,
        ErrorKind::UnclosedFlowCollection { open: '[' }
        | ErrorKind::MismatchedFlowCollectionEnd { open: '[', .. }
        | ErrorKind::UnexpectedEofFlowSequence
        | ErrorKind::ExpectedFlowSequenceSeparator => Stumble::List,
        ErrorKind::UnclosedFlowCollection { .. }
        | ErrorKind::MismatchedFlowCollectionEnd { .. }
        | ErrorKind::UnexpectedEofFlowMapping
        | ErrorKind::UnexpectedEofImplicitFlowMapping
        | ErrorKind::ExpectedFlowMappingSeparator => Stumble::Map,
        ErrorKind::MisplacedFlowCollectionEnd => Stumble::Bracket,
        ErrorKind::UnclosedQuotedScalar | ErrorKind::InvalidQuotedScalarIndent | ErrorKind::DocumentIndicatorInQuotedScalar => {
            Stumble::Quotes
        }
        ErrorKind::UnknownQuotedScalarEscape
        | ErrorKind::InvalidQuotedScalarHexEscape
        | ErrorKind::InvalidUnicodeEscape
        | ErrorKind::MissingLowSurrogate
        | ErrorKind::UnpairedLowSurrogate
        | ErrorKind::InvalidLowSurrogate
        | ErrorKind::InvalidLowSurrogateHexEscape => Stumble::Escape,
        ErrorKind::TabInIndentation
        | ErrorKind::TabInBlockIndentation
        | ErrorKind::TabNotAllowed
        | ErrorKind::TabInPlainScalar
        | ErrorKind::TabAtBlockScalarStart => Stumble::Tab,
        ErrorKind::SimpleKeyExpected => Stumble::NoColon,
        ErrorKind::ExpectedBlockMappingKey
        | ErrorKind::ExpectedBlockSequenceEntry
        | ErrorKind::InvalidIndentation
        | ErrorKind::BlockSequenceEntryNotAllowed
        | ErrorKind::MappingKeyNotAllowed
        | ErrorKind::InvalidBlockScalarIndent => Stumble::Misfit,
        other => Stumble::Other(other.to_string()),
    }
}
