//! Definitions, primitives, decisions, deliveries and owed events in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::future::ready;
use std::sync::Arc;

use jiff::Timestamp;

use super::{
    After, DecisionsOf, Defined, Defines, Definition, DefinitionOf, Delivery, Namespaces, NewDefinition, NewOwed, Owed, Owing,
    PrimitiveWrite, Record, Recorded, Records, Registered, SHARED,
};
use crate::registry::{Decision, PrimitiveId, Sample, Series, runs_of};
use crate::store::{MemoryStore, StoreError};

type Text = Arc<str>;

/// What a store in memory keeps of them.
#[derive(Debug, Default)]
pub(in super::super) struct Kept {
    seq: u64,
    definitions: BTreeMap<u64, (Defines, Vec<Text>, Definition)>,
    names: BTreeMap<(Text, Defines, Text, Text), u64>,
    bindings: BTreeSet<(Text, Defines, Text, u64)>,
    primitives: BTreeMap<(Text, PrimitiveId, Text), BTreeMap<Timestamp, PrimitiveWrite>>,
    samples: BTreeMap<(Text, Text, Text), BTreeMap<Timestamp, f64>>,
    decisions: BTreeMap<u64, (Text, Decision)>,
    ids: BTreeMap<(Text, Text), u64>,
    deliveries: BTreeMap<u64, Delivery>,
    owed: BTreeMap<u64, (Timestamp, Owed)>,
}

impl Kept {
    fn next(&mut self) -> u64 {
        self.seq += 1;
        self.seq
    }

    /// What has the id and the version of a definition already.
    fn known(&self, new: &NewDefinition) -> Option<Registered> {
        let of = |tenant: &str| self.names.get(&(tenant.into(), new.defines, new.id.clone(), new.version.clone())).copied();
        let seq = of(&new.tenant).or_else(|| of(SHARED))?;
        let same = self.definitions.get(&seq).is_some_and(|(_, _, d)| d.body == new.body && d.tenant == new.tenant);
        Some(if same { Registered::Same(seq) } else { Registered::Taken })
    }

    pub(in super::super) fn register(&mut self, new: NewDefinition) -> Registered {
        if let Some(known) = self.known(&new) {
            return known;
        }
        let NewDefinition { tenant, defines, namespace, id, version, body, bound, at } = new;
        let seq = self.next();
        self.names.insert((tenant.clone(), defines, id.clone(), version.clone()), seq);
        for key in &bound {
            self.bindings.insert((tenant.clone(), defines, key.clone(), seq));
        }
        self.definitions.insert(seq, (defines, bound, Definition { seq, tenant, namespace, id, version, body, at }));
        Registered::New(seq)
    }

    pub(in super::super) fn define_files(&mut self, files: Vec<NewDefinition>) -> Defined {
        if let Some(at) = files.iter().position(|new| self.known(new) == Some(Registered::Taken)) {
            return Defined::Taken(at);
        }
        self.bindings.retain(|(tenant, ..)| &**tenant != SHARED);
        for new in files {
            let (Registered::New(seq) | Registered::Same(seq)) = self.register(new) else { continue };
            if let Some((defines, bound, definition)) = self.definitions.get(&seq) {
                self.bindings.extend(bound.iter().map(|key| (definition.tenant.clone(), *defines, key.clone(), seq)));
            }
        }
        Defined::Whole
    }

    pub(in super::super) fn definition(&self, tenant: &str, of: DefinitionOf<'_>) -> Option<Definition> {
        let DefinitionOf { defines, id, version, namespaces } = of;
        let seen = |seq: &u64| self.definitions.get(seq).map(|(_, _, d)| d).filter(|d| namespaces.has(&d.namespace));
        let found = |tenant: &str| {
            let name = |version: &str| (Text::from(tenant), defines, Text::from(id), Text::from(version));
            let same = |(t, d, i, _): &(Text, Defines, Text, Text)| &**t == tenant && *d == defines && &**i == id;
            let newest =
                || self.names.range(name("")..).take_while(|(key, _)| same(key)).filter_map(|(_, seq)| seen(seq)).max_by_key(|d| d.seq);
            version.map_or_else(newest, |version| self.names.get(&name(version)).and_then(seen)).cloned()
        };
        found(tenant).or_else(|| found(SHARED))
    }

