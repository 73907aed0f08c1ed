//! Findings in every form, and spans that no renderer may stumble over.

use super::*;

fn sources() -> SourceMap {
    let mut map = SourceMap::default();
    map.add("journeys/a: b.yaml", "name: Größe\r\njourney:\r\n  - say: \"{{ variables.größe }}\"\r\n");
    map.add("empty.yaml", "");
    map.add("no-newline.yaml", "a: 1\nb");
    map.add("wide.yaml", "\u{feff}x: \u{1b}[31m\u{202e}日本語\t👩‍👩‍👧 ok\n\n\n");
    map
}

fn formats() -> [Format; 5] {
    [Format::Full, Format::Concise, Format::Json, Format::Sarif, Format::Github]
}

#[test]
fn any_span_in_any_file_is_shown_without_a_panic() {
    let sources = sources();
    for file in 0..5_u32 {
        let file = super::super::FileId(file);
        let len = sources.file(file).map_or(3, |f| u32::try_from(f.text.len()).unwrap());
        for start in 0..len + 3 {
            for end in [0, start, start + 1, start + 5, len, len + 9, u32::MAX] {
                let span = Span { file, start, end };
                let mut all = Diagnostics::default();
                all.push(
                    Diagnostic::new(Code::WP0401, span, "text\n\u{1b}[0m").here("he\nre").label(Span { start: 0, ..span }, "x").help("h"),
                );
                let report = Report { diagnostics: &all, sources: &sources, journeys: 1, integrations: 0 };
                for format in formats() {
                    let plain = report.render(format, false);
                    assert!(!plain.contains('\u{1b}'), "{format:?} lets an escape through: {plain:?}");
                }
            }
        }
    }
}

#[test]
fn columns_are_characters_and_a_mark_at_the_start_of_a_file_is_none() {
    let sources = sources();
    let at = |file, offset| sources.position(super::super::FileId(file), offset);
    assert_eq!(at(0, 10), Position { line: 1, column: 10 }, "`ö` and `ß` are one character each");
    assert_eq!(at(0, 12), Position { line: 1, column: 11 });
    assert_eq!(at(3, 3), Position { line: 1, column: 1 });
    assert_eq!(at(2, 99), Position { line: 2, column: 2 });
}
