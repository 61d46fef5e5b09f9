//! What a flow promises: which letter, to whom.

use uuid::Uuid;

use crate::user::UserId;

use super::LetterKind;

/// A letter to promise.
#[derive(Clone, Debug)]
pub struct Promise {
    /// Which.
    pub letter: LetterKind,
    /// The account that it is for. Its deletion takes the promise back.
    pub user_id: Option<UserId>,
    /// Where it goes, if not to the address that the account has when it leaves.
    pub address: Option<String>,
    /// The change of address that it is about.
    pub email_change_id: Option<Uuid>,
}

impl Promise {
    /// A letter to the address of an account.
    #[must_use]
    pub fn to_account(letter: LetterKind, user_id: UserId) -> Self {
        Self { letter, user_id: Some(user_id), address: None, email_change_id: None }
    }

    /// A letter to a certain address of an account.
    #[must_use]
    pub fn to_address(letter: LetterKind, user_id: UserId, address: &str) -> Self {
        Self { address: Some(address.to_owned()), ..Self::to_account(letter, user_id) }
    }

    /// A letter that outlives the account.
    #[must_use]
    pub fn farewell(address: &str) -> Self {
        Self { letter: LetterKind::Farewell, user_id: None, address: Some(address.to_owned()), email_change_id: None }
    }

    /// A letter about a change of address.
    #[must_use]
    pub fn about_change(letter: LetterKind, user_id: UserId, email_change_id: Uuid) -> Self {
        Self { email_change_id: Some(email_change_id), ..Self::to_account(letter, user_id) }
    }
}
