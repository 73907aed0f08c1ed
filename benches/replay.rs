//! Recordings tried on a version of their workspace: against reading the same bytes alone, on the same thread; and resident growth from
//! a thousand to a hundred thousand of them.

#![expect(clippy::expect_used, clippy::panic, reason = "what a benchmark is made of must be sound")]

#[expect(dead_code, reason = "nothing is generated or repeated here")]
mod common;

use std::path::Path;
use std::sync::Arc;

use common::Report;
use waypost::check;
use waypost::driver::files::read_dir;
use waypost::engine::{Event, Keys, Machine};
use waypost::source::SourceMap;
use waypost::transcript::record::{Chunks, Class, Header, Writer, parse, try_on};
use waypost::transcript::{self, Options, Runner};

/// Recordings in one measurement.
const RECORDINGS: usize = 400;

/// The recordings of the transcripts of a workspace, and its machine.
fn recorded(root: &Path) -> (Vec<Vec<u8>>, Machine) {
    let loaded = check::load(read_dir(root).expect("the workspace")).loaded().expect("it checks");
    let runner = Runner::new(loaded.clone(), Options::default());
    let executor = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let mut all = Vec::new();
    for entry in std::fs::read_dir(root.join(&*loaded.settings.tests)).expect("transcripts") {
        let text: Arc<str> = std::fs::read_to_string(entry.expect("an entry").path()).expect("a file").into();
        let file = SourceMap::default().add("t", text.clone());
        for document in transcript::read(file, &text, Some(&loaded)) {
            let script = document.script.expect("a transcript");
            let (_, events) = executor.block_on(runner.record(&script)).expect("it runs");
            let mut writer = Writer::begin(Vec::new(), &Header::of("c".into(), "t".into(), &events, true)).expect("memory");
            for event in &events {
                writer.event(event).expect("memory");
            }
            all.push(writer.end().expect("memory"));
        }
    }
    (all, Machine::new(loaded, Keys::derive(b"bench")))
}

/// Reads every line as what it is, and nothing more.
fn read(bytes: &[u8]) -> usize {
    let lines = bytes.split(|b| *b == b'\n').filter(|l| l.starts_with(b"{\"v\":"));
    let events = lines.map(|l| serde_json::from_slice::<Event>(l).expect("an event"));
    events.fold(0, |n, event| n + usize::from(std::hint::black_box(event).v))
}

fn play(machine: &Machine, bytes: &[u8]) -> usize {
    let recording = parse(bytes).expect("a recording");
    let tried = try_on(machine, &recording).expect("it plays");
    assert_eq!(tried.class, Class::Same);
    recording.inputs.len()
}

/// Resident memory in KiB.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("the process's own status");
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).expect("resident memory");
    line.trim().trim_end_matches(" kB").trim().parse().expect("a number")
}

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut report = Report::default();
    for (name, path) in [("the shipped workspace", root.to_path_buf()), ("examples/retail", root.join("examples/retail"))] {
        let (recordings, machine) = recorded(&path);
        let all: Vec<&[u8]> = recordings.iter().cycle().take(RECORDINGS).map(Vec::as_slice).collect();
        let size: usize = all.iter().map(|b| b.len()).sum();
        println!("{name}: {} recordings, {} bytes each", recordings.len(), size / RECORDINGS);
        report.pair(
            &format!("{RECORDINGS} recordings of {name}, read, verified and tried"),
            4.0,
            || all.iter().map(|b| read(b)).sum::<usize>(),
            || all.iter().map(|b| play(&machine, b)).sum::<usize>(),
        );
        let stream = |n: usize| {
            let endless = Endless { all: &recordings, at: 0, left: n, rest: &[] };
            for chunk in Chunks::new(std::io::BufReader::new(endless)) {
                play(&machine, &chunk.expect("a recording"));
            }
            resident()
        };
        let (thousand, many) = (stream(1_000), stream(100_000));
        report.most(&format!("resident growth from 1,000 to 100,000 recordings of {name}"), (many - thousand) / 1_024.0, 4.0, "MiB");
    }
    report.finish();
}

/// So many recordings as one stream.
struct Endless<'a> {
    all: &'a [Vec<u8>],
    at: usize,
    left: usize,
    rest: &'a [u8],
}

impl std::io::Read for Endless<'_> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        if self.rest.is_empty() {
            if self.left == 0 {
                return Ok(0);
            }
            self.left -= 1;
            let Some(next) = self.all.get(self.at % self.all.len()) else { panic!("there are recordings") };
            self.rest = next;
            self.at += 1;
        }
        self.rest.read(out)
    }
}
