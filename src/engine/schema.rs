//! Schemas of the bodies that may be sent next: written out once, and kept where they are the same in many conversations.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::{RawValue, to_raw_value};

use crate::value::Json;

/// Schemas that a workspace keeps.
const KEPT: usize = 1_024;

/// A JSON Schema. Its clones share what it is and how it is written.
#[derive(Debug, Clone)]
pub struct Schema(Arc<Written>);

#[derive(Debug)]
struct Written {
    json: Json,
    text: OnceLock<Option<Box<RawValue>>>,
}

impl From<Json> for Schema {
    fn from(json: Json) -> Self {
        Self(Arc::new(Written { json, text: OnceLock::new() }))
    }
}

impl Deref for Schema {
    type Target = Json;

    fn deref(&self) -> &Json {
        &self.0.json
    }
}

impl PartialEq for Schema {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.json == other.0.json
    }
}

impl Serialize for Schema {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.text.get_or_init(|| to_raw_value(&self.0.json).ok()) {
            Some(text) => text.serialize(serializer),
            None => self.0.json.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Schema {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Json::deserialize(deserializer).map(Self::from)
    }
}

/// A command, and all that its schema depends on beside the workspace.
type Of = (&'static str, Vec<Arc<str>>);

/// Schemas that are kept.
#[derive(Debug, Default)]
pub(super) struct Schemas(RwLock<BTreeMap<Of, Schema>>);

impl Schemas {
    /// The schema of that command that depends on that, which is made if it is not known.
    pub(super) fn get(&self, command: &'static str, on: Vec<Arc<str>>, make: impl FnOnce() -> Json) -> Schema {
        let key = (command, on);
        if let Some(known) = self.0.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return known.clone();
        }
        let made = Schema::from(make());
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if all.len() < KEPT {
            all.insert(key, made.clone());
        }
        made
    }
}
