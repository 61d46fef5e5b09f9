//! The address of an account: confirm it, get the link again, change it, undo the change.

mod change;
mod change_undo;
mod code;
mod code_tries;
mod confirm;
mod resend;
