//! An SMTP server that accepts every mail, or misbehaves as a test asks.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;

use super::smtp_session::serve;
use super::within;

/// The moments at which the server can misbehave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Moment {
    /// A client connected.
    Greeting,
    Ehlo,
    Auth,
    Mail,
    Rcpt,
    /// The command `DATA`.
    Data,
    /// The first line of the mail's content arrived.
    InMail,
    /// The dot that ends a mail.
    FinalDot,
    Rset,
    Noop,
    Quit,
}

/// What the server does at a moment.
#[derive(Clone, Debug)]
pub enum Behaviour {
    /// What a working server does.
    Usual,
    /// Reply with this line instead. At the final dot the mail is then not accepted.
    Reply(String),
    /// Close the connection.
    HangUp,
    /// Accept the mail, and close the connection without a reply.
    AcceptAndHangUp,
    /// Wait, then behave as usual.
    Delay(Duration),
    /// Never reply.
    Silence,
}

/// Which TLS the server offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encryption {
    None,
    StartTls,
    /// TLS from the first byte.
    Implicit,
}

/// A mail as it arrived.
#[derive(Clone, Debug)]
pub struct Caught {
    pub from: String,
    pub to: Vec<String>,
    pub raw: Vec<u8>,
    #[allow(dead_code, reason = "only benches/mails.rs reads it")]
    pub at: Instant,
}

impl Caught {
    pub fn source(&self) -> String {
        String::from_utf8(self.raw.clone()).unwrap()
    }

    /// The value of a header that fits on one line.
    #[track_caller]
    pub fn header(&self, name: &str) -> String {
        let source = self.source();
        let head = source.split("\r\n\r\n").next().unwrap();
        let values: Vec<&str> = head.lines().filter_map(|line| line.strip_prefix(&format!("{name}: "))).collect();
        assert_eq!(values.len(), 1, "{name} in {head}");
        values[0].to_owned()
    }
}

/// The server; dropping it closes all its connections.
pub struct SmtpCatcher {
    pub url: String,
    shared: Arc<Shared>,
    _open: watch::Sender<()>,
}

/// A reserved port at which no server listens yet: connections are refused.
pub struct Absent {
    pub url: String,
    socket: TcpSocket,
}

impl Absent {
    pub fn new() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        Self { url: format!("smtp://{}", socket.local_addr().unwrap()), socket }
    }

    /// Starts listening.
    pub fn appear(self) -> SmtpCatcher {
        SmtpCatcher::open(Encryption::None, self.socket.listen(128).unwrap())
    }
}

pub(super) struct Shared {
    pub(super) encryption: Encryption,
    mails: Mutex<Vec<Caught>>,
    /// Each command with the number of its connection, from 1.
    commands: Mutex<Vec<(usize, String)>>,
    connections: Mutex<Connections>,
    /// For each moment, what to do the next times.
    script: Mutex<HashMap<Moment, Vec<Behaviour>>>,
    /// What to do at moments for which the script has nothing left.
    defaults: Mutex<HashMap<Moment, Behaviour>>,
}

#[derive(Clone, Copy, Debug, Default)]
pub struct Connections {
    pub total: usize,
    pub open: usize,
    /// The most connections that were open at once.
    pub peak: usize,
}

impl SmtpCatcher {
    /// A server without TLS, on a free port.
    pub async fn start() -> Self {
        Self::with(Encryption::None).await
    }

    /// A server that does this about TLS. Its certificate is for `localhost`, see `tests/fixtures/tls`.
    pub async fn encrypted(encryption: Encryption) -> Self {
        Self::with(encryption).await
    }

    async fn with(encryption: Encryption) -> Self {
        Self::open(encryption, TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    /// A server without TLS that listens here.
    pub fn on(listener: TcpListener) -> Self {
        Self::open(Encryption::None, listener)
    }

    fn open(encryption: Encryption, listener: TcpListener) -> Self {
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::new(encryption));
        let (open, closed) = watch::channel(());
        let serving = Arc::clone(&shared);
        tokio::spawn(until_closed(closed.clone(), async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (shared, closed) = (Arc::clone(&serving), closed.clone());
                tokio::spawn(async move {
                    let number = shared.connected();
                    until_closed(closed, serve(stream, &shared, number)).await;
                    shared.connections.lock().unwrap().open -= 1;
                });
            }
        }));
        let url = match encryption {
            Encryption::None => format!("smtp://{address}"),
            Encryption::StartTls => format!("smtp://localhost:{}?tls=required", address.port()),
            Encryption::Implicit => format!("smtps://localhost:{}", address.port()),
        };
        Self { url, shared, _open: open }
    }

    /// Changes the behaviour for the next time; repeated calls queue up.
    pub fn once(&self, moment: Moment, behaviour: Behaviour) {
        self.shared.script.lock().unwrap().entry(moment).or_default().push(behaviour);
    }

    /// Changes the behaviour from now on.
    pub fn always(&self, moment: Moment, behaviour: Behaviour) {
        self.shared.defaults.lock().unwrap().insert(moment, behaviour);
    }

    /// The mails so far, oldest first.
    pub fn mails(&self) -> Vec<Caught> {
        self.shared.mails().clone()
    }

    /// All commands so far.
    pub fn commands(&self) -> Vec<String> {
        self.shared.commands.lock().unwrap().iter().map(|(_, line)| line.clone()).collect()
    }

    /// The commands of one connection; the first has number 1.
    pub fn commands_on(&self, connection: usize) -> Vec<String> {
        let commands = self.shared.commands.lock().unwrap();
        commands.iter().filter(|(number, _)| *number == connection).map(|(_, line)| line.clone()).collect()
    }

    pub fn connections(&self) -> Connections {
        *self.shared.connections.lock().unwrap()
    }

    /// Waits until this many mails came.
    pub async fn wait_for(&self, count: usize) -> Vec<Caught> {
        self.wait_within(super::BOUND, count).await
    }

    /// Waits until this many mails came, for at most `bound`.
    pub async fn wait_within(&self, bound: Duration, count: usize) -> Vec<Caught> {
        within(bound, &format!("{count} mails over SMTP"), async || {
            let mails = self.mails();
            (mails.len() >= count).then_some(mails)
        })
        .await
    }
}

async fn until_closed(mut closed: watch::Receiver<()>, work: impl Future<Output = ()>) {
    tokio::select! {
        () = work => {}
        _ = closed.changed() => {}
    }
}

impl Shared {
    fn new(encryption: Encryption) -> Self {
        Self {
            encryption,
            mails: Mutex::default(),
            commands: Mutex::default(),
            connections: Mutex::default(),
            script: Mutex::default(),
            defaults: Mutex::default(),
        }
    }

    fn connected(&self) -> usize {
        let mut connections = self.connections.lock().unwrap();
        connections.total += 1;
        connections.open += 1;
        connections.peak = connections.peak.max(connections.open);
        connections.total
    }

    pub(super) fn mails(&self) -> MutexGuard<'_, Vec<Caught>> {
        self.mails.lock().unwrap()
    }

    pub(super) fn record(&self, connection: usize, line: &str) {
        self.commands.lock().unwrap().push((connection, line.to_owned()));
    }

    pub(super) fn next(&self, moment: Moment) -> Behaviour {
        let mut script = self.script.lock().unwrap();
        match script.get_mut(&moment).filter(|next| !next.is_empty()) {
            Some(next) => next.remove(0),
            None => self.defaults.lock().unwrap().get(&moment).cloned().unwrap_or(Behaviour::Usual),
        }
    }
}
