//! Health: whether the process is alive, and whether it can serve.

use actix_web::{HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::mail::MailHealth;

use crate::flows::documented_errors::ServerErrors;

/// The state of the service.
#[derive(Debug, Serialize, ToSchema)]
pub struct Health {
    status: HealthStatus,
    checks: HealthChecks,
}

/// The state of each part.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct HealthChecks {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    database: Option<HealthStatus>,
    /// `degraded` while mails wait for the mail server, or it refuses them for another reason than their recipient.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    mail: Option<HealthStatus>,
}

/// A state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum HealthStatus {
    Ok,
    /// Works, but mails wait.
    Degraded,
    Unavailable,
}

/// Is the process alive?
///
/// Does not depend on the database: restarting this process would not bring it back.
#[utoipa::path(
    get, path = "/health/live", tag = "operation",
    responses((status = 200, description = "It is alive", body = Health), ServerErrors)
)]
pub async fn get_liveness() -> HttpResponse {
    HttpResponse::Ok().json(Health { status: HealthStatus::Ok, checks: HealthChecks::default() })
}

/// Can the service serve?
///
/// It can while its database answers, until it is about to stop. Without a mail server that takes its mails
/// it is degraded: they wait.
#[utoipa::path(
    get, path = "/health/ready", tag = "operation",
    responses((status = 200, description = "It can serve", body = Health),
              (status = 503, description = "It cannot serve now", body = Health), ServerErrors)
)]
pub async fn get_readiness(app: web::Data<App>) -> HttpResponse {
    let mail = match app.mailer.health() {
        MailHealth::Ok => HealthStatus::Ok,
        MailHealth::ServerAway | MailHealth::Refused => HealthStatus::Degraded,
    };
    let database = match app.db.check().await {
        Ok(()) => HealthStatus::Ok,
        Err(error) => {
            log::warn!("not ready: {error}");
            HealthStatus::Unavailable
        }
    };
    let is_ready = database == HealthStatus::Ok && !app.stopping.is_cancelled();
    let status = if is_ready { mail } else { HealthStatus::Unavailable };
    let health = Health { status, checks: HealthChecks { database: Some(database), mail: Some(mail) } };
    if is_ready { HttpResponse::Ok().json(health) } else { HttpResponse::ServiceUnavailable().json(health) }
}
