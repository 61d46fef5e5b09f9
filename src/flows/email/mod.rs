//! The address of an account: confirm it, change it.

pub mod change;
pub mod code;
pub mod confirm;
pub mod resend;
