//! Functions of text.

use super::super::value::{Budget, Reason, Val};

/// Size of a compiled pattern, in bytes.
const PATTERN_LIMIT: usize = 256 << 10;

/// A pattern compiled within bounds.
pub(in super::super) fn compile(pattern: &str) -> Result<regex::Regex, Reason> {
    regex::RegexBuilder::new(pattern).size_limit(PATTERN_LIMIT).dfa_size_limit(PATTERN_LIMIT).build().map_err(|e| match e {
        regex::Error::CompiledTooBig(_) => "this pattern is too large".into(),
        _ => "this is no pattern".into(),
    })
}

/// Whether a compiled pattern is found in a text; searching costs steps by length.
pub(in super::super) fn search(budget: &mut Budget, pattern: &regex::Regex, text: &str) -> Result<bool, Reason> {
    budget.step(text.len() / 64)?;
    Ok(pattern.is_match(text))
}

fn pair<'v>(budget: &mut Budget, args: &'v [Val<'_>]) -> Result<(&'v str, &'v str), Reason> {
    let text = |i: usize| args.get(i).and_then(Val::as_text).unwrap_or("");
    budget.step(text(0).len() / 64)?;
    Ok((text(0), text(1)))
}

pub(super) fn contains<'a>(budget: &mut Budget, args: &[Val<'a>]) -> Result<Val<'a>, Reason> {
    pair(budget, args).map(|(text, part)| Val::Bool(text.contains(part)))
}

pub(super) fn starts_with<'a>(budget: &mut Budget, args: &[Val<'a>]) -> Result<Val<'a>, Reason> {
    pair(budget, args).map(|(text, part)| Val::Bool(text.starts_with(part)))
}

pub(super) fn ends_with<'a>(budget: &mut Budget, args: &[Val<'a>]) -> Result<Val<'a>, Reason> {
    pair(budget, args).map(|(text, part)| Val::Bool(text.ends_with(part)))
}

/// With a pattern that is only known now: compiling it costs as much as visiting a thousand parts.
pub(super) fn matches<'a>(budget: &mut Budget, args: &[Val<'a>]) -> Result<Val<'a>, Reason> {
    let (text, pattern) = pair(budget, args)?;
    budget.step(1000 + pattern.len())?;
    search(budget, &compile(pattern)?, text).map(Val::Bool)
}

pub(super) fn lower_ascii<'a>(budget: &mut Budget, args: &[Val<'a>]) -> Result<Val<'a>, Reason> {
    let (text, _) = pair(budget, args)?;
    budget.text(text.to_ascii_lowercase())
}

pub(super) fn upper_ascii<'a>(budget: &mut Budget, args: &[Val<'a>]) -> Result<Val<'a>, Reason> {
    let (text, _) = pair(budget, args)?;
    budget.text(text.to_ascii_uppercase())
}

pub(super) fn trim<'a>(budget: &mut Budget, args: &[Val<'a>]) -> Result<Val<'a>, Reason> {
    match args.first() {
        Some(Val::Text(text)) => Ok(Val::Text(text.trim())),
        _ => pair(budget, args).and_then(|(text, _)| budget.text(text.trim())),
    }
}

/// With a limit of 0 no parts, with a negative one all.
pub(super) fn split<'a>(budget: &mut Budget, args: &[Val<'a>]) -> Result<Val<'a>, Reason> {
    let (text, separator) = pair(budget, args)?;
    let limit = match args.get(2) {
        Some(Val::Int(n)) => usize::try_from(*n).unwrap_or(usize::MAX),
        _ => usize::MAX,
    };
    let mut parts = Vec::new();
    let push = |parts: &mut Vec<Val<'a>>, budget: &mut Budget, part: &str| -> Result<(), Reason> {
        budget.step(1)?;
        parts.push(budget.text(part)?);
        Ok(())
    };
    if limit == 0 {
        return budget.list(parts);
    }
    if separator.is_empty() {
        // Between every two characters, and nowhere else.
        let mut rest = text.chars();
        while parts.len() + 1 < limit {
            let Some(c) = rest.next() else { break };
            push(&mut parts, budget, c.encode_utf8(&mut [0; 4]))?;
        }
        if !rest.as_str().is_empty() {
            push(&mut parts, budget, rest.as_str())?;
        }
    } else {
        for part in text.splitn(limit, separator) {
            push(&mut parts, budget, part)?;
        }
    }
    budget.list(parts)
}

pub(super) fn join<'a>(budget: &mut Budget, args: &[Val<'a>]) -> Result<Val<'a>, Reason> {
    let separator = args.get(1).and_then(Val::as_text).unwrap_or("");
    let Some(list) = args.first() else { return Err("`join` takes a list".into()) };
    let mut out = String::new();
    for index in 0..list.len().unwrap_or(0) {
        let element = list.element(index).unwrap_or(Val::Null);
        let Some(text) = element.as_text() else {
            return Err(format!("`join` takes a list of text; element {index} is {}", element.what()));
        };
        let before = if index == 0 { "" } else { separator };
        budget.step(1)?;
        budget.build(before.len() + text.len())?;
        out.push_str(before);
        out.push_str(text);
    }
    Ok(Val::Built(out.into()))
}

/// Shows the end: at most four characters and at most a third, so nothing of one or two characters.
pub(super) fn mask<'a>(budget: &mut Budget, args: &[Val<'a>]) -> Result<Val<'a>, Reason> {
    let (text, _) = pair(budget, args)?;
    budget.step(text.len() / 16)?;
    budget.build(text.len() * 3)?;
    Ok(Val::Built(crate::value::mask(text).into()))
}
