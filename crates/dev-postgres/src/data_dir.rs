//! The data directory: its lock, the log of its server, and folders that exist only when they are complete.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    process,
};

use crate::Error;

const LOCK: &str = "postgres.lock";
const LOG: &str = "postgres.log";

/// A log that is longer at the start is emptied.
const MAX_LOG: u64 = 8 << 20;

/// In the name of a folder that is not complete yet.
const UNFINISHED: &str = ".unfinished-";

/// A data directory, locked while this exists.
///
/// The kernel releases the lock however our process ends, and our children do not inherit it. So with the lock, any server
/// that still runs here is left over, and so is any unfinished folder.
pub(crate) struct DataDir {
    path: PathBuf,
    _lock: File,
}

impl DataDir {
    /// Creates the folder if it does not exist, locks it, and removes what a killed process left unfinished.
    pub(crate) fn lock(path: &Path) -> Result<Self, Error> {
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(Error::folder(path))?;
        // One path for one folder, independent of the working directory: `cluster::stable_name` hashes it.
        let path = fs::canonicalize(path).map_err(Error::folder(path))?;
        let lock = lock(&path)?;
        remove_unfinished(&path);
        Ok(Self { path, _lock: lock })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn server_log(&self) -> Result<ServerLog, Error> {
        let log = ServerLog { path: self.path.join(LOG) };
        let file = log.open().map_err(Error::folder(&log.path))?;
        if log.len() > MAX_LOG {
            file.set_len(0).map_err(Error::folder(&log.path))?;
        }
        Ok(log)
    }
}

fn lock(data_dir: &Path) -> Result<File, Error> {
    let path = data_dir.join(LOCK);
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    let mut file = options.open(&path).map_err(Error::folder(&path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let pid = fs::read_to_string(&path).ok().filter(|pid| !pid.is_empty());
            return Err(Error::InUse { data_dir: data_dir.to_owned(), pid: pid.unwrap_or_else(|| "?".to_owned()) });
        }
        Err(TryLockError::Error(error)) => return Err(Error::Folder { path, error }),
    }
    // Only for the error message above.
    file.set_len(0).and_then(|()| file.write_all(process::id().to_string().as_bytes())).map_err(Error::folder(path))?;
    Ok(file)
}

/// The name of `path` until it is complete. It contains our process id, because the `initdb` of a killed process may still
/// write for a moment.
pub(crate) fn unfinished(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!("{UNFINISHED}{}", process::id()));
    PathBuf::from(name)
}

/// Removes the unfinished folders in `parent`. What cannot be removed is left to the next start.
pub(crate) fn remove_unfinished(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("postgres-") && name.contains(UNFINISHED) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// The output of the server and of `initdb`.
#[derive(Clone)]
pub(crate) struct ServerLog {
    path: PathBuf,
}

impl ServerLog {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn open(&self) -> io::Result<File> {
        OpenOptions::new().append(true).create(true).open(&self.path)
    }

    pub(crate) fn len(&self) -> u64 {
        fs::metadata(&self.path).map_or(0, |metadata| metadata.len())
    }

    /// The last error after the position `start`; if there is none, the last line.
    pub(crate) fn error_line(&self, start: u64) -> String {
        let mut bytes = Vec::new();
        let read = File::open(&self.path).and_then(|mut file| {
            file.seek(SeekFrom::Start(start))?;
            file.take(MAX_LOG).read_to_end(&mut bytes)
        });
        if let Err(error) = read {
            return format!("cannot read its log: {error}");
        }
        let text = String::from_utf8_lossy(&bytes);
        let lines = || text.lines().map(str::trim).filter(|line| !line.is_empty());
        lines()
            .rfind(|line| ["FATAL:", "PANIC:", "error:"].iter().any(|word| line.contains(word)))
            .or_else(|| lines().next_back())
            .unwrap_or("its log is empty")
            .to_owned()
    }
}
