//! The state directory is created, locked and refused.
use std::thread;

use super::*;

#[test]
fn it_is_made_when_it_is_needed_and_knows_its_version() {
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().join("a/b");
    check(&directory, Path::new("")).unwrap();
    assert!(!place.path().join("a").exists(), "looking at it leaves no trace");
    let state = ComponentState::new(Some(directory.clone()), "main", "file");
    let folder = state.folder().unwrap();
    assert!(folder.is_dir() && folder.starts_with(&directory));
    assert_eq!(state.folder().unwrap(), folder);
    assert_eq!(fs::read_to_string(directory.join("version")).unwrap(), "3\n");
    for other in ["0", "4"] {
        fs::write(directory.join("version"), other).unwrap();
        let refused = ComponentState::new(Some(directory.clone()), "main", "other").folder();
        let expected = format!("has version {other}, and this gopiper supports version 3");
        assert!(refused.unwrap_err().to_string().contains(&expected));
    }
    fs::write(directory.join("version"), "?").unwrap();
    assert!(check(&directory, Path::new("")).unwrap_err().contains("does not contain a version"));
}

#[test]
fn components_that_start_at_the_same_time_make_it_once() {
    for _ in 0..20 {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().join("state");
        thread::scope(|scope| {
            let made: Vec<_> = (0..8)
                .map(|n| {
                    let directory = &directory;
                    scope.spawn(move || make(directory, &folder_of("p", &n.to_string())))
                })
                .collect();
            made.into_iter().for_each(|made| drop(made.join().unwrap().unwrap()));
        });
        assert_eq!(fs::read(version_file(&directory)).unwrap(), version_text().into_bytes());
    }
}

/// A state directory with a file of a component, and the place of its version.
fn directory_with(file: &str) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("pipelines/main").join(file);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, "here").unwrap();
    let version = version_file(directory.path());
    (directory, version)
}

/// An older gopiper would not understand what is written from then on, and refuses it.
#[test]
fn a_directory_of_an_earlier_version_gets_this_version_when_it_is_used() {
    for earlier in ["1\n", "2\n"] {
        let (directory, version) = directory_with("file/checkpoint");
        let directory = directory.path();
        fs::write(directory.join("pipelines/main.lua"), "the operator's").unwrap();
        fs::write(&version, earlier).unwrap();
        check(directory, Path::new("")).unwrap();
        assert_eq!(fs::read_to_string(&version).unwrap(), earlier, "a look changes nothing");
        ComponentState::new(Some(directory.into()), "main", "file").folder().unwrap();
        assert_eq!(fs::read_to_string(&version).unwrap(), "3\n");
        let checkpoint = directory.join("pipelines/main/file/checkpoint");
        assert_eq!(fs::read_to_string(checkpoint).unwrap(), "here");
    }
}

#[test]
fn a_directory_with_a_buffer_of_an_earlier_version_is_refused_and_keeps_its_version() {
    let (directory, version) = directory_with("spool/buffer.redb");
    let directory = directory.path();
    let refused = || {
        let of_another = ComponentState::new(Some(directory.into()), "main", "file").folder();
        let error = of_another.unwrap_err().to_string();
        assert!(error.contains("buffer.redb is a buffer of an earlier version"), "{error}");
        assert_eq!(check(directory, Path::new("")), Err(error));
    };
    refused();
    assert!(!version.exists(), "the older gopiper can still use it");
    fs::write(&version, "1\n").unwrap();
    refused();
    assert_eq!(fs::read_to_string(&version).unwrap(), "1\n");
    fs::remove_file(directory.join("pipelines/main/spool/buffer.redb")).unwrap();
    check(directory, Path::new("")).unwrap();
}

#[test]
fn the_state_of_a_component_is_locked_and_the_lock_names_its_holder() {
    let place = tempfile::tempdir().unwrap();
    let of = |component| ComponentState::new(Some(place.path().into()), "main", component);
    let (first, second) = (of("file"), of("file"));
    first.folder().unwrap();
    let refused = second.folder().unwrap_err().to_string();
    assert!(refused.contains(&format!("in use by process {}", std::process::id())), "{refused}");
    of("other").folder().unwrap();
    drop(first);
    second.folder().unwrap();
}

#[test]
fn files_that_are_not_directories_are_reported() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("file");
    fs::write(&file, "").unwrap();
    for (directory, folder) in [(file.join("state"), ""), (place.path().into(), "file/one")] {
        let refused = check(&directory, Path::new(folder)).unwrap_err();
        assert!(refused.contains("/file is not a directory"), "{refused}");
    }
    assert!(
        ComponentState::new(None, "a", "b")
            .folder()
            .unwrap_err()
            .to_string()
            .contains("--state-dir")
    );
}
