//! Errors that the framework finds: each is a problem document that names the error and never repeats a value from the
//! request.

use serde_json::{Value, json};

use crate::support::{Answer, TestApp, contract, raw};

const SECRET: &str = "hunter2-plum-orbit";

async fn send_body(app: &TestApp, path: &str, body: &[u8]) -> Answer {
    let request = app.visitor().request("POST", path).header("Content-Type", "application/json").body(body);
    let answer = request.send().await;
    assert!(!answer.text().contains(SECRET), "{}", answer.text());
    answer
}

#[tokio::test]
async fn an_unknown_path_is_not_found() {
    let app = TestApp::start().await;
    for path in ["/nothing", "/registe", "/register/", "//register", "/me/me", "/%00", "/confirm/a/b", "/health"] {
        app.visitor().get(path).await.expect_problem(404, "not_found");
        app.visitor().post(path).await.expect_problem(404, "not_found");
    }
    app.visitor().request("BREW", "/nothing").send().await.expect_problem(404, "not_found");
    app.visitor().request("GET", "/nothing").by_browser().send().await.expect_problem(404, "not_found");
}

#[tokio::test]
async fn a_wrong_method_gets_the_allowed_ones() {
    let app = TestApp::start().await;
    let cases = [
        ("/register", "GET", "POST"),
        ("/register", "HEAD", "POST"),
        ("/login", "PUT", "POST"),
        ("/me", "POST", "GET, PATCH, DELETE, HEAD"),
        ("/confirm/x", "DELETE", "GET, POST, HEAD"),
        ("/confirm/code", "GET", "POST"),
        ("/dev/mailbox", "POST", "GET, DELETE, HEAD"),
        ("/health/live", "BREW", "GET, HEAD"),
        ("/docs/", "OPTIONS", "GET, HEAD"),
    ];
    for (path, method, allowed) in cases {
        let answer = app.visitor().request(method, path).send().await.expect(405);
        assert_eq!(answer.header("allow"), Some(allowed), "{method} {path}");
    }
}

#[tokio::test]
async fn head_is_answered_like_get_without_a_body() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    for operation in contract::operations().iter().filter(|operation| operation.method == "GET") {
        let path = operation.sample_path();
        let get = ada.get(&path).await;
        let head = ada.request("HEAD", &path).send().await.expect(get.status);
        assert!(head.body.is_empty());
        assert_eq!(head.content_type(), get.content_type(), "{path}");
    }
}

#[tokio::test]
async fn a_body_has_at_most_16_kib() {
    let app = TestApp::start().await;
    let padded = |length: usize| format!("{{{}}}", " ".repeat(length - 2));
    for path in ["/register", "/login", "/resend"] {
        send_body(&app, path, padded(16 * 1024).as_bytes()).await.expect_problem(422, "validation_failed");
        send_body(&app, path, padded(16 * 1024 + 1).as_bytes()).await.expect_problem(413, "payload_too_large");
    }
    let headers = ["Content-Type: application/json", "Content-Length: 99999999999"];
    let answer = raw::request(&app, "POST /register", &headers, &[b' '; 17_000]).await;
    assert!(answer.starts_with("HTTP/1.1 413") && answer.contains("payload_too_large"), "{answer}");
}

#[tokio::test]
async fn a_body_must_be_json_and_have_its_content_type() {
    let app = TestApp::start().await;
    let fields = json!({ "email": "ada@example.com", "password": SECRET }).to_string();
    for path in ["/register", "/login", "/resend"] {
        let post = || app.visitor().request("POST", path).body(fields.clone());
        post().send().await.expect_problem(415, "unsupported_media_type");
        let types =
            ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "json", "*/*"]
                .into_iter()
                .chain(["application/json; charset=utf-16", "application/json;charset=\"iso-8859-1\""]);
        for content_type in types {
            let answer = post().header("Content-Type", content_type).send().await;
            answer.expect_problem(415, "unsupported_media_type");
        }
        for encoding in ["gzip", "br", "deflate", "zstd", "nonsense"] {
            let request = post().header("Content-Type", "application/json").header("Content-Encoding", encoding);
            request.send().await.expect_problem(415, "unsupported_media_type");
        }
    }
    assert_eq!(app.database.number("select count(*) from users").await, 0);
    let post = app.visitor().request("POST", "/register").body(fields);
    post.header("Content-Type", "APPLICATION/JSON ; charset=utf-8").send().await.expect(202);
}

