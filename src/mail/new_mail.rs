//! What a flow promises: which mail, to whom.

use uuid::Uuid;

use crate::user::UserId;

use super::MailKind;

/// A mail to promise.
#[derive(Clone, Debug)]
pub struct NewMail {
    /// Which.
    pub kind: MailKind,
    /// The account that it is for. Its deletion takes the promise back.
    pub user_id: Option<UserId>,
    /// Where it goes, if not to the address that the account has when it leaves.
    pub address: Option<String>,
    /// The change of address that it is about.
    pub email_change_id: Option<Uuid>,
}

impl NewMail {
    /// A mail to the address of an account.
    #[must_use]
    pub fn to_account(kind: MailKind, user_id: UserId) -> Self {
        Self { kind, user_id: Some(user_id), address: None, email_change_id: None }
    }

    /// A mail to a certain address of an account.
    #[must_use]
    pub fn to_address(kind: MailKind, user_id: UserId, address: &str) -> Self {
        Self { address: Some(address.to_owned()), ..Self::to_account(kind, user_id) }
    }

    /// A mail that outlives the account.
    #[must_use]
    pub fn account_deleted(address: &str) -> Self {
        Self { kind: MailKind::AccountDeleted, user_id: None, address: Some(address.to_owned()), email_change_id: None }
    }

    /// A mail about a change of address.
    #[must_use]
    pub fn about_change(kind: MailKind, user_id: UserId, email_change_id: Uuid) -> Self {
        Self { email_change_id: Some(email_change_id), ..Self::to_account(kind, user_id) }
    }
}
