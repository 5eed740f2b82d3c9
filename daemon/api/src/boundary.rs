//! What of a service's spec reaches past its containers to the board: whoever may ask for that may become the board's root,
//! read the cluster's keys and be an administrator. So the role `deploy` may not.

use model::{ContainerSpec, Mount, ServiceSpec, Wishes};

/// What an added capability may be: those that containers have anyway (Docker's), and two that stay within them.
const HARMLESS: [&str; 16] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "IPC_LOCK",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "NET_RAW",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
    "SYS_NICE",
];

/// The first thing in a spec that reaches the board, in words; none if all stays within containers.
pub(crate) fn crossed(spec: &ServiceSpec) -> Option<String> {
    let wishes = Wishes::checked(&spec.labels);
    let labels = [
        (wishes.privileged, "the label bramble.privileged"),
        (!wishes.devices.is_empty(), "the label bramble.devices"),
        (wishes.pid_of_host, "the label bramble.pid=host"),
        (wishes.ipc_of_host, "the label bramble.ipc=host"),
    ];
    let label = labels.into_iter().find(|(asked, _)| *asked);
    let container = spec.task_template.container_spec.as_ref();
    label
        .map(|(_, what)| what.to_owned())
        .or_else(|| container.and_then(of_container))
}

fn of_container(container: &ContainerSpec) -> Option<String> {
    if let Some(what) = container.mounts.iter().flatten().find_map(of_mount) {
        return Some(what);
    }
    let added = container.capability_add.iter().flatten();
    let bare = |name: &String| name.to_ascii_uppercase().trim_start_matches("CAP_").to_owned();
    if let Some(name) = added.map(bare).find(|name| !HARMLESS.contains(&name.as_str())) {
        return Some(format!("the capability {name}"));
    }
    let privileges = container.privileges.clone().unwrap_or_default();
    let seccomp = privileges.seccomp.and_then(|seccomp| seccomp.mode);
    let armor = privileges.app_armor.and_then(|armor| armor.mode);
    let selinux = privileges.selinux_context.is_some();
    let other = |mode: Option<String>| mode.is_some_and(|mode| !mode.is_empty() && mode != "default");
    (other(seccomp) || other(armor) || selinux).then(|| "another security profile".to_owned())
}

fn of_mount(mount: &Mount) -> Option<String> {
    let kind = mount.kind.as_deref().unwrap_or_default();
    let driver = mount.volume_options.as_ref();
    let driver = driver.and_then(|options| options.driver_config.as_ref());
    // A volume with options of its own may be any folder or disk of the board.
    let elsewhere = driver.is_some_and(|driver| driver.options.as_ref().is_some_and(|all| !all.is_empty()));
    match kind {
        "tmpfs" => None,
        "volume" if !elsewhere => None,
        "volume" => Some("a volume with driver options".to_owned()),
        _ => Some(format!("a mount of type {kind}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn spec(labels: Value, container: Value) -> ServiceSpec {
        let spec = json!({ "Labels": labels, "TaskTemplate": { "ContainerSpec": container } });
        serde_json::from_value(spec).unwrap()
    }

    #[test]
    fn what_reaches_the_board_is_found() {
        for (labels, container, what) in [
            (
                json!({ "bramble.privileged": "true" }),
                json!({}),
                "bramble.privileged",
            ),
            (
                json!({ "bramble.devices": "/dev/sda" }),
                json!({}),
                "bramble.devices",
            ),
            (json!({ "bramble.pid": "host" }), json!({}), "bramble.pid"),
            (
                json!({}),
                json!({ "Mounts": [{ "Type": "bind", "Source": "/run", "Target": "/x" }] }),
                "type bind",
            ),
            (
                json!({}),
                json!({ "Mounts": [{ "Type": "volume", "Target": "/x", "VolumeOptions":
                    { "DriverConfig": { "Name": "local", "Options": { "type": "none", "o": "bind", "device": "/" } } } }] }),
                "driver options",
            ),
            (
                json!({}),
                json!({ "CapabilityAdd": ["CHOWN", "cap_sys_admin"] }),
                "SYS_ADMIN",
            ),
            (json!({}), json!({ "CapabilityAdd": ["ALL"] }), "ALL"),
            (
                json!({}),
                json!({ "Privileges": { "Seccomp": { "Mode": "unconfined" } } }),
                "profile",
            ),
        ] {
            let found = crossed(&spec(labels, container)).unwrap();
            assert!(found.contains(what), "{found}");
        }
    }

    #[test]
    fn what_stays_within_is_free() {
        let container = json!({
            "Image": "nginx",
            "Mounts": [{ "Type": "volume", "Source": "data", "Target": "/d" }, { "Type": "tmpfs", "Target": "/t" }],
            "CapabilityAdd": ["CAP_SYS_NICE"],
            "Privileges": { "NoNewPrivileges": true, "Seccomp": { "Mode": "default" } },
        });
        assert_eq!(
            crossed(&spec(json!({ "bramble.depends_on": "db" }), container)),
            None
        );
    }
}
