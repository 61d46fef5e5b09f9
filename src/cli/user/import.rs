//! `vestibule user import`: a stream of lines, a transaction per batch, and the number of every line that was refused.

use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal as _, Read as _};
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use chrono::Utc;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::sync::mpsc;
use vestibule::account::import::{Batch, DryRun, ImportedUser, MAX_LINE, Outcome, Refusal, insert_batch};
use vestibule::config::{Secret, Settings};
use vestibule::db::{Db, DbError};
use vestibule::password::ForeignSecret;

use crate::cli::open_database;

/// How often a batch is tried if the database is away.
const TRIES: u32 = 5;
/// How many batches are read ahead while the database works.
const AHEAD: usize = 2;

/// The file has one JSON object per line with email, and optionally password_hash, username, confirmed (default: true)
/// or confirmed_at, disabled_at, created_at and id (a UUID)
#[derive(Args)]
pub(super) struct Import {
    /// The file; `-` is standard input
    file: PathBuf,
    /// Check each line, also against existing accounts, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// `config.pepper` of the Devise application that the hashes come from
    #[arg(long, env, hide_env_values = true, value_name = "SECRET", value_parser = secret)]
    devise_pepper: Option<Secret>,
    /// SECURITY_PASSWORD_SALT of the Flask-Security application that the hashes come from
    #[arg(long, env, hide_env_values = true, value_name = "SECRET", value_parser = secret)]
    #[arg(conflicts_with = "devise_pepper")]
    flask_security_salt: Option<Secret>,
    /// The hashes come from Flask-Security with SECURITY_PASSWORD_SINGLE_HASH: of the password in NFKD, without the salt
    #[arg(long, conflicts_with_all = ["devise_pepper", "flask_security_salt"])]
    flask_security_single_hash: bool,
}

fn secret(text: &str) -> Result<Secret, String> {
    if text.is_empty() { Err("must not be empty".into()) } else { Ok(Secret::from(text.to_owned())) }
}

#[derive(Default)]
struct Summary {
    imported: u64,
    already_there: u64,
    refused: u64,
}

/// What the reader passes on: a batch, refused lines, and how far it got.
#[derive(Default)]
struct Chunk {
    batch: Batch,
    refused: Vec<(u64, Refusal)>,
    bytes: u64,
}

impl Import {
    pub(super) async fn run(self, settings: &Settings) -> anyhow::Result<()> {
        let (input, length) = self.open()?;
        let (db, _embedded) = open_database(settings).await?;
        let secret = self.devise_pepper.map(|pepper| ForeignSecret::DevisePepper(pepper.reveal().to_owned()));
        let secret =
            secret.or(self.flask_security_salt.map(|salt| ForeignSecret::FlaskSecuritySalt(salt.reveal().to_owned())));
        let secret = secret.or(self.flask_security_single_hash.then_some(ForeignSecret::FlaskSecuritySingleHash));

        let bar = progress_bar(length);
        let (sender, mut chunks) = mpsc::channel(AHEAD);
        // Not a thread of the runtime, which would wait for it: standard input can take forever.
        let cost = settings.bcrypt_cost;
        std::thread::Builder::new().name("reader".into()).spawn(move || {
            let parse = |line: &[u8]| ImportedUser::read(line, secret.as_ref(), cost, Utc::now());
            if let Err(error) = read(input, parse, &sender) {
                let _ = sender.blocking_send(Err(error));
            }
        })?;
        let mut summary = Summary::default();
        let mut target = match self.dry_run {
            true => Target::DryRun(Box::new(DryRun::new(db.connect_alone().await?).await?)),
            false => Target::Database(db),
        };
        while let Some(chunk) = chunks.recv().await {
            let Chunk { batch, refused, bytes } =
                chunk.context("the file cannot be read to its end: run the import again")?;
            let outcomes = target.insert(&batch).await.with_context(|| {
                let (line, imported) = (batch.lines().next().unwrap_or_default(), target.imported());
                format!("stopped at line {line}{imported}: run the import again")
            })?;
            let refused = refused.into_iter().map(|(line, refusal)| (line, Outcome::Refused(refusal)));
            let mut outcomes: Vec<_> = batch.lines().zip(outcomes).chain(refused).collect();
            outcomes.sort_by_key(|(line, _)| *line);
            for (line, outcome) in outcomes {
                summary.count(&bar, line, &outcome);
            }
            bar.set_position(bytes);
        }
        bar.finish_and_clear();
        summary.report(self.dry_run)
    }

    fn open(&self) -> anyhow::Result<(Box<dyn BufRead + Send>, Option<u64>)> {
        if self.file.as_os_str() == "-" {
            return Ok((Box::new(BufReader::new(io::stdin())), None));
        }
        let file = File::open(&self.file).with_context(|| self.file.display().to_string())?;
        let length = file.metadata().ok().filter(std::fs::Metadata::is_file).map(|metadata| metadata.len());
        Ok((Box::new(BufReader::with_capacity(1 << 16, file)), length))
    }
}

