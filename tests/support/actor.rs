//! Users as types, with their credentials. Everything they have, they got through the API.

use serde_json::{Value, json};

use super::Answer;
use super::app::TestApp;
use super::http::{Http, Request};

/// What an actor sends with each request to be recognised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    Nothing,
    /// The value of the session cookie.
    Cookie(String),
    /// Sent as `Authorization: Bearer`.
    Bearer(String),
}

/// A user, or a visitor without an account.
#[derive(Clone)]
pub struct Actor {
    pub name: String,
    pub email: String,
    pub password: String,
    pub credential: Credential,
    http: Http,
    cookie_name: &'static str,
}

/// A strong password that is unique to this name.
pub fn password_of(name: &str) -> String {
    format!("{name}-plum-orbit-kettle-42")
}

impl Actor {
    pub fn new(app: &TestApp, name: &str) -> Self {
        Self {
            name: name.to_owned(),
            email: format!("{name}@example.com"),
            password: password_of(name),
            credential: Credential::Nothing,
            http: app.http.clone(),
            cookie_name: app.cookie_name,
        }
    }

    /// The same user, whose paths are below another URL.
    pub fn under(&self, base: &str) -> Self {
        Self { http: Http::new(base.to_owned()), ..self.clone() }
    }

    /// The same user at another instance.
    pub fn at(&self, app: &TestApp) -> Self {
        Self { http: app.http.clone(), cookie_name: app.cookie_name, ..self.clone() }
    }

    /// The same user with another credential.
    pub fn with(&self, credential: Credential) -> Self {
        Self { credential, ..self.clone() }
    }

    /// The token, whether it is sent as a cookie or as a bearer token.
    pub fn token(&self) -> &str {
        match &self.credential {
            Credential::Nothing => panic!("{} has no token", self.name),
            Credential::Cookie(token) | Credential::Bearer(token) => token,
        }
    }

    pub fn request(&self, method: &str, path: &str) -> Request {
        let request = self.http.request(method, path);
        match &self.credential {
            Credential::Nothing => request,
            Credential::Cookie(token) => request.header("Cookie", format!("{}={token}", self.cookie_name)),
            Credential::Bearer(token) => request.header("Authorization", format!("Bearer {token}")),
        }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.request("GET", path).send().await
    }

    pub async fn post(&self, path: &str) -> Answer {
        self.request("POST", path).send().await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.request("DELETE", path).send().await
    }

    pub async fn post_json(&self, path: &str, value: &Value) -> Answer {
        self.request("POST", path).json(value).send().await
    }

    /// Registers with email address, password and username.
    pub async fn register(&self) -> Answer {
        self.register_as(json!({ "email": self.email, "password": self.password, "username": self.name })).await
    }

    pub async fn register_as(&self, fields: Value) -> Answer {
        self.post_json("/register", &fields).await
    }

    /// Spends a link of `/confirm/…` on a device without a session: with the password.
    pub async fn open(&self, path: &str) -> Answer {
        self.with(Credential::Nothing).post_json(path, &json!({ "password": self.password })).await
    }

    /// Signs in with the right address and password, and with more fields; the credential of the answer is not kept.
    pub async fn try_sign_in(&self, more: Value) -> Answer {
        let mut fields = json!({ "email": self.email, "password": self.password });
        fields.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.post_json("/login", &fields).await
    }

    /// Signs in and keeps the cookie.
    pub async fn sign_in(&mut self) -> Answer {
        let answer = self.try_sign_in(json!({})).await.expect(200);
        self.credential = Credential::Cookie(cookie_value(&answer, self.cookie_name));
        answer
    }

    /// Signs in and keeps the token.
    pub async fn sign_in_with_bearer(&mut self) -> Answer {
        let answer = self.try_sign_in(json!({ "transport": "bearer" })).await.expect(200);
        let token = answer.json()["session"]["token"].as_str().unwrap().to_owned();
        self.credential = Credential::Bearer(token);
        answer
    }

    /// Goes on with the cookie that an answer sets.
    pub fn follow(&mut self, answer: &Answer) {
        self.credential = Credential::Cookie(cookie_value(answer, self.cookie_name));
    }

    /// Whether the session is alive, according to `GET /me`.
    pub async fn is_signed_in(&self) -> bool {
        let answer = self.get("/me").await;
        match answer.status {
            200 => true,
            401 => false,
            status => panic!("GET /me: {status}"),
        }
    }

    /// Whether operations that need a confirmed account are open to this user.
    pub async fn passes_the_guard(&self) -> bool {
        self.get("/sessions").await.status == 200
    }
}

/// The value of the session cookie that an answer sets.
#[track_caller]
pub fn cookie_value(answer: &Answer, cookie_name: &str) -> String {
    let cookie = answer.set_cookie().expect("a cookie");
    let pair = cookie.split(';').next().unwrap();
    let (name, value) = pair.split_once('=').unwrap();
    assert_eq!(name, cookie_name);
    value.to_owned()
}
