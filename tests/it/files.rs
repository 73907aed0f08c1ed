//! Reading a workspace from a directory.

use std::fs;
use std::path::Path;

use waypost::driver::files::{read, read_dir};

fn write(root: &Path, name: &str, text: impl AsRef<[u8]>) {
    let path = root.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn names(root: &Path) -> Vec<String> {
    read_dir(root).unwrap().into_iter().map(|(name, _)| name).collect()
}

#[test]
fn only_a_workspace_s_own_files_are_read_in_order() {
    let dir = tempfile::tempdir().unwrap();
    for name in [
        "waypost.yaml",
        "journeys/b.yaml",
        "journeys/a/deep/er.yml",
        "integrations/shop.yaml",
        "datapoints/all.yaml",
        "policies/p.cedar",
        "integrations/json.json",
        "journeys/notes.txt",
        "journeys/.hidden.yaml",
        "journeys/.git/x.yaml",
        "journeys/target/x.yaml",
        "tests/t.yaml",
        ".ci/run.yaml",
        "other.yaml",
    ] {
        write(dir.path(), name, name);
    }
    let expected = [
        "datapoints/all.yaml",
        "integrations/json.json",
        "integrations/shop.yaml",
        "journeys/a/deep/er.yml",
        "journeys/b.yaml",
        "policies/p.cedar",
        "waypost.yaml",
    ];
    assert_eq!(names(dir.path()), expected);
    assert_eq!(&*read_dir(dir.path()).unwrap()[0].1, "datapoints/all.yaml");
}

#[test]
fn what_cannot_be_read_is_said_by_name() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "journeys/bad.yaml", b"name: \xff");
    write(dir.path(), "journeys/good.yaml", "name: good");
    write(dir.path(), "journeys/folder.yml/inner.yaml", "name: inner");
    write(dir.path(), "journeys/huge.yaml", vec![b' '; 17 * 1024 * 1024]);
    std::os::unix::fs::symlink("nowhere", dir.path().join("journeys/link.yaml")).unwrap();
    write(dir.path(), "journeys/loud.YAML", "name: loud");
    write(dir.path(), "waypost.json", "{}");
    let files = read(dir.path()).unwrap();
    // Text that is not UTF-8 is for the checker to point at, byte by byte.
    assert_eq!(files.files.len(), 2);
    let said: Vec<_> = files.unreadable.iter().map(|u| format!("{}: {}", u.name, u.why)).collect();
    assert_eq!(
        said,
        [
            "journeys/folder.yml: it is a directory, and has the name of a file",
            "journeys/huge.yaml: it is larger than 16 MB",
            "journeys/link.yaml: it does not exist, or is a link that leads nowhere",
            "journeys/loud.YAML: the ending of its name has to be written in small letters",
            "waypost.json: settings are read from `waypost.yaml`; JSON may stand there, too",
        ]
    );
    assert_eq!(read_dir(dir.path()).unwrap_err().to_string(), "journeys/folder.yml: it is a directory, and has the name of a file");
    assert!(read_dir(&dir.path().join("none")).is_err());
    assert!(read_dir(&dir.path().join("journeys/good.yaml")).is_err());
}

#[test]
fn links_in_a_circle_end() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "journeys/a.yaml", "name: a");
    std::os::unix::fs::symlink(dir.path().join("journeys"), dir.path().join("journeys/again")).unwrap();
    std::os::unix::fs::symlink("..", dir.path().join("journeys/up")).unwrap();
    let files = read(dir.path()).unwrap();
    let read: Vec<_> = files.files.iter().filter(|(n, _)| n.ends_with("a.yaml")).collect();
    assert_eq!(read.len(), 1, "{read:?}");
    assert_eq!(files.unreadable, []);
}

#[test]
fn a_workspace_nested_too_deeply_is_said_to_be() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), &format!("journeys/{}a.yaml", "d/".repeat(40)), "name: a");
    let files = read(dir.path()).unwrap();
    assert!(files.files.is_empty());
    assert_eq!(files.unreadable.len(), 1);
    assert!(files.unreadable[0].why.contains("nested deeper"), "{:?}", files.unreadable);
}
