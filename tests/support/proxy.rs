//! A TCP proxy before PostgreSQL, for what can happen to a database and to the way to it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_postgres::config::Host;

/// What happens to those who connect, and to what they send.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Way {
    /// It arrives.
    #[default]
    Open,
    /// Every connection is ended.
    Closed,
    /// Connections are taken, and nothing arrives any more.
    Frozen,
    /// Each packet takes this long.
    Slow(Duration),
}

#[derive(Clone, Debug, Default)]
struct State {
    way: Way,
    /// Connections before this one are dead, and do not know.
    dead_before: u64,
    /// Connections before this one are ended.
    cut_before: u64,
    next: u64,
    asked: Arc<AtomicU64>,
}

/// The proxy; it ends when this is dropped.
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
    /// A proxy before the database at `url`.
    pub fn before(url: &str) -> Self {
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

    /// Changes the way; what is on it waits, arrives or breaks off accordingly.
    pub fn set(&self, way: Way) {
        self.state.send_modify(|state| {
            if way == Way::Closed {
                state.cut_before = state.next;
            }
            state.way = way;
        });
    }

    /// Ends all connections; new ones arrive.
    pub fn cut(&self) {
        self.state.send_modify(|state| state.cut_before = state.next);
    }

    /// From now on nothing arrives on the connections that there are, and nobody is told; new ones arrive. So it is when
    /// a firewall forgets them, or another machine takes the database's place.
    pub fn lose_connections(&self) {
        self.state.send_modify(|state| state.dead_before = state.next);
    }

    /// How often the database was asked something: what is sent at once counts once, as it costs one round trip.
    pub fn asked(&self) -> u64 {
        self.state.borrow().asked.load(Ordering::Relaxed)
    }

    /// How many connections there have been.
    pub fn connections(&self) -> u64 {
        self.state.borrow().next
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
        self.set(Way::Closed);
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
        if state.borrow().way == Way::Closed {
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
            both(
                ask(from_client, to_server, state.clone(), number),
                pump(from_server, to_client, state, number, || ()),
            )
            .await;
        }
        Target::Tcp(host, port) => {
            let Ok(server) = TcpStream::connect((host, port)).await else { return };
            let (from_server, to_server) = server.into_split();
            both(
                ask(from_client, to_server, state.clone(), number),
                pump(from_server, to_client, state, number, || ()),
            )
            .await;
        }
    }
}

/// Until one side has ended: then the connection has.
async fn both(one: impl Future<Output = ()>, other: impl Future<Output = ()>) {
    tokio::select! {
        () = one => {}
        () = other => {}
    }
}

async fn ask(from: impl AsyncRead + Unpin, to: impl AsyncWrite + Unpin, state: watch::Receiver<State>, number: u64) {
    let asked = Arc::clone(&state.borrow().asked);
    let count = || {
        asked.fetch_add(1, Ordering::Relaxed);
    };
    pump(from, to, state, number, count).await;
}

async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut state: watch::Receiver<State>,
    number: u64,
    count: impl Fn(),
) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        count();
        let moves = |state: &State| state.way != Way::Frozen && state.dead_before <= number;
        let Ok(now) = state.wait_for(moves).await.map(|state| state.way.clone()) else { return };
        if let Way::Slow(delay) = now {
            tokio::time::sleep(delay).await;
        }
        if to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}
