//! A small HTTP server on its own thread, for what stands around the service.

use std::thread::JoinHandle;

use actix_web::dev::ServerHandle;
use actix_web::web::ServiceConfig;
use actix_web::{App, HttpServer, rt};

/// A running server; dropping it stops it.
pub struct Server {
    /// Host and port.
    pub address: String,
    handle: ServerHandle,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Listens on `address`, with these routes.
    pub fn start(address: &str, routes: impl Fn(&mut ServiceConfig) + Clone + Send + 'static) -> Self {
        let (address, (report, reported)) = (address.to_owned(), std::sync::mpsc::channel());
        let thread = std::thread::spawn(move || {
            rt::System::new().block_on(async move {
                let server = HttpServer::new(move || App::new().configure(routes.clone()));
                let server = server.workers(1).disable_signals().shutdown_timeout(0).bind(address).unwrap();
                let address = server.addrs()[0].to_string();
                let server = server.run();
                report.send((address, server.handle())).unwrap();
                server.await.unwrap();
            });
        });
        let (address, handle) = reported.recv().unwrap();
        Self { address, handle, thread: Some(thread) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.handle.stop(false));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
