//! Load on the responder: many clients at 50 packets a second, the responder on one core.
//!
//! `cargo run --release -p greenroom-server --example responder_load -- [SESSIONS] [SECONDS]`
//!
//! Prints turnaround (arrival by the kernel's clock to right before the reply leaves, from the
//! replies themselves), replies missing and resident memory. On Linux the responder has the first
//! core to itself and the clients the second; elsewhere the system decides.
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "driver of a benchmark: owns the clock and prints its figures"
)]

use std::{
    error::Error,
    net::{SocketAddr, UdpSocket},
    thread,
    time::{Duration, Instant},
};

use greenroom_protocol::measure::wire::{Echo, HELLO_BYTES, Message, OPEN_BYTES, decode, encode};
use greenroom_server::{RunningServer, ServeConfig, Server};

const SPACING: Duration = Duration::from_millis(20);
/// An RTP packet of Opus at 64 kbit/s.
const PAYLOAD_BYTES: usize = 172;
/// Clients that share a socket, as behind a NAT; keeps file descriptors few.
const SESSIONS_PER_SOCKET: usize = 50;

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let n_sessions = arguments.next().map_or(Ok(1000), |text| text.parse())?;
    let seconds = arguments.next().map_or(Ok(5), |text| text.parse())?;

    let pinned = pin_to_core(0);
    let starting = Instant::now();
    let (runtime, server) = start(n_sessions)?;
    println!("start_ms {:.1}", starting.elapsed().as_secs_f64() * 1e3);
    let clients_pinned = pin_to_core(1);
    let mut clients = Clients::open(server.udp_addr(), n_sessions)?;
    let before = resident_bytes();
    let cpu_before = responder_cpu();
    let began = Instant::now();
    let turnarounds = clients.run(Duration::from_secs(seconds))?;
    let elapsed = began.elapsed();

    let cores = if pinned && clients_pinned {
        "apart"
    } else {
        "shared"
    };
    println!("sessions {n_sessions}, packets/s each 50, seconds {seconds}, cores {cores}");
    print_turnaround(turnarounds, clients.n_sent);
    if let (Some(before), Some(after)) = (cpu_before, responder_cpu()) {
        let share = (after - before) / elapsed.as_secs_f64() * 100.0;
        println!("responder_cpu_percent {share:.0}");
    }
    if let (Some(before), Some(after)) = (before, resident_bytes()) {
        let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        println!("rss_mib before {:.1} after {:.1}", mib(before), mib(after));
    }
    runtime.block_on(server.stop(Duration::ZERO));
    Ok(())
}

fn start(n_sessions: usize) -> Outcome<(tokio::runtime::Runtime, RunningServer)> {
    let mut config = ServeConfig::local();
    let limits = &mut config.limits.measure;
    limits.max_sessions = n_sessions;
    limits.max_sessions_per_address = n_sessions;
    limits.max_opens_per_minute_per_address = u32::try_from(n_sessions)?.saturating_mul(2);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let server = runtime.block_on(Server::start(config))?;
    Ok((runtime, server))
}

/// All clients, driven by one thread.
struct Clients {
    sockets: Vec<UdpSocket>,
    sessions: Vec<u64>,
    n_sent: usize,
}

impl Clients {
    fn open(server: SocketAddr, n_sessions: usize) -> Outcome<Self> {
        let mut clients = Self {
            sockets: Vec::new(),
            sessions: Vec::new(),
            n_sent: 0,
        };
        while clients.sessions.len() < n_sessions {
            if clients.sessions.len().is_multiple_of(SESSIONS_PER_SOCKET) {
                let socket = UdpSocket::bind("127.0.0.1:0")?;
                socket.connect(server)?;
                socket.set_read_timeout(Some(Duration::from_secs(1)))?;
                clients.sockets.push(socket);
            }
            let nonce = clients.sessions.len() as u64 + 1;
            let socket = clients.socket_of(clients.sessions.len());
            clients.sessions.push(open_session(socket, nonce)?);
        }
        for socket in &clients.sockets {
            socket.set_nonblocking(true)?;
        }
        Ok(clients)
    }

    fn socket_of(&self, session: usize) -> &UdpSocket {
        &self.sockets[session / SESSIONS_PER_SOCKET]
    }

