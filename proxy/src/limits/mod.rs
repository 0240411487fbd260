//! Bounds on what one client may take of a node, and one tenant of what all share.
//!
//! Nothing here is a lock. Clients are counted in tables of fixed size, several cells for each, by atomics that all workers
//! share (`pingora-limits`: a count-min sketch). Two clients may share a cell, so that one is counted too high, never too low:
//! with four cells out of thousands that needs a crowd in every one of them. Tenants are counted in a cell for each worker
//! ([`Tally`](crate::sinks::tally::Tally)).
//!
//! | bound | counted | at the bound |
//! |---|---|---|
//! | `connections_max` of the node | places | the idlest connection goes ([`idlest`](crate::transport)); if there is none, the newcomer |
//! | `connections_per_client_max` | a client's connections, behind PROXY, before TLS | the newcomer is closed |
//! | a quarter of the places for handshakes, once half of them are taken | a client's handshakes under way | the newcomer is closed |
//! | `connections_max` of a tenant | connections whose first request is for it | that request gets 503 |
//! | `requests_max` of a tenant | requests at its gates and origins, no polls | 503 |
//! | `requests_per_client` | requests that would be forwarded | 429 |
//! | `numbers_per_client` | slips that are turned into numbers | the number comes later |
//! | `body_max` | bytes of a request's body | 413 |

pub(crate) mod clients;
mod forms;
mod pace;
mod usage;

pub(crate) use self::{
    clients::{Network, Prefixes},
    forms::FormRoom,
    usage::{KnownUsage, Over, Place, Price, UnderWay, Usage},
};
