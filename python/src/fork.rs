//! Forks: a child has none of its parent's threads, and must not use its connections to a database.
//!
//! So no engine is open while the process forks. Before, new requests are held back, those under way end, and every engine
//! is closed; both processes open theirs anew when they ask next. What is done under the interpreter's lock needs no such
//! care, because the thread that forks has it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::engine::EngineSlot;

/// How many threads hold work back, because they fork or another SQLite comes.
static HELD_BY: AtomicUsize = AtomicUsize::new(0);
/// How many threads are at work without the interpreter's lock.
static AT_WORK: AtomicUsize = AtomicUsize::new(0);
/// How many forks lie between this process and the first.
static GENERATION: AtomicUsize = AtomicUsize::new(0);

/// How often who waits looks again.
const PAUSE: Duration = Duration::from_micros(100);

/// The slots of all logs. Locked only under the interpreter's lock, so never while another thread forks.
static SLOTS: Mutex<Option<HashMap<usize, Weak<EngineSlot>>>> = Mutex::new(None);

/// No fork happens, and no other SQLite comes, until this is dropped.
struct AtWork(());

impl AtWork {
    fn begin(py: Python<'_>) -> Self {
        loop {
            AT_WORK.fetch_add(1, Ordering::SeqCst);
            if HELD_BY.load(Ordering::SeqCst) == 0 {
                return AtWork(());
            }
            AT_WORK.fetch_sub(1, Ordering::SeqCst);
            py.detach(|| std::thread::sleep(PAUSE));
        }
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        AT_WORK.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Runs work of the engine without the interpreter's lock, and not while work is held back.
pub(crate) fn detached<T: Send>(py: Python<'_>, work: impl FnOnce() -> T + Send) -> T {
    let at_work = AtWork::begin(py);
    py.detach(|| {
        let done = work();
        // Before the lock is waited for: who forks may have it.
        drop(at_work);
        done
    })
}

/// Which process this is, counted in forks.
pub(crate) fn generation() -> usize {
    GENERATION.load(Ordering::Relaxed)
}

/// Has a slot's engine closed when the process forks or ends.
pub(crate) fn watch(slot: &Arc<EngineSlot>) {
    let mut slots = SLOTS.lock().unwrap_or_else(PoisonError::into_inner);
    slots.get_or_insert_default().insert(slot.id(), Arc::downgrade(slot));
}

/// Forgets a slot.
pub(crate) fn unwatch(id: usize) {
    let mut slots = SLOTS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(slots) = &mut *slots {
        slots.remove(&id);
    }
}

/// The slots of all logs.
pub(crate) fn slots() -> Vec<Arc<EngineSlot>> {
    let slots = SLOTS.lock().unwrap_or_else(PoisonError::into_inner);
    slots
        .iter()
        .flat_map(|slots| slots.values().filter_map(Weak::upgrade))
        .collect()
}

fn close_engines(py: Python<'_>) {
    let slots = slots();
    py.detach(|| slots.iter().for_each(|slot| slot.rest()));
}

/// Holds new work back, and waits until what is under way has ended. Until [`go_on`].
fn hold(py: Python<'_>) {
    HELD_BY.fetch_add(1, Ordering::SeqCst);
    py.detach(|| {
        while AT_WORK.load(Ordering::SeqCst) > 0 {
            std::thread::sleep(PAUSE);
        }
    });
}

fn go_on() {
    HELD_BY.fetch_sub(1, Ordering::SeqCst);
}

/// Runs `work` without the interpreter's lock, while no engine is asked anything.
pub(crate) fn alone(py: Python<'_>, work: impl FnOnce() + Send) {
    hold(py);
    py.detach(work);
    go_on();
}

#[pyfunction]
fn before_fork(py: Python<'_>) {
    hold(py);
    close_engines(py);
}

#[pyfunction]
fn after_fork_in_parent() {
    go_on();
}

#[pyfunction]
fn after_fork_in_child() {
    // Other threads that were about to fork are not here.
    HELD_BY.store(0, Ordering::SeqCst);
    AT_WORK.store(0, Ordering::SeqCst);
    GENERATION.fetch_add(1, Ordering::SeqCst);
}

/// A build that is under way ends first, and what others profit from is written.
#[pyfunction]
fn at_exit(py: Python<'_>) {
    close_engines(py);
}

/// Has Python call these functions at its forks and at its end.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    let hooks = PyDict::new(py);
    hooks.set_item("before", wrap_pyfunction!(before_fork, py)?)?;
    hooks.set_item("after_in_parent", wrap_pyfunction!(after_fork_in_parent, py)?)?;
    hooks.set_item("after_in_child", wrap_pyfunction!(after_fork_in_child, py)?)?;
    py.import("os")?.call_method("register_at_fork", (), Some(&hooks))?;
    py.import("atexit")?
        .call_method1("register", (wrap_pyfunction!(at_exit, py)?,))?;
    Ok(())
}
