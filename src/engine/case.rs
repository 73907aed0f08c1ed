//! The case of a conversation, and what an outside service may do to it (registry, 3). Pure: judges each effect, and applies what was
//! judged good.

use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::json;

use crate::model::provider::{EffectKind, plain};
use crate::value::{Json, display};

type Object = serde_json::Map<String, Json>;

/// Effects of one execution, at most.
const EFFECTS: usize = 50;
/// Characters of a comment, at most.
const COMMENT: usize = 10_000;
/// Characters of a status or an id, at most.
const WORD: usize = 200;
/// Bytes of a case's JSON, at most.
const SIZE: usize = 256 * 1024;
/// Keys of an effect that say of which case it is.
const OF_A_CASE: [&str; 4] = ["case", "case_id", "ticket", "ticket_id"];

/// Before why a case was not taken.
pub(super) const NOT_TAKEN: &str = "the case was not taken: ";

/// What the company works on in a conversation: given by its host, or opened when the conversation goes to a person.
#[derive(Debug, Clone, PartialEq, Default, serde::Serialize, serde::Deserialize)]
pub struct Case {
    /// Its id.
    pub id: Arc<str>,
    /// Its status.
    pub status: Arc<str>,
    /// What it is about, as the company sorts cases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issue_type: Option<Arc<str>>,
    /// Its fields.
    #[serde(default)]
    pub fields: Object,
    /// Its comments, the oldest first.
    #[serde(default)]
    pub comments: Vec<Json>,
    /// What else its host says of it.
    #[serde(flatten)]
    pub more: Object,
}

/// The statuses of cases, and from each the allowed moves.
pub(super) type Statuses = IndexMap<Arc<str>, Option<Vec<Arc<str>>>>;

impl Case {
    /// The case that a host gives.
    ///
    /// # Errors
    /// One sentence that says what is wrong with it.
    pub fn given(json: &Json, statuses: &IndexMap<Arc<str>, Option<Vec<Arc<str>>>>) -> Result<Self, &'static str> {
        let mut map = json.as_object().cloned().ok_or("`case` is an object")?;
        if json.to_string().len() > SIZE {
            return Err("`case` is larger than 256 KiB");
        }
        let id = map.remove("id").filter(|j| j.is_string() || j.is_number()).map(|j| display(&j)).unwrap_or_default();
        if id.is_empty() || id.chars().count() > WORD || id.chars().any(char::is_control) {
            return Err("`case.id` is plain text of at most 200 characters");
        }
        let mut word = |key: &str, wrong| match map.remove(key) {
            None | Some(Json::Null) => Ok(None),
            Some(Json::String(s)) if s.chars().count() <= WORD => Ok(Some(Arc::from(s))),
            Some(_) => Err(wrong),
        };
        let status = word("status", "`case.status` is text")?.unwrap_or_else(|| first(statuses));
        let issue_type = word("issue_type", "`case.issue_type` is text")?;
        let fields = match map.remove("fields") {
            None | Some(Json::Null) => Object::new(),
            Some(Json::Object(fields)) => fields,
            Some(_) => return Err("`case.fields` is an object"),
        };
        let comments = match map.remove("comments") {
            None | Some(Json::Null) => Vec::new(),
            Some(Json::Array(comments)) => comments,
            Some(_) => return Err("`case.comments` is a list"),
        };
        Ok(Self { id: id.into(), status, issue_type, fields, comments, more: map })
    }

    /// A case that a host could have given so that this was noted of it; nothing, if nothing was.
    pub(crate) fn like_refused(note: &str) -> Option<Json> {
        let why = note.strip_prefix(NOT_TAKEN)?;
        let more = |key: &str, more: Json| json!({"id": "c", key: more});
        let wrong = [
            json!(0),
            json!({}),
            more("status", json!(0)),
            more("issue_type", json!(0)),
            more("fields", json!(0)),
            more("comments", json!(0)),
        ];
        let as_then = |case: &Json| Self::given(case, &IndexMap::new()).is_err_and(|w| w == why);
        wrong.into_iter().chain(std::iter::once_with(|| more("more", "x".repeat(SIZE).into()))).find(as_then)
    }

    /// The case of a conversation that goes to a person.
    pub(super) fn opened(conversation: &str, statuses: &Statuses) -> Self {
        Self { id: format!("case-{conversation}").into(), status: first(statuses), ..Self::default() }
    }

    /// It as JSON.
    #[must_use]
    pub fn json(&self) -> Json {
        serde_json::to_value(self).unwrap_or_default()
    }

    /// It as somebody may see it who is none of the company: without its fields, and without the comments that only the company may read.
    #[must_use]
    pub fn public(&self) -> Self {
        let open = |c: &&Json| c.get("is_public").and_then(Json::as_bool) != Some(false);
        let comments = self.comments.iter().filter(open).cloned().collect();
        Self { comments, fields: Object::new(), more: Object::new(), ..self.clone() }
    }

    /// Does what was judged good.
    pub(super) fn apply(&mut self, change: &Change) {
        match change {
            Change::AddComment { content, is_public, by } => {
                self.comments.push(serde_json::json!({"content": content, "is_public": is_public, "by": by}));
            }
            Change::ChangeStatus { status } => self.status = status.clone(),
            Change::UpdateFields { fields } => self.fields.extend(fields.clone()),
        }
    }
}

