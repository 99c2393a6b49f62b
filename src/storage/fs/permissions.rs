//! Who may read and write a file, asked of the open file, and files that are used only if nobody else can have written
//! them: a checksum does not say who wrote it.

use std::fs::File;
use std::io;
use std::path::Path;

use rustix::fs::{FileType, Gid, Mode, OFlags, Stat, Uid, XattrFlags};
use rustix::io::Errno;

/// Where Linux keeps a POSIX access control list.
const ACL: &str = "system.posix_acl_access";
/// Bytes of a list with two dozen entries, and of the largest extended attribute that Linux has.
const USUAL_ACL: usize = 256;
const MAX_XATTR: usize = 1 << 16;

const WRITE_BY_OTHERS: u32 = 0o022;
const READ_BY_OTHERS: u32 = 0o044;
/// The bits that a copy gets.
const COPIED: u32 = 0o666;

/// Owner, mode and access control list of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Permissions {
    uid: u32,
    gid: u32,
    /// With an access control list, the group's bits are its mask: the most that anybody named in it can have.
    mode: u32,
    acl: Option<Vec<u8>>,
}

impl Permissions {
    fn of_path(path: &Path) -> io::Result<Self> {
        let acl = read_acl(|buffer| rustix::fs::getxattr(path, ACL, buffer))?;
        Ok(Self::new(&rustix::fs::stat(path)?, acl))
    }

    fn of_open(file: &File) -> io::Result<Self> {
        let acl = read_acl(|buffer| rustix::fs::fgetxattr(file, ACL, buffer))?;
        Ok(Self::new(&rustix::fs::fstat(file)?, acl))
    }

    fn new(stat: &Stat, acl: Option<Vec<u8>>) -> Self {
        Permissions {
            uid: stat.st_uid,
            gid: stat.st_gid,
            mode: stat.st_mode & 0o7777,
            acl,
        }
    }

    /// Those of a file that only this process's user can use.
    fn private(own: &Self) -> Self {
        Permissions {
            uid: rustix::process::geteuid().as_raw(),
            mode: 0o600,
            acl: None,
            ..*own
        }
    }

    /// Whether the owner is the model's, root, or this process's user.
    fn has_trusted_owner(&self, model: &Self) -> bool {
        [model.uid, 0, rustix::process::geteuid().as_raw()].contains(&self.uid)
    }

    /// Whether a copy with these permissions has the owner and the permissions of `model`, less any execute bit.
    fn are_copied_from(&self, model: &Self) -> bool {
        (self.uid, self.gid, self.mode, &self.acl) == (model.uid, model.gid, model.mode & COPIED, &model.acl)
    }

    /// An error unless the owner is trusted and nobody else can write who cannot write the model.
    fn check_trust(&self, model: &Self) -> io::Result<()> {
        if self.has_trusted_owner(model) && self.grants_no_more(model, WRITE_BY_OTHERS) {
            return Ok(());
        }
        Err(not_trusted(
            "somebody can have written it who cannot write the database",
        ))
    }

    /// Whether nobody but the owner has any of these rights who has it not to the model.
    fn grants_no_more(&self, model: &Self, rights: u32) -> bool {
        let shared = self.mode & rights;
        let is_same = self.acl == model.acl && self.gid == model.gid;
        // The same bits mean other people where the group or an access control list is another one.
        shared == 0 || (is_same && shared & !model.mode == 0)
    }
}

