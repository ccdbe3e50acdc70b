//! The files of the repository: documents, style, source tree, dependencies and manifests.

#[path = "../common/mod.rs"]
mod common;

mod deploy;
mod docs;
mod source_tree;
mod style;
mod supply_chain;
