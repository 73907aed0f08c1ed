//! Bytes made small against what the store saw first: conversations resemble each other far more than one conversation resembles itself.

use std::sync::{Arc, Mutex, PoisonError};

use zstd::bulk::{Compressor, Decompressor};

use super::StoreError;

/// How much of what comes first is learned.
const ENOUGH: usize = 16 * 1024;
/// Of Zstandard's levels the one past which there is little to be had.
const LEVEL: i32 = 3;

/// What bytes are packed against: learned once, then never changed.
#[derive(Debug, Default)]
pub(super) struct Dictionary {
    learning: Vec<u8>,
    none: Packer,
    learned: Option<Packer>,
}

impl Dictionary {
    /// Takes bytes to learn from until there is enough.
    pub(super) fn learn(&mut self, bytes: &[u8]) {
        if self.learned.is_none() {
            self.learning.extend_from_slice(bytes);
            if self.learning.len() >= ENOUGH {
                self.learned = Some(Packer(Arc::new(Inner { seen: std::mem::take(&mut self.learning), ..Inner::default() })));
            }
        }
    }

    /// What packs against all that is learned by now.
    pub(super) fn packer(&self) -> &Packer {
        self.learned.as_ref().unwrap_or(&self.none)
    }

    /// What was packed.
    pub(super) fn unpack(&self, packed: &Packed) -> Result<Vec<u8>, StoreError> {
        let by = match packed.against {
            Against::Plain => return Ok(packed.bytes.to_vec()),
            Against::Nothing => Some(&self.none),
            Against::Learned => self.learned.as_ref(),
        };
        let raw = by.map(|packer| packer.0.unpacked(packed)).transpose().map_err(|e| StoreError::Corrupt(e.to_string()))?;
        raw.ok_or_else(|| StoreError::Corrupt("what it was packed against is not there".into()))
    }
}

/// Packs, while others go on with the store. Clones share what they need for it.
#[derive(Debug, Clone, Default)]
pub(super) struct Packer(Arc<Inner>);

impl Packer {
    /// Bytes, packed; as they are where that makes them no smaller.
    pub(super) fn pack(&self, raw: &[u8]) -> Packed {
        let len = u32::try_from(raw.len()).unwrap_or(u32::MAX);
        match self.0.packed(raw) {
            Ok(bytes) if bytes.len() < raw.len() => {
                let against = if self.0.seen.is_empty() { Against::Nothing } else { Against::Learned };
                Packed { against, len, bytes: bytes.into() }
            }
            _ => Packed { against: Against::Plain, len, bytes: raw.into() },
        }
    }
}

/// What was seen, and whoever knows it: each of them takes longer to make than to use.
#[derive(Default)]
struct Inner {
    seen: Vec<u8>,
    packing: Mutex<Vec<Compressor<'static>>>,
    unpacking: Mutex<Vec<Decompressor<'static>>>,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inner").field("seen", &self.seen.len()).finish_non_exhaustive()
    }
}

impl Inner {
    fn packed(&self, raw: &[u8]) -> std::io::Result<Vec<u8>> {
        with(&self.packing, || Compressor::with_dictionary(LEVEL, &self.seen), |c| c.compress(raw))
    }

    fn unpacked(&self, packed: &Packed) -> std::io::Result<Vec<u8>> {
        with(&self.unpacking, || Decompressor::with_dictionary(&self.seen), |d| d.decompress(&packed.bytes, packed.raw_len()))
    }
}

/// Does something with one that lies ready, or with a new one; it lies ready afterwards.
fn with<T, R>(
    ready: &Mutex<Vec<T>>,
    new: impl FnOnce() -> std::io::Result<T>,
    work: impl FnOnce(&mut T) -> std::io::Result<R>,
) -> std::io::Result<R> {
    // INVARIANT: nobody panics while the list is held.
    let list = || ready.lock().unwrap_or_else(PoisonError::into_inner);
    let one = list().pop();
    let mut one = match one {
        Some(one) => one,
        None => new()?,
    };
    let worked = work(&mut one);
    list().push(one);
    worked
}

