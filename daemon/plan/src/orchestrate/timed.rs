//! Jobs that run at given times (`bramble.schedule`).
//!
//! Where such a job stands is in its `JobStatus`: when it is due, and what became of runs that did not happen. A run
//! begins when its time comes. If the one before still goes on then, it is left out; if nobody led the cluster when its
//! time came, it is made up for as soon as somebody does, once, however many were missed. Both are said in
//! `JobStatus.BrambleSchedule.Message`. An update by force (`docker service update --force`) starts a run by hand.

use super::jobs;
use crate::Reason;
use crate::create::iteration;
use crate::draft::Draft;
use crate::slots::{Place, Slot, Slots};
use crate::time::after;
use jiff::SignedDuration;
use model::{JobStatus, Schedule, ScheduleStatus, Service, Timestamp, Version};

/// A run that begins within this time of its own is on time.
const ON_TIME: SignedDuration = SignedDuration::from_mins(1);
/// Runs that did not happen are counted up to here.
const MOST: usize = 1_000;

/// How the job's current run stands.
pub(super) enum Run {
    /// None was begun.
    None,
    /// It goes on.
    Going,
    /// All that is to happen has happened, by this time.
    Over(Timestamp),
}

/// Begins a run if it is time to; asks to be woken when it will be.
pub(super) fn apply(draft: &mut Draft<'_>, service: &Service, text: &str, run: &Run) {
    let status = service.job_status.clone().unwrap_or_default();
    let known = status.schedule.clone().filter(|known| known.schedule == text);
    if let Some(due) = known
        .as_ref()
        .and_then(|known| known.due)
        .filter(|due| *due > draft.now)
    {
        draft.wake(due);
        return;
    }
    // One that can't be read was refused when it was written.
    let Ok(schedule) = &Schedule::parse(text) else {
        return;
    };
    let Some(known) = known else {
        tell(draft, service, schedule, schedule.after(draft.now), None);
        return;
    };
    let Some(due) = known.due else { return };
    match run {
        Run::Going => {
            let message = format!(
                "the run of {} is left out: the one before still goes on",
                shown(due)
            );
            if known.message.as_ref() != Some(&message) {
                tell(draft, service, schedule, Some(due), Some(message));
            }
        }
        Run::Over(end) if *end >= due => {
            let message = format!(
                "{} from {} on left out: the one before went on until {}",
                runs(schedule, due, *end),
                shown(due),
                shown(*end)
            );
            tell(draft, service, schedule, schedule.after(*end), Some(message));
        }
        Run::None | Run::Over(_) => {
            let late = after(due, ON_TIME) < draft.now;
            let message = late.then(|| {
                format!(
                    "{} from {} on missed, since nobody led the cluster: made up for by one at {}",
                    runs(schedule, due, draft.now),
                    shown(due),
                    shown(draft.now)
                )
            });
            begin(draft, service, matches!(run, Run::None));
            // A word on what was left out stays until something else is to be said.
            tell(
                draft,
                service,
                schedule,
                schedule.after(draft.now),
                message.or(known.message),
            );
        }
    }
}

/// The first run has number 0 like that of any job; each begins a new iteration.
fn begin(draft: &mut Draft<'_>, service: &Service, is_first: bool) {
    let now = draft.now;
    let current = iteration(service).unwrap_or_default().index;
    let next = if is_first { current } else { current + 1 };
    draft.edit_service(&service.id, |service| {
        let status = service.job_status.get_or_insert_default();
        status.job_iteration = Version { index: next };
        status.last_execution = Some(now);
    });
    draft.say(Reason::JobAgain {
        service: service.spec.name.clone(),
        iteration: next,
    });
}

fn tell(
    draft: &mut Draft<'_>,
    service: &Service,
    schedule: &Schedule,
    due: Option<Timestamp>,
    message: Option<String>,
) {
    let before = |status: &JobStatus| status.schedule.as_ref().and_then(|known| known.message.clone());
    if let Some(message) = message
        .clone()
        .filter(|_| message != service.job_status.as_ref().and_then(before))
    {
        draft.say(Reason::Scheduled {
            service: service.spec.name.clone(),
            message,
        });
    }
    draft.edit_service(&service.id, |service| {
        service.job_status.get_or_insert_default().schedule = Some(ScheduleStatus {
            schedule: schedule.as_str().to_owned(),
            due,
            message,
        });
    });
}

/// `3 runs`: how many times there are from `first`, which is one, to `last`.
fn runs(schedule: &Schedule, first: Timestamp, last: Timestamp) -> String {
    let times = std::iter::successors(Some(first), |time| schedule.after(*time));
    match times.take_while(|time| *time <= last).take(MOST).count() {
        1 => "1 run".to_owned(),
        MOST => format!("{MOST} runs or more"),
        count => format!("{count} runs"),
    }
}

/// A time without parts of a second.
fn shown(time: Timestamp) -> String {
    Timestamp::from_second(time.as_second())
        .unwrap_or(time)
        .to_string()
}

/// How the run whose tasks these are stands; `total` places are to be filled, if it is known how many.
pub(super) fn run(service: &Service, slots: &Slots, total: Option<u64>) -> Run {
    let status = service.job_status.as_ref();
    let Some(begun) = status.and_then(|status| status.last_execution) else {
        return Run::None;
    };
    let is_over = |(place, slot): (&Place, &Slot)| match place {
        Place::Slot(_) => jobs::is_complete(slot) || slot.stays_stopped(),
        // A board that went away in the middle of its run is not waited for.
        Place::Board(_) => !jobs::is_active(slot),
    };
    let filled = slots.len() as u64 >= total.unwrap_or(0);
    if !filled || !slots.iter().all(is_over) {
        return Run::Going;
    }
    let ends = slots
        .values()
        .flat_map(|slot| &slot.0)
        .map(|task| task.status.timestamp);
    Run::Over(ends.max().unwrap_or(begun))
}
