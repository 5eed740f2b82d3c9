//! A lab: its boards, its switch, and who cleans up.

use std::{fs, net::SocketAddr, path::PathBuf, time::Duration};

use anyhow::{Context, Result, anyhow, bail, ensure};
use serde::{Deserialize, Serialize};

use crate::{
    Board, Ran, Response, Standing, board,
    cargo::daemon_binary,
    claim::Claim,
    clock::wait_for,
    down,
    furnish::furnish,
    janitor::Janitor,
    load::{Load, Style},
    logs::tail,
    net,
    paths::{Name, netns},
    provide::provide,
};

/// How long boards may take to become a cluster.
const FORMING: Duration = Duration::from_secs(60);

/// What a lab is to be.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Options {
    /// How many boards.
    pub boards: usize,
    /// The daemon's binary.
    pub daemon: PathBuf,
    /// Whether the boards wait for `docker swarm init` and `join` instead of forming a cluster by themselves.
    pub by_hand: bool,
}

impl Options {
    /// So many boards that form a cluster by themselves, with the daemon that `cargo build` makes.
    pub fn new(boards: usize) -> Self {
        Options {
            boards,
            daemon: daemon_binary(),
            by_hand: false,
        }
    }
}

/// A lab that exists. One that the library made ends with this value, unless `LAB_KEEP` is set; one that a person made stays.
#[derive(Debug)]
pub struct Lab {
    name: Name,
    options: Options,
    boards: Vec<Board>,
    janitor: Option<Janitor>,
    /// Dropped last: until then the name is taken. Labs that stay need none, as what is there of them is seen.
    _claim: Option<Claim>,
}

impl Lab {
    /// A cluster for a test: installs, builds and makes what is missing, starts the boards, and returns when they are ready.
    ///
    /// # Errors
    /// When anything fails; nothing is left behind then but logs.
    pub fn up(name: &str, boards: usize) -> Result<Self> {
        let lab = Lab::prepare(name, boards)?;
        lab.start_all()?;
        lab.ready()?;
        Ok(lab)
    }

    /// The same with all boards switched off.
    ///
    /// # Errors
    /// As for [`Lab::up`].
    pub fn prepare(name: &str, boards: usize) -> Result<Self> {
        provide()?;
        Lab::owned(name, Options::new(boards))
    }

    /// Boards, switched off, that will wait for `docker swarm init` or `join`.
    ///
    /// # Errors
    /// As for [`Lab::up`].
    pub fn prepare_by_hand(name: &str, boards: usize) -> Result<Self> {
        provide()?;
        Lab::owned(
            name,
            Options {
                by_hand: true,
                ..Options::new(boards)
            },
        )
    }

    /// A lab that ends with this value, or with this process, in place of one of that name. All boards are switched off.
    /// Nothing is installed or built.
    ///
    /// # Errors
    /// When a part cannot be made; nothing is left behind then but logs.
    pub fn owned(name: &str, options: Options) -> Result<Self> {
        let name: Name = name.parse()?;
        let claim = Claim::lay(&name)?;
        down::down(&name)?;
        let janitor = Some(Janitor::start(&name)?);
        let lab = Lab {
            boards: boards(&name, &options)?,
            name,
            options,
            janitor,
            _claim: Some(claim),
        };
        furnish(&lab)?;
        Ok(lab)
    }

    /// A lab that stays until `cargo lab down`. All boards are switched off.
    ///
    /// # Errors
    /// When there is one of that name, or a part cannot be made.
    pub fn lasting(name: Name, options: Options) -> Result<Self> {
        must_be_free(&name)?;
        let lab = Lab {
            boards: boards(&name, &options)?,
            name,
            options,
            janitor: None,
            _claim: None,
        };
        if let Err(error) = furnish(&lab) {
            // What was made is in nobody's hands yet. The first error is the one to tell.
            let _ = down::down(&lab.name);
            return Err(error);
        }
        Ok(lab)
    }

    /// The lab of that name, which somebody else made.
    ///
    /// # Errors
    /// When there is none.
    pub fn open(name: Name) -> Result<Self> {
        let file = name.dir().join("lab.json");
        let Ok(text) = fs::read_to_string(&file) else {
            bail!("there is no lab {name}: `cargo lab up --name {name}` makes one");
        };
        let options =
            serde_json::from_str(&text).with_context(|| format!("{} is damaged", file.display()))?;
        Ok(Lab {
            boards: boards(&name, &options)?,
            name,
            options,
            janitor: None,
            _claim: None,
        })
    }

    /// The lab's name.
    pub fn name(&self) -> &Name {
        &self.name
    }

    pub(crate) fn options(&self) -> &Options {
        &self.options
    }

    /// A board, counted from 1.
    ///
    /// # Panics
    /// When there is no such board.
    #[track_caller]
    pub fn board(&self, number: usize) -> &Board {
        let board = number.checked_sub(1).and_then(|index| self.boards.get(index));
        let Some(board) = board else {
            panic!(
                "the lab has boards 1 to {}, and no board {number}",
                self.boards.len()
            );
        };
        board
    }

    /// All boards in order.
    pub fn boards(&self) -> &[Board] {
        &self.boards
    }

