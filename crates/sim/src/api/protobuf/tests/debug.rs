//! Converts the `Debug` output of a message to JSON. The official types implement only `Debug`.

use std::fmt::Debug;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

/// Returns the message as JSON, without default values.
pub(super) fn tree(message: &impl Debug) -> Value {
    let text = format!("{message:?}");
    let mut rest = &*text;
    let value = value(&mut rest);
    assert_eq!(rest, "", "all is read");
    without_defaults(value)
}

/// Takes away what means the same as nothing: null, empty, zero and false; and underscores and case from the names, as
/// Rust's differ from JSON's.
pub(super) fn without_defaults(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields =
                fields.into_iter().map(|(name, value)| (name.replace('_', "").to_lowercase(), without_defaults(value)));
            Value::Object(fields.filter(|(_, value)| !is_default(value)).collect())
        }
        Value::Array(items) => items.into_iter().map(without_defaults).collect(),
        other => other,
    }
}

fn is_default(value: &Value) -> bool {
    [json!(null), json!(""), json!(0), json!(false), json!({}), json!([])].contains(value)
}

fn eat(rest: &mut &str, token: &str) -> bool {
    rest.strip_prefix(token).map(|after| *rest = after).is_some()
}

fn word<'a>(rest: &mut &'a str) -> &'a str {
    let end = rest.find(|c: char| !c.is_alphanumeric() && !"_-#".contains(c)).unwrap_or(rest.len());
    let (word, after) = rest.split_at(end);
    *rest = after;
    word
}

fn value(rest: &mut &str) -> Value {
    if rest.starts_with('"') {
        return string(rest).into();
    }
    if eat(rest, "[") {
        return list(rest);
    }
    if eat(rest, "{") {
        return fields(rest, "}", string).into();
    }
    let word = word(rest);
    match word {
        "None" => Value::Null,
        "Some" => {
            assert!(eat(rest, "("));
            let inner = value(rest);
            assert!(eat(rest, ")"));
            inner
        }
        "true" | "false" => (word == "true").into(),
        _ if eat(rest, " { ") => message(word, fields(rest, " }", word_of_field)),
        _ => word.parse::<i64>().map_or_else(|_| json!({}), Value::from),
    }
}

fn word_of_field(rest: &mut &str) -> String {
    word(rest).trim_start_matches("r#").to_owned()
}

/// The JSON form of messages of this type.
fn message(of: &str, mut fields: Map<String, Value>) -> Value {
    let inner = |fields: &Map<String, Value>, name: &str| fields.get(name).cloned().unwrap_or_default();
    match of {
        "MicroTime" if !inner(&fields, "seconds").is_null() => {
            let part = |name: &str| inner(&fields, name).as_i64().unwrap();
            Timestamp::new(part("seconds"), part("nanos").try_into().unwrap()).unwrap().to_string().into()
        }
        "Time" | "MicroTime" if inner(&fields, "seconds").is_null() => Value::Null,
        "Time" => {
            assert_eq!(inner(&fields, "nanos"), json!(0), "a time has no fraction");
            let seconds = inner(&fields, "seconds").as_i64().unwrap();
            Timestamp::from_second(seconds).unwrap().to_string().into()
        }
        "Quantity" => inner(&fields, "string"),
        "FieldsV1" => {
            let bytes: Vec<u8> = serde_json::from_value(inner(&fields, "raw")).unwrap();
            serde_json::from_slice(&bytes).unwrap()
        }
        "IntOrString" if inner(&fields, "type") == json!(1) => inner(&fields, "str_val"),
        "IntOrString" => inner(&fields, "int_val"),
        _ => {
            for inline in
                ["volume_source", "ephemeral_container_common", "local_object_reference", "handler", "probe_handler"]
            {
                if let Some(Value::Object(inner)) = fields.remove(inline) {
                    fields.extend(inner);
                }
            }
            fields.into()
        }
    }
}

fn fields(rest: &mut &str, end: &str, name: impl Fn(&mut &str) -> String) -> Map<String, Value> {
    let mut fields = Map::new();
    while !eat(rest, end) {
        let name = name(rest);
        assert!(eat(rest, ": "), "a value before {rest}");
        fields.insert(name, value(rest));
        eat(rest, ", ");
    }
    fields
}

fn list(rest: &mut &str) -> Value {
    let mut items = Vec::new();
    while !eat(rest, "]") {
        items.push(value(rest));
        eat(rest, ", ");
    }
    items.into()
}

fn string(rest: &mut &str) -> String {
    let mut text = String::new();
    let mut chars = rest.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => {
                *rest = &rest[at + 1..];
                return text;
            }
            '\\' => match chars.next().unwrap().1 {
                'n' => text.push('\n'),
                't' => text.push('\t'),
                'r' => text.push('\r'),
                '0' => text.push('\0'),
                'u' => {
                    let code: String = chars.by_ref().map(|(_, c)| c).skip(1).take_while(|c| *c != '}').collect();
                    text.push(char::from_u32(u32::from_str_radix(&code, 16).unwrap()).unwrap());
                }
                escaped => text.push(escaped),
            },
            c => text.push(c),
        }
    }
    panic!("a string has no end");
}
