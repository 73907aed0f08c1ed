//! What of a value may be sensitive, as far as it is known before there is one: the shapes that paths into it may have.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Path, Segment};

/// Steps of a path that are told apart; what lies below is taken for sensitive with it.
const LONGEST: usize = 12;
/// Paths that are told apart; past that the whole is sensitive.
const MOST: usize = 64;

/// One step of such a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Key(Arc<str>),
    /// Any key or element.
    Any,
    /// Any number of steps. Below a member that was picked out it is only a guess that there is something.
    Deep {
        guess: bool,
    },
}

/// The paths of a value that may be sensitive. Lists may stand wherever a path goes on with a key.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Secrets(BTreeSet<Vec<Part>>);

impl Secrets {
    /// The whole value.
    #[must_use]
    pub fn whole() -> Self {
        Self([Vec::new()].into())
    }

    /// What lies at that path.
    #[must_use]
    pub fn at(path: &Path) -> Self {
        let parts = path.0.iter().map(|s| match s {
            Segment::Key(key) => Part::Key(key.clone()),
            Segment::Any => Part::Any,
        });
        Self::of([parts.collect()])
    }

    /// Every field of that name, at any depth.
    #[must_use]
    pub fn named(name: &Arc<str>) -> Self {
        Self([vec![Part::Deep { guess: false }, Part::Key(name.clone())]].into())
    }

    fn of(paths: impl IntoIterator<Item = Vec<Part>>) -> Self {
        let mut set = BTreeSet::new();
        for mut path in paths {
            path.truncate(LONGEST);
            set.insert(path);
        }
        if set.len() > MOST || set.contains(&Vec::new()) { Self::whole() } else { Self(set) }
    }

    /// Whether nothing of it is sensitive.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether something of it is, beyond a guess.
    #[must_use]
    pub fn is_certain(&self) -> bool {
        self.0.iter().any(|p| !matches!(p.first(), Some(Part::Deep { guess: true })))
    }

    /// That of a member.
    #[must_use]
    pub fn member(&self, key: &str) -> Self {
        let is = |p: &Part| *p == Part::Any || matches!(p, Part::Key(k) if **k == *key);
        Self::of(self.0.iter().flat_map(|path| {
            let mut found = Vec::new();
            match path.split_first() {
                None => found.push(Vec::new()),
                Some((Part::Deep { .. }, rest)) => {
                    found.extend(rest.split_first().filter(|(p, _)| is(p)).map(|(_, rest)| rest.to_vec()));
                    found.push(std::iter::once(Part::Deep { guess: true }).chain(rest.iter().cloned()).collect());
                }
                Some((part, rest)) if is(part) => found.push(rest.to_vec()),
                Some(_) => {}
            }
            found
        }))
    }

    /// That of an element of a list.
    #[must_use]
    pub fn element(&self) -> Self {
        Self::of(self.0.iter().map(|path| match path.split_first() {
            Some((Part::Any, rest)) => rest.to_vec(),
            _ => path.clone(),
        }))
    }

    /// That of a member that may be any.
    #[must_use]
    pub fn any_member(&self) -> Self {
        let inside = self.0.iter().filter_map(|path| match path.split_first() {
            Some((Part::Key(_), rest)) => Some(rest.to_vec()),
            _ => None,
        });
        self.element().join(&Self::of(inside))
    }

    /// That of a value that holds this one under a key, or among others.
    #[must_use]
    pub fn under(&self, key: Option<&str>) -> Self {
        let first = || key.map_or(Part::Any, |k| Part::Key(k.into()));
        Self::of(self.0.iter().map(|path| std::iter::once(first()).chain(path.iter().cloned()).collect()))
    }

    /// Sensitive where either is.
    #[must_use]
    pub fn join(&self, other: &Self) -> Self {
        if other.0.is_subset(&self.0) { self.clone() } else { Self::of(self.0.union(&other.0).cloned()) }
    }

    /// That of what is computed from it.
    #[must_use]
    pub fn computed(&self) -> Self {
        if self.is_certain() { Self::whole() } else { Self::default() }
    }

    /// That of a value cut to these fields; those of the second list hold no others.
    #[must_use]
    pub fn cut(&self, fields: &[(&str, bool)]) -> Self {
        let of = |(field, plain): &(&str, bool)| {
            let inside = self.member(field);
            let sure = inside.0.into_iter().filter(|p| !*plain || !matches!(p.first(), Some(Part::Deep { .. })));
            let sure = sure.map(|mut path| {
                if let Some(Part::Deep { guess }) = path.first_mut() {
                    *guess = false;
                }
                path
            });
            Self::of(sure).under(Some(field))
        };
        fields.iter().fold(Self::default(), |all, field| all.join(&of(field)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_sensitive_as_far_as_a_path_goes_through_it() {
        let path = |text: &str| {
            Secrets::at(&Path(text.split('.').map(|k| if k == "*" { Segment::Any } else { Segment::Key(k.into()) }).collect()))
        };
        let secrets = path("items.name").join(&path("cards.*.number"));
        assert!(secrets.member("total").is_clean());
        assert!(secrets.member("items").element().member("name").is_certain());
        assert!(secrets.member("items").element().member("title").is_clean());
        assert!(secrets.member("cards").any_member().member("number").is_certain());
        assert!(Secrets::whole().member("any").is_certain());
        let pin = Secrets::named(&"pin".into());
        assert!(pin.is_certain() && pin.member("pin").is_certain() && pin.member("card").member("pin").is_certain());
        assert!(!pin.member("status").is_certain() && pin.member("status").computed().is_clean());
        let cut = pin.cut(&[("status", true), ("pin", true), ("card", false)]);
        assert!(cut.member("status").is_clean() && cut.member("pin").is_certain() && cut.member("card").is_certain());
        let mut nested = Secrets::whole();
        (0..100).for_each(|_| nested = nested.under(Some("a")).join(&nested));
        assert_eq!(nested, Secrets::whole(), "it does not grow without end");
    }
}
