//! What stores do when what they stand on fails: a clear error, nothing lost, and on they go when it is back.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rusqlite::Connection;
use waypost::engine::{Claim, HoldChange};
use waypost::store::{AuditHead, Commit, Committed, Owner, PostgresStore, Seals, SqliteStore, Store, StoreError};
use waypost::value::Name;

use super::cluster::{self, Cluster};
use super::{at, commit, done, event, hash, hold, key, message, refused, reply, row, version};

fn file(name: &str) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(name);
    (directory, path)
}

fn open(path: &Path) -> Result<SqliteStore, StoreError> {
    SqliteStore::open_waiting(path, Seals::default(), Duration::from_millis(50))
}

/// A file system in memory, of a size.
pub struct Disk(tempfile::TempDir);

impl Disk {
    /// `None` where one may not mount anything; in CI one may.
    pub fn of(size: &str) -> Option<Self> {
        let disk = Self(tempfile::tempdir().unwrap());
        if disk.mount(&format!("size={size}"), false) {
            return Some(disk);
        }
        #[expect(clippy::disallowed_methods, reason = "the environment says whether this is CI")]
        let ci = std::env::var_os("CI").is_some();
        assert!(!ci, "a file system cannot be mounted");
        eprintln!("skipped: a file system cannot be mounted");
        None
    }

    fn mount(&self, options: &str, again: bool) -> bool {
        let options = if again { format!("remount,{options}") } else { options.to_owned() };
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(self.0.path());
        mount.output().is_ok_and(|o| o.status.success())
    }

    /// Where it is.
    pub fn root(&self) -> &Path {
        self.0.path()
    }

    fn path(&self) -> PathBuf {
        self.root().join("store.db")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).output();
    }
}

fn large(id: &str, version: u64) -> Commit {
    // Nothing that can be packed.
    let mut n = version + 1;
    let text: String = (0..20_000)
        .map(|_| {
            n = n.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            char::from(b'!' + u8::try_from((n >> 40) % 90).unwrap())
        })
        .collect();
    commit(id, version, &[&text])
}

#[tokio::test]
async fn a_full_disk_is_said_and_nothing_is_lost() {
    let Some(disk) = Disk::of("1m") else { return };
    let store = open(&disk.path()).unwrap();
    let mut version = 0;
    let error = loop {
        assert!(version < 1_000, "the disk is never full");
        match store.commit(large("c", version)).await {
            Ok(Committed::Done { version: done, .. }) => version = done,
            other => break other.unwrap_err(),
        }
    };
    assert_eq!(error.to_string(), "the store cannot be written to: its disk is full");
    assert!(version > 5);
    assert_eq!(store.load(&key("c"), 0).await.unwrap().unwrap().version, version);
    assert!(disk.mount("size=8m", true));
    assert_eq!(done(&store, large("c", version)).await, version + 1);
    drop(store);
    let again = open(&disk.path()).unwrap();
    assert_eq!(again.load(&key("c"), 0).await.unwrap().unwrap().events.len() as u64, version + 1);
}

#[tokio::test]
async fn a_disk_that_may_only_be_read_is_said() {
    let Some(disk) = Disk::of("8m") else { return };
    let store = open(&disk.path()).unwrap();
    done(&store, commit("c", 0, &["a"])).await;
    drop(store);
    assert!(disk.mount("ro", true));
    let error = open(&disk.path()).unwrap_err().to_string();
    assert!(
        error.starts_with("the store cannot be written to: `") && error.ends_with("store.db` and its directory may only be read"),
        "{error}"
    );
    let error = open(&disk.0.path().join("other.db")).unwrap_err().to_string();
    assert!(error.contains("other.db` cannot be opened"), "{error}");
    assert!(disk.mount("rw", true));
    done(&open(&disk.path()).unwrap(), commit("c", 1, &["b"])).await;
}

#[tokio::test]
async fn a_locked_file_is_waited_for_and_then_said() {
    let (_directory, path) = file("store.db");
    let store = open(&path).unwrap();
    done(&store, commit("c", 0, &["a"])).await;
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = store.commit(commit("c", 1, &["b"])).await.unwrap_err();
    assert_eq!(error.to_string(), "the store cannot be reached: its file is locked by another program");
    assert_eq!(store.load(&key("c"), 0).await.unwrap().unwrap().version, 1, "it can still be read");
    other.execute_batch("COMMIT").unwrap();
    assert_eq!(done(&store, commit("c", 1, &["b"])).await, 2);
}

