//! What YAML cannot read, in the words of somebody who wrote a journey: mostly, a text that needs quotes.

use crate::source::{Code, Diagnostic, FileId, Span};

/// What the parser stumbled over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stumble {
    /// Nesting past the limit.
    Depth,
    /// A character that no plain text starts with.
    Character(char),
    /// `*name` without `&name`.
    Alias,
    /// Text right behind a closing quote.
    AfterQuotes,
    /// A `: ` where no key can be.
    Colon,
    /// A list in brackets that goes on strangely.
    List,
    /// A map in braces that goes on strangely.
    Map,
    /// A bracket too many.
    Bracket,
    /// Quotes that are never closed.
    Quotes,
    /// An escape that YAML has not.
    Escape,
    /// A tab in the indentation.
    Tab,
    /// A line that is no `key: value`.
    NoColon,
    /// A line that does not fit those above it.
    Misfit,
    /// Anything else, in the parser's words.
    Other(String),
}

fn span(file: FileId, start: usize, end: usize) -> Span {
    let offset = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Span { file, start: offset(start), end: offset(end.max(start)) }
}

/// What stood around it.
pub struct Around {
    /// The innermost bracket that is open.
    pub open: Option<usize>,
    /// The end of the last text that could be read.
    pub after: usize,
}

/// The diagnostic of an error of the parser.
pub fn explain(kind: &Stumble, at: usize, around: &Around, file: FileId, source: &str) -> Diagnostic {
    let at = floor(source, at);
    if matches!(kind, Stumble::Depth) {
        return Diagnostic::new(Code::WP0107, span(file, at, at + 1), "this is nested more than 64 deep")
            .help("name a step and reach it by `goto`, or move steps to a journey of their own");
    }
    if let Some(found) = unquoted(kind, at, source) {
        let d = Diagnostic::new(Code::WP0101, span(file, found.start, found.start + found.text.len()), found.why);
        return d.help(format!("quote this: `{}{}`", found.before, quoted(found.text)));
    }
    let quote = source.get(around.after..).and_then(|s| s.find(['"', '\''])).map(|n| around.after + n);
    if let (Stumble::Quotes, Some(quote)) = (kind, quote) {
        return Diagnostic::new(Code::WP0101, span(file, quote, quote + 1), "this quote is never closed")
            .help("close the text with the same quote");
    }
    if let Some(open) = around.open.filter(|open| source.get(*open..at).is_some_and(|s| s.contains('\n'))) {
        let (what, close) = if source.get(open..).is_some_and(|s| s.starts_with('[')) { ("list", ']') } else { ("map", '}') };
        return Diagnostic::new(Code::WP0101, span(file, open, open + 1), format!("this {what} is never closed"))
            .help(format!("close it with `{close}`"));
    }
    if let (Stumble::Colon, Some(above)) = (kind, Line::above(at, source)) {
        let text = above.text.trim_start();
        let start = above.start + above.text.len() - text.len();
        let d = Diagnostic::new(Code::WP0101, span(file, start, start + text.len()), "this line has no `:` behind its key");
        return d.help(match text.split_once(' ') {
            Some((key, value)) => format!("write `{key}: {}`", value.trim_start()),
            None => format!("write `{text}:` and its value"),
        });
    }
    let end = source.get(at..).and_then(|s| s.chars().next()).filter(|c| *c != '\n').map_or(at, |c| at + c.len_utf8());
    let (message, help) = words(kind);
    let d = Diagnostic::new(Code::WP0101, span(file, at, end), message);
    if help.is_empty() { d } else { d.help(help) }
}

/// A key that is no text: mostly `key: {{ x }}` without quotes.
pub fn complex_key(at: Span, source: &str) -> Diagnostic {
    let start = (at.start as usize).saturating_sub(1);
    if source.get(start..).is_some_and(|s| s.starts_with("{{"))
        && let Some(line) = Line::at(start, source)
        && let Some(value) = line.value_at(start)
    {
        let d = Diagnostic::new(Code::WP0101, span(at.file, start, start + value.len()), "a text that starts with `{{` needs quotes");
        return d.help(format!("quote this: `{}{}`", line.key_before(start), quoted(value)));
    }
    Diagnostic::new(Code::WP0101, at, "a key must be text, not a list or a map").help("write the key as plain text, before a `:`")
}

