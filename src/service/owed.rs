//! Conditions that events of conversations evaluate: what is owed is taken up after the answer, once, by whichever process comes first.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};

use super::Service;
use super::decide::Evaluation;
use super::error::ServiceError;
use crate::registry::{Condition, DEPTH_MAX, Decision, Judged, Needs, Reason, Verdict};
use crate::store::records::{Defines, Owed, Records};
use crate::value::Json;

/// How often the store is asked what other processes left.
const POLL: Duration = Duration::from_secs(1);
/// How long an event that was taken up is left to whoever took it.
const LEASE: SignedDuration = SignedDuration::from_secs(60);
/// Events that are taken up at a time.
const SOME: usize = 32;
/// How long a store that fails is left alone.
const PAUSE: Duration = Duration::from_secs(2);

impl Service {
    /// Evaluates conditions as events owe it, those that other processes left too, until it is dropped.
    pub async fn run_conditions(&self) {
        loop {
            let set = self.runtime().owed();
            let this = self.clone();
            let wait = match self.whole(async move { this.settle_owed().await }).await {
                Ok(0) => POLL,
                Ok(_) => continue,
                Err(error) => {
                    tracing::warn!(%error, "conditions cannot be evaluated on events");
                    PAUSE
                }
            };
            tokio::select! {
                () = set => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Takes up some of the events that are owed, and says how many there were.
    pub async fn settle_owed(&self) -> Result<usize, ServiceError> {
        let now = self.runtime().clock().now();
        let lease = now.checked_add(LEASE).unwrap_or(Timestamp::MAX);
        let owed = self.runtime().store().claim_owed(now, lease, SOME).await?;
        let count = owed.len();
        let found = join_all(owed.into_iter().map(async |one| (self.on(&one).await, one))).await;
        // One that fails is taken up again when its time is over; the others need not wait for it.
        let failed = |owed: &Owed, error: &ServiceError| {
            tracing::warn!(owed = owed.id, %error, "conditions could not be evaluated on an event");
        };
        let mut ready = Vec::with_capacity(count);
        for (conditions, one) in found {
            match conditions {
                Ok(conditions) => ready.push((conditions, one)),
                Err(error) => failed(&one, &error),
            }
        }
        // Where one of a tenant's reads what others leave, each comes after those before it. All else together: what several leave is
        // then one commit.
        let reads = |(conditions, _): &&(Vec<Arc<Condition>>, Owed)| conditions.iter().any(|c| c.needs() != Needs::default());
        let ordered: BTreeSet<Arc<str>> = ready.iter().filter(reads).map(|(_, one)| one.tenant.clone()).collect();
        let (in_turn, together): (Vec<_>, Vec<_>) = ready.into_iter().partition(|(_, one)| ordered.contains(&one.tenant));
        let settle = async |(conditions, one): &(Vec<Arc<Condition>>, Owed)| {
            if let Err(error) = self.settle(conditions, one).await {
                failed(one, &error);
            }
        };
        let in_turn = async {
            for one in &in_turn {
                settle(one).await;
            }
        };
        tokio::join!(in_turn, join_all(together.iter().map(settle)));
        Ok(count)
    }

    /// The conditions that an event evaluates.
    async fn on(&self, owed: &Owed) -> Result<Vec<Arc<Condition>>, ServiceError> {
        if owed.depth > DEPTH_MAX {
            return Ok(Vec::new());
        }
        let bound = self.runtime().store().bound(&owed.tenant, Defines::Condition, &owed.event).await?;
        let mut conditions = Vec::with_capacity(bound.len());
        for definition in bound {
            match self.condition(&owed.tenant, &definition).await {
                Ok(condition) => conditions.push(condition),
                // What cannot be read now could not be read ever: the others are evaluated all the same.
                Err(ServiceError::Internal(why)) => tracing::error!(condition = %definition.id, why, "a condition cannot be evaluated"),
                Err(error) => return Err(error),
            }
        }
        Ok(conditions)
    }

    async fn settle(&self, conditions: &[Arc<Condition>], owed: &Owed) -> Result<(), ServiceError> {
        let data: Json = serde_json::from_str(&owed.data).unwrap_or_default();
        let data = Arc::new(data);
        let mut judged = Vec::with_capacity(conditions.len());
        for condition in conditions {
            judged.push(self.on_event(condition, owed, &data).await?);
        }
        self.decided(judged, &owed.tenant, Some(owed.id), true).await?;
        Ok(())
    }

    async fn on_event(&self, condition: &Condition, owed: &Owed, data: &Arc<Json>) -> Result<(Decision, Judged), ServiceError> {
        let entity = condition.entity(data, &owed.conversation, owed.at);
        let evaluation = evaluation(owed, data, entity.clone().unwrap_or_else(|_| owed.conversation.clone()));
        let mut judged = match &entity {
            Ok(_) => self.judged(condition, &evaluation).await?,
            Err(why) => Judged {
                value: Verdict::Unknown,
                reason: Some(Reason::FailingExpression),
                detail: why.clone(),
                inputs: Json::Null,
                samples: Vec::new(),
            },
        };
        if judged.inputs.is_null() {
            judged.inputs = Json::Object(serde_json::Map::new());
        }
        let decision = self.decision_of(condition, &evaluation, &judged)?;
        Ok((decision, judged))
    }
}

/// What an event is evaluated as.
fn evaluation(owed: &Owed, data: &Arc<Json>, entity: Arc<str>) -> Evaluation {
    Evaluation {
        tenant: owed.tenant.clone(),
        entity,
        timestamp: owed.at,
        data: data.clone(),
        dry_run: false,
        depth: owed.depth,
        event: Some(owed.event.clone()),
        conversation: Some(owed.conversation.clone()),
    }
}
