//! Raw TCP, for bytes that no HTTP client sends.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::BOUND;
use super::app::TestApp;

/// Sends bytes as they are, and reads until the service closes the connection or is silent for [`BOUND`].
pub async fn exchange(app: &TestApp, bytes: &[u8]) -> String {
    let address = app.http.base.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(BOUND, stream.read_to_end(&mut answer)).await;
    String::from_utf8_lossy(&answer).into_owned()
}

/// Sends a request with these header lines and this body, on its own connection.
pub async fn request(app: &TestApp, line: &str, headers: &[&str], body: &[u8]) -> String {
    let mut bytes = format!("{line} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n").into_bytes();
    for header in headers {
        bytes.extend_from_slice(header.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(body);
    exchange(app, &bytes).await
}
