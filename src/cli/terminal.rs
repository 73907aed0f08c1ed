//! The two streams that a command writes to, coloured or not. Must not know what is written.

use std::io::{IsTerminal, Stderr, Stdin, Stdout, Write};

use anstream::AutoStream;
use clap::ColorChoice;
use clap::builder::styling::{AnsiColor, Style};

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

/// Standard output for data, standard error for everything else. Escapes written to them are taken out where they are not wanted.
pub(super) struct Terminal {
    /// Data.
    pub(super) out: AutoStream<Stdout>,
    /// Everything else.
    pub(super) err: AutoStream<Stderr>,
}

impl Terminal {
    pub(super) fn new(colour: ColorChoice) -> Self {
        let choice = match colour {
            ColorChoice::Auto => anstream::ColorChoice::Auto,
            ColorChoice::Always => anstream::ColorChoice::Always,
            ColorChoice::Never => anstream::ColorChoice::Never,
        };
        Self { out: AutoStream::new(std::io::stdout(), choice), err: AutoStream::new(std::io::stderr(), choice) }
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

    /// Says why a command could not do its work.
    pub(super) fn complain(&mut self, message: &str, help: Option<&str>) {
        // There is nobody left to tell of a failure to write this.
        let _ = writeln!(self.err, "{BAD}error{BAD:#}{BOLD}:{BOLD:#} {message}");
        if let Some(help) = help {
            let _ = writeln!(self.err, "  {NAME}help{NAME:#}: {help}");
        }
    }

    pub(super) fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()?;
        self.err.flush()
    }
}
