//! Tries `examples/retail` on a shop: every task of a file as an honest agent, also while the shop fails; then every write of it as an agent
//! that cheats.
//!
//! `cargo run --example retail -- --tasks tasks.json --backend backend.py`; it ends with 1 if a state differs or a cheat comes through.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

mod run;

use run::cheats::{Cell, Cheat};
use run::desk::Desk;
use run::shop::{Failed, Fault, Shop};
use run::{cheats, tasks};

/// Tries the retail workspace on a shop.
#[derive(Parser)]
struct Args {
    /// The tasks: a JSON list of `{user_id, instruction, actions: [{name, kwargs}]}`.
    #[arg(long)]
    tasks: PathBuf,
    /// The shop: a `backend.py` to start, or the address of one that runs.
    #[arg(long)]
    backend: String,
    /// The file that a running shop logs to.
    #[arg(long)]
    log: Option<PathBuf>,
    /// The workspace.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/retail"))]
    workspace: PathBuf,
    /// Only one of the tables.
    #[arg(long)]
    only: Option<Table>,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Table {
    Tasks,
    Faults,
    Cheats,
}

#[tokio::main]
async fn main() -> ExitCode {
    match tried(Args::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

async fn tried(args: Args) -> Result<bool, Failed> {
    let tasks = tasks::read(&args.tasks)?;
    let shop = if args.backend.starts_with("http://") {
        let log = args.log.ok_or("a shop that runs already needs `--log`, the file that it logs to")?;
        Shop::at(&args.backend, &log)?
    } else {
        Shop::start(args.backend.as_ref())?
    };
    let desk = Desk::open(&args.workspace, &shop)?;
    let wanted = |table| args.only.is_none_or(|only| only == table);
    let mut good = true;
    if wanted(Table::Tasks) {
        let rows = tasks::run(&tasks, &desk, &shop, None).await?;
        good &= print_tasks(&rows);
    }
    for fault in Fault::ALL.into_iter().filter(|_| wanted(Table::Faults)) {
        let when = if fault.applied { "after" } else { "before" };
        println!("every first answer to a write is a {}, {when} it is applied", fault.kind);
        let rows = tasks::run(&tasks, &desk, &shop, Some(fault)).await?;
        good &= print_tasks(&rows);
    }
    if wanted(Table::Cheats) {
        let rows = cheats::run(&tasks, &desk, &shop, |_| true).await?;
        print_cheats(&rows);
        good &= rows.iter().flat_map(|r| &r.cells).all(|c| matches!(c, Cell::None | Cell::Held));
    }
    Ok(good)
}

fn print_tasks(rows: &[tasks::Row]) -> bool {
    println!("{:>4}  {:<24}{:<8}journeys", "task", "customer", "state");
    for (n, row) in rows.iter().enumerate() {
        let state = if row.difference.is_some() { "DIFFERS" } else { "equal" };
        println!("{:>4}  {:<24}{state:<8}{}", n + 1, row.customer, row.outcomes.join("; "));
        if row.refused > 0 {
            println!("{:>38}{} of the reference's writes are refused by the shop", "", row.refused);
        }
        if let Some(difference) = &row.difference {
            println!("{:>38}{difference}", "");
        }
    }
    let equal = rows.iter().filter(|r| r.difference.is_none()).count();
    println!("{equal} of {} states are equal\n", rows.len());
    equal == rows.len()
}

fn print_cheats(rows: &[cheats::Row]) {
    print!("{:>4}  {:<32}", "task", "write");
    for cheat in Cheat::ALL {
        print!("{:<13}", cheat.head());
    }
    println!();
    let mut tried = [0_usize; 2];
    for row in rows {
        print!("{:>4}  {:<32}", row.task, row.what);
        for cell in &row.cells {
            let (text, counts) = match cell {
                Cell::None => ("-", [0, 0]),
                Cell::Held => ("held", [1, 1]),
                Cell::Wrote(_) => ("WROTE", [1, 0]),
                Cell::NoControl(_) => ("NO CONTROL", [1, 0]),
            };
            tried.iter_mut().zip(counts).for_each(|(sum, n)| *sum += n);
            print!("{text:<13}");
        }
        println!();
        for (cheat, cell) in Cheat::ALL.iter().zip(&row.cells) {
            match cell {
                Cell::None | Cell::Held => {}
                Cell::Wrote(what) => println!("{:>6}{}: {what}", "", cheat.head()),
                Cell::NoControl(what) => println!("{:>6}{}: the control sent [{what}]", "", cheat.head()),
            }
        }
    }
    let [cheats, held] = tried;
    println!("{held} of {cheats} cheats were held off while their control wrote");
}
