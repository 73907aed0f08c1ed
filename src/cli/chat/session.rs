//! A conversation in the terminal: what is typed goes in, what is said comes out. Used by `chat` and by `demo`.

use std::io::Write;
use std::sync::Arc;

use super::services::Services;
use super::slash::{HELP, Line, read};
use super::watched::{Watch, Watched};
use crate::check::Loaded;
use crate::cli::Failure;
use crate::cli::terminal::{BOLD, CARE, DIM, GOOD, NAME, Terminal};
use crate::driver::{Clock, DriverError, Runtime, Turn, TurnResult};
use crate::engine::input::Open;
use crate::engine::{Actor, Answer, Command, Phase, Principal, Status, TraceLine, trace};
use crate::store::ConversationKey;
use crate::value::{Json, Name};

/// What comes after a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Flow {
    /// Another line.
    On,
    /// Nothing.
    End,
}

/// A conversation in the terminal.
pub(in crate::cli) struct Session {
    executor: tokio::runtime::Runtime,
    runtime: Runtime<Watched, Services>,
    clock: Clock,
    key: ConversationKey,
    answer: Answer,
    /// What was last decided and what came of it, and the last refusal, for `/why`.
    decided: Vec<TraceLine>,
    refused: Option<String>,
    /// Whether remarks are part of what is printed, not only of what is said to whoever types.
    whole: bool,
}

impl Session {
    /// Opens a conversation of that user. The clock is the machine's, ahead of it by what `/wait` adds.
    pub(in crate::cli) fn open(
        loaded: Loaded,
        services: Services,
        clock: Clock,
        context: Json,
        watch: Option<Watch>,
    ) -> Result<Self, Failure> {
        let executor = executor()?;
        let agent = loaded.settings.agent_slug.clone();
        let user = context.pointer("/identity/user_id").and_then(Json::as_str).unwrap_or("you").into();
        let open = Open { conversation: "".into(), tenant: "terminal".into(), agent, user_id: user, user: Arc::new(context) };
        let opened = executor.block_on(async {
            let runtime = Runtime::new(loaded, Watched::new(watch), services, clock.clone())?;
            let key = runtime.open(open).await?;
            Ok((runtime, key))
        });
        let (runtime, key) = opened.map_err(|e| cannot(&e))?;
        Ok(Self { executor, runtime, clock, key, answer: Answer::default(), decided: Vec::new(), refused: None, whole: false })
    }

    /// Puts remarks among what is said: the output tells the whole story.
    pub(in crate::cli) fn tell_all(&mut self) {
        self.whole = true;
    }

    /// Starts a journey, as the agent would.
    pub(in crate::cli) fn start(&mut self, journey: &str, terminal: &mut Terminal) -> Result<(), Failure> {
        let command = Command::Start { journey: Name::new(journey), variables: Vec::new() };
        self.turn(Actor::Agent, Turn::Command(command), terminal)
    }

    /// Takes in a typed line.
    pub(in crate::cli) fn hear(&mut self, line: &str, terminal: &mut Terminal) -> Result<Flow, Failure> {
        self.wake(terminal)?;
        match read(line) {
            Line::Empty => {}
            Line::Say(text) => self.turn(Actor::User, Turn::Message(text.into()), terminal)?,
            Line::Command(actor, command) => self.turn(actor, Turn::Command(command), terminal)?,
            Line::Wait(by) => {
                self.clock.shift(by);
                self.wake(terminal)?;
                writeln!(terminal.err, "{DIM}it is {} now{DIM:#}", self.clock.now().strftime("%Y-%m-%d %H:%M:%S UTC"))?;
            }
            Line::Why => self.why(terminal)?,
            Line::Help => {
                for (typed, does) in HELP {
                    writeln!(terminal.err, "  {NAME}{typed:<29}{NAME:#} {does}")?;
                }
                writeln!(terminal.err, "Anything else is said to the agent. An option is picked by its number.")?;
            }
            Line::Wrong(why) => writeln!(terminal.err, "{CARE}{why}{CARE:#}")?,
            Line::Quit => return Ok(Flow::End),
        }
        terminal.flush()?;
        Ok(Flow::On)
    }

    fn turn(&mut self, actor: Actor, turn: Turn, terminal: &mut Terminal) -> Result<(), Failure> {
        let principal = Principal { id: "terminal".into(), roles: Vec::new() };
        let Self { executor, runtime, key, .. } = self;
        let done = executor.block_on(async {
            let mut result = runtime.turn(key, actor, principal, None, turn).await?;
            if result.answer.phase == Phase::Working {
                let messages = std::mem::take(&mut result.answer.messages);
                let later = runtime.settled(key, actor).await?;
                result.answer = Answer { messages: messages.into_iter().chain(later.messages.iter().cloned()).collect(), ..later };
            }
            Ok(result)
        });
        match done {
            Ok(result) => self.show(result, terminal),
            Err(error) => {
                let error = cannot(&error);
                terminal.complain(&error.message, error.help.as_deref());
                Ok(())
            }
        }
    }

