//! Takes away what was kept of a user.

use deadpool_postgres::Object;

use super::super::records::json;
use super::super::rows::ERASED;
use super::super::{DigestText, Erased, StoreError};
use super::Failure;
use crate::registry::runs_of;

/// Conversations that one transaction takes.
const SOME: i64 = 64;
/// Everything of a conversation but its own row and its audit.
const OF_A_CONVERSATION: [&str; 7] = ["events", "snapshots", "messages", "holds", "keys", "pins", "executions"];

/// Where what was decided on its events is kept.
const DECIDED: [&str; 6] = ["deliveries", "results", "decisions", "owed", "samples", "primitives"];

/// What was decided on events of a conversation, and what is known of it.
const OF_ITS_EVENTS: [&str; 6] = [
    "DELETE FROM waypost.deliveries WHERE tenant = $1 AND decision IN (SELECT id FROM waypost.decisions WHERE tenant = $1 AND conversation = $2)",
    "DELETE FROM waypost.results WHERE tenant = $1 AND decision IN (SELECT id FROM waypost.decisions WHERE tenant = $1 AND conversation = $2)",
    "DELETE FROM waypost.decisions WHERE tenant = $1 AND conversation = $2",
    "DELETE FROM waypost.owed WHERE tenant = $1 AND conversation = $2",
    "DELETE FROM waypost.samples WHERE tenant = $1 AND entity = $2",
    "DELETE FROM waypost.primitives WHERE tenant = $1 AND entity = $2",
];

/// Erases some of the conversations of a user.
pub(super) async fn some(mut client: Object, tenant: &str, user: &str, digest: &DigestText) -> Result<Erased, Failure> {
    let transaction = client.transaction().await?;
    let mut erased = Erased::default();
    let sql = "UPDATE waypost.conversations SET user_id = '', wake_at = NULL, life = $3 WHERE row IN
         (SELECT row FROM waypost.conversations WHERE tenant = $1 AND user_id = $2 AND life < $3 LIMIT $4 FOR UPDATE) RETURNING row, id";
    let mut left = transaction.query(sql, &[&tenant, &user, &ERASED, &SOME]).await?;
    // INVARIANT: each is erased once, so this ends.
    while let Some(found) = left.pop() {
        let (conversation, id): (i64, &str) = (found.try_get(0)?, found.try_get(1)?);
        // What was decided on its events was acted upon in others.
        let sql = "SELECT body FROM waypost.decisions WHERE tenant = $1 AND conversation = $2";
        let mut runs: Vec<String> = Vec::new();
        for row in transaction.query(sql, &[&tenant, &id]).await? {
            runs.extend(runs_of(tenant, &json(row.try_get(0)?)?).map(|run| run.to_string()));
        }
        let sql = "UPDATE waypost.conversations SET user_id = '', wake_at = NULL, life = $3
             WHERE tenant = $1 AND id = ANY ($2) AND life < $3 RETURNING row, id";
        left.extend(transaction.query(sql, &[&tenant, &runs, &ERASED]).await?);
        for sql in OF_ITS_EVENTS {
            transaction.execute(sql, &[&tenant, &id]).await?;
        }
        for table in OF_A_CONVERSATION {
            transaction.execute(&format!("DELETE FROM waypost.{table} WHERE conversation = $1"), &[&conversation]).await?;
        }
        let sql = "SELECT seq, text FROM waypost.audit WHERE conversation = $1 AND NOT erased";
        let (mut numbers, mut digests) = (Vec::<i64>::new(), Vec::new());
        for row in transaction.query(sql, &[&conversation]).await? {
            numbers.push(row.try_get(0)?);
            digests.push(digest(row.try_get(1)?).to_string());
        }
        let sql = "UPDATE waypost.audit a SET text = d.text, erased = true FROM unnest($2::bigint[], $3::text[]) d (seq, text)
             WHERE a.conversation = $1 AND a.seq = d.seq";
        let rows = transaction.execute(sql, &[&conversation, &numbers, &digests]).await?;
        erased.audit += rows;
        erased.conversations += 1;
    }
    transaction.commit().await?;
    Ok(erased)
}

/// Lets the server take what was erased out of its tables.
pub(super) async fn settle(client: Object) -> Result<(), StoreError> {
    let tables: Vec<String> = OF_A_CONVERSATION.iter().chain(&DECIDED).map(|t| format!("waypost.{t}")).collect();
    let tables = tables.join(", ");
    client.batch_execute(&format!("VACUUM {tables}, waypost.audit, waypost.conversations")).await.map_err(|e| Failure::from(e).into())
}
