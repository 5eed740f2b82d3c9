//! Whether a slot on trial is healthy. Pure: someone asks the daemon again and again, and tells what it said and when.

use std::time::Duration;

/// Where the board stands, as its daemon says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// In no cluster, and looking for none.
    Out,
    /// On its way into one.
    Searching,
    /// A member, and why it can't do its part, if it can't.
    In(Option<String>),
    /// A member whose keys a person must unlock.
    Locked,
}

/// What the daemon said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// Its process: another one means that it was started again.
    pub process: i32,
    /// Where it stands.
    pub standing: Standing,
    /// Tasks that are to run here, and those of them that do; none if it does not say.
    pub tasks: Option<(usize, usize)>,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Ask again, and what is waited for.
    Wait(String),
    /// The slot is to stay.
    Healthy,
    /// The slot is not to stay, and why.
    Ill(String),
}

/// Judges.
#[derive(Clone, Debug)]
pub struct Judge {
    /// Whether the board must be in its cluster: it was before.
    was_member: bool,
    /// How long all must be well without a break.
    steady: Duration,
    /// When it is given up.
    patience: Duration,
    /// Since when all has been well, and which process said so.
    well: Option<(Duration, i32)>,
}

impl Judge {
    /// A judge of a board that must be well for `steady` without a break, within `patience`.
    pub fn new(was_member: bool, steady: Duration, patience: Duration) -> Self {
        Self {
            was_member,
            steady,
            patience,
            well: None,
        }
    }

    /// Hears what the daemon said (or why it said nothing) at a time since the beginning.
    pub fn hear(&mut self, at: Duration, heard: Result<Heard, String>) -> Verdict {
        let trouble = match &heard {
            Ok(heard) => self.trouble(heard),
            Err(error) => Some(format!("the daemon does not answer: {error}")),
        };
        self.well = match (heard, &trouble) {
            (Ok(heard), None) => match self.well {
                Some((since, process)) if process == heard.process => Some((since, process)),
                _ => Some((at, heard.process)),
            },
            _ => None,
        };
        if let Some((since, _)) = self.well
            && at.saturating_sub(since) >= self.steady
        {
            return Verdict::Healthy;
        }
        let waiting = trouble
            .unwrap_or_else(|| format!("all is well; it must stay so for {} s", self.steady.as_secs()));
        if at < self.patience {
            return Verdict::Wait(waiting);
        }
        Verdict::Ill(format!(
            "not healthy within {} s: {waiting}",
            self.patience.as_secs()
        ))
    }

    fn trouble(&self, heard: &Heard) -> Option<String> {
        match &heard.standing {
            Standing::Out | Standing::Searching if self.was_member => {
                return Some("the board is not in its cluster again".to_owned());
            }
            // It waits for a person, or for boards that are not there yet: as before.
            Standing::Out | Standing::Searching => return None,
            Standing::In(trouble @ Some(_)) => return trouble.clone(),
            Standing::Locked => {
                return Some("its keys are locked: unlock them with docker swarm unlock".to_owned());
            }
            Standing::In(None) => {}
        }
        match heard.tasks {
            Some((wanted, running)) if running < wanted => Some(format!("{running} of {wanted} tasks run")),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const STEADY: Duration = Duration::from_secs(60);
    const PATIENCE: Duration = Duration::from_secs(600);

    fn heard(process: i32, standing: Standing) -> Result<Heard, String> {
        Ok(Heard {
            process,
            standing,
            tasks: Some((2, 2)),
        })
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_member_must_be_well_for_a_while() {
        let mut judge = Judge::new(true, STEADY, PATIENCE);
        let is =
            |verdict: Verdict, text: &str| matches!(&verdict, Verdict::Wait(said) if said.contains(text));
        assert!(is(judge.hear(seconds(0), Err("no socket".into())), "no socket"));
        assert!(is(
            judge.hear(seconds(5), heard(1, Standing::Out)),
            "not in its cluster"
        ));
        let silent = Standing::In(Some("no session with a manager".into()));
        assert!(is(judge.hear(seconds(7), heard(1, silent)), "no session"));
        assert!(is(
            judge.hear(seconds(10), heard(1, Standing::In(None))),
            "stay so"
        ));
        // The daemon fell and was started again in between.
        assert!(is(
            judge.hear(seconds(69), heard(2, Standing::In(None))),
            "stay so"
        ));
        assert!(is(
            judge.hear(seconds(128), heard(2, Standing::In(None))),
            "stay so"
        ));
        assert_eq!(
            judge.hear(seconds(129), heard(2, Standing::In(None))),
            Verdict::Healthy
        );
    }

    #[test]
    fn tasks_must_run() {
        let mut judge = Judge::new(true, Duration::ZERO, PATIENCE);
        let mut said = heard(1, Standing::In(None)).unwrap();
        said.tasks = Some((3, 2));
        assert_eq!(
            judge.hear(seconds(1), Ok(said.clone())),
            Verdict::Wait("2 of 3 tasks run".into())
        );
        let late = judge.hear(PATIENCE, Ok(said));
        assert!(matches!(late, Verdict::Ill(why) if why.contains("2 of 3 tasks run")));
    }

    #[test]
    fn a_board_without_a_cluster_needs_only_its_daemon() {
        for standing in [Standing::Out, Standing::Searching] {
            let mut judge = Judge::new(false, STEADY, PATIENCE);
            judge.hear(seconds(0), heard(1, standing.clone()));
            assert_eq!(judge.hear(STEADY, heard(1, standing)), Verdict::Healthy);
        }
    }

    fn anything() -> impl Strategy<Value = Result<Heard, String>> {
        let standing = prop_oneof![
            Just(Standing::Out),
            Just(Standing::In(None)),
            Just(Standing::In(None)),
            Just(Standing::In(None)),
            Just(Standing::In(Some("trouble".to_owned()))),
            Just(Standing::Locked),
        ];
        let said = (1..3, standing, 1usize..3).prop_map(|(process, standing, running)| Heard {
            process,
            standing,
            tasks: Some((1, running)),
        });
        prop_oneof![9 => said.prop_map(Ok), 1 => Just(Err("down".to_owned()))]
    }

    proptest! {
        /// Healthy is only what was well, with one process, for the whole time; and there is an end.
        #[test]
        fn it_is_never_healthy_too_soon(story in prop::collection::vec((1u64..40, anything()), 1..60)) {
            let mut judge = Judge::new(true, STEADY, PATIENCE);
            let mut now = Duration::ZERO;
            let mut streak: Option<(Duration, i32)> = None;
            for (pause, heard) in story {
                now += seconds(pause);
                let well = heard.as_ref().ok().filter(|heard| heard.standing == Standing::In(None));
                streak = match (well, streak) {
                    (Some(heard), Some((since, process))) if process == heard.process => Some((since, process)),
                    (Some(heard), _) => Some((now, heard.process)),
                    (None, _) => None,
                };
                let lasted = streak.is_some_and(|(since, _)| now - since >= STEADY);
                match judge.hear(now, heard) {
                    Verdict::Healthy => prop_assert!(lasted),
                    Verdict::Wait(_) => prop_assert!(!lasted && now < PATIENCE),
                    Verdict::Ill(_) => prop_assert!(!lasted && now >= PATIENCE),
                }
            }
        }
    }
}
