use super::*;
use model::{ContainerSpec, Replicated};
use rand::SeedableRng as _;

fn web(image: &str) -> ServiceSpec {
    let mut spec = ServiceSpec {
        name: "web".into(),
        ..ServiceSpec::default()
    };
    spec.mode.replicated = Some(Replicated { replicas: Some(3) });
    spec.task_template.container_spec = Some(ContainerSpec {
        image: Some(image.into()),
        ..ContainerSpec::default()
    });
    spec
}

fn created(spec: ServiceSpec) -> (View, Service) {
    let mut rng = rand::rngs::StdRng::seed_from_u64(7);
    let (transaction, id) = create(&View::default(), spec, Timestamp::UNIX_EPOCH, &mut rng).unwrap();
    let view = View::default().apply(1, &transaction).unwrap();
    let service = (**view.service(&id).unwrap()).clone();
    (view, service)
}

fn updated(
    view: &View,
    service: &Service,
    spec: ServiceSpec,
    wanted: Wanted,
) -> Result<(View, Service), Refusal> {
    let transaction = update(
        view,
        &service.id,
        service.meta.version,
        spec,
        wanted,
        Timestamp::UNIX_EPOCH,
    )?;
    let view = view.apply(view.index() + 1, &transaction).unwrap();
    let service = (**view.service(&service.id).unwrap()).clone();
    Ok((view, service))
}

#[test]
fn a_service_without_a_name_gets_one() {
    let (_, service) = created(ServiceSpec {
        name: String::new(),
        ..web("nginx")
    });
    assert!(service.spec.name.contains('_'), "{}", service.spec.name);
}

#[test]
fn a_taken_name_is_refused_in_swarms_words() {
    let (view, _) = created(web("nginx"));
    let refused = create(
        &view,
        web("nginx"),
        Timestamp::UNIX_EPOCH,
        &mut rand::rngs::StdRng::seed_from_u64(1),
    );
    assert_eq!(
        refused.unwrap_err().to_string(),
        "rpc error: code = AlreadyExists desc = name conflicts with an existing object: service web already exists"
    );
}

#[test]
fn another_image_is_a_new_spec_version_and_another_count_is_not() {
    let (view, service) = created(web("nginx:1"));
    let mut more = web("nginx:1");
    more.mode.replicated = Some(Replicated { replicas: Some(6) });
    let (view, scaled) = updated(&view, &service, more, Wanted::Given).unwrap();
    assert_eq!(scaled.spec_version, service.spec_version);
    let (_, newer) = updated(&view, &scaled, web("nginx:2"), Wanted::Given).unwrap();
    assert!(newer.spec_version > scaled.spec_version);
}

#[test]
fn a_rollback_takes_the_previous_spec_and_another_one_goes_forth() {
    let (view, service) = created(web("nginx:1"));
    let (view, service) = updated(&view, &service, web("nginx:2"), Wanted::Given).unwrap();
    let (view, service) = updated(&view, &service, ServiceSpec::default(), Wanted::Previous).unwrap();
    assert_eq!(service.spec, web("nginx:1"));
    assert_eq!(
        service.update_status.as_ref().unwrap().state,
        UpdateState::RollbackStarted
    );
    let (_, service) = updated(&view, &service, ServiceSpec::default(), Wanted::Previous).unwrap();
    assert_eq!(service.spec, web("nginx:2"));
}

/// The docker command would take it for the end of what it just asked for, and not wait for a scaling.
#[test]
fn how_an_earlier_update_ended_is_over_with_the_next_and_one_under_way_goes_on() {
    for (state, stays) in [
        (UpdateState::Completed, false),
        (UpdateState::RollbackCompleted, false),
        (UpdateState::Updating, true),
        (UpdateState::Paused, true),
    ] {
        let (view, mut service) = created(web("nginx:1"));
        service.update_status = Some(UpdateStatus {
            state,
            started_at: None,
            completed_at: None,
            message: String::new(),
        });
        let mut transaction = Transaction::new();
        transaction.update(service.clone());
        let view = view.apply(view.index() + 1, &transaction).unwrap();
        let service = (**view.service(&service.id).unwrap()).clone();
        let mut more = web("nginx:1");
        more.mode.replicated = Some(Replicated { replicas: Some(6) });
        let (_, scaled) = updated(&view, &service, more, Wanted::Given).unwrap();
        assert_eq!(scaled.update_status.is_some(), stays, "{state:?}");
    }
}

#[test]
fn a_stale_version_is_out_of_sequence() {
    let (view, service) = created(web("nginx:1"));
    let (view, _) = updated(&view, &service, web("nginx:2"), Wanted::Given).unwrap();
    assert_eq!(
        updated(&view, &service, web("nginx:3"), Wanted::Given).unwrap_err(),
        Refusal::OutOfSequence
    );
}

#[test]
fn what_cannot_be_is_refused() {
    let refused = |change: &dyn Fn(&mut ServiceSpec)| {
        let mut spec = web("nginx");
        change(&mut spec);
        validate::service(&spec).unwrap_err().to_string()
    };
    let container = |spec: &mut ServiceSpec| spec.task_template.container_spec.take().unwrap();
    for (text, change) in [
        (
            "DNS name",
            &(|spec: &mut ServiceSpec| spec.name = "bad name".into()) as &dyn Fn(&mut ServiceSpec),
        ),
        ("63 characters", &|spec| spec.name = "a".repeat(64)),
        ("image reference", &|spec| {
            spec.task_template.container_spec = Some(ContainerSpec::default())
        }),
        ("ContainerSpec", &|spec| drop(container(spec))),
        ("only one service mode", &|spec| {
            spec.mode.global = Some(model::Empty {})
        }),
        ("operator", &|spec| {
            spec.task_template.placement = Some(model::Placement {
                constraints: Some(vec!["node.role".into()]),
                ..Default::default()
            });
        }),
        ("dns.home is not an ip address", &|spec| {
            let dns = model::DnsConfig {
                nameservers: Some(vec!["10.0.0.1".into(), "dns.home".into()]),
                ..Default::default()
            };
            let container = spec.task_template.container_spec.as_mut().unwrap();
            container.dns_config = Some(dns);
        }),
        ("can't be used with dnsrr mode", &|spec| {
            spec.endpoint_spec = Some(model::EndpointSpec {
                mode: Some(model::EndpointMode::Dnsrr),
                ports: Some(vec![model::PortConfig {
                    target_port: 80,
                    ..Default::default()
                }]),
            });
        }),
        ("bigger than 1", &|spec| {
            spec.update_config = Some(model::UpdateConfig {
                max_failure_ratio: model::Ratio(2.0),
                ..Default::default()
            });
        }),
    ] {
        assert!(refused(change).contains(text), "{text}: {}", refused(change));
    }
}

#[test]
fn renaming_and_another_mode_are_refused() {
    let (view, service) = created(web("nginx"));
    let renamed = ServiceSpec {
        name: "other".into(),
        ..web("nginx")
    };
    assert!(matches!(
        updated(&view, &service, renamed, Wanted::Given),
        Err(Refusal::Unimplemented(_))
    ));
    let mut global = web("nginx");
    global.mode = model::ServiceMode {
        global: Some(model::Empty {}),
        ..Default::default()
    };
    assert!(matches!(
        updated(&view, &service, global, Wanted::Given),
        Err(Refusal::Unimplemented(_))
    ));
}
