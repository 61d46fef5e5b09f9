//! A cheap client, for load on the machine that is measured: one connection, fixed requests, as little parsing as
//! possible.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{Actor, TestApp};

pub(crate) struct Connection {
    stream: TcpStream,
    answer: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(address: &str) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, answer: Vec::with_capacity(4096) }
    }

    /// Sends a request and reads its whole answer, which must be a 200.
    pub(crate) async fn ask(&mut self, request: &[u8]) {
        self.stream.write_all(request).await.unwrap();
        self.answer.clear();
        while !is_complete(&self.answer) {
            assert_ne!(self.stream.read_buf(&mut self.answer).await.unwrap(), 0, "the connection was closed");
        }
        assert!(self.answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&self.answer));
    }
}

fn is_complete(answer: &[u8]) -> bool {
    let find = |what: &[u8]| answer.windows(what.len()).position(|window| window == what);
    let Some(head) = find(b"\r\n\r\n") else { return false };
    let at = find(b"content-length: ").expect("a length") + b"content-length: ".len();
    let digits = answer[at..].iter().take_while(|byte| byte.is_ascii_digit());
    let length = digits.fold(0, |length, digit| length * 10 + usize::from(digit - b'0'));
    answer.len() >= head + 4 + length
}

pub(crate) fn address(app: &TestApp) -> String {
    app.http.base.trim_start_matches("http://").to_owned()
}

pub(crate) fn get_me(actor: &Actor) -> Vec<u8> {
    format!("GET /me HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\n\r\n", actor.token()).into_bytes()
}

pub(crate) fn sign_in(actor: &Actor) -> Vec<u8> {
    let body = json!({ "email": actor.email, "password": actor.password }).to_string();
    let head = "POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length:";
    format!("{head} {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// Each request again and again on a connection of its own, for so long. Returns how long each answer took.
///
/// All on one thread beside the service, which has threads of its own.
pub(crate) async fn repeat(address: &str, requests: Vec<Vec<u8>>, long: Duration) -> Vec<Duration> {
    let address = address.to_owned();
    let (done, result) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let clients = requests.into_iter().map(|request| one_client(&address, request, long));
        let times = runtime.block_on(futures_util::future::join_all(clients)).concat();
        done.send(times).unwrap();
    });
    result.await.unwrap()
}

async fn one_client(address: &str, request: Vec<u8>, long: Duration) -> Vec<Duration> {
    let mut connection = Connection::open(address).await;
    let until = Instant::now() + long;
    let mut times = Vec::new();
    while Instant::now() < until {
        let began = Instant::now();
        connection.ask(&request).await;
        times.push(began.elapsed());
    }
    times
}
