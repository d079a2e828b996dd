//! Stand-ins for the services, so that this page runs by itself: as much of their contracts as it uses, in memory.

pub(crate) mod accounts;
pub(crate) mod orders;
