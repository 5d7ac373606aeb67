//! A lab with a Greenroom server on its far end.

use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;
use std::sync::mpsc;
use std::time::Duration;

use greenroom_lab::link::LinkConfig;
use greenroom_lab::{Disguise, Lab, LabConfig, Process};

use crate::client::Client;
use crate::truth::Truth;

/// The built program.
pub(crate) const GREENROOM: &str = env!("CARGO_BIN_EXE_greenroom");

/// TCP and UDP port of the server.
pub(crate) const PORT: u16 = 8443;

/// How long a server may take to start on a busy machine.
const START_TIMEOUT: Duration = Duration::from_secs(10);

/// One direction of a link with 20 ms RTT.
pub(crate) fn good_link() -> LinkConfig {
    LinkConfig::new().delay_ms(10)
}

/// A network with a server.
#[derive(Debug)]
pub(crate) struct Scene {
    // Before the lab, whose end ends it.
    server: Option<Process>,
    pub(crate) lab: Lab,
}

impl Scene {
    /// A healthy link.
    pub(crate) fn healthy() -> Self {
        Self::with(good_link(), good_link(), 1)
    }

    /// Links of one's own.
    pub(crate) fn with(up: LinkConfig, down: LinkConfig, seed: u64) -> Self {
        let mut scene = Self::without_server(up, down, seed);
        scene.serve(&[]);
        scene
    }

    /// A network on which nobody serves yet.
    pub(crate) fn without_server(up: LinkConfig, down: LinkConfig, seed: u64) -> Self {
        let lab = Lab::with(LabConfig { up, down, seed }).unwrap();
        Self { server: None, lab }
    }

    /// Starts the server with further arguments, in the place of an earlier one.
    pub(crate) fn serve(&mut self, arguments: &[&str]) {
        let command = self.lab.server().command(GREENROOM);
        self.start(command, arguments);
    }

    /// Starts the server in a disguise.
    pub(crate) fn serve_in(&mut self, disguise: &Disguise) {
        let command = self.lab.server().command_in(disguise, GREENROOM);
        self.start(command, &[]);
    }

    fn start(&mut self, mut command: std::process::Command, arguments: &[&str]) {
        self.server = None;
        command
            .args(["serve", "--listen", &format!("[::]:{PORT}")])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut process = Process::start(&mut command).unwrap();
        wait_for_line(&mut process, "serving at");
        self.server = Some(process);
    }

    /// Ends the server without giving it time for anything.
    pub(crate) fn kill_server(&mut self) {
        self.server = None;
    }

    /// The server's URL over IPv4, plain HTTP.
    pub(crate) fn url(&self) -> String {
        format!("http://{}:{PORT}", self.lab.server().ipv4())
    }

    /// The server's URL over IPv6, plain HTTP.
    pub(crate) fn url_v6(&self) -> String {
        format!("http://[{}]:{PORT}", self.lab.server().ipv6())
    }

    /// A client for the server's IPv4 address.
    pub(crate) fn client(&self) -> Client<'_> {
        self.client_for(&self.url())
    }

    /// A client for this URL.
    pub(crate) fn client_for(&self, url: &str) -> Client<'_> {
        Client::new(&self.lab, url)
    }

    /// Waits until a check is in the middle of its measurement: a quarter of a full one's packets
    /// were answered.
    ///
    /// Each look holds the link up for some 0.05 ms, far below what a figure is allowed to be off.
    ///
    /// # Panics
    ///
    /// It takes too long.
    pub(crate) fn wait_for_stream(&self) {
        let until = std::time::Instant::now() + START_TIMEOUT;
        while self.truth().answered() < 50 {
            assert!(std::time::Instant::now() < until, "nothing is measured");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// What the link saw of the measurement.
    pub(crate) fn truth(&self) -> Truth {
        Truth::of(&self.lab.link().records())
    }
}

/// Waits until somebody on the server's machine accepts connections at this port.
///
/// # Panics
///
/// It takes too long.
pub(crate) fn wait_for_port(lab: &Lab, port: u16) {
    let address = std::net::SocketAddr::from((lab.server().ipv4(), port));
    let until = std::time::Instant::now() + START_TIMEOUT;
    while std::time::Instant::now() < until {
        let connected = lab.server().run(|| std::net::TcpStream::connect(address));
        if connected.unwrap().is_ok() {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("nobody listens at {address}");
}

/// Waits until a program prints a line that begins like this, and goes on reading so that it never blocks.
///
/// # Panics
///
/// It ends before, or takes too long.
pub(crate) fn wait_for_line(process: &mut Process, start: &'static str) {
    let stdout = process.child().stdout.take().unwrap();
    let stderr = process.child().stderr.take();
    let (tell, told) = mpsc::channel();
    let tell_end = tell.clone();
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if line.starts_with(start) {
                let _ = tell.send(Ok(()));
            }
        }
    });
    std::thread::spawn(move || {
        let mut text = String::new();
        if let Some(mut stderr) = stderr {
            let _ = stderr.read_to_string(&mut text);
        }
        let _ = tell_end.send(Err(text));
    });
    match told.recv_timeout(START_TIMEOUT) {
        Ok(Ok(())) => {}
        Ok(Err(stderr)) => panic!("the program ended without {start:?}: {stderr}"),
        Err(timeout) => panic!("the program did not print {start:?}: {timeout}"),
    }
}
