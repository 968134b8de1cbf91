//! Proves the interface: a transform whose work is written in C, against a small header of the raw
//! interface (`gopiper.h`). This shell only exports it.
#![allow(unsafe_code)]

use std::ffi::c_void;

use gopiper_abi::{
    BatchCall, BatchComponent, Error, Factory, HandleFlags, NoAttributes, Postponed,
    export_component,
};

unsafe extern "C" {
    // A gp_host and a gp_batch: what gopiper.h knows of Host and BatchHeader.
    fn upper_handle(host: *const c_void, batch: *mut c_void);
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
        let host = std::ptr::from_ref(self.0.host()).cast();
        // SAFETY: the C function keeps the rules of a slot (gopiper.h).
        unsafe { upper_handle(host, call.header().cast()) };
        call.reported()
    }
}

export_component!(transform: UpperFactory);