    /// Starts all boards that are not running.
    ///
    /// # Errors
    /// When one cannot be started.
    pub fn start_all(&self) -> Result<()> {
        self.boards
            .iter()
            .filter(|board| board.daemon_pid().is_none())
            .try_for_each(Board::start)
    }

    /// Cuts the power of all boards in the same moment.
    ///
    /// # Errors
    /// When something would not die.
    pub fn power_off_all(&self) -> Result<()> {
        let numbers: Vec<usize> = (1..=self.boards.len()).collect();
        down::power_off(&self.name, &numbers)
    }

    /// Waits until every board sees the whole cluster.
    ///
    /// # Errors
    /// When that takes longer than a minute or a daemon does not run; with what each board lacks and the ends of the logs.
    pub fn ready(&self) -> Result<()> {
        self.watch_ready(|_| ())
    }

    /// The same, telling all boards' standing whenever it has been asked.
    ///
    /// # Errors
    /// As for [`Lab::ready`].
    pub fn watch_ready(&self, mut tell: impl FnMut(&[Standing])) -> Result<()> {
        let waited = wait_for("the cluster", FORMING, || {
            let all = self.boards.iter();
            let standing: Vec<_> = all.map(|one| Standing::of(one, self.boards.len())).collect();
            tell(&standing);
            let named = || self.boards.iter().map(Board::name).zip(&standing);
            if let Some((name, _)) = named().find(|(_, one)| **one == Standing::Off) {
                // Nobody starts it while we wait, so waiting on is in vain.
                return Ok(Some(Err(anyhow!("{name}'s daemon does not run"))));
            }
            match named().find(|(_, one)| **one != Standing::Ready) {
                Some((name, lacks)) => bail!("{name}: {lacks}"),
                None => Ok(Some(Ok(()))),
            }
        });
        waited.and_then(|ended| ended).map_err(|error| {
            let logs = self.boards.iter().map(|board| {
                let log = board.log();
                format!("\n--- the end of {}\n{}", log.display(), tail(&log, 15))
            });
            anyhow!("{error:#}{}", logs.collect::<String>())
        })
    }

    /// Asks until the answer is there; an error on the way is shown only if it is the last.
    ///
    /// # Errors
    /// When there is no answer after `deadline`.
    pub fn wait_for<T>(
        &self,
        what: &str,
        deadline: Duration,
        ask: impl FnMut() -> Result<Option<T>>,
    ) -> Result<T> {
        wait_for(what, deadline, ask)
    }

    /// Asks a web server from the switch, as any computer on the boards' network would.
    ///
    /// # Errors
    /// When there is no answer within two seconds.
    pub fn get(&self, to: SocketAddr, path: &str) -> Result<Response> {
        board::get(&self.name.switch(), to, path)
    }

    /// Asks web servers over and over, in turn, from the switch, until [`Load::stop`].
    ///
    /// # Errors
    /// When there is no switch or nobody to ask.
    pub fn load(&self, targets: &[SocketAddr], style: Style) -> Result<Load> {
        Load::start(&self.name.switch(), targets, style)
    }

    /// The file of the switch's network namespace: where other computers on the boards' network would be.
    pub fn switch(&self) -> PathBuf {
        netns(&self.name.switch())
    }

    /// Runs a docker command against the first board that answers.
    pub fn docker(&self, args: &[&str]) -> Ran {
        let answers = |board: &&Board| {
            board
                .api("GET", "/_ping", None)
                .is_ok_and(|answer| answer.status == 200)
        };
        let board = self.boards.iter().find(answers);
        board.unwrap_or_else(|| self.board(1)).docker(args)
    }

    /// Takes everything away but the logs.
    ///
    /// # Errors
    /// All that could not be taken away.
    pub fn down(mut self) -> Result<()> {
        let ended = down::down(&self.name).map(drop);
        if let Some(janitor) = self.janitor.take() {
            janitor.dismiss();
        }
        ended
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let Some(janitor) = self.janitor.take() else {
            return;
        };
        if std::env::var_os("LAB_KEEP").is_some() {
            eprintln!(
                "LAB_KEEP: the lab {} stays up; `cargo lab down --name {0}` takes it away",
                self.name
            );
        } else if let Err(error) = down::down(&self.name) {
            eprintln!("the lab {} did not end well: {error:#}", self.name);
        } else if std::thread::panicking() {
            eprintln!("the boards' logs are in {}", self.name.kept_logs().display());
        }
        janitor.dismiss();
    }
}

/// Refuses a name that a lab has.
///
/// # Errors
/// When there is one, or parts of one.
pub fn must_be_free(name: &Name) -> Result<()> {
    ensure!(
        !down::exists(name)?,
        "there is a lab {name} already: `cargo lab down --name {name}` takes it away"
    );
    Ok(())
}

fn boards(name: &Name, options: &Options) -> Result<Vec<Board>> {
    let most = net::MOST_BOARDS;
    ensure!(
        (1..=most).contains(&options.boards),
        "a lab has 1 to {most} boards, not {}",
        options.boards
    );
    (1..=options.boards)
        .map(|number| Board::new(name, number, &options.daemon))
        .collect()
}
