//! What lines does a request hold? NDJSON as it is; a JSON array one element a line; one object one line.

use serde::de::IgnoredAny;

/// The lines of a body.
/// Errors: what is wrong with it, when it begins like an array and is none.
pub fn lines_of(body: Vec<u8>) -> Result<Vec<u8>, String> {
    match body.trim_ascii_start().first() {
        Some(b'[') => match serde_json::from_slice::<Vec<IgnoredAny>>(&body) {
            Ok(_) => Ok(elements(&body)),
            Err(error) => Err(format!("this is no JSON array: {error}")),
        },
        Some(b'{') if serde_json::from_slice::<IgnoredAny>(&body).is_ok() => Ok(flat(&body)),
        _ => Ok(body),
    }
}

/// The elements of a sound JSON array, one a line.
fn elements(array: &[u8]) -> Vec<u8> {
    let mut lines = Vec::with_capacity(array.len());
    let (mut depth, mut text) = (0u32, Text::Outside);
    for byte in array {
        let is_outside = text == Text::Outside;
        text = text.after(*byte);
        match byte {
            b'[' | b'{' if is_outside => {
                depth += 1;
                if depth == 1 {
                    continue;
                }
            }
            b']' | b'}' if is_outside => depth = depth.saturating_sub(1),
            _ => {}
        }
        match byte {
            b',' if is_outside && depth == 1 => lines.push(b'\n'),
            b'\n' | b'\r' if is_outside => lines.push(b' '),
            b']' if is_outside && depth == 0 => lines.push(b'\n'),
            _ => lines.push(*byte),
        }
    }
    lines
}

/// A sound JSON value on one line: a line end inside of it stands between its words.
fn flat(value: &[u8]) -> Vec<u8> {
    let space = |byte: &u8| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte };
    value.iter().map(space).chain([b'\n']).collect()
}

/// Where a byte of JSON stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Text {
    Outside,
    Inside,
    /// Behind a backslash.
    Escaped,
}

impl Text {
    fn after(self, byte: u8) -> Text {
        match (self, byte) {
            (Text::Outside, b'"') | (Text::Escaped, _) => Text::Inside,
            (Text::Inside, b'"') => Text::Outside,
            (Text::Inside, b'\\') => Text::Escaped,
            (other, _) => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn values(lines: &[u8]) -> Vec<Value> {
        let lines = lines.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
        lines.map(|line| serde_json::from_slice(line).unwrap()).collect()
    }

    #[test]
    fn every_form_gives_lines() {
        assert_eq!(lines_of(b"{\"a\":1}\n{\"a\":2}".to_vec()).unwrap(), b"{\"a\":1}\n{\"a\":2}");
        assert_eq!(values(&lines_of(b"{\n\"a\": 1\n}".to_vec()).unwrap()), [json!({"a": 1})]);
        assert_eq!(values(&lines_of(b" [ ]".to_vec()).unwrap()), Vec::<Value>::new());
        assert!(lines_of(b"[{\"a\":1}".to_vec()).unwrap_err().starts_with("this is no JSON array"));
        assert_eq!(lines_of(b"nonsense".to_vec()).unwrap(), b"nonsense");
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<i32>().prop_map(Value::from),
            "[\\[\\]{},\"\\\\\n 您a]{0,6}".prop_map(Value::from)
        ];
        leaf.prop_recursive(3, 12, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[a-c\"\\]]{0,2}", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect()))
            ]
        })
    }

    proptest! {
        #[test]
        fn an_array_gives_its_elements(all in prop::collection::vec(any_value(), 0..6), is_pretty in any::<bool>()) {
            let array = Value::from(all.clone());
            let text = if is_pretty { format!("{array:#}") } else { array.to_string() };
            prop_assert_eq!(values(&lines_of(text.into_bytes()).unwrap()), all);
        }
    }
}
