//! Every example of the documents is executed.
//!
//! A ```` ```yaml ```` or ```` ```cedar ```` block whose first line is a comment that names a file belongs to a workspace: all such blocks under one heading of
//! level two make one, which must check without an error but those that a `console` block of it shows. Other `yaml` blocks must at least be YAML. In a ```` ```console ```` block, `$ waypost …` is run
//! in that workspace (in the shipped one where the heading has none) and must print what follows; a line `…` stands for any lines, a `…` at the end of one for the rest of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use waypost::check;

struct Block {
    language: String,
    line: usize,
    text: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn pages() -> Vec<PathBuf> {
    let mut pages: Vec<PathBuf> = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "benches/README.md"].map(|p| root().join(p)).to_vec();
    pages.extend(
        fs::read_dir(root().join("grammar"))
            .expect("grammar/")
            .map(|e| e.expect("an entry").path())
            .filter(|p| p.extension().is_some_and(|e| e == "md")),
    );
    pages.sort();
    pages
}

/// The fenced blocks of a page, by heading of level two.
fn sections(page: &str) -> Vec<(String, Vec<Block>)> {
    let mut out = vec![(String::from("(top)"), Vec::new())];
    let mut open: Option<Block> = None;
    for (i, line) in page.lines().enumerate() {
        if let Some(block) = &mut open {
            if line.trim_end() == "```" {
                out.last_mut().expect("one").1.push(open.take().expect("open"));
            } else {
                block.text.push_str(line);
                block.text.push('\n');
            }
        } else if let Some(language) = line.strip_prefix("```") {
            open = Some(Block { language: language.trim().to_owned(), line: i + 1, text: String::new() });
        } else if let Some(title) = line.strip_prefix("## ") {
            out.push((title.to_owned(), Vec::new()));
        }
    }
    assert!(open.is_none(), "a block is not closed");
    out
}

/// The files of a heading's workspace; policies alone are none, but are for the workspace of their page (`policies.rs`).
fn files(blocks: &[Block]) -> Vec<(String, Arc<str>)> {
    if !blocks.iter().any(|b| b.language == "yaml") {
        return Vec::new();
    }
    blocks
        .iter()
        .filter(|b| matches!(&*b.language, "yaml" | "cedar"))
        .filter_map(|b| {
            let first = b.text.lines().next()?;
            let name = first.strip_prefix("# ").or_else(|| first.strip_prefix("// "))?.trim();
            Path::new(name).extension().is_some_and(|e| e == "yaml" || e == "cedar").then(|| (name.to_owned(), Arc::from(b.text.as_str())))
        })
        .collect()
}

/// The errors that a page shows: a workspace has those and no others.
fn said_errors(console: &str) -> impl Iterator<Item = String> {
    console.lines().filter_map(|l| l.strip_prefix("error[")?.split_once(']')).map(|(code, _)| code.to_owned())
}

#[test]
fn every_workspace_of_a_page_checks() {
    let mut faults = Vec::new();
    let mut seen = 0;
    for path in pages() {
        let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        for (title, blocks) in sections(&text) {
            let files = files(&blocks);
            if files.is_empty() {
                continue;
            }
            seen += 1;
            let found: Vec<String> = check::load(files)
                .diagnostics
                .0
                .iter()
                .filter(|d| d.severity == waypost::source::Severity::Error)
                .map(|d| d.code.to_string())
                .collect();
            let meant: Vec<String> = blocks.iter().filter(|b| b.language == "console").flat_map(|b| said_errors(&b.text)).collect();
            if found != meant {
                faults.push(format!("{} `{title}`: meant {meant:?}, found {found:?}", path.display()));
            }
        }
    }
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
    assert!(seen >= 5, "only {seen} workspaces found: the documents have lost their examples");
}

/// Whether the printed lines are what the page says, `…` standing for any lines.
fn agrees(expected: &[&str], printed: &[&str]) -> bool {
    match expected.split_first() {
        None => printed.is_empty(),
        Some((&"…", rest)) => (0..=printed.len()).any(|skip| agrees(rest, &printed[skip..])),
        Some((line, rest)) => printed.split_first().is_some_and(|(p, more)| {
            let same = line.strip_suffix('…').map_or_else(|| line.trim_end() == p.trim_end(), |start| p.starts_with(start));
            same && agrees(rest, more)
        }),
    }
}

#[test]
fn every_command_of_a_page_prints_what_it_says() {
    let mut faults = Vec::new();
    let mut seen = 0;
    for path in pages() {
        let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        for (_, blocks) in sections(&text) {
            let files = files(&blocks);
            let dir = tempfile::tempdir().expect("a directory");
            for (name, text) in &files {
                let file = dir.path().join(name);
                fs::create_dir_all(file.parent().expect("a parent")).expect("a directory");
                fs::write(file, &**text).expect("a file");
            }
            let home = if files.is_empty() { root() } else { dir.path() };
            for block in blocks.iter().filter(|b| b.language == "console") {
                for part in block.text.split("$ waypost ").skip(1) {
                    seen += 1;
                    let (command, expected) = part.split_once('\n').unwrap_or((part, ""));
                    let out = Command::new(env!("CARGO_BIN_EXE_waypost"))
                        .args(command.split_whitespace())
                        .current_dir(home)
                        .output()
                        .expect("the program starts");
                    let printed = format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
                    let (e, p): (Vec<&str>, Vec<&str>) = (expected.trim_end().lines().collect(), printed.trim_end().lines().collect());
                    if !agrees(&e, &p) {
                        faults.push(format!("{}:{}: `waypost {command}` prints\n{printed}", path.display(), block.line));
                    }
                }
            }
        }
    }
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
    assert!(seen >= 3, "only {seen} commands found: the documents have lost their examples");
}

#[test]
fn every_dependency_has_its_reason() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("Cargo.toml");
    let architecture = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md");
    let reasons = architecture.split("## Dependencies").nth(1).expect("the section");
    let mut section = "";
    let mut missing = Vec::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            section = line;
        } else if matches!(section, "[dependencies]" | "[dev-dependencies]")
            && let Some((name, _)) = line.split_once(" =")
            && !reasons.contains(name)
        {
            missing.push(name);
        }
    }
    assert!(missing.is_empty(), "no reason is given for {missing:?}");
}
