//! Conditions and primitives: registered, listed, given values. Writes are for elevated keys.

use std::sync::Arc;

use jiff::Timestamp;

use super::access::{Caller, NAMESPACE};
use super::error::ServiceError;
use super::look::{Asked, Page};
use super::{PAGE_MAX, Service};
use crate::registry::{ConditionDefinition, ENTITY_MAX, PrimitiveId, is_entity, is_name};
use crate::source::did_you_mean;
use crate::store::records::{Defines, Definition, DefinitionOf, Namespaces, NewDefinition, PrimitiveWrite, Record, Records, Registered};
use crate::value::Json;

/// A page of definitions, and how many there are in all.
#[derive(Debug, Clone, PartialEq)]
pub struct Listing {
    /// The page.
    pub page: Page<Definition>,
    /// How many there are.
    pub total: u64,
}

impl Caller {
    /// Only an elevated key may change what is registered, and what follows from it.
    pub fn writes(&self, what: &str) -> Result<(), ServiceError> {
        if self.elevated {
            return Ok(());
        }
        Err(ServiceError::Forbidden(format!(
            "{what} takes an elevated key: one of the role `admin`, as `X-Elevated-Key` or as the credential itself"
        )))
    }

    /// A namespace that a key does not see is not there to be written to.
    pub fn in_sight(&self, namespace: &str) -> Result<(), ServiceError> {
        if self.namespaces().has(namespace) {
            return Ok(());
        }
        Err(ServiceError::Forbidden(format!("this key does not see the namespace `{namespace}`")))
    }

    /// The namespaces that it sees.
    #[must_use]
    pub fn namespaces(&self) -> Namespaces {
        let named: Vec<Arc<str>> = self.scopes.iter().filter_map(|s| s.strip_prefix(NAMESPACE)).map(Arc::from).collect();
        Namespaces((!named.is_empty()).then_some(named))
    }

    /// Those of them that are asked for.
    #[must_use]
    pub fn namespaces_of(&self, asked: Option<&str>) -> Namespaces {
        let seen = self.namespaces();
        match asked {
            Some(one) => Namespaces(Some(if is_name(one) && seen.has(one) { vec![one.into()] } else { Vec::new() })),
            None => seen,
        }
    }
}

/// What is kept of a condition that is registered.
pub(super) fn new_condition(tenant: &Arc<str>, definition: &ConditionDefinition, at: Timestamp) -> NewDefinition {
    NewDefinition {
        tenant: tenant.clone(),
        defines: Defines::Condition,
        namespace: definition.namespace.clone(),
        id: definition.condition_id.clone(),
        version: definition.version.clone(),
        body: definition.body.to_string().into(),
        bound: definition.on.iter().map(|e| Arc::from(e.as_str())).collect(),
        at,
    }
}

/// A text that names what something is known of, or decided for.
pub fn entity(text: &str) -> Result<Arc<str>, ServiceError> {
    if !is_entity(text) {
        return Err(ServiceError::Rejected("entity", format!("`entity` is plain text of 1 to {ENTITY_MAX} characters")));
    }
    Ok(text.into())
}

impl Service {
    /// Registers a condition: a version of it never changes.
    pub async fn register_condition(&self, caller: &Caller, body: &Json) -> Result<Definition, ServiceError> {
        caller.writes("to register a condition")?;
        let definition = ConditionDefinition::parse(body).map_err(|faults| {
            let first = faults.first().map_or_else(String::new, ToString::to_string);
            ServiceError::Rejected("condition", first)
        })?;
        caller.in_sight(&definition.namespace)?;
        for (path, primitive) in definition.primitives() {
            caller.in_sight(&primitive.namespace)?;
            let rejected = |why| ServiceError::Rejected("condition", format!("`{}`: {why}", path.join(".")));
            self.declared_primitive(caller, &primitive.to_string()).map_err(rejected)?;
        }
        self.composed(caller, &definition).await?;
        self.registered(new_condition(&caller.tenant, &definition, self.runtime().clock().now())).await
    }

    /// That a primitive is one of those that the workspace declares, if it declares any; or why it is none. Only what is in sight is offered.
    pub(super) fn declared_primitive(&self, caller: &Caller, primitive: &str) -> Result<(), String> {
        let settings = &self.workspace().settings;
        let Some(known) = settings.primitives.as_ref().filter(|known| !known.contains(primitive)) else { return Ok(()) };
        let seen = caller.namespaces();
        let in_sight = known.iter().map(|k| &**k).filter(|k| PrimitiveId::parse(k).is_some_and(|p| seen.has(&p.namespace)));
        let help = did_you_mean(primitive, in_sight)
            .map_or_else(|| "declare it under `primitives` in `waypost.yaml`".into(), |near| format!("write `{near}`"));
        Err(format!("there is no primitive `{primitive}` ({help})"))
    }

