//! A browser relays through `greenroom serve`: Chromium, two peers, relayed candidates alone.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use crate::tool::Serving;

/// Longest wait for the browser to start and to tell what it saw.
const BROWSER: Duration = Duration::from_secs(60);

/// Two connections in one page exchange candidates, and a hundred messages there and back.
const PAGE: &str = r"<!doctype html><script>
const tell = result => fetch('/result', { method: 'POST', body: JSON.stringify(result) });
async function run() {
  const config = { iceServers: [SERVER], iceTransportPolicy: 'relay' };
  const [a, b] = [new RTCPeerConnection(config), new RTCPeerConnection(config)];
  const errors = [];
  for (const [one, other] of [[a, b], [b, a]]) {
    one.onicecandidate = event => event.candidate && other.addIceCandidate(event.candidate);
    one.onicecandidateerror = event => errors.push(`${event.errorCode} ${event.errorText}`);
  }
  b.ondatachannel = ({ channel }) => channel.onmessage = ({ data }) => channel.send(data);
  const channel = a.createDataChannel('data');
  const echoed = new Promise((done, failed) => {
    let n = 0;
    channel.onopen = () => { for (let i = 0; i < 100; i++) channel.send('x'.repeat(500)); };
    channel.onmessage = ({ data }) => { if (data.length === 500 && ++n === 100) done(n); };
    setTimeout(() => failed(new Error(`${n} came back; ${a.iceConnectionState}; ${errors}`)), 20000);
  });
  await a.setLocalDescription(await a.createOffer());
  await b.setRemoteDescription(a.localDescription);
  await b.setLocalDescription(await b.createAnswer());
  await a.setRemoteDescription(b.localDescription);
  const n = await echoed;
  const stats = [...(await a.getStats()).values()];
  const pair = stats.find(s => s.type === 'candidate-pair' && s.nominated);
  const of = id => stats.find(s => s.id === id);
  return {
    n, local: of(pair.localCandidateId).candidateType, protocol: of(pair.localCandidateId).relayProtocol,
    remote: of(pair.remoteCandidateId).candidateType,
  };
}
run().then(tell, error => tell({ error: String(error) }));
</script>";

/// The browser, ended with the test.
struct Browser(Child);

impl Browser {
    fn open(url: &str, profile: &std::path::Path) -> Self {
        let child = Command::new("chromium")
            .args(["--headless=new", "--no-sandbox", "--disable-gpu"])
            .args(["--disable-dev-shm-usage", "--no-first-run"])
            .args(["--no-proxy-server", "--disable-background-networking"])
            .arg(format!("--user-data-dir={}", profile.display()))
            .arg(url)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromium is of the package chromium");
        Self(child)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _gone = self.0.wait();
    }
}

/// Serves the page, and gives what the page tells.
fn page(html: String) -> (String, mpsc::Receiver<serde_json::Value>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let (tell, told) = mpsc::channel();
    // Ends with the test's process; a test cannot know what else a browser asks for.
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let (head, body) = read_request(&mut stream);
            let is_page = head.starts_with("GET / ");
            let text = if is_page { html.as_str() } else { "" };
            let answer = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\n\
                 Connection: close\r\n\r\n{text}",
                text.len()
            );
            let _gone = stream.write_all(answer.as_bytes());
            if let Some(result) = head.starts_with("POST /result").then(|| body.parse()) {
                let _ended = tell.send(result.unwrap());
            }
        }
    });
    (url, told)
}

fn read_request(stream: &mut TcpStream) -> (String, String) {
    stream
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    let mut bytes = Vec::new();
    let mut part = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length")
                    .then(|| value.trim().parse::<usize>().unwrap())
            });
            if body.len() >= length.unwrap_or(0) {
                return (head.to_owned(), body.to_owned());
            }
        }
        match stream.read(&mut part) {
            Ok(n) if n > 0 => bytes.extend_from_slice(&part[..n]),
            _ => return (text, String::new()),
        }
    }
}

/// What a browser sees with the credentials of the discovery document.
fn browse(server: &Serving, transport: &str) -> serde_json::Value {
    let document = Command::new("curl")
        .args(["--silent", &format!("{}/.well-known/greenroom", server.url)])
        .output()
        .unwrap();
    let document: serde_json::Value = serde_json::from_slice(&document.stdout).unwrap();
    let relay = &document["relay"];
    let port = &relay[format!("{transport}_port")];
    let ice_server = serde_json::json!({
        "urls": format!("turn:127.0.0.1:{port}?transport={transport}"),
        "username": relay["username"],
        "credential": relay["password"],
    });
    let (url, told) = page(PAGE.replace("SERVER", &ice_server.to_string()));
    let profile = tempfile::tempdir().unwrap();
    let _browser = Browser::open(&url, profile.path());
    told.recv_timeout(BROWSER).expect("the page tells a result")
}

#[test]
fn two_peers_in_chromium_speak_through_the_relay_alone() {
    let server = Serving::start(&[]);
    for transport in ["udp", "tcp"] {
        let seen = browse(&server, transport);
        let expected = serde_json::json!({
            "n": 100, "local": "relay", "protocol": transport, "remote": "relay",
        });
        assert_eq!(seen, expected);
    }
}
