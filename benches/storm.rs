//! A storm of sign-ins: whether everyone else notices it, and how many sign-ins a second there are meanwhile.

use std::time::Duration;

use crate::connection::{address, get_me, repeat, sign_in};
use crate::support::{Actor, TestApp};
use crate::{COST, figure, median_and_p99, milliseconds, per_second, ratio};

/// Without pause, each with an account of its own.
pub(crate) const CLIENTS: usize = 8;
const CONNECTIONS: usize = 32;
const LONG: Duration = Duration::from_secs(15);

pub(crate) async fn measure() {
    let (app, actors) = members().await;
    let address = address(&app);
    let sign_ins: Vec<_> = actors.iter().map(sign_in).collect();
    let asking = vec![get_me(&actors[0]); CONNECTIONS];
    let me_alone = repeat(&address, asking.clone(), LONG / 3).await;
    let alone = per_second(&repeat(&address, sign_ins.clone(), LONG).await, LONG);
    let (me, during) = tokio::join!(repeat(&address, asking, LONG), repeat(&address, sign_ins, LONG));
    let during = per_second(&during, LONG);
    let (rate, floor) = (per_second(&me, LONG), per_second(&me_alone, LONG / 3));
    let floor_name = format!("no sign-ins, {floor:.0}/s");
    figure(&format!("GET /me, {CONNECTIONS} clients, in a storm"), &format!("{rate:.0}/s"), &floor_name, rate / floor);
    let (p99, floor) = (median_and_p99(&me).1, median_and_p99(&me_alone).1);
    let floor_name = format!("no sign-ins, {}", milliseconds(floor));
    figure("its p99", &milliseconds(p99), &floor_name, ratio(p99, floor));
    let floor_name = format!("nothing else, {alone:.1}/s");
    figure(&format!("sign-ins, {CLIENTS} clients"), &format!("{during:.1}/s"), &floor_name, during / alone);
}

/// A service of the default cost, and a signed-in user for each client.
pub(crate) async fn members() -> (TestApp, Vec<Actor>) {
    let app = TestApp::with(|settings| settings.bcrypt_cost = COST).await;
    let mut actors = Vec::new();
    for n in 0..CLIENTS {
        let mut actor = app.member(&format!("ada{n}")).await;
        actor.sign_in_with_bearer().await;
        actors.push(actor);
    }
    (app, actors)
}
