//! The sessions of an account: listing and ending them.

use uuid::Uuid;

use crate::audit::{self, Actor, EventKind};
use crate::request::RequestContext;
use crate::session::{CurrentSession, Session, store};
use crate::user::UserId;

use super::{Accounts, Error};

impl Accounts {
    /// The living sessions of an account, the newest first.
    pub async fn list_sessions(&self, user_id: UserId) -> Result<Vec<Session>, Error> {
        let now = self.clock.now();
        Ok(self.db.run(async |conn| store::list(conn, user_id, now).await).await?)
    }

    /// Ends the session that a request belongs to.
    pub async fn sign_out(&self, current: &CurrentSession, request: &RequestContext) -> Result<(), Error> {
        let id = current.session_id;
        self.end_session_as(current.user.id(), id, EventKind::SignedOut, request).await.map(drop)
    }

    /// Ends one session of an account; `false` if the account has no such session.
    pub async fn end_session(&self, user_id: UserId, id: Uuid, request: &RequestContext) -> Result<bool, Error> {
        self.end_session_as(user_id, id, EventKind::SessionsEnded, request).await
    }

    async fn end_session_as(
        &self,
        user_id: UserId,
        id: Uuid,
        kind: EventKind,
        request: &RequestContext,
    ) -> Result<bool, Error> {
        self.transaction(async |conn| {
            let is_ended = store::delete_one(conn, user_id, id).await?;
            if is_ended {
                audit::record(conn, user_id, kind, Actor::Owner(request), request.at).await?;
            }
            Ok(is_ended)
        })
        .await
    }

    /// Ends all sessions of an account except the one to `keep`.
    pub async fn end_other_sessions(&self, user_id: UserId, keep: Uuid, request: &RequestContext) -> Result<(), Error> {
        self.transaction(async |conn| {
            if store::delete_all(conn, user_id, Some(keep)).await? > 0 {
                let kind = EventKind::SessionsEnded;
                audit::record(conn, user_id, kind, Actor::Owner(request), request.at).await?;
            }
            Ok(())
        })
        .await
    }
}
