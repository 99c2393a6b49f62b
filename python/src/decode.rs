//! Payloads as Python objects: those that `json.loads` makes of the same text.
//!
//! The engine has checked the text, so this reads it without looking for faults; what it does not understand all the same,
//! `json.loads` gets. No JSON library does it: those for Rust keep neither large integers nor lone surrogates nor NaN, and
//! jiter, which makes Python objects, does not compile for the stable ABI.

use std::borrow::Cow;

use memchr::memchr2;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyList, PyString};

use crate::cache::Cache;
use crate::collector::Held;
use crate::shape::Shape;

/// Up to so many characters, an integer fits 64 bits.
const SHORT_INTEGER: usize = 18;
/// So many bytes of a string are looked at one by one.
const SHORT_TEXT: usize = 12;

/// The objects of a JSON text that the engine has checked.
///
/// # Errors
/// Those of Python: memory, and integers of more digits than `sys.get_int_max_str_digits()`.
pub(crate) fn payload<'py>(
    py: Python<'py>,
    text: &[u8],
    cache: &mut Cache,
    items: &mut Vec<Bound<'py, PyAny>>,
    collector: &Held<'py>,
) -> PyResult<Bound<'py, PyAny>> {
    items.clear();
    let mut decoder = Decoder {
        py,
        text,
        at: 0,
        cache,
        items,
        collector,
    };
    match decoder.value() {
        Ok(value) => Ok(value),
        Err(why) => match *why {
            Unread::Raised(error) => Err(error),
            Unread::Unknown => json_loads(py, text, collector),
        },
    }
}

fn json_loads<'py>(py: Python<'py>, text: &[u8], collector: &Held<'_>) -> PyResult<Bound<'py, PyAny>> {
    collector.end()?;
    let text = PyString::from_bytes(py, text)?;
    py.import(intern!(py, "json"))?
        .call_method1(intern!(py, "loads"), (text,))
}

/// Why there is no value.
enum Unread {
    Raised(PyErr),
    Unknown,
}

impl From<PyErr> for Box<Unread> {
    #[cold]
    fn from(error: PyErr) -> Self {
        Box::new(Unread::Raised(error))
    }
}

#[cold]
fn unknown() -> Box<Unread> {
    Box::new(Unread::Unknown)
}

/// In a box, so that what is read fits two registers.
type Read<T> = Result<T, Box<Unread>>;

struct Decoder<'a, 'py> {
    py: Python<'py>,
    text: &'a [u8],
    at: usize,
    cache: &'a mut Cache,
    /// Of the arrays that are being read, one behind the other.
    items: &'a mut Vec<Bound<'py, PyAny>>,
    collector: &'a Held<'py>,
}

/// Where a string ends, or its first escape is. Most strings are short, and to begin a search takes longer than to end it.
#[inline]
fn end_of_text(text: &[u8]) -> Option<usize> {
    let (near, far) = text.split_at_checked(SHORT_TEXT).unwrap_or((text, &[]));
    let is_end = |byte: &u8| matches!(byte, b'"' | b'\\');
    near.iter()
        .position(is_end)
        .or_else(|| memchr2(b'"', b'\\', far).map(|at| near.len() + at))
}

impl<'a, 'py> Decoder<'a, 'py> {
    /// The next byte that is no white space, which stays.
    fn peek(&mut self) -> Read<u8> {
        loop {
            match self.text.get(self.at) {
                Some(b' ' | b'\n' | b'\r' | b'\t') => self.at += 1,
                Some(&byte) => return Ok(byte),
                None => return Err(unknown()),
            }
        }
    }

