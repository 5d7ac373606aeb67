//! A client, and ports that are never opened.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use greenroom_protocol::{measure::time::MonotonicTime, turn::credential::TimeLimited};
use stun_types::attribute::{ErrorCode, Nonce, Realm, Username};
use stun_types::message::{
    BINDING, IntegrityAlgorithm, LongTermCredentials, Message, MessageIntegrityCredentials,
    MessageWrite as _, MessageWriteExt as _, MessageWriteVec, Method,
};
use turn_types::attribute::{
    ChannelNumber, Data, Lifetime, RequestedTransport, XorPeerAddress, XorRelayedAddress,
};
use turn_types::message::{ALLOCATE, CHANNEL_BIND, CREATE_PERMISSION, REFRESH, SEND};
use turn_types::stun::prelude::AttributeWrite;

use crate::turn::{
    credentials::Credentials,
    machine::{
        quota::Quotas,
        relay::{Client, Handled, Now, PortId, Ports, Relay, RelayConfig, Transport},
    },
    own::{OwnAddresses, ServicePort},
    policy::PeerPolicy,
};

pub(super) const SECRET: &[u8] = b"the operator's secret";
pub(super) const SERVER: &str = "198.51.100.1";
/// Seconds since 1970 when each test begins.
pub(super) const BEGAN: u64 = 1_700_000_000;

pub(super) fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// Ports on paper.
#[derive(Debug, Default)]
pub(super) struct Paper {
    pub(super) open: Vec<PortId>,
    next: u16,
    pub(super) broken: bool,
    pub(super) without_ipv6: bool,
}

impl Ports for Paper {
    fn open(&mut self, port: PortId, ip: IpAddr, even: bool) -> io::Result<SocketAddr> {
        if self.broken {
            return Err(io::Error::other("out of files"));
        }
        assert!(!self.open.contains(&port), "{port:?} is open");
        self.open.push(port);
        self.next += 1;
        self.next += u16::from(even && self.next % 2 == 1);
        Ok(SocketAddr::new(ip, 50_000 + self.next))
    }

    fn relay_ip(&mut self, ipv4: bool, server_ip: IpAddr) -> Option<IpAddr> {
        if ipv4 {
            return Some(server_ip);
        }
        (!self.without_ipv6).then(|| "2001:4860::1".parse().unwrap())
    }

    fn close(&mut self, port: PortId) {
        let at = self.open.iter().position(|held| *held == port).unwrap();
        self.open.remove(at);
    }
}

/// A relay and its time.
#[derive(Debug)]
pub(super) struct World {
    pub(super) relay: Relay,
    pub(super) ports: Paper,
    pub(super) elapsed: Duration,
    pub(super) reply: Vec<u8>,
}

impl World {
    pub(super) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(super) fn with(change: impl FnOnce(&mut RelayConfig)) -> Self {
        let own = OwnAddresses::new(
            [SERVER, "127.0.0.1"].map(|ip| ip.parse().unwrap()),
            Vec::new(),
            vec![ServicePort {
                advertised: 8443,
                bound: 8443,
            }],
        );
        let mut config = RelayConfig {
            credentials: Credentials::new(SECRET.to_vec(), "greenroom".to_owned()),
            nonce_key: [9; 32],
            policy: PeerPolicy::default(),
            own,
            quotas: Quotas {
                total: 8,
                public: 4,
                per_address: 3,
                per_user: 2,
            },
            max_allocation_bps: 8_000_000,
        };
        change(&mut config);
        Self {
            relay: Relay::new(config),
            ports: Paper::default(),
            elapsed: Duration::from_secs(100),
            reply: Vec::new(),
        }
    }

    pub(super) fn now(&self) -> Now {
        Now {
            monotonic: self.monotonic(),
            unix_s: BEGAN + self.elapsed.as_secs() - 100,
        }
    }

    pub(super) fn monotonic(&self) -> MonotonicTime {
        MonotonicTime::default().after(self.elapsed)
    }

    pub(super) fn pass(&mut self, span: Duration) {
        self.elapsed += span;
        self.relay.expire(self.monotonic(), &mut self.ports);
    }

    pub(super) fn send(&mut self, client: &Client, bytes: &[u8]) -> Handled {
        let now = self.now();
        self.relay
            .handle(now, client, bytes, &mut self.ports, &mut self.reply)
    }

    /// The code of the answer, 0 for success.
    pub(super) fn code(&mut self, client: &Client, bytes: &[u8]) -> u16 {
        assert_eq!(self.send(client, bytes), Handled::Reply);
        code_of(&self.reply)
    }
}

pub(super) fn code_of(answer: &[u8]) -> u16 {
    let answer = Message::from_bytes(answer).unwrap();
    answer
        .attribute::<ErrorCode>()
        .map_or(0, |error| error.code())
}

/// A client with its credentials.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    pub(super) client: Client,
    pub(super) credentials: TimeLimited,
    pub(super) nonce: String,
}

