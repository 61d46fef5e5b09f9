//! What users do with an account, and the mails that they get for it.

use serde_json::{Value, json};

use super::mailbox::{Mail, Mailbox};
use super::{Actor, Answer, Credential, TestApp, eventually};

// A part of the subject of each kind of mail.
pub const RESET: &str = "Set a new password";
pub const PASSWORD_CHANGED: &str = "was changed";
pub const NEW_ADDRESS: &str = "Confirm your new email address";
pub const CHANGE_NOTICE: &str = "is being changed";
pub const ALREADY_REGISTERED: &str = "You already have an account";
pub const ACCOUNT_DELETED: &str = "was deleted";

/// A strong password that no account has yet.
pub const OTHER_PASSWORD: &str = "brick-violet-otter-19";

impl Actor {
    /// Asks for a link that sets a new password.
    pub async fn request_password_reset(&self) -> Answer {
        self.post_json("/password/forgot", &json!({ "email": self.email })).await
    }

    /// Changes the password; the current one is known.
    pub async fn change_password(&self, new: &str) -> Answer {
        let fields = json!({ "current_password": self.password, "new_password": new });
        self.post_json("/password/change", &fields).await
    }

    /// Changes the password, and goes on with the new token and the new password.
    pub async fn change_and_follow(&mut self, new: &str) -> Answer {
        let answer = self.change_password(new).await.expect(204);
        self.follow(&answer);
        new.clone_into(&mut self.password);
        answer
    }

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

    /// The kinds of the events in the export, oldest first.
    pub async fn events(&self) -> Vec<String> {
        let export = self.export().await;
        let events = export["events"].as_array().unwrap().iter().rev();
        events.map(|event| event["kind"].as_str().unwrap().to_owned()).collect()
    }

    /// A second session of the same user.
    pub async fn elsewhere(&self) -> Self {
        let mut other = self.with(Credential::Nothing);
        other.sign_in().await;
        other
    }

    /// The same user, signed out, who will use another password.
    pub fn knowing(&self, password: &str) -> Self {
        self.with(Credential::Nothing).with_password(password)
    }

    /// The same user, signed out, who will use another address.
    pub fn reached_at(&self, email: &str) -> Self {
        self.with(Credential::Nothing).with_email(email)
    }

    /// The same session of a user whose address is now this one.
    pub fn with_email(&self, email: &str) -> Self {
        let mut actor = self.clone();
        actor.email = email.to_owned();
        actor
    }

    /// The same session of a user who will use another password.
    pub fn with_password(&self, password: &str) -> Self {
        let mut actor = self.clone();
        actor.password = password.to_owned();
        actor
    }

    /// Whether address and password start a session.
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
    /// The newest mail to this address whose subject contains this, once the queue is empty.
    pub async fn mail_about(&self, address: &str, subject: &str) -> Mail {
        self.wait_until_idle().await;
        eventually(&format!("a mail to {address}: {subject}"), async || {
            let mails = self.mails().await;
            mails.into_iter().find(|mail| mail.to == address && mail.subject.contains(subject))
        })
        .await
    }

    /// How many mails to this address contain this in their subject, once the queue is empty.
    pub async fn count_about(&self, address: &str, subject: &str) -> usize {
        self.wait_until_idle().await;
        let mails = self.mails().await;
        mails.iter().filter(|mail| mail.to == address && mail.subject.contains(subject)).count()
    }
}

impl TestApp {
    /// The mail with a link that sets a new password.
    pub async fn reset_link(&self, actor: &Actor) -> Mail {
        actor.request_password_reset().await.expect(202);
        self.mailbox.mail_about(&actor.email, RESET).await
    }

    /// Uses a link that sets a password.
    pub async fn reset(&self, token: &str, password: &str) -> Answer {
        self.visitor().post_json("/password/reset", &json!({ "token": token, "password": password })).await
    }

    /// Requests a change of address. Returns the path of the link that confirms it, and of the link that undoes it.
    pub async fn email_change(&self, actor: &Actor, to: &str) -> (String, String) {
        actor.change_email(to).await.expect(202);
        let link = self.mailbox.mail_about(to, NEW_ADDRESS).await.path();
        (link, self.mailbox.mail_about(&actor.email, CHANGE_NOTICE).await.path())
    }
}
