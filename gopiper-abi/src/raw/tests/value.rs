use super::*;

fn every_kind(books: &Books) -> Vec<Value> {
    let inner = Map::from_iter([("a", Value::from("one")), ("b", Value::from(books.payload("b")))]);
    let list = vec![Value::NULL, 2.5.into(), inner.clone().into()];
    vec![
        Value::NULL,
        true.into(),
        (-5i64).into(),
        u64::MAX.into(),
        2.5.into(),
        Value::time(17),
        books.payload("bytes").into(),
        "text".into(),
        list.into(),
        inner.into(),
    ]
}

#[test]
fn every_kind_of_value_keeps_its_content() {
    let books = Books::default();
    let values = every_kind(&books);
    let tags: Vec<u32> = values.iter().map(|value| value.tag().0).collect();
    assert_eq!(tags, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert_eq!(values[1].as_bool(), Some(true));
    assert_eq!(values[2].as_i64(), Some(-5));
    assert_eq!(values[3].as_u64(), Some(u64::MAX));
    assert_eq!(values[4].as_f64(), Some(2.5));
    assert_eq!(values[5].as_time(), Some(17));
    assert_eq!(values[6].as_bytes().unwrap(), b"bytes");
    assert_eq!(values[7].as_str(), Some("text"));
    assert_eq!(values[8].as_list().unwrap().len(), 3);
    assert_eq!(
        values[8].as_list().unwrap()[2].as_map().unwrap().get("a").unwrap().as_str(),
        Some("one")
    );
    assert_eq!(values[9].as_map().unwrap().len(), 2);
    drop(values);
    assert_eq!(books.alive(), 0);
}

#[test]
fn a_value_has_one_kind() {
    let books = Books::default();
    for (i, value) in every_kind(&books).iter().enumerate() {
        let is = [
            value.as_bool().is_some(),
            value.as_i64().is_some() || value.as_u64().is_some(),
            value.as_f64().is_some(),
            value.as_time().is_some(),
            value.as_bytes().is_some(),
            value.as_str().is_some(),
            value.as_list().is_some(),
            value.as_map().is_some(),
        ];
        assert_eq!(is.iter().filter(|is| **is).count(), usize::from(i != 0), "{value:?}");
    }
}

#[test]
fn integers_stay_integers_and_convert_only_when_they_fit() {
    assert_eq!(Value::from(i64::MAX).as_u64(), Some(i64::MAX as u64));
    assert_eq!(Value::from(-1i64).as_u64(), None);
    assert_eq!(Value::from(u64::MAX).as_i64(), None);
    assert_eq!(Value::from(7u64).as_i64(), Some(7));
    assert_eq!(Value::from(u64::from(u32::MAX)).as_f64(), None);
}

#[test]
fn a_clone_is_deep_and_outlives_the_original() {
    let books = Books::default();
    let values = every_kind(&books);
    let clones = values.clone();
    assert_eq!(values, clones);
    drop(values);
    assert_eq!(clones[6].as_bytes().unwrap(), b"bytes");
    assert_eq!(
        clones[8].as_list().unwrap()[2].as_map().unwrap().get("b"),
        Some(&books.payload("b").into())
    );
    drop(clones);
    assert_eq!(books.alive(), 0);
}

#[test]
fn values_of_different_kinds_differ() {
    let books = Books::default();
    let values = every_kind(&books);
    for (i, one) in values.iter().enumerate() {
        for (j, other) in values.iter().enumerate() {
            assert_eq!(one == other, i == j, "{one:?} and {other:?}");
        }
    }
    assert_ne!(Value::from(1i64), Value::from(1u64));
    assert_ne!(Value::from(f64::NAN), Value::from(f64::NAN));
    assert_ne!(Value::from("a"), Value::from(Payload::from("a")));
}

#[test]
fn a_value_of_a_later_interface_is_cloned_dropped_and_passed_on() {
    let later = Value::of_unknown_tag(77);
    let mut map = Map::default();
    map.insert("later", later.clone());
    let copy = map.clone();
    drop((map, later));
    let value = copy.get("later").unwrap();
    assert_eq!(value.tag(), ValueTag(77));
    assert_eq!((value.as_str(), value.as_i64(), value.as_map()), (None, None, None));
    assert!(format!("{value:?}").contains("77"));
    assert_eq!(value, value);
    assert_ne!(*value, value.clone(), "only itself: its kind is unknown");
}

#[test]
fn a_known_tag_is_never_put_on_an_unknown_value() {
    for tag in 0..=ValueTag::MAP.0 {
        assert!(fence(|| Value::of_unknown_tag(tag)).is_err(), "{tag}");
    }
}

#[test]
fn a_map_keeps_its_order() {
    let mut map = Map::from_iter([("z", 1i64), ("a", 2), ("m", 3)]);
    map.insert("a", "again");
    map.insert("b", true);
    assert_eq!(map.remove("z"), Some(1i64.into()));
    assert_eq!(map.remove("z"), None);
    let keys: Vec<&str> = map.iter().map(|(key, _)| key).collect();
    assert_eq!(keys, ["a", "m", "b"]);
    assert_eq!(map.get("a").unwrap().as_str(), Some("again"));
    assert_ne!(
        map,
        Map::from_iter([("m", Value::from(3i64)), ("a", "again".into()), ("b", true.into())])
    );
}

#[test]
fn a_value_can_be_read() {
    let books = Books::default();
    let shown = format!("{:?}", Value::from(every_kind(&books)));
    assert_eq!(
        shown,
        "[null, true, -5, 18446744073709551615, 2.5, 17, \"bytes\", \"text\", \
         [null, 2.5, {\"a\": \"one\", \"b\": \"b\"}], {\"a\": \"one\", \"b\": \"b\"}]"
    );
}
