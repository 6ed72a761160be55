//! The turn of a thread that judges: one of the few that do so at the same time.
//!
//! A thread that waits for others does nothing. It gives up its turn meanwhile, so that requests which need nobody else
//! are judged on, and takes a turn again before it goes on. Assumes that the work of a turn stays on one thread.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Instant;

use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The most threads that wait at the same time; more of them keep their turns. The runtime has 512 for such work.
const MOST_WAITING: usize = 256;

static WAITING: Semaphore = Semaphore::const_new(MOST_WAITING);

thread_local! {
    static CURRENT: RefCell<Option<Turn>> = const { RefCell::new(None) };
}

struct Turn {
    turns: Arc<Semaphore>,
    permit: Option<OwnedSemaphorePermit>,
}

/// Ends the turn however the work ends.
struct End;

impl Drop for End {
    fn drop(&mut self) {
        CURRENT.take();
    }
}

/// Works with a turn, which is over when the work is.
pub(super) fn hold<T>(turns: Arc<Semaphore>, permit: OwnedSemaphorePermit, work: impl FnOnce() -> T) -> T {
    CURRENT.set(Some(Turn { turns, permit: Some(permit) }));
    let _end = End;
    work()
}

/// Waits without the turn of this thread, if it has one, and until then at most for another one.
pub(super) fn give_up_while<T>(until: Option<Instant>, wait: impl FnOnce() -> T) -> T {
    let place = WAITING.try_acquire();
    let turn = CURRENT.take().filter(|_| place.is_ok());
    let Some(Turn { turns, permit }) = turn else { return wait() };
    drop(permit);
    let result = wait();
    let taken = Handle::try_current().ok().and_then(|runtime| {
        let acquire = Arc::clone(&turns).acquire_owned();
        match until {
            None => runtime.block_on(acquire).ok(),
            Some(until) => runtime.block_on(tokio::time::timeout_at(until.into(), acquire)).ok()?.ok(),
        }
    });
    // Without one it is too late anyway: what is left of the work is to say so.
    CURRENT.set(Some(Turn { turns, permit: taken }));
    result
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn whoever_waits_lets_others_work() {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let turns = Arc::new(Semaphore::new(1));
        let (one, two) = (Arc::clone(&turns), Arc::clone(&turns));
        let permit = runtime.block_on(Arc::clone(&turns).acquire_owned()).unwrap();
        let (sender, receiver) = std::sync::mpsc::channel();
        let waiting = runtime.spawn_blocking(move || {
            hold(one, permit, || {
                let until = Some(Instant::now() + Duration::from_secs(20));
                give_up_while(until, || receiver.recv().unwrap());
                assert_eq!(CURRENT.with_borrow(|turn| turn.as_ref().unwrap().turns.available_permits()), 0);
            });
        });
        let permit = runtime.block_on(two.clone().acquire_owned()).unwrap();
        let working = runtime.spawn_blocking(move || hold(two, permit, || sender.send(()).unwrap()));
        runtime.block_on(async {
            working.await.unwrap();
            waiting.await.unwrap();
        });
        assert_eq!(turns.available_permits(), 1);
    }

    #[test]
    fn a_turn_is_over_when_its_work_panics() {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let turns = Arc::new(Semaphore::new(1));
        let permit = runtime.block_on(Arc::clone(&turns).acquire_owned()).unwrap();
        let one = Arc::clone(&turns);
        let work = runtime.spawn_blocking(move || hold(one, permit, || panic!("as a test")));
        assert!(runtime.block_on(work).is_err());
        assert_eq!(turns.available_permits(), 1);
    }
}
