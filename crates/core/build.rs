//! Lists the policies: a check is a file, and its name is spelled nowhere else.
//!
//! Writes `policies.rs` with every file of `config/policies`, its name and its text, sorted by name.

#![expect(clippy::disallowed_methods, reason = "a build script reads the tree that it builds")]

use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    // Relative to this package: a checkout, and what was built of it, may move.
    let root = Path::new("../../config/policies");
    let mut text = String::new();
    for (name, folder, ending) in
        [("CHECKS", "", "rego"), ("LIBRARY", "lib", "rego"), ("LISTS", "data", "json")]
    {
        let folder = root.join(folder);
        writeln!(text, "pub(super) static {name}: &[(&str, &str)] = &[")?;
        for (stem, path) in files(&folder, ending)? {
            let path = format!("/{}", path.display());
            writeln!(text, "    ({stem:?}, include_str!(concat!(env!(\"CARGO_MANIFEST_DIR\"), {path:?}))),")?;
        }
        writeln!(text, "];")?;
        // The folder: a file that is added or removed is seen too.
        writeln!(std::io::stdout(), "cargo:rerun-if-changed={}", folder.display())?;
    }
    fs::write(PathBuf::from(env::var("OUT_DIR")?).join("policies.rs"), text)?;
    Ok(())
}

use std::io::Write as _;

fn files(folder: &Path, ending: &str) -> Result<Vec<(String, PathBuf)>, Box<dyn Error>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|it| it == ending)
            && let Some(stem) = path.file_stem().and_then(|it| it.to_str())
        {
            found.push((stem.to_owned(), path.clone()));
        }
    }
    found.sort();
    Ok(found)
}
