//! From the files' trees to the resolved workspace: names are looked up, branches flattened, and what cannot be resolved is
//! reported once and left out.

mod action;
mod channels;
mod condition;
mod context;
mod datapoint;
mod hash;
mod integration;
mod journey;
mod runs;
mod safety;
mod settings;
mod step;
mod triggered;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use condition::Conditions;
use context::Context;
use datapoint::Datapoints;
use hash::Hasher;
use integration::Integrations;
pub(super) use integration::is_secret_header;
use journey::{Declared, Journeys};
use triggered::{Around, Triggered};

use super::settings::Settings;
use super::workspace::Workspace;
use crate::source::{Code, Diagnostic, Diagnostics, SourceMap, Span};
use crate::syntax::{self, FileKind, Kind, Node};
use crate::value::Name;

/// How strictly a workspace is built.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Options {
    /// A field that no file declares is an error, whatever `waypost.yaml` says.
    pub strict: bool,
}

/// Builds a workspace from its files: names relative to it, with `/`, and their texts. Their order does not matter.
#[must_use]
pub fn build(files: Vec<(String, Arc<str>)>) -> (Workspace, Diagnostics) {
    build_with(files, Options::default())
}

/// As [`build`], with options.
#[must_use]
pub fn build_with(mut files: Vec<(String, Arc<str>)>, options: Options) -> (Workspace, Diagnostics) {
    files.sort_by(|a, b| a.0.cmp(&b.0));
    files.dedup_by(|a, b| a.0 == b.0);
    let mut sources = SourceMap::default();
    let mut whole = Hasher::default();
    for (name, text) in &files {
        sources.add(name, Arc::clone(text));
        whole.add(name).add(text);
    }
    let mut cx = Context::new(files.iter().map(|(_, text)| &**text).collect());

    let (settings, settings_text) = read_settings(&mut cx, &sources, options);
    cx.zone = settings.time_zone();
    let mut documents = Documents::default();
    let mut allows = Vec::new();
    for (id, file) in sources.files() {
        let text = files.get(id.0 as usize).map_or("", |(_, text)| &**text);
        let kind = match FileKind::of(&file.name, &settings.tests) {
            FileKind::Model(kind) => kind,
            FileKind::Transcript | FileKind::Registry | FileKind::Other => continue,
        };
        let (found, faults) = syntax::allows(id, text);
        allows.extend(found);
        cx.diagnostics.extend(faults);
        if kind != Kind::Settings {
            let parsed = syntax::parse(id, text);
            cx.diagnostics.extend(parsed.diagnostics);
            if parsed.documents.is_empty() && !parsed.broken {
                // It may have been cut short: what it defined must not go without a word.
                let d =
                    Diagnostic::new(Code::WP0105, Span { file: id, start: 0, end: 0 }, format!("there is no {} in this file", kind.name()));
                cx.diagnostics.push(d.help("write one, or remove the file"));
            }
            documents.take(&mut cx, kind, &file.name, parsed.documents, parsed.broken);
        }
    }

    let declared: Vec<Declared<'_, '_>> = documents.journeys.iter().map(Declared::new).collect();
    let mut assignable: BTreeSet<Name> = declared.iter().flat_map(|d| d.assigned.iter().cloned()).collect();
    let actions = documents.integrations.iter().flat_map(|n| n.get("actions").map(Node::items).unwrap_or_default());
    assignable.extend(actions.filter_map(|a| a.get("output_datapoint").and_then(Context::name)));
    let mut datapoints =
        Datapoints { poisoned: documents.broken(Kind::Datapoint) || documents.broken(Kind::Integration), ..Datapoints::default() };
    for node in &documents.datapoints {
        datapoints.add(&mut cx, node);
    }
    let mut integrations = Integrations { any_poisoned: documents.broken(Kind::Integration), ..Integrations::default() };
    for node in &documents.integrations {
        integrations.add(&mut cx, node, &mut datapoints, &assignable);
    }
    integrations.check_reads(&mut cx);

    let mut journeys = Journeys {
        integrations: &integrations,
        datapoints: &datapoints,
        settings: &settings_text,
        strict: settings.strict,
        poisoned: documents.broken(Kind::Journey),
        named: BTreeMap::new(),
        shown: BTreeSet::new(),
        built: BTreeMap::new(),
        closing: BTreeSet::new(),
        depths: BTreeMap::new(),
    };
    journeys.build(&mut cx, &declared);
    let built = journeys.built;
    let unknown = settings_text.journeys.iter().filter(|(name, _)| !built.contains_key(name) && !documents.broken(Kind::Journey));
    for (name, span) in unknown {
        let message = format!("there is no journey `{}`", cx.slice(*span));
        cx.unknown(Code::WP0206, *span, message, name.as_str(), built.values().map(|j| &*j.slug.shown));
    }
    let mut conditions = Conditions::new(documents.broken(Kind::Condition));
    for (file, node, sound) in &documents.conditions {
        conditions.add(&mut cx, node, file, *sound);
    }
    let poisoned = conditions.is_poisoned();
    let conditions = conditions.done(&mut cx, settings.primitives.as_ref());
    let mut triggered = Triggered::default();
    let declared = crate::registry::Declared::new(
        settings.channels.clone(),
        settings.workflows.clone(),
        built.keys().cloned().collect(),
        settings.secrets.clone(),
    );
    for (file, node, _) in documents.triggered.iter().filter(|(.., sound)| *sound) {
        triggered.add(&mut cx, node, file, &declared);
    }
    let around = Around { conditions: &conditions, poisoned, primitives: settings.primitives.as_ref() };
    let triggered = triggered.done(&mut cx, &around);
    let mut diagnostics = cx.diagnostics;
    diagnostics.sort();
    let workspace = Workspace {
        settings: Arc::new(settings),
        journeys: built,
        integrations: integrations.by_name,
        actions: integrations.actions,
        datapoints: datapoints.by_name,
        conditions,
        triggered,
        sources: Arc::new(sources),
        allows,
        hash: whole.finish(),
    };
    (workspace, diagnostics)
}

