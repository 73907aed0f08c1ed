//! Names of what is registered, and of primitives.

use std::sync::Arc;

/// Characters of a name, at most.
const NAME_MAX: usize = 200;
/// Characters of an entity, at most.
pub const ENTITY_MAX: usize = 200;

/// Whether a text may name a condition, an action or a namespace: letters, digits, `.`, `_` and `-`.
#[must_use]
pub fn is_name(text: &str) -> bool {
    let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    text.len() <= NAME_MAX && text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.chars().all(known)
}

/// Whether a text may be a version: the same, and `+`.
#[must_use]
pub fn is_version(text: &str) -> bool {
    is_name(&text.replace('+', "-"))
}

/// Whether a text may name what something is known of, or decided for: plain text that is neither empty nor long.
#[must_use]
pub fn is_entity(text: &str) -> bool {
    !text.is_empty() && text.chars().count() <= ENTITY_MAX && !text.chars().any(char::is_control)
}

/// A primitive: something that is known of entities, written `namespace.field`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PrimitiveId {
    /// Whose it is.
    pub namespace: Arc<str>,
    /// What it is.
    pub field: Arc<str>,
}

impl PrimitiveId {
    /// The primitive that a text names.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (namespace, field) = text.split_once('.')?;
        Self::new(namespace, field)
    }

    /// The primitive of a namespace.
    #[must_use]
    pub fn new(namespace: &str, field: &str) -> Option<Self> {
        let part = |text: &str| is_name(text) && !text.contains('.');
        (part(namespace) && part(field)).then(|| Self { namespace: namespace.into(), field: field.into() })
    }
}

impl std::fmt::Display for PrimitiveId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.namespace, self.field)
    }
}

impl serde::Serialize for PrimitiveId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
