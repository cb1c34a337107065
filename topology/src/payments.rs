//! The payments graph, on one page: what flows from where to where, as a value.
//!
//! `holdfast describe` prints it, a test validates it, `runtime` runs it.
