//! Definitions, primitives, decisions, deliveries and owed events on a server.

use std::sync::Arc;

use deadpool_postgres::{GenericClient, Object};
use jiff::Timestamp;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::super::records::{
    After, DecisionsOf, Defined, Defines, Definition, DefinitionOf, Delivery, Namespaces, NewDefinition, Owed, PrimitiveWrite, Record,
    Recorded, Records, Registered, decision_of, json, text,
};
use super::super::rows::{nanos, time};
use super::super::{PostgresStore, StoreError};
use super::{Failure, int, most, uint, within};
use crate::registry::{Decision, PrimitiveId, Sample, Series};

/// Of all who register, one at a time: numbers are then seen in the order in which they are given.
const REGISTERING: i64 = 0x77_61_79_70_6f_72_65;

impl Records for PostgresStore {
    async fn register(&self, new: NewDefinition) -> Result<Registered, StoreError> {
        within(async { Ok(register(self.client().await?, &new).await?) }).await
    }

    async fn define_files(&self, files: Vec<NewDefinition>) -> Result<Defined, StoreError> {
        within(async { Ok(define_files(self.client().await?, &files).await?) }).await
    }

    async fn definition(&self, tenant: &str, of: DefinitionOf<'_>) -> Result<Option<Definition>, StoreError> {
        let DefinitionOf { defines, id, version, namespaces } = of;
        let namespaces = &list(namespaces);
        self.read(|client| async move {
            let sql = format!(
                "SELECT {DEFINITION} FROM waypost.definitions d WHERE tenant IN ($1, '') AND defines = $2 AND id = $3
                 AND ($4::text IS NULL OR version = $4) AND ($5::text[] IS NULL OR namespace = ANY ($5))
                 ORDER BY tenant DESC, seq DESC LIMIT 1"
            );
            let statement = client.prepare_cached(&sql).await?;
            let found = client.query_opt(&statement, &[&tenant, &defines.code(), &id, &version, namespaces]).await?;
            found.as_ref().map(definition).transpose()
        })
        .await
    }

    async fn definitions(
        &self,
        tenant: &str,
        defines: Defines,
        of: &Namespaces,
        before: Option<u64>,
        limit: usize,
    ) -> Result<(Vec<Definition>, u64), StoreError> {
        let namespaces = &list(of);
        self.read(|client| async move {
            let those =
                "FROM waypost.definitions d WHERE tenant IN ($1, '') AND defines = $2 AND ($3::text[] IS NULL OR namespace = ANY ($3))";
            let statement = client.prepare_cached(&format!("SELECT count(*) {those}")).await?;
            let total: i64 = client.query_one(&statement, &[&tenant, &defines.code(), namespaces]).await?.try_get(0)?;
            let sql = format!("SELECT {DEFINITION} {those} AND seq < $4 ORDER BY seq DESC LIMIT $5");
            let statement = client.prepare_cached(&sql).await?;
            let values: [&(dyn ToSql + Sync); 5] = [&tenant, &defines.code(), namespaces, &before.map_or(i64::MAX, int), &most(limit)];
            let found = client.query(&statement, &values).await?.iter().map(definition).collect::<Result<Vec<_>, _>>()?;
            Ok((found, uint(total)))
        })
        .await
    }

    async fn bound(&self, tenant: &str, defines: Defines, to: &str) -> Result<Vec<Definition>, StoreError> {
        self.read(|client| async move {
            let sql = format!(
                "SELECT {DEFINITION} FROM waypost.bindings b JOIN waypost.definitions d USING (seq)
                 WHERE b.tenant IN ($1, '') AND b.defines = $2 AND b.key = $3 ORDER BY d.seq"
            );
            let statement = client.prepare_cached(&sql).await?;
            client.query(&statement, &[&tenant, &defines.code(), &to]).await?.iter().map(definition).collect()
        })
        .await
    }

