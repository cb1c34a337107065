//! The read models of a process: rows folded from the journal, and the answers taken from them.
//!
//! A view is disposable: delete it and a replay gives the same bytes back. Rows and the place in
//! the journal that they stand for are written in one batch. A command is answered when the view
//! has applied its entry, so whoever asked reads his own write.

mod batch;
mod doubts;
mod follower;
mod numbers;
mod outcomes;
mod queries;
mod store;
mod suspense;
mod timeline;
mod transfer_holds;

pub use follower::{apply, run};
pub use queries::PaymentViews;
pub use store::{VIEW_VERSION, ViewHead, ViewStore, ViewStoreError};
