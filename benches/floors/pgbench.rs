//! The floor of durable turns on a server: `pgbench` with the store's own statements, the same rows and the same connections.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The rows of one commit, as a server prints them: bytes in hexadecimal.
pub struct Rows {
    pub count: i64,
    pub packed: String,
    pub text: String,
    pub mac: String,
    pub pinned: Option<String>,
}

const COMMIT: &str = include_str!("../../src/store/postgres/commit.rs");
const READ: &str = include_str!("../../src/store/postgres/read.rs");

/// What stands between two marks of a file of the store's.
fn cut(file: &'static str, from: &str, to: &str) -> &'static str {
    let start = file.find(from).expect("a statement of the store") + from.len();
    let length = file[start..].find(to).expect("its end");
    &file[start..start + length]
}

/// A statement with values in place of its parameters.
fn with(statement: &str, values: &[String]) -> String {
    let mut out = String::new();
    let mut parts = statement.split('$');
    out.push_str(parts.next().unwrap_or(""));
    for part in parts {
        let digits = part.chars().take_while(char::is_ascii_digit).count();
        let number: usize = part[..digits].parse().expect("a parameter");
        out.push_str(&values[number - 1]);
        out.push_str(&part[digits..]);
    }
    out.split_whitespace().collect::<Vec<_>>().join(" ") + ";\n"
}

/// The program, if it is here.
pub fn program() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    versions.map(|v| v.path().join("bin/pgbench")).find(|p| p.exists())
}

/// A script, made of the store's statements for conversations of that name.
pub struct Script {
    name: &'static str,
    text: String,
}

impl Script {
    /// For a conversation whose name is this expression.
    pub fn new(name: &'static str) -> Self {
        Self { name, text: String::new() }
    }

    /// `pgbench`'s own commands.
    pub fn set(mut self, variable: &str, to: &str) -> Self {
        let _ = writeln!(self.text, "\\set {variable} {to}");
        self
    }

    /// Looks whether there is anything newer than the known version.
    pub fn load(mut self) -> Self {
        let statement = cut(READ, "let sql = \"SELECT c.agent", "\";");
        let values = ["'acme'".to_owned(), format!("({})", self.name), ":v".to_owned(), "false".to_owned()];
        self.text.push_str(&with(&format!("SELECT c.agent{statement}"), &values));
        self
    }

    /// Commits these rows, and counts the version on.
    pub fn commit(mut self, rows: &Rows, begins: bool) -> Self {
        let head = if begins { "const BEGINS: &str = \"" } else { "const GOES_ON: &str = \"" };
        let statement = format!("{}{}", cut(COMMIT, head, "\";"), cut(COMMIT, "const ROWS: &str = \"", "\";"));
        let null = || "NULL".to_owned();
        // What follows a colon would be a variable.
        let text = rows.text.replace(':', ";").replace('\'', "''");
        let values = [
            "'acme'".to_owned(),
            format!("({})", self.name),
            ":v".to_owned(),
            format!("(:v + {})", rows.count),
            "(1795000000000000000 + :v)".to_owned(),
            "(1795086400000000000 + :v)".to_owned(),
            "0".to_owned(),
            ":v".to_owned(),
            format!("'{0}.{0}'", rows.mac),
            if begins { "'default'".to_owned() } else { null() },
            if begins { "'user'".to_owned() } else { null() },
            rows.count.to_string(),
            format!("'\\x{}'::bytea", rows.packed),
            null(),
            "false".to_owned(),
            null(),
            null(),
            null(),
            "0".to_owned(),
            "array[:v]".to_owned(),
            "array[1795000000000000000]".to_owned(),
            format!("array['{text}']"),
            format!("array['{}']", rows.mac),
            rows.pinned.as_ref().map_or_else(null, |hash| format!("array['{hash}']")),
        ];
        self.text.push_str(&with(&statement, &values));
        let _ = writeln!(self.text, "\\set v :v + {}", rows.count);
        self
    }

    /// Writes it to a file.
    pub fn save(self, path: &Path) -> PathBuf {
        std::fs::write(path, self.text).expect("a file");
        path.to_owned()
    }
}

/// Runs a script so many times at each of so many connections, with `v` to begin with; gives the seconds that it took without connecting.
pub fn run(program: &Path, url: &str, script: &Path, connections: usize, times: usize, v: i64) -> f64 {
    let mut command = Command::new(program);
    command.args(["-n", "-M", "prepared", "-j", "2", "-c"]).arg(connections.to_string()).arg("-t").arg(times.to_string());
    let output = command.arg("-D").arg(format!("v={v}")).arg("-f").arg(script).arg(url).output().expect("pgbench");
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let rate = printed.lines().find_map(|l| l.strip_prefix("tps = ")).and_then(|l| l.split(' ').next()).and_then(|n| n.parse::<f64>().ok());
    let problems = String::from_utf8_lossy(&output.stderr);
    let rate = rate.filter(|_| output.status.success()).unwrap_or_else(|| panic!("pgbench: {printed}\n{problems}"));
    #[expect(clippy::cast_precision_loss, reason = "some thousands")]
    let all = (connections * times) as f64;
    all / rate
}
