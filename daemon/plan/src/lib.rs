//! Every decision of a manager, pure.
//!
//! [`plan`] looks at one moment of the store and at what nodes have told since, runs every rule in order until none
//! has anything left to do, and gives **one** transaction, the time at which it wants to look again, and its
//! reasons. It has no clock, no socket and no log, and it keeps nothing between two calls: whatever a rule needs to
//! remember is in the objects, so that a new leader goes on where the old one stopped.
//!
//! ```text
//! allocate     ports for services that publish some; subnets, VXLAN numbers and addresses in networks
//! nodes        tasks of boards that are gone will never report: orphaned
//! restart      tasks that ended, or whose board can't keep them, give their place to another
//! orchestrate  as many tasks as the service wants: replicated, global, jobs; none without a service
//! update       from the old spec to the new one, slot by slot, and back
//! moves        tasks of services that ask for it go to better boards
//! start        replacements start once their time has come and their forerunner has stopped
//! schedule     a board for each task whose service waits for no other
//! reap         history beyond its limit goes
//! quorum       who should be a manager
//! ```
//!
//! What goes to the log: placements, a task's first RUNNING (updates watch from then, and the next leader too), final
//! states, and what the rules above want. Everything else that nodes tell is soft and stays in [`Reports`].
#![deny(missing_docs)]

mod allocate;
mod create;
mod depends;
mod draft;
mod enforce;
mod moves;
mod nodes;
mod orchestrate;
mod quorum;
mod reap;
mod reason;
mod reports;
mod restart;
mod schedule;
mod slots;
mod time;
mod update;

pub use allocate::subnets::{INGRESS_VNI, Taken};
pub use depends::circle;
pub use draft::MAX_NEW_TASKS;
pub use reason::{Cause, Reason};
pub use reports::{NodeReport, Reports};
pub use restart::start::STOP_PATIENCE;
pub use update::START_LIMIT;

use draft::Draft;
use model::Timestamp;
use rand::Rng;
use state::{Transaction, View};

/// Rounds after which a plan is cut short. Rules settle in three or four; more would be a fault in one of them, and
/// half a plan is still a valid transaction.
const MAX_ROUNDS: usize = 24;

/// What is to be done.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// To be committed whole; empty if all is as it should be.
    pub changes: Transaction,
    /// When to plan again though nothing has happened; never, if absent.
    pub wake_at: Option<Timestamp>,
    /// Why, in order: one for each decision.
    pub because: Vec<Reason>,
}

/// Decides what the cluster is to do next.
///
/// `rng` is only for the identifiers of new tasks and for the strategy `random`. The same arguments always give the same plan.
pub fn plan(view: &View, reports: &Reports, now: Timestamp, rng: &mut impl Rng) -> Plan {
    let mut draft = Draft::new(view, reports, now, rng);
    for _ in 0..MAX_ROUNDS {
        let before = draft.begin_round();
        allocate::ports::apply(&mut draft);
        allocate::networks::apply(&mut draft);
        nodes::apply(&mut draft);
        restart::apply(&mut draft);
        orchestrate::apply(&mut draft);
        update::apply(&mut draft);
        moves::apply(&mut draft);
        restart::start::apply(&mut draft);
        allocate::addresses::apply(&mut draft);
        schedule::apply(&mut draft);
        reap::apply(&mut draft);
        quorum::apply(&mut draft);
        if draft.edits() == before {
            return draft.finish();
        }
    }
    draft.say(Reason::Unsettled);
    draft.wake(now);
    draft.finish()
}
