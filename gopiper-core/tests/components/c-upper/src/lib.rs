//! Proves the interface: a transform whose work is written in C, against a small header of the raw
//! interface (`gopiper.h`). This shell only exports it.
#![allow(unsafe_code)]

use gopiper_abi::{
    BatchCall, BatchComponent, Error, Factory, HandleFlags, Host, NoAttributes, Postponed,
    export_component, raw::BatchHeader,
};

unsafe extern "C" {
    fn upper_handle(host: *const Host, batch: *mut BatchHeader) -> u32;
}

/// Makes [`Upper`]s.
pub struct UpperFactory;

impl Factory for UpperFactory {
    type Component = Upper;
    type Attributes = NoAttributes;

    fn new(_: NoAttributes) -> Result<Self, Error> {
        Ok(UpperFactory)
    }

    fn create(&self, postponed: Postponed) -> Result<Upper, Error> {
        Ok(Upper(postponed))
    }
}

/// The component of one worker.
pub struct Upper(Postponed);

impl BatchComponent for Upper {
    fn handle_batch(&mut self, mut call: BatchCall<'_>) -> HandleFlags {
        // SAFETY: the C function keeps the rules of a slot (gopiper.h), and moves the cursor.
        HandleFlags(unsafe { upper_handle(self.0.host(), call.header()) })
    }
}

export_component!(transform: UpperFactory);