/// Reads an access control list by `read`, which fills a buffer; `None` where a file has none.
fn read_acl(read: impl Fn(&mut [u8]) -> rustix::io::Result<usize>) -> io::Result<Option<Vec<u8>>> {
    let mut usual = [0; USUAL_ACL];
    let acl = match read(&mut usual) {
        Ok(len) => usual[..len].to_vec(),
        Err(Errno::RANGE) => {
            let mut large = vec![0; MAX_XATTR];
            let len = read(&mut large)?;
            large.truncate(len);
            large
        }
        Err(Errno::NODATA | Errno::OPNOTSUPP) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    Ok(Some(acl))
}

/// Opens a regular file of ours, whoever may have put another one there. A link is not followed, a FIFO is not waited
/// for, a device is not read.
///
/// # Errors
/// There is none, or it cannot be opened.
fn open_untrusted(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::NOFOLLOW;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    if file.metadata()?.is_file() {
        return Ok(file);
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"))
}

/// Opens a file of ours that is believed: it belongs to the owner of `database`, to root or to this process's user, and
/// nobody else can write it who cannot write `database` (or nobody at all, where there is none).
///
/// # Errors
/// There is no such file, it cannot be opened, or it is not to be trusted.
pub(crate) fn open_trusted(path: &Path, database: &Path) -> io::Result<File> {
    let file = open_untrusted(path)?;
    let own = Permissions::of_open(&file)?;
    let model = match Permissions::of_path(database) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Permissions::private(&own),
        model => model?,
    };
    own.check_trust(&model)?;
    Ok(file)
}

/// Opens a file of ours that holds what `database` holds: it is trusted as by [`open_trusted`], and nobody can read it
/// who cannot read `database`. Where the database's permissions have changed since, the file gets them.
///
/// # Errors
/// Those of [`open_trusted`]; or it can be read by more people than `database`, and that cannot be mended.
pub(crate) fn open_copy_of(path: &Path, database: &Path) -> io::Result<File> {
    let file = open_untrusted(path)?;
    let look = || Ok::<_, io::Error>((Permissions::of_open(&file)?, Permissions::of_path(database)?));
    let (own, model) = look()?;
    own.check_trust(&model)?;
    if own.are_copied_from(&model) {
        return Ok(file);
    }
    // Best effort: what counts is what the file has then.
    let _ = copy_permissions(database, &file);
    let (own, model) = look()?;
    own.check_trust(&model)?;
    if own.grants_no_more(&model, READ_BY_OTHERS) {
        return Ok(file);
    }
    Err(not_trusted("more people can read it than can read the database"))
}

fn not_trusted(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, format!("it is not trusted: {why}"))
}

/// Gives `file` the owner and the permissions of `model`, less any execute bit. Where the owner cannot be changed, a
/// new file stays with who made it, for nobody else to read.
///
/// # Errors
/// The system refused.
pub(crate) fn copy_permissions(model: &Path, file: &File) -> io::Result<()> {
    let (like, own) = (Permissions::of_path(model)?, Permissions::of_open(file)?);
    if own.are_copied_from(&like) {
        return Ok(());
    }
    let mode = like.mode & COPIED;
    if (like.uid, like.gid) != (own.uid, own.gid) {
        let (owner, group) = (Uid::from_raw(like.uid), Gid::from_raw(like.gid));
        // Only root may give a file away.
        if rustix::fs::fchown(file, Some(owner), Some(group)).is_err() {
            return Ok(());
        }
    }
    match (&like.acl, &own.acl) {
        // It sets the mode, too.
        (Some(acl), _) => return Ok(rustix::fs::fsetxattr(file, ACL, acl, XattrFlags::empty())?),
        // A new file has the directory's default list.
        (None, Some(_)) => rustix::fs::fremovexattr(file, ACL)?,
        (None, None) => {}
    }
    Ok(rustix::fs::fchmod(file, Mode::from_raw_mode(mode))?)
}

/// Whether a rename can put another file in the place of `target`, as far as its kind and a sticky directory tell.
pub(crate) fn is_replaceable(directory: &Path, target: &Path) -> bool {
    let Ok(file) = rustix::fs::lstat(target) else {
        return true;
    };
    let user = rustix::process::geteuid();
    let is_allowed = rustix::fs::stat(directory).is_ok_and(|directory| {
        let is_sticky = directory.st_mode & Mode::SVTX.bits() != 0;
        !is_sticky || user.is_root() || [directory.st_uid, file.st_uid].contains(&user.as_raw())
    });
    is_allowed && FileType::from_raw_mode(file.st_mode) != FileType::Directory
}

