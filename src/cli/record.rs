//! `record`: conversations of a store as recordings, and a recording as a test.

use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::chat::session::executor;
use super::terminal::{CARE, GOOD, Terminal};
use super::{Failure, Outcome, Status, storage, workspace};
use crate::driver::texts_of;
use crate::engine::{Event, EventBody};
use crate::model::ContentHash;
use crate::outbound::Secrets;
use crate::store::{Address, AnyStore, ConversationKey, Store as _, StoreError};
use crate::transcript::record::{Chunks, Header, Unplayable, Writer, convert, parse};

/// Conversations and events that are read at a time.
const PAGE: usize = 1_000;

/// Make recordings of conversations, and tests of recordings
///
/// A recording is a conversation as JSON Lines: what was said and asked for, what was decided, what the services answered. What is
/// sensitive stands in it as `[redacted]`. `waypost replay` plays it again.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  waypost record export shop --out recordings
  waypost record export shop --conversation c-1 > c-1.jsonl
  waypost record convert c-1.jsonl --workspace shop > shop/tests/c-1.yaml")]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Print conversations of a store as recordings, one after the other, or write a file for each
    Export(Export),
    /// Print the test that plays a recording again: its services as stubs, what came of it as what is expected
    Convert(Convert),
}

#[derive(Debug, clap::Args)]
struct Export {
    /// The workspace's directory
    #[arg(default_value = ".")]
    workspace: PathBuf,
    /// The store: `sqlite:FILE` or `postgres://…`; left out: `store.url` of `waypost.yaml`
    #[arg(long, value_name = "URL")]
    store: Option<String>,
    /// Only this conversation
    #[arg(long, value_name = "ID")]
    conversation: Option<String>,
    /// Only this tenant's conversations
    #[arg(long, value_name = "TENANT")]
    tenant: Option<String>,
    /// Write a file for each into this directory, `TENANT.ID.jsonl`
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Put the texts of the workspace into each, so that it can be played without the store
    #[arg(long)]
    bundle: bool,
}

#[derive(Debug, clap::Args)]
struct Convert {
    /// The recording
    file: PathBuf,
    /// The workspace that it is for: values that were not kept get others that its fields take
    #[arg(long, value_name = "DIR", default_value = ".")]
    workspace: PathBuf,
    /// What the test is called; left out: by the conversation
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
}

pub(super) fn run(args: &Args, terminal: &mut Terminal) -> Outcome {
    match &args.command {
        Command::Export(args) => executor()?.block_on(export(args, terminal)),
        Command::Convert(args) => tests(args, terminal),
    }
}

/// The store that is named, with the keys that open what it sealed.
pub(super) async fn open(flag: Option<&str>, root: &Path) -> Result<(AnyStore, Address), Failure> {
    let settings = if flag.is_some() && !workspace::is_workspace(root) {
        crate::model::settings::Settings::default()
    } else {
        (*workspace::open(root)?.workspace.settings).clone()
    };
    let secrets = Secrets::environment(root);
    let address = storage::address(flag, &settings, root, &secrets)?;
    storage::there(&address)?;
    let (store, _) = storage::unlock(&address, &settings, &secrets).await?;
    Ok((store, address))
}

pub(super) fn cannot(error: &StoreError) -> Failure {
    Failure::new(error.to_string())
}

/// A conversation of a store, and whether all of it is there.
pub(super) async fn events(store: &AnyStore, key: &ConversationKey) -> Result<(Vec<Event>, bool), StoreError> {
    let (mut events, mut last) = (Vec::new(), 0);
    loop {
        let page = store.events(key, last, PAGE).await?;
        let Some((seq, _)) = page.last() else { break };
        last = *seq;
        events.extend(page.into_iter().map(|(_, event)| event));
    }
    let whole = u64::try_from(events.len()).is_ok_and(|n| n == last);
    Ok((events, whole))
}

