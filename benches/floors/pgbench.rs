//! The floor of durable turns on a server: `pgbench` with one statement for each commit and the store's own for what it reads, the same rows
//! and the same connections.

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

/// The conversation's own row: set, if it has the expected version and its message id is free.
const GOES_ON: &str = "
WITH head AS (
    UPDATE waypost.conversations c SET version = $4::bigint, updated = $5::bigint, wake_at = $6::bigint, life = greatest(c.life, $7::bigint),
        audit_seq = coalesce($8::bigint, c.audit_seq), audit_mac = coalesce($9::text, c.audit_mac)
    WHERE c.tenant = $1::text AND c.id = $2::text AND c.version = $3::bigint AND c.life < 2 AND $10::text IS NULL AND $11::text IS NULL
        AND NOT ($15::boolean AND EXISTS (SELECT 1 FROM waypost.messages m WHERE m.conversation = c.row AND m.id = $16::bytea AND m.at > $19::bigint))
    RETURNING row
)";
/// The same for one that begins.
const BEGINS: &str = "
WITH head AS (
    INSERT INTO waypost.conversations (tenant, id, version, updated, wake_at, life, audit_seq, audit_mac, agent, user_id)
    SELECT $1::text, $2::text, $4::bigint, $5::bigint, $6::bigint, $7::bigint, coalesce($8::bigint, 0), coalesce($9::text, ''), $10::text, $11::text WHERE $3::bigint = 0
    ON CONFLICT (tenant, id) DO NOTHING
    RETURNING row
)";
/// Everything else, if there is such a row.
const ROWS: &str = ",
events AS (
    INSERT INTO waypost.events SELECT row, $4::bigint, $12::bigint, $13 FROM head WHERE $13::bytea IS NOT NULL
),
snapshots AS (
    INSERT INTO waypost.snapshots SELECT row, $4, $14 FROM head WHERE $14::bytea IS NOT NULL
    ON CONFLICT (conversation) DO UPDATE SET version = excluded.version, packed = excluded.packed
),
messages AS (
    INSERT INTO waypost.messages AS m SELECT row, $16::bytea, $5::bigint, $17::text, $18::bytea FROM head WHERE $15::boolean
    ON CONFLICT (conversation, id) DO UPDATE SET at = excluded.at, digest = excluded.digest, answer = excluded.answer
),
late AS (
    UPDATE waypost.messages m SET digest = $17, answer = $18 FROM head WHERE m.conversation = head.row AND m.id = $16 AND NOT $15
),
outdated AS (
    DELETE FROM waypost.messages m USING head WHERE m.conversation = head.row AND $15 AND m.at <= $19::bigint AND m.id <> $16
),
audited AS (
    INSERT INTO waypost.audit (conversation, seq, at, text, mac)
    SELECT head.row, a.* FROM head, unnest($20::bigint[], $21::bigint[], $22::text[], $23::text[]) a
),
unpinned AS (
    DELETE FROM waypost.pins p USING head WHERE p.conversation = head.row AND p.hash <> ALL ($24::text[])
),
pinned AS (
    INSERT INTO waypost.pins SELECT head.row, hash FROM head, unnest($24::text[]) hash ON CONFLICT DO NOTHING
)
SELECT row FROM head";
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
        let statement = format!("{}{ROWS}", if begins { BEGINS } else { GOES_ON });
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
