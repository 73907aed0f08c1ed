//! Recordings that were cut, edited, or are of another form: each is named, and none plays.

use super::{Recorded, bytes, recorded};
use waypost::engine::Event;
use waypost::transcript::record::{Chunks, RecordingError, parse};

async fn one() -> Vec<u8> {
    let Recorded { recordings, .. } = recorded("examples/retail").await;
    recordings.into_iter().map(|(_, bytes)| bytes).min_by_key(|b| b.len().abs_diff(4_000)).unwrap()
}

#[tokio::test]
async fn a_damaged_recording_is_named_and_never_read() {
    let whole = one().await;
    assert!(parse(&whole).is_ok());
    let ends: Vec<usize> = whole.iter().enumerate().filter(|(_, b)| **b == b'\n').map(|(i, _)| i + 1).collect();
    for (n, end) in ends.iter().enumerate().take(ends.len() - 1) {
        // Cut after a line, in the middle of one, and with a line taken out.
        assert_eq!(parse(&whole[..*end]), Err(RecordingError::Cut(n + 1)), "after line {}", n + 1);
        let middle = &whole[..*end + 5];
        assert!(matches!(parse(middle), Err(RecordingError::Cut(_))), "in line {}: {:?}", n + 2, parse(middle));
        if n > 0 {
            let without = [&whole[..ends[n - 1]], &whole[*end..]].concat();
            assert!(matches!(parse(&without), Err(RecordingError::Count { .. })), "without line {}", n + 1);
            let twice = [&whole[..*end], &whole[ends[n - 1]..]].concat();
            assert!(matches!(parse(&twice), Err(RecordingError::Count { .. })), "with line {} twice", n + 1);
        }
    }
    // Any byte that is another one.
    for at in (0..whole.len()).step_by(7) {
        for other in [b'0', b'x', b'"', b'\n', 0xff] {
            if whole[at] != other {
                let mut edited = whole.clone();
                edited[at] = other;
                assert!(parse(&edited).is_err(), "byte {at} as {other:#x}");
            }
        }
    }
}

#[tokio::test]
async fn another_form_is_named() {
    let whole = String::from_utf8(one().await).unwrap();
    let with = |from: &str, to: &str| parse(whole.replacen(from, to, 1).as_bytes());
    assert_eq!(with("\"format\":1", "\"format\":2"), Err(RecordingError::Format(2)));
    assert_eq!(with("\"waypost\":\"recording\"", "\"waypost\":\"something\""), Err(RecordingError::NotOne));
    assert!(matches!(with("{\"v\":1,", "{\"v\":9,"), Err(RecordingError::Version { line: 2, version: 9 })));
    assert!(matches!(with("\"type\":\"opened\"", "\"type\":\"unheard_of\""), Err(RecordingError::Line { line: 2, .. })));
    assert_eq!(parse(b""), Err(RecordingError::NotOne));
    assert_eq!(parse(b"hello\n"), Err(RecordingError::NotOne));
    assert_eq!(parse(&[0xff; 100]), Err(RecordingError::NotOne));
    let events: Vec<Event> = parse(whole.as_bytes()).unwrap().events().skip(1).cloned().collect();
    assert_eq!(parse(&bytes(&events)), Err(RecordingError::Beginning));
}

#[tokio::test]
async fn recordings_stand_one_after_the_other() {
    let whole = one().await;
    let three = [&whole[..], &whole[..], &whole[..whole.len() / 2]].concat();
    let read: Vec<_> = Chunks::new(&three[..]).map(|chunk| parse(&chunk.unwrap())).collect();
    assert_eq!(read.len(), 3);
    assert!(read[0].is_ok() && read[1].is_ok());
    assert!(matches!(read[2], Err(RecordingError::Cut(_))), "{:?}", read[2]);
    // The beginning of one in the middle of another.
    let cut = [&whole[..whole.len() / 2], b"\n", &whole[..]].concat();
    assert!(Chunks::new(&cut[..]).all(|chunk| parse(&chunk.unwrap()).is_err()));
}
