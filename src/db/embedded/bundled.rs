//! The PostgreSQL that this binary carries (cargo feature `embedded-postgres`, on the targets that `build.rs` knows).
//! It is unpacked once per data directory; its check against root is patched out, so it never needs another user.

use std::{
    error::Error as _,
    fs, io, iter,
    path::{Path, PathBuf},
};

use ruzstd::decoding::StreamingDecoder;

use super::data_dir::unfinished;

/// Checked against its SHA-256 by `build.rs`, which put it there.
const PAYLOAD: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/postgres-runtime.tar.zst"));
const SHA256: &str = env!("BUNDLED_POSTGRES_SHA256");

/// Where the programs of this very payload belong: another payload gets another folder, and nothing is ever mixed.
pub(super) fn runtime_dir(data_dir: &Path) -> PathBuf {
    let hash = SHA256.get(..12).unwrap_or(SHA256);
    data_dir.join(format!("postgres-runtime-{hash}"))
}

/// Unpacks the payload into [`runtime_dir`], replacing what is there.
///
/// It takes its name only when it is whole: a kill in the middle leaves a folder that the next start clears away.
///
/// # Errors
///
/// Whatever the file system answers.
pub(super) fn unpack(data_dir: &Path) -> io::Result<()> {
    let runtime = runtime_dir(data_dir);
    let workplace = unfinished(&runtime);
    fs::create_dir_all(&workplace)?;
    let decoder = StreamingDecoder::new(PAYLOAD).map_err(io::Error::other)?;
    tar::Archive::new(decoder).unpack(&workplace).map_err(with_cause)?;
    if runtime.exists() {
        fs::remove_dir_all(&runtime)?;
    }
    fs::rename(&workplace, &runtime)
}

/// `tar` says which file it could not write, and keeps "no space left" for the end of its chain of sources.
fn with_cause(error: io::Error) -> io::Error {
    match iter::successors(error.source(), |&cause| cause.source()).last() {
        Some(cause) => io::Error::new(error.kind(), format!("{error}: {cause}")),
        None => error,
    }
}
