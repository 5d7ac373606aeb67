//! Load on a TURN server: ChannelData of many allocations, as fast as it is carried.
//!
//! `cargo run --release -p greenroom-server --example relay_load -- SERVER SECRET PID [BYTES] [ALLOCATIONS]`
//!
//! `SERVER` is the address of any TURN server with time-limited credentials by `SECRET`, and `PID` its
//! process, whose processor time is read. Raises the rate until more than 1 % is lost, for each
//! direction, and prints the highest rate below that. Sender and receiver share one core: the
//! second, on Linux.
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "driver of a benchmark: owns the clock and prints its figures"
)]

use std::{
    error::Error,
    io::{self, IoSliceMut},
    net::{SocketAddr, UdpSocket},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use greenroom_protocol::turn::credential::TimeLimited;
use quinn_udp::{BATCH_SIZE, RecvMeta, UdpSocketState};
use stun_types::attribute::{ErrorCode, Nonce, Realm, Username};
use stun_types::message::{
    IntegrityAlgorithm, LongTermCredentials, Message, MessageIntegrityCredentials,
    MessageWrite as _, MessageWriteExt as _, MessageWriteVec, Method,
};
use stun_types::prelude::AttributeWrite;
use turn_types::attribute::{ChannelNumber, RequestedTransport, XorPeerAddress, XorRelayedAddress};
use turn_types::message::{ALLOCATE, CHANNEL_BIND};

/// Loss from which on a rate counts as not carried.
const MOST_LOSS: f64 = 0.01;
/// How long each rate is tried.
const TRIAL: Duration = Duration::from_millis(400);
/// How often packets leave: few at once, so that no queue overflows by that alone.
const SPACING: Duration = Duration::from_micros(200);
/// First rate, packets a second.
const FIRST_RATE: f64 = 40_000.0;
/// From one rate to the next.
const STEP: f64 = 1.4;
/// Steps between a rate that was carried and one that was not.
const REFINEMENTS: u32 = 4;
/// Wanted buffers of sockets.
const BUFFER_BYTES: usize = 4 << 20;
const CHANNEL: u16 = 0x4000;

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [server, secret, pid, rest @ ..] = &arguments[..] else {
        return Err("relay_load SERVER SECRET PID [BYTES] [ALLOCATIONS]".into());
    };
    let n_bytes = rest.first().map_or(Ok(160), |text| text.parse())?;
    let n_allocations = rest.get(1).map_or(Ok(20), |text| text.parse())?;
    pin_to_core(1);
    let mut load = Load::open(server.parse()?, secret, n_bytes, n_allocations)?;
    for direction in [Direction::ToPeers, Direction::ToClients] {
        let before = cpu_of(pid);
        let began = Instant::now();
        let n_before = load.n_received;
        let rate = load.search(direction);
        let cpu = cpu_of(pid)
            .zip(before)
            .map(|(after, before)| after - before);
        let n_carried = (load.n_received - n_before) as f64;
        let per_cpu = cpu.filter(|cpu| *cpu > 0.0).map(|cpu| n_carried / cpu);
        println!(
            "{direction:?} bytes {n_bytes} allocations {n_allocations} carried {rate:.0} \
             per_cpu_second {:.0} seconds {:.1}",
            per_cpu.unwrap_or(f64::NAN),
            began.elapsed().as_secs_f64()
        );
    }
    Ok(())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    ToPeers,
    ToClients,
}

/// A socket that is read in batches, each packet apart: what the system merges would flatter the
/// server that sends bursts.
struct Reader {
    socket: UdpSocket,
    state: UdpSocketState,
}

impl Reader {
    fn new(socket: UdpSocket) -> io::Result<Self> {
        let state = UdpSocketState::new((&socket).into())?;
        #[cfg(target_os = "linux")]
        nix::sys::socket::setsockopt(&socket, nix::sys::socket::sockopt::UdpGroSegment, &false)?;
        let buffers = socket2::SockRef::from(&socket);
        buffers.set_recv_buffer_size(BUFFER_BYTES)?;
        buffers.set_send_buffer_size(BUFFER_BYTES)?;
        Ok(Self { socket, state })
    }

