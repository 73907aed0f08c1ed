//! `mcp`: a workspace's journeys as tools of the Model Context Protocol, over standard input and output.

use std::io::Write;
use std::path::PathBuf;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::terminal::{CARE, DIM, Terminal};
use super::{Failure, Outcome, Status, workspace};
use crate::api;
use crate::driver::Clock;
use crate::mcp;
use crate::outbound::Secrets;
use crate::service::access::DEFAULT_TENANT;
use crate::service::{Caller, Role, Service, Setup, storage};
use crate::store::Address;

/// Offer a workspace's journeys to a model, as tools over standard input and output
///
/// For hosts of the Model Context Protocol, which start it. Whoever calls is an agent: it can start journeys and fill them, and confirms
/// nothing. Questions go to the user by clients that `mcp.trusted_clients` of `waypost.yaml` names; others are told to ask the user.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  waypost mcp shop
  waypost mcp shop --user nora --store sqlite:shop.db

In the settings of a host:
  {\"mcpServers\": {\"shop\": {\"command\": \"waypost\", \"args\": [\"mcp\", \"/path/to/shop\"]}}}")]
pub(super) struct Args {
    /// The workspace's directory
    #[arg(default_value = ".")]
    workspace: PathBuf,
    /// The user that the model speaks for
    #[arg(long, value_name = "ID", default_value = "")]
    user: String,
    /// Where conversations are kept: `sqlite:FILE`, `postgres://…` or `memory`; left out: `store.url` of `waypost.yaml`, or memory
    #[arg(long, value_name = "URL")]
    store: Option<String>,
}

pub(super) fn run(args: &Args, terminal: &mut Terminal) -> Outcome {
    let Some(loaded) = workspace::load(&args.workspace, terminal)? else { return Ok(Status::Findings) };
    let secrets = Secrets::environment(&args.workspace);
    let settings = loaded.settings.clone();
    let executor = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let address = storage::address(args.store.as_deref(), &settings, &args.workspace, &secrets, Address::Memory)?;
    let storage = executor.block_on(storage::open(&address, &settings, &secrets))?;
    match &storage.place {
        Some(place) => writeln!(terminal.err, "{DIM}conversations are kept in {place}{DIM:#}")?,
        None => writeln!(terminal.err, "{DIM}conversations are kept in memory, and end with the program{DIM:#}")?,
    }
    let shared = storage.place.is_some();
    let service = {
        // What the service starts, it starts on the executor.
        let _inside = executor.enter();
        Service::open(loaded, storage, secrets, Clock::System, Setup::default()).map_err(|e| Failure::new(e.to_string()))?
    };
    for (integration, why) in service.problems() {
        writeln!(terminal.err, "{CARE}warning{CARE:#}: `{integration}` cannot be called: {why}")?;
    }
    terminal.flush()?;
    let caller = Caller {
        key: "mcp".into(),
        role: Role::Agent,
        tenant: DEFAULT_TENANT.into(),
        user: Some(args.user.as_str().into()),
        scopes: Vec::new(),
        elevated: false,
    };
    executor.block_on(service.define_files()).map_err(|e| Failure::new(e.to_string()))?;
    let ended = executor.block_on(async {
        let closing = CancellationToken::new();
        let mut told = signal(SignalKind::terminate())?;
        let mut is_told = false;
        let mut beside = service.beside();
        let serving = mcp::stdio(service.clone(), caller, shared, closing.clone());
        tokio::pin!(serving);
        let ended = loop {
            tokio::select! {
                ended = &mut serving => break match ended {
                    Err(error) if !is_told => Err(Failure::new(format!("the host did not speak the protocol: {error}"))),
                    _ => Ok(()),
                },
                _ = told.recv(), if !is_told => is_told = true,
                _ = tokio::signal::ctrl_c(), if !is_told => is_told = true,
                _ = beside.join_next() => break Err(Failure::new("it stopped because something that works beside the requests broke off")),
            }
            if is_told {
                closing.cancel();
            }
        };
        drop(beside);
        service.rest(api::Limits::of(&settings.limits).grace).await;
        ended
    });
    // What waits for input may wait for ever.
    executor.shutdown_background();
    ended.map(|()| Status::Fine)
}
