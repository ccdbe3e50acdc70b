//! Decodes a list item by item, so that only one decoded item is in memory.
//!
//! Hand-written because serde_json can stream the items of a list only into a visitor, which cannot yield between them.

use std::ops::Range;

use bytes::{Buf, Bytes};
use serde::Deserialize;
use serde::de::{Error as _, IgnoredAny};

use super::event::{DecodeError, PageMetadata, decode_error};
use super::messages::ListMeta;
use crate::cluster::watched_object::{JsonObject, WatchedObject};
use crate::cluster::wire::json::from_json_lossy;
use crate::cluster::wire::protobuf::{FieldValue, Fields, Message};
use crate::cluster::wire::{self, UndecodableObject};

/// The objects of a page.
#[derive(Debug)]
pub struct ListItems {
    rest: RemainingItems,
    page: PageMetadata,
}

#[derive(Debug)]
enum RemainingItems {
    Json(JsonItems<Bytes>),
    /// The fields that have not been decoded.
    Protobuf(Bytes),
}

impl ListItems {
    pub(super) fn from_json(body: Bytes) -> Self {
        Self { rest: RemainingItems::Json(JsonItems::new(body)), page: PageMetadata::default() }
    }

    pub(super) fn from_protobuf(list: Bytes) -> Self {
        Self { rest: RemainingItems::Protobuf(list), page: PageMetadata::default() }
    }

    /// Decodes the next object; `None` after the last one.
    ///
    /// # Errors
    /// When the list is malformed.
    pub fn next_object<O: WatchedObject>(&mut self) -> Result<Option<Result<O, UndecodableObject>>, DecodeError> {
        let object = match &mut self.rest {
            RemainingItems::Json(items) => items.next_object().map_err(decode_error)?,
            RemainingItems::Protobuf(list) => next_protobuf(list, &mut self.page)?,
        };
        self.page.item_count += usize::from(object.is_some());
        Ok(object)
    }

    /// Returns the number of bytes that have not been decoded.
    pub(crate) fn remaining_bytes(&self) -> usize {
        match &self.rest {
            RemainingItems::Json(items) => items.text.len().saturating_sub(items.offset),
            RemainingItems::Protobuf(list) => list.len(),
        }
    }

    /// Returns the metadata of the page. Call it after the last object.
    ///
    /// # Errors
    /// When the continue token exceeds its size limit.
    pub fn into_page_metadata(mut self) -> Result<PageMetadata, DecodeError> {
        if let RemainingItems::Json(items) = self.rest {
            set_metadata(&mut self.page, items.metadata)?;
        }
        Ok(self.page)
    }
}

fn set_metadata(page: &mut PageMetadata, metadata: ListMeta) -> Result<(), DecodeError> {
    let has_token = !metadata.r#continue.is_empty();
    page.resource_version = metadata.resource_version.into_untruncated();
    page.continue_token = metadata.r#continue.into_untruncated();
    if has_token && page.continue_token.is_empty() {
        Err(decode_error("the continue token is too long"))
    } else {
        Ok(())
    }
}

fn next_protobuf<O: WatchedObject>(
    list: &mut Bytes,
    page: &mut PageMetadata,
) -> Result<Option<Result<O, UndecodableObject>>, DecodeError> {
    while !list.is_empty() {
        let whole = list.clone();
        let mut fields = Fields::new(&whole);
        let Some(field) = fields.next().transpose().map_err(decode_error)? else { break };
        list.advance(whole.len() - fields.rest().len());
        match field {
            (1, FieldValue::Bytes(metadata)) => set_metadata(page, ListMeta::decode(metadata).map_err(decode_error)?)?,
            (2, FieldValue::Bytes(object)) => return Ok(Some(O::decode_protobuf(&whole.slice_ref(object)).1)),
            _ => {}
        }
    }
    Ok(None)
}

/// A cursor over the items of a list in JSON.
#[derive(Debug)]
pub struct JsonItems<B> {
    text: B,
    /// Position of the cursor in `text`.
    offset: usize,
    position: ListPosition,
    metadata: ListMeta,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ListPosition {
    /// Before the first key of the list.
    Start,
    /// Before an item or the end of the items.
    Items { is_first: bool },
    /// After the value of a key.
    Members,
    /// After the list.
    End,
}

impl<B: AsRef<[u8]>> JsonItems<B> {
    /// Creates a cursor at the start of a list.
    pub fn new(text: B) -> Self {
        Self { text, offset: 0, position: ListPosition::Start, metadata: ListMeta::default() }
    }

