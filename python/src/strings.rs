//! Python strings that are needed again and again: the keys of payloads, actions, types of resources.

use std::sync::{Mutex, MutexGuard};

use foldhash::fast::FixedState;
use pyo3::prelude::*;
use pyo3::types::PyString;
use std::hash::BuildHasher;

/// The longest text that is kept, in bytes.
const LONGEST: usize = 31;
/// How many are kept at most: a power of two.
const PLACES: usize = 1024;

/// Each text has one place, which the last text that belongs there keeps. Hostile texts cost time there, nothing else.
pub(crate) struct Strings {
    places: Box<[Option<Kept>]>,
    hasher: FixedState,
}

struct Kept {
    len: u8,
    text: [u8; LONGEST],
    string: Py<PyString>,
}

static STRINGS: Mutex<Option<Strings>> = Mutex::new(None);

/// What this process keeps; `None` while another thread, or this one further up, uses it. To make an object can run other
/// Python code, so nobody waits for it.
pub(crate) fn borrow() -> Option<MutexGuard<'static, Option<Strings>>> {
    STRINGS.try_lock().ok()
}

impl Strings {
    pub(crate) fn new() -> Self {
        Strings {
            places: (0..PLACES).map(|_| None).collect(),
            hasher: FixedState::default(),
        }
    }

    /// The Python string of a UTF-8 text.
    pub(crate) fn get<'py>(&mut self, py: Python<'py>, text: &[u8]) -> PyResult<Bound<'py, PyString>> {
        let Ok(len) = u8::try_from(text.len()) else {
            return PyString::from_bytes(py, text);
        };
        if text.len() > LONGEST {
            return PyString::from_bytes(py, text);
        }
        let at = self.hasher.hash_one(text) as usize % PLACES;
        let Some(place) = self.places.get_mut(at) else {
            return PyString::from_bytes(py, text);
        };
        if let Some(kept) = place
            && kept.len == len
            && kept.text.starts_with(text)
        {
            return Ok(kept.string.bind(py).clone());
        }
        let string = PyString::from_bytes(py, text)?;
        let mut copy = [0; LONGEST];
        copy[..text.len()].copy_from_slice(text);
        *place = Some(Kept {
            len,
            text: copy,
            string: string.clone().unbind(),
        });
        Ok(string)
    }
}
