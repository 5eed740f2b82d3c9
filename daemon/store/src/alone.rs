//! Going on alone: when the other managers are lost for good, what this one has becomes the store of a cluster of one.
//!
//! What others acknowledged and this manager never got is gone. Entries that it has are kept, whether or not a majority
//! ever had them: they may have been acknowledged by those that are lost. The manager gets a number that was never in
//! this quorum, so that managers of before, should they come back, can't talk it into following them.

use crate::disk::{self, Disk, Seal};
use crate::error::OpenError;
use crate::types::{Entry, LogId, Member, Place, Request, Vote};
use openraft::{CommittedLeaderId, EntryPayload, Membership};
use state::{Transaction, View};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

/// Makes the store in `dir`, which must not be open, that of a cluster of one manager: the one that `first` tells from the
/// newest view, together with a transaction that is committed before any other. A power cut leaves the old store or the
/// new one. Blocks.
///
/// # Errors
/// [`OpenError`]; [`OpenError::Corrupt`] also if there is no cluster in it or `first` knows none.
pub fn go_on_alone(
    dir: &Path,
    seal: Arc<dyn Seal>,
    first: impl FnOnce(&View) -> Option<(Member, Transaction)>,
) -> Result<Member, OpenError> {
    let disk = Disk::open(dir, seal)?;
    let (last, view) = newest(&disk).map_err(OpenError::Corrupt)?;
    let nothing = || OpenError::Corrupt("there is no cluster in it".to_owned());
    let (last, (me, transaction)) = (last.ok_or_else(nothing)?, first(&view).ok_or_else(nothing)?);
    let voted = disk.vote().map_err(OpenError::Corrupt)?.unwrap_or_default();
    let term = voted.leader_id.term.max(last.leader_id.term) + 1;
    let place = Place {
        node: me.node.clone(),
        address: me.address.clone(),
    };
    let quorum = Membership::new(vec![BTreeSet::from([me.id])], BTreeMap::from([(me.id, place)]));
    let entry = |after: u64, payload| Entry {
        log_id: LogId::new(CommittedLeaderId::new(term, me.id), last.index + after),
        payload,
    };
    let entries = [
        entry(1, EntryPayload::Membership(quorum)),
        entry(2, EntryPayload::Normal(Request(transaction))),
    ];
    disk.append_voting(&entries, &Vote::new(term, me.id))
        .map_err(OpenError::Io)?;
    Ok(me)
}

/// The last entry, and what the view is after it.
fn newest(disk: &Disk) -> disk::Result<(Option<LogId>, View)> {
    let (mut last, mut view) = (disk.purged()?, View::default());
    if let Some((meta, data)) = disk.snapshot()? {
        view = crate::codec::decode(&data)?;
        last = last.max(meta.last_log_id);
    }
    for entry in disk.entries(view.index() + 1..)? {
        let index = entry.log_id.index;
        if let EntryPayload::Normal(request) = &entry.payload
            // Refused when it was applied, and will be again.
            && let Ok(next) = view.apply(index, &request.0)
        {
            view = next;
        }
        if view.index() != index {
            view = view.advanced(index);
        }
        last = last.max(Some(entry.log_id));
    }
    Ok((last, view))
}
