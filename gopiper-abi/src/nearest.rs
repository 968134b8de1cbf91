//! Finds the name that was probably meant.

/// The most similar of several names, if one is similar enough.
pub fn nearest<'k>(name: &str, known: &[&'k str]) -> Option<&'k str> {
    // Names are mostly ASCII, and the tables for all other letters are more than 10 KB in each
    // component.
    let name = name.to_ascii_lowercase();
    let distance = |known: &str| strsim::osa_distance(&name, &known.to_ascii_lowercase());
    let close = known.iter().min_by_key(|known| distance(known));
    let close = close.filter(|known| {
        let length = known.len().min(name.len());
        length > 1 && distance(known) <= (length / 3).max(1)
    });
    // A part of a name is like it too: `attempts` for `max_attempts`.
    let part =
        || known.iter().find(|known| name.len() > 2 && known.to_ascii_lowercase().contains(&name));
    close.or_else(part).copied()
}

/// The question at the end of an error (`did you mean …?`); empty if no name is similar.
pub fn did_you_mean(name: &str, known: &[&str]) -> String {
    match nearest(name, known) {
        Some(nearest) => format!("; did you mean '{nearest}'?"),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_or_a_part_is_near_and_another_word_is_not() {
        let known = ["word", "regex", "invert", "max_attempts", "a"];
        for (name, near) in [
            ("wrod", Some("word")),
            ("Regex", Some("regex")),
            ("inverted", Some("invert")),
            ("attempts", Some("max_attempts")),
            ("pattern", None),
            ("b", None),
            ("xyz", None),
        ] {
            assert_eq!(nearest(name, &known), near, "{name}");
        }
        assert_eq!(nearest("word", &[]), None);
        assert_eq!(did_you_mean("wrod", &known), "; did you mean 'word'?");
    }
}
