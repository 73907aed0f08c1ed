//! What a condition decides over: a primitive, or an expression.

use super::{Fault, PrimitiveId};
use crate::expr::{Place, Program, Root};
use crate::source::{Code, FileId, Span, Text};
use crate::value::Json;

/// Roots that an expression may start from; a primitive's namespace is none of them.
const ROOTS: [&str; 4] = ["data", "entity", "primitives", "now"];

/// What a condition decides over.
#[derive(Debug, Clone)]
pub enum Input {
    /// What is known of the entity.
    Primitive(PrimitiveId),
    /// What an expression over the data and primitives comes to.
    Expression(Program),
}

impl Input {
    /// The input of an `input` key: `billing.balance`, `data.amount * 2`, or either said by name: `{primitive: …}`, `{expression: …}`.
    pub(super) fn parse(json: &Json, faults: &mut Vec<Fault>) -> Option<Self> {
        let (text, kind, path): (&str, Option<&str>, Vec<&str>) = match json {
            Json::String(text) => (text, None, vec![]),
            Json::Object(map) => match map.iter().next() {
                Some((key, Json::String(text))) if map.len() == 1 && matches!(key.as_str(), "primitive" | "expression") => {
                    (text, Some(key), vec![key])
                }
                _ => {
                    let fault = Fault::new(Code::WP0906, &[], "expected an input");
                    faults.push(fault.help("write `{primitive: namespace.field}` or `{expression: …}`"));
                    return None;
                }
            },
            _ => {
                let fault = Fault::new(Code::WP0906, &[], "expected an input");
                faults.push(fault.help("write a primitive, such as `billing.balance`, or an expression, such as `data.amount`"));
                return None;
            }
        };
        let primitive = PrimitiveId::parse(text.trim()).filter(|p| !ROOTS.contains(&&*p.namespace));
        match (kind, primitive) {
            (Some("primitive") | None, Some(primitive)) => Some(Self::Primitive(primitive)),
            (Some("primitive"), None) => {
                let fault = Fault::new(Code::WP0904, &path, format!("`{text}` is no primitive"));
                faults.push(fault.help("write its namespace and its field, such as `billing.balance`"));
                None
            }
            _ => program(text, &path, faults).map(Self::Expression),
        }
    }

    /// The primitives that it reads.
    pub(super) fn primitives(&self) -> Vec<PrimitiveId> {
        match self {
            Self::Primitive(primitive) => vec![primitive.clone()],
            Self::Expression(program) => primitives(program).filter_map(Result::ok).collect(),
        }
    }
}

/// The primitives that an expression reads; `Err`: one that is not named whole.
pub(super) fn primitives(program: &Program) -> impl Iterator<Item = Result<PrimitiveId, std::ops::Range<usize>>> {
    program.reads().iter().filter(|r| r.root == Root::Primitives).map(|read| {
        let named = match read.keys.as_slice() {
            [namespace, field, ..] => PrimitiveId::new(namespace, field),
            _ => None,
        };
        named.ok_or_else(|| read.range.clone())
    })
}

/// The expression of a condition; what is wrong with it goes to `faults`.
pub(super) fn program(text: &str, path: &[&str], faults: &mut Vec<Fault>) -> Option<Program> {
    let end = u32::try_from(text.len()).unwrap_or(u32::MAX);
    let span = Span { file: FileId(0), start: 0, end };
    let (program, found) = Program::parse_at(Text::plain(text, span, 0), Place::Condition);
    // Behind a syntax error nothing is sure: it is the one mistake.
    let first = found.iter().find(|f| f.code == Code::WP0404).or(found.first());
    if let Some(fault) = first {
        let new =
            Fault { range: Some(fault.range.clone()), help: fault.help.clone(), ..Fault::new(fault.code, path, fault.message.clone()) };
        faults.push(new);
        return None;
    }
    let unnamed = primitives(&program).find_map(Result::err);
    if let Some(range) = unnamed {
        let fault = Fault::new(Code::WP0904, path, "this does not say which primitive is read");
        faults.push(Fault { range: Some(range), ..fault }.help("write its namespace and its field, such as `primitives.billing.balance`"));
        return None;
    }
    Some(program)
}
