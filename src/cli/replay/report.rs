//! What came of recordings, as it is shown: one by one as they are played, then the sums.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::Arc;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value as Json, json};

use super::{Came, Format, counted, status};
use crate::cli::terminal::{BAD, BOLD, CARE, DIM, GOOD, NAME, Terminal};
use crate::cli::{Failure, Outcome};
use crate::transcript::record::{Class, Difference};
use crate::value::display;

/// Steps that are counted apart.
const STEPS: usize = 10_000;
/// Steps and characters of a value that are shown to people.
const SHOWN: usize = 20;
const LONG: usize = 160;

/// Adds up.
pub(super) struct Report {
    format: Format,
    against: bool,
    bar: ProgressBar,
    first: bool,
    all: u64,
    classes: BTreeMap<Class, u64>,
    steps: BTreeMap<Arc<str>, BTreeMap<Class, u64>>,
    partial: u64,
    broken: u64,
    differ: u64,
    not_judged: u64,
}

impl Report {
    pub(super) fn new(format: Format, against: bool, len: Option<u64>) -> Self {
        // Drawn on standard error, and only where that is a terminal.
        let bar = ProgressBar::with_draw_target(len, ProgressDrawTarget::stderr());
        let form = if len.is_some() { "{bar:30} {pos}/{len} recordings {eta}" } else { "{spinner} {pos} recordings" };
        if let Ok(style) = ProgressStyle::with_template(form) {
            bar.set_style(style);
        }
        Self {
            format,
            against,
            bar,
            first: true,
            all: 0,
            classes: BTreeMap::new(),
            steps: BTreeMap::new(),
            partial: 0,
            broken: 0,
            differ: 0,
            not_judged: 0,
        }
    }

    pub(super) fn begin(&mut self, terminal: &mut Terminal) -> Result<(), Failure> {
        if self.format == Format::Json {
            write!(terminal.out, "{{\"recordings\": [")?;
        }
        Ok(())
    }

    pub(super) fn add(&mut self, name: &str, came: Came, terminal: &mut Terminal) -> Result<(), Failure> {
        self.all += 1;
        self.bar.inc(1);
        let (class, differences, not_judged) = match came {
            Came::Partial => {
                self.partial += 1;
                return self.tell(name, "not kept", &[], 0, None, terminal);
            }
            Came::Broken(why) => {
                self.broken += 1;
                return self.tell(name, "cannot be played", &[], 0, Some(&why), terminal);
            }
            Came::Replayed(replayed) => {
                let class = if replayed.difference.is_some() { Class::PathDiffers } else { Class::Same };
                (class, replayed.difference.map(|d| (class, d)).into_iter().collect(), replayed.not_judged)
            }
            Came::Tried(tried) => (tried.class, tried.differences, tried.not_judged),
        };
        self.not_judged += u64::from(not_judged);
        self.differ += u64::from(class != Class::Same);
        *self.classes.entry(class).or_default() += 1;
        for (class, difference) in &differences {
            if self.steps.contains_key(&difference.step) || self.steps.len() < STEPS {
                *self.steps.entry(difference.step.clone()).or_default().entry(*class).or_default() += 1;
            }
        }
        let word = match (self.against, class) {
            (false, Class::Same) => "same",
            (false, _) => "differs",
            (true, class) => class.as_str(),
        };
        self.tell(name, word, &differences, not_judged, None, terminal)
    }

    fn tell(
        &mut self,
        name: &str,
        word: &str,
        differences: &[(Class, Difference)],
        not_judged: u32,
        why: Option<&str>,
        terminal: &mut Terminal,
    ) -> Result<(), Failure> {
        let first = std::mem::replace(&mut self.first, false);
        if self.format == Format::Json {
            let mut shown = json!({"name": name, "class": word.replace(' ', "_")});
            if let Some(map) = shown.as_object_mut() {
                if !differences.is_empty() {
                    map.insert("differences".into(), differences.iter().map(|(class, d)| json_of(*class, d, self.against)).collect());
                }
                if not_judged > 0 {
                    map.insert("not_judged".into(), not_judged.into());
                }
                if let Some(why) = why {
                    map.insert("error".into(), why.into());
                }
            }
            write!(terminal.out, "{}\n  {shown}", if first { "" } else { "," })?;
            return Ok(());
        }
        let look = match (word, why) {
            (_, Some(_)) | ("would fail" | "gate refused" | "differs", _) => BAD,
            ("same", _) => GOOD,
            _ => CARE,
        };
        // Of many that are tried, those that are the same are a number at the end.
        if word == "same" && self.against {
            return Ok(());
        }
        let mut line = format!("{look}{word}{look:#} {NAME}{name}{NAME:#}");
        if let Some(why) = why {
            line.push_str(": ");
            line.push_str(why);
        }
        if not_judged > 0 {
            let _ = write!(line, " {DIM}({} not judged again){DIM:#}", counted(not_judged.into(), "decision", "decisions"));
        }
        for (class, difference) in differences {
            let Difference { turn, step, field, old, new } = difference;
            let kind = if self.against { format!("{}: ", class.as_str()) } else { String::new() };
            let _ = write!(line, "\n  {kind}turn {turn}, at {BOLD}{step}{BOLD:#}, {field}");
            let _ = write!(line, "\n    {DIM}recorded{DIM:#} {}\n    {DIM}now     {DIM:#} {}", shown(old), shown(new));
        }
        let out = &mut terminal.out;
        self.bar.suspend(|| writeln!(out, "{line}"))?;
        Ok(())
    }

