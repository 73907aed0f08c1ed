//! `composite`: by other conditions. What is unknown stays unknown where it could still decide (Kleene's three values).

use super::{Found, Params, Unknown};
use crate::registry::condition::{OPERANDS_MAX, Operand};
use crate::registry::{Reason, Verdict};

/// How they are joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// All of them.
    And,
    /// One of them.
    Or,
    /// Not the one.
    Not,
}

/// `composite {operator, operands}`.
#[derive(Debug, Clone)]
pub struct Composite {
    /// How they are joined.
    pub operator: Operator,
    /// What is joined: conditions by id and version, or written out.
    pub operands: Vec<Operand>,
}

impl Composite {
    pub(super) fn parse(params: &mut Params<'_>, depth: usize) -> Option<Self> {
        params.only(&["operator", "operands"]);
        let words = [("AND", Operator::And), ("OR", Operator::Or), ("NOT", Operator::Not)];
        let operator = params.word("operator", &words);
        let written = params.list("operands", "a list of conditions: `{condition_id: …, condition_version: …}`")?;
        let right = match operator? {
            Operator::Not => written.len() == 1,
            Operator::And | Operator::Or => (2..=OPERANDS_MAX).contains(&written.len()),
        };
        if !right {
            let help = format!("`NOT` takes one condition, `AND` and `OR` from two to {OPERANDS_MAX}");
            params.fault("operands", format!("there are {} operands", written.len()), help);
            return None;
        }
        let mut operands = Vec::new();
        for (n, json) in written.iter().enumerate() {
            let before = params.faults().len();
            let operand = Operand::parse(json, depth, params.faults());
            let n = n.to_string();
            for fault in params.faults().iter_mut().skip(before) {
                *fault = fault.clone().below(&["operands", &n]);
            }
            operands.extend(operand);
        }
        Some(Self { operator: operator?, operands })
    }

    /// What they come to together.
    ///
    /// # Errors
    /// Those that are known do not decide.
    pub fn decide(&self, operands: &[Verdict]) -> Result<Found, Unknown> {
        let any = |verdict: Verdict| operands.contains(&verdict);
        let unknown = || Unknown::new(Reason::MissingInput, "what is known of its conditions does not decide");
        match self.operator {
            Operator::And if any(Verdict::False) => Ok(Found::new(false, "one of its conditions does not hold")),
            Operator::Or if any(Verdict::True) => Ok(Found::new(true, "one of its conditions holds")),
            _ if any(Verdict::Unknown) => Err(unknown()),
            Operator::And => Ok(Found::new(true, "all of its conditions hold")),
            Operator::Or => Ok(Found::new(false, "none of its conditions holds")),
            Operator::Not => {
                let holds = any(Verdict::True);
                Ok(Found::new(!holds, if holds { "its condition holds" } else { "its condition does not hold" }))
            }
        }
    }
}
