//! Tasks bent out of shape: a spec or an error in words comes of each, and no panic.

#[path = "../../../model/tests/bent/mod.rs"]
mod bent;

use super::*;
use bent::bent;
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn make_a_spec_or_an_error(body in bent("Task"), on_boards_network in any::<bool>()) {
        let Ok(mut task) = serde_json::from_value::<Task>(body) else { return Ok(()) };
        let _ = crate::refuse::check(&task);
        let board = TemplateBoard { hostname: "board-1".into(), os: "linux".into(), architecture: "aarch64".into() };
        let data = model::template::fields(&task, &board);
        let filled = task.spec.container_spec.as_ref().map(|container| model::template::expand(container, &data));
        if let Some(Ok(filled)) = filled {
            task.spec.container_spec = Some(filled);
        }
        let image = ImageConfig::default();
        let own = task.spec.container_spec.as_ref().and_then(|container| uses("0123", &image, container).ok());
        let own = own.unwrap_or_default();
        for used in &own {
            prop_assert!(model::check_volume_name(&used.name).is_ok(), "{}", used.name);
        }
        let attached = Attached {
            namespace: "/run/netns/t".into(),
            address: [172, 30, 0, 5].into(),
            prefix: 16,
            gateway: [172, 30, 0, 1].into(),
        };
        let parts = Parts {
            task: &task,
            image: &image,
            user: User::default(),
            network: (!on_boards_network).then_some(&attached),
            board: &board,
            files: Path::new("/run/files"),
            shown: &[],
            wishes: &model::Wishes::checked(&task.origin.service_labels),
            devices: &[],
            init: None,
            uses: &own,
            volumes: Path::new("/var/volumes"),
            id: "0123456789abcdef",
            clamp: Clamp::default(),
        };
        let _ = build(&parts);
        if let Some(container) = &task.spec.container_spec {
            hosts(&parts, container);
            resolv_conf(container, "nameserver 10.0.0.1\n", !on_boards_network);
        }
    }
}
