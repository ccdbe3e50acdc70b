//! Tracks the pages of a list and detects pages that repeat.

/// Pages requested without delay: one million objects at 100 a page. Later pages are requested once a second.
pub(super) const MAX_IMMEDIATE_PAGES: u32 = 10_000;

/// A list whose last page has not been received.
#[derive(Debug)]
pub(super) struct PagedList {
    /// The `continue` parameter of the next page.
    pub(super) continue_token: String,
    /// Number of pages received.
    pages: u32,
    /// The uid of the first object of an earlier page. A list is a consistent snapshot, so no object appears twice.
    cycle_mark: Option<String>,
}

impl PagedList {
    /// Records a page that is not the last: the uid of its first object and its continue token. Returns `None` if the list
    /// repeats itself. The mark moves to each page whose number is a power of two, so a cycle of any length is found
    /// within three times its length (Brent's algorithm).
    pub(super) fn after_page(before: Option<Self>, first: Option<String>, token: String) -> Option<Self> {
        let (pages, mark) = before.map_or((1, None), |before| (before.pages.saturating_add(1), before.cycle_mark));
        if first.is_some() && first == mark {
            return None;
        }
        let mark = if pages.is_power_of_two() { first.or(mark) } else { mark };
        Some(Self { continue_token: token, pages, cycle_mark: mark })
    }

    /// Returns whether the next page may be requested without delay.
    pub(super) fn continues_immediately(&self) -> bool {
        self.pages < MAX_IMMEDIATE_PAGES
    }
}
