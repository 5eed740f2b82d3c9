//! The owner of the board's network: decides on a batch, carries it out, answers.
//!
//! The order of one batch, so that a daemon killed between any two steps finds its way:
//! decide, note, make and unmake namespaces, apply the rules, note again if someone left, answer.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet, VecDeque},
    path::PathBuf,
    sync::Arc,
};

use exec::{Attached, Wish};
use futures::future::join_all;
use model::TaskId;
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::Instant,
};

use super::{
    WAITING,
    batch::{self, Done, Request},
};
use crate::{
    Config, Error,
    kernel::{
        Links,
        member::{self, Remains},
        wireguard::Wireguard,
    },
    keys::Keys,
    overlay::Fixture,
    ports,
    recover::Note,
    rules::Inside,
    wanted::{Member, Wanted},
};

/// A board's network and the hands on it.
pub struct Board {
    pub(super) config: Config,
    pub(super) links: Links,
    /// None if the kernel has none.
    pub(super) wireguard: Option<Wireguard>,
    pub(super) keys: Keys,
    /// The bridge's number.
    pub(super) bridge: u32,
    pub(super) wanted: Wanted,
    pub(super) forwarding_was_off: bool,
    /// The rules in force; none if that is not certain.
    pub(super) applied: Option<String>,
    /// What the notes on disk say; none if that is not certain.
    pub(super) noted: Option<Note>,
    /// The links of the cluster's networks, by the networks' numbers.
    pub(super) fixtures: BTreeMap<u32, Fixture>,
    /// What is in force inside tasks; none of those that nobody looked at since the start.
    pub(super) furnished: BTreeMap<TaskId, Inside>,
    pub(super) doubt: Doubt,
}

/// Whose rules may not be those that this daemon put in force: an `nft` that a killed daemon had started may have come later.
/// They are made anew as a whole, and only then changed by what differs.
pub(super) struct Doubt {
    /// No such `nft` works any more.
    pub until: Instant,
    pub board: bool,
    pub tasks: HashSet<TaskId>,
}

/// An attachment on its way.
pub(super) struct Coming {
    pub(super) id: TaskId,
    /// What the task had before, to be put back if it fails.
    before: Option<Member>,
    reply: oneshot::Sender<Result<Attached, Error>>,
    pub(super) failed: Option<Error>,
}

/// A detachment on its way.
struct Going {
    id: TaskId,
    remains: Remains,
    reply: Option<Done>,
    errors: Vec<Error>,
}

impl Board {
    /// Who is attached.
    pub fn attached(&self) -> BTreeMap<TaskId, Attached> {
        let given = |id: &TaskId| Some((id.clone(), self.wanted.attached(id, &self.config.netns_dir)?));
        self.wanted.members().keys().filter_map(given).collect()
    }

    /// Where a task's namespace is mounted.
    pub(super) fn netns(&self, id: &TaskId) -> PathBuf {
        self.config.netns_dir.join(id.as_str())
    }

    /// All that a member has.
    pub(super) fn remains(&self, id: &TaskId, member: &Member) -> Remains {
        Remains::of(self.netns(id), member)
    }

    /// Removes what is left of a task that is not attached. There is nobody to tell of an error but the log.
    pub(super) async fn clear(&self, id: &TaskId, remains: Remains) {
        for error in member::remove(&self.links, vec![remains])
            .await
            .into_iter()
            .flatten()
        {
            tracing::warn!(task = %id, %error, "cannot remove the remains of a task's network");
        }
    }

    /// Serves requests until the last handle is gone or the network is closed.
    pub async fn run(
        mut self,
        mut requests: mpsc::Receiver<Request>,
        tell: watch::Sender<Arc<BTreeMap<TaskId, Attached>>>,
    ) {
        while let Some(first) = requests.recv().await {
            let mut waiting = VecDeque::from([first]);
            while waiting.len() < WAITING
                && let Ok(request) = requests.try_recv()
            {
                waiting.push_back(request);
            }
            while !waiting.is_empty() {
                let mut work = batch::next(&mut waiting);
                match work.pop() {
                    Some(Request::Close { reply }) => {
                        let result = self.close().await;
                        tell.send_replace(Arc::default());
                        let _ = reply.send(result);
                        return;
                    }
                    Some(Request::Weave { fabric, reply }) => {
                        let result = self.weave(&fabric).await;
                        let _ = reply.send(result);
                    }
                    Some(Request::Retain { keep, reply }) => {
                        let result = self.retain(&keep, &tell).await;
                        let _ = reply.send(result);
                    }
                    Some(last) => {
                        work.push(last);
                        self.turn(work, &tell).await;
                    }
                    None => {}
                }
            }
        }
    }

