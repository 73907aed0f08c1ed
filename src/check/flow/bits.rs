//! A set of small numbers.

use std::rc::Rc;

/// A set of numbers below a size fixed at its making. Sets that meet are made for the same size.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bits(Words);

/// Words of a part.
const PART: usize = 8;
/// A set of more words is held in parts.
const FLAT: usize = 16;

/// Some words of a large set; `None`: it holds nothing there.
type Part = Option<Rc<[u64; PART]>>;

/// Large sets share what they have in common, so that one for each place of a long journey costs what differs from place to place.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Words {
    Flat(Box<[u64]>),
    Parts(Rc<[Part]>),
}

impl Clone for Words {
    fn clone(&self) -> Self {
        match self {
            Self::Flat(words) => Self::Flat(words.clone()),
            Self::Parts(parts) => Self::Parts(parts.clone()),
        }
    }

    /// Takes no new memory for a set of the same size.
    fn clone_from(&mut self, other: &Self) {
        match (self, other) {
            (Self::Flat(words), Self::Flat(others)) => words.clone_from(others),
            (own, _) => *own = other.clone(),
        }
    }
}

impl Default for Bits {
    fn default() -> Self {
        Self::new(0)
    }
}

#[derive(Clone, Copy)]
enum Meet {
    Both,
    Either,
    Without,
}

impl Meet {
    fn of(self, a: u64, b: u64) -> u64 {
        match self {
            Self::Both => a & b,
            Self::Either => a | b,
            Self::Without => a & !b,
        }
    }

    /// What becomes of a part; `None`: it stays.
    fn of_parts(self, own: &Part, other: &Part) -> Option<Part> {
        let (a, b) = match (self, own, other) {
            (_, None, None) | (Self::Both | Self::Without, None, _) | (Self::Either | Self::Without, Some(_), None) => return None,
            (Self::Either, None, Some(_)) => return Some(other.clone()),
            (Self::Both, Some(_), None) => return Some(None),
            (_, Some(a), Some(b)) => (a, b),
        };
        if Rc::ptr_eq(a, b) {
            return matches!(self, Self::Without).then_some(None);
        }
        let mut new = **a;
        new.iter_mut().zip(b.iter()).for_each(|(word, other)| *word = self.of(*word, *other));
        match () {
            () if new == **a => None,
            () if new == **b => Some(other.clone()),
            () if new == [0; PART] => Some(None),
            () => Some(Some(Rc::new(new))),
        }
    }
}

impl Bits {
    /// The empty set of numbers below `size`.
    #[must_use]
    pub fn new(size: usize) -> Self {
        let words = size.div_ceil(64);
        if words > FLAT { Self(Words::Parts(vec![None; words.div_ceil(PART)].into())) } else { Self::flat(size) }
    }

    /// The same in one piece, for one that stands alone and changes often.
    #[must_use]
    pub fn flat(size: usize) -> Self {
        Self(Words::Flat(vec![0; size.div_ceil(64)].into()))
    }

    /// All numbers below `size`.
    #[must_use]
    pub fn all(size: usize) -> Self {
        let mut set = Self::new(size);
        set.insert_all(0..size);
        set
    }

    /// Its words, by where they begin, but for some that hold nothing.
    fn runs(&self) -> impl Iterator<Item = (usize, &[u64])> {
        let (flat, parts) = match &self.0 {
            Words::Flat(words) => (&**words, &[][..]),
            Words::Parts(parts) => (&[][..], &**parts),
        };
        let parts = parts.iter().enumerate().filter_map(|(i, part)| Some((i * PART, part.as_ref()?.as_slice())));
        std::iter::once((0, flat)).chain(parts)
    }

    fn word(&self, at: usize) -> u64 {
        match &self.0 {
            Words::Flat(words) => words.get(at).copied().unwrap_or(0),
            Words::Parts(parts) => parts.get(at / PART).and_then(Option::as_ref).and_then(|p| p.get(at % PART)).copied().unwrap_or(0),
        }
    }

