//! Slow, large and hostile requests: they are cut off or refused, deceive no one, and do not affect other clients.

use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{TestApp, raw};

async fn connect(app: &TestApp) -> TcpStream {
    TcpStream::connect(app.http.base.trim_start_matches("http://")).await.unwrap()
}

/// Sends one byte every 100 ms until the service closes the connection, and returns the answer.
async fn dribble(app: &TestApp, head: &str, rest: &str, bound: Duration) -> String {
    let (mut reader, mut writer) = connect(app).await.into_split();
    writer.write_all(head.as_bytes()).await.unwrap();
    let rest = rest.to_owned();
    let dribbling = tokio::spawn(async move {
        for byte in rest.bytes().cycle() {
            tokio::time::sleep(Duration::from_millis(100)).await;
            if writer.write_all(&[byte]).await.is_err() {
                return;
            }
        }
    });
    let mut answer = Vec::new();
    let end = tokio::time::timeout(bound, reader.read_to_end(&mut answer)).await;
    dribbling.abort();
    assert!(end.is_ok(), "still taking bytes after {bound:?}");
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn a_body_sent_byte_by_byte_is_cut_off() {
    let app = TestApp::start().await;
    let head = "POST /login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 16000\r\n\r\n{";
    let bound = Duration::from_secs(20);
    let visitor = app.visitor();
    let (answer, live) = tokio::join!(dribble(&app, head, " ", bound), visitor.get("/health/live"));
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("request_timeout"), "{answer}");
    live.expect(200);
}

#[tokio::test]
async fn headers_sent_byte_by_byte_are_cut_off() {
    let app = TestApp::start().await;
    let answer = dribble(&app, "GET /me HTTP/1.1\r\nX: ", "a", Duration::from_secs(12)).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408 "), "{answer}");
}

#[tokio::test]
async fn a_chunked_body_has_the_same_limits() {
    let app = TestApp::start().await;
    let headers = ["Content-Type: application/json", "Transfer-Encoding: chunked"];
    let chunked = |length: usize| {
        let object = format!("{{{}}}", " ".repeat(length - 2));
        let chunks: String = object
            .as_bytes()
            .chunks(1000)
            .map(|chunk| format!("{:x}\r\n{}\r\n", chunk.len(), std::str::from_utf8(chunk).unwrap()))
            .collect();
        format!("{chunks}0\r\n\r\n")
    };
    for (length, status) in [(16 * 1024, 422), (16 * 1024 + 1, 413), (200_000, 413)] {
        let answer = raw::request(&app, "POST /register", &headers, chunked(length).as_bytes()).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{length}: {answer}");
    }
    let endless = raw::request(&app, "POST /register", &headers, "fffffff\r\n".as_bytes());
    let cut = tokio::time::timeout(Duration::from_secs(20), endless).await.unwrap();
    assert!(cut.is_empty() || cut.starts_with("HTTP/1.1 4"), "{cut}");
}

#[tokio::test]
async fn unsupported_methods_are_refused() {
    let app = TestApp::start().await;
    for method in ["TRACE", "CONNECT", "PROPFIND", "BREW", "get", "QUERY", "PRI"] {
        for path in ["/me", "/login", "/"] {
            let answer = raw::request(&app, &format!("{method} {path}"), &["X-Secret: hunter2"], b"").await;
            assert!(answer.starts_with("HTTP/1.1 4"), "{method} {path}: {answer}");
            assert!(!answer.contains("hunter2"), "{method} {path}: {answer}");
        }
    }
}

