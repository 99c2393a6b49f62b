//! Objects that come again and again with the same keys. A dict of them is copied, and its values are set: that takes about
//! half as long as to insert each key anew, which makes the dict grow a few times.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

/// From so many keys on a dict has to grow.
const FEWEST: usize = 6;
/// Of more keys than these, or longer ones, no shape is kept.
const MOST: usize = 64;
const LONGEST: usize = 64;

/// The keys of an object, in order.
pub(crate) struct Shape {
    keys: Vec<Key>,
    /// Each key with None. Only copies of it leave this module.
    dict: Py<PyDict>,
}

struct Key {
    /// As it stands in JSON behind its first quote, with the last one.
    text: Box<[u8]>,
    string: Py<PyString>,
}

impl Shape {
    /// The shape of an object of `members` members; `None` where keeping it is not worth it, and where keys occur twice.
    pub(crate) fn of(py: Python<'_>, object: &Bound<'_, PyDict>, members: usize) -> PyResult<Option<Self>> {
        if !(FEWEST..=MOST).contains(&members) || object.len() != members {
            return Ok(None);
        }
        let dict = PyDict::new(py);
        let mut keys = Vec::with_capacity(members);
        for (key, _) in object.iter() {
            let Ok(string) = key.cast_into::<PyString>() else {
                return Ok(None);
            };
            // Half a surrogate pair is no text.
            let text = match string.to_cow() {
                Ok(text) if stands_for_itself(&text) => [text.as_bytes(), b"\""].concat().into(),
                _ => return Ok(None),
            };
            dict.set_item(&string, py.None())?;
            keys.push(Key {
                text,
                string: string.unbind(),
            });
        }
        Ok(Some(Shape {
            keys,
            dict: dict.unbind(),
        }))
    }

    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether objects of this shape begin with this very key.
    pub(crate) fn begins_with(&self, py: Python<'_>, key: &Bound<'_, PyString>) -> bool {
        self.keys.first().is_some_and(|first| first.string.bind(py).is(key))
    }

    /// All keys, each with None.
    pub(crate) fn dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        self.dict.bind(py).copy()
    }

    /// The key at an index, if JSON text goes on with it: the key, and its length in the text, both quotes counted.
    #[inline]
    pub(crate) fn key_at<'py>(
        &self,
        py: Python<'py>,
        index: usize,
        text: &[u8],
    ) -> Option<(&Bound<'py, PyString>, usize)> {
        let key = self.keys.get(index)?;
        let behind_quote = text.strip_prefix(b"\"")?;
        behind_quote
            .starts_with(&key.text)
            .then(|| (key.string.bind(py), 1 + key.text.len()))
    }

    /// The key at an index, wherever it was found.
    pub(crate) fn key<'py>(&self, py: Python<'py>, index: usize) -> Option<&Bound<'py, PyString>> {
        self.keys.get(index).map(|key| key.string.bind(py))
    }

    /// A dict of only the first `members` members of one of this shape.
    pub(crate) fn cut<'py>(
        &self,
        py: Python<'py>,
        dict: &Bound<'py, PyDict>,
        members: usize,
    ) -> PyResult<Bound<'py, PyDict>> {
        let cut = PyDict::new(py);
        for key in self.keys.iter().take(members) {
            if let Some(value) = dict.get_item(&key.string)? {
                cut.set_item(&key.string, value)?;
            }
        }
        Ok(cut)
    }
}

/// Whether JSON can have a key as it is, without an escape.
fn stands_for_itself(text: &str) -> bool {
    text.len() <= LONGEST && !text.bytes().any(|byte| matches!(byte, b'"' | b'\\' | 0..0x20))
}
