//! What is in force inside tasks that are in the cluster's networks.

use futures::future::join_all;
use model::TaskId;
use tokio::time::Instant;

use super::board::{Board, Coming};
use crate::{
    Error,
    kernel::{filter, member, namespace},
    rules::{self, Inside},
};

impl Board {
    /// What those who are in the cluster's networks need besides their links.
    pub(super) async fn seat(&mut self, coming: &mut [Coming]) {
        let members = self.wanted.members();
        let seated = coming.iter().filter(|one| one.failed.is_none());
        let seated = seated.filter(|one| {
            members
                .get(&one.id)
                .is_some_and(|member| !member.seats.is_empty())
        });
        let ids: Vec<TaskId> = seated.map(|one| one.id.clone()).collect();
        if ids.is_empty() {
            return;
        }
        let placed = self.place().await;
        for (id, result) in self.furnish(&ids).await {
            if let Some(one) = coming.iter_mut().find(|one| one.id == id) {
                one.failed = result.err();
            }
        }
        if let Err(error) = placed {
            for one in coming.iter_mut().filter(|one| ids.contains(&one.id)) {
                one.failed.get_or_insert(error.clone());
            }
        }
    }

    /// Rules and ways inside all tasks.
    pub(super) async fn furnish_all(&mut self) -> Vec<Error> {
        let ids: Vec<TaskId> = self.wanted.members().keys().cloned().collect();
        self.furnish(&ids)
            .await
            .into_iter()
            .filter_map(|(_, result)| result.err())
            .collect()
    }

    /// Rules and ways inside these tasks, where they changed.
    pub(super) async fn furnish(&mut self, ids: &[TaskId]) -> Vec<(TaskId, Result<(), Error>)> {
        let stale = ids.iter().filter_map(|id| {
            let member = self.wanted.members().get(id).filter(|member| !member.leaving)?;
            let inside = rules::inside(&self.wanted, member)?;
            let changed = self.furnished.get(id) != Some(&inside);
            (changed && namespace::exists(&self.netns(id))).then_some((id.clone(), inside))
        });
        let stale: Vec<(TaskId, Inside)> = stale.collect();
        let furnished = join_all(stale.into_iter().map(|(id, inside)| {
            let netns = self.netns(&id);
            let before = self.furnished.get(&id);
            let sure = before.filter(|_| !self.doubt.tasks.contains(&id));
            let change = sure.and_then(|before| rules::change(&before.text, &inside.text));
            let (text, ways) = (
                before.is_none_or(|before| before.text != inside.text),
                before.is_none_or(|before| before.ways != inside.ways),
            );
            async move {
                let work = async {
                    if ways {
                        member::set_ways(&netns, &inside.ways).await?;
                    }
                    if text {
                        filter::apply_within(&netns, change.as_deref(), &inside.text).await?;
                    }
                    Ok(())
                };
                let result = work.await;
                (id, inside, text, result)
            }
        }))
        .await;
        let mut results = Vec::with_capacity(furnished.len());
        let late = Instant::now() >= self.doubt.until;
        for (id, inside, text, result) in furnished {
            if late && text && result.is_ok() {
                self.doubt.tasks.remove(&id);
            }
            match &result {
                Ok(()) => self.furnished.insert(id.clone(), inside),
                Err(_) => self.furnished.remove(&id),
            };
            results.push((id, result));
        }
        results
    }
}
