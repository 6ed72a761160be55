//! The `admit` binary: arguments in, exit code out.

use std::process::ExitCode;

use admit::policy::engine::limits::THREAD_STACK_BYTES;

/// The whole command runs on a thread with room for deep documents and policies, which the first thread may not have.
fn main() -> ExitCode {
    let run = || admit::cli::main(std::env::args_os());
    let thread = std::thread::Builder::new().name("admit".to_owned()).stack_size(THREAD_STACK_BYTES).spawn(run);
    // A panic has been printed; a thread that cannot be had is a machine out of memory.
    thread.ok().and_then(|thread| thread.join().ok()).unwrap_or(ExitCode::FAILURE)
}