fn first(statuses: &IndexMap<Arc<str>, Option<Vec<Arc<str>>>>) -> Arc<str> {
    statuses.keys().next().cloned().unwrap_or_else(|| "open".into())
}

/// One change of a case.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Change {
    /// A comment.
    AddComment {
        /// Its text.
        content: Arc<str>,
        /// Whether the user may read it.
        is_public: bool,
        /// By which action.
        by: Arc<str>,
    },
    /// Another status.
    ChangeStatus {
        /// Which.
        status: Arc<str>,
    },
    /// Other values of fields.
    UpdateFields {
        /// By field.
        fields: Object,
    },
}

impl Change {
    const fn kind(&self) -> EffectKind {
        match self {
            Self::AddComment { .. } => EffectKind::AddComment,
            Self::ChangeStatus { .. } => EffectKind::ChangeStatus,
            Self::UpdateFields { .. } => EffectKind::UpdateFields,
        }
    }
}

/// What became of one effect that a provider asked for.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Reflected {
    /// Of which kind, as far as that can be told.
    pub kind: Arc<str>,
    /// What was done; `None`: it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<Change>,
    /// Why not: a stable code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<Arc<str>>,
    /// Why not, in words without values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<Arc<str>>,
}

/// By what effects are judged.
pub(super) struct Bench<'a> {
    /// The case that the provider was told of.
    pub told: Option<&'a str>,
    pub allowed: &'a [EffectKind],
    pub statuses: &'a Statuses,
    pub by: &'a Arc<str>,
}

/// Judges each effect in turn, each as the ones before leave the case. One that is refused keeps none of the others back.
pub(super) fn reflect(effects: &Json, case: Option<&Case>, bench: &Bench<'_>) -> Vec<Reflected> {
    let single = [effects.clone()];
    let items: &[Json] = match effects {
        Json::Null => return Vec::new(),
        Json::Array(items) => items,
        _ => &single,
    };
    let mut case = case.cloned();
    let mut out = Vec::new();
    for item in items.iter().take(EFFECTS) {
        let (kind, judged) = judge(item, case.as_ref(), bench);
        if let (Ok(change), Some(case)) = (&judged, &mut case) {
            case.apply(change);
        }
        out.push(reflected(kind, judged));
    }
    if items.len() > EFFECTS {
        out.push(reflected("".into(), Err(("too_many", "an action has at most 50 effects: the others are left out"))));
    }
    out
}

type Judged = Result<Change, (&'static str, &'static str)>;

fn reflected(kind: Arc<str>, judged: Judged) -> Reflected {
    match judged {
        Ok(change) => Reflected { kind: change.kind().as_str().into(), change: Some(change), code: None, why: None },
        Err((code, why)) => Reflected { kind, change: None, code: Some(code.into()), why: Some(why.into()) },
    }
}

