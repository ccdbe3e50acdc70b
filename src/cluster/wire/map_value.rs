//! One value of a map of strings, which labels and annotations are.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};

use super::bounded::BoundedText;
use super::protobuf::{Field, FieldValue, Fields, InvalidProtobuf};
use image_pull_model::facts::ExceededLimits;
use image_pull_model::limits::MAX_LABEL;

/// The key of a [`MapValue`].
pub(in crate::cluster) trait MapKey {
    const KEY: &'static str;
}

/// The value of the key `K`; empty if the map does not contain it. The other entries are skipped without a copy.
#[derive(Debug, Default, PartialEq)]
pub(in crate::cluster) struct MapValue<K> {
    value: BoundedText<MAX_LABEL>,
    key: PhantomData<K>,
}

impl<K> MapValue<K> {
    pub(in crate::cluster) fn as_str(&self) -> &str {
        self.value.as_str()
    }
}

impl<K> From<MapValue<K>> for String {
    fn from(map: MapValue<K>) -> Self {
        map.value.into()
    }
}

impl<K: MapKey> Field for MapValue<K> {
    fn read(&mut self, value: FieldValue<'_>) -> Result<(), InvalidProtobuf> {
        let entry = Fields::new(value.bytes()?);
        if entry.clone().last_bytes(1)? == Some(K::KEY.as_bytes()) {
            self.value.read(FieldValue::Bytes(entry.last_bytes(2)?.unwrap_or_default()))?;
        }
        Ok(())
    }

    fn exceeded(&self) -> ExceededLimits {
        self.value.exceeded()
    }
}

impl<'de, K: MapKey> Deserialize<'de> for MapValue<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries<K>(PhantomData<K>);
        impl<'de, K: MapKey> Visitor<'de> for Entries<K> {
            type Value = BoundedText<MAX_LABEL>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a map of strings")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
                let mut value = BoundedText::default();
                while let Some(is_wanted) = entries.next_key_seed(KeyEquals(K::KEY))? {
                    if is_wanted {
                        value = entries.next_value()?;
                    } else {
                        entries.next_value::<IgnoredAny>()?;
                    }
                }
                Ok(value)
            }

            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(BoundedText::default())
            }
        }
        let value = deserializer.deserialize_any(Entries::<K>(PhantomData))?;
        Ok(Self { value, key: PhantomData })
    }
}

/// Compares a key without copying it.
struct KeyEquals(&'static str);

impl<'de> DeserializeSeed<'de> for KeyEquals {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for KeyEquals {
    type Value = bool;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<bool, E> {
        Ok(key == self.0)
    }
}
