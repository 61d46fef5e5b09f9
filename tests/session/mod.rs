//! Sessions: sign in, sign out, list and end them, and how long they last.

mod end;
mod lifetime;
mod list;
mod login;
mod logout;
