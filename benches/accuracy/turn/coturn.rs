//! The other server, in a lab.

use std::net::{IpAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use greenroom_lab::{Host, Process};

/// Its port for UDP and TCP, and the one for TLS. Greenroom's own relay has the usual one.
pub(super) const PORT: u16 = 3479;
pub(super) const TLS_PORT: u16 = 5349;
/// Whom it knows.
pub(super) const USER: &str = "alice";
pub(super) const PASSWORD: &str = "a password of this benchmark alone";
/// How long a server may take to start.
const START: Duration = Duration::from_secs(5);

/// Starts it at an address of this machine, its files in `files`; with a certificate it speaks TLS too.
pub(super) fn start(
    host: &Host,
    address: IpAddr,
    files: &Path,
    tls: Option<&Certificate>,
) -> Result<Process> {
    let mut command = host.command("turnserver");
    command
        .args(["-n", "--no-cli", "-m", "1", "--log-file=/dev/null"])
        .args(["--lt-cred-mech", "--realm=bench", "--no-dtls"])
        .arg(format!("--user={USER}:{PASSWORD}"))
        .arg(format!("-L{address}"))
        .arg(format!("--relay-ip={address}"))
        .arg(format!("--listening-port={PORT}"))
        .arg(format!("--userdb={}", files.join("users").display()))
        .arg(format!("--pidfile={}", files.join("pid").display()))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    if address.is_loopback() {
        command.arg("--allow-loopback-peers");
    }
    match tls {
        None => command.arg("--no-tls"),
        Some(tls) => command
            .arg(format!("--tls-listening-port={TLS_PORT}"))
            .arg(format!("--cert={}", tls.chain))
            .arg(format!("--pkey={}", tls.key)),
    };
    let server = Process::start(&mut command).context("cannot start turnserver (coturn)")?;
    wait_for_port(host, address, PORT)?;
    if tls.is_some() {
        wait_for_port(host, address, TLS_PORT)?;
    }
    Ok(server)
}

fn wait_for_port(host: &Host, address: IpAddr, port: u16) -> Result<()> {
    let began = Instant::now();
    while began.elapsed() < START {
        let connect = || TcpStream::connect((address, port)).is_ok();
        if host.run(connect)? {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    bail!("nobody listens at {address} port {port}")
}

/// A certificate for an address, and its authority.
pub(super) struct Certificate {
    /// Who signed it.
    pub(super) authority: String,
    chain: String,
    key: String,
}

impl Certificate {
    /// Made by openssl in `files`.
    pub(super) fn make(files: &Path, address: IpAddr) -> Result<Self> {
        let new_key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
        for line in [
            format!("req -x509 -days 2 {new_key} -keyout ca.key -out ca.pem -subj /CN=Bench"),
            format!(
                "req -new {new_key} -keyout server.key -out server.csr -subj /CN=server \
                 -addext subjectAltName=IP:{address}"
            ),
            "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 \
             -copy_extensions copy -out server.pem"
                .to_owned(),
        ] {
            let output = Command::new("openssl")
                .args(line.split_whitespace())
                .current_dir(files)
                .output()
                .context("cannot start openssl")?;
            let why = String::from_utf8_lossy(&output.stderr);
            ensure!(output.status.success(), "openssl {line}: {why}");
        }
        let path = |name: &str| files.join(name).display().to_string();
        Ok(Self {
            authority: path("ca.pem"),
            chain: path("server.pem"),
            key: path("server.key"),
        })
    }
}
