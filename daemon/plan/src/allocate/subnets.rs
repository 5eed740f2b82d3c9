//! Subnets and VXLAN numbers that no network has yet. Pure arithmetic, also asked by the managers' control before a
//! network is made.

use model::{Cluster, Node, Subnet};
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

/// The routing mesh's VXLAN number, as in Swarm; the others follow.
pub const INGRESS_VNI: u32 = 4096;
/// VXLAN numbers have 24 bits.
const LAST_VNI: u32 = (1 << 24) - 1;
/// Where the cluster names none (swarm.md 1.7).
const DEFAULT_POOL: &str = "10.0.0.0/8";
const DEFAULT_SIZE: u8 = 24;
/// Longer prefixes leave no room for tasks.
const LONGEST_PREFIX: u8 = 29;

/// What is taken of the address space.
#[derive(Clone, Debug, Default)]
pub struct Taken {
    /// By first address: the last one.
    spans: BTreeMap<u32, u32>,
    vnis: BTreeSet<u32>,
}

impl Taken {
    /// What boards have themselves: their own bridges, and their addresses on the LAN, which no overlay may hide.
    pub fn by_boards<'a>(nodes: impl Iterator<Item = &'a Node>) -> Self {
        let mut taken = Self::default();
        taken.add(model::BOARD_SUBNET);
        for node in nodes {
            let seen = node.status.addr.as_deref().and_then(|addr| addr.parse().ok());
            let told = node.membership.address.map(|address| address.ip());
            for address in [seen, told].into_iter().flatten() {
                if let std::net::IpAddr::V4(address) = address {
                    taken.add(Subnet::around(address, 32));
                }
            }
        }
        taken
    }

    /// A subnet that somebody has.
    pub fn add(&mut self, subnet: Subnet) {
        let (first, last) = (u32::from(subnet.first()), u32::from(subnet.last()));
        let known = self.spans.entry(first).or_insert(last);
        *known = last.max(*known);
    }

    /// A VXLAN number that somebody has.
    pub fn add_vni(&mut self, vni: u32) {
        self.vnis.insert(vni);
    }

    /// True if somebody has an address of the subnet.
    pub fn overlaps(&self, subnet: Subnet) -> bool {
        self.end_of_overlap(subnet).is_some()
    }

    /// The last address of one that overlaps.
    fn end_of_overlap(&self, subnet: Subnet) -> Option<u32> {
        let (first, last) = (u32::from(subnet.first()), u32::from(subnet.last()));
        // Subnets overlap only if one holds the other: it begins in here, or at one of the ends of ours' wider relatives.
        if let Some((_, end)) = self.spans.range(first..=last).next_back() {
            return Some(*end);
        }
        (0..=subnet.prefix()).find_map(|prefix| {
            let wider = Subnet::around(subnet.first(), prefix);
            let end = self.spans.get(&u32::from(wider.first()))?;
            (*end >= first).then_some(*end)
        })
    }

    /// A subnet of the cluster's pools that nobody has; none if they are used up.
    pub fn free_subnet(&self, cluster: Option<&Cluster>) -> Option<Subnet> {
        let (pools, size) = pools(cluster);
        pools.into_iter().find_map(|pool| {
            let mut candidate = Subnet::around(pool.first(), size.max(pool.prefix()));
            loop {
                if !pool.holds(candidate) {
                    return None;
                }
                let Some(end) = self.end_of_overlap(candidate) else {
                    return Some(candidate);
                };
                // The next of its size behind what is in the way.
                let after = end.max(u32::from(candidate.last())).checked_add(1)?;
                candidate = Subnet::around(Ipv4Addr::from(after), candidate.prefix());
                if u32::from(candidate.first()) < after {
                    candidate = Subnet::around(
                        Ipv4Addr::from(u32::from(candidate.last()).checked_add(1)?),
                        candidate.prefix(),
                    );
                }
            }
        })
    }

    /// A VXLAN number that nobody has.
    pub fn free_vni(&self) -> Option<u32> {
        (INGRESS_VNI + 1..=LAST_VNI).find(|vni| !self.vnis.contains(vni))
    }
}

/// The cluster's pools, and the prefix length of what networks get of them.
fn pools(cluster: Option<&Cluster>) -> (Vec<Subnet>, u8) {
    let named = cluster.and_then(|cluster| cluster.default_addr_pool.as_deref());
    let mut pools: Vec<Subnet> = named
        .unwrap_or_default()
        .iter()
        .filter_map(|pool| pool.parse().ok())
        .collect();
    if pools.is_empty() {
        pools.extend(DEFAULT_POOL.parse::<Subnet>());
    }
    let size = cluster.map_or(0, |cluster| cluster.subnet_size);
    let size = u8::try_from(size).ok().filter(|size| *size != 0);
    (pools, size.unwrap_or(DEFAULT_SIZE).min(LONGEST_PREFIX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cluster(pools: &[&str], size: u32) -> Cluster {
        Cluster {
            default_addr_pool: Some(pools.iter().map(|pool| (*pool).to_owned()).collect()),
            subnet_size: size,
            ..Cluster::default()
        }
    }

    #[test]
    fn subnets_follow_one_another_and_boards_addresses_are_left_out() {
        let mut node = Node::default();
        node.status.addr = Some("10.0.1.7".into());
        let mut taken = Taken::by_boards([&node].into_iter());
        let mut given = Vec::new();
        for _ in 0..3 {
            let subnet = taken.free_subnet(None).unwrap();
            taken.add(subnet);
            given.push(subnet.to_string());
        }
        assert_eq!(given, ["10.0.0.0/24", "10.0.2.0/24", "10.0.3.0/24"]);
    }

    #[test]
    fn used_up_pools_give_nothing() {
        let cluster = cluster(&["192.168.0.0/25", "192.168.7.0/26"], 26);
        let mut taken = Taken::default();
        let mut given = Vec::new();
        while let Some(subnet) = taken.free_subnet(Some(&cluster)) {
            taken.add(subnet);
            given.push(subnet.to_string());
        }
        assert_eq!(given, ["192.168.0.0/26", "192.168.0.64/26", "192.168.7.0/26"]);
        assert_eq!(
            Taken::default()
                .free_subnet(Some(&self::cluster(&["255.255.255.0/24"], 24)))
                .map(|subnet| subnet.to_string()),
            Some("255.255.255.0/24".to_owned())
        );
    }

    proptest! {
        #[test]
        fn what_is_given_overlaps_nothing(had in prop::collection::vec((any::<u32>(), 8..=32u8), 0..40), size in 16..=29u32) {
            let cluster = cluster(&["10.0.0.0/8", "172.16.0.0/12"], size);
            let mut taken = Taken::default();
            let mut all = Vec::new();
            for (address, prefix) in had {
                let subnet = Subnet::around(Ipv4Addr::from(0x0a00_0000 | (address & 0x003f_ffff)), prefix);
                taken.add(subnet);
                all.push(subnet);
            }
            for _ in 0..20 {
                let Some(subnet) = taken.free_subnet(Some(&cluster)) else { break };
                prop_assert_eq!(u32::from(subnet.prefix()), size);
                prop_assert!(all.iter().all(|other| !other.overlaps(subnet)), "{} {:?}", subnet, all);
                taken.add(subnet);
                all.push(subnet);
            }
        }
    }
}