    pub(in super::super) fn definitions(
        &self,
        tenant: &str,
        defines: Defines,
        of: &Namespaces,
        before: Option<u64>,
        limit: usize,
    ) -> (Vec<Definition>, u64) {
        let seen = |d: &Definition| (&*d.tenant == tenant || &*d.tenant == SHARED) && of.has(&d.namespace);
        let all = || self.definitions.values().rev().filter(|(d, ..)| *d == defines).map(|(_, _, d)| d).filter(|d| seen(d));
        let total = u64::try_from(all().count()).unwrap_or(u64::MAX);
        (all().filter(|d| before.is_none_or(|b| d.seq < b)).take(limit).cloned().collect(), total)
    }

    pub(in super::super) fn bound(&self, tenant: &str, defines: Defines, to: &str) -> Vec<Definition> {
        let mut seqs: Vec<u64> = [tenant, SHARED]
            .into_iter()
            .flat_map(|tenant| {
                let key = |seq| (Text::from(tenant), defines, Text::from(to), seq);
                self.bindings.range(key(0)..=key(u64::MAX)).map(|(.., seq)| *seq)
            })
            .collect();
        seqs.sort_unstable();
        seqs.dedup();
        seqs.iter().filter_map(|seq| self.definitions.get(seq)).map(|(_, _, d)| d.clone()).collect()
    }

    pub(in super::super) fn primitive(&self, tenant: &str, id: &PrimitiveId, entity: &str, as_of: Timestamp) -> Option<PrimitiveWrite> {
        let values = self.primitives.get(&(tenant.into(), id.clone(), entity.into()))?;
        values.range(..=as_of).next_back().map(|(_, write)| write.clone())
    }

    pub(in super::super) fn history(
        &self,
        tenant: &str,
        series: &Series,
        entity: &str,
        (from, to): (Timestamp, Timestamp),
        limit: usize,
    ) -> Vec<Sample> {
        if from > to {
            return Vec::new();
        }
        let mut found: Vec<Sample> = match series {
            Series::Primitive(id) => {
                let values = self.primitives.get(&(tenant.into(), id.clone(), entity.into()));
                let number = |(at, write): (&Timestamp, &PrimitiveWrite)| Some(Sample { at: *at, value: write.value.as_f64()? });
                values.into_iter().flat_map(|v| v.range(from..=to).rev()).filter_map(number).take(limit).collect()
            }
            Series::Recorded(series) => {
                let values = self.samples.get(&(tenant.into(), series.clone(), entity.into()));
                let sample = |(at, value): (&Timestamp, &f64)| Sample { at: *at, value: *value };
                values.into_iter().flat_map(|v| v.range(from..=to).rev()).map(sample).take(limit).collect()
            }
        };
        found.reverse();
        found
    }

    pub(in super::super) fn record(&mut self, record: Record) -> Recorded {
        let Record { tenant, now: _, decisions, samples, primitives, deliveries, results, delivered, settles } = record;
        if settles.is_some_and(|id| self.owed.remove(&id).is_none()) {
            return Recorded::Settled;
        }
        for decision in decisions {
            let row = self.next();
            self.ids.insert((tenant.clone(), decision.decision_id.clone()), row);
            self.decisions.insert(row, (tenant.clone(), decision));
        }
        for (series, entity, sample) in samples {
            self.samples.entry((tenant.clone(), series, entity)).or_default().entry(sample.at).or_insert(sample.value);
        }
        for write in primitives {
            let of = (tenant.clone(), write.primitive.clone(), write.entity.clone());
            self.primitives.entry(of).or_default().insert(write.at, write);
        }
        let mut numbers = Vec::new();
        for new in deliveries {
            let id = self.next();
            self.deliveries.insert(id, new.kept(id, tenant.clone()));
            numbers.push(id);
        }
        for (decision, n, result) in results {
            let row = self.ids.get(&(tenant.clone(), decision));
            if let Some((_, decision)) = row.and_then(|row| self.decisions.get_mut(row)) {
                decision.place(n, result);
            }
        }
        for (id, after) in delivered {
            match (after, self.deliveries.get_mut(&id)) {
                (After::Gone, _) => drop(self.deliveries.remove(&id)),
                (After::Again { due, tries, error }, Some(delivery)) => {
                    (delivery.due, delivery.tries, delivery.error, delivery.dead) = (due, tries, Some(error), false);
                }
                (After::Dead { tries, error }, Some(delivery)) => {
                    (delivery.tries, delivery.error, delivery.dead) = (tries, Some(error), true);
                }
                (After::Again { .. } | After::Dead { .. }, None) => {}
            }
        }
        Recorded::Done { deliveries: numbers }
    }

