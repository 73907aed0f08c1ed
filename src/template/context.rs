//! What a template sees of a scope: lazily, without copying more than the scalars that it reads.
//!
//! Before a render the few values that the template names are taken from the scope, shared; objects of the engine then
//! point into them by path. Every look-up that finds nothing is remembered.

use std::sync::{Arc, Mutex, PoisonError};

use minijinja::value::{Enumerator, Object, ObjectRepr, Value as Jinja};

use super::analysis::{Slot, Source};
use crate::expr::{Root, Scope};
use crate::value::{Json, Segment, Value};

/// A root as templates write it.
pub(super) fn root_of(name: &str) -> Option<Root> {
    Some(match name {
        "user" => Root::User,
        "variables" | "data" | "fields" | "context" => Root::Variables,
        "outcome" => Root::Outcome,
        "conversation" => Root::Conversation,
        "now" => Root::Now,
        "each" => Root::Each,
        "inputs" => Root::Inputs,
        _ => return None,
    })
}

/// The roots, as did-you-mean offers them.
pub(super) const ROOTS: [&str; 10] = ["variables", "user", "context", "data", "fields", "outcome", "conversation", "now", "each", "inputs"];

/// Whether sensitive values are shown as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    /// As they are.
    Plain,
    /// As `[redacted]`.
    Redacted,
}

/// One look-up that found nothing: the root and the keys after it.
pub(super) type Miss = (Root, Vec<Arc<str>>);

/// The values of one render.
#[derive(Debug)]
pub(super) struct Frame {
    slots: Arc<[Slot]>,
    values: Vec<Option<Value>>,
    misses: Mutex<Vec<Miss>>,
    /// Which emitting tags hold something sensitive; empty where nothing is.
    sealed: Vec<bool>,
    shown: Shown,
    /// The sealed tags that were reached.
    reached: Mutex<Vec<usize>>,
}

/// Most look-ups without a value that one render remembers.
const MAX_MISSES: usize = 64;

impl Frame {
    /// Takes what the template names from the scope.
    pub(super) fn new(slots: &Arc<[Slot]>, scope: &dyn Scope) -> Self {
        let values = slots
            .iter()
            .map(|slot| match &slot.key {
                Some(key) => scope.shared(slot.root, key),
                None => scope.whole(slot.root),
            })
            .collect();
        Self {
            slots: Arc::clone(slots),
            values,
            misses: Mutex::default(),
            sealed: Vec::new(),
            shown: Shown::Plain,
            reached: Mutex::default(),
        }
    }

    /// Whether nothing that was taken is sensitive.
    pub(super) fn is_clean(&self) -> bool {
        self.values.iter().flatten().all(|v| v.taint.is_clean())
    }

    /// Whether the source's value is sensitive, wholly or in part.
    pub(super) fn is_tainted(&self, source: &Source) -> bool {
        let key = source.path.first().and_then(|s| match s {
            Segment::Key(k) => Some(&**k),
            Segment::Any => None,
        });
        let under = |value: &Value, path: &[Segment]| {
            let mut taint = value.taint.clone();
            for segment in path {
                if taint.is_clean() {
                    break;
                }
                taint = taint.member(match segment {
                    Segment::Key(k) => Some(k),
                    Segment::Any => None,
                });
            }
            !taint.is_clean()
        };
        let rest = source.path.get(1..).unwrap_or(&[]);
        match key.and_then(|k| self.slot(source.root, Some(k))) {
            Some(value) => under(value, rest),
            None => self.slot(source.root, None).is_some_and(|value| under(value, &source.path)),
        }
    }

    /// The same values again, with some emitting tags sealed.
    pub(super) fn seal(&self, sealed: Vec<bool>, shown: Shown) -> Self {
        Self {
            slots: Arc::clone(&self.slots),
            values: self.values.clone(),
            misses: Mutex::default(),
            sealed,
            shown,
            reached: Mutex::default(),
        }
    }