#[tokio::test]
async fn a_file_that_is_not_where_it_was_takes_nothing() {
    let (directory, path) = file("store.db");
    let store = open(&path).unwrap();
    done(&store, commit("c", 0, &["a"])).await;
    let elsewhere = directory.path().join("elsewhere.db");
    fs::rename(&path, &elsewhere).unwrap();
    for _ in 0..2 {
        let error = store.commit(commit("c", 1, &["b"])).await.unwrap_err().to_string();
        assert!(
            error.ends_with(": its file was moved, replaced or deleted: put it back where it was, or start again with what is there now"),
            "{error}"
        );
        let error = store.erase_user("acme", "u-1", std::sync::Arc::new(|text| text.into())).await.unwrap_err();
        assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
        // Neither is another that has its name the one that it was.
        fs::write(&path, "").unwrap();
    }
    fs::rename(&elsewhere, &path).unwrap();
    assert_eq!(done(&store, commit("c", 1, &["b"])).await, 2);
}

#[tokio::test]
async fn many_commits_share_a_transaction() {
    let (_directory, path) = file("store.db");
    let store = open(&path).unwrap();
    let mut all = tokio::task::JoinSet::new();
    for n in 0..200 {
        let store = store.clone();
        all.spawn(async move { done(&store, commit(&format!("c-{n}"), 0, &["a"])).await });
    }
    while let Some(version) = all.join_next().await {
        assert_eq!(version.unwrap(), 1);
    }
    let stat = store.stat().await.unwrap();
    assert_eq!((stat.commits, stat.conversations), (200, 200));
    assert!(stat.transactions <= 40, "{} transactions", stat.transactions);
}

#[test]
fn many_programs_may_open_a_new_file_at_once() {
    for _ in 0..20 {
        let (_directory, path) = file("store.db");
        let together = std::sync::Barrier::new(8);
        let open = || {
            together.wait();
            SqliteStore::open(&path, Seals::default()).map(drop)
        };
        std::thread::scope(|scope| {
            let opened: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
            for one in opened {
                one.join().unwrap().unwrap();
            }
        });
    }
}

#[tokio::test]
async fn two_programs_may_have_one_file() {
    let (_directory, path) = file("store.db");
    let (one, two) = (SqliteStore::open(&path, Seals::default()).unwrap(), SqliteStore::open(&path, Seals::default()).unwrap());
    done(&one, commit("c", 0, &["begin"])).await;
    assert_eq!(two.commit(commit("c", 0, &["begin"])).await.unwrap(), Committed::Conflict { version: 1 });
    let writer = async |store: &SqliteStore, name: &str| {
        let mut done = 0;
        while done < 20 {
            let version = store.load(&key("c"), u64::MAX).await.unwrap().unwrap().version;
            if let Committed::Done { .. } = store.commit(commit("c", version, &[&format!("{name} {done}")])).await.unwrap() {
                done += 1;
            }
        }
    };
    tokio::join!(writer(&one, "one"), writer(&two, "two"));
    assert_eq!(one.load(&key("c"), 0).await.unwrap().unwrap().events.len(), 41);
}

/// What a store holds by which it can be told that nothing of it was lost.
async fn fill(store: &impl Store) {
    let other = |until: Option<i64>| Claim::Other { kind: Name::new("nonce"), key: "k".into(), until: until.map(at) };
    let opened = HoldChange::Opened(hold("h1", "shop"));
    let first = Commit {
        claims: [message("m"), vec![Claim::Key { key: "k".into(), digest: "one".into() }, other(None)]].concat(),
        reply: Some(reply("m", "so far")),
        audit: vec![row(1, "a"), row(2, "b")],
        holds: vec![opened],
        wake_at: Some(at(60)),
        pinned: Some(vec![hash("j1")]),
        ..commit("c", 0, &["a", "line\nend"])
    };
    store.put_texts(version("v1", at(0), &[("j1", "text")])).await.unwrap();
    done(store, first).await;
    let rate = Claim::Rate { bucket: "b".into(), max: 1, per_s: 60 };
    done(store, Commit { claims: vec![rate], audit: vec![row(3, "c")], wake_at: Some(at(60)), ..commit("c", 2, &["d"]) }).await;
    done(store, Commit { owner: Some(Owner { agent: "bank".into(), user: "u-2".into() }), ..commit("e", 0, &["a"]) }).await;
    assert_eq!(store.secret("one", [1; 32]).await.unwrap(), [1; 32]);
}

