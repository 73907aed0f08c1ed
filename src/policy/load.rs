//! Policies from the workspace's files: parsed, named, validated against the schema. All that is wrong is found at once.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::str::FromStr;

use cedar_policy::ffi::DetailedError;
use cedar_policy::{
    Authorizer, Effect, EntityId, EntityTypeName, EntityUid, Policy, PolicyId, PolicySet, Schema, ValidationMode, ValidationWarning,
    Validator,
};
use jiff::tz::TimeZone;

use super::bounds;
use super::reads::Reads;
use super::scene::Who;
use super::schema::{self, schema};
use crate::model::Workspace;
use crate::model::action::Action;
use crate::source::{Code, Diagnostic, Diagnostics, FileId, Span};
use crate::value::Name;

/// Bytes of a file of policies.
const FILE_MAX: usize = 1024 * 1024;
/// Policies of a workspace.
const POLICIES_MAX: usize = 1_000;

/// The policies of a workspace, ready to be asked.
pub struct Policies {
    pub(super) set: PolicySet,
    pub(super) reads: Reads,
    pub(super) names: Names,
    pub(super) authorizer: Authorizer,
    pub(super) timezone: TimeZone,
    actions: BTreeMap<(Name, Name), (EntityUid, &'static str)>,
}

impl std::fmt::Debug for Policies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Policies").field("policies", &self.set.num_of_policies()).finish_non_exhaustive()
    }
}

impl Policies {
    /// What policies call an action, and its groups. A run may stand on an older one: today's spelling counts, and it is a write if
    /// either is.
    pub(super) fn action(&self, action: &Action) -> (EntityUid, BTreeSet<EntityUid>) {
        let id = &action.id;
        let today = self.actions.get(&(id.integration.name.clone(), id.action.name.clone()));
        let groups = [Some(schema::effects(action)), today.map(|(_, effects)| *effects)];
        let groups = groups.into_iter().flatten().map(str::to_owned).chain([schema::group(&id.integration.shown)]);
        let own = || uid(&self.names.action, &id.to_string());
        (today.map_or_else(own, |(uid, _)| uid.clone()), groups.map(|g| uid(&self.names.action, &g)).collect())
    }
}

/// The names of types, parsed once.
pub(super) struct Names {
    pub who: [EntityTypeName; 6],
    pub role: EntityTypeName,
    pub tenant: EntityTypeName,
    pub conversation: EntityTypeName,
    pub action: EntityTypeName,
}

impl Names {
    fn new() -> Option<Self> {
        let name = |text: &str| EntityTypeName::from_str(text).ok();
        let who = Who::ALL.iter().map(|w| name(w.name())).collect::<Option<Vec<_>>>()?;
        Some(Self {
            who: who.try_into().ok()?,
            role: name("Role")?,
            tenant: name("Tenant")?,
            conversation: name("Conversation")?,
            action: name("Action")?,
        })
    }
}

/// What is of that type and has that id.
pub(super) fn uid(kind: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(id))
}

/// Reads the policies of a workspace. `None` if it has no file of policies, or they cannot be used: then there is an error.
#[must_use]
pub fn load(workspace: &Workspace, whole: bool) -> (Option<Policies>, Diagnostics) {
    let mut loader = Loader::default();
    let mut any = false;
    for (id, file) in workspace.sources.files().filter(|(_, f)| f.name.starts_with("policies/")) {
        any = true;
        loader.file(id, &file.name, &file.text);
    }
    if !any {
        return (None, Diagnostics::default());
    }
    let Loader { set, places, mut found, .. } = loader;
    if whole && !found.has_errors() {
        validate(workspace, &set, &places, &mut found);
    }
    let policies = if found.has_errors() { None } else { policies(workspace, set) };
    (policies, found)
}

fn policies(workspace: &Workspace, set: PolicySet) -> Option<Policies> {
    let names = Names::new()?;
    let files = workspace.sources.files().filter(|(_, f)| f.name.starts_with("policies/"));
    let reads = Reads::of(&files.map(|(_, f)| &*f.text).collect::<Vec<_>>(), workspace);
    let of = |action: &Action| (uid(&names.action, &action.id.to_string()), schema::effects(action));
    let actions = workspace.actions.iter().map(|(key, action)| (key.clone(), of(action))).collect();
    let timezone = workspace.settings.time_zone();
    Some(Policies { set, reads, names, authorizer: Authorizer::new(), timezone, actions })
}

/// Where a policy stands, and its own name in the file.
struct Place {
    file: FileId,
    at: Range<usize>,
}

#[derive(Default)]
struct Loader {
    set: PolicySet,
    places: BTreeMap<PolicyId, Place>,
    found: Diagnostics,
}

