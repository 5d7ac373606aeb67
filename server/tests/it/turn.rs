//! The relay under attack: it stays up, relays for the honest, and its memory is bounded.

use std::{
    io::{Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, UdpSocket},
    time::{Duration, Instant},
};

use greenroom_protocol::turn::credential::TimeLimited;
use greenroom_server::{RunningServer, ServeConfig, Server, TurnSecret};
use socket2::{Domain, Socket, Type};
use stun_types::attribute::{ErrorCode, Nonce, Realm, Username};
use stun_types::message::{
    BINDING, IntegrityAlgorithm, LongTermCredentials, Message, MessageIntegrityCredentials,
    MessageWrite as _, MessageWriteExt as _, MessageWriteVec, Method,
};
use stun_types::prelude::AttributeWrite;
use turn_types::attribute::{ChannelNumber, Lifetime, RequestedTransport, XorPeerAddress};
use turn_types::message::{ALLOCATE, CHANNEL_BIND, REFRESH};

const SECRET: &str = "a secret of these tests alone";
/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(2);
/// Growth of resident memory that still counts as bounded, clients and all: the default limits
/// allow 1,000 connections and 1,000 allocations.
const MOST_GROWTH_MIB: f64 = 60.0;

/// They share a process, and each looks at its memory and takes nearly all of its file descriptors.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

async fn start(change: impl FnOnce(&mut ServeConfig)) -> RunningServer {
    let mut config = ServeConfig::local();
    config.turn.secret = Some(TurnSecret::new(SECRET).unwrap());
    config.turn.allow_peers = vec!["127.0.0.0/8".parse().unwrap()];
    change(&mut config);
    Server::start(config).await.unwrap()
}

fn udp_address(server: &RunningServer) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, server.turn_ports().unwrap().udp).into()
}

fn tcp_address(server: &RunningServer) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, server.turn_ports().unwrap().tcp).into()
}

/// A client over UDP.
struct Caller {
    socket: UdpSocket,
    credentials: TimeLimited,
    realm: String,
    nonce: String,
}

impl Caller {
    fn at(ip: Ipv4Addr, server: SocketAddr, name: &str) -> Self {
        let socket = UdpSocket::bind((ip, 0)).unwrap();
        socket.connect(server).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut caller = Self {
            socket,
            credentials: TimeLimited::new(SECRET.as_bytes(), name, 4_000_000_000),
            realm: String::new(),
            nonce: String::new(),
        };
        let answer = caller.exchange(&request(ALLOCATE, &[]).finish());
        let answer = Message::from_bytes(&answer).unwrap();
        let (realm, nonce) = (answer.attribute::<Realm>(), answer.attribute::<Nonce>());
        realm.unwrap().realm().clone_into(&mut caller.realm);
        nonce.unwrap().nonce().clone_into(&mut caller.nonce);
        caller
    }

    fn exchange(&self, request: &[u8]) -> Vec<u8> {
        self.socket.send(request).unwrap();
        self.receive().expect("an answer")
    }

    fn receive(&self) -> Option<Vec<u8>> {
        let mut bytes = vec![0; 2048];
        let n = self.socket.recv(&mut bytes).ok()?;
        bytes.truncate(n);
        Some(bytes)
    }

    fn signed(&self, mut request: MessageWriteVec) -> Vec<u8> {
        let name = Username::new(&self.credentials.username).unwrap();
        request.add_attribute(&name).unwrap();
        request
            .add_attribute(&Realm::new(&self.realm).unwrap())
            .unwrap();
        request
            .add_attribute(&Nonce::new(&self.nonce).unwrap())
            .unwrap();
        let key: MessageIntegrityCredentials = LongTermCredentials::new(
            self.credentials.username.clone(),
            self.credentials.password.clone(),
        )
        .to_key(self.realm.clone())
        .into();
        request
            .add_message_integrity(&key, IntegrityAlgorithm::Sha1)
            .unwrap();
        request.finish()
    }

    /// The code of the answer, 0 for success.
    fn code(&self, request: MessageWriteVec) -> u16 {
        let answer = self.exchange(&self.signed(request));
        let answer = Message::from_bytes(&answer).unwrap();
        answer
            .attribute::<ErrorCode>()
            .map_or(0, |error| error.code())
    }

    fn allocate(&self) -> u16 {
        self.code(request(ALLOCATE, &[&RequestedTransport::new(17)]))
    }

    fn bind(&self, peer: SocketAddr) -> u16 {
        let mut request = request(CHANNEL_BIND, &[&ChannelNumber::new(0x4000)]);
        let peer = XorPeerAddress::new(peer, request.transaction_id());
        request.add_attribute(&peer).unwrap();
        self.code(request)
    }
}

fn request(method: Method, attributes: &[&dyn AttributeWrite]) -> MessageWriteVec {
    let mut request = Message::builder_request(method, MessageWriteVec::new());
    for attribute in attributes {
        request.add_attribute(*attribute).unwrap();
    }
    request
}

