//! Which database the service uses: the one of `DATABASE_URL`, or a PostgreSQL of its own in the data directory. And its
//! migrations, as soon as it is there.

use std::fs;
use std::time::Duration;

use dev_postgres::DevPostgres;

use super::StartError;
use crate::app::App;
use crate::config::Settings;
use crate::db::{Db, DbError};

/// The migrations need this major version or later.
const MIN_MAJOR: u32 = 15;

/// How often a database that is away at start is tried again.
const MIGRATE_AGAIN: Duration = Duration::from_secs(2);

/// In the data directory: the URL of the embedded database that runs there. It names a socket and holds no secret.
const URL_FILE: &str = "postgres.url";

/// The URL of the database: the given one, or that of the embedded one, which this starts. Blocks while it starts.
///
/// # Errors
/// The embedded PostgreSQL does not start.
pub fn database(settings: &Settings) -> Result<(String, Option<DevPostgres>), StartError> {
    if let Some(url) = &settings.database_url {
        return Ok((url.reveal().to_owned(), None));
    }
    let embedded = DevPostgres::start(&dev_postgres::Settings {
        name: "vestibule",
        data_dir: &settings.data_dir,
        bin_dir: settings.postgres_bin_dir.as_deref(),
        min_major: MIN_MAJOR,
        durable: true,
    })
    .map_err(StartError::Embedded)?;
    log::warn!(
        "using the embedded PostgreSQL {} ({}) in {}: for development only; set DATABASE_URL for anything else",
        embedded.version(),
        embedded.source(),
        settings.data_dir.display()
    );
    let url = embedded.url("postgres");
    if let Err(error) = fs::write(settings.data_dir.join(URL_FILE), &url) {
        log::warn!("other commands cannot use this database while the service runs: {error}");
    }
    Ok((url, Some(embedded)))
}

/// The database for other commands than `serve`: as [`database`], and if a running service has started the embedded one,
/// this finds it.
///
/// # Errors
/// The embedded PostgreSQL does not start.
pub fn admin_database(settings: &Settings) -> Result<(String, Option<DevPostgres>), StartError> {
    let running = || fs::read_to_string(settings.data_dir.join(URL_FILE)).ok();
    match database(settings) {
        Err(error @ StartError::Embedded(dev_postgres::Error::InUse { .. })) => {
            running().map(|url| (url, None)).ok_or(error)
        }
        result => result,
    }
}

/// What to do about an embedded PostgreSQL that does not start.
pub(super) fn advice(error: &dev_postgres::Error) -> String {
    use dev_postgres::Error as E;
    let advice = match error {
        E::Folder { .. } => "make it accessible, set another DATA_DIR, or set DATABASE_URL",
        E::InUse { .. } => "stop it, or set another DATA_DIR",
        E::StillRunning { pid, .. } => return format!("stop it with `kill -INT {pid}`, or set another DATA_DIR"),
        E::NoPrograms { .. } => "install postgresql, set DATABASE_URL, or set POSTGRES_BIN_DIR",
        E::BinDir { .. } => "correct POSTGRES_BIN_DIR, or set DATABASE_URL",
        E::Root { .. } => "run the service as an ordinary user, or set DATABASE_URL",
        E::Initdb { .. } | E::NotReady { .. } => "set DATABASE_URL to use another PostgreSQL",
    };
    advice.to_owned()
}

/// Migrates the database as soon as it is there, and notes that the keys of access tokens are published.
pub(super) async fn prepare_database(app: &App) -> Result<(), DbError> {
    migrate(&app.db).await?;
    if let Err(error) = app.access_tokens.publish(&app.db, app.clock.now()).await {
        log::warn!("the age of the keys for access tokens is unknown until the first token is asked for: {error}");
    }
    Ok(())
}

/// Migrates the database as soon as it is there.
async fn migrate(db: &Db) -> Result<(), DbError> {
    loop {
        match db.migrate().await {
            Ok(applied) => {
                if !applied.is_empty() {
                    log::info!("migrated the database: {}", applied.join(", "));
                }
                return Ok(());
            }
            Err(error @ DbError::Unsupported(_)) => return Err(error),
            Err(error) => {
                log::error!("the database cannot be migrated, trying again: {error}");
                tokio::time::sleep(MIGRATE_AGAIN).await;
            }
        }
    }
}
