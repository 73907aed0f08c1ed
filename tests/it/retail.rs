//! The retail workspace: its findings, its transcripts, and, where the shop is there, the shop as it leaves it.

use std::path::PathBuf;
use std::process::Command;

use self::run::cheats::{self, Cell, Cheat};
use self::run::desk::Desk;
use self::run::shop::{Fault, Shop, Write};
use self::run::tasks;

#[path = "../../examples/retail/run/mod.rs"]
#[expect(dead_code, reason = "the example needs more of it")]
mod run;

const WORKSPACE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/retail");

#[test]
fn its_policy_is_kept_in_transcripts() {
    for args in [["check", "--deny", "warnings"].as_slice(), &["test"]] {
        let output = Command::new(env!("CARGO_BIN_EXE_waypost")).args(args).arg(WORKSPACE).output().unwrap();
        assert!(
            output.status.success(),
            "{args:?}\n{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

/// The shop, which is not ours to ship: `WAYPOST_RETAIL`, or `../shared/retail`.
#[expect(clippy::disallowed_methods, reason = "where the shop lies is the environment's to say")]
fn shop() -> Option<PathBuf> {
    let place = std::env::var_os("WAYPOST_RETAIL");
    let path = place.map_or_else(|| concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/retail").into(), PathBuf::from);
    if path.join("backend.py").is_file() {
        return Some(path);
    }
    eprintln!("skipped: there is no shop at {}; WAYPOST_RETAIL says where one is", path.display());
    None
}

#[tokio::test]
async fn tasks_end_as_their_references_and_no_cheat_comes_through() {
    let Some(path) = shop() else { return };
    let shop = Shop::start(&path.join("backend.py")).unwrap();
    let desk = Desk::open(WORKSPACE.as_ref(), &shop).unwrap();
    let tasks = tasks::read(&path.join("tasks_dev.json")).unwrap();
    // Each write is applied once, though its first answer is lost.
    let lost = Fault { kind: "drop", applied: true };
    for (n, row) in tasks::run(&tasks, &desk, &shop, Some(lost)).await.unwrap().iter().enumerate() {
        assert_eq!(row.difference, None, "task {}: {:?}", n + 1, row.outcomes);
    }
    // Cheats on the first write of each kind; the example tries them on all.
    let mut seen = Vec::new();
    let first = |write: &Write| {
        let new = !seen.contains(&write.journey);
        seen.push(write.journey);
        new
    };
    let rows = cheats::run(&tasks, &desk, &shop, first).await.unwrap();
    assert!(rows.len() >= 5, "only {} writes", rows.len());
    for row in &rows {
        for (cheat, cell) in Cheat::ALL.iter().zip(&row.cells) {
            assert!(matches!(cell, Cell::None | Cell::Held), "task {}, {}: {cheat:?} {cell:?}", row.task, row.what);
        }
    }
}
