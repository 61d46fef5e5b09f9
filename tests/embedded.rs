//! The service inside of another actix-web application: its routes under the path of `PUBLIC_URL`, its guard in the
//! application's own handlers, and nothing else of it anywhere.

use std::net::TcpListener;

use actix_web::cookie::Cookie;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use serde_json::json;
use vestibule::{Confirmed, Secret, Settings, SignedIn, StartError, Switch, Vestibule};

use crate::readme::read;
use crate::support::actor::cookie_value;
use crate::support::answer::Answer;
use crate::support::binary::Process;
use crate::support::database::{TestDatabase, fresh_dir};
use crate::support::http::{Http, Request};
use crate::support::{eventually, password_of};

/// What the service adds to each of its own answers.
const OURS: [&str; 4] = ["x-request-id", "content-security-policy", "x-content-type-options", "x-frame-options"];

/// Asserts that an answer of the application has nothing of the service in it.
#[track_caller]
fn assert_untouched(answer: &Answer) {
    for name in OURS {
        assert_eq!(answer.header(name), None, "{}", answer.request);
    }
}

#[test]
fn the_guide_shows_the_example() {
    let (example, guide) = (read("examples/embedded.rs"), read("docs/guides/embedding.md"));
    assert!(guide.contains(&format!("```rust\n{example}```\n")), "docs/guides/embedding.md differs from the example");
    assert!(example.lines().count() < 60);
}

/// Registers and signs in; returns the session cookie.
async fn sign_up(auth: &Http, email: &str) -> String {
    let fields = json!({ "email": email, "password": password_of(email) });
    auth.request("POST", "/register").json(&fields).send().await.expect(202);
    let answer = auth.request("POST", "/login").json(&fields).send().await.expect(200);
    format!("vestibule_session={}", cookie_value(&answer, "vestibule_session"))
}

/// The link in the newest mail.
async fn link(auth: &Http) -> String {
    eventually("a mail comes", async || {
        let mails = auth.request("GET", "/dev/mailbox").send().await.expect(200).json();
        mails["mails"][0]["links"][0].as_str().map(ToOwned::to_owned)
    })
    .await
}

async fn confirm(auth: &Http, email: &str) {
    let link = link(auth).await;
    let path = link.strip_prefix(&auth.base).unwrap_or_else(|| panic!("{link} is not under {}", auth.base));
    let proof = json!({ "password": password_of(email) });
    auth.request("POST", path).json(&proof).send().await.expect(200);
}

#[tokio::test]
async fn the_example_protects_its_own_handlers() {
    let dir = fresh_dir("data");
    let database = TestDatabase::empty();
    let process = Process::start_example("embedded", &dir, &[("DATABASE_URL", &database.url)]);
    let base = process.url_after("listening on").await;
    let (host, auth) = (Http::foreign(base.clone()), Process::until_ready(Http::new(format!("{base}/auth"))).await);

    for (path, status) in [("/", 200), ("/nothing", 404), ("/register", 404), ("/authx", 404)] {
        assert_untouched(&host.request("GET", path).send().await.expect(status));
    }
    auth.request("GET", "/nothing").send().await.expect_problem(404, "not_found");
    let answer = host.request("GET", "/notes").send().await.expect_problem(401, "unauthenticated");
    assert_eq!(answer.json()["type"], format!("{base}/auth/problems/unauthenticated"));
    assert_eq!(answer.json()["request_id"].as_str(), answer.header("x-request-id"));
    assert_eq!(answer.header("www-authenticate"), Some("Bearer"));

    let cookie = sign_up(&auth, "ada@example.com").await;
    let get = |path| host.request("GET", path).header("Cookie", &cookie).send();
    get("/notes").await.expect_problem(403, "unconfirmed");
    assert_eq!(get("/profile").await.expect(200).text(), "You are ada@example.com, confirmed: false");
    confirm(&auth, "ada@example.com").await;
    let notes = get("/notes").await.expect(200);
    assert_eq!(notes.text(), "The notes of ada@example.com");
    assert_eq!(notes.header("cache-control"), Some("no-store"));
    assert_untouched(&notes);

    let post = |name: &str, value: &str| host.request("POST", "/notes").header(name, value);
    let foreign = |request: Request| request.header("Origin", "https://evil.example").send();
    foreign(post("Cookie", &cookie)).await.expect_problem(403, "cross_origin");
    post("Cookie", &cookie).header("Origin", &base).send().await.expect(200);
    let token = cookie.split_once('=').unwrap().1;
    foreign(post("Authorization", &format!("Bearer {token}"))).await.expect(200);

    auth.request("POST", "/logout").header("Cookie", &cookie).send().await.expect(204);
    get("/notes").await.expect_problem(401, "unauthenticated");
    auth.request("GET", "/docs/").send().await.expect(200);
}