    /// The same, taken.
    fn next(&mut self) -> Read<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Ok(byte)
    }

    /// Recursion ends where the engine's check does: at 900 levels.
    fn value(&mut self) -> Read<Bound<'py, PyAny>> {
        let py = self.py;
        match self.peek()? {
            b'"' => Ok(self.string(false)?.into_any()),
            b'{' => self.object(),
            b'[' => self.array(),
            b'-' | b'0'..=b'9' => self.number(),
            b't' => self.word("true", PyBool::new(py, true).to_owned().into_any()),
            b'f' => self.word("false", PyBool::new(py, false).to_owned().into_any()),
            b'n' => self.word("null", py.None().into_bound(py)),
            b'N' => self.word("NaN", PyFloat::new(py, f64::NAN).into_any()),
            b'I' => self.word("Infinity", PyFloat::new(py, f64::INFINITY).into_any()),
            _ => Err(unknown()),
        }
    }

    fn word(&mut self, word: &str, value: Bound<'py, PyAny>) -> Read<Bound<'py, PyAny>> {
        if !self.rest().starts_with(word.as_bytes()) {
            return Err(unknown());
        }
        self.at += word.len();
        Ok(value)
    }

    fn rest(&self) -> &'a [u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn object(&mut self) -> Read<Bound<'py, PyAny>> {
        self.at += 1;
        if self.peek()? == b'}' {
            self.at += 1;
            return Ok(PyDict::new(self.py).into_any());
        }
        let (key, text) = self.key()?;
        let object = match self.cache.take_shape(self.py, text, &key) {
            Some(shape) => {
                let (object, did_fit) = self.object_of_shape(&shape)?;
                self.cache.give_back_shape(text, shape, did_fit);
                object
            }
            None => {
                let object = PyDict::new(self.py);
                let members = self.members(&object, key, 0)?;
                self.cache.learn_shape(self.py, text, &object, members)?;
                object
            }
        };
        Ok(object.into_any())
    }

    /// A key with its colon, and the text of it.
    fn key(&mut self) -> Read<(Bound<'py, PyString>, &'a [u8])> {
        if self.peek()? != b'"' {
            return Err(unknown());
        }
        let rest = self.rest();
        let start = self.at;
        let key = self.string(true)?;
        let text = rest.get(..self.at - start).unwrap_or_default();
        if self.next()? != b':' {
            return Err(unknown());
        }
        Ok((key, text))
    }

    /// Puts the members of an object from the value of `key` on into `object`, which has so many already; how many there are.
    fn members(&mut self, object: &Bound<'py, PyDict>, mut key: Bound<'py, PyString>, before: usize) -> Read<usize> {
        let mut members = before;
        loop {
            let value = self.value()?;
            // Of equal keys the last one counts, at the place of the first: as in Python.
            object.set_item(key, value)?;
            members += 1;
            match self.next()? {
                b',' => key = self.key()?.0,
                b'}' => return Ok(members),
                _ => return Err(unknown()),
            }
        }
    }

    /// An object that begins with the first key of a shape, from its first value on; and whether it has that shape.
    fn object_of_shape(&mut self, shape: &Shape) -> Read<(Bound<'py, PyDict>, bool)> {
        let py = self.py;
        let object = shape.dict(py)?;
        let mut members = 0;
        while let Some(key) = shape.key(py, members) {
            let value = self.value()?;
            object.set_item(key, value)?;
            members += 1;
            match self.next()? {
                b',' => {}
                b'}' if members == shape.len() => return Ok((object, true)),
                b'}' => return Ok((shape.cut(py, &object, members)?, false)),
                _ => return Err(unknown()),
            }
            self.peek()?;
            let Some((_, len)) = shape.key_at(py, members, self.rest()) else {
                break;
            };
            self.at += len;
            if self.next()? != b':' {
                return Err(unknown());
            }
        }
        // Another key than was expected, or one more.
        let object = shape.cut(py, &object, members)?;
        let key = self.key()?.0;
        self.members(&object, key, members)?;
        Ok((object, false))
    }

    fn array(&mut self) -> Read<Bound<'py, PyAny>> {
        self.at += 1;
        let start = self.items.len();
        if self.peek()? == b']' {
            self.at += 1;
            return Ok(PyList::empty(self.py).into_any());
        }
        loop {
            let item = self.value()?;
            self.items.push(item);
            match self.next()? {
                b',' => {}
                b']' => break,
                _ => return Err(unknown()),
            }
        }
        Ok(PyList::new(self.py, self.items.drain(start..))?.into_any())
    }

    fn string(&mut self, is_key: bool) -> Read<Bound<'py, PyString>> {
        let start = self.at + 1;
        let text = self.text.get(start..).unwrap_or_default();
        let end = end_of_text(text).ok_or_else(unknown)?;
        if text.get(end) == Some(&b'\\') {
            return self.escaped();
        }
        self.at = start + end + 1;
        let text = text.get(..end).unwrap_or_default();
        if is_key {
            return Ok(self.cache.string(self.py, text)?);
        }
        Ok(PyString::from_bytes(self.py, text)?)
    }

    /// A string with escapes, from its quote on.
    fn escaped(&mut self) -> Read<Bound<'py, PyString>> {
        let text = self.rest();
        let mut len = 1;
        loop {
            let found = memchr2(b'"', b'\\', text.get(len..).unwrap_or_default()).ok_or_else(unknown)?;
            len += found;
            if text.get(len) == Some(&b'"') {
                break;
            }
            // The character behind a backslash does not end the string.
            len += 2;
        }
        let text = text.get(..=len).unwrap_or_default();
        self.at += text.len();
        match serde_json::from_slice::<Cow<'_, str>>(text) {
            Ok(string) => Ok(PyString::new(self.py, &string)),
            // Half a surrogate pair, which only Python has a place for.
            Err(_) => json_loads(self.py, text, self.collector)?
                .cast_into()
                .map_err(|_| unknown()),
        }
    }

    fn number(&mut self) -> Read<Bound<'py, PyAny>> {
        let rest = self.rest();
        let (is_negative, digits) = match rest.strip_prefix(b"-") {
            Some(digits) => (true, digits),
            None => (false, rest),
        };
        let mut number = 0_i64;
        let mut len = 0;
        // Ends before the number can be too large.
        while let Some(digit @ b'0'..=b'9') = digits.get(len)
            && len < SHORT_INTEGER
        {
            number = number * 10 + i64::from(digit - b'0');
            len += 1;
        }
        let is_whole = len > 0 && !matches!(digits.get(len), Some(b'0'..=b'9' | b'.' | b'e' | b'E'));
        if !is_whole {
            return self.other_number();
        }
        self.at += len + usize::from(is_negative);
        let number = if is_negative { -number } else { number };
        Ok(self.cache.integer(self.py, number).into_any())
    }

    /// A number of many digits, with a fraction or an exponent, or minus infinity.
    fn other_number(&mut self) -> Read<Bound<'py, PyAny>> {
        let rest = self.rest();
        let is_part = |byte: &u8| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
        let len = rest.iter().position(|byte| !is_part(byte)).unwrap_or(rest.len());
        let text = rest.get(..len).and_then(|text| str::from_utf8(text).ok());
        let text = text.ok_or_else(unknown)?;
        if text == "-" {
            let value = PyFloat::new(self.py, f64::NEG_INFINITY).into_any();
            return self.word("-Infinity", value);
        }
        self.at += len;
        if text.contains(['.', 'e', 'E']) {
            // Both round to the nearest, and beyond the largest to infinity.
            let number: f64 = text.parse().map_err(|_| unknown())?;
            return Ok(PyFloat::new(self.py, number).into_any());
        }
        Ok(self.py.get_type::<PyInt>().call1((text,))?)
    }
}
