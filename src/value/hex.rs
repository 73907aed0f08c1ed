//! Bytes as people and JSON carry them.

/// Two lower-case digits for each byte.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    let digit = |n: u8| char::from(if n < 10 { b'0' + n } else { b'a' + n - 10 });
    let mut out = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        out.push(digit(byte >> 4));
        out.push(digit(byte & 15));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::hex;

    #[test]
    fn every_byte_has_two_digits() {
        for byte in u8::MIN..=u8::MAX {
            assert_eq!(hex(&[byte, 7]), format!("{byte:02x}07"));
        }
        assert_eq!(hex(&[]), "");
    }
}
