//! Types, as far as they are known before anything runs, and the faults that they show.
//!
//! A type says what a value is if it is not null; nothing is a fault that could work out.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::ast::{At, Expr, Kind, Link, Literal, MacroCall, OpKind, Operator, Snippet};
use super::builtins::{Builtin, Sort};
use super::macros::Macro;
use super::{Fault, Root, print, reads};
use crate::source::{Code, did_you_mean};

/// What a value is, if it is not null.
#[derive(Debug, Clone, PartialEq)]
pub enum Type {
    /// Not known.
    Any,
    /// Nothing but null.
    Null,
    /// `true` or `false`.
    Bool,
    /// A number, whole or not.
    Number,
    /// Text.
    Text,
    /// One of these texts.
    OneOf(Arc<[Arc<str>]>),
    /// A moment.
    Timestamp,
    /// A length of time.
    Duration,
    /// A list of these.
    List(Arc<Type>),
    /// A map with any keys and these values.
    Map(Arc<Type>),
    /// A map whose members are known.
    Record(Arc<Record>),
}

/// A map whose members are known.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Record {
    /// The members.
    pub members: BTreeMap<Arc<str>, Type>,
    /// Whether there may be others too.
    pub open: bool,
}

/// What is known of the roots where an expression stands.
pub trait TypeEnv {
    /// Whether the root means anything there.
    fn has(&self, root: Root) -> bool;
    /// The type of `root.key`; `None` if there is no such member.
    fn member(&self, root: Root, key: &str) -> Option<Type>;
    /// The type of the root as a value.
    fn whole(&self, root: Root) -> Type;
    /// The members that `root` is known to have, to say what was meant.
    fn members(&self, root: Root) -> Vec<Arc<str>>;
}

impl Type {
    /// In an author's words.
    #[must_use]
    pub fn what(&self) -> &'static str {
        match self {
            Self::Any => "any value",
            Self::Null => "null",
            Self::Bool => "a truth value",
            Self::Number => "a number",
            Self::Text | Self::OneOf(_) => "text",
            Self::Timestamp => "a timestamp",
            Self::Duration => "a duration",
            Self::List(_) => "a list",
            Self::Map(_) | Self::Record(_) => "a map",
        }
    }

    /// Known, and so certain not to be of another kind.
    fn known(&self) -> bool {
        !matches!(self, Self::Any | Self::Null)
    }

    fn same_kind(&self, other: &Self) -> bool {
        !self.known() || !other.known() || self.what() == other.what()
    }

    /// What may be either.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        match (self, other) {
            (a, b) if a == b => a,
            (Self::Null, t) | (t, Self::Null) => t,
            (Self::Text | Self::OneOf(_), Self::Text | Self::OneOf(_)) => Self::Text,
            (Self::List(a), Self::List(b)) => Self::List(Arc::new((*a).clone().or((*b).clone()))),
            _ => Self::Any,
        }
    }

    fn of(sort: Sort) -> Self {
        match sort {
            Sort::Any => Self::Any,
            Sort::Bool => Self::Bool,
            Sort::Int | Sort::Number | Sort::Double => Self::Number,
            Sort::Text => Self::Text,
            Sort::List => Self::List(Arc::new(Self::Any)),
            Sort::Texts => Self::List(Arc::new(Self::Text)),
            Sort::Numbers => Self::List(Arc::new(Self::Number)),
            Sort::Map => Self::Map(Arc::new(Self::Any)),
            Sort::Time => Self::Timestamp,
            Sort::Span => Self::Duration,
        }
    }

    /// Whether a value of this type can be of that sort.
    fn may_be(&self, sort: Sort) -> bool {
        match (self, Self::of(sort)) {
            (_, Self::Any) | (Self::Any, _) => true,
            (Self::Null, _) => false,
            (Self::List(element), Self::List(of)) => element.same_kind(&of),
            (own, of) => own.what() == of.what(),
        }
    }
}

/// The faults that types show, and the type of the whole.
pub(super) fn check(snippet: &Snippet, env: &dyn TypeEnv) -> (Type, Vec<Fault>) {
    let mut walk = Walk { env, locals: Vec::new(), faults: Vec::new() };
    for (_, value) in &snippet.lets {
        let value = walk.expr(value);
        walk.locals.push(value);
    }
    let whole = walk.expr(&snippet.body);
    (whole, walk.faults)
}

