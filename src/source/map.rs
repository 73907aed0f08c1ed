//! Files by id, spans in bytes, and the text of a scalar that remembers where each byte of it stands in its file.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

/// A file of a [`SourceMap`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct FileId(pub u32);

/// A range of bytes in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span {
    /// The file.
    pub file: FileId,
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// No place in any file: for what is wrong with a workspace as a whole.
    pub const NOWHERE: Self = Self { file: FileId(u32::MAX), start: 0, end: 0 };

    /// The smallest span that holds both; `other` must be of the same file.
    #[must_use]
    pub fn to(self, other: Self) -> Self {
        Self { file: self.file, start: self.start.min(other.start), end: self.end.max(other.end) }
    }
}

/// A line and a column, both from 1; columns count characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// From 1.
    pub line: u32,
    /// From 1, in characters.
    pub column: u32,
}

/// One file: its name relative to the workspace, and its text.
#[derive(Debug, Clone)]
pub struct SourceFile {
    /// Relative to the workspace, with `/`.
    pub name: Arc<str>,
    /// The whole text.
    pub text: Arc<str>,
    /// Found when a place in the file is first asked for.
    line_starts: OnceLock<Arc<[u32]>>,
}

impl SourceFile {
    fn line_starts(&self) -> &[u32] {
        self.line_starts.get_or_init(|| {
            let ends = self.text.bytes().enumerate().filter(|(_, b)| *b == b'\n');
            std::iter::once(0).chain(ends.map(|(i, _)| u32::try_from(i + 1).unwrap_or(u32::MAX))).collect()
        })
    }
}

/// All files that spans refer to.
#[derive(Debug, Clone, Default)]
pub struct SourceMap {
    files: Vec<SourceFile>,
}

impl SourceMap {
    /// Adds a file and gives its id.
    pub fn add(&mut self, name: &str, text: impl Into<Arc<str>>) -> FileId {
        let id = FileId(u32::try_from(self.files.len()).unwrap_or(u32::MAX));
        self.files.push(SourceFile { name: name.into(), text: text.into(), line_starts: OnceLock::new() });
        id
    }

    /// The file with that id.
    #[must_use]
    pub fn file(&self, id: FileId) -> Option<&SourceFile> {
        self.files.get(id.0 as usize)
    }

    /// All files, in order of their ids.
    pub fn files(&self) -> impl Iterator<Item = (FileId, &SourceFile)> {
        (0..).map(FileId).zip(&self.files)
    }

    /// Where a byte of a file is.
    #[must_use]
    pub fn position(&self, file: FileId, offset: u32) -> Position {
        let Some(f) = self.file(file) else { return Position { line: 1, column: 1 } };
        let starts = f.line_starts();
        let line = starts.partition_point(|s| *s <= offset).max(1);
        let start = starts.get(line - 1).copied().unwrap_or(0) as usize;
        let upto = f.text.get(start..f.text.floor_char_boundary(offset as usize)).unwrap_or("");
        let upto = upto.strip_prefix('\u{feff}').unwrap_or(upto);
        Position { line: u32::try_from(line).unwrap_or(u32::MAX), column: u32::try_from(upto.chars().count() + 1).unwrap_or(u32::MAX) }
    }

    /// The text that a span covers.
    #[must_use]
    pub fn slice(&self, span: Span) -> &str {
        self.file(span.file).and_then(|f| f.text.get(span.start as usize..span.end as usize)).unwrap_or("")
    }
}

/// The text of a scalar, and where each of its bytes stands in the file (escapes and folded lines move them).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// The text as the author means it.
    pub value: Arc<str>,
    /// The whole scalar in the file, quotes included.
    pub span: Span,
    /// `(offset in value, offset in file)`, ascending; between two of them bytes run in step.
    pub pieces: Arc<[(u32, u32)]>,
}

impl Text {
    /// A text whose bytes run in step with the file's from `file_start` on.
    #[must_use]
    pub fn plain(value: impl Into<Arc<str>>, span: Span, file_start: u32) -> Self {
        Self { value: value.into(), span, pieces: Arc::new([(0, file_start)]) }
    }

    /// Where a part of the text stands in the file.
    #[must_use]
    pub fn part(&self, range: &Range<usize>) -> Span {
        let at = |offset: usize| {
            let offset = u32::try_from(offset).unwrap_or(u32::MAX);
            let i = self.pieces.partition_point(|(v, _)| *v <= offset).saturating_sub(1);
            self.pieces.get(i).map_or(self.span.start, |(v, f)| (f + offset.saturating_sub(*v)).min(self.span.end))
        };
        let start = at(range.start);
        // INVARIANT: a part ends after the last byte it holds, not at the first of the next piece.
        let end = if range.end > range.start { at(range.end - 1) + 1 } else { start };
        Span { file: self.span.file, start, end: end.max(start) }
    }
}
