//! Takes away what was kept of a user.

use deadpool_postgres::{Object, Transaction};

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

/// Erases some of the conversations of a user. Those in which decisions on them were acted upon are the user's from then on.
pub(super) async fn some(mut client: Object, tenant: &str, user: &str, digest: &DigestText) -> Result<Erased, Failure> {
    let transaction = client.transaction().await?;
    let mut erased = Erased::default();
    let sql = "UPDATE waypost.conversations SET user_id = '', wake_at = NULL, life = $3 WHERE row IN
         (SELECT row FROM waypost.conversations WHERE tenant = $1 AND user_id = $2 AND life < $3 LIMIT $4 FOR UPDATE) RETURNING row, id";
    for found in transaction.query(sql, &[&tenant, &user, &ERASED, &SOME]).await? {
        let (conversation, id): (i64, &str) = (found.try_get(0)?, found.try_get(1)?);
        let runs = decided(&transaction, tenant, id).await?;
        let sql = "UPDATE waypost.conversations SET user_id = $4 WHERE tenant = $1 AND id = ANY ($2) AND life < $3";
        transaction.execute(sql, &[&tenant, &runs, &ERASED, &user]).await?;
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

/// Takes away what was decided on events of a conversation and what is known of it, and says in which others it was acted upon.
///
/// Who evaluates takes the event first, and who records what an action came to holds its decision: so both are waited for here before what
/// they leave is looked for, or find nothing.
async fn decided(transaction: &Transaction<'_>, tenant: &str, id: &str) -> Result<Vec<String>, Failure> {
    transaction.execute("DELETE FROM waypost.owed WHERE tenant = $1 AND conversation = $2", &[&tenant, &id]).await?;
    let (mut decisions, mut runs) = (Vec::<String>::new(), Vec::new());
    let sql = "DELETE FROM waypost.decisions WHERE tenant = $1 AND conversation = $2 RETURNING id, body";
    for row in transaction.query(sql, &[&tenant, &id]).await? {
        decisions.push(row.try_get(0)?);
        runs.extend(runs_of(tenant, &json(row.try_get(1)?)?).map(|run| run.to_string()));
    }
    for table in ["deliveries", "results"] {
        let sql = format!("DELETE FROM waypost.{table} WHERE tenant = $1 AND decision = ANY ($2)");
        transaction.execute(&sql, &[&tenant, &decisions]).await?;
    }
    for table in ["samples", "primitives"] {
        transaction.execute(&format!("DELETE FROM waypost.{table} WHERE tenant = $1 AND entity = $2"), &[&tenant, &id]).await?;
    }
    Ok(runs)
}

/// Lets the server take what was erased out of its tables.
pub(super) async fn settle(client: Object) -> Result<(), StoreError> {
    let tables: Vec<String> = OF_A_CONVERSATION.iter().chain(&DECIDED).map(|t| format!("waypost.{t}")).collect();
    let tables = tables.join(", ");
    client.batch_execute(&format!("VACUUM {tables}, waypost.audit, waypost.conversations")).await.map_err(|e| Failure::from(e).into())
}
