//! What a client may do within a window of time. A client is an IPv4 address, or the /64 of an IPv6 address.

use std::net::IpAddr;

use chrono::{DateTime, Duration, Utc};
use diesel::prelude::*;
use diesel::upsert::excluded;
use diesel_async::RunQueryDsl;
use ipnet::{IpNet, Ipv6Net};
use strum::IntoStaticStr;

use crate::db::Connection;
use crate::db::schema::client_throttles;

use super::{Wait, wait_until};

/// What a client does that is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub(super) enum Action {
    /// A sign-in that fails.
    Login,
    Register,
}

impl Action {
    pub(super) fn name(self) -> &'static str {
        self.into()
    }

    /// How many within which time.
    fn limit(self) -> (i32, Duration) {
        match self {
            Self::Login => (50, Duration::minutes(15)),
            Self::Register => (20, Duration::hours(1)),
        }
    }
}

/// The counter of a client and an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) count: i32,
    pub(super) ends_at: DateTime<Utc>,
}

impl Window {
    /// Counts one more.
    pub(super) fn one_more(self, action: Action, now: DateTime<Utc>) -> Result<Self, Wait> {
        let (limit, length) = action.limit();
        if self.ends_at <= now {
            return Ok(Self { count: 1, ends_at: now + length });
        }
        if self.count >= limit {
            return Err(wait_until(self.ends_at, now));
        }
        Ok(Self { count: self.count + 1, ..self })
    }
}

/// A client as the counters know it: an IPv4 address, or the /64 of an IPv6 address, which is what one customer gets.
fn network(ip: IpAddr) -> IpNet {
    match ip.to_canonical() {
        IpAddr::V4(ip) => IpNet::from(IpAddr::V4(ip)),
        IpAddr::V6(ip) => Ipv6Net::new(ip, 64).map_or_else(|_| IpNet::from(IpAddr::V6(ip)), |net| net.trunc().into()),
    }
}

/// Counts a registration of this client, or says how long to wait.
pub async fn count_registration(
    conn: &mut Connection,
    client: IpAddr,
    now: DateTime<Utc>,
) -> QueryResult<Result<(), Wait>> {
    let window = lock(conn, client, Action::Register, now).await?;
    match window.one_more(Action::Register, now) {
        Ok(window) => set(conn, client, Action::Register, window).await.map(Ok),
        Err(wait) => Ok(Err(wait)),
    }
}

pub(super) async fn lock(
    conn: &mut Connection,
    client: IpAddr,
    action: Action,
    now: DateTime<Utc>,
) -> QueryResult<Window> {
    let (count, ends_at) = diesel::insert_into(client_throttles::table)
        .values((
            client_throttles::client.eq(network(client)),
            client_throttles::action.eq(action.name()),
            client_throttles::count.eq(0),
            client_throttles::window_ends_at.eq(now),
        ))
        .on_conflict((client_throttles::client, client_throttles::action))
        // Changes nothing, but locks and returns the existing row.
        .do_update()
        .set(client_throttles::client.eq(excluded(client_throttles::client)))
        .returning((client_throttles::count, client_throttles::window_ends_at))
        .get_result(conn)
        .await?;
    Ok(Window { count, ends_at })
}

pub(super) async fn set(conn: &mut Connection, client: IpAddr, action: Action, window: Window) -> QueryResult<()> {
    diesel::update(client_throttles::table.find((network(client), action.name())))
        .set((client_throttles::count.eq(window.count), client_throttles::window_ends_at.eq(window.ends_at)))
        .execute(conn)
        .await?;
    Ok(())
}

/// Counts one sign-in less.
pub(super) async fn take_back_login(conn: &mut Connection, client: IpAddr) -> QueryResult<()> {
    diesel::update(client_throttles::table.find((network(client), Action::Login.name())))
        .filter(client_throttles::count.gt(0))
        .set(client_throttles::count.eq(client_throttles::count - 1))
        .execute(conn)
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_client_is_its_64() {
        let of = |text: &str| network(text.parse().unwrap()).to_string();
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
        assert_eq!(of("192.0.2.1"), "192.0.2.1/32");
        assert_eq!(of("::ffff:192.0.2.1"), "192.0.2.1/32");
    }

    #[test]
    fn a_window_lets_so_many_pass_and_starts_again() {
        let now = Utc::now();
        let mut window = Window { count: 0, ends_at: now };
        for _ in 0..20 {
            window = window.one_more(Action::Register, now).unwrap();
        }
        assert_eq!(window.one_more(Action::Register, now), Err(Wait { seconds: 3600 }));
        assert_eq!(window.one_more(Action::Register, now + Duration::hours(1)).unwrap().count, 1);
    }
}
