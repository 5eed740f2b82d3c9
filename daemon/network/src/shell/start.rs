//! From whatever is there to a board that is as wanted.

use std::{
    collections::{BTreeMap, HashSet},
    path::Path,
    time::Duration,
};

use exec::Fabric;
use futures::future::join_all;
use model::TaskId;
use tokio::time::Instant;

use super::board::{Board, Doubt};
use crate::{
    Config, Error,
    kernel::{
        Links, bridge,
        member::{self, Remains},
        namespace,
        wireguard::Wireguard,
    },
    keys::Keys,
    recover::{self, Found, Note},
    wanted::{Wanted, port_address, port_name},
};

/// How long an `nft` of a killed daemon may still be at work.
const DOUBT: Duration = Duration::from_secs(3);

/// Makes the board ready and takes over who is attached.
pub async fn open(config: Config) -> Result<Board, Error> {
    config.check()?;
    prepare_places(&config).await?;
    let note = read_note(&config.state_file).await?;
    let mut wanted = Wanted::new(config.bridge.clone(), config.subnet);
    let links = Links::open()?;
    let wireguard = Wireguard::open().await?;
    if wireguard.is_none() {
        tracing::info!("the kernel has no WireGuard: this board can't be in encrypted networks");
    }
    let seen = look(&links, &config.netns_dir, &note).await?;
    let leftovers = recover::recover(&mut wanted, &note, &seen);

    let doubt = Doubt {
        until: Instant::now() + DOUBT,
        board: true,
        tasks: wanted.members().keys().cloned().collect(),
    };
    let forwarding_was_off = note.forwarding_was_off || !bridge::forwarding().await?;
    let mut board = Board {
        keys: Keys::at(config.wireguard_key.clone()),
        config,
        links,
        wireguard,
        bridge: 0,
        wanted,
        forwarding_was_off,
        applied: None,
        noted: Some(note),
        fixtures: BTreeMap::new(),
        furnished: BTreeMap::new(),
        doubt,
    };
    board.sweep().await;
    // Before the switch is touched, so that nobody takes our "on" for the owner's.
    board.note().await;
    bridge::set_forwarding(true).await?;
    board.bridge = bridge::ensure(&board.links, &board.config.bridge, board.config.subnet).await?;

    for id in leftovers {
        let remains = Remains {
            netns: board.netns(&id),
            ports: Vec::new(),
        };
        board.clear(&id, remains).await;
    }
    mend(&mut board).await;
    remove_stray_ports(&board).await?;
    if let Some(fabric) = read_fabric(&board.fabric_file()).await
        && let Err(error) = board.weave(&fabric).await
    {
        tracing::warn!(%error, "the cluster's networks are not whole");
    }
    board.filter().await?;
    board.note().await;
    tracing::info!(
        bridge = board.config.bridge,
        tasks = board.wanted.members().len(),
        "network is ready"
    );
    Ok(board)
}

async fn prepare_places(config: &Config) -> Result<(), Error> {
    let parent = config.state_file.parent().unwrap_or(Path::new("/"));
    for dir in [config.netns_dir.as_path(), parent] {
        tokio::fs::create_dir_all(dir)
            .await
            .map_err(Error::kernel("making directory", dir.display()))?;
    }
    Ok(())
}

/// The cluster's networks as they were; none if that is not known, as after a reboot.
async fn read_fabric(path: &Path) -> Option<Fabric> {
    let text = tokio::fs::read(path).await.ok()?;
    serde_json::from_slice(&text)
        .inspect_err(|error| tracing::warn!(%error, "the notes on the cluster's networks are unreadable"))
        .ok()
}

async fn read_note(path: &Path) -> Result<Note, Error> {
    match tokio::fs::read(path).await {
        Ok(text) => Ok(Note::parse(&text).unwrap_or_else(|| {
            tracing::warn!(path = %path.display(), "the notes on the board's addresses are unreadable");
            Note::default()
        })),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Note::default()),
        Err(error) => Err(Error::kernel("reading", path.display())(error)),
    }
}

/// Every entry of the directory of namespaces. The kernel is asked about those that the notes do not name.
async fn look(
    links: &Links,
    dir: &Path,
    note: &Note,
) -> Result<BTreeMap<TaskId, Option<Option<Found>>>, Error> {
    let listing = Error::kernel("listing", dir.display());
    let mut names = Vec::new();
    let listed = async {
        let mut entries = tokio::fs::read_dir(dir).await?;
        while let Some(entry) = entries.next_entry().await? {
            names.extend(entry.file_name().into_string().ok());
        }
        Ok::<(), std::io::Error>(())
    };
    listed.await.map_err(listing)?;
    let looked = names.into_iter().map(|name| async move {
        let (path, id) = (dir.join(&name), TaskId::from(name));
        if !namespace::exists(&path) {
            return (id, None);
        }
        if note.names(&id) {
            return (id, Some(None));
        }
        let found = member::found(links, &path).await.unwrap_or_else(|error| {
            tracing::warn!(task = %id, %error, "cannot look into a task's network");
            None
        });
        (id, Some(found))
    });
    Ok(join_all(looked).await.into_iter().collect())
}

/// Makes every member whole. One that cannot be is not worth a board that does not start.
async fn mend(board: &mut Board) {
    let mended = join_all(board.wanted.members().iter().map(|(id, member)| {
        let board = &board;
        async move {
            let netns = board.netns(id);
            let result = member::ensure(&board.links, &board.ties(member, &netns)).await;
            (id.clone(), Remains::of(netns, member), result)
        }
    }))
    .await;
    for (id, remains, result) in mended {
        let Err(error) = result else { continue };
        tracing::warn!(task = %id, %error, "cannot take over a task's network");
        board.clear(&id, remains).await;
        board.wanted.forget(&id);
    }
}

/// Removes the veth pairs of nobody: their addresses would be given out a second time.
async fn remove_stray_ports(board: &Board) -> Result<(), Error> {
    let wanted: HashSet<String> = board
        .wanted
        .members()
        .values()
        .map(|member| port_name(member.address))
        .collect();
    let ours = |name: &str| port_address(name).is_some_and(|a| board.config.subnet.number(a).is_some());
    let names = board.links.all().await?.into_iter().map(|link| link.name);
    board
        .links
        .remove_all(
            &names
                .filter(|name| ours(name) && !wanted.contains(name))
                .collect(),
        )
        .await
}
