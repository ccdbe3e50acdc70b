//! Merges the recordings of pods and of Events by the times of their records.

use std::io::BufRead;

use super::recording::{BadRecord, Record, Recording};
use image_pull_model::time::Timestamp;

/// The recording of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stream {
    /// The recording of pods.
    Pods,
    /// The recording of Events.
    Events,
}

/// A record with its stream and its first line.
type StreamRecord = (Stream, usize, Result<Record, BadRecord>);

/// The records of two recordings in the order of their times. Holds one record of each. The order within a recording stays,
/// and an invalid record comes as soon as it is reached.
pub(super) struct MergedRecords<P, E> {
    pods: Recording<P>,
    events: Option<Recording<E>>,
    next_pod: Option<StreamRecord>,
    next_event: Option<StreamRecord>,
}

impl<P: BufRead, E: BufRead> MergedRecords<P, E> {
    pub(super) const fn new(pods: Recording<P>, events: Option<Recording<E>>) -> Self {
        Self { pods, events, next_pod: None, next_event: None }
    }
}

impl<P: BufRead, E: BufRead> Iterator for MergedRecords<P, E> {
    type Item = StreamRecord;

    fn next(&mut self) -> Option<StreamRecord> {
        let Some(events) = &mut self.events else { return read(&mut self.pods, Stream::Pods) };
        if self.next_pod.is_none() {
            self.next_pod = read(&mut self.pods, Stream::Pods);
        }
        if self.next_event.is_none() {
            self.next_event = read(events, Stream::Events);
        }
        let is_event_earlier = match (&self.next_pod, &self.next_event) {
            (Some(pod), Some(event)) => time_of(event) < time_of(pod),
            (pod, _) => pod.is_none(),
        };
        if is_event_earlier { self.next_event.take() } else { self.next_pod.take() }
    }
}

fn read<R: BufRead>(recording: &mut Recording<R>, stream: Stream) -> Option<StreamRecord> {
    let record = recording.next()?;
    Some((stream, recording.began_at(), record))
}

/// The time of a record; `None`, which is before all times, for an invalid record and one without a time.
fn time_of((_, _, record): &StreamRecord) -> Option<Timestamp> {
    record.as_ref().ok()?.at
}
