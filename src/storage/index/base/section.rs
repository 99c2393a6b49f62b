//! The sections of an index file.

/// The sections, in file order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Section {
    /// `created_at` of each event, in rank order.
    Times,
    /// The rest of each event, in rank order: `EventRecord`.
    Events,
    /// Bytes: each event's `resource_id` by id, then the actions, then the resource types.
    Text,
    /// Each actor, ascending, then an end mark: `ActorRecord`.
    Actors,
    /// Each action, ascending by its bytes, then an end mark: `TextRecord`.
    Actions,
    /// Each resource type: `TextRecord`.
    ResourceTypes,
    /// Each actor's actions, by actor, then by action, then an end mark: `PairRecord`.
    Pairs,
    /// Posting lists by actor: ranks, ascending within each list.
    ByActor,
    /// Posting lists by action.
    ByAction,
    /// Posting lists by actor and action.
    ByPair,
    /// The rank of each event, by id.
    ById,
    /// Each leaf page of the table, by id: `TableLeaf`.
    TableLeaves,
    /// Each leaf page of the table's index on `created_at`, in order: `TimeLeaf`.
    TimeLeaves,
}

impl Section {
    pub(crate) const ALL: [Section; 13] = [
        Section::Times,
        Section::Events,
        Section::Text,
        Section::Actors,
        Section::Actions,
        Section::ResourceTypes,
        Section::Pairs,
        Section::ByActor,
        Section::ByAction,
        Section::ByPair,
        Section::ById,
        Section::TableLeaves,
        Section::TimeLeaves,
    ];

    /// What docs/index-format.md calls it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Section::Times => "times",
            Section::Events => "events",
            Section::Text => "text",
            Section::Actors => "actors",
            Section::Actions => "actions",
            Section::ResourceTypes => "resource types",
            Section::Pairs => "pairs",
            Section::ByActor => "by actor",
            Section::ByAction => "by action",
            Section::ByPair => "by pair",
            Section::ById => "by id",
            Section::TableLeaves => "table leaves",
            Section::TimeLeaves => "time leaves",
        }
    }
}
