//! The public CEL conformance cases: all pass but those of a list that gives a reason for each.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Map, Value as Json};

use super::data::{Data, parse};

struct Case {
    name: String,
    variables: Map<String, Json>,
    text: String,
    /// `None`: it fails.
    gives: Option<Json>,
}

fn corpus(file: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/cel").join(file)).unwrap()
}

/// Reads a file of cases; the form is told at the top of each.
fn cases(file: &str) -> Vec<Case> {
    let stem = file.trim_end_matches(".txt");
    let (mut section, mut cases) = (String::new(), Vec::<Case>::new());
    let text = corpus(file);
    for line in text.lines().filter(|l| !l.is_empty() && !l.starts_with("# ")) {
        if let Some(name) = line.strip_prefix("## ") {
            name.clone_into(&mut section);
        } else if let Some(line) = line.strip_prefix("  ") {
            let case = cases.last_mut().unwrap();
            if let Some(text) = line.strip_prefix("> ") {
                case.text = if text.starts_with('"') && text.ends_with('"') {
                    serde_json::from_str(text).unwrap_or(text.into())
                } else {
                    text.into()
                };
            } else if let Some(value) = line.strip_prefix("= ") {
                case.gives = Some(serde_json::from_str(value).unwrap());
            } else if let Some((name, value)) = line.split_once(" := ") {
                case.variables.insert(name.into(), plain(&serde_json::from_str(value).unwrap()));
            } else {
                assert_eq!(line, "fails", "{file}");
            }
        } else {
            cases.push(Case { name: format!("{stem}/{section}/{line}"), variables: Map::new(), text: String::new(), gives: None });
        }
    }
    cases
}

/// A value of the corpus as JSON, as far as JSON can say it.
fn plain(value: &Json) -> Json {
    match value {
        Json::Array(items) => items.iter().map(plain).collect(),
        Json::Object(tagged) => {
            let (tag, inner) = tagged.iter().next().unwrap();
            match (tag.as_str(), inner) {
                ("$uint", Json::String(n)) => n.parse::<u64>().unwrap().into(),
                ("$double", Json::String(n)) => n.parse::<f64>().unwrap().into(),
                ("$map", Json::Array(pairs)) => pairs
                    .iter()
                    .map(|p| (p[0].as_str().map_or_else(|| plain(&p[0]).to_string(), str::to_owned), plain(&p[1])))
                    .collect::<Map<_, _>>()
                    .into(),
                ("$time" | "$span", text) => text.clone(),
                _ => value.clone(),
            }
        }
        other => other.clone(),
    }
}

/// Integers and doubles are different here; the sign of a zero is not.
fn same(a: &Json, b: &Json) -> bool {
    match (a, b) {
        (Json::Number(a), Json::Number(b)) => a.is_f64() == b.is_f64() && (a == b || a.as_f64() == b.as_f64() && a.is_f64()),
        (Json::Array(a), Json::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Json::Object(a), Json::Object(b)) => a.len() == b.len() && a.iter().all(|(k, v)| b.get(k).is_some_and(|w| same(v, w))),
        _ => a == b,
    }
}

/// What went otherwise than CEL says.
fn difference(case: &Case) -> Option<String> {
    let data = Data::new(serde_json::json!({"variables": case.variables}));
    let (program, faults) = parse(&case.text);
    let given = match faults.first() {
        Some(fault) => Err(fault.message.clone()),
        None => program.eval(&data).map(|v| (*v.json).clone()).map_err(|e| e.message),
    };
    match (&case.gives, given) {
        (None, Err(_)) => None,
        (None, Ok(value)) => Some(format!("gives {value}, and should fail")),
        (Some(expected), Ok(value)) => (!same(&plain(expected), &value)).then(|| format!("gives {value}, not {expected}")),
        (Some(expected), Err(message)) => Some(format!("fails ({message}), and should give {expected}")),
    }
}

/// `- file/section: case, case` under headings that give the reasons.
fn listed() -> BTreeMap<String, String> {
    let (mut heading, mut listed) = (String::new(), BTreeMap::new());
    for line in corpus("differences.md").lines() {
        if let Some(title) = line.strip_prefix("## ") {
            title.clone_into(&mut heading);
        } else if let Some((section, names)) = line.strip_prefix("- ").and_then(|l| l.split_once(": ")) {
            for name in names.split(", ") {
                let before = listed.insert(format!("{section}/{name}"), heading.clone());
                assert_eq!(before, None, "{section}/{name} is listed twice");
            }
        }
    }
    listed
}

#[test]
fn conformance() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/cel");
    let mut files: Vec<String> = std::fs::read_dir(dir).unwrap().map(|f| f.unwrap().file_name().into_string().unwrap()).collect();
    files.retain(|f| Path::new(f).extension().is_some_and(|e| e == "txt"));
    files.sort();
    let listed = listed();
    let (mut names, mut wrong) = (BTreeSet::new(), Vec::new());
    for case in files.iter().flat_map(|f| cases(f)) {
        match (difference(&case), listed.get(&case.name)) {
            (Some(what), None) => wrong.push(format!("{}: `{}` {what}", case.name, case.text.replace(['\n', '\r'], " "))),
            (None, Some(reason)) => {
                wrong.push(format!("{}: `{}` passes, but is listed under \"{reason}\"", case.name, case.text.replace(['\n', '\r'], " ")));
            }
            (Some(_), Some(_)) | (None, None) => {}
        }
        assert!(names.insert(case.name.clone()), "{} is there twice", case.name);
    }
    wrong.extend(listed.keys().filter(|n| !names.contains(*n)).map(|n| format!("{n} is listed, and is no case")));
    assert!(wrong.is_empty(), "{} cases:\n{}", wrong.len(), wrong.join("\n"));
    assert!(names.len() - listed.len() >= 400, "{} of {} cases pass", names.len() - listed.len(), names.len());
}
