//! What fuzzing found, and its seeds, played again: `fuzz/found/TARGET/*`, `fuzz/seeds/TARGET/*`.

use std::fs;
use std::path::Path;

#[path = "../../fuzz/plays/expression.rs"]
mod expression;
#[path = "../../fuzz/plays/machine.rs"]
mod machine;
#[path = "../../fuzz/plays/model.rs"]
mod model;
#[path = "../../fuzz/plays/recording.rs"]
mod recording;
#[path = "../../fuzz/plays/template.rs"]
mod template;

fn replay(target: &str, play: fn(&str)) -> usize {
    let mut played = 0;
    for kind in ["found", "seeds"] {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(kind).join(target);
        for entry in fs::read_dir(dir).into_iter().flatten() {
            let bytes = fs::read(entry.expect("an entry").path()).expect("a file");
            play(&String::from_utf8_lossy(&bytes));
            played += 1;
        }
    }
    played
}

#[test]
fn what_was_found_stays_mended() {
    replay("model", model::play);
    assert!(replay("recording", recording::play) > 0);
    assert!(replay("expression", expression::play) > 0);
    assert!(replay("template", template::play) > 0);
    assert!(replay("machine", machine::play) > 3, "the findings are there");
}
