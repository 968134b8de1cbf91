//! Damage is reported, and a torn tail is not damage.
use std::{
    collections::BTreeMap,
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
};

use gopiper_abi::{Message, raw::Identities};
use proptest::prelude::*;

use super::{append, files, finish, large, next, numbers, open, opened, read_all};
use crate::buffer::{
    block,
    error::StoreError,
    record::{Entries, FINISHED, MAGIC, STATE},
    replay::{note_path, replay, segment_path},
};

#[test]
fn a_torn_tail_is_left_out_and_a_damaged_one_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let store = opened(&folder);
    append(&store, &[&["zero"]]).unwrap();
    let file = files(folder.path()).remove(0);
    let synced = fs::metadata(&file).unwrap().len() as usize;
    let noted = fs::read(note_path(folder.path())).unwrap();
    append(&store, &[&["one"], &["two"]]).unwrap();
    let later = fs::read(note_path(folder.path())).unwrap();
    drop(store);
    let whole = fs::read(&file).unwrap();
    let reopened = |bytes: &[u8], note: &[u8]| {
        fs::write(&file, bytes).unwrap();
        fs::write(note_path(folder.path()), note).unwrap();
        open(&folder).map(|store| numbers(&store))
    };
    for length in synced..whole.len() {
        let read = reopened(&whole[..length], &noted).unwrap();
        assert!(read == [0] || read == [0, 1], "{read:?}");
        let garbage = [&whole[..length], &vec![0xd1; whole.len() - length]].concat();
        assert_eq!(reopened(&garbage, &noted).unwrap(), read);
        let error = reopened(&whole[..length], &later).unwrap_err();
        assert!(matches!(error, StoreError::Damaged { .. }), "the note knows more: {error}");
    }
    // Without a note, an entry that was written later is proof.
    let mut flipped = whole.clone();
    flipped[synced - 1] ^= 1;
    assert!(matches!(reopened(&flipped, b""), Err(StoreError::Damaged { .. })));
    // The last commit may have been half written.
    let mut flipped = whole.clone();
    flipped[synced + 30] ^= 1;
    assert_eq!(reopened(&flipped, b"").unwrap(), [0]);
}

#[test]
fn a_missing_or_shorter_segment_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let store = opened(&folder);
    for number in 0..40 {
        append(&store, &[&[&large(number)]]).unwrap();
    }
    drop(store);
    for file in files(folder.path()) {
        let bytes = fs::read(&file).unwrap();
        fs::remove_file(&file).unwrap();
        let error = open(&folder).err().expect("refused").to_string();
        assert!(error.contains("is missing; to continue without"), "{error}");
        fs::write(&file, &bytes[..bytes.len() - 1]).unwrap();
        let error = open(&folder).err().expect("refused").to_string();
        assert!(error.contains("is damaged"), "{error}");
        fs::write(&file, bytes).unwrap();
    }
    assert_eq!(numbers(&opened(&folder)).len(), 40);
}

#[test]
fn a_segment_that_is_removed_by_others_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let store = opened(&folder);
    append(&store, &[&["zero"]]).unwrap();
    drop(store);
    let store = opened(&folder);
    fs::remove_file(files(folder.path()).remove(0)).unwrap();
    let error = next(&store).unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
    assert!(error.to_string().contains("segment 1 is missing"), "{error}");
}

/// A message may contain bytes that look like an entry.
#[test]
fn a_message_in_a_torn_entry_proves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = opened(&folder);
    append(&store, &[&["zero"]]).unwrap();
    let file = files(folder.path()).remove(0);
    let synced = fs::metadata(&file).unwrap().len() as usize;
    let mut copied = Entries::default();
    copied.add_numbers(FINISHED, 1 << 20, &[]);
    let mut entries = Entries::default();
    let written = entries.add_block(|bytes| {
        block::write(&[Message::new(copied.bytes().to_vec())], &Identities::default(), bytes);
        Ok(1)
    });
    written.unwrap();
    store.append(&mut entries).unwrap();
    drop(store);
    fs::remove_file(note_path(folder.path())).unwrap();
    let mut torn = fs::read(&file).unwrap();
    torn[synced] = 0;
    fs::write(&file, torn).unwrap();
    assert_eq!(numbers(&opened(&folder)), [0]);
}

