//! The walk itself: what is known of a run at each step, and what people may do to it while it waits. It knows nothing of the checker.

use std::collections::{BTreeMap, BTreeSet};

use super::{APPLE, BERRY, CODE, FALLBACK, Flat, PLUM, Stmt, TOKEN, Way, asks};

/// A yes: which confirm's, what was assigned since, at which steps it was used.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Yes {
    confirm: usize,
    assigned: u8,
    used: u32,
}

/// What is known of a run.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
struct Run {
    set: u8,
    /// Which collect asked last for which fields, in order, and for each what steps assigned since.
    asked: Vec<(u8, usize)>,
    since: [u8; 3],
    yeses: Vec<Yes>,
    /// The confirms that were ever said yes to, and those of them that no correction lies behind.
    said: u32,
    forward: u32,
    known: bool,
    /// Whether what plum was computed from was assigned since, and whether that was hidden.
    old: bool,
    hidden: bool,
    /// Whether anything was corrected.
    corrected: bool,
}

impl Run {
    fn has(&self, v: usize) -> bool {
        self.set >> v & 1 == 1
    }

    fn assign(&mut self, v: usize, from: Option<usize>) {
        self.set |= 1 << v;
        self.touch(v, from);
    }

    /// By a step, which a correction takes back.
    fn keep(&mut self, v: usize) {
        self.assign(v, None);
        self.since.iter_mut().for_each(|since| *since |= 1 << v);
    }

    fn touch(&mut self, v: usize, from: Option<usize>) {
        self.yeses.iter_mut().for_each(|y| y.assigned |= 1 << v);
        self.old |= from == Some(v) && self.has(PLUM);
    }

    fn unset(&mut self, v: usize, from: Option<usize>) {
        if self.has(v) {
            self.set &= !(1 << v);
            self.touch(v, from);
            self.old &= v != PLUM;
        }
    }

    fn compute(&mut self, from: Option<usize>) {
        self.keep(PLUM);
        self.old = false;
        self.hidden = from == Some(CODE);
    }

    fn ask(&mut self, fields: u8, at: usize) {
        self.asked.iter_mut().for_each(|(asked, _)| *asked &= !fields);
        self.asked.retain(|(asked, _)| *asked != 0);
        self.asked.push((fields, at));
        (0..3).filter(|v| fields >> v & 1 == 1).for_each(|v| self.since[v] = 0);
    }

    fn hides(&self, v: usize) -> bool {
        self.has(v) && (v == CODE || v == TOKEN || v == PLUM && self.hidden)
    }

    /// What people may do while the run waits at a place.
    fn meanwhile(&self, at: usize, fields: u8, from: Option<usize>) -> Vec<(usize, Self)> {
        let mut found = Vec::new();
        for v in (0..3).filter(|v| fields >> v & 1 == 1) {
            let asked = self.asked.iter().position(|(asked, _)| asked >> v & 1 == 1).filter(|_| self.has(v));
            let mut then = self.clone();
            then.assign(v, from);
            match asked {
                None => found.push((at, then)),
                Some(i) => {
                    let since = self.since[v];
                    (PLUM..=TOKEN).filter(|kept| since >> kept & 1 == 1).for_each(|kept| then.unset(kept, from));
                    then.asked.truncate(i + 1);
                    (then.corrected, then.forward) = (true, 0);
                    found.push((self.asked[i].1, then));
                }
            }
        }
        found
    }
}

/// What the walk finds, which goes on behind it, so that one mistake does not hide another: by code, the steps where it happens.
pub type Found = BTreeMap<&'static str, BTreeSet<usize>>;

