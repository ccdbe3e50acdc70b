//! Reads a list item by item, so that one decoded item at a time is held, however many a page has.

use std::ops::Range;

use bytes::{Buf, Bytes};
use serde::Deserialize;
use serde::de::{Error as _, IgnoredAny};

use super::messages::ListMeta;
use super::{DecodeError, PageMetadata, garbled};
use crate::cluster::sighting::PodObject;
use crate::cluster::wire::protobuf::{Fields, Message, Value};
use crate::cluster::wire::{self, Pod, Undecodable};

/// The pods of a page, in order.
#[derive(Debug)]
pub struct Items {
    rest: Rest,
    page: PageMetadata,
}

#[derive(Debug)]
enum Rest {
    Json(JsonItems<Bytes>),
    /// The fields of the list that are not read yet.
    Protobuf(Bytes),
}

impl Items {
    pub(super) fn json(body: Bytes) -> Self {
        Self { rest: Rest::Json(JsonItems::of(body)), page: PageMetadata::default() }
    }

    pub(super) fn protobuf(list: Bytes) -> Self {
        Self { rest: Rest::Protobuf(list), page: PageMetadata::default() }
    }

    /// Reads the next pod; `None` after the last.
    ///
    /// # Errors
    /// When what follows is no item.
    pub fn next_pod(&mut self) -> Result<Option<Result<PodObject, Undecodable>>, DecodeError> {
        let pod = match &mut self.rest {
            Rest::Json(items) => items.next_pod().map_err(garbled)?,
            Rest::Protobuf(list) => next_protobuf(list, &mut self.page)?,
        };
        self.page.item_count += usize::from(pod.is_some());
        Ok(pod)
    }

    /// The bytes that are not read yet.
    pub fn remaining(&self) -> usize {
        match &self.rest {
            Rest::Json(items) => items.text.len().saturating_sub(items.at),
            Rest::Protobuf(list) => list.len(),
        }
    }

    /// Returns what the page says about itself, after its last pod.
    ///
    /// # Errors
    /// When its token is longer than any is.
    pub fn page(mut self) -> Result<PageMetadata, DecodeError> {
        if let Rest::Json(items) = self.rest {
            set_metadata(&mut self.page, items.metadata)?;
        }
        Ok(self.page)
    }
}

fn set_metadata(page: &mut PageMetadata, metadata: ListMeta) -> Result<(), DecodeError> {
    let has_token = !metadata.r#continue.is_empty();
    page.resource_version = metadata.resource_version.whole();
    page.continue_token = metadata.r#continue.whole();
    if has_token && page.continue_token.is_empty() { Err(garbled("the continue token is too long")) } else { Ok(()) }
}

fn next_protobuf(
    list: &mut Bytes,
    page: &mut PageMetadata,
) -> Result<Option<Result<PodObject, Undecodable>>, DecodeError> {
    while !list.is_empty() {
        let whole = list.clone();
        let mut fields = Fields::of(&whole);
        let Some(field) = fields.next().transpose().map_err(garbled)? else { break };
        list.advance(whole.len() - fields.rest().len());
        match field {
            (1, Value::Bytes(metadata)) => set_metadata(page, ListMeta::decode(metadata).map_err(garbled)?)?,
            (2, Value::Bytes(object)) => return Ok(Some(PodObject::decode_partial(&whole.slice_ref(object)).1)),
            _ => {}
        }
    }
    Ok(None)
}

/// The items of a list in JSON, one after the other: a cursor over the text.
#[derive(Debug)]
pub struct JsonItems<B> {
    text: B,
    /// Up to where it is read.
    at: usize,
    place: Place,
    metadata: ListMeta,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Before the list's first key.
    Start,
    /// Before an item, or the end of the items.
    Items { is_first: bool },
    /// Behind the value of a key.
    Members,
    /// Behind the list.
    End,
}

impl<B: AsRef<[u8]>> JsonItems<B> {
    /// The items of the list that `text` is.
    pub fn of(text: B) -> Self {
        Self { text, at: 0, place: Place::Start, metadata: ListMeta::default() }
    }