    fn next_object<O: WatchedObject>(&mut self) -> Result<Option<Result<O, UndecodableObject>>, serde_json::Error> {
        if !self.find_item()? {
            return Ok(None);
        }
        let begin = self.offset;
        // Decodable items need one pass, others a second one for the error.
        if let Ok(JsonObject { object, .. }) = self.read_value() {
            return Ok(Some(object));
        }
        self.offset = begin;
        let item = self.skip_value()?;
        let item = self.text.as_ref().get(item).unwrap_or_default();
        let object = from_json_lossy(item).map_err(|error| wire::malformed_json(item, &error));
        Ok(Some(object.and_then(|JsonObject { object, .. }| object)))
    }

    /// Returns the byte range of the next item; `None` after the last one.
    ///
    /// # Errors
    /// When the text is not a list in JSON.
    pub(crate) fn next_item(&mut self) -> Result<Option<Range<usize>>, serde_json::Error> {
        if self.find_item()? { self.skip_value().map(Some) } else { Ok(None) }
    }

    /// Moves to the next item. Returns whether there is one.
    fn find_item(&mut self) -> Result<bool, serde_json::Error> {
        loop {
            match self.position {
                ListPosition::Start => {
                    self.expect(b'{')?;
                    if self.consume_if_next(b'}') { self.expect_end()? } else { self.read_member()? }
                }
                ListPosition::Members => {
                    if self.consume_if_next(b'}') {
                        self.expect_end()?;
                    } else {
                        self.expect(b',')?;
                        self.read_member()?;
                    }
                }
                ListPosition::Items { is_first } => {
                    if self.consume_if_next(b']') {
                        self.position = ListPosition::Members;
                        continue;
                    }
                    if !is_first {
                        self.expect(b',')?;
                    }
                    self.position = ListPosition::Items { is_first: false };
                    self.skip_whitespace();
                    return Ok(true);
                }
                ListPosition::End => return Ok(false),
            }
        }
    }

    /// Reads a key and its value; of `items` only the opening bracket.
    fn read_member(&mut self) -> Result<(), serde_json::Error> {
        let key: wire::bounded::BoundedText<64> = self.read_value()?;
        self.expect(b':')?;
        self.position = ListPosition::Members;
        match key.as_str() {
            "items" if self.consume_if_next(b'[') => self.position = ListPosition::Items { is_first: true },
            // Go encodes an empty list as null.
            "items" => self.read_value::<()>()?,
            "metadata" => self.metadata = self.read_value::<Option<ListMeta>>()?.unwrap_or_default(),
            _ => {
                self.skip_value()?;
            }
        }
        Ok(())
    }

    /// Checks that only whitespace follows the list.
    fn expect_end(&mut self) -> Result<(), serde_json::Error> {
        self.position = ListPosition::End;
        self.skip_whitespace();
        if self.offset < self.text.as_ref().len() { Err(invalid_json("characters after the list")) } else { Ok(()) }
    }

    /// Decodes the value at the cursor.
    fn read_value<T: for<'a> Deserialize<'a>>(&mut self) -> Result<T, serde_json::Error> {
        let rest = self.text.as_ref().get(self.offset..).unwrap_or_default();
        let mut values = serde_json::Deserializer::from_slice(rest).into_iter();
        let value = values.next().unwrap_or_else(|| Err(invalid_json("unexpected end of the list")))?;
        self.offset += values.byte_offset();
        Ok(value)
    }

    /// Skips the value at the cursor and returns its byte range. Accepts invalid UTF-8.
    fn skip_value(&mut self) -> Result<Range<usize>, serde_json::Error> {
        self.skip_whitespace();
        let begin = self.offset;
        self.read_value::<IgnoredAny>()?;
        Ok(begin..self.offset)
    }

    fn skip_whitespace(&mut self) {
        let rest = self.text.as_ref().get(self.offset..).unwrap_or_default();
        self.offset += rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n')).count();
    }

    /// Consumes this character if it is next.
    fn consume_if_next(&mut self, character: u8) -> bool {
        self.skip_whitespace();
        let is_next = self.text.as_ref().get(self.offset) == Some(&character);
        self.offset += usize::from(is_next);
        is_next
    }

    fn expect(&mut self, character: u8) -> Result<(), serde_json::Error> {
        if self.consume_if_next(character) {
            Ok(())
        } else {
            Err(invalid_json(&format!("expected {:?}", char::from(character))))
        }
    }
}

fn invalid_json(problem: &str) -> serde_json::Error {
    serde_json::Error::custom(problem)
}