#[cfg(test)]
#[allow(clippy::print_stderr)]
mod tests {
    use std::fs::{self, Permissions as Bits};
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    struct Files {
        dir: tempfile::TempDir,
    }

    impl Files {
        fn new(database: u32, file: u32) -> Self {
            let files = Files {
                dir: tempfile::tempdir().unwrap(),
            };
            for (name, mode) in [("db", database), ("file", file)] {
                fs::write(files.path(name), "x").unwrap();
                fs::set_permissions(files.path(name), Bits::from_mode(mode)).unwrap();
            }
            files
        }

        fn path(&self, name: &str) -> std::path::PathBuf {
            self.dir.path().join(name)
        }

        fn is_trusted(&self) -> bool {
            open_trusted(&self.path("file"), &self.path("db")).is_ok()
        }

        fn mode_of_copy(&self) -> Option<u32> {
            let file = open_copy_of(&self.path("file"), &self.path("db")).ok()?;
            Some(file.metadata().unwrap().permissions().mode() & 0o7777)
        }
    }

    /// An access control list by its entries: tag, permissions and id, as acl(5) and `linux/posix_acl_xattr.h` say.
    fn acl(entries: &[(u16, u16, u32)]) -> Vec<u8> {
        let mut bytes = 2_u32.to_le_bytes().to_vec();
        for (tag, permissions, id) in entries {
            bytes.extend(tag.to_le_bytes());
            bytes.extend(permissions.to_le_bytes());
            bytes.extend(id.to_le_bytes());
        }
        bytes
    }

    const NOBODY: u32 = u32::MAX;

    /// The owner reads and writes, a named user and the mask have these permissions, nobody else any.
    fn acl_for(user: u32, permissions: u16) -> Vec<u8> {
        acl(&[
            (1, 6, NOBODY),
            (2, permissions, user),
            (4, 0, NOBODY),
            (16, permissions, NOBODY),
            (32, 0, NOBODY),
        ])
    }

    fn set_acl(path: &Path, acl: &[u8]) -> bool {
        rustix::fs::setxattr(path, ACL, acl, XattrFlags::empty()).is_ok()
    }

    #[test]
    fn nobody_may_write_it_who_may_not_write_the_database() {
        for (database, file, is_trusted) in [
            (0o600, 0o600, true),
            (0o600, 0o644, true),
            (0o644, 0o664, false),
            (0o644, 0o646, false),
            (0o664, 0o664, true),
            (0o664, 0o666, false),
            (0o666, 0o622, true),
        ] {
            assert_eq!(
                Files::new(database, file).is_trusted(),
                is_trusted,
                "{database:o} {file:o}"
            );
        }
    }

    #[test]
    fn a_copy_follows_the_databases_permissions() {
        for (database, file, mode) in [
            (0o600, 0o644, Some(0o600)),
            (0o640, 0o600, Some(0o640)),
            (0o755, 0o600, Some(0o644)),
            (0o600, 0o666, None),
        ] {
            assert_eq!(Files::new(database, file).mode_of_copy(), mode, "{database:o} {file:o}");
        }
    }

    /// What the owner may do says nothing of others, and each bit of theirs counts.
    #[test]
    fn what_others_may_do_is_compared_bit_by_bit() {
        let permissions = |gid, mode| Permissions {
            uid: 1,
            gid,
            mode,
            acl: None,
        };
        let model = permissions(1, 0o640);
        for (gid, mode, reads, writes) in [
            (1, 0o600, true, true),
            (1, 0o640, true, true),
            (1, 0o644, false, true),
            (1, 0o604, false, true),
            (2, 0o640, false, true),
            (2, 0o600, true, true),
            (1, 0o620, true, false),
            (1, 0o602, true, false),
        ] {
            let own = permissions(gid, mode);
            assert_eq!(own.grants_no_more(&model, READ_BY_OTHERS), reads, "{gid} {mode:o}");
            assert_eq!(own.grants_no_more(&model, WRITE_BY_OTHERS), writes, "{gid} {mode:o}");
        }
    }