impl Caller {
    /// With credentials of the operator's.
    pub(super) fn new(address: &str) -> Self {
        Self::named(address, "alice")
    }

    /// With those that everybody is given.
    pub(super) fn public(address: &str) -> Self {
        Self::named(address, "public-0")
    }

    pub(super) fn named(from: &str, name: &str) -> Self {
        Self {
            client: Client {
                transport: Transport::Udp,
                address: address(from),
                server_ip: SERVER.parse().unwrap(),
                connection: 0,
            },
            credentials: TimeLimited::new(SECRET, name, BEGAN + 600),
            nonce: String::new(),
        }
    }

    /// Asks for a nonce by a request without credentials.
    pub(super) fn challenge(&mut self, world: &mut World) {
        let request = Message::builder_request(ALLOCATE, MessageWriteVec::new()).finish();
        assert_eq!(world.code(&self.client, &request), 401);
        let answer = Message::from_bytes(&world.reply).unwrap();
        self.nonce = answer.attribute::<Nonce>().unwrap().nonce().to_owned();
    }

    /// A signed request.
    pub(super) fn request(&self, method: Method, attributes: &[&dyn AttributeWrite]) -> Vec<u8> {
        let mut request = Message::builder_request(method, MessageWriteVec::new());
        self.sign(&mut request, attributes)
    }

    fn sign(&self, request: &mut MessageWriteVec, attributes: &[&dyn AttributeWrite]) -> Vec<u8> {
        for attribute in attributes {
            request.add_attribute(*attribute).unwrap();
        }
        let name = Username::new(&self.credentials.username).unwrap();
        request.add_attribute(&name).unwrap();
        request
            .add_attribute(&Realm::new("greenroom").unwrap())
            .unwrap();
        request
            .add_attribute(&Nonce::new(&self.nonce).unwrap())
            .unwrap();
        request
            .add_message_integrity(&self.key(), IntegrityAlgorithm::Sha1)
            .unwrap();
        std::mem::take(request).finish()
    }

    fn key(&self) -> MessageIntegrityCredentials {
        LongTermCredentials::new(
            self.credentials.username.clone(),
            self.credentials.password.clone(),
        )
        .to_key("greenroom".to_owned())
        .into()
    }

    /// Whether the last answer is signed as this user's.
    pub(super) fn trusts(&self, answer: &[u8]) -> bool {
        let answer = Message::from_bytes(answer).unwrap();
        answer.validate_integrity(&self.key()).is_ok()
    }

    pub(super) fn allocate_request(&self) -> Vec<u8> {
        self.request(ALLOCATE, &[&RequestedTransport::new(17)])
    }

    /// Makes an allocation; its relay address.
    pub(super) fn allocate(&mut self, world: &mut World) -> SocketAddr {
        self.challenge(world);
        assert_eq!(world.code(&self.client, &self.allocate_request()), 0);
        assert!(self.trusts(&world.reply));
        let answer = Message::from_bytes(&world.reply).unwrap();
        let relayed = answer.attribute::<XorRelayedAddress>().unwrap();
        relayed.addr(answer.transaction_id())
    }

    pub(super) fn refresh(&self, world: &mut World, seconds: u32) -> u16 {
        let request = self.request(REFRESH, &[&Lifetime::new(seconds)]);
        world.code(&self.client, &request)
    }

    pub(super) fn permit(&self, world: &mut World, peer: &str) -> u16 {
        // The attribute is masked by the transaction, so that the request comes first.
        let mut request = Message::builder_request(CREATE_PERMISSION, MessageWriteVec::new());
        let transaction = request.transaction_id();
        let peer = XorPeerAddress::new(address(peer), transaction);
        let request = self.sign(&mut request, &[&peer]);
        world.code(&self.client, &request)
    }

    pub(super) fn bind(&self, world: &mut World, number: u16, peer: SocketAddr) -> u16 {
        let mut request = Message::builder_request(CHANNEL_BIND, MessageWriteVec::new());
        let peer = XorPeerAddress::new(peer, request.transaction_id());
        let number = ChannelNumber::new(number);
        let request = self.sign(&mut request, &[&number, &peer]);
        world.code(&self.client, &request)
    }
}

/// A Send indication.
pub(super) fn send_indication(peer: SocketAddr, data: &[u8]) -> Vec<u8> {
    let mut message = Message::builder_indication(SEND, MessageWriteVec::new());
    let peer = XorPeerAddress::new(peer, message.transaction_id());
    message.add_attribute(&peer).unwrap();
    message.add_attribute(&Data::new(data)).unwrap();
    message.finish()
}

/// ChannelData.
pub(super) fn channel_data(number: u16, data: &[u8]) -> Vec<u8> {
    let mut bytes = number.to_be_bytes().to_vec();
    bytes.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
    bytes.extend(data);
    bytes
}

/// A binding request.
pub(super) fn binding_request() -> Vec<u8> {
    Message::builder_request(BINDING, MessageWriteVec::new()).finish()
}
