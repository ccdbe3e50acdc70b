//! Reads protobuf messages field by field (protobuf.dev/programming-guides/encoding).
//!
//! Hand-written because generated decoders copy every field before its size can be checked. This reader borrows, so
//! that the types of [`bounded`](super::bounded) copy only what they keep.

use image_pull_model::facts::ExceededLimits;

/// A malformed message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid protobuf: {0}")]
pub(in crate::cluster) struct InvalidProtobuf(&'static str);

/// The value of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cluster) enum FieldValue<'a> {
    /// A varint.
    Varint(u64),
    /// A string, bytes or a nested message.
    Bytes(&'a [u8]),
    /// A fixed-size value, which no decoded field uses.
    Fixed,
}

/// Iterates over the fields of a message as number and value. Ends after the first error.
#[derive(Clone, Debug)]
pub(in crate::cluster) struct Fields<'a> {
    rest: &'a [u8],
    /// Whether the message may be truncated.
    is_prefix: bool,
}

impl<'a> Fields<'a> {
    /// Reads a complete message.
    pub(in crate::cluster) fn new(message: &'a [u8]) -> Self {
        Self { rest: message, is_prefix: false }
    }

    /// Reads a message that may be truncated, even within a field.
    pub(in crate::cluster) fn new_truncated(message: &'a [u8]) -> Self {
        Self { rest: message, is_prefix: true }
    }

    /// Returns the unread part of the message.
    pub(in crate::cluster) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Returns the bytes of the last field with this number, if any.
    pub(in crate::cluster) fn last_bytes(self, wanted: u32) -> Result<Option<&'a [u8]>, InvalidProtobuf> {
        let mut found = None;
        for field in self {
            match field? {
                (number, FieldValue::Bytes(bytes)) if number == wanted => found = Some(bytes),
                _ => {}
            }
        }
        Ok(found)
    }

    fn field(&mut self) -> Result<(u32, FieldValue<'a>), InvalidProtobuf> {
        let key = self.varint()?;
        let number = u32::try_from(key >> 3).map_err(|_| InvalidProtobuf("field number out of range"))?;
        if number == 0 {
            return Err(InvalidProtobuf("field number 0"));
        }
        let value = match key & 7 {
            0 => FieldValue::Varint(self.varint()?),
            1 => self.bytes(8).map(|_| FieldValue::Fixed)?,
            2 => {
                let length = self.varint()?;
                FieldValue::Bytes(self.bytes(usize::try_from(length).unwrap_or(usize::MAX))?)
            }
            5 => self.bytes(4).map(|_| FieldValue::Fixed)?,
            _ => return Err(InvalidProtobuf("unknown wire type")),
        };
        Ok((number, value))
    }

    fn varint(&mut self) -> Result<u64, InvalidProtobuf> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.rest.split_first().ok_or(InvalidProtobuf("truncated varint"))?;
            self.rest = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(InvalidProtobuf("varint exceeds 64 bits"))
    }

    fn bytes(&mut self, length: usize) -> Result<&'a [u8], InvalidProtobuf> {
        let length = if self.is_prefix { length.min(self.rest.len()) } else { length };
        let (bytes, rest) = self.rest.split_at_checked(length).ok_or(InvalidProtobuf("truncated field"))?;
        self.rest = rest;
        Ok(bytes)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u32, FieldValue<'a>), InvalidProtobuf>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.rest = &[];
        }
        Some(field)
    }
}

impl<'a> FieldValue<'a> {
    /// Returns the bytes of a string or nested message.
    pub(in crate::cluster) fn bytes(self) -> Result<&'a [u8], InvalidProtobuf> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            Self::Varint(_) | Self::Fixed => Err(InvalidProtobuf("unexpected wire type")),
        }
    }

    fn varint(self) -> Result<u64, InvalidProtobuf> {
        match self {
            Self::Varint(number) => Ok(number),
            Self::Bytes(_) | Self::Fixed => Err(InvalidProtobuf("unexpected wire type")),
        }
    }
}

