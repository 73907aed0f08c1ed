//! What a typed line means: something that the user says, or a command after a slash. Runs nothing.

use std::sync::Arc;
use std::time::Duration;

use crate::engine::{Actor, Command};
use crate::source::did_you_mean;
use crate::syntax;
use crate::value::{Json, Name};

/// A typed line.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Line {
    /// Nothing.
    Empty,
    /// The user says this.
    Say(String),
    /// Somebody asks for this by name.
    Command(Actor, Command),
    /// Time passes.
    Wait(Duration),
    /// Where it stands, and why.
    Why,
    /// What can be typed.
    Help,
    /// The end.
    Quit,
    /// It means nothing; one sentence says why.
    Wrong(String),
}

/// The commands, as `/help` lists them.
pub(super) const HELP: &[(&str, &str)] = &[
    ("/fill FIELD=VALUE …", "as the agent: fill fields"),
    ("/correct FIELD=VALUE …", "as the agent: correct fields that have a value"),
    ("/start JOURNEY FIELD=VALUE …", "as the agent: start a journey"),
    ("/choose ID", "as the agent: pick an option"),
    ("/confirm", "as the agent: try to say yes, which only the user may"),
    ("/next  /back  /stuck", "as the agent: go through a guide"),
    ("/read ACTION INPUT=VALUE …", "as the agent: ask a read of an investigation"),
    ("/finding NAME", "as the agent: name what an investigation found"),
    ("/cancel", "end what is under way"),
    ("/person", "ask for a person"),
    ("/approve  /refuse NOTE", "as an operator with every role: decide on what waits for an approval"),
    ("/take_over  /hand_back", "as an operator: take the conversation over, give it back"),
    ("/say TEXT", "as an operator who has it: say something"),
    ("/wait 20m", "let time pass: timers run out, yeses and identities get old"),
    ("/why", "where it stands, what may come next, and why the last thing was refused"),
    ("/help  /quit", "this; the end (also Ctrl-D)"),
];

const NAMES: &[&str] = &[
    "fill",
    "correct",
    "start",
    "choose",
    "confirm",
    "next",
    "back",
    "stuck",
    "read",
    "finding",
    "cancel",
    "person",
    "approve",
    "refuse",
    "take_over",
    "hand_back",
    "say",
    "wait",
    "why",
    "help",
    "quit",
];

/// Reads a line.
pub(super) fn read(line: &str) -> Line {
    let line = line.trim();
    let Some(command) = line.strip_prefix('/') else {
        return if line.is_empty() { Line::Empty } else { Line::Say(line.to_owned()) };
    };
    let words = match words(command) {
        Ok(words) => words,
        Err(why) => return Line::Wrong(why),
    };
    let (name, rest) = match words.split_first() {
        Some((name, rest)) => (name.as_str(), rest),
        None => ("help", Default::default()),
    };
    named(name, rest).unwrap_or_else(Line::Wrong)
}

fn named(name: &str, rest: &[String]) -> Result<Line, String> {
    let agent = |command| Ok(Line::Command(Actor::Agent, command));
    let user = |command| Ok(Line::Command(Actor::User, command));
    let operator = |command| Ok(Line::Command(Actor::Operator, command));
    match name {
        "fill" => agent(Command::Fill(some(pairs(rest)?, "/fill order_id=A1")?)),
        "correct" => agent(Command::Correct(some(pairs(rest)?, "/correct order_id=A2")?)),
        "start" => {
            let (journey, rest) = first(rest, "/start JOURNEY")?;
            agent(Command::Start { journey: Name::new(journey), variables: pairs(rest)? })
        }
        "choose" => agent(Command::Choose(first(rest, "/choose ID")?.0.as_str().into())),
        "confirm" => agent(Command::Confirm { question: None }),
        "next" => agent(Command::Next),
        "back" => agent(Command::Back),
        "stuck" => agent(Command::Stuck),
        "read" => {
            let (action, rest) = first(rest, "/read ACTION INPUT=VALUE")?;
            agent(Command::Read { action: action.as_str().into(), inputs: pairs(rest)? })
        }
        "finding" => agent(Command::Finding(Name::new(first(rest, "/finding NAME")?.0))),
        "cancel" => user(Command::Cancel),
        "person" => user(Command::Handoff(None)),
        // What waits is meant: nobody types the id of a hold.
        "approve" => operator(Command::Approve { hold: "".into(), note: note(rest) }),
        "refuse" => operator(Command::Refuse { hold: "".into(), note: note(rest) }),
        "take_over" => operator(Command::TakeOver),
        "hand_back" => operator(Command::HandBack),
        "say" => operator(Command::Say(first(rest, "/say TEXT").map(|_| rest.join(" "))?.into())),
        "wait" => {
            let (written, _) = first(rest, "/wait 20m")?;
            let millis =
                syntax::millis(written, 1_000).ok_or_else(|| format!("`{written}` is not a duration: type `/wait 20m`, `30s` or `24h`"))?;
            Ok(Line::Wait(Duration::from_millis(millis)))
        }
        "why" => Ok(Line::Why),
        "help" | "?" => Ok(Line::Help),
        "quit" | "exit" | "q" => Ok(Line::Quit),
        _ => Err(match did_you_mean(name, NAMES.iter().copied()) {
            Some(near) => format!("there is no `/{name}`: did you mean `/{near}`?"),
            None => format!("there is no `/{name}`: `/help` lists what there is"),
        }),
    }
}