    #[test]
    fn links_and_special_files_are_not_opened() {
        let files = Files::new(0o600, 0o600);
        fs::rename(files.path("file"), files.path("other")).unwrap();
        symlink(files.path("other"), files.path("file")).unwrap();
        assert!(!files.is_trusted());
        fs::remove_file(files.path("file")).unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            files.path("file"),
            FileType::Fifo,
            Mode::from_raw_mode(0o600),
            0,
        )
        .unwrap();
        assert!(!files.is_trusted());
        fs::remove_file(files.path("file")).unwrap();
        fs::create_dir(files.path("file")).unwrap();
        assert!(!files.is_trusted());
        assert!(!is_replaceable(files.dir.path(), &files.path("file")));
        assert!(is_replaceable(files.dir.path(), &files.path("db")));
        assert!(is_replaceable(files.dir.path(), &files.path("nothing")));
    }

    #[test]
    fn without_a_database_only_what_nobody_else_can_write_is_trusted() {
        let files = Files::new(0o666, 0o600);
        let is_trusted = |name: &str, database: &str| open_trusted(&files.path(name), &files.path(database)).is_ok();
        assert!(is_trusted("file", "nothing"));
        assert!(!is_trusted("db", "nothing"));
        assert!(!is_trusted("file", "db/nothing"), "whose permissions nobody can tell");
    }

    #[test]
    fn access_control_lists_count() {
        let files = Files::new(0o600, 0o600);
        if !set_acl(&files.path("file"), &acl_for(12_345, 6)) {
            eprintln!("skipped: access control lists: this file system has none");
            return;
        }
        assert!(!files.is_trusted(), "somebody named in the list may write");
        set_acl(&files.path("file"), &acl_for(12_345, 4));
        assert!(files.is_trusted(), "somebody named in the list may read");
        assert_eq!(files.mode_of_copy(), Some(0o600));
        assert_eq!(
            rustix::fs::getxattr(files.path("file"), ACL, &mut [0_u8; 99][..]),
            Err(Errno::NODATA)
        );
        // The mask is not what the group may do: only the list itself says who may.
        set_acl(&files.path("db"), &acl_for(12_345, 4));
        assert_eq!(files.mode_of_copy(), Some(0o640));
        let mut copied = [0; 99];
        let len = rustix::fs::getxattr(files.path("file"), ACL, &mut copied[..]).unwrap();
        assert_eq!(copied[..len], acl_for(12_345, 4));
    }

    #[test]
    fn a_list_of_any_length_is_read() {
        let files = Files::new(0o600, 0o600);
        let mut entries = vec![(1, 6, NOBODY)];
        entries.extend((0..100).map(|user| (2, 4, 20_000 + user)));
        entries.extend([(4, 0, NOBODY), (16, 4, NOBODY), (32, 0, NOBODY)]);
        let long = acl(&entries);
        assert!(long.len() > USUAL_ACL);
        if !set_acl(&files.path("db"), &long) {
            eprintln!("skipped: access control lists: this file system has none");
            return;
        }
        assert_eq!(files.mode_of_copy(), Some(0o640));
        assert_eq!(Permissions::of_path(&files.path("file")).unwrap().acl, Some(long));
    }

    #[test]
    fn the_owner_counts() {
        if !rustix::process::geteuid().is_root() {
            eprintln!("skipped: owners: only root can give files away");
            return;
        }
        let files = Files::new(0o600, 0o644);
        let give = |name: &str, uid| std::os::unix::fs::chown(files.path(name), Some(uid), Some(uid)).unwrap();
        give("file", 65_533);
        assert!(!files.is_trusted(), "a third party's");
        give("db", 65_533);
        assert!(files.is_trusted(), "the database's owner's");
        give("file", 0);
        assert!(files.is_trusted(), "root's");
        assert_eq!(files.mode_of_copy(), Some(0o600));
        let copied = Permissions::of_path(&files.path("file")).unwrap();
        assert_eq!(
            (copied.uid, copied.gid),
            (65_533, 65_533),
            "a copy has the database's owner"
        );
    }
}
