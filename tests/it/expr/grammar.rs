//! `grammar/expression.ebnf` is true: the parser takes sentences made from it, and it names every function.

#![expect(clippy::string_slice, reason = "the grammar is ASCII")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use waypost::expr::functions_page;

use super::data::parse;

/// One side of a rule.
#[derive(Debug, Clone)]
enum Term {
    Text(String),
    Class { chars: Vec<(char, char)>, negated: bool },
    Rule(String),
    Sequence(Vec<Term>),
    Either(Vec<Term>),
    Optional(Box<Term>),
    Repeat(Box<Term>, usize),
    Without(Box<Term>, Box<Term>),
}

/// A reader of the W3C's notation.
struct Reader<'t> {
    rest: &'t str,
}

impl Reader<'_> {
    fn skip(&mut self) {
        loop {
            self.rest = self.rest.trim_start();
            let Some(comment) = self.rest.strip_prefix("/*") else { return };
            self.rest = &comment[comment.find("*/").unwrap() + 2..];
        }
    }

    fn eat(&mut self, text: &str) -> bool {
        self.skip();
        let found = self.rest.strip_prefix(text);
        self.rest = found.unwrap_or(self.rest);
        found.is_some()
    }

    fn name(&mut self) -> Option<String> {
        self.skip();
        let end = self.rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        if name.is_empty() {
            return None;
        }
        self.rest = rest;
        Some(name.into())
    }

    fn rules(mut self) -> BTreeMap<String, Term> {
        let mut rules = BTreeMap::new();
        while let Some(name) = self.name() {
            assert!(self.eat("::="), "after {name}: {}", self.rest);
            let term = self.either();
            assert!(rules.insert(name.clone(), term).is_none(), "{name} twice");
        }
        assert_eq!(self.rest, "");
        rules
    }

    fn either(&mut self) -> Term {
        let mut all = vec![self.sequence()];
        while self.eat("|") {
            all.push(self.sequence());
        }
        if all.len() == 1 { all.remove(0) } else { Term::Either(all) }
    }

    fn sequence(&mut self) -> Term {
        let mut all = Vec::new();
        while let Some(term) = self.item() {
            all.push(term);
        }
        Term::Sequence(all)
    }

    fn item(&mut self) -> Option<Term> {
        let mut term = self.atom()?;
        if self.eat("?") {
            term = Term::Optional(Box::new(term));
        } else if self.eat("*") {
            term = Term::Repeat(Box::new(term), 0);
        } else if self.eat("+") {
            term = Term::Repeat(Box::new(term), 1);
        }
        if self.eat("- ") {
            term = Term::Without(Box::new(term), Box::new(self.item().unwrap()));
        }
        Some(term)
    }

    fn atom(&mut self) -> Option<Term> {
        self.skip();
        let first = self.rest.chars().next()?;
        if first == '\'' || first == '"' {
            let end = self.rest[1..].find(first).unwrap() + 1;
            let text = self.rest[1..end].to_owned();
            self.rest = &self.rest[end + 1..];
            return Some(Term::Text(text));
        }
        if self.eat("(") {
            let inner = self.either();
            assert!(self.eat(")"), "{}", self.rest);
            return Some(inner);
        }
        if let Some(code) = self.rest.strip_prefix("#x") {
            let end = code.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(code.len());
            self.rest = &code[end..];
            let c = char::from_u32(u32::from_str_radix(&code[..end], 16).unwrap()).unwrap();
            return Some(Term::Text(c.into()));
        }
        if first == '[' {
            let end = self.rest.find(']').unwrap();
            let class = &self.rest[1..end];
            self.rest = &self.rest[end + 1..];
            return Some(read_class(class));
        }
        // A name that `::=` follows begins the next rule.
        let before = self.rest;
        let name = self.name()?;
        self.skip();
        if self.rest.starts_with("::=") {
            self.rest = before;
            return None;
        }
        Some(Term::Rule(name))
    }
}

