//! The layers of `ARCHITECTURE.md`, kept: reads the sources as text and fails on what the design forbids.

#![expect(clippy::expect_used, clippy::string_slice, reason = "a test that cannot go on fails")]

use std::fs;
use std::path::{Path, PathBuf};

/// Every module with its layer. A module may use what stands in a lower layer, itself, and the siblings named with it.
const LAYERS: &[(&str, u32, &[&str])] = &[
    ("source", 0, &[]),
    ("value", 0, &[]),
    ("expr", 1, &[]),
    ("template", 1, &["expr"]),
    ("syntax", 2, &[]),
    ("registry", 2, &[]),
    ("model", 3, &[]),
    ("policy", 3, &["model"]),
    ("check", 3, &["model", "policy"]),
    ("understand", 3, &["model"]),
    ("draw", 4, &[]),
    ("supervise", 4, &[]),
    ("engine", 4, &["supervise"]),
    ("store", 5, &[]),
    ("outbound", 5, &[]),
    ("telemetry", 5, &[]),
    ("driver", 6, &[]),
    ("transcript", 7, &[]),
    ("service", 7, &["transcript"]),
    ("api", 8, &[]),
    ("mcp", 8, &[]),
    ("cli", 8, &["api", "mcp"]),
];

/// Crates that only one place may name, so that they can be changed there.
const HOMES: &[(&str, &[&str])] = &[
    ("granit_parser", &["src/syntax/yaml.rs", "src/syntax/yaml/"]),
    ("minijinja", &["src/template/"]),
    ("annotate_snippets", &["src/source/render/"]),
    ("reqwest", &["src/outbound/"]),
    ("rustls", &["src/outbound/", "src/store/"]),
    ("rusqlite", &["src/store/"]),
    ("tokio_postgres", &["src/store/"]),
    ("deadpool_postgres", &["src/store/"]),
    ("cedar_policy", &["src/policy/"]),
    ("rustyline", &["src/cli/"]),
    ("indicatif", &["src/cli/"]),
    ("clap", &["src/cli/", "src/main.rs"]),
    ("axum", &["src/api/", "src/mcp/", "src/cli/demo/", "src/cli/serve"]),
    ("rmcp", &["src/mcp/", "src/outbound/"]),
    ("prometheus_client", &["src/telemetry/"]),
    ("opentelemetry", &["src/telemetry/"]),
    ("jsonwebtoken", &["src/service/"]),
    ("subtle", &["src/service/"]),
    ("interim", &["src/understand/"]),
    ("phonenumber", &["src/understand/"]),
    ("email_address", &["src/understand/"]),
];

/// Words that have no place in finished code.
const FORBIDDEN: &[&str] = &["todo!(", "unimplemented!(", "dbg!(", "TODO", "FIXME", "XXX", "#[allow("];

struct Source {
    name: String,
    text: String,
}

fn sources(root: &str) -> Vec<Source> {
    let base = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut dirs: Vec<PathBuf> = vec![base.join(root)];
    let mut out = Vec::new();
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(&dir).expect("a directory of sources") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                dirs.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let name = path.strip_prefix(base).expect("below the root").to_string_lossy().replace('\\', "/");
                out.push(Source { name, text: fs::read_to_string(&path).expect("UTF-8") });
            }
        }
    }
    out.sort_by(|a, b| a.name.cmp(&b.name));
    assert!(!out.is_empty(), "no sources below {root}");
    out
}

/// The module of a file below `src/`, if it belongs to one.
fn module_of(name: &str) -> Option<&str> {
    let rest = name.strip_prefix("src/")?;
    let module = rest.split('/').next()?;
    LAYERS.iter().map(|l| l.0).find(|m| *m == module)
}

/// Code lines: comments, and tests at the end of a file, apart.
fn code_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .take_while(|(_, l)| l.trim() != "#[cfg(test)]")
        .map(|(i, l)| (i + 1, l))
        .filter(|(_, l)| !l.trim_start().starts_with("//"))
}

