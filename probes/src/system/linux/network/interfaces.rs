//! What each network interface is.

use greenroom_reports::model::sensitive::Sensitive;
use greenroom_reports::model::system::{Interface, LinkKind};
use greenroom_reports::units::{Bitrate, ByteCount};

use super::super::super::root::SystemRoot;
use super::netlink::{self, Link};

/// Hardware types of the kernel, from `linux/if_arp.h`.
const ARPHRD_ETHER: u16 = 1;
const ARPHRD_PPP: u16 = 512;
const ARPHRD_RAWIP: u16 = 519;
const ARPHRD_TUNNEL: u16 = 768;
const ARPHRD_TUNNEL6: u16 = 769;
const ARPHRD_SIT: u16 = 776;
const ARPHRD_IPGRE: u16 = 778;
const ARPHRD_IP6GRE: u16 = 823;
const ARPHRD_NONE: u16 = 0xfffe;

/// Reads the interfaces that are up, without loopback; `None` when the kernel does not list them.
pub(in crate::system) fn read_interfaces(root: &SystemRoot) -> Option<Vec<Interface>> {
    let links = netlink::read_links().ok()?;
    let carriers = netlink::find_carriers();
    Some(describe_links(root, &links, &carriers))
}

/// Describes each link that is up or carries a default route. `carriers` are the indices of the
/// latter.
fn describe_links(root: &SystemRoot, links: &[Link], carriers: &[u32]) -> Vec<Interface> {
    links
        .iter()
        .filter(|link| !link.loopback)
        .filter(|link| link.up || carriers.contains(&link.index))
        .map(|link| {
            let kind = link_kind(root, link);
            Interface {
                name: link.name.clone(),
                kind,
                addresses: link
                    .addresses
                    .iter()
                    .copied()
                    .map(Sensitive::from)
                    .collect(),
                speed_bps: nominal_speed(root, link, kind),
                mtu_bytes: link.mtu.map(|mtu| ByteCount::new(u64::from(mtu))),
                default_route: carriers.contains(&link.index),
            }
        })
        .collect()
}

/// Told by the kernel's kind of virtual link first, then by the device's own marks, then by the
/// hardware type.
fn link_kind(root: &SystemRoot, link: &Link) -> LinkKind {
    by_virtual_kind(root, link)
        .or_else(|| by_device(root, link))
        .unwrap_or_else(|| by_hardware_type(root, link.hardware_type))
}

fn by_virtual_kind(root: &SystemRoot, link: &Link) -> Option<LinkKind> {
    match link.virtual_kind.as_deref()? {
        "tun" | "wireguard" | "ipip" | "ip6tnl" | "sit" | "gre" | "ip6gre" | "gretap"
        | "ip6gretap" | "vti" | "vti6" | "xfrm" | "vxlan" | "geneve" | "l2tp" | "ovpn"
        | "amneziawg" | "bareudp" => Some(LinkKind::Tunnel),
        "ppp" => Some(dial_up(root)),
        "bridge" | "bond" | "team" => Some(LinkKind::Bridge),
        "wwan" | "rmnet" => Some(LinkKind::Cellular),
        "virt_wifi" => Some(LinkKind::Wifi),
        "veth" | "vlan" | "macvlan" | "macvtap" | "ipvlan" | "ipvtap" | "netkit" => {
            Some(LinkKind::Ethernet)
        }
        "dummy" | "ifb" | "nlmon" | "vrf" | "vcan" | "can" => Some(LinkKind::Other),
        _ => None,
    }
}

fn by_device(root: &SystemRoot, link: &Link) -> Option<LinkKind> {
    let has = |mark: &str| root.exists(format!("sys/class/net/{}/{mark}", link.name));
    let uevent = root
        .text(format!("sys/class/net/{}/uevent", link.name))
        .unwrap_or_default();
    let device_type = uevent
        .lines()
        .find_map(|line| line.strip_prefix("DEVTYPE="));
    match device_type {
        Some("wlan") => Some(LinkKind::Wifi),
        Some("wwan") => Some(LinkKind::Cellular),
        Some("wireguard") => Some(LinkKind::Tunnel),
        Some("bridge" | "bond") => Some(LinkKind::Bridge),
        _ if has("wireless") || has("phy80211") => Some(LinkKind::Wifi),
        _ if has("tun_flags") => Some(LinkKind::Tunnel),
        _ if has("bridge") || has("bonding") => Some(LinkKind::Bridge),
        _ => None,
    }
}

fn by_hardware_type(root: &SystemRoot, hardware_type: u16) -> LinkKind {
    match hardware_type {
        ARPHRD_ETHER => LinkKind::Ethernet,
        ARPHRD_RAWIP => LinkKind::Cellular,
        ARPHRD_PPP => dial_up(root),
        ARPHRD_NONE | ARPHRD_TUNNEL | ARPHRD_TUNNEL6 | ARPHRD_SIT | ARPHRD_IPGRE
        | ARPHRD_IP6GRE => LinkKind::Tunnel,
        _ => LinkKind::Other,
    }
}

/// PPP is a VPN's (L2TP, PPTP, SSTP), unless a session over Ethernet is open: then it is the
/// access line itself.
fn dial_up(root: &SystemRoot) -> LinkKind {
    let sessions = root
        .text("proc/net/pppoe")
        .map_or(0, |text| text.lines().count());
    // The first line is the heading.
    if sessions > 1 {
        LinkKind::Other
    } else {
        LinkKind::Tunnel
    }
}

