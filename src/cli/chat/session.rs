//! A conversation in the terminal: what is typed goes in, what is said comes out. Used by `chat` and by `demo`.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::services::Services;
use super::slash::{HELP, Line, read};
use super::watched::{Watch, Watched};
use crate::check::Loaded;
use crate::cli::Failure;
use crate::cli::storage::Storage;
use crate::cli::terminal::{BOLD, CARE, DIM, GOOD, NAME, Terminal};
use crate::driver::{Clock, DriverError, Entropy, Runtime, Turn, TurnResult};
use crate::engine::input::Open;
use crate::engine::{Actor, Answer, Command, Event, EventBody, Phase, Principal, Status, TraceLine, trace};
use crate::store::{AnyStore, Around, ConversationKey, Store};
use crate::transcript::record::{Header, Writer};
use crate::value::{Json, Name};

/// The tenant of whoever talks in a terminal.
pub(in crate::cli) const TENANT: &str = "terminal";

/// How often another process's work is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// Events that are shown at once.
const NEWS: usize = 10_000;

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
    runtime: Runtime<Around<AnyStore, Watched>, Services>,
    clock: Clock,
    key: ConversationKey,
    /// Whether its store outlives the program, and others may use it too.
    shared: bool,
    /// The version that is shown.
    seen: u64,
    answer: Answer,
    /// What was last decided and what came of it, and the last refusal, for `/why`.
    decided: Vec<TraceLine>,
    refused: Option<String>,
    /// Whether remarks are part of what is printed, not only of what is said to whoever types.
    whole: bool,
    /// Where it is recorded, and how many events are there by now.
    record: Option<(Writer<BufWriter<File>>, u64)>,
}

/// Who speaks, and in which conversation.
pub(in crate::cli) struct Speaker {
    /// The conversation's id; none: a new one.
    pub(in crate::cli) conversation: Option<String>,
    /// What the host says of the user.
    pub(in crate::cli) context: Json,
}

impl Session {
    /// Opens a conversation, or goes on with one that its user has open. The clock is the machine's, ahead of it by what `/wait` adds.
    pub(in crate::cli) fn open(
        loaded: Loaded,
        services: Services,
        clock: Clock,
        storage: Storage,
        executor: tokio::runtime::Runtime,
        speaker: Speaker,
        watch: Option<Watch>,
    ) -> Result<Self, Failure> {
        let agent = loaded.settings.agent_slug.clone();
        let Speaker { conversation, context } = speaker;
        let user = context.pointer("/identity/user_id").and_then(Json::as_str).unwrap_or("you").into();
        let conversation = conversation.unwrap_or_default().into();
        let open = Open { conversation, tenant: TENANT.into(), agent, user_id: user, user: Arc::new(context) };
        let opened = executor.block_on(async {
            let store = Around { store: storage.store, commits: Watched(watch) };
            let runtime = Runtime::with(loaded, store, services, clock.clone(), Entropy::System, storage.keys)?;
            let key = runtime.open(open).await?;
            let seen = runtime.state(&key).await?.version;
            Ok((runtime, key, seen))
        });
        let (runtime, key, seen) = opened.map_err(|e| match e {
            DriverError::NotYours(_) => {
                Failure::new(e.to_string()).help("give the `--context` of the user that began it, or another `--conversation`")
            }
            _ => cannot(&e),
        })?;
        let answer = Answer::default();
        Ok(Self {
            executor,
            runtime,
            clock,
            key,
            shared: false,
            seen,
            answer,
            decided: Vec::new(),
            refused: None,
            whole: false,
            record: None,
        })
    }

    /// Says which conversation of a store this is and where it stands, and waits for what is under way in it, for as long as a turn
    /// may take. From now on its timers run, and those of every other conversation there.
    pub(in crate::cli) fn take_up(&mut self, place: &str, terminal: &mut Terminal) -> Result<(), Failure> {
        let runtime = self.runtime.clone();
        self.executor.spawn(async move { runtime.run_timers().await });
        let id = self.key.id.clone();
        let state = self.executor.block_on(self.runtime.state(&self.key)).map_err(|e| cannot(&e))?;
        self.shared = true;
        if state.turn == 0 {
            writeln!(terminal.err, "{DIM}a new conversation, kept in {place}: go on with it by{DIM:#} --conversation {id}")?;
            return Ok(());
        }
        writeln!(terminal.err, "{DIM}going on with the conversation {DIM:#}{id}{DIM}, kept in {place}{DIM:#}")?;
        if state.is_working() {
            writeln!(terminal.err, "{DIM}an action of it is under way: waiting for what comes of it{DIM:#}")?;
        }
        // What was said last is said again, then what comes of what is under way.
        let last = self.executor.block_on(self.runtime.present(&self.key, Actor::User)).map_err(|e| cannot(&e))?;
        self.seen = state.version;
        let later = self.later(Actor::User, terminal)?;
        let messages = last.messages.into_iter().chain(later.answer.messages).collect();
        self.show(TurnResult { answer: Answer { messages, ..later.answer }, ..later }, terminal)
    }