    fn next_pod(&mut self) -> Result<Option<Result<PodObject, Undecodable>>, serde_json::Error> {
        if !self.find_item()? {
            return Ok(None);
        }
        let begin = self.at;
        // One pass, and more only where an item is broken.
        if let Ok(pod) = self.value::<Pod>() {
            return Ok(Some(PodObject::from_pod(pod)));
        }
        self.at = begin;
        let item = self.skip()?;
        let item = self.text.as_ref().get(item).unwrap_or_default();
        Ok(Some(wire::decode(item).map(PodObject::from)))
    }

    /// Returns the place of the next item in the text; `None` after the last.
    ///
    /// # Errors
    /// When the text is no list in JSON.
    pub fn next_item(&mut self) -> Result<Option<Range<usize>>, serde_json::Error> {
        if self.find_item()? { self.skip().map(Some) } else { Ok(None) }
    }

    /// Goes to the beginning of the next item. Returns whether there is one.
    fn find_item(&mut self) -> Result<bool, serde_json::Error> {
        loop {
            match self.place {
                Place::Start => {
                    self.expect(b'{')?;
                    if self.takes(b'}') { self.end()? } else { self.member()? }
                }
                Place::Members => {
                    if self.takes(b'}') {
                        self.end()?;
                    } else {
                        self.expect(b',')?;
                        self.member()?;
                    }
                }
                Place::Items { is_first } => {
                    if self.takes(b']') {
                        self.place = Place::Members;
                        continue;
                    }
                    if !is_first {
                        self.expect(b',')?;
                    }
                    self.place = Place::Items { is_first: false };
                    self.skip_blanks();
                    return Ok(true);
                }
                Place::End => return Ok(false),
            }
        }
    }

    /// Reads a key and its value, of the items only the beginning.
    fn member(&mut self) -> Result<(), serde_json::Error> {
        let key: wire::bounded::Text<64> = self.value()?;
        self.expect(b':')?;
        self.place = Place::Members;
        match key.as_str() {
            "items" if self.takes(b'[') => self.place = Place::Items { is_first: true },
            // Go writes an empty list as null.
            "items" => self.value::<()>()?,
            "metadata" => self.metadata = self.value::<Option<ListMeta>>()?.unwrap_or_default(),
            _ => {
                self.skip()?;
            }
        }
        Ok(())
    }

    /// Takes the end of the list; nothing may follow it.
    fn end(&mut self) -> Result<(), serde_json::Error> {
        self.place = Place::End;
        self.skip_blanks();
        if self.at < self.text.as_ref().len() { Err(invalid("characters after the list")) } else { Ok(()) }
    }

    /// Reads the value that begins here.
    fn value<T: for<'a> Deserialize<'a>>(&mut self) -> Result<T, serde_json::Error> {
        let rest = self.text.as_ref().get(self.at..).unwrap_or_default();
        let mut values = serde_json::Deserializer::from_slice(rest).into_iter();
        let value = values.next().unwrap_or_else(|| Err(invalid("it ends early")))?;
        self.at += values.byte_offset();
        Ok(value)
    }

    /// Passes over the value that begins here, and returns its place. What is in it need not be UTF-8.
    fn skip(&mut self) -> Result<Range<usize>, serde_json::Error> {
        self.skip_blanks();
        let begin = self.at;
        self.value::<IgnoredAny>()?;
        Ok(begin..self.at)
    }

    fn skip_blanks(&mut self) {
        let rest = self.text.as_ref().get(self.at..).unwrap_or_default();
        self.at += rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n')).count();
    }

    /// Takes this character if it is next.
    fn takes(&mut self, character: u8) -> bool {
        self.skip_blanks();
        let is_next = self.text.as_ref().get(self.at) == Some(&character);
        self.at += usize::from(is_next);
        is_next
    }

    fn expect(&mut self, character: u8) -> Result<(), serde_json::Error> {
        if self.takes(character) { Ok(()) } else { Err(invalid(&format!("expected {:?}", char::from(character)))) }
    }
}

fn invalid(problem: &str) -> serde_json::Error {
    serde_json::Error::custom(problem)
}
