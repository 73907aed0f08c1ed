//! Hexadecimal digits as the bytes that they stand for: what names, digests and codes are made of, and what no compressor of repetitions makes
//! smaller.

use crate::value::hex;

/// Stands before the bytes of digits, and their number; before a nought it is itself.
const MARK: u8 = 1;
/// Digits in a row that are worth it.
const WORTH: usize = 16;

/// Every run of lower-case digits that is long enough as its bytes.
pub(super) fn shorten(raw: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(raw.len());
    let mut done = 0;
    let mut at = 0;
    // A run that is long enough has a digit at one of every `WORTH` places.
    while let Some(byte) = raw.get(at) {
        if digit(*byte).is_none() {
            at += WORTH;
            continue;
        }
        let before = raw.get(done..at).unwrap_or_default().iter().rev().take_while(|b| digit(**b).is_some()).count();
        let from = at - before;
        let run = raw.get(from..).unwrap_or_default().iter().take_while(|b| digit(**b).is_some()).count();
        if run >= WORTH {
            plain(raw.get(done..from).unwrap_or_default(), &mut out);
            done = from + bytes(raw.get(from..from + run).unwrap_or_default(), &mut out);
        }
        at = from + run + WORTH;
    }
    plain(raw.get(done..).unwrap_or_default(), &mut out);
    out
}

/// What was shortened, as it was; `None`, if it was not.
pub(super) fn whole(short: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(short.len() + short.len() / 4);
    let mut rest = short;
    while let Some(at) = rest.iter().position(|b| *b == MARK) {
        let (before, marked) = rest.split_at(at);
        out.extend_from_slice(before);
        let (count, after) = marked.get(1..)?.split_first()?;
        let (digits, after) = after.split_at_checked(usize::from(*count))?;
        if *count == 0 {
            out.push(MARK);
        }
        out.extend_from_slice(hex(digits).as_bytes());
        rest = after;
    }
    out.extend_from_slice(rest);
    Some(out)
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}

/// Bytes in which there is no run.
fn plain(raw: &[u8], out: &mut Vec<u8>) {
    if raw.contains(&MARK) {
        out.extend(raw.iter().flat_map(|b| std::iter::once(*b).chain((*b == MARK).then_some(0))));
    } else {
        out.extend_from_slice(raw);
    }
}

/// As many digits of a run as have bytes, which may be all but one; how many these are.
fn bytes(run: &[u8], out: &mut Vec<u8>) -> usize {
    let (pairs, _) = run.as_chunks::<2>();
    for some in pairs.chunks(usize::from(u8::MAX)) {
        out.extend([MARK, u8::try_from(some.len()).unwrap_or(u8::MAX)]);
        out.extend(some.iter().map(|[high, low]| digit(*high).unwrap_or(0) << 4 | digit(*low).unwrap_or(0)));
    }
    pairs.len() * 2
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn digits_take_half_and_all_comes_back() {
        let code = "60e609dbc92d69431f083f67034f98ea8671e1764f054445925d653d40ca2c02";
        for (text, bytes) in [
            (format!("{{\"mac\":\"{code}\"}}"), 10 + 2 + 32),
            (code.into(), 2 + 32),
            (format!("{code}0f0f0f0f0f0f0f0f0"), 2 + 40 + 1),
            (code.repeat(9), 2 + 255 + 2 + 33),
            ("0123456789abcde".into(), 15),
            (code.to_uppercase(), 64),
            ("a\u{1}b\u{1}".into(), 6),
            (String::new(), 0),
        ] {
            let short = shorten(text.as_bytes());
            assert_eq!(String::from_utf8(whole(&short).unwrap()).unwrap(), text);
            assert_eq!(short.len(), bytes, "{text}");
        }
    }

    #[test]
    fn what_was_not_shortened_is_no_text() {
        for broken in [&b"a\x01"[..], b"\x01\x02a", b"\x01\xff"] {
            assert_eq!(whole(broken), None);
        }
    }

    proptest! {
        #[test]
        fn whatever_is_shortened_comes_back(parts in prop::collection::vec(("[0-9a-f]{0,70}", prop::collection::vec(any::<u8>(), 0..20)), 0..20)) {
            let raw: Vec<u8> = parts.into_iter().flat_map(|(digits, other)| [digits.into_bytes(), other].concat()).collect();
            let short = shorten(&raw);
            let expected = raw.chunk_by(|a, b| digit(*a).is_some() == digit(*b).is_some()).map(|part| match part.len() {
                run @ WORTH.. if digit(part[0]).is_some() => run.div_ceil(2) + 2 * (run / 2).div_ceil(255),
                other => other + part.split(|b| *b == MARK).count() - 1,
            });
            prop_assert_eq!(short.len(), expected.sum::<usize>(), "all that are worth it");
            prop_assert_eq!(whole(&short).unwrap(), raw);
        }
    }
}
