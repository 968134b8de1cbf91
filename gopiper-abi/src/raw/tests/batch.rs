use proptest::{collection::vec, prelude::*};

use super::*;

/// A batch of these texts, each in a block of its own, with a delivery.
fn batch_of(texts: &[&str], books: &Books, ledger: &Arc<Ledger>) -> Batch {
    let mut batch = Batch::new(texts.len().max(1) as u32);
    texts.iter().for_each(|text| batch.push(Message::new(books.payload(text))).unwrap());
    batch.open_delivery(0, ledger.clone());
    batch
}

#[test]
fn a_full_batch_gives_the_message_back() {
    let books = Books::default();
    let mut batch = Batch::new(1);
    batch.push(Message::new(books.payload("one"))).unwrap();
    let back = batch.push(Message::new(books.payload("two"))).unwrap_err();
    assert_eq!((back.data(), batch.room()), (&b"two"[..], 0));
    batch.grow();
    batch.push(back).unwrap();
    assert_eq!(texts(&batch), ["one", "two"]);
    drop(batch);
    assert_eq!(books.alive(), 0);
}

#[test]
fn a_batch_without_room_can_be_had_and_can_grow() {
    let mut batch = Batch::new(0);
    assert_eq!((batch.len(), batch.room()), (0, 0));
    batch.grow();
    assert_eq!(batch.room(), 1);
}

#[test]
fn growing_keeps_the_messages_their_delivery_and_the_place() {
    let (books, ledger) = (Books::default(), Ledger::open());
    let mut batch = batch_of(&["a", "b"], &books, &ledger);
    batch.set_sequence(77);
    batch.grow();
    assert_eq!((batch.sequence(), batch.room(), texts(&batch).concat()), (77, 2, "ab".into()));
    batch.settle(Outcome::DELIVERED);
    assert_eq!(ledger.outcomes(0, 2), [Some(Outcome::DELIVERED); 2]);
    assert_eq!(books.alive(), 0);
}

#[test]
fn messages_that_do_not_fit_are_not_appended() {
    let (books, ledger) = (Books::default(), Ledger::open());
    let mut batch = Batch::new(3);
    batch.append(batch_of(&["a", "b"], &books, &ledger)).unwrap();
    let other = Ledger::open();
    let back = batch.append(batch_of(&["c", "d"], &books, &other)).unwrap_err();
    assert_eq!((texts(&batch).concat(), texts(&back).concat()), ("ab".into(), "cd".into()));
    drop((batch, back));
    assert_eq!(books.alive(), 0);
    assert_eq!(other.outcomes(0, 2), [Some(Outcome::RETURNED); 2]);
}

#[test]
fn splitting_moves_the_rest() {
    let (books, ledger) = (Books::default(), Ledger::open());
    let mut batch = batch_of(&["a", "b", "c"], &books, &ledger);
    let rest = batch.split_off(1);
    assert_eq!((texts(&batch).concat(), texts(&rest).concat()), ("a".into(), "bc".into()));
    drop(batch.split_off(1));
    assert!(fence(|| batch.split_off(2)).is_err());
    drop(rest);
    let returned = Some(Outcome::RETURNED);
    assert_eq!(ledger.outcomes(0, 3), [None, returned, returned]);
    assert_eq!(books.alive(), 1);
}

#[test]
fn slices_of_a_block_share_it_and_count_it_once() {
    let books = Books::default();
    let block = books.payload("one\ntwo\nthree\n");
    let mut batch = Batch::new(2);
    let parts = [0..3, 4..7, 8..13];
    assert_eq!(batch.extend_slices(&block, 1, 9, parts.iter().cloned()), 2);
    assert_eq!((texts(&batch).join("|"), batch.messages()[1].time()), ("one|two".into(), 9));
    assert_eq!(batch.messages()[0].delimiter(), b"\n");
    let bytes = batch.bytes();
    assert_eq!((bytes.counted, bytes.payload, books.alive()), (8, 6, 1));
    drop(block);
    drop(batch.split_off(1));
    assert_eq!((texts(&batch).concat(), books.alive()), ("one".into(), 1));
    drop(batch);
    assert_eq!(books.alive(), 0);
}

