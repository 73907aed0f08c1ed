//! Definitions, primitives, decisions, deliveries and owed events in a file.

use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::super::records::{
    After, DecisionsOf, Defined, Defines, Definition, DefinitionOf, Delivery, Namespaces, NewDefinition, Owed, PrimitiveWrite, Record,
    Recorded, Records, Registered, decision_of, json, text,
};
use super::super::rows::{nanos, time};
use super::super::{SqliteStore, StoreError};
use super::commit::run;
use super::{failed, int, most, uint};
use crate::registry::{Decision, PrimitiveId, Sample, Series};

impl Records for SqliteStore {
    async fn register(&self, new: NewDefinition) -> Result<Registered, StoreError> {
        self.0.writer.run(move |connection| register(connection, &new)).await
    }

    async fn define_files(&self, files: Vec<NewDefinition>) -> Result<Defined, StoreError> {
        self.0.writer.run(move |connection| define_files(connection, &files)).await
    }

    async fn definition(&self, tenant: &str, of: DefinitionOf<'_>) -> Result<Option<Definition>, StoreError> {
        let DefinitionOf { defines, id, version, namespaces } = of;
        let namespaces = namespaces.0.as_ref().map(text).transpose()?;
        self.look(|connection, _| {
            let sql = format!(
                "SELECT {DEFINITION} FROM definitions WHERE tenant IN (?1, '') AND defines = ?2 AND id = ?3 AND (?4 IS NULL OR version = ?4)
                 AND (?5 IS NULL OR namespace IN (SELECT value FROM json_each(?5))) ORDER BY tenant DESC, seq DESC LIMIT 1"
            );
            let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
            statement.query_row(params![tenant, defines.code(), id, version, namespaces], definition).optional().map_err(failed)
        })
    }

    async fn definitions(
        &self,
        tenant: &str,
        defines: Defines,
        of: &Namespaces,
        before: Option<u64>,
        limit: usize,
    ) -> Result<(Vec<Definition>, u64), StoreError> {
        let (tenant, of) = (tenant.to_owned(), of.0.as_ref().map(text).transpose()?);
        self.read(move |connection, _| {
            let moment = connection.unchecked_transaction().map_err(failed)?;
            let those = "FROM definitions WHERE tenant IN (?1, '') AND defines = ?2
                 AND (?3 IS NULL OR namespace IN (SELECT value FROM json_each(?3)))";
            let count = format!("SELECT count(*) {those}");
            let total = moment.query_row(&count, params![tenant, defines.code(), of], |r| r.get(0)).map_err(failed)?;
            let sql = format!("SELECT {DEFINITION} {those} AND seq < ?4 ORDER BY seq DESC LIMIT ?5");
            let values = params![tenant, defines.code(), of, before.map_or(i64::MAX, int), most(limit)];
            let mut statement = moment.prepare_cached(&sql).map_err(failed)?;
            let found: rusqlite::Result<_> = statement.query_map(values, definition).and_then(Iterator::collect);
            Ok((found.map_err(failed)?, uint(total)))
        })
        .await
    }

    async fn bound(&self, tenant: &str, defines: Defines, to: &str) -> Result<Vec<Definition>, StoreError> {
        self.look(|connection, _| {
            let sql =
                "SELECT d.seq, d.tenant, d.namespace, d.id, d.version, d.body, d.at FROM bindings b JOIN definitions d ON d.seq = b.seq
                 WHERE b.tenant IN (?1, '') AND b.defines = ?2 AND b.key = ?3 ORDER BY d.seq";
            let mut statement = connection.prepare_cached(sql).map_err(failed)?;
            let found: rusqlite::Result<_> =
                statement.query_map(params![tenant, defines.code(), to], definition).and_then(Iterator::collect);
            found.map_err(failed)
        })
    }