/// A message that is decoded field by field.
pub(in crate::cluster) trait Message: Default {
    /// Decodes a field. Ignores unknown field numbers.
    fn read_field(&mut self, number: u32, value: FieldValue<'_>) -> Result<(), InvalidProtobuf>;

    /// Returns how much exceeded the limits and was dropped.
    fn exceeded(&self) -> ExceededLimits {
        ExceededLimits::default()
    }

    /// Decodes every field of a message.
    fn read_message(&mut self, message: &[u8]) -> Result<(), InvalidProtobuf> {
        for field in Fields::new(message) {
            let (number, value) = field?;
            self.read_field(number, value)?;
        }
        Ok(())
    }

    /// Decodes a message.
    fn decode(message: &[u8]) -> Result<Self, InvalidProtobuf> {
        let mut decoded = Self::default();
        decoded.read_message(message)?;
        Ok(decoded)
    }
}

/// A field of a message.
pub(in crate::cluster) trait Field {
    /// Decodes a value: appends to a list, replaces anything else.
    fn read(&mut self, value: FieldValue<'_>) -> Result<(), InvalidProtobuf>;

    /// Returns how much exceeded the limits and was dropped.
    fn exceeded(&self) -> ExceededLimits {
        ExceededLimits::default()
    }
}

impl<M: Message> Field for Option<M> {
    fn read(&mut self, value: FieldValue<'_>) -> Result<(), InvalidProtobuf> {
        self.get_or_insert_default().read_message(value.bytes()?)
    }

    fn exceeded(&self) -> ExceededLimits {
        self.as_ref().map(Message::exceeded).unwrap_or_default()
    }
}

impl Field for bool {
    fn read(&mut self, value: FieldValue<'_>) -> Result<(), InvalidProtobuf> {
        *self = value.varint()? != 0;
        Ok(())
    }
}

impl Field for i64 {
    fn read(&mut self, value: FieldValue<'_>) -> Result<(), InvalidProtobuf> {
        *self = value.varint()?.cast_signed();
        Ok(())
    }
}

/// Implements [`Message`] for a struct, given the number of each of its fields.
macro_rules! message {
    ($name:ident { $($number:literal => $field:ident),* $(,)? }) => {
        impl $crate::cluster::wire::protobuf::Message for $name {
            fn read_field(
                &mut self,
                number: u32,
                value: $crate::cluster::wire::protobuf::FieldValue<'_>,
            ) -> Result<(), $crate::cluster::wire::protobuf::InvalidProtobuf> {
                match number {
                    $($number => $crate::cluster::wire::protobuf::Field::read(&mut self.$field, value),)*
                    _ => Ok(()),
                }
            }

            fn exceeded(&self) -> ::image_pull_model::facts::ExceededLimits {
                [$($crate::cluster::wire::protobuf::Field::exceeded(&self.$field)),*].into_iter().sum()
            }
        }
    };
}
pub(in crate::cluster) use message;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(message: &[u8]) -> Vec<Result<(u32, FieldValue<'_>), InvalidProtobuf>> {
        Fields::new(message).collect()
    }

    #[test]
    fn fields_are_read_in_order() {
        let message = b"\x08\x96\x01\x12\x02hi\x1d\x00\x00\x00\x00\x21\x00\x00\x00\x00\x00\x00\x00\x00\x12\x00";
        let expected = [
            (1, FieldValue::Varint(150)),
            (2, FieldValue::Bytes(b"hi")),
            (3, FieldValue::Fixed),
            (4, FieldValue::Fixed),
            (2, FieldValue::Bytes(b"")),
        ];
        assert_eq!(all(message), expected.map(Ok));
    }

    #[test]
    fn an_invalid_field_is_an_error_and_the_end() {
        for message in [
            &b"\x12\x03hi"[..],
            b"\x08",
            b"\x08\x80",
            b"\x02\x00",
            b"\x0b\x0c",
            b"\x1d\x00",
            b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
            b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        ] {
            let fields = all(message);
            assert!(matches!(&*fields, [Err(_)]), "{message:?}: {fields:?}");
        }
    }

    #[test]
    fn the_last_field_of_a_prefix_may_be_cut_off() {
        let fields: Vec<_> = Fields::new_truncated(b"\x0a\x01a\x12\x05hi").collect();
        assert_eq!(fields, [Ok((1, FieldValue::Bytes(b"a"))), Ok((2, FieldValue::Bytes(b"hi")))]);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_do_not_panic(message in prop::collection::vec(any::<u8>(), 0..100)) {
            prop_assert!(all(&message).len() <= message.len());
            prop_assert!(Fields::new_truncated(&message).count() <= message.len());
        }
    }
}
