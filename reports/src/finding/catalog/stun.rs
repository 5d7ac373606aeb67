//! Findings about the NAT, as data.

use super::entry::Entry;
use crate::model::finding::Complaint;
use crate::model::verdict::Capability;

const CONNECTIVITY: &[Complaint] = &[Complaint::PoorConnectivity];
const MEDIA: &[Capability] = &[
    Capability::Hear,
    Capability::Speak,
    Capability::See,
    Capability::Show,
    Capability::Share,
];

pub(super) const STUN: &[Entry] = &[
    Entry {
        id: "network.stun.udp_blocked",
        title: "UDP to the STUN servers is blocked",
        cause: "They answer over TCP, but none of them over UDP: a firewall lets no UDP out, or none \
                to these ports.",
        remedy: "Ask your network's administrator to allow UDP. Without it calls need a TURN server \
                 that is reached over TCP or TLS, and stutter as soon as packets get lost.",
        complaints: CONNECTIVITY,
        capabilities: MEDIA,
        consequences: &[],
    },
    Entry {
        id: "network.nat.endpoint_dependent",
        title: "Direct calls between two people need a relay here",
        cause: "The router gives this machine another address or port for every server that it \
                talks to (a symmetric NAT), so that others cannot find it by what a server saw.",
        remedy: "Nothing, where calls go through a server, or a TURN server is there. Otherwise use \
                 another network, or a router without this kind of NAT.",
        complaints: CONNECTIVITY,
        capabilities: MEDIA,
        consequences: &[],
    },
    Entry {
        id: "network.nat.carrier_grade",
        title: "The provider shares its addresses among customers",
        cause: "Between the router here and the internet stands another NAT, the provider's \
                (carrier-grade NAT), as is usual on mobile networks.",
        remedy: "Nothing, as long as calls work. If direct ones between two people do not, use a \
                 TURN server, or ask the provider for an address of your own, or for IPv6.",
        complaints: CONNECTIVITY,
        capabilities: MEDIA,
        consequences: &[],
    },
];
