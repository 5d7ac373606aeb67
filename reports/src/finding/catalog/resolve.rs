//! Findings about looking names up, as data.

use super::entry::Entry;
use crate::model::finding::Complaint;
use crate::model::verdict::Capability;

const CONNECTIVITY: &[Complaint] = &[Complaint::PoorConnectivity];
const JOIN: &[Capability] = &[Capability::Join];

/// What explains discovery's failures stands before them.
pub(super) const RESOLVE: &[Entry] = &[
    Entry {
        id: "network.dns.server_silent",
        title: "One of the name servers does not answer",
        cause: "This machine is set to use several name servers, and one of them is down or blocked. \
                Whenever it is asked first, seconds pass before the next one is.",
        remedy: "Reconnect to the network to get its present settings, or take the silent server out \
                 of the network settings. Tell the network's administrator.",
        complaints: CONNECTIVITY,
        capabilities: JOIN,
        consequences: &["network.dns.slow", "network.discovery.resolver_failed"],
    },
    Entry {
        id: "network.dns.servfail",
        title: "A name server fails to look the name up",
        cause: "The name server answers, but says that it cannot find out (SERVFAIL): the servers \
                of the name's domain are down, its signatures are wrong, or the name server itself \
                is cut off.",
        remedy: "Check that other websites open. If they do, tell the server's operator, whose domain \
                 is at fault; otherwise restart the router, or tell the network's administrator.",
        complaints: CONNECTIVITY,
        capabilities: JOIN,
        consequences: &[
            "network.dns.slow",
            "network.discovery.resolver_failed",
            "network.discovery.unknown_host",
        ],
    },
    Entry {
        id: "network.dns.slow",
        title: "Looking names up takes long",
        cause: "The name server of this network is slow, far away or overloaded.",
        remedy: "Restart the router, whose name server often is the slow one, or tell the network's \
                 administrator. It delays joining, not the call itself.",
        complaints: CONNECTIVITY,
        capabilities: JOIN,
        consequences: &[],
    },
    Entry {
        id: "network.ipv6.broken",
        title: "IPv6 does not get through",
        cause: "This machine has IPv6 and the server's name an IPv6 address, but only IPv4 reaches \
                the server: the network announces IPv6 without carrying it, a firewall drops it, or \
                the server does not listen there.",
        remedy: "Nothing if the call works: programs go on to IPv4, after a pause. Restart the router \
                 or tell your internet provider; if other IPv6 sites work, tell the server's operator.",
        complaints: CONNECTIVITY,
        capabilities: JOIN,
        consequences: &["network.turn.ipv6_blocked"],
    },
];
