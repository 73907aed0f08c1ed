//! How a field is asked for when its author wrote no prompt.

use crate::model::{Datapoint, DatapointType};

/// A question made from a field's name, description and type.
#[must_use]
pub fn question_for(datapoint: &Datapoint, optional: bool) -> String {
    let name = lowered(&datapoint.name);
    let about = match &datapoint.description {
        Some(d) if !d.trim().is_empty() && !d.trim().eq_ignore_ascii_case(&datapoint.name) => {
            format!(" ({})", lowered(d.trim().trim_end_matches('.')))
        }
        _ => String::new(),
    };
    let question = match &datapoint.kind {
        DatapointType::Enum(values) => format!("What is the {name}{about}: {}?", super::text::one_of(values)),
        DatapointType::Boolean => format!("{}{about}: yes or no?", capital(&name)),
        DatapointType::List(_) => format!("What are the {name}{about}?"),
        _ => format!("What is the {name}{about}?"),
    };
    if optional { format!("{question} Say \"skip\" to leave it out.") } else { question }
}

/// With a small first letter, unless the first word is in capitals.
fn lowered(text: &str) -> String {
    let mut chars = text.chars();
    match (chars.next(), chars.next()) {
        (Some(first), second) if second.is_none_or(|c| !c.is_uppercase()) => first.to_lowercase().chain(text.chars().skip(1)).collect(),
        _ => text.to_owned(),
    }
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |c| c.to_uppercase().chain(chars).collect())
}
