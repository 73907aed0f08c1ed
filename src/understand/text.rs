//! Words of a message.

/// A word of a message: lower case, with where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token<'t> {
    /// As it is looked up: lower case, typographic apostrophes straight.
    pub folded: String,
    /// As written.
    pub written: &'t str,
    /// First byte in the message.
    pub start: usize,
}

impl Token<'_> {
    /// One past the last byte.
    pub(super) fn end(&self) -> usize {
        self.start + self.written.len()
    }
}

fn joins(c: char) -> bool {
    matches!(c, '\'' | '’' | 'ʼ')
}

/// Whether a character says something by itself, as an emoji does.
fn pictures(c: char) -> bool {
    matches!(u32::from(c), 0x2600..=0x27BF | 0x2B00..=0x2BFF | 0x1F000..=0x1FAFF) && !modifies(c)
}

/// Skin tones, variation selectors and joiners change nothing that matters here.
fn modifies(c: char) -> bool {
    matches!(u32::from(c), 0xFE0F | 0x200D | 0x1F3FB..=0x1F3FF)
}

/// The words of a message. Letters and digits run together, with apostrophes inside; an emoji is a word.
pub(super) fn tokens(message: &str) -> Vec<Token<'_>> {
    let mut found = Vec::new();
    let mut begun: Option<usize> = None;
    let mut push = |from: usize, to: usize| {
        let written = message.get(from..to).unwrap_or("").trim_end_matches(joins);
        if !written.is_empty() {
            found.push(Token { folded: fold(written), written, start: from });
        }
    };
    for (i, c) in message.char_indices() {
        if c.is_alphanumeric() || (begun.is_some() && joins(c)) {
            begun.get_or_insert(i);
            continue;
        }
        if let Some(from) = begun.take() {
            push(from, i);
        }
        if pictures(c) {
            push(i, i + c.len_utf8());
        }
    }
    if let Some(from) = begun {
        push(from, message.len());
    }
    found
}

/// Lower case, with straight apostrophes.
pub(super) fn fold(text: &str) -> String {
    text.to_lowercase().replace(['’', 'ʼ'], "'")
}

/// The words alone.
pub(super) fn folded(message: &str) -> Vec<String> {
    tokens(message).into_iter().map(|t| t.folded).collect()
}

/// With every run of one letter as one: `yesss` and `noooo` are `yes` and `no`.
pub(super) fn collapsed(word: &str) -> String {
    let mut out = String::with_capacity(word.len());
    for c in word.chars() {
        if !out.ends_with(c) {
            out.push(c);
        }
    }
    out
}

/// Words with which a question begins, by language.
const ASKING: &[&str] = &[
    // en
    "what", "what's", "why", "when", "where", "where's", "who", "whose", "which", "how", "is", "are", "am", "was", "were", "do", "does",
    "did", "can", "could", "will", "would", "should", "shall", "may", "might", "has", "have", "isn't", "aren't", "doesn't", "can't",
    // de
    "was", "warum", "wieso", "wann", "wo", "wer", "welche", "welcher", "welches", "wie", "kann", "können", "könnte", "ist", "sind", "hat",
    // fr
    "quoi", "que", "pourquoi", "quand", "où", "qui", "quel", "quelle", "comment", "combien", "est", "puis", "peux", "pouvez",
    // es
    "qué", "cómo", "cuándo", "dónde", "quién", "cuál", "cuánto", "puedo", "puede", "por",
];

/// Whether a message asks something: it holds a question mark, or begins as a question does.
pub(super) fn is_question(message: &str) -> bool {
    message.contains(['?', '？', '¿']) || tokens(message).first().is_some_and(|t| ASKING.contains(&t.folded.as_str()))
}

/// `a, b or c`.
pub(super) fn one_of<S: AsRef<str>>(items: &[S]) -> String {
    match items {
        [] => String::new(),
        [only] => only.as_ref().to_owned(),
        [head @ .., last] => format!("{} or {}", head.iter().map(AsRef::as_ref).collect::<Vec<&str>>().join(", "), last.as_ref()),
    }
}
