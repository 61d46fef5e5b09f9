//! The development mailbox: the mails that would have been sent, as files in the data directory.
//!
//! Its links and codes work for anyone who can read it, so it is for development only; see `DEV_MAILBOX`.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tokio::task::spawn_blocking;
use utoipa::ToSchema;
use uuid::Uuid;

const MAX_MAILS: usize = 1000;

/// A mail in the development mailbox.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Mail {
    pub id: Uuid,
    #[schema(example = "ada@example.com")]
    pub to: String,
    pub subject: String,
    pub sent_at: DateTime<Utc>,
    pub text: String,
    pub html: String,
    /// The links of the text part, in order.
    pub links: Vec<String>,
    /// The digits of the code, if there is one.
    #[schema(required, pattern = "^[0-9]{8}$", example = "12345678")]
    pub code: Option<String>,
}

/// A folder with two files per mail: its parts as JSON, and its source.
#[derive(Clone, Debug)]
pub struct Mailbox {
    folder: Arc<PathBuf>,
}

impl Mailbox {
    /// The first mail creates the folder.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder: Arc::new(folder) }
    }

    /// Stores a mail, in place of one with the same id.
    pub async fn put(&self, mail: Mail, source: Vec<u8>) -> io::Result<()> {
        let folder = Arc::clone(&self.folder);
        blocking(move || {
            std::fs::create_dir_all(folder.as_path())?;
            let draft = folder.join(format!("{}.draft", mail.id));
            std::fs::write(source_of(&folder, mail.id), source)?;
            std::fs::write(&draft, serde_json::to_vec(&mail)?)?;
            // A reader must not see half a mail.
            std::fs::rename(draft, mail_of(&folder, mail.id))?;
            ids(&folder)?.into_iter().skip(MAX_MAILS).try_for_each(|id| remove(&folder, id))
        })
        .await
    }

    /// The newest first.
    pub async fn list(&self) -> io::Result<Vec<Mail>> {
        let folder = Arc::clone(&self.folder);
        blocking(move || ids(&folder)?.into_iter().filter_map(|id| read(&folder, id).transpose()).collect()).await
    }

    pub async fn find(&self, id: Uuid) -> io::Result<Option<Mail>> {
        let folder = Arc::clone(&self.folder);
        blocking(move || read(&folder, id)).await
    }

    /// The message as it would have been sent.
    pub async fn find_source(&self, id: Uuid) -> io::Result<Option<String>> {
        let folder = Arc::clone(&self.folder);
        let source = blocking(move || existing(std::fs::read(source_of(&folder, id)))).await?;
        Ok(source.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    pub async fn clear(&self) -> io::Result<()> {
        let folder = Arc::clone(&self.folder);
        blocking(move || ids(&folder)?.into_iter().try_for_each(|id| remove(&folder, id))).await
    }
}

/// The http and https links of a text.
pub fn links(text: &str) -> Vec<String> {
    let is_link = |word: &&str| word.starts_with("https://") || word.starts_with("http://");
    text.split_whitespace().filter(is_link).map(ToOwned::to_owned).collect()
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    spawn_blocking(work).await.map_err(io::Error::other)?
}

/// The newest first, because UUIDv7 sorts by time.
fn ids(folder: &Path) -> io::Result<Vec<Uuid>> {
    let Some(entries) = existing(std::fs::read_dir(folder))? else {
        return Ok(Vec::new());
    };
    let mut ids = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        let id = name.to_str().and_then(|name| name.strip_suffix(".json")).and_then(|id| id.parse::<Uuid>().ok());
        ids.extend(id);
    }
    ids.sort_unstable_by(|a, b| b.cmp(a));
    Ok(ids)
}

fn read(folder: &Path, id: Uuid) -> io::Result<Option<Mail>> {
    match existing(std::fs::read(mail_of(folder, id)))? {
        Some(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
        None => Ok(None),
    }
}

fn mail_of(folder: &Path, id: Uuid) -> PathBuf {
    folder.join(format!("{id}.json"))
}

fn source_of(folder: &Path, id: Uuid) -> PathBuf {
    folder.join(format!("{id}.eml"))
}

/// It is no error if another instance was faster.
fn remove(folder: &Path, id: Uuid) -> io::Result<()> {
    existing(std::fs::remove_file(mail_of(folder, id)))?;
    existing(std::fs::remove_file(source_of(folder, id))).map(drop)
}

fn existing<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
