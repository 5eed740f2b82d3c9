//! Services written in words: `replicas=3 image=ok order=start-first label:bramble.rebalance=true`.

use super::World;
use model::*;
use state::Transaction;

/// Nanoseconds of `10s`.
fn nanos(text: &str) -> Option<i64> {
    let time: jiff::SignedDuration = text.parse().expect("a time");
    Some(time.as_nanos() as i64)
}

/// Writes the words into a spec.
pub fn write(spec: &mut ServiceSpec, words: &[&str]) {
    for word in words {
        let (key, value) = word.split_once('=').unwrap_or((word, ""));
        let number = || value.parse::<u64>().expect("a number");
        if let Some(label) = key.strip_prefix("label:") {
            // A blank in a value is written as `_`.
            spec.labels.insert(label.to_owned(), value.replace('_', " "));
            continue;
        }
        let template = &mut spec.task_template;
        match key {
            "stack" => drop(spec.labels.insert(STACK_LABEL.to_owned(), value.to_owned())),
            "replicas" => {
                spec.mode.replicated = Some(Replicated {
                    replicas: Some(number()),
                })
            }
            "global" => spec.mode.global = Some(Empty {}),
            "global-job" => spec.mode.global_job = Some(Empty {}),
            "job" => {
                let (total, at_once) = value.split_once('/').unwrap_or((value, "1"));
                spec.mode.replicated_job = Some(ReplicatedJob {
                    max_concurrent: at_once.parse().ok(),
                    total_completions: total.parse().ok(),
                });
            }
            "image" => template.container_spec.get_or_insert_default().image = Some(value.to_owned()),
            "network" => {
                let wish = NetworkAttachmentConfig {
                    target: Some(value.to_owned()),
                    ..NetworkAttachmentConfig::default()
                };
                template.networks.get_or_insert_default().push(wish);
            }
            "force" => template.force_update += 1,
            "restart" => {
                let condition = serde_json::from_value(value.into()).expect("a condition");
                template.restart_policy.get_or_insert_default().condition = Some(condition);
            }
            "restart-delay" => template.restart_policy.get_or_insert_default().delay = nanos(value),
            "attempts" => template.restart_policy.get_or_insert_default().max_attempts = Some(number()),
            "window" => template.restart_policy.get_or_insert_default().window = nanos(value),
            "max" => template.placement.get_or_insert_default().max_replicas = Some(number()),
            "constraint" => {
                template.placement.get_or_insert_default().constraints = Some(vec![value.replace('_', " ")])
            }
            "prefer" => {
                let over = SpreadOver {
                    spread_descriptor: value.to_owned(),
                };
                let preferences = &mut template.placement.get_or_insert_default().preferences;
                preferences
                    .get_or_insert_default()
                    .push(PlacementPreference { spread: Some(over) });
            }
            "memory" => {
                let reserved = template
                    .resources
                    .get_or_insert_default()
                    .reservations
                    .get_or_insert_default();
                reserved.memory_bytes = Some(number() as i64);
            }
            _ => update(spec.update_config.get_or_insert_with(default_update), key, value),
        }
    }
}

fn default_update() -> UpdateConfig {
    UpdateConfig {
        parallelism: 1,
        ..UpdateConfig::default()
    }
}

fn update(config: &mut UpdateConfig, key: &str, value: &str) {
    let json = || serde_json::Value::from(value);
    match key {
        "parallelism" => config.parallelism = value.parse().expect("a number"),
        "delay" => config.delay = nanos(value),
        "monitor" => config.monitor = nanos(value),
        "ratio" => config.max_failure_ratio = Ratio(value.parse().expect("a ratio")),
        "action" => config.failure_action = serde_json::from_value(json()).expect("an action"),
        "order" => config.order = serde_json::from_value(json()).expect("an order"),
        other => panic!("{other} is not known"),
    }
}

/// What the manager's control does with a new service.
pub fn create(world: &mut World, name: &str, words: &[&str]) {
    let mut service = Service {
        id: name.into(),
        meta: Meta::new(world.now),
        spec_version: Some(Version {
            index: world.view.index() + 1,
        }),
        ..Service::default()
    };
    service.spec.name = name.to_owned();
    write(&mut service.spec, words);
    Wishes::of_service(&service.spec).expect("labels that make sense");
    world.commit(Transaction::new().create(service));
}

/// What the manager's control does with a changed one.
pub fn change(world: &mut World, name: &str, words: &[&str]) {
    let old = world.service(name).expect("the service");
    let mut spec = old.spec.clone();
    write(&mut spec, words);
    put(world, old, spec, None);
}

/// Back to the spec before, by hand.
pub fn roll_back(world: &mut World, name: &str) {
    let old = world.service(name).expect("the service");
    let Some(spec) = old.previous_spec.clone() else {
        return;
    };
    let status = UpdateStatus {
        state: UpdateState::RollbackStarted,
        started_at: Some(world.now),
        completed_at: None,
        message: "manually requested rollback".to_owned(),
    };
    put(world, old, spec, Some(status));
}

fn put(world: &mut World, old: Service, spec: ServiceSpec, status: Option<UpdateStatus>) {
    let mut service = old.clone();
    let forced = spec.task_template.force_update != old.spec.task_template.force_update;
    if spec.task_template != old.spec.task_template {
        service.spec_version = Some(Version {
            index: world.view.index() + 1,
        });
        service.update_status = status.clone();
        if spec.is_job() {
            let is_timed = Wishes::checked(&spec.labels).schedule.is_some();
            let job = service.job_status.get_or_insert_default();
            job.job_iteration.index += 1;
            job.last_execution = Some(world.now).filter(|_| forced || !is_timed);
        }
    }
    service.previous_spec = Some(old.spec).filter(|_| status.is_none());
    service.spec = spec;
    world.commit(Transaction::new().update(service));
}
