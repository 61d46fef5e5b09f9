//! HTTPS servers for a browser that accepts any certificate: a service behind TLS, and a folder of static files. They run
//! until the test ends.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::server::TlsStream;

use super::tls::acceptor;

type Stream = TlsStream<TcpStream>;

/// A port of 127.0.0.1 that does not answer yet: the settings of a service need its address.
pub struct Https {
    listener: TcpListener,
}

/// Static files.
pub struct Site {
    pub folder: PathBuf,
    /// The `Content-Security-Policy` of every answer.
    pub policy: String,
    /// What is replaced in HTML, and by what.
    pub replaced: (&'static str, String),
}

impl Https {
    pub async fn bind() -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").await.unwrap() }
    }

    /// The origin under a name that the browser maps to 127.0.0.1.
    pub fn origin(&self, host: &str) -> String {
        format!("https://{host}:{}", self.listener.local_addr().unwrap().port())
    }

    /// Passes everything on to an address, without TLS.
    pub fn forward(self, address: String) {
        self.serve(move |mut stream| {
            let address = address.clone();
            async move {
                let mut upstream = TcpStream::connect(address).await?;
                copy_bidirectional(&mut stream, &mut upstream).await.map(drop)
            }
        });
    }

    /// Answers with static files.
    pub fn publish(self, site: Site) {
        let site = Arc::new(site);
        self.serve(move |stream| {
            let site = Arc::clone(&site);
            async move { site.answer(stream).await }
        });
    }

    fn serve<F>(self, talk: impl Fn(Stream) -> F + Send + 'static)
    where
        F: Future<Output = std::io::Result<()>> + Send + 'static,
    {
        tokio::spawn(async move {
            while let Ok((stream, _)) = self.listener.accept().await {
                // A browser gives up connections whenever it likes.
                if let Ok(stream) = acceptor().accept(stream).await {
                    tokio::spawn(talk(stream));
                }
            }
        });
    }
}

impl Site {
    async fn answer(&self, stream: Stream) -> std::io::Result<()> {
        let mut stream = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if stream.read_line(&mut head).await? == 0 {
                return Ok(());
            }
        }
        let (status, kind, body) = self.file(head.split_whitespace().nth(1).unwrap_or_default());
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nContent-Security-Policy: {}\r\n\
             X-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n",
            body.len(),
            self.policy
        );
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(&body).await?;
        stream.shutdown().await
    }

    fn file(&self, path: &str) -> (&'static str, &'static str, Vec<u8>) {
        let name = if path == "/" { "index.html" } else { path.trim_start_matches('/') };
        let kind = match name.rsplit_once('.') {
            Some((_, "html")) => "text/html; charset=utf-8",
            Some((_, "css")) => "text/css",
            Some((_, "js")) => "text/javascript",
            Some((_, "svg")) => "image/svg+xml",
            _ => return ("404 Not Found", "text/plain", Vec::new()),
        };
        match std::fs::read_to_string(self.folder.join(name)) {
            Ok(text) if kind.starts_with("text/html") => {
                let (old, new) = &self.replaced;
                assert!(text.contains(old), "{name} lacks {old}");
                ("200 OK", kind, text.replace(old, new).into_bytes())
            }
            Ok(text) => ("200 OK", kind, text.into_bytes()),
            Err(_) => ("404 Not Found", "text/plain", Vec::new()),
        }
    }
}
