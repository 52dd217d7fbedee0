//! The token server: TLS on 127.0.0.1:443 of the lab's own network namespace.
//!
//! Stands for the authorization server and the API at once. Never to be started outside the lab's namespaces: it
//! answers to names that belong to somebody else.

pub mod http;
pub mod log;
pub mod tls;
pub mod tokens;

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;

use log::Log;
use tls::Identity;
use tokens::{Strictness, TokenFamily};

/// The names under which clients reach the server.
pub const HOSTS: [&str; 7] = [
    "api.anthropic.com",
    "platform.claude.com",
    "console.anthropic.com",
    "claude.ai",
    "statsig.anthropic.com",
    "downloads.claude.ai",
    "mcp-proxy.anthropic.com",
];

/// When a refresh token is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// When the request arrives, whether or not anybody waits for the answer: what real servers do.
    OnArrival,
    /// When the answer goes out. A client that dies before it has used up nothing, so that a scenario about a dead
    /// holder measures the lock and not the lost token.
    OnAnswer,
}

/// How the server behaves.
#[derive(Clone, Copy, Debug)]
pub struct Behaviour {
    /// What reuse does.
    pub strictness: Strictness,
    /// When tokens rotate.
    pub rotation: Rotation,
    /// Between the arrival of a token request and its answer.
    pub delay: Duration,
    /// For the first token request only, in place of `delay`.
    pub first_delay: Option<Duration>,
}

/// What the connections share.
pub struct Shared {
    /// The login.
    pub family: Mutex<TokenFamily>,
    /// What was seen.
    pub log: Log,
    rotation: Rotation,
    delay: Duration,
    first_delay: Mutex<Option<Duration>>,
    requests: AtomicUsize,
}

impl Shared {
    fn next_request(&self) -> usize {
        self.requests.fetch_add(1, Ordering::Relaxed)
    }

    fn take_delay(&self) -> Duration {
        self.first_delay.lock().take().unwrap_or(self.delay)
    }
}

/// A running server; stops when dropped.
pub struct Server {
    shared: Arc<Shared>,
    // Held for its drop, which ends the tasks.
    runtime: Option<Runtime>,
}

impl Server {
    /// Listens and serves until dropped.
    pub fn start(behaviour: Behaviour, identity: &Identity) -> Result<Self> {
        let shared = Arc::new(Shared {
            family: Mutex::new(TokenFamily::new(behaviour.strictness)),
            log: Log::new(),
            rotation: behaviour.rotation,
            delay: behaviour.delay,
            first_delay: Mutex::new(behaviour.first_delay),
            requests: AtomicUsize::new(0),
        });
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .context("the server's threads cannot be started")?;
        let listener = runtime
            .block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 443)))
            .context("the server cannot listen on 127.0.0.1:443")?;
        let acceptor = TlsAcceptor::from(Arc::clone(&identity.config));
        runtime.spawn(accept(listener, acceptor, Arc::clone(&shared)));
        Ok(Self { shared, runtime: Some(runtime) })
    }

    /// What was seen so far.
    pub fn log(&self) -> &Log {
        &self.shared.log
    }

    /// The login.
    pub fn family(&self) -> &Mutex<TokenFamily> {
        &self.shared.family
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_secs(1));
        }
    }
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, shared: Arc<Shared>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of descriptors or aborted by the client: the next one may do better.
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        let acceptor = acceptor.clone();
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let Ok(stream) = acceptor.accept(stream).await else {
                return; // A client that went away or that does not trust us; it says so itself.
            };
            let service = service_fn(|request| http::handle(Arc::clone(&shared), request));
            // Errors here are connections that the client broke off; the log has them as dropped requests.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}