    pub(in super::super) fn decision(&self, tenant: &str, id: &str) -> Option<Decision> {
        let row = self.ids.get(&(tenant.into(), id.into()))?;
        self.decisions.get(row).map(|(_, decision)| decision.clone())
    }

    pub(in super::super) fn decisions(&self, tenant: &str, of: &DecisionsOf, before: Option<u64>, limit: usize) -> Vec<(u64, Decision)> {
        let fits = |d: &Decision| {
            of.entity.as_ref().is_none_or(|e| *e == d.entity)
                && of.condition_id.as_ref().is_none_or(|c| *c == d.condition_id)
                && of.namespaces.has(&d.namespace)
        };
        let all = self.decisions.range(..before.unwrap_or(u64::MAX)).rev().filter(|(_, (t, d))| &**t == tenant && fits(d));
        all.take(limit).map(|(row, (_, d))| (*row, d.clone())).collect()
    }

    /// Keeps what a commit owes to conditions, if any is bound to it, and says whether one is.
    pub(in super::super) fn owe(&mut self, tenant: &Text, conversation: &Text, at: Timestamp, owing: &Owing) -> bool {
        let is_bound = |event| Ok::<_, Infallible>(!self.bound(tenant, Defines::Condition, event).is_empty());
        let Ok(told) = owing.told_where(is_bound);
        let owes = !told.is_empty();
        for NewOwed { event, data, depth } in told {
            let id = self.next();
            let owed = Owed { id, tenant: tenant.clone(), conversation: conversation.clone(), event: event.into(), at, data, depth };
            self.owed.insert(id, (Timestamp::MIN, owed));
        }
        owes
    }

    pub(in super::super) fn claim_owed(&mut self, now: Timestamp, lease: Timestamp, limit: usize) -> Vec<Owed> {
        let free = self.owed.values_mut().filter(|(until, _)| *until <= now).take(limit);
        free.map(|(until, owed)| {
            *until = lease;
            owed.clone()
        })
        .collect()
    }

    pub(in super::super) fn claim_deliveries(&mut self, now: Timestamp, lease: Timestamp, limit: usize) -> Vec<Delivery> {
        let mut due: Vec<(Timestamp, u64)> = self.deliveries.values().filter(|d| !d.dead && d.due <= now).map(|d| (d.due, d.id)).collect();
        due.sort_unstable();
        due.truncate(limit);
        let mut out = Vec::new();
        for (_, id) in due {
            if let Some(delivery) = self.deliveries.get_mut(&id) {
                out.push(delivery.clone());
                delivery.due = lease;
            }
        }
        out
    }

    pub(in super::super) fn deliveries(&self, tenant: &str, dead: bool, before: Option<u64>, limit: usize) -> Vec<Delivery> {
        let all = self.deliveries.range(..before.unwrap_or(u64::MAX)).rev().map(|(_, d)| d);
        all.filter(|d| &*d.tenant == tenant && d.dead == dead).take(limit).cloned().collect()
    }

    pub(in super::super) fn delivery(&self, tenant: &str, id: u64) -> Option<Delivery> {
        self.deliveries.get(&id).filter(|d| &*d.tenant == tenant).cloned()
    }

    pub(in super::super) fn revive(&mut self, tenant: &str, id: u64, due: Timestamp) -> Option<Delivery> {
        let delivery = self.deliveries.get_mut(&id).filter(|d| &*d.tenant == tenant && d.dead)?;
        (delivery.dead, delivery.tries, delivery.due) = (false, 0, due);
        Some(delivery.clone())
    }

    /// Forgets what was decided on events of a conversation, and says in which others it was acted upon.
    pub(in super::super) fn forget(&mut self, tenant: &str, conversation: &str) -> Vec<Text> {
        let of = |d: &Decision| d.conversation_id.as_deref() == Some(conversation);
        let runs = self.decisions.values().filter(|(t, d)| &**t == tenant && of(d)).flat_map(|(_, d)| runs_of(tenant, d)).collect();
        let gone: Vec<Text> =
            self.decisions.values().filter(|(t, d)| &**t == tenant && of(d)).map(|(_, d)| d.decision_id.clone()).collect();
        self.decisions.retain(|_, (t, d)| &**t != tenant || !of(d));
        self.ids.retain(|(t, id), _| &**t != tenant || !gone.contains(id));
        self.deliveries.retain(|_, d| &*d.tenant != tenant || !gone.contains(&d.decision));
        self.owed.retain(|_, (_, o)| &*o.tenant != tenant || &*o.conversation != conversation);
        self.samples.retain(|(t, _, entity), _| &**t != tenant || &**entity != conversation);
        self.primitives.retain(|(t, _, entity), _| &**t != tenant || &**entity != conversation);
        runs
    }
}