/// What of the settings others refer to.
#[derive(Default)]
struct SettingsText {
    /// The texts that change what a journey means.
    meaning: String,
    journeys: Vec<(Name, Span)>,
}

fn read_settings(cx: &mut Context<'_>, sources: &SourceMap, options: Options) -> (Settings, SettingsText) {
    let (mut out, mut text, mut first) = (None, SettingsText::default(), None::<Span>);
    for (id, file) in sources.files() {
        if FileKind::of(&file.name, "") != FileKind::Model(Kind::Settings) {
            continue;
        }
        let parsed = syntax::parse(id, &file.text);
        cx.diagnostics.extend(parsed.diagnostics);
        for root in &parsed.documents {
            if let Some(first) = first {
                let d = Diagnostic::new(Code::WP0203, root.span, "these are second settings");
                cx.push(d.label(first, "the first").help("keep one `waypost.yaml` of one document"));
                continue;
            }
            first = Some(root.span);
            syntax::check(root, &Kind::Settings.shape(), &mut cx.diagnostics);
            out = Some(settings::settings(cx, root));
            for entry in root.entries() {
                if matches!(&*entry.key, "queues" | "words" | "locale" | "strict") {
                    text.meaning.push_str(cx.slice(entry.key_span.to(entry.value.span)));
                }
            }
            let workflows = root.get("workflows").map(Node::entries).unwrap_or_default().iter().map(|e| &e.value);
            let named = root.get("identity").into_iter().chain(workflows).filter_map(|n| n.get("journey"));
            text.journeys = named.filter_map(|n| Some((Context::name(n)?, n.span))).collect();
        }
    }
    let mut out = out.unwrap_or_default();
    out.strict |= options.strict;
    (out, text)
}

/// The documents of all files, by what they hold.
#[derive(Default)]
struct Documents<'s> {
    journeys: Vec<Node<'s>>,
    integrations: Vec<Node<'s>>,
    datapoints: Vec<Node<'s>>,
    /// With their files, and whether their form is right.
    conditions: Vec<(Arc<str>, Node<'s>, bool)>,
    triggered: Vec<(Arc<str>, Node<'s>, bool)>,
    broken: Vec<Kind>,
}

impl<'s> Documents<'s> {
    fn take(&mut self, cx: &mut Context<'_>, kind: Kind, file: &Arc<str>, documents: Vec<Node<'s>>, broken: bool) {
        if broken {
            self.broken.push(kind);
        }
        for node in documents {
            let before = cx.diagnostics.0.len();
            if kind == Kind::Integration && !integration::is_supported(&node) {
                integration::unsupported(cx, &node);
            } else {
                syntax::check(&node, &kind.shape(), &mut cx.diagnostics);
            }
            match kind {
                Kind::Journey => self.journeys.push(node),
                Kind::Integration => self.integrations.push(node),
                Kind::Datapoint => match node.kind {
                    syntax::NodeKind::List(items) => self.datapoints.extend(items),
                    _ => self.datapoints.push(node),
                },
                Kind::Condition => self.conditions.push((file.clone(), node, cx.diagnostics.0.len() == before)),
                Kind::Action => self.triggered.push((file.clone(), node, cx.diagnostics.0.len() == before)),
                Kind::Settings | Kind::Transcript => {}
            }
        }
    }

    fn broken(&self, kind: Kind) -> bool {
        self.broken.contains(&kind)
    }
}