    /// Whether it holds nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.runs().all(|(_, words)| words.iter().all(|w| *w == 0))
    }

    /// Whether it holds `n`.
    #[must_use]
    pub fn contains(&self, n: usize) -> bool {
        self.word(n / 64) >> (n % 64) & 1 == 1
    }

    fn word_mut(&mut self, at: usize) -> Option<&mut u64> {
        match &mut self.0 {
            Words::Flat(words) => words.get_mut(at),
            Words::Parts(parts) => {
                let part = Rc::make_mut(parts).get_mut(at / PART)?;
                Rc::make_mut(part.get_or_insert_with(|| Rc::new([0; PART]))).get_mut(at % PART)
            }
        }
    }

    /// Puts `n` in; whether it was not there.
    pub fn insert(&mut self, n: usize) -> bool {
        if self.contains(n) {
            return false;
        }
        let Some(word) = self.word_mut(n / 64) else { return false };
        *word |= 1 << (n % 64);
        true
    }

    /// Puts all of these in.
    pub fn insert_all(&mut self, range: std::ops::Range<usize>) {
        const BITS: usize = PART * 64;
        let full = Some(Rc::new([u64::MAX; PART]));
        let mut at = range.start;
        while at < range.end {
            let (low, left) = (at % 64, range.end - at);
            if let (Words::Parts(parts), 0, BITS..) = (&mut self.0, at % BITS, left) {
                if let Some(part) = Rc::make_mut(parts).get_mut(at / BITS) {
                    part.clone_from(&full);
                }
                at += BITS;
                continue;
            }
            let many = left.min(64 - low);
            if let Some(word) = self.word_mut(at / 64) {
                *word |= (u64::MAX >> (64 - many)) << low;
            }
            at += many;
        }
    }

    /// Takes `n` out.
    pub fn remove(&mut self, n: usize) {
        if !self.contains(n) {
            return;
        }
        match &mut self.0 {
            Words::Flat(words) => {
                if let Some(word) = words.get_mut(n / 64) {
                    *word &= !(1 << (n % 64));
                }
            }
            Words::Parts(parts) => {
                let Some(slot) = Rc::make_mut(parts).get_mut(n / 64 / PART) else { return };
                let Some(part) = slot else { return };
                let words = Rc::make_mut(part);
                if let Some(word) = words.get_mut(n / 64 % PART) {
                    *word &= !(1 << (n % 64));
                }
                if *words == [0; PART] {
                    *slot = None;
                }
            }
        }
    }

    /// The least that it holds from `n` on.
    #[must_use]
    pub fn first_from(&self, n: usize) -> Option<usize> {
        for (start, words) in self.runs().filter(|(start, words)| start + words.len() > n / 64) {
            for (i, word) in words.iter().enumerate().skip((n / 64).saturating_sub(start)) {
                let rest = if start + i == n / 64 { word & (u64::MAX << (n % 64)) } else { *word };
                if rest != 0 {
                    return Some((start + i) * 64 + rest.trailing_zeros() as usize);
                }
            }
        }
        None
    }

    /// Keeps what both hold; whether that is less.
    pub fn intersect(&mut self, other: &Self) -> bool {
        self.meet(other, Meet::Both)
    }

    /// Takes what either holds; whether that is more.
    pub fn unite(&mut self, other: &Self) -> bool {
        self.meet(other, Meet::Either)
    }

    /// Takes out what the other holds.
    pub fn subtract(&mut self, other: &Self) {
        self.meet(other, Meet::Without);
    }

    /// What it holds and the other does not.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        let mut rest = self.clone();
        rest.subtract(other);
        rest
    }

    /// What it holds, ascending.
    pub fn iter(&self) -> impl Iterator<Item = usize> {
        self.runs().flat_map(|(start, words)| words.iter().enumerate().flat_map(move |(i, word)| numbers(start + i, *word)))
    }

    /// What one of both holds and the other does not, ascending.
    pub fn unlike(&self, other: &Self) -> impl Iterator<Item = usize> {
        let words = match (&self.0, &other.0) {
            (Words::Parts(parts), Words::Parts(others)) => {
                let same = |(a, b): (&Part, &Part)| match (a, b) {
                    (None, None) => true,
                    (Some(a), Some(b)) => Rc::ptr_eq(a, b),
                    _ => false,
                };
                let differing = parts.iter().zip(others.iter()).enumerate().filter(|(_, pair)| !same(*pair));
                differing.flat_map(|(i, _)| i * PART..(i + 1) * PART).collect()
            }
            (Words::Flat(words), _) | (_, Words::Flat(words)) => (0..words.len()).collect::<Vec<_>>(),
        };
        words.into_iter().flat_map(|at| numbers(at, self.word(at) ^ other.word(at)))
    }

    fn meet(&mut self, other: &Self, how: Meet) -> bool {
        let mut changed = false;
        match (&mut self.0, &other.0) {
            (Words::Parts(parts), Words::Parts(others)) => {
                if Rc::ptr_eq(parts, others) && !matches!(how, Meet::Without) {
                    return false;
                }
                if matches!(how, Meet::Either) && parts.iter().all(Option::is_none) {
                    *parts = others.clone();
                    return parts.iter().any(Option::is_some);
                }
                for (i, theirs) in others.iter().enumerate() {
                    let Some(new) = parts.get(i).and_then(|own| how.of_parts(own, theirs)) else { continue };
                    if let Some(slot) = Rc::make_mut(parts).get_mut(i) {
                        *slot = new;
                        changed = true;
                    }
                }
            }
            (Words::Flat(words), Words::Flat(others)) => {
                for (a, b) in words.iter_mut().zip(others) {
                    let new = how.of(*a, *b);
                    changed |= new != *a;
                    *a = new;
                }
            }
            // INVARIANT: sets that meet are of one size, and so of one kind.
            (Words::Parts(_), Words::Flat(_)) | (Words::Flat(_), Words::Parts(_)) => {}
        }
        changed
    }
}

