//! Fuzzes what `plays/recording.rs` says.

#![no_main]

#[path = "../plays/recording.rs"]
mod plays;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Ok(text) = std::str::from_utf8(data) {
        plays::play(text);
    }
});
