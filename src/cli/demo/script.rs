//! The conversation that the demo plays where nobody can type.

use std::io::Write;

use super::backend::Backend;
use crate::cli::chat::session::{Session, say};
use crate::cli::terminal::{BOLD, DIM, Terminal};
use crate::cli::{Failure, Outcome, Status};

/// One thing that happens.
enum Act {
    /// A line between two parts.
    Title(&'static str),
    /// The user types.
    You(&'static str),
    /// The user types the code of the last e-mail.
    Code,
    /// The agent sends a command.
    Agent(&'static str),
}

const SCRIPT: &[Act] = &[
    Act::Title("A read: the order is looked up over HTTP."),
    Act::You("where is my order H1017?"),
    Act::Title("A write: only for a verified customer, only after a yes."),
    Act::You("I want to cancel order H1042"),
    Act::You("nora.falk@example.com"),
    Act::Code,
    Act::You("I ordered by mistake"),
    Act::Title("The language model tries to say the yes itself. It may not."),
    Act::Agent("/confirm"),
    Act::Title("A yes with a but is no yes either."),
    Act::You("yes, but only if that is free"),
    Act::You("yes please"),
    Act::Title("The shop itself refuses a write: what it answers decides, not what the model hopes."),
    Act::You("please cancel my order H1043"),
    Act::You("it takes too long"),
    Act::You("yes"),
];

/// Plays it.
pub(super) fn play(session: &mut Session, backend: &Backend, terminal: &mut Terminal) -> Outcome {
    session.tell_all();
    for act in SCRIPT {
        match act {
            Act::Title(text) => writeln!(terminal.out, "\n{BOLD}{text}{BOLD:#}")?,
            Act::You(line) => hear(session, "you", line, line, terminal)?,
            Act::Code => {
                let code = backend.mails().last().map(|m| m.code.clone()).unwrap_or_default();
                hear(session, "you", &code, &code, terminal)?;
            }
            Act::Agent(line) => hear(session, "model", line, line, terminal)?,
        }
    }
    writeln!(terminal.out, "\n{BOLD}What the shop was asked:{BOLD:#}")?;
    let codes: Vec<_> = backend.mails().into_iter().map(|m| m.code).collect();
    for request in backend.requests() {
        let body = codes.iter().fold(request.body.clone(), |body, code| body.replace(&**code, "[redacted]"));
        let line = format!("  {:<4} {:<28} {DIM}{}{DIM:#} {body}", request.method, request.path, request.status);
        writeln!(terminal.out, "{}", line.trim_end())?;
    }
    Ok(Status::Fine)
}

fn hear(session: &mut Session, who: &str, shown: &str, line: &str, terminal: &mut Terminal) -> Result<(), Failure> {
    say(terminal, who, shown)?;
    session.hear(line, terminal).map(|_| ())
}
