//! Health: whether the process lives, and whether it can serve.

use actix_web::{HttpResponse, web};
use diesel_async::RunQueryDsl as _;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::mail::MailHealth;

use crate::flows::documented_errors::ServerErrors;

/// How the service is.
#[derive(Debug, Serialize, ToSchema)]
pub struct Health {
    /// As a whole.
    status: HealthStatus,
    /// Of each part.
    checks: HealthChecks,
}

/// The parts.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct HealthChecks {
    /// Whether the database answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    database: Option<HealthStatus>,
    /// Whether mails leave; if not, they wait.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    mail: Option<HealthStatus>,
}

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum HealthStatus {
    /// It works.
    Ok,
    /// It works, but something waits.
    Degraded,
    /// It does not work.
    Unavailable,
}

/// Is the process alive?
///
/// Asks nobody else: a database that is away is no reason to start the process anew.
#[utoipa::path(
    get, path = "/health/live", tag = "operation",
    responses((status = 200, description = "It is", body = Health), ServerErrors)
)]
pub async fn get_liveness() -> HttpResponse {
    HttpResponse::Ok().json(Health { status: HealthStatus::Ok, checks: HealthChecks::default() })
}

/// Can the service serve?
///
/// It can while its database answers, and until it is about to stop. Mails that cannot leave only degrade it: they
/// wait.
#[utoipa::path(
    get, path = "/health/ready", tag = "operation",
    responses((status = 200, description = "It can", body = Health),
              (status = 503, description = "It cannot now", body = Health), ServerErrors)
)]
pub async fn get_readiness(app: web::Data<App>) -> HttpResponse {
    let mail = match app.mailer.health() {
        MailHealth::Ok => HealthStatus::Ok,
        MailHealth::ServerAway => HealthStatus::Degraded,
    };
    let ping = app.db.run(async |conn| diesel::sql_query("select 1").execute(conn).await);
    let database = if ping.await.is_ok() { HealthStatus::Ok } else { HealthStatus::Unavailable };
    let is_ready = database == HealthStatus::Ok && !app.stopping.is_cancelled();
    let status = if is_ready { mail } else { HealthStatus::Unavailable };
    let health = Health { status, checks: HealthChecks { database: Some(database), mail: Some(mail) } };
    if is_ready { HttpResponse::Ok().json(health) } else { HttpResponse::ServiceUnavailable().json(health) }
}
