//! Embeds the templates, and makes cargo rebuild when a migration changes: `embed_migrations!` reads that folder, but a
//! macro cannot say so.

#![allow(clippy::print_stdout)] // Cargo reads standard output.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=migrations");
    minijinja_embed::embed_templates!("templates", &[".html", ".txt"]);
}
