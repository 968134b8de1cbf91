//! The messages that are published and not confirmed.
use std::{collections::VecDeque, time::Instant};

/// In the order in which they were published. Each has a number, which its answer brings back.
#[derive(Debug, Default)]
pub(crate) struct Window {
    /// The number of the first.
    first: u64,
    /// Their places in the call, and when they were published; `None` for those that have ended.
    /// The first has not ended.
    published: VecDeque<Option<(usize, Instant)>>,
    open: usize,
}

impl Window {
    /// How many have not ended.
    pub(crate) fn len(&self) -> usize {
        self.open
    }

    /// The number of the next one.
    pub(crate) fn next(&self) -> u64 {
        self.first + self.published.len() as u64
    }

    /// The next one is published.
    pub(crate) fn push(&mut self, place: usize, now: Instant) {
        self.published.push_back(Some((place, now)));
        self.open += 1;
    }

    /// When the oldest one was published.
    pub(crate) fn oldest(&self) -> Option<Instant> {
        self.published.front().copied().flatten().map(|(_, since)| since)
    }

    /// The message with this number has ended. Returns its place; `None` if it had ended before.
    pub(crate) fn take(&mut self, number: u64) -> Option<usize> {
        let at = usize::try_from(number.checked_sub(self.first)?).ok()?;
        let (place, _) = self.published.get_mut(at)?.take()?;
        self.open -= 1;
        while let Some(None) = self.published.front() {
            self.published.pop_front();
            self.first += 1;
        }
        Some(place)
    }

    /// The oldest one has ended.
    pub(crate) fn take_oldest(&mut self) -> Option<usize> {
        self.take(self.first)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn each_number_ends_once_in_any_order() {
        let (mut window, start) = (Window::default(), Instant::now());
        for place in 10..14 {
            window.push(place, start + Duration::from_secs(place as u64));
        }
        assert_eq!((window.len(), window.next()), (4, 4));
        assert_eq!(window.take(1), Some(11));
        assert_eq!(window.take(1), None);
        assert_eq!(window.oldest(), Some(start + Duration::from_secs(10)));
        assert_eq!(window.take_oldest(), Some(10));
        assert_eq!(window.oldest(), Some(start + Duration::from_secs(12)));
        // An answer of one that has ended long ago, and one for none.
        assert_eq!((window.take(0), window.take(99)), (None, None));
        assert_eq!((window.take(3), window.take(2)), (Some(13), Some(12)));
        assert_eq!((window.len(), window.oldest(), window.next()), (0, None, 4));
        window.push(20, start);
        assert_eq!(window.take(4), Some(20));
    }
}
