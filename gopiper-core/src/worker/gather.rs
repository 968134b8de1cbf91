//! A worker takes batches out of its channel: one by one, or collected into one.
use crate::{
    channel::Queued,
    worker::{
        Called, UnlessTakenOver, Worker, instance::Instance, linger::Lingering, watched::Watched,
    },
};

impl Worker {
    /// The batches that were collected, if it is time for them.
    pub(crate) fn take_gathered(&mut self, now: i64) -> Option<Lingering> {
        if self.is_held_back() {
            return None;
        }
        // Without a time, it takes the batches that are there, and does not wait. It does not wait
        // either while a sender waits for the room that these messages take.
        let takes_all = self.stage.linger.time.is_zero()
            || self.stage.inlet.as_ref().is_some_and(|inlet| inlet.channel.has_waiting_sender());
        self.gathered.take_if(|all| {
            let is_due = if takes_all { self.queue.is_empty() } else { all.until <= now };
            all.is_full() || is_due
        })
    }

    /// Takes a batch from the channel: the component receives it, or it is collected with others.
    pub(crate) fn take(
        mut self: Box<Self>,
        instance: &mut Instance,
        watched: &Watched<Called>,
        mut queued: Queued,
    ) -> UnlessTakenOver {
        self.stage.receive(&mut queued);
        if self.stage.linger.time.is_zero() && !self.stage.linger.gathers {
            return self.handle(instance, watched, queued.into());
        }
        match &mut self.gathered {
            Some(gathered) if gathered.has_room_for(&queued) => gathered.add(queued, &self.stage),
            gathered => {
                // Into the worker's hands first: this thread may get stuck in `handle`.
                let before = gathered.replace(Lingering::new(queued, &self.stage));
                if let Some(before) = before {
                    self = self.handle(instance, watched, before.into())?;
                }
            }
        }
        match self.take_gathered(0) {
            Some(gathered) => self.handle(instance, watched, gathered.into()),
            None => Some(self),
        }
    }
}
