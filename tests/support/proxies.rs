//! Real reverse proxies, each with its own port and folder. Dropping one stops it.

use std::fs::File;
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command};

use super::binary::tied;
use super::database::fresh_dir;
use super::eventually;

/// What nginx needs around its servers. One process, which root and other users can run: its files are all in its folder.
const NGINX: &str = "
daemon off;
master_process off;
pid nginx.pid;
error_log error.log;
events {}
http {
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    SERVERS
}
";

/// What Caddy needs around a site: it must not look for other ports, nor keep anything.
const CADDY: &str = "
{
    admin off
    auto_https off
}
";

/// What Envoy needs around the settings of a `http_connection_manager`.
const ENVOY: &str = "
static_resources:
  listeners:
    - address: { socket_address: { address: 127.0.0.1, port_value: PORT } }
      filter_chains:
        - filters:
            - name: envoy.filters.network.http_connection_manager
              typed_config:
                \"@type\": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                stat_prefix: app
MANAGER
  clusters:
CLUSTERS
";
const ENVOY_CLUSTER: &str = "
    - name: NAME
      load_assignment:
        cluster_name: NAME
        endpoints:
          - lb_endpoints:
              - endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: PORT } } }
";

/// A running proxy.
pub struct RealProxy {
    /// Where it listens, as a URL.
    pub base: String,
    shell: Child,
    folder: PathBuf,
}

/// An address that nothing listens on: a service has to know the address of its proxy before the proxy starts.
pub fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

impl RealProxy {
    /// nginx at `address`, with these directives in its `server`. Without nginx, a line says that the test is skipped.
    pub async fn nginx(address: &str, server: &str) -> Option<Self> {
        Self::nginx_servers(address, &format!("server {{ listen {address}; {server} }}")).await
    }

    /// nginx with these directives in its `http`, of which a server listens at `address`.
    pub async fn nginx_servers(address: &str, servers: &str) -> Option<Self> {
        let files = [("nginx.conf", NGINX.replace("SERVERS", servers))];
        let arguments = ["-p", ".", "-c", "nginx.conf", "-e", "error.log"];
        Self::start("nginx", address, &files, &arguments).await
    }

    /// Caddy with this site, which is at `address`.
    pub async fn caddy(program: &str, address: &str, site: &str) -> Option<Self> {
        let files = [("Caddyfile", format!("{CADDY}{site}"))];
        Self::start(program, address, &files, &["run", "--config", "Caddyfile", "--adapter", "caddyfile"]).await
    }

    /// HAProxy with this configuration, which listens at `address` and loads `vestibule.lua`.
    pub async fn haproxy(address: &str, configuration: &str, lua: &str) -> Option<Self> {
        let files = [("haproxy.cfg", configuration.to_owned()), ("vestibule.lua", lua.to_owned())];
        Self::start("haproxy", address, &files, &["-db", "-f", "haproxy.cfg"]).await
    }

    /// Envoy with these settings of its `http_connection_manager` and clusters at these addresses, by name.
    pub async fn envoy(program: &str, address: &str, manager: &str, clusters: &[(&str, &str)]) -> Option<Self> {
        let port = |address: &str| address.rsplit(':').next().unwrap().to_owned();
        let manager: String = manager.lines().map(|line| format!("                {line}\n")).collect();
        let cluster =
            |(name, address): &(&str, &str)| ENVOY_CLUSTER.replace("NAME", name).replace("PORT", &port(address));
        let configuration = ENVOY
            .replace("PORT", &port(address))
            .replace("MANAGER", &manager)
            .replace("CLUSTERS", &clusters.iter().map(cluster).collect::<String>());
        let files = [("envoy.yaml", configuration)];
        let arguments = ["--log-level", "error", "--concurrency", "1", "--use-dynamic-base-id", "-c", "envoy.yaml"];
        Self::start(program, address, &files, &arguments).await
    }

    /// Starts a program in a folder with these files.
    async fn start(program: &str, address: &str, files: &[(&str, String)], arguments: &[&str]) -> Option<Self> {
        // Not every user has it in the PATH.
        let find = ["-c", "PATH=$PATH:/usr/sbin; command -v \"$0\"", program];
        let found = String::from_utf8(Command::new("sh").args(find).output().unwrap().stdout).unwrap();
        if found.is_empty() {
            println!("Skipped: {program} is not installed");
            return None;
        }
        let folder = fresh_dir("proxy");
        for (name, text) in files {
            std::fs::write(folder.join(name), text).unwrap();
        }
        let output = File::create(folder.join("output")).unwrap();
        let mut shell = tied(found.trim(), arguments);
        let shell = shell.current_dir(&folder).env("HOME", &folder).stdout(output.try_clone().unwrap()).stderr(output);
        let shell = shell.spawn().unwrap();
        let mut proxy = Self { base: format!("http://{address}"), shell, folder };
        eventually(&format!("{program} listens"), async || {
            assert!(proxy.shell.try_wait().unwrap().is_none(), "{program} ended: {}", proxy.said());
            TcpStream::connect(address).ok().map(drop)
        })
        .await;
        Some(proxy)
    }

    /// What it wrote.
    fn said(&self) -> String {
        let text = |name| std::fs::read_to_string(self.folder.join(name)).unwrap_or_default();
        text("output") + &text("error.log")
    }
}

impl Drop for RealProxy {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
