//! `mutate`: makes one thing in the workspace wrong after another, and says which of them nothing notices.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;

use super::parallel;
use super::progress::Progress;
use super::terminal::{BAD, BOLD, DIM, GOOD, NAME, Terminal};
use super::test::{percent, transcripts_of};
use super::workspace;
use super::{Failure, Outcome, Status};
use crate::transcript::mutate::{Judge, Mutant, Verdict, mutants};
use crate::value::Json;

/// Say what could be wrong in a workspace without anything noticing
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  waypost mutate
  waypost mutate shop --filter refund
  waypost mutate shop --min-score 90 --format json | jq '.mutants[] | select(.status == \"survived\")'

Each mutant is the author's file with one thing made wrong: a confirm dropped, two targets changed over, a guard widened, an error
target removed. The checker or a transcript has to notice it; a survivor is shown as a diff.")]
pub(super) struct Args {
    /// The workspace's directory
    #[arg(default_value = ".")]
    workspace: PathBuf,
    /// Only mutants whose id or words hold this text, as in `journeys/refund.yaml:45 drop-confirm`
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// Fail if less than so many percent of the mutants are noticed
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    min_score: Option<f64>,
    /// Seconds that one transcript may take on a mutant
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    timeout: u64,
    /// Show each mutant and who noticed it, not only the survivors
    #[arg(long)]
    all: bool,
    /// How to show what came of them
    #[arg(long, value_enum, default_value_t = Format::Pretty)]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people
    Pretty,
    /// One JSON object
    Json,
}

pub(super) fn run(args: &Args, terminal: &mut Terminal) -> Outcome {
    let Some(loaded) = workspace::load(&args.workspace, terminal)? else { return Ok(Status::Findings) };
    let files = workspace::read(&args.workspace)?;
    let transcripts = transcripts_of(&args.workspace, &loaded.settings.tests)?;
    let all: Vec<Mutant> = mutants(&files)
        .into_iter()
        .filter(|m| args.filter.as_ref().is_none_or(|f| format!("{} {}", m.id, m.what).contains(&**f)))
        .collect();
    if all.is_empty() {
        return Err(Failure::new("there is nothing to make wrong").help("leave `--filter` out, or write a journey"));
    }
    let executor = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let limit = Duration::from_secs(args.timeout);
    let judge = executor.block_on(Judge::new(files, transcripts, args.workspace.clone(), limit));
    let Some(judge) = judge else { return Ok(Status::Findings) };
    let judge = judge.map_err(|why| {
        Failure::new(format!("a transcript fails on the workspace as it is: {why}")).help("mend it first: `waypost test` says more")
    })?;
    let progress = Progress::new("mutants", all.len(), terminal);
    let verdicts = parallel::each(&all, |executor, mutant| {
        let verdict = executor.block_on(judge.judge(mutant));
        progress.one();
        verdict
    })?;
    progress.done();
    let judged: Vec<(&Mutant, Verdict)> = all.iter().zip(verdicts).collect();
    let score = Score::of(&judged);
    let text = match args.format {
        Format::Pretty => pretty(args, &judge, &judged, &score),
        Format::Json => format!("{:#}\n", object(&judge, &judged, &score)),
    };
    terminal.out.write_all(text.as_bytes())?;
    let enough = args.min_score.is_none_or(|least| score.percent() >= least);
    if !enough {
        writeln!(terminal.err, "{BAD}{} % are noticed{BAD:#}, less than {} %", score.percent(), args.min_score.unwrap_or_default())?;
    }
    Ok(if enough { Status::Fine } else { Status::Findings })
}

/// How many of each verdict.
struct Score {
    counts: BTreeMap<&'static str, usize>,
    total: usize,
}

impl Score {
    fn of(judged: &[(&Mutant, Verdict)]) -> Self {
        let mut counts = BTreeMap::new();
        for (_, verdict) in judged {
            *counts.entry(verdict.as_str()).or_default() += 1;
        }
        Self { counts, total: judged.len() }
    }

    fn count(&self, status: &str) -> usize {
        self.counts.get(status).copied().unwrap_or(0)
    }

