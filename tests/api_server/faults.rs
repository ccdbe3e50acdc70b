//! The informer against an API server that does everything an API server, a proxy or a network can do wrong: each
//! fault alone, then thousands of random schedules of them. After each, the view is soon correct again. It never counts
//! as current without a watch, and the number of requests is bounded.

mod alone;
mod lab;
mod schedules;
