//! Work on all cores, on threads with room for deep documents and policies.

use crate::policy::engine::limits::THREAD_STACK_BYTES;

/// Runs something whose parallel iterators use all cores.
///
/// Policies may recurse deeper than a thread's usual stack; without such threads, here is as good as anywhere.
pub(super) fn on_all_cores<T: Send>(run: impl FnOnce() -> T + Send) -> T {
    match rayon::ThreadPoolBuilder::new().stack_size(THREAD_STACK_BYTES).build() {
        Ok(pool) => pool.install(run),
        Err(_) => run(),
    }
}
