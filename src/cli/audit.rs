//! `audit`: who did what and why, as it was written, and whether anybody has touched it since.

use std::io::Write;
use std::path::PathBuf;

use serde_json::json;

use super::chat::session::executor;
use super::terminal::{BAD, GOOD, NAME, Terminal};
use super::{Failure, Outcome, Status, storage, workspace};
use crate::driver::DriverError;
use crate::driver::audit::{Chains, Head, Verified, verify};
use crate::engine::AuditEntry;
use crate::outbound::Secrets;
use crate::store::{AnyStore, AuditRow, ConversationKey, Store};

/// Rows and conversations that are read at a time.
const PAGE: usize = 1_000;

/// Say who did what and why, and whether anybody has touched the record
///
/// Every turn, decision and call of every conversation is kept as an entry, without values. Each entry is bound to the one before it
/// with the workspace's `seal_key`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  waypost audit verify shop
  waypost audit export shop --heads > heads.jsonl")]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Check every entry: changed, moved, missing, cut off or rewritten ones are named. Exit status 1 if there are any
    #[command(after_help = "Examples:
  waypost audit verify shop
  waypost audit verify shop --store sqlite:shop.db --heads heads.jsonl

Keep what `audit export --heads` prints where whoever can write the store cannot: with it, even a
chain that was rewritten as a whole, or a store that was put back, is found out.")]
    Verify(Verify),
    /// Print entries as JSON Lines, or the end of each conversation's chain
    #[command(after_help = "Examples:
  waypost audit export shop
  waypost audit export shop --conversation c-1
  waypost audit export shop --heads > heads.jsonl")]
    Export(Export),
}

#[derive(Debug, clap::Args)]
struct Place {
    /// The workspace's directory
    #[arg(default_value = ".")]
    workspace: PathBuf,
    /// The store: `sqlite:FILE` or `postgres://…`; left out: `store.url` of `waypost.yaml`
    #[arg(long, value_name = "URL")]
    store: Option<String>,
}

#[derive(Debug, clap::Args)]
struct Verify {
    #[command(flatten)]
    place: Place,
    /// Ends of chains, as `audit export --heads` printed them before
    #[arg(long, value_name = "FILE")]
    heads: Option<PathBuf>,
    /// How to print what was found
    #[arg(long, value_name = "FORMAT", default_value = "full", value_parser = ["full", "json"])]
    format: String,
}

#[derive(Debug, clap::Args)]
struct Export {
    #[command(flatten)]
    place: Place,
    /// Only this conversation
    #[arg(long, value_name = "ID")]
    conversation: Option<String>,
    /// Only this tenant's conversations
    #[arg(long, value_name = "ID")]
    tenant: Option<String>,
    /// The end of each chain in place of its entries
    #[arg(long)]
    heads: bool,
}

pub(super) fn run(args: &Args, terminal: &mut Terminal) -> Outcome {
    let executor = executor()?;
    match &args.command {
        Command::Verify(args) => {
            let heads = args.heads.as_deref().map(read_heads).transpose()?;
            let kept = heads.as_ref().map(Vec::len);
            let verified = executor.block_on(async {
                let (store, chains) = open(&args.place).await?;
                verify(&store, &chains, &heads.unwrap_or_default()).await.map_err(|e| cannot(&e))
            })?;
            report(&verified, kept, &args.format, terminal)
        }
        Command::Export(args) => executor.block_on(async {
            let (store, _) = open(&args.place).await?;
            export(&store, args, terminal).await
        }),
    }
}

/// The store that is named, and what its audits may be made with. A workspace with errors has its settings nevertheless.
async fn open(place: &Place) -> Result<(AnyStore, Chains), Failure> {
    let checked = workspace::open(&place.workspace)?;
    let settings = &checked.workspace.settings;
    let secrets = Secrets::environment(&place.workspace);
    let address = storage::address(place.store.as_deref(), settings, &place.workspace, &secrets)?;
    storage::there(&address)?;
    let (store, vault) = storage::unlock(&address, settings, &secrets).await?;
    let chains = vault.chains(&store).await.map_err(|e| cannot(&e))?;
    Ok((store, chains))
}

