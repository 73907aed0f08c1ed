//! The form of a recording: a line that says what it is, a line for each event, and a line with their number and digest, so that one
//! that was cut or edited is told from a whole one.

use std::io::{BufRead, Read, Write};

use sha2::{Digest, Sha256};

use super::{Header, Recording};
use crate::engine::event::VERSION;
use crate::engine::{Event, EventBody};
use crate::value::hex;

/// The version of the form.
pub const FORMAT: u16 = 1;
/// Bytes of a line, at most.
const LINE: u64 = 64 << 20;
/// Bytes of a recording, at most.
const BYTES: usize = 1 << 30;

/// The first line.
#[derive(serde::Serialize, serde::Deserialize)]
struct First {
    waypost: String,
    format: u16,
    #[serde(default)]
    made_by: String,
    #[serde(flatten)]
    header: Header,
}

/// As much of a first line as tells whether the rest can be read.
#[derive(serde::Deserialize)]
struct Kind {
    waypost: String,
    format: u64,
}

/// The last line.
#[derive(serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Last {
    end: u64,
    sha256: String,
}

/// How a last line begins, and how a first one does: no event begins so.
const END: &[u8] = b"{\"end\":";
const START: &[u8] = b"{\"waypost\":";

/// Why a recording cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordingError {
    /// It is something else.
    #[error("this is no recording: its first line is not the head of one")]
    NotOne,
    /// It is of a later form.
    #[error("this recording has the form {0}, and this program reads {FORMAT}")]
    Format(u64),
    /// An event is of a later form.
    #[error("line {line} holds an event of version {version}, and this program reads {VERSION}")]
    Version {
        /// From 1.
        line: usize,
        /// What it says.
        version: u16,
    },
    /// A line cannot be read.
    #[error("line {line} is no event: {why}")]
    Line {
        /// From 1.
        line: usize,
        /// Why.
        why: String,
    },
    /// Its end is missing.
    #[error("the recording was cut: after line {0} its end is missing")]
    Cut(usize),
    /// Lines are missing or were added.
    #[error("the recording was changed: it has {found} events, and {said} were recorded")]
    Count {
        /// That there are.
        found: u64,
        /// That there were.
        said: u64,
    },
    /// Something in it was changed.
    #[error("the recording was changed: its lines do not have the digest that was recorded with them")]
    Digest,
    /// It begins in the middle of a conversation.
    #[error("the recording does not begin with the opening of a conversation")]
    Beginning,
    /// It is too long.
    #[error("the recording is longer than {} MiB", BYTES >> 20)]
    Long,
    /// It cannot be read at all.
    #[error("{0}")]
    Io(String),
}

/// An event as it may be shown: what is sensitive in it as `[redacted]`.
#[must_use]
pub fn redacted(event: &Event) -> Event {
    let mut event = match &event.body {
        EventBody::Sealed { body, .. } => Event { body: (**body).clone(), ..event.clone() },
        _ => event.clone(),
    };
    let _ = event.take_sensitive();
    event
}

/// Writes a recording, line by line.
#[derive(Debug)]
pub struct Writer<W> {
    out: W,
    digest: Sha256,
    events: u64,
}

impl<W: Write> Writer<W> {
    /// Begins a recording.
    pub fn begin(out: W, header: &Header) -> std::io::Result<Self> {
        let mut writer = Self { out, digest: Sha256::new(), events: 0 };
        let made_by = env!("CARGO_PKG_VERSION").into();
        writer.line(&First { waypost: "recording".into(), format: FORMAT, made_by, header: header.clone() })?;
        Ok(writer)
    }

    /// Adds an event, without what may not be shown.
    pub fn event(&mut self, event: &Event) -> std::io::Result<()> {
        self.events += 1;
        self.line(&redacted(event))
    }

    /// Ends it, and gives back what it was written to.
    pub fn end(mut self) -> std::io::Result<W> {
        let last = Last { end: self.events, sha256: text_of(&std::mem::take(&mut self.digest)) };
        self.line(&last)?;
        self.out.flush()?;
        Ok(self.out)
    }