impl Summary {
    fn count(&mut self, bar: &ProgressBar, line: u64, outcome: &Outcome) {
        match outcome {
            Outcome::Imported => self.imported += 1,
            Outcome::AlreadyThere => self.already_there += 1,
            Outcome::Refused(refusal) => {
                self.refused += 1;
                bar.suspend(|| eprintln!("line {line}: {refusal}"));
            }
        }
    }

    fn report(&self, is_dry_run: bool) -> anyhow::Result<()> {
        let Self { imported, already_there, refused } = self;
        let what = if is_dry_run { "would be imported" } else { "imported" };
        crate::cli::print(format!("{imported} {what}, {already_there} already there, {refused} refused\n"))?;
        match refused {
            0 => Ok(()),
            1 => bail!("one line was refused"),
            _ => bail!("{refused} lines were refused"),
        }
    }
}

/// Hidden if standard error is no terminal.
fn progress_bar(length: Option<u64>) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let (bar, template) = match length {
        Some(length) => (ProgressBar::new(length), "{wide_bar} {percent}% {bytes_per_sec} {eta} left"),
        None => (ProgressBar::new_spinner(), "{spinner} {bytes} {bytes_per_sec} {elapsed}"),
    };
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// Reads all lines, on a thread of its own. Ends early when the receiver is gone.
fn read(
    mut input: Box<dyn BufRead + Send>,
    parse: impl Fn(&[u8]) -> Result<ImportedUser, Refusal>,
    chunks: &mpsc::Sender<io::Result<Chunk>>,
) -> io::Result<()> {
    let (mut chunk, mut number, mut line) = (Chunk::default(), 0, Vec::new());
    loop {
        let bytes = next_line(&mut input, &mut line)?;
        if bytes == 0 {
            let _ = chunks.blocking_send(Ok(chunk));
            return Ok(());
        }
        number += 1;
        // A byte order mark, which some editors write.
        let text = line.strip_prefix(b"\xef\xbb\xbf").filter(|_| number == 1).unwrap_or(&line);
        let user = (!text.trim_ascii().is_empty()).then(|| parse(text));
        let is_full = match &user {
            Some(Ok(user)) => chunk.batch.is_full_for(user),
            _ => chunk.refused.len() >= 1000,
        };
        if is_full {
            let next = Chunk { bytes: chunk.bytes, ..Chunk::default() };
            if chunks.blocking_send(Ok(std::mem::replace(&mut chunk, next))).is_err() {
                return Ok(());
            }
        }
        match user {
            Some(Ok(user)) => chunk.batch.push(number, user),
            Some(Err(refusal)) => chunk.refused.push((number, refusal)),
            None => {}
        }
        chunk.bytes += bytes;
    }
}

/// Reads a line without its end; of a line that is too long only enough to see that. Returns the bytes read.
fn next_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<u64> {
    line.clear();
    let limit = MAX_LINE as u64 + 2;
    let mut bytes = input.by_ref().take(limit).read_until(b'\n', line)? as u64;
    if line.last() == Some(&b'\n') {
        line.pop();
    } else if bytes == limit {
        bytes += skip_line(input)?;
    }
    Ok(bytes)
}

fn skip_line(input: &mut impl BufRead) -> io::Result<u64> {
    let mut skipped = 0;
    loop {
        let buffer = input.fill_buf()?;
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let count = end.map_or(buffer.len(), |end| end + 1);
        input.consume(count);
        skipped += count as u64;
        if end.is_some() || count == 0 {
            return Ok(skipped);
        }
    }
}

/// Where batches go.
enum Target {
    Database(Db),
    DryRun(Box<DryRun>),
}

impl Target {
    async fn insert(&mut self, batch: &Batch) -> anyhow::Result<Vec<Outcome>> {
        match self {
            Self::Database(db) => insert(db, batch).await,
            Self::DryRun(dry_run) => Ok(dry_run.insert(batch, Utc::now()).await?),
        }
    }

    /// What to say of the lines before the one at which it stopped.
    fn imported(&self) -> &'static str {
        match self {
            Self::Database(_) => "; the lines before it are imported",
            Self::DryRun(_) => "",
        }
    }
}

/// One transaction. Tried again after a deadlock, or while the database is away.
async fn insert(db: &Db, batch: &Batch) -> anyhow::Result<Vec<Outcome>> {
    let mut tries = 0;
    loop {
        tries += 1;
        match db.transaction(async |conn| insert_batch(conn, batch, Utc::now()).await).await {
            Ok(outcomes) => return Ok(outcomes),
            Err(DbError::Unavailable(_)) if tries < TRIES => {
                tokio::time::sleep(std::time::Duration::from_secs(tries.into())).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}
