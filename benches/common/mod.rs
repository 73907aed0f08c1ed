//! How every benchmark here measures: floor and ours alternate in one run, medians of the pairs, a missed ratio ends with 1.
//!
//! Absolute times are printed for the reader's curiosity only: machines differ, ratios count.

#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

pub mod generate;

/// Floor and ours allocate as the program does.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

use std::hint::black_box;
use std::time::{Duration, Instant};

/// Pairs of measurements; at least five.
pub const PAIRS: usize = 9;

/// What a run of benchmarks found.
#[derive(Default)]
pub struct Report {
    missed: usize,
}

impl Report {
    /// Times `ours` against `floor` in turn and holds the ratio of each pair's median against `limit`.
    pub fn pair<A, B>(&mut self, name: &str, limit: f64, mut floor: impl FnMut() -> A, mut ours: impl FnMut() -> B) {
        black_box(floor());
        black_box(ours());
        let rows = (0..PAIRS).map(|_| (time(&mut floor).as_secs_f64(), time(&mut ours).as_secs_f64())).collect();
        self.pairs(name, limit, rows);
    }

    /// Holds the median ratio of pairs that were timed elsewhere against `limit`: the seconds of the floor and of ours, in turn.
    pub fn pairs(&mut self, name: &str, limit: f64, rows: Vec<(f64, f64)>) {
        let ratio = median(rows.iter().map(|(f, o)| o / f.max(1e-12)).collect());
        let floor = median(rows.iter().map(|r| r.0).collect());
        let ours = median(rows.iter().map(|r| r.1).collect());
        self.say(name, &format!("floor {}, ours {}, ratio {ratio:.2}", show(floor), show(ours)), ratio, limit);
    }

    /// Holds one figure against a limit in the same unit.
    pub fn most(&mut self, name: &str, figure: f64, limit: f64, unit: &str) {
        self.say(name, &format!("{figure:.2} {unit}"), figure, limit);
    }

    fn say(&mut self, name: &str, what: &str, figure: f64, limit: f64) {
        let met = figure <= limit;
        println!("{} {name}: {what} (at most {limit})", if met { "met   " } else { "MISSED" });
        self.missed += usize::from(!met);
    }

    /// Ends the program: 1 if anything was missed.
    pub fn finish(self) -> ! {
        std::process::exit(i32::from(self.missed > 0))
    }
}

/// The median of the times of so many runs.
pub fn timed<A>(runs: usize, mut f: impl FnMut() -> A) -> f64 {
    black_box(f());
    median((0..runs).map(|_| time(&mut f).as_secs_f64()).collect())
}

/// Does it so many times over.
pub fn repeat<A>(times: u32, mut f: impl FnMut() -> A) -> impl FnMut() {
    move || {
        for _ in 0..times {
            black_box(f());
        }
    }
}

fn time<A>(f: &mut impl FnMut() -> A) -> Duration {
    let start = Instant::now();
    black_box(f());
    start.elapsed()
}

/// The middle one.
pub fn median(mut xs: Vec<f64>) -> f64 {
    xs.sort_by(f64::total_cmp);
    xs.get(xs.len() / 2).copied().unwrap_or(f64::NAN)
}

/// A time in a readable unit.
pub fn show(seconds: f64) -> String {
    match seconds {
        s if s < 1e-6 => format!("{:.0} ns", s * 1e9),
        s if s < 1e-3 => format!("{:.2} µs", s * 1e6),
        s if s < 1.0 => format!("{:.2} ms", s * 1e3),
        s => format!("{s:.2} s"),
    }
}
