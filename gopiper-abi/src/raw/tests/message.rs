use super::*;

fn references(message: &Message) -> u32 {
    // SAFETY: the pointer is null, or the message's reference keeps the extra alive.
    unsafe { message.extra.as_ref() }.map_or(0, |extra| extra.references.load(SeqCst))
}

#[test]
fn a_plain_message_carries_nothing_extra() {
    let message = Message::new("plain");
    assert!(message.attributes().is_empty());
    assert_eq!((message.value(), message.trace()), (None, None));
    assert_eq!((message.description(), references(&message)), ("", 0));
    assert_eq!(references(&message.duplicate()), 0);
}

#[test]
fn a_duplicate_shares_until_one_of_them_changes() {
    let books = Books::default();
    let mut one = Message::new(books.payload("data"));
    one.set_attribute("k", "one");
    let mut other = one.duplicate();
    assert_eq!((references(&one), one.extra), (2, other.extra));
    other.set_attribute("k", "other");
    assert_ne!(one.extra, other.extra);
    assert_eq!((references(&one), references(&other)), (1, 1));
    assert_eq!(one.attribute("k").unwrap().as_str(), Some("one"));
    assert_eq!(other.attribute("k").unwrap().as_str(), Some("other"));
    one.set_data(books.payload("changed"));
    assert_eq!(other.data(), b"data");
    drop(one);
    assert_eq!((books.alive(), other.attribute("k").unwrap().as_str()), (1, Some("other")));
    drop(other);
    assert_eq!(books.alive(), 0);
}

#[test]
fn unshared_messages_are_changed_in_place() {
    let mut message = Message::new("data");
    message.set_attribute("k", 1i64);
    let before = message.extra;
    message.set_value(Value::from(vec![Value::NULL]));
    message.set_trace(Trace { id: [1; 16], span: [2; 8], flags: 1 });
    assert_eq!(message.remove_attribute("k"), Some(1i64.into()));
    assert_eq!(message.extra, before);
    assert_eq!(message.trace().unwrap().span, [2; 8]);
    assert_eq!(message.value().unwrap().as_list().unwrap().len(), 1);
}

#[test]
fn removing_a_missing_attribute_copies_nothing() {
    let mut one = Message::new("data");
    assert_eq!(one.remove_attribute("k"), None);
    assert_eq!(references(&one), 0);
    one.set_attribute("k", 1i64);
    let mut other = one.duplicate();
    assert_eq!(other.remove_attribute("other"), None);
    assert_eq!(references(&one), 2);
}

#[test]
fn threads_may_change_shared_messages() {
    let books = Books::default();
    let mut message = Message::new("data");
    message.set_attribute("bytes", books.payload("b"));
    std::thread::scope(|scope| {
        for i in 0..4i64 {
            let mut mine = message.duplicate();
            scope.spawn(move || {
                mine.set_attribute("mine", i);
                assert_eq!(mine.duplicate().attribute("mine"), Some(&i.into()));
            });
        }
    });
    assert_eq!(message.attributes().len(), 1);
    drop(message);
    assert_eq!(books.alive(), 0);
}

#[test]
fn a_change_is_taken_back() {
    let block = Payload::from(b"one\ntwo\n".to_vec());
    let mut batch = Batch::new(2);
    batch.extend_slices(&block, 1, 5, [0..3, 4..7].into_iter());
    let mut message = batch.messages()[0].duplicate();
    message.set_attribute("k", "before");
    let original = message.duplicate();
    message.set_data("other");
    message.set_attribute("k", "after");
    message.set_attribute("new", true);
    message.set_time(6);
    message.restore(&original);
    assert_eq!((message.data(), message.delimiter(), message.time()), (&b"one"[..], &b"\n"[..], 5));
    assert_eq!((message.extra, references(&original)), (original.extra, 2));
}

#[test]
fn other_bytes_have_no_delimiter_after_them() {
    let block = Payload::from(b"one\ntwo\n".to_vec());
    let mut batch = Batch::new(2);
    batch.extend_slices(&block, 1, 5, [0..3, 4..7].into_iter());
    let mut message = batch.messages()[0].duplicate();
    assert_eq!((message.delimiter(), message.time()), (&b"\n"[..], 5));
    message.set_data("other");
    assert_eq!(message.delimiter(), b"");
}

#[test]
fn a_report_is_stored_in_the_message() {
    let message = Message::new("data").with_report(Report::retry(7, "later"));
    assert_eq!((message.status(), message.description()), (107, "later"));
    // A duplicate is a new message: the report was not about it.
    assert_eq!(message.duplicate().status(), 0);
    for (status, stands) in [(i32::MIN, 2), (-1, 2), (0, 0), (1, 2), (2, 2), (99, 99), (300, 300)] {
        assert_eq!(Message::new("").with_report(Report::new(status, "")).status(), stands);
    }
}
