//! A number of replicas: the lowest free slots are filled, and boards with most copies lose theirs first.

use super::vacate;
use crate::Reason;
use crate::create::{Waits, create};
use crate::draft::Draft;
use crate::slots::{Place, Slot, slots};
use model::{NodeId, Service};
use std::collections::BTreeMap;

pub(crate) fn apply(draft: &mut Draft<'_>, service: &Service, replicas: u64) {
    let all = slots(draft, service);
    let (taken, free): (Vec<_>, Vec<_>) = all.iter().partition(|(_, slot)| slot.is_taken());
    let have = taken.len() as u64;
    if have > replicas {
        let name = service.spec.name.clone();
        draft.say(Reason::ScaledDown {
            service: name,
            by: have - replicas,
            to: replicas,
        });
        for (_, slot) in last_first(&taken).into_iter().take((have - replicas) as usize) {
            vacate(draft, slot);
        }
    } else if have < replicas {
        fill(draft, service, replicas - have, replicas, |place| all.get(place));
    }
    for (_, slot) in free {
        vacate(draft, slot);
    }
}

/// Fills the lowest places that are free.
fn fill<'a>(
    draft: &mut Draft<'_>,
    service: &Service,
    missing: u64,
    replicas: u64,
    slot: impl Fn(&Place) -> Option<&'a Slot>,
) {
    let mut made = 0;
    for number in 1.. {
        let place = Place::Slot(number);
        if slot(&place).is_some_and(Slot::is_taken) {
            continue;
        }
        if made == missing || !draft.may_create() {
            break;
        }
        create(draft, service, &place, slot(&place), Waits::default());
        made += 1;
    }
    if made > 0 {
        draft.say(Reason::ScaledUp {
            service: service.spec.name.clone(),
            by: made,
            to: replicas,
        });
    }
}

/// Places in the order in which they go: those that don't run, then each board's second copies and up, then the
/// highest numbers.
fn last_first<'a>(taken: &[(&'a Place, &'a Slot)]) -> Vec<(&'a Place, &'a Slot)> {
    let mut copies: BTreeMap<Option<NodeId>, u64> = BTreeMap::new();
    let mut ranked: Vec<_> = taken
        .iter()
        .map(|(place, slot)| {
            let running = slot.is_running();
            let node = slot.wanted().last().and_then(|task| task.node_id.clone());
            let copy = copies.entry(node.filter(|_| running)).or_default();
            *copy += 1;
            ((!running, *copy, *place), (*place, *slot))
        })
        .collect();
    ranked.sort_by(|a, b| b.0.cmp(&a.0));
    ranked.into_iter().map(|(_, slot)| slot).collect()
}
