//! What the tests with Python have in common: where an environment is, and what keeps a server.
//!
//! In comes the name of an environment; out goes its folder, once `cargo xtask test` has finished it, or why it cannot be used.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// The environment in the folder that this variable names, else in the folder of this name at the root of the workspace.
pub fn find(variable: &str, own: &str) -> Result<PathBuf, String> {
    let given = std::env::var_os(variable).map(PathBuf::from);
    let own = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(own);
    let folder = given.clone().unwrap_or_else(|| own.clone());
    let folder = folder
        .canonicalize()
        .map_err(|error| format!("{}: {error}", folder.display()))?;
    let python = folder.join("bin").join("python");
    if !python.exists() {
        return Err(format!("{} is missing", python.display()));
    }
    // An installation that was interrupted has no stamp (xtask/src/python.rs). Folders of somebody else's need none.
    let whole =
        given.is_some() || own.is_symlink() || folder.join("senti-requirements.txt").exists();
    match whole {
        true => Ok(folder),
        false => Err(format!("{} is not finished", folder.display())),
    }
}

/// The script that starts a server and ends it with the tests, however those end.
pub fn keeper() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/keep.py")
}

/// A port that nobody listens on, below those that the system gives to outgoing connections: it stays free while the server starts.
pub fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    for _ in 0..10_000 {
        let turn = NEXT.fetch_add(1, Ordering::Relaxed);
        let port =
            18_000 + (std::process::id().wrapping_mul(7_919).wrapping_add(turn) % 14_000) as u16;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
    panic!("no free port between 18000 and 32000");
}
