//! The Cedar schema of a workspace, as text: what `waypost schema policy` prints is what policies are validated with.

use std::fmt::Write;

use super::scene::Who;
use crate::model::action::{Effects, FieldType, InputField};
use crate::model::{Action, Workspace};

/// What is the same in every workspace.
const COMMON: &str = r#"// Who asks: whose message, command or answer is being handled.
entity Role;
entity User = {
  id: String,
  name?: String,
  email?: String,
} tags Set<String>; // what the caller says of the user, by path: "customAttributes.tier"
entity Agent = { id: String };
entity Operator in [Role] = { id: String };
entity Admin in [Role] = { id: String };
entity Runtime = { id: String };
entity System = { id: String };

// Where: the conversation, in its tenant.
entity Tenant;
entity Conversation in [Tenant] = {
  agent: String,
  user: User,
};

// Who was verified. `verified` is false and `level` 0 once that has expired.
type Identity = {
  verified: Bool,
  level: Long,
  subject?: String,
};

// The time in the workspace's zone. `weekday` is "monday" to "sunday", `date` is "2026-01-05".
type Local = {
  date: String,
  weekday: String,
  hour: Long,
  minute: Long,
};

// Every action stands in one of these, and in "<integration>.*".
action "reads";
action "writes";
"#;

/// Words that stand in quotes where they name an attribute.
const RESERVED: [&str; 9] = ["true", "false", "if", "then", "else", "in", "like", "has", "is"];

/// The schema of a workspace's policies.
#[must_use]
pub fn schema(workspace: &Workspace) -> String {
    let mut out = COMMON.to_owned();
    for integration in workspace.integrations.values() {
        // Writing to a text does not fail.
        let _ = writeln!(out, "action {};", quoted(&group(&integration.slug.shown)));
    }
    for action in workspace.actions.values() {
        out.push_str(&declaration(action));
    }
    out
}

/// The group of an integration's actions.
pub fn group(integration: &str) -> String {
    format!("{integration}.*")
}

/// The group of what an action does.
pub fn effects(action: &Action) -> &'static str {
    match action.effects {
        Effects::Read => "reads",
        Effects::Write => "writes",
    }
}

fn declaration(action: &Action) -> String {
    let id = &action.id;
    let principals = Who::ALL.map(Who::name).join(", ");
    let mut out = format!(
        "\naction {} in [{}, {}] appliesTo {{\n  principal: [{principals}],\n  resource: Conversation,\n  context: {{\n",
        quoted(&id.to_string()),
        quoted(effects(action)),
        quoted(&group(&id.integration.shown)),
    );
    out.push_str(
        "    journey: String,\n    step: String,\n    now: datetime,\n    local: Local,\n    confirmed: Bool,\n    identity: Identity,\n",
    );
    out.push_str("    inputs: {\n");
    for field in &action.inputs {
        if let Some(kind) = field_type(field.kind) {
            let _ = writeln!(out, "      {}{}: {kind},", attribute(&field.shown), if field.required { "" } else { "?" });
        }
    }
    out.push_str("    },\n  },\n};\n");
    out
}

/// How Cedar says a type; `None` if it cannot.
pub fn field_type(kind: FieldType) -> Option<&'static str> {
    Some(match kind {
        FieldType::String | FieldType::Any => "String",
        FieldType::Number => "decimal",
        FieldType::Integer => "Long",
        FieldType::Boolean => "Bool",
        FieldType::Array => "Set<String>",
        FieldType::Object => return None,
    })
}

/// The inputs that policies can see.
pub fn seen(action: &Action) -> impl Iterator<Item = &InputField> {
    action.inputs.iter().filter(|f| field_type(f.kind).is_some())
}

fn attribute(name: &str) -> String {
    let plain = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && !RESERVED.contains(&name);
    if plain { name.to_owned() } else { quoted(name) }
}

/// A text as Cedar writes it.
fn quoted(text: &str) -> String {
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => {
                let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
