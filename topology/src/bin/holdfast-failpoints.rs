//! `holdfast` as the crash tests run it: the same program, which dies where `FAILPOINTS` says
//! (docs/crash-windows.md). A binary of its own, so that the one for users is never built so.

use std::process::ExitCode;

#[path = "../main.rs"]
mod holdfast;

fn main() -> ExitCode {
    topology::crash_window::arm();
    holdfast::main()
}