pub struct Walk<'a> {
    pub flat: &'a Flat,
    /// What plum is computed from, and which fields are asked for somewhere.
    pub from: Option<usize>,
    pub fields: u8,
    /// What the fallback tells.
    pub tells: Option<usize>,
    pub found: Found,
    /// The confirms whose yes each action was sent on.
    pub sent: BTreeSet<(usize, usize)>,
    /// By step: the confirms that were said yes to before it on some way, and on some way that goes only forward.
    pub before: BTreeMap<usize, (u32, u32)>,
    /// The steps at which no confirm before shows what is sent: what it is counts as shown there.
    pub unshown: BTreeSet<usize>,
    /// Whether a collect can be left on every way that is written, whatever has a value already: so far the checker does not look.
    pub loose: bool,
}

impl Walk<'_> {
    pub fn note(&mut self, code: &'static str, at: usize) {
        self.found.entry(code).or_default().insert(at);
    }

    /// Whether a confirm shows what an action at that step sends, and is for it.
    pub fn shows(&self, confirm: usize, x: usize) -> bool {
        let Stmt::Confirm(shown, ..) = &self.flat.steps[confirm].0 else { return false };
        let is_shown = |v: usize| shown >> v & 1 == 1;
        is_shown(x) || x == PLUM && self.from.is_none_or(is_shown)
    }

    pub fn is_for(&self, confirm: usize, action: usize) -> bool {
        matches!(&self.flat.steps[confirm].0, Stmt::Confirm(_, only, ..) if !only || action == 0)
    }

    fn covers(&self, at: usize, confirm: usize, action: usize, x: usize) -> bool {
        self.is_for(confirm, action) && (self.unshown.contains(&at) || self.shows(confirm, x))
    }

    /// The journey goes to its fallback.
    fn falls(&mut self, run: &Run) {
        if self.tells.is_some_and(|v| run.hides(v)) {
            self.note("WP0601", FALLBACK);
        }
    }

    /// The yeses that an action may be sent on.
    fn live(&self, run: &Run, at: usize, action: usize, x: usize) -> Vec<usize> {
        let counts = |y: &&Yes| {
            let Stmt::Confirm(shown, ..) = &self.flat.steps[y.confirm].0 else { return false };
            let sent = if self.unshown.contains(&at) { 0 } else { 1 << x };
            self.covers(at, y.confirm, action, x) && y.assigned & (shown | sent) == 0 && y.used >> at & 1 == 0
        };
        run.yeses.iter().filter(counts).map(|y| y.confirm).collect()
    }

    pub fn all(&mut self) -> bool {
        // Whoever starts it may give a field, too.
        let given = (0..3).filter(|v| self.fields >> v & 1 == 1).map(|v| (0, Run { set: 1 << v, ..Run::default() }));
        let (mut seen, mut open) = (BTreeSet::new(), given.chain([(0, Run::default())]).collect::<Vec<_>>());
        while let Some((at, run)) = open.pop() {
            if at >= self.flat.steps.len() || !seen.insert((at, run.clone())) {
                continue;
            }
            if seen.len() > 12_000 {
                return false;
            }
            self.step(at, run, &mut open);
        }
        true
    }

    fn step(&mut self, at: usize, mut run: Run, open: &mut Vec<(usize, Run)>) {
        let flat = self.flat;
        let (stmt, ways) = &flat.steps[at];
        match stmt {
            Stmt::Collect(v, spent) => {
                run.ask(1 << v, at);
                if self.loose {
                    open.extend(ways.iter().filter(|(way, _)| *way == Way::Spent).map(|(_, to)| (*to, run.clone())));
                    self.falls(&run);
                }
                if !run.has(*v) {
                    open.extend(run.meanwhile(at, self.fields & !(1 << v), self.from));
                    match (spent, ways.iter().find(|(way, _)| *way == Way::Spent)) {
                        (Some(_), Some((_, to))) => open.push((*to, run.clone())),
                        _ => self.falls(&run),
                    }
                    run.assign(*v, self.from);
                }
            }
            Stmt::AnyOf(..) => {
                let both = 1 << APPLE | 1 << BERRY;
                if self.loose {
                    open.extend(ways.iter().map(|(_, to)| (*to, run.clone())));
                    self.falls(&run);
                }
                if run.set & both == 0 {
                    run.ask(both, at);
                    self.falls(&run);
                    open.extend(run.meanwhile(at, self.fields & !both, self.from));
                    let mut second = run.clone();
                    second.assign(BERRY, self.from);
                    open.extend(ways.iter().filter(|(way, _)| *way == Way::Second).map(|(_, to)| (*to, second.clone())));
                    run.assign(APPLE, self.from);
                } else {
                    run.ask(run.set & both, at);
                }
            }
            Stmt::Set => run.compute(self.from),
            Stmt::Choice(_) => {
                self.falls(&run);
                open.extend(run.meanwhile(at, self.fields, self.from));
            }
            Stmt::Run(_) => open.extend(run.meanwhile(at, self.fields, self.from)),
            Stmt::Fetch => {
                self.falls(&run);
                run.keep(TOKEN);
            }
            Stmt::Probe(..) if run.has(TOKEN) => self.note("WP0603", at),
            Stmt::Confirm(shown, ..) => {
                if (0..4).any(|v| shown >> v & 1 == 1 && run.hides(v)) {
                    self.note("WP0601", at);
                }
                run.yeses.retain(|y| y.confirm != at);
                open.extend(run.meanwhile(at, self.fields, self.from));
            }
            Stmt::Say(v) if run.hides(*v) => self.note("WP0601", at),
            Stmt::Tell(x) => {
                if run.hides(*x) {
                    self.note("WP0602", at);
                }
                if *x == PLUM && run.old {
                    self.note("WP0506", at);
                }
                self.falls(&run);
            }
            Stmt::Act(action, x, error) => {
                if !matches!(error, Some((false, _))) {
                    self.falls(&run);
                }
                let before = self.before.entry(at).or_default();
                *before = (before.0 | run.said, before.1 | run.forward);
                let live = self.live(&run, at, *action, *x);
                let sent: Vec<_> = live.iter().filter(|c| self.shows(**c, *x)).map(|c| (*c, *action)).collect();
                self.sent.extend(sent);
                if *x == PLUM && run.old {
                    self.note("WP0506", at);
                }
                if live.is_empty() {
                    let asked = (0..flat.steps.len()).any(|c| run.said >> c & 1 == 1 && self.covers(at, c, *action, *x));
                    self.note(if asked { "WP0502" } else { "WP0501" }, at);
                }
                run.yeses.iter_mut().for_each(|y| y.used |= 1 << at);
            }
            Stmt::Open => {
                if !run.known {
                    self.note("WP0503", at);
                }
                self.falls(&run);
            }
            Stmt::Verify(anybody, _) => {
                if *anybody {
                    self.note("WP0509", at);
                }
                self.falls(&run);
            }
            _ => {}
        }
        for (way, to) in ways {
            let mut then = run.clone();
            match way {
                Way::Yes => {
                    then.yeses.push(Yes { confirm: at, assigned: 0, used: 0 });
                    then.yeses.sort();
                    then.said |= 1 << at;
                    then.forward |= if then.corrected { 0 } else { 1 << at };
                }
                Way::No | Way::Declined | Way::Pause => then.yeses.clear(),
                // These were gone above.
                Way::Spent => continue,
                Way::First if !then.has(APPLE) => continue,
                Way::Second if then.has(APPLE) || !then.has(BERRY) => continue,
                Way::Verified => then.known = true,
                Way::Goto => {
                    let fields = asks(&flat.steps[*to].0);
                    (0..3).filter(|v| fields >> v & 1 == 1).for_each(|v| then.unset(v, self.from));
                    if let Some(i) = then.asked.iter().position(|(_, at)| fields != 0 && at == to) {
                        then.asked.truncate(i + 1);
                    }
                }
                Way::Change => {
                    // What is changed on the way is as if it were corrected, but for where the run goes then.
                    open.extend(run.meanwhile(at, self.fields, self.from).into_iter().map(|(_, then)| (*to, then)));
                }
                Way::Plain | Way::Error | Way::First | Way::Second => {}
            }
            open.push((*to, then));
        }
    }
}
