//! The way out: readiness falls first, so that a load balancer sends nobody any more; then the listener closes, and
//! what was accepted is finished.

use std::time::Duration;

use actix_web::dev::ServerHandle;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// How long readiness has fallen before the listener closes. Long enough for a check every second.
const NOTICE: Duration = Duration::from_secs(2);

/// Stops the server at SIGTERM, with notice, or at SIGINT, at once: somebody sits before it.
pub(super) fn on_signal(stopping: CancellationToken, server: ServerHandle) -> std::io::Result<()> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {
                log::info!("stopping: no longer ready, then finishing what was accepted");
                stopping.cancel();
                tokio::select! {
                    () = tokio::time::sleep(NOTICE) => {}
                    _ = interrupt.recv() => {}
                }
            }
            _ = interrupt.recv() => log::info!("stopping: finishing what was accepted"),
        }
        tokio::select! {
            () = server.stop(true) => {}
            // Asked twice: at once.
            _ = interrupt.recv() => server.stop(false).await,
        }
    });
    Ok(())
}