    async fn primitive(
        &self,
        tenant: &str,
        primitive: &PrimitiveId,
        entity: &str,
        as_of: Timestamp,
    ) -> Result<Option<PrimitiveWrite>, StoreError> {
        self.read(|client| async move {
            let sql = "SELECT at, value, by FROM waypost.primitives WHERE tenant = $1 AND namespace = $2 AND field = $3 AND entity = $4
                 AND at <= $5 ORDER BY at DESC, row DESC LIMIT 1";
            let statement = client.prepare_cached(sql).await?;
            let values: [&(dyn ToSql + Sync); 5] = [&tenant, &&*primitive.namespace, &&*primitive.field, &entity, &nanos(as_of)];
            let Some(row) = client.query_opt(&statement, &values).await? else { return Ok(None) };
            let (at, value, by): (i64, &str, Option<&str>) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
            let (value, by) = (json(value)?, by.map(Arc::from));
            Ok(Some(PrimitiveWrite { primitive: primitive.clone(), entity: entity.into(), at: time(at), value, by }))
        })
        .await
    }

    async fn history(
        &self,
        tenant: &str,
        series: &Series,
        entity: &str,
        (from, to): (Timestamp, Timestamp),
        limit: usize,
    ) -> Result<Vec<Sample>, StoreError> {
        self.read(|client| async move {
            let (from, to, limit) = (nanos(from), nanos(to), most(limit));
            let mut samples = Vec::new();
            match series {
                Series::Primitive(id) => {
                    let sql =
                        "SELECT at, value FROM waypost.primitives p WHERE tenant = $1 AND namespace = $2 AND field = $3 AND entity = $4
                         AND at BETWEEN $5 AND $6 AND json_typeof(value::json) = 'number' AND NOT EXISTS
                         (SELECT FROM waypost.primitives later WHERE (later.tenant, later.namespace, later.field, later.entity, later.at)
                         = (p.tenant, p.namespace, p.field, p.entity, p.at) AND later.row > p.row) ORDER BY at DESC LIMIT $7";
                    let statement = client.prepare_cached(sql).await?;
                    let values: [&(dyn ToSql + Sync); 7] = [&tenant, &&*id.namespace, &&*id.field, &entity, &from, &to, &limit];
                    for row in client.query(&statement, &values).await? {
                        let (at, value): (i64, crate::value::Json) = (row.try_get(0)?, json(row.try_get(1)?)?);
                        samples.extend(value.as_f64().map(|value| (at, value)));
                    }
                }
                Series::Recorded(series) => {
                    let sql = "SELECT at, value FROM waypost.samples WHERE tenant = $1 AND series = $2 AND entity = $3
                         AND at BETWEEN $4 AND $5 ORDER BY at DESC LIMIT $6";
                    let statement = client.prepare_cached(sql).await?;
                    let values: [&(dyn ToSql + Sync); 6] = [&tenant, &&**series, &entity, &from, &to, &limit];
                    for row in client.query(&statement, &values).await? {
                        samples.push((row.try_get(0)?, row.try_get(1)?));
                    }
                }
            }
            Ok(samples.into_iter().rev().map(|(at, value)| Sample { at: time(at), value }).collect())
        })
        .await
    }

    async fn record(&self, record: Record) -> Result<Recorded, StoreError> {
        within(async { Ok(recorded(self.client().await?, &record).await?) }).await
    }

    async fn decision(&self, tenant: &str, id: &str) -> Result<Option<Decision>, StoreError> {
        self.read(|client| async move {
            let sql = format!("SELECT 0::bigint, body, {RESULTS} FROM waypost.decisions d WHERE tenant = $1 AND id = $2");
            let statement = client.prepare_cached(&sql).await?;
            let found = client.query_opt(&statement, &[&tenant, &id]).await?;
            found.as_ref().map(decision).transpose().map(|found| found.map(|(_, decision)| decision))
        })
        .await
    }