    /// What an emitting tag of the sealed template shows.
    pub(super) fn emit(&self, tag: usize, value: &Jinja) -> Jinja {
        if !self.sealed.get(tag).copied().unwrap_or(false) {
            return value.clone();
        }
        self.reached.lock().unwrap_or_else(PoisonError::into_inner).push(tag);
        match self.shown {
            Shown::Plain => value.clone(),
            Shown::Redacted => Jinja::from(super::REDACTED),
        }
    }

    /// The sealed tags that were reached.
    pub(super) fn reached(&self) -> Vec<usize> {
        let mut reached = std::mem::take(&mut *self.reached.lock().unwrap_or_else(PoisonError::into_inner));
        reached.sort_unstable();
        reached.dedup();
        reached
    }

    /// The look-ups that found nothing, in order.
    pub(super) fn misses(&self) -> Vec<Miss> {
        std::mem::take(&mut *self.misses.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn miss(&self, root: Root, keys: Vec<Arc<str>>) {
        let mut misses = self.misses.lock().unwrap_or_else(PoisonError::into_inner);
        if misses.len() < MAX_MISSES && !misses.iter().any(|m| m.0 == root && m.1 == keys) {
            misses.push((root, keys));
        }
    }

    fn slot_index(&self, root: Root, key: Option<&str>) -> Option<usize> {
        self.slots.iter().position(|s| s.root == root && s.key.as_deref() == key)
    }

    fn slot(&self, root: Root, key: Option<&str>) -> Option<&Value> {
        self.values.get(self.slot_index(root, key)?)?.as_ref()
    }

    /// `root.key`.
    fn member(self: &Arc<Self>, root: Root, key: &str) -> Option<Jinja> {
        let written;
        let key = if root == Root::Variables && key.contains('-') {
            written = key.replace('-', "_");
            &written
        } else {
            key
        };
        let (slot, path) = match self.slot_index(root, Some(key)) {
            Some(slot) => (slot, Vec::new()),
            None => match self.slot_index(root, None) {
                Some(slot) => (slot, vec![Hop::Key(key.into())]),
                None => return self.missed(root, key),
            },
        };
        let cursor = Cursor { frame: Arc::clone(self), slot, path };
        match cursor.json() {
            Some(json) => present(json, || cursor.clone()).or_else(|| self.missed(root, key)),
            None => self.missed(root, key),
        }
    }

    fn missed(&self, root: Root, key: &str) -> Option<Jinja> {
        self.miss(root, vec![key.into()]);
        None
    }

    /// The whole root.
    fn whole(self: &Arc<Self>, root: Root, context: bool) -> Jinja {
        let as_root = || Jinja::from_object(RootObject { frame: Arc::clone(self), root, context });
        let Some(slot) = self.slot_index(root, None) else { return as_root() };
        match self.values.get(slot).and_then(Option::as_ref).map(|v| &*v.json) {
            Some(Json::Object(_)) => as_root(),
            Some(json) => present(json, || Cursor { frame: Arc::clone(self), slot, path: Vec::new() }).unwrap_or_else(|| {
                self.miss(root, Vec::new());
                Jinja::UNDEFINED
            }),
            None => {
                self.miss(root, Vec::new());
                Jinja::UNDEFINED
            }
        }
    }
}

/// A scalar as the engine holds it; a list or a map as an object that points into the shared JSON. `null` is nothing.
fn present(json: &Json, cursor: impl FnOnce() -> Cursor) -> Option<Jinja> {
    Some(match json {
        Json::Null => return None,
        Json::Bool(b) => Jinja::from(*b),
        Json::Number(n) => {
            if let Some(i) = n.as_i64() {
                Jinja::from(i)
            } else if let Some(u) = n.as_u64() {
                Jinja::from(u)
            } else {
                Jinja::from(n.as_f64().unwrap_or(f64::NAN))
            }
        }
        Json::String(s) => Jinja::from(s.as_str()),
        Json::Array(_) | Json::Object(_) => Jinja::from_object(cursor()),
    })
}

/// The template's context: its names are the roots.
#[derive(Debug)]
pub(super) struct Context(pub(super) Arc<Frame>);

/// The name under which a sealed template finds its frame. No author can write it.
pub(super) const FRAME: &str = "__frame";

impl Object for Context {
    fn get_value(self: &Arc<Self>, key: &Jinja) -> Option<Jinja> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Jinja> {
        if key == FRAME {
            return Some(Jinja::from_object(FrameObject(Arc::clone(&self.0))));
        }
        root_of(key).map(|root| self.0.whole(root, key == "context"))
    }
}

/// The frame as a value, for the sealing filter.
#[derive(Debug)]
pub(super) struct FrameObject(pub(super) Arc<Frame>);

impl Object for FrameObject {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }
}

/// A root.
#[derive(Debug)]
struct RootObject {
    frame: Arc<Frame>,
    root: Root,
    context: bool,
}

impl RootObject {
    fn map(&self) -> Option<&serde_json::Map<String, Json>> {
        self.frame.slot(self.root, None)?.json.as_object()
    }
}

impl Object for RootObject {
    fn get_value(self: &Arc<Self>, key: &Jinja) -> Option<Jinja> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Jinja> {
        if self.context && key == "user" {
            return Some(self.frame.whole(Root::User, false));
        }
        self.frame.member(self.root, key)
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        self.map().map_or(Enumerator::Empty, |m| Enumerator::Values(m.keys().map(Jinja::from).collect()))
    }

