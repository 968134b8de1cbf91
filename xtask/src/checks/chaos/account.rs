//! The lines that are missing, and those that are there twice.

use std::fmt;

use super::input::{Fate, Input};

/// The lines found in the end: how often each one occurs, and where.
pub(super) struct Found<'a> {
    input: &'a Input,
    output: Vec<u64>,
    letters: Vec<u64>,
    /// Neither a line nor a whole one.
    strange: Vec<Vec<u8>>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Tally {
    pub(super) messages: u64,
    pub(super) lost: u64,
    pub(super) duplicated: u64,
    /// How many of these are in the output.
    pub(super) written_twice: u64,
    /// How many may be duplicated.
    pub(super) bound: u64,
    pub(super) kills: u64,
}

impl<'a> Found<'a> {
    pub(super) fn new(input: &'a Input) -> Found<'a> {
        let none = vec![0; input.lines.len()];
        Found { input, output: none.clone(), letters: none, strange: Vec::new() }
    }

    /// The content of a file of the output.
    pub(super) fn output(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let length = match self.input.first_in(bytes) {
                // A sink ends a last line that had no delimiter when another line follows.
                Some((number, length)) => {
                    let has_end = bytes[..length].ends_with(b"\n");
                    match bytes.get(length) {
                        Some(b'\n') if !has_end => {
                            self.output[number] += 1;
                            length + 1
                        }
                        Some(_) if !has_end => {
                            self.strange.push(bytes[..=length].to_vec());
                            length
                        }
                        _ => {
                            self.output[number] += 1;
                            length
                        }
                    }
                }
                None => {
                    let end = bytes.iter().position(|&b| b == b'\n');
                    let length = end.map_or(bytes.len(), |end| end + 1);
                    self.strange.push(bytes[..length].to_vec());
                    length
                }
            };
            bytes = &bytes[length..];
        }
    }

    /// The content of a file in a folder that was taken away. No sink opens it again, which would
    /// remove the part of a line that a kill has left.
    pub(super) fn abandoned_output(&mut self, bytes: &[u8]) {
        let before = self.strange.len();
        self.output(bytes);
        let is_cut = |rest: &Vec<u8>| !rest.ends_with(b"\n") && bytes.ends_with(rest);
        if self.strange.len() > before && self.strange.last().is_some_and(is_cut) {
            self.strange.pop();
        }
    }

    pub(super) fn letter(&mut self, payload: &[u8]) {
        match self.input.number_of(payload) {
            Some(number) => self.letters[number] += 1,
            None => self.strange.push(payload.to_vec()),
        }
    }

    /// `bound` is how many may be there once more than they should.
    pub(super) fn tally(&self, bound: u64) -> Tally {
        let mut tally =
            Tally { messages: self.input.lines.len() as u64, bound, ..Tally::default() };
        for (number, line) in self.input.lines.iter().enumerate() {
            let (output, letters) = (self.output[number], self.letters[number]);
            let right = if line.fate == Fate::Output { output } else { letters };
            tally.lost += u64::from(right == 0);
            tally.duplicated += right.saturating_sub(1);
            tally.written_twice += output.saturating_sub(1);
        }
        tally
    }

    /// The errors that the tally does not show.
    pub(super) fn wrong(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        for (number, line) in self.input.lines.iter().enumerate() {
            let (output, letters) = (self.output[number], self.letters[number]);
            let right = if line.fate == Fate::Output { output } else { letters };
            if right == 0 {
                wrong.push(format!("line {number} is lost: {:?}", line.fate));
            }
            if right != output + letters {
                wrong.push(format!("line {number} belongs only in {:?}", line.fate));
            }
        }
        let shown = |bytes: &Vec<u8>| {
            let start = bytes.escape_ascii().to_string();
            format!("not a line of the input, {} bytes: {start:.80}", bytes.len())
        };
        wrong.extend(self.strange.iter().map(shown));
        wrong
    }
}

impl Tally {
    pub(super) fn add(&mut self, other: Tally) {
        self.messages += other.messages;
        self.lost += other.lost;
        self.duplicated += other.duplicated;
        self.written_twice += other.written_twice;
        self.kills += other.kills;
        self.bound += other.bound;
    }

