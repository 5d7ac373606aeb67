//! Links, addresses and routes, asked of the kernel over netlink. Nothing is sent on the network.
//!
//! The route to a public address is looked up rather than the routing tables read: only so do
//! policy rules, marks and split routes such as `0.0.0.0/1` count as they do for a real packet.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use netlink_packet_core::{
    NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::link::{LinkAttribute, LinkFlags, LinkInfo, LinkMessage, State};
use netlink_packet_route::route::{RouteAddress, RouteAttribute, RouteMessage, RouteType};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};

/// Public addresses, spread over the space, whose routes stand for everybody's. Which hosts they
/// are does not matter, since nothing is sent. Four of each family, in both halves of IPv4, so
/// that an exception for one network does not pass for the default route.
const SAMPLES: [IpAddr; 8] = [
    IpAddr::V4(Ipv4Addr::new(20, 0, 0, 1)),
    IpAddr::V4(Ipv4Addr::new(80, 0, 0, 1)),
    IpAddr::V4(Ipv4Addr::new(150, 0, 0, 1)),
    IpAddr::V4(Ipv4Addr::new(200, 0, 0, 1)),
    IpAddr::V6(Ipv6Addr::new(0x2400, 0, 0, 0, 0, 0, 0, 1)),
    IpAddr::V6(Ipv6Addr::new(0x2600, 0, 0, 0, 0, 0, 0, 1)),
    IpAddr::V6(Ipv6Addr::new(0x2800, 0, 0, 0, 0, 0, 0, 1)),
    IpAddr::V6(Ipv6Addr::new(0x2a00, 0, 0, 0, 0, 0, 0, 1)),
];

/// A network interface in the kernel's words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) index: u32,
    pub(super) name: String,
    /// Switched on, and not known to be without carrier.
    pub(super) up: bool,
    pub(super) loopback: bool,
    /// `ARPHRD_…`.
    pub(super) hardware_type: u16,
    /// The kernel's word for a virtual link, `tun`; `None` for a real one.
    pub(super) virtual_kind: Option<String>,
    pub(super) mtu: Option<u32>,
    pub(super) addresses: Vec<IpAddr>,
}

/// Every link with its addresses, by index.
///
/// # Errors
///
/// The kernel refused the question, as some sandboxes do.
pub(super) fn read_links() -> io::Result<Vec<Link>> {
    let mut kernel = Kernel::open()?;
    let links = kernel.ask(
        RouteNetlinkMessage::GetLink(LinkMessage::default()),
        NLM_F_DUMP,
    )?;
    let addresses = kernel.ask(
        RouteNetlinkMessage::GetAddress(AddressMessage::default()),
        NLM_F_DUMP,
    )?;
    let mut links: Vec<Link> = links.into_iter().filter_map(link_of).collect();
    links.sort_by_key(|link| link.index);
    for (index, address) in addresses.into_iter().filter_map(address_of) {
        if let Some(link) = links.iter_mut().find(|link| link.index == index) {
            link.addresses.push(address);
        }
    }
    Ok(links)
}

/// Indices of the links that a default route leads through, of either family.
///
/// A link counts when it carries at least half of the sample addresses that have a route.
pub(super) fn find_carriers() -> Vec<u32> {
    let Ok(mut kernel) = Kernel::open() else {
        return Vec::new();
    };
    let routed: Vec<(bool, u32)> = SAMPLES
        .iter()
        .filter_map(|sample| Some((sample.is_ipv4(), kernel.route_to(*sample)?)))
        .collect();
    let mut carriers = majority(&routed, true);
    carriers.extend(majority(&routed, false));
    carriers.sort_unstable();
    carriers.dedup();
    carriers
}

/// The links that carry at least half of one family's routed samples.
fn majority(routed: &[(bool, u32)], ipv4: bool) -> Vec<u32> {
    let links: Vec<u32> = routed
        .iter()
        .filter(|(v4, _)| *v4 == ipv4)
        .map(|(_, link)| *link)
        .collect();
    let share = |link: &u32| links.iter().filter(|other| *other == link).count();
    links
        .iter()
        .copied()
        .filter(|link| share(link) * 2 >= links.len())
        .collect()
}

/// A netlink socket. The kernel answers in the course of the question, so reading never waits: an
/// answer that is not there counts as none.
struct Kernel {
    socket: Socket,
    sequence: u32,
}

impl Kernel {
    fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        socket.set_non_blocking(true)?;
        Ok(Self {
            socket,
            sequence: 0,
        })
    }

    /// The index of the link that a packet to this address leaves by; `None` without a route.
    fn route_to(&mut self, to: IpAddr) -> Option<u32> {
        let answers = self
            .ask(RouteNetlinkMessage::GetRoute(route_question(to)), 0)
            .ok()?;
        answers.into_iter().find_map(outgoing_link)
    }

    /// Sends a question and collects its answers.
    fn ask(
        &mut self,
        question: RouteNetlinkMessage,
        flags: u16,
    ) -> io::Result<Vec<RouteNetlinkMessage>> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut header = NetlinkHeader::default();
        header.flags = NLM_F_REQUEST | flags;
        header.sequence_number = self.sequence;
        let mut message = NetlinkMessage::new(header, NetlinkPayload::from(question));
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        self.socket.send(&bytes, 0)?;
        let mut answers = Vec::new();
        let many = flags & NLM_F_DUMP == NLM_F_DUMP;
        loop {
            let (datagram, _) = self.socket.recv_from_full()?;
            if decode(&datagram, self.sequence, &mut answers)? || !many {
                return Ok(answers);
            }
        }
    }
}

