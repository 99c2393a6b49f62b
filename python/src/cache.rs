//! Python objects that are needed again and again: the keys of payloads, actions, types of resources, small integers, dicts
//! of the same keys.

use std::hash::BuildHasher;
use std::sync::{Mutex, MutexGuard};

use foldhash::fast::FixedState;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyInt, PyString};

use crate::shape::Shape;

/// The longest text that is kept, in bytes.
const LONGEST: usize = 31;
/// How many texts are kept at most: a power of two.
const TEXTS: usize = 1024;
/// Integers from 0 up to, but not, this one are kept. Python itself keeps those up to 256.
const INTEGERS: usize = 1024;
/// How many shapes are kept at most: a power of two.
const SHAPES: usize = 64;
/// So many objects of other keys come before a shape gives way.
const PATIENCE: u8 = 16;

/// Each text has one place, which the last text that belongs there keeps. Hostile texts cost time there, nothing else.
pub(crate) struct Cache {
    texts: Box<[Option<Text>]>,
    integers: Box<[Option<Py<PyInt>>]>,
    /// Each has one place, by its first key.
    shapes: Box<[ShapePlace]>,
    hasher: FixedState,
}

#[derive(Default)]
struct ShapePlace {
    /// Away while an object is read by it.
    shape: Option<Shape>,
    /// Objects since then that it did not fit.
    misses: u8,
}

struct Text {
    len: u8,
    text: [u8; LONGEST],
    string: Py<PyString>,
}

static CACHE: Mutex<Option<Cache>> = Mutex::new(None);

/// What this process keeps; `None` while another thread, or this one further up, uses it. To make an object can run other
/// Python code, so nobody waits for it.
pub(crate) fn borrow() -> Option<MutexGuard<'static, Option<Cache>>> {
    CACHE.try_lock().ok()
}

impl Cache {
    pub(crate) fn new() -> Self {
        Cache {
            texts: (0..TEXTS).map(|_| None).collect(),
            integers: (0..INTEGERS).map(|_| None).collect(),
            shapes: (0..SHAPES).map(|_| ShapePlace::default()).collect(),
            hasher: FixedState::default(),
        }
    }

    fn shape_place(&mut self, first_key: &[u8]) -> Option<&mut ShapePlace> {
        let at = self.hasher.hash_one(first_key) as usize % SHAPES;
        self.shapes.get_mut(at)
    }

    /// Takes the shape of objects that begin with this key, if there is one: to be given back.
    pub(crate) fn take_shape(&mut self, py: Python<'_>, text: &[u8], first_key: &Bound<'_, PyString>) -> Option<Shape> {
        let place = self.shape_place(text)?;
        if place.misses >= PATIENCE {
            *place = ShapePlace::default();
        }
        place.shape.take_if(|shape| shape.begins_with(py, first_key))
    }

    /// Gives a shape back; `did_fit` says whether the object was of it.
    pub(crate) fn give_back_shape(&mut self, text: &[u8], shape: Shape, did_fit: bool) {
        if let Some(place) = self.shape_place(text) {
            place.misses = if did_fit { 0 } else { place.misses.saturating_add(1) };
            place.shape = Some(shape);
        }
    }

    /// Keeps the shape of an object that was read without one, if its turn has come.
    pub(crate) fn learn_shape(
        &mut self,
        py: Python<'_>,
        text: &[u8],
        object: &Bound<'_, PyDict>,
        members: usize,
    ) -> PyResult<()> {
        let Some(place) = self.shape_place(text) else {
            return Ok(());
        };
        if place.shape.is_some() && place.misses < PATIENCE {
            place.misses += 1;
            return Ok(());
        }
        if let Some(shape) = Shape::of(py, object, members)? {
            *place = ShapePlace {
                shape: Some(shape),
                misses: 0,
            };
        }
        Ok(())
    }

    /// The Python integer.
    #[inline]
    pub(crate) fn integer<'py>(&mut self, py: Python<'py>, number: i64) -> Bound<'py, PyInt> {
        let place = usize::try_from(number).ok().and_then(|at| self.integers.get_mut(at));
        match place {
            Some(place) => place
                .get_or_insert_with(|| PyInt::new(py, number).unbind())
                .bind(py)
                .clone(),
            None => PyInt::new(py, number),
        }
    }

    /// The Python string of a UTF-8 text.
    #[inline]
    pub(crate) fn string<'py>(&mut self, py: Python<'py>, text: &[u8]) -> PyResult<Bound<'py, PyString>> {
        let Ok(len) = u8::try_from(text.len()) else {
            return PyString::from_bytes(py, text);
        };
        if text.len() > LONGEST {
            return PyString::from_bytes(py, text);
        }
        let at = self.hasher.hash_one(text) as usize % TEXTS;
        let Some(place) = self.texts.get_mut(at) else {
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
        *place = Some(Text {
            len,
            text: copy,
            string: string.clone().unbind(),
        });
        Ok(string)
    }
}
