//! The findings about rates, and about delay under load.

use super::entry::Entry;
use crate::model::finding::Complaint::{self, BlurryVideo, ChoppyAudio};
use crate::model::verdict::Capability::{self, Hear, See, Share, Show, Speak};

const UP: &[Capability] = &[Show, Share, Speak];
const DOWN: &[Capability] = &[See, Hear];
const AUDIO_VIDEO: &[Complaint] = &[BlurryVideo, ChoppyAudio];

pub(super) const POLICED_UP: Entry = Entry {
    id: "network.bandwidth.policed_up",
    title: "Something drops what you send above a fixed rate",
    cause: "Your tariff, a company firewall or the provider limits UDP by throwing packets away \
            instead of delaying them, so video breaks up as soon as it exceeds that rate.",
    remedy: "Ask your network's administrator or internet provider whether UDP to the server is \
             limited, and to exempt it. Until then, lower the quality of your video.",
    complaints: AUDIO_VIDEO,
    capabilities: UP,
    consequences: &[
        "network.path.loss_up",
        "network.path.bursty_loss_up",
        "network.bandwidth.uplink_too_small",
        "network.bandwidth.varying_rate_up",
        "network.bandwidth.bufferbloat_up",
    ],
};

pub(super) const POLICED_DOWN: Entry = Entry {
    id: "network.bandwidth.policed_down",
    title: "Something drops what you receive above a fixed rate",
    cause: "Your tariff, a company firewall or the provider limits UDP by throwing packets away \
            instead of delaying them, so video breaks up as soon as it exceeds that rate.",
    remedy: "Ask your network's administrator or internet provider whether UDP from the server is \
             limited, and to exempt it. Until then, watch fewer videos at once.",
    complaints: AUDIO_VIDEO,
    capabilities: DOWN,
    consequences: &[
        "network.path.loss_down",
        "network.path.bursty_loss_down",
        "network.bandwidth.downlink_too_small",
        "network.bandwidth.varying_rate_down",
        "network.bandwidth.bufferbloat_down",
    ],
};

pub(super) const SERVER_LIMITED: Entry = Entry {
    id: "network.bandwidth.server_limited",
    title: "The test server limits the measurement",
    cause: "The server allows only so much traffic for tests, so your own connection may well be \
            faster than what could be measured.",
    remedy: "Run the check again later, or ask the server's operator to raise the limit of its \
             tests. Your own connection needs no change.",
    complaints: &[],
    capabilities: &[See, Show, Share],
    consequences: &[],
};

pub(super) const VARYING_RATE_UP: Entry = Entry {
    id: "network.bandwidth.varying_rate_up",
    title: "The rate to the server keeps changing",
    cause: "Typical of Wi-Fi and mobile networks with changing reception, or of other traffic that \
            comes and goes on the uplink.",
    remedy: "Use a cable, or move closer to the Wi-Fi access point. Pause uploads, backups and \
             cloud synchronization.",
    complaints: AUDIO_VIDEO,
    capabilities: UP,
    consequences: &[
        "network.bandwidth.uplink_too_small",
        "network.bandwidth.bufferbloat_up",
    ],
};

pub(super) const VARYING_RATE_DOWN: Entry = Entry {
    id: "network.bandwidth.varying_rate_down",
    title: "The rate from the server keeps changing",
    cause: "Typical of Wi-Fi and mobile networks with changing reception, or of other traffic that \
            comes and goes on the downlink.",
    remedy: "Use a cable, or move closer to the Wi-Fi access point. Pause downloads and streaming.",
    complaints: AUDIO_VIDEO,
    capabilities: DOWN,
    consequences: &[
        "network.bandwidth.downlink_too_small",
        "network.bandwidth.bufferbloat_down",
    ],
};

pub(super) const UPLINK_TOO_SMALL: Entry = Entry {
    id: "network.bandwidth.uplink_too_small",
    title: "The uplink is too small",
    cause: "What is free to send is less than the video of such a call needs: a small tariff, a \
            weak radio link, or other traffic that takes its share.",
    remedy: "Pause uploads, backups and cloud synchronization, also of others on the same \
             connection. If that is not enough, lower the quality of your video or turn it off.",
    complaints: AUDIO_VIDEO,
    capabilities: UP,
    consequences: &[
        "network.bandwidth.varying_rate_up",
        "network.bandwidth.bufferbloat_up",
    ],
};

pub(super) const DOWNLINK_TOO_SMALL: Entry = Entry {
    id: "network.bandwidth.downlink_too_small",
    title: "The downlink is too small",
    cause: "What is free to receive is less than the videos of such a call need: a small tariff, a \
            weak radio link, or other traffic that takes its share.",
    remedy: "Pause downloads and streaming, also of others on the same connection. If that is not \
             enough, show fewer videos or turn incoming video off.",
    complaints: AUDIO_VIDEO,
    capabilities: DOWN,
    consequences: &[
        "network.bandwidth.varying_rate_down",
        "network.bandwidth.bufferbloat_down",
    ],
};

pub(super) const BUFFERBLOAT_UP: Entry = Entry {
    id: "network.bandwidth.bufferbloat_up",
    title: "Sending much delays everything",
    cause: "A queue on the way to the server, mostly in the router or modem, is so deep that \
            packets wait in it as soon as the uplink is busy (bufferbloat).",
    remedy: "Turn on smart queue management (SQM, fq_codel or CAKE) in the router, or limit its \
             upload to a little below the tariff's. Until then, upload nothing during calls.",
    complaints: &[ChoppyAudio, BlurryVideo],
    capabilities: &[Speak, Hear, Show, See],
    consequences: &[],
};

pub(super) const BUFFERBLOAT_DOWN: Entry = Entry {
    id: "network.bandwidth.bufferbloat_down",
    title: "Receiving much delays everything",
    cause: "A queue on the way from the server, mostly at the provider's end of the line, is so \
            deep that packets wait in it as soon as the downlink is busy (bufferbloat).",
    remedy: "Turn on smart queue management (SQM, fq_codel or CAKE) in the router, or limit its \
             download to a little below the tariff's. Until then, download nothing during calls.",
    complaints: &[ChoppyAudio, BlurryVideo],
    capabilities: &[Speak, Hear, Show, See],
    consequences: &[],
};
