//! Where the data and the socket lie, to whom they belong, and how a new cluster is made.

use std::{
    env,
    ffi::OsString,
    fmt::Write as _,
    fs::{self, DirBuilder},
    io,
    os::unix::{
        ffi::OsStrExt,
        fs::{DirBuilderExt, MetadataExt},
    },
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use super::{
    EmbeddedError,
    account::{self, Account},
    data_dir::{self, ServerLog},
    process::{Launcher, Running},
    programs::{Kind, Programs},
};

/// The superuser of every cluster of ours.
pub(super) const SUPERUSER: &str = "vestibule";

/// What the server calls its socket: `.s.PGSQL.` and the port, which means nothing else without TCP.
pub(super) const SOCKET: &str = ".s.PGSQL.5432";

/// The longest path of a socket on macOS; Linux takes four bytes more.
const LONGEST_SOCKET_PATH: usize = 103;

/// Where root puts the data when the server's user cannot reach the data directory. Only root can write there, so the
/// predictable name is nobody's trap.
const STAND_IN_PARENT: &str = "/var/lib";

/// A folder for the data, and who works in it.
pub(super) struct Cluster {
    pub(super) dir: PathBuf,
    /// The user to become; `None` for staying who we are.
    pub(super) account: Option<Account>,
    own_uid: u32,
}

impl Cluster {
    /// Decides where the cluster of `programs` belongs: in the data directory, unless the server has to run as a user who
    /// cannot get there.
    ///
    /// # Errors
    ///
    /// [`EmbeddedError::Root`] if we are root and the programs refuse that, [`EmbeddedError::Folder`].
    pub(super) fn choose(data_dir: &Path, programs: &Programs) -> Result<Self, EmbeddedError> {
        let own_uid = account::own_uid()?;
        let usual = data_dir.join(programs.cluster_name());
        let place = |dir, account| Self { dir, account, own_uid };
        if own_uid != 0 {
            return Ok(place(usual, None));
        }
        let stand_in = Path::new(STAND_IN_PARENT).join(stable_name(data_dir));
        let stand_in_cluster = stand_in.join(programs.cluster_name());
        // Data that is there decides for itself, even if we would choose otherwise today.
        for dir in [&usual, &stand_in_cluster] {
            if let Some((uid, gid)) = owner(dir) {
                return Ok(place(dir.clone(), Account::other_than_root(uid, gid)));
            }
        }
        if programs.kind == Kind::Bundled {
            return Ok(place(usual, None));
        }
        let account = Account::unprivileged()?;
        if !account.can_use(&programs.bin_dir.join("postgres"))? {
            let (name, bin_dir) = (account.name(), programs.bin_dir.display());
            return Err(EmbeddedError::Root { reason: format!("the user {name} cannot reach {bin_dir}") });
        }
        if account.can_use(data_dir)? {
            return Ok(place(usual, Some(account)));
        }
        fs::create_dir_all(STAND_IN_PARENT)
            .and_then(|()| make_private(&stand_in, own_uid, Some(&account)))
            .map_err(EmbeddedError::folder(stand_in))?;
        Ok(place(stand_in_cluster, Some(account)))
    }

    /// Makes the cluster if it is not there.
    ///
    /// It takes its name only when `initdb` is through: a kill in the middle leaves a folder that the next start clears away.
    ///
    /// # Errors
    ///
    /// [`EmbeddedError::Initdb`], [`EmbeddedError::Folder`].
    pub(super) fn ensure(&self, programs: &Programs, launcher: &Launcher, durable: bool) -> Result<(), EmbeddedError> {
        if self.dir.is_dir() {
            return Ok(());
        }
        let (version, source) = (&programs.version, programs.source());
        let dir = self.dir.display();
        log::info!("setting up a development database in {dir} (PostgreSQL {version}, {source})");
        if let Some(parent) = self.dir.parent() {
            data_dir::clear_unfinished(parent);
        }
        let workplace = data_dir::unfinished(&self.dir);
        make_private(&workplace, self.own_uid, self.account.as_ref()).map_err(EmbeddedError::folder(&workplace))?;
        let log_start = launcher.log.len();
        let mut arguments: Vec<OsString> =
            ["--username", SUPERUSER, "--auth=trust", "--encoding=UTF8", "--locale=C"].map(OsString::from).to_vec();
        if !durable {
            arguments.push("--no-sync".into());
        }
        arguments.extend(["--pgdata".into(), workplace.clone().into_os_string()]);
        let outcome = launcher.launch(&programs.bin_dir.join("initdb"), &arguments).and_then(
            |Running { mut shell, lifeline }| {
                let status = shell.wait();
                drop(lifeline);
                status
            },
        );
        let failure = match outcome {
            Ok(status) if status.success() => {
                return fs::rename(&workplace, &self.dir).map_err(EmbeddedError::folder(&self.dir));
            }
            Ok(_) => launcher.log.telling_line(log_start),
            Err(error) => error.to_string(),
        };
        let _ = fs::remove_dir_all(&workplace);
        Err(self.initdb_error(failure, &launcher.log))
    }

    fn initdb_error(&self, reason: String, log: &ServerLog) -> EmbeddedError {
        EmbeddedError::Initdb { cluster: self.dir.clone(), reason, log: log.path().to_owned() }
    }

    /// Where the socket goes: next to the data, which is private already, unless the path is too long for a socket.
    ///
    /// # Errors
    ///
    /// [`EmbeddedError::Folder`] if no short private folder can be had.
    pub(super) fn socket_dir(&self) -> Result<SocketDir, EmbeddedError> {
        if fits(&self.dir) {
            return Ok(SocketDir { path: self.dir.clone(), is_temporary: false });
        }
        let name = stable_name(&self.dir);
        let own = env::temp_dir().join(&name);
        // Root's TMPDIR may be closed to the account.
        let path = if self.account.is_none() && fits(&own) { own } else { Path::new("/tmp").join(name) };
        make_private(&path, self.own_uid, self.account.as_ref()).map_err(EmbeddedError::folder(&path))?;
        Ok(SocketDir { path, is_temporary: true })
    }
}

/// The folder of the socket. A temporary one goes when this goes, which has to be after the server.
pub(super) struct SocketDir {
    pub(super) path: PathBuf,
    is_temporary: bool,
}

impl Drop for SocketDir {
    fn drop(&mut self) {
        if self.is_temporary {
            // Refused unless it is empty, so never while a server still uses it.
            let _ = fs::remove_dir(&self.path);
        }
    }
}

fn fits(dir: &Path) -> bool {
    dir.join(SOCKET).as_os_str().len() <= LONGEST_SOCKET_PATH
}

/// Whose an existing cluster is: user and group id.
fn owner(cluster: &Path) -> Option<(u32, u32)> {
    let metadata = fs::metadata(cluster).ok().filter(fs::Metadata::is_dir)?;
    Some((metadata.uid(), metadata.gid()))
}

/// Short, and the same for the same path at each start.
fn stable_name(path: &Path) -> String {
    let hash = Sha256::digest(path.as_os_str().as_bytes());
    hash.iter().take(6).fold("vestibule-".to_owned(), |mut name, byte| {
        let _ = write!(name, "{byte:02x}");
        name
    })
}

/// Makes `dir` a folder that only `account` (else we ourselves) may enter.
///
/// # Errors
///
/// `PermissionDenied` if somebody else was there first: under `/tmp` the name can be foreseen.
fn make_private(dir: &Path, own_uid: u32, account: Option<&Account>) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(dir) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let found = fs::symlink_metadata(dir)?;
    let is_known = found.uid() == own_uid || account.is_some_and(|account| found.uid() == account.uid);
    if !found.is_dir() || !is_known || found.mode() & 0o077 != 0 {
        let words = "it is there already, and is not a private folder of ours";
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, words));
    }
    account.map_or(Ok(()), |account| account.own(dir))
}