impl Loader {
    fn file(&mut self, id: FileId, name: &str, text: &str) {
        let whole = || span(id, 0..text.find('\n').unwrap_or(text.len()));
        let Some(stem) = name.strip_suffix(".cedar") else {
            let d = Diagnostic::new(Code::WP0510, whole(), "policies are written in Cedar");
            return self.found.push(d.help("give the file a name that ends in `.cedar`, or move it away from `policies/`"));
        };
        let stem = stem.rsplit('/').next().unwrap_or(stem);
        if text.len() > FILE_MAX {
            let d = Diagnostic::new(Code::WP0107, whole(), "a file of policies holds at most 1 MiB");
            return self.found.push(d.help("divide it"));
        }
        if let Some((at, why)) = bounds::exceeded(text) {
            return self.found.push(Diagnostic::new(Code::WP0107, span(id, at..at + 1), why).help("divide the policy"));
        }
        match PolicySet::from_str(text) {
            Ok(set) if set.policies().next().is_none() && set.templates().next().is_none() => {
                // It may have been cut short: what it forbids must not be allowed without a word.
                let d = Diagnostic::new(Code::WP0510, whole(), "there is no policy in this file");
                self.found.push(d.help("write one, or remove the file"));
            }
            Ok(set) => self.policies(id, stem, text, &set),
            Err(errors) => {
                let mut errors: Vec<DetailedError> = errors.iter().map(DetailedError::from).collect();
                errors.sort_by_key(|e| e.source_locations.first().map(|l| l.loc.start));
                // What comes after the first is mostly what follows from it.
                for error in errors.iter().take(1) {
                    self.found.push(diagnostic(Code::WP0510, id, text, 0..text.len(), error));
                }
            }
        }
    }

    fn policies(&mut self, file: FileId, stem: &str, text: &str, set: &PolicySet) {
        for template in set.templates() {
            let at = text.find("?principal").or_else(|| text.find("?resource")).unwrap_or(0);
            let length = text.get(at..).map_or(0, |t| t.chars().take_while(|c| *c == '?' || c.is_alphabetic()).count());
            let d = Diagnostic::new(Code::WP0510, span(file, at..at + length), "this policy is a template, and nothing fills it");
            self.found.push(d.help(if template.slots().count() > 0 {
                "name who or what is meant"
            } else {
                "write a policy without slots"
            }));
        }
        let mut policies: Vec<(usize, &Policy)> =
            set.policies().map(|p| (p.id().to_string().trim_start_matches("policy").parse().unwrap_or(usize::MAX), p)).collect();
        policies.sort_by_key(|(n, _)| *n);
        let mut end = 0;
        for (n, (_, policy)) in policies.iter().enumerate() {
            let written = policy.to_string();
            let start = text.get(end..).and_then(|t| t.find(&written)).map_or(end, |at| at + end);
            end = start + written.len().min(text.len() - start);
            let own = policy.annotation("id").filter(|id| !id.trim().is_empty());
            let id = PolicyId::new(own.map_or_else(|| format!("{stem}.{}", n + 1), str::to_owned));
            if let Some(first) = self.places.get(&id) {
                let d = Diagnostic::new(Code::WP0203, named(file, text, start..end), format!("there is a policy `{id}` already"));
                self.found.push(
                    d.label(span(first.file, first.at.start..first.at.start + 1), "the first").help("give each its own `@id(\"…\")`"),
                );
                continue;
            }
            if self.places.len() >= POLICIES_MAX {
                let d = Diagnostic::new(Code::WP0107, span(file, start..end), format!("a workspace has at most {POLICIES_MAX} policies"));
                return self.found.push(d);
            }
            self.places.insert(id.clone(), Place { file, at: start..end });
            // It can only be refused for its id, which is new.
            let _ = self.set.add(policy.new_id(id));
        }
    }
}