/// That it still holds it, and goes on.
async fn stands(store: &impl Store) {
    let stored = store.load(&key("c"), 0).await.unwrap().unwrap();
    assert_eq!((stored.version, stored.events), (3, ["a", "line\nend", "d"].map(event).to_vec()));
    assert_eq!(stored.audit, AuditHead { seq: 3, mac: "mac-3".into() });
    assert_eq!(store.audit(&key("c"), 0, 10).await.unwrap(), [row(1, "a"), row(2, "b"), row(3, "c")]);
    assert_eq!(store.load(&key("e"), 0).await.unwrap().unwrap().owner, Owner { agent: "bank".into(), user: "u-2".into() });
    assert_eq!(store.reply(&key("c"), "m", at(0)).await.unwrap(), Some(reply("m", "so far")));
    assert_eq!(store.due(at(60), 10).await.unwrap(), [(at(60), key("c"))]);
    assert_eq!(store.hold("acme", "h1").await.unwrap().unwrap().row, hold("h1", "shop"));
    assert_eq!(store.text(&hash("j1")).await.unwrap(), Some("text".into()));
    assert_eq!(store.secret("one", [2; 32]).await.unwrap(), [1; 32]);
    assert_eq!(store.holder("acme", "nonce", "k", at(99)).await.unwrap(), Some(key("c")), "what was used once stays used");
    let taken: [(Claim, &str); 3] = [
        (Claim::Other { kind: Name::new("nonce"), key: "k".into(), until: None }, "used"),
        (Claim::Key { key: "k".into(), digest: "one".into() }, "busy"),
        (Claim::Rate { bucket: "b".into(), max: 1, per_s: 60 }, "rate_limited"),
    ];
    for (claim, why) in taken {
        assert_eq!(refused(store, Commit { claims: vec![claim], ..commit("e", 1, &["b"]) }).await.0, why);
    }
    let until = Claim::Other { kind: Name::new("start"), key: "k".into(), until: Some(at(60)) };
    done(store, Commit { claims: vec![until], audit: vec![row(4, "d")], ..commit("c", 3, &["e"]) }).await;
    assert_eq!(store.holder("acme", "start", "k", at(60)).await.unwrap(), None);
    done(store, commit("new", 0, &["a"])).await;
}

#[tokio::test]
async fn a_file_of_the_first_version_is_brought_to_the_present_one() {
    let (_directory, path) = file("store.db");
    let present = path.with_file_name("present.db");
    let store = open(&present).unwrap();
    fill(&store).await;
    let schema = store.stat().await.unwrap().schema;
    drop(store);
    let first = Connection::open(&path).unwrap();
    let tables = include_str!("../../../src/store/sqlite/1.sql");
    let made = format!(
        "PRAGMA journal_mode = WAL; CREATE TABLE schema_version (version INTEGER NOT NULL) STRICT;
        INSERT INTO schema_version VALUES (1); {tables} ATTACH '{}' AS present;",
        present.display()
    );
    first.execute_batch(&made).unwrap();
    // All that there is today, as far as the first version had a place for it.
    let names = "SELECT m.name, group_concat(c.name) FROM sqlite_schema m, pragma_table_info(m.name) c
        WHERE m.type = 'table' AND m.name <> 'schema_version' GROUP BY m.name";
    let all: Vec<(String, String)> = {
        let mut statement = first.prepare(names).unwrap();
        statement.query_map([], |r| Ok((r.get(0)?, r.get(1)?))).unwrap().map(Result::unwrap).collect()
    };
    assert!(all.len() > 12, "{all:?}");
    for (table, columns) in all {
        first.execute_batch(&format!("INSERT INTO main.{table} ({columns}) SELECT {columns} FROM present.{table}")).unwrap();
    }
    drop(first);
    let store = open(&path).unwrap();
    assert_eq!(store.stat().await.unwrap().schema, schema);
    stands(&store).await;
}

