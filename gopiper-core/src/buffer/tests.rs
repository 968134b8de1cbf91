//! The store keeps, frees and refuses blocks.
mod damage;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use gopiper_abi::{Batch, Message, PayloadMut, raw::Identities};
use tempfile::TempDir;

use super::{
    block,
    error::StoreError,
    record::Entries,
    replay::{new_path, segment_path},
    store::{Store, StoredBlock},
};

const MB: usize = 1 << 20;

fn open(folder: &TempDir) -> Result<Store, StoreError> {
    Store::open(folder.path(), "buffer".into(), 16 << 20)
}

fn opened(folder: &TempDir) -> Store {
    open(folder).unwrap()
}

/// One commit of blocks, each with these messages.
fn append(store: &Store, blocks: &[&[&str]]) -> Result<(), StoreError> {
    let mut entries = Entries::default();
    for texts in blocks {
        let messages: Vec<_> = texts.iter().map(|text| Message::new(text.to_string())).collect();
        let written = entries.add_block(|bytes| {
            block::write(&messages, &Identities::default(), bytes);
            Ok(messages.len() as u32)
        });
        written.unwrap();
    }
    store.append(&mut entries)
}

fn next(store: &Store) -> Result<Option<StoredBlock>, StoreError> {
    store.next(&PayloadMut::new)
}

fn texts(block: &StoredBlock) -> Vec<String> {
    let mut batch = Batch::new(1);
    block::read(&block.bytes, block.messages, &mut batch).unwrap();
    let texts = batch.messages().iter().map(|one| String::from_utf8_lossy(one.data()).into());
    texts.collect()
}

/// Reads all blocks that are left.
fn read_all(store: &Store) -> Result<Vec<(u64, Vec<String>)>, StoreError> {
    let mut all = Vec::new();
    while let Some(block) = next(store)? {
        all.push((block.number, texts(&block)));
    }
    Ok(all)
}

fn numbers(store: &Store) -> Vec<u64> {
    read_all(store).unwrap().into_iter().map(|(number, _)| number).collect()
}

fn finish(store: &Store, numbers: impl IntoIterator<Item = u64>) {
    numbers.into_iter().for_each(|number| store.index.lock().done(number));
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut segments: Vec<_> =
        files.filter(|path| path.extension().is_some_and(|it| it == "blocks")).collect();
    segments.sort();
    segments
}

fn on_disk(folder: &Path) -> u64 {
    files(folder).iter().map(|file| fs::metadata(file).unwrap().len()).sum()
}

fn large(n: u64) -> String {
    format!("{n:08}").repeat(MB / 8)
}

#[test]
fn stored_blocks_are_there_after_a_reopen() {
    let folder = tempfile::tempdir().unwrap();
    let store = opened(&folder);
    assert!(next(&store).unwrap().is_none());
    append(&store, &[&["zero"], &["one", "and one"]]).unwrap();
    append(&store, &[&["two"], &["three"]]).unwrap();
    assert_eq!(numbers(&store), [0, 1, 2, 3]);
    finish(&store, [0, 2]);
    append(&store, &[&["four"]]).unwrap();
    finish(&store, [3]);
    drop(store);
    let store = opened(&folder);
    assert_eq!(store.index.lock().next, 5);
    assert_eq!(store.index.lock().messages, 4);
    let expected = [
        (1, vec!["one".to_owned(), "and one".to_owned()]),
        (3, vec!["three".to_owned()]),
        (4, vec!["four".to_owned()]),
    ];
    assert_eq!(read_all(&store).unwrap(), expected, "three was not logged as finished");
    finish(&store, [1, 3, 4]);
    store.tidy().unwrap();
    drop(store);
    let store = opened(&folder);
    append(&store, &[&["five"]]).unwrap();
    assert_eq!(numbers(&store), [5]);
}

#[test]
fn blocks_logged_as_finished_without_a_sync_stay_so_after_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let store = opened(&folder);
    append(&store, &[&["zero"], &["one"]]).unwrap();
    assert_eq!(numbers(&store), [0, 1]);
    finish(&store, [0]);
    store.log_finished();
    std::mem::forget(store);
    assert_eq!(numbers(&opened(&folder)), [1]);
}

