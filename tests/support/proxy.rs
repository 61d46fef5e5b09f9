//! A TCP proxy in front of PostgreSQL, which breaks or delays the traffic as a test asks.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_postgres::config::Host;

/// What happens to connections, and to the data on them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Traffic {
    /// Data arrives.
    #[default]
    Open,
    /// Every connection is closed.
    Closed,
    /// Connections are accepted, but no data arrives.
    Frozen,
    /// Each packet is delayed by this time.
    Slow(Duration),
}

#[derive(Clone, Debug, Default)]
struct State {
    traffic: Traffic,
    /// Connections before this number are dead, and neither end is informed.
    dead_before: u64,
    /// Connections before this number are closed.
    cut_before: u64,
    next: u64,
    round_trips: Arc<AtomicU64>,
}

/// The proxy; dropping it stops it.
pub struct Proxy {
    /// The URL of the database through the proxy.
    pub url: String,
    state: watch::Sender<State>,
    task: JoinHandle<()>,
}

#[derive(Clone)]
enum Target {
    Unix(PathBuf),
    Tcp(String, u16),
}

impl Proxy {
    /// Starts a proxy to the database at `url`.
    pub fn start(url: &str) -> Self {
        let config: tokio_postgres::Config = url.parse().unwrap();
        let port = config.get_ports().first().copied().unwrap_or(5432);
        let target = match &config.get_hosts()[0] {
            Host::Unix(folder) => Target::Unix(folder.join(format!(".s.PGSQL.{port}"))),
            Host::Tcp(host) => Target::Tcp(host.clone(), port),
        };
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let listener = TcpListener::from_std(listener).unwrap();
        let url = through(&config, listener.local_addr().unwrap());
        let state = watch::Sender::<State>::default();
        let task = tokio::spawn(accept(listener, target, state.clone()));
        Self { url, state, task }
    }

    /// Changes what happens to the traffic, on open connections too.
    pub fn set(&self, traffic: Traffic) {
        self.state.send_modify(|state| {
            if traffic == Traffic::Closed {
                state.cut_before = state.next;
            }
            state.traffic = traffic;
        });
    }

    /// Closes all connections; new ones work.
    pub fn cut(&self) {
        self.state.send_modify(|state| state.cut_before = state.next);
    }

    /// From now on no data arrives on the open connections, and neither end is informed; new connections work. This
    /// happens when a firewall forgets connections, or another machine takes over the database's address.
    pub fn lose_connections(&self) {
        self.state.send_modify(|state| state.dead_before = state.next);
    }

    /// How many round trips to the database there were: all that a client sends before it gets an answer counts once. Make
    /// the traffic slow, so that the answer to the beginning does not come too early.
    pub fn round_trips(&self) -> u64 {
        self.state.borrow().round_trips.load(Ordering::Relaxed)
    }

    /// How many connections there were so far.
    pub fn connections(&self) -> u64 {
        self.state.borrow().next
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
        self.set(Traffic::Closed);
    }
}

fn through(config: &tokio_postgres::Config, address: SocketAddr) -> String {
    let password = config.get_password().map(|password| format!(":{}", String::from_utf8_lossy(password)));
    let (user, database) = (config.get_user().unwrap(), config.get_dbname().unwrap());
    format!("postgres://{user}{}@{address}/{database}?sslmode=disable", password.unwrap_or_default())
}

async fn accept(listener: TcpListener, target: Target, state: watch::Sender<State>) {
    while let Ok((client, _)) = listener.accept().await {
        let mut number = 0;
        state.send_modify(|state| {
            number = state.next;
            state.next += 1;
        });
        if state.borrow().traffic == Traffic::Closed {
            continue;
        }
        let (state, target) = (state.subscribe(), target.clone());
        tokio::spawn(async move {
            let mut cut = state.clone();
            tokio::select! {
                () = connect(client, target, state, number) => {}
                _ = cut.wait_for(|state| state.cut_before > number) => {}
            }
        });
    }
}

async fn connect(client: TcpStream, target: Target, state: watch::Receiver<State>, number: u64) {
    let (from_client, to_client) = client.into_split();
    match target {
        Target::Unix(path) => {
            let Ok(server) = UnixStream::connect(path).await else { return };
            let (from_server, to_server) = server.into_split();
            both_ways((from_client, to_client), (from_server, to_server), state, number).await;
        }
        Target::Tcp(host, port) => {
            let Ok(server) = TcpStream::connect((host, port)).await else { return };
            let (from_server, to_server) = server.into_split();
            both_ways((from_client, to_client), (from_server, to_server), state, number).await;
        }
    }
}

/// Runs until one direction has ended, which ends the connection.
async fn both_ways(
    (from_client, to_client): (impl AsyncRead + Unpin, impl AsyncWrite + Unpin),
    (from_server, to_server): (impl AsyncRead + Unpin, impl AsyncWrite + Unpin),
    state: watch::Receiver<State>,
    number: u64,
) {
    let round_trips = Arc::clone(&state.borrow().round_trips);
    let is_answered = AtomicBool::new(true);
    let asks = || {
        if is_answered.swap(false, Ordering::Relaxed) {
            round_trips.fetch_add(1, Ordering::Relaxed);
        }
    };
    let is_told = || is_answered.store(true, Ordering::Relaxed);
    tokio::select! {
        () = pump(from_client, to_server, state.clone(), number, asks, || ()) => {}
        () = pump(from_server, to_client, state.clone(), number, || (), is_told) => {}
    }
}

async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut state: watch::Receiver<State>,
    number: u64,
    comes: impl Fn(),
    arrives: impl Fn(),
) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        comes();
        let moves = |state: &State| state.traffic != Traffic::Frozen && state.dead_before <= number;
        let Ok(now) = state.wait_for(moves).await.map(|state| state.traffic.clone()) else { return };
        if let Traffic::Slow(delay) = now {
            tokio::time::sleep(delay).await;
        }
        if to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
        arrives();
    }
}