async fn theme(_: SignedIn, request: HttpRequest) -> HttpResponse {
    let theme = request.cookie("theme").map(|cookie| cookie.value().to_owned());
    let seen = Cookie::build("seen", "yes").path("/").finish();
    HttpResponse::Ok().insert_header(("Cache-Control", "private")).cookie(seen).body(theme.unwrap_or_default())
}

async fn teapot(_: SignedIn) -> Result<&'static str, actix_web::Error> {
    Err(actix_web::error::ErrorImATeapot("short and stout"))
}

async fn unwrapped(_: Confirmed) -> &'static str {
    "nobody gets here"
}

/// An application of its own around the service, on its own thread.
async fn application(database: &TestDatabase) -> (Http, Http) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let settings = Settings {
        public_url: Some(format!("{base}/auth").parse().unwrap()),
        database_url: Some(Secret::from(database.url.clone())),
        data_dir: fresh_dir("data"),
        bcrypt_cost: 4,
        rate_limits: Switch::Off,
        ..Settings::default()
    };
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async {
            let auth = Vestibule::new(&settings).unwrap();
            let mounted = auth.clone();
            let server = HttpServer::new(move || {
                App::new()
                    .configure(|config| mounted.mount(config))
                    .service(web::resource("/unwrapped").get(unwrapped))
                    .service(
                        web::scope("/in")
                            .wrap(mounted.sessions())
                            .route("/theme", web::get().to(theme))
                            .route("/teapot", web::get().to(teapot))
                            .service(web::resource("/twice").wrap(mounted.sessions()).get(theme)),
                    )
            });
            tokio::select! {
                result = server.workers(1).disable_signals().listen(listener).unwrap().run() => result.unwrap(),
                result = auth.run() => result.unwrap(),
            }
        });
    });
    let auth = Http::new(format!("{base}/auth"));
    eventually("the application answers", async || {
        let answer = auth.request("GET", "/health/ready").try_send().await.ok()?;
        (answer.status == 200).then_some(())
    })
    .await;
    (Http::foreign(base), auth)
}

#[tokio::test]
async fn the_application_keeps_its_own_cookies_errors_and_headers() {
    let database = TestDatabase::migrated();
    let (host, auth) = application(&database).await;
    let cookie = sign_up(&auth, "ada@example.com").await;
    let cookies = format!("broken; theme=dark; half=%ff; {cookie}");
    for path in ["/in/theme", "/in/twice"] {
        let answer = host.request("GET", path).header("Cookie", &cookies).send().await.expect(200);
        assert_eq!(answer.text(), "dark");
        assert_eq!(answer.set_cookie().as_deref(), Some("seen=yes; Path=/"));
        assert_eq!(answer.header("cache-control"), Some("private"));
    }
    let answer = host.request("GET", "/in/teapot").header("Cookie", &cookie).send().await.expect(418);
    assert_eq!(answer.text(), "short and stout");
    assert_untouched(&answer);
    assert_untouched(&host.request("GET", "/in/nothing").send().await.expect(404));
    host.request("GET", "/in/theme").send().await.expect_problem(401, "unauthenticated");

    database.close();
    let answer = host.request("GET", "/in/theme").header("Cookie", &cookie).send().await;
    answer.expect_problem(503, "unavailable");
}

#[tokio::test]
async fn a_guard_that_nothing_wraps_lets_nobody_in() {
    let database = TestDatabase::migrated();
    let (host, auth) = application(&database).await;
    let cookie = sign_up(&auth, "ada@example.com").await;
    confirm(&auth, "ada@example.com").await;
    let answer = host.request("GET", "/unwrapped").header("Cookie", &cookie).send().await.expect(500);
    assert!(!answer.text().contains("nobody gets here"), "{}", answer.text());
}

#[tokio::test]
async fn a_service_without_a_path_cannot_be_mounted() {
    let settings = |url: &str| Settings {
        public_url: Some(url.parse().unwrap()),
        database_url: Some(Secret::from("postgres://x@127.0.0.1:1/x".to_owned())),
        data_dir: fresh_dir("wrong"),
        ..Settings::default()
    };
    let refusal = |url| Vestibule::new(&settings(url)).err().map(|error: StartError| error.to_string());
    assert!(refusal("http://localhost").unwrap().starts_with("PUBLIC_URL: needs a path"));
    assert!(refusal("http://localhost/me").unwrap().starts_with("PUBLIC_URL: its path must not begin with /me"));
    // Others could read the development mailbox.
    assert!(refusal("http://app.example.com/auth").unwrap().starts_with("SMTP_URL: required"));
    assert_eq!(refusal("http://localhost/auth"), None);
}
