//! `X-Forwarded-For`: the client is the peer, or the nearest address with only trusted proxies before it.
//! The first line is the peer, the second the trusted networks, each further line a header; the last is a `User-Agent`.
#![no_main]

use std::net::{IpAddr, SocketAddr};

use libfuzzer_sys::fuzz_target;
use vestibule::config::value;
use vestibule::request::Client;

fuzz_target!(|text: &str| {
    let mut lines: Vec<&str> = text.split('\n').collect();
    let user_agent = (lines.len() > 3).then(|| lines.pop()).flatten();
    let [peer, trusted, headers @ ..] = lines.as_slice() else { return };
    let Ok(peer) = peer.parse::<IpAddr>() else { return };
    let trusted: Vec<_> = trusted.split(',').filter_map(|network| value::network(network).ok()).collect();
    let client = Client::new(peer, headers, &trusted, user_agent);

    assert_eq!(client.ip, client.ip.to_canonical(), "an IPv4 address as an IPv6 address");
    let is_trusted = |ip: &IpAddr| trusted.iter().any(|network| network.contains(ip));
    let peer = peer.to_canonical();
    if !is_trusted(&peer) {
        assert_eq!(client.ip, peer, "a header from an untrusted peer counts");
    }
    // All entries, the nearest first.
    let entries = headers.join(",");
    let hops: Vec<Option<IpAddr>> = entries.rsplit(',').map(|entry| address(entry.trim())).collect();
    let is_reachable =
        |at: usize| is_trusted(&peer) && hops[..at].iter().all(|hop| hop.as_ref().is_some_and(is_trusted));
    let is_hop = (0..hops.len()).any(|at| hops[at] == Some(client.ip) && is_reachable(at));
    assert!(client.ip == peer || is_hop, "{} is not behind trusted proxies only", client.ip);
    // A client that sends its own header, left of what proxies append, does not change its address.
    if !is_trusted(&client.ip) {
        let forged = ["203.0.113.66, 10.0.0.1, nonsense"].iter().chain(headers.iter()).copied().collect::<Vec<_>>();
        let same = headers.iter().all(|header| header.trim().is_empty());
        assert!(same || Client::new(peer, &forged, &trusted, None).ip == client.ip, "a client chose its address");
    }
    if let Some(agent) = client.user_agent {
        assert!((1..=256).contains(&agent.chars().count()) && !agent.contains(char::is_control), "{agent:?}");
    }
});

/// An entry: an address, bare or in brackets, or with a port.
fn address(entry: &str) -> Option<IpAddr> {
    let bracketed = || entry.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let with_port = || entry.parse::<SocketAddr>().ok().map(|address| address.ip());
    let ip: IpAddr = entry.parse().ok().or_else(with_port).or_else(bracketed)?;
    Some(ip.to_canonical())
}