#[tokio::test]
async fn a_database_of_the_first_version_is_brought_to_the_present_one() {
    let Some(cluster) = cluster::shared() else { return };
    let url = cluster.database();
    let name = url.rsplit('/').next().unwrap();
    let store = PostgresStore::open(&url, Seals::default()).await.unwrap();
    fill(&store).await;
    let schema = store.stat().await.unwrap().schema;
    drop(store);
    let tables = include_str!("../../../src/store/postgres/1.sql");
    cluster.sql(
        name,
        &format!(
            "ALTER SCHEMA waypost RENAME TO present; CREATE SCHEMA waypost;
             CREATE TABLE waypost.schema_version (version BIGINT NOT NULL); INSERT INTO waypost.schema_version VALUES (1); {tables}"
        ),
    );
    // All that there is today, as far as the first version had a place for it.
    let copied = cluster.sql(
        name,
        "SELECT format('INSERT INTO waypost.%I (%s) OVERRIDING SYSTEM VALUE SELECT %2$s FROM present.%1$I;', table_name,
             string_agg(quote_ident(column_name), ', ' ORDER BY ordinal_position))
         FROM information_schema.columns WHERE table_schema = 'waypost' AND table_name <> 'schema_version' GROUP BY table_name",
    );
    assert!(copied.lines().count() > 12, "{copied}");
    cluster.sql(name, &copied);
    cluster.sql(
        name,
        "SELECT setval(pg_get_serial_sequence('waypost.conversations', 'row'), (SELECT max(\"row\") FROM waypost.conversations));
         DROP SCHEMA present CASCADE",
    );
    let (one, two) = tokio::join!(PostgresStore::open(&url, Seals::default()), PostgresStore::open(&url, Seals::default()));
    drop(two.unwrap());
    let store = one.unwrap();
    assert_eq!(store.stat().await.unwrap().schema, schema);
    stands(&store).await;
}

#[tokio::test]
async fn files_of_others_and_of_newer_programs_are_refused() {
    let (_directory, path) = file("store.db");
    drop(open(&path).unwrap());
    Connection::open(&path).unwrap().execute("UPDATE schema_version SET version = 9", []).unwrap();
    let error = open(&path).unwrap_err().to_string();
    assert!(error.contains("was written by a newer waypost: its tables have version 9, and this one knows them up to"), "{error}");
    let (_directory, path) = file("theirs.db");
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE recipes (name TEXT)").unwrap();
    let error = open(&path).unwrap_err().to_string();
    assert!(error.ends_with("theirs.db` holds the tables of another program"), "{error}");
    let (_directory, path) = file("letter.txt");
    fs::write(&path, "Dear Sir or Madam, this is a letter and no database at all. ".repeat(100)).unwrap();
    assert!(open(&path).unwrap_err().to_string().contains("not a database of SQLite"));
    let error = open(Path::new("/nowhere/at/all.db")).unwrap_err().to_string();
    assert!(error.contains("`/nowhere/at/all.db` cannot be opened"), "{error}");
    let Some(cluster) = cluster::shared() else { return };
    let url = cluster.database();
    drop(PostgresStore::open(&url, Seals::default()).await.unwrap());
    cluster.sql(url.rsplit('/').next().unwrap(), "UPDATE waypost.schema_version SET version = 9");
    let error = PostgresStore::open(&url, Seals::default()).await.unwrap_err().to_string();
    assert!(error.contains("was written by a newer waypost"), "{error}");
    let error = PostgresStore::open(&cluster.url("nothing"), Seals::default()).await.unwrap_err().to_string();
    assert!(error.contains("database \"nothing\" does not exist"), "{error}");
}

