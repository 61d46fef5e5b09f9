//! The request that causes something: kept with it, and named in emails so that a recipient who did not ask can tell.
//!
//! If this believed a header that anybody can send, clients could choose their own address.

use std::net::{IpAddr, SocketAddr};

use chrono::{DateTime, Utc};
use ipnet::{IpNet, Ipv6Net};
use serde::{Deserialize, Serialize};

/// The longest `User-Agent` that is kept, in characters.
const USER_AGENT_LIMIT: usize = 256;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RequestContext {
    pub at: DateTime<Utc>,
    pub client: Client,
    /// The language of mails that the request causes.
    pub language: String,
    /// As in `X-Request-Id`.
    pub request_id: String,
}

/// The sender of a request.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Client {
    /// The address of the client, or of the nearest proxy that is not trusted.
    pub ip: IpAddr,
    /// At most 256 characters, without control characters.
    pub user_agent: Option<String>,
}

impl Client {
    /// A client that connected from `peer`, perhaps through `trusted` proxies, each of which appended the address it saw to
    /// `forwarded_for` (the `X-Forwarded-For` values, in order).
    ///
    /// The list is read from the right, because only what a trusted proxy wrote can be believed: the first address that is
    /// not a trusted proxy is the client. An entry that is no address ends the search at the proxy that passed it on.
    pub fn new(peer: IpAddr, forwarded_for: &[&str], trusted: &[IpNet], user_agent: Option<&str>) -> Self {
        let mut ip = peer.to_canonical();
        for entry in forwarded_for.iter().rev().flat_map(|value| value.rsplit(',')) {
            if !is_trusted(ip, trusted) {
                break;
            }
            match address(entry.trim()) {
                Some(address) => ip = address.to_canonical(),
                None => break,
            }
        }
        Self { ip, user_agent: user_agent.map(readable).filter(|agent| !agent.is_empty()) }
    }

    /// The client as limits know it: an IPv4 address, or the /64 of an IPv6 address, which is what one customer gets.
    pub fn network(&self) -> IpNet {
        network(self.ip, 64)
    }

    /// The /48 of an IPv6 address, which is what one site gets: who has it can use each /64 once.
    pub fn site(&self) -> Option<IpNet> {
        self.ip.to_canonical().is_ipv6().then(|| network(self.ip, 48))
    }
}

fn network(ip: IpAddr, ipv6_prefix: u8) -> IpNet {
    match ip.to_canonical() {
        IpAddr::V4(ip) => IpNet::from(IpAddr::V4(ip)),
        IpAddr::V6(ip) => {
            Ipv6Net::new(ip, ipv6_prefix).map_or_else(|_| IpNet::from(IpAddr::V6(ip)), |net| net.trunc().into())
        }
    }
}

