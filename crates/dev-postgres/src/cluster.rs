//! The folders of the data ("cluster" in PostgreSQL's terms) and of the socket: where they are, who owns them, how they
//! are created.

use std::{
    env,
    ffi::OsString,
    fs::{self, DirBuilder},
    io,
    os::unix::{
        ffi::OsStrExt,
        fs::{DirBuilderExt, MetadataExt},
    },
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use crate::{
    Error, Settings,
    account::{self, Account},
    data_dir,
    process::{Launcher, Running},
    programs::{Kind, Programs},
};

/// The server names its socket after its port, which means nothing else without TCP.
pub(crate) const SOCKET: &str = ".s.PGSQL.5432";

/// The longest path of a socket on macOS; Linux allows four bytes more.
const MAX_SOCKET_PATH: usize = 103;

/// Where root puts the data when the server's user cannot enter the data directory. Only root can write there, so nobody
/// else can take the predictable name first.
const FALLBACK_PARENT: &str = "/var/lib";

pub(crate) struct Cluster<'a> {
    pub(crate) dir: PathBuf,
    /// The user who runs the server; `None` for the current one.
    pub(crate) account: Option<Account>,
    own_uid: u32,
    settings: Settings<'a>,
}

impl<'a> Cluster<'a> {
    /// Chooses the folder and its user: in the data directory, unless the server must run as a user who cannot enter it.
    pub(crate) fn choose(settings: Settings<'a>, data_dir: &Path, programs: &Programs) -> Result<Self, Error> {
        let own_uid = account::own_uid()?;
        let usual = data_dir.join(programs.cluster_name());
        let cluster = |dir, account| Self { dir, account, own_uid, settings };
        if own_uid != 0 {
            return Ok(cluster(usual, None));
        }
        let fallback_dir = Path::new(FALLBACK_PARENT).join(stable_name(settings.name, data_dir));
        let fallback = fallback_dir.join(programs.cluster_name());
        // Existing data comes first, even if we would choose differently today.
        for dir in [&usual, &fallback] {
            if let Some(metadata) = fs::metadata(dir).ok().filter(fs::Metadata::is_dir) {
                return Ok(cluster(dir.clone(), Account::other_than_root(metadata.uid(), metadata.gid())));
            }
        }
        if programs.kind == Kind::Bundled {
            return Ok(cluster(usual, None));
        }
        let account = Account::unprivileged()?;
        if !account.can_use(&programs.bin_dir.join("postgres"))? {
            let (name, bin_dir) = (&account.name, programs.bin_dir.display());
            return Err(Error::Root { reason: format!("the user {name} cannot enter {bin_dir}") });
        }
        if account.can_use(data_dir)? {
            return Ok(cluster(usual, Some(account)));
        }
        fs::create_dir_all(FALLBACK_PARENT)
            .and_then(|()| make_private(&fallback_dir, own_uid, Some(&account)))
            .map_err(Error::folder(fallback_dir))?;
        Ok(cluster(fallback, Some(account)))
    }

    /// Creates the cluster if it does not exist.
    ///
    /// It gets its name only when `initdb` has succeeded, so that a kill leaves a folder that the next start removes.
    pub(crate) fn ensure(&self, programs: &Programs, launcher: &Launcher) -> Result<(), Error> {
        if self.dir.is_dir() {
            return Ok(());
        }
        let (version, source) = (&programs.version, programs.source());
        log::info!("creating a development database in {} (PostgreSQL {version}, {source})", self.dir.display());
        if let Some(parent) = self.dir.parent() {
            data_dir::remove_unfinished(parent);
        }
        let unfinished = data_dir::unfinished(&self.dir);
        make_private(&unfinished, self.own_uid, self.account.as_ref()).map_err(Error::folder(&unfinished))?;
        match self.initdb(programs, launcher, &unfinished) {
            Ok(()) => fs::rename(&unfinished, &self.dir).map_err(Error::folder(&self.dir)),
            Err(reason) => {
                let _ = fs::remove_dir_all(&unfinished);
                Err(Error::Initdb { cluster: self.dir.clone(), reason, log: launcher.log.path().to_owned() })
            }
        }
    }

    fn initdb(&self, programs: &Programs, launcher: &Launcher, dir: &Path) -> Result<(), String> {
        let log_start = launcher.log.len();
        let mut arguments: Vec<OsString> =
            ["--username", self.settings.name, "--auth=trust", "--encoding=UTF8", "--locale=C"].map(Into::into).into();
        if !self.settings.durable {
            arguments.push("--no-sync".into());
        }
        arguments.extend(["--pgdata".into(), dir.into()]);
        let running = launcher.launch(&programs.bin_dir.join("initdb"), &arguments);
        let status = running.and_then(|Running { mut shell, lifeline }| {
            let status = shell.wait();
            drop(lifeline);
            status
        });
        match status {
            Ok(status) if status.success() => Ok(()),
            Ok(_) => Err(launcher.log.error_line(log_start)),
            Err(error) => Err(error.to_string()),
        }
    }

    /// The folder of the socket: that of the data, which is private, or a short one if that path is too long for a socket.
    pub(crate) fn socket_dir(&self) -> Result<SocketDir, Error> {
        if fits(&self.dir) {
            return Ok(SocketDir { path: self.dir.clone(), is_temporary: false });
        }
        let name = stable_name(self.settings.name, &self.dir);
        let own = env::temp_dir().join(&name);
        // Another user may not be able to enter root's TMPDIR.
        let path = if self.account.is_none() && fits(&own) { own } else { Path::new("/tmp").join(name) };
        make_private(&path, self.own_uid, self.account.as_ref()).map_err(Error::folder(&path))?;
        Ok(SocketDir { path, is_temporary: true })
    }
}

/// Removes a temporary folder on drop, which must come after the end of the server.
pub(crate) struct SocketDir {
    pub(crate) path: PathBuf,
    is_temporary: bool,
}

impl Drop for SocketDir {
    fn drop(&mut self) {
        if self.is_temporary {
            // This fails unless the folder is empty, so never takes it from a running server.
            let _ = fs::remove_dir(&self.path);
        }
    }
}

fn fits(dir: &Path) -> bool {
    dir.join(SOCKET).as_os_str().len() <= MAX_SOCKET_PATH
}

/// A short name that is the same for the same path at each start.
fn stable_name(prefix: &str, path: &Path) -> String {
    let mut hash = hex::encode(Sha256::digest(path.as_os_str().as_bytes()));
    hash.truncate(12);
    format!("{prefix}-{hash}")
}

/// Makes `dir` a folder that only `account`, or else the current user, can enter.
///
/// Fails if another user created it first, as names under `/tmp` are predictable.
fn make_private(dir: &Path, own_uid: u32, account: Option<&Account>) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(dir) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let metadata = fs::symlink_metadata(dir)?;
    let is_ours = metadata.uid() == own_uid || account.is_some_and(|account| metadata.uid() == account.uid);
    if !metadata.is_dir() || !is_ours || metadata.mode() & 0o077 != 0 {
        let message = "it exists, and is not a private folder of this user";
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, message));
    }
    account.map_or(Ok(()), |account| account.take_ownership(dir))
}