fn validate(workspace: &Workspace, set: &PolicySet, places: &BTreeMap<PolicyId, Place>, found: &mut Diagnostics) {
    let text = schema(workspace);
    let parsed = match Schema::from_cedarschema_str(&text) {
        Ok((schema, _)) => schema,
        Err(error) => {
            let message = format!("policies cannot be validated, for Cedar does not take the schema of this workspace: {error}");
            return found.push(Diagnostic::new(Code::WP0511, Span::NOWHERE, message));
        }
    };
    let validator = Validator::new(parsed);
    let result = validator.validate(set, ValidationMode::Strict);
    let errors = result.validation_errors().map(|e| (Code::WP0511, e.policy_id(), DetailedError::from(e)));
    let warnings = result.validation_warnings().map(|w| match w {
        // Both say that nothing can ever match; the one follows from the other.
        ValidationWarning::ImpossiblePolicy(_) | ValidationWarning::InvalidActionApplication(_) => (
            Code::WP0512,
            w.policy_id(),
            DetailedError { message: "this policy never applies: nothing fits all that it asks for".into(), ..DetailedError::from(w) },
        ),
        _ => (Code::WP0512, w.policy_id(), DetailedError::from(w)),
    });
    let mut all: Vec<(&PolicyId, Diagnostic)> = Vec::new();
    for (code, id, error) in errors.chain(warnings) {
        let Some(place) = places.get(id) else { continue };
        let text = workspace.sources.file(place.file).map_or("", |f| &f.text);
        all.push((id, diagnostic(code, place.file, text, place.at.clone(), &error)));
    }
    // A policy is checked once for each action, in no order: one mistake is one finding, and always the same.
    all.sort_by(|(_, a), (_, b)| (a.code, a.span, &a.message).cmp(&(b.code, b.span, &b.message)));
    all.dedup_by(|(_, a), (_, b)| (a.code, a.span) == (b.code, b.span));
    // What is wrong with a policy is why it never applies.
    let wrong: BTreeSet<&PolicyId> = all.iter().filter(|(_, d)| d.code == Code::WP0511).map(|(id, _)| *id).collect();
    found.0.extend(all.into_iter().filter(|(id, d)| d.code == Code::WP0511 || !wrong.contains(id)).map(|(_, d)| d));
    if found.0.is_empty() {
        unpermitted(workspace, set, validator.schema(), places, found);
    }
}

/// Actions that every policy leaves denied.
fn unpermitted(workspace: &Workspace, set: &PolicySet, schema: &Schema, places: &BTreeMap<PolicyId, Place>, found: &mut Diagnostics) {
    let mut permits = set.policies().filter(|p| p.effect() == Effect::Permit).peekable();
    if permits.peek().is_none() {
        let mut files = workspace.sources.files().filter(|(_, f)| f.name.starts_with("policies/"));
        let first = places.values().min_by_key(|p| (p.file, p.at.start)).map(|p| (p.file, p.at.clone()));
        let first = first.or_else(|| files.next().map(|(id, f)| (id, 0..f.text.len())));
        let text = |file| workspace.sources.file(file).map_or("", |f| &*f.text);
        let at = first.map_or(Span::NOWHERE, |(file, at)| span(file, clipped(text(file), at)));
        let d = Diagnostic::new(Code::WP0513, at, "no policy permits anything, so every action is denied");
        return found.push(d.help("write `permit(principal, action, resource);` if what no `forbid` names may run"));
    }
    let permitted: BTreeSet<String> = permits
        .flat_map(|p| p.get_valid_request_envs(schema).map(|env| env.action().id().unescaped().to_owned()).collect::<Vec<_>>())
        .collect();
    for action in workspace.actions.values().filter(|a| !permitted.contains(&a.id.to_string())) {
        let message = format!("no policy permits `{}`, so it is always denied", action.id);
        let help = format!("write `permit(principal, action == Action::\"{}\", resource);`, or narrow who may", action.id);
        found.push(Diagnostic::new(Code::WP0513, action.span, message).help(help));
    }
}

/// A finding of Cedar's, in our form. `within` is where the policy stands.
fn diagnostic(code: Code, file: FileId, text: &str, within: Range<usize>, error: &DetailedError) -> Diagnostic {
    let label = error.source_locations.first();
    let at = label.map_or(within, |l| l.loc.start..l.loc.end);
    let mut d = Diagnostic::new(code, span(file, clipped(text, at)), plain(&error.message));
    d.here = label.and_then(|l| l.label.clone());
    d.help = error.help.as_deref().map(plain);
    d
}

/// A sentence of Cedar's without the policy's name, which the place says.
fn plain(said: &str) -> String {
    let said = said.trim_end_matches('.').replace('\n', " ");
    match said.strip_prefix("for policy `").and_then(|m| m.split_once("`, ")) {
        Some((_, rest)) => rest.to_owned(),
        None => said,
    }
}

/// A span that ends with the line it begins on.
fn clipped(text: &str, at: Range<usize>) -> Range<usize> {
    let start = text.floor_char_boundary(at.start.min(text.len()));
    let end = text.ceil_char_boundary(at.end.clamp(start, text.len()));
    let line = text.get(start..end).and_then(|t| t.find('\n')).unwrap_or(end - start);
    start..start + line
}

fn span(file: FileId, at: Range<usize>) -> Span {
    let byte = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Span { file, start: byte(at.start), end: byte(at.end) }
}

/// The `@id(…)` of a policy, else its first line.
fn named(file: FileId, text: &str, at: Range<usize>) -> Span {
    let policy = text.get(at.clone()).unwrap_or("");
    match policy.find("@id").and_then(|start| Some((start, start + policy.get(start..)?.find(')')? + 1))) {
        Some((start, end)) => span(file, at.start + start..at.start + end),
        None => span(file, clipped(text, at)),
    }
}
