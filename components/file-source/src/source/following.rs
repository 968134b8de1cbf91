//! Files that are followed: all of them are open, and read in turn.
use std::{
    collections::{HashMap, HashSet},
    io, mem,
};

use gopiper_abi::{Error, Produced};

use super::{FileSource, GRACE, LOOK_EVERY, LOOK_PAUSE, SPARE, TURN, unreadable};
use crate::{
    Start,
    files::found::{Found, folder_of, folders},
    progress::ledger::Ledger,
    reading::reader::{Reader, Step},
};

impl FileSource {
    /// Reads what there is of all files, and waits for more.
    pub(super) fn follow(&mut self, now: i64) -> Result<Produced, Error> {
        self.look_around(now);
        for _ in 0..self.readers.len() {
            self.turn %= self.readers.len();
            let reader = &mut self.readers[self.turn];
            if !reader.is_ready || reader.waits {
                self.turn += 1;
                continue;
            }
            let step = reader.step(&mut self.outlet)?;
            let failure = match step {
                Step::Read | Step::Overwritten => {
                    reader.complained = false;
                    reader.quiet_since = reader.quiet_since.map(|_| now);
                    self.blocks += 1;
                    if self.blocks >= TURN && !reader.is_gzip() {
                        reader.rest();
                        self.turn += 1;
                        self.blocks = 0;
                    }
                    return Ok(Produced::MORE);
                }
                Step::AtEnd => None,
                Step::Failed(error, place) => Some((error, place)),
            };
            self.blocks = 0;
            reader.is_ready = false;
            let was_awaited = mem::take(&mut reader.is_awaited);
            if let Some((error, place)) = &failure {
                // A compressed file may not be whole yet.
                let may_grow = error.kind() == io::ErrorKind::UnexpectedEof && !reader.is_last;
                if may_grow {
                    log::info!("{} is not complete yet: {error}", reader.path().display());
                } else if !reader.complained {
                    log::error!("{}", unreadable(reader, error, *place));
                    reader.complained = true;
                }
            }
            if !reader.is_last {
                reader.rest();
                self.turn += 1;
                if was_awaited {
                    self.line_up();
                    return Ok(Produced::MORE);
                }
                continue;
            }
            let reader = self.readers.swap_remove(self.turn);
            self.line_up();
            log::info!("{} has ended: the file no longer exists", reader.path().display());
            match failure {
                Some((error, _)) => self.end_unreadable(reader, &error)?,
                None => reader.finish(&mut self.outlet)?,
            }
            return Ok(Produced::MORE);
        }
        let due = self.saving.as_ref().zip(self.outlet.ledger.as_ref());
        let due = due.map_or(i64::MAX, |(saving, ledger)| saving.due(ledger));
        Ok(Produced::waiting_until(self.next_look.min(due)))
    }

    /// Looks which files there are, if it is time to, and which may have grown.
    fn look_around(&mut self, now: i64) {
        let Some(watch) = &self.watch else { return };
        if watch.content_changed() {
            self.readers.iter_mut().for_each(|reader| reader.is_ready = true);
        }
        if watch.names_changed() {
            let soon = self.last_look.map_or(now, |last| last + LOOK_PAUSE);
            self.next_look = self.next_look.min(soon);
        }
        if now < self.next_look {
            return;
        }
        let is_first = self.last_look.is_none();
        (self.last_look, self.next_look) = (Some(now), now + LOOK_EVERY);
        self.failed.clear();
        let found = self.find(is_first);
        for reader in &mut self.readers {
            reader.is_ready = true;
            match found.iter().find(|file| file.inode == reader.inode()) {
                Some(file) => {
                    (reader.quiet_since, reader.is_last) = (None, false);
                    if file.path != reader.path() {
                        reader.set_path(&file.path, &mut self.outlet);
                    }
                }
                // Its folder could not be read, so it may still be there.
                None if self.failed.iter().any(|folder| reader.path().starts_with(folder)) => {
                    (reader.quiet_since, reader.is_last) = (None, false);
                }
                None => {
                    let since = *reader.quiet_since.get_or_insert(now);
                    reader.is_last = now - since >= GRACE;
                }
            }
        }
        self.open_new(&found);
        let mut folders = folders(&self.paths, &found);
        folders.extend(self.readers.iter().filter_map(Reader::real).map(folder_of));
        self.watch.iter_mut().for_each(|watch| watch.set_folders(folders.clone()));
    }

    /// Opens the files that are not open yet, as far as there are file descriptors.
    fn open_new(&mut self, found: &[Found]) {
        let open: HashSet<_> = self.readers.iter().map(Reader::inode).collect();
        // There may be more now.
        self.most_open = self.most_open.saturating_add(1);
        let known = self.outlet.ledger.as_ref().map(Ledger::known).unwrap_or_default();
        let known: HashSet<_> = known.iter().map(|entry| entry.inode.number()).collect();
        let is_known = |file: &&Found| known.contains(&file.inode.number());
        let opened = self.opened;
        let new = found.iter().filter(|file| !open.contains(&file.inode));
        // Those that were begun before others come first.
        let (known, new): (Vec<_>, Vec<_>) = new.partition(is_known);
        let mut all_open = true;
        for file in known.into_iter().chain(new) {
            if self.readers.len() >= self.most_open {
                all_open = false;
                break;
            }
            if !self.open(&file.path, self.from) {
                self.most_open = self.readers.len().saturating_sub(SPARE).max(1);
                for reader in self.readers.drain(self.most_open.min(self.readers.len())..) {
                    reader.abandon(&mut self.outlet);
                }
                all_open = false;
                break;
            }
        }
        self.let_newer_wait(opened);
        if !all_open {
            return;
        }
        self.starved = false;
        // Files that appear from here on are new.
        self.from = Start::Beginning;
    }

    /// Lets the files that were just opened, after so many others, wait until those before them of
    /// the same log have been read to their ends: so its lines stay in order when it is rotated.
    fn let_newer_wait(&mut self, opened: u64) {
        let new = self.readers.iter().filter(|reader| reader.turn > opened);
        let newest: HashMap<_, _> = new.map(|reader| (reader.log, reader.turn)).collect();
        for reader in &mut self.readers {
            if newest.get(&reader.log).is_some_and(|turn| *turn > reader.turn) {
                (reader.is_awaited, reader.is_ready) = (true, true);
            }
        }
        self.line_up();
    }

    /// Says which files wait, after those that are awaited have changed.
    fn line_up(&mut self) {
        let mut oldest = HashMap::<u64, u64>::new();
        for reader in self.readers.iter().filter(|reader| reader.is_awaited) {
            let turn = oldest.entry(reader.log).or_insert(reader.turn);
            *turn = reader.turn.min(*turn);
        }
        for reader in &mut self.readers {
            reader.waits = oldest.get(&reader.log).is_some_and(|turn| *turn < reader.turn);
        }
    }
}
