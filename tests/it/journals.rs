//! Journals of every version of the form of events, as stores have kept them: they fold for ever, to what they always came to.
//!
//! `tests/journals/LIST` names each with its digest, how many events it has and what they fold to. A journal is never written anew; a new kind
//! of event, or a new form of one, gets a journal of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use waypost::engine::event::VERSION;
use waypost::engine::{Event, EventBody, State};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/journals")
}

/// The journals by name: `v1/refund.jsonl`.
fn journals() -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for version in 1..=VERSION {
        let dir = format!("v{version}");
        for entry in fs::read_dir(root().join(&dir)).unwrap_or_else(|e| panic!("version {version} of events has no journals: {e}")) {
            let path = entry.unwrap().path();
            found.insert(format!("{dir}/{}", path.file_name().unwrap().to_string_lossy()), fs::read(&path).unwrap());
        }
    }
    found
}

fn events(name: &str, bytes: &[u8]) -> Vec<Event> {
    let lines = bytes.split(|b| *b == b'\n').filter(|l| !l.is_empty()).zip(1..);
    lines.map(|(line, n)| serde_json::from_slice(line).unwrap_or_else(|e| panic!("{name}:{n} cannot be read any more: {e}"))).collect()
}

/// What events fold to, in words.
fn folded(events: &[Event]) -> String {
    let mut state = State::default();
    for event in events {
        state.apply(event);
    }
    let status = serde_json::to_value(state.status()).unwrap();
    let place = state.place().map_or("-".into(), |(journey, step)| step.map_or(journey.to_string(), |s| format!("{journey}/{}", s.0)));
    let set: Vec<String> = state.variables().map(|(name, value)| format!("{name}={}", value.json)).collect();
    let digest = hex(set.join("\n").as_bytes());
    format!("{} {} {} {}", events.len(), status.as_str().unwrap(), place, digest.get(..12).unwrap())
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut out, b| {
        write!(out, "{b:02x}").unwrap();
        out
    })
}

/// The kinds of events, as serde knows them.
fn kinds() -> BTreeSet<String> {
    let error = serde_json::from_str::<EventBody>(r#"{"type": "none of them"}"#).unwrap_err().to_string();
    let listed = error.split_once("expected one of ").expect("the kinds are listed").1;
    listed.split(',').filter_map(|k| k.split('`').nth(1)).map(str::to_owned).collect()
}

#[test]
fn every_journal_is_as_it_was_and_folds_to_what_it_did() {
    let list = fs::read_to_string(root().join("LIST")).unwrap();
    let mut listed = BTreeMap::new();
    for line in list.lines().filter(|l| !l.starts_with('#')) {
        let (digest, rest) = line.split_once(' ').unwrap();
        let (name, folds) = rest.split_once(' ').unwrap();
        listed.insert(name.to_owned(), (digest.to_owned(), folds.to_owned()));
    }
    let journals = journals();
    let mut wrong = Vec::new();
    for (name, bytes) in &journals {
        let events = events(name, bytes);
        let found = (hex(bytes), folded(&events));
        if listed.get(name) != Some(&found) {
            wrong.push(format!("{} {name} {}   (listed: {:?})", found.0, found.1, listed.get(name)));
        }
        for event in &events {
            let again: Event = serde_json::from_str(&serde_json::to_string(event).unwrap()).unwrap();
            assert_eq!(again, *event, "{name}: an event is another one once it is written again");
        }
    }
    wrong.extend(listed.keys().filter(|name| !journals.contains_key(*name)).map(|name| format!("{name} is gone")));
    assert!(wrong.is_empty(), "journals stay as they are; a new one has a line of its own in tests/journals/LIST:\n{}", wrong.join("\n"));
}

#[test]
fn every_kind_of_event_has_a_journal() {
    let kinds = kinds();
    assert!(kinds.len() >= 45 && kinds.contains("opened"), "{kinds:?}");
    let mut told = BTreeSet::new();
    for (name, bytes) in journals() {
        for event in events(&name, &bytes) {
            let json = serde_json::to_value(&event).unwrap();
            told.insert(json["type"].as_str().unwrap().to_owned());
            if let Some(inner) = json["body"]["type"].as_str() {
                told.insert(inner.to_owned());
            }
        }
    }
    let without: Vec<_> = kinds.difference(&told).collect();
    assert!(without.is_empty(), "write a journal with each of these into tests/journals/v{VERSION}/, and its line into LIST: {without:?}");
}
