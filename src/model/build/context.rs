//! What every part of the builder needs: the texts of the files, and where findings go.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::tz::TimeZone;

use crate::expr::{Fault, Program};
use crate::model::action::Action;
use crate::model::step::{Input, Inputs, Operand};
use crate::source::{Code, Diagnostic, Diagnostics, Span, Text, did_you_mean};
use crate::syntax::{Entry, Node, NodeKind};
use crate::template::Template;
use crate::value::{Json, Name, Slug};

/// Names that no variable may bear.
const ROOTS: [&str; 9] = ["user", "variables", "context", "data", "fields", "outcome", "now", "conversation", "each"];

/// Names compared to guess what was meant, at most, in one build.
const MAX_GUESSES: usize = 1_000_000;

pub struct Context<'s> {
    texts: Vec<&'s str>,
    pub diagnostics: Diagnostics,
    /// Where times are shown as they are there.
    pub zone: TimeZone,
    /// How many more names may be compared to guess what was meant.
    guesses: usize,
}

/// Names that were seen in a scope, and where each stood first.
#[derive(Default)]
pub struct Seen {
    few: Vec<(Name, Span)>,
    many: BTreeMap<Name, Span>,
}

impl Seen {
    /// Scopes up to this size are searched as they are.
    const FEW: usize = 32;

    /// Where the name stood first, if it was seen before.
    fn first(&mut self, name: &Name, span: Span) -> Option<Span> {
        if let Some((_, first)) = self.few.iter().find(|(n, _)| n == name) {
            return Some(*first);
        }
        if self.few.len() < Self::FEW {
            self.few.push((name.clone(), span));
            return None;
        }
        let first = *self.many.entry(name.clone()).or_insert(span);
        (first != span).then_some(first)
    }
}

/// Whether a text holds something of a root of expressions: `$inputs.flat`.
fn names_a_root(text: &str) -> bool {
    const ROOTS: [&str; 8] = ["variables", "data", "fields", "context", "user", "conversation", "inputs", "each"];
    let member = |rest: &str| rest.starts_with('[') || rest.strip_prefix('.').is_some_and(|m| m.starts_with(char::is_alphabetic));
    text.split('$').skip(1).any(|part| ROOTS.iter().any(|root| part.strip_prefix(root).is_some_and(member)))
}

impl<'s> Context<'s> {
    pub fn new(texts: Vec<&'s str>) -> Self {
        Self { texts, diagnostics: Diagnostics::default(), zone: TimeZone::UTC, guesses: MAX_GUESSES }
    }

    pub fn push(&mut self, d: Diagnostic) {
        self.diagnostics.push(d);
    }

