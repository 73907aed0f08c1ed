//! Where lines come from: somebody who types them, with editing and history, or a pipe.

use std::io::{BufRead, Write};

use rustyline::DefaultEditor;
use rustyline::error::ReadlineError;

use super::session::say;
use crate::cli::Failure;
use crate::cli::terminal::Terminal;

/// A line longer than this is cut: nobody types that.
const LINE_MAX: usize = 64 * 1024;

/// Where lines come from. History is not kept on disk: what is typed may be a customer's.
pub(super) enum Lines {
    /// A terminal.
    Typed(Box<DefaultEditor>),
    /// A pipe or a file.
    Piped(std::io::StdinLock<'static>),
}

impl Lines {
    pub(super) fn new(terminal: &Terminal) -> Result<Self, Failure> {
        if terminal.is_interactive() {
            let editor = DefaultEditor::new().map_err(|e| Failure::new(format!("cannot read from the terminal: {e}")))?;
            return Ok(Self::Typed(Box::new(editor)));
        }
        Ok(Self::Piped(std::io::stdin().lock()))
    }

    /// The next line; `None` at the end, or when it is interrupted. A line from a pipe is shown as if it had been typed.
    pub(super) fn next(&mut self, terminal: &mut Terminal) -> Result<Option<String>, Failure> {
        match self {
            Self::Typed(editor) => match editor.readline("you>   ") {
                Ok(line) => {
                    // A line that is not remembered can be typed again.
                    let _ = editor.add_history_entry(line.as_str());
                    Ok(Some(line))
                }
                Err(ReadlineError::Eof | ReadlineError::Interrupted) => {
                    writeln!(terminal.err)?;
                    Ok(None)
                }
                Err(error) => Err(Failure::new(format!("cannot read from the terminal: {error}"))),
            },
            Self::Piped(stdin) => {
                let mut bytes = Vec::new();
                if std::io::Read::take(&mut *stdin, LINE_MAX as u64).read_until(b'\n', &mut bytes)? == 0 {
                    return Ok(None);
                }
                if bytes.len() == LINE_MAX && !bytes.ends_with(b"\n") {
                    return Err(Failure::new(format!("a line is longer than {} KiB", LINE_MAX / 1024)).help("say it in several"));
                }
                let line = String::from_utf8_lossy(&bytes).trim_end().to_owned();
                if !line.is_empty() {
                    say(terminal, "you", &line)?;
                }
                Ok(Some(line))
            }
        }
    }
}
