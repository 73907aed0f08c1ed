//! The two streams that a command writes to, coloured or not. Must not know what is written.

use std::io::{IsTerminal, Stderr, Stdin, Stdout, Write};

use anstream::AutoStream;
use clap::ColorChoice;
use clap::builder::styling::{AnsiColor, Style};
use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};

/// What wants to be seen first.
pub(super) const BOLD: Style = Style::new().bold();
/// What matters less.
pub(super) const DIM: Style = Style::new().dimmed();
/// What went well.
pub(super) const GOOD: Style = AnsiColor::Green.on_default().bold();
/// What did not.
pub(super) const BAD: Style = AnsiColor::Red.on_default().bold();
/// What to look at.
pub(super) const CARE: Style = AnsiColor::Yellow.on_default().bold();
/// Names that can be typed.
pub(super) const NAME: Style = AnsiColor::Cyan.on_default();

/// Lines that wait for a reader of standard error who is slow. What comes then is dropped.
const WAITING: usize = 10_000;

/// Standard error for what a server tells while it works: whoever writes there never waits for a reader.
#[derive(Debug)]
pub(super) struct Told {
    lines: NonBlocking,
    // Writes what is left when it is dropped, for at most a second.
    _rest: WorkerGuard,
}

impl Told {
    pub(super) fn new() -> Self {
        let (lines, rest) = NonBlockingBuilder::default().buffered_lines_limit(WAITING).lossy(true).finish(std::io::stderr());
        Self { lines, _rest: rest }
    }

    /// Takes lines of the log.
    pub(super) fn lines(&self) -> NonBlocking {
        self.lines.clone()
    }
}

/// Standard output for data, standard error for everything else. Escapes written to them are taken out where they are not wanted.
pub(super) struct Terminal {
    /// Data.
    pub(super) out: AutoStream<Stdout>,
    /// Everything else.
    pub(super) err: AutoStream<Stderr>,
    told: Told,
}

impl Terminal {
    pub(super) fn new(colour: ColorChoice, told: Told) -> Self {
        let choice = match colour {
            ColorChoice::Auto => anstream::ColorChoice::Auto,
            ColorChoice::Always => anstream::ColorChoice::Always,
            ColorChoice::Never => anstream::ColorChoice::Never,
        };
        Self { out: AutoStream::new(std::io::stdout(), choice), err: AutoStream::new(std::io::stderr(), choice), told }
    }

    /// Whether somebody types at standard input and reads standard output.
    pub(super) fn is_interactive(&self) -> bool {
        Stdin::is_terminal(&std::io::stdin()) && self.out.is_terminal()
    }

    /// Whether standard output wants colour.
    pub(super) fn colours_out(&self) -> bool {
        self.out.current_choice() != anstream::ColorChoice::Never
    }

    /// Whether standard error wants colour, for streams of its own.
    pub(super) fn choice_err(&self) -> anstream::ColorChoice {
        self.err.current_choice()
    }

    /// Whether standard error wants colour.
    pub(super) fn colours_err(&self) -> bool {
        self.err.current_choice() != anstream::ColorChoice::Never
    }

    /// Tells a line to whoever reads standard error, in order with the log, and waits for nobody: a server goes on where nobody does.
    pub(super) fn tell(&self, line: std::fmt::Arguments<'_>) {
        let mut bytes = AutoStream::new(Vec::new(), self.choice_err());
        // Neither can fail: the one is memory, the other drops what it has no room for.
        let _ = writeln!(bytes, "{line}");
        let _ = self.told.lines().write_all(&bytes.into_inner());
    }

    /// Lines of the log and of what was told that were dropped because nobody read them.
    pub(super) fn dropped(&self) -> usize {
        self.told.lines.error_counter().dropped_lines()
    }

    /// Says why something could not be done, and goes on.
    pub(super) fn complain(&mut self, message: &str, help: Option<&str>) {
        // There is nobody left to tell of a failure to write this.
        let _ = writeln!(self.err, "{}", complaint(message, help));
    }

    /// Says why a command could not do its work, after all that was told.
    pub(super) fn fail(&self, message: &str, help: Option<&str>) {
        self.tell(format_args!("{}", complaint(message, help)));
    }

    /// Standard error has nothing to flush, and whoever asks it waits for who reads it.
    pub(super) fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}

fn complaint(message: &str, help: Option<&str>) -> String {
    let help = help.map(|help| format!("\n  {NAME}help{NAME:#}: {help}")).unwrap_or_default();
    format!("{BAD}error{BAD:#}{BOLD}:{BOLD:#} {message}{help}")
}
