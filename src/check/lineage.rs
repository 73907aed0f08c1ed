//! What actions and variables come from: the same that supervision follows when a run comes there, as far as the files show it.
//!
//! Whatever way a run came, a variable holds what one of its assignments gave it, so all of them count.

use std::sync::Arc;

use super::flow::Bits;
use super::parts::{self, Given, Part, Reader, Role};
use super::variables::{Origin, Var, Variables};
use crate::expr::{Program, Root};
use crate::model::action::OwnerRule;
use crate::model::step::{Assign, Call, Confirm, Operand, Step};
use crate::model::{Action, Journey};
use crate::source::Span;
use crate::template::Template;
use crate::value::Name;

/// What every host says of the caller (surfaces, 2).
const USER_KEYS: [&str; 7] = ["user_id", "user_name", "user_email", "identity", "preferences", "entitlements", "customAttributes"];

/// Whether a host says that of the caller: it is among the documented keys, or `trigger.requires` names it.
pub fn of_user(journey: &Journey, name: &Name) -> bool {
    let named = |keys: &[Arc<str>]| keys.iter().any(|k| Name::new(k) == *name);
    let requires = journey.trigger.iter().flat_map(|t| &t.requires);
    USER_KEYS.contains(&name.as_str()) || requires.flat_map(Program::reads).any(|r| r.root == Root::User && named(&r.keys))
}

/// Something that is read: a root and the keys after it, as far as they are known; a variable's name in its look-up form.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Path {
    /// The root.
    pub root: Root,
    /// The keys.
    pub keys: Vec<Arc<str>>,
}

impl Path {
    fn of((root, keys): (Root, &[Arc<str>])) -> Self {
        let mut keys = keys.to_vec();
        if let (Root::Variables, Some(first)) = (root, keys.first_mut()) {
            *first = Name::of(first).shared();
        }
        Self { root, keys }
    }

    fn variable(name: &Name) -> Self {
        Self { root: Root::Variables, keys: vec![name.shared()] }
    }

    /// The variable that it begins with.
    #[must_use]
    pub fn var(&self, variables: &Variables) -> Option<Var> {
        let first = self.keys.first().filter(|_| self.root == Root::Variables)?;
        variables.named(first)
    }

    /// As an author writes it.
    #[must_use]
    pub fn shown(&self) -> String {
        let root = if self.root == Root::Variables { "" } else { self.root.dollar() };
        let keys = self.keys.iter().map(|k| &**k);
        let parts: Vec<&str> = std::iter::once(root).chain(keys).filter(|p| !p.is_empty()).collect();
        if parts.is_empty() { "$variables".to_owned() } else { parts.join(".") }
    }

    fn is_identity(&self) -> bool {
        self.root == Root::Conversation && self.keys.first().is_some_and(|k| &**k == "identity")
    }

    /// Whether it is shown where that is.
    fn is_within(&self, shown: &Self) -> bool {
        self.root == shown.root && self.keys.starts_with(&shown.keys)
    }
}

/// A source of an action, and where the files say so.
#[derive(Debug, Clone)]
pub struct Source {
    /// What is read.
    pub path: Path,
    /// Where.
    pub span: Span,
    /// Whether it is a key of `$user` that may also stand among its `customAttributes`.
    pub by_name: bool,
}

impl Source {
    /// Whether that is where `$user` has it.
    fn is_key(&self, shown: &Path) -> bool {
        self.by_name && shown.root == Root::User && shown.keys.last() == self.path.keys.last()
    }
}

/// What a confirm shows, whatever the values are.
#[must_use]
pub fn shown(confirm: &Confirm) -> Vec<Path> {
    let fields = confirm.fields.iter().map(|f| Path::variable(&f.name));
    let kept = |root: Root| matches!(root, Root::Variables | Root::User | Root::Conversation);
    let said = confirm.message.iter().flat_map(Template::shows).filter(|(root, keys)| kept(*root) && !keys.is_empty());
    fields.chain(said.map(|(root, keys)| Path::of((*root, keys)))).collect()
}

/// Where the variables of a journey come from.
#[derive(Debug)]
pub struct Lineage {
    of: Vec<Origins>,
}

