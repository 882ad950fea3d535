//! Reading what the kernel says of itself, as text in small files.
//!
//! Such files come and go while the box runs, drivers write nonsense into them, and a sensor on a
//! slow bus takes its time. Whatever is not there, not a file, too long or not a number is not a
//! reading; nothing is remembered from one look to the next.

use std::{
    fs::{self, File},
    io::Read,
    path::{Path, PathBuf},
};

/// The file system that is read: `/`, or a copy of parts of it under test.
#[derive(Clone, Debug)]
pub(super) struct Nodes {
    root: PathBuf,
}

/// The longest that any file read here can sensibly be.
const LONGEST: u64 = 64 * 1024;

/// The most entries of one directory that are looked at.
const MOST: usize = 256;

impl Nodes {
    pub(super) fn below(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
        }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    pub(super) fn exists(&self, path: &str) -> bool {
        self.path(path).exists()
    }

    /// The text of a file without its trailing white space; NUL ends it, as in a device tree.
    pub(super) fn text(&self, path: &str) -> Option<String> {
        let path = self.path(path);
        // Opening a pipe would wait for a writer.
        if !fs::metadata(&path).ok()?.is_file() {
            return None;
        }
        let mut bytes = Vec::new();
        File::open(&path)
            .ok()?
            .take(LONGEST)
            .read_to_end(&mut bytes)
            .ok()?;
        let text = String::from_utf8_lossy(&bytes);
        let text = text.trim_end_matches(['\0', '\n', ' ']);
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// The whole number that a file holds.
    pub(super) fn number(&self, path: &str) -> Option<i64> {
        self.text(path)?.trim().parse().ok()
    }

    /// Of `path`'s entries those that begin with `prefix`, sorted, as paths.
    pub(super) fn entries(&self, path: &str, prefix: &str) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.path(path)) else {
            return Vec::new();
        };
        let names = entries
            .take(MOST)
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let mut paths: Vec<String> = names
            .filter(|name| name.starts_with(prefix))
            .map(|name| format!("{path}/{name}"))
            .collect();
        paths.sort();
        paths
    }
}

/// The last part of a path.
pub(super) fn name_of(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}
