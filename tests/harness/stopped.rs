//! Another process that stands still while a test looks at what it has done so far.

use std::process::Child;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

/// A process that stands still until this is dropped, also where a check has failed.
pub(crate) struct Stopped(Pid);

impl Stopped {
    /// Stops a process that nobody has waited for, and waits until it stands still; `None` where it has ended.
    pub(crate) fn now(process: &Child) -> Option<Self> {
        let id = Pid::from_raw(process.id() as i32).unwrap();
        kill_process(id, Signal::STOP).unwrap();
        let stopped = Stopped(id);
        // The signal goes to one thread, which stops the others once it runs: on a busy machine they go on for long.
        let how = WaitIdOptions::STOPPED | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        let status = waitid(WaitId::Pid(id), how).unwrap();
        status.is_some_and(|status| status.stopped()).then_some(stopped)
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        let _ = kill_process(self.0, Signal::CONT);
    }
}
