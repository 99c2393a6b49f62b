//! Everything about the files of a directory that a reader could change.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::harness::dataset::sha256;

/// What is known of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
struct File {
    owner: u32,
    group: u32,
    /// Its kind as well.
    mode: u32,
    /// 0 where others may move it.
    modified: i64,
    content: Content,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Content {
    Digest(String),
    Target(PathBuf),
    /// Not a file, or one whose content is for those to change who are connected.
    None,
}

/// Every file but the index, by its path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Snapshot(BTreeMap<PathBuf, File>);

impl Snapshot {
    pub(super) fn of(roots: &[&Path]) -> Self {
        let mut files = BTreeMap::new();
        for root in roots {
            add_dir(root, &mut files);
        }
        Snapshot(files)
    }

    /// What differs, in words.
    pub(super) fn differences(&self, now: &Self) -> Vec<String> {
        let gone = self.0.keys().filter(|path| !now.0.contains_key(*path));
        let gone = gone.map(|path| format!("{} is gone", path.display()));
        let changed = now.0.iter().filter(|(path, file)| self.0.get(*path) != Some(file));
        let changed = changed.map(|(path, file)| format!("{} was {:?}, is {file:?}", path.display(), self.0.get(path)));
        gone.chain(changed).collect()
    }
}

fn add_dir(root: &Path, files: &mut BTreeMap<PathBuf, File>) {
    let metadata = fs::symlink_metadata(root).unwrap();
    // The index comes and goes in it.
    files.insert(root.to_owned(), file(&metadata, 0, Content::None));
    for entry in fs::read_dir(root).unwrap().map(Result::unwrap) {
        let (path, name) = (entry.path(), entry.file_name().into_string().unwrap());
        if name.starts_with("audit.idx") {
            continue;
        }
        let metadata = fs::symlink_metadata(&path).unwrap();
        if metadata.is_dir() {
            add_dir(&path, files);
            continue;
        }
        let content = if metadata.is_symlink() {
            Content::Target(fs::read_link(&path).unwrap())
        } else if metadata.is_file() && !name.ends_with("-shm") {
            Content::Digest(sha256(&fs::read(&path).unwrap()))
        } else {
            Content::None
        };
        let modified = if name.ends_with("-shm") {
            0
        } else {
            metadata.mtime_nsec()
        };
        files.insert(path, file(&metadata, modified, content));
    }
}

fn file(metadata: &Metadata, modified: i64, content: Content) -> File {
    File {
        owner: metadata.uid(),
        group: metadata.gid(),
        mode: metadata.mode(),
        modified,
        content,
    }
}
