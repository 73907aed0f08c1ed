//! No false `same`: a version of the workspace on which a recording is called the same does the same when its conversation is had again.

use std::sync::Arc;

use waypost::check::{Loaded, load};
use waypost::driver::files::read_dir;
use waypost::engine::{Keys, Machine};
use waypost::transcript::record::{Class, parse, try_on};

use super::{Recorded, recorded};

type Files = Vec<(String, Arc<str>)>;

/// Versions of a workspace with one line changed each, of those that load.
fn mutants(root: &str) -> Vec<(String, Loaded)> {
    let files = read_dir(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(root)).unwrap();
    let mut found = Vec::new();
    let mut add = |what: String, files: Files| {
        if let Some(loaded) = load(files).loaded() {
            found.push((what, loaded));
        }
    };
    for (at, (name, text)) in files.iter().enumerate() {
        let lines: Vec<&str> = text.lines().collect();
        for (number, line) in lines.iter().enumerate() {
            for changed in changes(line) {
                let mut lines: Vec<&str> = lines.clone();
                match &changed {
                    Some(changed) => lines[number] = changed,
                    None => {
                        lines.remove(number);
                    }
                }
                let mut files = files.clone();
                files[at].1 = (lines.join("\n") + "\n").into();
                add(format!("{name}:{} {:?}", number + 1, changed.as_deref().unwrap_or("gone").trim()), files);
            }
        }
    }
    found
}

/// What becomes of a line: a comparison turned around, a number changed, a flag, an outcome, a text, or the line gone.
fn changes(line: &str) -> Vec<Option<String>> {
    let mut all = Vec::new();
    for (from, to) in [
        ("==", "!="),
        (" < ", " >= "),
        ("true", "false"),
        ("continue", "escalate"),
        ("200", "201"),
        ("requires_confirmation: true", "requires_confirmation: false"),
        ("status == '", "status != '"),
    ] {
        if line.contains(from) {
            all.push(Some(line.replacen(from, to, 1)));
        }
    }
    let said = ["say:", "message:", "done:", "prompt:"];
    if said.iter().any(|s| line.contains(s)) && line.trim_end().ends_with(|c: char| c.is_alphabetic() || c == '.') {
        all.push(Some(format!("{} Really", line.trim_end())));
    }
    if line.trim_start().starts_with("- ") || line.contains(": ") {
        all.push(None);
    }
    all
}

/// Truth is what the recording's own inputs do on the mutant, with nothing taken from the recording: the transcript is had again.
#[tokio::test]
async fn same_is_said_only_of_equal_events() {
    let Recorded { recordings, loaded } = recorded(".").await;
    let read: Vec<_> = recordings.iter().map(|(name, bytes)| (name, parse(bytes).unwrap())).collect();
    let own = Machine::new(loaded, Keys::derive(b"recording"));
    for (name, recording) in &read {
        assert_eq!(try_on(&own, recording).unwrap().class, Class::Same, "{name} on its own version");
    }
    let mut all = mutants(".");
    let step = (all.len() / 120).max(1);
    let tried: Vec<(String, Loaded)> = all.drain(..).step_by(step).collect();
    let (mut same, mut others) = (0, std::collections::BTreeMap::<&str, usize>::new());
    let mut noticed = 0;
    for (what, loaded) in &tried {
        let machine = Machine::new(loaded.clone(), Keys::derive(b"recording"));
        let truth = super::recorded_on(loaded, ".").await;
        let mut any = false;
        for (name, recording) in &read {
            let found = try_on(&machine, recording).unwrap();
            if found.class != Class::Same {
                any = true;
                *others.entry(found.class.as_str()).or_default() += 1;
                continue;
            }
            same += 1;
            let Some((_, again)) = truth.iter().find(|(n, _)| n == *name) else { panic!("{name} is not there") };
            let why = super::differs(recording, again);
            assert!(why.is_none(), "`{name}` is called the same on the mutant {what}, and it is not: {}", why.unwrap_or_default());
        }
        noticed += usize::from(any);
    }
    eprintln!("{} mutants: {noticed} noticed, {same} times the same, others {others:?}", tried.len());
    assert!(noticed * 2 > tried.len(), "{noticed} of {} mutants change anything", tried.len());
}
