//! Fuzzes what `plays/template.rs` says.

#![no_main]

#[path = "../plays/template.rs"]
mod plays;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Ok(text) = std::str::from_utf8(data) {
        plays::play(text);
    }
});
