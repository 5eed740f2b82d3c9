//! What services, tasks, boards and networks are given because they asked for some: ports, subnets, addresses.

pub(crate) mod addresses;
pub(crate) mod networks;
mod pool;
pub(crate) mod ports;
pub(crate) mod subnets;
