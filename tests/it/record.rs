//! Recordings: every transcript that there is, recorded, read again, played again, tried on mutants, and made into a test.

mod damaged;
mod mutants;
mod offered;
mod program;
mod sent;
mod unseen;

use std::path::Path;
use std::sync::Arc;

use waypost::check::{Loaded, load};
use waypost::driver::files::read_dir;
use waypost::engine::{Event, EventBody};
use waypost::source::SourceMap;
use waypost::transcript::record::{Header, Machines, Recording, Writer, convert, parse};
use waypost::transcript::{self, Failure, Options, Runner};

/// A workspace and what its transcripts come to.
pub struct Recorded {
    pub loaded: Loaded,
    pub recordings: Vec<(String, Vec<u8>)>,
}

pub fn bytes(events: &[Event]) -> Vec<u8> {
    let header = Header::of("transcript".into(), "test".into(), events, true);
    let mut writer = Writer::begin(Vec::new(), &header).unwrap();
    for event in events {
        writer.event(event).unwrap();
    }
    writer.end().unwrap()
}

/// The transcripts below a directory of a workspace, each recorded.
pub async fn recorded(root: &str) -> Recorded {
    let loaded = load(read_dir(&Path::new(env!("CARGO_MANIFEST_DIR")).join(root)).unwrap()).loaded().unwrap();
    let mut recordings = Vec::new();
    for (name, failures, events) in had(&loaded, root).await {
        assert!(failures.is_empty(), "{name}: {failures:?}");
        recordings.push((name, bytes(&events)));
    }
    assert!(recordings.len() > 20, "{} recordings", recordings.len());
    Recorded { loaded, recordings }
}

/// What the transcripts below a directory come to on a version of their workspace.
async fn had(loaded: &Loaded, root: &str) -> Vec<(String, Vec<Failure>, Vec<Event>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(root);
    let runner = Runner::new(loaded.clone(), Options::default());
    let mut all = Vec::new();
    let mut files: Vec<_> = std::fs::read_dir(root.join(&*loaded.settings.tests)).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    for path in files.into_iter().filter(|p| p.extension().is_some_and(|e| e == "yaml")) {
        let text: Arc<str> = std::fs::read_to_string(&path).unwrap().into();
        let file = SourceMap::default().add("t", text.clone());
        for document in transcript::read(file, &text, None) {
            let script = document.script.unwrap();
            let (failures, events) = runner.record(&script).await.unwrap();
            all.push((format!("{}: {}", path.file_stem().unwrap().to_string_lossy(), script.name), failures, events));
        }
    }
    all
}

/// Whether the recording plays again to the same events on its own version; if not, why.
pub fn plays(loaded: &Loaded, events: &[Event]) -> Result<u32, String> {
    if !matches!(events[0].body, EventBody::Opened(_)) {
        // Given up: only what was said is kept of it.
        return Ok(0);
    }
    let recording = parse(&bytes(events)).map_err(|e| e.to_string())?;
    same(&Machines::new(std::slice::from_ref(loaded)), &recording)
}

fn same(machines: &Machines, recording: &Recording) -> Result<u32, String> {
    let replayed = machines.replay(recording).map_err(|e| e.to_string())?;
    match replayed.difference {
        None => Ok(replayed.not_judged),
        Some(difference) => Err(format!("{difference:#?}")),
    }
}

#[tokio::test]
async fn every_transcript_plays_again_as_it_was_recorded() {
    let mut wrong = Vec::new();
    for root in [".", "examples/retail"] {
        let Recorded { loaded, recordings } = recorded(root).await;
        let machines = Machines::new(&[loaded]);
        let (mut all, mut not_judged) = (0, 0);
        for (name, bytes) in &recordings {
            match same(&machines, &parse(bytes).unwrap()) {
                Ok(n) => not_judged += n,
                Err(why) => wrong.push(format!("{name}: {why}")),
            }
            all += 1;
        }
        eprintln!("{root}: {all} recordings, {not_judged} decisions taken over");
    }
    assert!(wrong.is_empty(), "{} differ\n{}", wrong.len(), wrong.join("\n"));
}

/// Whether a recording makes a test that passes, as far as it can say all of it; if not, why.
pub async fn makes_a_test(loaded: &Loaded, events: &[Event]) -> Result<(), String> {
    let converted = convert("again", events, Some(loaded.workspace()), true);
    let failures = tests(loaded, &converted.text).await?;
    if failures.is_empty() || !converted.notes.is_empty() { Ok(()) } else { Err(format!("{failures:?}\n{}", converted.text)) }
}

/// Runs a test on a version of its workspace.
pub async fn tests(loaded: &Loaded, text: &str) -> Result<Vec<Failure>, String> {
    let file = SourceMap::default().add("t", Arc::<str>::from(text));
    let document = transcript::read(file, text, Some(loaded)).remove(0);
    let script = document.script.ok_or_else(|| format!("it cannot be read: {:?}\n{text}", document.diagnostics))?;
    Ok(Runner::new(loaded.clone(), Options::default()).run(&script).await)
}

/// A test that is made of a recording passes at once.
#[tokio::test]
async fn every_recording_makes_a_test_that_passes() {
    let mut wrong = Vec::new();
    for root in [".", "examples/retail"] {
        let Recorded { loaded, recordings } = recorded(root).await;
        for (name, bytes) in &recordings {
            let events: Vec<Event> = parse(bytes).unwrap().events().cloned().collect();
            if let Err(why) = makes_a_test(&loaded, &events).await {
                wrong.push(format!("{name}: {why}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} fail\n{}", wrong.len(), wrong.join("\n\n"));
}

/// What the same transcripts come to on another version of their workspace.
pub async fn recorded_on(loaded: &Loaded, root: &str) -> Vec<(String, Vec<Event>)> {
    had(loaded, root).await.into_iter().map(|(name, _, events)| (name, events)).collect()
}

/// What two recordings differ in, the versions of journeys and what keys of an installation made apart.
pub fn differs(recording: &Recording, again: &[Event]) -> Option<String> {
    let again = parse(&bytes(again)).unwrap();
    let plain = |recording: &Recording| -> Vec<serde_json::Value> {
        let events = recording.events().map(|e| serde_json::to_value(e).unwrap());
        events
            .map(|mut e| {
                if e["type"] == "opened" {
                    // Which agent is talked to is the host's word.
                    e["agent"] = "any".into();
                }
                strip(&mut e);
                e
            })
            .collect()
    };
    let (old, new) = (plain(recording), plain(&again));
    if old.len() != new.len() {
        return Some(format!("{} events, and {} now", old.len(), new.len()));
    }
    old.iter().zip(&new).find(|(o, n)| o != n).map(|(o, n)| format!("\n{o}\n{n}"))
}

fn strip(event: &mut serde_json::Value) {
    match event {
        serde_json::Value::Object(map) => {
            for key in ["in", "hash", "digest", "idempotency_key", "version", "by", "told"] {
                map.remove(key);
            }
            map.values_mut().for_each(strip);
        }
        serde_json::Value::Array(items) => items.iter_mut().for_each(strip),
        _ => {}
    }
}
