//! Findings about TURN servers, as data.

use super::entry::Entry;
use crate::model::finding::Complaint;
use crate::model::verdict::Capability;

const CONNECTIVITY: &[Complaint] = &[Complaint::PoorConnectivity];
/// A relay is what a call falls back to; whether it is needed is another question.
const MEDIA: &[Capability] = &[
    Capability::Hear,
    Capability::Speak,
    Capability::See,
    Capability::Show,
    Capability::Share,
];

const fn entry(
    id: &'static str,
    title: &'static str,
    cause: &'static str,
    remedy: &'static str,
) -> Entry {
    Entry {
        id,
        title,
        cause,
        remedy,
        complaints: CONNECTIVITY,
        capabilities: MEDIA,
        consequences: &[],
    }
}

const fn explaining(entry: Entry, consequences: &'static [&'static str]) -> Entry {
    Entry {
        consequences,
        ..entry
    }
}

pub(super) const TURN: &[Entry] = &[
    explaining(
        entry(
            "network.udp.few_ports",
            "UDP comes through to a few ports only",
            "A firewall lets UDP through to the ports of DNS or the web, and to no others, so media \
             has to take a relay that listens there.",
            "Nothing for you to do if the call works. Ask your network's administrator to allow UDP \
             to the server if it stutters.",
        ),
        &["network.udp.blocked", "network.path.relay_only"],
    ),
    entry(
        "network.turn.credentials_expired",
        "The credentials for the TURN server have expired",
        "The user name carries the time until which it is good, and that is over; or this \
         machine's clock, or the server's, is wrong.",
        "Get new credentials, for example by joining again. Check date and time of this machine. As \
         an operator, make credentials last longer than a call.",
    ),
    entry(
        "network.turn.wrong_credentials",
        "The TURN server does not accept the credentials",
        "User name, password or shared secret are not those of the server, or belong to another \
         realm.",
        "Compare user and password, or the shared secret, with the server's configuration. Mind \
         spaces and line ends in files with secrets.",
    ),
    entry(
        "network.turn.credentials_needed",
        "The TURN server wants credentials",
        "The server relays for known users only, and no user was given.",
        "Give a user name with a password, or the server's shared secret.",
    ),
    entry(
        "network.turn.quota_reached",
        "The TURN server's quota is reached",
        "The server allows each user, or all together, only so many allocations or so much \
         bandwidth at once.",
        "Try again later. As an operator, raise the quota, or look for clients that leave their \
         allocations behind.",
    ),
    entry(
        "network.turn.no_capacity",
        "The TURN server has no room",
        "The server has no free port or no socket left for another allocation, or its relay address \
         cannot be used.",
        "Try again later, or another server. As an operator, widen the range of relay ports, and \
         check the limit of open files and the relay address.",
    ),
    entry(
        "network.turn.forbidden",
        "The TURN server refuses to relay for this user",
        "The server is being drained, or its rules exclude this user or address.",
        "As an operator, look at the server's rules and whether it is being taken out of service. \
         Use another server meanwhile.",
    ),
    entry(
        "network.turn.redirect_loop",
        "TURN servers send from one to the other without end",
        "The server answers that another one should be asked, and that one does the same.",
        "As an operator, correct the alternate server in the configuration.",
    ),
    entry(
        "network.turn.refused",
        "The TURN server refuses the allocation",
        "The server answered with an error that is not about user, quota or room; the code in the \
         evidence says which.",
        "As an operator, look into the server's log at this time.",
    ),
    entry(
        "network.turn.peer_forbidden",
        "The TURN server allocates, but forbids the peer",
        "The server's rules deny the addresses that were tried: its own and this machine's. Media \
         servers with such addresses cannot be reached through it either.",
        "As an operator, allow the address of the media server (with coturn: denied-peer-ip, \
         allowed-peer-ip, allow-loopback-peers).",
    ),
    entry(
        "network.turn.black_hole",
        "The TURN server allocates, but relays nothing",
        "An address was given and the peer permitted, but packets do not come through: the range of \
         relay ports is closed by a firewall, or the server announces an address that is not its \
         own.",
        "As an operator, open the range of relay ports for UDP both ways, and set the external \
         address where the server is behind a NAT.",
    ),
    entry(
        "network.turn.not_turn",
        "What answers there is no TURN server",
        "Something else listens on that port, or a firewall answers in the server's place.",
        "Check host, port and transport of the URL.",
    ),
    entry(
        "network.turn.unknown_host",
        "The TURN server's name does not exist",
        "The name in the URL is misspelled, or not known to the resolver of this network.",
        "Check the URL. Inside a company, names may exist behind the VPN only.",
    ),
    entry(
        "network.turn.resolver_failed",
        "The TURN server's name could not be looked up",
        "The resolver of this network did not answer, or failed.",
        "Try again, or another network. Restarting the router helps where its resolver hangs.",
    ),
    explaining(
        entry(
            "network.turn.tls_intercepted",
            "Somebody intercepts TLS to the TURN server",
            "The certificate that came is signed by somebody whom this machine does not trust: a \
             firewall that reads along, or a server that signs for itself.",
            "Ask your network's administrator to exempt the server from inspection. As an operator \
             with an authority of your own, trust it with --ca.",
        ),
        &["network.turn.tls_blocked"],
    ),
    entry(
        "network.turn.tls_expired",
        "The TURN server's certificate is out of date",
        "Its operator has not renewed it, or this machine's clock is wrong.",
        "Check date and time of this machine; as an operator, renew the certificate and restart the \
         server, which reads it at its start only.",
    ),
    entry(
        "network.turn.tls_wrong_name",
        "The TURN server's certificate is for another name",
        "The certificate does not hold the name in the URL.",
        "As an operator, use a certificate for this name, or the name of the certificate in the URL.",
    ),
    entry(
        "network.turn.tls_failed",
        "TLS to the TURN server fails",
        "Server and client find no common version or cipher, or what answers speaks no TLS.",
        "Check that the port is the one for TLS. As an operator, allow TLS 1.2 and later.",
    ),
    explaining(
        entry(
            "network.turn.no_answer",
            "The TURN server does not answer",
            "Neither over UDP nor over TCP or TLS: it does not run, or a firewall stands before it.",
            "Check that the server runs and which ports it listens on. If other machines reach it, \
             ask your network's administrator.",
        ),
        &[],
    ),
    entry(
        "network.turn.udp_blocked",
        "UDP to the TURN server is blocked",
        "The server answers over TCP or TLS, but not over UDP: a firewall here or there lets none \
         through.",
        "Ask your network's administrator to allow UDP. Calls work over TCP meanwhile, but stutter \
         as soon as packets get lost. As an operator, open the port for UDP too.",
    ),
    entry(
        "network.turn.ipv6_blocked",
        "The TURN server is not reached over IPv6",
        "This machine has IPv6 and the server's name an IPv6 address, but only over IPv4 it answers: \
         the network announces IPv6 without carrying it, a firewall drops it, or the server does not \
         listen there.",
        "Nothing where calls work: they go on over IPv4. Otherwise restart the router or tell your \
         internet provider; as an operator, have the server listen at every address of its name.",
    ),
    entry(
        "network.turn.ipv4_blocked",
        "The TURN server is not reached over IPv4",
        "The server's name has an IPv4 address, but only over IPv6 it answers: this network or a \
         firewall does not carry IPv4, or the server does not listen there.",
        "Nothing where calls work: they go on over IPv6. Otherwise restart the router or tell your \
         internet provider; as an operator, have the server listen at every address of its name.",
    ),
    entry(
        "network.turn.tcp_blocked",
        "TCP to the TURN server is blocked",
        "The server answers in other ways, but not over TCP: it does not listen there, or a firewall \
         lets nothing through.",
        "As an operator, open the port for TCP, or leave it out of the list of servers.",
    ),
    entry(
        "network.turn.tls_blocked",
        "TLS to the TURN server is blocked",
        "The server answers in other ways, but not on its port for TLS: it does not listen there, or \
         a firewall lets nothing through.",
        "As an operator, open the port for TLS. Port 443 gets through most firewalls.",
    ),
    entry(
        "network.turn.alternate_server",
        "The TURN server sends to another one",
        "It answers that another server should be asked, as is usual where load is shared.",
        "Nothing to do. As an operator, name the other server directly to save one exchange.",
    ),
];