struct Walk<'e> {
    env: &'e dyn TypeEnv,
    locals: Vec<Type>,
    faults: Vec<Fault>,
}

impl Walk<'_> {
    /// Reports, and leaves the type open: what follows is not reported again.
    fn fault(&mut self, code: Code, at: At, message: String, help: Option<String>) -> Type {
        self.faults.push(Fault { code, range: at.range(), message, help });
        Type::Any
    }

    fn expr(&mut self, e: &Expr) -> Type {
        match &e.kind {
            Kind::Error => Type::Any,
            Kind::Literal(literal) => match literal {
                Literal::Null => Type::Null,
                Literal::Bool(_) => Type::Bool,
                Literal::Int(_) | Literal::Double(_) => Type::Number,
                Literal::Text(_) => Type::Text,
            },
            Kind::Root(root) => {
                if self.root(*root, e.at) {
                    self.env.whole(*root)
                } else {
                    Type::Any
                }
            }
            Kind::Local(slot, _) => self.locals.get(*slot as usize).cloned().unwrap_or(Type::Any),
            Kind::List(items) => {
                let all = items.iter().fold(None, |all: Option<Type>, item| {
                    let item = self.expr(item);
                    Some(all.map_or(item.clone(), |all| all.or(item)))
                });
                Type::List(Arc::new(all.unwrap_or(Type::Any)))
            }
            Kind::Map(entries) => self.map(entries),
            Kind::Not(inner) => {
                self.expr(inner);
                Type::Bool
            }
            Kind::Negate(inner) => {
                let given = self.expr(inner);
                if given.may_be(Sort::Number) {
                    Type::Number
                } else {
                    self.fault(Code::WP0402, inner.at, format!("`-` takes a number, not {}", given.what()), None)
                }
            }
            Kind::All(items) | Kind::Any(items) => {
                items.iter().for_each(|i| {
                    self.expr(i);
                });
                Type::Bool
            }
            Kind::Chain(first, links) => self.chain(first, links),
            Kind::If(parts) => {
                let [condition, then, other] = &**parts;
                self.expr(condition);
                let then = self.expr(then);
                let other = self.expr(other);
                then.or(other)
            }
            Kind::Coalesce(items) => items.iter().map(|i| self.expr(i)).fold(Type::Null, Type::or),
            Kind::Has(path) => {
                self.expr(path);
                Type::Bool
            }
            Kind::Call(function, args, _) => {
                let given: Vec<_> = args.iter().map(|a| (self.expr(a), a.at)).collect();
                self.call(function, &given)
            }
            Kind::Postfix(base, ops) => {
                let mut ops = ops.iter().peekable();
                let mut at = base.at;
                let mut value = match (&base.kind, ops.peek().map(|op| (&op.kind, op.at))) {
                    (Kind::Root(root), Some((OpKind::Member(key), place))) => {
                        ops.next();
                        at = at.to(place);
                        if self.root(*root, base.at) { self.root_member(*root, key, place) } else { Type::Any }
                    }
                    _ => self.expr(base),
                };
                for op in ops {
                    value = match &op.kind {
                        OpKind::Member(key) => self.member(&value, key, op.at),
                        OpKind::Index(index) => self.index(&value, index, op.at),
                        OpKind::Call(function, args, _) => {
                            let mut given = vec![(value, at)];
                            given.extend(args.iter().map(|a| (self.expr(a), a.at)));
                            self.call(function, &given)
                        }
                        OpKind::Macro(call) => self.macro_call(&value, call, op.at),
                    };
                    at = at.to(op.at);
                }
                value
            }
        }
    }

    fn root(&mut self, root: Root, at: At) -> bool {
        if self.env.has(root) {
            return true;
        }
        let place = match root {
            Root::Response => "`response` is known only where an action's answer is judged",
            Root::Inputs => "`inputs` is known only where an action is called",
            Root::Each => "`$each` is known only in an action with `each`",
            Root::Entity | Root::Event | Root::Primitives => "this root is known only in conditions",
            Root::User | Root::Variables | Root::Outcome | Root::Now | Root::Conversation => "this root is not known here",
        };
        let help = match root {
            Root::Response => "give the step an `as`, and read `$variables.<as>`",
            Root::Inputs => "read the variable itself: `$variables.<name>`",
            _ => "read `$variables.<name>`",
        };
        self.fault(Code::WP0403, at, place.into(), Some(help.into()));
        false
    }

    fn root_member(&mut self, root: Root, key: &str, at: At) -> Type {
        self.env.member(root, key).unwrap_or_else(|| {
            let members = self.env.members(root);
            self.unknown(root.written(), key, &members, at)
        })
    }

    fn unknown(&mut self, of: &str, key: &str, members: &[Arc<str>], at: At) -> Type {
        let help =
            did_you_mean(key, members.iter().map(|m| &**m)).map(|near| format!("did you mean `{near}`?")).or_else(|| one_of(members));
        self.fault(Code::WP0403, at, format!("{of} has no `{key}`"), help)
    }

    fn member(&mut self, value: &Type, key: &str, at: At) -> Type {
        match value {
            Type::Any | Type::Null => Type::Any,
            Type::Map(values) => (**values).clone(),
            Type::Record(record) => match record.members.get(key) {
                Some(known) => known.clone(),
                None if record.open => Type::Any,
                None => {
                    let members: Vec<_> = record.members.keys().cloned().collect();
                    self.unknown("this map", key, &members, at)
                }
            },
            other => {
                let help = match (other, key) {
                    (Type::List(_) | Type::Text | Type::OneOf(_), "length" | "size" | "count") => Some("write `size(value)`".into()),
                    (Type::List(_), _) => Some(format!("write `[0].{key}` for the first element, `.map(x, x.{key})` for all")),
                    _ => None,
                };
                self.fault(Code::WP0402, at, format!("{} has no member `{key}`", other.what()), help)
            }
        }
    }

    fn index(&mut self, value: &Type, index: &Expr, at: At) -> Type {
        let given = self.expr(index);
        match value {
            Type::Any | Type::Null | Type::Record(_) => Type::Any,
            Type::List(element) if given.may_be(Sort::Int) => (**element).clone(),
            Type::List(_) => {
                self.fault(Code::WP0402, index.at, format!("an element of a list has an integer for its index, not {}", given.what()), None)
            }
            Type::Map(values) => (**values).clone(),
            other => self.fault(Code::WP0402, at, format!("{} has no elements", other.what()), None),
        }
    }

    fn map(&mut self, entries: &[(Expr, Expr)]) -> Type {
        let mut record = Record::default();
        for (key, value) in entries {
            let given = self.expr(key);
            let value = self.expr(value);
            if !(given.may_be(Sort::Text) || given.may_be(Sort::Int) || given.may_be(Sort::Bool)) {
                self.fault(
                    Code::WP0402,
                    key.at,
                    format!("a key of a map is text, an integer or a truth value, not {}", given.what()),
                    None,
                );
            }
            match &key.kind {
                Kind::Literal(Literal::Text(key)) => {
                    record.members.insert(Arc::clone(key), value);
                }
                _ => record.open = true,
            }
        }
        // A member that is not written is null, which may be asked for.
        record.open = true;
        Type::Record(Arc::new(record))
    }

    fn call(&mut self, function: &'static Builtin, given: &[(Type, At)]) -> Type {
        let fits = |takes: &[Sort]| takes.len() == given.len() && takes.iter().zip(given).all(|(s, (t, _))| t.may_be(*s));
        let mut results = function.forms.iter().filter(|f| fits(f.takes)).map(|f| Type::of(f.gives));
        if let Some(first) = results.next() {
            let kept = (function.flow == super::builtins::Flow::Kept).then(|| given.first().map(|(t, _)| t.clone())).flatten();
            return match kept {
                Some(list @ Type::List(_)) if function.name != "dyn" => list,
                _ => results.fold(first, Type::or),
            };
        }
        let wrong = (0..given.len()).find(|i| {
            given.get(*i).is_some_and(|(t, _)| {
                !function.forms.iter().any(|f| f.takes.len() == given.len() && f.takes.get(*i).is_some_and(|s| t.may_be(*s)))
            })
        });
        let Some((place, (t, at))) = wrong.and_then(|i| given.get(i).map(|g| (i, g))) else { return Type::Any };
        let message = format!("`{}` takes {}, not {}", function.name, function.expected(place), t.what());
        self.fault(Code::WP0402, *at, message, Some(format!("as in `{}`", function.example.0)))
    }

    fn macro_call(&mut self, value: &Type, call: &MacroCall, at: At) -> Type {
        let (key, element) = match value {
            Type::List(element) => (Type::Number, (**element).clone()),
            Type::Map(values) => (Type::Text, (**values).clone()),
            Type::Any | Type::Null | Type::Record(_) => (Type::Any, Type::Any),
            other => {
                self.fault(Code::WP0402, at, format!("`{}` takes a list or a map, not {}", call.which.name(), other.what()), None);
                (Type::Any, Type::Any)
            }
        };
        let bound = self.locals.len();
        if call.variables.len() == 2 {
            self.locals.extend([key, element]);
        } else {
            self.locals.push(if matches!(value, Type::List(_)) { element } else { key });
        }
        let last = call.bodies.iter().map(|b| self.expr(b)).last().unwrap_or(Type::Any);
        self.locals.truncate(bound);
        match call.which {
            Macro::All | Macro::Exists | Macro::ExistsOne => Type::Bool,
            Macro::Filter => match value {
                Type::List(_) => value.clone(),
                _ => Type::Any,
            },
            Macro::Map | Macro::TransformList => Type::List(Arc::new(last)),
            Macro::TransformMap | Macro::TransformMapEntry => Type::Map(Arc::new(Type::Any)),
        }
    }

    fn chain(&mut self, first: &Expr, links: &[Link]) -> Type {
        let mut left = self.expr(first);
        let mut before = first;
        for link in links {
            let right = self.expr(&link.right);
            left = match link.op {
                Operator::Equal | Operator::NotEqual => {
                    self.equal(before, &left, link, &right);
                    Type::Bool
                }
                Operator::Less | Operator::LessEqual | Operator::Greater | Operator::GreaterEqual => {
                    self.ordered(before, &left, link, &right);
                    Type::Bool
                }
                Operator::In => {
                    self.contained(&left, before, link, &right);
                    Type::Bool
                }
                Operator::Add | Operator::Subtract | Operator::Multiply | Operator::Divide | Operator::Remainder => {
                    self.arithmetic(&left, link, &right)
                }
            };
            before = &link.right;
        }
        left
    }

    /// The side to point at: the one that is written down, else the operator.
    fn blamed(before: &Expr, link: &Link) -> At {
        match (&before.kind, &link.right.kind) {
            (_, Kind::Literal(_)) => link.right.at,
            (Kind::Literal(_), _) => before.at,
            _ => link.at,
        }
    }

    fn equal(&mut self, before: &Expr, left: &Type, link: &Link, right: &Type) {
        if !left.same_kind(right) {
            let always = if link.op == Operator::Equal { "never" } else { "always" };
            let message = format!("`{}` compares {} with {}, which is {always} true", link.op.as_str(), left.what(), right.what());
            let help = Self::as_other(before, left, &link.right, right);
            self.fault(Code::WP0402, Self::blamed(before, link), message, help);
            return;
        }
        self.among(left, before, &link.right);
        self.among(right, &link.right, before);
    }

    /// How the literal side would be written as what the other is.
    fn as_other(a: &Expr, a_type: &Type, b: &Expr, b_type: &Type) -> Option<String> {
        let (literal, other) = match (&a.kind, &b.kind) {
            (_, Kind::Literal(l)) => (l, a_type),
            (Kind::Literal(l), _) => (l, b_type),
            _ => {
                let texts = matches!(a_type, Type::Text | Type::OneOf(_)) || matches!(b_type, Type::Text | Type::OneOf(_));
                let numbers = *a_type == Type::Number || *b_type == Type::Number;
                return (texts && numbers).then(|| "turn one into the other with `string(value)` or `int(value)`".into());
            }
        };
        match (literal, other) {
            (Literal::Text(t), Type::Number) if t.parse::<f64>().is_ok() => Some(format!("write `{t}` without quotes")),
            (Literal::Text(t), Type::Bool) if matches!(&**t, "true" | "false") => Some(format!("write `{t}` without quotes")),
            (Literal::Text(t), Type::Timestamp) => Some(format!("write `timestamp('{t}')`")),
            (Literal::Text(t), Type::Duration) => Some(format!("write `duration('{t}')`")),
            (Literal::Int(n), Type::Text | Type::OneOf(_)) => Some(format!("write `'{n}'` with quotes")),
            (Literal::Bool(b), Type::Text | Type::OneOf(_)) => Some(format!("write `'{b}'` with quotes")),
            _ => Some(format!("compare it with {}", other.what())),
        }
    }

    /// A literal that is none of the values that the other side has.
    fn among(&mut self, values: &Type, of: &Expr, literal: &Expr) {
        let (Type::OneOf(values), Kind::Literal(Literal::Text(text))) = (values, &literal.kind) else { return };
        if !values.contains(text) {
            let shown = reads::path_of(of).map_or_else(|| "this".into(), |_| format!("`{}`", print::part(of)));
            let help =
                did_you_mean(text, values.iter().map(|v| &**v)).map(|near| format!("did you mean `'{near}'`?")).or_else(|| one_of(values));
            self.fault(Code::WP0402, literal.at, format!("{shown} is never `{text}`"), help);
        }
    }

    fn ordered(&mut self, before: &Expr, left: &Type, link: &Link, right: &Type) {
        let orders = |t: &Type| !matches!(t, Type::Null | Type::List(_) | Type::Map(_) | Type::Record(_));
        if orders(left) && orders(right) && left.same_kind(right) {
            return;
        }
        let message = format!("`{}` does not order {} and {}", link.op.as_str(), left.what(), right.what());
        let help = if *left == Type::Null || *right == Type::Null {
            Some("only `==` and `!=` take null".into())
        } else {
            Self::as_other(before, left, &link.right, right)
        };
        self.fault(Code::WP0402, Self::blamed(before, link), message, help);
    }

    fn contained(&mut self, left: &Type, before: &Expr, link: &Link, right: &Type) {
        match right {
            Type::Any | Type::Map(_) | Type::Record(_) => {}
            Type::List(element) => {
                if let Kind::List(items) = &link.right.kind {
                    items.iter().for_each(|item| self.among(left, before, item));
                }
                if !left.same_kind(element) {
                    let message = format!("{} is never in a list of which each element is {}", left.what(), element.what());
                    self.fault(Code::WP0402, link.at, message, None);
                }
            }
            Type::Null | Type::Bool | Type::Number | Type::Text | Type::OneOf(_) | Type::Timestamp | Type::Duration => {
                let help = if matches!(right, Type::Text | Type::OneOf(_)) {
                    "write `text.contains(part)`"
                } else {
                    "write a list: `value in [a, b]`"
                };
                self.fault(
                    Code::WP0402,
                    link.right.at,
                    format!("`in` takes a list or a map on its right, not {}", right.what()),
                    Some(help.into()),
                );
            }
        }
    }

    fn arithmetic(&mut self, left: &Type, link: &Link, right: &Type) -> Type {
        use Type as T;
        let text = |t: &T| matches!(t, T::Text | T::OneOf(_));
        let list = |t: &T| matches!(t, T::List(_));
        match (link.op, left, right) {
            (Operator::Add, a, b) if text(a) && (text(b) || *b == T::Any) || text(b) && *a == T::Any => return T::Text,
            (Operator::Add, T::List(a), T::List(b)) => return T::List(Arc::new((**a).clone().or((**b).clone()))),
            (Operator::Add, a, b) if list(a) && *b == T::Any || list(b) && *a == T::Any => return T::List(Arc::new(T::Any)),
            (Operator::Add | Operator::Subtract, T::Timestamp, T::Duration) | (Operator::Add, T::Duration, T::Timestamp) => {
                return T::Timestamp;
            }
            (Operator::Subtract, T::Timestamp, T::Timestamp) | (Operator::Add | Operator::Subtract, T::Duration, T::Duration) => {
                return T::Duration;
            }
            (Operator::Add | Operator::Subtract, T::Any, T::Any | T::Duration | T::Timestamp)
            | (Operator::Add | Operator::Subtract, T::Duration | T::Timestamp, T::Any) => return T::Any,
            (_, T::Number | T::Any, T::Number | T::Any) => return T::Number,
            _ => {}
        }
        let joins = link.op == Operator::Add && (text(left) || text(right));
        let help = joins.then(|| "write `string(value)` to join it to a text".to_owned());
        self.fault(Code::WP0402, link.at, format!("`{}` does not take {} and {}", link.op.as_str(), left.what(), right.what()), help)
    }
}

fn one_of(names: &[Arc<str>]) -> Option<String> {
    (!names.is_empty() && names.len() <= 12)
        .then(|| format!("expected one of {}", names.iter().map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ")))
}