    async fn primitive(
        &self,
        tenant: &str,
        primitive: &PrimitiveId,
        entity: &str,
        as_of: Timestamp,
    ) -> Result<Option<PrimitiveWrite>, StoreError> {
        self.look(|connection, _| {
            let sql =
                "SELECT at, value, by FROM primitives WHERE tenant = ?1 AND namespace = ?2 AND field = ?3 AND entity = ?4 AND at <= ?5
                 ORDER BY at DESC, row DESC LIMIT 1";
            let mut statement = connection.prepare_cached(sql).map_err(failed)?;
            let values = params![tenant, primitive.namespace, primitive.field, entity, nanos(as_of)];
            let read = |r: &Row<'_>| Ok((time(r.get(0)?), r.get::<_, String>(1)?, r.get(2)?));
            let found = statement.query_row(values, read).optional().map_err(failed)?;
            let Some((at, value, by)) = found else { return Ok(None) };
            Ok(Some(PrimitiveWrite { primitive: primitive.clone(), entity: entity.into(), at, value: json(&value)?, by }))
        })
    }

    async fn history(
        &self,
        tenant: &str,
        series: &Series,
        entity: &str,
        (from, to): (Timestamp, Timestamp),
        limit: usize,
    ) -> Result<Vec<Sample>, StoreError> {
        self.look(|connection, _| {
            let sample = |r: &Row<'_>| Ok(Sample { at: time(r.get(0)?), value: r.get(1)? });
            let found: rusqlite::Result<Vec<_>> = match series {
                Series::Primitive(id) => {
                    let sql = "SELECT at, CAST(value AS REAL) FROM primitives p
                         WHERE tenant = ?1 AND namespace = ?2 AND field = ?3 AND entity = ?4 AND at BETWEEN ?5 AND ?6
                         AND json_type(value) IN ('integer', 'real') AND NOT EXISTS (SELECT 1 FROM primitives later WHERE later.tenant = p.tenant
                         AND later.namespace = p.namespace AND later.field = p.field AND later.entity = p.entity AND later.at = p.at
                         AND later.row > p.row) ORDER BY at DESC LIMIT ?7";
                    let values = params![tenant, id.namespace, id.field, entity, nanos(from), nanos(to), most(limit)];
                    connection.prepare_cached(sql).and_then(|mut s| s.query_map(values, sample)?.collect())
                }
                Series::Recorded(series) => {
                    let sql = "SELECT at, value FROM samples WHERE tenant = ?1 AND series = ?2 AND entity = ?3 AND at BETWEEN ?4 AND ?5
                         ORDER BY at DESC LIMIT ?6";
                    let values = params![tenant, series, entity, nanos(from), nanos(to), most(limit)];
                    connection.prepare_cached(sql).and_then(|mut s| s.query_map(values, sample)?.collect())
                }
            };
            Ok(found.map_err(failed)?.into_iter().rev().collect())
        })
    }

    async fn record(&self, record: Record) -> Result<Recorded, StoreError> {
        self.0.writer.record(record).await
    }

    async fn decision(&self, tenant: &str, id: &str) -> Result<Option<Decision>, StoreError> {
        self.look(|connection, _| {
            let mut statement = connection.prepare_cached("SELECT body FROM decisions WHERE tenant = ?1 AND id = ?2").map_err(failed)?;
            let body: Option<String> = statement.query_row(params![tenant, id], |r| r.get(0)).optional().map_err(failed)?;
            body.map(|body| decision_of(&body, results(connection, tenant, id)?)).transpose()
        })
    }

