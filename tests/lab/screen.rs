//! A real X11 server, one for all tests, so that a machine without a screen has one to share.
//!
//! Its socket is in a directory of the sandbox's own, which every network namespace sees, and it asks for a cookie.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

use greenroom_lab::Process;

use crate::tool;

/// Where X11 servers put their sockets.
const SOCKETS: &str = "/tmp/.X11-unix";

/// The sandbox's `/run` vanishes with it.
const COOKIE_FILE: &str = "/run/xauthority";
const WRONG_COOKIE_FILE: &str = "/run/xauthority-wrong";

/// How a program reaches the screen.
#[derive(Debug, Clone)]
pub(crate) struct Screen {
    /// For `DISPLAY`.
    pub(crate) name: String,
    /// For `XAUTHORITY`: with the right cookie.
    pub(crate) cookie: &'static str,
    /// For `XAUTHORITY`: with a wrong one.
    pub(crate) wrong_cookie: &'static str,
}

struct Server {
    process: Process,
    screen: Screen,
    made_directory: bool,
}

static SERVER: Mutex<Option<Server>> = Mutex::new(None);

/// The screen; the first call starts it.
pub(crate) fn open() -> Screen {
    let mut server = SERVER.lock().unwrap_or_else(PoisonError::into_inner);
    server.get_or_insert_with(start).screen.clone()
}

/// Ends the server.
pub(crate) fn close() {
    let server = SERVER.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some(server) = server else {
        return;
    };
    drop(server.process);
    if server.made_directory {
        let _ = Command::new("umount").arg(SOCKETS).output();
        // Somebody else may use it by now.
        let _ = fs::remove_dir(SOCKETS);
    }
}

fn start() -> Server {
    let xvfb = tool::find("Xvfb", "xvfb");
    let made_directory = !Path::new(SOCKETS).exists();
    fs::create_dir_all(SOCKETS).unwrap();
    tool::run(Command::new("mount").args(["-t", "tmpfs", "-o", "mode=1777", "tmpfs", SOCKETS]));
    write_cookie(COOKIE_FILE, *b"the right cookie");
    write_cookie(WRONG_COOKIE_FILE, *b"some other thing");
    // Without a lock file, which would be in everybody's /tmp; the sockets are ours alone.
    let mut command = Command::new(xvfb);
    command
        .args(["-displayfd", "1", "-nolock", "-nolisten", "tcp"])
        // It would begin anew when its last client leaves, and turn away who comes meanwhile.
        .arg("-noreset")
        .args(["-screen", "0", "1280x720x24", "-auth", COOKIE_FILE])
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut process = Process::start(&mut command).unwrap();
    let mut number = String::new();
    let stdout = process.child().stdout.take().unwrap();
    BufReader::new(stdout).read_line(&mut number).unwrap();
    let number = number.trim();
    assert!(!number.is_empty(), "Xvfb did not start");
    let screen = Screen {
        name: format!(":{number}"),
        cookie: COOKIE_FILE,
        wrong_cookie: WRONG_COOKIE_FILE,
    };
    Server {
        process,
        screen,
        made_directory,
    }
}

/// One entry of family "wild", which fits every display.
///
/// Source: Xau's `Xauth(7)`: five fields in big-endian, four of them with their length before.
fn write_cookie(path: &str, cookie: [u8; 16]) {
    let mut entry = vec![0xff, 0xff];
    for field in [&b""[..], b"", b"MIT-MAGIC-COOKIE-1", &cookie] {
        entry.extend(u16::try_from(field.len()).unwrap().to_be_bytes());
        entry.extend(field);
    }
    fs::write(path, entry).unwrap();
}
