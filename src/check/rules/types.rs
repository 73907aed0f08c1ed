//! `WP0402` and `WP0403`: what types show to be wrong, and members of things that are known not to have them.
//!
//! Nothing is a finding that could work out: a text may hold a number, and what is not known may be anything.

use std::ops::Range;
use std::sync::Arc;

use crate::check::flow::Node;
use crate::check::parts::{self, Part, Reader};
use crate::check::subject::Subject;
use crate::check::types::{ActionEnv, Types, of_field, of_operand};
use crate::expr::{Fault, Program, Read, Root, Type, TypeEnv};
use crate::model::Action;
use crate::model::action::{FieldType, InputField, OwnerRule};
use crate::model::step::{Call, ChoiceFrom, Operand, StepKind};
use crate::source::{Code, Diagnostic, Diagnostics, Span, did_you_mean};
use crate::template::Template;
use crate::value::Json;

pub(super) fn check_journey(subject: &Subject<'_>, found: &mut Diagnostics) {
    let types = Types::of(subject.journey, &subject.variables);
    for (_, step) in subject.journey.iter().filter(|(id, _)| subject.graph.is_reached(Node(id.0))) {
        let mut env = types.env();
        match &step.kind {
            StepKind::Action(call) => {
                check_call(call, &mut env, found);
                continue;
            }
            StepKind::Verify(verify) => {
                check_call(&verify.call, &mut env, found);
                env.answers = verify.call.action.as_deref();
                if let (Some(subject), Some(_)) = (&verify.subject, &verify.call.action) {
                    check_program(subject, &env, found);
                }
                continue;
            }
            StepKind::Choice(choice) => {
                if let Some(ChoiceFrom::Expr(program)) = &choice.from {
                    must_be_list(program, "the options", &env, found);
                }
            }
            _ => {}
        }
        parts::of_step(step, &mut |part| check_part(part, &env, found));
    }
    let env = types.env();
    parts::of_fallback(&subject.journey.fallback, &mut |part| check_part(part, &env, found));
}

pub(super) fn check_action(action: &Action, found: &mut Diagnostics) {
    let asked = ActionEnv { action, answered: false };
    let answered = ActionEnv { action, answered: true };
    for condition in action.outcomes.iter().filter_map(|o| o.condition.as_ref()) {
        check_program(condition, &answered, found);
    }
    match &action.safety.owner {
        Some(OwnerRule::Expr(is)) => check_program(is, &asked, found),
        Some(OwnerRule::Read { is, .. }) => check_program(is, &answered, found),
        None => {}
    }
    if let Some((is, _)) = &action.safety.result_owner {
        check_program(is, &answered, found);
    }
    if let Some(when) = action.safety.approval.as_ref().and_then(|a| a.when.as_ref()) {
        check_program(when, &asked, found);
    }
    let call = &action.invocation;
    let operands = call.headers.iter().chain(&call.query).map(|(_, o)| o).chain(&call.body);
    for operand in operands.chain(action.input_mappings.iter().map(|(_, o)| o)) {
        parts::of_operand(operand, parts::Role::Value, &mut |part| {
            if let Part::Reads(Reader::Expr(program), _) = part {
                check_program(program, &asked, found);
            }
        });
    }
}

fn check_part(part: Part<'_>, env: &dyn TypeEnv, found: &mut Diagnostics) {
    match part {
        Part::Reads(Reader::Expr(program), _) => check_program(program, env, found),
        Part::Reads(Reader::Template(template), _) => check_template(template, env, found),
        Part::Names(..) | Part::Assigns(..) => {}
    }
}

fn check_program(program: &Program, env: &dyn TypeEnv, found: &mut Diagnostics) {
    for fault in program.check(env) {
        found.push(diagnostic(&fault, program.text().part(&fault.range)));
    }
}

fn diagnostic(fault: &Fault, span: Span) -> Diagnostic {
    let d = Diagnostic::new(fault.code, span, fault.message.clone());
    match &fault.help {
        Some(help) => d.help(help.clone()),
        None => d,
    }
}

/// A template is lenient about types; only a member that nothing has is a mistake.
fn check_template(template: &Template, env: &dyn TypeEnv, found: &mut Diagnostics) {
    for read in template.reads().iter().filter(|r| r.root == Root::Variables) {
        if let Some((key, members)) = unknown_member(read, env) {
            let message = format!("`{}` has no member `{key}`", read.keys.first().map_or("", |k| k));
            let at = last_part(template, read, &key);
            let help = match did_you_mean(&key, members.iter().map(|m| &**m)) {
                Some(near) => format!("write `{near}`"),
                None => format!("it has {}", super::list(&members)),
            };
            found.push(Diagnostic::new(Code::WP0403, at, message).help(help));
        }
    }
}