    /// Where the conversation stands when nothing is under way in it any more, here or in another process; or after the time of a turn.
    async fn settled(&self, actor: Actor) -> Result<Answer, DriverError> {
        let limit = Duration::from_millis(self.runtime.workspace().settings.limits.turn_ms);
        let waits = limit.as_millis() / LOOK.as_millis() + 1;
        for _ in 0..waits {
            let answer = self.runtime.settled(&self.key, actor).await?;
            if answer.phase != Phase::Working {
                return Ok(answer);
            }
            tokio::time::sleep(LOOK).await;
        }
        self.runtime.present(&self.key, actor).await
    }

    /// What happened since it was last shown, before that version.
    async fn news(&self, before: u64) -> Result<Vec<Event>, DriverError> {
        let limit = usize::try_from(before.saturating_sub(self.seen)).unwrap_or(usize::MAX).min(NEWS);
        let found = self.runtime.store().events(&self.key, self.seen, limit).await?;
        Ok(found.into_iter().map(|(_, event)| event).collect())
    }

    /// Records the conversation from its beginning on. `bundle`: with the texts of the workspace.
    pub(in crate::cli) fn record(&mut self, path: &Path, bundle: bool) -> Result<(), Failure> {
        let workspace = self.runtime.workspace();
        let header = Header {
            agent: workspace.settings.agent_slug.clone(),
            tenant: self.key.tenant.clone(),
            conversation: self.key.id.clone(),
            workspace: Some(workspace.hash.clone()),
            journeys: workspace.journeys.values().map(|j| (j.slug.name.shared(), j.hash.clone())).collect(),
            bundle: bundle.then(|| workspace.texts()).into_iter().collect(),
            partial: false,
        };
        let file = File::create(path).map_err(|e| {
            let why = Failure::new(format!("cannot write `{}`: {e}", path.display()));
            why.help("name a file in a directory that is there and may be written to")
        })?;
        self.record = Some((Writer::begin(BufWriter::new(file), &header)?, 0));
        self.keep()
    }

    /// Writes down what happened since.
    pub(in crate::cli) fn keep(&mut self) -> Result<(), Failure> {
        let Some((writer, kept)) = &mut self.record else { return Ok(()) };
        loop {
            let page = self.executor.block_on(self.runtime.store().events(&self.key, *kept, NEWS)).map_err(|e| cannot(&e.into()))?;
            let Some((last, _)) = page.last() else { break };
            *kept = *last;
            for (_, event) in &page {
                writer.event(event)?;
            }
        }
        Ok(writer.get_mut().flush()?)
    }