/// The name of a program for people, such as `Firefox on Linux`. Only names from this list: a program can call itself
/// anything, and the name is shown in mails to people who may not know who sent the request.
pub fn device_name(user_agent: Option<&str>) -> String {
    // The first match counts: nearly every browser also names older ones.
    const PROGRAMS: [(&str, &str); 12] = [
        ("Edg", "Edge"),
        ("OPR/", "Opera"),
        ("SamsungBrowser/", "Samsung Internet"),
        ("Firefox/", "Firefox"),
        ("FxiOS/", "Firefox"),
        ("CriOS/", "Chrome"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
        ("curl/", "curl"),
        ("okhttp/", "an Android app"),
        ("CFNetwork/", "an Apple app"),
        ("python-requests/", "a Python script"),
    ];
    const SYSTEMS: [(&str, &str); 7] = [
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Android", "Android"),
        ("Windows", "Windows"),
        ("Mac OS X", "macOS"),
        ("CrOS", "ChromeOS"),
        ("Linux", "Linux"),
    ];
    let Some(agent) = user_agent else {
        return "an unnamed program".to_owned();
    };
    let of =
        |names: &[(&str, &'static str)]| names.iter().find(|(sign, _)| agent.contains(sign)).map(|(_, name)| *name);
    match (of(&PROGRAMS), of(&SYSTEMS)) {
        (Some(program), Some(system)) => format!("{program} on {system}"),
        (Some(name), None) | (None, Some(name)) => name.to_owned(),
        (None, None) => "an unnamed program".to_owned(),
    }
}

/// Whether this is the address of a proxy that is believed.
pub fn is_trusted(ip: IpAddr, trusted: &[IpNet]) -> bool {
    trusted.iter().any(|network| network.contains(&ip.to_canonical()))
}

/// Whether a private `peer` that forwards for others is probably a proxy that nobody declared.
pub fn is_likely_proxy(peer: IpAddr, trusted: &[IpNet]) -> bool {
    let is_private = match peer.to_canonical() {
        IpAddr::V4(ip) => ip.is_private() || ip.is_loopback() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unique_local() || ip.is_loopback() || ip.is_unicast_link_local(),
    };
    is_private && trusted.is_empty()
}

/// An entry of `X-Forwarded-For`; some proxies add the port, or brackets.
fn address(entry: &str) -> Option<IpAddr> {
    let bare = entry.strip_prefix('[').and_then(|entry| entry.strip_suffix(']')).unwrap_or(entry);
    bare.parse().ok().or_else(|| entry.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

fn readable(user_agent: &str) -> String {
    user_agent.chars().filter(|c| !c.is_control()).take(USER_AGENT_LIMIT).collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip_of(peer: &str, forwarded: &[&str], trusted: &[&str]) -> String {
        let trusted: Vec<IpNet> = trusted.iter().map(|network| network.parse().unwrap()).collect();
        Client::new(peer.parse().unwrap(), forwarded, &trusted, None).ip.to_string()
    }

    #[test]
    fn forwarded_for_is_believed_from_trusted_proxies_only() {
        assert_eq!(ip_of("192.0.2.1", &["198.51.100.7"], &[]), "192.0.2.1");
        assert_eq!(ip_of("10.0.0.1", &["198.51.100.7"], &["10.0.0.0/8"]), "198.51.100.7");
    }

    #[test]
    fn the_right_most_untrusted_entry_is_the_client() {
        let trusted = ["10.0.0.0/8"];
        assert_eq!(ip_of("10.0.0.1", &["1.2.3.4, 198.51.100.7, 10.0.0.2"], &trusted), "198.51.100.7");
        assert_eq!(ip_of("10.0.0.1", &["1.2.3.4", "198.51.100.7"], &trusted), "198.51.100.7");
        assert_eq!(ip_of("10.0.0.1", &["1.2.3.4, nonsense"], &trusted), "10.0.0.1");
    }

    #[test]
    fn an_entry_may_have_a_port_or_brackets() {
        let trusted = ["10.0.0.0/8"];
        assert_eq!(ip_of("10.0.0.1", &["198.51.100.7:4711"], &trusted), "198.51.100.7");
        assert_eq!(ip_of("10.0.0.1", &["[2001:db8::1]:4711"], &trusted), "2001:db8::1");
        assert_eq!(ip_of("10.0.0.1", &["[2001:db8::1]"], &trusted), "2001:db8::1");
    }

    #[test]
    fn a_private_peer_that_forwards_is_likely_a_proxy() {
        let is_likely = |peer: &str, trusted: &[&str]| {
            let trusted: Vec<IpNet> = trusted.iter().map(|network| network.parse().unwrap()).collect();
            is_likely_proxy(peer.parse().unwrap(), &trusted)
        };
        for peer in ["127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "fd00::1", "::1", "::ffff:10.0.0.1"] {
            assert!(is_likely(peer, &[]), "{peer}");
            assert!(!is_likely(peer, &["10.0.0.0/8"]), "{peer}");
        }
        assert!(!is_likely("198.51.100.7", &[]) && !is_likely("2001:db8::1", &[]));
    }

    #[test]
    fn an_ipv6_client_is_its_64_and_belongs_to_a_48() {
        let client = |ip: &str| Client::new(ip.parse().unwrap(), &[], &[], None);
        let networks = |ip: &str| (client(ip).network().to_string(), client(ip).site().map(|site| site.to_string()));
        assert_eq!(networks("2001:db8:1:2:3:4:5:6"), ("2001:db8:1:2::/64".into(), Some("2001:db8:1::/48".into())));
        assert_eq!(networks("192.0.2.1"), ("192.0.2.1/32".into(), None));
        assert_eq!(networks("::ffff:192.0.2.1"), ("192.0.2.1/32".into(), None));
    }

    #[test]
    fn an_ipv4_address_mapped_to_ipv6_is_ipv4() {
        assert_eq!(ip_of("::ffff:192.0.2.1", &[], &[]), "192.0.2.1");
    }

    #[test]
    fn a_device_has_a_name_for_people() {
        let firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
        let safari = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) \
                      Version/18.5 Mobile/15E148 Safari/604.1";
        let edge = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 \
                    Safari/537.36 Edg/138.0.0.0";
        assert_eq!(device_name(Some(firefox)), "Firefox on Linux");
        assert_eq!(device_name(Some(safari)), "Safari on iPhone");
        assert_eq!(device_name(Some(edge)), "Edge on Windows");
        assert_eq!(device_name(Some("curl/8.5.0")), "curl");
        assert_eq!(device_name(Some("Secure your account at https://evil.example/ now")), "an unnamed program");
        assert_eq!(device_name(None), "an unnamed program");
    }

    #[test]
    fn a_user_agent_is_cut_and_cleaned() {
        let agent = format!("curl\u{7}/8 {}", "x".repeat(500));
        let client = Client::new("192.0.2.1".parse().unwrap(), &[], &[], Some(&agent));
        let kept = client.user_agent.unwrap();
        assert!(kept.starts_with("curl/8 x"));
        assert_eq!(kept.chars().count(), 256);
    }
}
