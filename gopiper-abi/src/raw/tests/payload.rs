use super::*;

#[test]
fn the_last_reference_frees_the_memory_once() {
    let books = Books::default();
    let whole = books.payload("hello, world");
    let clone = whole.clone();
    let part = clone.slice(7..);
    let part_of_part = part.slice(..=1);
    drop((whole, clone, part));
    assert_eq!(books.alive(), 1);
    assert_eq!(&part_of_part[..], b"wo");
    drop(part_of_part);
    assert_eq!(books.alive(), 0);
}

#[test]
fn slicing_copies_nothing_and_takes_every_kind_of_range() {
    let whole = Payload::from(b"0123456789".to_vec());
    let part = whole.slice(2..5);
    assert_eq!(part.as_ptr(), whole[2..].as_ptr());
    assert_eq!(&whole.slice(..)[..], b"0123456789");
    assert_eq!(&whole.slice(8..)[..], b"89");
    assert_eq!(&whole.slice(..=1)[..], b"01");
    let excluded = (std::ops::Bound::Excluded(7), std::ops::Bound::Unbounded);
    assert_eq!(&whole.slice(excluded)[..], b"89");
    assert!(whole.slice(10..).is_empty());
}

#[test]
fn a_slice_beyond_the_bytes_panics_and_takes_no_reference() {
    let books = Books::default();
    let payload = books.payload("abc");
    let reversed = (std::ops::Bound::Included(2), std::ops::Bound::Excluded(1));
    let to_the_end = (std::ops::Bound::Unbounded, std::ops::Bound::Included(usize::MAX));
    assert!(fence(|| payload.slice(1..4)).is_err());
    assert!(fence(|| payload.slice(reversed)).is_err());
    assert!(fence(|| payload.slice(to_the_end)).is_err());
    drop(payload);
    assert_eq!(books.alive(), 0);
}

#[test]
fn bytes_that_live_forever_have_no_owner() {
    static BYTES: &[u8] = b"always";
    let payload = Payload::from(BYTES);
    assert_eq!(payload.slice(2..).as_ptr(), BYTES[2..].as_ptr());
    assert!(payload.owner.is_null() && payload.region().is_none());
    assert!(Payload::empty().is_empty());
}

#[test]
fn bytes_frozen_from_the_front_stay_while_the_rest_is_written() {
    let books = Books::default();
    let mut block = books.memory("one two three");
    let one = block.split_to(4);
    block[..3].copy_from_slice(b"TWO");
    let two = block.split_to(4);
    block.copy_from_slice(b"THREE");
    let three = block.freeze();
    assert_eq!([&one[..], &two[..], &three[..]], [&b"one "[..], b"TWO ", b"THREE"]);
    drop((one, three));
    assert_eq!((books.alive(), &two[..]), (1, &b"TWO "[..]));
    drop(two);
    assert_eq!(books.alive(), 0);
}

#[test]
fn more_than_there_is_can_not_be_frozen() {
    let mut block = PayloadMut::new(3);
    assert!(fence(|| block.split_to(4)).is_err());
    assert_eq!(block.len(), 3);
}

#[test]
fn memory_that_panics_when_dropped_does_no_harm() {
    struct Bad([u8; 3]);
    impl AsMut<[u8]> for Bad {
        fn as_mut(&mut self) -> &mut [u8] {
            &mut self.0
        }
    }
    impl Drop for Bad {
        fn drop(&mut self) {
            panic!("while dropping");
        }
    }
    let payload = PayloadMut::from_owner(Bad(*b"abc"), None).freeze();
    assert_eq!(&payload.clone()[..], b"abc");
    let _ = fence(|| drop(payload));
}

#[test]
fn memory_that_can_be_mapped_says_where() {
    let region = Region { descriptor: 5, reserved: 0, offset: 64, base: std::ptr::null() };
    let payload = PayloadMut::from_owner(vec![1, 2, 3], Some(region)).freeze();
    let part = payload.slice(1..);
    drop(payload);
    let found = part.region().unwrap();
    assert_eq!((found.descriptor, found.offset), (5, 64));
    assert!(Payload::from(vec![1]).region().is_none());
}

#[test]
fn threads_may_share_and_drop_in_any_order() {
    let books = Books::default();
    let payload = books.payload([7; 64]);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            let mut mine = payload.clone();
            scope.spawn(move || {
                for i in 0..50 {
                    mine = mine.clone();
                    assert_eq!(mine.slice(i..)[0], 7);
                }
            });
        }
    });
    drop(payload);
    assert_eq!(books.alive(), 0);
}