/// The numbers in a word, which stands at that place.
fn numbers(at: usize, word: u64) -> impl Iterator<Item = usize> {
    let mut rest = word;
    std::iter::from_fn(move || {
        let bit = rest.trailing_zeros();
        rest &= rest.wrapping_sub(1);
        (bit < 64).then(|| at * 64 + bit as usize)
    })
}

/// For each number below `size`: which of these sets, counted on, hold it. Costs what differs from one set to the next.
pub fn holders(sets: &[&Bits], size: usize) -> Vec<Bits> {
    let mut found = vec![Bits::new(sets.len()); size];
    let mut since: Vec<Option<usize>> = vec![None; size];
    let none = Bits::new(size);
    let mut before = &none;
    for (at, set) in sets.iter().copied().chain([&none]).enumerate() {
        for n in set.unlike(before) {
            let (Some(slot), Some(found)) = (since.get_mut(n), found.get_mut(n)) else { continue };
            match slot.take() {
                Some(start) => found.insert_all(start..at),
                None => *slot = Some(at),
            }
        }
        before = set;
    }
    found
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const SIZES: [usize; 9] = [0, 1, 63, 64, 65, 200, 1_024, 1_025, 5_000];

    #[test]
    fn sets_hold_what_was_put_in_up_to_their_size() {
        for size in SIZES {
            assert_eq!(Bits::all(size).iter().collect::<Vec<_>>(), (0..size).collect::<Vec<_>>());
            let mut set = Bits::new(size);
            let put: Vec<usize> = (0..size).step_by(3).collect();
            assert!(put.iter().all(|n| set.insert(*n)) && put.iter().all(|n| !set.insert(*n)));
            assert_eq!(set.iter().collect::<Vec<_>>(), put);
            let mut rest = Bits::all(size).without(&set);
            assert!(rest.iter().all(|n| n % 3 != 0) && !rest.clone().intersect(&rest));
            assert_eq!(rest.unite(&set), size > 0);
            assert_eq!(rest, Bits::all(size));
        }
    }

    #[test]
    fn large_sets_are_like_sorted_lists() {
        for size in SIZES {
            let of = |step: usize, from: usize| (from..size).step_by(step).collect::<BTreeSet<usize>>();
            let made = |numbers: &BTreeSet<usize>| {
                let mut set = Bits::new(size);
                for n in numbers {
                    set.insert(*n);
                }
                set
            };
            for (a, b) in [(of(7, 0), of(5, 700)), (of(700, 1), of(3, 0)), (of(900, 40), BTreeSet::new()), (of(2, 600), of(4, 600))] {
                let (x, y) = (made(&a), made(&b));
                let (mut both, mut either) = (x.clone(), x.clone());
                assert_eq!((both.intersect(&y), &both), (!a.is_subset(&b), &made(&(&a & &b))));
                assert_eq!((either.unite(&y), &either), (!b.is_subset(&a), &made(&(&a | &b))));
                assert_eq!(x.without(&y), made(&(&a - &b)));
                assert_eq!(x.unlike(&y).collect::<BTreeSet<_>>(), &a ^ &b);
                assert_eq!(x.first_from(650), a.range(650..).next().copied());
                let mut gone = x.clone();
                for n in &a {
                    gone.remove(*n);
                }
                assert_eq!((gone.is_empty(), &gone), (true, &Bits::new(size)));
                let held = holders(&[&x, &y, &x], size);
                let expected = |n: usize| [a.contains(&n), b.contains(&n), a.contains(&n)];
                assert!((0..size).all(|n| (0..3).all(|i| held[n].contains(i) == expected(n)[i])));
            }
        }
    }
}