    /// Reads what waits; how many packets that was.
    fn drain(&self, buffers: &mut [[u8; 2048]]) -> usize {
        let mut n = 0;
        loop {
            let mut metas = [RecvMeta::default(); BATCH_SIZE];
            let mut slices: Vec<IoSliceMut<'_>> =
                buffers.iter_mut().map(|b| IoSliceMut::new(b)).collect();
            match self
                .state
                .recv((&self.socket).into(), &mut slices, &mut metas)
            {
                Ok(got) => {
                    n += got;
                    if got < BATCH_SIZE {
                        return n;
                    }
                }
                Err(_) => return n,
            }
        }
    }
}

/// Allocations, and the peer that all of them reach.
struct Load {
    clients: Vec<Reader>,
    relayed: Vec<SocketAddr>,
    peer: Reader,
    to_relay: Vec<u8>,
    payload: Vec<u8>,
    buffers: Vec<[u8; 2048]>,
    n_received: u64,
}

impl Load {
    fn open(server: SocketAddr, secret: &str, n_bytes: usize, n: usize) -> Outcome<Self> {
        let peer = Reader::new(UdpSocket::bind((server.ip(), 0))?)?;
        let expires = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs() + 3600;
        let credentials = TimeLimited::new(secret.as_bytes(), "load", expires);
        let mut load = Self {
            clients: Vec::new(),
            relayed: Vec::new(),
            to_relay: channel_data(&vec![7; n_bytes])?,
            payload: vec![7; n_bytes],
            buffers: vec![[0; 2048]; BATCH_SIZE],
            n_received: 0,
            peer,
        };
        let to = load.peer.socket.local_addr()?;
        for _ in 0..n {
            let socket = UdpSocket::bind((server.ip(), 0))?;
            socket.connect(server)?;
            let mut allocation = Allocating::new(socket, &credentials)?;
            load.relayed.push(allocation.allocate()?);
            allocation.bind(to)?;
            load.clients.push(Reader::new(allocation.socket)?);
        }
        Ok(load)
    }

    /// The highest rate that is carried.
    fn search(&mut self, direction: Direction) -> f64 {
        let (mut good, mut rate) = (0.0, FIRST_RATE);
        let mut bad = loop {
            // One bad moment of the machine is not the server's.
            if !(self.carries(direction, rate) || self.carries(direction, rate)) {
                break rate;
            }
            good = rate;
            rate *= STEP;
        };
        for _ in 0..REFINEMENTS {
            let middle = f64::midpoint(good, bad);
            if self.carries(direction, middle) {
                good = middle;
            } else {
                bad = middle;
            }
        }
        good
    }

    /// Whether this rate is carried without loss that counts. A sender that does not keep up has
    /// not tried it.
    fn carries(&mut self, direction: Direction, rate: f64) -> bool {
        let per_tick = rate * SPACING.as_secs_f64();
        let began = Instant::now();
        let (mut due, mut n_sent, mut n_received) = (0.0, 0_u64, 0_u64);
        let mut n_ticks = 0_u32;
        while began.elapsed() < TRIAL {
            while began.elapsed() < SPACING * n_ticks {
                std::hint::spin_loop();
            }
            n_ticks += 1;
            due += per_tick;
            while due >= 1.0 {
                due -= 1.0;
                self.send(direction, n_sent);
                n_sent += 1;
            }
            if direction == Direction::ToPeers || n_ticks.is_multiple_of(4) {
                n_received += self.receive(direction);
            }
        }
        let late = f64::from(n_ticks) * SPACING.as_secs_f64() / TRIAL.as_secs_f64();
        for _ in 0..20 {
            std::thread::sleep(Duration::from_millis(5));
            n_received += self.receive(direction);
        }
        self.n_received += n_received;
        let lost = 1.0 - n_received as f64 / n_sent as f64;
        lost <= MOST_LOSS && late > 0.97
    }

    fn send(&self, direction: Direction, count: u64) {
        let at = usize::try_from(count).unwrap_or(0) % self.clients.len();
        // What the system does not take is lost, and counts as such.
        let _taken = match direction {
            Direction::ToPeers => self.clients[at].socket.send(&self.to_relay),
            Direction::ToClients => (self.peer.socket).send_to(&self.payload, self.relayed[at]),
        };
    }

    fn receive(&mut self, direction: Direction) -> u64 {
        let buffers = &mut self.buffers;
        let n: usize = match direction {
            Direction::ToPeers => self.peer.drain(buffers),
            Direction::ToClients => self.clients.iter().map(|c| c.drain(buffers)).sum(),
        };
        n as u64
    }
}