    async fn decisions(
        &self,
        tenant: &str,
        of: &DecisionsOf,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<(u64, Decision)>, StoreError> {
        let namespaces = list(&of.namespaces);
        let namespaces = &namespaces;
        self.read(|client| async move {
            let mut sql = format!(
                "SELECT row, body, {RESULTS} FROM waypost.decisions d WHERE tenant = $1 AND row < $2
                 AND ($3::text[] IS NULL OR namespace = ANY ($3))"
            );
            sql.push_str(if of.entity.is_some() { " AND entity = $4" } else { " AND $4::text IS NULL" });
            sql.push_str(if of.condition_id.is_some() { " AND condition_id = $5" } else { " AND $5::text IS NULL" });
            sql.push_str(" ORDER BY row DESC LIMIT $6");
            let statement = client.prepare_cached(&sql).await?;
            let values: [&(dyn ToSql + Sync); 6] =
                [&tenant, &before.map_or(i64::MAX, int), namespaces, &of.entity.as_deref(), &of.condition_id.as_deref(), &most(limit)];
            client.query(&statement, &values).await?.iter().map(decision).collect()
        })
        .await
    }

    async fn claim_owed(&self, now: Timestamp, lease: Timestamp, limit: usize) -> Result<Vec<Owed>, StoreError> {
        let mut claimed: Vec<Owed> = within(async {
            let claim = async |client: Object| -> Result<Vec<Owed>, Failure> {
                let sql = "UPDATE waypost.owed SET lease = $2 WHERE row IN
                     (SELECT row FROM waypost.owed WHERE lease <= $1 ORDER BY row LIMIT $3 FOR UPDATE SKIP LOCKED)
                     RETURNING row, tenant, conversation, event, at, data, depth";
                let statement = client.prepare_cached(sql).await?;
                client.query(&statement, &[&nanos(now), &nanos(lease), &most(limit)]).await?.iter().map(owed).collect()
            };
            Ok(claim(self.client().await?).await?)
        })
        .await?;
        claimed.sort_by_key(|o| o.id);
        Ok(claimed)
    }

    async fn claim_deliveries(&self, now: Timestamp, lease: Timestamp, limit: usize) -> Result<Vec<Delivery>, StoreError> {
        let mut claimed: Vec<Delivery> = within(async {
            let claim = async |client: Object| -> Result<Vec<Delivery>, Failure> {
                let sql = format!(
                    "UPDATE waypost.deliveries SET due = $2 WHERE row IN
                     (SELECT row FROM waypost.deliveries WHERE NOT dead AND due <= $1 ORDER BY due, row LIMIT $3 FOR UPDATE SKIP LOCKED)
                     RETURNING {DELIVERY}"
                );
                let statement = client.prepare_cached(&sql).await?;
                client.query(&statement, &[&nanos(now), &nanos(lease), &most(limit)]).await?.iter().map(delivery).collect()
            };
            Ok(claim(self.client().await?).await?)
        })
        .await?;
        claimed.sort_by_key(|d| d.id);
        Ok(claimed)
    }

    async fn deliveries(&self, tenant: &str, dead: bool, before: Option<u64>, limit: usize) -> Result<Vec<Delivery>, StoreError> {
        self.read(|client| async move {
            let sql = format!(
                "SELECT {DELIVERY} FROM waypost.deliveries WHERE tenant = $1 AND dead = $2 AND row < $3 ORDER BY row DESC LIMIT $4"
            );
            let statement = client.prepare_cached(&sql).await?;
            let values: [&(dyn ToSql + Sync); 4] = [&tenant, &dead, &before.map_or(i64::MAX, int), &most(limit)];
            client.query(&statement, &values).await?.iter().map(delivery).collect()
        })
        .await
    }

    async fn delivery(&self, tenant: &str, id: u64) -> Result<Option<Delivery>, StoreError> {
        self.read(|client| async move {
            let sql = format!("SELECT {DELIVERY} FROM waypost.deliveries WHERE tenant = $1 AND row = $2");
            let statement = client.prepare_cached(&sql).await?;
            client.query_opt(&statement, &[&tenant, &int(id)]).await?.as_ref().map(delivery).transpose()
        })
        .await
    }

    async fn revive(&self, tenant: &str, id: u64, due: Timestamp) -> Result<Option<Delivery>, StoreError> {
        let revive = async |client: Object| -> Result<Option<Delivery>, Failure> {
            let sql = format!(
                "UPDATE waypost.deliveries SET dead = false, tries = 0, due = $3 WHERE tenant = $1 AND row = $2 AND dead RETURNING {DELIVERY}"
            );
            let statement = client.prepare_cached(&sql).await?;
            client.query_opt(&statement, &[&tenant, &int(id), &nanos(due)]).await?.as_ref().map(delivery).transpose()
        };
        within(async { Ok(revive(self.client().await?).await?) }).await
    }
}

fn list(of: &Namespaces) -> Option<Vec<&str>> {
    of.0.as_ref().map(|all| all.iter().map(|n| &**n).collect())
}

fn shared(row: &Row, column: usize) -> Result<Arc<str>, Failure> {
    Ok(row.try_get::<_, &str>(column)?.into())
}

const DEFINITION: &str = "d.seq, d.tenant, d.namespace, d.id, d.version, d.body, d.at";

fn definition(row: &Row) -> Result<Definition, Failure> {
    Ok(Definition {
        seq: uint(row.try_get(0)?),
        tenant: shared(row, 1)?,
        namespace: shared(row, 2)?,
        id: shared(row, 3)?,
        version: shared(row, 4)?,
        body: shared(row, 5)?,
        at: time(row.try_get(6)?),
    })
}

const DELIVERY: &str = "row, tenant, decision, n, action_id, action_version, due, tries, dead, error";

fn delivery(row: &Row) -> Result<Delivery, Failure> {
    Ok(Delivery {
        id: uint(row.try_get(0)?),
        tenant: shared(row, 1)?,
        decision: shared(row, 2)?,
        n: small(row.try_get(3)?),
        action_id: shared(row, 4)?,
        action_version: shared(row, 5)?,
        due: time(row.try_get(6)?),
        tries: small(row.try_get(7)?),
        dead: row.try_get(8)?,
        error: row.try_get::<_, Option<&str>>(9)?.map(Arc::from),
    })
}

fn owed(row: &Row) -> Result<Owed, Failure> {
    Ok(Owed {
        id: uint(row.try_get(0)?),
        tenant: shared(row, 1)?,
        conversation: shared(row, 2)?,
        event: shared(row, 3)?,
        at: time(row.try_get(4)?),
        data: shared(row, 5)?,
        depth: small(row.try_get(6)?),
    })
}

/// What the actions of a decision came to since it was recorded, in order.
const RESULTS: &str = "(SELECT array_agg(r.n ORDER BY r.n) FROM waypost.results r WHERE r.tenant = d.tenant AND r.decision = d.id),
     (SELECT array_agg(r.body ORDER BY r.n) FROM waypost.results r WHERE r.tenant = d.tenant AND r.decision = d.id)";

fn decision(row: &Row) -> Result<(u64, Decision), Failure> {
    let (numbers, bodies): (Option<Vec<i64>>, Option<Vec<String>>) = (row.try_get(2)?, row.try_get(3)?);
    let results = numbers.unwrap_or_default().into_iter().map(small).zip(bodies.unwrap_or_default());
    Ok((uint(row.try_get(0)?), decision_of(row.try_get(1)?, results)?))
}

fn small(n: i64) -> u32 {
    u32::try_from(n).unwrap_or(0)
}

async fn register(mut client: Object, new: &NewDefinition) -> Result<Registered, Failure> {
    let transaction = client.transaction().await?;
    transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&REGISTERING]).await?;
    let sql = "SELECT seq, tenant, body FROM waypost.definitions WHERE tenant IN ($1, '') AND defines = $2 AND id = $3 AND version = $4
         ORDER BY tenant DESC LIMIT 1";
    let values: [&(dyn ToSql + Sync); 4] = [&&*new.tenant, &new.defines.code(), &&*new.id, &&*new.version];
    if let Some(row) = transaction.query_opt(sql, &values).await? {
        let (seq, tenant, body): (i64, &str, &str) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        let same = *tenant == *new.tenant && *body == *new.body;
        return Ok(if same { Registered::Same(uint(seq)) } else { Registered::Taken });
    }
    let sql = "INSERT INTO waypost.definitions (tenant, defines, namespace, id, version, at, bound, body)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING seq";
    let bound = text(&new.bound)?;
    let values: [&(dyn ToSql + Sync); 8] =
        [&&*new.tenant, &new.defines.code(), &&*new.namespace, &&*new.id, &&*new.version, &nanos(new.at), &bound, &&*new.body];
    let seq: i64 = transaction.query_one(sql, &values).await?.try_get(0)?;
    let keys: Vec<&str> = new.bound.iter().map(|k| &**k).collect();
    let sql = "INSERT INTO waypost.bindings SELECT $1, $2, key, $4 FROM unnest($3::text[]) key ON CONFLICT DO NOTHING";
    transaction.execute(sql, &[&&*new.tenant, &new.defines.code(), &keys, &seq]).await?;
    transaction.commit().await?;
    Ok(Registered::New(uint(seq)))
}

