//! Durations (`20m`, `24h`, `500ms`) and sizes (`1MB`).

use nom::bytes::complete::take_while1;
use nom::character::complete::alpha0;
use nom::combinator::{all_consuming, map_res};
use nom::{IResult, Parser};

/// A whole number and the letters behind it.
fn counted(text: &str) -> Option<(u64, &str)> {
    let digits = |i| take_while1(|c: char| c.is_ascii_digit())(i);
    let mut parser = all_consuming((map_res(digits, str::parse::<u64>), alpha0));
    let parsed: IResult<&str, (u64, &str)> = parser.parse(text);
    parsed.ok().map(|(_, counted)| counted)
}

/// The milliseconds of a duration; a plain number counts `unit` milliseconds each.
#[must_use]
pub fn millis(text: &str, unit: u64) -> Option<u64> {
    let (n, letters) = counted(text)?;
    let each = match letters {
        "" => unit,
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    n.checked_mul(each)
}

/// The bytes of a size; a plain number counts bytes. `KB MB GB` are powers of a thousand, `KiB MiB GiB` of 1,024.
#[must_use]
pub fn bytes(text: &str) -> Option<u64> {
    let (n, letters) = counted(text)?;
    let each = match letters {
        "" | "B" => 1,
        "KB" | "kB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    n.checked_mul(each)
}