    fn render(self: &Arc<Self>, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.frame.slot(self.root, None) {
            Some(value) => write!(f, "{}", value.json),
            None => Ok(()),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Hop {
    Key(Arc<str>),
    Index(usize),
}

/// A list or a map somewhere inside a taken value.
#[derive(Debug, Clone)]
pub(super) struct Cursor {
    frame: Arc<Frame>,
    slot: usize,
    path: Vec<Hop>,
}

impl Cursor {
    /// The JSON that it points at.
    pub(super) fn json(&self) -> Option<&Json> {
        let mut json = &*self.frame.values.get(self.slot)?.as_ref()?.json;
        for hop in &self.path {
            json = match hop {
                Hop::Key(key) => json.get(&**key)?,
                Hop::Index(i) => json.get(*i)?,
            };
        }
        Some(json)
    }

    fn below(&self, hop: Hop) -> Self {
        let mut path = Vec::with_capacity(self.path.len() + 1);
        path.extend_from_slice(&self.path);
        path.push(hop);
        Self { frame: Arc::clone(&self.frame), slot: self.slot, path }
    }

    fn miss(&self, key: &str) {
        let Some(slot) = self.frame.slots.get(self.slot) else { return };
        let hops = self.path.iter().map(|hop| match hop {
            Hop::Key(k) => Arc::clone(k),
            Hop::Index(i) => i.to_string().into(),
        });
        self.frame.miss(slot.root, slot.key.iter().cloned().chain(hops).chain([key.into()]).collect());
    }
}

impl Object for Cursor {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        if matches!(self.json(), Some(Json::Array(_))) { ObjectRepr::Seq } else { ObjectRepr::Map }
    }

    fn get_value(self: &Arc<Self>, key: &Jinja) -> Option<Jinja> {
        if let Some(key) = key.as_str() {
            return self.get_value_by_str(key);
        }
        let index = key.as_usize()?;
        let found = self.json().and_then(|j| j.get(index)).and_then(|j| present(j, || self.below(Hop::Index(index))));
        if found.is_none() {
            self.miss(&index.to_string());
        }
        found
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Jinja> {
        let found = self.json().and_then(|j| j.get(key)).and_then(|j| present(j, || self.below(Hop::Key(key.into()))));
        if found.is_none() {
            self.miss(key);
        }
        found
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        match self.json() {
            Some(Json::Array(items)) => Enumerator::Seq(items.len()),
            Some(Json::Object(map)) => Enumerator::Values(map.keys().map(Jinja::from).collect()),
            _ => Enumerator::Empty,
        }
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        match self.json() {
            Some(Json::Array(items)) => Some(items.len()),
            Some(Json::Object(map)) => Some(map.len()),
            _ => Some(0),
        }
    }

    fn render(self: &Arc<Self>, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.json().map_or(Ok(()), |json| write!(f, "{json}"))
    }
}