#[tokio::test]
async fn what_is_erased_is_in_no_byte_of_the_file() {
    let (directory, path) = file("store.db");
    let store = open(&path).unwrap();
    let holds = |text: &str| {
        let files = fs::read_dir(directory.path()).unwrap().map(|f| fs::read(f.unwrap().path()).unwrap());
        files.filter(|bytes| bytes.windows(text.len()).any(|w| w == text.as_bytes())).count()
    };
    // Short, so that they lie there as they are.
    let audit = |text: &str| vec![super::row(1, text)];
    done(&store, Commit { audit: audit("MARTHA"), ..commit("c", 0, &["LIVERPOOL"]) }).await;
    let other = Some(waypost::store::Owner { agent: "shop".into(), user: "u-2".into() });
    done(&store, Commit { owner: other, audit: audit("ROBERT"), ..commit("d", 0, &["EDINBURGH"]) }).await;
    assert!(["MARTHA", "LIVERPOOL", "ROBERT", "EDINBURGH"].iter().all(|text| holds(text) > 0));
    store.erase_user("acme", "u-1", std::sync::Arc::new(|_| "digest".into())).await.unwrap();
    assert_eq!((holds("MARTHA"), holds("LIVERPOOL")), (0, 0));
    assert!(holds("ROBERT") > 0 && holds("EDINBURGH") > 0);
}

#[tokio::test]
async fn a_backup_is_whole_and_of_one_moment() {
    let (directory, path) = file("store.db");
    let store = open(&path).unwrap();
    let into = directory.path().join("copy.db");
    let (write, backup) = tokio::join!(
        async {
            for n in 0..50 {
                done(&store, Commit { audit: vec![super::row(n + 1, "a")], ..commit("c", n, &["a"]) }).await;
            }
        },
        store.backup(&into)
    );
    let ((), ()) = (write, backup.unwrap());
    let copy = open(&into).unwrap();
    if let Some(stored) = copy.load(&key("c"), 0).await.unwrap() {
        assert_eq!(stored.version, stored.events.len() as u64);
        assert_eq!(stored.version, stored.audit.seq);
    }
    let error = store.backup(&into).await.unwrap_err().to_string();
    assert!(error.contains("is there already"), "{error}");
    let error = store.backup(Path::new("/nowhere/copy.db")).await.unwrap_err().to_string();
    assert!(error.contains("/nowhere/copy.db"), "{error}");
}

#[tokio::test]
async fn a_server_that_speaks_no_tls_any_more_is_one_that_cannot_be_reached() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let server = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("postgres://somebody@{}/w?sslmode=require", server.local_addr().unwrap());
    let refuses = async {
        let (mut asked, _) = server.accept().await.unwrap();
        asked.read_exact(&mut [0; 8]).await.unwrap();
        asked.write_all(b"N").await.unwrap();
    };
    let (opened, ()) = tokio::join!(PostgresStore::open(&url, Seals::default()), refuses);
    let error = opened.unwrap_err();
    assert!(matches!(&error, StoreError::Unavailable(why) if why.contains("TLS")), "{error:?}");
}

#[tokio::test]
async fn a_server_that_goes_and_comes_back_is_gone_on_with() {
    let Some(mut cluster) = Cluster::start() else { return };
    let store = PostgresStore::open(&cluster.database(), Seals::default()).await.unwrap();
    done(&store, commit("c", 0, &["a"])).await;
    cluster.stop();
    let error = store.load(&key("c"), 0).await.unwrap_err();
    assert!(matches!(&error, StoreError::Unavailable(_)), "{error}");
    let error = store.commit(commit("c", 1, &["b"])).await.unwrap_err();
    assert!(error.to_string().starts_with("the store cannot be reached: no connection to its server"), "{error}");
    cluster.resume();
    assert_eq!(store.load(&key("c"), 0).await.unwrap().unwrap().events, [event("a")]);
    assert_eq!(done(&store, commit("c", 1, &["b"])).await, 2);
    cluster.stop();
    cluster.resume();
    // The connections that it had are dead, and it does not show.
    assert_eq!(store.load(&key("c"), 0).await.unwrap().unwrap().version, 2);
    cluster.stop();
    cluster.resume();
    let committed = store.commit(commit("c", 2, &["c"])).await;
    assert!(matches!(committed, Ok(_) | Err(StoreError::Unavailable(_))));
    let version = store.load(&key("c"), 0).await.unwrap().unwrap().version;
    assert_eq!(version == 3, committed.is_ok(), "what is said is what was done");
}