    fn source(&self, span: Span) -> &'s str {
        self.texts.get(span.file.0 as usize).copied().unwrap_or("")
    }

    /// The bytes of a span.
    pub fn slice(&self, span: Span) -> &'s str {
        self.source(span).get(span.start as usize..span.end as usize).unwrap_or("")
    }

    /// The text of a scalar; `None` if it is none.
    pub fn text(&self, node: &Node<'_>) -> Option<Text> {
        node.text(self.source(node.span))
    }

    fn faults(&mut self, text: &Text, mut faults: Vec<Fault>) {
        // Behind a syntax error nothing is sure: it is the one mistake.
        if let Some(first) = faults.iter().position(|f| f.code == Code::WP0404) {
            faults = faults.into_iter().skip(first).take(1).collect();
        }
        for fault in faults {
            let d = Diagnostic::new(fault.code, text.part(&fault.range), fault.message);
            self.diagnostics.push(match fault.help {
                Some(help) => d.help(help),
                None => d,
            });
        }
    }

    pub fn parse(&mut self, text: Text) -> Program {
        let (program, faults) = Program::parse(text);
        if !faults.is_empty() {
            self.faults(&program.text().clone(), faults);
        }
        program
    }

    /// The expression that a key holds.
    pub fn program(&mut self, node: &Node<'_>) -> Option<Program> {
        let text = self.text(node)?;
        Some(self.parse(text))
    }

    pub fn program_at(&mut self, node: &Node<'_>, key: &str) -> Option<Program> {
        node.get(key).and_then(|n| self.program(n))
    }

    /// The template that a key holds.
    pub fn template(&mut self, node: &Node<'_>) -> Option<Template> {
        let text = self.text(node)?;
        Some(self.parse_template(text))
    }

    pub fn template_at(&mut self, node: &Node<'_>, key: &str) -> Option<Template> {
        node.get(key).and_then(|n| self.template(n))
    }

    pub fn parse_template(&mut self, text: Text) -> Template {
        let (template, faults) = Template::parse_in(text, self.zone.clone());
        if !faults.is_empty() {
            self.faults(&template.text().clone(), faults);
        }
        template
    }

    /// A value where data goes: text that starts with `$` is an expression, text that holds `{{` a template, the rest literal.
    pub fn operand(&mut self, node: &Node<'_>) -> Operand {
        match &node.kind {
            NodeKind::List(items) => Operand::List(items.iter().map(|n| self.operand(n)).collect()),
            NodeKind::Map(entries) => Operand::Map(entries.iter().map(|e| (Arc::from(&*e.key), self.operand(&e.value))).collect()),
            NodeKind::Broken => Operand::Literal(Json::Null),
            NodeKind::Scalar(scalar) => {
                let literal = scalar.json();
                let Json::String(written) = &literal else { return Operand::Literal(literal) };
                if let Some(dollar) = written.strip_prefix("$$")
                    && !written.contains("{{")
                {
                    return Operand::Literal(Json::String(format!("${dollar}")));
                }
                // `${NAME}` is a secret, resolved where it is sent; `${{` is a dollar before a template.
                let expression = written.starts_with('$') && !written.starts_with("${") && !written.starts_with("$$");
                let Some(text) = self.text(node).filter(|_| expression || written.contains("{{")) else {
                    if names_a_root(written) {
                        let d = Diagnostic::new(Code::WP0408, node.span, "this is sent as text, though it reads like an expression");
                        self.push(
                            d.help("an expression here begins with `$`: `set` a variable to this one, or write a template, `{{ … }}`"),
                        );
                    }
                    return Operand::Literal(literal);
                };
                if expression { Operand::Expr(self.parse(text)) } else { Operand::Template(self.parse_template(text)) }
            }
        }
    }

    /// A value of `set` or `result`: text is an expression, or a template if it holds `{{`; anything else is literal.
    pub fn assigned(&mut self, node: &Node<'_>) -> Operand {
        let json = node.json();
        match (&json, self.text(node)) {
            (Json::String(written), Some(text)) if written.contains("{{") => Operand::Template(self.parse_template(text)),
            (Json::String(_), Some(text)) => Operand::Expr(self.parse(text)),
            _ => Operand::Literal(json),
        }
    }

    /// A path whose root its author leaves out, or not: the root is `prefix`, unless the path starts from one of `roots`.
    pub fn path(&mut self, node: &Node<'_>, prefix: &str, roots: &[&str]) -> Option<Program> {
        let text = self.text(node)?;
        let bare = text.value.strip_prefix('$').unwrap_or(&text.value);
        let keys = bare.split('.').all(|k| !k.is_empty() && k.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-[]'\"".contains(&b)));
        if !keys || bare.starts_with(|c: char| !c.is_ascii_alphabetic() && c != '_') {
            let d = Diagnostic::new(Code::WP0104, node.span, format!("`{}` is no path", text.value));
            self.push(d.help("write names with dots between them, such as `order.status`"));
            return None;
        }
        let first = bare.split(['.', '[']).next().unwrap_or("");
        let text = match (text.value.starts_with('$'), roots.contains(&first)) {
            (true, _) => text,
            (false, true) => prefixed("$", &text),
            (false, false) => prefixed(prefix, &text),
        };
        Some(self.parse(text))
    }

    /// A name, as it is looked up.
    pub fn name(node: &Node<'_>) -> Option<Name> {
        node.str().map(Name::new)
    }

    /// The short text under a key.
    pub fn str_at(node: &Node<'_>, key: &str) -> Option<Arc<str>> {
        node.get(key).and_then(Node::str).map(Arc::from)
    }

    /// The texts of a list under a key.
    pub fn list_at(node: &Node<'_>, key: &str) -> Vec<Arc<str>> {
        node.get(key).map(Node::items).unwrap_or_default().iter().filter_map(Node::str).map(Arc::from).collect()
    }

    /// The milliseconds of a duration under a key.
    pub fn millis_at(node: &Node<'_>, key: &str) -> Option<u64> {
        node.get(key).and_then(Node::str).and_then(|t| crate::syntax::millis(t, 1_000))
    }

    pub fn seconds_at(node: &Node<'_>, key: &str) -> Option<u64> {
        Self::millis_at(node, key).map(|ms| ms.div_ceil(1_000))
    }

    pub fn count_at(node: &Node<'_>, key: &str) -> Option<u32> {
        node.get(key).and_then(Node::whole).map(|n| u32::try_from(n).unwrap_or(u32::MAX))
    }

    /// The slug of a thing: as written, or from its name; and where that stands. A slug that cannot be made is an error.
    pub fn slug(&mut self, node: &Node<'_>) -> Option<(Slug, Span)> {
        if let Some(entry) = node.entry("slug").filter(|e| !e.value.is_null()) {
            let written = entry.value.str().filter(|s| Slug::is_valid(s))?;
            return Some((Slug::new(written), entry.value.span));
        }
        let name = node.get("name")?;
        let title = name.str()?;
        let slug = Slug::from_title(title);
        if Slug::is_valid(&slug.shown) {
            return Some((slug, name.span));
        }
        let d = Diagnostic::new(Code::WP0104, name.span, format!("no name for files can be made of `{title}`"));
        self.push(d.help("add `slug:`, of lower-case letters, digits, `-` and `_`"));
        None
    }

    /// A second thing of a name in one scope.
    pub fn duplicate(&mut self, what: &str, slug: &Slug, again: Span, first: Span) {
        let d = Diagnostic::new(Code::WP0203, again, format!("{what} named `{slug}` is there already"));
        self.push(d.label(first, "the first").help("give one of the two another name; `-` and `_` are the same letter"));
    }

    /// Whether a name was seen in its scope before, which is reported.
    pub fn again(&mut self, seen: &mut Seen, what: &str, slug: &Slug, span: Span) -> bool {
        let first = seen.first(&slug.name, span);
        if let Some(first) = first {
            self.duplicate(what, slug, span, first);
        }
        first.is_some()
    }

    /// The known name nearest to a written one.
    pub fn near<'c>(&mut self, written: &str, known: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
        let known: Vec<&str> = known.into_iter().take(self.guesses).collect();
        self.guesses -= known.len();
        did_you_mean(written, known)
    }

    /// A variable, where it is named.
    pub fn variable(&mut self, name: &Name, span: Span) {
        if ROOTS.contains(&name.as_str()) {
            let d = Diagnostic::new(Code::WP0208, span, format!("a variable cannot be named `{name}`: `${name}` is something else"));
            self.push(d.help(format!("choose another name, such as `{name}_value`")));
        }
    }

    /// The variable that `as` names, and where.
    pub fn save_as(&mut self, node: Option<&Node<'_>>) -> (Option<Name>, Option<Span>) {
        let Some(value) = node else { return (None, None) };
        let name = Self::name(value).filter(|_| value.str().is_some_and(Slug::is_valid));
        if let Some(name) = &name {
            self.variable(name, value.span);
        }
        (name, Some(value.span))
    }

    /// An unknown name, with the nearest known one.
    pub fn unknown<'c>(&mut self, code: Code, span: Span, message: String, written: &str, known: impl IntoIterator<Item = &'c str>) {
        let known: BTreeSet<&str> = known.into_iter().take(self.guesses).collect();
        let d = Diagnostic::new(code, span, message);
        let d = match self.near(written, known.iter().copied()) {
            Some(near) => d.help(format!("write `{near}`")),
            None if known.is_empty() || known.len() > 12 => d,
            None => {
                let all: Vec<String> = known.iter().map(|k| format!("`{k}`")).collect();
                d.help(format!("expected one of {}", all.join(", ")))
            }
        };
        self.push(d);
    }

    /// Inputs as given to an action, each of which it must have.
    pub fn inputs(&mut self, node: Option<&Node<'_>>, action: Option<&Action>) -> Inputs {
        let mut inputs: Inputs = Vec::new();
        let mut seen = Seen::default();
        for entry in node.map(Node::entries).unwrap_or_default() {
            let name = Name::new(&entry.key);
            if self.again(&mut seen, "an input", &Slug::new(&entry.key), entry.key_span) {
                continue;
            }
            if let Some(action) = action
                && !action.inputs.iter().any(|i| i.name == name)
            {
                let message = format!("`{}` has no input `{}`", action.id, entry.key);
                self.unknown(Code::WP0207, entry.key_span, message, &entry.key, action.inputs.iter().map(|i| &*i.shown));
                continue;
            }
            inputs.push(self.input(entry, name));
        }
        inputs
    }

    pub fn input(&mut self, entry: &Entry<'_>, name: Name) -> Input {
        Input { name, value: self.operand(&entry.value), span: entry.key_span, value_span: entry.value.span }
    }
}

/// A text with something before it that its author leaves out.
fn prefixed(prefix: &str, text: &Text) -> Text {
    let by = u32::try_from(prefix.len()).unwrap_or(0);
    let start = text.pieces.first().map_or(text.span.start, |(_, f)| *f);
    let pieces: Vec<(u32, u32)> = std::iter::once((0, start)).chain(text.pieces.iter().map(|(v, f)| (v + by, *f))).collect();
    Text { value: format!("{prefix}{}", text.value).into(), span: text.span, pieces: pieces.into() }
}
