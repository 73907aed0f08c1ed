//! `test`: runs transcripts and shows what came of them.

mod coverage;
mod find;
mod json;
mod junit;
mod page;
mod pretty;
mod update;

use std::io::Write;
use std::path::{Path, PathBuf};

use super::parallel;
use super::terminal::{BAD, Terminal};
use super::workspace;
use super::{Failure as Trouble, Outcome, Status};
use crate::check::Loaded;
use crate::driver::Clock;
use crate::source::{SourceMap, Span};
use crate::transcript::cover::{Coverage, Covered};
use crate::transcript::{self, Document, Failure, Options, Script};

/// Run transcripts
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  waypost test
  waypost test shop --filter refund
  waypost test shop/tests/cancel-order.yaml
  waypost test --format junit > report.xml
  waypost test --coverage --min-coverage 90
  waypost test --coverage-html coverage.html
  waypost test --update                              after a change of words

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
    /// Show what of each journey the transcripts come to, and what they do not
    #[arg(long)]
    coverage: bool,
    /// Write it as a page of the journeys' graphs: a file that ends in `.html`, or a directory
    #[arg(long, value_name = "PATH")]
    coverage_html: Option<PathBuf>,
    /// Fail if less than so many percent are covered
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    min_coverage: Option<f64>,
    /// Write what was seen in place of expectations that are not met; of a transcript in which a gate or a call is another, nothing
    #[arg(long)]
    update: bool,
    /// With `--update`: also where a gate or a call is another
    #[arg(long, requires = "update")]
    accept_gates: bool,
}

/// A number from 0 to 100.
pub(super) fn percent(written: &str) -> Result<f64, String> {
    let number = written.trim_end_matches('%').trim().parse::<f64>().ok().filter(|n| (0.0..=100.0).contains(n));
    number.ok_or_else(|| "write a number from 0 to 100".to_owned())
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
    /// Where it is.
    path: PathBuf,
    /// Where its file is among the sources.
    span: Span,
    failures: Vec<Failure>,
    ms: u64,
}

/// What came of all of them.
struct Results {
    tests: Vec<Tested>,
    sources: SourceMap,
    coverage: Coverage,
    /// The same, workspace by workspace.
    drawn: Vec<(Loaded, Coverage)>,
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
    let (mut results, mut sound) = tested(args, terminal)?;
    if args.update && update::apply(args, &results, terminal)? {
        (results, sound) = tested(args, terminal)?;
    }
    let text = match args.format {
        Format::Pretty => pretty::render(&results),
        Format::Json => json::render(&results),
        Format::Junit => junit::render(&results),
    };
    terminal.out.write_all(text.as_bytes())?;
    if args.coverage && matches!(args.format, Format::Pretty) {
        terminal.out.write_all(coverage::render(&results.coverage).as_bytes())?;
    }
    if let Some(path) = &args.coverage_html {
        let file = page::write(path, &results.drawn)?;
        writeln!(terminal.err, "the coverage is drawn in {}", file.display())?;
    }
    let percent = results.coverage.total().percent();
    let enough = args.min_coverage.is_none_or(|least| percent >= least);
    if !enough {
        writeln!(terminal.err, "{BAD}{percent} % are covered{BAD:#}, less than {} %", args.min_coverage.unwrap_or_default())?;
    }
    Ok(if sound && enough && results.failed() == 0 { Status::Fine } else { Status::Findings })
}

/// Runs what the arguments mean; says what is wrong with the workspaces, and whether they are sound.
fn tested(args: &Args, terminal: &mut Terminal) -> Result<(Results, bool), Trouble> {
    let suites = find::suites(&args.paths)?;
    let coverage = Coverage { journeys: Vec::new() };
    let mut results = Results { tests: Vec::new(), sources: SourceMap::default(), coverage, drawn: Vec::new() };
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
        let runner = transcript::Runner::new(loaded.clone(), options);
        let (tests, covered) = all(&runner, jobs, &suite.workspace)?;
        results.tests.extend(tests);
        let of_suite = Coverage::of(&loaded, &covered);
        results.coverage.journeys.extend(of_suite.journeys.iter().cloned());
        results.drawn.push((loaded, of_suite));
    }
    if results.tests.is_empty() && sound {
        return Err(nothing(args));
    }
    Ok((results, sound))
}

/// All transcripts of a workspace: what to call their files, and their texts.
pub(super) fn transcripts_of(workspace: &Path, tests: &str) -> Result<Vec<(String, std::sync::Arc<str>)>, Trouble> {
    let suite = find::suites(std::slice::from_ref(&workspace.to_path_buf()))?.into_iter().find(|s| s.workspace == workspace);
    suite.map_or_else(|| Ok(Vec::new()), |suite| find::transcripts(&suite, tests))
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
fn all(runner: &transcript::Runner, jobs: Vec<(String, String, Document)>, root: &Path) -> Result<(Vec<Tested>, Covered), Trouble> {
    let mut covered = Covered::default();
    let mut done = Vec::with_capacity(jobs.len());
    for (tested, of_test) in parallel::each(&jobs, |executor, (file, name, document)| {
        let began = Clock::System.now();
        let (failures, covered) = match &document.script {
            Some(script) => {
                let watched = executor.block_on(runner.watched(script));
                (watched.failures, watched.covered)
            }
            None => (broken(document), Covered::default()),
        };
        let ms = u64::try_from(Clock::System.now().duration_since(began).as_millis()).unwrap_or(0);
        let span = document.script.as_ref().map_or(document.span, |s: &Script| s.span);
        (Tested { name: name.clone(), file: file.clone(), path: root.join(file), span, failures, ms }, covered)
    })? {
        covered.add(&of_test);
        done.push(tested);
    }
    done.sort_by_key(|t| t.span);
    Ok((done, covered))
}

/// What is wrong with a transcript that cannot be read.
fn broken(document: &Document) -> Vec<Failure> {
    let diagnostics = document.diagnostics.0.iter();
    diagnostics
        .map(|d| {
            let help = d.help.as_ref().map(|h| format!(": {h}")).unwrap_or_default();
            Failure { span: d.span, message: format!("{}{help} [{}]", d.message, d.code), expected: None, actual: None, fix: None }
        })
        .collect()
}