fn route_question(to: IpAddr) -> RouteMessage {
    let mut question = RouteMessage::default();
    let (family, length) = match to {
        IpAddr::V4(_) => (AddressFamily::Inet, 32),
        IpAddr::V6(_) => (AddressFamily::Inet6, 128),
    };
    question.header.address_family = family;
    question.header.destination_prefix_length = length;
    question
        .attributes
        .push(RouteAttribute::Destination(RouteAddress::from(to)));
    question
}

/// Splits a datagram into messages; `true` after the last of a list. A message that the decoder
/// does not know is passed over, since newer kernels add attributes.
fn decode(
    datagram: &[u8],
    sequence: u32,
    answers: &mut Vec<RouteNetlinkMessage>,
) -> io::Result<bool> {
    let mut rest = datagram;
    while let Some(length) = message_length(rest) {
        let (message, tail) = rest.split_at(length.min(rest.len()));
        // Messages start at multiples of four.
        rest = tail
            .get(length.next_multiple_of(4) - length..)
            .unwrap_or_default();
        let Ok(message) = NetlinkMessage::<RouteNetlinkMessage>::deserialize(message) else {
            continue;
        };
        if message.header.sequence_number != sequence {
            continue;
        }
        match message.payload {
            NetlinkPayload::Done(_) => return Ok(true),
            NetlinkPayload::Error(error) => return Err(error.to_io()),
            NetlinkPayload::InnerMessage(inner) => answers.push(inner),
            _ => {}
        }
    }
    Ok(false)
}

/// The length that a message's header claims; `None` at the end, or when it is too short.
fn message_length(bytes: &[u8]) -> Option<usize> {
    let length = u32::from_ne_bytes(bytes.get(..4)?.try_into().ok()?);
    usize::try_from(length)
        .ok()
        .filter(|length| (16..=bytes.len()).contains(length))
}

fn link_of(message: RouteNetlinkMessage) -> Option<Link> {
    let RouteNetlinkMessage::NewLink(message) = message else {
        return None;
    };
    let mut link = Link {
        index: message.header.index,
        loopback: message.header.flags.contains(LinkFlags::Loopback),
        hardware_type: message.header.link_layer_type.into(),
        ..Link::default()
    };
    let mut without_carrier = false;
    for attribute in message.attributes {
        match attribute {
            LinkAttribute::IfName(name) => link.name = name,
            LinkAttribute::Mtu(mtu) => link.mtu = Some(mtu),
            LinkAttribute::OperState(state) => without_carrier = is_without_carrier(state),
            LinkAttribute::LinkInfo(infos) => {
                link.virtual_kind = infos.iter().find_map(virtual_kind);
            }
            _ => {}
        }
    }
    link.up = message.header.flags.contains(LinkFlags::Up) && !without_carrier;
    Some(link)
}

/// Tunnels leave their state at `Unknown`; they count as up.
fn is_without_carrier(state: State) -> bool {
    matches!(
        state,
        State::Down | State::LowerLayerDown | State::NotPresent | State::Dormant
    )
}

fn virtual_kind(info: &LinkInfo) -> Option<String> {
    match info {
        LinkInfo::Kind(kind) => Some(kind.to_string()),
        _ => None,
    }
}

/// Our own address on a link: on a point-to-point link `Address` is the other end's.
fn address_of(message: RouteNetlinkMessage) -> Option<(u32, IpAddr)> {
    let RouteNetlinkMessage::NewAddress(message) = message else {
        return None;
    };
    let mut found = None;
    for attribute in message.attributes {
        match attribute {
            AddressAttribute::Local(address) => found = Some(address),
            AddressAttribute::Address(address) => found = found.or(Some(address)),
            _ => {}
        }
    }
    Some((message.header.index, found?))
}

/// Only an ordinary route leads anywhere: not one that rejects, or that ends on this machine.
fn outgoing_link(message: RouteNetlinkMessage) -> Option<u32> {
    let RouteNetlinkMessage::NewRoute(message) = message else {
        return None;
    };
    if message.header.kind != RouteType::Unicast {
        return None;
    }
    message
        .attributes
        .into_iter()
        .find_map(|attribute| match attribute {
            RouteAttribute::Oif(index) => Some(index),
            _ => None,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exception_for_one_network_is_not_the_default_route() {
        let routed = [
            (true, 7),
            (true, 7),
            (true, 2),
            (true, 7),
            (false, 2),
            (false, 2),
        ];
        assert_eq!(majority(&routed, true), [7, 7, 7]);
        assert_eq!(majority(&routed, false), [2, 2]);
        assert!(majority(&[], true).is_empty());
    }

    #[test]
    fn two_links_that_share_the_load_both_count() {
        assert_eq!(majority(&[(true, 1), (true, 2)], true), [1, 2]);
    }

    #[test]
    fn loopback_is_always_there() {
        let links = read_links().unwrap();
        assert!(links.iter().any(|link| link.loopback && link.name == "lo"));
    }

    #[test]
    fn damaged_datagrams_end_without_a_panic() {
        for length in [0_u32, 1, 15, 16, 17, 400, u32::MAX] {
            let mut datagram = vec![0xff; 40];
            datagram[..4].copy_from_slice(&length.to_ne_bytes());
            let _ = decode(&datagram, 1, &mut Vec::new());
        }
    }
}
