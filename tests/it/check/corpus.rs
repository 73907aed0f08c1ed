//! `tests/corpus/err` and `tests/corpus/ok`: each file gives exactly the findings that are marked in it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use waypost::source::CODES;

use crate::marked::{case, yaml_files};

fn corpus(part: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(part)
}

fn all_agree(cases: &[PathBuf], more: impl Fn(&Path) -> Option<String>) {
    let mut wrong = String::new();
    for path in cases {
        let differences = case(path).differences() + &more(path).unwrap_or_default();
        if !differences.is_empty() {
            let shown = path.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap_or(path);
            let _ = writeln!(wrong, "{}\n{differences}", shown.display());
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

fn is_fixed(path: &Path) -> bool {
    path.to_string_lossy().ends_with(".fixed.yaml")
}

#[test]
fn idiomatic_journeys_are_silent() {
    let cases = yaml_files(&corpus("ok"));
    assert!(cases.len() >= 20, "the corpus is gone");
    all_agree(&cases, |p| (!case(p).expected.is_empty()).then(|| "  a case of `ok` expects findings\n".to_owned()));
}

#[test]
fn faults_give_their_finding_and_no_other() {
    let faulty: Vec<PathBuf> =
        yaml_files(&corpus("err")).into_iter().filter(|p| !is_fixed(p) && !p.starts_with(corpus("err/three"))).collect();
    assert!(faulty.len() >= 2 * CODES.len(), "two cases for each code");
    all_agree(&faulty, |p| {
        let code = p.parent().and_then(Path::file_name)?.to_string_lossy().into_owned();
        let other = case(p).expected.iter().any(|m| m.code != code);
        other.then(|| format!("  a case of {code} expects another code\n"))
    });
}

#[test]
fn three_faults_give_three_findings() {
    let cases = yaml_files(&corpus("err/three"));
    assert!(cases.len() >= 20, "twenty cases of three faults");
    all_agree(&cases, |p| (case(p).expected.len() != 3).then(|| "  does not expect three findings\n".to_owned()));
}

#[test]
fn repaired_cases_are_clean() {
    let fixed: Vec<PathBuf> = yaml_files(&corpus("err")).into_iter().filter(|p| is_fixed(p)).collect();
    all_agree(&fixed, |p| (!case(p).expected.is_empty()).then(|| "  a repaired case expects findings\n".to_owned()));
}

#[test]
fn each_code_has_two_cases_with_their_repair() {
    let mut cases: BTreeMap<String, usize> = BTreeMap::new();
    let mut alone = Vec::new();
    for path in yaml_files(&corpus("err")).into_iter().filter(|p| !is_fixed(p) && !p.starts_with(corpus("err/three"))) {
        if let Some(code) = path.parent().and_then(Path::file_name) {
            *cases.entry(code.to_string_lossy().into_owned()).or_default() += 1;
        }
        if !path.with_extension("fixed.yaml").exists() {
            alone.push(path);
        }
    }
    assert!(alone.is_empty(), "no repaired twin: {alone:#?}");
    for info in CODES {
        assert!(cases.get(info.code.as_str()).is_some_and(|n| *n >= 2), "{} has not two cases", info.code);
    }
}
