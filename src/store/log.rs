//! The log of one conversation in memory: JSON lines in compressed chunks, so that an idle conversation is small.
//!
//! Chunks are compressed against a dictionary that the store learns from the first lines it sees: conversations resemble each other
//! far more than one conversation resembles itself.

use std::sync::Arc;

use super::StoreError;

/// A chunk is closed when its lines pass this.
const CHUNK: usize = 16 * 1024;
/// How much of what comes first becomes the dictionary.
const DICTIONARY: usize = 16 * 1024;

/// What chunks are compressed against: learned once, then never changed.
#[derive(Debug, Default)]
pub(super) struct Dictionary {
    learning: Vec<u8>,
    learned: Option<Arc<[u8]>>,
}

impl Dictionary {
    /// Takes lines to learn from until there is enough.
    fn learn(&mut self, lines: &[u8]) {
        if self.learned.is_none() {
            self.learning.extend_from_slice(lines);
            if self.learning.len() >= DICTIONARY {
                self.learned = Some(std::mem::take(&mut self.learning).into());
            }
        }
    }

    /// Bytes, compressed against what is learned by now.
    pub(super) fn pack(&self, raw: &[u8]) -> Packed {
        match &self.learned {
            None => Packed { learned: false, bytes: lz4_flex::block::compress_prepend_size(raw).into() },
            Some(dictionary) => Packed { learned: true, bytes: lz4_flex::block::compress_prepend_size_with_dict(raw, dictionary).into() },
        }
    }

    /// What was packed.
    pub(super) fn unpack(&self, packed: &Packed) -> Result<Vec<u8>, StoreError> {
        match (&self.learned, packed.learned) {
            (Some(dictionary), true) => lz4_flex::block::decompress_size_prepended_with_dict(&packed.bytes, dictionary),
            _ => lz4_flex::block::decompress_size_prepended(&packed.bytes),
        }
        .map_err(|e| StoreError::Corrupt(e.to_string()))
    }
}

/// Compressed bytes.
#[derive(Debug)]
pub(super) struct Packed {
    learned: bool,
    bytes: Box<[u8]>,
}

#[derive(Debug)]
struct Chunk {
    first: u64,
    count: u32,
    raw_len: u32,
    packed: Packed,
}

/// Lines, numbered from 0.
#[derive(Debug, Default)]
pub(super) struct Log {
    chunks: Vec<Chunk>,
}

impl Log {
    /// How many lines there are.
    pub(super) fn len(&self) -> u64 {
        self.chunks.last().map_or(0, |c| c.first + u64::from(c.count))
    }

    /// Appends `count` lines, each with its line end.
    pub(super) fn append(&mut self, dictionary: &mut Dictionary, lines: &[u8], count: u32) -> Result<(), StoreError> {
        if count == 0 {
            return Ok(());
        }
        let open = self.chunks.pop_if(|c| (c.raw_len as usize) < CHUNK);
        let first = open.as_ref().map_or_else(|| self.len(), |c| c.first);
        let (mut raw, before) = match &open {
            Some(c) => (dictionary.unpack(&c.packed)?, c.count),
            None => (Vec::new(), 0),
        };
        raw.extend_from_slice(lines);
        let raw_len = u32::try_from(raw.len()).unwrap_or(u32::MAX);
        self.chunks.push(Chunk { first, count: before + count, raw_len, packed: dictionary.pack(&raw) });
        if self.chunks.len() == 1 {
            self.chunks.shrink_to_fit();
        }
        dictionary.learn(lines);
        Ok(())
    }

    /// The lines from number `from` on, at most `limit`.
    pub(super) fn read<T>(
        &self,
        dictionary: &Dictionary,
        from: u64,
        limit: usize,
        mut parse: impl FnMut(&[u8]) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let mut out = Vec::new();
        let start = self.chunks.partition_point(|c| c.first + u64::from(c.count) <= from);
        for chunk in self.chunks.iter().skip(start) {
            let raw = dictionary.unpack(&chunk.packed)?;
            let skip = usize::try_from(from.saturating_sub(chunk.first)).unwrap_or(usize::MAX);
            for line in raw.split(|b| *b == b'\n').take(chunk.count as usize).skip(skip) {
                if out.len() == limit {
                    return Ok(out);
                }
                out.push(parse(line)?);
            }
        }
        Ok(out)
    }
}
