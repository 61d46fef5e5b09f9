//! Confirming an address: by a link, by a code, by a reset, or on the word of an admin; and the links that are spent at
//! `/confirm/{token}`.
//!
//! A link or code from an email proves the mailbox. It must not hand the address to anyone who made a registration, so
//! confirming also needs a [`Proof`] of that. Both serve every registration that waits for their address: a stranger who
//! registers it as well can neither get it nor spend what the owner got.

use chrono::{DateTime, Utc};

use crate::audit::{self, Actor, EventKind};
use crate::db::Connection;
use crate::link::{Code, Codes, Link, Purpose};
use crate::mail::{MailKind, code_tries, outbox};
use crate::password::Password;
use crate::request::RequestContext;
use crate::throttle::{Action, LoginName};
use crate::token::Token;
use crate::user::{Address, Email, User, UserId, addresses, registrations, users};

use super::reauth::Attempt;
use super::{Accounts, Error, email};

/// What proves that a link is spent by the person who made the registration, or the change of address.
#[derive(Debug)]
pub enum Proof {
    /// What the answer to the registration said.
    Registration(Token),
    Password(Password),
    /// The account of the session, if there is one.
    Session(Option<Box<User>>),
}

/// What a genuine link is about.
#[derive(Debug)]
pub struct LinkState {
    /// The address that it confirms, or that the account gets back.
    pub email: String,
    /// Whether it was spent before.
    pub was_spent: bool,
    /// Whether spending it needs a password, because the session proves nothing.
    pub is_password_required: bool,
    /// After a change was undone: the account, which has no password that works any more.
    pub without_password: Option<Box<User>>,
}

/// Which address gets a confirmation mail again.
#[derive(Debug)]
pub enum Resend {
    Account(Box<User>),
    Address(Email),
}

impl LinkState {
    pub(super) fn new(email: String, was_spent: bool) -> Self {
        Self { email, was_spent, is_password_required: false, without_password: None }
    }
}

/// Confirms an account, whose address is locked, and deletes the other unconfirmed accounts of the address. `false` if it
/// was confirmed before, is deleted or has another address.
pub(super) async fn confirm(
    conn: &mut Connection<'_>,
    id: UserId,
    canonical: &str,
    actor: Actor<'_>,
    now: DateTime<Utc>,
) -> Result<bool, Error> {
    if !registrations::set_confirmed(conn, id, canonical, now).await? {
        return Ok(false);
    }
    registrations::delete_all_of(conn, canonical).await?;
    audit::record(conn, id, EventKind::Confirmed, actor, now).await?;
    Ok(true)
}

impl Accounts {
    /// What a link to confirm an address, to change it or to undo the change would do for the account of a session. Changes
    /// nothing.
    pub async fn describe_link(&self, link: &Link, session: Option<&User>) -> Result<LinkState, Error> {
        let described = self.db.run(async |conn| match link.purpose {
            Purpose::ChangeEmail => email::describe_change(conn, link, session).await,
            Purpose::UndoEmailChange => email::describe_undo(conn, link).await,
            Purpose::ConfirmEmail | Purpose::ResetPassword => {
                describe_registrations(conn, &link.email_canonical, session).await
            }
        });
        described.await?.ok_or(Error::LinkUsed)
    }

    /// Spends a link to confirm an address, to change it or to undo the change.
    pub async fn spend_link(&self, link: &Link, proof: &Proof, request: &RequestContext) -> Result<LinkState, Error> {
        let spent = match link.purpose {
            Purpose::ChangeEmail => self.confirm_email_change(link, proof, request).await?,
            Purpose::UndoEmailChange => self.undo_email_change(link, request).await?,
            Purpose::ConfirmEmail | Purpose::ResetPassword => {
                self.confirm_registration(&link.email_canonical, proof, request).await?
            }
        };
        spent.ok_or(Error::LinkUsed)
    }

    /// Confirms a registration with the code of a mail to its address. `true` if it was confirmed before.
    ///
    /// The try is counted in a transaction of its own, which ends before the address is locked.
    pub async fn spend_code(
        &self,
        (codes, code): (&Codes, Code),
        registration: Token,
        request: &RequestContext,
    ) -> Result<bool, Error> {
        let tried = self.transaction(async |conn| {
            self.count(conn, Action::TryCode, request).await?;
            let user = registrations::find_by_token(conn, &registration).await?;
            // An unknown registration costs the same statements.
            let (id, canonical) = user.as_ref().map_or((UserId::new(), ""), |user| (user.id(), &user.email_canonical));
            let mails = code_tries::count(conn, canonical, id, request.at).await?;
            Ok(user.filter(|_| codes.is_in(code, &mails)))
        });
        let user = tried.await?.ok_or(Error::CodeInvalid)?;
        if !user.is_confirmed() {
            let proof = Proof::Registration(registration);
            match self.confirm_registration(&user.email_canonical, &proof, request).await {
                Ok(Some(state)) if !state.was_spent => return Ok(false),
                // The address was confirmed meanwhile, by another request with this registration or by another account.
                Ok(_) | Err(Error::PasswordRequired) => {}
                Err(error) => return Err(error),
            }
        }
        let now = self.db.run(async |conn| users::find(conn, user.id()).await).await?;
        if now.is_some_and(|user| user.is_confirmed()) { Ok(true) } else { Err(Error::CodeInvalid) }
    }

