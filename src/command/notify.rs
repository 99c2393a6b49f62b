//! What an engine has to say, on standard error.

use crate::config::Display;
use crate::engine::{Notice, Notify};
use crate::output::progress::note;

/// Shows what an engine has to say.
pub(super) fn notify(display: Display) -> Notify {
    Box::new(move |notice, line| {
        if notice == Notice::Warning || display.verbose {
            note(&display, line);
        }
    })
}
