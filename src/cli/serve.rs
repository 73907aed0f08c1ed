//! `serve`: a workspace over HTTP, until it is told to stop.

use std::io::ErrorKind;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::terminal::{BAD, BOLD, CARE, DIM, Terminal};
use super::watched::{self, Stand};
use super::{Failure, Outcome, Status, workspace};
use crate::api;
use crate::driver::{Clock, Unkept};
use crate::mcp;
use crate::outbound::Secrets;
use crate::service::{ReloadError, Service, Setup, TracesTo, storage};
use crate::source::render::Format;
use crate::store::Address;

/// Where it listens if nobody says otherwise.
const LISTEN: &str = "127.0.0.1:8700";
/// How long the collector may take for the last traces.
const LAST: Duration = Duration::from_secs(5);
/// Until a workspace that the store kept from being taken is tried again.
const AGAIN: Duration = Duration::from_secs(2);

/// Serve a workspace to agents over HTTP
///
/// Who may call stands under `server.keys` in `waypost.yaml`. Without keys it is for trying things: only this machine is served. The
/// workspace is taken anew whenever its files change, if it checks.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  waypost serve shop
  waypost serve shop --listen 127.0.0.1:0 --store memory
  waypost serve shop --store postgres://waypost@db/waypost

  curl localhost:8700/api/v1/agents/default/converse -H 'content-type: application/json' -d '{\"message\": \"hello\"}'")]
pub(super) struct Args {
    /// The workspace's directory
    #[arg(default_value = ".")]
    workspace: PathBuf,
    /// The address to listen on; left out: `server.listen` of `waypost.yaml`, or 127.0.0.1:8700
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// Where conversations are kept: `sqlite:FILE`, `postgres://…` or `memory`; left out: `store.url` of `waypost.yaml`, or
    /// `sqlite:waypost.db`
    #[arg(long, value_name = "URL")]
    store: Option<String>,
    /// Without keys, also serve and call other machines
    #[arg(long)]
    insecure: bool,
}

pub(super) fn run(args: &Args, terminal: &mut Terminal) -> Outcome {
    // What changes while it starts, which may take long, is seen, too.
    let read = Stand::of(&args.workspace);
    let Some(loaded) = workspace::load(&args.workspace, terminal)? else { return Ok(Status::Findings) };
    let changes = watched::changes(&args.workspace, read);
    let secrets = Secrets::environment(&args.workspace);
    let settings = loaded.settings.clone();
    let executor = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let default = Address::Sqlite("waypost.db".into());
    let address = storage::address(args.store.as_deref(), &settings, &args.workspace, &secrets, default)?;
    let storage = executor.block_on(storage::open(&address, &settings, &secrets))?;
    let (place, sealed) = (storage.place.clone(), storage.sealed);
    let setup = Setup { insecure: args.insecure };
    let service = {
        // What the service starts, it starts on the executor.
        let _inside = executor.enter();
        Service::open(loaded, storage, secrets, Clock::System, setup).map_err(|e| Failure::new(e.to_string()))?
    };
    executor.block_on(service.define_files()).map_err(|e| Failure::new(e.to_string()))?;
    let at = listen_at(args.listen.as_deref().or(settings.listen.as_deref()).unwrap_or(LISTEN))?;
    if service.is_open() && !at.ip().is_loopback() && !args.insecure {
        return Err(Failure::new(format!("without keys only this machine is served, and `{at}` is open to others"))
            .help("write keys under `server` in `waypost.yaml`, or say `--insecure`"));
    }
    for (integration, why) in service.problems() {
        terminal.tell(format_args!("{CARE}warning{CARE:#}: `{integration}` cannot be called: {why}"));
    }
    if place.is_some() && !sealed {
        let why = "sensitive values that it keeps are lost when it ends: name a `seal_key` under `store` in `waypost.yaml`";
        terminal.tell(format_args!("{CARE}warning{CARE:#}: {why}"));
    }
    let listener = executor.block_on(TcpListener::bind(at)).map_err(|e| cannot_listen(at, &e))?;
    let at = listener.local_addr()?;
    match place {
        Some(place) => terminal.tell(format_args!("{DIM}conversations are kept in {place}{DIM:#}")),
        None => terminal.tell(format_args!("{DIM}conversations are kept in memory, and end with the program{DIM:#}")),
    }
    if service.is_open() {
        let who = if args.insecure { "anybody who reaches it is let in" } else { "anybody on this machine is let in, and nobody else" };
        terminal.tell(format_args!("{CARE}warning{CARE:#}: there are no keys in `waypost.yaml`: {who}"));
    }
    let agent = &settings.agent_slug;
    terminal.tell(format_args!("{BOLD}listening on http://{at}{BOLD:#} {DIM}· POST /api/v1/agents/{agent}/converse, MCP at /mcp{DIM:#}"));
    executor.block_on(serving(&service, listener, &args.workspace, changes, terminal))
}

fn cannot_listen(at: SocketAddr, error: &std::io::Error) -> Failure {
    let failure = Failure::new(format!("cannot listen on `{at}`: {error}"));
    match error.kind() {
        ErrorKind::AddrInUse => failure.help("another program listens there: end it, or name another port with `--listen`"),
        ErrorKind::PermissionDenied => failure.help("that port is for root: name one from 1024 on with `--listen`"),
        _ => failure,
    }
}

fn listen_at(written: &str) -> Result<SocketAddr, Failure> {
    let found = written.to_socket_addrs().ok().and_then(|mut all| all.next());
    found.ok_or_else(|| {
        Failure::new(format!("`{written}` is no address to listen on")).help("write an address and a port, as in `127.0.0.1:8700`")
    })
}