#[tokio::test]
async fn anything_but_one_json_object_is_refused_without_an_echo() {
    let app = TestApp::start().await;
    let object = format!("{{\"email\":\"ada@example.com\",\"password\":\"{SECRET}\"}}");
    let mut bodies: Vec<Vec<u8>> = [
        "",
        " ",
        "null",
        "true",
        "1",
        "[]",
        "\"x\"",
        "{",
        "nonsense",
        &format!("\"{SECRET}\""),
        &format!("[\"ada@example.com\",\"{SECRET}\"]"),
        &format!("[{object}]"),
        &format!("{object}{object}"),
        &format!("{object} {SECRET}"),
        &format!("{{\"password\":\"{SECRET}\" \"x\"}}"),
        &format!("{{\"password\":{SECRET}}}"),
        &format!("{{'password':'{SECRET}'}}"),
        &format!("{{\"email\":\"\\ud800\",\"password\":\"{SECRET}\"}}"),
        &format!("{{\"email\":\"\\udc00\\ud800\",\"password\":\"{SECRET}\"}}"),
        &format!("{{\"email\":\"a\u{1}\",\"password\":\"{SECRET}\"}}"),
        &format!("\u{feff}{object}"),
        &"[".repeat(10_000),
        &format!("{{\"a\":{}", "{\"a\":".repeat(2_000)),
    ]
    .iter()
    .map(|text| text.as_bytes().to_vec())
    .collect();
    bodies.push([b"{\"password\":\"", SECRET.as_bytes(), b"\xff\"}"].concat());
    bodies.push([b"{\"password\":\"\xc0\xaf", SECRET.as_bytes(), b"\"}"].concat());
    bodies.push(object.encode_utf16().flat_map(u16::to_le_bytes).collect());
    for path in ["/register", "/login", "/resend"] {
        for body in &bodies {
            send_body(&app, path, body).await.expect_problem(400, "invalid_json");
        }
    }
    assert_eq!(app.database.number("select count(*) from users").await, 0);
}

#[tokio::test]
async fn errors_in_fields_do_not_repeat_values() {
    let app = TestApp::start().await;
    let cases: [(String, &[(&str, &str)]); 5] = [
        (
            format!("{{\"email\":\"a@x.org\",\"password\":\"{SECRET}\",\"password\":\"{SECRET}\"}}"),
            &[("/password", "duplicate_field")],
        ),
        (
            format!("{{\"email\":\"a@x.org\",\"email\":\"b@x.org\",\"password\":[\"{SECRET}\"]}}"),
            &[("/email", "duplicate_field"), ("/password", "wrong_type")],
        ),
        (
            format!("{{\"email\":\"{SECRET}\",\"password\":{{\"{SECRET}\":1}}}}"),
            &[("/email", "malformed"), ("/password", "wrong_type")],
        ),
        (
            format!(
                "{{\"email\":\"a@x.org\\u0000\",\"password\":\"{SECRET}\\u0000\",\"username\":\"{SECRET}\\u0000\"}}"
            ),
            &[("/email", "malformed"), ("/password", "control_character"), ("/username", "wrong_character")],
        ),
        (
            format!("{{\"email\":1e999,\"password\":\"{SECRET}\"}}").replace("1e999", "-0.5"),
            &[("/email", "wrong_type")],
        ),
    ];
    for (body, expected) in cases {
        send_body(&app, "/register", body.as_bytes()).await.expect_errors(expected);
    }
    let huge = format!("{{\"email\":1e999,\"password\":\"{SECRET}\"}}");
    send_body(&app, "/register", huge.as_bytes()).await.expect_problem(400, "invalid_json");
    assert_eq!(app.database.number("select count(*) from users").await, 0);
}

