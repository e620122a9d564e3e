//! Will the channel take this content? Measures of the content beside the dated limits of the channel.
//!
//! Each measure has a name; with the channel's name before it, it is the id of a limit: the characters of the
//! text of a moments task are `wecom.moment.text_chars`. What the limit says decides between a mistake
//! (TSK-052) and a warning (TSK-053). A text is measured without its placeholders: what they will hold, nobody
//! knows here.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::base::{Problem, Span};

use super::content::{Content, LINK, fixed, placeholders_of};
use super::file::Parts;
use super::link;
use super::names::Known;
use super::policy::{Limit, OnExceed, Policies};
use super::reader::Reader;

/// The forms of content, and whose limits they have.
const FORMS: [(&str, &str); 3] =
    [("moment", "wecom.moment"), ("mass", "wecom.mass"), ("personal", "wecom.personal")];
/// What may be attached (S0.15), and the keys that it needs.
const ATTACHMENTS: [(&str, &[&str]); 5] = [
    ("image", &["url"]),
    ("link", &["title", "url"]),
    ("miniprogram", &["title", "appid", "page"]),
    ("video", &["url"]),
    ("file", &["url"]),
];

/// Notes the mistakes of a task's content, and gives the warnings.
pub(super) fn content(reader: &mut Reader, parts: &Parts, known: &dyn Known) -> Vec<Problem> {
    let sender = parts.sender.as_ref().map_or("", |sender| sender.value.as_str());
    let (policies, channel) = known.limits(sender);
    let lint = Lint { content: &parts.content.value, parts, known, policies: &policies };
    let channels: Vec<String> = [channel].into_iter().chain(lint.form()).filter(|c| !c.is_empty()).collect();
    let mut found = lint.attachments();
    found.extend(lint.unknown_form());
    found.extend(lint.unknown_link());
    for channel in &channels {
        found.extend(lint.measures().iter().filter_map(|m| lint.beyond(channel, m)));
        found.extend(lint.words(channel));
        found.extend(lint.opt_out(channel));
    }
    if channels.iter().any(|channel| channel.starts_with("sms.")) {
        found.extend([lint.parts_of_sms(), lint.link_of_sms()].into_iter().flatten());
    }
    told(reader, found, parts.content.span)
}

/// Mistakes are noted; what is no mistake is given back.
fn told(reader: &mut Reader, found: Vec<Problem>, span: Span) -> Vec<Problem> {
    let (warnings, mistakes): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|problem| matches!(problem.code, "TSK-053" | "TSK-054"));
    mistakes.into_iter().for_each(|problem| reader.report(problem, span));
    warnings.into_iter().map(|problem| reader.placed(problem, span)).collect()
}

/// One thing that is counted: its name, how many, and in words.
struct Measure {
    name: &'static str,
    count: usize,
    words: &'static str,
}

struct Lint<'a> {
    content: &'a Content,
    parts: &'a Parts,
    known: &'a dyn Known,
    policies: &'a Policies,
}

