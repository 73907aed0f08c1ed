//! The program as a server, in a process of its own, over the shipped workspace and the demo's back end.

#![expect(clippy::disallowed_methods, reason = "a thread reads what the process logs")]

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use waypost::cli::demo::backend::Backend;

/// How long a process may take to listen, or to end.
const PATIENCE: Duration = Duration::from_secs(30);

/// A server, killed when it is dropped.
pub struct Serving {
    child: Child,
    log: Receiver<String>,
    /// What it has logged and was read.
    pub logged: Vec<String>,
    /// Where it listens.
    pub url: String,
    _workspace: tempfile::TempDir,
}

impl Serving {
    /// Serves the shipped workspace, with something added to its settings.
    pub fn start(backend: &Backend, settings: &str, args: &[&str], env: &[(&str, &str)]) -> Self {
        let workspace = tempfile::tempdir().unwrap();
        for (name, text) in waypost::driver::files::read_dir(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap() {
            let path = workspace.path().join(&name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            let more = if name == "waypost.yaml" { settings } else { "" };
            std::fs::write(path, format!("{text}\n{more}")).unwrap();
        }
        let mut command = Command::new(env!("CARGO_BIN_EXE_waypost"));
        command.arg("serve").arg(workspace.path()).args(["--listen", "127.0.0.1:0", "--store", "memory"]).args(args);
        command.env("SHOP_URL", backend.url()).envs(env.iter().copied()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap());
        let (sender, log) = channel();
        std::thread::spawn(move || lines.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let mut serving = Self { child, log, logged: Vec::new(), url: String::new(), _workspace: workspace };
        let listens = serving.line(|line| line.contains("listening on http://"));
        let url = listens.split_once("listening on ").unwrap().1.split_whitespace().next().unwrap();
        url.trim_end_matches(|c: char| !c.is_ascii_digit()).clone_into(&mut serving.url);
        serving
    }

    /// The next line of its log of that kind.
    pub fn line(&mut self, wanted: impl Fn(&str) -> bool) -> String {
        loop {
            let line = self.log.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("it logged no such line: {:#?}", self.logged));
            self.logged.push(line.clone());
            if wanted(&line) {
                return line;
            }
        }
    }

    /// Asks it to stop, and waits until it has.
    pub fn stop(mut self) -> Vec<String> {
        let stopped = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(stopped.success());
        while let Ok(line) = self.log.recv_timeout(PATIENCE) {
            self.logged.push(line);
        }
        assert!(self.child.wait().unwrap().success());
        std::mem::take(&mut self.logged)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
