//! Networks: the routing mesh's is there from the beginning, and each is given a VXLAN number and a subnet.

use super::subnets::{INGRESS_VNI, Taken};
use crate::Reason;
use crate::draft::Draft;
use model::{
    Driver, IpamConfig, IpamOptions, Labels, Meta, Network, NetworkId, NetworkSpec, Subnet, VXLAN_OPTION,
};
use std::net::Ipv4Addr;
use std::sync::Arc;

/// The routing mesh's name.
const INGRESS: &str = "ingress";

pub(crate) fn apply(draft: &mut Draft<'_>) {
    found_ingress(draft);
    let mut open: Vec<Arc<Network>> = draft
        .networks()
        .filter(|network| network.vni().is_none() || network.subnet().is_none())
        .cloned()
        .collect();
    if open.is_empty() {
        return;
    }
    // Who asked first is served first; the routing mesh before all others.
    open.sort_by_key(|network| (!network.is_ingress(), network.meta.created_at, network.id.clone()));
    let mut taken = taken(draft);
    for network in open {
        let asked = network.asked().cloned().unwrap_or_default();
        let subnet = match asked.subnet.as_ref().map(|subnet| subnet.parse::<Subnet>()) {
            // Two that were asked for at the same moment: the second gets nothing, and its tasks say so.
            Some(subnet) => subnet.ok().filter(|subnet| !taken.overlaps(*subnet)),
            None => taken.free_subnet(draft.cluster().map(|cluster| &**cluster)),
        };
        let vni = if network.is_ingress() {
            Some(INGRESS_VNI)
        } else {
            taken.free_vni()
        };
        let (Some(subnet), Some(vni)) = (subnet, vni) else {
            continue;
        };
        taken.add(subnet);
        taken.add_vni(vni);
        give(draft, &network, &asked, subnet, vni);
    }
}

fn give(draft: &mut Draft<'_>, network: &Network, asked: &IpamConfig, subnet: Subnet, vni: u32) {
    let mut options = network
        .spec
        .driver_configuration
        .as_ref()
        .and_then(|driver| driver.options.clone())
        .unwrap_or_default();
    options.insert(VXLAN_OPTION.to_owned(), vni.to_string());
    let gateway = Ipv4Addr::from(u32::from(subnet.first()).saturating_add(1)).to_string();
    let config = IpamConfig {
        subnet: Some(subnet.to_string()),
        range: asked.range.clone(),
        gateway: Some(asked.gateway.clone().unwrap_or(gateway)),
    };
    draft.edit_network(&network.id, |network| {
        network.driver_state = Some(driver("overlay", Some(options)));
        network.ipam_options = Some(IpamOptions {
            driver: Some(driver("default", None)),
            configs: Some(vec![config]),
        });
    });
    draft.say(Reason::Network {
        network: network.spec.name.clone(),
        subnet: subnet.to_string(),
        vni,
    });
}

/// What other networks have, those included that were removed while tasks are still in them.
fn taken(draft: &Draft<'_>) -> Taken {
    let mut taken = Taken::by_boards(draft.nodes().map(|node| &**node));
    let held = draft.tasks().flat_map(|task| task.held());
    let networks = draft
        .networks()
        .map(|network| &**network)
        .chain(held.map(|held| &held.network));
    for network in networks {
        network.subnet().into_iter().for_each(|subnet| taken.add(subnet));
        network.vni().into_iter().for_each(|vni| taken.add_vni(vni));
    }
    taken
}

fn driver(name: &str, options: Option<Labels>) -> Driver {
    Driver {
        name: Some(name.to_owned()),
        options,
    }
}

/// Makes the routing mesh's network if there is none.
fn found_ingress(draft: &mut Draft<'_>) {
    if draft.cluster().is_none() || draft.networks().any(|network| network.is_ingress()) {
        return;
    }
    let network = Network {
        id: NetworkId::default(),
        meta: Meta::new(draft.now),
        spec: NetworkSpec {
            name: INGRESS.to_owned(),
            driver_configuration: Some(driver("overlay", None)),
            ingress: Some(true),
            ipam_options: Some(IpamOptions {
                driver: Some(driver("default", None)),
                configs: None,
            }),
            scope: Some("swarm".to_owned()),
            ..NetworkSpec::default()
        },
        ..Network::default()
    };
    draft.add_network(network);
}
