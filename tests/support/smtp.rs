//! An SMTP server that takes every letter, or misbehaves as a test asks.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::eventually;

/// The moments at which the server can do something else than usual.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Moment {
    /// Somebody connected.
    Greeting,
    Ehlo,
    Mail,
    Rcpt,
    /// The command `DATA`.
    Data,
    /// The dot at the end of a letter.
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
    /// Say this line instead. At the final dot the letter is then not taken.
    Reply(String),
    /// Hang up.
    HangUp,
    /// Take the letter, and hang up without a word.
    TakeAndHangUp,
    /// Wait, then do the usual.
    Delay(Duration),
    /// Say nothing at all.
    Silence,
}

/// A letter as it came over the wire.
#[derive(Clone, Debug)]
pub struct Caught {
    pub from: String,
    pub to: Vec<String>,
    pub raw: Vec<u8>,
}

/// The server; it ends when this is dropped.
pub struct SmtpCatcher {
    pub url: String,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Shared {
    letters: Mutex<Vec<Caught>>,
    /// For each moment what to do the next times, and, with `None` left, the usual.
    script: Mutex<HashMap<Moment, Vec<Behaviour>>>,
    /// What to do whenever the script says nothing.
    habits: Mutex<HashMap<Moment, Behaviour>>,
}

impl SmtpCatcher {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("smtp://{}", listener.local_addr().unwrap());
        let shared = Arc::<Shared>::default();
        let serving = Arc::clone(&shared);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let shared = Arc::clone(&serving);
                tokio::spawn(async move { serve(stream, &shared).await });
            }
        });
        Self { url, shared, task }
    }

    /// Does something else the next time; several calls are for several times.
    pub fn once(&self, moment: Moment, behaviour: Behaviour) {
        self.shared.script.lock().unwrap().entry(moment).or_default().push(behaviour);
    }

    /// Does something else from now on.
    pub fn always(&self, moment: Moment, behaviour: Behaviour) {
        self.shared.habits.lock().unwrap().insert(moment, behaviour);
    }

    /// The letters so far, oldest first.
    pub fn letters(&self) -> Vec<Caught> {
        self.shared.letters.lock().unwrap().clone()
    }

    /// Waits until that many letters came.
    pub async fn wait_for(&self, count: usize) -> Vec<Caught> {
        eventually(&format!("{count} letters over SMTP"), async || {
            let letters = self.letters();
            (letters.len() >= count).then_some(letters)
        })
        .await
    }
}

impl Drop for SmtpCatcher {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    fn next(&self, moment: Moment) -> Behaviour {
        let mut script = self.script.lock().unwrap();
        match script.get_mut(&moment).filter(|next| !next.is_empty()) {
            Some(next) => next.remove(0),
            None => self.habits.lock().unwrap().get(&moment).cloned().unwrap_or(Behaviour::Usual),
        }
    }
}

struct Session<'a> {
    shared: &'a Shared,
    reader: BufReader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
    from: String,
    to: Vec<String>,
}

async fn serve(stream: TcpStream, shared: &Shared) {
    let (reader, writer) = stream.into_split();
    let mut session = Session { shared, reader: BufReader::new(reader), writer, from: String::new(), to: Vec::new() };
    if session.answer(Moment::Greeting, "220 catcher ESMTP").await.is_none() {
        return;
    }
    while let Some(line) = session.line().await {
        let line = String::from_utf8_lossy(&line).trim_end().to_owned();
        if session.command(&line).await.is_none() {
            return;
        }
    }
}

impl Session<'_> {
    async fn line(&mut self) -> Option<Vec<u8>> {
        let mut line = Vec::new();
        let read = self.reader.read_until(b'\n', &mut line).await.ok()?;
        (read > 0).then_some(line)
    }

    async fn say(&mut self, text: &str) -> Option<()> {
        self.writer.write_all(format!("{text}\r\n").as_bytes()).await.ok()
    }

    /// Does what is to be done at this moment; `None` ends the connection, `false` is a refusal.
    async fn answer(&mut self, moment: Moment, usual: &str) -> Option<bool> {
        match self.shared.next(moment) {
            Behaviour::Usual | Behaviour::TakeAndHangUp => {}
            Behaviour::Delay(delay) => tokio::time::sleep(delay).await,
            Behaviour::HangUp => return None,
            Behaviour::Silence => std::future::pending().await,
            Behaviour::Reply(line) => {
                self.say(&line).await?;
                return Some(line.starts_with(['2', '3']));
            }
        }
        self.say(usual).await.map(|()| true)
    }

    async fn command(&mut self, line: &str) -> Option<()> {
        let verb = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
        match verb.as_str() {
            "EHLO" | "HELO" => {
                self.answer(Moment::Ehlo, "250-catcher\r\n250-8BITMIME\r\n250 SMTPUTF8").await?;
            }
            "MAIL" => {
                self.to.clear();
                self.from = address(line);
                self.answer(Moment::Mail, "250 ok").await?;
            }
            "RCPT" => {
                if self.answer(Moment::Rcpt, "250 ok").await? {
                    self.to.push(address(line));
                }
            }
            "DATA" => {
                if self.answer(Moment::Data, "354 go on").await? {
                    self.take_letter().await?;
                }
            }
            "RSET" => drop(self.answer(Moment::Rset, "250 ok").await?),
            "NOOP" => drop(self.answer(Moment::Noop, "250 ok").await?),
            "QUIT" => {
                self.answer(Moment::Quit, "221 bye").await?;
                return None;
            }
            _ => self.say("500 unknown").await?,
        }
        Some(())
    }

    async fn take_letter(&mut self) -> Option<()> {
        let mut raw = Vec::new();
        loop {
            let line = self.line().await?;
            if line == b".\r\n" {
                break;
            }
            // RFC 5321, section 4.5.2: a dot at the beginning of a line was doubled.
            raw.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
        }
        let caught = Caught { from: self.from.clone(), to: self.to.clone(), raw };
        let behaviour = self.shared.next(Moment::FinalDot);
        match behaviour {
            Behaviour::TakeAndHangUp => {
                self.shared.letters.lock().unwrap().push(caught);
                return None;
            }
            Behaviour::HangUp => return None,
            Behaviour::Silence => std::future::pending().await,
            Behaviour::Reply(line) => return self.say(&line).await,
            Behaviour::Delay(delay) => tokio::time::sleep(delay).await,
            Behaviour::Usual => {}
        }
        self.shared.letters.lock().unwrap().push(caught);
        self.say("250 taken").await
    }
}

fn address(line: &str) -> String {
    let address = line.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
    address.map_or_else(String::new, |(address, _)| address.to_owned())
}
