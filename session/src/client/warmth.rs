//! What is made ready before a join (S39): names, TLS and the server's document are known, a control
//! connection is open, and a publisher has its certificate, sockets and offer.
#![expect(clippy::disallowed_methods, reason = "driver: owns the clock")]

use std::fmt;
use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

use super::control;
use super::error::SessionError;
use super::options::{InitNotice, InitOptions, InitReport};
use super::shared::lock;
use crate::dial::base_url::BaseUrl;
use crate::dial::dialer::Dialer;
use crate::dial::websocket::WebSocket;
use crate::peer::PreparedPublisher;

/// A control connection that was opened ahead is good for so long: the server closes one on which nothing
/// is said for 30 s.
const SOCKET_GOOD_FOR: Duration = Duration::from_secs(25);

/// A deployment that is ready to be joined.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) options: InitOptions,
    pub(super) base: BaseUrl,
    pub(super) dialer: Dialer,
    warm: Mutex<Warm>,
}

#[derive(Default)]
struct Warm {
    socket: Option<(WebSocket, Instant)>,
    publisher: Option<PreparedPublisher>,
}

impl fmt::Debug for Warm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Warm")
            .field("socket", &self.socket.is_some())
            .field("publisher", &self.publisher)
            .finish()
    }
}

impl Ready {
    /// Makes ready.
    ///
    /// # Errors
    /// When the endpoint is no URL, or no Greenroom server answers there.
    pub(super) async fn prepare(options: InitOptions) -> Result<(Self, InitReport), SessionError> {
        let began = Instant::now();
        let base = BaseUrl::parse(&options.endpoint).map_err(SessionError::Endpoint)?;
        let unreachable = |error| SessionError::Control(Box::new(error));
        let dialer = Dialer::new(&options.authorities).map_err(unreachable)?;
        let (found, socket, publisher) = tokio::join!(
            dialer.discover(&base),
            control::open(&dialer, &base),
            PreparedPublisher::prepare(base.host(), true),
        );
        let found = found.map_err(unreachable)?;
        let mut notices = wishes(&options);
        let mut warm = Warm::default();
        match socket {
            Ok(socket) => warm.socket = Some((socket, Instant::now())),
            Err(error) => notices.push(InitNotice::ControlNotReady(error.explanation)),
        }
        match publisher {
            Ok(publisher) => warm.publisher = Some(publisher),
            Err(error) => notices.push(InitNotice::PublisherNotReady(error.to_string())),
        }
        let report = InitReport {
            elapsed: began.elapsed(),
            server_version: found.document.version,
            notices,
        };
        let warm = Mutex::new(warm);
        let ready = Self {
            options,
            base,
            dialer,
            warm,
        };
        Ok((ready, report))
    }

    /// The control connection that was opened ahead, if the server still waits on it.
    pub(super) fn take_socket(&self) -> Option<WebSocket> {
        let (socket, opened) = lock(&self.warm).socket.take()?;
        (opened.elapsed() < SOCKET_GOOD_FOR).then_some(socket)
    }

    /// The publisher that was prepared; it is for the server itself, which takes the part of the DTLS
    /// client.
    pub(super) fn take_publisher(&self) -> Option<PreparedPublisher> {
        lock(&self.warm).publisher.take()
    }
}

fn wishes(options: &InitOptions) -> Vec<InitNotice> {
    let english = |tag: &String| {
        let first = tag.split(['-', '_']).next().unwrap_or_default();
        first.eq_ignore_ascii_case("en")
    };
    let language = options.language.clone().filter(|tag| !english(tag));
    let region = options.region.clone().filter(|region| !region.is_empty());
    let language = language.map(InitNotice::Language);
    language
        .into_iter()
        .chain(region.map(InitNotice::Region))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s45_what_is_not_as_it_was_asked_for_is_told() {
        let options = |language: &str, region: &str| InitOptions {
            language: Some(language.to_owned()),
            region: Some(region.to_owned()),
            ..InitOptions::default()
        };
        assert_eq!(wishes(&InitOptions::default()), []);
        assert_eq!(wishes(&options("en-GB", "")), []);
        let region = InitNotice::Region("eu".to_owned());
        let language = InitNotice::Language("de".to_owned());
        assert_eq!(wishes(&options("de", "eu")), [language, region]);
    }
}
