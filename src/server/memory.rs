//! Gives memory back that was needed for a moment.
//!
//! glibc keeps what was freed for whoever asks next, page by page for as long as the process lives: one large request or one
//! policy that runs away would be paid for ever after. So whenever the process has grown, what is free goes back.

use std::time::Duration;

use tracing::debug;

/// How often it is looked at how large the process is.
const PERIOD: Duration = Duration::from_secs(2);
/// Growth that nobody minds, in KiB.
const SLACK: u64 = 4 << 10;

/// Looks after the size of the process, for ever.
pub(super) async fn run() {
    let mut smallest = u64::MAX;
    loop {
        tokio::time::sleep(PERIOD).await;
        let Some(resident) = resident_kib() else { continue };
        smallest = smallest.min(resident);
        if resident <= smallest + smallest / 20 + SLACK {
            continue;
        }
        if tokio::task::spawn_blocking(release).await.is_err() {
            continue;
        }
        smallest = resident_kib().unwrap_or(resident);
        debug!(before_kib = resident, after_kib = smallest, "gave free memory back");
    }
}

/// Resident memory; `None` where the system does not tell it in this way.
fn resident_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(unsafe_code, reason = "the one call of glibc that no crate offers in a safe form")]
fn release() {
    // SAFETY: malloc_trim may be called at any time from any thread; it touches only memory that nobody holds.
    unsafe { libc::malloc_trim(0) };
}

/// Other allocators are left to themselves.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn release() {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn memory_that_was_freed_goes_back() {
        let parts: Vec<Vec<u8>> = (0..200_000).map(|number| vec![1; 600 + number % 7]).collect();
        let full = resident_kib().unwrap();
        // Some stay in between, so that the heap cannot simply end earlier.
        let kept: Vec<Vec<u8>> = parts.into_iter().step_by(10_000).collect();
        release();
        let after = resident_kib().unwrap();
        assert_eq!(kept.len(), 20);
        assert!(after + 60_000 < full, "{full} KiB, then {after} KiB");
    }
}
