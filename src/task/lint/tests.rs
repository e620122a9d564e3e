//! Contents that a channel takes, and such that it does not.

use crate::base::{Problems, Timestamp, Zone};
use crate::task::{Checked, Feature, Known, Policies, check, sms_parts};

/// A world with one sender under `channel`, and a link.
struct Channel(&'static str);

impl Known for Channel {
    fn selection(&self, _: &str) -> Result<Vec<crate::base::Problem>, Problems> {
        Ok(Vec::new())
    }
    fn event(&self, _: &str) -> Result<Vec<crate::base::Problem>, Problems> {
        Ok(Vec::new())
    }
    fn same(&self, _: &str) -> Result<Vec<crate::base::Problem>, Problems> {
        Ok(Vec::new())
    }
    fn contains(&self, _: &str, _: &str) -> bool {
        false
    }
    fn rows_per_day(&self, _: &str) -> f64 {
        0.0
    }
    fn crowds(&self) -> Vec<String> {
        Vec::new()
    }
    fn attributes(&self) -> Vec<String> {
        vec!["name".into()]
    }
    fn senders(&self) -> Vec<String> {
        vec!["s".into()]
    }
    fn has(&self, _: Feature) -> bool {
        true
    }
    fn links(&self) -> Vec<String> {
        vec!["加客".into(), "每人".into()]
    }
    fn is_link_per_touch(&self, link: &str) -> bool {
        link == "每人"
    }
    fn limits(&self, _: &str) -> (Policies, String) {
        (Policies::shipped().unwrap(), self.0.into())
    }
}

/// Checks a task with these lines in `[dispatch]`: the codes of its mistakes, or of its warnings.
fn codes(channel: &'static str, dispatch: &str) -> Result<Vec<&'static str>, Vec<&'static str>> {
    let text = format!(
        "name = \"x\"\nstart = \"2026-03-01\"\nend = \"2026-03-03\"\n[trigger]\nkind = \"once\"\n\
         at = \"2026-03-02\"\n[dispatch]\nsender = \"s\"\n{dispatch}\n"
    );
    let codes = |problems: &[crate::base::Problem]| problems.iter().map(|p| p.code).collect();
    match check(&text, "t.toml", &Zone::default(), Timestamp(0), &Channel(channel)) {
        Ok(Checked { warnings, .. }) => Ok(codes(&warnings)),
        Err(problems) => Err(codes(&problems.0)),
    }
}

fn content(channel: &'static str, content: &str) -> Result<Vec<&'static str>, Vec<&'static str>> {
    codes(channel, &format!("[dispatch.content]\n{content}"))
}

// proves: S1.8
// proves: S1.10
// proves: S1.11
// proves: S1.13
#[test]
fn moments_have_their_measures() {
    let moment = |lines: &str| content("", &format!("form = \"moment\"\n{lines}"));
    assert_eq!(moment(&format!("text = \"{}\"", "好".repeat(200))), Ok(vec![]));
    assert_eq!(moment(&format!("text = \"{}😀\"", "好".repeat(200))), Err(vec!["TSK-052"]));
    let images = |n: usize| format!("images = [{}]", "\"a.png\",".repeat(n));
    assert_eq!(moment(&images(9)), Ok(vec![]));
    assert_eq!(moment(&images(10)), Err(vec!["TSK-052"]));
    assert_eq!(moment("links = [\"https://a.cn\"]"), Ok(vec![]));
    assert_eq!(moment("links = [\"https://a.cn\", \"https://b.cn\"]"), Err(vec!["TSK-052"]));
    let both = format!("{}\nlinks = [\"https://a.cn\"]", images(1));
    assert_eq!(moment(&both), Err(vec!["TSK-052"]));
    assert_eq!(moment(&format!("prompt = \"{}\"", "请".repeat(51))), Err(vec!["TSK-052"]));
}

// proves: S0.15
// proves: S4.10
// proves: S4.13
// proves: S4.14
#[test]
fn mass_messages_have_their_measures() {
    let attachments =
        |kind: &str, n: usize| format!("attachments = [{}]", format!("{{ {kind} }},").repeat(n));
    let mass = |lines: &str| content("", &format!("form = \"mass\"\ntext = \"您好\"\n{lines}"));
    assert_eq!(mass(&attachments("kind = \"image\", url = \"a.png\"", 9)), Ok(vec![]));
    assert_eq!(mass(&attachments("kind = \"image\", url = \"a.png\"", 10)), Err(vec!["TSK-052"; 2]));
    assert_eq!(mass(&attachments("kind = \"link\", title = \"a\", url = \"https://a.cn\"", 1)), Ok(vec![]));
    let program = "kind = \"miniprogram\", title = \"a\", appid = \"wx1\", page = \"/home\"";
    assert_eq!(mass(&attachments(program, 1)), Ok(vec![]));
    assert_eq!(mass(&attachments("kind = \"link\", title = \"a\"", 1)), Err(vec!["TSK-052"]));
    assert_eq!(mass(&attachments("kind = \"sticker\"", 1)), Err(vec!["TSK-052"]));
    let personal = |batch: usize| codes("", &format!("batch = {batch}\ncontent = {{ form = \"personal\" }}"));
    assert_eq!((personal(200), personal(201)), (Ok(vec![]), Err(vec!["TSK-052"])));
    assert_eq!(content("", "form = \"fax\""), Err(vec!["TSK-052"]));
}

#[test]
fn sms_texts_are_looked_over() {
    let told = |text: &str| content("sms.tencent", &format!("template = \"{text}\""));
    assert_eq!(told("您好，拒收请回复R"), Ok(vec![]));
    assert_eq!(told("您好"), Ok(vec!["TSK-053"]));
    assert_eq!(told("加微信有礼，拒收请回复R"), Ok(vec!["TSK-053"]));
    assert_eq!(told(&format!("{}，拒收请回复R", "好".repeat(70))), Ok(vec!["TSK-054"]));
    assert_eq!(content("sms.tencent", "template = \"您好\"\nkind = \"notice\""), Ok(vec![]));
}

#[test]
fn variables_of_sms_have_their_limits() {
    let variable = |channel, value: &str| {
        content(channel, &format!("kind = \"notice\"\n[dispatch.content.variables]\na = \"{value}\""))
    };
    for channel in ["sms.aliyun", "sms.tencent", "sms.volcengine"] {
        assert_eq!(variable(channel, "{{name}}"), Ok(vec![]), "{channel}");
        assert_eq!(variable(channel, "https://a.cn"), Err(vec!["TSK-052"]), "{channel}");
    }
    assert_eq!(variable("sms.aliyun", &"长".repeat(36)), Err(vec!["TSK-052"]));
    let marketing = "[dispatch.content.variables]\na = \"x\"";
    assert_eq!(content("sms.volcengine", marketing), Err(vec!["TSK-052"]));
    assert_eq!(content("sms.aliyun", marketing), Ok(vec!["TSK-053"]));
    let linked = "link = \"加客\"\n[dispatch.content]\nkind = \"notice\"\nvariables = { a = \"{{link}}\" }";
    assert_eq!(codes("sms.aliyun", linked), Err(vec!["TSK-052"]));
    assert_eq!(codes("sms.aliyun", "link = \"每人\""), Ok(vec!["TSK-053"]));
    assert_eq!(codes("", "link = \"每人\""), Ok(vec![]));
    assert_eq!(codes("", "link = \"加克\""), Err(vec!["TSK-051"]));
}

#[test]
fn a_long_text_is_cut_into_parts() {
    let shipped = Policies::shipped().unwrap();
    let parts = |chars| sms_parts(chars, &shipped);
    assert_eq!([parts(0), parts(70), parts(71), parts(134), parts(135)], [1, 1, 2, 2, 3].map(Some));
    assert_eq!(sms_parts(500, &Policies::default()), None);
}

#[test]
fn the_words_for_missing_values_are_read() {
    assert_eq!(codes("", "missing = \"refuse\""), Ok(vec![]));
    assert_eq!(codes("", "missing = \"default:亲\""), Ok(vec![]));
    assert_eq!(codes("", "missing = \"drop\""), Err(vec!["TSK-004"]));
}
