//! Who may try again when: failed sign-ins by name and by client, registrations by client.
//!
//! The counters are rows, so that instances share them and a restart forgets nothing. They are locked, judged and raised
//! before the password is looked at, so that fifty tries at once get no further than fifty tries in a row. Limits by
//! spelling, in memory, or only for names that exist would be no limits, or would reveal who has an account.

mod policy;
mod store;

pub use policy::{FAILURES_TTL, LOCKED_AT, Wait};
pub use store::{LoginAttempt, begin_login, clear, count_registration, finish_login, wait_of_account};

use std::net::IpAddr;

use ipnet::{IpNet, Ipv6Net};
use sha2::{Digest as _, Sha256};

use crate::user::{Email, User, Username};

/// A sign-in name as the counters know it.
#[derive(Clone, PartialEq, Eq)]
pub struct LoginName([u8; 32]);

impl LoginName {
    pub fn of_email(email: &Email) -> Self {
        Self::new("email", email.canonical())
    }

    pub fn of_username(username: &Username) -> Self {
        Self::new("username", &username.canonical())
    }

    /// The address of an account.
    pub fn of_user(user: &User) -> Self {
        Self::new("email", &user.email_canonical)
    }

    /// Address and username of an account.
    pub fn all_of(user: &User) -> Vec<Self> {
        let username = user.username.as_ref().map(|name| Self::new("username", &name.to_ascii_lowercase()));
        std::iter::once(Self::of_user(user)).chain(username).collect()
    }

    fn new(kind: &str, canonical: &str) -> Self {
        Self(Sha256::digest(format!("{kind}:{canonical}").as_bytes()).into())
    }
}

/// A client as the counters know it: an IPv4 address, or the /64 of an IPv6 address, which is what one customer gets.
fn network(ip: IpAddr) -> IpNet {
    match ip.to_canonical() {
        IpAddr::V4(ip) => IpNet::from(IpAddr::V4(ip)),
        IpAddr::V6(ip) => Ipv6Net::new(ip, 64).map_or_else(|_| IpNet::from(IpAddr::V6(ip)), |net| net.trunc().into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_a_name_are_one_name() {
        let email = |text| LoginName::of_email(&Email::parse(text).unwrap());
        assert!(email("Ada@Example.com") == email("ada@example.com"));
        let username = |text| LoginName::of_username(&Username::parse(text).unwrap());
        assert!(username("Ada") == username("aDA"));
        assert!(username("ada") != username("eve"));
    }

    #[test]
    fn an_ipv6_client_is_its_64() {
        let of = |text: &str| network(text.parse().unwrap()).to_string();
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
        assert_eq!(of("192.0.2.1"), "192.0.2.1/32");
        assert_eq!(of("::ffff:192.0.2.1"), "192.0.2.1/32");
    }
}
