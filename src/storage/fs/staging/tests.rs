use super::*;

fn step(set_aside: &[&str], absent: &[&str], install: &[&str]) -> Step {
    let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    Step {
        set_aside: names(set_aside),
        absent: names(absent),
        install: names(install),
    }
}

/// A directory with an old file of each of these names, and the lock on it.
fn locked(old: &[&str]) -> (tempfile::TempDir, DirLock) {
    let dir = tempfile::tempdir().unwrap();
    for name in old {
        fs::write(dir.path().join(name), "old").unwrap();
    }
    let lock = DirLock::try_acquire(dir.path()).unwrap().unwrap();
    (dir, lock)
}

fn staged<'lock>(lock: &'lock DirLock, new: &[&str]) -> StagingDir<'lock> {
    let staged = StagingDir::create(lock).unwrap();
    for name in new {
        staged.create_file(name, 0o600).unwrap().write_all(b"new").unwrap();
    }
    staged
}

/// Every file and what is in it; a staging directory is empty text.
fn files(dir: &Path) -> Vec<(String, String)> {
    let entries = fs::read_dir(dir).unwrap().map(io::Result::unwrap);
    let mut files: Vec<_> = entries
        .map(|entry| {
            let name = entry.file_name().into_string().unwrap();
            (name, fs::read_to_string(entry.path()).unwrap_or_default())
        })
        .collect();
    files.sort();
    files
}

fn expected(files: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |&(name, content): &(&str, &str)| (name.to_owned(), content.to_owned());
    files.iter().map(owned).collect()
}

#[test]
fn a_step_replaces_what_it_names_and_nothing_else() {
    let (dir, lock) = locked(&["data", "key", "other", "stale"]);
    let staged = staged(&lock, &["data", "key", "unused"]);
    let step = step(&["key", "stale", "data", "gone"], &["absent"], &["data", "key"]);
    staged.commit_staged(&step).unwrap();
    assert_eq!(
        files(dir.path()),
        expected(&[("data", "new"), ("key", "new"), ("other", "old")])
    );
}

#[test]
fn without_a_step_nothing_is_left() {
    let (dir, lock) = locked(&["key"]);
    let made = staged(&lock, &["key"]);
    assert_eq!(find_staged(dir.path()), Some(made.name.clone()));
    drop(made);
    assert_eq!(files(dir.path()), expected(&[("key", "old")]));
    // One that was killed before its step.
    let mut killed = staged(&lock, &["key"]);
    killed.is_kept = true;
    drop(killed);
    assert!(recover(&lock).is_empty());
    assert_eq!(files(dir.path()), expected(&[("key", "old")]));
}

#[test]
fn a_file_that_must_be_absent_stops_the_step() {
    for foreign in ["absent", "key"] {
        let (dir, lock) = locked(&[foreign, "stale"]);
        let before = files(dir.path());
        let step = step(&["stale"], &["absent", "key"], &["data", "key"]);
        let error = staged(&lock, &["data", "key"]).commit_staged(&step).unwrap_err();
        assert!(error.to_string().contains(FOREIGN), "{error}");
        assert_eq!(files(dir.path()), before);
    }
}

#[test]
fn a_rename_that_fails_undoes_the_step() {
    let (dir, lock) = locked(&["data", "file", "key"]);
    let before = files(dir.path());
    // A name that cannot be renamed, as a file under a mount or in a sticky directory cannot.
    let step = step(&["key", "data", "file/inside"], &[], &["data", "key"]);
    let error = staged(&lock, &["data", "key"]).commit_staged(&step).unwrap_err();
    assert!(error.to_string().contains("cannot replace"), "{error}");
    assert_eq!(files(dir.path()), before);
    assert_eq!(find_staged(dir.path()), None);
}

/// The key file appears while the others are put in place: those go back, the old ones come back.
#[test]
fn a_step_that_fails_half_way_takes_its_files_back() {
    let (dir, lock) = locked(&["data", "key"]);
    let before = files(dir.path());
    let error = staged(&lock, &["data", "key"])
        .commit_staged(&step(&["data"], &[], &["data", "key"]))
        .unwrap_err();
    assert!(error.to_string().contains(FOREIGN), "{error}");
    assert_eq!(files(dir.path()), before);
    assert_eq!(find_staged(dir.path()), None);
}

