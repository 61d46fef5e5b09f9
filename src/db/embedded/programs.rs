//! Which PostgreSQL to run: the folder that was asked for, else the one inside this binary, else one that is installed.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::EmbeddedError;
#[cfg(bundled_postgres)]
use super::bundled;

/// The migrations are written for this major version and later.
const OLDEST_MAJOR: u32 = 15;

/// Where packages put the programs: a parent folder, how the names of interest in it begin, and the way on from there.
const USUAL_PLACES: [(&str, &str, &str); 5] = [
    ("/usr/lib/postgresql", "", "bin"),
    ("/usr", "pgsql-", "bin"),
    ("/opt/homebrew/opt", "postgresql", "bin"),
    ("/usr/local/opt", "postgresql", "bin"),
    ("/usr/local", "pgsql", "bin"),
];

/// Who made the programs. It decides whether root may run them, and keeps their clusters apart.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Bundled,
    Installed,
}

/// A folder with a `postgres` that runs here and its `initdb`.
pub(super) struct Programs {
    pub(super) bin_dir: PathBuf,
    pub(super) kind: Kind,
    /// As the program says it, such as `17.5`.
    pub(super) version: String,
    pub(super) major: u32,
}

impl Programs {
    /// Finds the programs; `data_dir` is where the bundled ones are unpacked.
    ///
    /// # Errors
    ///
    /// [`EmbeddedError::BinDir`] or [`EmbeddedError::NoPrograms`], and [`EmbeddedError::Folder`] when there is no room
    /// for the bundled ones.
    pub(super) fn locate(bin_dir: Option<&Path>, data_dir: &Path) -> Result<Self, EmbeddedError> {
        if let Some(bin_dir) = bin_dir {
            return Self::probe(bin_dir.to_owned(), Kind::Installed)
                .map_err(|reason| EmbeddedError::BinDir { bin_dir: bin_dir.to_owned(), reason });
        }
        let unusable = match Self::bundled(data_dir)? {
            Ok(programs) => return Ok(programs),
            Err(reason) => reason,
        };
        match Self::installed() {
            Ok(programs) => {
                log::debug!("{unusable}: using the PostgreSQL in {}", programs.bin_dir.display());
                Ok(programs)
            }
            Err(reason) => Err(EmbeddedError::NoPrograms { reason: format!("{unusable}, and {reason}") }),
        }
    }

    /// What to call them in the log.
    pub(super) fn source(&self) -> String {
        match self.kind {
            Kind::Bundled => "bundled".to_owned(),
            Kind::Installed => self.bin_dir.display().to_string(),
        }
    }

    /// The folder name of a cluster of theirs. A major version cannot read the files of another one, and two builds of
    /// one version need not agree either.
    pub(super) fn cluster_name(&self) -> String {
        match self.kind {
            Kind::Bundled => format!("postgres-{}", self.major),
            Kind::Installed => format!("postgres-{}-installed", self.major),
        }
    }

    /// The bundled programs, unpacked; or, inside, why they cannot be used here.
    #[cfg(bundled_postgres)]
    fn bundled(data_dir: &Path) -> Result<Result<Self, String>, EmbeddedError> {
        let runtime = bundled::runtime_dir(data_dir);
        let verdict = runtime.join("cannot-run-here");
        let mut found = Self::probe(runtime.join("bin"), Kind::Bundled);
        // Not there yet; or damaged, by a power cut say: then unpacking again is the repair. But once is enough.
        if found.is_err() && !verdict.exists() {
            bundled::unpack(data_dir).map_err(EmbeddedError::folder(&runtime))?;
            found = Self::probe(runtime.join("bin"), Kind::Bundled);
            if let Err(reason) = &found {
                fs::write(&verdict, reason).map_err(EmbeddedError::folder(&verdict))?;
            }
        }
        Ok(found.map_err(|reason| format!("the bundled PostgreSQL cannot run here ({reason})")))
    }

    #[cfg(not(bundled_postgres))]
    fn bundled(_data_dir: &Path) -> Result<Result<Self, String>, EmbeddedError> {
        Ok(Err("this build carries no PostgreSQL".to_owned()))
    }

    /// The newest of the usual places, else the first of `PATH`.
    fn installed() -> Result<Self, String> {
        let mut rejected = Vec::new();
        let mut probe = |bin_dir: PathBuf| match Self::probe(bin_dir.clone(), Kind::Installed) {
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
            Err(format!("none that is installed does ({})", rejected.join(", ")))
        }
    }

    /// Asks the `postgres` in `bin_dir` for its version, which also shows that it runs here at all (libc, libz).
    fn probe(bin_dir: PathBuf, kind: Kind) -> Result<Self, String> {
        if !bin_dir.join("initdb").is_file() {
            return Err("it has no `initdb`".to_owned());
        }
        let answer = Command::new(bin_dir.join("postgres"))
            .arg("--version")
            .output()
            .map_err(|error| format!("`postgres`: {error}"))?;
        if !answer.status.success() {
            let words = String::from_utf8_lossy(&answer.stderr);
            let first = words.lines().next().unwrap_or_default();
            return Err(format!("`postgres --version`: {}: {first}", answer.status));
        }
        // "postgres (PostgreSQL) 15.20 (Debian 15.20-0+deb12u1)"
        let words = String::from_utf8_lossy(&answer.stdout).into_owned();
        let version = words.split_whitespace().nth(2).unwrap_or_default().to_owned();
        let Some(&major) = version_key(&version).first() else {
            return Err(format!("it calls itself {:?}", words.trim()));
        };
        if major < OLDEST_MAJOR {
            return Err(format!("it is {version}, {OLDEST_MAJOR} or later is needed"));
        }
        // Absolute, because the server is started from another folder.
        let bin_dir = fs::canonicalize(&bin_dir).map_err(|error| error.to_string())?;
        Ok(Self { bin_dir, kind, version, major })
    }
}

/// `17.5` as `[17, 5]`, `18beta1` as `[18, 1]`: enough to compare, and to know the major version.
fn version_key(version: &str) -> Vec<u32> {
    version.split(|c: char| !c.is_ascii_digit()).filter_map(|number| number.parse().ok()).collect()
}

/// The existing ones among [`USUAL_PLACES`].
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

/// The folders of `PATH` that hold a `postgres`. Relative ones are left out: they would mean another folder each time.
fn path_bin_dirs() -> Vec<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).filter(|dir| dir.is_absolute() && dir.join("postgres").is_file()).collect()
}