    /// Asks for the confirmation mail again. The worker finds out who needs it.
    pub async fn resend_confirmation(&self, resend: &Resend, request: &RequestContext) -> Result<(), Error> {
        let address = match resend {
            Resend::Account(user) if user.is_confirmed() => return Ok(()),
            Resend::Account(user) => user.address(),
            Resend::Address(email) => email.into(),
        };
        self.ask_for_mail(MailKind::ConfirmEmail, address, request).await
    }

    /// Queues a mail that anybody can ask for, after counting that for the client.
    pub(super) async fn ask_for_mail(
        &self,
        kind: MailKind,
        address: Address<'_>,
        request: &RequestContext,
    ) -> Result<(), Error> {
        self.transaction(async |conn| {
            self.count(conn, Action::AskForMail, request).await?;
            Ok(outbox::ask(conn, kind, address, request).await?)
        })
        .await?;
        self.mail_waker.wake();
        Ok(())
    }

    async fn confirm_registration(
        &self,
        canonical: &str,
        proof: &Proof,
        request: &RequestContext,
    ) -> Result<Option<LinkState>, Error> {
        if let Some(state) = self.db.run(async |conn| describe_registrations(conn, canonical, None).await).await?
            && state.was_spent
        {
            return Ok(Some(state));
        }
        let (matching, attempt) = match proof {
            Proof::Password(password) => self.match_password(canonical, password, request).await?,
            Proof::Session(user) => (user.iter().map(|user| user.as_ref().clone()).collect(), None),
            Proof::Registration(_) => (Vec::new(), None),
        };
        self.transaction(async |conn| {
            // The lock comes first: a registration of the same address waits, and then finds it taken.
            addresses::lock(conn, canonical).await?;
            // Read again under the lock: another link may have been spent while this waited.
            let state = match describe_registrations(conn, canonical, None).await? {
                Some(state) if !state.was_spent => state,
                spent_or_nothing => return Ok(spent_or_nothing),
            };
            let proven = match proof {
                Proof::Registration(token) => {
                    let user = registrations::find_by_token(conn, token).await?;
                    user.filter(|user| user.email_canonical == canonical).map(|user| user.id())
                }
                Proof::Password(_) | Proof::Session(_) => still_there(conn, canonical, &matching).await?,
            };
            let id = proven.ok_or(Error::PasswordRequired)?;
            if !confirm(conn, id, canonical, Actor::Owner(request), request.at).await? {
                return Err(Error::PasswordRequired);
            }
            if let Some((attempt, user)) = attempt.as_ref().zip(users::find(conn, id).await?) {
                attempt.finish(conn, &user, request.at).await?;
            }
            Ok(Some(LinkState { is_password_required: false, ..state }))
        })
        .await
    }

    /// The unconfirmed accounts of an address with this password, found with one hash; counted like a sign-in.
    async fn match_password(
        &self,
        canonical: &str,
        password: &Password,
        request: &RequestContext,
    ) -> Result<(Vec<User>, Option<Attempt>), Error> {
        let attempt = self.begin_attempt(request, &LoginName::of_email(canonical)).await?;
        let found = self.db.run(async |conn| users::find_by_email(conn, canonical).await).await?;
        let candidates = found.ok_or(Error::LinkUsed)?;
        let hash = attempt.permit.hash(password, &candidates.parameters).await?;
        let waiting = candidates.accounts.into_iter().filter(|account| !account.user.is_confirmed());
        let matching: Vec<User> =
            waiting.filter(|account| account.has_hash(&hash)).map(|account| account.user).collect();
        if matching.is_empty() {
            return Err(Error::WrongPassword);
        }
        Ok((matching, Some(attempt)))
    }
}

/// `None` if nothing waits for the address any more.
async fn describe_registrations(
    conn: &mut Connection<'_>,
    canonical: &str,
    session: Option<&User>,
) -> Result<Option<LinkState>, diesel::result::Error> {
    let accounts = users::list_of_address(conn, canonical).await?;
    let Some(first) = accounts.iter().find(|user| !user.is_disabled() || user.is_confirmed()) else {
        return Ok(None);
    };
    if first.is_confirmed() {
        return Ok((!first.is_disabled()).then(|| LinkState::new(first.email.clone(), true)));
    }
    let is_proven = session.is_some_and(|session| accounts.iter().any(|user| user.id == session.id));
    Ok(Some(LinkState { is_password_required: !is_proven, ..LinkState::new(first.email.clone(), false) }))
}

/// The first of `matching` whose password is still the one that was checked.
async fn still_there(
    conn: &mut Connection<'_>,
    canonical: &str,
    matching: &[User],
) -> Result<Option<UserId>, diesel::result::Error> {
    let accounts = users::list_of_address(conn, canonical).await?;
    let is_there = |user: &&User| {
        let is_it = |now: &User| now.id == user.id && now.credential_version == user.credential_version;
        accounts.iter().any(|now| is_it(now) && !now.is_disabled())
    };
    Ok(matching.iter().find(is_there).map(User::id))
}