/// Somebody who relays to a peer and back, all the while.
struct Honest {
    caller: Caller,
    peer: UdpSocket,
}

impl Honest {
    fn start(server: SocketAddr) -> Self {
        let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
        peer.set_read_timeout(Some(PATIENCE)).unwrap();
        let caller = Caller::at(Ipv4Addr::new(127, 0, 0, 2), server, "honest");
        assert_eq!(caller.allocate(), 0);
        assert_eq!(caller.bind(peer.local_addr().unwrap()), 0);
        Self { caller, peer }
    }

    /// Sends there and back; how many of `n` came through.
    fn relay(&self, n: u16) -> u16 {
        let mut n_through = 0;
        for count in 0..n {
            let data = [
                0x40,
                0,
                0,
                2,
                count.to_be_bytes()[0],
                count.to_be_bytes()[1],
            ];
            self.caller.socket.send(&data).unwrap();
            n_through += u16::from(self.echo(&data) && self.hears(&data));
        }
        n_through
    }
}

impl Honest {
    /// The peer sends back what came; what is late from before is passed over.
    fn echo(&self, data: &[u8]) -> bool {
        let mut bytes = [0; 64];
        while let Ok((got, relay)) = self.peer.recv_from(&mut bytes) {
            if bytes[..got] == data[4..] {
                return self.peer.send_to(&bytes[..got], relay).is_ok();
            }
        }
        false
    }

    fn hears(&self, data: &[u8]) -> bool {
        std::iter::from_fn(|| self.caller.receive()).any(|received| received == data)
    }
}

fn resident_mib() -> f64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: f64 = statm.split_whitespace().nth(1).unwrap().parse().unwrap();
    pages * 4096.0 / f64::from(1 << 20)
}

fn raise_open_files() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    let wanted = 16_384;
    if soft < wanted {
        setrlimit(Resource::RLIMIT_NOFILE, wanted, hard.max(wanted)).unwrap();
    }
}

/// A connection from an address of one's own choice.
fn connect_from(ip: Ipv4Addr, server: SocketAddr) -> Option<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((ip, 0)).into()).unwrap();
    let connected = socket.connect_timeout(&server.into(), PATIENCE);
    connected.is_ok().then(|| socket.into())
}

