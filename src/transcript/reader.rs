//! Reads nodes of YAML and says what is wrong with them. Knows no key by name.

use crate::expr::Fault;
use crate::model::Workspace;
use crate::source::{Code, Diagnostic, Diagnostics, Span, Text, did_you_mean};
use crate::syntax::shape::Object;
use crate::syntax::{Entry, Node};
use crate::value::Name;

/// Reads one file.
pub(super) struct Reader<'a> {
    /// The file's text.
    pub(super) source: &'a str,
    /// What names are looked up in.
    pub(super) workspace: Option<&'a Workspace>,
    /// What was found wrong.
    pub(super) diagnostics: Diagnostics,
}

impl Reader<'_> {
    /// Complains of a value; there is nothing to go on with.
    pub(super) fn wrong<T>(&mut self, span: Span, message: &str, help: &str) -> Option<T> {
        self.diagnostics.push(Diagnostic::new(Code::WP0104, span, message).help(help));
        None
    }

    /// Complains of a name that there is not.
    pub(super) fn unknown<'k>(&mut self, code: Code, span: Span, what: &str, written: &str, known: impl Iterator<Item = &'k str>) {
        let known: Vec<&str> = known.collect();
        let help = match did_you_mean(written, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if known.is_empty() => format!("there is no {what} at all"),
            None => format!("expected one of {}", listed(&known)),
        };
        self.diagnostics.push(Diagnostic::new(code, span, format!("there is no {what} `{written}`")).help(help));
    }

    /// Complains unless it is a map.
    pub(super) fn map(&mut self, node: &Node<'_>, what: &str) -> Option<()> {
        if node.is_map() {
            return Some(());
        }
        self.wrong(node.span, &format!("{what} is a map"), "write `key: value` pairs")
    }

    /// The elements of a list.
    pub(super) fn list<'n, 's>(&mut self, node: &'n Node<'s>) -> &'n [Node<'s>] {
        if !node.is_list() {
            let _: Option<()> = self.wrong(node.span, "this is a list", "write its elements as `- …`, one a line");
        }
        node.items()
    }

    /// The text of a scalar.
    pub(super) fn text(&mut self, node: &Node<'_>) -> Option<String> {
        match node.str() {
            Some(text) => Some(text.to_owned()),
            None => self.wrong(node.span, "this is a text", "write one line of text; quote it if it holds `: ` or ` #`"),
        }
    }

    /// The text of a scalar, and where each byte of it stands.
    pub(super) fn located(&mut self, node: &Node<'_>) -> Option<Text> {
        match node.text(self.source) {
            Some(text) => Some(text),
            None => self.wrong(node.span, "this is an expression", "write it as text, in quotes"),
        }
    }

    /// A value that must be there.
    pub(super) fn required<'n, 's>(&mut self, node: &'n Node<'s>, key: &str) -> Option<&'n Node<'s>> {
        let found = node.get(key);
        // A mistyped key is reported as what it is.
        let mistyped = |e: &Entry<'_>| did_you_mean(&e.key, [key]).is_some();
        if found.is_none() && !node.entries().iter().any(mistyped) {
            let at = node.entries().first().map_or(node.span, |e| e.key_span);
            self.diagnostics.push(Diagnostic::new(Code::WP0105, at, format!("`{key}` is missing")).help(format!("add `{key}:`")));
        }
        found
    }

    /// Complains of keys that there are not.
    pub(super) fn known(&mut self, node: &Node<'_>, object: &Object) {
        let names = || object.keys.iter().map(|k| k.name);
        for entry in node.entries() {
            if object.key(&entry.key).is_none() {
                let help = match did_you_mean(&entry.key, names()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("expected one of {}", listed(&names().collect::<Vec<_>>())),
                };
                self.diagnostics.push(Diagnostic::new(Code::WP0103, entry.key_span, format!("unknown key `{}`", entry.key)).help(help));
            }
        }
    }

    /// The value that a word stands for.
    pub(super) fn one_of<T: Copy>(&mut self, span: Span, what: &str, written: &str, words: &[(&str, T)]) -> Option<T> {
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == written) {
            return Some(*value);
        }
        let all: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let help = match did_you_mean(written, all.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("expected one of {}", listed(&all)),
        };
        self.wrong(span, &format!("`{written}` is not {what}"), &help)
    }

    /// An action by name; with a workspace it must be there.
    pub(super) fn action(&mut self, written: &str, span: Span) -> Option<(Name, Name)> {
        let Some((integration, action)) = written.split_once('.') else {
            return self.wrong(span, &format!("`{written}` is not the name of an action"), "write `integration.action`");
        };
        // What a provider offers is known only when it is asked.
        let offered = |w: &Workspace| w.integrations.get(&Name::new(integration)).is_some_and(|i| i.provider.is_some());
        if let Some(workspace) = self.workspace
            && workspace.action(written).is_none()
            && !offered(workspace)
        {
            let known: Vec<String> = workspace.actions.values().map(|a| a.id.to_string()).collect();
            self.unknown(Code::WP0201, span, "action", written, known.iter().map(String::as_str));
            return None;
        }
        Some((Name::new(integration), Name::new(action)))
    }

    /// A fault in an expression.
    pub(super) fn fault(&mut self, text: &Text, fault: &Fault) {
        let mut diagnostic = Diagnostic::new(fault.code, text.part(&fault.range), fault.message.clone());
        diagnostic.help.clone_from(&fault.help);
        self.diagnostics.push(diagnostic);
    }
}

fn listed(words: &[&str]) -> String {
    words.iter().map(|w| format!("`{w}`")).collect::<Vec<_>>().join(" ")
}
