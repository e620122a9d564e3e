//! Which links may a content name, and what do they carry?
//!
//! `[links.NAME]` in quanke.toml is a live code (活码) or a customer acquisition link (获客链接). Where its
//! `parameter` is set, the link carries a state, which WeCom gives back when somebody adds through it: the
//! task's id, or a short form of the touch id.

use std::collections::BTreeMap;

use toml::{Table, Value};

use crate::base::{Outcome, Problem, Problems};

use super::policy::Policies;
use super::reader::near;

/// The parameter of a customer acquisition link (WeCom 97297).
const PARAMETER: &str = "customer_channel";
const KEYS: [&str; 3] = ["url", "parameter", "state"];
/// Letters and digits of a touch's code: 128 bits, 62 signs.
const CODE_CHARS: usize = 22;

/// The links of quanke.toml, by name.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Links(BTreeMap<String, Link>);

#[derive(Debug, Clone, PartialEq)]
struct Link {
    url: String,
    parameter: String,
    carries: Carries,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Carries {
    Nothing,
    Task,
    Touch,
}

/// A link made ready for one task: the text, and whether the touch's code follows it.
#[derive(Debug, Clone, PartialEq)]
pub struct LinkText {
    pub text: String,
    pub has_code: bool,
}

impl Links {
    /// Reads the table `links`. Errors: TSK-050 for every wrong setting at once.
    pub fn read(table: &Table, policies: &Policies) -> Result<Links, Problems> {
        let mut problems = Problems::default();
        let mut links = BTreeMap::new();
        for (name, value) in table {
            match link(name, value, policies) {
                Ok(link) => drop(links.insert(name.clone(), link)),
                Err(found) => problems.0.extend(found),
            }
        }
        problems.or(Links(links))
    }

    /// The names there are.
    pub fn names(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }

    /// Is the link another one for each touch?
    pub fn is_per_touch(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|link| link.carries == Carries::Touch)
    }

    /// The link for one task. Errors: TSK-051 with the links there are.
    pub fn made(&self, name: &str, task: &str) -> Outcome<LinkText> {
        let link = self.0.get(name).ok_or_else(|| unknown(name, &self.names()))?;
        let mut text = link.url.clone();
        if link.carries != Carries::Nothing {
            text.push(if text.contains('?') { '&' } else { '?' });
            text.push_str(&format!("{}=", link.parameter));
        }
        if link.carries == Carries::Task {
            text.push_str(task);
        }
        Ok(LinkText { text, has_code: link.carries == Carries::Touch })
    }
}

/// A touch id in 22 letters and digits, short enough for the state of a live code.
pub fn code_of(touch_id: &[u8; 16]) -> String {
    const SIGNS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut rest = u128::from_be_bytes(*touch_id);
    let mut signs = [b'0'; CODE_CHARS];
    for sign in signs.iter_mut().rev() {
        *sign = SIGNS.get((rest % 62) as usize).copied().unwrap_or(b'0');
        rest /= 62;
    }
    signs.iter().map(|sign| char::from(*sign)).collect()
}

/// The touch id of a code; `None` for what is no code.
pub fn touch_id_of(code: &str) -> Option<[u8; 16]> {
    let digit = |c: char| match c {
        '0'..='9' => Some(c as u128 - '0' as u128),
        'A'..='Z' => Some(c as u128 - 'A' as u128 + 10),
        'a'..='z' => Some(c as u128 - 'a' as u128 + 36),
        _ => None,
    };
    if code.len() != CODE_CHARS {
        return None;
    }
    let add = |sum: u128, c: char| sum.checked_mul(62)?.checked_add(digit(c)?);
    code.chars().try_fold(0u128, add).map(u128::to_be_bytes)
}

/// TSK-051: a content names a link that is not set up.
pub(super) fn unknown(name: &str, known: &[String]) -> Problem {
    let names: Vec<&str> = known.iter().map(String::as_str).collect();
    let there = if names.is_empty() {
        "there is none yet".to_string()
    } else {
        format!("there are {}", names.join(", "))
    };
    let cure = match near(name, &names) {
        Some(near) => format!("write \"{near}\""),
        None => format!("set it up in quanke.toml: [links.\"{name}\"] and its url"),
    };
    Problem::author("TSK-051", format!("no link is called `{name}`; {there}")).cure(cure)
}

