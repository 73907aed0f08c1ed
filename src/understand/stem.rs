//! Words as the router compares them.

use std::collections::BTreeSet;
use std::sync::LazyLock;

/// Words too common to say what somebody wants.
#[rustfmt::skip]
const COMMON: &[&str] = &[
    // English
    "a", "an", "the", "i", "i'm", "im", "i'd", "i've", "i'll", "me", "my", "mine", "we", "us", "our", "you", "your", "it", "it's", "is", "are", "am", "was",
    "were", "be", "been", "do", "does", "did", "don't", "have", "has", "had", "can", "can't", "could", "will", "would", "should", "shall", "may", "to",
    "of", "for", "in", "on", "at", "by", "from", "with", "about", "and", "or", "but", "if", "so", "that", "this", "these", "those", "there", "here",
    "please", "thank", "hi", "hello", "hey", "want", "need", "like", "get", "got", "some", "any", "just", "not", "no", "yes", "what",
    "who", "why", "which", "as", "up", "out", "again", "now", "then", "than", "also", "too", "very", "really", "know", "tell", "let", "make",
    "help", "one", "something", "yet", "already", "still", "more", "much", "many", "because", "someone", "give", "go", "see", "say",
    "when", "where", "how", "whose", "time", "day", "week", "month", "year", "today", "yesterday", "tomorrow", "tonight", "morning", "evening", "night",
    "hour", "minute", "moment", "ago", "last", "next", "soon", "long", "longer", "until", "till", "ever", "always", "possible", "able", "possibly", "maybe",
    "perhaps", "wonder", "happen", "thing", "stuff", "keep", "try", "use", "way", "whole", "kind", "sort", "bit", "lot", "okay", "ok", "well", "sure",
    "actually", "however", "first", "second", "third", "two", "three", "four", "other", "only", "same", "even", "every", "each", "all", "both", "own",
    "most", "such", "during", "before", "after", "while", "since", "once", "twice", "rather", "kindly", "sir", "madam", "team", "us", "they", "them",
    "their", "he", "she", "his", "her", "him", "its", "myself", "yourself", "seem", "look", "think", "believe", "guess", "hope", "wish", "love", "question",
    "inform", "mean", "exactly", "anything", "everything", "nobody", "anyone", "somebody",
    // German
    "ich", "mein", "meine", "meinen", "meiner", "mir", "mich", "der", "die", "das", "den", "dem", "ein", "eine", "einen", "und", "oder", "ist", "sind", "habe",
    "hat", "kann", "möchte", "will", "bitte", "zu", "von", "für", "mit", "auf", "wie", "wo", "wann", "was", "nicht", "es", "sie",
    // French
    "je", "j'ai", "mon", "ma", "mes", "le", "la", "les", "un", "une", "de", "du", "des", "et", "ou", "est", "pour", "avec", "que", "qui", "veux", "voudrais",
    // Spanish
    "yo", "mi", "mis", "el", "los", "las", "una", "y", "o", "es", "con", "por", "para", "quiero", "está", "en", "qué", "cómo", "dónde",
];

static COMMON_STEMS: LazyLock<BTreeSet<String>> = LazyLock::new(|| COMMON.iter().map(|word| stem(word)).collect());

/// Whether a stem says little.
pub(super) fn is_common(stem: &str) -> bool {
    stem.chars().count() < 2 || COMMON_STEMS.contains(stem)
}

/// Words whose last letters are no ending.
const ENDS_SO: [&str; 6] = ["news", "always", "perhaps", "address", "its", "this"];

/// A word without the commonest endings. Not a true stem, only the same for forms that mean the same.
pub(super) fn stem(word: &str) -> String {
    if ENDS_SO.contains(&word) {
        return word.to_owned();
    }
    let word = word.strip_suffix("'s").or_else(|| word.strip_suffix('\'')).unwrap_or(word);
    let long = |w: &str, n: usize| w.chars().count() >= n;
    let mut base = word;
    for (ending, least) in [
        ("ations", 4),
        ("ation", 4),
        ("ings", 3),
        ("ing", 3),
        ("ments", 4),
        ("ment", 4),
        ("ies", 3),
        ("ied", 3),
        ("edly", 3),
        ("ed", 3),
        ("ly", 4),
        ("es", 3),
        ("s", 3),
    ] {
        if let Some(cut) = base.strip_suffix(ending)
            && long(cut, least)
            && !(ending == "s" && cut.ends_with('s'))
        {
            base = cut;
            break;
        }
    }
    let doubled = base.chars().rev().take(2).collect::<Vec<_>>();
    let mut out = base.to_owned();
    if base != word && matches!(doubled.as_slice(), [a, b] if a == b && !matches!(a, 'l' | 's' | 'e' | 'o')) {
        out.pop();
    }
    if long(&out, 4) && out.ends_with('e') {
        out.pop();
    }
    if long(&out, 4) && out.ends_with('y') {
        out.pop();
        out.push('i');
    }
    // `cancelled` and `canceled`, `cancellation` and `cancel`.
    if long(&out, 5) && out.ends_with("ll") {
        out.pop();
    }
    if word.ends_with("ies") || word.ends_with("ied") {
        out.push('i');
    }
    out
}

/// The pieces of three letters of a word, its edges marked.
pub(super) fn trigrams(word: &str) -> Vec<[char; 3]> {
    let letters: Vec<char> = std::iter::once('^').chain(word.chars()).chain(std::iter::once('$')).collect();
    let mut found = Vec::new();
    for piece in letters.windows(3) {
        if let [a, b, c] = piece
            && !found.contains(&[*a, *b, *c])
        {
            found.push([*a, *b, *c]);
        }
    }
    found
}
