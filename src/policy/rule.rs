//! What the policies say of one action.

use std::collections::BTreeSet;

use cedar_policy::{AuthorizationError, Context, Decision, Entities, Entity, EntityUid, PolicyId, Request, RestrictedExpression as Value};

use super::load::{Policies, uid};
use super::scene::{Gates, Scene, Who};
use super::schema;
use crate::model::Action;
use crate::model::action::FieldType;
use crate::value::Json;

/// Elements of a list that policies are given.
const ELEMENTS: usize = 1_000;
/// Claims of a user that policies are given, and how deep they stand in each other.
const CLAIMS: usize = 1_000;
const CLAIM_DEPTH: usize = 8;

/// What the policies say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ruling {
    /// Whether the action may run.
    pub allowed: bool,
    /// Which policies decided. Names them and no value.
    pub text: String,
}

impl Ruling {
    fn deny(text: impl Into<String>) -> Self {
        Self { allowed: false, text: text.into() }
    }
}

impl Policies {
    /// Decides. What cannot be decided is denied.
    #[must_use]
    pub fn decide(&self, action: &Action, scene: &Scene<'_>, gates: &Gates<'_>) -> Ruling {
        let context = match self.context(action, scene, gates) {
            Ok(context) => context,
            Err(why) => return Ruling::deny(why),
        };
        let (principal, (action_uid, groups), resource) = (self.principal(scene), self.action(action), self.conversation(scene));
        let Some(entities) = self.entities(groups, scene, &principal, &action_uid, &resource) else {
            return Ruling::deny("the policies could not be asked");
        };
        // Values come typed from the same tables as the schema: what does not fit fails in the policy that reads it, and denies.
        let Ok(request) = Request::new(principal, action_uid, resource, context, None) else {
            return Ruling::deny("the policies could not be asked");
        };
        let response = self.authorizer.is_authorized(&request, &self.set, &entities);
        let reasons = named(response.diagnostics().reason());
        let errors = named(response.diagnostics().errors().map(|AuthorizationError::PolicyEvaluationError(e)| e.policy_id()));
        match response.decision() {
            Decision::Deny if !reasons.is_empty() => Ruling::deny(format!("{} {} it", listed(&reasons), verb(&reasons, "forbid"))),
            Decision::Allow | Decision::Deny if !errors.is_empty() => Ruling::deny(format!("{} could not be evaluated", listed(&errors))),
            Decision::Deny => Ruling::deny("no policy permits it"),
            Decision::Allow => Ruling { allowed: true, text: format!("{} {} it", listed(&reasons), verb(&reasons, "permit")) },
        }
    }

    fn principal(&self, scene: &Scene<'_>) -> EntityUid {
        let [user, agent, operator, admin, runtime, system] = &self.names.who;
        let speaker = &scene.speaker;
        let (kind, id) = match speaker.who {
            Who::User => (user, scene.user_id),
            Who::Agent => (agent, speaker.id),
            Who::Operator => (operator, speaker.id),
            Who::Admin => (admin, speaker.id),
            Who::Runtime => (runtime, speaker.id),
            Who::System => (system, speaker.id),
        };
        uid(kind, id)
    }

    fn conversation(&self, scene: &Scene<'_>) -> EntityUid {
        uid(&self.names.conversation, scene.conversation)
    }

    fn entities(
        &self,
        groups: BTreeSet<EntityUid>,
        scene: &Scene<'_>,
        who: &EntityUid,
        what: &EntityUid,
        place: &EntityUid,
    ) -> Option<Entities> {
        let names = &self.names;
        let [user_type, ..] = &names.who;
        let user = uid(user_type, scene.user_id);
        let place_of = [("agent", text(scene.agent)), ("user", Value::new_entity_uid(user.clone()))];
        let mut all = vec![
            Entity::new_no_attrs(what.clone(), groups.into_iter().collect()),
            entity(place, place_of, [uid(&names.tenant, scene.tenant)], Vec::new())?,
        ];
        if *who != user {
            let roles = scene.speaker.roles.iter().map(|r| uid(&names.role, r));
            let roles = roles.filter(|_| matches!(scene.speaker.who, Who::Operator | Who::Admin));
            all.push(entity(who, [("id", text(scene.speaker.id))], roles, Vec::new())?);
        }
        let identity = |key: &str| scene.user.get("identity").and_then(|i| i.get(key)).and_then(Json::as_str);
        let said = [("name", identity("user_name")), ("email", identity("user_email"))];
        let said = said.into_iter().filter_map(|(key, value)| Some((key, text(value?))));
        let mut tags = Vec::new();
        if self.reads.claims() {
            claims(scene.user, &mut String::new(), 0, &mut tags)?;
        }
        all.push(entity(&user, [("id", text(scene.user_id))].into_iter().chain(said), [], tags)?);
        Entities::from_entities(all, None).ok()
    }