impl Lint<'_> {
    fn measures(&self) -> Vec<Measure> {
        let (text, of) = (fixed(&self.text()), |name, count, words| Measure { name, count, words });
        let (attachments, variables) = (self.attached(), self.variables());
        let kinds: BTreeSet<&String> = attachments.iter().map(|(kind, _)| kind).collect();
        let of_kind = |kind: &str| attachments.iter().filter(|(known, _)| known == kind).count();
        let marketing = if self.is_marketing() { variables.len() } else { 0 };
        let longest = variables.iter().map(|text| fixed(text).chars().count()).max().unwrap_or(0);
        let prompt = self.content.text_of("prompt").map_or(0, |text| text.chars().count());
        vec![
            of("text_chars", text.chars().count(), "characters of text"),
            of("text_bytes", text.len(), "bytes of text"),
            of("images", of_kind("image"), "images"),
            of("links", of_kind("link"), "links"),
            of("kinds", kinds.len(), "kinds of attachments"),
            of("attachments", attachments.len(), "attachments"),
            of("messages", attachments.len() + usize::from(!self.text().is_empty()), "messages"),
            of("prompt_chars", prompt, "characters of the prompt for staff"),
            of("batch", self.parts.batch(), "touches in a batch"),
            of("variables", variables.len(), "template variables"),
            of("variables_marketing", marketing, "variables in a marketing template"),
            of("variable_chars", longest, "characters in a variable"),
            of("variable_links", self.linked(&variables), "variables that hold a link"),
        ]
    }

    fn beyond(&self, channel: &str, measure: &Measure) -> Option<Problem> {
        let limit = self.policies.get(&format!("{channel}.{}", measure.name))?;
        let max = limit.max.and_then(|max| usize::try_from(max).ok()).filter(|max| measure.count > *max)?;
        let what =
            format!("{} {}, where {channel} takes {max} ({})", measure.count, measure.words, shown(limit));
        Some(problem(limit, what, "shorten the content, or take another sender"))
    }

    fn words(&self, channel: &str) -> Option<Problem> {
        let limit = self.policies.get(&format!("{channel}.words"))?;
        let texts = self.content.texts().join("\n");
        let found: Vec<&str> = limit.words.iter().map(String::as_str).filter(|w| texts.contains(w)).collect();
        let what = || format!("reviewers of {channel} refuse {} ({})", found.join(", "), shown(limit));
        (!found.is_empty())
            .then(|| problem(limit, what(), "say it in other words, such as 专属顾问 or 会员服务页"))
    }

    fn opt_out(&self, channel: &str) -> Option<Problem> {
        let limit = self.policies.get(&format!("{channel}.opt_out"))?;
        let (text, suffix) = (self.text(), limit.text.as_deref()?);
        let is_right = text.is_empty() || !self.is_marketing() || text.trim_end().ends_with(suffix);
        let what = || format!("a marketing text must end with {suffix} ({})", shown(limit));
        (!is_right).then(|| problem(limit, what(), "put it at the very end, or say kind = \"notice\""))
    }

    /// TSK-054: how many messages one text becomes.
    fn parts_of_sms(&self) -> Option<Problem> {
        let length = fixed(&self.text()).chars().count();
        let parts = sms_parts(length, self.policies)?;
        let what = format!(
            "{length} characters go out, and are billed, as {parts} messages; signature and values come on top"
        );
        (parts > 1)
            .then(|| Problem::author("TSK-054", what).cure("shorten the text, if one message is enough"))
    }

    /// The text of a reviewed template is fixed, so its link cannot differ from touch to touch.
    fn link_of_sms(&self) -> Option<Problem> {
        let link = self.parts.link.as_ref().filter(|link| self.known.is_link_per_touch(&link.value))?;
        let what =
            format!("the link `{}` is another one for each touch; a reviewed template has one", link.value);
        Some(
            Problem::author("TSK-053", what)
                .cure("take a link with state = \"task\", written in the template"),
        )
    }

    fn unknown_link(&self) -> Option<Problem> {
        let name = self.parts.link.as_ref()?;
        let links = self.known.links();
        (!links.contains(&name.value)).then(|| link::unknown(&name.value, &links))
    }

    fn form(&self) -> Option<String> {
        let form = self.content.text_of("form")?;
        FORMS.iter().find(|(known, _)| *known == form).map(|(_, channel)| channel.to_string())
    }

    fn unknown_form(&self) -> Option<Problem> {
        let form = self.content.text_of("form").filter(|_| self.form().is_none())?;
        let known: Vec<&str> = FORMS.iter().map(|(form, _)| *form).collect();
        let what = format!("`form` is `{form}`; it can be {}", known.join(", "));
        Some(Problem::author("TSK-052", what).cure("write one of them, or leave it out"))
    }

    /// Attachments of no known kind, and those that lack a key.
    fn attachments(&self) -> Vec<Problem> {
        let wrong =
            |what: String| Problem::author("TSK-052", what).cure("see attachments in docs/content.md");
        let known: Vec<&str> = ATTACHMENTS.iter().map(|(kind, _)| *kind).collect();
        let mistake = |(kind, value): (String, Value)| {
            let Some((_, keys)) = ATTACHMENTS.iter().find(|(known, _)| *known == kind) else {
                return Some(wrong(format!("an attachment is a `{kind}`; it can be {}", known.join(", "))));
            };
            let missing: Vec<&str> = keys.iter().copied().filter(|key| value.get(key).is_none()).collect();
            let is_whole = value.is_string() || missing.is_empty();
            (!is_whole).then(|| wrong(format!("an attachment of kind {kind} lacks {}", missing.join(", "))))
        };
        self.attached().into_iter().filter_map(mistake).collect()
    }

    /// Everything attached with its kind: `attachments`, and the short forms `images` and `links`.
    fn attached(&self) -> Vec<(String, Value)> {
        let list = |key: &str| self.content.0.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
        let named = |value: Value| {
            let kind = value.get("kind").and_then(Value::as_str).unwrap_or("nothing").to_string();
            (kind, value)
        };
        let of = |key: &str, kind: &str| {
            list(key).into_iter().map(|value| (kind.to_string(), value)).collect::<Vec<_>>()
        };
        let named = list("attachments").into_iter().map(named);
        named.chain(of("images", "image")).chain(of("links", "link")).collect()
    }

    fn variables(&self) -> Vec<String> {
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_string);
        match self.content.0.get("variables") {
            Some(Value::Object(map)) => map.values().map(text).collect(),
            Some(Value::Array(items)) => items.iter().map(text).collect(),
            _ => Vec::new(),
        }
    }

    /// How many of these hold a link, written out or by its placeholder.
    fn linked(&self, variables: &[String]) -> usize {
        let is_url =
            |text: &str| ["http://", "https://", "www.", "weixin://"].iter().any(|s| text.contains(s));
        let is_filled = |name: &String| {
            (name == LINK && self.parts.link.is_some()) || self.content.text_of(name).is_some_and(is_url)
        };
        variables.iter().filter(|text| is_url(text) || placeholders_of(text).iter().any(is_filled)).count()
    }

    fn is_marketing(&self) -> bool {
        self.content.text_of("kind").is_none_or(|kind| kind == "marketing")
    }

    fn text(&self) -> String {
        let text = self.content.text_of("text").or_else(|| self.content.text_of("template"));
        text.unwrap_or_default().to_string()
    }
}

/// How many messages so many characters become; `None` where nothing says how they are cut.
pub fn sms_parts(chars: usize, policies: &Policies) -> Option<usize> {
    let (single, part) = (policies.max("sms.single_chars"), policies.max("sms.part_chars"));
    (part < usize::MAX).then(|| if chars <= single { 1 } else { chars.div_ceil(part.max(1)) })
}

fn problem(limit: &Limit, what: String, cure: &str) -> Problem {
    let code = if limit.on_exceed == OnExceed::Error { "TSK-052" } else { "TSK-053" };
    Problem::author(code, what).cure(cure)
}

fn shown(limit: &Limit) -> String {
    format!("{}, {}", limit.source, limit.as_of)
}

#[cfg(test)]
mod tests;
