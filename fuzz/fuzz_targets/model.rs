//! Fuzzes what `plays/model.rs` says.

#![no_main]

#[path = "../plays/model.rs"]
mod plays;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Ok(text) = std::str::from_utf8(data) {
        plays::play(text);
    }
});
