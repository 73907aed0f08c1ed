//! The floor of loading: the YAML parser's events over the same bytes in memory, comments off, thrown away.

use granit_parser::{Options, Parser};

/// Drains the events of every text and counts them.
pub fn drain<'a>(texts: impl IntoIterator<Item = &'a str>) -> usize {
    let mut events = 0;
    for text in texts {
        let mut options = Options::default();
        options.set_emit_comments(false);
        let mut parser = Parser::new_from_str_with_options(text, options);
        while let Some(event) = parser.next_event() {
            std::hint::black_box(event.expect("a generated file parses"));
            events += 1;
        }
    }
    events
}