    /// Noticed, of those that are not the same; to one place, never rounded up to 100.
    fn percent(&self) -> f64 {
        let judged = self.total - self.count("equivalent");
        let tenths = ((judged - self.count("survived")) * 1_000).checked_div(judged).unwrap_or(1_000);
        f64::from(u32::try_from(tenths).unwrap_or(u32::MAX)) / 10.0
    }
}

fn pretty(args: &Args, judge: &Judge, judged: &[(&Mutant, Verdict)], score: &Score) -> String {
    use std::fmt::Write as _;
    let mut out = String::new();
    for (mutant, verdict) in judged {
        match verdict {
            Verdict::Survived => {
                let _ = writeln!(out, "{BAD}survived{BAD:#} {BOLD}{}{BOLD:#}: {}", mutant.id, mutant.what);
                let original = judge.files().iter().find(|(name, _)| **name == *mutant.file).map_or("", |(_, text)| &**text);
                let diff = mutant.diff(original);
                for (sign, look, lines) in [("-", BAD, &diff.removed), ("+", GOOD, &diff.added)] {
                    for (line, number) in lines.iter().zip(diff.line..) {
                        let _ = writeln!(out, "  {NAME}{number:>4}{NAME:#} {look}{sign} {line}{look:#}");
                    }
                }
                out.push('\n');
            }
            _ if !args.all => {}
            Verdict::Check { code, message } => {
                let _ = writeln!(out, "{GOOD}check{GOOD:#}    {}: {} {DIM}{code}: {message}{DIM:#}", mutant.id, mutant.what);
            }
            Verdict::Test { file, name, message } => {
                let _ = writeln!(out, "{GOOD}test{GOOD:#}     {}: {} {DIM}{file}: {name}: {message}{DIM:#}", mutant.id, mutant.what);
            }
            Verdict::Slow { file, name } => {
                let _ = writeln!(out, "{GOOD}slow{GOOD:#}     {}: {} {DIM}{file}: {name}{DIM:#}", mutant.id, mutant.what);
            }
            Verdict::Same(why) => {
                let _ = writeln!(out, "{DIM}same{DIM:#}     {}: {} {DIM}{why}{DIM:#}", mutant.id, mutant.what);
            }
        }
    }
    let look = if score.count("survived") == 0 { GOOD } else { BAD };
    let _ = writeln!(
        out,
        "{look}{} %{look:#} of {} mutants are noticed: {} by the checker, {} by transcripts, {} because a transcript did not end; {} survived, {} come to the same",
        score.percent(),
        score.total - score.count("equivalent"),
        score.count("check"),
        score.count("test"),
        score.count("slow"),
        score.count("survived"),
        score.count("equivalent")
    );
    out
}

fn object(judge: &Judge, judged: &[(&Mutant, Verdict)], score: &Score) -> Json {
    let one = |(mutant, verdict): &(&Mutant, Verdict)| {
        let by = match verdict {
            Verdict::Check { code, message } => json!({"code": code, "message": message}),
            Verdict::Test { file, name, message } => json!({"file": file, "name": name, "message": message}),
            Verdict::Slow { file, name } => json!({"file": file, "name": name}),
            Verdict::Same(why) => json!({"message": why}),
            Verdict::Survived => Json::Null,
        };
        let original = judge.files().iter().find(|(name, _)| **name == *mutant.file).map_or("", |(_, text)| &**text);
        let diff = mutant.diff(original);
        json!({
            "id": mutant.id, "file": mutant.file, "line": mutant.line, "operator": mutant.operator, "what": mutant.what,
            "status": verdict.as_str(), "by": by, "removed": diff.removed, "added": diff.added,
        })
    };
    let mutants: Vec<Json> = judged.iter().map(one).collect();
    let summary = json!({
        "mutants": score.total, "check": score.count("check"), "test": score.count("test"), "slow": score.count("slow"),
        "survived": score.count("survived"), "equivalent": score.count("equivalent"), "score": score.percent(),
    });
    json!({"mutants": mutants, "summary": summary})
}
