//! Real reverse proxies, each with its own port and folder. Dropping one stops it.

use std::fs::File;
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command};

use super::binary::tied;
use super::database::fresh_dir;
use super::eventually;

/// What nginx needs around a `server`. One process, which root and other users can run: its files are all in its folder.
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
    server {
        listen ADDRESS;
        SERVER
    }
}
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
        let configuration = NGINX.replace("ADDRESS", address).replace("SERVER", server);
        Self::start("nginx", address, &configuration, |folder, file| {
            vec!["-p".into(), folder, "-c".into(), file, "-e".into(), "error.log".into()]
        })
        .await
    }

    /// Starts a program with a configuration file and the arguments that `arguments` makes of its folder and that file.
    async fn start(
        program: &str,
        address: &str,
        configuration: &str,
        arguments: impl FnOnce(String, String) -> Vec<String>,
    ) -> Option<Self> {
        // Not every user has it in the PATH.
        let find = ["-c", "PATH=$PATH:/usr/sbin; command -v \"$0\"", program];
        let found = String::from_utf8(Command::new("sh").args(find).output().unwrap().stdout).unwrap();
        if found.is_empty() {
            println!("Skipped: {program} is not installed");
            return None;
        }
        let folder = fresh_dir(program);
        let file = folder.join("configuration");
        std::fs::write(&file, configuration).unwrap();
        let output = File::create(folder.join("output")).unwrap();
        let arguments = arguments(folder.to_str().unwrap().to_owned(), file.to_str().unwrap().to_owned());
        let mut shell = tied(found.trim(), &arguments);
        let shell = shell.stdout(output.try_clone().unwrap()).stderr(output).spawn().unwrap();
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
