//! The shipped workspace.

use std::path::Path;

use waypost::check::{Checked, load};
use waypost::driver::files::read_dir;
use waypost::expr::{Node, Root, Scope};
use waypost::source::SourceMap;
use waypost::source::render::{Format, Report};
use waypost::transcript::{self, Options, Runner};
use waypost::understand::{Router, Thresholds};
use waypost::value::Value;

fn shipped() -> Checked {
    load(read_dir(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap())
}

/// A user of whom the host says nothing.
struct Nobody;

impl Scope for Nobody {
    fn member(&self, _: Root, _: &str) -> Option<Node<'_>> {
        None
    }

    fn whole(&self, _: Root) -> Option<Value> {
        None
    }
}

#[test]
fn checks_without_a_finding() {
    let checked = shipped();
    let workspace = &checked.workspace;
    let report = Report {
        diagnostics: &checked.diagnostics,
        sources: &workspace.sources,
        journeys: workspace.journeys.len(),
        integrations: workspace.integrations.len(),
    };
    assert!(checked.diagnostics.0.is_empty(), "{}", report.render(Format::Full, false));
    assert!(workspace.journeys.len() >= 7);
}

#[test]
fn every_journey_is_routed_to_by_its_own_examples() {
    let checked = shipped();
    let router = Router::new(&checked.workspace);
    let mut wrong = Vec::new();
    for journey in checked.workspace.journeys.values() {
        let Some(trigger) = &journey.trigger else { continue };
        for message in trigger.examples.iter().chain([&trigger.goal]) {
            let found = router.choose(message, &Nobody, Thresholds::DEFAULT.first);
            if found.as_ref().map(|m| &m.journey) != Some(&journey.slug.name) {
                wrong.push(format!("`{message}` of {} leads to {:?}", journey.slug, router.route(message, &Nobody)));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn its_transcripts_pass_and_cover_every_journey() {
    let loaded = shipped().loaded().unwrap();
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join(&*loaded.settings.tests);
    let runner = Runner::new(loaded.clone(), Options::default());
    let mut sources = SourceMap::default();
    let mut wrong = Vec::new();
    for slug in loaded.journeys.values().filter(|j| j.trigger.is_some() || &*j.slug.shown == "verify-identity").map(|j| &j.slug.shown) {
        let path = directory.join(format!("{slug}.yaml"));
        let text: std::sync::Arc<str> = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display())).into();
        let file = sources.add(slug, text.clone());
        for document in transcript::read(file, &text, Some(&loaded)) {
            let script = document.script.unwrap_or_else(|| panic!("{slug}: {:?}", document.diagnostics));
            for failure in runner.run(&script).await {
                let line = sources.position(file, failure.span.start).line;
                wrong.push(format!("{slug}.yaml:{line}: {}: {failure:?}", script.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_graph_of_every_journey_renders() {
    for journey in shipped().workspace.journeys.values() {
        for format in ["mermaid", "dot", "svg"] {
            let graph = std::process::Command::new(env!("CARGO_BIN_EXE_waypost"))
                .args(["graph", &journey.slug.shown, env!("CARGO_MANIFEST_DIR"), "--format", format])
                .output()
                .unwrap();
            assert!(graph.status.success(), "{}: {}", journey.slug, String::from_utf8_lossy(&graph.stderr));
            let drawn = String::from_utf8(graph.stdout).unwrap();
            for slug in journey.steps.iter().filter_map(|s| s.slug.as_ref()) {
                assert!(drawn.contains(&*slug.shown), "{} as {format} lacks {slug}: {drawn}", journey.slug);
            }
        }
    }
}