    async fn decisions(
        &self,
        tenant: &str,
        of: &DecisionsOf,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<(u64, Decision)>, StoreError> {
        let (tenant, of) = (tenant.to_owned(), of.clone());
        self.read(move |connection, _| {
            let moment = connection.unchecked_transaction().map_err(failed)?;
            let namespaces = of.namespaces.0.as_ref().map(text).transpose()?;
            let mut sql = "SELECT row, id, body FROM decisions WHERE tenant = ?1 AND row < ?2
                 AND (?3 IS NULL OR namespace IN (SELECT value FROM json_each(?3)))"
                .to_owned();
            sql.push_str(if of.entity.is_some() { " AND entity = ?4" } else { " AND ?4 IS NULL" });
            sql.push_str(if of.condition_id.is_some() { " AND condition_id = ?5" } else { " AND ?5 IS NULL" });
            sql.push_str(" ORDER BY row DESC LIMIT ?6");
            let values = params![tenant, before.map_or(i64::MAX, int), namespaces, of.entity, of.condition_id, most(limit)];
            let read = |r: &Row<'_>| Ok((r.get::<_, i64>(0)?, r.get::<_, String>(1)?, r.get::<_, String>(2)?));
            let found: rusqlite::Result<Vec<_>> = moment.prepare_cached(&sql).and_then(|mut s| s.query_map(values, read)?.collect());
            let decision = |(row, id, body): (i64, String, String)| Ok((uint(row), decision_of(&body, results(&moment, &tenant, &id)?)?));
            found.map_err(failed)?.into_iter().map(decision).collect()
        })
        .await
    }

    async fn claim_owed(&self, now: Timestamp, lease: Timestamp, limit: usize) -> Result<Vec<Owed>, StoreError> {
        let any = self.look(|connection, _| is_any(connection, "SELECT 1 FROM owed WHERE lease <= ?1 LIMIT 1", now))?;
        if !any {
            return Ok(Vec::new());
        }
        let sql = "UPDATE owed SET lease = ?2 WHERE row IN (SELECT row FROM owed WHERE lease <= ?1 ORDER BY row LIMIT ?3)
             RETURNING row, tenant, conversation, event, at, data, depth";
        let read = |r: &Row<'_>| {
            Ok(Owed {
                id: uint(r.get(0)?),
                tenant: r.get(1)?,
                conversation: r.get(2)?,
                event: r.get(3)?,
                at: time(r.get(4)?),
                data: r.get(5)?,
                depth: r.get(6)?,
            })
        };
        let mut claimed = self.claim(sql, now, lease, limit, read).await?;
        claimed.sort_by_key(|o| o.id);
        Ok(claimed)
    }

    async fn claim_deliveries(&self, now: Timestamp, lease: Timestamp, limit: usize) -> Result<Vec<Delivery>, StoreError> {
        let any = self.look(|connection, _| is_any(connection, "SELECT 1 FROM deliveries WHERE dead = 0 AND due <= ?1 LIMIT 1", now))?;
        if !any {
            return Ok(Vec::new());
        }
        let sql = format!(
            "UPDATE deliveries SET due = ?2 WHERE row IN (SELECT row FROM deliveries WHERE dead = 0 AND due <= ?1 ORDER BY due, row LIMIT ?3)
             RETURNING {DELIVERY}"
        );
        let mut claimed = self.claim(&sql, now, lease, limit, delivery).await?;
        claimed.sort_by_key(|d| d.id);
        Ok(claimed)
    }

    async fn deliveries(&self, tenant: &str, dead: bool, before: Option<u64>, limit: usize) -> Result<Vec<Delivery>, StoreError> {
        let tenant = tenant.to_owned();
        self.read(move |connection, _| {
            let sql = format!("SELECT {DELIVERY} FROM deliveries WHERE tenant = ?1 AND dead = ?2 AND row < ?3 ORDER BY row DESC LIMIT ?4");
            let values = params![tenant, dead, before.map_or(i64::MAX, int), most(limit)];
            let found: rusqlite::Result<_> = connection.prepare_cached(&sql).and_then(|mut s| s.query_map(values, delivery)?.collect());
            found.map_err(failed)
        })
        .await
    }

    async fn delivery(&self, tenant: &str, id: u64) -> Result<Option<Delivery>, StoreError> {
        self.look(|connection, _| {
            let sql = format!("SELECT {DELIVERY} FROM deliveries WHERE tenant = ?1 AND row = ?2");
            let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
            statement.query_row(params![tenant, int(id)], delivery).optional().map_err(failed)
        })
    }

    async fn revive(&self, tenant: &str, id: u64, due: Timestamp) -> Result<Option<Delivery>, StoreError> {
        let tenant = tenant.to_owned();
        let revive = move |connection: &Connection| {
            let sql = format!(
                "UPDATE deliveries SET dead = 0, tries = 0, due = ?3 WHERE tenant = ?1 AND row = ?2 AND dead = 1 RETURNING {DELIVERY}"
            );
            let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
            statement.query_row(params![tenant, int(id), nanos(due)], delivery).optional().map_err(failed)
        };
        self.0.writer.run(revive).await
    }
}