fn judge(item: &Json, case: Option<&Case>, bench: &Bench<'_>) -> (Arc<str>, Judged) {
    let Some((name, mut body)) = parts(item) else { return ("".into(), Err(("malformed", "it is no object with a `type`"))) };
    let shown = plain(&name, 40);
    let Some(kind) = EffectKind::named(&name) else { return (shown, Err(("unknown", "there is no effect of that name"))) };
    if !bench.allowed.contains(&kind) {
        return (shown, Err(("not_allowed", "this provider may not cause that: its `effects` do not list it")));
    }
    let (Some(case), Some(told)) = (case, bench.told) else {
        return (shown, Err(("no_case", "the conversation had no case, or has none")));
    };
    if *told != *case.id {
        return (shown, Err(("other_case", "the conversation has another case than the one that the provider was told of")));
    }
    for key in OF_A_CASE {
        let Some(of) = body.remove(key) else { continue };
        let id = of.get("id").unwrap_or(&of);
        if display(id) != *case.id {
            return (shown, Err(("other_case", "it is meant for another case")));
        }
    }
    let change = match kind {
        EffectKind::AddComment => comment(body, bench.by),
        EffectKind::ChangeStatus => status(body, case, bench.statuses),
        EffectKind::UpdateFields => fields(body),
    };
    let small = |change: Change| {
        let mut after = case.clone();
        after.apply(&change);
        if after.json().to_string().len() > SIZE { Err(("too_large", "the case would be larger than 256 KiB")) } else { Ok(change) }
    };
    (shown, change.and_then(small))
}

/// An effect by its name and the rest: `{type, …}`, or `{name: {…}}`.
fn parts(item: &Json) -> Option<(String, Object)> {
    let mut map = item.as_object()?.clone();
    if let Some(name) = map.remove("type") {
        return Some((name.as_str()?.to_owned(), map));
    }
    let (name, body) = map.into_iter().next().filter(|_| item.as_object().is_some_and(|m| m.len() == 1))?;
    Some((name, body.as_object()?.clone()))
}

fn comment(mut body: Object, by: &Arc<str>) -> Judged {
    let malformed = Err(("malformed", "a comment is `content`, a text of at most 10,000 characters, and `is_public`, true or false"));
    let content = match body.remove("content") {
        Some(Json::String(s)) if !s.trim().is_empty() && s.chars().count() <= COMMENT => s,
        _ => return malformed,
    };
    let is_public = match body.remove("is_public") {
        // Who does not say means the company.
        None => false,
        Some(Json::Bool(public)) => public,
        Some(_) => return malformed,
    };
    if !body.is_empty() {
        return malformed;
    }
    Ok(Change::AddComment { content: content.into(), is_public, by: by.clone() })
}

fn status(mut body: Object, case: &Case, statuses: &Statuses) -> Judged {
    let to = match body.remove("status") {
        Some(Json::String(s)) if !s.trim().is_empty() && s.chars().count() <= WORD && body.is_empty() => s,
        _ => return Err(("malformed", "a change of status is `status`, a text")),
    };
    if !statuses.is_empty() && *case.status != *to {
        if !statuses.contains_key(to.as_str()) {
            return Err(("unknown_status", "there is no such status: `case.statuses` does not list it"));
        }
        let moves = statuses.get(&*case.status);
        let allowed = moves.is_some_and(|m| m.as_ref().is_none_or(|m| m.iter().any(|s| **s == *to)));
        if !allowed {
            return Err(("move_not_allowed", "no move leads there from the status that the case has"));
        }
    }
    Ok(Change::ChangeStatus { status: to.into() })
}

fn fields(mut body: Object) -> Judged {
    let malformed = Err(("malformed", "an update is an object of fields and their values"));
    let fields = match body.remove("fields") {
        Some(Json::Object(fields)) if body.is_empty() => fields,
        Some(_) => return malformed,
        None => body,
    };
    if fields.is_empty() || fields.keys().any(|k| k.is_empty() || k.chars().count() > WORD) {
        return malformed;
    }
    Ok(Change::UpdateFields { fields })
}
