//! A proxy that behaves like Envoy's `ext_authz` filter over HTTP, as docs/guides/envoy.md configures it: no package of the
//! registries has Envoy itself. It asks with the method, path and query of its client, sends on only what is listed, and
//! lets only a 200 through.

use actix_web::{HttpRequest, HttpResponse, web};

use super::server::Server;

/// What Envoy sends to the service, beside method, path and query.
const ALLOWED_HEADERS: [&str; 3] = ["authorization", "cookie", "accept"];
/// What of a refusal reaches the client.
const ALLOWED_CLIENT_HEADERS: [&str; 2] = ["www-authenticate", "location"];
/// What of a 200 reaches the application, instead of what the client sent.
const ALLOWED_UPSTREAM_HEADERS: [&str; 5] =
    ["x-auth-user-id", "x-auth-email", "x-auth-username", "x-auth-session-id", "x-auth-token"];

struct Route {
    service: String,
    application: String,
    client: reqwest::Client,
}

async fn pass(req: HttpRequest, body: web::Bytes, route: web::Data<Route>) -> HttpResponse {
    let url = |address: &str, path: &str| format!("http://{address}{path}");
    let (method, path) = (req.method().as_str().parse::<reqwest::Method>().unwrap(), req.uri().to_string());
    let send = |url: String| route.client.request(method.clone(), url);
    let is_for_service = path.starts_with("/auth/");
    let mut forwarded = send(url(if is_for_service { &route.service } else { &route.application }, &path)).body(body);
    // headers_with_underscores_action: DROP_HEADER, and the identity headers removed or replaced.
    for (name, value) in req.headers() {
        let is_identity = ALLOWED_UPSTREAM_HEADERS.contains(&name.as_str());
        if !is_identity && !name.as_str().contains('_') && name != "host" && name != "content-length" {
            forwarded = forwarded.header(name.as_str(), value.as_bytes());
        }
    }
    if !is_for_service && !path.starts_with("/public/") {
        let mut question = send(url(&route.service, &format!("/verify{path}")));
        for (name, value) in req.headers().iter().filter(|(name, _)| ALLOWED_HEADERS.contains(&name.as_str())) {
            question = question.header(name.as_str(), value.as_bytes());
        }
        let verdict = question.send().await.unwrap();
        if verdict.status() != 200 {
            return answer(&verdict, &ALLOWED_CLIENT_HEADERS);
        }
        for name in ALLOWED_UPSTREAM_HEADERS {
            if let Some(value) = verdict.headers().get(name) {
                forwarded = forwarded.header(name, value.as_bytes());
            }
        }
    }
    answer(&forwarded.send().await.unwrap(), &["content-type"])
}

fn answer(from: &reqwest::Response, headers: &[&str]) -> HttpResponse {
    let mut answer = HttpResponse::build(from.status().as_u16().try_into().unwrap());
    for (name, value) in from.headers().iter().filter(|(name, _)| headers.contains(&name.as_str())) {
        answer.append_header((name.as_str(), value.as_bytes()));
    }
    answer.finish()
}

/// Starts the double; dropping the server stops it.
pub fn start(address: &str, service: &str, application: &str) -> Server {
    let none = reqwest::redirect::Policy::none();
    let client = reqwest::Client::builder().redirect(none).no_proxy().pool_max_idle_per_host(0).build().unwrap();
    let route = web::Data::new(Route { service: service.to_owned(), application: application.to_owned(), client });
    Server::start(address, move |config| {
        config.app_data(route.clone()).app_data(web::PayloadConfig::new(1 << 24)).default_service(web::to(pass));
    })
}