    /// Sends each session's packets, spread evenly over the spacing; the turnarounds of the replies
    /// in nanoseconds.
    fn run(&mut self, span: Duration) -> Outcome<Vec<u64>> {
        let n_sessions = u32::try_from(self.sessions.len())?;
        let rounds = u32::try_from(span.as_nanos() / SPACING.as_nanos())?;
        let mut turnarounds = Vec::with_capacity(self.sessions.len() * rounds as usize);
        let mut datagram = Vec::with_capacity(PAYLOAD_BYTES);
        let began = Instant::now();
        for seq in 0..rounds {
            for session in 0..n_sessions {
                let due = began + SPACING * seq + SPACING / n_sessions * session;
                while Instant::now() < due {
                    self.collect(&mut turnarounds);
                }
                let session = session as usize;
                let echo = Message::Echo(Echo {
                    session: self.sessions[session],
                    seq,
                    departure_ns: 0,
                });
                encode(&echo, PAYLOAD_BYTES, &mut datagram);
                self.n_sent += usize::from(self.socket_of(session).send(&datagram).is_ok());
            }
        }
        let last = Instant::now() + Duration::from_millis(200);
        while Instant::now() < last {
            self.collect(&mut turnarounds);
        }
        Ok(turnarounds)
    }

    fn collect(&self, turnarounds: &mut Vec<u64>) {
        let mut buffer = [0; 2048];
        for socket in &self.sockets {
            while let Ok(n) = socket.recv(&mut buffer) {
                if let Ok(Message::EchoReply(reply)) = decode(&buffer[..n]) {
                    turnarounds.push(reply.departure_ns - reply.arrival_ns);
                }
            }
        }
        thread::yield_now();
    }
}

fn open_session(socket: &UdpSocket, nonce: u64) -> Outcome<u64> {
    let mut datagram = Vec::new();
    let mut buffer = [0; 2048];
    encode(&Message::Hello { nonce }, HELLO_BYTES, &mut datagram);
    socket.send(&datagram)?;
    let n = socket.recv(&mut buffer)?;
    let Message::Challenge { token, .. } = decode(&buffer[..n])? else {
        return Err("hello was not answered with a challenge".into());
    };
    let open = Message::Open {
        nonce,
        token,
        duration_ms: 60_000,
    };
    encode(&open, OPEN_BYTES, &mut datagram);
    socket.send(&datagram)?;
    let n = socket.recv(&mut buffer)?;
    match decode(&buffer[..n])? {
        Message::Opened(opened) => Ok(opened.session),
        other => Err(format!("open was answered with {other:?}").into()),
    }
}

fn print_turnaround(mut nanos: Vec<u64>, n_sent: usize) {
    nanos.sort_unstable();
    let quantile = |per_mille: usize| {
        let index = (nanos.len() * per_mille / 1000).min(nanos.len().saturating_sub(1));
        nanos.get(index).map_or(f64::NAN, |ns| *ns as f64 / 1e3)
    };
    println!(
        "turnaround_us p50 {:.0} p95 {:.0} p99 {:.0} max {:.0}",
        quantile(500),
        quantile(950),
        quantile(990),
        quantile(1000)
    );
    let missing = n_sent.saturating_sub(nanos.len());
    println!("replies {} of {n_sent}, missing {missing}", nanos.len());
}

/// Binds this thread, and those it starts, to one core; false where that is not possible.
fn pin_to_core(core: usize) -> bool {
    #[cfg(target_os = "linux")]
    {
        use nix::{
            sched::{CpuSet, sched_setaffinity},
            unistd::Pid,
        };
        let mut set = CpuSet::new();
        set.set(core).is_ok() && sched_setaffinity(Pid::from_raw(0), &set).is_ok()
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = core;
        false
    }
}

/// Processor seconds of the responder's thread; `None` where the system has no `/proc`.
fn responder_cpu() -> Option<f64> {
    for task in std::fs::read_dir("/proc/self/task").ok()?.flatten() {
        let stat = std::fs::read_to_string(task.path().join("stat")).ok()?;
        let (head, fields) = stat.rsplit_once(')')?;
        if !head.ends_with("(greenroom-udp") {
            continue;
        }
        let fields: Vec<&str> = fields.split_whitespace().collect();
        let ticks = |index: usize| fields.get(index)?.parse::<f64>().ok();
        // Fields 14 and 15 of proc(5), utime and stime, in ticks of 10 ms.
        return Some((ticks(11)? + ticks(12)?) / 100.0);
    }
    None
}

/// Resident memory of this process; `None` where the system has no `/proc`.
fn resident_bytes() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * 4096)
}
