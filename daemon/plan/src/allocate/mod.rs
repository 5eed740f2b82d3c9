//! What a service is given because it asked for some: ports.

pub(crate) mod ports;