/// A file can appear after the last look for foreign ones: then the rename itself must refuse.
#[test]
fn no_rename_replaces_a_file() {
    let (dir, lock) = locked(&["there"]);
    let staged = staged(&lock, &["new"]);
    let before = (files(dir.path()), files(&staged.path()));
    assert_eq!(staged.rename(&staged.dir, "new", &lock, "there"), Err(Errno::EXIST));
    assert_eq!(rename_in_two(&staged.dir, "new", &lock, "there"), Err(Errno::EXIST));
    assert_eq!((files(dir.path()), files(&staged.path())), before);
    rename_in_two(&staged.dir, "new", &lock, "free").unwrap();
    assert!(!staged.has("new"));
    staged.rename(&lock, "free", &staged.dir, "new").unwrap();
    assert_eq!((files(dir.path()), files(&staged.path())), before);
}

/// The names of every rename of a step, in their order: `true` for one that sets a file aside.
const RENAMES: [(bool, &str); 4] = [(true, "key"), (true, "data"), (false, "data"), (false, "key")];

#[test]
fn a_kill_between_any_two_renames_is_recovered_from() {
    for done in 0..=RENAMES.len() {
        let (dir, lock) = locked(&["data", "key"]);
        let mut killed = staged(&lock, &["data", "key"]);
        killed
            .write_marker(&step(&["key", "data"], &[], &["data", "key"]))
            .unwrap();
        for (is_set_aside, name) in &RENAMES[..done] {
            let staged = |name: &str| killed.path().join(name);
            let target = dir.path().join(name);
            let renamed = match is_set_aside {
                true => fs::rename(target, staged(&old(name))),
                false => fs::rename(staged(name), target),
            };
            renamed.unwrap();
        }
        killed.is_kept = true;
        drop(killed);
        assert!(recover(&lock).is_empty(), "{done}");
        let state = if done == 0 { "old" } else { "new" };
        assert_eq!(
            files(dir.path()),
            expected(&[("data", state), ("key", state)]),
            "{done}"
        );
    }
}

#[test]
fn a_file_created_after_a_kill_is_kept_and_so_is_what_was_staged() {
    for foreign in ["key", "absent", "data"] {
        let (dir, lock) = locked(&["data", "key"]);
        let mut killed = staged(&lock, &["data", "key"]);
        let step = step(&["key", "data"], &["absent"], &["data", "key"]);
        killed.write_marker(&step).unwrap();
        for name in ["key", "data"] {
            fs::rename(dir.path().join(name), killed.path().join(old(name))).unwrap();
        }
        killed.is_kept = true;
        let (path, inside) = (killed.path(), files(&killed.path()));
        drop(killed);
        fs::write(dir.path().join(foreign), "of a service").unwrap();
        for _ in 0..2 {
            let left = recover(&lock);
            assert_eq!(left.len(), 1, "{foreign}");
            assert!(left[0].1.to_string().contains(FOREIGN), "{}", left[0].1);
            drop(left);
            assert_eq!(files(&path), inside, "{foreign}");
            assert_eq!(fs::read(dir.path().join(foreign)).unwrap(), b"of a service");
        }
        fs::remove_file(dir.path().join(foreign)).unwrap();
        assert!(recover(&lock).is_empty());
        assert_eq!(files(dir.path()), expected(&[("data", "new"), ("key", "new")]));
    }
}

/// The service is back before what a killed step left is removed, and has made its journal anew: that is no reason to stop.
#[test]
fn a_file_created_behind_a_step_that_is_done_is_kept() {
    let (dir, lock) = locked(&["journal", "key"]);
    let mut killed = staged(&lock, &["data", "key"]);
    let step = step(&["key", "journal"], &["absent"], &["data", "key"]);
    killed.write_marker(&step).unwrap();
    killed.finish(&step).unwrap();
    killed.is_kept = true;
    drop(killed);
    for name in ["journal", "absent"] {
        fs::write(dir.path().join(name), "of a service").unwrap();
    }
    assert!(recover(&lock).is_empty());
    let service = |name| (name, "of a service");
    assert_eq!(
        files(dir.path()),
        expected(&[service("absent"), ("data", "new"), service("journal"), ("key", "new")])
    );
}