    /// Ends the recording.
    pub(in crate::cli) fn end(&mut self) -> Result<(), Failure> {
        self.keep()?;
        if let Some((writer, _)) = self.record.take() {
            writer.end()?;
        }
        Ok(())
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
            Line::Command(actor, command) => {
                let command = self.meant(command)?;
                self.turn(actor, Turn::Command(command), terminal)?;
            }
            Line::Wait(_) if self.shared => {
                writeln!(terminal.err, "{CARE}time cannot be moved in a store that others share: leave `--store` out for that{CARE:#}")?;
            }
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

    /// Who types: an operator is somebody else than the user, with every role.
    fn principal(&self, actor: Actor) -> Principal {
        let operator = actor == Actor::Operator;
        let roles = if operator { self.runtime.workspace().roles() } else { Vec::new() };
        Principal { id: if operator { "operator" } else { "terminal" }.into(), roles, scopes: Vec::new() }
    }

    /// A command on what waits, with its id.
    fn meant(&self, command: Command) -> Result<Command, Failure> {
        let (Command::Approve { .. } | Command::Refuse { .. }) = command else { return Ok(command) };
        let state = self.executor.block_on(self.runtime.state(&self.key)).map_err(|e| cannot(&e))?;
        let hold = state.holds().next_back().map(|h| h.id.clone()).unwrap_or_default();
        Ok(match command {
            Command::Approve { note, .. } => Command::Approve { hold, note },
            Command::Refuse { note, .. } => Command::Refuse { hold, note },
            other => other,
        })
    }

    fn turn(&mut self, actor: Actor, turn: Turn, terminal: &mut Terminal) -> Result<(), Failure> {
        let principal = self.principal(actor);
        let done = self.executor.block_on(self.runtime.turn(&self.key, actor, principal, None, turn));
        let mut result = match done {
            Ok(result) => result,
            Err(error) => {
                let error = cannot(&error);
                terminal.complain(&error.message, error.help.as_deref());
                return Ok(());
            }
        };
        if self.shared {
            // Before this turn, or during it, others may have gone on with the conversation.
            let mut events = self.executor.block_on(self.news(result.state.version)).map_err(|e| cannot(&e))?;
            events.retain(|e| !result.events.contains(e));
            for text in said(&events) {
                say(terminal, "agent", text)?;
            }
        }
        self.seen = result.state.version;
        if result.answer.phase == Phase::Working {
            let later = self.later(actor, terminal)?;
            let messages = result.answer.messages.into_iter().chain(later.answer.messages).collect();
            result.events.extend(later.events);
            result.answer = Answer { messages, ..later.answer };
        }
        self.show(result, terminal)
    }

    /// What follows from what is under way: where the conversation stands then, and what was said on the way.
    fn later(&mut self, actor: Actor, terminal: &mut Terminal) -> Result<TurnResult, Failure> {
        terminal.flush()?;
        let later = self.executor.block_on(async {
            let answer = self.settled(actor).await?;
            Ok((answer, self.news(u64::MAX).await?))
        });
        let (answer, events) = later.map_err(|e: DriverError| cannot(&e))?;
        self.seen += events.len() as u64;
        let messages = said(&events).cloned().collect();
        Ok(TurnResult { answer: Answer { messages, ..answer }, events, ..TurnResult::default() })
    }

    /// Lets timers that have run out do their work, and shows what happened without anybody typing.
    fn wake(&mut self, terminal: &mut Terminal) -> Result<(), Failure> {
        if !self.shared {
            self.executor.block_on(self.runtime.wake_due(self.clock.now())).map_err(|e| cannot(&e))?;
        }
        let version = self.executor.block_on(self.runtime.state(&self.key)).map_err(|e| cannot(&e))?.version;
        if version > self.seen {
            let later = self.later(Actor::User, terminal)?;
            self.show(later, terminal)?;
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
        let (state, agents, users) = self
            .executor
            .block_on(async {
                Ok((
                    self.runtime.state(&self.key).await?,
                    self.runtime.expects(&self.key, Actor::Agent).await?,
                    self.runtime.expects(&self.key, Actor::User).await?,
                ))
            })
            .map_err(|e: DriverError| cannot(&e))?;
        let workspace = self.runtime.workspace();
        let place =
            state.place().map(|(journey, step)| (workspace.journey(journey.as_str()).map_or(journey.as_str(), |j| &*j.slug.shown), step));
        match place {
            Some((journey, Some(step))) => writeln!(terminal.err, "at {BOLD}{journey}{BOLD:#}, step {BOLD}{step}{BOLD:#}")?,
            Some((journey, None)) => writeln!(terminal.err, "at {BOLD}{journey}{BOLD:#}")?,
            None => writeln!(terminal.err, "no journey is under way: say what you want")?,
        }
        let mut commands: Vec<&str> = agents.commands.iter().map(|(name, _)| &**name).collect();
        commands.extend(users.commands.iter().map(|(name, _)| &**name).filter(|name| !agents.commands.iter().any(|(n, _)| **n == **name)));
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

/// What was said to the user.
fn said(events: &[Event]) -> impl Iterator<Item = &Arc<str>> {
    events.iter().filter_map(|e| match &e.body {
        EventBody::Said { text, .. } => Some(text),
        EventBody::Question(question) => Some(&question.text),
        _ => None,
    })
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