/// Packed bytes.
#[derive(Debug)]
pub(super) struct Packed {
    against: Against,
    len: u32,
    bytes: Box<[u8]>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Against {
    /// They are as they were.
    Plain,
    Nothing,
    Learned,
}

impl Packed {
    /// How many bytes they were.
    pub(super) const fn raw_len(&self) -> usize {
        self.len as usize
    }

    /// How many they are.
    pub(super) const fn len(&self) -> usize {
        self.bytes.len()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Bytes in which nothing comes twice.
    fn noise(seed: u32, len: usize) -> Vec<u8> {
        let next = |x: &u32| Some(x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223));
        std::iter::successors(Some(seed), next).map(|x| (x >> 24) as u8).take(len).collect()
    }

    fn learned(from: &[u8]) -> Dictionary {
        let mut dictionary = Dictionary::default();
        dictionary.learn(from);
        assert!(dictionary.learned.is_some());
        dictionary
    }

    #[test]
    fn what_resembles_what_was_seen_first_is_small() {
        let seen = noise(1, ENOUGH);
        let mut dictionary = Dictionary::default();
        let before = dictionary.packer().pack(&seen);
        assert_eq!((before.against, before.raw_len(), before.len()), (Against::Plain, ENOUGH, ENOUGH), "nothing comes twice in it");
        let twice = dictionary.packer().pack(&seen.repeat(2));
        assert_eq!(twice.against, Against::Nothing);
        for part in seen.chunks(1_000) {
            dictionary.learn(part);
        }
        dictionary.learn(&noise(2, ENOUGH));
        let after = dictionary.packer().pack(&seen[3_000..9_000]);
        assert_eq!((after.against, after.raw_len()), (Against::Learned, 6_000));
        assert!(after.len() < 100, "{} bytes", after.len());
        let whole = |packed| dictionary.unpack(packed).unwrap();
        assert_eq!((whole(&before), whole(&twice), whole(&after)), (seen.clone(), seen.repeat(2), seen[3_000..9_000].to_vec()));
    }

    #[test]
    fn what_was_packed_against_something_else_or_is_broken_is_told() {
        let (ours, other) = (learned(&noise(1, ENOUGH)), learned(&noise(2, ENOUGH)));
        let mut packed = ours.packer().pack(&noise(1, ENOUGH)[..9_000]);
        assert!(matches!(Dictionary::default().unpack(&packed), Err(StoreError::Corrupt(_))));
        assert_ne!(other.unpack(&packed).ok(), ours.unpack(&packed).ok());
        packed.bytes[0] ^= 1;
        assert!(matches!(ours.unpack(&packed), Err(StoreError::Corrupt(_))));
    }

    #[test]
    fn those_who_pack_at_once_do_not_disturb_each_other() {
        let dictionary = learned(&noise(1, ENOUGH));
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let dictionary = &dictionary;
                scope.spawn(move || {
                    for n in 0..50 {
                        let raw = noise(1, ENOUGH)[thread * 100..(thread + n) * 100].to_vec();
                        assert_eq!(dictionary.unpack(&dictionary.packer().pack(&raw)).unwrap(), raw);
                    }
                });
            }
        });
        let ready = dictionary.packer().0.packing.lock().unwrap().len();
        assert!((1..=8).contains(&ready), "as many as there were at once: {ready}");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_as_they_were_packed(raw in proptest::collection::vec(any::<u8>(), 0..2_000), knows in any::<bool>()) {
            let dictionary = if knows { learned(&noise(1, ENOUGH)) } else { Dictionary::default() };
            let packed = dictionary.packer().pack(&raw);
            prop_assert!(packed.len() <= raw.len());
            prop_assert_eq!(dictionary.unpack(&packed).unwrap(), raw);
        }
    }
}