/// One client until its channel is bound.
struct Allocating {
    socket: UdpSocket,
    username: String,
    key: MessageIntegrityCredentials,
    realm: String,
    nonce: String,
}

impl Allocating {
    fn new(socket: UdpSocket, credentials: &TimeLimited) -> Outcome<Self> {
        socket.set_read_timeout(Some(Duration::from_secs(2)))?;
        let request = Message::builder_request(ALLOCATE, MessageWriteVec::new());
        let answer = exchange(&socket, with(request, &[&RequestedTransport::new(17)])?)?;
        let answer = Message::from_bytes(&answer)?;
        let realm = answer.attribute::<Realm>()?.realm().to_owned();
        let nonce = answer.attribute::<Nonce>()?.nonce().to_owned();
        let long_term =
            LongTermCredentials::new(credentials.username.clone(), credentials.password.clone());
        Ok(Self {
            socket,
            username: credentials.username.clone(),
            key: long_term.to_key(realm.clone()).into(),
            realm,
            nonce,
        })
    }

    fn allocate(&mut self) -> Outcome<SocketAddr> {
        let request = Message::builder_request(ALLOCATE, MessageWriteVec::new());
        let answer = self.ask(request, &[&RequestedTransport::new(17)])?;
        let answer = Message::from_bytes(&answer)?;
        let relayed = answer.attribute::<XorRelayedAddress>()?;
        Ok(relayed.addr(answer.transaction_id()))
    }

    fn bind(&mut self, peer: SocketAddr) -> Outcome<()> {
        let request = builder(CHANNEL_BIND);
        let peer = XorPeerAddress::new(peer, request.transaction_id());
        self.ask(request, &[&ChannelNumber::new(CHANNEL), &peer])?;
        Ok(())
    }

    fn ask(
        &self,
        request: MessageWriteVec,
        attributes: &[&dyn AttributeWrite],
    ) -> Outcome<Vec<u8>> {
        let mut request = with(request, attributes)?;
        request.add_attribute(&Username::new(&self.username)?)?;
        request.add_attribute(&Realm::new(&self.realm)?)?;
        request.add_attribute(&Nonce::new(&self.nonce)?)?;
        request.add_message_integrity(&self.key, IntegrityAlgorithm::Sha1)?;
        let answer = exchange(&self.socket, request)?;
        let error = Message::from_bytes(&answer)?.attribute::<ErrorCode>();
        match error {
            Ok(error) => Err(format!("refused with {}", error.code()).into()),
            Err(_none) => Ok(answer),
        }
    }
}

fn builder(method: Method) -> MessageWriteVec {
    Message::builder_request(method, MessageWriteVec::new())
}

fn with(
    mut request: MessageWriteVec,
    attributes: &[&dyn AttributeWrite],
) -> Outcome<MessageWriteVec> {
    for attribute in attributes {
        request.add_attribute(*attribute)?;
    }
    Ok(request)
}

fn exchange(socket: &UdpSocket, request: MessageWriteVec) -> Outcome<Vec<u8>> {
    socket.send(&request.finish())?;
    let mut answer = vec![0; 2048];
    let n = socket.recv(&mut answer)?;
    answer.truncate(n);
    Ok(answer)
}

fn channel_data(payload: &[u8]) -> Outcome<Vec<u8>> {
    let mut bytes = CHANNEL.to_be_bytes().to_vec();
    bytes.extend(u16::try_from(payload.len())?.to_be_bytes());
    bytes.extend(payload);
    Ok(bytes)
}

/// Seconds of processor time that a process took.
fn cpu_of(pid: &str) -> Option<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, behind_name) = stat.rsplit_once(')')?;
    let mut fields = behind_name.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    // A hundred a second, on every Linux.
    Some((ticks()? + ticks()?) / 100.0)
}

fn pin_to_core(core: usize) {
    #[cfg(target_os = "linux")]
    {
        let mut set = nix::sched::CpuSet::new();
        let pinned = set
            .set(core)
            .and_then(|()| nix::sched::sched_setaffinity(nix::unistd::Pid::from_raw(0), &set));
        if pinned.is_err() {
            println!("not pinned to a core of its own");
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = core;
}
