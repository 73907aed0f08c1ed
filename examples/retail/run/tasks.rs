//! Every task through the engine, as an honest agent and customer would do it: the shop must end as the reference writes leave it.

use std::fs;
use std::path::Path;

use serde_json::Value;
use waypost::engine::Command;

use super::desk::Desk;
use super::shop::{Failed, Fault, Shop, Write};

/// What one customer wants.
pub struct Task {
    /// The customer's id.
    pub customer: String,
    /// In their words.
    pub words: String,
    /// The reference writes.
    pub writes: Vec<Write>,
}

/// Reads a file of tasks.
pub fn read(path: &Path) -> Result<Vec<Task>, Failed> {
    let text = fs::read_to_string(path).map_err(|e| format!("`{}`: {e}", path.display()))?;
    let tasks: Vec<Value> = serde_json::from_str(&text).map_err(|e| format!("`{}`: {e}", path.display()))?;
    let mut read = Vec::new();
    for task in &tasks {
        let customer = task["user_id"].as_str().ok_or("a task has no `user_id`")?;
        let actions = task["actions"].as_array().ok_or("a task has no `actions`")?;
        let writes: Result<Vec<_>, Failed> = actions.iter().filter_map(|a| Write::of(customer, a).transpose()).collect();
        let words = task["instruction"].as_str().unwrap_or_default();
        read.push(Task { customer: customer.into(), words: words.into(), writes: writes? });
    }
    Ok(read)
}

/// What a task came to.
pub struct Row {
    /// Whose it is.
    pub customer: String,
    /// Each journey, with the outcome of its run.
    pub outcomes: Vec<String>,
    /// Writes of the reference that the shop itself refused.
    pub refused: usize,
    /// Where the state differs from the reference's, if it does.
    pub difference: Option<String>,
}

/// Runs the tasks, each on a fresh shop; with a fault, one that befalls every write once.
pub async fn run(tasks: &[Task], desk: &Desk, shop: &Shop, fault: Option<Fault>) -> Result<Vec<Row>, Failed> {
    let mut rows = Vec::new();
    for task in tasks {
        shop.reset().await?;
        let before = shop.state().await?;
        let customer = before["users"][&task.customer].clone();
        if customer.is_null() {
            return Err(format!("the shop has no customer `{}`", task.customer).into());
        }
        let mut refused = 0;
        for write in &task.writes {
            refused += usize::from(!shop.write(write).await?);
        }
        let wanted = shop.state().await?;
        shop.reset().await?;
        let conversation = desk.conversation(&task.customer).await?;
        let mut outcomes = Vec::new();
        for write in &task.writes {
            if let Some(fault) = fault {
                shop.fail(write, fault).await?;
            }
            let answer = conversation.serve(write, &customer, &task.words).await?;
            let outcome = answer.outcome.as_deref().filter(|_| !answer.awaiting_input).map_or_else(|| answer.text(), str::to_owned);
            outcomes.push(format!("{} {outcome}", write.journey));
            if answer.awaiting_input {
                // It was not to be had like that: the next one begins anew.
                conversation.agent(Command::Cancel).await?;
            }
        }
        let difference = difference("", &wanted, &shop.state().await?);
        rows.push(Row { customer: task.customer.clone(), outcomes, refused, difference });
    }
    Ok(rows)
}

/// The first place in which two states differ.
fn difference(at: &str, wanted: &Value, found: &Value) -> Option<String> {
    match (wanted, found) {
        (Value::Object(a), Value::Object(b)) => {
            a.keys().chain(b.keys()).find_map(|k| difference(&format!("{at}/{k}"), &wanted[k.as_str()], &found[k.as_str()]))
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            a.iter().zip(b).enumerate().find_map(|(i, (a, b))| difference(&format!("{at}/{i}"), a, b))
        }
        _ => (wanted != found).then(|| format!("{at} is {found}, not {wanted}")),
    }
}
