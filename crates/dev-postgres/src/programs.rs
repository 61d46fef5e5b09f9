//! Which PostgreSQL to run: the one in the settings, else the bundled one, else the newest that is installed.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{Error, Settings};

/// Where packages install the programs: a parent folder, the prefix of a folder in it, and the path from there.
const USUAL_PLACES: [(&str, &str, &str); 5] = [
    ("/usr/lib/postgresql", "", "bin"),
    ("/usr", "pgsql-", "bin"),
    ("/opt/homebrew/opt", "postgresql", "bin"),
    ("/usr/local/opt", "postgresql", "bin"),
    ("/usr/local", "pgsql", "bin"),
];

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Runs as root too: the check is patched out.
    Bundled,
    Installed,
}

/// A folder with a `postgres` and an `initdb` that run on this machine.
pub(crate) struct Programs {
    pub(crate) bin_dir: PathBuf,
    pub(crate) kind: Kind,
    /// Such as `17.5`.
    pub(crate) version: String,
    major: u32,
}

impl Programs {
    /// Finds the programs, and unpacks the bundled ones in `data_dir` if they are used.
    pub(crate) fn find(settings: &Settings<'_>, data_dir: &Path) -> Result<Self, Error> {
        let oldest = settings.min_major;
        if let Some(bin_dir) = settings.bin_dir {
            return Self::probe(bin_dir, Kind::Installed, oldest)
                .map_err(|reason| Error::BinDir { bin_dir: bin_dir.to_owned(), reason });
        }
        let unusable = match Self::bundled(data_dir, oldest)? {
            Ok(programs) => return Ok(programs),
            Err(reason) => reason,
        };
        match Self::installed(oldest) {
            Ok(programs) => {
                log::debug!("{unusable}: using the PostgreSQL in {}", programs.bin_dir.display());
                Ok(programs)
            }
            Err(reason) => Err(Error::NoPrograms { reason: format!("{unusable}, and {reason}") }),
        }
    }

    /// `bundled`, or the folder.
    pub(crate) fn source(&self) -> String {
        match self.kind {
            Kind::Bundled => "bundled".to_owned(),
            Kind::Installed => self.bin_dir.display().to_string(),
        }
    }

    /// The name of the folder for their data. A major version cannot read the files of another one, and two builds of the
    /// same version may differ too.
    pub(crate) fn cluster_name(&self) -> String {
        match self.kind {
            Kind::Bundled => format!("postgres-{}", self.major),
            Kind::Installed => format!("postgres-{}-installed", self.major),
        }
    }

    /// The bundled programs, or why they cannot run here. The outer error is about the data directory.
    #[cfg(bundled_postgres)]
    fn bundled(data_dir: &Path, oldest: u32) -> Result<Result<Self, String>, Error> {
        let runtime = bundled::runtime_dir(data_dir);
        let bin_dir = runtime.join("bin");
        let cannot_run = runtime.join("cannot-run-here");
        let mut found = Self::probe(&bin_dir, Kind::Bundled, oldest);
        // They are missing, or damaged (a power cut?) and unpacking repairs them. If not, do not try at each start.
        if found.is_err() && !cannot_run.exists() {
            bundled::unpack(data_dir).map_err(Error::folder(&runtime))?;
            found = Self::probe(&bin_dir, Kind::Bundled, oldest);
            if let Err(reason) = &found {
                fs::write(&cannot_run, reason).map_err(Error::folder(&cannot_run))?;
            }
        }
        Ok(found.map_err(|reason| format!("the bundled PostgreSQL cannot run here ({reason})")))
    }

    #[cfg(not(bundled_postgres))]
    fn bundled(_data_dir: &Path, _oldest: u32) -> Result<Result<Self, String>, Error> {
        Ok(Err("this build has no bundled PostgreSQL".to_owned()))
    }

    /// The newest in the usual places, else the first in `PATH`.
    fn installed(oldest: u32) -> Result<Self, String> {
        let mut rejected = Vec::new();
        let mut probe = |bin_dir: PathBuf| match Self::probe(&bin_dir, Kind::Installed, oldest) {
            Ok(programs) => Some(programs),
            Err(reason) => {
                rejected.push(format!("{}: {reason}", bin_dir.display()));
                None
            }
        };
        let newest =
            usual_bin_dirs().into_iter().filter_map(&mut probe).max_by_key(|programs| version_key(&programs.version));
        if let Some(programs) = newest.or_else(|| path_bin_dirs().into_iter().find_map(&mut probe)) {
            return Ok(programs);
        }
        if rejected.is_empty() {
            Err("none is installed".to_owned())
        } else {
            Err(format!("no installed one can be used ({})", rejected.join(", ")))
        }
    }

