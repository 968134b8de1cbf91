//! A component as its author writes it.
mod pass;

gopiper_abi::export_component!(transform: pass::PassFactory);