async fn define_files(mut client: Object, files: &[NewDefinition]) -> Result<Defined, Failure> {
    let transaction = client.transaction().await?;
    transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&REGISTERING]).await?;
    let defines: Vec<i64> = files.iter().map(|new| new.defines.code()).collect();
    let texts = |of: fn(&NewDefinition) -> &str| files.iter().map(of).collect::<Vec<&str>>();
    let (ids, versions, bodies) = (texts(|new| &new.id), texts(|new| &new.version), texts(|new| &new.body));
    let sql =
        "SELECT min(f.n) FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[]) WITH ORDINALITY f (defines, id, version, body, n)
         JOIN waypost.definitions d USING (defines, id, version) WHERE d.tenant = '' AND d.body <> f.body";
    if let Some(first) = transaction.query_one(sql, &[&defines, &ids, &versions, &bodies]).await?.try_get::<_, Option<i64>>(0)? {
        return Ok(Defined::Taken(usize::try_from(first.saturating_sub(1)).unwrap_or(0)));
    }
    let at: Vec<i64> = files.iter().map(|new| nanos(new.at)).collect();
    let bound = files.iter().map(|new| text(&new.bound)).collect::<Result<Vec<_>, _>>()?;
    let sql = "INSERT INTO waypost.definitions (tenant, defines, namespace, id, version, at, bound, body)
         SELECT '', f.defines, f.namespace, f.id, f.version, f.at, f.bound, f.body
         FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::text[])
         WITH ORDINALITY f (defines, namespace, id, version, at, bound, body, n) ORDER BY f.n ON CONFLICT DO NOTHING";
    let values: [&(dyn ToSql + Sync); 7] = [&defines, &texts(|new| &new.namespace), &ids, &versions, &at, &bound, &bodies];
    transaction.execute(sql, &values).await?;
    transaction.execute("DELETE FROM waypost.bindings WHERE tenant = ''", &[]).await?;
    let sql = "INSERT INTO waypost.bindings SELECT DISTINCT d.tenant, d.defines, b.key, d.seq
         FROM unnest($1::bigint[], $2::text[], $3::text[]) f (defines, id, version)
         JOIN waypost.definitions d USING (defines, id, version), json_array_elements_text(d.bound::json) b (key) WHERE d.tenant = ''";
    transaction.execute(sql, &[&defines, &ids, &versions]).await?;
    transaction.commit().await?;
    Ok(Defined::Whole)
}

