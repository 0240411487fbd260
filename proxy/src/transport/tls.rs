//! TLS on `https` listeners: which certificate a client gets, the handshake, and tickets to resume it.
//!
//! A client names a host in its first message (SNI). The host decides about the tenant, the tenant about certificates and
//! whether clients must show one. What was presented stays with the connection ([`Presented`]), so no request is ever
//! served under another policy than the one its handshake has met.

mod certificates;
mod handshake;
mod rotation;
mod tickets;

pub(crate) use self::{
    certificates::{Certificates, Missing, Presented},
    handshake::{Encrypted, HandshakeCounts, Handshakes, Shaken},
    rotation::{PURPOSE as TICKET_KEYS, rotate},
    tickets::TicketKeys,
};

/// Why a config cannot be served. The config has been checked, so this says more of the machine than of the owner.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    #[error("TLS: {0}")]
    Config(#[from] rustls::Error),
    #[error("client certificates: {0}")]
    ClientCa(#[from] rustls::server::VerifierBuilderError),
    #[error("the system gives no random bytes")]
    Random,
}
