//! Work on all cores. Knows nothing of what is done.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use tokio::runtime::Runtime;

/// Does that to each item, and gives what came of them in their order.
pub(super) fn each<I: Sync, R: Send>(items: &[I], work: impl Fn(&Runtime, &I) -> R + Sync) -> std::io::Result<Vec<R>> {
    let workers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(items.len());
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::with_capacity(items.len()));
    let run = || -> std::io::Result<()> {
        let executor = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(index) else { return Ok(()) };
            let came = work(&executor, item);
            done.lock().unwrap_or_else(PoisonError::into_inner).push((index, came));
        }
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(run)).collect();
        let broke = || Err(std::io::Error::other("a piece of the work ended the thread it ran on"));
        workers.into_iter().try_for_each(|w| w.join().unwrap_or_else(|_| broke()))
    })?;
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(index, _)| *index);
    Ok(done.into_iter().map(|(_, came)| came).collect())
}
