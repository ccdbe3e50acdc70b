//! The informer against an API server that does everything an API server, a proxy or a network can do wrong: each
//! fault alone, then thousands of random schedules of them. Whatever happened, the view is right again soon, nobody
//! takes it for current while it is not kept up, and the server is left in peace.

mod alone;
mod lab;
mod schedules;
