//! The whole network.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::host::Host;
use super::router::Router;
use super::wiring::{self, FAR, NEAR, WAN_PORT};
use crate::error::LabError;
use crate::link::{Duplex, LinkConfig};
use crate::relay::{Relay, Tunnel};
use crate::sandbox;

/// Sets the labs of one process apart.
static N_LABS: AtomicUsize = AtomicUsize::new(0);

/// What a lab's emulated link starts with. The default is a perfect link with seed 1.
#[derive(Debug, Clone, PartialEq)]
pub struct LabConfig {
    /// From the client to the server.
    pub up: LinkConfig,
    /// From the server to the client.
    pub down: LinkConfig,
    /// Decides all random events.
    pub seed: u64,
}

impl Default for LabConfig {
    fn default() -> Self {
        Self::symmetric(LinkConfig::new())
    }
}

impl LabConfig {
    /// The same behavior in both directions.
    pub fn symmetric(config: LinkConfig) -> Self {
        Self {
            up: config.clone(),
            down: config,
            seed: 1,
        }
    }

    /// Sets the seed.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }
}

/// A client and a server with an emulated link between their routers. Dropping it, also in a panic, ends everything
/// that runs in it and removes every trace.
///
/// ```text
/// client eth0 ─── lan0 access router wan0 ═══ emulated link ═══ wan0 far router lan0 ─── eth0 server
/// ```
#[derive(Debug)]
pub struct Lab {
    // In the order in which they are to be dropped: programs first, then the link, then the routers.
    client: Host,
    server: Host,
    link: Relay,
    access_router: Router,
    far_router: Router,
}

impl Lab {
    /// A lab whose link starts perfect.
    ///
    /// # Errors
    ///
    /// [`LabError::NotEntered`] outside a sandbox, else what the system says.
    pub fn new() -> Result<Self, LabError> {
        Self::with(LabConfig::default())
    }

    /// A lab with the given link.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn with(config: LabConfig) -> Result<Self, LabError> {
        if !sandbox::is_inside() {
            return Err(LabError::NotEntered);
        }
        let prefix = format!(
            "lab{}-{}",
            std::process::id(),
            N_LABS.fetch_add(1, Ordering::Relaxed)
        );
        let (client, access_router) = NEAR.build(&prefix)?;
        let (server, far_router) = FAR.build(&prefix)?;
        wiring::add_alternate_addresses(&server, &far_router)?;
        let tunnel = Tunnel::open(
            access_router.namespace().file(),
            far_router.namespace().file(),
            WAN_PORT,
        )
        .map_err(tunnel_error)?;
        NEAR.configure_wan(&access_router, &FAR)?;
        FAR.configure_wan(&far_router, &NEAR)?;
        let link = Relay::start(tunnel, Duplex::new(config.up, config.down, config.seed))?;
        Ok(Self {
            client,
            server,
            link,
            access_router,
            far_router,
        })
    }

    /// The machine under test.
    pub fn client(&self) -> &Host {
        &self.client
    }

    /// The machine it talks to.
    pub fn server(&self) -> &Host {
        &self.server
    }

    /// The client's router.
    pub fn access_router(&self) -> &Router {
        &self.access_router
    }

    /// The server's router.
    pub fn far_router(&self) -> &Router {
        &self.far_router
    }

    /// The emulated link, its controls and its log.
    pub fn link(&self) -> &Relay {
        &self.link
    }

    /// Makes both routers signal packets longer than this, in bytes, as a path with a small MTU does when ICMP works;
    /// IPv4 packets that may be fragmented are. At least 1280 for IPv6. Compare [`LinkConfig::mtu`], the black hole.
    ///
    /// # Errors
    ///
    /// What `ip` says.
    pub fn set_signaled_mtu(&self, bytes: u16) -> Result<(), LabError> {
        [&self.access_router, &self.far_router]
            .into_iter()
            .try_for_each(|router| {
                router
                    .namespace()
                    .ip(&format!("link set {WAN_PORT} mtu {bytes}"))
            })
    }
}

/// Names the usual reasons: containers without the device, and systems without udev, whose device only root may open.
fn tunnel_error(error: io::Error) -> LabError {
    let step = "make the TUN devices of the emulated link";
    let detail = error.to_string();
    match error.kind() {
        io::ErrorKind::PermissionDenied => LabError::Refused {
            step,
            detail,
            advice: "run `chmod 666 /dev/net/tun` as root, which udev does on most systems and which is safe, or be root",
        },
        io::ErrorKind::NotFound => LabError::Refused {
            step,
            detail,
            advice: "run `modprobe tun` as root or, in a container, start it with --device /dev/net/tun",
        },
        _ => LabError::io(step)(error),
    }
}