/// Serves and takes the workspace anew, until a signal.
async fn serving(
    service: &Service,
    listener: TcpListener,
    root: &Path,
    changes: tokio::sync::mpsc::Receiver<()>,
    terminal: &Terminal,
) -> Outcome {
    let stop = CancellationToken::new();
    let limits = api::Limits::of(&service.workspace().settings.limits);
    let (mcp, ending) = mcp::http(service.clone(), stop.clone());
    let front = api::front(service.clone(), limits, mcp, stop.clone());
    let mut beside = service.beside();
    let mut broken = false;
    let mut traces = service.traces().map_err(|e| Failure::new(e.to_string()))?;
    let mut told = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    let asked = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup())?;
    // On the executor, with a task of its own: however long anything here takes, whoever comes is let in. Last, so that the first turn is
    // traced, too.
    let mut server = JoinSet::new();
    let serving = api::serve(listener, front, limits, stop.clone());
    server.spawn(async move {
        tokio::pin!(ending, serving);
        tokio::select! {
            () = &mut serving => {}
            () = &mut ending => serving.await,
        }
    });
    {
        let anew = taking_anew(service, root, changes, asked, terminal);
        let unkept = telling(service.runtime().unkept(), terminal);
        tokio::pin!(anew, unkept);
        loop {
            tokio::select! {
                ended = server.join_next() => {
                    if let Some(Err(error)) = ended {
                        tracing::error!(%error, "accepting connections has broken off");
                        broken = true;
                    }
                    break;
                }
                Some(ended) = beside.join_next() => {
                    tracing::error!(?ended, "what works beside the requests has broken off");
                    broken = true;
                    stop.cancel();
                }
                _ = told.recv(), if !stop.is_cancelled() => stop.cancel(),
                _ = tokio::signal::ctrl_c(), if !stop.is_cancelled() => stop.cancel(),
                () = sending(traces.as_mut()) => {}
                () = &mut anew => {}
                () = &mut unkept => {}
            }
        }
    }
    drop(beside);
    service.rest(limits.grace).await;
    if let Some(mut traces) = traces
        && tokio::time::timeout(LAST, traces.finish()).await.is_err()
    {
        tracing::warn!("the collector did not take the last traces in time");
    }
    match terminal.dropped() {
        0 => {}
        lines => terminal.tell(format_args!("{CARE}warning{CARE:#}: {lines} lines were dropped, for nobody read them in time")),
    }
    terminal.tell(format_args!("{DIM}stopped{DIM:#}"));
    if broken {
        return Err(
            Failure::new("it stopped because something that works beside the requests broke off").help("start it again: nothing is lost")
        );
    }
    Ok(Status::Fine)
}

/// Tells when the store begins to keep nothing and when it keeps things again, for ever.
async fn telling(mut unkept: watch::Receiver<Unkept>, terminal: &Terminal) {
    let mut failing = false;
    while unkept.changed().await.is_ok() {
        let why = unkept.borrow_and_update().as_ref().map(|(_, why)| why.clone());
        match why {
            Some(why) if !failing => {
                terminal.tell(format_args!("{CARE}warning{CARE:#}: nothing is kept: {why}; turns are answered with 503"));
            }
            None if failing => terminal.tell(format_args!("{DIM}turns are kept again{DIM:#}")),
            _ => continue,
        }
        failing = !failing;
    }
    std::future::pending::<()>().await;
}

/// Sends traces, where a collector is named.
async fn sending(traces: Option<&mut TracesTo>) {
    match traces {
        Some(traces) => traces.run().await,
        None => std::future::pending().await,
    }
}

/// Takes the workspace anew whenever its files have changed or a signal asks for it, for ever. One that only the store kept from being taken
/// is tried again: it may forbid something.
async fn taking_anew(
    service: &Service,
    root: &Path,
    mut changes: tokio::sync::mpsc::Receiver<()>,
    mut asked: tokio::signal::unix::Signal,
    terminal: &Terminal,
) {
    let mut waits = false;
    loop {
        tokio::select! {
            Some(()) = changes.recv() => {}
            Some(()) = asked.recv() => {}
            () = tokio::time::sleep(AGAIN), if waits => {}
            else => std::future::pending().await,
        }
        waits = !reload(service, root, waits, terminal).await;
    }
}

/// Takes the workspace anew, or says why not, unless that was said before. `false`: it is to be tried again.
async fn reload(service: &Service, root: &Path, was_said: bool, terminal: &Terminal) -> bool {
    let files = match workspace::read(root) {
        Ok(files) => files,
        Err(failure) => {
            tracing::warn!(why = failure.message, "the workspace was not taken anew");
            terminal.tell(format_args!("{BAD}not taken{BAD:#}: {}; the version before stays", failure.message));
            return true;
        }
    };
    match service.reload(files).await {
        Ok(false) => true,
        Ok(true) => {
            terminal.tell(format_args!("{DIM}the workspace was taken anew{DIM:#}"));
            true
        }
        Err(error) => {
            tracing::warn!(%error, "the workspace was not taken anew");
            if let ReloadError::Findings(checked) = &error {
                let report = checked.report().render(Format::Full, terminal.colours_err());
                terminal.tell(format_args!("{}", report.trim_end()));
            }
            let again = error.is_of_the_store();
            if again && !was_said {
                terminal.tell(format_args!("{BAD}not taken{BAD:#}: {error}; the version before stays until it can be"));
            } else if !again {
                terminal.tell(format_args!("{BAD}not taken{BAD:#}: {error}; the version before stays"));
            }
            !again
        }
    }
}
