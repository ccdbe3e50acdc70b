//! Says what the page of one pod shows.

use askama::Template;

use super::super::{Sight, Site};
use super::Frame;
use super::row::Row;
use super::view::Past;
use super::words;
use crate::present::past::word;
use crate::present::{self, age, is_without_error};
use image_pull_model::advice::{self, WITHOUT_TEXT};
use image_pull_model::cause::Cause;
use image_pull_model::history::Point;
use image_pull_model::redact::redact;
use image_pull_model::snapshot::Failing;
use image_pull_model::time::Timestamp;

/// The whole story of one pod, or of several that had its name.
#[derive(Template)]
#[template(path = "pod.html")]
pub(super) struct Story<'a> {
    frame: &'a Frame,
    now_millis: i64,
    now: String,
    namespace: &'a str,
    name: &'a str,
    open: Vec<Failing<'a>>,
    sight: &'a Sight,
    site: &'a dyn Site,
    ended: Vec<Past>,
}

/// An open failure.
struct Open {
    row: Row,
    title: String,
    mover: &'static str,
    problem: String,
    summary: &'static str,
    runbook: &'static str,
    statuses: Vec<Told>,
}

/// A status that showed.
struct Told {
    at: String,
    lasted: String,
    word: &'static str,
    is_attempt: bool,
    /// The error text, where it is another than at the attempt before.
    text: Option<String>,
}

impl<'a> Story<'a> {
    /// The story as it stands.
    pub(super) fn of(
        frame: &'a Frame,
        sight: &'a Sight,
        (namespace, name): (&'a str, &'a str),
        site: &'a dyn Site,
    ) -> Self {
        let now = sight.now;
        Self {
            frame,
            now_millis: now.unix_millis(),
            now: words::clock(now),
            namespace,
            name,
            open: sight.failures_of(namespace, name).collect(),
            sight,
            site,
            ended: sight.ended_of(namespace, name).filter_map(|ended| Past::of(ended, now)).collect(),
        }
    }

    /// The open failures, each made when the page comes to it.
    fn stories(&self) -> impl Iterator<Item = Open> {
        let now = self.sight.now;
        self.open.iter().map(move |failing| {
            let (_, _, failure) = *failing;
            let row = Row::of(*failing, self.sight, self.site);
            let cause: Cause = failure.cause();
            Open {
                title: words::title(cause),
                mover: words::mover(cause.group()),
                problem: failure.image.problem().map(|problem| problem.to_string()).unwrap_or_default(),
                summary: if is_without_error(failure) { WITHOUT_TEXT.0 } else { advice::summary(cause) },
                runbook: words::runbook(cause, cause.group()),
                statuses: told(&row.points, now),
                row,
            }
        })
    }
}

/// The statuses, the newest first.
fn told(points: &[Point], now: Timestamp) -> Vec<Told> {
    let mut said = None;
    let ends = points.iter().skip(1).map(|point| point.at).chain([now]);
    let told = points.iter().zip(ends).map(|(point, end)| {
        let news = point.text.as_ref().filter(|text| said != Some(*text));
        said = point.text.as_ref().or(said);
        Told {
            at: words::clock(point.at),
            lasted: age(end.since(point.at)),
            word: word(point.stage),
            is_attempt: point.stage.is_attempt(),
            text: news.map(|text| redact(text).into_owned()),
        }
    });
    let mut told: Vec<Told> = told.collect();
    told.reverse();
    told
}
