//! The log of one conversation in memory: JSON lines in compressed chunks, so that an idle conversation is small. Its last lines are left
//! as they are until somebody says that it is idle.
//!
//! Chunks are packed against a dictionary that the store learns from the first lines it sees.

use std::borrow::Cow;
use std::sync::Arc;

use super::StoreError;
use super::dictionary::{Dictionary, Packed, Packer};

/// A chunk is closed when its lines pass this.
const CHUNK: usize = 16 * 1024;
/// So many chunks at the end that together are no larger become one again when more is written. Until then a conversation that speaks again
/// is not unpacked: what each of its turns costs is its own lines.
const SMALL: usize = 4;

/// Lines of a log that are to be made small, while others go on with the store.
#[derive(Debug)]
pub(super) struct Idle {
    raw: Arc<Vec<u8>>,
    packer: Packer,
}

impl Idle {
    /// Makes them small.
    pub(super) fn pack(&self) -> Packed {
        self.packer.pack(&self.raw)
    }
}

/// What a line of a log is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// One that the conversation is made of: numbered from 0.
    Event,
    /// One beside them, found by its number.
    Beside,
    /// A row of the audit.
    Audit,
}

/// A line that is no event begins with a mark; an event is a JSON object, with its number before it where they do not follow one on another.
const BESIDE: u8 = b'+';
const AUDIT: u8 = b'#';

#[derive(Debug)]
struct Chunk {
    first_line: u32,
    first_event: u32,
    lines: u32,
    events: u32,
    bytes: Bytes,
}

/// The lines of a chunk: only the last one of a log may lie open.
#[derive(Debug)]
enum Bytes {
    Open(Arc<Vec<u8>>),
    Packed(Packed),
}

impl Chunk {
    fn raw(&self, dictionary: &Dictionary) -> Result<Cow<'_, [u8]>, StoreError> {
        match &self.bytes {
            Bytes::Open(raw) => Ok(Cow::Borrowed(raw)),
            Bytes::Packed(packed) => dictionary.unpack(packed).map(Cow::Owned),
        }
    }

    /// Bytes of its lines.
    fn len(&self) -> usize {
        match &self.bytes {
            Bytes::Open(raw) => raw.len(),
            Bytes::Packed(packed) => packed.raw_len(),
        }
    }

    fn pack(&mut self, dictionary: &Dictionary) {
        if let Bytes::Open(raw) = &self.bytes {
            self.bytes = Bytes::Packed(dictionary.packer().pack(raw));
        }
    }
}

/// Lines of JSON: events, and what is kept beside them.
#[derive(Debug, Default)]
pub(super) struct Log {
    chunks: Vec<Chunk>,
}

/// Bytes that the lines of most commits fit in.
const LINES: usize = 2 * 1024;

/// Lines on their way into a log.
#[derive(Debug)]
pub(super) struct Lines {
    raw: Vec<u8>,
    count: u32,
    events: u32,
}

impl Default for Lines {
    fn default() -> Self {
        Self { raw: Vec::with_capacity(LINES), count: 0, events: 0 }
    }
}

impl Lines {
    /// Adds a line that `write` writes, without a line break in it, and gives its number among these.
    pub(super) fn push(&mut self, kind: Kind, write: impl FnOnce(&mut Vec<u8>) -> Result<(), StoreError>) -> Result<u32, StoreError> {
        match kind {
            Kind::Event => self.events += 1,
            Kind::Beside => self.raw.push(BESIDE),
            Kind::Audit => self.raw.push(AUDIT),
        }
        self.count += 1;
        write(&mut self.raw)?;
        self.raw.push(b'\n');
        Ok(self.count - 1)
    }
}

impl Log {
    /// How many events there are.
    pub(super) fn events(&self) -> u64 {
        self.chunks.last().map_or(0, |c| u64::from(c.first_event) + u64::from(c.events))
    }

    /// How many bytes it takes.
    pub(super) fn bytes(&self) -> u64 {
        let bytes = |c: &Chunk| match &c.bytes {
            Bytes::Open(raw) => raw.len(),
            Bytes::Packed(packed) => packed.len(),
        };
        self.chunks.iter().map(|c| u64::try_from(bytes(c)).unwrap_or(u64::MAX)).sum()
    }

    /// How many lines there are.
    pub(super) fn lines(&self) -> u32 {
        self.chunks.last().map_or(0, |c| c.first_line + c.lines)
    }

