//! `demo`: the whole product in one command, nothing to set up: the shipped workspace, a shop's back end on loopback, and a
//! conversation with them.

pub mod backend;
mod script;

use std::io::Write;
use std::sync::Arc;

use super::chat::services::Services;
use super::chat::session::{Session, Speaker};
use super::chat::{talk, watch};
use super::terminal::{BOLD, DIM, NAME, Terminal};
use super::{Failure, Outcome, storage};
use crate::check;
use crate::driver::Clock;
use crate::outbound::{HttpPerformer, Secrets};
use crate::store::Address;
use crate::value::Json;
use backend::Backend;

macro_rules! files {
    ($($name:literal)*) => { &[$(($name, include_str!(concat!("../../../", $name)))),*] };
}

/// The shipped workspace; a test compares it with the directories.
pub const WORKSPACE: &[(&str, &str)] = files! {
    "waypost.yaml"
    "journeys/cancel-order.yaml"
    "journeys/change-address.yaml"
    "journeys/find-order.yaml"
    "journeys/grinder-help.yaml"
    "journeys/order-status.yaml"
    "journeys/refund.yaml"
    "journeys/verify-identity.yaml"
    "integrations/shop.yaml"
    "datapoints/customers.yaml"
    "datapoints/orders.yaml"
    "conditions/care.yaml"
    "actions/care.yaml"
};

/// Talk to a sample shop: nothing to set up
///
/// Starts the shop's back end inside the program, on loopback, and opens a conversation. Without a terminal it plays one and prints it.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  waypost demo\n  waypost demo --trace          each step, verdict and call as it happens\n  waypost demo --scripted       play a conversation and print it"
)]
pub(super) struct Args {
    /// Play a conversation and print it
    #[arg(long)]
    scripted: bool,
    /// Show each step, verdict and call as it happens
    #[arg(long)]
    trace: bool,
}

pub(super) fn run(args: &Args, terminal: &mut Terminal) -> Outcome {
    let files = WORKSPACE.iter().map(|(name, text)| ((*name).to_owned(), Arc::from(*text))).collect();
    let Some(loaded) = check::load(files).loaded() else {
        return Err(Failure::new("the workspace that comes with the program does not load"));
    };
    let clock = Clock::shiftable();
    let executor = super::chat::session::executor()?;
    let backend = executor.block_on(Backend::start(clock.now()))?;
    let secrets = Secrets::given([("SHOP_URL", backend.url())]);
    let http = HttpPerformer::new(&loaded, &secrets, clock.as_fn());
    let services = Services { stubs: None, http, dry_run: None };
    let storage = storage::open(&Address::Memory, &loaded.settings, &secrets, &executor, terminal)?;
    let speaker = Speaker { conversation: None, context: Json::Null };
    let mut session = Session::open(loaded, services, clock, storage, executor, speaker, args.trace.then(|| watch(terminal)))?;
    if args.scripted || !terminal.is_interactive() {
        return script::play(&mut session, &backend, terminal);
    }
    writeln!(terminal.err, "{BOLD}Hollin & Wren{BOLD:#}, coffee grinders. Their back end runs on {}. Try:", backend.url())?;
    for line in ["where is my order H1017?", "I want to cancel order H1042", "my grinder is jammed"] {
        writeln!(terminal.err, "  {NAME}{line}{NAME:#}")?;
    }
    writeln!(terminal.err, "{DIM}You are Nora Falk, nora.falk@example.com. /help says what else can be typed; Ctrl-D ends.{DIM:#}\n")?;
    let mut read = 0;
    talk(&mut session, terminal, |terminal| {
        for mail in backend.mails().iter().skip(read) {
            writeln!(terminal.err, "{DIM}[an e-mail to {}: your code is {DIM:#}{NAME}{}{NAME:#}{DIM}]{DIM:#}", mail.to, mail.code)?;
            read += 1;
        }
        Ok(())
    })
}
