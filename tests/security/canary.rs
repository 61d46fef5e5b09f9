//! Secrets stay secret: uses the whole service at the most verbose log level, then searches everything that it wrote.

use serde_json::{Value, json};

use crate::support::actor::cookie_value;
use crate::support::binary::Process;
use crate::support::canary;
use crate::support::database::{TestDatabase, fresh_dir};
use crate::support::http::Http;
use crate::support::smtp::SmtpCatcher;

const PASSWORD: &str = "canary-plum-orbit-kettle-1";
const GUESS: &str = "canary-wrong-guess-2";
const MALFORMED: &str = "canary-malformed-body-3";
const MISTYPED: &str = "canary-in-the-name-4";
const SMTP_PASSWORD: &str = "canary-smtp-password-5";
/// The argument of `AUTH PLAIN`: NUL, `mailer`, NUL, the password, in base64.
const SMTP_LINE: &str = "AG1haWxlcgBjYW5hcnktc210cC1wYXNzd29yZC01";
/// Names the modules that would log secrets, as an admin who searches for a fault might do.
const MOST_VERBOSE: &str =
    "trace,tokio_postgres::query=trace,tokio_postgres=trace,actix_http::h1=trace,actix_http::=trace";
const SECRET_KEY: &str = "Y2FuYXJ5LWNhbmFyeS1jYW5hcnktY2FuYXJ5LWNhbmFyeSE=";

/// Whether a text contains a secret, as it is or as a list of its bytes, which is how values of statements are logged.
fn shows(text: &str, secret: &str) -> bool {
    let bytes: Vec<String> = secret.bytes().map(|byte| byte.to_string()).collect();
    text.contains(secret) || text.contains(&bytes.join(", "))
}

/// The tokens of the links in the mails so far.
fn tokens(smtp: &SmtpCatcher) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    for mail in smtp.mails() {
        let message = mail_parser::MessageParser::default().parse(&mail.raw).unwrap();
        let text = message.body_text(0).unwrap().into_owned();
        let links = text.split_whitespace().filter_map(|word| word.split_once("/confirm/"));
        tokens.extend(links.map(|(_, token)| token.to_owned()));
    }
    tokens
}

/// Types a wrong code, and then that of the newest mail. Returns it as it stands there.
async fn use_code(http: &Http, smtp: &SmtpCatcher, registration: &Value) -> String {
    let mails = smtp.mails();
    let message = mail_parser::MessageParser::default().parse(&mails.last().unwrap().raw).unwrap();
    let is_code = |line: &&str| line.len() == 9 && vestibule::link::Code::parse(line).is_some();
    let code = message.body_text(0).unwrap().lines().find(is_code).unwrap().to_owned();
    let fields = |code: &str| json!({ "registration": registration, "code": code });
    post(http, "/confirm/code", &fields("0000 0000")).await.expect_problem(422, "code_invalid");
    post(http, "/confirm/code", &fields(&code)).await.expect(200);
    code
}

async fn post(http: &Http, path: &str, fields: &Value) -> crate::support::Answer {
    http.request("POST", path).json(fields).send().await
}

/// Signs in by cookie and by bearer token, uses both, and returns the two tokens.
async fn use_sessions(http: &Http) -> [String; 2] {
    let credentials = |transport: &str| json!({ "username": "ada", "password": PASSWORD, "transport": transport });
    let cookie = cookie_value(&post(http, "/login", &credentials("cookie")).await.expect(200), "vestibule_session");
    let bearer = post(http, "/login", &credentials("bearer")).await.expect(200).json();
    let bearer = bearer["session"]["token"].as_str().unwrap().to_owned();
    for path in ["/me", "/sessions", &format!("/me?token={bearer}"), &format!("/{cookie}")] {
        http.request("GET", path).header("Cookie", format!("a=b; vestibule_session={cookie}")).send().await;
        http.request("GET", path).header("Authorization", format!("Bearer {bearer}")).send().await;
    }
    http.request("POST", "/resend").header("Authorization", format!("Bearer {bearer}")).send().await.expect(202);
    http.request("GET", "/me")
        .header("Cookie", format!("vestibule_session={cookie}; vestibule_session={bearer}x"))
        .send()
        .await;
    http.request("POST", "/logout").header("Cookie", format!("vestibule_session={cookie}")).send().await.expect(204);
    [cookie, bearer]
}