fn newcomer(tcp: SocketAddr) -> std::io::Result<()> {
    let mut late = connect_from(Ipv4Addr::new(127, 2, 0, 1), tcp)
        .ok_or(std::io::ErrorKind::ConnectionRefused)?;
    late.set_read_timeout(Some(PATIENCE))?;
    late.write_all(&request(BINDING, &[]).finish())?;
    late.read_exact(&mut [0; 32])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn ten_thousand_connections_that_do_nothing_keep_nobody_out() {
    let _alone = ALONE.lock().await;
    raise_open_files();
    let server = start(|_| {}).await;
    let (udp, tcp) = (udp_address(&server), tcp_address(&server));
    let grown = tokio::task::spawn_blocking(move || {
        let honest = Honest::start(udp);
        let before = resident_mib();
        let mut held = Vec::new();
        let began = Instant::now();
        for n in 0..10_000_u16 {
            let [high, low] = n.to_be_bytes();
            let mut stream = connect_from(Ipv4Addr::new(127, 1, high, low), tcp);
            if let Some(stream) = &mut stream
                && n % 2 == 0
            {
                // The beginning of a message, never its end.
                let _gone = stream.write_all(&[0, 3, 0]);
            }
            held.extend(stream);
            if n % 2000 == 0 {
                assert_eq!(honest.relay(20), 20);
            }
        }
        let n_held = held.len();
        let took = began.elapsed();
        assert!(n_held > 9_000, "{n_held}");
        assert_eq!(honest.relay(100), 100);
        // A newcomer over TCP is served, as full as it is; it may have to ask twice, while those
        // that came before it are still being turned away.
        let until = Instant::now() + PATIENCE;
        while let Err(error) = newcomer(tcp) {
            assert!(Instant::now() < until, "{error}");
        }
        let grown = resident_mib() - before;
        println!("{n_held} connections in {took:.1?}, resident memory grew by {grown:.1} MiB");
        grown
    });
    let grown = grown.await.unwrap();
    assert!(grown < MOST_GROWTH_MIB, "{grown} MiB");
    server.stop(Duration::ZERO).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn who_drips_is_cut_off_and_who_relays_is_not() {
    let _alone = ALONE.lock().await;
    let server = start(|_| {}).await;
    let tcp = tcp_address(&server);
    tokio::task::spawn_blocking(move || {
        let mut dripping = TcpStream::connect(tcp).unwrap();
        dripping
            .set_read_timeout(Some(Duration::from_millis(500)))
            .unwrap();
        let whole = request(ALLOCATE, &[]).finish();
        let began = Instant::now();
        let mut bytes = whole.iter();
        loop {
            assert!(began.elapsed() < Duration::from_secs(10), "it may drip on");
            let _gone = dripping.write_all(bytes.next().map_or(&[], std::slice::from_ref));
            let mut answer = [0; 64];
            match dripping.read(&mut answer) {
                Ok(0) => break,
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => break,
                _ => {}
            }
        }
        assert!(began.elapsed() >= Duration::from_secs(4));
        let mut http = TcpStream::connect(tcp).unwrap();
        http.set_read_timeout(Some(PATIENCE)).unwrap();
        http.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
        assert!(matches!(http.read(&mut [0; 64]), Ok(0) | Err(_)));
    })
    .await
    .unwrap();
    server.stop(Duration::ZERO).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn storms_end_at_their_quotas_and_the_honest_relay_on() {
    let _alone = ALONE.lock().await;
    let server = start(|config| {
        config.limits.turn.max_allocations = 200;
        config.limits.turn.max_public_allocations = 100;
        config.limits.turn.max_allocations_per_address = 20;
    })
    .await;
    let udp = udp_address(&server);
    let n_open = tokio::task::spawn_blocking(move || {
        let honest = Honest::start(udp);
        let before = resident_mib();
        let one = Ipv4Addr::new(127, 3, 0, 1);
        // Kept, or the system would give a port of an allocation to the next one.
        let callers: Vec<_> = (0..60)
            .map(|n| Caller::at(one, udp, &format!("one-{n}")))
            .collect();
        let from_one: Vec<u16> = callers.iter().map(Caller::allocate).collect();
        assert_eq!(from_one.iter().filter(|code| **code == 0).count(), 20);
        assert!(
            from_one[20..].iter().all(|code| *code == 486),
            "{from_one:?}"
        );
        assert_eq!(honest.relay(50), 50);
        let from_many: Vec<u16> = (0..600_u16)
            .map(|n| {
                let [high, low] = n.to_be_bytes();
                let ip = Ipv4Addr::new(127, 4, high, low);
                Caller::at(ip, udp, &format!("public-{n}")).allocate()
            })
            .collect();
        assert_eq!(from_many.iter().filter(|code| **code == 0).count(), 100);
        assert!(from_many[100..].iter().all(|code| *code == 508));
        assert_eq!(honest.relay(50), 50);
        // What was given back is had again.
        let refreshed = honest.caller.code(request(REFRESH, &[&Lifetime::new(600)]));
        assert_eq!(refreshed, 0);
        let grown = resident_mib() - before;
        println!("121 allocations and 540 refused, memory grew by {grown:.1} MiB");
        assert!(grown < MOST_GROWTH_MIB);
    });
    n_open.await.unwrap();
    assert_eq!(server.open_allocations(), 121);
    server.stop(Duration::ZERO).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn floods_of_garbage_cost_nobody_his_call() {
    let _alone = ALONE.lock().await;
    let server = start(|_| {}).await;
    let udp = udp_address(&server);
    tokio::task::spawn_blocking(move || {
        let honest = Honest::start(udp);
        let before = resident_mib();
        let flood = UdpSocket::bind("127.9.9.9:0").unwrap();
        flood.connect(udp).unwrap();
        let unsigned = request(ALLOCATE, &[]).finish();
        let mut wrong = request(ALLOCATE, &[&RequestedTransport::new(17)]).finish();
        wrong[4] ^= 1;
        let unbound = [[0x41, 0, 0, 100].to_vec(), vec![0; 100]].concat();
        let oversized = vec![0x40; 20_000];
        let mut random = 1_u64;
        let mut n_through = 0;
        for n in 0..40_000_u32 {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let noise = random.to_be_bytes().repeat(1 + (random >> 60) as usize);
            let packet = match n % 6 {
                0 => &unsigned,
                1 => &wrong,
                2 => &unbound,
                3 => &oversized,
                4 => &unsigned[..19].to_vec(),
                _ => &noise,
            };
            let _full = flood.send(packet);
            if n % 4000 == 0 {
                n_through += honest.relay(10);
            }
        }
        // Each look begins behind a full socket buffer, where its first packets may be lost.
        assert!(n_through >= 80, "{n_through} of 100");
        // Behind what the flood left there.
        assert!((0..5).any(|_| honest.relay(1) == 1));
        assert_eq!(honest.relay(50), 50);
        let grown = resident_mib() - before;
        println!(
            "40,000 packets, {n_through} of 100 relayed meanwhile, memory grew by {grown:.1} MiB"
        );
        assert!(grown < MOST_GROWTH_MIB);
        // Most of what was asked for went without an answer.
        flood
            .set_read_timeout(Some(Duration::from_millis(50)))
            .unwrap();
        let mut bytes = [0; 256];
        let n_answers = std::iter::from_fn(|| flood.recv(&mut bytes).ok()).count();
        assert!(n_answers <= 600, "{n_answers} answers");
    })
    .await
    .unwrap();
    let ip: IpAddr = Ipv4Addr::LOCALHOST.into();
    assert_eq!(server.http_addr().ip(), ip);
    server.stop(Duration::ZERO).await;
}
