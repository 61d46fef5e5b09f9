//! Sign-ins a second with several clients, compared with what the crate `bcrypt` computes on as many threads; and the
//! engine alone, for each number of lanes.

use std::hint::black_box;
use std::thread;
use std::time::{Duration, Instant};

use bcrypt_lanes::{Digest, Input, MAX_LANES, hash_batch};

use crate::connection::{address, repeat, sign_in};
use crate::storm::{CLIENTS, members};
use crate::{COST, figure, per_second};

const LONG: Duration = Duration::from_secs(15);
/// A hash of the engine alone takes some milliseconds, so that the best of many was not interrupted.
const LOW_COST: u32 = 6;
const TRIES: usize = 60;
/// As long as what the service hashes.
const KEY: [u8; 45] = [7; 45];

pub(crate) async fn measure() {
    let alone = best_of_many(1, || vec![bcrypt::bcrypt(LOW_COST, [7; 16], &KEY)]);
    let floor = format!("the crate bcrypt, {alone:.0}/s");
    for lanes in 1..=MAX_LANES {
        let inputs: Vec<_> = (0..lanes).map(|n| Input::new([n as u8; 16], &KEY).unwrap()).collect();
        let value = best_of_many(lanes, || hash_batch(LOW_COST, &inputs).unwrap());
        figure(&format!("hashes of cost {LOW_COST}, {lanes} lanes"), &format!("{value:.0}/s"), &floor, value / alone);
    }
    let (app, actors) = members().await;
    let sign_ins: Vec<_> = actors.iter().map(sign_in).collect();
    // Before and after: what else the machine does changes.
    let threads = app.inside.hasher.threads();
    let before = by_the_crate(threads, LONG / 3);
    let value = per_second(&repeat(&address(&app), sign_ins, LONG).await, LONG);
    let crate_alone = (before + by_the_crate(threads, LONG / 3)) / 2.0;
    let floor = format!("the crate bcrypt, {threads} threads, {crate_alone:.1}/s");
    figure(&format!("sign-ins, {CLIENTS} clients"), &format!("{value:.1}/s"), &floor, value / crate_alone);
}

/// Hashes a second of the fastest try.
fn best_of_many(hashes: usize, compute: impl Fn() -> Vec<Digest>) -> f64 {
    let time = || {
        let began = Instant::now();
        black_box(compute());
        began.elapsed()
    };
    let best = (0..TRIES).map(|_| time()).min().unwrap();
    hashes as f64 / best.as_secs_f64()
}

/// Hashes a second on as many threads as the service hashes on.
fn by_the_crate(threads: usize, long: Duration) -> f64 {
    let until = Instant::now() + long;
    let hashing = || {
        let began = Instant::now();
        let mut count = 0;
        while Instant::now() < until {
            black_box(bcrypt::bcrypt(COST, [7; 16], &KEY));
            count += 1;
        }
        // The last hash ends later.
        f64::from(count) / began.elapsed().as_secs_f64()
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(hashing)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    })
}
