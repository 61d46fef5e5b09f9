//! What people do with an account once they have one, and the mails that it brings.

use serde_json::{Value, json};

use super::mailbox::{Mail, Mailbox};
use super::{Actor, Answer, Credential, TestApp, eventually};

/// What the subjects of the mails say.
pub const RESET: &str = "Set a new password";
pub const CHANGED: &str = "was changed";
pub const NEW_ADDRESS: &str = "Confirm your new email address";
pub const NOTICE: &str = "is being changed";
pub const TAKEN: &str = "You already have an account";
pub const FAREWELL: &str = "was deleted";

/// A password that is strong, and nobody's yet.
pub const OTHER_PASSWORD: &str = "brick-violet-otter-19";

impl Actor {
    /// Says that the password is forgotten.
    pub async fn forget_password(&self) -> Answer {
        self.post_json("/password/forgot", &json!({ "email": self.email })).await
    }

    /// Changes the password by knowing it.
    pub async fn change_password(&self, new: &str) -> Answer {
        let fields = json!({ "current_password": self.password, "new_password": new });
        self.post_json("/password/change", &fields).await
    }

    /// Asks for another address.
    pub async fn change_email(&self, to: &str) -> Answer {
        self.post_json("/email/change", &json!({ "password": self.password, "email": to })).await
    }

    pub async fn change_username(&self, username: &Value) -> Answer {
        self.request("PATCH", "/me").json(&json!({ "username": username })).send().await
    }

    pub async fn delete_account(&self) -> Answer {
        self.request("DELETE", "/me").json(&json!({ "password": self.password })).send().await
    }

    pub async fn export(&self) -> Value {
        self.get("/me/export").await.expect(200).json()
    }

    /// The kinds of the events in the export, the oldest first.
    pub async fn events(&self) -> Vec<String> {
        let export = self.export().await;
        let events = export["events"].as_array().unwrap().iter().rev();
        events.map(|event| event["kind"].as_str().unwrap().to_owned()).collect()
    }

    /// A second session of the same person.
    pub async fn elsewhere(&self) -> Self {
        let mut other = self.with(Credential::Nothing);
        other.sign_in().await;
        other
    }

    /// The same person, signed out and with another password in mind.
    pub fn knowing(&self, password: &str) -> Self {
        self.with(Credential::Nothing).with_password(password)
    }

    /// The same person, signed out and with another address.
    pub fn reached_at(&self, email: &str) -> Self {
        self.with(Credential::Nothing).with_email(email)
    }

    /// The same session of somebody who has this address by now.
    pub fn with_email(&self, email: &str) -> Self {
        let mut actor = self.clone();
        actor.email = email.to_owned();
        actor
    }

    /// The same session, with another password in mind.
    pub fn with_password(&self, password: &str) -> Self {
        let mut actor = self.clone();
        actor.password = password.to_owned();
        actor
    }

    /// Whether address and password open a session.
    pub async fn can_sign_in(&self) -> bool {
        match self.with(Credential::Nothing).try_sign_in(json!({})).await {
            answer if answer.status == 200 => true,
            answer => {
                answer.expect_problem(401, "invalid_credentials");
                false
            }
        }
    }
}

impl Mailbox {
    /// The newest mail to this address with this in its subject, once the queue is empty.
    pub async fn mail_about(&self, address: &str, subject: &str) -> Mail {
        self.settled().await;
        eventually(&format!("a mail to {address}: {subject}"), async || {
            let mails = self.mails().await;
            mails.into_iter().find(|mail| mail.to == address && mail.subject.contains(subject))
        })
        .await
    }

    /// How many mails to this address have this in their subject, once the queue is empty.
    pub async fn count_about(&self, address: &str, subject: &str) -> usize {
        self.settled().await;
        let mails = self.mails().await;
        mails.iter().filter(|mail| mail.to == address && mail.subject.contains(subject)).count()
    }
}

impl TestApp {
    /// A link that sets a new password of somebody.
    pub async fn reset_link(&self, actor: &Actor) -> Mail {
        actor.forget_password().await.expect(202);
        self.mailbox.mail_about(&actor.email, RESET).await
    }

    /// The answer to spending a link that sets a password.
    pub async fn reset(&self, token: &str, password: &str) -> Answer {
        self.visitor().post_json("/password/reset", &json!({ "token": token, "password": password })).await
    }

    /// Somebody asks for another address: the path of its link, and of the link that takes the change back.
    pub async fn email_change(&self, actor: &Actor, to: &str) -> (String, String) {
        actor.change_email(to).await.expect(202);
        let link = self.mailbox.mail_about(to, NEW_ADDRESS).await.path();
        (link, self.mailbox.mail_about(&actor.email, NOTICE).await.path())
    }
}
