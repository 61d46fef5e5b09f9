//! What a client may do within a window of time. The /48 of an IPv6 client is counted as well: it has 65,536 clients.

use chrono::{DateTime, Duration, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, Inet, Integer, Text, Timestamptz};
use diesel_async::RunQueryDsl;
use ipnet::IpNet;
use strum::IntoStaticStr;

use crate::config::Limits;
use crate::db::{self, Connection};
use crate::request::Client;

use super::{Wait, wait_until};

/// How much more a /48 may do than one client.
const SITE_FACTOR: i32 = 10;

/// What a client does that is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Action {
    /// A try with a password.
    SignIn,
    /// A try with a password that fails.
    FailedSignIn,
    Register,
    /// A request for a mail to an address.
    AskForMail,
    /// A try with the code of a mail.
    TryCode,
}

impl Action {
    fn name(self) -> &'static str {
        self.into()
    }

    /// How many within which time.
    fn limit(self, limits: &Limits) -> (i32, Duration) {
        match self {
            Self::SignIn => (limits.sign_ins, Duration::minutes(15)),
            Self::FailedSignIn | Self::TryCode => (limits.failed_sign_ins, Duration::minutes(15)),
            Self::Register => (limits.registrations, Duration::hours(1)),
            Self::AskForMail => (limits.mails, Duration::hours(1)),
        }
    }
}

#[derive(QueryableByName)]
struct Window {
    #[diesel(sql_type = Integer)]
    count: i32,
    #[diesel(sql_type = Integer)]
    allowed: i32,
    #[diesel(sql_type = Timestamptz)]
    window_ends_at: DateTime<Utc>,
}

/// Counts these actions of a client in one statement, which locks its rows in the order of the arguments. If it must wait,
/// the caller rolls back, so that a try that was refused is not counted. A window that ends later than it can is over: the
/// clock was wrong when it began.
pub async fn count(
    conn: &mut Connection<'_>,
    client: &Client,
    actions: &[Action],
    limits: &Limits,
    now: DateTime<Utc>,
) -> QueryResult<Result<(), Wait>> {
    let networks = [client.site().map(|site| (site, SITE_FACTOR)), Some((client.network(), 1))];
    let (mut clients, mut names, mut allowed, mut ends) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (network, factor) in networks.into_iter().flatten() {
        for action in actions {
            let (limit, length) = action.limit(limits);
            clients.push(network.to_string());
            names.push(action.name());
            allowed.push(limit.saturating_mul(factor));
            ends.push(now + length);
        }
    }
    let statement = diesel::sql_query(
        "with counted as (select client::inet, action, allowed, ends_at, n \
             from unnest($1, $2, $3, $4) with ordinality as counted (client, action, allowed, ends_at, n)), \
         windows as (insert into client_throttles as t (client, action, count, window_ends_at) \
             select client, action, 1, ends_at from counted order by n \
             on conflict (client, action) do update set \
             count = case when t.window_ends_at <= $5 or t.window_ends_at > excluded.window_ends_at then 1 \
                     else t.count + 1 end, \
             window_ends_at = case when t.window_ends_at <= $5 or t.window_ends_at > excluded.window_ends_at \
                              then excluded.window_ends_at else t.window_ends_at end \
             returning client, action, count, window_ends_at) \
         select count, allowed, window_ends_at from windows join counted using (client, action)",
    )
    .bind::<Array<Text>, _>(clients)
    .bind::<Array<Text>, _>(names)
    .bind::<Array<Integer>, _>(allowed)
    .bind::<Array<Timestamptz>, _>(ends)
    .bind::<Timestamptz, _>(now);
    let windows: Vec<Window> = db::cached(statement).load(conn).await?;
    let exceeded = windows.iter().filter(|window| window.count > window.allowed);
    let wait = exceeded.map(|window| wait_until(window.window_ends_at, now)).max_by_key(|wait| wait.seconds);
    Ok(wait.map_or(Ok(()), Err))
}

/// No longer counts a try with a password as one that failed. Always in the same order, so that no two wait for each other.
pub(super) async fn take_back_failure(conn: &mut Connection<'_>, client: &Client) -> QueryResult<()> {
    let networks: Vec<IpNet> = client.site().into_iter().chain([client.network()]).collect();
    let statement = diesel::sql_query(
        "update client_throttles set count = count - 1 from (select client, action from client_throttles \
         where client = any($1) and action = $2 and count > 0 order by client for update) counted \
         where client_throttles.client = counted.client and client_throttles.action = counted.action",
    );
    let statement = statement.bind::<Array<Inet>, _>(networks).bind::<Text, _>(Action::FailedSignIn.name());
    db::cached(statement).execute(conn).await.map(drop)
}
