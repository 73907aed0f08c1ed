//! A server of PostgreSQL of the tests' own: started from nothing, durable as in earnest, gone with the process that started it.

#![expect(clippy::disallowed_methods, reason = "the environment says whether this is CI, and where programs are")]

use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// Ends the server and takes its files away when its standard input ends: whoever started it may die as it likes.
const KEEPER: &str = r#"
"$2/postgres" -D "$1/data" -k "$1" -h 127.0.0.1 -p "$3" -c fsync=on -c max_connections=200 -c log_min_messages=fatal \
    -c ssl=on -c ssl_cert_file="$1/server.pem" -c ssl_key_file="$1/server.key" >"$1/log" 2>&1 &
server=$!
while read -r word; do [ "$word" = stop ] && break; done
kill -INT $server
wait $server
[ "$word" = stop ] || rm -rf "$1"
"#;

/// A server.
pub struct Cluster {
    directory: PathBuf,
    binaries: PathBuf,
    port: u16,
    keeper: Option<Child>,
    databases: AtomicU32,
}

/// The server that all tests share; `None` if there is no PostgreSQL here. In CI there must be.
pub fn shared() -> Option<&'static Cluster> {
    static SHARED: OnceLock<Option<Cluster>> = OnceLock::new();
    SHARED.get_or_init(Cluster::start).as_ref()
}

impl Cluster {
    /// A server of one's own.
    pub fn start() -> Option<Self> {
        let Some(binaries) = binaries() else {
            assert!(std::env::var_os("CI").is_none(), "PostgreSQL is not installed: `apt-get install postgresql`");
            eprintln!("skipped: PostgreSQL is not installed");
            return None;
        };
        let directory = tempfile::Builder::new().prefix("waypost-pg-").tempdir().unwrap().keep();
        certify(&directory);
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        own(&directory);
        let shown = directory.to_str().unwrap();
        let init = "\"$2/initdb\" -D \"$1/data\" -U postgres -A trust -E UTF8 --locale=C.UTF-8 --no-instructions";
        let made = as_postgres(init, &[shown, binaries.to_str().unwrap()]).stdout(Stdio::null()).status().unwrap();
        assert!(made.success(), "initdb failed");
        let mut cluster = Self { directory, binaries, port, keeper: None, databases: AtomicU32::new(0) };
        cluster.resume();
        Some(cluster)
    }

    /// Starts it again where it was stopped.
    pub fn resume(&mut self) {
        let (directory, binaries) = (self.directory.to_str().unwrap(), self.binaries.to_str().unwrap());
        let keeper = as_postgres(KEEPER, &[directory, binaries, &self.port.to_string()]).stdin(Stdio::piped()).spawn().unwrap();
        self.keeper = Some(keeper);
        let ready = "until \"$2/pg_isready\" -q -h \"$1\" -p \"$3\"; do [ $((n += 1)) -gt 300 ] && exit 1; sleep 0.05; done";
        let up = as_postgres(ready, &[directory, binaries, &self.port.to_string()]).status().unwrap();
        assert!(up.success(), "the server does not start: {}", fs::read_to_string(self.directory.join("log")).unwrap());
    }

    /// Stops it as a machine would that is shut down; its files stay.
    pub fn stop(&mut self) {
        let mut keeper = self.keeper.take().unwrap();
        keeper.stdin.take().unwrap().write_all(b"stop\n").unwrap();
        keeper.wait().unwrap();
    }

    /// The URL of a new and empty database.
    pub fn database(&self) -> String {
        let name = format!("t{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.sql("postgres", &format!("CREATE DATABASE {name}"));
        self.url(&name)
    }

    /// The URL of a database.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    /// The file of the certificate that its own is signed by.
    pub fn root(&self) -> PathBuf {
        self.directory.join("root.pem")
    }

    /// Runs a statement, and gives what it prints.
    pub fn sql(&self, database: &str, sql: &str) -> String {
        let (directory, port) = (self.directory.to_str().unwrap(), self.port.to_string());
        let mut psql = Command::new(self.binaries.join("psql"));
        psql.args(["-qtA", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-h", directory, "-p", &port, "-d", database, "-c", sql]);
        let output = psql.output().unwrap();
        assert!(output.status.success(), "{sql}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Some(mut keeper) = self.keeper.take() {
            drop(keeper.stdin.take());
            let _ = keeper.wait();
        }
    }
}

fn binaries() -> Option<PathBuf> {
    let debian = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().map(|version| version.path().join("bin"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    debian.chain(std::env::split_paths(&path)).find(|bin| ["initdb", "postgres", "psql"].iter().all(|p| bin.join(p).exists()))
}

/// PostgreSQL refuses to be run by root.
fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    fs::metadata("/proc/self").unwrap().uid() == 0
}

fn as_postgres(script: &str, values: &[&str]) -> Command {
    let mut command = if is_root() { Command::new("runuser") } else { Command::new("sh") };
    if is_root() {
        command.args(["-u", "postgres", "--", "sh"]);
    }
    command.args(["-c", script, "sh"]).args(values).stdin(Stdio::null()).current_dir("/");
    command
}

fn own(directory: &Path) {
    if is_root() {
        let owned = Command::new("chown").args(["-R", "postgres:"]).arg(directory).status().unwrap();
        assert!(owned.success());
    }
}

/// A certificate for the loopback address, and the one that it is signed by.
fn certify(directory: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    let mut root = rcgen::CertificateParams::new(Vec::new()).unwrap();
    root.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let root_key = rcgen::KeyPair::generate().unwrap();
    let issued = root.self_signed(&root_key).unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let names = rcgen::CertificateParams::new(vec!["127.0.0.1".into()]).unwrap();
    let server = names.signed_by(&key, &rcgen::Issuer::new(root, root_key)).unwrap();
    fs::write(directory.join("root.pem"), issued.pem()).unwrap();
    fs::write(directory.join("server.pem"), server.pem()).unwrap();
    fs::write(directory.join("server.key"), key.serialize_pem()).unwrap();
    fs::set_permissions(directory.join("server.key"), fs::Permissions::from_mode(0o600)).unwrap();
}
