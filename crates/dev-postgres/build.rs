//! Finds the PostgreSQL that the feature `bundled` carries, and copies it to where `include_bytes!` can read it.
//!
//! The payload is a file in a crate without a Rust API, so only cargo knows its path. Its SHA-256 is pinned here, because
//! it runs on developers' machines: a payload that changed is not bundled.

#![allow(clippy::print_stdout)] // Cargo reads standard output.

use std::{
    env,
    error::Error,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;
use sha2::{Digest, Sha256};

/// The version of `pglite-rs-lib-<target>` in `Cargo.toml`, and the SHA-256 of its `lib/pglite-runtime.tar.zst`.
const PAYLOAD_VERSION: &str = "0.2.7";
const PAYLOADS: [(&str, &str); 4] = [
    ("x86_64-unknown-linux-gnu", "e3fb68210df2e40e534a5db9886a4af5d56d4ef9ca30adeefd437069bda95073"),
    ("aarch64-unknown-linux-gnu", "43e7cb060965465db4eb79080d171f6b00f7e137d3aeba94f3c05de64cc805a9"),
    ("aarch64-apple-darwin", "d269fc00265ac02b776878ebc8576c7fe6ca5be3d1387e15d5aa969aeaec62ee"),
    ("x86_64-apple-darwin", "799a11b915d3dd17a8538ac2367e77834b9e198c6aabbce90b58d53ac9b4adb2"),
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(bundled_postgres)");
    if env::var_os("CARGO_FEATURE_BUNDLED").is_none() {
        return Ok(());
    }
    let target = env::var("TARGET")?;
    let Some((_, sha256)) = PAYLOADS.iter().find(|(name, _)| *name == target) else {
        return Ok(()); // For example musl, where an installed PostgreSQL is used.
    };
    match find_payload(&format!("pglite-rs-lib-{target}")) {
        Ok(payload) => bundle(&payload, sha256),
        // No reason to fail the build: an installed PostgreSQL does as well.
        Err(reason) => {
            println!("cargo::warning=building without a bundled PostgreSQL: {reason}");
            Ok(())
        }
    }
}

/// Asks cargo where it unpacked the payload crate.
///
/// This uses a manifest that depends on nothing but the payload: for our own, `cargo metadata` needs all development
/// dependencies on disk, which `cargo run` on a new machine has not fetched. Cargo runs in our folder, so that
/// `.cargo/config.toml` (vendored sources) applies, and with our lock file, so that a yanked version stays usable.
fn find_payload(package: &str) -> Result<PathBuf, Box<dyn Error>> {
    let package_dir = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
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
    // The lock file is in our folder or, in a workspace, in one above it.
    if let Some(lock) = package_dir.ancestors().map(|dir| dir.join("Cargo.lock")).find(|lock| lock.is_file()) {
        fs::copy(lock, probe.join("Cargo.lock"))?;
    }
    let output = Command::new(env::var("CARGO")?)
        .args(["metadata", "--offline", "--format-version", "1"])
        .arg("--manifest-path")
        .arg(probe.join("Cargo.toml"))
        .current_dir(&package_dir)
        .output()?;
    if !output.status.success() {
        let message = String::from_utf8_lossy(&output.stderr);
        return Err(format!("cargo metadata: {}", message.trim().replace('\n', " ")).into());
    }
    let metadata: Value = serde_json::from_slice(&output.stdout)?;
    let manifest = metadata["packages"]
        .as_array()
        .and_then(|packages| packages.iter().find(|entry| entry["name"] == package))
        .and_then(|entry| entry["manifest_path"].as_str())
        .ok_or_else(|| format!("cargo does not know {package}"))?;
    let payload = Path::new(manifest).with_file_name("lib").join("pglite-runtime.tar.zst");
    if payload.is_file() { Ok(payload) } else { Err(format!("{} is missing", payload.display()).into()) }
}

/// Checks the payload and copies it to `OUT_DIR`, so that the checked bytes are the compiled ones.
fn bundle(payload: &Path, expected: &str) -> Result<(), Box<dyn Error>> {
    let bytes = fs::read(payload)?;
    let found = hex::encode(Sha256::digest(&bytes));
    if found != expected {
        let path = payload.display();
        return Err(format!("{path} has the SHA-256 {found} instead of {expected}: not bundling it").into());
    }
    fs::write(PathBuf::from(env::var("OUT_DIR")?).join("postgres-runtime.tar.zst"), bytes)?;
    println!("cargo::rustc-env=BUNDLED_POSTGRES_SHA256={expected}");
    println!("cargo::rustc-cfg=bundled_postgres");
    Ok(())
}
