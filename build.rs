//! Finds the PostgreSQL that development builds carry inside the binary (`db::embedded`), and puts it where
//! `include_bytes!` reaches it.
//!
//! The payload comes as a file inside a crate that has no Rust API, so only cargo knows where it lies. It is pinned by
//! SHA-256: what ends up in our binary, and is executed on a developer's machine, is what was looked at, or nothing.

#![allow(clippy::print_stdout)] // It is what cargo reads.

use std::{
    env,
    error::Error,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;
use sha2::{Digest, Sha256};

/// The release of `pglite-rs-lib-<target>` that `Cargo.toml` names, and the SHA-256 of its `lib/pglite-runtime.tar.zst`.
const PAYLOAD_VERSION: &str = "0.2.7";
const PAYLOADS: [(&str, &str); 4] = [
    ("x86_64-unknown-linux-gnu", "e3fb68210df2e40e534a5db9886a4af5d56d4ef9ca30adeefd437069bda95073"),
    ("aarch64-unknown-linux-gnu", "43e7cb060965465db4eb79080d171f6b00f7e137d3aeba94f3c05de64cc805a9"),
    ("aarch64-apple-darwin", "d269fc00265ac02b776878ebc8576c7fe6ca5be3d1387e15d5aa969aeaec62ee"),
    ("x86_64-apple-darwin", "799a11b915d3dd17a8538ac2367e77834b9e198c6aabbce90b58d53ac9b4adb2"),
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    // `embed_migrations!` reads this folder, and a macro cannot ask cargo to look at it again.
    println!("cargo::rerun-if-changed=migrations");
    minijinja_embed::embed_templates!("templates", &[".html", ".txt"]);
    println!("cargo::rustc-check-cfg=cfg(bundled_postgres)");
    if env::var_os("CARGO_FEATURE_EMBEDDED_POSTGRES").is_none() {
        return Ok(());
    }
    let target = env::var("TARGET")?;
    let Some((_, sha256)) = PAYLOADS.iter().find(|(name, _)| *name == target) else {
        return Ok(()); // Musl …: an installed PostgreSQL is used there.
    };
    match find_payload(&format!("pglite-rs-lib-{target}")) {
        Ok(payload) => bundle(&payload, sha256),
        // A comfort of development must not break a build: at run time an installed PostgreSQL does as well.
        Err(reason) => {
            println!("cargo::warning=building without a bundled PostgreSQL: {reason}");
            Ok(())
        }
    }
}

/// Asks cargo where the payload crate was unpacked.
///
/// Not with our own manifest: `cargo metadata` wants every dev-dependency on the disk, and `cargo run` on a fresh
/// machine has fetched none of them. A manifest that names nothing but the payload needs nothing but the payload.
/// Cargo runs in our folder, so that `.cargo/config.toml` (a vendored build) counts; with our lock file at hand, a
/// yanked release stays usable.
fn find_payload(package: &str) -> Result<PathBuf, Box<dyn Error>> {
    let ours = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let probe = PathBuf::from(env::var("OUT_DIR")?).join("payload-probe");
    fs::create_dir_all(probe.join("src"))?;
    fs::write(probe.join("src/lib.rs"), "")?;
    fs::write(
        probe.join("Cargo.toml"),
        format!(
            "[package]\nname = \"payload-probe\"\nedition = \"2024\"\n\n[workspace]\n\n\
             [dependencies]\n{package} = \"={PAYLOAD_VERSION}\"\n"
        ),
    )?;
    let _ = fs::remove_file(probe.join("Cargo.lock"));
    if let Some(lock) = lock_file(&ours) {
        fs::copy(lock, probe.join("Cargo.lock"))?;
    }
    let answer = Command::new(env::var("CARGO")?)
        .args(["metadata", "--offline", "--format-version", "1"])
        .arg("--manifest-path")
        .arg(probe.join("Cargo.toml"))
        .current_dir(&ours)
        .output()?;
    if !answer.status.success() {
        let words = String::from_utf8_lossy(&answer.stderr);
        return Err(format!("cargo metadata: {}", words.trim().replace('\n', " ")).into());
    }
    let metadata: Value = serde_json::from_slice(&answer.stdout)?;
    let manifest = metadata["packages"]
        .as_array()
        .and_then(|packages| packages.iter().find(|entry| entry["name"] == package))
        .and_then(|entry| entry["manifest_path"].as_str())
        .ok_or_else(|| format!("cargo does not know {package}"))?;
    let payload = Path::new(manifest).with_file_name("lib").join("pglite-runtime.tar.zst");
    if payload.is_file() { Ok(payload) } else { Err(format!("{} is missing", payload.display()).into()) }
}

/// The lock file that counts for `package_dir`: its own, or that of a workspace around it.
fn lock_file(package_dir: &Path) -> Option<PathBuf> {
    package_dir.ancestors().map(|dir| dir.join("Cargo.lock")).find(|lock| lock.is_file())
}

/// Checks the payload and copies it into `OUT_DIR`, so that the bytes that were checked are the bytes that are compiled in.
fn bundle(payload: &Path, expected: &str) -> Result<(), Box<dyn Error>> {
    let bytes = fs::read(payload)?;
    let mut found = String::with_capacity(64);
    for byte in Sha256::digest(&bytes) {
        write!(found, "{byte:02x}")?;
    }
    if found != expected {
        let path = payload.display();
        return Err(format!("{path} has the SHA-256 {found}, expected is {expected}: refusing to bundle it").into());
    }
    let copy = PathBuf::from(env::var("OUT_DIR")?).join("postgres-runtime.tar.zst");
    fs::write(copy, bytes)?;
    println!("cargo::rustc-env=BUNDLED_POSTGRES_SHA256={expected}");
    println!("cargo::rustc-cfg=bundled_postgres");
    Ok(())
}
