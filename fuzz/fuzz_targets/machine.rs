//! Fuzzes what `plays/machine.rs` says.

#![no_main]

#[path = "../plays/machine.rs"]
mod plays;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Ok(text) = std::str::from_utf8(data) {
        plays::play(text);
    }
});
