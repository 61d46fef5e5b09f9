//! Your own application, with sign-up, sign-in and email confirmation under `/auth`.
//!
//! `cargo run --example embedded`, then <http://127.0.0.1:8080/auth/docs/> and <http://127.0.0.1:8080/notes>.

use std::error::Error;
use std::net::TcpListener;

use actix_web::{App, HttpServer, web};
use vestibule::{Confirmed, Settings, SignedIn, Vestibule};

/// Anyone may see this.
async fn welcome() -> &'static str {
    "Welcome. Register at /auth/docs/."
}

/// The arguments are the guard: without a session, the answer is 401.
async fn profile(user: SignedIn) -> String {
    format!("You are {}, confirmed: {}", user.email(), user.is_confirmed())
}

/// Without a confirmed email address, the answer is 403.
async fn notes(user: Confirmed) -> String {
    format!("The notes of {}", user.email())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut settings = Settings::from_environment()?;
    let listener = TcpListener::bind(settings.listen)?;
    // Where people reach the service, with the path under which it is mounted.
    if settings.public_url.is_none() {
        settings.public_url = Some(format!("http://{}/auth", listener.local_addr()?).parse()?);
    }
    let auth = Vestibule::new(&settings)?;
    eprintln!("listening on http://{}", listener.local_addr()?);

    let mounted = auth.clone();
    let server = HttpServer::new(move || {
        App::new()
            .configure(|config| mounted.mount(config))
            .route("/", web::get().to(welcome))
            .service(web::resource("/profile").wrap(mounted.sessions()).get(profile))
            .service(web::resource("/notes").wrap(mounted.sessions()).get(notes).post(notes))
    })
    .listen(listener)?;
    // Emails are sent, and old rows deleted, beside the server.
    tokio::select! {
        result = server.run() => Ok(result?),
        result = auth.run() => Ok(result?),
    }
}