fn read_heads(path: &std::path::Path) -> Result<Vec<Head>, Failure> {
    let text = std::fs::read_to_string(path).map_err(|e| workspace::unreadable(path, &e))?;
    let lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
    let heads: Vec<Head> = lines
        .map(|(number, line)| {
            serde_json::from_str(line).map_err(|e| {
                Failure::new(format!("line {number} of `{}` is no end of a chain: {e}", path.display()))
                    .help("give a file that `waypost audit export --heads` printed")
            })
        })
        .collect::<Result<_, Failure>>()?;
    if heads.is_empty() {
        // Written on a full disk, perhaps: nothing would be compared, and all would look whole.
        let why = format!("there is no end of a chain in `{}`", path.display());
        return Err(Failure::new(why).help("give a file that `waypost audit export --heads` printed, whole"));
    }
    Ok(heads)
}

/// Says what was found; where ends that were kept were compared, against how many.
fn report(verified: &Verified, kept: Option<usize>, format: &str, terminal: &mut Terminal) -> Outcome {
    if format == "json" {
        writeln!(terminal.out, "{}", serde_json::to_string(verified).map_err(|e| Failure::new(e.to_string()))?)?;
    } else {
        for finding in &verified.findings {
            let ConversationKey { tenant, id } = &finding.key;
            writeln!(terminal.out, "{BAD}{}{BAD:#} {NAME}{tenant}/{id}{NAME:#}: {}", finding.code, finding.text)?;
        }
        let Verified { conversations, entries, erased, findings } = verified;
        let told = format!("{} of {}", count(*entries, "entry", "entries"), count(*conversations, "conversation", "conversations"));
        let erased = if *erased > 0 { format!(", {erased} of them erased") } else { String::new() };
        let kept = kept.map(|n| format!(", against {} that were kept", count(u64::try_from(n).unwrap_or(u64::MAX), "end", "ends")));
        let kept = kept.unwrap_or_default();
        match findings.len() {
            0 => writeln!(terminal.out, "{GOOD}whole{GOOD:#}: {told}{erased}{kept}")?,
            n => writeln!(terminal.out, "{} in {told}{erased}{kept}", count(u64::try_from(n).unwrap_or(u64::MAX), "finding", "findings"))?,
        }
    }
    Ok(if verified.findings.is_empty() { Status::Fine } else { Status::Findings })
}

fn count(n: u64, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}

async fn export<S: Store>(store: &S, args: &Export, terminal: &mut Terminal) -> Outcome {
    let mut after = None;
    let mut any = false;
    loop {
        let page = store.heads(after.as_ref(), PAGE).await.map_err(|e| cannot(&e.into()))?;
        let Some((last, _)) = page.last() else { break };
        after = Some(last.clone());
        for (key, head) in page {
            let wanted = |filter: &Option<String>, id: &str| filter.as_deref().is_none_or(|f| f == id);
            if !wanted(&args.conversation, &key.id) || !wanted(&args.tenant, &key.tenant) {
                continue;
            }
            any = true;
            if args.heads {
                writeln!(terminal.out, "{}", line(&Head { key, head })?)?;
                continue;
            }
            let mut from = 0;
            loop {
                let rows = store.audit(&key, from, PAGE).await.map_err(|e| cannot(&e.into()))?;
                let Some(last) = rows.last() else { break };
                from = last.seq.saturating_add(1);
                for row in &rows {
                    writeln!(terminal.out, "{}", line(&exported(&key, row))?)?;
                }
            }
        }
    }
    match (&args.conversation, any) {
        (Some(id), false) => Err(Failure::new(format!("the store has no conversation `{id}`"))),
        (None, false) => {
            writeln!(terminal.err, "there are none")?;
            Ok(Status::Fine)
        }
        (_, true) => Ok(Status::Fine),
    }
}

/// An entry as a line: whose it is, what it says, and its code.
fn exported(key: &ConversationKey, row: &AuditRow) -> serde_json::Value {
    let mut out = json!({"tenant": key.tenant, "conversation": key.id, "seq": row.seq, "at": row.at.to_string()});
    let told = match serde_json::from_str::<AuditEntry>(&row.text) {
        Ok(entry) if !row.erased => serde_json::to_value(entry).unwrap_or_default(),
        _ if row.erased => json!({"erased": true, "digest": row.text}),
        // Somebody has touched it: as it is.
        _ => json!({"text": row.text}),
    };
    if let (Some(out), serde_json::Value::Object(told)) = (out.as_object_mut(), told) {
        out.extend(told);
        out.insert("mac".into(), json!(row.mac));
    }
    out
}

fn line(value: &impl serde::Serialize) -> Result<String, Failure> {
    serde_json::to_string(value).map_err(|e| Failure::new(e.to_string()))
}

fn cannot(error: &DriverError) -> Failure {
    Failure::new(error.to_string())
}