impl SqliteStore {
    /// Takes rows for so long.
    async fn claim<T: Send + 'static>(
        &self,
        sql: &str,
        now: Timestamp,
        lease: Timestamp,
        limit: usize,
        read: fn(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        let sql = sql.to_owned();
        let claim = move |connection: &Connection| {
            let values = params![nanos(now), nanos(lease), most(limit)];
            connection.prepare_cached(&sql).and_then(|mut s| s.query_map(values, read)?.collect()).map_err(failed)
        };
        self.0.writer.run(claim).await
    }
}

fn is_any(connection: &Connection, sql: &str, now: Timestamp) -> Result<bool, StoreError> {
    connection.prepare_cached(sql).and_then(|mut s| s.exists(params![nanos(now)])).map_err(failed)
}

const DEFINITION: &str = "seq, tenant, namespace, id, version, body, at";

fn definition(r: &Row<'_>) -> rusqlite::Result<Definition> {
    Ok(Definition {
        seq: uint(r.get(0)?),
        tenant: r.get(1)?,
        namespace: r.get(2)?,
        id: r.get(3)?,
        version: r.get(4)?,
        body: r.get(5)?,
        at: time(r.get(6)?),
    })
}

const DELIVERY: &str = "row, tenant, decision, n, action_id, action_version, due, tries, dead, error";

fn delivery(r: &Row<'_>) -> rusqlite::Result<Delivery> {
    Ok(Delivery {
        id: uint(r.get(0)?),
        tenant: r.get(1)?,
        decision: r.get(2)?,
        n: r.get(3)?,
        action_id: r.get(4)?,
        action_version: r.get(5)?,
        due: time(r.get(6)?),
        tries: r.get(7)?,
        dead: r.get(8)?,
        error: r.get(9)?,
    })
}

/// What has the id and the version of a definition already.
fn known(connection: &Connection, new: &NewDefinition) -> Result<Option<Registered>, StoreError> {
    let sql = "SELECT seq, tenant, body FROM definitions WHERE tenant IN (?1, '') AND defines = ?2 AND id = ?3 AND version = ?4
         ORDER BY tenant DESC LIMIT 1";
    let mut statement = connection.prepare_cached(sql).map_err(failed)?;
    let read = |r: &Row<'_>| Ok((uint(r.get(0)?), r.get::<_, Arc<str>>(1)?, r.get::<_, Arc<str>>(2)?));
    let values = params![new.tenant, new.defines.code(), new.id, new.version];
    let found = statement.query_row(values, read).optional().map_err(failed)?;
    let same = |tenant, body| tenant == new.tenant && body == new.body;
    Ok(found.map(|(seq, tenant, body)| if same(tenant, body) { Registered::Same(seq) } else { Registered::Taken }))
}

fn register(connection: &Connection, new: &NewDefinition) -> Result<Registered, StoreError> {
    if let Some(known) = known(connection, new)? {
        return Ok(known);
    }
    let sql = "INSERT INTO definitions (tenant, defines, namespace, id, version, at, bound, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    let (at, bound) = (nanos(new.at), text(&new.bound)?);
    run(connection, sql, params![new.tenant, new.defines.code(), new.namespace, new.id, new.version, at, bound, new.body])?;
    let seq = connection.last_insert_rowid();
    for key in &new.bound {
        let sql = "INSERT OR IGNORE INTO bindings VALUES (?1, ?2, ?3, ?4)";
        run(connection, sql, params![new.tenant, new.defines.code(), key, seq])?;
    }
    Ok(Registered::New(uint(seq)))
}