    /// Appends lines; whether they lie open now, and did not before.
    pub(super) fn append(&mut self, dictionary: &mut Dictionary, new: &Lines) -> Result<bool, StoreError> {
        if new.count == 0 {
            return Ok(false);
        }
        let lay_open = self.chunks.last().is_some_and(|c| matches!(c.bytes, Bytes::Open(_)));
        if !lay_open || self.chunks.last().is_some_and(|c| c.len() >= CHUNK) {
            self.pack(dictionary);
            self.gather(dictionary)?;
        }
        if let Some(Chunk { lines, events, bytes: Bytes::Open(raw), .. }) = self.chunks.last_mut() {
            Arc::make_mut(raw).extend_from_slice(&new.raw);
            *lines += new.count;
            *events += new.events;
        } else {
            let (first_line, first_event) = (self.lines(), u32::try_from(self.events()).unwrap_or(u32::MAX));
            self.chunks.reserve_exact(1);
            let bytes = Bytes::Open(new.raw.clone().into());
            self.chunks.push(Chunk { first_line, first_event, lines: new.count, events: new.events, bytes });
        }
        dictionary.learn(&new.raw);
        Ok(!lay_open)
    }

    /// Makes one of the chunks at the end, where enough of them are small: it lies open then.
    fn gather(&mut self, dictionary: &Dictionary) -> Result<(), StoreError> {
        let mut bytes = 0;
        let is_small = |c: &&Chunk| {
            bytes += c.len();
            bytes < CHUNK
        };
        let small = self.chunks.iter().rev().take_while(is_small).count();
        let from = self.chunks.len() - small;
        let Some(first) = self.chunks.get(from).filter(|_| small >= SMALL) else { return Ok(()) };
        let mut all = Chunk { lines: 0, events: 0, bytes: Bytes::Open(Arc::default()), ..*first };
        let mut raw = Vec::new();
        for chunk in self.chunks.iter().skip(from) {
            raw.extend_from_slice(&chunk.raw(dictionary)?);
            all.lines += chunk.lines;
            all.events += chunk.events;
        }
        all.bytes = Bytes::Open(raw.into());
        self.chunks.truncate(from);
        self.chunks.push(all);
        Ok(())
    }

    /// Its last lines, if they lie open, to be made small.
    pub(super) fn idle(&self, dictionary: &Dictionary) -> Option<Idle> {
        let Bytes::Open(raw) = &self.chunks.last()?.bytes else { return None };
        Some(Idle { raw: raw.clone(), packer: dictionary.packer().clone() })
    }

    /// Puts lines that were made small in their place; whether more was written meanwhile, so that they still lie open.
    pub(super) fn settle(&mut self, idle: &Idle, packed: Packed) -> bool {
        let Some(last) = self.chunks.last_mut() else { return false };
        match &last.bytes {
            Bytes::Open(raw) if Arc::ptr_eq(raw, &idle.raw) => {
                last.bytes = Bytes::Packed(packed);
                false
            }
            Bytes::Open(_) => true,
            Bytes::Packed(_) => false,
        }
    }

    /// Makes it small.
    pub(super) fn pack(&mut self, dictionary: &Dictionary) {
        if let Some(last) = self.chunks.last_mut() {
            last.pack(dictionary);
        }
    }

    /// The events from number `from` on, at most `limit`.
    pub(super) fn read_events<T>(
        &self,
        dictionary: &Dictionary,
        from: u64,
        limit: usize,
        mut parse: impl FnMut(&[u8]) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let mut out = Vec::new();
        let end = |c: &Chunk| u64::from(c.first_event) + u64::from(c.events);
        let start = self.chunks.partition_point(|c| end(c) <= from);
        for chunk in self.chunks.iter().skip(start) {
            let raw = chunk.raw(dictionary)?;
            let skip = usize::try_from(from.saturating_sub(u64::from(chunk.first_event))).unwrap_or(usize::MAX);
            let events = raw.split(|b| *b == b'\n').filter(|l| !l.is_empty() && !l.starts_with(&[BESIDE]) && !l.starts_with(&[AUDIT]));
            for line in events.skip(skip) {
                if out.len() == limit {
                    return Ok(out);
                }
                out.push(parse(line)?);
            }
        }
        Ok(out)
    }

    /// The rows of the audit, without their marks.
    pub(super) fn read_audit<T>(
        &self,
        dictionary: &Dictionary,
        mut parse: impl FnMut(&[u8]) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let mut out = Vec::new();
        for chunk in &self.chunks {
            let raw = chunk.raw(dictionary)?;
            for line in raw.split(|b| *b == b'\n').filter_map(|l| l.strip_prefix(&[AUDIT])) {
                out.push(parse(line)?);
            }
        }
        Ok(out)
    }