fn report(faults: &[String]) {
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

#[test]
fn lower_never_imports_upper() {
    let mut faults = Vec::new();
    for s in sources("src") {
        let Some(module) = module_of(&s.name) else { continue };
        let (_, layer, siblings) = LAYERS.iter().find(|l| l.0 == module).expect("listed");
        for (line, code) in code_lines(&s.text) {
            for rest in code.split("crate::").skip(1) {
                let used: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                let braces = rest.strip_prefix('{').map(|r| r.split('}').next().unwrap_or(r)).unwrap_or_default();
                for used in std::iter::once(used.as_str()).chain(braces.split(',').map(|u| u.trim().split("::").next().unwrap_or_default()))
                {
                    let Some((_, other, _)) = LAYERS.iter().find(|l| l.0 == used) else { continue };
                    if used != module && other >= layer && !siblings.contains(&used) {
                        faults.push(format!("{}:{line}: `{module}` (layer {layer}) must not use `{used}` (layer {other})", s.name));
                    }
                }
            }
        }
    }
    report(&faults);
}

#[test]
fn every_module_stands_in_the_table() {
    let lib = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).expect("lib.rs");
    let declared: Vec<&str> = lib.lines().filter_map(|l| l.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    let listed: Vec<&str> = LAYERS.iter().map(|l| l.0).collect();
    assert_eq!(declared, listed, "modules of lib.rs stand in order of their layers");
}

#[test]
fn every_module_says_what_it_is() {
    let faults: Vec<String> = sources("src")
        .into_iter()
        .chain(sources("tests"))
        .filter(|s| !s.text.starts_with("//!"))
        .map(|s| format!("{}: open with `//!`: what it is, what it must not know", s.name))
        .collect();
    report(&faults);
}

#[test]
fn files_stay_readable() {
    let mut faults = Vec::new();
    for s in sources("src").into_iter().chain(sources("tests")) {
        let lines = s.text.lines().count();
        if lines > 1000 {
            faults.push(format!("{}: {lines} lines, more than 1,000: divide it", s.name));
        } else if lines > 700 && !s.text.lines().take_while(|l| l.starts_with("//!")).any(|l| l.contains("Long because")) {
            faults.push(format!("{}: {lines} lines, more than 700: divide it, or say `//! Long because …`", s.name));
        }
    }
    report(&faults);
}

#[test]
fn crates_stay_at_home() {
    let mut faults = Vec::new();
    for s in sources("src") {
        for (line, code) in code_lines(&s.text) {
            for (name, homes) in HOMES {
                let named = [format!("{name}::"), format!("use {name};")].iter().any(|n| {
                    code.find(n.as_str()).is_some_and(|at| !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':'))
                });
                if named && !homes.iter().any(|h| s.name.starts_with(h)) {
                    faults.push(format!("{}:{line}: `{name}` belongs in {}", s.name, homes.join(", ")));
                }
            }
        }
    }
    report(&faults);
}

#[test]
fn the_core_is_pure() {
    let mut faults = Vec::new();
    for s in sources("src") {
        let Some(layer) = module_of(&s.name).and_then(|m| LAYERS.iter().find(|l| l.0 == m)) else { continue };
        if layer.1 > 4 {
            continue;
        }
        for (line, code) in code_lines(&s.text) {
            for word in
                ["async ", ".await", "tokio::", "std::fs", "std::net", "std::env", "std::time::", "tracing::", "println!", "eprintln!"]
            {
                let whole = |rest: &str| !word.ends_with("await") || !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_');
                if code.split_once(word).is_some_and(|(_, rest)| whole(rest)) {
                    faults.push(format!("{}:{line}: `{}` below the driver's line", s.name, word.trim()));
                }
            }
            if code.contains("HashMap<") && layer.0 == "engine" {
                faults.push(format!("{}:{line}: a hash map's order is not deterministic", s.name));
            }
        }
    }
    report(&faults);
}

#[test]
fn nothing_is_left_unfinished() {
    let mut faults = Vec::new();
    for s in sources("src").into_iter().chain(sources("tests")) {
        if s.name == "tests/tidy.rs" {
            continue;
        }
        for (i, line) in s.text.lines().enumerate() {
            for word in FORBIDDEN {
                if line.contains(word) {
                    faults.push(format!("{}:{}: `{word}`", s.name, i + 1));
                }
            }
            if line.trim_start().starts_with("#[ignore") {
                faults.push(format!("{}:{}: an ignored test", s.name, i + 1));
            }
        }
    }
    report(&faults);
}

#[test]
fn only_the_language_parser_reads_the_language() {
    let mut faults = Vec::new();
    for s in sources("src/syntax").into_iter().chain(sources("src/model")) {
        for (line, code) in code_lines(&s.text) {
            if code.contains("Deserialize") && s.name.starts_with("src/syntax") {
                faults.push(format!("{}:{line}: serde does not read the language: it stops at the first error and loses spans", s.name));
            }
        }
    }
    report(&faults);
}

#[test]
fn permits_are_made_by_verdicts_alone() {
    let mut faults = Vec::new();
    for s in sources("src") {
        for (line, code) in code_lines(&s.text) {
            if code.contains("Permit::new(") && !s.name.starts_with("src/supervise/") {
                faults.push(format!("{}:{line}: only `decide` makes a permit", s.name));
            }
        }
    }
    report(&faults);
}
