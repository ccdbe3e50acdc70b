//! Texts and lists with a fixed capacity, for JSON and protobuf.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, SeqAccess, Visitor};

use super::protobuf::{Field, FieldValue, InvalidProtobuf, Message};
use image_pull_model::facts::ExceededLimits;
use image_pull_model::limits::truncate;

/// A text of at most `MAX` bytes; longer ones are [truncated](truncate). Null is the empty text. Replaces invalid
/// UTF-8, as Go's decoder does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::cluster) struct BoundedText<const MAX: usize> {
    text: String,
    is_truncated: bool,
}

impl<const MAX: usize> BoundedText<MAX> {
    fn truncated(text: &str) -> Self {
        Self { is_truncated: text.len() > MAX, text: truncate(text, MAX).into_owned() }
    }

    pub(in crate::cluster) fn as_str(&self) -> &str {
        &self.text
    }

    pub(in crate::cluster) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Returns the text, or an empty one if it was truncated. For texts that are useless in part.
    pub(in crate::cluster) fn into_untruncated(self) -> String {
        if self.is_truncated { String::new() } else { self.text }
    }
}

impl<const MAX: usize> From<BoundedText<MAX>> for String {
    fn from(text: BoundedText<MAX>) -> Self {
        text.text
    }
}

impl<const MAX: usize> Field for BoundedText<MAX> {
    fn read(&mut self, value: FieldValue<'_>) -> Result<(), InvalidProtobuf> {
        *self = Self::truncated(&String::from_utf8_lossy(value.bytes()?));
        Ok(())
    }

    fn exceeded(&self) -> ExceededLimits {
        ExceededLimits { texts: u64::from(self.is_truncated), elements: 0 }
    }
}

impl<'de, const MAX: usize> Deserialize<'de> for BoundedText<MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader<const MAX: usize>;
        impl<const MAX: usize> Visitor<'_> for Reader<MAX> {
            type Value = BoundedText<MAX>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a string")
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(BoundedText::truncated(text))
            }

            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(BoundedText::default())
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

/// An element of a [`BoundedList`].
pub(in crate::cluster) trait ListElement {
    /// Returns whether the element is used. Unused ones are dropped and do not count against the capacity.
    fn is_used(&self) -> bool {
        true
    }
}

/// The first `MAX` used elements of a list, and the number of omitted ones. Null is the empty list, and a null element
/// the default.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::cluster) struct BoundedList<T, const MAX: usize> {
    elements: Vec<T>,
    omitted: u64,
}

impl<T, const MAX: usize> Default for BoundedList<T, MAX> {
    fn default() -> Self {
        Self { elements: Vec::new(), omitted: 0 }
    }
}

impl<T: ListElement, const MAX: usize> BoundedList<T, MAX> {
    fn push(&mut self, element: T) {
        if !element.is_used() {
            return;
        }
        if self.elements.len() < MAX {
            self.elements.push(element);
        } else {
            self.omitted += 1;
        }
    }
}

impl<T, const MAX: usize> BoundedList<T, MAX> {
    pub(in crate::cluster) fn iter(&self) -> std::slice::Iter<'_, T> {
        self.elements.iter()
    }

    /// Returns whether no element was omitted.
    pub(in crate::cluster) fn is_complete(&self) -> bool {
        self.omitted == 0
    }
}

impl<T, const MAX: usize> IntoIterator for BoundedList<T, MAX> {
    type Item = T;
    type IntoIter = std::vec::IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        self.elements.into_iter()
    }
}

impl<T: Message + ListElement, const MAX: usize> Field for BoundedList<T, MAX> {
    fn read(&mut self, value: FieldValue<'_>) -> Result<(), InvalidProtobuf> {
        self.push(T::decode(value.bytes()?)?);
        Ok(())
    }

    fn exceeded(&self) -> ExceededLimits {
        let inside: ExceededLimits = self.elements.iter().map(Message::exceeded).sum();
        ExceededLimits { elements: inside.elements + self.omitted, ..inside }
    }
}

impl<'de, T: Default + ListElement + Deserialize<'de>, const MAX: usize> Deserialize<'de> for BoundedList<T, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader<T, const MAX: usize>(PhantomData<T>);
        impl<'de, T: Default + ListElement + Deserialize<'de>, const MAX: usize> Visitor<'de> for Reader<T, MAX> {
            type Value = BoundedList<T, MAX>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut few = BoundedList::default();
                while let Some(element) = list.next_element::<Option<T>>()? {
                    few.push(element.unwrap_or_default());
                }
                Ok(few)
            }

            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(BoundedList::default())
            }
        }
        deserializer.deserialize_any(Reader(PhantomData))
    }
}