    /// The line with that number, without its mark.
    pub(super) fn line<T>(
        &self,
        dictionary: &Dictionary,
        number: u32,
        parse: impl FnOnce(&[u8]) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        let at = self.chunks.partition_point(|c| c.first_line + c.lines <= number);
        let Some(chunk) = self.chunks.get(at) else { return Ok(None) };
        let raw = chunk.raw(dictionary)?;
        let line = raw.split(|b| *b == b'\n').nth((number - chunk.first_line) as usize);
        line.map(|l| parse(l.strip_prefix(&[BESIDE]).unwrap_or(l))).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Lines {
        let mut lines = Lines::default();
        let write = |out: &mut Vec<u8>| {
            out.extend_from_slice(text.as_bytes());
            Ok(())
        };
        lines.push(Kind::Event, write).unwrap();
        lines
    }

    #[test]
    fn lines_that_were_made_small_meanwhile_are_put_in_place_only_if_no_more_were_written() {
        let (mut log, mut dictionary) = (Log::default(), Dictionary::default());
        let read = |log: &Log, dictionary: &Dictionary| {
            log.read_events(dictionary, 0, usize::MAX, |line| Ok(String::from_utf8_lossy(line).into_owned())).unwrap()
        };
        assert!(log.append(&mut dictionary, &lines("{1}")).unwrap());
        let late = log.idle(&dictionary).unwrap();
        assert!(!log.append(&mut dictionary, &lines("{2}")).unwrap(), "they lie open still");
        assert!(log.settle(&late, late.pack()), "more was written: they are to be made small later");
        assert_eq!(read(&log, &dictionary), ["{1}", "{2}"]);
        let idle = log.idle(&dictionary).unwrap();
        assert!(!log.settle(&idle, idle.pack()));
        assert!(log.idle(&dictionary).is_none(), "nothing lies open");
        assert_eq!(read(&log, &dictionary), ["{1}", "{2}"]);
        assert!(log.append(&mut dictionary, &lines("{3}")).unwrap(), "they lie open again");
        assert_eq!(read(&log, &dictionary), ["{1}", "{2}", "{3}"]);
    }

    #[test]
    fn a_log_that_is_made_small_again_and_again_reads_as_it_was_written() {
        let (mut log, mut dictionary) = (Log::default(), Dictionary::default());
        let mut written = Vec::new();
        for n in 0..400_u32 {
            let text = format!("{{{n:0>width$}}}", width = 1 + (n as usize * 37) % 900);
            log.append(&mut dictionary, &lines(&text)).unwrap();
            written.push(text);
            if n % 3 != 1 {
                log.pack(&dictionary);
            }
            assert_eq!(log.events(), u64::from(n) + 1);
            assert_eq!(log.lines(), n + 1);
            let open = log.chunks.iter().rev().skip(1).filter(|c| matches!(c.bytes, Bytes::Open(_))).count();
            assert_eq!(open, 0, "only the last may lie open");
        }
        for from in [0_u16, 1, 57, 398, 399, 400] {
            let read =
                log.read_events(&dictionary, from.into(), usize::MAX, |line| Ok(String::from_utf8_lossy(line).into_owned())).unwrap();
            assert_eq!(read, written[usize::from(from)..]);
        }
        let seventh = log.line(&dictionary, 7, |line| Ok(line.to_vec())).unwrap();
        assert_eq!(seventh.unwrap(), written[7].as_bytes());
        // However often it was made small, there are few of them.
        let bytes: usize = log.chunks.iter().map(Chunk::len).sum();
        assert!(log.chunks.len() <= 2 * bytes / CHUNK + SMALL * 2, "{} chunks of {bytes} bytes", log.chunks.len());
    }

    #[test]
    fn what_speaks_again_is_not_unpacked_each_time() {
        let (mut log, mut dictionary) = (Log::default(), Dictionary::default());
        for n in 0..SMALL {
            assert!(log.append(&mut dictionary, &lines("{1}")).unwrap());
            assert_eq!(log.idle(&dictionary).unwrap().raw.len(), 4, "its own line alone is made small");
            log.pack(&dictionary);
            assert_eq!(log.chunks.len(), n + 1);
        }
        log.append(&mut dictionary, &lines("{1}")).unwrap();
        assert_eq!((log.chunks.len(), log.chunks[0].len()), (1, 4 * (SMALL + 1)), "all of them together, now and then");
    }
}