/// A tag: mostly an expression that starts with `!`.
pub fn tag(start: usize, file: FileId, source: &str) -> Diagnostic {
    let Some((line, value)) = Line::at(start, source).and_then(|l| l.value_at(start).map(|v| (l, v))) else {
        return Diagnostic::new(Code::WP0101, span(file, start, start + 1), "tags are not part of the language").help("remove it");
    };
    Diagnostic::new(Code::WP0101, span(file, start, start + value.len()), "a text that starts with `!` needs quotes").help(format!(
        "quote this: `{}{}`",
        line.key_before(start),
        quoted(value)
    ))
}

struct Unquoted<'s> {
    start: usize,
    text: &'s str,
    before: String,
    why: String,
}

/// The value without quotes that the parser stumbled over, if that is what happened.
fn unquoted<'s>(kind: &Stumble, at: usize, source: &'s str) -> Option<Unquoted<'s>> {
    let line = Line::at(at, source)?;
    let start = line.start_of_value(at)?;
    let text = line.value_at(start)?;
    let why = match (kind, text.chars().next()?) {
        (_, '{') if text.starts_with("{{") => "a text that starts with `{{` needs quotes".to_owned(),
        (Stumble::Character(character), c) if c == *character => format!("a text that starts with `{c}` needs quotes"),
        (Stumble::Alias, '*') => "a text that starts with `*` needs quotes".to_owned(),
        (Stumble::AfterQuotes, '"' | '\'') => "a text that goes on after its quotes needs quotes around all of it".to_owned(),
        (Stumble::Colon | Stumble::Map | Stumble::List, c)
            if !matches!(c, '"' | '\'' | '{' | '[') && (text.contains(": ") || text.ends_with(':')) =>
        {
            "a text that holds `: ` needs quotes".to_owned()
        }
        (_, '!') => "a text that starts with `!` needs quotes".to_owned(),
        _ => return None,
    };
    Some(Unquoted { start, text, before: line.key_before(start), why })
}

/// The text in quotes, as an author would type them.
fn quoted(text: &str) -> String {
    if text.contains(['"', '\\']) { format!("'{}'", text.replace('\'', "''")) } else { format!("\"{text}\"") }
}

/// A line of the file, and where it begins.
struct Line<'s> {
    start: usize,
    text: &'s str,
}

impl<'s> Line<'s> {
    fn at(offset: usize, source: &'s str) -> Option<Self> {
        // An error is often found at the break behind the line that has it.
        let before = source.get(..offset)?;
        let start = before.rfind('\n').map_or(0, |n| n + 1);
        let text = source.get(start..)?;
        Some(Self { start, text: text.split('\n').next()?.trim_end() })
    }

    /// The line above, if it is one of words without any `:`.
    fn above(offset: usize, source: &'s str) -> Option<Self> {
        let line = Self::at(offset, source)?;
        let above = Self::at(line.start.checked_sub(1)?, source)?;
        let words = above.text.trim_start();
        (!words.is_empty() && !words.starts_with(['-', '#']) && !words.contains(':')).then_some(above)
    }

    /// Where the value begins that holds `offset`: behind the last `- `, `key: `, `{` or `, ` before it that stands outside quotes.
    fn start_of_value(&self, offset: usize) -> Option<usize> {
        let body = self.text.trim_start();
        let mut start = self.text.len() - body.len();
        let mut flow = 0_u32;
        let mut found_key = false;
        // INVARIANT: every turn moves `start` on.
        loop {
            let rest = self.text.get(start..)?;
            if let Some(item) = rest.strip_prefix("- ") {
                start = self.text.len() - item.trim_start().len();
                continue;
            }
            if (rest.starts_with('{') && !rest.starts_with("{{")) || rest.starts_with('[') {
                flow += 1;
                start += 1;
                start += self.text.get(start..)?.len() - self.text.get(start..)?.trim_start().len();
                found_key = false;
                continue;
            }
            if !found_key && let Some(key) = key_length(rest) {
                let value = rest.get(key..)?.trim_start();
                start = self.text.len() - value.len();
                found_key = true;
                continue;
            }
            if flow > 0
                && let Some(comma) = rest.find(", ")
                && self.start + start + comma < offset
            {
                start += comma + 2;
                found_key = false;
                continue;
            }
            return Some(self.start + start).filter(|s| *s <= offset + 1 && !self.text.get(s - self.start..).unwrap_or("").is_empty());
        }
    }

