//! `vestibule health`: readiness as an exit code, for images that have no other client.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, bail};
use vestibule::config::Settings;

const TIMEOUT: Duration = Duration::from_secs(5);

pub(super) fn run(settings: &Settings) -> anyhow::Result<()> {
    let mut address: SocketAddr = settings.listen;
    if address.ip().is_unspecified() {
        let is_v4 = address.is_ipv4();
        address.set_ip(if is_v4 { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { IpAddr::V6(Ipv6Addr::LOCALHOST) });
    }
    let answer = ask(address).with_context(|| format!("{address} does not answer"))?;
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    if !answer.starts_with("HTTP/1.1 200 ") {
        bail!("{address} is not ready: {body}");
    }
    super::print(format!("{body}\n"))
}

fn ask(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    write!(stream, "GET /health/ready HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