/// Nominal speed of a wired link. Virtual links invent one (a tunnel 10 Mbit/s, a container's
/// 10 Gbit/s), so theirs is left out; Wi-Fi's changes with every packet and is not told here.
fn nominal_speed(root: &SystemRoot, link: &Link, kind: LinkKind) -> Option<Bitrate> {
    if kind != LinkKind::Ethernet || link.virtual_kind.is_some() {
        return None;
    }
    // -1 when the driver does not know.
    let mbps: i64 = root.number(format!("sys/class/net/{}/speed", link.name))?;
    let kbps = u64::try_from(mbps)
        .ok()
        .filter(|mbps| *mbps > 0)?
        .checked_mul(1000)?;
    Some(Bitrate::from_kbps(kbps))
}

#[cfg(test)]
mod tests {
    use super::super::super::super::root::fixture::Fixture;
    use super::*;

    fn link(index: u32, name: &str, hardware_type: u16, virtual_kind: Option<&str>) -> Link {
        Link {
            index,
            name: name.to_owned(),
            up: true,
            loopback: false,
            hardware_type,
            virtual_kind: virtual_kind.map(str::to_owned),
            mtu: Some(1500),
            addresses: vec!["192.0.2.7".parse().unwrap()],
        }
    }

    fn kind(files: &[(&str, &str)], link: &Link) -> LinkKind {
        link_kind(&Fixture::of(files), link)
    }

    #[test]
    fn wifi_is_told_by_its_device_type_or_its_directory() {
        let link = link(3, "wlp2s0", ARPHRD_ETHER, None);
        assert_eq!(
            kind(
                &[("sys/class/net/wlp2s0/uevent", "DEVTYPE=wlan\nIFINDEX=3")],
                &link
            ),
            LinkKind::Wifi
        );
        assert_eq!(
            kind(&[("sys/class/net/wlp2s0/phy80211/name", "phy0")], &link),
            LinkKind::Wifi
        );
    }

    #[test]
    fn tunnels_are_told_by_kind_flags_or_hardware_type() {
        assert_eq!(
            kind(&[], &link(4, "wg0", ARPHRD_NONE, Some("wireguard"))),
            LinkKind::Tunnel
        );
        assert_eq!(
            kind(&[], &link(4, "tun0", ARPHRD_NONE, None)),
            LinkKind::Tunnel
        );
        assert_eq!(
            kind(
                &[("sys/class/net/tap0/tun_flags", "0x1002")],
                &link(4, "tap0", ARPHRD_ETHER, None)
            ),
            LinkKind::Tunnel
        );
        assert_eq!(
            kind(&[], &link(4, "ppp0", ARPHRD_PPP, Some("ppp"))),
            LinkKind::Tunnel
        );
    }

    #[test]
    fn ppp_over_ethernet_is_the_access_line() {
        let sessions = (
            "proc/net/pppoe",
            "Id       Address              Device\n00000001 aa:bb:cc:dd:ee:ff eth0",
        );
        assert_eq!(
            kind(&[sessions], &link(4, "ppp0", ARPHRD_PPP, Some("ppp"))),
            LinkKind::Other
        );
    }

    #[test]
    fn modems_bridges_and_container_links_have_their_kinds() {
        assert_eq!(
            kind(
                &[("sys/class/net/wwan0/uevent", "DEVTYPE=wwan")],
                &link(2, "wwan0", ARPHRD_NONE, None)
            ),
            LinkKind::Cellular
        );
        assert_eq!(
            kind(&[], &link(2, "br0", ARPHRD_ETHER, Some("bridge"))),
            LinkKind::Bridge
        );
        assert_eq!(
            kind(&[], &link(2, "eth0", ARPHRD_ETHER, Some("veth"))),
            LinkKind::Ethernet
        );
        assert_eq!(
            kind(&[], &link(2, "dummy0", ARPHRD_ETHER, Some("dummy"))),
            LinkKind::Other
        );
    }

    #[test]
    fn a_tunnel_that_carries_the_default_route_is_marked() {
        let root = Fixture::of(&[
            ("sys/class/net/enp3s0/speed", "1000"),
            ("sys/class/net/tun0/speed", "10"),
        ]);
        let mut loopback = link(1, "lo", 772, None);
        loopback.loopback = true;
        let mut down = link(4, "docker0", ARPHRD_ETHER, Some("bridge"));
        down.up = false;
        let links = [
            loopback,
            link(2, "enp3s0", ARPHRD_ETHER, None),
            link(3, "tun0", ARPHRD_NONE, Some("tun")),
            down,
        ];
        let told = describe_links(&root, &links, &[3]);
        assert_eq!(told.len(), 2);
        assert!(!told[0].default_route && told[1].default_route);
        assert_eq!(told[0].speed_bps, Some(Bitrate::from_kbps(1_000_000)));
        assert_eq!((told[1].kind, told[1].speed_bps), (LinkKind::Tunnel, None));
        assert_eq!(told[0].addresses[0].as_str(), "192.0.2.7");
    }

    #[test]
    fn a_driver_that_does_not_know_its_speed_tells_none() {
        let root = Fixture::of(&[("sys/class/net/eth0/speed", "-1")]);
        let link = link(2, "eth0", ARPHRD_ETHER, None);
        assert_eq!(nominal_speed(&root, &link, LinkKind::Ethernet), None);
    }
}
