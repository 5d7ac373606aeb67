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
        title: "A name server does not answer",
        cause: "A name server that this machine is set to use is down, or a firewall drops the \
                packets. Where there are others, seconds pass whenever it is asked first.",
        remedy: "Reconnect to the network to get its present settings, or take the silent server out \
                 of the network settings. Tell the network's administrator.",
        complaints: CONNECTIVITY,
        capabilities: JOIN,
        consequences: &["network.dns.slow", "network.discovery.resolver_failed"],
    },
    Entry {
        id: "network.dns.not_listening",
        title: "No name server runs where one is expected",
        cause: "The machine that is set as name server is there, but turns questions away at once: \
                the name server on it does not run, or a firewall rejects the packets.",
        remedy: "Restart the router or the local name service, or correct the name servers in the \
                 network settings.",
        complaints: CONNECTIVITY,
        capabilities: JOIN,
        consequences: &["network.dns.slow", "network.discovery.resolver_failed"],
    },
    Entry {
        id: "network.dns.refused",
        title: "A name server refuses to answer",
        cause: "The name server answers, but will not look the name up for this machine (REFUSED): \
                it serves other networks or other names alone.",
        remedy: "Reconnect to the network to get its present settings, or set a name server that is \
                 meant for this network. Tell the network's administrator.",
        complaints: CONNECTIVITY,
        capabilities: JOIN,
        consequences: &[
            "network.dns.slow",
            "network.discovery.resolver_failed",
            "network.discovery.unknown_host",
        ],
    },
    Entry {
        id: "network.dns.malformed",
        title: "A name server answers what cannot be read",
        cause: "What comes from the name server is no DNS answer: another service listens there, the \
                name server is faulty, or something on the way changes its answers.",
        remedy: "Restart the router, whose name server often is the faulty one, or set another name \
                 server. Tell the network's administrator.",
        complaints: CONNECTIVITY,
        capabilities: JOIN,
        consequences: &[
            "network.dns.slow",
            "network.discovery.resolver_failed",
            "network.discovery.unknown_host",
        ],
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