    /// One batch of attachments and detachments. Answers are sent when all is done and told: who asks [`attached`] after
    /// an answer finds it so. An answer whose asker went away is dropped.
    ///
    /// [`attached`]: super::Network::attached
    async fn turn(&mut self, batch: Vec<Request>, tell: &watch::Sender<Arc<BTreeMap<TaskId, Attached>>>) {
        let (mut coming, mut going) = (Vec::new(), Vec::new());
        for request in batch {
            match request {
                Request::Attach { wish, reply } => match self.admit(&wish) {
                    Ok(before) => coming.push(Coming {
                        id: wish.task,
                        before,
                        reply,
                        failed: None,
                    }),
                    Err(error) => drop(reply.send(Err(error))),
                },
                Request::Detach { task, reply } => match self.depart(task) {
                    Some(one) => going.push(Going {
                        reply: Some(reply),
                        ..one
                    }),
                    None => drop(reply.send(Ok(()))),
                },
                Request::Weave { .. } | Request::Retain { .. } | Request::Close { .. } => {}
            }
        }
        self.carry_out(&mut coming, &mut going).await;
        tell.send_replace(Arc::new(self.attached()));
        for coming in coming {
            let answer = match coming.failed {
                Some(error) => Err(error),
                None => self
                    .wanted
                    .attached(&coming.id, &self.config.netns_dir)
                    .ok_or(Error::Closed),
            };
            let _ = coming.reply.send(answer);
        }
        for going in going {
            if let Some(reply) = going.reply {
                let _ = reply.send(Error::all(going.errors));
            }
        }
    }

    fn depart(&mut self, id: TaskId) -> Option<Going> {
        let netns = self.netns(&id);
        let remains = Remains::of(netns, self.wanted.depart(&id)?);
        Some(Going {
            id,
            remains,
            reply: None,
            errors: Vec::new(),
        })
    }

    fn admit(&mut self, wish: &Wish) -> Result<Option<Member>, Error> {
        let own = self
            .wanted
            .members()
            .get(&wish.task)
            .map(|member| member.host_ports.as_slice());
        for port in wish
            .host_ports
            .iter()
            .filter(|port| !own.is_some_and(|own| own.contains(port)))
        {
            ports::unused_by_programs(port)?;
        }
        self.wanted.admit(wish)
    }

    /// Makes it so. What fails is noted in each `coming` and `going`; a failed attachment is undone.
    async fn carry_out(&mut self, coming: &mut [Coming], going: &mut [Going]) {
        self.note().await;
        let board = &*self;
        let makers = join_all(coming.iter().filter_map(|one| {
            let member = board.wanted.members().get(&one.id)?;
            let netns = board.netns(&one.id);
            Some(async move { member::ensure(&board.links, &board.ties(member, &netns)).await })
        }));
        let remains = going.iter().map(|one| one.remains.clone()).collect();
        let (made, removed) = futures::join!(makers, member::remove(&board.links, remains));
        for (one, result) in coming.iter_mut().zip(made) {
            one.failed = result.err();
        }
        for (one, errors) in going.iter_mut().zip(removed) {
            one.errors = errors;
        }
        self.seat(coming).await;
        self.undo_failed(coming).await;
        if let Err(error) = self.filter().await {
            for one in coming.iter_mut() {
                one.failed.get_or_insert(error.clone());
            }
            for one in going.iter_mut() {
                one.errors.push(error.clone());
            }
            self.undo_failed(coming).await;
        }
        let mut left = BTreeSet::new();
        for one in going.iter().filter(|one| one.errors.is_empty()) {
            let member = self.wanted.forget(&one.id);
            let seats = member.iter().flat_map(|member| &member.seats);
            left.extend(seats.map(|seat| seat.address));
            self.furnished.remove(&one.id);
        }
        if !left.is_empty()
            && let Err(error) = self.tidy(&left).await
        {
            tracing::warn!(%error, "cannot remove what the cluster's networks had for a task");
        }
        self.note().await;
    }

    /// Puts back what the failed had before; of those who had nothing, nothing may be left.
    async fn undo_failed(&mut self, coming: &[Coming]) {
        for one in coming.iter().filter(|one| one.failed.is_some()) {
            let Some(member) = self.wanted.members().get(&one.id) else {
                continue;
            };
            if one.before.is_none() {
                let remains = self.remains(&one.id, member);
                self.clear(&one.id, remains).await;
            }
            self.wanted.restore(&one.id, one.before.clone());
        }
    }

    async fn retain(
        &mut self,
        keep: &HashSet<TaskId>,
        tell: &watch::Sender<Arc<BTreeMap<TaskId, Attached>>>,
    ) -> Result<(), Error> {
        let result = self.leave(|id| !keep.contains(id)).await;
        tell.send_replace(Arc::new(self.attached()));
        result
    }

    pub(super) async fn leave(&mut self, who: impl Fn(&TaskId) -> bool) -> Result<(), Error> {
        let ids: Vec<TaskId> = self
            .wanted
            .members()
            .keys()
            .filter(|id| who(id))
            .cloned()
            .collect();
        let mut going: Vec<Going> = ids.into_iter().filter_map(|id| self.depart(id)).collect();
        self.carry_out(&mut [], &mut going).await;
        // One failure of the shared rules is told once.
        let mut errors: Vec<Error> = Vec::new();
        for error in going.into_iter().flat_map(|one| one.errors) {
            if !errors.contains(&error) {
                errors.push(error);
            }
        }
        Error::all(errors)
    }
}
