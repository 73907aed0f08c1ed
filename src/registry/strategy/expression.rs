//! `expression`: an expression over `entity`, `data` and `primitives` that is true or false.

use super::Params;
use crate::expr::Program;
use crate::registry::input;

/// `expression {expression}`.
#[derive(Debug, Clone)]
pub struct Expression {
    /// It; `None`: the condition's `input` is it.
    pub program: Option<Program>,
}

impl Expression {
    pub(super) fn parse(params: &mut Params<'_>) -> Option<Self> {
        params.only(&["expression"]);
        let Some(found) = params.get("expression") else { return Some(Self { program: None }) };
        let Some(text) = found.as_str().map(str::to_owned).or_else(|| found.as_bool().map(|b| b.to_string())) else {
            params.fault("expression", "expected an expression for `expression`", "write it as text, such as `data.amount > 100`");
            return None;
        };
        input::program(&text, &["expression"], params.faults()).map(|program| Self { program: Some(program) })
    }
}
