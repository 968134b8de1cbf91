//! The control socket of each running gopiper: where it is, and how another gopiper asks there.
mod client;
mod find;
mod folder;
mod socket;

pub(crate) use self::{
    client::Process,
    find::{ProcessArguments, running},
    socket::ControlSocket,
};
