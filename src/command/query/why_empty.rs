//! Why no event matches: the part of the filter that nothing matches, and what was likely meant.

use crate::engine::Overview;
use crate::model::Filter;
use crate::output::units::date;

/// So many actions are named.
const MOST_NAMED: usize = 6;

/// One sentence.
pub(super) fn reason(filter: &Filter, overview: Option<&Overview>) -> String {
    let reason = overview.and_then(|overview| Search { filter, overview }.reason());
    reason.unwrap_or_else(|| without_log(filter))
}

/// What can be told from the filter alone.
fn without_log(filter: &Filter) -> String {
    if filter.from_ts > filter.to_ts {
        return inverted(filter);
    }
    match &filter.action {
        Some(action) if action.contains(',') => format!("no event matches: {}", comma(action)),
        _ => "no event matches".to_owned(),
    }
}

fn inverted(filter: &Filter) -> String {
    let Filter { from_ts, to_ts, .. } = filter;
    format!(
        "no event matches: --from, {}, is later than --to, {}",
        date(*from_ts),
        date(*to_ts)
    )
}

fn window_text(filter: &Filter) -> String {
    match (filter.from_ts, filter.to_ts) {
        (from, i64::MAX) => format!("from {} on", date(from)),
        (i64::MIN, to) => format!("up to {}", date(to)),
        (from, to) => format!("from {} to {}", date(from), date(to)),
    }
}

fn comma(action: &str) -> String {
    format!("--action takes one action, and the comma in {action:?} is part of its name")
}

/// Looks for the part that nothing matches: each part alone, then two together.
struct Search<'a> {
    filter: &'a Filter,
    overview: &'a Overview,
}

impl Search<'_> {
    fn reason(&self) -> Option<String> {
        let Filter {
            from_ts,
            to_ts,
            actor_id,
            action,
            as_of,
        } = self.filter;
        let Some((oldest, newest)) = self.overview.span() else {
            return (self.overview.count(&Filter::ALL)? == 0).then(|| "the log holds no event".to_owned());
        };
        if from_ts > to_ts {
            return Some(inverted(self.filter));
        }
        if let Some(pin) = as_of {
            let unpinned = Filter {
                as_of: None,
                ..self.filter.clone()
            };
            let newer = self.overview.count(&unpinned)?;
            if newer > 0 {
                let events = if newer == 1 { "event matches" } else { "events match" };
                return Some(format!("{newer} {events}, but none as of {pin}: they are newer"));
            }
        }
        let window = Filter {
            from_ts: *from_ts,
            to_ts: *to_ts,
            ..Filter::ALL
        };
        if self.overview.count(&window)? == 0 {
            return Some(format!(
                "no event lies in the window, {}; the log's events are from {} to {}",
                window_text(self.filter),
                date(oldest),
                date(newest)
            ));
        }
        if let Some(actor) = actor_id
            && self.overview.count(&self.anywhen(*actor_id, None))? == 0
        {
            return Some(format!("actor {actor} has no event in the log"));
        }
        if let Some(action) = action
            && self.overview.count(&self.anywhen(None, Some(action)))? == 0
        {
            return Some(unknown_action(action, &self.overview.actions()?));
        }
        self.together()
    }

    fn anywhen(&self, actor_id: Option<i64>, action: Option<&String>) -> Filter {
        Filter {
            actor_id,
            action: action.cloned(),
            ..Filter::ALL
        }
    }

    /// Each part alone has events.
    fn together(&self) -> Option<String> {
        let who = self.filter.actor_id.map(|actor| format!("actor {actor}"));
        let what = self.filter.action.as_ref().map(|action| format!("action {action:?}"));
        let anywhen = self
            .overview
            .count(&self.anywhen(self.filter.actor_id, self.filter.action.as_ref()))?;
        if anywhen > 0 {
            let both: Vec<_> = [who, what].into_iter().flatten().collect();
            let events = if anywhen == 1 { "event" } else { "events" };
            return Some(format!(
                "{} has {anywhen} {events}, none of them in the window",
                both.join(" with ")
            ));
        }
        Some(format!("{} has events, but none with {}", who?, what?))
    }
}