#[tokio::test]
async fn a_harmless_request_id_is_kept_and_any_other_is_replaced() {
    let app = TestApp::start().await;
    let ask = async |id: &[u8]| {
        let answer = app.visitor().request("GET", "/me").header("X-Request-Id", id).send().await.expect(401);
        answer.header("x-request-id").unwrap().to_owned()
    };
    for id in ["a", "A-Z_a.z-0", &"x".repeat(64)] {
        assert_eq!(ask(id.as_bytes()).await, id);
    }
    let long = "x".repeat(65);
    for id in [&b""[..], long.as_bytes(), b"a b", b"a/b", b"<b>", b"a,b", "\u{e9}".as_bytes(), b"\xff"] {
        let made = ask(id).await;
        assert_eq!(made.parse::<uuid::Uuid>().unwrap().get_version_num(), 7);
    }
    let live = app.visitor().get("/health/live").await.expect(200);
    assert!(live.header("x-request-id").is_some());
}

#[tokio::test]
async fn every_answer_has_security_headers() {
    let app = TestApp::start().await;
    for path in ["/me", "/nothing", "/health/live", "/openapi.json", "/docs/", "/confirm/x", "/dev/mailbox"] {
        let answer = app.visitor().get(path).await;
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"), "{path}");
        assert_eq!(answer.header("cross-origin-resource-policy"), Some("same-origin"), "{path}");
        assert!(answer.header("content-security-policy").unwrap().contains("default-src 'none'"), "{path}");
        assert!(answer.header("content-security-policy").unwrap().contains("frame-ancestors 'none'"), "{path}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}");
        assert_eq!(answer.header("strict-transport-security"), None, "{path}: not without https");
        assert_eq!(answer.header("server"), None, "{path}");
    }
}

#[tokio::test]
async fn malformed_http_does_no_harm() {
    let app = TestApp::start().await;
    let requests: [&[u8]; 6] = [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /register HTTP/1.1\r\nHost: x\r\nContent-Length: nonsense\r\n\r\n",
        b"POST /register HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET /me HTTP/1.1\r\nHost: x\r\nX-Request-Id: a\r\n\tb\r\nConnection: close\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ];
    for bytes in requests {
        let answer = raw::exchange(&app, bytes).await;
        assert!(!answer.starts_with("HTTP/1.1 2") && !answer.starts_with("HTTP/1.1 5"), "{answer}");
    }
    let live: Value = app.visitor().get("/health/live").await.expect(200).json();
    assert_eq!(live["status"], "ok");
}

#[tokio::test]
async fn a_truncated_body_has_no_effect() {
    let app = TestApp::start().await;
    let fields = json!({ "email": "ada@example.com", "password": SECRET }).to_string();
    let head = format!(
        "POST /register HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        fields.len() + 1
    );
    use tokio::io::AsyncWriteExt as _;
    let address = app.http.base.trim_start_matches("http://");
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.write_all(format!("{head}{fields}").as_bytes()).await.unwrap();
    drop(stream);
    app.visitor().get("/health/ready").await.expect(200);
    assert!(app.mailbox.is_empty().await);
    assert_eq!(app.database.number("select count(*) from users").await, 0);
}

#[tokio::test]
async fn a_small_body_does_not_get_a_huge_answer() {
    let app = TestApp::start().await;
    let fields: Vec<String> = (0..1600).map(|number| format!("\"{number:x}\":0")).collect();
    let body = format!("{{{}}}", fields.join(","));
    let post = app.visitor().request("POST", "/login").header("Content-Type", "application/json");
    let answer = post.body(body.clone()).send().await.expect_problem(422, "validation_failed");
    assert!(answer.text().len() < body.len(), "{} bytes for {}", answer.text().len(), body.len());
}
