//! The findings about the network and about this machine. The order is the order among equals.

use super::bandwidth;
use super::entry::Entry;
use crate::model::finding::Complaint::{self, BlurryVideo, ChoppyAudio, PoorConnectivity};
use crate::model::verdict::Capability::{self, Hear, Join, See, Share, Show, Speak};

const ALL: &[Capability] = &[Join, Hear, Speak, See, Show, Share];
const MEDIA: &[Capability] = &[Hear, Speak, See, Show];
const UP: &[Capability] = &[Speak, Show];
const DOWN: &[Capability] = &[Hear, See];
const AUDIO_VIDEO: &[Complaint] = &[ChoppyAudio, BlurryVideo];
const EVERY_COMPLAINT: &[Complaint] = &[ChoppyAudio, BlurryVideo, PoorConnectivity];
const CONNECTIVITY: &[Complaint] = &[PoorConnectivity];

/// What is known of the network and of this machine.
pub(super) const NETWORK_AND_SYSTEM: &[Entry] = &[
    // First among notes: it qualifies everything that follows.
    Entry {
        id: "network.target.builtin",
        title: "Only this machine was tested",
        cause: "No server was given, so the check talked to itself. That proves the program, not \
                your internet connection.",
        remedy: "Run the check again with --server and the address of the server you will use.",
        complaints: &[],
        capabilities: &[Join, Hear, Speak, See, Show],
        consequences: &[],
    },
    // Who cannot reach the server has no other problem.
    discovery(
        "network.discovery.unknown_host",
        "The server's name does not exist",
        "The address has a typing error, or the name is only known inside another network.",
        "Check the server's address for typing errors. If it is a company server, connect to the \
         company network or VPN first.",
    ),
    discovery(
        "network.discovery.resolver_failed",
        "Names cannot be looked up",
        "The name server of this network does not answer, or this machine is offline.",
        "Check that other websites open. If they do not, reconnect to the network or restart the \
         router; otherwise try another network and tell the network's administrator.",
    ),
    discovery(
        "network.discovery.refused",
        "The server refuses the connection",
        "The machine is there, but no Greenroom server listens at that port, or a firewall turns \
         the connection away.",
        "Check the port in the server's address. If it is right, ask the server's operator whether \
         the server is running.",
    ),
    discovery(
        "network.discovery.no_answer",
        "The server does not answer",
        "The server is down, or a firewall on the way drops the connection silently.",
        "Try another network, for example a phone's hotspot. If that works, ask your network's \
         administrator to allow the server's address; if not, ask the server's operator.",
    ),
    discovery(
        "network.discovery.unreachable",
        "There is no way to the server from this network",
        "This machine is offline, or its network has no route to the server's address.",
        "Check the network connection. If other websites open, the server may be reachable only \
         through a VPN.",
    ),
    discovery(
        "network.discovery.tls_expired",
        "The server's certificate is out of date",
        "The operator did not renew the certificate, or this machine's clock is wrong.",
        "Check the date and time of this machine. If they are right, the server's operator has to \
         renew the certificate.",
    ),
    discovery(
        "network.discovery.tls_wrong_name",
        "The server's certificate is for another name",
        "The address differs from the name the server is set up for, or something on the way \
         answers in its place, such as the login page of a hotel or guest network.",
        "Check the server's address. Open a web page first if the network asks for a login. If \
         both are fine, tell the server's operator.",
    ),
    discovery(
        "network.discovery.tls_unknown_issuer",
        "The server's certificate is not trusted",
        "A security product or proxy on the way intercepts secure connections, or the server uses \
         a certificate of its own making.",
        "Ask your network's administrator whether secure connections are inspected, and have the \
         server exempted. With a private certificate, install its issuer on this machine.",
    ),
    discovery(
        "network.discovery.tls_failed",
        "No secure connection to the server",
        "Server and client found no common way to encrypt, or something on the way breaks secure \
         connections.",
        "Try another network. If it fails there too, the server's operator has to check the \
         server's TLS setup.",
    ),
    discovery(
        "network.discovery.not_greenroom",
        "What answers is not a Greenroom server",
        "The address leads to another service, or a login page of the network answers in its \
         place.",
        "Check the server's address and port. Open a web page first if the network asks for a \
         login.",
    ),
    discovery(
        "network.discovery.version_mismatch",
        "Server and client do not understand each other",
        "One of the two is too old for the other.",
        "Update this program. If it is up to date, the server's operator has to update the server.",
    ),
    discovery(
        "network.discovery.limited",
        "The server is too busy to test with",
        "The server allows only so many tests at a time, or from one address.",
        "Wait a minute and run the check again. If it persists, tell the server's operator.",
    ),
    discovery(
        "network.discovery.proxy_failed",
        "The proxy does not let the connection through",
        "The proxy that this machine is set to use is down, asks for a login, or forbids the \
         server.",
        "Check the proxy settings of this machine, and ask your network's administrator to allow \
         the server.",
    ),
    discovery(
        "network.discovery.failed",
        "The server cannot be reached",
        "The request failed for a reason of its own, given in the evidence.",
        "Try again, and on another network. If it persists, send this report to support.",
    ),
    Entry {
        id: "network.server.vanished",
        title: "The server stopped answering during the check",
        cause: "The server went down or was restarted, or the network connection broke and did \
                not come back.",
        remedy: "Run the check again. If it happens again while other websites open, tell the \
                 server's operator; otherwise check the network connection.",
        complaints: EVERY_COMPLAINT,
        capabilities: ALL,
        consequences: &[
            "network.path.*",
            "network.udp.blocked",
            "network.bandwidth.*",
        ],
    },
    Entry {
        id: "network.path.no_media",
        title: "The server answers, but no media gets through",
        cause: "A firewall lets web pages through, but neither UDP nor the WebSocket that stands \
                in for it.",
        remedy: "Try another network, for example a phone's hotspot. Ask your network's \
                 administrator to allow UDP and WebSocket to the server.",
        complaints: CONNECTIVITY,
        capabilities: ALL,
        consequences: &[
            "network.udp.blocked",
            "network.turn.udp_blocked",
            "network.turn.no_answer",
            "network.web.websocket_blocked",
            "network.proxy.tunnel_refused",
        ],
    },
    Entry {
        id: "network.path.outage",
        title: "The connection dropped out",
        cause: "For some time nothing came through in either direction: typical of weak Wi-Fi or \
                mobile reception, switching between networks, or a restarting router.",
        remedy: "Move closer to the Wi-Fi access point, or use a cable. If it happens on a cable \
                 too, tell your internet provider.",
        complaints: EVERY_COMPLAINT,
        capabilities: MEDIA,
        consequences: &[
            "network.path.loss_*",
            "network.path.bursty_loss_*",
            "network.path.high_*",
            "network.bandwidth.varying_rate_*",
        ],
    },
    Entry {
        id: "network.udp.blocked",
        title: "UDP is blocked",
        cause: "A firewall on this machine or in the network does not let UDP through, which calls \
                use to carry audio and video.",
        remedy: "Ask your network's administrator to allow UDP to the server, or use another \
                 network. The call works without it, but stutters as soon as packets get lost.",
        complaints: EVERY_COMPLAINT,
        capabilities: MEDIA,
        consequences: &[
            "network.path.relay_only",
            "network.turn.udp_blocked",
            "network.path.high_*",
            "network.bandwidth.bufferbloat_*",
        ],
    },
    Entry {
        id: "network.path.relay_only",
        title: "Media gets through only by a relay",
        cause: "The direct way to the server is closed, typically by a firewall that allows a few \
                ports alone. Its TURN relay, which is there for such networks, carries the call.",
        remedy: "The call works. Ask your network's administrator to allow UDP to the server if \
                 it stutters.",
        complaints: CONNECTIVITY,
        capabilities: MEDIA,
        consequences: &[],
    },
    bandwidth::POLICED_UP,
    bandwidth::POLICED_DOWN,
    Entry {
        id: "network.path.bursty_loss_up",
        title: "Packets to the server are lost in bursts",
        cause: "Wi-Fi interference, a full queue on the way, or a connection that keeps breaking \
                for moments. Concealment hides single losses, not whole words.",
        remedy: "Use a cable, or move closer to the Wi-Fi access point and away from other radio \
                 sources. Pause uploads and backups.",
        complaints: AUDIO_VIDEO,
        capabilities: UP,
        consequences: &[
            "network.path.loss_up",
            "network.bandwidth.uplink_too_small",
            "network.bandwidth.varying_rate_up",
        ],
    },
    Entry {
        id: "network.path.bursty_loss_down",
        title: "Packets from the server are lost in bursts",
        cause: "Wi-Fi interference, a full queue on the way, or a connection that keeps breaking \
                for moments. Concealment hides single losses, not whole words.",
        remedy: "Use a cable, or move closer to the Wi-Fi access point and away from other radio \
                 sources. Pause downloads and streaming.",
        complaints: AUDIO_VIDEO,
        capabilities: DOWN,
        consequences: &[
            "network.path.loss_down",
            "network.bandwidth.downlink_too_small",
            "network.bandwidth.varying_rate_down",
        ],
    },
    Entry {
        id: "network.path.loss_up",
        title: "Packets to the server get lost",
        cause: "A weak or disturbed link, often Wi-Fi, or an overloaded one. Others hear and see \
                the gaps.",
        remedy: "Use a cable, or move closer to the Wi-Fi access point. Pause uploads and backups. \
                 If it happens on a cable too, tell your internet provider.",
        complaints: AUDIO_VIDEO,
        capabilities: UP,
        consequences: &[
            "network.bandwidth.uplink_too_small",
            "network.bandwidth.varying_rate_up",
        ],
    },
    Entry {
        id: "network.path.loss_down",
        title: "Packets from the server get lost",
        cause: "A weak or disturbed link, often Wi-Fi, or an overloaded one. You hear and see the \
                gaps.",
        remedy: "Use a cable, or move closer to the Wi-Fi access point. Pause downloads and \
                 streaming. If it happens on a cable too, tell your internet provider.",
        complaints: AUDIO_VIDEO,
        capabilities: DOWN,
        consequences: &[
            "network.bandwidth.downlink_too_small",
            "network.bandwidth.varying_rate_down",
        ],
    },
    Entry {
        id: "network.path.high_jitter_up",
        title: "Packets reach the server unevenly",
        cause: "Wi-Fi that is shared or disturbed, or other traffic on the uplink.",
        remedy: "Use a cable, or move closer to the Wi-Fi access point. Pause uploads, backups and \
                 cloud synchronization.",
        complaints: AUDIO_VIDEO,
        capabilities: UP,
        consequences: &[
            "network.path.high_rtt",
            "network.path.reordering_up",
            "network.bandwidth.uplink_too_small",
            "network.bandwidth.varying_rate_up",
            "network.bandwidth.bufferbloat_up",
        ],
    },
    Entry {
        id: "network.path.high_jitter_down",
        title: "Packets from the server arrive unevenly",
        cause: "Wi-Fi that is shared or disturbed, or other traffic on the downlink.",
        remedy: "Use a cable, or move closer to the Wi-Fi access point. Pause downloads and \
                 streaming.",
        complaints: AUDIO_VIDEO,
        capabilities: DOWN,
        consequences: &[
            "network.path.high_rtt",
            "network.path.reordering_down",
            "network.bandwidth.downlink_too_small",
            "network.bandwidth.varying_rate_down",
            "network.bandwidth.bufferbloat_down",
        ],
    },
    Entry {
        id: "network.path.high_rtt",
        title: "The way to the server and back takes long",
        cause: "The server is far away, a VPN takes a detour, the link is a satellite or mobile \
                one, or a queue on the way is full. People will talk over each other.",
        remedy: "Choose a server closer to you, or leave the VPN if you may. Pause other traffic \
                 on the link.",
        complaints: CONNECTIVITY,
        capabilities: MEDIA,
        consequences: &[],
    },
    Entry {
        id: "network.path.reordering_up",
        title: "Packets reach the server out of order",
        cause: "The network spreads one connection over several ways, as bonded links and some \
                routers do.",
        remedy: "Turn off link bonding or multi-path VPN. If you have neither, tell your internet \
                 provider.",
        complaints: AUDIO_VIDEO,
        capabilities: UP,
        consequences: &[
            "network.path.high_jitter_up",
            "network.path.high_rtt",
            "network.bandwidth.uplink_too_small",
        ],
    },
    Entry {
        id: "network.path.reordering_down",
        title: "Packets from the server arrive out of order",
        cause: "The network spreads one connection over several ways, as bonded links and some \
                routers do.",
        remedy: "Turn off link bonding or multi-path VPN. If you have neither, tell your internet \
                 provider.",
        complaints: AUDIO_VIDEO,
        capabilities: DOWN,
        consequences: &[
            "network.path.high_jitter_down",
            "network.path.high_rtt",
            "network.bandwidth.downlink_too_small",
        ],
    },
    bandwidth::SERVER_LIMITED,
    bandwidth::VARYING_RATE_UP,
    bandwidth::VARYING_RATE_DOWN,
    bandwidth::UPLINK_TOO_SMALL,
    bandwidth::DOWNLINK_TOO_SMALL,
    bandwidth::BUFFERBLOAT_UP,
    bandwidth::BUFFERBLOAT_DOWN,
    Entry {
        id: "network.path.mtu_black_hole_up",
        title: "Large packets to the server vanish",
        cause: "A tunnel or VPN on the way takes only smaller packets, and a firewall swallows the \
                message that would say so.",
        remedy: "Lower the MTU of this machine's network interface or VPN, and ask the network's \
                 administrator to let ICMP \"packet too big\" messages through.",
        complaints: &[BlurryVideo, PoorConnectivity],
        capabilities: &[Show, Share],
        consequences: &[],
    },
    Entry {
        id: "network.path.mtu_black_hole_down",
        title: "Large packets from the server vanish",
        cause: "A tunnel or VPN on the way takes only smaller packets, and a firewall swallows the \
                message that would say so.",
        remedy: "Lower the MTU of this machine's network interface or VPN, and ask the network's \
                 administrator to let ICMP \"packet too big\" messages through.",
        complaints: &[BlurryVideo, PoorConnectivity],
        capabilities: &[See],
        consequences: &[],
    },
    Entry {
        id: "network.path.duplicates_up",
        title: "Packets reach the server more than once",
        cause: "A misconfigured switch, bridge or bonded link sends copies.",
        remedy: "Check for two connections to the same network, such as cable and Wi-Fi bridged \
                 together, and tell the network's administrator.",
        complaints: CONNECTIVITY,
        capabilities: UP,
        consequences: &[],
    },
    Entry {
        id: "network.path.duplicates_down",
        title: "Packets from the server arrive more than once",
        cause: "A misconfigured switch, bridge or bonded link sends copies.",
        remedy: "Check for two connections to the same network, such as cable and Wi-Fi bridged \
                 together, and tell the network's administrator.",
        complaints: CONNECTIVITY,
        capabilities: DOWN,
        consequences: &[],
    },
    Entry {
        id: "system.clock.offset",
        title: "This machine's clock is wrong",
        cause: "Automatic time setting is off or cannot reach a time server. Invitations and \
                passwords that are valid for a limited time may be refused.",
        remedy: "Turn on automatic date and time in the system settings, or set the clock by hand.",
        complaints: CONNECTIVITY,
        capabilities: &[Join],
        consequences: &[],
    },
    Entry {
        id: "system.cpu.too_few_cores",
        title: "Too few processor cores for video",
        cause: "The machine is small, or this program may use only a part of it: a container's or \
                virtual machine's limit.",
        remedy: "Give the virtual machine or container at least two cores, or use another device. \
                 Joining with audio only still works.",
        complaints: AUDIO_VIDEO,
        capabilities: &[See, Show, Share],
        consequences: &[
            "system.cpu.busy",
            "device.microphone.xruns",
            "device.speaker.xruns",
            "device.camera.freezes",
        ],
    },
    Entry {
        id: "system.cpu.throttled",
        title: "The processor is slowed down",
        cause: "It is too hot, or the power supply is too weak.",
        remedy: "Let the machine cool down, clear its vents, and connect the power supply that \
                 came with it.",
        complaints: AUDIO_VIDEO,
        capabilities: &[See, Show, Share],
        consequences: &[
            "system.cpu.busy",
            "system.cpu.no_encode_headroom",
            "device.microphone.xruns",
            "device.speaker.xruns",
            "device.camera.freezes",
        ],
    },
    Entry {
        id: "system.power.saver",
        title: "Power saving slows this machine down",
        cause: "A power-saving profile is active, mostly because the battery is low.",
        remedy: "Plug in the power supply, and choose a balanced power mode in the system settings.",
        complaints: AUDIO_VIDEO,
        capabilities: &[See, Show, Share],
        consequences: &[
            "system.cpu.busy",
            "system.cpu.no_encode_headroom",
            "device.microphone.xruns",
            "device.speaker.xruns",
            "device.camera.freezes",
        ],
    },
    Entry {
        id: "system.cpu.no_encode_headroom",
        title: "This machine is too slow to send 720p video",
        cause: "Encoding a frame takes more than half of the time that a frame has, so too little \
                is left for the rest of the call: the processor is slow, or slowed down.",
        remedy: "Plug in the power supply and choose a balanced power mode, or use another \
                 machine. Otherwise send smaller video.",
        complaints: AUDIO_VIDEO,
        capabilities: &[Show],
        consequences: &[],
    },
    Entry {
        id: "system.network.vpn",
        title: "Your traffic goes through a VPN",
        cause: "The default route leads into a tunnel. That is often intended, but makes the way \
                longer and packets smaller.",
        remedy: "If calls are bad, leave the VPN for the call or ask your administrator to route \
                 calls around it.",
        complaints: CONNECTIVITY,
        capabilities: MEDIA,
        consequences: &[],
    },
    Entry {
        id: "system.network.proxy",
        title: "This machine is set to use a proxy",
        cause: "A proxy is configured. Web traffic goes through it; audio and video over UDP \
                cannot.",
        remedy: "If calls are bad or do not connect, ask your administrator to exempt the server \
                 from the proxy.",
        complaints: CONNECTIVITY,
        capabilities: &[Join],
        consequences: &[],
    },
    Entry {
        id: "system.cpu.busy",
        title: "Other programs keep the processor busy",
        cause: "Programs in the background left little of the processor while the check looked.",
        remedy: "Close programs you do not need before the call.",
        complaints: AUDIO_VIDEO,
        capabilities: &[See, Show, Share],
        consequences: &[
            "device.microphone.xruns",
            "device.speaker.xruns",
            "device.camera.freezes",
        ],
    },
    Entry {
        id: "system.display.none",
        title: "There is no screen to share",
        cause: "No display server answers: a machine without a screen, or a remote login.",
        remedy: "Log in on the machine's own desktop if you want to share its screen. Audio and \
                 video are not affected.",
        complaints: &[],
        capabilities: &[Share],
        consequences: &["system.screen_capture.unavailable"],
    },
    Entry {
        id: "system.screen_capture.unavailable",
        title: "The screen cannot be captured",
        cause: "The system does not allow it, or a component for it is missing.",
        remedy: "Allow screen recording for this program in the system's privacy settings; on \
                 Linux with Wayland, install the desktop's xdg-desktop-portal.",
        complaints: &[],
        capabilities: &[Share],
        consequences: &[],
    },
];

const fn discovery(
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
        capabilities: ALL,
        consequences: &["network.path.*", "network.udp.blocked"],
    }
}