    /// The value from there to the end of the line, without what closes the collection around it.
    fn value_at(&self, offset: usize) -> Option<&'s str> {
        let rest = self.text.get(offset.checked_sub(self.start)?..)?;
        let rest = rest.split(" #").next().unwrap_or(rest).trim_end();
        let mut end = rest;
        for closer in self.open_before(offset) {
            end = end.strip_suffix(closer).map_or(end, str::trim_end);
        }
        Some(end).filter(|e| !e.is_empty())
    }

    /// What closes the brackets that are open there, outermost first.
    fn open_before(&self, offset: usize) -> Vec<char> {
        let mut open = Vec::new();
        for c in self.text.get(..offset - self.start).unwrap_or("").chars() {
            match c {
                '[' => open.push(']'),
                '{' => open.push('}'),
                ']' | '}' => {
                    open.pop();
                }
                _ => {}
            }
        }
        open
    }

    /// The `key: ` right before a value, if it has one.
    fn key_before(&self, offset: usize) -> String {
        let before = self.text.get(..offset - self.start).unwrap_or("");
        let own = before.rsplit(['{', '[', ',']).next().unwrap_or(before).trim_start();
        let own = own.strip_prefix("- ").unwrap_or(own).trim_start();
        key_length(own).and_then(|n| own.get(..n)).map_or_else(String::new, |k| format!("{k} "))
    }
}

/// The length of `key:` at the beginning of a text.
fn key_length(text: &str) -> Option<usize> {
    let name = text.bytes().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b'$')).count();
    (name > 0 && text.get(name..).is_some_and(|r| r.starts_with(": ") || r == ":")).then_some(name + 1)
}

fn floor(source: &str, at: usize) -> usize {
    (0..=at.min(source.len())).rev().find(|i| source.is_char_boundary(*i)).unwrap_or(0)
}

/// The parser's error as an author would say it, and what to do.
fn words(kind: &Stumble) -> (String, &'static str) {
    let (message, help) = match kind {
        Stumble::Tab => ("a tab stands where YAML wants spaces", "indent with spaces"),
        Stumble::List => ("this list is not closed here: expected `,` or `]`", "close the list with `]`"),
        Stumble::Map => ("this map is not closed here: expected `,` or `}`", "close the map with `}`"),
        Stumble::Bracket => ("this bracket closes nothing that is open", "remove it, or open what it closes"),
        Stumble::Quotes => ("the text in quotes that stands before this is not closed", "close it with the same quote"),
        Stumble::Escape => ("this escape is none of YAML's", "double the backslash, or use single quotes"),
        Stumble::NoColon => ("this line is neither a `key: value` nor a `- ` item", "add a `:` after the key"),
        Stumble::Misfit | Stumble::Colon => {
            ("this line does not fit the lines above it", "give it the same indentation as the lines it belongs to")
        }
        Stumble::Alias => ("this alias names no anchor", "write the text out, or define the anchor before"),
        Stumble::Character(c) => return (format!("a text that starts with `{c}` needs quotes"), "put the text in quotes"),
        Stumble::AfterQuotes => ("text goes on after its closing quote", "put quotes around all of it"),
        Stumble::Depth => ("this is nested more than 64 deep", "move steps to a journey of their own"),
        Stumble::Other(other) => return (format!("this is not YAML: {other}"), ""),
    };
    (message.to_owned(), help)
}
