//! Gives memory back that was needed for a moment.
//!
//! glibc keeps what was freed for whoever asks next, page by page for as long as the process lives: one large request or one
//! policy that runs away would be paid for ever after. So whenever the process has grown, what is free goes back.

use std::time::Duration;

use tracing::debug;

/// How often it is looked at how large the process is.
const PERIOD: Duration = Duration::from_secs(2);
/// How often it is done after a change: what is in use the first time is free by the last, and does not show before.
const TIMES: u32 = 4;
/// A difference that nobody minds, in KiB.
const SLACK: u64 = 4 << 10;

/// Looks after the size of the process, for ever.
pub(super) async fn run() {
    limit_what_is_kept();
    let (mut settled, mut times) = (0, 0);
    loop {
        tokio::time::sleep(PERIOD).await;
        let Some(resident) = resident_kib() else { continue };
        if resident.abs_diff(settled) > settled / 20 + SLACK {
            times = 0;
        }
        if times == TIMES || tokio::task::spawn_blocking(release).await.is_err() {
            continue;
        }
        times += 1;
        settled = resident_kib().unwrap_or(resident);
        debug!(before_kib = resident, after_kib = settled, "gave free memory back");
    }
}

/// Resident memory; `None` where the system does not tell it in this way.
fn resident_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// What is free at the end of a heap goes back by itself from this size on. Left alone, glibc raises the limit to twice
/// the largest block that was ever freed.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(unsafe_code, reason = "glibc's settings, which no crate offers in a safe form")]
fn limit_what_is_kept() {
    // SAFETY: mallopt may be called at any time; from now on it is for what is allocated and freed.
    unsafe {
        libc::mallopt(libc::M_TRIM_THRESHOLD, 1 << 20);
        libc::mallopt(libc::M_MMAP_THRESHOLD, 1 << 20);
    }
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(unsafe_code, reason = "a call of glibc that no crate offers in a safe form")]
fn release() {
    // SAFETY: malloc_trim may be called at any time from any thread; it touches only memory that nobody holds.
    unsafe { libc::malloc_trim(0) };
}

/// Other allocators are left to themselves.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn limit_what_is_kept() {}

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
