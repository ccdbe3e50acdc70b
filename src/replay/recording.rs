//! Reads a recorded watch stream, record by record.
//!
//! A record is one JSON object: `{"t": Unix seconds, "type": …, "object": …}`. `t` is optional: the output of
//! `kubectl get pods -w --output-watch-events -o json` lacks it. A record may span several lines.

use std::io::{self, BufRead};

use serde::Deserialize;
use serde_json::value::RawValue;

use image_pull_model::time::Timestamp;

/// Maximum size of a record, far above the largest object that an API server accepts.
const RECORD_LIMIT: usize = 64 * 1024 * 1024;

/// One watch event.
#[derive(Debug)]
pub struct Record {
    /// Time of arrival, if the recording has it.
    pub at: Option<Timestamp>,
    /// `ADDED`, `MODIFIED`, `DELETED`, `BOOKMARK` or `ERROR`.
    pub kind: String,
    /// The object, undecoded.
    pub object: Box<RawValue>,
}

/// An error in a record.
#[derive(Debug, thiserror::Error)]
pub enum BadRecord {
    /// The stream itself cannot be read.
    #[error("cannot read the recording")]
    Io(#[from] io::Error),
    /// The line does not start a watch event.
    #[error("line {line}: {problem}")]
    Malformed {
        /// The first line of the record, from 1.
        line: usize,
        /// The reason, for the error message.
        problem: String,
    },
}

#[derive(Deserialize)]
struct Wire {
    t: Option<f64>,
    #[serde(rename = "type")]
    kind: Option<String>,
    object: Option<Box<RawValue>>,
}

/// The records of a stream, in order. After an invalid one it continues with the next that starts at the start of a line.
#[derive(Debug)]
pub struct Recording<R> {
    lines: R,
    /// Lines read so far.
    line: usize,
    /// Text that was read but not yet parsed, and its first line.
    pending: String,
    pending_from: usize,
    /// The first line of the last record.
    began: usize,
    ended: bool,
}

impl<R: BufRead> Recording<R> {
    /// The records of `lines`.
    pub const fn new(lines: R) -> Self {
        Self { lines, line: 0, pending: String::new(), pending_from: 0, began: 0, ended: false }
    }

    /// The line on which the record returned last began.
    pub(crate) const fn began_at(&self) -> usize {
        self.began
    }

    /// Reads one more line. A line that opens an object in the first column begins a record: returns the unfinished
    /// one before it, which is broken then.
    fn read_line(&mut self) -> Result<Option<BadRecord>, io::Error> {
        let mut bytes = Vec::new();
        if self.lines.read_until(b'\n', &mut bytes)? == 0 {
            self.ended = true;
            return Ok(None);
        }
        self.line += 1;
        let line = String::from_utf8_lossy(&bytes);
        let unfinished = !self.pending.trim().is_empty();
        self.mark();
        let too_long = self.pending.len() + line.len() > RECORD_LIMIT;
        let broken = (unfinished && (line.starts_with('{') || too_long)).then(|| self.broken("the record is cut off"));
        if broken.is_some() || !unfinished {
            self.pending.clear();
            self.pending_from = self.line;
        }
        self.pending.push_str(&line);
        Ok(broken)
    }

    /// Notes the line on which the record that `pending` holds begins.
    fn mark(&mut self) {
        let blank = self.pending.len() - self.pending.trim_start().len();
        self.began = self.pending_from + lines_in(self.pending.get(..blank));
    }

    fn broken(&self, problem: &str) -> BadRecord {
        BadRecord::Malformed { line: self.began, problem: problem.to_string() }
    }

    /// Takes the record that `pending` begins with; `None` when more lines are needed.
    fn take(&mut self) -> Option<Result<Record, BadRecord>> {
        self.mark();
        let mut objects = serde_json::Deserializer::from_str(&self.pending).into_iter::<Wire>();
        match objects.next()? {
            Ok(wire) => {
                let rest = objects.byte_offset();
                self.pending_from += lines_in(self.pending.get(..rest));
                self.pending.drain(..rest);
                Some(self.record(wire))
            }
            Err(error) if error.is_eof() => None,
            Err(error) => {
                self.pending.clear();
                Some(Err(self.broken(&format!("not a JSON object: {error}"))))
            }
        }
    }

    fn record(&self, wire: Wire) -> Result<Record, BadRecord> {
        let (Some(kind), Some(object)) = (wire.kind, wire.object) else {
            return Err(self.broken(
                "not a watch event: it needs \"type\" and \"object\" (kubectl prints them with --output-watch-events)",
            ));
        };
        let at = wire.t.map(|seconds| {
            Timestamp::from_unix_seconds(seconds)
                .ok_or_else(|| self.broken(&format!("\"t\": {seconds} is not a Unix time")))
        });
        Ok(Record { at: at.transpose()?, kind, object })
    }
}

fn lines_in(text: Option<&str>) -> usize {
    text.map_or(0, |text| text.matches('\n').count())
}

impl<R: BufRead> Iterator for Recording<R> {
    type Item = Result<Record, BadRecord>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            // Only a line that closes an object can end a record: reading on costs less than trying each line.
            if (self.ended || self.pending.trim_end().ends_with('}'))
                && let Some(record) = self.take()
            {
                return Some(record);
            }
            if self.ended {
                let unfinished = !self.pending.trim().is_empty();
                self.mark();
                self.pending.clear();
                return unfinished.then(|| Err(self.broken("the record is cut off")));
            }
            match self.read_line() {
                Ok(None) => {}
                Ok(Some(broken)) => return Some(Err(broken)),
                Err(error) => {
                    self.ended = true;
                    return Some(Err(error.into()));
                }
            }
        }
    }
}
