//! `store`: what a store holds, a copy of it, and taking a user out of it.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::json;

use super::chat::session;
use super::terminal::{DIM, GOOD, Terminal};
use super::{Failure, Outcome, Status, storage, workspace};
use crate::driver::audit::Chains;
use crate::driver::{Entropy, Vault};
use crate::model::settings::Settings;
use crate::outbound::Secrets;
use crate::store::{self, Address, AnyStore, Seals, Stat, Store as _};

/// Look after the store where conversations are kept
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  waypost store stat
  waypost store stat --store sqlite:shop.db --format json
  waypost store backup monday.db
  waypost store erase --user nora-1

The store is the one that `waypost.yaml` names under `store.url`, or the one that `--store` names.")]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
    /// The store: `sqlite:FILE` or `postgres://…`; left out: `store.url` of `waypost.yaml`
    #[arg(long, global = true, value_name = "URL")]
    store: Option<String>,
    /// The workspace whose store it is
    #[arg(long, global = true, value_name = "DIR", default_value = ".")]
    workspace: PathBuf,
    /// How to show it
    #[arg(long, global = true, value_enum, default_value_t = Format::Pretty)]
    format: Format,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Show what it holds
    Stat,
    /// Copy all of it into a new file, while it is being used
    Backup {
        /// The file; it must not be there yet
        file: PathBuf,
    },
    /// Take away everything that a user said and that was kept of them
    ///
    /// Their conversations are gone for good. Of each only its audit stays, with digests in place of texts: `waypost audit verify`
    /// still holds. Copies that were made before are not touched.
    Erase {
        /// The user's id
        #[arg(long, value_name = "ID")]
        user: String,
        /// The tenant that the user belongs to
        #[arg(long, value_name = "TENANT", default_value = session::TENANT)]
        tenant: String,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people
    Pretty,
    /// One JSON object
    Json,
}

pub(super) fn run(args: &Args, terminal: &mut Terminal) -> Outcome {
    let settings = settings(args)?;
    let secrets = Secrets::environment(&args.workspace);
    let address = storage::address(args.store.as_deref(), &settings, &args.workspace, &secrets)?;
    storage::there(&address)?;
    let executor = session::executor()?;
    let cannot = |e: &dyn std::fmt::Display| Failure::new(format!("`{address}`: {e}"));
    let store = executor.block_on(store::open(&address, Seals::default())).map_err(|e| cannot(&e))?;
    let pretty = args.format == Format::Pretty;
    match &args.command {
        Command::Stat => {
            let stat = executor.block_on(store.stat()).map_err(|e| cannot(&e))?;
            show(&stat, &address, pretty, terminal)
        }
        Command::Backup { file } => {
            executor.block_on(store.backup(file)).map_err(|e| cannot(&e))?;
            let shown = file.display();
            if pretty {
                writeln!(terminal.err, "{GOOD}copied{GOOD:#} to {shown}")?;
            } else {
                writeln!(terminal.out, "{}", json!({"copied": shown.to_string()}))?;
            }
            Ok(Status::Fine)
        }
        Command::Erase { user, tenant } => {
            let chains = chains(&settings, &secrets, &store, &executor).map_err(|e| cannot(&e))?;
            let digest = Arc::new(move |text: &str| chains.digest(text));
            let erased = executor.block_on(store.erase_user(tenant, user, digest)).map_err(|e| cannot(&e))?;
            if pretty {
                let (conversations, entries) = (counted(erased.conversations, "conversation"), counted(erased.audit, "audit entry"));
                writeln!(terminal.err, "{GOOD}erased{GOOD:#} {conversations} of `{user}`, and the texts of {entries}")?;
            } else {
                writeln!(terminal.out, "{}", serde_json::to_string(&erased).unwrap_or_default())?;
            }
            if erased.conversations == 0 {
                writeln!(terminal.err, "{DIM}tenant `{tenant}` has no conversation of `{user}`{DIM:#}")?;
            }
            Ok(Status::Fine)
        }
    }
}

/// The settings of the workspace. One who names the store needs none.
fn settings(args: &Args) -> Result<Settings, Failure> {
    if args.store.is_some() && !workspace::is_workspace(&args.workspace) {
        return Ok(Settings::default());
    }
    Ok((*workspace::open(&args.workspace)?.workspace.settings).clone())
}

fn chains(
    settings: &Settings,
    secrets: &Secrets,
    store: &AnyStore,
    executor: &tokio::runtime::Runtime,
) -> Result<Chains, Box<dyn std::error::Error>> {
    let vault = Vault::new(settings, secrets, Entropy::System)?;
    Ok(executor.block_on(vault.chains(store))?)
}

fn show(stat: &Stat, address: &Address, pretty: bool, terminal: &mut Terminal) -> Outcome {
    let Stat { kind, schema, conversations, unfinished, audit, holds, timers, versions, bytes, commits: _, transactions: _ } = stat;
    if !pretty {
        let shown = json!({
            "kind": kind, "schema": schema, "conversations": conversations, "unfinished": unfinished, "audit": audit, "holds": holds,
            "timers": timers, "versions": versions, "bytes": bytes,
        });
        writeln!(terminal.out, "{shown}")?;
        return Ok(Status::Fine);
    }
    writeln!(terminal.out, "{address} {DIM}· tables of version {schema}{DIM:#}")?;
    for (name, value) in [
        ("conversations", format!("{conversations}, {unfinished} of which may go on")),
        ("audit entries", audit.to_string()),
        ("held actions", holds.to_string()),
        ("timers", timers.to_string()),
        ("workspaces", counted(*versions, "version")),
        ("size", size(*bytes)),
    ] {
        writeln!(terminal.out, "  {name:<14} {value}")?;
    }
    Ok(Status::Fine)
}

fn counted(n: u64, what: &str) -> String {
    match (n, what.strip_suffix('y')) {
        (1, _) => format!("1 {what}"),
        (_, Some(stem)) => format!("{n} {stem}ies"),
        (_, None) => format!("{n} {what}s"),
    }
}

fn size(bytes: u64) -> String {
    let unit = |by: u64, name: &str| format!("{}.{} {name}", bytes / by, bytes % by * 10 / by);
    match bytes {
        0..1_000_000 => unit(1_000, "kB"),
        1_000_000..1_000_000_000 => unit(1_000_000, "MB"),
        _ => unit(1_000_000_000, "GB"),
    }
}
