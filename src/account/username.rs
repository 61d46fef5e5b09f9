//! Changing the username of an account.

use crate::audit::{self, Actor, EventKind};
use crate::request::RequestContext;
use crate::user::{User, Username, users};

use super::{Accounts, Error};

impl Accounts {
    /// Sets or removes the username, and returns the account as it is then.
    pub async fn change_username(
        &self,
        user: &User,
        username: Option<&Username>,
        request: &RequestContext,
    ) -> Result<User, Error> {
        if user.username.as_deref() == username.map(Username::as_typed) {
            return Ok(user.clone());
        }
        self.transaction(async |conn| {
            let kind = EventKind::UsernameChanged;
            self.begin_change(conn, user, kind, request.at).await?;
            let changed = users::set_username(conn, user.id(), username).await?;
            audit::record(conn, user.id(), kind, Actor::Owner(request), request.at).await?;
            changed.ok_or(Error::Outdated)
        })
        .await
    }
}
