//! `auditq query --follow`: every event that becomes visible, as it becomes visible.

use super::printer::Printer;
use crate::config::{Config, Display};
use crate::engine::feed::{Feed, Update};
use crate::error::{Exit, Result};
use crate::model::{Filter, Key, Mode, Page};
use crate::output::progress::{self, note};
use crate::storage::{Ending, Woken};

/// How long is waited at once; the feed looks on its own every second.
const WAIT: std::time::Duration = std::time::Duration::from_secs(1);

/// Prints events until nobody reads them any more, or a signal comes.
pub(super) fn run(config: &Config, mode: Mode, filter: &Filter, after: Option<Key>) -> Result<Exit> {
    let display = &config.display;
    // Before anything else: a signal while an index is built ends the command as quietly as one later. Where the system has
    // no room for it, a signal ends the process as it always does.
    let ending = Ending::watch().ok();
    let notify = crate::command::notify::notify(*display);
    let mode = super::mode::affordable(mode, &notify);
    let mut feed = Feed::open(mode, &config.data_dir, filter, after, &notify)?;
    let followed = follow(display, &mut feed, ending.as_ref());
    feed.close();
    followed.map(|()| Exit::Fine)
}

fn follow(display: &Display, feed: &mut Feed, ending: Option<&Ending>) -> Result<()> {
    let mut printer = Printer::new(display);
    let mut page = Page::default();
    loop {
        match feed.next(&mut page)? {
            Update::Events => {
                printer.add(&page)?;
                printer.flush()?;
            }
            Update::Removed(keys) => keys.iter().for_each(|key| note(display, &format!("removed: {key}"))),
            Update::Notice(line) => note(display, &line),
            // Others that become visible can be shown all the same.
            Update::Unreadable(key, error) => progress::line(&format!("not shown: {key}: {error}")),
            Update::UpToDate => {
                if feed.wait(ending, WAIT) == Woken::Ending {
                    return Ok(());
                }
                continue;
            }
        }
        // A backlog of any length can be ended, too.
        if ending.is_some_and(Ending::is_due) {
            return Ok(());
        }
    }
}