/// Inside a transaction.
fn define_files(connection: &Connection, files: &[NewDefinition]) -> Result<Defined, StoreError> {
    for (at, new) in files.iter().enumerate() {
        if known(connection, new)? == Some(Registered::Taken) {
            return Ok(Defined::Taken(at));
        }
    }
    let mut seqs = Vec::with_capacity(files.len());
    for new in files {
        if let Registered::New(seq) | Registered::Same(seq) = register(connection, new)? {
            seqs.push(seq);
        }
    }
    run(connection, "DELETE FROM bindings WHERE tenant = ''", params![])?;
    let sql = "INSERT OR IGNORE INTO bindings SELECT d.tenant, d.defines, b.value, d.seq FROM definitions d, json_each(d.bound) b
         WHERE d.tenant = '' AND d.seq IN (SELECT value FROM json_each(?1))";
    run(connection, sql, params![text(&seqs)?])?;
    Ok(Defined::Whole)
}

fn results(connection: &Connection, tenant: &str, decision: &str) -> Result<Vec<(u32, String)>, StoreError> {
    let sql = "SELECT n, body FROM results WHERE tenant = ?1 AND decision = ?2 ORDER BY n";
    let read = |r: &Row<'_>| Ok((r.get(0)?, r.get(1)?));
    connection.prepare_cached(sql).and_then(|mut s| s.query_map(params![tenant, decision], read)?.collect()).map_err(failed)
}

/// Keeps what evaluations leave, inside a transaction.
pub(super) fn record(connection: &Connection, record: &Record) -> Result<Recorded, StoreError> {
    let tenant = &record.tenant;
    if let Some(owed) = record.settles {
        let mut statement = connection.prepare_cached("DELETE FROM owed WHERE row = ?1 AND tenant = ?2").map_err(failed)?;
        if statement.execute(params![int(owed), tenant]).map_err(failed)? == 0 {
            return Ok(Recorded::Settled);
        }
    }
    for d in &record.decisions {
        let sql =
            "INSERT INTO decisions (tenant, id, namespace, condition_id, entity, conversation, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
        run(connection, sql, params![tenant, d.decision_id, d.namespace, d.condition_id, d.entity, d.conversation_id, text(d)?])?;
    }
    for (series, entity, sample) in &record.samples {
        let sql = "INSERT OR IGNORE INTO samples VALUES (?1, ?2, ?3, ?4, ?5)";
        run(connection, sql, params![tenant, series, entity, nanos(sample.at), sample.value])?;
    }
    for w in &record.primitives {
        let sql = "INSERT INTO primitives (tenant, namespace, field, entity, at, value, by) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
        let (id, at, value) = (&w.primitive, nanos(w.at), text(&w.value)?);
        run(connection, sql, params![tenant, id.namespace, id.field, w.entity, at, value, w.by])?;
    }
    let mut deliveries = Vec::new();
    for new in &record.deliveries {
        let sql = "INSERT INTO deliveries (tenant, decision, n, action_id, action_version, due, plan) VALUES (?1, ?2, ?3, ?4, ?5, ?6, '')";
        run(connection, sql, params![tenant, new.decision, new.n, new.action_id, new.action_version, nanos(new.due)])?;
        deliveries.push(uint(connection.last_insert_rowid()));
    }
    for (decision, n, result) in &record.results {
        // A decision that was erased meanwhile stays so.
        let sql =
            "INSERT OR REPLACE INTO results SELECT ?1, ?2, ?3, ?4 WHERE EXISTS (SELECT 1 FROM decisions WHERE tenant = ?1 AND id = ?2)";
        run(connection, sql, params![tenant, decision, n, text(result)?])?;
    }
    for (id, after) in &record.delivered {
        match after {
            After::Gone => run(connection, "DELETE FROM deliveries WHERE row = ?1 AND tenant = ?2", params![int(*id), tenant])?,
            After::Again { due, tries, error } => {
                let sql = "UPDATE deliveries SET due = ?3, tries = ?4, error = ?5, dead = 0 WHERE row = ?1 AND tenant = ?2";
                run(connection, sql, params![int(*id), tenant, nanos(*due), tries, error])?;
            }
            After::Dead { tries, error } => {
                let sql = "UPDATE deliveries SET tries = ?3, error = ?4, dead = 1 WHERE row = ?1 AND tenant = ?2";
                run(connection, sql, params![int(*id), tenant, tries, error])?;
            }
        }
    }
    Ok(Recorded::Done { deliveries })
}
