//! Connections: accepting, TLS, limits in time and number, and a graceful end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;

use super::limits::Limits;
use super::refusal::WatchedStream;
use super::router::router;
use super::state::AppState;

/// A bound address to accept connections from.
pub type Listener = TcpListener;

/// Requests that one HTTP/2 connection may have under way: what one busy portal needs.
const STREAMS_MAX: u32 = 100;
/// Bytes of a body that an HTTP/2 client may send ahead of us, per stream; all streams together, [`CONNECTION_WINDOW`].
const STREAM_WINDOW: u32 = 256 << 10;
/// See [`STREAM_WINDOW`].
const CONNECTION_WINDOW: u32 = 1 << 20;
/// Bytes of an HTTP/2 request's header fields; the protocol itself refuses more.
const H2_HEADER_BYTES_MAX: u32 = 64 << 10;
/// The pause after the system refused to accept (out of descriptors, mostly): trying at once would spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A certificate and its key, for TLS 1.2 and 1.3.
#[derive(Clone)]
pub struct TlsConfig(Arc<ServerConfig>);

/// Why TLS cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file of certificates is no PEM, or has none.
    #[error("the certificate file holds no PEM certificates")]
    Certificates,
    /// The file of the key is no PEM, or has none.
    #[error("the key file holds no PEM private key")]
    Key,
    /// They do not fit together, or are of a kind that is not spoken.
    #[error("the certificate and the key cannot be used: {0}")]
    Pair(rustls::Error),
}

impl TlsConfig {
    /// Reads a certificate chain, leaf first, and the leaf's private key, both PEM.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn from_pem(certificates: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(certificates).collect();
        let chain = chain.ok().filter(|chain| !chain.is_empty()).ok_or(TlsError::Certificates)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| TlsError::Key)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let versions = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let builder = versions.map_err(TlsError::Pair)?.with_no_client_auth();
        let mut config = builder.with_single_cert(chain, key).map_err(TlsError::Pair)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self(Arc::new(config)))
    }
}

/// Serves the API until `shutdown` completes, then lets requests in flight finish.
///
/// - `listeners`: at least one; all speak TLS if `tls` is given, else none does.
/// - Returns once every connection is closed, or [`Limits::shutdown`] after `shutdown` at the latest. The engine is
///   still running then: dropping its service is the caller's to do.
pub async fn serve(
    listeners: Vec<Listener>,
    tls: Option<TlsConfig>,
    state: AppState,
    shutdown: impl Future<Output = ()>,
) {
    let limits = state.limits;
    let doors = Arc::new(Doors {
        router: router(state.clone()),
        http: http(&limits),
        tls: tls.map(|tls| TlsAcceptor::from(tls.0)),
        slots: Arc::new(Semaphore::new(limits.connections_max)),
        state: state.clone(),
    });
    let graceful = GracefulShutdown::new();
    let (cut, is_cut) = watch::channel(());
    let accepting = listeners.into_iter().map(|listener| accept_all(&doors, listener, &graceful, &is_cut));
    tokio::select! {
        _ = futures_util::future::join_all(accepting) => {}
        () = shutdown => {}
    }
    state.stop();
    // Nobody else gets in now. Connections that are idle close at once, the others after their answer.
    if tokio::time::timeout(limits.shutdown, graceful.shutdown()).await.is_err() {
        tracing::warn!("requests were cut off because they did not end in time");
    }
    drop(cut);
}

async fn accept_all(
    doors: &Arc<Doors>,
    listener: TcpListener,
    graceful: &GracefulShutdown,
    is_cut: &watch::Receiver<()>,
) {
    loop {
        let Ok(slot) = Arc::clone(&doors.slots).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, peer)) => {
                let (watcher, mut is_cut) = (graceful.watcher(), is_cut.clone());
                let connection = Arc::clone(doors).connection(stream, peer, watcher);
                tokio::spawn(async move {
                    tokio::select! {
                        () = connection => {}
                        _ = is_cut.changed() => {}
                    }
                    drop(slot);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn http(limits: &Limits) -> auto::Builder<TokioExecutor> {
    let mut http = auto::Builder::new(TokioExecutor::new());
    http.http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_read)
        .max_buf_size(limits.header_bytes_max)
        .max_headers(limits.headers_max)
        .half_close(true);
    http.http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(limits.idle)
        .keep_alive_timeout(limits.header_read)
        .max_concurrent_streams(STREAMS_MAX)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(H2_HEADER_BYTES_MAX);
    http
}

struct Doors {
    router: Router,
    http: auto::Builder<TokioExecutor>,
    tls: Option<TlsAcceptor>,
    slots: Arc<Semaphore>,
    state: AppState,
}

impl Doors {
    async fn connection(self: Arc<Self>, stream: TcpStream, peer: SocketAddr, watcher: Watcher) {
        let _open = self.state.metrics.connections.hold();
        // Answers are written whole; waiting to fill a segment would only delay them.
        drop(stream.set_nodelay(true));
        let stall = self.state.limits.idle;
        let stream = WatchedStream::new(stream, stall);
        let Some(acceptor) = &self.tls else { return self.speak(stream, peer, watcher).await };
        match tokio::time::timeout(self.state.limits.handshake, acceptor.accept(stream)).await {
            // Refusals are recognised in clear text, so the stream is watched above TLS too.
            Ok(Ok(stream)) => self.speak(WatchedStream::new(stream, stall), peer, watcher).await,
            Ok(Err(error)) => tracing::debug!(%peer, %error, "a TLS handshake failed"),
            Err(_) => tracing::debug!(%peer, "a TLS handshake took too long"),
        }
    }

    async fn speak<S>(&self, stream: S, peer: SocketAddr, watcher: Watcher)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let router = self.router.clone();
        let answer = move |request: Request<Incoming>| router.clone().oneshot(request.map(Body::new));
        let service = hyper::service::service_fn(answer);
        let connection = self.http.serve_connection(TokioIo::new(stream), service).into_owned();
        if let Err(error) = watcher.watch(connection).await {
            tracing::debug!(%peer, %error, "a connection ended early");
        }
    }
}