async fn export(args: &Export, terminal: &mut Terminal) -> Outcome {
    let (store, _) = open(args.store.as_deref(), &args.workspace).await?;
    if let Some(dir) = &args.out {
        std::fs::create_dir_all(dir).map_err(|e| workspace::unreadable(dir, &e))?;
    }
    let mut after: Option<ConversationKey> = None;
    let (mut found, mut partial) = (0_u64, 0_u64);
    loop {
        let page = store.heads(after.as_ref(), PAGE).await.map_err(|e| cannot(&e))?;
        let Some((last, _)) = page.last() else { break };
        after = Some(last.clone());
        let wanted = |key: &ConversationKey| {
            args.tenant.as_ref().is_none_or(|t| **t == *key.tenant) && args.conversation.as_ref().is_none_or(|c| **c == *key.id)
        };
        for (key, _) in page.iter().filter(|(key, _)| wanted(key)) {
            let (events, whole) = events(&store, key).await.map_err(|e| cannot(&e))?;
            if events.is_empty() {
                continue;
            }
            let mut header = Header::of(key.id.clone(), key.tenant.clone(), &events, whole);
            if args.bundle {
                header.bundle = bundle(&store, &events).await.map_err(|e| cannot(&e))?;
            }
            (found, partial) = (found + 1, partial + u64::from(!whole));
            match &args.out {
                Some(dir) => {
                    let path = dir.join(file_name(key));
                    let file = File::create(&path).map_err(|e| workspace::unreadable(&path, &e))?;
                    write(BufWriter::new(file), &header, &events)?;
                }
                None => {
                    write(&mut terminal.out, &header, &events)?;
                }
            }
        }
    }
    if found == 0 {
        return Err(
            Failure::new("there is no such conversation in the store").help("see those that are there with `waypost audit export --heads`")
        );
    }
    if args.out.is_some() {
        writeln!(terminal.err, "{GOOD}recorded{GOOD:#} {found} {}", if found == 1 { "conversation" } else { "conversations" })?;
    }
    if partial > 0 {
        let why = "ended for good, and only the transcript of such a one is kept: it cannot be replayed";
        writeln!(terminal.err, "{CARE}warning{CARE:#}: {partial} of them {why}")?;
    }
    Ok(Status::Fine)
}

fn write(out: impl Write, header: &Header, events: &[Event]) -> Result<(), Failure> {
    let mut writer = Writer::begin(out, header)?;
    for event in events {
        writer.event(event)?;
    }
    writer.end()?;
    Ok(())
}

/// A name that no directory takes amiss.
fn file_name(key: &ConversationKey) -> String {
    use std::fmt::Write as _;
    let mut name = String::new();
    for c in format!("{}.{}", key.tenant, key.id).chars() {
        if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') {
            name.push(c);
        } else {
            let _ = write!(name, "%{:x}", u32::from(c));
        }
    }
    format!("{}.jsonl", name.trim_start_matches('.'))
}

/// The texts of the versions that these events stand on.
async fn bundle(store: &AnyStore, events: &[Event]) -> Result<Vec<crate::model::workspace::WorkspaceTexts>, StoreError> {
    let mut hashes: Vec<&ContentHash> = Vec::new();
    for event in events {
        if let EventBody::Turn(turn) = &event.body
            && let Some(hash) = turn.brought.workspace.as_ref().filter(|h| !hashes.contains(h))
        {
            hashes.push(hash);
        }
    }
    let mut texts = Vec::new();
    for hash in hashes {
        texts.extend(texts_of(store, hash).await?);
    }
    Ok(texts)
}

fn tests(args: &Convert, terminal: &mut Terminal) -> Outcome {
    let file = File::open(&args.file).map_err(|e| workspace::unreadable(&args.file, &e))?;
    let checked = workspace::is_workspace(&args.workspace).then(|| workspace::open(&args.workspace)).transpose()?;
    let known = checked.as_ref().map(|c| &*c.workspace);
    let mut any = false;
    for chunk in Chunks::new(BufReader::new(file)) {
        let recording = chunk.and_then(|c| parse(&c)).map_err(|e| Failure::new(format!("`{}`: {e}", args.file.display())))?;
        if recording.header.partial {
            return Err(Failure::new(format!("`{}`: {}", args.file.display(), Unplayable::Partial)));
        }
        let events: Vec<Event> = recording.events().cloned().collect();
        let name = args.name.clone().unwrap_or_else(|| format!("conversation {}", recording.header.conversation));
        let converted = convert(&name, &events, known, true);
        if std::mem::replace(&mut any, true) {
            writeln!(terminal.out, "---")?;
        }
        terminal.out.write_all(converted.text.as_bytes())?;
        for note in &converted.notes {
            writeln!(terminal.err, "{CARE}note{CARE:#}: {note}")?;
        }
    }
    if !any {
        return Err(Failure::new(format!("`{}` is empty: it is no recording", args.file.display())));
    }
    Ok(Status::Fine)
}
