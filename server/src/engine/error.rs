//! Why an engine cannot start.

use std::{io, net::SocketAddr};

/// Why an engine cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The UDP port for media cannot be listened on.
    #[error("cannot listen for media on UDP {address}{}", advice(source))]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// Clients cannot be told where to reach the UDP port.
    #[error(
        "cannot tell clients where media is listened on: {address} is every address of this \
         machine; advertise those that clients reach"
    )]
    NoCandidate {
        /// The address that is listened on.
        address: SocketAddr,
    },
    /// The thread of the peer connections cannot start.
    #[error("cannot start the thread of the peer connections")]
    Thread {
        /// What the system says.
        source: io::Error,
    },
    /// The system gives no random numbers.
    #[error("cannot draw random numbers for the identifiers of rooms")]
    Entropy {
        /// What the system says.
        source: getrandom::Error,
    },
}

fn advice(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::AddrInUse => {
            "; another program holds it: stop that program or choose another port"
        }
        io::ErrorKind::AddrNotAvailable => "; choose an address that this machine has",
        _ => "",
    }
}