/// Gets the access tokens of a confirmed user, shows one to the service, and returns them.
async fn use_access_tokens(http: &Http) -> [String; 2] {
    let credentials = json!({ "username": "ada", "password": PASSWORD, "transport": "bearer" });
    let login = post(http, "/login", &credentials).await.expect(200).json();
    let bearer = |token: &Value| format!("Bearer {}", token.as_str().unwrap());
    let session = bearer(&login["session"]["token"]);
    let issued = http.request("POST", "/token").header("Authorization", &session).send().await.expect(200).json();
    http.request("GET", "/me").header("Authorization", bearer(&issued["access_token"])).send().await.expect(401);
    let passed = http.request("GET", "/verify?fresh=1h").header("Authorization", &session).send().await.expect(200);
    [issued["access_token"].as_str().unwrap().to_owned(), passed.header("x-auth-token").unwrap().to_owned()]
}

/// Sends requests that fail and contain passwords.
async fn fail_in_many_ways(http: &Http) {
    for fields in [
        json!({ "email": "ada@example.com", "password": GUESS }),
        json!({ "username": MISTYPED, "password": GUESS }),
        json!({ "email": MISTYPED, "password": GUESS }),
        json!({ "email": format!("{MISTYPED}@example.com"), "password": GUESS }),
        json!({ "password": [GUESS], GUESS: GUESS }),
    ] {
        post(http, "/login", &fields).await;
    }
    for body in [
        format!("{{\"email\":\"ada@example.com\",\"password\":\"{MALFORMED}\""),
        format!("{{\"password\":\"{MALFORMED}\"}} {MALFORMED}"),
        format!("[\"{MALFORMED}\"]"),
        format!("password={MALFORMED}"),
    ] {
        for content_type in ["application/json", "application/x-www-form-urlencoded"] {
            let request = http.request("POST", "/register").header("Content-Type", content_type).body(body.clone());
            request.send().await;
        }
    }
}

#[tokio::test]
async fn no_secret_is_in_any_log_or_table_or_page() {
    let (database, smtp) = (TestDatabase::migrated(), SmtpCatcher::start().await);
    let smtp_url = smtp.url.replace("smtp://", &format!("smtp://mailer:{SMTP_PASSWORD}@"));
    let variables = [
        ("DATABASE_URL", database.url.as_str()),
        ("SMTP_URL", &smtp_url),
        ("SECRET_KEY", SECRET_KEY),
        ("RUST_LOG", MOST_VERBOSE),
        ("RATE_LIMITS", "off"),
    ];
    let process = Process::start(&fresh_dir("data"), &variables);
    let http = process.ready().await;
    let registration = json!({ "email": "ada@example.com", "username": "ada", "password": PASSWORD });
    let registered = post(&http, "/register", &registration).await.expect(202).json();
    smtp.wait_for(1).await;
    fail_in_many_ways(&http).await;
    let mut secrets = use_sessions(&http).await.to_vec();
    secrets.push(registered["registration"].as_str().unwrap().to_owned());
    smtp.wait_for(2).await;
    let links = tokens(&smtp);
    assert_eq!(links.len(), 2, "the text of each mail has its link once");
    let link = format!("/confirm/{}", links[0]);
    for (method, path) in [("PUT", link.clone()), ("GET", format!("{link}/more")), ("GET", format!("{link}x"))] {
        http.request(method, &path).send().await;
    }
    http.request("GET", &link).by_browser().send().await.expect(200);
    secrets.push(use_code(&http, &smtp, &registered["registration"]).await);
    post(&http, &link, &json!({ "registration": registered["registration"] })).await.expect(200);
    secrets.extend(use_sessions(&http).await);
    secrets.extend(use_access_tokens(&http).await);
    secrets.extend(links);
    secrets.extend([PASSWORD, GUESS, MALFORMED, SMTP_PASSWORD, SMTP_LINE, SECRET_KEY].map(ToOwned::to_owned));
    assert!(smtp.commands().iter().any(|line| line.contains(SMTP_LINE)), "{:?}", smtp.commands());

    let mut written = vec![("the log", process.log()), ("the database", canary::dump(&database.url).await.unwrap())];
    for code in ["invalid_credentials", "internal", "unavailable"] {
        written.push(("a page", http.request("GET", &format!("/problems/{code}")).send().await.text()));
    }
    assert!(written[0].1.contains("GET /confirm/{token} 200") && written[0].1.contains("TRACE"), "{}", written[0].1);
    assert!(written[1].1.contains("ada@example.com") && written[1].1.contains("sessions: "), "{}", written[1].1);
    for (source, text) in &written {
        for secret in &secrets {
            let lines: Vec<&str> = text.lines().filter(|line| shows(line, secret)).collect();
            assert!(lines.is_empty(), "{secret} is in {source}: {lines:#?}");
        }
    }
    // A hash in a stolen log could be attacked with a dictionary.
    for hash in database.rows("select password_hash from users").await {
        assert!(!shows(&written[0].1, hash[0].as_deref().unwrap()));
    }
    // People sometimes type the password into the field of the name.
    assert!(!shows(&written[0].1, MISTYPED) && !written[1].1.contains(MISTYPED));
}