#[test]
fn slices_beyond_their_block_are_refused() {
    let books = Books::default();
    let block = books.payload("0123456789");
    #[allow(clippy::reversed_empty_ranges)]
    let wrong = [0..11, 9..10, 5..4, 11..11, 0..usize::MAX, usize::MAX..usize::MAX, 10..10];
    for (i, part) in wrong.into_iter().enumerate() {
        let mut batch = Batch::new(4);
        let parts = [0..3, part.clone(), 4..5].into_iter();
        let tail = if i == 0 { 0 } else { 1 };
        assert!(fence(|| batch.extend_slices(&block, tail, 0, parts)).is_err(), "{part:?}");
        assert_eq!(texts(&batch), ["012"]);
    }
    let mut batch = Batch::new(4);
    assert_eq!(batch.extend_slices(&block, 0, 0, [10..10, 0..10].into_iter()), 2);
    drop((block, batch));
    assert_eq!(books.alive(), 0);
}

#[test]
fn a_panic_among_the_parts_leaves_those_before_it() {
    let books = Books::default();
    let block = books.payload("0123456789");
    let mut batch = Batch::new(4);
    let parts = (0..4).map(|i| if i == 2 { panic!("at the third") } else { i..i + 1 });
    assert!(fence(|| batch.extend_slices(&block, 0, 0, parts)).is_err());
    drop(block);
    assert_eq!((texts(&batch).concat(), books.alive()), ("01".into(), 1));
    drop(batch);
    assert_eq!(books.alive(), 0);
}

#[test]
fn batches_of_a_block_count_together_as_much_as_the_block_and_alone_a_quarter() {
    let block = Payload::from(vec![0; 1000]);
    let of = |parts: &[std::ops::Range<usize>]| {
        let mut batch = Batch::new(5);
        batch.extend_slices(&block, 1, 0, parts.iter().cloned());
        let bytes = batch.bytes();
        batch.end_run();
        assert_eq!(batch.bytes(), bytes, "a run counts as its messages do");
        bytes.counted
    };
    assert_eq!([of(&[0..299, 300..399]), of(&[400..700, 701..999])], [400, 600]);
    assert_eq!([of(&[0..1, 2..3]), of(&[0..1, 5..6]), of(&[0..998, 0..998])], [250, 250, 1000]);
    let mut batch = Batch::new(5);
    batch.extend_slices(&block, 0, 0, [0..1, 5..6].into_iter());
    batch.push(Message::new("static")).unwrap();
    batch.extend_slices(&Payload::from(vec![0; 40]), 0, 0, std::iter::once(0..30));
    assert_eq!(batch.bytes().counted, 250 + 30);
    assert_eq!(Batch::new(4).bytes().counted, 0);
}

#[test]
fn attributes_count() {
    let mut batch = Batch::new(60);
    let mut marked = Message::new("static");
    marked.set_attribute("mark", 1i64);
    batch.push(marked.duplicate()).unwrap();
    let of_one = batch.bytes().counted;
    assert!(of_one >= 4096, "a quarter of a chunk: {of_one}");
    for _ in 0..9 {
        batch.push(marked.duplicate()).unwrap();
    }
    assert_eq!(batch.bytes().counted, of_one, "all share one");
    for _ in 0..50 {
        let mut message = Message::new("static");
        message.set_attribute("mark", 1i64);
        batch.push(message).unwrap();
    }
    let of_all = batch.bytes().counted;
    assert!((51 * 96..16 << 10).contains(&of_all), "{of_all}");
    let mut long = Message::new("static");
    long.set_attribute("long", "x".repeat(100_000));
    let mut batch = Batch::new(1);
    batch.push(long).unwrap();
    assert!((100_000..120_000).contains(&batch.bytes().counted), "{}", batch.bytes().counted);
}

