//! A set of small numbers.

/// A set of numbers below a size fixed at its making.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Bits(Box<[u64]>);

impl Clone for Bits {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }

    /// Takes no new memory for a set of the same size.
    fn clone_from(&mut self, other: &Self) {
        self.0.clone_from(&other.0);
    }
}

impl Bits {
    /// The empty set of numbers below `size`.
    #[must_use]
    pub fn new(size: usize) -> Self {
        Self(vec![0; size.div_ceil(64)].into())
    }

    /// All numbers below `size`.
    #[must_use]
    pub fn all(size: usize) -> Self {
        let mut set = Self(vec![u64::MAX; size.div_ceil(64)].into());
        if let (Some(last), used @ 1..) = (set.0.last_mut(), size % 64) {
            *last = (1 << used) - 1;
        }
        set
    }

    /// Whether it holds nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|w| *w == 0)
    }

    /// Whether it holds `n`.
    #[must_use]
    pub fn contains(&self, n: usize) -> bool {
        self.0.get(n / 64).is_some_and(|w| w >> (n % 64) & 1 == 1)
    }

    /// Puts `n` in; whether it was not there.
    pub fn insert(&mut self, n: usize) -> bool {
        let Some(w) = self.0.get_mut(n / 64) else { return false };
        let new = *w >> (n % 64) & 1 == 0;
        *w |= 1 << (n % 64);
        new
    }

    /// Takes `n` out.
    pub fn remove(&mut self, n: usize) {
        if let Some(w) = self.0.get_mut(n / 64) {
            *w &= !(1 << (n % 64));
        }
    }

    /// The least that it holds from `n` on.
    #[must_use]
    pub fn first_from(&self, n: usize) -> Option<usize> {
        let mut mask = u64::MAX << (n % 64);
        for (i, word) in self.0.iter().enumerate().skip(n / 64) {
            let rest = word & mask;
            if rest != 0 {
                return Some(i * 64 + rest.trailing_zeros() as usize);
            }
            mask = u64::MAX;
        }
        None
    }

    /// Keeps what both hold; whether that is less.
    pub fn intersect(&mut self, other: &Self) -> bool {
        self.zip(other, |a, b| a & b)
    }

    /// Takes what either holds; whether that is more.
    pub fn unite(&mut self, other: &Self) -> bool {
        self.zip(other, |a, b| a | b)
    }

    /// Takes out what the other holds.
    pub fn subtract(&mut self, other: &Self) {
        self.zip(other, |a, b| a & !b);
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
        self.0.iter().enumerate().flat_map(|(i, &word)| {
            let mut rest = word;
            std::iter::from_fn(move || {
                let bit = rest.trailing_zeros();
                rest &= rest.wrapping_sub(1);
                (bit < 64).then(|| i * 64 + bit as usize)
            })
        })
    }

    fn zip(&mut self, other: &Self, f: impl Fn(u64, u64) -> u64) -> bool {
        let mut changed = false;
        for (a, b) in self.0.iter_mut().zip(&other.0) {
            let new = f(*a, *b);
            changed |= new != *a;
            *a = new;
        }
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_hold_what_was_put_in_up_to_their_size() {
        for size in [0, 1, 63, 64, 65, 200] {
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
}
