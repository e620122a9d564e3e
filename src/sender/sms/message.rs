//! What is one SMS: to which number, with which template and variables?

use serde_json::{Map, Value};

use super::config::Config;
use super::phone::mainland;
use crate::dispatch::{Batch, Touch, TouchId};

/// One message, ready for any gateway.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    pub touch_id: TouchId,
    /// Eleven digits.
    pub phone: String,
    pub sign: String,
    pub template: String,
    /// The variables by name, in the order of the task file; a list has the names `1`, `2` …
    pub variables: Map<String, Value>,
}

impl Message {
    /// The message of a touch. Why there is none is for people.
    pub fn of(touch: &Touch, config: &Config) -> Result<Message, String> {
        let written = touch.fields.get(&config.phone).and_then(Value::as_str).unwrap_or_default();
        let phone = mainland(written).ok_or_else(|| format!("`{}` is no mobile number", config.phone))?;
        let own = |key: &str| touch.content.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
        let template = own("template_id").unwrap_or(&config.template).to_string();
        if template.is_empty() {
            return Err("neither the content nor the sender has a template id".into());
        }
        let sign = own("sign").unwrap_or(&config.sign).to_string();
        Ok(Message { touch_id: touch.touch_id, phone, sign, template, variables: variables(&touch.content) })
    }

    /// Do two messages differ in nothing but the number?
    pub fn is_same(&self, other: &Message) -> bool {
        self.is_kin(other) && self.variables == other.variables
    }

    /// May two messages differ in their variables, but in nothing else besides the number?
    pub fn is_kin(&self, other: &Message) -> bool {
        self.template == other.template && self.sign == other.sign
    }
}

/// The messages of a batch; a touch that is none was not taken at the cut.
pub fn messages(batch: &Batch, config: &Config) -> Vec<Message> {
    batch.touches.iter().filter_map(|touch| Message::of(touch, config).ok()).collect()
}

/// Are all the same but for the number?
pub fn are_same(messages: &[Message]) -> bool {
    messages.windows(2).all(|pair| matches!(pair, [a, b] if a.is_same(b)))
}

/// Gateways take texts only, so a number becomes its digits.
fn variables(content: &Value) -> Map<String, Value> {
    let text = |value: &Value| Value::from(value.as_str().map_or_else(|| value.to_string(), str::to_string));
    match content.get("variables") {
        Some(Value::Object(map)) => map.iter().map(|(name, value)| (name.clone(), text(value))).collect(),
        Some(Value::Array(items)) => {
            items.iter().enumerate().map(|(n, value)| ((n + 1).to_string(), text(value))).collect()
        }
        _ => Map::new(),
    }
}
