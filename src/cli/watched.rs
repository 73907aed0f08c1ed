//! Notices that files of a workspace have changed, for `check --watch` and `serve`.
//!
//! The system tells of changes at once, but only of what it was asked to watch: not of a directory that a link has come to lead to, nor
//! of one that was moved into another's place (as deployments swap versions, and Kubernetes its volumes). So the files are looked over
//! now and then as well.

use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use jiff::Timestamp;
use notify::{RecommendedWatcher, RecursiveMode, Watcher};

use crate::driver::{Clock, files};

/// How long the files must be left alone before their change is told.
const QUIET: Duration = Duration::from_millis(150);
/// How often they are looked over at most.
const LOOK: Duration = Duration::from_secs(1);
/// Looking them over takes at most one in so many of the time.
const SHARE: u32 = 50;

/// How the files of a workspace stand: `None` if nobody can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stand(Option<u64>);

impl Stand {
    /// Now.
    pub(super) fn of(root: &Path) -> Self {
        Self(files::stand(root).ok())
    }
}

/// Tells of each time that files of the workspace have changed since they stood so, and were left alone since; for ever.
pub(super) fn changes(root: &Path, since: Stand) -> tokio::sync::mpsc::Receiver<()> {
    let (told, receiver) = tokio::sync::mpsc::channel(1);
    let (sender, events) = mpsc::channel();
    let tell: mpsc::Sender<()> = sender.clone();
    let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        if event.is_ok_and(|e| !e.kind.is_access() && e.paths.iter().any(|p| matters(p))) {
            // The other end is only gone when the program ends.
            let _ = tell.send(());
        }
    });
    let watcher = watcher.inspect_err(|error| tracing::warn!(%error, "changes of the workspace are only seen by looking")).ok();
    let mut watching = Watching { root: root.to_owned(), watcher, events, _sender: sender, stand: since };
    #[expect(clippy::disallowed_methods, reason = "the program's own thread: waits for changes of files")]
    std::thread::spawn(move || {
        watching.begin();
        loop {
            watching.change();
            if told.blocking_send(()).is_err() {
                return;
            }
        }
    });
    receiver
}

struct Watching {
    root: PathBuf,
    watcher: Option<RecommendedWatcher>,
    events: mpsc::Receiver<()>,
    // There may be no watcher, and what it would tell is waited for all the same.
    _sender: mpsc::Sender<()>,
    stand: Stand,
}

impl Watching {
    /// Asks the system to tell of what is there now.
    fn begin(&mut self) {
        if let Some(watcher) = &mut self.watcher {
            // What was watched may be gone, or elsewhere.
            let _ = watcher.unwatch(&self.root);
            if let Err(error) = watcher.watch(&self.root, RecursiveMode::Recursive) {
                tracing::debug!(%error, "changes of the workspace are only seen by looking");
            }
        }
    }

    /// Waits until something has changed, and is left alone.
    fn change(&mut self) {
        let mut took = Duration::ZERO;
        loop {
            let seen = self.event(LOOK.max(took * SHARE));
            let began = Clock::System.now();
            let stand = Stand::of(&self.root);
            took = Clock::System.now().duration_since(began).unsigned_abs();
            if stand == self.stand && !seen {
                continue;
            }
            self.stand = stand;
            if !seen {
                self.begin();
            }
            loop {
                self.pause();
                let now = Stand::of(&self.root);
                if now == self.stand {
                    return;
                }
                self.stand = now;
            }
        }
    }

    /// Lets them be for a while, whatever is told meanwhile: it may be of a file that never rests, and is none of theirs.
    fn pause(&self) {
        let until = Clock::System.now().saturating_add(QUIET).unwrap_or(Timestamp::MAX);
        while let Ok(left) = Duration::try_from(until.duration_since(Clock::System.now())) {
            if left.is_zero() {
                break;
            }
            self.event(left);
        }
    }

    /// Whether the system tells of a change within that time.
    fn event(&self, within: Duration) -> bool {
        self.events.recv_timeout(within).is_ok()
    }
}

/// Whether a change of that file can change what is found.
fn matters(path: &Path) -> bool {
    let hidden = path.file_name().is_some_and(|n| n.to_string_lossy().starts_with('.'));
    !hidden && path.extension().is_none_or(|e| ["yaml", "yml", "json", "cedar"].iter().any(|known| e.eq_ignore_ascii_case(known)))
}
