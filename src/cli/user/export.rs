//! `vestibule user export`: every account as a line that `import` reads.

use std::fs::{self, OpenOptions};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::pin::pin;

use anyhow::Context as _;
use clap::Args;
use futures_util::TryStreamExt as _;
use vestibule::account::export;
use vestibule::config::Settings;
use vestibule::db::Db;

use crate::cli::open_database;

/// The lines contain everything that a sign-in needs, above all the hashes: keep them as safe as the database
#[derive(Args)]
pub(super) struct Export {
    /// The file to write, readable by its owner only [default: standard output]
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Export {
    pub(super) async fn run(self, settings: &Settings) -> anyhow::Result<()> {
        let (db, _embedded) = open_database(settings).await?;
        match &self.output {
            Some(path) => {
                let count = to_file(&db, path).await.with_context(|| path.display().to_string())?;
                crate::cli::print(format!("{count} exported\n"))
            }
            None => match write(&db, io::stdout().lock()).await {
                // A reader that stops early is no error.
                Err(error) if is_broken_pipe(&error) => Ok(()),
                result => result.map(drop),
            },
        }
    }
}

/// Under another name until it is complete, so that nobody takes half an export for a whole one.
async fn to_file(db: &Db, path: &Path) -> anyhow::Result<u64> {
    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    let _ = fs::remove_file(&partial);
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&partial)?;
    let count = write(db, &file).await?;
    file.sync_all()?;
    fs::rename(&partial, path)?;
    Ok(count)
}

/// On a connection of its own: a million rows may take longer than a request may.
async fn write(db: &Db, output: impl Write) -> anyhow::Result<u64> {
    let mut output = BufWriter::with_capacity(1 << 16, output);
    let conn = db.connect_alone().await?;
    let mut conn = &conn;
    let mut rows = pin!(export::stream(&mut conn).await?);
    let mut count = 0;
    while let Some(row) = rows.try_next().await? {
        serde_json::to_writer(&mut output, &row).map_err(io::Error::from)?;
        output.write_all(b"\n")?;
        count += 1;
    }
    output.flush()?;
    Ok(count)
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}
