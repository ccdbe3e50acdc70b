//! Reads a recorded watch stream, record by record.
//!
//! A record is one JSON object: `{"t": Unix seconds, "type": …, "object": …}`, of which `t` may be missing, as in what
//! `kubectl get pods -w --output-watch-events -o json` prints. Objects may be one a line, or spread over many lines.

use std::io::{self, BufRead};

use serde::Deserialize;
use serde_json::value::RawValue;

use image_pull_model::time::Timestamp;

/// How long a record may be; an API server takes no object near this.
const RECORD_LIMIT: usize = 64 * 1024 * 1024;

/// One watch event.
#[derive(Debug)]
pub struct Record {
    /// When it arrived, where the recording says so.
    pub at: Option<Timestamp>,
    /// `ADDED`, `MODIFIED`, `DELETED`, `BOOKMARK` or `ERROR`.
    pub kind: String,
    /// The object, undecoded.
    pub object: Box<RawValue>,
}

/// Why a record could not be read.
#[derive(Debug, thiserror::Error)]
pub enum BadRecord {
    /// The stream itself cannot be read.
    #[error("cannot read the recording")]
    Io(#[from] io::Error),
    /// This line begins no watch event.
    #[error("line {line}: {problem}")]
    Malformed {
        /// Where the record begins, from 1.
        line: usize,
        /// What is wrong with it.
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

/// The records of a stream, in order. After a bad one it goes on with the next that begins on a line of its own.
#[derive(Debug)]
pub struct Recording<R> {
    lines: R,
    /// Lines read so far.
    line: usize,
    /// What has been read and not yet taken, and the line it begins on.
    pending: String,
    pending_from: usize,
    /// The line on which the record that was tried last begins.
    began: usize,
    ended: bool,
}

impl<R: BufRead> Recording<R> {
    /// The records of `lines`.
    pub const fn new(lines: R) -> Self {
        Self { lines, line: 0, pending: String::new(), pending_from: 0, began: 0, ended: false }
    }

    /// The line on which the record returned last began.
    pub const fn began_at(&self) -> usize {
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
                .ok_or_else(|| self.broken(&format!("\"t\": {seconds} is no Unix time")))
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
