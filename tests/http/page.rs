//! The page, its JSON and its history: over HTTP, and in a real Chromium.

mod hostile;
mod live;
mod openapi;
mod responses;
mod test_site;
mod waiting;