fn note(words: &[String]) -> Option<Arc<str>> {
    (!words.is_empty()).then(|| words.join(" ").into())
}

fn first<'a>(words: &'a [String], usage: &str) -> Result<(&'a String, &'a [String]), String> {
    words.split_first().ok_or_else(|| format!("type `{usage}`"))
}

fn some(pairs: Vec<(Name, Json)>, usage: &str) -> Result<Vec<(Name, Json)>, String> {
    if pairs.is_empty() { Err(format!("type `{usage}`")) } else { Ok(pairs) }
}

/// `key=value`, where a value that begins with `[` or `{` is JSON and everything else is text.
fn pairs(words: &[String]) -> Result<Vec<(Name, Json)>, String> {
    words
        .iter()
        .map(|word| {
            let (key, value) = word
                .split_once('=')
                .ok_or_else(|| format!("`{word}` is no `key=value`: quote a value with spaces, as in `name=\"Nora Falk\"`"))?;
            let json = if value.starts_with(['[', '{']) {
                serde_json::from_str(value).map_err(|e| format!("`{value}` is not JSON: {e}"))?
            } else {
                Json::from(value)
            };
            Ok((Name::new(key), json))
        })
        .collect()
}

/// Words between spaces; quotes keep spaces, brackets keep everything up to their end.
fn words(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let (mut quote, mut depth, mut open) = (None, 0usize, false);
    for c in text.chars() {
        match (quote, c) {
            (Some(q), c) if c == q => {
                quote = None;
                if depth > 0 {
                    word.push(c);
                }
            }
            (None, '"' | '\'') => {
                quote = Some(c);
                open = true;
                if depth > 0 {
                    word.push(c);
                }
            }
            (None, c) if c.is_whitespace() && depth == 0 => {
                if open || !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                open = false;
            }
            (quote, c) => {
                match c {
                    '[' | '{' if quote.is_none() => depth += 1,
                    ']' | '}' if quote.is_none() => depth = depth.saturating_sub(1),
                    _ => {}
                }
                word.push(c);
            }
        }
    }
    if let Some(quote) = quote {
        return Err(format!("a `{quote}` is not closed"));
    }
    if open || !word.is_empty() {
        words.push(word);
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn lines_mean_what_they_say() {
        let fill = |values: &[(&str, Json)]| {
            Line::Command(Actor::Agent, Command::Fill(values.iter().map(|(k, v)| (Name::new(k), v.clone())).collect()))
        };
        assert_eq!(read("  yes please "), Line::Say("yes please".into()));
        assert_eq!(read(" "), Line::Empty);
        assert_eq!(read("/fill order-id=A1 name=\"Nora Falk\""), fill(&[("order_id", json!("A1")), ("name", json!("Nora Falk"))]));
        assert_eq!(read("/fill ids=[\"a b\", \"c\"] note=''"), fill(&[("ids", json!(["a b", "c"])), ("note", json!(""))]));
        assert_eq!(read("/wait 20m"), Line::Wait(Duration::from_mins(20)));
        for wrong in ["/fill", "/fill x", "/fill x=\"", "/wait soon", "/fil x=1", "/fill x=[1"] {
            assert!(matches!(read(wrong), Line::Wrong(_)), "{wrong}");
        }
    }
}
