//! The program's commands, one file a command.
//!
//! Data goes to standard output, everything else to standard error. Exit status: 0 fine, 1 findings or failed tests, 2 usage or
//! input and output. Knows nothing of how a journey runs: it reads arguments, calls the library, and prints.

mod audit;
mod chat;
mod check;
mod completions;
mod connect;
mod decide;
mod deliveries;
pub mod demo;
mod explain;
mod explore;
mod graph;
mod mcp;
mod mutate;
mod new;
mod parallel;
mod place;
mod progress;
mod provider;
mod record;
mod replay;
mod schema;
mod serve;
mod storage;
mod store;
mod terminal;
mod test;
mod trigger;
mod watched;
mod workspace;
mod written;

use std::io::ErrorKind;
use std::process::ExitCode;

use clap::builder::{PossibleValue, PossibleValuesParser};
use clap::{ColorChoice, Parser, Subcommand};
use terminal::{Terminal, Told};
use tracing_appender::non_blocking::NonBlocking;
use tracing_subscriber::EnvFilter;

const AFTER_HELP: &str = "\
Examples:
  waypost demo                          talk to the sample shop, nothing to set up
  waypost new shop                      start a workspace of your own
  waypost check shop                    say what is wrong in it, and what to type instead
  waypost chat shop                     talk to its journeys
  waypost test shop                     run its transcripts, and say what they do not come to
  waypost explore refund shop           find every path of a journey, and write what is not tested yet
  waypost mutate shop                   say what could be wrong without any of them noticing
  waypost serve shop                    let agents call them over HTTP
  waypost mcp shop                      offer them to a model as tools

Exit status: 0 fine, 1 findings or failed tests, 2 usage or input and output.";

/// Lets language models act for your customers only where a proved journey, the rules and the person allow it
#[derive(Debug, Parser)]
#[command(name = "waypost", version, after_help = AFTER_HELP, max_term_width = 100, disable_help_subcommand = true)]
struct Cli {
    /// When to colour (`NO_COLOR` is heeded)
    #[arg(long, global = true, value_name = "WHEN", default_value_t = ColorChoice::Auto)]
    color: ColorChoice,

    /// Log the program's own steps on standard error, from this level up; never a value or a secret
    ///
    /// Where no level is named, `serve` and `mcp` log from `warn` up, the others nothing.
    #[arg(long, global = true, value_name = "LEVEL", env = "WAYPOST_LOG", value_parser = or_nothing(&["off", "error", "warn", "info", "debug", "trace"]))]
    log: Option<String>,

    /// How the log is written: lines to read, or one JSON object a line
    #[arg(long, global = true, value_name = "FORM", env = "WAYPOST_LOG_FORMAT", default_value = "text", value_parser = or_nothing(&["text", "json"]))]
    log_format: String,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::Args),
    New(new::Args),
    Check(check::Args),
    Explain(explain::Args),
    Chat(chat::Args),
    Test(test::Args),
    Record(record::Args),
    Replay(replay::Args),
    Explore(explore::Args),
    Mutate(mutate::Args),
    Serve(serve::Args),
    Mcp(mcp::Args),
    Decide(decide::Args),
    Trigger(trigger::Args),
    Deliveries(deliveries::Args),
    Provider(provider::Args),
    Audit(audit::Args),
    Store(store::Args),
    Graph(graph::Args),
    Schema(schema::Args),
    Completions(completions::Args),
}

impl Command {
    /// From which level up it logs where nobody says: what runs on and on tells by itself what does not work.
    const fn log(&self) -> &'static str {
        if matches!(self, Self::Serve(_) | Self::Mcp(_)) { "warn" } else { "off" }
    }
}

/// How a command that worked ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    /// Nothing to complain of.
    Fine,
    /// Findings, or failed tests.
    Findings,
}

/// Why a command could not do its work.
#[derive(Debug)]
struct Failure {
    message: String,
    help: Option<String>,
    quiet: bool,
}

impl Failure {
    fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), help: None, quiet: false }
    }

    fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl From<std::io::Error> for Failure {
    /// A reader that went away is nobody to complain to.
    fn from(error: std::io::Error) -> Self {
        Self { message: error.to_string(), help: None, quiet: error.kind() == ErrorKind::BrokenPipe }
    }
}

type Outcome = Result<Status, Failure>;

/// Runs the program on the process's arguments.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(usage) => {
            // Help that nobody reads to its end is no failure; there is nobody left to tell of another one.
            let _ = usage.print();
            return if usage.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS };
        }
    };
    let told = Told::new();
    let level = cli.log.as_deref().filter(|level| !level.is_empty()).unwrap_or_else(|| cli.command.log());
    log(level, &cli.log_format, told.lines());
    let mut terminal = Terminal::new(cli.color, told);
    let outcome = match cli.command {
        Command::Demo(args) => demo::run(&args, &mut terminal),
        Command::New(args) => new::run(&args, &mut terminal),
        Command::Check(args) => check::run(&args, &mut terminal),
        Command::Schema(args) => schema::run(&args, &mut terminal),
        Command::Chat(args) => chat::run(&args, &mut terminal),
        Command::Test(args) => test::run(&args, &mut terminal),
        Command::Record(args) => record::run(&args, &mut terminal),
        Command::Replay(args) => replay::run(&args, &mut terminal),
        Command::Explore(args) => explore::run(&args, &mut terminal),
        Command::Mutate(args) => mutate::run(&args, &mut terminal),
        Command::Serve(args) => serve::run(&args, &mut terminal),
        Command::Decide(args) => decide::run(&args, &mut terminal),
        Command::Trigger(args) => trigger::run(&args, &mut terminal),
        Command::Deliveries(args) => deliveries::run(&args, &mut terminal),
        Command::Mcp(args) => mcp::run(&args, &mut terminal),
        Command::Audit(args) => audit::run(&args, &mut terminal),
        Command::Store(args) => store::run(&args, &mut terminal),
        Command::Provider(args) => provider::run(&args, &mut terminal),
        Command::Graph(args) => graph::run(&args, &mut terminal),
        Command::Explain(args) => explain::run(&args, &mut terminal),
        Command::Completions(args) => completions::run(&args, &mut terminal),
    };
    match outcome.and_then(|status| terminal.flush().map(|()| status).map_err(Failure::from)) {
        Ok(Status::Fine) => ExitCode::SUCCESS,
        Ok(Status::Findings) => ExitCode::from(1),
        Err(failure) if failure.quiet => ExitCode::SUCCESS,
        Err(failure) => {
            terminal.fail(&failure.message, failure.help.as_deref());
            ExitCode::from(2)
        }
    }
}

/// One of those. A variable that is set to nothing is not set, as everywhere.
fn or_nothing(values: &[&'static str]) -> PossibleValuesParser {
    let shown = values.iter().map(|v| PossibleValue::new(*v));
    PossibleValuesParser::new(shown.chain([PossibleValue::new("").hide(true)]))
}

/// Only this crate's own events: those of the libraries below hold headers and bodies. What a channel of type `log` is told is written
/// whatever the level.
fn log(level: &str, format: &str, lines: NonBlocking) {
    let filter = EnvFilter::new(format!("off,waypost={level},waypost::channel=info"));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(lines).with_ansi(false);
    if format == "json" {
        log.json().flatten_event(true).init();
    } else {
        log.init();
    }
}
