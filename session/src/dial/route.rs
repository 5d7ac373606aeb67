//! The way of a request to a deployment, one stage at a time: through the system's proxy or direct.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, HOST, HeaderMap, HeaderValue, LOCATION, PROXY_AUTHORIZATION};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use url::{Position, Url};

use super::base_url::BaseUrl;
use super::dialer::Dialer;
use super::dns::{LookupFailure, look_up_host};
use super::websocket::{SEC_WEBSOCKET_ACCEPT, upgrade_headers};

/// Largest answer that is read, in bytes; discovery documents and login pages are smaller.
const MAX_BODY_BYTES: usize = 64 * 1024;

/// A connection, plain or encrypted.
pub trait Io: AsyncRead + AsyncWrite + fmt::Debug + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + fmt::Debug + Send + Unpin> Io for T {}

/// An encrypted connection, which knows what was agreed on.
pub type TlsStream = tokio_rustls::client::TlsStream<Box<dyn Io>>;

/// Where requests for a base URL go.
#[derive(Clone)]
pub struct Route {
    base: BaseUrl,
    proxy: Option<(String, u16)>,
    /// The proxy's user name and password, as a header.
    login: Option<HeaderValue>,
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Route")
            .field("base", &self.base)
            .field("proxy", &self.proxy)
            .finish_non_exhaustive()
    }
}

/// What was answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// Status code.
    pub status: u16,
    /// Where to go instead, resolved against what was asked.
    pub location: Option<Url>,
    /// What came with it; empty when it was too long, or is not of interest.
    pub body: Vec<u8>,
}

impl Dialer {
    /// The way of requests for this base URL.
    pub fn route(&self, base: &BaseUrl) -> Route {
        let url = base.join("");
        let proxy = self.proxies.proxy_for(&url);
        let login = proxy.as_ref().and_then(|_| self.proxies.login_for(&url));
        Route {
            base: base.clone(),
            proxy: proxy.map(|proxy| (proxy.host, proxy.port)),
            login,
        }
    }
}

impl Route {
    /// Without any proxy.
    pub fn direct(base: &BaseUrl) -> Self {
        Self {
            base: base.clone(),
            proxy: None,
            login: None,
        }
    }

    /// Host and port of the proxy in between.
    pub fn proxy(&self) -> Option<(&str, u16)> {
        self.proxy
            .as_ref()
            .map(|(host, port)| (host.as_str(), *port))
    }

    /// Addresses of whom connections are made to: the server, or the proxy.
    ///
    /// # Errors
    /// Why there are none.
    pub async fn addresses(&self) -> Result<Vec<SocketAddr>, LookupFailure> {
        let (host, port) = self.proxy().unwrap_or((self.base.host(), self.base.port()));
        look_up_host(host, port).await
    }

    /// Asks the proxy for a tunnel to the server; gives the connection where it is granted.
    ///
    /// # Errors
    /// When the connection breaks, or what answers speaks no HTTP.
    pub async fn tunnel(&self, stream: Box<dyn Io>) -> io::Result<(Reply, Option<Box<dyn Io>>)> {
        let authority = self.authority();
        let mut request = request(Method::CONNECT, &authority, &authority)?;
        self.sign(&mut request);
        switch(stream, request, |response| response.status().is_success()).await
    }

    /// Encrypts the connection to the server.
    ///
    /// # Errors
    /// What TLS has against the server; the inner error is of `rustls`.
    pub async fn encrypt(
        &self,
        stream: Box<dyn Io>,
        config: Arc<ClientConfig>,
    ) -> io::Result<TlsStream> {
        let name = ServerName::try_from(self.base.host().to_owned()).map_err(io::Error::other)?;
        TlsConnector::from(config).connect(name, stream).await
    }

    /// Asks for a path below the base URL.
    ///
    /// # Errors
    /// When the connection breaks, or what answers speaks no HTTP.
    pub async fn get(&self, stream: Box<dyn Io>, path: &str) -> io::Result<Reply> {
        let mut request = self.request(path)?;
        request
            .headers_mut()
            .insert(CONNECTION, HeaderValue::from_static("close"));
        self.ask(stream, request, &self.base.join(path)).await
    }

    /// Asks for an upgrade to WebSocket, over a connection to the server or a tunnel to it; gives the
    /// connection where the upgrade is accepted.
    ///
    /// # Errors
    /// When the connection breaks, or what answers speaks no HTTP.
    pub async fn upgrade(
        &self,
        stream: Box<dyn Io>,
        path: &str,
    ) -> io::Result<(Reply, Option<Box<dyn Io>>)> {
        let url = self.base.join(path);
        self.upgrade_as(stream, &url, HeaderMap::new()).await
    }

