//! Puts the rooms together, and takes them apart in the right order.

use crate::backend::Backend;
use crate::board::Board;
use crate::config::{Advertise, Config};
use crate::events::History;
use crate::formation::{Keeper, Promised};
use crate::node::{self, Node};
use crate::sensors::Sensors;
use crate::standing::{Kept, Standing};
use crate::{life, neighbours, signs, tcp, vitals};
use anyhow::Context as _;
use discovery::Discovery;
use exec::Executor;
use manager::Current;
use network::Network;
use pki::{Clock, Expected, Identity, JoinKey};
use runtime::Runtime;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, UnixListener};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use wire::{Limits, Pool};

/// For a connection to another member.
const DIAL: Duration = Duration::from_secs(2);

/// Runs this board until it is told to stop.
pub async fn run(config: Config) -> anyhow::Result<()> {
    let board = Board::open(&config.state_dir, &config.run_dir)?;
    tracing::info!(board = %board.key, version = env!("CARGO_PKG_VERSION"), "bramble");
    for problem in &config.problems {
        tracing::warn!(%problem, "the card");
    }
    let shutdown = CancellationToken::new();
    stop_on_signals(shutdown.clone())?;

    let sensors = Sensors::open(
        board::Files::below(&config.board_root),
        config.state_dir.clone(),
        config.labels.clone(),
    )
    .await;
    let paths = slots::Paths::below(&config.board_root);
    let network = Network::open(networking(&config))
        .await
        .context("the board's network")?;
    let runtime = Runtime::open(containers(&config, paths.clone(), &sensors), Arc::new(network))
        .await
        .context("containers")?;
    let executor: Arc<dyn Executor> = Arc::new(runtime.clone());

    let interface = match &config.advertise {
        Some(Advertise::Interface(name)) => Some(name.clone()),
        _ => None,
    };
    let discovery = Discovery::start(interface.as_deref(), board.key.clone())?;
    let listener = TcpListener::bind(config.listen)
        .await
        .with_context(|| format!("listening at {}", config.listen))?;
    let api = listen_api(&config.api)?;
    let api_tls = tcp::listen(config.api_tls).await?;

    let (commands, told) = mpsc::channel(4);
    let installer = slots::Installer::new(paths);
    let node = assemble(config, board, &discovery, &sensors, commands, installer)?;
    let sensing = tokio::spawn(sensors.follow(shutdown.clone()));
    let signing = tokio::spawn(signs::show(node.clone(), shutdown.clone()));
    let guarding = tokio::spawn(vitals::guard(node.clone(), shutdown.clone()));
    let backend = Arc::new(Backend {
        node: node.clone(),
        runtime: runtime.clone(),
        history: History::follow(node.manager.subscribe(), node.clock.clone()),
    });
    let front = api::router(backend.clone());

    let keeper = Keeper {
        node: node.clone(),
        promised: node.promised.clone(),
    };
    let services = manager::services(
        Current(node.manager.subscribe()),
        Arc::new(keeper),
        Arc::new(crate::backend::Front(front.clone())),
    );
    let stop = shutdown.clone();
    let serving = tokio::spawn(wire::serve(
        listener,
        node.tls.subscribe(),
        node.trust(),
        services,
        Limits::default(),
        async move { stop.cancelled().await },
    ));
    let announcing = tokio::spawn(neighbours::announce(node.clone(), discovery, shutdown.clone()));
    let answering = tokio::spawn(api::serve(api, backend, shutdown.clone()));
    let answering_tls =
        api_tls.map(|listener| tokio::spawn(tcp::serve(node.clone(), listener, front, shutdown.clone())));

    // Boxed: a whole life's state.
    let lived = Box::pin(life::live(node, executor, told, shutdown.clone())).await;
    shutdown.cancel();
    for task in [announcing, sensing, signing, guarding] {
        let _ = task.await;
    }
    let _ = answering.await;
    if let Some(answering) = answering_tls {
        let _ = answering.await;
    }
    // Streams that never end by themselves (sessions, logs) are dropped.
    let _ = tokio::time::timeout(Duration::from_secs(1), serving).await;
    tracing::info!("stopped; containers go on");
    lived
}

