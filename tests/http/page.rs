//! The page, its JSON and its history: over HTTP, and in a real Chromium.

mod answers;
mod hostile;
mod live;
mod openapi;
mod site;
