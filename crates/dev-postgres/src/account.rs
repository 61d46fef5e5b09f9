//! The user who runs the server. An installed PostgreSQL refuses root, so root starts it as an unprivileged user.

use std::{
    fs, io,
    os::unix::{fs::chown, process::CommandExt},
    path::Path,
    process::{Command, Stdio},
};

use crate::Error;

/// Whom to become as root: the first that exists.
const UNPRIVILEGED: [&str; 3] = ["postgres", "_postgres", "nobody"];

/// A user other than the current one.
#[derive(Clone)]
pub(crate) struct Account {
    pub(crate) name: String,
    pub(crate) uid: u32,
    gid: u32,
}

impl Account {
    /// The first of [`UNPRIVILEGED`] in `/etc/passwd`.
    pub(crate) fn unprivileged() -> Result<Self, Error> {
        let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
        UNPRIVILEGED
            .iter()
            .find_map(|name| passwd.lines().find_map(|line| Self::parse(line, name)))
            .ok_or_else(|| Error::Root { reason: "neither `postgres` nor `nobody` exists".to_owned() })
    }

    /// The owner of existing files, if that is not root.
    pub(crate) fn other_than_root(uid: u32, gid: u32) -> Option<Self> {
        (uid != 0).then(|| Self { name: format!("#{uid}"), uid, gid })
    }

    /// Reads a line of `/etc/passwd`: name, password, uid, gid …
    fn parse(line: &str, name: &str) -> Option<Self> {
        let mut fields = line.split(':');
        if fields.next()? != name {
            return None;
        }
        let uid = parse_id(fields.nth(1)?)?;
        let gid = parse_id(fields.next()?)?;
        (uid != 0).then(|| Self { name: name.to_owned(), uid, gid })
    }

    /// Makes `command` run as this user; std also drops root's supplementary groups.
    pub(crate) fn apply(&self, command: &mut Command) {
        command.uid(self.uid).gid(self.gid);
    }

    pub(crate) fn take_ownership(&self, path: &Path) -> io::Result<()> {
        chown(path, Some(self.uid), Some(self.gid))
    }

    /// Whether this user can enter the folder, or execute the file, `path`. The permissions of all folders above it matter
    /// too, so a process of this user tries.
    pub(crate) fn can_use(&self, path: &Path) -> Result<bool, Error> {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "[ -x \"$1\" ]", "sh"]).arg(path).current_dir("/").stdin(Stdio::null());
        self.apply(&mut command);
        match command.status() {
            Ok(status) => Ok(status.success()),
            // For example in a container without the capability to change users.
            Err(error) => Err(Error::Root { reason: format!("cannot become the user {}: {error}", self.name) }),
        }
    }
}

/// macOS gives `nobody` the id -2, which is 4294967294.
fn parse_id(field: &str) -> Option<u32> {
    field.parse().ok().or_else(|| field.parse::<i32>().ok().map(i32::cast_unsigned))
}

/// Our user id, from the program `id`: `geteuid` needs unsafe code, and the owner of `/proc/self` is root in processes with
/// file capabilities.
pub(crate) fn own_uid() -> Result<u32, Error> {
    let failed = |error| Error::Folder { path: "the program `id`".into(), error };
    let output = Command::new("id").arg("-u").output().map_err(failed)?;
    String::from_utf8_lossy(&output.stdout).trim().parse().map_err(|error| failed(io::Error::other(error)))
}