/// Where one variable comes from.
#[derive(Debug, Clone, Default)]
struct Origins {
    /// Whether somebody or something outside may have given it.
    outside: bool,
    /// What it is computed from by `set`.
    from: Vec<Path>,
    /// The variables that it is computed from, or that an action read whose answer it is.
    depends: Vec<Var>,
}

impl Lineage {
    /// Finds it.
    #[must_use]
    pub fn of(journey: &Journey, variables: &Variables) -> Self {
        let mut of = vec![Origins::default(); variables.len()];
        for (var, origins) in of.iter_mut().enumerate() {
            let asked = |o: &(Origin, Span)| matches!(o.0, Origin::Field | Origin::OptionalField | Origin::Input);
            origins.outside = variables.origins(var).iter().any(asked);
        }
        let mut found = Self { of };
        for step in &journey.steps {
            found.step(journey, variables, step);
        }
        found
    }

    fn step(&mut self, journey: &Journey, variables: &Variables, step: &Step) {
        parts::given(step, &mut |name, _, given| {
            let Some(var) = variables.var(name) else { return };
            let read_by = |action: &Action, call| of_action(action, call, journey, variables, None, step.span);
            let sources = match given {
                Given::Field(..) => return,
                Given::Computed(assign) => return self.computed(variables, var, assign),
                Given::Picked(_) | Given::Said | Given::Returned(_) => Vec::new(),
                Given::Findings(search) => search.using.iter().filter_map(|(a, _)| a.as_ref()).flat_map(|a| read_by(a, None)).collect(),
                Given::Result(call) | Given::Kept(call) => match &call.action {
                    Some(action) => read_by(action, Some(call)),
                    None => return,
                },
            };
            if let Some(origins) = self.of.get_mut(var) {
                origins.outside = true;
            }
            self.depend(variables, var, &sources);
        });
    }

    fn computed(&mut self, variables: &Variables, var: Var, assign: &Assign) {
        let Some(value) = &assign.value else { return };
        let from = of_operand(value, variables, assign.value_span);
        self.depend(variables, var, &from);
        if let Some(origins) = self.of.get_mut(var) {
            origins.from.extend(from.into_iter().map(|s| s.path).filter(|p| p.var(variables) != Some(var)));
        }
    }

    fn depend(&mut self, variables: &Variables, var: Var, sources: &[Source]) {
        let on: Vec<Var> = sources.iter().filter_map(|s| s.path.var(variables)).filter(|v| *v != var).collect();
        if let Some(origins) = self.of.get_mut(var) {
            origins.depends.extend(on);
        }
    }

    /// What a variable is computed from: the variables, directly.
    #[must_use]
    pub fn depends(&self, var: Var) -> &[Var] {
        self.of.get(var).map_or(&[], |o| &o.depends)
    }

    /// Whether it comes from nothing outside, but only from what `set` reads.
    #[must_use]
    pub fn is_computed(&self, var: Var) -> bool {
        self.of.get(var).is_some_and(|o| !o.outside)
    }

    /// What of a source nobody is shown: nothing, if all that it holds is shown, is computed only from what is, or is constant.
    #[must_use]
    pub fn uncovered(&self, source: &Source, shown: &[Path], variables: &Variables) -> Option<Path> {
        let mut seen = Bits::new(variables.len());
        let mut open = vec![&source.path];
        while let Some(path) = open.pop() {
            if path.is_identity() || shown.iter().any(|s| path.is_within(s) || source.is_key(s)) {
                continue;
            }
            // What nothing sets is constant: there is no such variable.
            let var = path.var(variables);
            match (path.root, var, var.and_then(|v| self.of.get(v))) {
                (Root::Variables, None, _) => {}
                (Root::Variables, Some(var), Some(origins)) if !origins.outside => {
                    if seen.insert(var) {
                        open.extend(&origins.from);
                    }
                }
                _ => return Some(path.clone()),
            }
        }
        None
    }

