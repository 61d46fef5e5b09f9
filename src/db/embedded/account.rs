//! Who runs the server. An installed PostgreSQL refuses root, so root hands it to a user without rights.

use std::{
    fs, io,
    os::unix::{fs::chown, process::CommandExt},
    path::Path,
    process::{Command, Stdio},
};

use super::EmbeddedError;

/// Who gets the server when we are root: the first that exists.
const PREFERRED: [&str; 3] = ["postgres", "_postgres", "nobody"];

/// A user to become.
#[derive(Clone)]
pub(super) struct Account {
    name: String,
    pub(super) uid: u32,
    gid: u32,
}

impl Account {
    /// The user to become when nothing says otherwise.
    ///
    /// # Errors
    ///
    /// [`EmbeddedError::Root`] if `/etc/passwd` knows none.
    pub(super) fn unprivileged() -> Result<Self, EmbeddedError> {
        let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
        PREFERRED.iter().find_map(|name| passwd.lines().find_map(|line| Self::parse(line, name))).ok_or_else(|| {
            EmbeddedError::Root { reason: "there is neither a user `postgres` nor `nobody` to become".to_owned() }
        })
    }

    /// The owner of files that are there already; nobody to become if that is root.
    pub(super) fn other_than_root(uid: u32, gid: u32) -> Option<Self> {
        let name = format!("#{uid}");
        (uid != 0).then_some(Self { name, uid, gid })
    }

    /// `line` is one of `/etc/passwd`: name, password, uid, gid …
    fn parse(line: &str, name: &str) -> Option<Self> {
        let mut fields = line.split(':');
        if fields.next()? != name {
            return None;
        }
        let uid = id(fields.nth(1)?)?;
        let gid = id(fields.next()?)?;
        (uid != 0).then(|| Self { name: name.to_owned(), uid, gid })
    }

    /// Makes `command` run as this user; std drops root's supplementary groups with it.
    pub(super) fn apply(&self, command: &mut Command) {
        command.uid(self.uid).gid(self.gid);
    }

    /// Gives `path` to this user.
    ///
    /// # Errors
    ///
    /// Whatever the file system answers.
    pub(super) fn own(&self, path: &Path) -> io::Result<()> {
        chown(path, Some(self.uid), Some(self.gid))
    }

    /// Whether this user can enter the folder, or execute the file, `path`. Tried instead of computed: each folder on
    /// the way has a say in it.
    ///
    /// # Errors
    ///
    /// [`EmbeddedError::Root`] if we cannot become this user at all, as in a container without that capability.
    pub(super) fn can_use(&self, path: &Path) -> Result<bool, EmbeddedError> {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "[ -x \"$1\" ]", "sh"]).arg(path).current_dir("/").stdin(Stdio::null());
        self.apply(&mut command);
        match command.status() {
            Ok(status) => Ok(status.success()),
            Err(error) => Err(EmbeddedError::Root { reason: format!("becoming the user {}: {error}", self.name) }),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }
}

/// macOS gives `nobody` the id -2, which is 4294967294.
fn id(field: &str) -> Option<u32> {
    field.parse().ok().or_else(|| field.parse::<i32>().ok().map(i32::cast_unsigned))
}

/// Our own user id. Without `unsafe` there is no `geteuid`; `/proc/self` belongs to root in a process that may not be
/// dumped, such as one with file capabilities, so the tool for the job is asked.
///
/// # Errors
///
/// [`EmbeddedError::Folder`] if there is no `id`.
pub(super) fn own_uid() -> Result<u32, EmbeddedError> {
    let answer = Command::new("id").arg("-u").output().map_err(EmbeddedError::folder("the program `id`"))?;
    String::from_utf8_lossy(&answer.stdout)
        .trim()
        .parse()
        .map_err(|error| EmbeddedError::Folder { path: "the program `id`".into(), source: io::Error::other(error) })
}
