//! State shared by the request handlers.

use std::sync::Arc;

use super::backend::Backend;
use super::page::layout::Layout;
use super::response_slots::ResponseSlots;

/// State shared by the request handlers.
#[derive(Clone)]
pub(super) struct AppState {
    pub(super) backend: Arc<dyn Backend>,
    /// Limits concurrent scrapes.
    pub(super) scrape_slots: Arc<ResponseSlots>,
    /// Limits concurrent pages and JSON documents.
    pub(super) page_slots: Arc<ResponseSlots>,
    pub(super) layout: Arc<Layout>,
}