    /// What it writes to.
    pub fn get_mut(&mut self) -> &mut W {
        &mut self.out
    }

    fn line(&mut self, value: &impl serde::Serialize) -> std::io::Result<()> {
        let mut line = serde_json::to_vec(value)?;
        line.push(b'\n');
        self.digest.update(&line);
        self.out.write_all(&line)
    }
}

fn text_of(digest: &Sha256) -> String {
    hex(&digest.clone().finalize())
}

/// The bytes of one recording after the other, each to its end.
pub struct Chunks<R>(R);

impl<R: BufRead> Chunks<R> {
    /// Of a stream of recordings.
    pub fn new(input: R) -> Self {
        Self(input)
    }
}

impl<R: BufRead> Iterator for Chunks<R> {
    type Item = Result<Vec<u8>, RecordingError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut chunk = Vec::new();
        loop {
            let began = chunk.len();
            match (&mut self.0).take(LINE).read_until(b'\n', &mut chunk) {
                Ok(0) => return (!chunk.is_empty()).then_some(Ok(chunk)),
                Ok(_) if chunk.len() > BYTES => return Some(Err(RecordingError::Long)),
                Ok(_) if chunk.get(began..).is_some_and(|l| l.starts_with(END)) => return Some(Ok(chunk)),
                Ok(_) => {}
                Err(error) => return Some(Err(RecordingError::Io(error.to_string()))),
            }
        }
    }
}

/// Reads one recording. What was cut, changed or made otherwise is none.
pub fn parse(bytes: &[u8]) -> Result<Recording, RecordingError> {
    let mut lines = bytes.split_inclusive(|b| *b == b'\n').zip(1..);
    let (first, _) = lines.next().ok_or(RecordingError::NotOne)?;
    let kind: Kind = serde_json::from_slice(first).map_err(|_| RecordingError::NotOne)?;
    if kind.waypost != "recording" {
        return Err(RecordingError::NotOne);
    }
    if kind.format != u64::from(FORMAT) {
        return Err(RecordingError::Format(kind.format));
    }
    let first_line: First = serde_json::from_slice(first).map_err(|e| RecordingError::Line { line: 1, why: e.to_string() })?;
    let mut digest = Sha256::new();
    digest.update(first);
    let mut events = Vec::new();
    let mut last = None;
    let mut at = 1;
    for (line, number) in lines {
        if line.starts_with(START) || last.is_some() {
            // Another one begins here, or something stands after the end.
            return Err(if last.is_some() { RecordingError::Digest } else { RecordingError::Cut(at) });
        }
        at = number;
        if line.starts_with(END) {
            last = Some(serde_json::from_slice::<Last>(line).map_err(|_| RecordingError::Cut(number))?);
            continue;
        }
        digest.update(line);
        let event: Event = match serde_json::from_slice(line) {
            Ok(event) => event,
            Err(_) if !line.ends_with(b"\n") => return Err(RecordingError::Cut(number - 1)),
            Err(error) => return Err(unread(line, number, &error)),
        };
        if event.v > VERSION {
            return Err(RecordingError::Version { line: number, version: event.v });
        }
        events.push(event);
    }
    let last = last.ok_or(RecordingError::Cut(at))?;
    let found = u64::try_from(events.len()).unwrap_or(u64::MAX);
    if found != last.end {
        return Err(RecordingError::Count { found, said: last.end });
    }
    if text_of(&digest) != last.sha256 {
        return Err(RecordingError::Digest);
    }
    if !first_line.header.partial && !matches!(events.first().map(|e| &e.body), Some(EventBody::Opened(_))) {
        return Err(RecordingError::Beginning);
    }
    Ok(Recording::new(first_line.header, events))
}

/// Why a line is no event: first of all, that it is one of a later version.
fn unread(line: &[u8], number: usize, error: &serde_json::Error) -> RecordingError {
    #[derive(serde::Deserialize)]
    struct Versioned {
        v: u16,
    }
    match serde_json::from_slice::<Versioned>(line) {
        Ok(Versioned { v }) if v > VERSION => RecordingError::Version { line: number, version: v },
        _ => RecordingError::Line { line: number, why: error.to_string() },
    }
}
