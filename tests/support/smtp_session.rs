//! One connection to the SMTP catcher: its commands, and TLS.

use std::time::Instant;

use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use super::canary;
use super::smtp::{Behaviour, Caught, Encryption, Moment, Shared};
use super::tls::acceptor;

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

struct Session<'a> {
    shared: &'a Shared,
    number: usize,
    /// `None` only during the switch to TLS.
    stream: Option<BufReader<Box<dyn Stream>>>,
    is_encrypted: bool,
    from: String,
    to: Vec<String>,
}

/// Serves a connection until either side closes it.
pub(super) async fn serve(stream: TcpStream, shared: &Shared, number: usize) {
    let stream: Option<BufReader<Box<dyn Stream>>> = Some(BufReader::new(Box::new(stream)));
    let mut session = Session { shared, number, stream, is_encrypted: false, from: String::new(), to: Vec::new() };
    let _ = session.talk().await;
}

impl Session<'_> {
    async fn talk(&mut self) -> Option<()> {
        if self.shared.encryption == Encryption::Implicit {
            self.encrypt().await?;
        }
        self.answer(Moment::Greeting, "220 catcher ESMTP").await?;
        loop {
            let line = self.line().await?;
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            self.shared.record(self.number, &line);
            self.command(&line).await?;
        }
    }

    async fn encrypt(&mut self) -> Option<()> {
        let stream = self.stream.take()?.into_inner();
        let stream = acceptor().accept(stream).await.ok()?;
        self.stream = Some(BufReader::new(Box::new(stream)));
        self.is_encrypted = true;
        Some(())
    }

    async fn line(&mut self) -> Option<Vec<u8>> {
        let mut line = Vec::new();
        let read = self.stream.as_mut()?.read_until(b'\n', &mut line).await.ok()?;
        (read > 0).then_some(line)
    }

    async fn say(&mut self, text: &str) -> Option<()> {
        let stream = self.stream.as_mut()?;
        stream.write_all(format!("{text}\r\n").as_bytes()).await.ok()?;
        stream.flush().await.ok()
    }

    /// Behaves as the script says for this moment. `None` ends the connection, `false` is a refusal.
    async fn answer(&mut self, moment: Moment, usual: &str) -> Option<bool> {
        match self.shared.next(moment) {
            Behaviour::Usual | Behaviour::AcceptAndHangUp => {}
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
            "EHLO" | "HELO" => drop(self.answer(Moment::Ehlo, &self.abilities()).await?),
            "STARTTLS" if self.offers_encryption() => {
                self.say("220 go on").await?;
                self.encrypt().await?;
            }
            "AUTH" => drop(self.answer(Moment::Auth, "235 welcome").await?),
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
                    self.take_mail().await?;
                }
            }
            "RSET" => drop(self.answer(Moment::Rset, "250 ok").await?),
            "NOOP" => drop(self.answer(Moment::Noop, "250 ok").await?),
            "QUIT" => {
                self.answer(Moment::Quit, "221 bye").await?;
                return None;
            }
            _ => self.say("502 unknown").await?,
        }
        Some(())
    }

    fn offers_encryption(&self) -> bool {
        self.shared.encryption == Encryption::StartTls && !self.is_encrypted
    }

    fn abilities(&self) -> String {
        let starttls = if self.offers_encryption() { "250-STARTTLS\r\n" } else { "" };
        format!("250-catcher\r\n{starttls}250-8BITMIME\r\n250-AUTH PLAIN LOGIN\r\n250 SMTPUTF8")
    }

    async fn take_mail(&mut self) -> Option<()> {
        let mut raw = Vec::new();
        loop {
            let line = self.line().await?;
            if raw.is_empty() && matches!(self.shared.next(Moment::InMail), Behaviour::HangUp) {
                return None;
            }
            if line == b".\r\n" {
                break;
            }
            // RFC 5321, section 4.5.2: the sender doubles a dot at the beginning of a line.
            raw.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
        }
        canary::mail(&raw);
        let caught = Caught { from: self.from.clone(), to: self.to.clone(), raw, at: Instant::now() };
        match self.shared.next(Moment::FinalDot) {
            Behaviour::AcceptAndHangUp => {
                self.shared.mails().push(caught);
                return None;
            }
            Behaviour::HangUp => return None,
            Behaviour::Silence => std::future::pending().await,
            Behaviour::Reply(line) => return self.say(&line).await,
            Behaviour::Delay(delay) => tokio::time::sleep(delay).await,
            Behaviour::Usual => {}
        }
        self.shared.mails().push(caught);
        self.say("250 taken").await
    }
}

fn address(line: &str) -> String {
    let address = line.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
    address.map_or_else(String::new, |(address, _)| address.to_owned())
}