fn assemble(
    config: Config,
    board: Board,
    discovery: &Discovery,
    sensors: &Sensors,
    commands: mpsc::Sender<crate::node::Command>,
    installer: slots::Installer,
) -> anyhow::Result<Arc<Node>> {
    let clock = Clock::system();
    let kept = Kept::load(&board.state)?;
    let locked = kept.member && crate::lock::locked(&board.state)?;
    let identity = match Identity::load(&board.state, None) {
        Ok(Some(identity)) if kept.member => identity,
        Err(error) if !locked => return Err(error.into()),
        _ => Identity::provisional(&board.key, clock.now())?,
    };
    let kept = Kept {
        member: kept.member && !identity.cluster_id().is_empty(),
        ..kept
    };
    let standing = match locked {
        true => Standing::Locked,
        false => Standing::to_begin_with(&kept, config.forms()),
    };
    let member = kept.member;
    let holding = agent::Holding {
        open: None,
        lost: kept.lost,
    };
    let barred = Arc::default();
    let trust = node::trust(&barred, &clock);
    let tls = pki::tls::server_config(&identity, &trust, &[wire::ALPN])?;
    let tls_info = watch::channel(node::tls_info(&identity)).0;
    let identity = watch::channel(Arc::new(identity)).0;
    let known = identity.subscribe();
    let pool = Pool::new(clock.clone(), DIAL, move |wanted| {
        let expected = Expected::Node(wanted.to_owned());
        let identity = known.borrow().clone();
        pki::tls::client_config(&identity, expected, &trust, &[wire::ALPN]).map_err(|error| error.to_string())
    });
    Ok(Arc::new(Node {
        join_key: config.join_key.as_ref().map(|key| JoinKey::new(key.reveal())),
        listen: config.listen,
        board,
        clock,
        standing: watch::channel(standing).0,
        holding: watch::channel(holding).0,
        kept: watch::channel(kept).0,
        lock: watch::channel(None).0,
        identity,
        tls_info,
        tls: watch::channel(tls).0,
        manager: watch::channel(None).0,
        orders: watch::channel(Default::default()).0,
        attempts: Default::default(),
        trouble: watch::channel(None).0,
        problems: watch::channel(problems(&config, member)).0,
        commands,
        pool,
        generation: watch::channel(0).0,
        quorum: Default::default(),
        barred,
        promised: Arc::new(Promised::default()),
        sightings: discovery.sightings(),
        tasks: watch::channel(None).0,
        installer,
        hardware: sensors.hardware(),
        unfit: sensors.unfit(),
        turns: Arc::default(),
        config,
    }))
}

fn networking(config: &Config) -> network::Config {
    network::Config {
        // It lasts, so that boards that all lost their power find each other again without a manager.
        wireguard_key: config.state_dir.join("wireguard.key"),
        ..network::Config::in_run_dir(&config.run_dir)
    }
}

/// What is wrong with this board's card.
fn problems(config: &Config, member: bool) -> Vec<String> {
    let mut all = config.problems.clone();
    if let (Some(cluster), None, false) = (&config.cluster, &config.join_key, member) {
        let text = format!(
            "cluster = \"{cluster}\" needs a join-key beside it, the same on all cards; until then the board waits for docker \
             swarm init or join"
        );
        tracing::warn!(problem = %text, "the card");
        all.push(text);
    }
    all
}

fn containers(config: &Config, paths: slots::Paths, sensors: &Sensors) -> runtime::Config {
    let of_board = sensors.labels();
    // A slot that is confirmed, or that came to nothing, changes them; so does a cable.
    let labels = move || {
        let mut all = of_board.borrow().clone();
        all.extend(slots::facts(&paths).map_or_else(BTreeMap::new, |facts| facts.labels()));
        all
    };
    runtime::Config {
        containerd: config.containerd.clone(),
        own: config.run_dir.join("containerd"),
        state_dir: config.state_dir.clone(),
        run_dir: config.run_dir.clone(),
        hostname: config.hostname.clone(),
        registry_mirror: config.registry_mirror.clone(),
        insecure_registries: config.insecure_registries.clone(),
        generic_resources: config.generic_resources.clone(),
        labels: config.labels.clone(),
        changing_labels: runtime::ChangingLabels(Some(Arc::new(labels))),
    }
}

fn listen_api(path: &Path) -> anyhow::Result<UnixListener> {
    use std::os::unix::fs::PermissionsExt as _;
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    }
    // A socket that a dead daemon left behind.
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("removing the old {}", path.display()));
        }
        _ => {}
    }
    let listener = UnixListener::bind(path).with_context(|| format!("listening at {}", path.display()))?;
    // Whoever may talk to this socket rules the cluster: root and its group, as with Docker.
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))?;
    Ok(listener)
}

fn stop_on_signals(shutdown: CancellationToken) -> anyhow::Result<()> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("told to stop");
        shutdown.cancel();
    });
    Ok(())
}