    /// Asks the `postgres` in `bin_dir` for its version, which also shows whether it runs here at all (libc, libz).
    fn probe(bin_dir: &Path, kind: Kind, oldest: u32) -> Result<Self, String> {
        if !bin_dir.join("initdb").is_file() {
            return Err("it has no `initdb`".to_owned());
        }
        let output = Command::new(bin_dir.join("postgres"))
            .arg("--version")
            .output()
            .map_err(|error| format!("`postgres`: {error}"))?;
        if !output.status.success() {
            let message = String::from_utf8_lossy(&output.stderr);
            let first_line = message.lines().next().unwrap_or_default();
            return Err(format!("`postgres --version`: {}: {first_line}", output.status));
        }
        // "postgres (PostgreSQL) 15.20 (Debian 15.20-0+deb12u1)"
        let answer = String::from_utf8_lossy(&output.stdout);
        let version = answer.split_whitespace().nth(2).unwrap_or_default().to_owned();
        let Some(&major) = version_key(&version).first() else {
            return Err(format!("`postgres --version` answers {:?}", answer.trim()));
        };
        if major < oldest {
            return Err(format!("it is {version}, but {oldest} or later is needed"));
        }
        // Absolute, because the server starts in another folder.
        let bin_dir = fs::canonicalize(bin_dir).map_err(|error| error.to_string())?;
        Ok(Self { bin_dir, kind, version, major })
    }
}

/// `17.5` as `[17, 5]`, `18beta1` as `[18, 1]`: enough to compare, and to know the major version.
fn version_key(version: &str) -> Vec<u32> {
    version.split(|c: char| !c.is_ascii_digit()).filter_map(|number| number.parse().ok()).collect()
}

fn usual_bin_dirs() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for (parent, prefix, rest) in USUAL_PLACES {
        for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(prefix) {
                found.push(entry.path().join(rest));
            }
        }
    }
    found.retain(|bin_dir| bin_dir.join("postgres").is_file());
    found
}

/// Without relative ones: their meaning depends on the working directory.
fn path_bin_dirs() -> Vec<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).filter(|dir| dir.is_absolute() && dir.join("postgres").is_file()).collect()
}

#[cfg(bundled_postgres)]
mod bundled {
    use std::{
        error::Error as _,
        fs, io, iter,
        path::{Path, PathBuf},
    };

    use ruzstd::decoding::StreamingDecoder;

    use crate::data_dir::unfinished;

    /// `build.rs` has checked the SHA-256.
    const PAYLOAD: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/postgres-runtime.tar.zst"));
    const SHA256: &str = env!("BUNDLED_POSTGRES_SHA256");

    /// The folder of the unpacked programs. Each payload has its own, so that files never mix.
    pub(super) fn runtime_dir(data_dir: &Path) -> PathBuf {
        data_dir.join(format!("postgres-runtime-{SHA256:.12}"))
    }

    /// Replaces [`runtime_dir`]. It gets its name only when it is complete.
    pub(super) fn unpack(data_dir: &Path) -> io::Result<()> {
        let runtime = runtime_dir(data_dir);
        let unfinished = unfinished(&runtime);
        fs::create_dir_all(&unfinished)?;
        let decoder = StreamingDecoder::new(PAYLOAD).map_err(io::Error::other)?;
        tar::Archive::new(decoder).unpack(&unfinished).map_err(with_root_cause)?;
        if runtime.exists() {
            fs::remove_dir_all(&runtime)?;
        }
        fs::rename(&unfinished, &runtime)
    }

    /// The errors of `tar` name the file; why it could not be written is only in the last of their sources.
    fn with_root_cause(error: io::Error) -> io::Error {
        match iter::successors(error.source(), |&cause| cause.source()).last() {
            Some(cause) => io::Error::new(error.kind(), format!("{error}: {cause}")),
            None => error,
        }
    }
}
