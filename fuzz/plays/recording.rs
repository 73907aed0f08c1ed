//! Any text as a recording: read or named, and what is read is played, tried and made a test of without a panic.

use waypost::check;
use waypost::engine::{Event, Keys, Machine};
use waypost::transcript::record::{Chunks, Header, Machines, Recording, convert, parse, try_on};

/// Plays one input.
pub fn play(text: &str) {
    for chunk in Chunks::new(text.as_bytes()).flatten() {
        std::hint::black_box(parse(&chunk).is_ok());
    }
    // Behind the digest: the same lines as events, whatever they say.
    let events: Vec<Event> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).take(200).collect();
    let Some(loaded) = check::load(vec![("waypost.yaml".into(), "{}".into())]).loaded() else { return };
    let recording = Recording::new(Header::default(), events.clone());
    std::hint::black_box(Machines::new(std::slice::from_ref(&loaded)).replay(&recording).is_ok());
    std::hint::black_box(try_on(&Machine::new(loaded, Keys::derive(b"fuzz")), &recording).is_ok());
    std::hint::black_box(convert("fuzz", &events, None, true));
}
