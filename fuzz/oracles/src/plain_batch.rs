//! What a batch asks, by the plainest means: the model.

use std::collections::BTreeMap;
use std::fmt;

use auditq::fuzzing::{Filter, MAX_LINE, MAX_PAGE_SIZE, Position, Query};
use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::cursor::plain as plain_cursor;

/// The lines that hold anything, with their numbers from 1; `None` for one that is too long.
pub(crate) fn lines(data: &[u8]) -> impl Iterator<Item = (u64, Option<&[u8]>)> {
    (1..)
        .zip(data.split(|&byte| byte == b'\n'))
        .filter(|(_, line)| line.len() > MAX_LINE || !line.trim_ascii().is_empty())
        .map(|(number, line)| (number, (line.len() <= MAX_LINE).then_some(line)))
}

/// A request, if the line is one by the rules of the help and the contract, and whether it is to be pinned to the newest
/// event.
pub(crate) fn parse(line: &[u8]) -> Option<(Query, bool)> {
    let Members(members) = serde_json::from_slice(line).ok()?;
    let (mut filter, mut page_size) = (Filter::ALL, 20);
    let (mut page, mut after, mut is_newest) = (None, None, false);
    for (name, value) in members {
        match name.as_str() {
            "from_ts" => filter.from_ts = value.as_i64()?,
            "to_ts" => filter.to_ts = value.as_i64()?,
            "page_size" => page_size = value.as_u64()?,
            // Null is to leave these five out.
            "actor_id" | "action" | "page" | "after" | "as_of" if value.is_null() => {}
            "actor_id" => filter.actor_id = Some(value.as_i64()?),
            "action" => filter.action = Some(value.as_str()?.to_owned()),
            "page" => page = Some(value.as_u64()?),
            "after" => after = Some(plain_cursor(value.as_str()?)?),
            "as_of" if value.as_str()? == "newest" => is_newest = true,
            "as_of" => filter.as_of = Some(plain_cursor(value.as_str()?)?),
            _ => return None,
        }
    }
    let position = match (page, after) {
        (Some(_), Some(_)) => return None,
        (None, Some(cursor)) => Position::After(cursor),
        (page, None) => Position::Page(page.unwrap_or(1)),
    };
    // What is in range by the rules below is made without fail.
    is_in_range(position, page_size).then(|| (Query::new(filter, position, page_size).unwrap(), is_newest))
}

/// Pages from 1, sizes from 1 to 10,000, offsets that a signed 64-bit number holds.
fn is_in_range(position: Position, page_size: u64) -> bool {
    let is_page = match position {
        Position::After(_) => true,
        Position::Page(0) => false,
        Position::Page(page) => (u128::from(page) - 1) * u128::from(page_size) <= i64::MAX as u128,
    };
    is_page && page_size >= 1 && page_size <= u64::from(MAX_PAGE_SIZE)
}

/// The members of a JSON object, none of which comes twice.
struct Members(BTreeMap<String, Value>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Members(BTreeMap::new()))
    }
}

impl<'de> Visitor<'de> for Members {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Self, A::Error> {
        while let Some((name, value)) = map.next_entry::<String, Value>()? {
            if self.0.insert(name, value).is_some() {
                return Err(A::Error::custom("a member comes twice"));
            }
        }
        Ok(self)
    }
}