    /// Lets timers that have run out do their work.
    fn wake(&mut self, terminal: &mut Terminal) -> Result<(), Failure> {
        let woken = self.executor.block_on(self.runtime.wake_due(self.clock.now())).map_err(|e| cannot(&e))?;
        for (_, result) in woken {
            self.show(result, terminal)?;
        }
        Ok(())
    }

    fn show(&mut self, result: TurnResult, terminal: &mut Terminal) -> Result<(), Failure> {
        let tells = |line: &TraceLine| matches!(&*line.kind, "verdict" | "answer" | "error" | "escalate");
        let decided: Vec<TraceLine> = trace(&result.events).into_iter().filter(tells).collect();
        if !decided.is_empty() {
            self.decided = decided;
        }
        let answer = result.answer;
        self.refused = answer.refused.as_ref().map(|r| format!("{}: {}", r.code, r.reason));
        for message in &answer.messages {
            say(terminal, "agent", message)?;
        }
        for (number, option) in (1..).zip(&answer.options) {
            writeln!(terminal.out, "       {NAME}{number}.{NAME:#} {}", option.label)?;
        }
        let errors = answer.errors.iter().map(|e| format!("{CARE}not taken{CARE:#}: {} ({}): {}", e.field, e.code, e.help));
        let refusal = answer.refused.iter().map(|r| format!("{CARE}refused{CARE:#} ({}): {}", r.code, r.reason));
        let change = self.change(&answer);
        for remark in errors.chain(refusal).chain(change) {
            if self.whole {
                writeln!(terminal.out, "       {remark}")?;
            } else {
                writeln!(terminal.err, "       {remark}")?;
            }
        }
        self.answer = answer;
        Ok(())
    }

    /// What has changed beside what was said.
    fn change(&self, answer: &Answer) -> Option<String> {
        let before = &self.answer;
        if answer.status == before.status && answer.journey == before.journey && answer.outcome == before.outcome {
            return None;
        }
        let journey = answer.journey.as_deref().unwrap_or("no journey");
        let text = match (answer.status, &answer.outcome) {
            (Status::Active, _) => format!("[{journey}]"),
            (Status::Completed, Some(outcome)) => format!("[{journey} ended: {outcome}]"),
            (Status::Completed, None) => return None,
            (Status::Paused, _) => format!("[{journey} waits]"),
            (Status::Escalated, _) => "[with a person now]".to_owned(),
            (Status::Abandoned, _) => "[abandoned: nobody came back in time]".to_owned(),
            (Status::Cancelled, _) => "[cancelled]".to_owned(),
        };
        Some(format!("{DIM}{text}{DIM:#}"))
    }

    fn why(&self, terminal: &mut Terminal) -> Result<(), Failure> {
        let (state, expects) = self
            .executor
            .block_on(async { Ok((self.runtime.state(&self.key).await?, self.runtime.expects(&self.key).await?)) })
            .map_err(|e: DriverError| cannot(&e))?;
        let place = state
            .place()
            .map(|(journey, step)| (self.runtime.workspace().journey(journey.as_str()).map_or(journey.as_str(), |j| &*j.slug.shown), step));
        match place {
            Some((journey, Some(step))) => writeln!(terminal.err, "at {BOLD}{journey}{BOLD:#}, step {BOLD}{step}{BOLD:#}")?,
            Some((journey, None)) => writeln!(terminal.err, "at {BOLD}{journey}{BOLD:#}")?,
            None => writeln!(terminal.err, "no journey is under way: say what you want")?,
        }
        let commands: Vec<&str> = expects.commands.iter().map(|(name, _)| &**name).collect();
        writeln!(terminal.err, "commands that may come next: {}", if commands.is_empty() { "none".into() } else { commands.join(" ") })?;
        match &self.refused {
            Some(refused) => writeln!(terminal.err, "the last thing was {CARE}refused{CARE:#} ({refused})")?,
            None => writeln!(terminal.err, "the last thing was not refused")?,
        }
        for line in &self.decided {
            writeln!(terminal.err, "{}: {}", line.kind, line.text)?;
        }
        Ok(())
    }
}

/// Who said what, aligned, on as many lines as it has.
pub(in crate::cli) fn say(terminal: &mut Terminal, who: &str, text: &str) -> std::io::Result<()> {
    let look = if who == "agent" { GOOD } else { NAME };
    for (index, line) in text.lines().enumerate() {
        let who = if index == 0 { format!("{who}>") } else { String::new() };
        writeln!(terminal.out, "{look}{who:<6}{look:#} {line}")?;
    }
    Ok(())
}

/// What the terminal's commands run on.
pub(in crate::cli) fn executor() -> Result<tokio::runtime::Runtime, Failure> {
    Ok(tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?)
}

fn cannot(error: &DriverError) -> Failure {
    Failure::new(error.to_string())
}
