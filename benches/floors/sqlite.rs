//! The floor of durable turns: threads that hand rows to one writer, which commits all that waits as one transaction.

use std::path::Path;
use std::sync::mpsc::{Receiver, channel};

use rusqlite::{Connection, params};

/// The rows of one commit.
#[derive(Clone)]
pub struct Rows {
    pub upto: i64,
    pub count: i64,
    pub packed: Vec<u8>,
    pub audit: Option<(String, String)>,
}

/// The rows of one conversation, commit by commit.
pub type Talk = Vec<Rows>;

/// What a store's file holds, conversation by conversation.
pub fn talks(file: &Path) -> rusqlite::Result<Vec<Talk>> {
    let connection = Connection::open(file)?;
    let mut conversations = connection.prepare("SELECT row FROM conversations ORDER BY row")?;
    let numbers: Vec<i64> = conversations.query_map([], |r| r.get(0))?.collect::<Result<_, _>>()?;
    let sql = "SELECT e.upto, e.count, e.packed, a.text, a.mac FROM
         (SELECT *, row_number() OVER (ORDER BY upto) AS n FROM events WHERE conversation = ?1) e
         LEFT JOIN audit a ON a.conversation = ?1 AND a.seq = e.n ORDER BY e.upto";
    let mut rows = connection.prepare(sql)?;
    let mut talks = Vec::new();
    for number in numbers {
        let read = |r: &rusqlite::Row<'_>| {
            let audit = r.get::<_, Option<String>>(3)?.zip(r.get(4)?);
            Ok(Rows { upto: r.get(0)?, count: r.get(1)?, packed: r.get(2)?, audit })
        };
        talks.push(rows.query_map([number], read)?.collect::<Result<_, _>>()?);
    }
    Ok(talks)
}

/// A file with the store's own tables and settings.
pub fn file(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    connection.execute_batch(
        "PRAGMA synchronous = FULL; PRAGMA secure_delete = ON; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -65536;
         PRAGMA wal_autocheckpoint = 4000;",
    )?;
    connection.execute_batch(concat!(include_str!("../../src/store/sqlite/1.sql"), include_str!("../../src/store/sqlite/2.sql")))?;
    Ok(connection)
}

/// So many threads write so many talks of conversations; those that begin with `first` commits behind them go on from there.
pub fn write(connection: Connection, talks: &[Talk], first: i64, threads: usize) -> Connection {
    let (jobs, waiting) = channel();
    std::thread::scope(|scope| {
        let writer = scope.spawn(move || writer(connection, &waiting));
        let each = talks.len().div_ceil(threads);
        for (n, talks) in talks.chunks(each).enumerate() {
            let jobs = jobs.clone();
            scope.spawn(move || {
                for (m, talk) in talks.iter().enumerate() {
                    let conversation = i64::try_from(n * each + m).expect("small") + 1;
                    for (i, rows) in talk.iter().enumerate() {
                        let (told, answer) = channel();
                        let told = move || told.send(()).expect("somebody who waits");
                        jobs.send((conversation, first == 0 && i == 0, rows.clone(), told)).expect("a writer");
                        answer.recv().expect("an answer");
                    }
                }
            });
        }
        drop(jobs);
        writer.join().expect("a writer")
    })
}

/// The one writer: of which conversation, whether it begins there, the rows, and whom to tell.
pub fn writer<T: FnOnce()>(connection: Connection, waiting: &Receiver<(i64, bool, Rows, T)>) -> Connection {
    while let Ok(job) = waiting.recv() {
        let group: Vec<_> = std::iter::once(job).chain(waiting.try_iter()).collect();
        connection.execute_batch("BEGIN IMMEDIATE").expect("a transaction");
        for (conversation, begins, rows, _) in &group {
            put(&connection, *conversation, *begins, rows).expect("rows");
        }
        connection.execute_batch("COMMIT").expect("a commit");
        for (.., told) in group {
            told();
        }
    }
    connection
}

fn put(connection: &Connection, conversation: i64, begins: bool, rows: &Rows) -> rusqlite::Result<()> {
    let mac = rows.audit.as_ref().map_or("", |a| &a.1);
    if begins {
        let sql = "INSERT INTO conversations (row, tenant, id, agent, user_id, version, updated, audit_seq, audit_mac)
             VALUES (?1, 'acme', 'conversation-' || ?1, 'shop', 'user-' || ?1, ?2, ?2, 1, ?3)";
        connection.prepare_cached(sql)?.execute(params![conversation, rows.upto, mac])?;
    } else {
        let sql = "UPDATE conversations SET version = ?2, updated = ?2, audit_seq = audit_seq + 1, audit_mac = ?3 WHERE row = ?1";
        connection.prepare_cached(sql)?.execute(params![conversation, rows.upto, mac])?;
    }
    let sql = "INSERT OR REPLACE INTO events VALUES (?1, ?2, ?3, ?4)";
    connection.prepare_cached(sql)?.execute(params![conversation, rows.upto, rows.count, rows.packed])?;
    if let Some((text, mac)) = &rows.audit {
        let sql = "INSERT OR REPLACE INTO audit VALUES (?1, ?2, ?2, ?3, ?4, 0)";
        connection.prepare_cached(sql)?.execute(params![conversation, rows.upto, text, mac])?;
    }
    Ok(())
}