    fn context(&self, action: &Action, scene: &Scene<'_>, gates: &Gates<'_>) -> Result<Context, String> {
        let mut pairs: Vec<(String, Value)> = Vec::new();
        let mut put = |key: &str, value: &dyn Fn() -> Value| {
            if self.reads.key(key) {
                pairs.push((key.to_owned(), value()));
            }
        };
        put("journey", &|| text(scene.journey));
        put("step", &|| text(gates.step));
        put("confirmed", &|| Value::new_bool(gates.confirmed));
        put("now", &|| Value::new_datetime(gates.now.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()));
        put("local", &|| {
            let at = gates.now.to_zoned(self.timezone.clone());
            record([
                ("date", text(&at.date().to_string())),
                ("weekday", text(&at.strftime("%A").to_string().to_lowercase())),
                ("hour", Value::new_long(at.hour().into())),
                ("minute", Value::new_long(at.minute().into())),
            ])
        });
        put("identity", &|| {
            let level = gates.verified.map_or(0, |(_, level)| i64::from(level));
            let subject = gates.verified.map(|(subject, _)| ("subject", text(subject)));
            record([("verified", Value::new_bool(gates.verified.is_some())), ("level", Value::new_long(level))].into_iter().chain(subject))
        });
        let mut inputs = Vec::new();
        for field in schema::seen(action).filter(|f| self.reads.input(&f.shown)) {
            let Some(json) = scene.inputs.get(&*field.shown).filter(|j| !j.is_null()) else { continue };
            let value =
                value(json, field.kind).ok_or_else(|| format!("the input `{}` is nothing that a policy can compare", field.shown))?;
            inputs.push((&*field.shown, value));
        }
        pairs.push(("inputs".to_owned(), record(inputs)));
        Context::from_pairs(pairs).map_err(|_| "the policies could not be asked".to_owned())
    }
}

/// A value as the schema types it; `None` if Cedar cannot hold it.
fn value(json: &Json, kind: FieldType) -> Option<Value> {
    match kind {
        FieldType::String | FieldType::Any => scalar(json).map(|s| text(&s)),
        FieldType::Integer => json.as_i64().map(Value::new_long),
        FieldType::Number => decimal(json).map(Value::new_decimal),
        FieldType::Boolean => json.as_bool().map(Value::new_bool),
        FieldType::Array => texts(json.as_array()?),
        FieldType::Object => None,
    }
}

fn texts(items: &[Json]) -> Option<Value> {
    if items.len() > ELEMENTS {
        return None;
    }
    let items = items.iter().map(|i| scalar(i).map(|s| text(&s))).collect::<Option<Vec<_>>>()?;
    Some(Value::new_set(items))
}

/// A text, number or truth value as text.
fn scalar(json: &Json) -> Option<String> {
    match json {
        Json::String(s) => Some(s.clone()),
        Json::Number(n) => Some(n.to_string()),
        Json::Bool(b) => Some(b.to_string()),
        Json::Null | Json::Array(_) | Json::Object(_) => None,
    }
}

/// A number with at most four places, as Cedar writes it.
fn decimal(json: &Json) -> Option<String> {
    let number = json.as_number()?;
    if let Some(whole) = number.as_i64() {
        return (whole.unsigned_abs() <= 922_337_203_685_476).then(|| format!("{whole}.0"));
    }
    let float = number.as_f64().filter(|f| f.abs() < 922_337_203_685_477.0)?;
    // As it reads, not as it is stored: `0.1` has one place.
    let written = format!("{float:?}");
    let (_, places) = written.split_once('.')?;
    (places.len() <= 4 && places.bytes().all(|b| b.is_ascii_digit())).then_some(written)
}

/// What is claimed of the user, by path. Each claim is a set of texts.
fn claims(json: &Json, path: &mut String, depth: usize, tags: &mut Vec<(String, Value)>) -> Option<()> {
    if depth > CLAIM_DEPTH || tags.len() > CLAIMS {
        return None;
    }
    if let Json::Object(map) = json {
        for (key, inner) in map {
            let length = path.len();
            if length > 0 {
                path.push('.');
            }
            path.push_str(key);
            claims(inner, path, depth + 1, tags)?;
            path.truncate(length);
        }
    } else if let Json::Array(items) = json {
        // A list of maps is no claim that could be compared.
        if items.iter().all(|i| scalar(i).is_some()) {
            tags.push((path.clone(), texts(items)?));
        }
    } else if let Some(one) = scalar(json) {
        tags.push((path.clone(), Value::new_set([text(&one)])));
    }
    Some(())
}

fn entity<'k>(
    uid: &EntityUid,
    attributes: impl IntoIterator<Item = (&'k str, Value)>,
    parents: impl IntoIterator<Item = EntityUid>,
    tags: Vec<(String, Value)>,
) -> Option<Entity> {
    Entity::new_with_tags(uid.clone(), attributes.into_iter().map(|(k, v)| (k.to_owned(), v)), parents, tags).ok()
}

fn record<'k>(pairs: impl IntoIterator<Item = (&'k str, Value)>) -> Value {
    // Its keys are those of a map or written here: none stands twice.
    Value::new_record(pairs.into_iter().map(|(k, v)| (k.to_owned(), v))).unwrap_or_else(|_| Value::new_bool(false))
}

fn text(text: &str) -> Value {
    Value::new_string(text.to_owned())
}

fn named<'p>(ids: impl Iterator<Item = &'p PolicyId>) -> Vec<String> {
    let mut names: Vec<String> = ids.map(ToString::to_string).collect();
    names.sort();
    names.dedup();
    names
}

fn listed(names: &[String]) -> String {
    names.iter().map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ")
}

fn verb(names: &[String], word: &str) -> String {
    if names.len() == 1 { format!("{word}s") } else { word.to_owned() }
}
