//! Bytes as they lie on disk: packed where that makes them smaller, with a first byte that says how.

use super::StoreError;

/// As they are.
const PLAIN: u8 = 0;
/// LZ4, the length before it.
const LZ4: u8 = 1;
/// Fewer than this are not worth it.
const WORTH: usize = 64;

/// Packs bytes.
pub(super) fn pack(raw: &[u8]) -> Vec<u8> {
    if raw.len() >= WORTH {
        let packed = lz4_flex::block::compress_prepend_size(raw);
        if packed.len() < raw.len() {
            return marked(LZ4, &packed);
        }
    }
    marked(PLAIN, raw)
}

/// The bytes that were packed.
pub(super) fn unpack(packed: &[u8]) -> Result<Vec<u8>, StoreError> {
    let corrupt = |why: &str| StoreError::Corrupt(format!("packed bytes: {why}"));
    match packed.split_first() {
        Some((&PLAIN, raw)) => Ok(raw.to_vec()),
        Some((&LZ4, bytes)) => lz4_flex::block::decompress_size_prepended(bytes).map_err(|e| corrupt(&e.to_string())),
        Some((mark, _)) => Err(corrupt(&format!("unknown form {mark}"))),
        None => Err(corrupt("there are none")),
    }
}

fn marked(mark: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + 1);
    out.push(mark);
    out.extend_from_slice(bytes);
    out
}
