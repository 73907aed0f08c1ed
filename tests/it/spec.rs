//! Literate suites: `tests/spec/**/*.md`, and the pages of the codes.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use waypost::source::CODES;
use waypost::source::render::Format;

use crate::marked::{Marked, files_with};
use crate::talk::{self, Services};

/// A fenced block.
pub struct Block {
    /// The line of its fence, from 1.
    line: usize,
    pub language: String,
    text: String,
}

/// What stands under one heading.
pub struct Section {
    pub title: String,
    pub blocks: Vec<Block>,
}

pub fn sections(text: &str) -> Vec<Section> {
    let mut sections = vec![Section { title: String::new(), blocks: Vec::new() }];
    let mut open: Option<(String, Block)> = None;
    for (number, line) in (1..).zip(text.lines()) {
        if let Some((fence, mut block)) = open.take() {
            if line.trim_end() == fence {
                if let Some(section) = sections.last_mut() {
                    section.blocks.push(block);
                }
            } else {
                block.text.push_str(line);
                block.text.push('\n');
                open = Some((fence, block));
            }
        } else if line.starts_with("```") {
            let language = line.trim_start_matches('`');
            let fence = "`".repeat(line.len() - language.len());
            open = Some((fence, Block { line: number, language: language.trim().to_owned(), text: String::new() }));
        } else if line.starts_with('#') {
            sections.push(Section { title: line.trim_start_matches('#').trim().to_owned(), blocks: Vec::new() });
        }
    }
    assert!(open.is_none(), "a block is never closed");
    sections
}

impl Section {
    /// Adds its files to a workspace.
    pub fn files(&self, to: &mut Marked) {
        for block in self.blocks.iter().filter(|b| matches!(&*b.language, "yaml" | "cedar")) {
            let name = block.text.lines().next().and_then(|l| l.strip_prefix("# ").or_else(|| l.strip_prefix("// ")));
            let name = name.unwrap_or_else(|| panic!("line {}: the first line of a file names it: `# journeys/x.yaml`", block.line));
            to.add(name.trim(), &block.text);
        }
    }
}

/// One kind of block after the files: what differs from it, or nothing.
fn execute<'a>(block: &'a Block, workspace: &Marked, services: &mut Services<'a>) -> Option<String> {
    match block.language.as_str() {
        "yaml" | "cedar" | "text" => None,
        "output" => {
            let printed = workspace.check().report().render(Format::Concise, false);
            (printed != block.text).then(|| format!("prints\n{printed}where the suite has\n{}", block.text))
        }
        "http" => {
            *services = Services::Stubs(&block.text);
            None
        }
        "server" => {
            *services = Services::Server(&block.text);
            None
        }
        "talk" => talk::run(workspace, services, &block.text, block.line),
        other => Some(format!("no suite has blocks of `{other}`: `yaml`, `cedar`, `output`, `http`, `server`, `talk` or `text`")),
    }
}

#[test]
fn suites_hold() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/spec");
    let (mut wrong, mut count) = (String::new(), 0);
    for path in files_with(&dir, "md").into_iter().filter(|p| !p.ends_with("README.md")) {
        let name = path.strip_prefix(&dir).unwrap_or(&path).display().to_string();
        for section in sections(&fs::read_to_string(&path).unwrap()).into_iter().filter(|s| !s.blocks.is_empty()) {
            let mut services = Services::default();
            let mut workspace = Marked::default();
            section.files(&mut workspace);
            let differences = workspace.differences();
            if !differences.is_empty() {
                let _ = writeln!(wrong, "{name}: {}\n{differences}", section.title);
                continue;
            }
            for block in &section.blocks {
                if let Some(why) = execute(block, &workspace, &mut services) {
                    let _ = writeln!(wrong, "{name}:{}: {why}", block.line);
                }
            }
            count += 1;
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
    assert!(count >= 10, "the suites are gone");
}

#[test]
fn the_example_of_each_code_has_that_fault_and_its_repair_none() {
    let mut wrong = String::new();
    for info in CODES {
        let sections = sections(info.page);
        let part = |title: &str| sections.iter().find(|s| s.title == title);
        let (Some(example), Some(repaired)) = (part("Example"), part("Repaired")) else {
            let _ = writeln!(wrong, "{}: the page has no `## Example` with its `## Repaired`", info.code);
            continue;
        };
        let mut workspace = Marked::default();
        example.files(&mut workspace);
        let found = workspace.check().diagnostics.0;
        if found.is_empty() || found.iter().any(|d| d.code != info.code) {
            let found: Vec<String> = found.iter().map(|d| format!("[{}] {}", d.code, d.message)).collect();
            let _ = writeln!(wrong, "{}: the example gives {found:#?}", info.code);
        }
        repaired.files(&mut workspace);
        let found = workspace.check().diagnostics.0;
        if !found.is_empty() {
            let found: Vec<String> = found.iter().map(|d| format!("[{}] {}", d.code, d.message)).collect();
            let _ = writeln!(wrong, "{}: the repaired example gives {found:#?}", info.code);
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}