#[test]
fn a_block_keeps_its_unfinished_messages() {
    let folder = tempfile::tempdir().unwrap();
    let store = opened(&folder);
    append(&store, &[&["a", "b", "c"], &["d", "e", "e"], &["f"]]).unwrap();
    assert_eq!(numbers(&store), [0, 1, 2]);
    finish(&store, [2]);
    store.shorten(&BTreeMap::from([(0, vec![0..1, 2..3]), (1, vec![1..2, 2..3])])).unwrap();
    append(&store, &[&["g"]]).unwrap();
    assert_eq!(store.index.lock().messages, 3);
    drop(store);
    for _ in 0..2 {
        let store = opened(&folder);
        assert_eq!(store.index.lock().messages, 3);
        let left = read_all(&store).unwrap().into_iter().flat_map(|(_, texts)| texts);
        assert_eq!(left.collect::<Vec<_>>(), ["b", "d", "g"]);
    }
}

#[test]
fn segments_go_when_their_blocks_are_finished_and_an_empty_buffer_is_small() {
    let folder = tempfile::tempdir().unwrap();
    let store = opened(&folder);
    for number in 0..40 {
        append(&store, &[&[&large(number)]]).unwrap();
    }
    assert_eq!(files(folder.path()).len(), 3);
    for number in 0..40 {
        let block = next(&store).unwrap().unwrap();
        assert_eq!((block.number, texts(&block)), (number, vec![large(number)]));
        finish(&store, [number]);
        if number == 20 {
            store.tidy().unwrap();
            assert_eq!(files(folder.path()).len(), 2, "the first is not needed any more");
        }
    }
    store.tidy().unwrap();
    assert!(!store.is_untidy());
    assert_eq!(files(folder.path()).len(), 1);
    assert!(on_disk(folder.path()) < 1000, "{}", on_disk(folder.path()));
    append(&store, &[&["more"]]).unwrap();
    drop(store);
    assert_eq!(numbers(&opened(&folder)), [40]);
}

#[test]
fn blocks_that_stay_unfinished_move_out_of_large_segments() {
    let folder = tempfile::tempdir().unwrap();
    let store = opened(&folder);
    let mut most = 0;
    let is_slow = |number: u64| number % 16 == 5;
    for number in 0..200 {
        append(&store, &[&["short", &large(number)]]).unwrap();
        next(&store).unwrap().unwrap();
        if !is_slow(number) {
            finish(&store, [number]);
        }
        store.remove_dead();
        most = most.max(on_disk(folder.path()));
    }
    let live = store.index.lock().bytes;
    assert!(most <= 2 * live + (68 << 20), "{live} live, {most} on disk");
    assert!(on_disk(folder.path()) < (100 << 20), "of 200 MB that were written");
    drop(store);
    let store = opened(&folder);
    let left = read_all(&store).unwrap();
    let expected: Vec<_> = (0..200).filter(|number| is_slow(*number)).collect();
    assert_eq!(left.iter().map(|(number, _)| *number).collect::<Vec<_>>()[..12], expected[..12]);
    assert!(left.iter().all(|(number, texts)| texts[1] == large(*number)));
    finish(&store, left.iter().map(|(number, _)| *number));
    store.tidy().unwrap();
    assert!(on_disk(folder.path()) < 1000);
}

#[test]
fn an_opening_continues_where_the_last_process_was() {
    let folder = tempfile::tempdir().unwrap();
    let mut random = fastrand::Rng::with_seed(5);
    let (mut live, mut count) = (BTreeSet::new(), 0);
    for _ in 0..30 {
        let store = opened(&folder);
        assert_eq!(store.index.lock().messages, live.len() as u64);
        let mut read = BTreeSet::new();
        for _ in 0..random.usize(..12) {
            match random.u8(..6) {
                0..2 => {
                    append(&store, &[&[&large(count)], &["small"]]).unwrap();
                    live.extend([count, count + 1]);
                    count += 2;
                }
                2..4 => {
                    let expected = live.difference(&read).next().copied();
                    let block = next(&store).unwrap().map(|block| block.number);
                    assert_eq!(block, expected, "in order");
                    read.extend(block);
                }
                4 => {
                    let some: Vec<_> = read.iter().filter(|_| random.bool()).copied().collect();
                    for number in some.iter().filter(|number| live.remove(*number)) {
                        finish(&store, [*number]);
                    }
                    store.log_finished();
                }
                _ => store.tidy().unwrap(),
            }
        }
        store.log_finished();
        std::mem::forget(store);
    }
    assert_eq!(numbers(&opened(&folder)), live.into_iter().collect::<Vec<_>>());
}

#[test]
fn messages_are_counted_and_nothing_is_changed() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(super::stored_messages(folder.path()), Some(0));
    let store = opened(&folder);
    append(&store, &[&["a", "b"], &["c"]]).unwrap();
    drop(store);
    let file = files(folder.path()).remove(0);
    let torn = [fs::read(&file).unwrap(), vec![1, 2, 3]].concat();
    fs::write(&file, &torn).unwrap();
    assert_eq!(super::stored_messages(folder.path()), Some(3));
    assert_eq!(fs::read(&file).unwrap(), torn);
}