async fn recorded(mut client: Object, record: &Record) -> Result<Recorded, Failure> {
    let Record { decisions, samples, primitives, deliveries, results, delivered, .. } = record;
    let statements = usize::from(record.settles.is_some()) + decisions.len() + samples.len() + primitives.len();
    if statements + deliveries.len() + results.len() + delivered.len() <= 1 {
        return write(&client, record).await;
    }
    let transaction = client.transaction().await?;
    let recorded = write(&transaction, record).await?;
    transaction.commit().await?;
    Ok(recorded)
}

async fn write(client: &impl GenericClient, record: &Record) -> Result<Recorded, Failure> {
    let tenant = &&*record.tenant;
    if let Some(owed) = record.settles {
        let statement = client.prepare_cached("DELETE FROM waypost.owed WHERE row = $1 AND tenant = $2").await?;
        if client.execute(&statement, &[&int(owed), tenant]).await? == 0 {
            return Ok(Recorded::Settled);
        }
    }
    for d in &record.decisions {
        let sql = "INSERT INTO waypost.decisions (tenant, id, namespace, condition_id, entity, conversation, body)
             VALUES ($1, $2, $3, $4, $5, $6, $7)";
        let statement = client.prepare_cached(sql).await?;
        let (body, conversation) = (text(d)?, d.conversation_id.as_deref());
        let values: [&(dyn ToSql + Sync); 7] =
            [tenant, &&*d.decision_id, &&*d.namespace, &&*d.condition_id, &&*d.entity, &conversation, &body];
        client.execute(&statement, &values).await?;
    }
    for (series, entity, sample) in &record.samples {
        let sql = "INSERT INTO waypost.samples VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING";
        let statement = client.prepare_cached(sql).await?;
        client.execute(&statement, &[tenant, &&**series, &&**entity, &nanos(sample.at), &sample.value]).await?;
    }
    for w in &record.primitives {
        let sql = "INSERT INTO waypost.primitives (tenant, namespace, field, entity, at, value, by) VALUES ($1, $2, $3, $4, $5, $6, $7)";
        let statement = client.prepare_cached(sql).await?;
        let (id, value) = (&w.primitive, text(&w.value)?);
        let values: [&(dyn ToSql + Sync); 7] = [tenant, &&*id.namespace, &&*id.field, &&*w.entity, &nanos(w.at), &value, &w.by.as_deref()];
        client.execute(&statement, &values).await?;
    }
    let mut numbers = Vec::new();
    for new in &record.deliveries {
        let sql = "INSERT INTO waypost.deliveries (tenant, decision, n, action_id, action_version, due, plan)
             VALUES ($1, $2, $3, $4, $5, $6, '') RETURNING row";
        let statement = client.prepare_cached(sql).await?;
        let values: [&(dyn ToSql + Sync); 6] =
            [tenant, &&*new.decision, &i64::from(new.n), &&*new.action_id, &&*new.action_version, &nanos(new.due)];
        numbers.push(uint(client.query_one(&statement, &values).await?.try_get(0)?));
    }
    for (decision, n, result) in &record.results {
        // A decision that was erased meanwhile stays so.
        let sql = "INSERT INTO waypost.results SELECT tenant, id, $3, $4 FROM waypost.decisions WHERE tenant = $1 AND id = $2 FOR KEY SHARE
             ON CONFLICT (tenant, decision, n) DO UPDATE SET body = excluded.body";
        let statement = client.prepare_cached(sql).await?;
        client.execute(&statement, &[tenant, &&**decision, &i64::from(*n), &text(result)?]).await?;
    }
    for (id, after) in &record.delivered {
        let id = int(*id);
        match after {
            After::Gone => {
                let statement = client.prepare_cached("DELETE FROM waypost.deliveries WHERE row = $1 AND tenant = $2").await?;
                client.execute(&statement, &[&id, tenant]).await?;
            }
            After::Again { due, tries, error } => {
                let sql = "UPDATE waypost.deliveries SET due = $3, tries = $4, error = $5, dead = false WHERE row = $1 AND tenant = $2";
                let statement = client.prepare_cached(sql).await?;
                client.execute(&statement, &[&id, tenant, &nanos(*due), &i64::from(*tries), &&**error]).await?;
            }
            After::Dead { tries, error } => {
                let sql = "UPDATE waypost.deliveries SET tries = $3, error = $4, dead = true WHERE row = $1 AND tenant = $2";
                let statement = client.prepare_cached(sql).await?;
                client.execute(&statement, &[&id, tenant, &i64::from(*tries), &&**error]).await?;
            }
        }
    }
    Ok(Recorded::Done { deliveries: numbers })
}