#[tokio::test]
async fn large_heads_are_refused_and_paths_are_not_normalised() {
    let app = TestApp::start().await;
    let long = "a".repeat(100 * 1024);
    for path in [
        format!("/{long}"),
        format!("/confirm/{long}"),
        format!("/confirm/x?{long}"),
        format!("/{}", "a/".repeat(30_000)),
    ] {
        let answer = raw::request(&app, &format!("GET {path}"), &[], b"").await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{}", &answer[..answer.len().min(500)]);
    }
    let many: Vec<String> = (0..100).map(|number| format!("X-{number}: y")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let answer = raw::request(&app, "GET /health/live", &many, b"").await;
    assert!(answer.starts_with("HTTP/1.1 "), "{answer}");
    let large = format!("Cookie: session={long}");
    let answer = raw::request(&app, "GET /me", &[&large], b"").await;
    assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
    for path in [
        "/docs/../me",
        "/docs/..%2f..%2fCargo.toml",
        "/docs/%2e%2e/%2e%2e/etc/passwd",
        "/dev/mailbox/..%2f..%2fsecret.key",
        "/confirm/%00",
        "/problems/%ff",
        "//me",
        "/me/",
    ] {
        let answer = raw::request(&app, &format!("GET {path}"), &[], b"").await;
        assert!(answer.starts_with("HTTP/1.1 4"), "{path}: {answer}");
    }
    app.visitor().get("/health/live").await.expect(200);
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let app = TestApp::start().await;
    let three = "GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n\
                 POST /logout HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}\
                 GET /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let answers = raw::exchange(&app, three.as_bytes()).await;
    let statuses: Vec<&str> = answers.match_indices("HTTP/1.1 ").map(|(at, _)| &answers[at + 9..at + 12]).collect();
    assert_eq!(statuses, ["200", "204", "404"], "{answers}");
}

#[tokio::test]
async fn a_request_cannot_be_smuggled_into_another() {
    let app = TestApp::start().await;
    let smuggled = "GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let both = |te: &str| format!("Content-Length: 5\r\nTransfer-Encoding: {te}");
    let framings = [
        both("chunked"),
        both("chunked, identity"),
        both("identity, chunked"),
        both("xchunked"),
        both(" \tchunked"),
        "Content-Length: 5\r\nContent-Length: 6".to_owned(),
        "Content-Length: 5, 6".to_owned(),
        "Content-Length: +5".to_owned(),
        "Content-Length: -1".to_owned(),
        "Content-Length: 0x5".to_owned(),
        "Transfer-Encoding: xchunked".to_owned(),
        "Transfer-Encoding : chunked".to_owned(),
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity".to_owned(),
    ];
    let tries = framings.iter().map(async |framing| {
        let head = format!("POST /logout HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{framing}");
        let answer = raw::exchange(&app, format!("{head}\r\n\r\n0\r\n\r\n{smuggled}").as_bytes()).await;
        assert!(!answer.contains("\"status\":\"ok\""), "{framing}: {answer}");
    });
    futures_util::future::join_all(tries).await;
}

#[tokio::test]
async fn http_1_0_is_answered_and_the_connection_closed() {
    let app = TestApp::start().await;
    let answer = raw::exchange(&app, b"GET /health/live HTTP/1.0\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.0 200 ") || answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[tokio::test]
async fn no_header_chooses_the_host_of_a_link() {
    let app = TestApp::start().await;
    let fields = json!({ "email": "ada@example.com", "password": "plum-orbit-kettle-42" }).to_string();
    let length = format!("Content-Length: {}", fields.len());
    let lies = [
        "X-Forwarded-Host: evil.example",
        "X-Forwarded-Proto: https",
        "X-Forwarded-Server: evil.example",
        "X-Original-URL: http://evil.example/",
        "X-Host: evil.example",
        "Forwarded: host=evil.example;proto=https",
        "Content-Type: application/json",
        &length,
    ];
    let head = format!(
        "POST http://evil.example/register HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n{}\r\n\r\n",
        lies.join("\r\n")
    );
    let answer = raw::exchange(&app, format!("{head}{fields}").as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 202 ") && !answer.contains("evil"), "{answer}");
    let mail = app.mailbox.mail_to("ada@example.com").await;
    assert!(mail.link().starts_with(&format!("{}/confirm/", app.http.base)), "{}", mail.link());
    assert!(!mail.text.contains("evil") && !mail.html.contains("evil"), "{}", mail.text);
    let problem = app.visitor().request("GET", "/me").header("Host", "evil.example").send().await.expect(401);
    assert!(!problem.text().contains("evil"), "{}", problem.text());
    let root = app.visitor().request("GET", "/").header("Host", "evil.example").send().await.expect(307);
    assert_eq!(root.header("location"), Some("/docs/"));
}

#[tokio::test]
async fn a_body_announced_as_too_large_is_refused_before_it_is_sent() {
    let app = TestApp::start().await;
    let ask = async |length: usize| {
        let length = format!("Content-Length: {length}");
        let headers = [length.as_str(), "Content-Type: application/json", "Expect: 100-continue"];
        raw::request(&app, "POST /register", &headers, b"").await
    };
    let refused = ask(16 * 1024 + 1).await;
    assert!(refused.starts_with("HTTP/1.1 413 ") && refused.contains("\"payload_too_large\""), "{refused}");
    for header in ["x-request-id: ", "x-content-type-options: nosniff", "content-type: application/problem+json"] {
        assert!(refused.to_lowercase().contains(header), "{header}: {refused}");
    }
    let invited = ask(16 * 1024).await;
    assert!(invited.starts_with("HTTP/1.1 100 Continue\r\n"), "{invited}");
}
