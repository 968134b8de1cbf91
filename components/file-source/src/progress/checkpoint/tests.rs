//! Only written entries are read again.
use super::*;

fn entries() -> Vec<Entry> {
    let metadata = fs::metadata("/").unwrap();
    let entry = |path: &str, offset| Entry {
        fingerprint: Fingerprint::of(path.as_bytes()),
        offset,
        seen: 3,
        real: Some("/real".into()),
        mark: Some(Mark::of(5, b"before")),
        length: Some(7),
        ..Entry::new(Path::new(path), Inode::from(&metadata), Some(4))
    };
    vec![entry("/a", 5), entry("/b", u64::MAX)]
}

#[test]
fn saved_entries_are_there_again() {
    let folder = tempfile::tempdir().unwrap();
    let (store, nothing) = Store::open(folder.path().to_owned()).unwrap();
    assert_eq!(nothing, None);
    store.save(&entries()).unwrap();
    drop(store);
    assert_eq!(Store::open(folder.path().to_owned()).unwrap().1, Some(entries()));
}

#[test]
fn every_flipped_bit_is_seen() {
    let whole = rendered(&entries()).unwrap();
    for bit in 0..whole.len() * 8 {
        let mut flipped = whole.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(parse(&flipped).is_err(), "bit {bit}");
    }
    for length in 0..whole.len() {
        assert!(parse(&whole[..length]).is_err(), "cut to {length}");
    }
    assert!(parse(&[&whole[..], b" "].concat()).is_err());
}

#[test]
fn a_newer_one_is_said_to_be() {
    let folder = tempfile::tempdir().unwrap();
    let newer = String::from_utf8(rendered(&entries()).unwrap()).unwrap();
    let newer = newer.replacen("checkpoint 1", "checkpoint 2", 1);
    fs::write(folder.path().join("checkpoint"), newer).unwrap();
    let refusal = Store::open(folder.path().to_owned()).err().unwrap().to_string();
    assert!(refusal.contains("a newer gopiper (format 2; this one supports 1)"), "{refusal}");
    assert!(refusal.contains("remove it"), "{refusal}");
}
