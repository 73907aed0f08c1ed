//! Which option of a list a message picks.

use super::text::folded;

/// The index of the option that a message picks: by id, by label, by number, or by the only label that it is a prefix of.
///
/// Case and outer space are ignored; `-` and `_` in an id are one letter; a full stop at the end is ignored.
#[must_use]
pub fn pick<'o>(message: &str, options: impl IntoIterator<Item = (&'o str, &'o str)>) -> Option<usize> {
    let options: Vec<(&str, &str)> = options.into_iter().collect();
    let said = message.trim().trim_end_matches(['.', '!']).trim().to_lowercase();
    if said.is_empty() {
        return None;
    }
    let id = |s: &str| s.to_lowercase().replace('-', "_");
    let label = |s: &str| s.trim().trim_end_matches(['.', '!']).trim().to_lowercase();
    let only = |matches: &mut dyn Iterator<Item = usize>| {
        let first = matches.next()?;
        matches.next().is_none().then_some(first)
    };
    let at = |test: &dyn Fn(&(&str, &str)) -> bool| only(&mut options.iter().enumerate().filter(|(_, o)| test(o)).map(|(i, _)| i));
    if let Some(i) = at(&|o| id(o.0) == id(&said)).or_else(|| at(&|o| label(o.1) == said)) {
        return Some(i);
    }
    let number = said.trim_start_matches(['#', '(']).trim_end_matches([')', ':']);
    if let Ok(n) = number.parse::<usize>() {
        return n.checked_sub(1).filter(|i| *i < options.len());
    }
    let words = folded(&said);
    let same_words = |o: &(&str, &str)| !words.is_empty() && folded(o.1) == words;
    at(&same_words).or_else(|| at(&|o| label(o.1).starts_with(&said)))
}