fn read_class(class: &str) -> Term {
    let (negated, class) = class.strip_prefix('^').map_or((false, class), |rest| (true, rest));
    let mut all: Vec<char> = Vec::new();
    let mut rest = class;
    let mut escaped = Vec::new();
    while let Some(c) = rest.chars().next() {
        if let Some(code) = rest.strip_prefix("#x") {
            let c = char::from_u32(u32::from_str_radix(&code[..1], 16).unwrap()).unwrap();
            escaped.push(all.len());
            all.push(c);
            rest = &code[1..];
        } else {
            all.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    let mut chars = Vec::new();
    let mut at = 0;
    while at < all.len() {
        if all.get(at + 1) == Some(&'-') && at + 2 < all.len() && all[at] < all[at + 2] && all[at].is_ascii_alphanumeric() {
            chars.push((all[at], all[at + 2]));
            at += 3;
        } else {
            chars.push((all[at], all[at]));
            at += 1;
        }
    }
    Term::Class { chars, negated }
}

fn read() -> BTreeMap<String, Term> {
    Reader { rest: include_str!("../../../grammar/expression.ebnf") }.rules()
}

/// Makes sentences.
struct Maker<'g> {
    rules: &'g BTreeMap<String, Term>,
    /// How deep the shortest sentence of a rule is.
    depths: BTreeMap<String, usize>,
    seed: u64,
    fresh: usize,
    seen: BTreeSet<String>,
}

impl<'g> Maker<'g> {
    fn new(rules: &'g BTreeMap<String, Term>) -> Self {
        let mut maker = Self { rules, depths: BTreeMap::new(), seed: 0x9e37_79b9_7f4a_7c15, fresh: 0, seen: BTreeSet::new() };
        // A fixed point is reached after as many rounds as there are rules.
        for _ in rules {
            for (name, term) in rules {
                if let Some(depth) = maker.depth(term) {
                    maker.depths.insert(name.clone(), depth + 1);
                }
            }
        }
        maker
    }

    fn depth(&self, term: &Term) -> Option<usize> {
        match term {
            Term::Text(_) | Term::Class { .. } | Term::Optional(_) | Term::Repeat(_, 0) => Some(0),
            Term::Rule(name) => self.depths.get(name).copied(),
            Term::Sequence(all) => all.iter().map(|t| self.depth(t)).try_fold(0, |most, d| Some(most.max(d?))),
            Term::Either(all) => all.iter().filter_map(|t| self.depth(t)).min(),
            Term::Repeat(inner, _) | Term::Without(inner, _) => self.depth(inner),
        }
    }

    fn below(&mut self, n: usize) -> usize {
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        usize::try_from(self.seed % n as u64).unwrap()
    }

    fn sentence(&mut self, depth: usize) -> String {
        let mut out = "let p = 1; let q = [2]; ".to_owned();
        self.fresh = 0;
        self.rule("Snippet", depth, true, &mut out);
        out
    }

    fn rule(&mut self, name: &str, depth: usize, spaced: bool, out: &mut String) {
        self.seen.insert(name.to_owned());
        match name {
            "Bound" => out.push_str(["p", "q"][self.below(2)]),
            "Binding" => {
                self.fresh += 1;
                let _ = write!(out, "n{}", self.fresh);
            }
            _ => {
                let token = name.starts_with(|c: char| c.is_ascii_lowercase());
                let rules = self.rules;
                self.term(&rules[name], depth.saturating_sub(1), spaced && !token, out);
            }
        }
    }

    fn space(&mut self, out: &mut String) {
        let mut space = String::new();
        match self.below(12) {
            0 => self.rule("space", 3, false, &mut space),
            1 => self.rule("comment", 3, false, &mut space),
            _ => {}
        }
        out.push(' ');
        out.push_str(&space);
    }

    fn term(&mut self, term: &Term, depth: usize, spaced: bool, out: &mut String) {
        // A long sentence comes to its end.
        let depth = if out.len() > 600 { 0 } else { depth };
        match term {
            Term::Text(text) => {
                out.push_str(text);
                if spaced {
                    self.space(out);
                }
            }
            Term::Class { chars, negated } => out.push(self.pick(chars, *negated)),
            Term::Rule(name) => {
                self.rule(name, depth, spaced, out);
                if spaced {
                    self.space(out);
                }
            }
            Term::Sequence(all) => all.iter().for_each(|t| self.term(t, depth, spaced, out)),
            Term::Either(all) => {
                let fitting: Vec<&Term> = all.iter().filter(|t| self.depth(t).is_some_and(|d| d < depth)).collect();
                let chosen = if fitting.is_empty() {
                    all.iter().min_by_key(|t| self.depth(t).unwrap_or(usize::MAX)).unwrap()
                } else {
                    fitting[self.below(fitting.len())]
                };
                self.term(chosen, depth, spaced, out);
            }
            Term::Optional(inner) => {
                if self.depth(inner).is_some_and(|d| d < depth) && self.below(3) == 0 {
                    self.term(inner, depth, spaced, out);
                }
            }
            Term::Repeat(inner, least) => {
                let fits = self.depth(inner).is_some_and(|d| d < depth);
                let more = if fits { [0, 0, 0, 1, 1, 2][self.below(6)] } else { 0 };
                for _ in 0..least + more {
                    self.term(inner, depth, spaced, out);
                }
            }
            Term::Without(inner, not) => loop {
                let mut text = String::new();
                self.term(inner, depth, false, &mut text);
                if !self.matches(not, &text) {
                    out.push_str(&text);
                    return;
                }
            },
        }
    }

    /// Whether a term of alternatives has this text among them.
    fn matches(&self, term: &Term, text: &str) -> bool {
        match term {
            Term::Text(t) => t == text,
            Term::Rule(name) => self.matches(&self.rules[name], text),
            Term::Sequence(all) => all.len() == 1 && self.matches(&all[0], text),
            Term::Either(all) => all.iter().any(|t| self.matches(t, text)),
            other => panic!("{other:?} after `-`"),
        }
    }

    fn pick(&mut self, chars: &[(char, char)], negated: bool) -> char {
        let within = |c: char| chars.iter().any(|(a, b)| (*a..=*b).contains(&c));
        if negated {
            let all: Vec<char> = "ab Z9_.,(){}[]<>=+-*/%!?:;|&$#@~^é√🦀'\"\\\n\t".chars().filter(|c| !within(*c)).collect();
            return all[self.below(all.len())];
        }
        let (a, b) = chars[self.below(chars.len())];
        char::from_u32(u32::from(a) + u32::try_from(self.below((u32::from(b) - u32::from(a) + 1) as usize)).unwrap()).unwrap()
    }
}

/// Faults of what the notation cannot say.
const BEYOND: &[&str] = &["this is no pattern", "this number is too large", "this integer does not fit in 64 bits"];

#[test]
fn the_parser_takes_what_the_grammar_makes() {
    let rules = read();
    let mut maker = Maker::new(&rules);
    let mut taken = 0;
    while taken < 2000 {
        let depth = 12 + maker.below(16);
        let sentence = maker.sentence(depth);
        if sentence.len() > 4000 {
            continue;
        }
        let (program, faults) = parse(&sentence);
        if faults.iter().any(|f| !BEYOND.contains(&f.message.as_str()) && f.code.as_str() != "WP0107") {
            let at = faults[0].range.start;
            panic!("{}\n{}\n{faults:?}", sentence, &sentence[at..]);
        }
        if faults.is_empty() {
            let printed = program.print();
            let (again, faults) = parse(&printed);
            // Printing may make a text longer than may be parsed.
            if printed.len() <= 4096 {
                assert_eq!(faults, [], "{sentence}\n{printed}");
                assert!(again.same_as(&program), "{sentence}\n{printed}");
            }
            taken += 1;
        }
    }
    let unseen: Vec<_> =
        rules.keys().filter(|r| !maker.seen.contains(*r) && !matches!(r.as_str(), "name" | "rootname" | "reserved")).collect();
    assert!(unseen.is_empty(), "{unseen:?}");
}

#[test]
fn the_grammar_names_every_function() {
    let grammar = include_str!("../../../grammar/expression.ebnf");
    let page = functions_page();
    let mut names = 0;
    for row in page.lines().filter(|l| l.starts_with("| `")) {
        let form = row.trim_start_matches("| `");
        let call = &form[..form.find('(').unwrap()];
        let name = call.rsplit('.').next().unwrap();
        assert!(grammar.contains(&format!("'{name}'")), "{name}");
        names += 1;
    }
    assert!(names > 40, "{names} rows");
}