#[test]
fn only_names_of_files_in_the_directory_itself_are_plain() {
    for name in ["key", ".key", "...", "audit.db-wal"] {
        assert!(is_plain(name), "{name}");
    }
    for name in ["", ".", "..", "/", "../key", "inside/key", "key/", "a\0b"] {
        assert!(!is_plain(name), "{name:?}");
    }
}

#[test]
fn a_marker_that_cannot_be_right_changes_nothing() {
    let text = |step: Step| serde_json::to_string(&step).unwrap();
    let markers = [
        "".to_owned(),
        "{}".to_owned(),
        text(step(&["../key"], &[], &["key"])),
        text(step(&[], &["../absent"], &["inside/key"])),
        text(step(&[], &[], &["inside/key"])),
        text(step(&["key"], &[], &[])),
    ];
    for marker in markers {
        let (dir, lock) = locked(&["key"]);
        let mut killed = staged(&lock, &["key"]);
        // Where such a step could be taken.
        fs::create_dir(dir.path().join("inside")).unwrap();
        fs::create_dir(killed.path().join("inside")).unwrap();
        fs::write(killed.path().join("inside/key"), "new").unwrap();
        fs::write(killed.path().join(MARKER), &marker).unwrap();
        killed.is_kept = true;
        drop(killed);
        let before = files(dir.path());
        assert_eq!(recover(&lock).len(), 1, "{marker}");
        assert_eq!(files(dir.path()), before, "{marker}");
        assert_eq!(files(&dir.path().join("inside")), [], "{marker}");
    }
}

/// Each would be read from elsewhere, or be waited for.
#[test]
fn a_marker_that_is_no_regular_file_is_not_read() {
    let (dir, lock) = locked(&["key"]);
    let mut killed = staged(&lock, &["key"]);
    killed.is_kept = true;
    let marker = killed.path().join(MARKER);
    let elsewhere = dir.path().join("step");
    fs::write(&elsewhere, serde_json::to_vec(&step(&["key"], &[], &["key"])).unwrap()).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &marker).unwrap();
    assert!(killed.read_marker().is_err());
    fs::remove_file(&marker).unwrap();
    let made = std::process::Command::new("mkfifo").arg(&marker).status();
    assert!(made.unwrap().success());
    assert!(killed.read_marker().is_err());
    fs::remove_file(&marker).unwrap();
    assert!(killed.read_marker().unwrap().is_none());
}

#[test]
fn what_others_may_write_and_what_is_no_directory_is_not_opened() {
    let (dir, lock) = locked(&[]);
    let names = [
        ".auditq-seed.opened",
        ".auditq-seed.shared",
        ".auditq-seed.linked",
        ".auditq-seed.notdir",
    ];
    let at = names.map(|name| dir.path().join(name));
    fs::create_dir(&at[0]).unwrap();
    fs::create_dir(&at[1]).unwrap();
    fs::set_permissions(&at[1], Permissions::from_mode(0o720)).unwrap();
    std::os::unix::fs::symlink(&at[0], &at[2]).unwrap();
    fs::write(&at[3], "").unwrap();
    let open = |name: &str| {
        let mut opened = StagingDir::open(&lock, name.to_owned())?;
        opened.is_kept = true;
        Some(opened)
    };
    assert_eq!(names.map(|name| open(name).is_some()), [true, false, false, false]);
    let opened = open(names[0]).unwrap();
    opened.create_file("key", 0o600).unwrap();
    assert!(opened.create_file("key", 0o600).is_err(), "there is one");
    let inherited = [&opened.dir, &opened.create_file("data", 0o600).unwrap()].map(|file| {
        !rustix::io::fcntl_getfd(file)
            .unwrap()
            .contains(rustix::io::FdFlags::CLOEXEC)
    });
    assert_eq!(inherited, [false; 2]);
}

#[test]
fn other_directories_are_no_staging_directories() {
    let (dir, lock) = locked(&[]);
    for name in [
        ".auditq-seed.abc",
        ".auditq-seed.abcdef.old",
        ".auditq-seed.abc-ef",
        "auditq-seed.abcdef",
    ] {
        fs::create_dir(dir.path().join(name)).unwrap();
    }
    fs::write(dir.path().join(".auditq-seed.abcdef"), "a file").unwrap();
    let before = files(dir.path());
    assert_eq!(find_staged(dir.path()), None);
    assert!(recover(&lock).is_empty());
    assert_eq!(files(dir.path()), before);
}