    pub(super) fn end(self, terminal: &mut Terminal) -> Outcome {
        self.bar.finish_and_clear();
        if self.format == Format::Json {
            let mut summary = serde_json::Map::new();
            summary.insert("recordings".into(), self.all.into());
            for class in Class::ALL {
                let n = self.classes.get(&class).copied().unwrap_or(0);
                match (self.against, class) {
                    (true, _) | (false, Class::Same) => summary.insert(key(class), n.into()),
                    (false, Class::PathDiffers) => summary.insert("differs".into(), n.into()),
                    (false, _) => None,
                };
            }
            summary.insert("not_kept".into(), self.partial.into());
            summary.insert("cannot_be_played".into(), self.broken.into());
            summary.insert("not_judged".into(), self.not_judged.into());
            let steps: serde_json::Map<String, Json> = self
                .steps
                .iter()
                .map(|(step, classes)| (step.to_string(), classes.iter().map(|(c, n)| (key(*c), Json::from(*n))).collect()))
                .collect();
            writeln!(terminal.out, "\n],\n\"summary\": {},\n\"steps\": {}}}", Json::Object(summary), Json::Object(steps))?;
        } else {
            self.sums(terminal)?;
        }
        if self.broken > 0 || (self.partial > 0 && self.partial == self.all) {
            let n = counted(if self.broken > 0 { self.broken } else { self.partial }, "recording", "recordings");
            return Err(Failure::new(format!("{n} could not be played")));
        }
        Ok(status(self.differ > 0))
    }

    fn sums(&self, terminal: &mut Terminal) -> Result<(), Failure> {
        let out = &mut terminal.out;
        if self.against {
            for class in Class::ALL {
                if let Some(n) = self.classes.get(&class) {
                    writeln!(out, "{n:>8} {}", class.as_str())?;
                }
            }
        }
        let mut told = vec![counted(self.all, "recording", "recordings")];
        let same = self.all.saturating_sub(self.differ + self.partial + self.broken);
        told.push(match self.differ {
            0 if same == self.all => "all the same".into(),
            0 => format!("{same} the same"),
            differ => format!("{differ} not the same"),
        });
        if self.broken > 0 {
            told.push(format!("{} that cannot be played", self.broken));
        }
        if self.partial > 0 {
            told.push(format!("{} of which only the transcript was kept", self.partial));
        }
        if self.not_judged > 0 {
            told.push(format!("{} on hidden values not judged again", counted(self.not_judged, "decision", "decisions")));
        }
        writeln!(out, "{}", told.join(", "))?;
        if self.against && !self.steps.is_empty() {
            let mut steps: Vec<_> = self.steps.iter().collect();
            steps.sort_by_key(|(_, classes)| std::cmp::Reverse(classes.values().sum::<u64>()));
            writeln!(out, "{DIM}by step{DIM:#}")?;
            for (step, classes) in steps.iter().take(SHOWN) {
                let kinds: Vec<String> = classes.iter().map(|(class, n)| format!("{} {n}", class.as_str())).collect();
                writeln!(out, "  {NAME}{step}{NAME:#}  {}", kinds.join(", "))?;
            }
            if steps.len() > SHOWN {
                writeln!(out, "  {DIM}and {} more{DIM:#}", steps.len() - SHOWN)?;
            }
        }
        Ok(())
    }
}

fn key(class: Class) -> String {
    class.as_str().replace(' ', "_")
}

fn json_of(class: Class, difference: &Difference, against: bool) -> Json {
    let mut json = serde_json::to_value(difference).unwrap_or_default();
    if let (Some(map), true) = (json.as_object_mut(), against) {
        map.insert("class".into(), key(class).into());
    }
    json
}

/// A value on one line.
fn shown(json: &Json) -> String {
    let text = if json.is_null() { "nothing".into() } else { display(json).replace('\n', " ") };
    match text.char_indices().nth(LONG) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text,
    }
}
