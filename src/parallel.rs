//! Work that divides itself among threads, and goes on with fewer, down to the calling one, where the system starts no more.

use std::cell::OnceCell;
use std::sync::{Arc, Mutex, PoisonError};

use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::error::{Error, Result};

/// The threads of work that does not say how many it wants.
static SHARED: Mutex<Option<Shared>> = Mutex::new(None);

struct Shared {
    /// The process that has these threads: one that it forks has the memory of them and nothing else.
    process: u32,
    /// `None` where not one could be started.
    pool: Option<Arc<ThreadPool>>,
}

thread_local! {
    /// What makes this thread the only worker of a pool, so that rayon asks for no other thread.
    static ALONE: OnceCell<Option<ThreadPool>> = const { OnceCell::new() };
}

/// Runs `work`, which may divide itself by rayon. Never by rayon's global pool: that one panics where no thread can be
/// started.
pub(crate) fn install<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    if rayon::current_thread_index().is_some() {
        return work();
    }
    match shared() {
        Some(pool) => pool.install(work),
        None => alone(work),
    }
}

fn shared() -> Option<Arc<ThreadPool>> {
    let process = std::process::id();
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(shared) = &*shared
        && shared.process == process
    {
        return shared.pool.clone();
    }
    let pool = start_default().map(Arc::new);
    let inherited = shared.replace(Shared {
        process,
        pool: pool.clone(),
    });
    // Its threads cannot be told to end: they are not here.
    std::mem::forget(inherited);
    pool
}

/// Runs both, at the same time where there are threads for it.
pub(crate) fn join<A: Send, B: Send>(one: impl FnOnce() -> A + Send, other: impl FnOnce() -> B + Send) -> (A, B) {
    install(|| rayon::join(one, other))
}

/// A number of threads for one command.
#[derive(Debug)]
pub(crate) struct Pool {
    /// `None`: the calling thread is the only one.
    started: Option<ThreadPool>,
}

impl Pool {
    /// As many threads as can be started, `threads` at the most.
    pub(crate) fn at_most(threads: usize) -> Self {
        Pool {
            started: start_some(threads),
        }
    }

    /// So many threads. The calling thread is one where no other can be started.
    ///
    /// # Errors
    /// [`Error::Threads`]: the system starts fewer.
    pub(crate) fn exactly(threads: usize) -> Result<Self> {
        match start(threads) {
            Ok(pool) => Ok(Pool { started: Some(pool) }),
            Err(_) if threads == 1 => Ok(Pool { started: None }),
            Err(problem) => Err(Error::Threads { threads, problem }),
        }
    }

    /// How many threads there are, 1 at least.
    pub(crate) fn threads(&self) -> usize {
        self.started.as_ref().map_or(1, ThreadPool::current_num_threads)
    }

    /// Runs something that divides itself among the threads.
    pub(crate) fn install<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        match &self.started {
            Some(pool) => pool.install(work),
            None => alone(work),
        }
    }

    /// Runs `work` once on each thread, all at once; it is given the thread's number, from 0.
    pub(crate) fn broadcast<T: Send>(&self, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
        match &self.started {
            Some(pool) => pool.broadcast(|context| work(context.index())),
            None => vec![alone(|| work(0))],
        }
    }
}

/// As many threads as rayon takes by default, or as can be started.
fn start_default() -> Option<ThreadPool> {
    let half = || std::thread::available_parallelism().map_or(1, Into::into) / 2;
    start(0).ok().or_else(|| start_some(half().max(1)))
}

/// Half as many, and half of that, until so many can be started.
fn start_some(threads: usize) -> Option<ThreadPool> {
    let mut threads = threads;
    while threads > 0 {
        if let Ok(pool) = start(threads) {
            return Some(pool);
        }
        threads /= 2;
    }
    None
}

fn start(threads: usize) -> std::result::Result<ThreadPool, String> {
    let pool = ThreadPoolBuilder::new().num_threads(threads).build();
    pool.map_err(|error| error.to_string())
}

/// Runs `work` on this thread and no other.
fn alone<T>(work: impl FnOnce() -> T) -> T {
    // Kept, because a thread remains the worker that it once was.
    let this_thread = || {
        ThreadPoolBuilder::new()
            .num_threads(1)
            .use_current_thread()
            .build()
            .ok()
    };
    ALONE.with(|pool| {
        if rayon::current_thread_index().is_none() {
            pool.get_or_init(this_thread);
        }
    });
    work()
}

#[cfg(test)]
mod tests {
    use rayon::prelude::*;

    use super::*;

    #[test]
    fn the_calling_thread_alone_does_what_a_pool_does() {
        let sum = || (0..1_000_u64).into_par_iter().map(|it| it * it).sum::<u64>();
        let expected = install(sum);
        // A thread of its own, because it remains what it becomes.
        std::thread::spawn(move || {
            let here = std::thread::current().id();
            let pool = Pool { started: None };
            for _ in 0..2 {
                assert_eq!(pool.install(sum), expected);
                assert_eq!(
                    pool.broadcast(|index| (index, std::thread::current().id())),
                    [(0, here)]
                );
                assert_eq!(
                    pool.install(|| rayon::join(sum, || std::thread::current().id())),
                    (expected, here)
                );
            }
            assert_eq!(pool.threads(), 1);
            assert_eq!(install(sum), expected);
            assert_eq!(Pool::at_most(3).install(rayon::current_num_threads), 3);
        })
        .join()
        .unwrap();
        assert_eq!(Pool::exactly(2).unwrap().broadcast(|_| ()).len(), 2);
    }
}