    /// A source, and all that it may be computed from by `set`.
    #[must_use]
    pub fn paths<'p>(&'p self, source: &'p Source, variables: &Variables) -> Vec<&'p Path> {
        let mut seen = Bits::new(variables.len());
        let mut found = vec![&source.path];
        let mut done = 0;
        while let Some(path) = found.get(done).copied() {
            done += 1;
            let var = path.var(variables).filter(|v| self.is_computed(*v) && seen.insert(*v));
            found.extend(var.and_then(|v| self.of.get(v)).into_iter().flat_map(|o| &o.from));
        }
        found
    }
}

/// What an operand reads. All of the variables, where it reads them as a whole.
#[must_use]
pub fn of_operand(operand: &Operand, variables: &Variables, span: Span) -> Vec<Source> {
    let mut found = Vec::new();
    parts::of_operand(operand, Role::Value, &mut |part| {
        if let Part::Reads(reader, _) = part {
            of_reader(reader, variables, span, &mut found);
        }
    });
    found
}

fn of_reader(reader: Reader<'_>, variables: &Variables, span: Span, found: &mut Vec<Source>) {
    for read in reader.reads() {
        match read.root {
            // What these hold was read where they were made.
            Root::Each | Root::Inputs | Root::Response | Root::Entity | Root::Event | Root::Primitives => {}
            Root::Variables if read.keys.is_empty() => {
                found.extend(variables.names().map(|n| Source { path: Path::variable(&Name::new(n)), span, by_name: false }));
            }
            Root::Variables | Root::User | Root::Conversation | Root::Outcome | Root::Now => {
                found.push(Source { path: Path::of((read.root, &read.keys)), span, by_name: false });
            }
        }
    }
}

/// The sources of a call (supervision, 3): whatever its path, query, headers, body, mappings and key read. `set` is what has a value
/// there. Without a call, it is a read that somebody else gives the inputs of.
#[must_use]
pub fn of_action(
    action: &Action,
    call: Option<&Call>,
    journey: &Journey,
    variables: &Variables,
    set: Option<&Bits>,
    span: Span,
) -> Vec<Source> {
    let mut found = Vec::new();
    let given = call.map_or(&[][..], |c| &c.inputs);
    for input in given {
        found.extend(of_operand(&input.value, variables, input.value_span));
    }
    if let Some(list) = call.and_then(|c| c.each.as_ref()) {
        of_reader(Reader::Expr(list), variables, span, &mut found);
    }
    for (name, _) in super::reads::inputs(action) {
        if given.iter().any(|i| i.name == *name) {
            continue;
        }
        if let Some((_, mapping)) = action.input_mappings.iter().find(|(n, _)| n == name) {
            found.extend(of_operand(mapping, variables, span));
            continue;
        }
        let var = variables.var(name);
        if var.is_some() {
            found.push(Source { path: Path::variable(name), span, by_name: false });
        }
        let certain = var.is_some_and(|v| set.is_none_or(|s| s.contains(v)));
        if !certain && of_user(journey, name) {
            found.push(Source { path: Path { root: Root::User, keys: vec![name.shared()] }, span, by_name: true });
        }
    }
    let invocation = &action.invocation;
    for operand in invocation.query.iter().chain(&invocation.headers).map(|(_, o)| o).chain(&invocation.body) {
        found.extend(of_operand(operand, variables, span));
    }
    if let Some(key) = &action.safety.idempotency_key {
        of_reader(Reader::Template(key), variables, span, &mut found);
    }
    found
}

/// What the rules of an action read of a run: whose it is, whether it is to be approved, and how doubt is settled.
#[must_use]
pub fn of_rules(action: &Action, variables: &Variables, span: Span) -> Vec<Source> {
    let mut found = Vec::new();
    let safety = &action.safety;
    let owner = match &safety.owner {
        Some(OwnerRule::Expr(is)) => Some((&[][..], is)),
        Some(OwnerRule::Read { inputs, is, .. }) => Some((&**inputs, is)),
        None => None,
    };
    for (_, operand) in owner.map_or(&[][..], |(inputs, _)| inputs).iter().chain(safety.reconcile.iter().flat_map(|r| &r.inputs)) {
        found.extend(of_operand(operand, variables, span));
    }
    let when = safety.approval.as_ref().and_then(|a| a.when.as_ref());
    for program in owner.map(|(_, is)| is).into_iter().chain(when) {
        of_reader(Reader::Expr(program), variables, span, &mut found);
    }
    found
}
