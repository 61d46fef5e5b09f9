//! An application behind a proxy: remembers what reaches it, and answers with it.

use std::sync::{Arc, Mutex};

use actix_web::{HttpRequest, HttpResponse, web};

use super::server::Server;

/// A request that reached the application.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: String,
    /// With its query.
    pub path: String,
    /// With names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Seen {
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(other, _)| other == name).map(|(_, value)| value.as_str()).collect()
    }
}

/// A running application; dropping it stops it.
pub struct Backend {
    server: Server,
    seen: Arc<Mutex<Vec<Seen>>>,
}

async fn answer(req: HttpRequest, body: web::Payload, seen: web::Data<Mutex<Vec<Seen>>>) -> HttpResponse {
    let is_upgrade = req.headers().contains_key("upgrade");
    // After an upgrade there is no end that could be waited for.
    let body = if is_upgrade { Default::default() } else { body.to_bytes_limited(1 << 24).await.unwrap().unwrap() };
    let text = |value: &actix_web::http::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    seen.lock().unwrap().push(Seen {
        method: req.method().to_string(),
        path: req.uri().to_string(),
        headers: req.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
        body: body.to_vec(),
    });
    if is_upgrade {
        // The answer to the key in RFC 6455, section 1.3.
        let accept = ("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        return HttpResponse::SwitchingProtocols().upgrade("websocket").insert_header(accept).finish();
    }
    HttpResponse::Ok().body("the application")
}

impl Backend {
    pub fn start() -> Self {
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let data = web::Data::from(seen.clone());
        let server = Server::start("127.0.0.1:0", move |config| {
            config.app_data(data.clone()).default_service(web::to(answer));
        });
        Self { server, seen }
    }

    /// Host and port.
    pub fn address(&self) -> &str {
        &self.server.address
    }

    /// What reached it since this was asked last.
    pub fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut self.seen.lock().unwrap())
    }
}