    /// As [`Route::upgrade`], at a URL with its query, with further headers.
    pub(super) async fn upgrade_as(
        &self,
        stream: Box<dyn Io>,
        url: &Url,
        headers: HeaderMap,
    ) -> io::Result<(Reply, Option<Box<dyn Io>>)> {
        let key = generate_key();
        let target = &url[Position::BeforePath..Position::AfterQuery];
        let mut request = request(Method::GET, target, &self.authority())?;
        request.headers_mut().extend(headers);
        request.headers_mut().extend(upgrade_headers(&key));
        let accept = derive_accept_key(key.as_bytes());
        switch(stream, request, |response| {
            response.status() == StatusCode::SWITCHING_PROTOCOLS
                && is_accepted(response.headers(), &accept)
        })
        .await
    }

    /// Through a proxy, a plain request names the whole URL (RFC 9112 §3.2.2).
    fn request(&self, path: &str) -> io::Result<Request<Empty<Bytes>>> {
        let url = self.base.join(path);
        let is_proxied = self.proxy.is_some() && !self.base.is_tls();
        let target = if is_proxied { url.as_str() } else { url.path() };
        let mut request = request(Method::GET, target, &self.authority())?;
        if is_proxied {
            self.sign(&mut request);
        }
        Ok(request)
    }

    fn sign(&self, request: &mut Request<Empty<Bytes>>) {
        if let Some(login) = &self.login {
            request
                .headers_mut()
                .insert(PROXY_AUTHORIZATION, login.clone());
        }
    }

    /// Host and port of the server, as `Host` and `CONNECT` name them.
    pub(super) fn authority(&self) -> String {
        let (host, port) = (self.base.host(), self.base.port());
        if host.contains(':') {
            format!("[{host}]:{port}")
        } else {
            format!("{host}:{port}")
        }
    }

    async fn ask(
        &self,
        stream: Box<dyn Io>,
        request: Request<Empty<Bytes>>,
        url: &Url,
    ) -> io::Result<Reply> {
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(io::Error::other)?;
        let exchange = async {
            let response = sender
                .send_request(request)
                .await
                .map_err(io::Error::other)?;
            let status = response.status();
            let reply = Reply {
                status: status.as_u16(),
                location: location(response.headers(), url),
                body: Vec::new(),
            };
            if status.is_informational() {
                return Ok(reply);
            }
            let body = Limited::new(response.into_body(), MAX_BODY_BYTES)
                .collect()
                .await;
            let body = body
                .map(|body| body.to_bytes().to_vec())
                .unwrap_or_default();
            Ok(Reply { body, ..reply })
        };
        drive(exchange, connection).await
    }
}

fn request(method: Method, target: &str, host: &str) -> io::Result<Request<Empty<Bytes>>> {
    let request = Request::builder()
        .method(method)
        .uri(target)
        .header(HOST, host);
    request.body(Empty::new()).map_err(io::Error::other)
}

/// Asks for something else to be spoken on this connection; gives it where `is_agreed` says so.
async fn switch(
    stream: Box<dyn Io>,
    request: Request<Empty<Bytes>>,
    is_agreed: impl Fn(&Response<Incoming>) -> bool,
) -> io::Result<(Reply, Option<Box<dyn Io>>)> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(io::Error::other)?;
    let connection = connection.with_upgrades();
    let exchange = async {
        let response = sender
            .send_request(request)
            .await
            .map_err(io::Error::other)?;
        let reply = Reply {
            status: response.status().as_u16(),
            ..Reply::default()
        };
        if !is_agreed(&response) {
            return Ok((reply, None));
        }
        let upgraded = hyper::upgrade::on(response)
            .await
            .map_err(io::Error::other)?;
        let stream: Box<dyn Io> = Box::new(TokioIo::new(upgraded));
        Ok((reply, Some(stream)))
    };
    drive(exchange, connection).await
}

/// Runs the connection beside the exchange that it carries, and drops it with it.
async fn drive<T, C>(exchange: impl Future<Output = io::Result<T>>, connection: C) -> io::Result<T>
where
    C: Future<Output = hyper::Result<()>>,
{
    let mut exchange = std::pin::pin!(exchange);
    tokio::select! {
        biased;
        answered = &mut exchange => return answered,
        // An error is told to the exchange too.
        _ended = connection => {}
    }
    exchange.await
}

fn location(headers: &HeaderMap, asked: &Url) -> Option<Url> {
    let value = headers.get(LOCATION)?.to_str().ok()?;
    asked.join(value).ok()
}

fn is_accepted(headers: &HeaderMap, expected: &str) -> bool {
    let value = headers.get(SEC_WEBSOCKET_ACCEPT);
    value.is_some_and(|value| value.as_bytes() == expected.as_bytes())
}
