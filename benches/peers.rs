//! Waypost beside what could be used in its place: the same conversation, the same connections, one after another in the same run.
//!
//! `cargo bench --bench peers -- 'memory:NAME=COMMAND' 'durable:NAME=COMMAND' …`; see `docs/peers.md`.

#![expect(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "what a benchmark is made of must be sound")]

#[expect(dead_code, reason = "nothing is paired or generated here")]
mod common;
mod serving {
    #[expect(dead_code, reason = "nothing hangs here")]
    pub mod orders;
    #[expect(dead_code, reason = "nobody's memory is looked at, and there is no floor")]
    pub mod process;
    pub mod talk;
    #[expect(dead_code, reason = "the service's benchmark needs more of it")]
    pub mod wire;
}

use std::time::Duration;

use common::{Report, median};
use serving::orders::Orders;
use serving::process::{Program, workspace};
use serving::talk::Dialect;
use serving::wire;

/// Connections that are busy at the same time.
const CONNECTIONS: usize = 32;
/// How long each is measured, in each round, after it was warmed up.
const WARM: Duration = Duration::from_secs(1);
const MEASURED: Duration = Duration::from_secs(3);
const ROUNDS: usize = 5;

/// Something that is measured.
struct Row {
    kept: String,
    name: String,
    ours: bool,
    dialect: Dialect,
    program: Program,
    /// Conversations a second, p50 and p99 of a turn in milliseconds, seconds of CPU for a thousand conversations; of each round.
    rounds: Vec<[f64; 4]>,
}

impl Row {
    fn ours(kept: &str, name: &str, program: Program) -> Self {
        Self { kept: kept.into(), name: name.into(), ours: true, dialect: Dialect::Converse, program, rounds: Vec::new() }
    }

    /// `memory:NAME=COMMAND`.
    fn peer(written: &str, port: u16, service: &str) -> Self {
        let parts = written.split_once('=').and_then(|(head, command)| Some((head.split_once(':')?, command)));
        let ((kept, name), command) = parts.unwrap_or_else(|| panic!("`{written}` is no `memory:NAME=COMMAND` or `durable:NAME=COMMAND`"));
        let program = Program::shell(&command.replace("{port}", &port.to_string()), port, service);
        Self { kept: kept.into(), name: name.into(), ours: false, dialect: Dialect::Turn, program, rounds: Vec::new() }
    }

    fn measure(&mut self) {
        wire::closed_for(self.program.at, self.dialect, CONNECTIONS, WARM);
        let before = self.program.cpu();
        let times = wire::closed_for(self.program.at, self.dialect, CONNECTIONS, MEASURED);
        let used = self.program.cpu() - before;
        #[expect(clippy::cast_precision_loss, reason = "some thousands")]
        let talks = times.len() as f64 / 3.0;
        let millis = |hundredths| wire::percentile(times.clone(), hundredths).as_secs_f64() * 1e3;
        self.rounds.push([talks / MEASURED.as_secs_f64(), millis(50), millis(99), used / talks * 1e3]);
    }

    fn median(&self, column: usize) -> f64 {
        median(self.rounds.iter().map(|r| r[column]).collect())
    }
}

#[expect(clippy::disallowed_methods, reason = "a benchmark is told what to do")]
fn main() {
    let orders = Orders::start();
    let directory = tempfile::tempdir().expect("a directory");
    let at = directory.path().join("workspace");
    workspace(&at);
    let ours = |store: &str| Program::waypost(&at, store, &orders.url());
    let sqlite = format!("sqlite:{}", directory.path().join("ours.db").display());
    let mut rows = vec![Row::ours("memory", "Waypost", ours("memory")), Row::ours("durable", "Waypost (SQLite)", ours(&sqlite))];
    if let Ok(url) = std::env::var("POSTGRES") {
        rows.push(Row::ours("durable", "Waypost (PostgreSQL)", ours(&url)));
    }
    let peers = std::env::args().skip(1).filter(|a| a != "--bench");
    rows.extend(peers.zip(9_100..).map(|(written, port)| Row::peer(&written, port, &orders.url())));
    for _ in 0..ROUNDS {
        rows.iter_mut().for_each(Row::measure);
    }
    println!("| kept | | conversations a second | p50 ms | p99 ms | CPU-s for 1,000 |\n|---|---|---|---|---|---|");
    for row in &rows {
        let [rate, p50, p99, cpu] = [0, 1, 2, 3].map(|column| row.median(column));
        println!("| {} | {} | {rate:.0} | {p50:.2} | {p99:.2} | {cpu:.2} |", row.kept, row.name);
    }
    let best = |kept: &str, ours| rows.iter().filter(|r| r.kept == kept && r.ours == ours).map(|r| r.median(0)).reduce(f64::max);
    let mut report = Report::default();
    for (kept, limit) in [("memory", 1.0), ("durable", 0.5)] {
        if let (Some(ours), Some(peer)) = (best(kept, true), best(kept, false)) {
            report.most(&format!("{kept}: the fastest peer's rate / ours"), peer / ours, limit, "times");
        }
    }
    // It may end the program here, which would leave them running.
    drop(rows);
    report.finish();
}
