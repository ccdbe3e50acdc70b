//! Follows a list through its pages, and notices when it leads nowhere.

/// Pages that are requested without a pause: at 100 pods a page, a million pods. Further pages come once a second.
pub(super) const MAX_IMMEDIATE_PAGES: u32 = 10_000;

/// A list whose last page has yet to come.
#[derive(Debug)]
pub(super) struct PagedList {
    /// What to ask for the next page with.
    pub(super) continue_token: String,
    /// How many pages have come.
    pages: u32,
    /// The first pod of an earlier page, by uid. A list shows one state of the cluster, so no pod comes twice.
    cycle_mark: Option<String>,
}

impl PagedList {
    /// Takes a page that is not the last, by its first pod, and what to ask for the next one with. Returns `None` when the
    /// list repeats itself. The mark moves to every page whose number is a power of two, so a cycle of any length is
    /// found within three times its length (Brent's algorithm).
    pub(super) fn after_page(before: Option<Self>, first: Option<String>, token: String) -> Option<Self> {
        let (pages, mark) = before.map_or((1, None), |before| (before.pages.saturating_add(1), before.cycle_mark));
        if first.is_some() && first == mark {
            return None;
        }
        let mark = if pages.is_power_of_two() { first.or(mark) } else { mark };
        Some(Self { continue_token: token, pages, cycle_mark: mark })
    }

    /// Whether the next page may be requested at once.
    pub(super) fn continues_immediately(&self) -> bool {
        self.pages < MAX_IMMEDIATE_PAGES
    }
}
