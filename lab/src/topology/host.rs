//! The client and the server.

use std::ffi::OsStr;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::process::Command;

use super::namespace::Namespace;
use super::shaping::{self, PortRate};
use super::wiring::HOST_PORT;
use crate::disguise::Disguise;
use crate::error::LabError;

/// A machine at the edge: one Ethernet interface, one default route, IPv4 and IPv6.
#[derive(Debug)]
pub struct Host {
    namespace: Namespace,
    ipv4: Ipv4Addr,
    ipv6: Ipv6Addr,
}

impl Host {
    pub(super) fn new(namespace: Namespace, ipv4: Ipv4Addr, ipv6: Ipv6Addr) -> Self {
        Self {
            namespace,
            ipv4,
            ipv6,
        }
    }

    /// Its IPv4 address.
    pub fn ipv4(&self) -> Ipv4Addr {
        self.ipv4
    }

    /// Its IPv6 address.
    pub fn ipv6(&self) -> Ipv6Addr {
        self.ipv6
    }

    /// Name of its network namespace.
    pub fn netns(&self) -> &str {
        self.namespace.name()
    }

    /// Name of its network interface.
    pub fn interface(&self) -> &'static str {
        HOST_PORT
    }

    /// A command that runs on this machine. What it starts is killed and reaped when the lab is dropped; drop
    /// [`Child`](std::process::Child) handles before that, or use [`Process`](super::Process).
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = self.namespace.command();
        command.arg(program);
        command
    }

    /// A command that runs on this machine in disguise; see [`Disguise`]. Drop the disguise after the command ended.
    pub fn command_in(&self, disguise: &Disguise, program: impl AsRef<OsStr>) -> Command {
        let mut command = self.namespace.command();
        disguise.extend(&mut command);
        command.arg(program);
        command
    }

    /// Runs `work` on a thread that is on this machine's network. Sockets it opens may leave the thread and stay on
    /// this network.
    ///
    /// # Errors
    ///
    /// The kernel refuses to enter the namespace, which it does not for a live lab.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, LabError> {
        self.namespace.within(work)
    }

    /// Runs `ip` commands, one a line, on this machine, for example `link set eth0 down`.
    ///
    /// # Errors
    ///
    /// What `ip` says.
    pub fn ip(&self, commands: &str) -> Result<(), LabError> {
        self.namespace.ip(commands)
    }

    /// Limits what this machine sends.
    ///
    /// # Errors
    ///
    /// What `tc` says.
    pub fn set_rate(&self, rate: PortRate) -> Result<(), LabError> {
        shaping::set_rate(&self.namespace, HOST_PORT, rate)
    }

    /// Lifts the limit on what this machine sends.
    ///
    /// # Errors
    ///
    /// What `tc` says.
    pub fn clear_rate(&self) -> Result<(), LabError> {
        shaping::clear_rate(&self.namespace, HOST_PORT)
    }
}