fn link(name: &str, value: &Value, policies: &Policies) -> Result<Link, Vec<Problem>> {
    let wrong = |what: String, cure: &str| {
        Problem::author("TSK-050", what).at(format!("quanke.toml [links.{name}]")).cure(cure)
    };
    let Some(table) = value.as_table() else {
        return Err(vec![wrong("it must be a table".into(), "write [links.NAME] and its url below")]);
    };
    let mut problems: Vec<Problem> = table
        .keys()
        .filter(|key| !KEYS.contains(&key.as_str()))
        .map(|key| wrong(format!("a link has no key `{key}`; it has {}", KEYS.join(", ")), "leave it out"))
        .collect();
    let text = |key: &str| table.get(key).and_then(Value::as_str).map(str::to_string);
    let (url, state) = (text("url").unwrap_or_default(), text("state"));
    if !url.starts_with("https://") && !url.starts_with("http://") && !url.starts_with("weixin://") {
        problems.push(wrong(format!("`url` is `{url}`, which is no link"), "write url = \"https://…\""));
    }
    if url.len() > policies.max("wecom.url_bytes") {
        problems.push(wrong(format!("`url` has {} bytes", url.len()), "take a shorter link"));
    }
    let carries = match state.as_deref() {
        None | Some("none") => Carries::Nothing,
        Some("task") => Carries::Task,
        Some("touch") => Carries::Touch,
        Some(other) => {
            let what = format!("`state` is `{other}`; it can be none, task, touch");
            problems.push(wrong(what, "write state = \"task\""));
            Carries::Nothing
        }
    };
    if carries == Carries::Touch && CODE_CHARS > policies.max("wecom.state_chars") {
        problems.push(wrong(
            "the code of a touch is longer than a state may be".into(),
            "write state = \"task\"",
        ));
    }
    let parameter = text("parameter").unwrap_or_else(|| PARAMETER.into());
    if problems.is_empty() { Ok(Link { url, parameter, carries }) } else { Err(problems) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<Links, Problems> {
        Links::read(&text.parse().unwrap(), &Policies::shipped().unwrap())
    }

    // proves: S2.51
    #[test]
    fn a_link_carries_what_it_is_told_to() {
        let links = read(
            "[\"加客\"]\nurl = \"https://work.weixin.qq.com/ca/x\"\nstate = \"task\"\n\
             [plain]\nurl = \"https://a.cn/p\"\n\
             [own]\nurl = \"https://a.cn/?p=1\"\nstate = \"touch\"\nparameter = \"s\"",
        )
        .unwrap();
        let made = |name| links.made(name, "t7").unwrap();
        assert_eq!(made("加客").text, "https://work.weixin.qq.com/ca/x?customer_channel=t7");
        assert_eq!(made("plain"), LinkText { text: "https://a.cn/p".into(), has_code: false });
        assert_eq!(made("own"), LinkText { text: "https://a.cn/?p=1&s=".into(), has_code: true });
        assert_eq!(
            links.made("加可", "t7").unwrap_err().cure,
            "set it up in quanke.toml: [links.\"加可\"] and its url"
        );
        assert_eq!(links.made("plan", "t7").unwrap_err().code, "TSK-051");
    }

    #[test]
    fn every_mistake_of_a_link_is_told() {
        let problems = read("a = 1\n[b]\nurl = \"ftp://x\"\nstat = \"task\"\nstate = \"user\"").unwrap_err();
        assert_eq!(problems.0.iter().map(|p| p.code).collect::<Vec<_>>(), ["TSK-050"; 4]);
    }

    proptest! {
        #[test]
        fn a_code_is_short_and_tells_its_touch(id in any::<[u8; 16]>(), other in "[0-9A-Za-z]{0,30}") {
            let code = code_of(&id);
            prop_assert_eq!(code.len(), CODE_CHARS);
            prop_assert_eq!(touch_id_of(&code), Some(id));
            prop_assert!(touch_id_of(&other).is_none_or(|id| code_of(&id) == other));
        }
    }
}
