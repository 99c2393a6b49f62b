//! Pages whose buffers are used again, so that a small answer allocates none.

use std::sync::Mutex;

use auditq::model::Page;

/// As many bytes of payloads as a page has that is kept, at most.
const LARGEST: usize = 1 << 20;
/// How many are kept.
const MOST: usize = 4;

static PAGES: Mutex<Vec<Page>> = Mutex::new(Vec::new());

/// An empty page.
pub(crate) fn take() -> Page {
    let kept = PAGES.try_lock().ok().and_then(|mut pages| pages.pop());
    kept.unwrap_or_default()
}

/// Keeps the buffers of a page, unless they are large.
pub(crate) fn give_back(page: Page) {
    let bytes: usize = page.events().map(|event| event.payload.len()).sum();
    if bytes <= LARGEST
        && let Ok(mut pages) = PAGES.try_lock()
        && pages.len() < MOST
    {
        pages.push(page);
    }
}