    pub(super) fn good(&self) -> bool {
        self.lost == 0 && self.duplicated <= self.bound
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tally { messages, lost, duplicated, written_twice, bound, kills } = self;
        write!(
            f,
            "kills={kills} messages={messages} lost={lost} duplicated={duplicated} \
             written_twice={written_twice} bound={bound}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fastrand::Rng;

    /// Takes the right output, changes it, and counts it as found.
    fn tallied(
        change: impl FnOnce(&Input, &mut Vec<u8>, &mut Vec<Vec<u8>>),
    ) -> (Tally, Vec<String>) {
        let input = Input::new(&mut Rng::with_seed(7));
        let (mut output, mut letters) = (Vec::new(), Vec::new());
        for line in &input.lines {
            match line.fate {
                Fate::Output => append(&mut output, &line.written()),
                Fate::Letters => letters.push(line.bytes.clone()),
            }
        }
        change(&input, &mut output, &mut letters);
        let mut found = Found::new(&input);
        found.output(&output);
        letters.iter().for_each(|letter| found.letter(letter));
        let tally = found.tally(1);
        assert_eq!(tally.messages, input.lines.len() as u64);
        (tally, found.wrong())
    }

    /// As a sink does.
    fn append(output: &mut Vec<u8>, line: &[u8]) {
        if !output.is_empty() && !output.ends_with(b"\n") {
            output.push(b'\n');
        }
        output.extend(line);
    }

    #[test]
    fn a_cut_line_is_right_only_where_no_sink_returns() {
        let input = Input::new(&mut Rng::with_seed(7));
        let whole = input.lines.iter().find(|line| line.has_end && line.bytes.len() > 40).unwrap();
        let cut = &whole.written()[..30];
        let text = [&whole.written()[..], cut].concat();
        let strange = |text: &[u8], is_abandoned: bool| {
            let mut found = Found::new(&input);
            match is_abandoned {
                true => found.abandoned_output(text),
                false => found.output(text),
            }
            found.strange.len()
        };
        assert_eq!((strange(&text, false), strange(&text, true)), (1, 0));
        let in_the_middle = [cut, b"\n", &whole.written()[..]].concat();
        assert_eq!(strange(&in_the_middle, true), 1);
    }

    #[test]
    fn a_last_line_without_its_end_may_come_twice_but_not_glued_to_another() {
        let last = |input: &Input| {
            let mut lines = input.lines.iter();
            lines.rfind(|line| !line.has_end && line.fate == Fate::Output).unwrap().written()
        };
        let twice = |input: &Input, output: &mut Vec<u8>, _: &mut Vec<_>| {
            append(output, &last(input));
            append(output, &last(input));
        };
        let (tally, wrong) = tallied(twice);
        assert_eq!((tally.lost, tally.duplicated, wrong.len()), (0, 2, 0));
        let (_, wrong) = tallied(|input, output, _| {
            append(output, &last(input));
            output.extend(last(input));
        });
        assert_eq!(wrong.len(), 1, "{wrong:?}");
    }

    #[test]
    fn a_correct_account_is_accepted() {
        let (tally, wrong) = tallied(|_, _, _| {});
        assert_eq!((tally.lost, tally.duplicated, wrong.len()), (0, 0, 0));
        assert!(tally.good());
    }

    #[test]
    fn duplicates_are_counted_wherever_they_are() {
        let (tally, wrong) = tallied(|input, output, _| {
            let line = input.lines.iter().find(|line| line.fate == Fate::Output).unwrap();
            append(output, &line.written());
        });
        assert_eq!((tally.lost, tally.duplicated, wrong.len()), (0, 1, 0));
        assert!(tally.good());
        let (tally, wrong) = tallied(|_, _, letters| letters.extend(letters.clone()));
        assert!(tally.duplicated > 1 && !tally.good() && wrong.is_empty());
    }

    #[test]
    fn lost_changed_and_torn_lines_are_found() {
        let (tally, wrong) = tallied(|_, _, letters| _ = letters.pop());
        assert_eq!((tally.lost, wrong.len(), tally.good()), (1, 1, false));
        let (tally, wrong) = tallied(|_, output, _| output.truncate(output.len() - 1));
        assert_eq!((tally.lost, wrong.len()), (1, 2));
        let (tally, wrong) = tallied(|_, output, _| output.insert(2, b'x'));
        assert_eq!((tally.lost, wrong.len()), (1, 2));
        let (tally, wrong) = tallied(|_, output, _| append(output, b"done #0000"));
        assert_eq!((tally.lost, wrong.len()), (0, 1));
        let (tally, wrong) = tallied(|_, output, letters| {
            append(output, &[&letters[0][..], b"\n"].concat());
        });
        assert_eq!((tally.lost, wrong.len()), (0, 1));
    }
}
