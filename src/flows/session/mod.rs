//! Sessions: sign in, sign out, list, end.

pub mod end;
pub mod list;
pub mod login;
pub mod logout;