fn unknown_member(read: &Read, env: &dyn TypeEnv) -> Option<(Arc<str>, Vec<Arc<str>>)> {
    let (first, rest) = read.keys.split_first()?;
    let mut at = env.member(Root::Variables, first)?;
    for key in rest {
        let Type::Record(record) = &at else { return None };
        match record.members.get(key) {
            Some(member) => at = member.clone(),
            None if record.open => return None,
            None => return Some((Arc::clone(key), record.members.keys().cloned().collect())),
        }
    }
    None
}

/// Where that key stands in what is read.
fn last_part(template: &Template, read: &Read, key: &str) -> Span {
    let whole = template.text().value.get(read.range.clone()).unwrap_or("");
    let part: Range<usize> = match whole.rfind(key) {
        Some(i) => read.range.start + i..read.range.start + i + key.len(),
        None => read.range.clone(),
    };
    template.text().part(&part)
}

fn check_call(call: &Call, env: &mut crate::check::types::Env<'_>, found: &mut Diagnostics) {
    if let Some(program) = &call.each {
        must_be_list(program, "`each`", env, found);
        check_program(program, env, found);
        env.each = Some(match program.type_in(env) {
            Type::List(element) => (*element).clone(),
            _ => Type::Any,
        });
    }
    for input in &call.inputs {
        parts::of_operand(&input.value, parts::Role::Value, &mut |part| check_part(part, env, found));
        let field = call.action.as_ref().and_then(|a| a.inputs.iter().find(|i| i.name == input.name));
        if let Some(field) = field.filter(|f| !fits(&input.value, f.kind, env)) {
            let is = match &input.value {
                Operand::Literal(Json::String(text)) => format!("`{text}`"),
                Operand::Literal(Json::Number(number)) => format!("`{number}`"),
                value => of_operand(value, env).what().to_owned(),
            };
            let takes = if field.kind == FieldType::Integer { "a whole number" } else { of_field(field.kind).what() };
            let message = format!("input `{}` takes {takes}, and {is} is none", input.name);
            found.push(with_field(Diagnostic::new(Code::WP0402, input.value_span, message), field));
        }
    }
    env.each = None;
}

fn with_field(d: Diagnostic, field: &InputField) -> Diagnostic {
    let help = match field.kind {
        FieldType::Number | FieldType::Integer => "write a number, or an expression that gives one: `$variables.…`",
        FieldType::Boolean => "write `true` or `false`, or an expression that gives one: `$variables.…`",
        FieldType::Object => "write a map, or an expression that gives one: `$variables.…`",
        FieldType::Array => "write a list, or an expression that gives one: `$variables.…`",
        FieldType::String | FieldType::Any => "write a text, or an expression that gives one: `$variables.…`",
    };
    d.label(field.span, "declared here").help(help)
}

/// Whether a value may be of that type: as it is, or coerced without loss (language, 3.2).
fn fits(value: &Operand, kind: FieldType, env: &dyn TypeEnv) -> bool {
    if let Operand::Literal(json) = value {
        return match (kind, json) {
            (FieldType::Any, _) | (_, Json::Null) => true,
            (FieldType::String, json) => !json.is_array() && !json.is_object(),
            (FieldType::Number, Json::String(text)) => text.trim().parse::<f64>().is_ok_and(f64::is_finite),
            (FieldType::Integer, Json::String(text)) => text.trim().parse::<i64>().is_ok(),
            (FieldType::Integer, Json::Number(n)) => n.as_f64().is_some_and(|n| n.fract() == 0.0),
            (FieldType::Boolean, Json::String(text)) => matches!(text.as_str(), "true" | "false"),
            (FieldType::Number, json) => json.is_number(),
            (FieldType::Integer, _) => false,
            (FieldType::Boolean, json) => json.is_boolean(),
            (FieldType::Object, json) => json.is_object(),
            (FieldType::Array, json) => json.is_array(),
        };
    }
    let scalar = |t: &Type| matches!(t, Type::Bool | Type::Number | Type::Text | Type::OneOf(_) | Type::Timestamp | Type::Duration);
    match (kind, of_operand(value, env)) {
        (FieldType::Any, _) | (_, Type::Any | Type::Null) => true,
        (FieldType::String, t) => scalar(&t),
        (FieldType::Number | FieldType::Integer, t) => matches!(t, Type::Number | Type::Text | Type::OneOf(_)),
        (FieldType::Boolean, t) => matches!(t, Type::Bool | Type::Text | Type::OneOf(_)),
        (FieldType::Object, t) => matches!(t, Type::Map(_) | Type::Record(_)),
        (FieldType::Array, t) => matches!(t, Type::List(_)),
    }
}

fn must_be_list(program: &Program, what: &str, env: &dyn TypeEnv, found: &mut Diagnostics) {
    let is = program.type_in(env);
    if !matches!(is, Type::Any | Type::Null | Type::List(_)) && program.check(env).is_empty() {
        let text = program.text();
        let message = format!("{what} come from a list, and this is {}", is.what());
        found.push(
            Diagnostic::new(Code::WP0402, text.part(&(0..text.value.len())), message)
                .help("give a list: `[…]`, or a variable that holds one"),
        );
    }
}