fn unknown_action(action: &str, known: &[String]) -> String {
    let named = |names: &[&String]| names.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ");
    let parts: Vec<_> = action.split(',').map(str::trim).collect();
    let meant: Vec<_> = known.iter().filter(|name| parts.contains(&name.as_str())).collect();
    if action.contains(',') && !meant.is_empty() {
        return format!("{}: ask for each: {}", comma(action), named(&meant));
    }
    let mut near: Vec<_> = known
        .iter()
        .filter_map(|name| Some((distance(action, name)?, name)))
        .collect();
    near.sort();
    let near: Vec<_> = near.into_iter().take(MOST_NAMED).map(|(_, name)| name).collect();
    let problem = if action.contains(',') {
        comma(action)
    } else {
        format!("no event has the action {action:?}")
    };
    match (near.is_empty(), known.len()) {
        (false, _) => format!("{problem}: did you mean {}?", named(&near)),
        (true, 1..=MOST_NAMED) => format!("{problem}: there are {}", named(&known.iter().collect::<Vec<_>>())),
        (true, _) => problem,
    }
}

/// How far a name is from the one that was typed; `None` where one was hardly meant by the other.
fn distance(typed: &str, name: &str) -> Option<usize> {
    const LONGEST: usize = 64;
    if typed.len() > LONGEST || name.len() > LONGEST {
        return None;
    }
    let (typed, name) = (typed.to_lowercase(), name.to_lowercase());
    let letters = typed.chars().count();
    let edits = strsim::osa_distance(&typed, &name);
    let is_part = letters >= 3 && (name.contains(&typed) || typed.contains(&name) && name.len() >= 3);
    (is_part || edits <= (letters / 3).max(1)).then_some(edits)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 6] = ["CREATE", "DELETE", "EXPORT", "LOGIN", "LOGOUT", "UPDATE"];

    fn said(action: &str) -> String {
        unknown_action(action, &KNOWN.map(str::to_owned))
    }

    #[test]
    fn near_actions_are_named() {
        assert_eq!(
            said("UPDTAE"),
            "no event has the action \"UPDTAE\": did you mean UPDATE?"
        );
        assert_eq!(said("login"), "no event has the action \"login\": did you mean LOGIN?");
        assert_eq!(
            said("LOG"),
            "no event has the action \"LOG\": did you mean LOGIN, LOGOUT?"
        );
        assert_eq!(
            said("UPDATED"),
            "no event has the action \"UPDATED\": did you mean UPDATE?"
        );
    }

    #[test]
    fn where_none_is_near_a_few_are_all_named() {
        assert_eq!(
            said("PURGE"),
            "no event has the action \"PURGE\": there are CREATE, DELETE, EXPORT, LOGIN, LOGOUT, UPDATE"
        );
        let many: Vec<_> = (0..50).map(|number| format!("ACTION_OF_MANY_{number}")).collect();
        assert_eq!(unknown_action("PURGE", &many), "no event has the action \"PURGE\"");
    }

    #[test]
    fn a_comma_is_no_list() {
        assert_eq!(
            said("UPDATE, DELETE"),
            "--action takes one action, and the comma in \"UPDATE, DELETE\" is part of its name: ask for each: DELETE, \
             UPDATE"
        );
        let filter = Filter {
            action: Some("A,B".to_owned()),
            ..Filter::ALL
        };
        assert_eq!(
            reason(&filter, None),
            "no event matches: --action takes one action, and the comma in \"A,B\" is part of its name"
        );
    }

    #[test]
    fn a_window_that_ends_before_it_starts_is_said() {
        let filter = Filter {
            from_ts: 86_400,
            to_ts: 0,
            ..Filter::ALL
        };
        assert_eq!(
            reason(&filter, None),
            "no event matches: --from, 1970-01-02 00:00:00, is later than --to, 1970-01-01 00:00:00"
        );
    }

    #[test]
    fn long_names_are_not_measured() {
        assert_eq!(distance(&"a".repeat(100_000), "a"), None);
    }
}