/// Each place is one opening.
#[test]
fn a_flipped_bit_is_reported_or_does_no_harm() {
    let folder = tempfile::tempdir().unwrap();
    let store = opened(&folder);
    for number in 0..20 {
        append(&store, &[&[&"x".repeat(100 * number)]]).unwrap();
    }
    assert_eq!(numbers(&store).len(), 20);
    finish(&store, [1, 2, 3]);
    store.shorten(&BTreeMap::from([(4, vec![])])).unwrap();
    append(&store, &[&["twenty"], &["twenty one"]]).unwrap();
    finish(&store, [7]);
    append(&store, &[&["the last one"]]).unwrap();
    drop(store);
    let expected = read_all(&opened(&folder)).unwrap();
    assert_eq!(expected.len(), 19);
    let (mut reported, mut harmless) = (0, 0);
    let mut targets = files(folder.path());
    assert_eq!(targets.len(), 2);
    targets.push(note_path(folder.path()));
    for path in targets {
        let whole = fs::read(&path).unwrap();
        for at in (0..whole.len()).filter(|at| *at < 2000 || at % 97 == 0) {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << (at % 8);
            fs::write(&path, &bytes).unwrap();
            let read =
                catch_unwind(AssertUnwindSafe(|| open(&folder).and_then(|store| read_all(&store))));
            match read {
                // Removed blocks may come again.
                Ok(Ok(read)) if expected.iter().all(|block| read.contains(block)) => harmless += 1,
                Ok(Err(StoreError::Damaged { .. })) => reported += 1,
                Ok(Err(error)) => panic!("a bit flipped in byte {at}: {error}"),
                Ok(Ok(_)) => panic!("a bit flipped in byte {at}: blocks are missing silently"),
                Err(_) => panic!("a bit flipped in byte {at}: a panic"),
            }
            fs::write(&path, &whole).unwrap();
        }
    }
    assert!(reported > 100 && harmless > 100, "reported {reported}, harmless {harmless}");
}

#[test]
fn numbers_of_any_size_are_read_or_refused() {
    let state = [1, 5, 2, 100, 3, 1, 300, 0, 1, 2, 1, 8, 50, 1, 1, 3, 4];
    for at in 0..state.len() {
        for large in [1 << 40, 1 << 56, u64::MAX / 2, u64::MAX - 1, u64::MAX] {
            let mut numbers = state;
            numbers[at] = large;
            use_segment(numbers[0], &numbers, &[], &[]);
        }
    }
}

/// Opens and uses a buffer with one segment, which says this.
fn use_segment(id: u64, state: &[u64], finished: &[u64], garbage: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    let mut entries = Entries::default();
    entries.add_numbers(STATE, 0, state);
    entries.add_numbers(FINISHED, 0, finished);
    let bytes = [MAGIC, entries.bytes(), garbage].concat();
    fs::write(segment_path(folder.path(), id), bytes).unwrap();
    if let Ok(store) = open(&folder) {
        for _ in 0..10 {
            match next(&store) {
                Ok(Some(block)) => finish(&store, [block.number]),
                _ => break,
            }
        }
        let _ = append(&store, &[&["more"]]);
        store.close();
        let _ = append(&store, &[&["more"]]);
        let _ = store.tidy();
    }
}

proptest! {
    /// Segments with any content, and correct digests.
    #[test]
    fn any_segment_is_read_or_refused(
        numbers in proptest::collection::vec(
            prop_oneof![0..4u64, Just(1u64), Just(100u64), any::<u64>()], 0..30
        ),
        finished in proptest::collection::vec(prop_oneof![0..4u64, any::<u64>()], 0..6),
        garbage in proptest::collection::vec(any::<u8>(), 0..60),
    ) {
        use_segment(1, &[&[1][..], &numbers].concat(), &finished, &garbage);
    }

    #[test]
    fn any_bytes_are_a_segment_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let folder = tempfile::tempdir().unwrap();
        fs::write(segment_path(folder.path(), 1), [MAGIC, &bytes[..]].concat()).unwrap();
        prop_assert!(replay(folder.path()).is_err());
        fs::write(segment_path(folder.path(), 1), bytes).unwrap();
        prop_assert!(replay(folder.path()).is_err());
    }
}
