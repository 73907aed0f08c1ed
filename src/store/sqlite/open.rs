//! Opens connections, and brings the tables of a file to the version that this program knows.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, TransactionBehavior};

use super::super::StoreError;
use super::{CANNOT_OPEN, failed};

/// Every version of the tables, as what to do to come from the one before.
const MIGRATIONS: &[&str] =
    &[include_str!("1.sql"), include_str!("2.sql"), include_str!("3.sql"), include_str!("4.sql"), include_str!("5.sql")];
/// Statements that a connection keeps prepared.
const STATEMENTS: usize = 64;
/// Tries to switch a new file to its write-ahead log while others do the same.
const SWITCHES: usize = 10_000;

/// The connection of the writer: the file is there, and has its tables.
pub(super) fn writing(path: &Path, busy: Duration) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let shown = path.display();
    let mut connection = Connection::open_with_flags(path, flags)
        .map_err(|_| StoreError::Unavailable(format!("`{shown}` cannot be opened: is its directory there, and may you write to it?")))?;
    match prepare(&connection, busy).map_err(failed).and_then(|()| migrated(&mut connection, path)) {
        Err(StoreError::Unsupported(why)) => Err(StoreError::Unsupported(format!("`{shown}` {why}"))),
        Err(StoreError::Corrupt(why)) => Err(StoreError::Corrupt(format!("`{shown}`: {why}"))),
        // The file is there, but not what SQLite needs beside it, not even to read.
        Err(StoreError::Unavailable(why)) if why == CANNOT_OPEN => {
            Err(StoreError::Unwritable(format!("`{shown}` and its directory may only be read")))
        }
        Err(other) => Err(other),
        Ok(()) => Ok(connection),
    }
}

/// A connection that only reads.
pub(super) fn reading(path: &Path, busy: Duration) -> Result<Connection, StoreError> {
    let connection =
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX).map_err(failed)?;
    kept(&connection, busy).map_err(failed)?;
    Ok(connection)
}

/// What holds for every connection. A statement that is kept stays as it was prepared, whatever values it is given then.
fn kept(connection: &Connection, busy: Duration) -> rusqlite::Result<()> {
    connection.busy_timeout(busy)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map(drop)
}

fn prepare(connection: &Connection, busy: Duration) -> rusqlite::Result<()> {
    kept(connection, busy)?;
    connection.execute_batch(
        "PRAGMA synchronous = FULL; PRAGMA secure_delete = ON; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -65536;
         PRAGMA wal_autocheckpoint = 4000; PRAGMA journal_size_limit = 67108864;",
    )
}

fn migrated(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let known = MIGRATIONS.len();
    if version(connection)? == known {
        return Ok(());
    }
    log_ahead(connection)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    // Another process may have been faster.
    let stands = version(&transaction)?;
    for (n, step) in MIGRATIONS.iter().enumerate().skip(stands) {
        if n == 0 {
            transaction
                .execute_batch("CREATE TABLE schema_version (version INTEGER NOT NULL) STRICT; INSERT INTO schema_version VALUES (0)")
                .map_err(failed)?;
        }
        transaction.execute_batch(step).map_err(failed)?;
    }
    transaction.execute("UPDATE schema_version SET version = ?1", [super::most(known)]).map_err(failed)?;
    transaction.commit().map_err(failed)?;
    tracing::debug!(file = %path.display(), from = stands, to = known, "brought the tables to the present version");
    Ok(())
}

/// Switches a new file to its write-ahead log. SQLite waits for nobody here, so that two who open a new file at once both would fail: each
/// waits for the other's lock instead, and tries again.
fn log_ahead(connection: &Connection) -> Result<(), StoreError> {
    let mut tries = 0;
    loop {
        match connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(())) {
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) && tries < SWITCHES => {
                tries += 1;
                connection.execute_batch("BEGIN IMMEDIATE; COMMIT").map_err(failed)?;
                std::thread::yield_now();
            }
            other => return other.map_err(failed),
        }
    }
}

/// The version of the tables that are there; 0 if there are none.
pub(super) fn version(connection: &Connection) -> Result<usize, StoreError> {
    let tables = "SELECT count(*), count(*) FILTER (WHERE name = 'schema_version') FROM sqlite_schema WHERE type = 'table'";
    let (all, ours): (i64, i64) = connection.query_row(tables, [], |r| Ok((r.get(0)?, r.get(1)?))).map_err(failed)?;
    if ours == 0 {
        return if all == 0 { Ok(0) } else { Err(StoreError::Unsupported("holds the tables of another program".into())) };
    }
    let stands: Option<i64> = connection.query_row("SELECT version FROM schema_version", [], |r| r.get(0)).optional().map_err(failed)?;
    let stands = usize::try_from(stands.unwrap_or(0)).unwrap_or(0);
    if stands > MIGRATIONS.len() {
        let known = MIGRATIONS.len();
        return Err(StoreError::Unsupported(format!(
            "was written by a newer waypost: its tables have version {stands}, and this one knows them up to {known}"
        )));
    }
    Ok(stands)
}