    /// Keeps a definition, unless its id and version are taken.
    pub(super) async fn registered(&self, new: NewDefinition) -> Result<Definition, ServiceError> {
        let NewDefinition { tenant, defines, namespace, id, version, body, at, .. } = new.clone();
        match self.runtime().store().register(new).await? {
            Registered::New(seq) => Ok(Definition { seq, tenant, namespace, id, version, body, at }),
            Registered::Same(_) | Registered::Taken => {
                let what = defines.as_str();
                Err(ServiceError::Taken(format!(
                    "the {what} `{id}` of version `{version}` is registered, and never changes: raise the version"
                )))
            }
        }
    }

    /// The definitions of a kind that a caller sees, newest first.
    pub async fn definitions(
        &self,
        caller: &Caller,
        defines: Defines,
        namespace: Option<&str>,
        asked: &Asked,
    ) -> Result<Listing, ServiceError> {
        let limit = asked.limit.clamp(1, PAGE_MAX);
        let before = position(asked.after.as_deref())?;
        let of = caller.namespaces_of(namespace);
        let (found, total) = self.runtime().store().definitions(&caller.tenant, defines, &of, before, limit + 1).await?;
        Ok(Listing { page: Page::cut(found, limit, |d| cursor(d.seq)), total })
    }

    /// A definition: of that version, or the newest.
    pub async fn definition(&self, caller: &Caller, defines: Defines, id: &str, version: Option<&str>) -> Result<Definition, ServiceError> {
        self.definition_in(caller, defines, id, version, None).await
    }

    /// The same, if it is in that namespace.
    pub async fn definition_in(
        &self,
        caller: &Caller,
        defines: Defines,
        id: &str,
        version: Option<&str>,
        namespace: Option<&str>,
    ) -> Result<Definition, ServiceError> {
        let of = DefinitionOf { defines, id, version, namespaces: &caller.namespaces_of(namespace) };
        let seen = self.defined(&caller.tenant, of).await?;
        seen.ok_or_else(|| ServiceError::no_record(defines.as_str(), id, version))
    }

    /// A definition, if a caller sees it.
    pub(super) async fn seen_definition(
        &self,
        caller: &Caller,
        defines: Defines,
        id: &str,
        version: Option<&str>,
    ) -> Result<Option<Definition>, ServiceError> {
        let of = DefinitionOf { defines, id, version, namespaces: &caller.namespaces() };
        Ok(self.defined(&caller.tenant, of).await?)
    }

    /// Whether a caller sees that version of an action, and so what came of it.
    pub(super) async fn sees_action(&self, caller: &Caller, id: &str, version: &str) -> Result<bool, ServiceError> {
        Ok(caller.namespaces() == Namespaces::default()
            || self.seen_definition(caller, Defines::Action, id, Some(version)).await?.is_some())
    }

    /// The value that a primitive of an entity has now, or had.
    pub async fn primitive(
        &self,
        caller: &Caller,
        primitive: &str,
        of: &str,
        as_of: Option<Timestamp>,
    ) -> Result<PrimitiveWrite, ServiceError> {
        caller.looks_into("primitives")?;
        let gone = || ServiceError::no_record("primitive", primitive, None);
        let id = PrimitiveId::parse(primitive).filter(|p| caller.namespaces().has(&p.namespace)).ok_or_else(gone)?;
        let as_of = as_of.unwrap_or_else(|| self.runtime().clock().now());
        self.runtime().store().primitive(&caller.tenant, &id, &entity(of)?, as_of).await?.ok_or_else(gone)
    }

    /// Gives a primitive of an entity a value, from now on or from then on.
    pub async fn put_primitive(
        &self,
        caller: &Caller,
        primitive: &str,
        of: &str,
        value: Json,
        at: Option<Timestamp>,
    ) -> Result<PrimitiveWrite, ServiceError> {
        caller.writes("to write a primitive")?;
        let id = PrimitiveId::parse(primitive).ok_or_else(|| {
            ServiceError::Rejected(
                "primitive",
                format!("`{primitive}` is no primitive: write its namespace and its field, `billing.balance`"),
            )
        })?;
        caller.in_sight(&id.namespace)?;
        self.declared_primitive(caller, primitive).map_err(|why| ServiceError::Rejected("primitive", why))?;
        let now = self.runtime().clock().now();
        let write = PrimitiveWrite { primitive: id, entity: entity(of)?, at: at.unwrap_or(now), value, by: None };
        let record = Record { primitives: vec![write.clone()], ..Record::new(caller.tenant.clone(), now) };
        self.runtime().store().record(record).await?;
        Ok(write)
    }
}

/// Where a page begins, as a caller is told it: not to be read, so that nobody counts on it.
pub(super) fn cursor(seq: u64) -> String {
    format!("n{seq:x}")
}

/// Where a page begins.
pub(super) fn position(after: Option<&str>) -> Result<Option<u64>, ServiceError> {
    let Some(after) = after else { return Ok(None) };
    let seq = after.strip_prefix('n').and_then(|hex| u64::from_str_radix(hex, 16).ok());
    seq.map(Some).ok_or_else(|| ServiceError::Invalid("cursor", "there is no such page of this list".into()))
}