impl Records for MemoryStore {
    fn register(&self, new: NewDefinition) -> impl Future<Output = Result<Registered, StoreError>> + Send {
        ready(Ok(self.records(|kept| kept.register(new))))
    }

    fn define_files(&self, files: Vec<NewDefinition>) -> impl Future<Output = Result<Defined, StoreError>> + Send {
        ready(Ok(self.records(|kept| kept.define_files(files))))
    }

    fn definition(&self, tenant: &str, of: DefinitionOf<'_>) -> impl Future<Output = Result<Option<Definition>, StoreError>> + Send {
        ready(Ok(self.records(|kept| kept.definition(tenant, of))))
    }

    fn definitions(
        &self,
        tenant: &str,
        defines: Defines,
        of: &Namespaces,
        before: Option<u64>,
        limit: usize,
    ) -> impl Future<Output = Result<(Vec<Definition>, u64), StoreError>> + Send {
        ready(Ok(self.records(|kept| kept.definitions(tenant, defines, of, before, limit))))
    }

    fn bound(&self, tenant: &str, defines: Defines, to: &str) -> impl Future<Output = Result<Vec<Definition>, StoreError>> + Send {
        ready(Ok(self.records(|kept| kept.bound(tenant, defines, to))))
    }

    fn primitive(
        &self,
        tenant: &str,
        primitive: &PrimitiveId,
        entity: &str,
        as_of: Timestamp,
    ) -> impl Future<Output = Result<Option<PrimitiveWrite>, StoreError>> + Send {
        ready(Ok(self.records(|kept| kept.primitive(tenant, primitive, entity, as_of))))
    }

    fn history(
        &self,
        tenant: &str,
        series: &Series,
        entity: &str,
        between: (Timestamp, Timestamp),
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Sample>, StoreError>> + Send {
        ready(Ok(self.records(|kept| kept.history(tenant, series, entity, between, limit))))
    }

    fn record(&self, record: Record) -> impl Future<Output = Result<Recorded, StoreError>> + Send {
        ready(Ok(self.records(|kept| kept.record(record))))
    }

    fn decision(&self, tenant: &str, id: &str) -> impl Future<Output = Result<Option<Decision>, StoreError>> + Send {
        ready(Ok(self.records(|kept| kept.decision(tenant, id))))
    }

    fn decisions(
        &self,
        tenant: &str,
        of: &DecisionsOf,
        before: Option<u64>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<(u64, Decision)>, StoreError>> + Send {
        ready(Ok(self.records(|kept| kept.decisions(tenant, of, before, limit))))
    }

    fn claim_owed(&self, now: Timestamp, lease: Timestamp, limit: usize) -> impl Future<Output = Result<Vec<Owed>, StoreError>> + Send {
        ready(Ok(self.records(|kept| kept.claim_owed(now, lease, limit))))
    }

    fn claim_deliveries(
        &self,
        now: Timestamp,
        lease: Timestamp,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Delivery>, StoreError>> + Send {
        ready(Ok(self.records(|kept| kept.claim_deliveries(now, lease, limit))))
    }

    fn deliveries(
        &self,
        tenant: &str,
        dead: bool,
        before: Option<u64>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Delivery>, StoreError>> + Send {
        ready(Ok(self.records(|kept| kept.deliveries(tenant, dead, before, limit))))
    }

    fn delivery(&self, tenant: &str, id: u64) -> impl Future<Output = Result<Option<Delivery>, StoreError>> + Send {
        ready(Ok(self.records(|kept| kept.delivery(tenant, id))))
    }

    fn revive(&self, tenant: &str, id: u64, due: Timestamp) -> impl Future<Output = Result<Option<Delivery>, StoreError>> + Send {
        ready(Ok(self.records(|kept| kept.revive(tenant, id, due))))
    }
}
