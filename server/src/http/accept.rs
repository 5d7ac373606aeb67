//! Accepts connections, bounded before anything is read from them.

use std::{
    net::SocketAddr,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use axum::{Router, body::Body, http::Request};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::timeout,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use super::{
    app::{App, Peer},
    slots::Slot,
};
use crate::{
    clock,
    config::limits::{CONNECTION_LIFE, REQUEST_HEAD, TLS_HANDSHAKE},
};

/// Pause after the system refused to hand a connection over, for want of file descriptors mostly.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Longest wait for connections to end once they were told to.
const CLOSING: Duration = Duration::from_millis(500);
/// Bytes that the system keeps of a connection before they are sent for the first time.
#[cfg(target_os = "linux")]
const UNSENT_BYTES: u32 = 32 * 1024;
/// Largest request head.
const HEAD_BYTES: usize = 16 * 1024;
/// Most headers of a request.
const MAX_HEADERS: usize = 64;

/// A listener and what it answers with.
pub(crate) struct Front {
    /// The listener.
    pub(crate) listener: TcpListener,
    /// TLS, when wanted.
    pub(crate) tls: Option<TlsAcceptor>,
    /// The routes.
    pub(crate) router: Router,
    /// What the handlers share.
    pub(crate) app: Arc<App>,
}

impl Front {
    /// Serves until the application's token is cancelled, then ends every connection.
    ///
    /// # Cancel safety
    /// Dropping the future ends every connection at once.
    pub(crate) async fn serve(self) {
        let stop = self.app.stop.clone();
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(_) = connections.join_next() => {}
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, peer)) => self.admit(stream, peer, &mut connections),
                    Err(error) => {
                        tracing::warn!(%error, "cannot accept a connection");
                        clock::wait(ACCEPT_PAUSE).await;
                    }
                },
            }
        }
        drop(self);
        let all_end = async { while connections.join_next().await.is_some() {} };
        if timeout(CLOSING, all_end).await.is_err() {
            connections.shutdown().await;
        }
    }

    fn admit(&self, stream: TcpStream, peer: SocketAddr, connections: &mut JoinSet<()>) {
        let address = (!self.app.is_proxy(peer)).then_some(peer.ip());
        let Some(slot) = self.app.connections.take(address) else {
            return;
        };
        let connection = Connection {
            peer,
            slot: Arc::new(slot),
            router: self.router.clone(),
            stop: self.app.stop.clone(),
        };
        let tls = self.tls.clone();
        let handshakes_failed = Arc::clone(&self.app.handshakes_failed);
        connections.spawn(async move {
            // Replies are small and each matters.
            let _ = stream.set_nodelay(true);
            keep_little_unsent(&stream);
            let Some(tls) = tls else {
                return connection.serve(stream).await;
            };
            match timeout(TLS_HANDSHAKE, tls.accept(stream)).await {
                Ok(Ok(stream)) => connection.serve(stream).await,
                Ok(Err(_)) | Err(_) => {
                    handshakes_failed.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
    }
}

/// What was written to the socket cannot be overtaken: without this, an echo reply would wait
/// behind megabytes of a load that the system took but that the path does not carry yet.
fn keep_little_unsent(stream: &TcpStream) {
    #[cfg(target_os = "linux")]
    if let Err(error) = socket2::SockRef::from(stream).set_tcp_notsent_lowat(UNSENT_BYTES) {
        tracing::debug!(%error, "the system keeps more unsent than wanted");
    }
    #[cfg(not(target_os = "linux"))]
    let _ = stream;
}

struct Connection {
    peer: SocketAddr,
    slot: Arc<Slot>,
    router: Router,
    stop: CancellationToken,
}

impl Connection {
    async fn serve<S>(self, stream: S)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Self {
            peer,
            slot,
            router,
            stop,
        } = self;
        let service = service_fn(move |mut request: Request<Incoming>| {
            let router = router.clone();
            request.extensions_mut().insert(Peer(peer));
            request.extensions_mut().insert(Arc::clone(&slot));
            router.oneshot(request.map(Body::new))
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(REQUEST_HEAD)
            .max_buf_size(HEAD_BYTES)
            .max_headers(MAX_HEADERS)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        tokio::pin!(connection);
        // An upgrade ends this future; the WebSocket then has limits of its own.
        let ended = tokio::select! {
            biased;
            () = stop.cancelled() => None,
            ended = timeout(CONNECTION_LIFE, connection.as_mut()) => ended.ok(),
        };
        if ended.is_none() {
            connection.as_mut().graceful_shutdown();
            let _ = timeout(CLOSING, connection).await;
        }
    }
}
