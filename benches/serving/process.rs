//! Servers in processes of their own: started, measured from outside, ended.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::talk;

/// A server, killed when it is dropped.
pub struct Program {
    child: Child,
    pub at: SocketAddr,
}

impl Program {
    /// Starts it, and waits until it says where it listens.
    #[expect(clippy::disallowed_methods, reason = "a thread reads what it says")]
    fn start(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("a process");
        let mut lines = BufReader::new(child.stderr.take().expect("its errors")).lines().map_while(Result::ok);
        let mut said = Vec::new();
        let at = lines.by_ref().find_map(|line| {
            let at = line.split_once("listening on http://").and_then(|(_, at)| at.split_whitespace().next()?.parse().ok());
            said.push(line);
            at
        });
        let at = at.unwrap_or_else(|| panic!("it does not listen: {said:#?}"));
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, at }
    }

    /// Ours, over a workspace and a store.
    pub fn waypost(workspace: &Path, store: &str, service: &str) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_waypost"));
        command.arg("serve").arg(workspace).args(["--listen", "127.0.0.1:0", "--store", store]);
        Self::start(command.env("SHOP_URL", service))
    }

    /// This program itself, as a floor.
    pub fn floor(args: &[&str]) -> Self {
        Self::start(Command::new(std::env::current_exe().expect("this program")).arg("floor").args(args))
    }

    /// Somebody else's, by a command of the shell that serves there, once it does.
    #[expect(clippy::disallowed_methods, reason = "it looks again and again")]
    pub fn shell(command: &str, port: u16, service: &str) -> Self {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("exec {command}")]).env("STUB_URL", service).stdin(Stdio::null());
        let mut child = shell.stdout(Stdio::null()).stderr(Stdio::inherit()).spawn().expect("a process");
        let at = SocketAddr::from(([127, 0, 0, 1], port));
        while std::net::TcpStream::connect(at).is_err() {
            assert!(child.try_wait().expect("its status").is_none(), "`{command}` ended");
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        Self { child, at }
    }

    /// Seconds of CPU that it has used.
    pub fn cpu(&self) -> f64 {
        let text = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).expect("its times");
        let fields: Vec<&str> = text.rsplit_once(')').expect("a name").1.split_whitespace().collect();
        let ticks = |n: usize| fields[n].parse::<f64>().expect("a number");
        (ticks(11) + ticks(12)) / 100.0
    }

    /// Bytes of it that are resident.
    pub fn resident(&self) -> f64 {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("its status");
        let line = text.lines().find_map(|l| l.strip_prefix("VmRSS:")).and_then(|l| l.split_whitespace().next());
        line.and_then(|n| n.parse::<f64>().ok()).expect("a number") * 1024.0
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Writes the workspace into a directory.
pub fn workspace(directory: &Path) {
    for (name, text) in talk::WORKSPACE {
        let path = directory.join(name);
        std::fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
        std::fs::write(path, text).expect("a file");
    }
}
