//! The commands and the process: output, exit codes, log, listening sockets and signals.

#[path = "../common/mod.rs"]
mod common;

mod advice;
mod list;
mod listen;
mod log;
mod program;
mod replay;
