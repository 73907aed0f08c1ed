//! `test`: runs transcripts and shows what came of them.

mod find;
mod json;
mod junit;
mod pretty;

use std::io::Write;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::terminal::Terminal;
use super::workspace;
use super::{Failure as Trouble, Outcome, Status};
use crate::driver::Clock;
use crate::source::{SourceMap, Span};
use crate::transcript::{self, Document, Failure, Options, Script};

/// Run transcripts
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  waypost test
  waypost test shop --filter refund
  waypost test shop/tests/cancel-order.yaml
  waypost test --format junit > report.xml

A transcript fails at the line of the expectation that is not met. Where it has no `stubs`, `--live` calls the real services.")]
pub(super) struct Args {
    /// Workspaces, directories of transcripts in them, or files of transcripts
    #[arg(default_value = ".", value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// How to show what came of them
    #[arg(long, value_enum, default_value_t = Format::Pretty)]
    format: Format,
    /// Only transcripts whose file and name, as in `tests/a.yaml: its name`, hold this text
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// Fail also on warnings of the workspace, on calls that `calls` does not list, and on stubs that nothing called
    #[arg(long)]
    strict: bool,
    /// Call the real services where a transcript has no `stubs`
    #[arg(long)]
    live: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people
    Pretty,
    /// One JSON object
    Json,
    /// `JUnit` XML, for CI
    Junit,
}

/// What came of a transcript.
struct Tested {
    name: String,
    /// As it is shown.
    file: String,
    /// Where its file is among the sources.
    span: Span,
    failures: Vec<Failure>,
    ms: u64,
}

/// What came of all of them.
struct Results {
    tests: Vec<Tested>,
    sources: SourceMap,
}

impl Results {
    fn line(&self, span: Span) -> u32 {
        self.sources.position(span.file, span.start).line
    }

    fn failed(&self) -> usize {
        self.tests.iter().filter(|t| !t.failures.is_empty()).count()
    }
}

pub(super) fn run(args: &Args, terminal: &mut Terminal) -> Outcome {
    let suites = find::suites(&args.paths)?;
    let mut results = Results { tests: Vec::new(), sources: SourceMap::default() };
    let mut sound = true;
    for suite in suites {
        let checked = workspace::open(&suite.workspace)?;
        let report = checked.report();
        let (errors, warnings) = report.count();
        if errors > 0 || (args.strict && warnings > 0) {
            let text = report.render(crate::source::render::Format::Full, terminal.colours_err());
            writeln!(terminal.err, "{text}\n{}: {}", suite.workspace.display(), report.summary())?;
            sound = false;
        }
        let Some(loaded) = checked.loaded() else { continue };
        let mut jobs = Vec::new();
        for (shown, text) in find::transcripts(&suite, &loaded.settings.tests)? {
            let file = results.sources.add(&shown, text.clone());
            for document in transcript::read(file, &text, Some(&loaded)) {
                let name = document.name.clone().unwrap_or_else(|| shown.clone());
                if args.filter.as_ref().is_none_or(|f| format!("{shown}: {name}").contains(&**f)) {
                    jobs.push((shown.clone(), name, document));
                }
            }
        }
        let options = Options { strict: args.strict, live: args.live, root: suite.workspace.clone() };
        let runner = transcript::Runner::new(loaded, options);
        results.tests.extend(all(&runner, jobs)?);
    }
    if results.tests.is_empty() && sound {
        return Err(nothing(args));
    }
    let text = match args.format {
        Format::Pretty => pretty::render(&results),
        Format::Json => json::render(&results),
        Format::Junit => junit::render(&results),
    };
    terminal.out.write_all(text.as_bytes())?;
    Ok(if sound && results.failed() == 0 { Status::Fine } else { Status::Findings })
}

fn nothing(args: &Args) -> Trouble {
    match &args.filter {
        Some(filter) => {
            Trouble::new(format!("no transcript's file and name hold `{filter}`")).help("run without `--filter` to see them all")
        }
        None => Trouble::new("there are no transcripts").help("write one into `tests/`: `waypost new DIR` makes some to look at"),
    }
}

/// Runs them on all cores; the results are in the order of the files.
fn all(runner: &transcript::Runner, jobs: Vec<(String, String, Document)>) -> Result<Vec<Tested>, Trouble> {
    let workers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(jobs.len());
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::with_capacity(jobs.len()));
    let work = || -> std::io::Result<()> {
        let executor = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        while let Some((file, name, document)) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
            let began = Clock::System.now();
            let failures = match &document.script {
                Some(script) => executor.block_on(runner.run(script)),
                None => broken(document),
            };
            let ms = u64::try_from(Clock::System.now().duration_since(began).as_millis()).unwrap_or(0);
            let span = document.script.as_ref().map_or(document.span, |s: &Script| s.span);
            let tested = Tested { name: name.clone(), file: file.clone(), span, failures, ms };
            done.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(tested);
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|w| w.join().unwrap_or_else(|_| Err(std::io::Error::other("a test ended the thread it ran on"))))
    })?;
    let mut done = done.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    done.sort_by_key(|t| t.span);
    Ok(done)
}

/// What is wrong with a transcript that cannot be read.
fn broken(document: &Document) -> Vec<Failure> {
    let diagnostics = document.diagnostics.0.iter();
    diagnostics
        .map(|d| {
            let help = d.help.as_ref().map(|h| format!(": {h}")).unwrap_or_default();
            Failure { span: d.span, message: format!("{}{help} [{}]", d.message, d.code), expected: None, actual: None }
        })
        .collect()
}
