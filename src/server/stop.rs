//! Stopping: first the service is no longer ready, so that a load balancer stops sending requests; then the listener
//! closes, and accepted requests are finished.

use std::time::Duration;

use actix_web::dev::ServerHandle;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// How long the service is not ready before the listener closes: long enough for a check every second.
const NOTICE: Duration = Duration::from_secs(2);

/// Stops the server: at SIGTERM with notice, at SIGINT (a person at a terminal) at once.
pub(super) fn on_signal(stopping: CancellationToken, server: ServerHandle) -> std::io::Result<()> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {
                log::info!("stopping: no longer ready, then finishing accepted requests");
                stopping.cancel();
                tokio::select! {
                    () = tokio::time::sleep(NOTICE) => {}
                    _ = interrupt.recv() => {}
                }
            }
            _ = interrupt.recv() => log::info!("stopping: finishing accepted requests"),
        }
        tokio::select! {
            () = server.stop(true) => {}
            // A second SIGINT: at once.
            _ = interrupt.recv() => server.stop(false).await,
        }
    });
    Ok(())
}