#[test]
fn a_panic_while_judging_keeps_unsettled_messages() {
    let (books, ledger) = (Books::default(), Ledger::open());
    let mut batch = batch_of(&["a", "b", "c", "d"], &books, &ledger);
    let judged = fence(|| {
        batch.retain(|message| match message.data() {
            b"a" => Fate::Settle(Outcome::DROPPED),
            b"b" => Fate::Keep,
            _ => panic!("at the third"),
        });
    });
    assert!(judged.is_err());
    assert_eq!((texts(&batch).concat(), books.alive()), ("bcd".into(), 3));
    assert_eq!(ledger.outcomes(0, 4), [Some(Outcome::DROPPED), None, None, None]);
    drop(batch);
    assert_eq!(ledger.outcomes(0, 4)[1..], [Some(Outcome::RETURNED); 3]);
    assert_eq!(books.alive(), 0);
}

#[test]
fn a_batch_crosses_and_comes_back() {
    let (books, ledger) = (Books::default(), Ledger::open());
    let raw = batch_of(&["a", "b"], &books, &ledger).into_raw();
    // SAFETY: `into_raw` gave the batch up just before.
    let batch = unsafe { Batch::from_raw(raw) };
    assert_eq!(batch.as_raw(), raw);
    assert_eq!(texts(&batch), ["a", "b"]);
    drop(batch);
    assert_eq!(books.alive(), 0);
}

/// A batch that another library made: its memory is freed by that one's function alone.
#[test]
fn a_batch_of_the_other_side_becomes_one_of_this_side() {
    use abi_stable::prefix_type::WithMetadata;
    static FREED: AtomicUsize = AtomicUsize::new(0);
    unsafe extern "C" fn complete(_: *mut BatchHeader) {
        unreachable!("only batches of this side are waited for");
    }
    unsafe extern "C" fn free(batch: *mut BatchHeader) {
        FREED.fetch_add(1, SeqCst);
        // SAFETY: both were leaked below and are freed once, by the batch's drop; the messages have
        // gone.
        unsafe {
            let header = Box::from_raw(batch);
            assert_eq!(header.len, 0);
            drop(Vec::from_raw_parts(header.messages, 0, header.capacity as usize));
        }
    }
    static VALUE: WithMetadata<BatchVtable> = WithMetadata::new(BatchVtable { complete, free });
    let (books, ledger) = (Books::default(), Ledger::open());
    let mut slots = Vec::with_capacity(5);
    let mut header = BatchHeader {
        messages: slots.as_mut_ptr(),
        len: 0,
        capacity: slots.capacity() as u32,
        cursor: 3.into(),
        holds: 1.into(),
        sequence: 0,
        vtable: BatchVtable_Ref(VALUE.static_as_prefix()),
        call: 0.into(),
        run_bytes: 0,
    };
    header.messages = slots.as_mut_ptr();
    std::mem::forget(slots);
    // SAFETY: the box is leaked here and given to the batch alone; its slots and functions are
    // those above.
    let mut foreign = unsafe { Batch::from_raw(Box::into_raw(Box::new(header))) };
    ["a", "b"].iter().for_each(|text| foreign.push(Message::new(books.payload(text))).unwrap());
    foreign.open_delivery(0, ledger.clone());
    foreign.set_sequence(31);

    let handling = Handling::new(foreign);
    assert_eq!((FREED.load(SeqCst), handling.cursor()), (1, 0));
    lend(&handling, |call| call.report_all(Report::DONE));
    let batch = handling.finish().unwrap();
    assert_eq!((batch.sequence(), texts(&batch).concat()), (31, "ab".into()));
    drop(batch);
    assert_eq!(ledger.outcomes(0, 2), [Some(Outcome::RETURNED); 2]);
    assert_eq!(books.alive(), 0);
}

