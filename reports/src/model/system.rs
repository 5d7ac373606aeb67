//! This machine, as far as a call depends on it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::sensitive::Sensitive;
use crate::units::{Bitrate, ByteCount, Ratio};

/// Operating system, processor, memory, graphics, display, power and network interfaces.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SystemSection {
    /// Operating system.
    pub os: Os,
    /// Processor.
    pub cpu: Cpu,
    /// Memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<Memory>,
    /// Graphics adapters the kernel drives; empty when it names none.
    pub gpus: Vec<Gpu>,
    /// Where windows are shown, and whether the screen can be captured.
    pub display: Display,
    /// Supply and power saving.
    pub power: Power,
    /// Network interfaces that are up, loopback left out.
    pub interfaces: Vec<Interface>,
    /// The connection is paid for by what it carries, as far as the system knows; absent when it
    /// does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metered: Option<bool>,
    /// Proxy that the system asks programs to use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy: Option<Proxy>,
    /// Variables that name a proxy in a way that cannot be used.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub proxy_problems: Vec<ProxyProblem>,
    /// What this machine is fit for, each with the reasons when it is not.
    pub requirements: Requirements,
}

/// Operating system.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Os {
    /// Family, `linux`.
    pub family: String,
    /// Name and version for people, `Debian GNU/Linux 12 (bookworm)`.
    pub name: String,
    /// Kernel version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kernel: Option<String>,
    /// Processor architecture, `x86_64`.
    pub architecture: String,
    /// Runs in a virtual machine or container, where the system tells which.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub virtualization: Option<String>,
}

/// Processor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Cpu {
    /// Model name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Logical cores that this process may use: affinity and quota count.
    pub usable_cores: u32,
    /// Logical cores of the machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub machine_cores: Option<u32>,
    /// Share of all cores busy with other programs while the probe looked, as a mean.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub busy_ratio: Option<Ratio>,
    /// Runnable tasks, averaged over one minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub load_average_1min: Option<f64>,
    /// Thermal or power throttling, where the system tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub throttling: Option<Throttling>,
}

/// Processor throttling while the probe looked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Throttling {
    /// It is throttled now.
    pub active: bool,
    /// What says so.
    pub source: String,
}

/// Memory.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Memory {
    /// Installed.
    pub total_bytes: ByteCount,
    /// Free for programs without swapping.
    pub available_bytes: ByteCount,
}

/// A graphics adapter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Gpu {
    /// Vendor name or PCI id.
    pub vendor: String,
    /// Device name or PCI id.
    pub device: String,
    /// Kernel driver.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub driver: Option<String>,
}

/// Where windows are shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Display {
    /// Display server that answers.
    pub server: DisplayServer,
    /// Whether a program can capture the screen.
    pub screen_capture: ScreenCapture,
}

/// Display server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DisplayServer {
    /// X11.
    X11,
    /// Wayland.
    Wayland,
    /// The operating system's own (Windows, macOS).
    Native,
    /// None answers.
    None,
}

/// Whether a program can capture the screen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum ScreenCapture {
    /// It can; the system may still ask the user.
    Available {
        /// By which interface.
        interface: String,
    },
    /// It cannot.
    Unavailable {
        /// Why.
        reason: String,
    },
    /// Not known on this system.
    Unknown,
}

/// Supply and power saving.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Power {
    /// Where the power comes from; absent when the system does not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<PowerSource>,
    /// Charge of the battery.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub battery_ratio: Option<Ratio>,
    /// The system's power profile in its own word, `low-power`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// A profile that slows the processor down is in force; absent when the system does not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub saver_active: Option<bool>,
}

/// Where the power comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PowerSource {
    /// Plugged in.
    Mains,
    /// Battery.
    Battery,
}

/// A network interface that is up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Interface {
    /// The system's name of it, `eth0`.
    pub name: String,
    /// Kind of link.
    pub kind: LinkKind,
    /// Addresses.
    pub addresses: Vec<Sensitive>,
    /// Nominal speed of the link, where the system tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speed_bps: Option<Bitrate>,
    /// Largest IP packet it takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mtu_bytes: Option<ByteCount>,
    /// A default route leads through it.
    pub default_route: bool,
}

/// Kind of link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LinkKind {
    /// Wired Ethernet, or a virtual machine's or container's stand-in for it.
    Ethernet,
    /// Wi-Fi.
    Wifi,
    /// Cellular modem.
    Cellular,
    /// VPN or other tunnel.
    Tunnel,
    /// Bridge, bond or other combination.
    Bridge,
    /// Anything else.
    Other,
}

/// Proxy that the system asks programs to use.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Proxy {
    /// Host of the proxy; credentials are never kept.
    pub host: Sensitive,
    /// Port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Where the setting was found, `https_proxy`.
    pub source: String,
}

/// A variable of the environment that names a proxy in a way that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProxyProblem {
    /// The variable, `HTTPS_PROXY`.
    pub variable: String,
    /// What is wrong with which part of it; never the value itself, which may hold a password.
    pub problem: String,
}

/// What this machine is fit for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Requirements {
    /// Sending and receiving video.
    pub video: Requirement,
    /// Sending and receiving audio.
    pub audio: Requirement,
    /// Sharing the screen.
    pub screen: Requirement,
}

/// One answer of the requirements check.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Requirement {
    /// It is met.
    pub met: bool,
    /// Why not; empty when met.
    pub reasons: Vec<String>,
}
