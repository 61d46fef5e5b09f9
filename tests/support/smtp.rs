//! An SMTP server that takes every mail, or misbehaves as a test asks.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;

use super::smtp_session::serve;
use super::within;

/// The moments at which the server can do something else than usual.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Moment {
    /// Somebody connected.
    Greeting,
    Ehlo,
    Auth,
    Mail,
    Rcpt,
    /// The command `DATA`.
    Data,
    /// The first line of a mail came.
    InMail,
    /// The dot at the end of a mail.
    FinalDot,
    Rset,
    Noop,
    Quit,
}

/// What it can do then.
#[derive(Clone, Debug)]
pub enum Behaviour {
    /// What servers do.
    Usual,
    /// Say this line instead. At the final dot the mail is then not taken.
    Reply(String),
    /// Hang up.
    HangUp,
    /// Take the mail, and hang up without a word.
    TakeAndHangUp,
    /// Wait, then do the usual.
    Delay(Duration),
    /// Say nothing at all.
    Silence,
}

/// What it does about TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encryption {
    /// Nothing: neither from the start nor on demand.
    None,
    /// It offers STARTTLS.
    StartTls,
    /// From the first byte.
    Implicit,
}

/// A mail as it came over the wire.
#[derive(Clone, Debug)]
pub struct Caught {
    pub from: String,
    pub to: Vec<String>,
    pub raw: Vec<u8>,
    #[allow(dead_code, reason = "only benches/mails.rs asks")]
    pub at: Instant,
}

impl Caught {
    /// The source, as text.
    pub fn source(&self) -> String {
        String::from_utf8(self.raw.clone()).unwrap()
    }

    /// The value of a header that stands on one line.
    #[track_caller]
    pub fn header(&self, name: &str) -> String {
        let source = self.source();
        let head = source.split("\r\n\r\n").next().unwrap();
        let values: Vec<&str> = head.lines().filter_map(|line| line.strip_prefix(&format!("{name}: "))).collect();
        assert_eq!(values.len(), 1, "{name} in {head}");
        values[0].to_owned()
    }
}

/// The server; it ends, and all its connections with it, when this is dropped.
pub struct SmtpCatcher {
    pub url: String,
    shared: Arc<Shared>,
    _open: watch::Sender<()>,
}

/// A port that is ours, at which nobody listens yet: connections are refused.
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

    /// Somebody listens now.
    pub fn appear(self) -> SmtpCatcher {
        SmtpCatcher::open(Encryption::None, self.socket.listen(128).unwrap())
    }
}

/// What all connections share.
pub(super) struct Shared {
    pub(super) encryption: Encryption,
    mails: Mutex<Vec<Caught>>,
    /// With the number of the connection, from 1.
    heard: Mutex<Vec<(usize, String)>>,
    connections: Mutex<Connections>,
    /// For each moment what to do the next times.
    script: Mutex<HashMap<Moment, Vec<Behaviour>>>,
    /// What to do whenever the script says nothing.
    habits: Mutex<HashMap<Moment, Behaviour>>,
}

/// How many connections there were.
#[derive(Clone, Copy, Debug, Default)]
pub struct Connections {
    pub total: usize,
    pub open: usize,
    /// At most at once.
    pub peak: usize,
}

impl SmtpCatcher {
    /// A server without TLS, on any free port.
    pub async fn start() -> Self {
        Self::with(Encryption::None).await
    }

    /// A server that does this about TLS. Its certificate is for `localhost`, see `tests/fixtures/smtp`.
    pub async fn encrypted(encryption: Encryption) -> Self {
        Self::with(encryption).await
    }

    async fn with(encryption: Encryption) -> Self {
        Self::open(encryption, TcpListener::bind("127.0.0.1:0").await.unwrap())
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

    /// Does something else the next time; several calls are for several times.
    pub fn once(&self, moment: Moment, behaviour: Behaviour) {
        self.shared.script.lock().unwrap().entry(moment).or_default().push(behaviour);
    }

    /// Does something else from now on.
    pub fn always(&self, moment: Moment, behaviour: Behaviour) {
        self.shared.habits.lock().unwrap().insert(moment, behaviour);
    }

    /// The mails so far, oldest first.
    pub fn mails(&self) -> Vec<Caught> {
        self.shared.mails().clone()
    }

    /// The commands so far, as they came.
    pub fn heard(&self) -> Vec<String> {
        self.shared.heard.lock().unwrap().iter().map(|(_, line)| line.clone()).collect()
    }

    /// Those of one connection, from 1.
    pub fn heard_on(&self, connection: usize) -> Vec<String> {
        let heard = self.shared.heard.lock().unwrap();
        heard.iter().filter(|(number, _)| *number == connection).map(|(_, line)| line.clone()).collect()
    }

    pub fn connections(&self) -> Connections {
        *self.shared.connections.lock().unwrap()
    }

    /// Waits until that many mails came.
    pub async fn wait_for(&self, count: usize) -> Vec<Caught> {
        self.wait_long_for(super::BOUND, count).await
    }

    /// The same with another bound.
    pub async fn wait_long_for(&self, bound: Duration, count: usize) -> Vec<Caught> {
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
            heard: Mutex::default(),
            connections: Mutex::default(),
            script: Mutex::default(),
            habits: Mutex::default(),
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

    pub(super) fn hear(&self, connection: usize, line: &str) {
        self.heard.lock().unwrap().push((connection, line.to_owned()));
    }

    pub(super) fn next(&self, moment: Moment) -> Behaviour {
        let mut script = self.script.lock().unwrap();
        match script.get_mut(&moment).filter(|next| !next.is_empty()) {
            Some(next) => next.remove(0),
            None => self.habits.lock().unwrap().get(&moment).cloned().unwrap_or(Behaviour::Usual),
        }
    }
}
