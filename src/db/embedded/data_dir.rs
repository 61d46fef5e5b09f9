//! The folder that one instance owns: its lock, its server's log, and how folders come into being whole or not at all.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    process,
};

use super::EmbeddedError;

const LOCK: &str = "postgres.lock";
const LOG: &str = "postgres.log";

/// A log that is longer than this at the start begins anew.
const LONGEST_LOG: u64 = 8 << 20;

/// Marks a folder that has not taken its name yet.
const UNFINISHED: &str = ".unfinished-";

/// A data directory that is ours while this lives.
///
/// The kernel lets go of the lock when we die, however we die, and our children do not inherit it: whoever holds it may
/// take anything in the folder for left over, and a server that still runs there for an orphan.
pub(super) struct DataDir {
    path: PathBuf,
    _lock: File,
}

impl DataDir {
    /// Creates the folder if need be, takes it, and clears away what a killed process left unfinished.
    ///
    /// # Errors
    ///
    /// [`EmbeddedError::InUse`], or [`EmbeddedError::Folder`] if it cannot be written.
    pub(super) fn take(path: &Path) -> Result<Self, EmbeddedError> {
        fs::create_dir_all(path).map_err(EmbeddedError::folder(path))?;
        // One name for one folder, wherever we were started: the stand-ins for long and private paths derive from it.
        let path = fs::canonicalize(path).map_err(EmbeddedError::folder(path))?;
        let lock = lock(&path)?;
        clear_unfinished(&path);
        Ok(Self { path, _lock: lock })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The log of the server.
    ///
    /// # Errors
    ///
    /// [`EmbeddedError::Folder`] if it cannot be written.
    pub(super) fn server_log(&self) -> Result<ServerLog, EmbeddedError> {
        let log = ServerLog { path: self.path.join(LOG) };
        let file = log.appender().map_err(EmbeddedError::folder(&log.path))?;
        if log.len() > LONGEST_LOG {
            file.set_len(0).map_err(EmbeddedError::folder(&log.path))?;
        }
        Ok(log)
    }
}

fn lock(data_dir: &Path) -> Result<File, EmbeddedError> {
    let path = data_dir.join(LOCK);
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(EmbeddedError::folder(&path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let pid = fs::read_to_string(&path).unwrap_or_default();
            return Err(EmbeddedError::InUse {
                data_dir: data_dir.to_owned(),
                pid: if pid.is_empty() { "?".to_owned() } else { pid },
            });
        }
        Err(TryLockError::Error(source)) => return Err(EmbeddedError::Folder { path, source }),
    }
    // Only for the message above: the lock itself is what counts.
    file.set_len(0)
        .and_then(|()| file.write_all(process::id().to_string().as_bytes()))
        .map_err(EmbeddedError::folder(path))?;
    Ok(file)
}

/// The name under which to make `path`, before a rename gives it its own. It carries our process id, because an `initdb`
/// of a killed predecessor may for a moment still write into the folder that bears the predecessor's.
pub(super) fn unfinished(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!("{UNFINISHED}{}", process::id()));
    PathBuf::from(name)
}

/// Removes the unfinished folders in `parent`. What resists is left to the next start.
pub(super) fn clear_unfinished(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("postgres-") && name.contains(UNFINISHED) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Where the server and `initdb` write what they have to say.
#[derive(Clone)]
pub(super) struct ServerLog {
    path: PathBuf,
}

impl ServerLog {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// A handle for a child's output.
    ///
    /// # Errors
    ///
    /// If the file cannot be opened.
    pub(super) fn appender(&self) -> io::Result<File> {
        OpenOptions::new().append(true).create(true).open(&self.path)
    }

    /// Where the next line will begin.
    pub(super) fn len(&self) -> u64 {
        fs::metadata(&self.path).map_or(0, |metadata| metadata.len())
    }

    /// The line since `start` that says most: the last that speaks of an error, else the last one.
    pub(super) fn telling_line(&self, start: u64) -> String {
        let mut bytes = Vec::new();
        let read = File::open(&self.path).and_then(|mut file| {
            file.seek(SeekFrom::Start(start))?;
            file.take(LONGEST_LOG).read_to_end(&mut bytes)
        });
        if let Err(error) = read {
            return format!("its log cannot be read: {error}");
        }
        let text = String::from_utf8_lossy(&bytes);
        let lines = || text.lines().map(str::trim).filter(|line| !line.is_empty());
        lines()
            .rfind(|line| ["FATAL:", "PANIC:", "error:"].iter().any(|word| line.contains(word)))
            .or_else(|| lines().next_back())
            .unwrap_or("it says nothing")
            .to_owned()
    }
}
