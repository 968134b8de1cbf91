//! The state directory: what is made, locked and refused.
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
    assert_eq!(fs::read_to_string(directory.join("version")).unwrap(), "1\n");
    fs::write(directory.join("version"), "2").unwrap();
    let refused = ComponentState::new(Some(directory.clone()), "main", "other").folder();
    assert!(
        refused
            .unwrap_err()
            .to_string()
            .contains("has version 2, and this gopiper supports version 1")
    );
    fs::write(directory.join("version"), "?").unwrap();
    assert!(check(&directory, Path::new("")).unwrap_err().contains("does not contain a version"));
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
