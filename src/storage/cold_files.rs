//! Takes a log's files out of the system's page cache, so that the next request meets a cold disk.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::data_dir::DataDir;
use super::fs::open::open_regular;
use super::fs::page_cache::{CachedRead, CachedReads, drop_cached};
use super::fs::platform::Identity;
use super::fs::read_descriptor::open_forever;
use crate::error::{Error, Result};

/// What makes the system forget all that it keeps of any file (proc_sys_vm(5)).
const DROP_CACHES: &str = "/proc/sys/vm/drop_caches";

/// The files of a log and of its index.
#[derive(Debug)]
pub(crate) struct ColdFiles {
    dir: DataDir,
    /// Never closed: that would drop the locks that SQLite holds in this process.
    database: Option<Arc<File>>,
}

impl ColdFiles {
    /// The files of the log in `dir`.
    ///
    /// # Errors
    /// The database cannot be opened.
    pub(crate) fn new(dir: &DataDir) -> Result<Self> {
        let path = dir.database();
        let database = Identity::of_path(path)
            .and_then(|identity| open_forever(path, identity))
            .map_err(Error::io(path, "cannot open"))?;
        Ok(ColdFiles {
            dir: dir.clone(),
            database,
        })
    }

    /// Their names.
    pub(crate) fn names(&self) -> Vec<String> {
        let name = |path: PathBuf| Some(path.file_name()?.to_string_lossy().into_owned());
        let database = self.dir.database().to_owned();
        let others = self.others().into_iter().filter(|path| path.exists());
        std::iter::once(database).chain(others).filter_map(name).collect()
    }

    /// Takes them out of memory. What is not on the disk yet, or used by another process through a map, stays.
    ///
    /// # Errors
    /// A file cannot be opened.
    pub(crate) fn drop_cached(&self) -> Result<()> {
        if let Some(database) = &self.database {
            drop_cached(database);
        }
        for path in self.others() {
            if let Some(file) = open(&path)? {
                drop_cached(&file);
            }
        }
        Ok(())
    }

    /// Whether no payload is in memory, as far as a look at a few places tells; `None` where the file system does not.
    ///
    /// # Errors
    /// The payload file cannot be opened.
    pub(crate) fn are_dropped(&self) -> Result<Option<bool>> {
        const LOOKS: u64 = 16;
        let path = self.dir.payloads();
        let file = open_regular(&path).map_err(Error::io(&path, "cannot open"))?;
        let size = file.metadata().map_err(Error::io(&path, "cannot read"))?.len();
        let reads = CachedReads::default();
        for look in 0..LOOKS {
            match reads.read(&file, &mut [0], size / LOOKS * look) {
                CachedRead::Done => return Ok(Some(false)),
                CachedRead::Missed => {}
                CachedRead::Untold => return Ok(None),
            }
        }
        Ok(Some(true))
    }

    /// All but the database. Nothing locks these.
    fn others(&self) -> [PathBuf; 4] {
        let dir = &self.dir;
        [dir.wal(), dir.payloads(), dir.index(), dir.index_delta()]
    }
}

/// Takes every file of the system out of memory, as only root may.
///
/// # Errors
/// This process may not do that.
pub(crate) fn drop_all_caches() -> Result<()> {
    let path = Path::new(DROP_CACHES);
    std::fs::write(path, "3").map_err(Error::io(
        path,
        "cannot drop the system's caches, for which --cold=files does without",
    ))
}

/// `None` where there is no such file.
fn open(path: &Path) -> Result<Option<File>> {
    match open_regular(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io(path, "cannot open")(error)),
    }
}