#[derive(Debug, Clone)]
enum Step {
    Push(u8),
    Append(Vec<u8>),
    Slices(u8, u8),
    /// Splits, and continues with the rest or the front.
    Split(prop::sample::Index, bool),
    /// Keeps those whose bit is set; the others are settled.
    Retain(u32),
    Grow,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        any::<u8>().prop_map(Step::Push),
        vec(any::<u8>(), 0..5).prop_map(Step::Append),
        (any::<u8>(), 0..6u8).prop_map(|(first, count)| Step::Slices(first, count)),
        (any::<prop::sample::Index>(), any::<bool>()).prop_map(|(at, rest)| Step::Split(at, rest)),
        any::<u32>().prop_map(Step::Retain),
        Just(Step::Grow),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if cfg!(miri) { 8 } else { 256 }, failure_persistence: None, ..Default::default()
    })]

    #[test]
    fn a_batch_is_what_a_vec_would_be(steps in vec(step(), 0..30)) {
        let (books, ledger) = (Books::default(), Ledger::open());
        let (mut batch, mut model) = (Batch::new(4), Vec::<Vec<u8>>::new());
        // Every delivery that was opened, with how many messages it has.
        let mut opened = Vec::new();
        let mut tracked = |batch: &mut Batch| {
            batch.open_delivery(opened.len() as u64, ledger.clone());
            opened.push(batch.len() as u32);
        };
        for step in steps {
            match step {
                Step::Push(byte) => {
                    let pushed = batch.push(Message::new(books.payload([byte]))).is_ok();
                    prop_assert_eq!(pushed, model.len() < model.len() + batch.room() + usize::from(pushed));
                    if pushed {
                        model.push(vec![byte]);
                    }
                }
                Step::Append(bytes) => {
                    let mut other = Batch::new(8);
                    bytes.iter().for_each(|b| other.push(Message::new(books.payload([*b]))).unwrap());
                    tracked(&mut other);
                    let fits = bytes.len() <= batch.room();
                    match batch.append(other) {
                        Ok(()) => model.extend(bytes.iter().map(|b| vec![*b])),
                        Err(back) => prop_assert_eq!(back.len(), bytes.len()),
                    }
                    prop_assert_eq!(model.len() == batch.len(), true, "fits: {}", fits);
                }
                Step::Slices(first, count) => {
                    let bytes: Vec<u8> = (0..count).map(|i| first.wrapping_add(i)).collect();
                    let block = books.payload(&bytes);
                    let parts = (0..bytes.len()).map(|i| i..i + 1);
                    let taken = batch.extend_slices(&block, 0, 0, parts);
                    model.extend(bytes[..taken].iter().map(|b| vec![*b]));
                }
                Step::Split(at, rest) => {
                    let at = at.index(model.len() + 1);
                    let (mut other, other_model) = (batch.split_off(at), model.split_off(at));
                    prop_assert_eq!(other.len(), other_model.len());
                    if rest {
                        std::mem::swap(&mut batch, &mut other);
                        model = other_model;
                    }
                    other.settle(Outcome::DROPPED);
                }
                Step::Retain(bits) => {
                    let keep = |i: usize| bits >> (i % 32) & 1 == 1;
                    let mut i = 0;
                    batch.retain(|_| {
                        i += 1;
                        if keep(i - 1) { Fate::Keep } else { Fate::Settle(Outcome(bits as i32 & 1)) }
                    });
                    let mut i = 0;
                    model.retain(|_| {
                        i += 1;
                        keep(i - 1)
                    });
                }
                Step::Grow => batch.grow(),
            }
            let found: Vec<Vec<u8>> = batch.messages().iter().map(|m| m.data().to_vec()).collect();
            prop_assert_eq!(&found, &model);
        }
        drop(batch);
        prop_assert_eq!(books.alive(), 0);
        for (token, count) in opened.into_iter().enumerate() {
            prop_assert!(ledger.outcomes(token as u64, count).iter().all(Option::is_some));
        }
        prop_assert_eq!(Arc::strong_count(&ledger), 1);
    }
}
