//! Just enough of IP, UDP and TCP to recognize a packet in the log.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// IANA protocol number of TCP.
const TCP: u8 = 6;
/// IANA protocol number of UDP.
const UDP: u8 = 17;

/// Ends and payload of a UDP or TCP packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flow<'a> {
    /// True for UDP, false for TCP.
    pub is_udp: bool,
    /// Sender.
    pub source: SocketAddr,
    /// Receiver.
    pub destination: SocketAddr,
    /// Differentiated services code point.
    pub dscp: u8,
    /// Time to live or hop limit.
    pub ttl: u8,
    /// Payload, as far as it was kept.
    pub payload: &'a [u8],
}

struct Network<'a> {
    protocol: u8,
    source: IpAddr,
    destination: IpAddr,
    traffic_class: u8,
    ttl: u8,
    transport: &'a [u8],
}

/// Decodes the start of an IP packet; `None` for fragments, IPv6 extension headers and other protocols.
pub(super) fn flow(packet: &[u8]) -> Option<Flow<'_>> {
    let network = match packet.first()? >> 4 {
        4 => ipv4(packet)?,
        6 => ipv6(packet)?,
        _ => return None,
    };
    let header_bytes = match network.protocol {
        UDP => 8,
        TCP => usize::from(network.transport.get(12)? >> 4) * 4,
        _ => return None,
    };
    let port = |at| {
        Some(u16::from_be_bytes([
            *network.transport.get(at)?,
            *network.transport.get(at + 1)?,
        ]))
    };
    Some(Flow {
        is_udp: network.protocol == UDP,
        source: SocketAddr::new(network.source, port(0)?),
        destination: SocketAddr::new(network.destination, port(2)?),
        dscp: network.traffic_class >> 2,
        ttl: network.ttl,
        payload: network.transport.get(header_bytes..).unwrap_or_default(),
    })
}

fn ipv4(packet: &[u8]) -> Option<Network<'_>> {
    let header_bytes = usize::from(packet[0] & 0x0f) * 4;
    let header = packet.get(..20)?;
    let is_fragment = u16::from_be_bytes([header[6], header[7]]) & 0x3fff != 0;
    let address = |at: usize| {
        Ipv4Addr::new(header[at], header[at + 1], header[at + 2], header[at + 3]).into()
    };
    (!is_fragment).then_some(Network {
        protocol: header[9],
        source: address(12),
        destination: address(16),
        traffic_class: header[1],
        ttl: header[8],
        transport: packet.get(header_bytes..)?,
    })
}

fn ipv6(packet: &[u8]) -> Option<Network<'_>> {
    let header = packet.get(..40)?;
    let address = |at: usize| {
        let octets: [u8; 16] = header[at..at + 16].try_into().ok()?;
        Some(IpAddr::from(Ipv6Addr::from(octets)))
    };
    Some(Network {
        protocol: header[6],
        source: address(8)?,
        destination: address(24)?,
        traffic_class: header[0] << 4 | header[1] >> 4,
        ttl: header[7],
        transport: &packet[40..],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv4_udp_packet_is_decoded() {
        let mut packet = vec![
            0x45,
            46 << 2,
            0,
            32,
            0,
            0,
            0x40,
            0,
            63,
            UDP,
            0,
            0,
            10,
            0,
            0,
            1,
            10,
            0,
            0,
            2,
        ];
        packet.extend([0x30, 0x39, 0x0d, 0x96, 0, 12, 0, 0]);
        packet.extend(b"ping");
        let flow = flow(&packet).unwrap();
        assert_eq!(flow.source, "10.0.0.1:12345".parse().unwrap());
        assert_eq!(flow.destination, "10.0.0.2:3478".parse().unwrap());
        assert_eq!(
            (flow.dscp, flow.ttl, flow.is_udp, flow.payload),
            (46, 63, true, &b"ping"[..])
        );
    }

    #[test]
    fn an_ipv6_udp_packet_is_decoded() {
        let mut packet = vec![0x60, 0, 0, 0, 0, 10, UDP, 64];
        packet.extend("2001:db8::1".parse::<Ipv6Addr>().unwrap().octets());
        packet.extend("2001:db8::2".parse::<Ipv6Addr>().unwrap().octets());
        packet.extend([0, 80, 0, 90, 0, 10, 0, 0, b'h', b'i']);
        let flow = flow(&packet).unwrap();
        assert_eq!(flow.destination, "[2001:db8::2]:90".parse().unwrap());
        assert_eq!(flow.payload, b"hi");
    }

    #[test]
    fn no_prefix_of_a_packet_panics() {
        let packet = [0x45_u8; 64];
        assert!(
            (0..packet.len())
                .all(|n| flow(&packet[..n]).is_none_or(|flow| flow.payload.len() <= n))
        );
    }
}