/// `/dev/null` takes everything, and cannot be synced; `/dev/full` takes nothing.
#[test]
fn after_a_failure_of_the_disk_another_segment_begins() {
    for broken in ["/dev/null", "/dev/full"] {
        let folder = tempfile::tempdir().unwrap();
        let store = opened(&folder);
        append(&store, &[&["zero"], &["one"]]).unwrap();
        assert_eq!(next(&store).unwrap().unwrap().number, 0);
        finish(&store, [0]);
        let device = fs::OpenOptions::new().write(true).open(broken).unwrap();
        store.replace_file(device);
        let error = append(&store, &[&["lost"]]).unwrap_err();
        assert!(matches!(error, StoreError::Disk { .. }), "{broken}: {error}");
        store.log_finished();
        assert_eq!(numbers(&store), [1], "what was not stored is not read");
        append(&store, &[&["two"]]).unwrap();
        assert_eq!(files(folder.path()).len(), 2);
        assert_eq!(numbers(&store), [2]);
        drop(store);
        let left = read_all(&opened(&folder)).unwrap();
        assert_eq!(left, [(1, vec!["one".to_owned()]), (2, vec!["two".to_owned()])]);
    }
}

#[test]
fn a_segment_that_cannot_be_made_is_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = opened(&folder);
    append(&store, &[&["zero"]]).unwrap();
    store.close();
    let obstacle = new_path(folder.path(), 2);
    fs::create_dir(&obstacle).unwrap();
    assert!(matches!(append(&store, &[&["one"]]), Err(StoreError::Disk { .. })));
    fs::remove_dir(&obstacle).unwrap();
    append(&store, &[&["one"]]).unwrap();
    assert_eq!(numbers(&store), [0, 1]);
    drop(store);
    // Left by a process that was killed.
    fs::write(new_path(folder.path(), 3), "torn").unwrap();
    assert_eq!(numbers(&opened(&folder)), [0, 1]);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3, "two segments and the note");
}

/// A block that a failed attempt has logged is not logged again: that would be refused as damage.
#[test]
fn finished_blocks_are_logged_once_even_if_no_segment_can_begin() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), "buffer".into(), 50).unwrap();
    append(&store, &[&["zero"], &["one"], &["two"]]).unwrap();
    assert_eq!(numbers(&store), [0, 1, 2]);
    finish(&store, [0]);
    store.log_finished();
    let obstacle = new_path(folder.path(), 2);
    fs::create_dir(&obstacle).unwrap();
    assert!(matches!(append(&store, &[&["three"]]), Err(StoreError::Disk { .. })), "it is full");
    fs::remove_dir(&obstacle).unwrap();
    finish(&store, [1]);
    store.log_finished();
    std::mem::forget(store);
    assert_eq!(numbers(&opened(&folder)), [2]);
}

/// It may be there in spite of the error, and then an opening would read nothing else.
#[test]
fn nothing_is_added_to_a_segment_after_the_name_of_the_next_one_was_tried() {
    let folder = tempfile::tempdir().unwrap();
    let store = opened(&folder);
    append(&store, &[&[&large(0)]]).unwrap();
    assert_eq!(numbers(&store), [0]);
    finish(&store, [0]);
    let obstacle = segment_path(folder.path(), 2);
    fs::create_dir(&obstacle).unwrap();
    assert!(matches!(store.tidy(), Err(StoreError::Disk { .. })));
    fs::remove_dir(&obstacle).unwrap();
    append(&store, &[&["one"]]).unwrap();
    assert!(obstacle.is_file(), "another attempt");
    drop(store);
    assert_eq!(numbers(&opened(&folder)), [1]);
}

#[test]
fn a_removed_segment_takes_no_disk() {
    let folder = tempfile::tempdir().unwrap();
    let store = opened(&folder);
    append(&store, &[&[&large(0)]]).unwrap();
    assert_eq!(numbers(&store), [0]);
    finish(&store, [0]);
    store.tidy().unwrap();
    let open = fs::read_dir("/proc/self/fd").unwrap().filter_map(|entry| {
        // One of another test may be closed by now.
        fs::read_link(entry.unwrap().path()).ok()
    });
    let held: Vec<_> = open.filter(|path| path.starts_with(folder.path())).collect();
    assert!(held.iter().all(|path| path.exists()), "{held:?}");
}
