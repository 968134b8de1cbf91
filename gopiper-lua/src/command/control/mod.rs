//! The control socket of each running gopiper: its place, and the client that another gopiper uses.
mod client;
mod find;
mod folder;
mod socket;

pub(crate) use self::{
    client::{Process, query},
    find::{ProcessArguments, running},
    socket::ControlSocket,
};
