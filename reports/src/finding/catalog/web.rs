//! Findings about the way to the server's web side, as data.

use super::entry::Entry;
use crate::model::finding::Complaint;
use crate::model::verdict::Capability;

const CONNECTIVITY: &[Complaint] = &[Complaint::PoorConnectivity];
const JOIN: &[Capability] = &[Capability::Join];

/// What explains discovery's failures stands before them.
pub(super) const WEB: &[Entry] = &[
    Entry {
        id: "network.web.captive_portal",
        title: "The network wants a login first",
        cause: "A login page of the network, such as that of a hotel, a train or a guest network, \
                answers in the server's place.",
        remedy: "Open any web page in a browser, log in or accept the terms, and run the check \
                 again. If no page comes up, the server's address may lead elsewhere: ask its \
                 operator.",
        complaints: CONNECTIVITY,
        capabilities: JOIN,
        consequences: &[
            "network.discovery.not_greenroom",
            "network.discovery.tls_*",
            "network.discovery.no_answer",
            "network.discovery.refused",
            "network.discovery.unreachable",
            "network.discovery.unknown_host",
            "network.discovery.resolver_failed",
            "network.discovery.failed",
        ],
    },
    Entry {
        id: "network.proxy.credentials_needed",
        title: "The proxy wants a user name and password",
        cause: "The proxy that this machine is set to use lets known users through only, and none \
                was given, or the password is wrong.",
        remedy: "Set user name and password where the proxy is set, for example \
                 http_proxy=http://user:password@proxy:3128, or ask your network's administrator to \
                 let the server through without.",
        complaints: CONNECTIVITY,
        capabilities: JOIN,
        consequences: &[
            "network.discovery.proxy_failed",
            "network.discovery.not_greenroom",
            "network.discovery.failed",
            "system.network.proxy",
        ],
    },
    Entry {
        id: "network.proxy.tunnel_refused",
        title: "The proxy opens no tunnel to the server",
        cause: "The proxy that this machine is set to use passes web pages on, but refuses the \
                request for a tunnel (CONNECT) to the server's port. Secure connections and \
                WebSocket need one.",
        remedy: "Ask your network's administrator to let the proxy open tunnels to the server's \
                 host and port, or to exempt the server from the proxy (no_proxy).",
        complaints: CONNECTIVITY,
        capabilities: JOIN,
        consequences: &[
            "network.discovery.proxy_failed",
            "network.discovery.not_greenroom",
            "network.discovery.failed",
            "system.network.proxy",
        ],
    },
    // A machine that is meant to ask a proxy seldom gets through without.
    Entry {
        id: "system.network.proxy_setting_invalid",
        title: "A proxy setting cannot be used as it is written",
        cause: "A variable of the environment that names a proxy has a typing error. Programs go on \
                without the proxy, or ask in the wrong place for it.",
        remedy: "Correct the variable, for example https_proxy=http://proxy.example:3128, or remove \
                 it if no proxy is needed.",
        complaints: CONNECTIVITY,
        capabilities: JOIN,
        consequences: &[
            "network.discovery.proxy_failed",
            "network.discovery.no_answer",
            "network.discovery.refused",
            "network.discovery.unreachable",
            "network.discovery.unknown_host",
            "network.discovery.resolver_failed",
            "system.network.proxy",
        ],
    },
    Entry {
        id: "network.web.tls_too_old",
        title: "The server's TLS is too old",
        cause: "The server, or something on the way that answers in its place, speaks TLS 1.1 or \
                older alone, which has not been safe for years (RFC 8996).",
        remedy: "Tell the server's operator to allow TLS 1.2 and 1.3. If other machines get \
                 through, a security product on the way is out of date.",
        complaints: CONNECTIVITY,
        capabilities: JOIN,
        consequences: &["network.discovery.tls_failed"],
    },
    Entry {
        id: "network.web.websocket_blocked",
        title: "WebSocket does not get through",
        cause: "Web pages come, but the switch to WebSocket is refused or cut off: by a reverse \
                proxy before the server that is not set up for it, or by a proxy or security \
                product on the way.",
        remedy: "As an operator, pass the headers Upgrade and Connection on to the server. \
                 Otherwise ask your network's administrator to allow WebSocket to it: calls are set \
                 up over it, and where UDP is blocked they have no other way.",
        complaints: CONNECTIVITY,
        capabilities: JOIN,
        consequences: &[],
    },
    Entry {
        id: "network.web.certificate_expires_soon",
        title: "The server's certificate ends soon",
        cause: "The certificate has not been renewed yet, though its end is near; automatic renewal \
                may have stopped working.",
        remedy: "Nothing for you to do now. Tell the server's operator, who has to renew it in \
                 time.",
        complaints: &[],
        capabilities: JOIN,
        consequences: &[],
    },
];
