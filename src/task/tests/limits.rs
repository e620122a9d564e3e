//! `[limits]` and variants as files: what is read, what is refused, what is odd.

use chrono::NaiveTime;

use super::*;

fn text(limits: &str) -> String {
    format!(
        "name='x'\ngroup='会员日'\nstart='2026-03-01'\nend='2026-03-03'\n[trigger]\nkind='once'\nat='2026-03-02'\n\
         [dispatch]\nsender='file'\nchannel='sms'\n[limits]\n{limits}\n"
    )
}

fn limits(text_of: &str) -> Limits {
    checked(&text(text_of)).unwrap().file.limits
}

#[test]
fn caps_and_quiet_hours_are_read_as_the_contract_writes_them() {
    let found = limits(
        "caps = [{ channel = \"sms\", limit = 1, per = \"day\" }]\n\
         quiet = { from = \"21:00\", to = \"08:00\", then = \"hold\" }\nholdout = \"5%\"\nwhitelist = \"投诉\"",
    );
    let cap = Cap {
        scope: Scope::Channel("sms".into()),
        limit: 1,
        per: Period::Day,
        counts: Counted::Handed,
        key: Key::User,
    };
    assert_eq!(found.caps, [cap]);
    let time = |hour| NaiveTime::from_hms_opt(hour, 0, 0).unwrap();
    assert_eq!(found.quiet, Some(Quiet { from: time(21), to: time(8), then: Beyond::Hold }));
    assert_eq!((found.whitelist.as_deref(), found.holdout.is_some()), (Some("投诉"), true));
    let more = limits(
        "caps = [{ all = true, limit = 0, per = \"24h\", counts = \"attempted\", key = \"user_staff\" },\n\
         { label = \"会员日\", limit = 4, per = \"month\", counts = \"delivered\" }, { task = true, limit = 2, per = \"week\" }]",
    );
    assert_eq!(more.caps[0].per, Period::Rolling(86_400_000));
    assert_eq!((more.caps[0].counts, more.caps[0].key), (Counted::Attempted, Key::UserStaff));
    assert_eq!((&more.caps[1].scope, more.caps[1].per), (&Scope::Label("会员日".into()), Period::Month));
    assert_eq!((&more.caps[2].scope, more.caps[2].per), (&Scope::Task, Period::Week));
    assert_eq!(limits("caps = []"), Limits::default());
}

// proves: S0.8
#[test]
fn nonsense_is_refused_all_at_once_each_at_its_place() {
    let bad = "caps = [{ limit = 1, per = \"day\" }, { all = true, task = true, limit = -1, per = \"year\" }, 3,\n\
               { all = true, limt = 1 }, { task = true, limit = 1, per = \"1d\", counts = \"sent\", key = \"staff\" },\n\
               { task = true, limit = 1, per = \"day\" }, { task = true, limit = 2, per = \"day\" }]\n\
               quiet = { from = \"21:00\", to = \"21:00\" }\nwhitelist = \"没有\"";
    let codes: Vec<String> = mistakes(&text(bad));
    assert_eq!(
        codes,
        [
            "TSK-060 12:9",
            "TSK-060 12:37",
            "TSK-004 12:72",
            "TSK-004 12:82",
            "TSK-004 12:92",
            "TSK-003 13:1",
            "TSK-003 13:1",
            "TSK-002 13:15",
            "TSK-004 13:74",
            "TSK-004 13:88",
            "TSK-064 14:42",
            "TSK-061 15:27",
            "TSK-007 16:13",
        ]
    );
    assert_eq!(mistakes(&text("quiet = { from = \"21\" }\ncaps = { all = true }")).len(), 3);
    assert_eq!(mistakes(&text("quiet = \"21:00\"")), ["TSK-004 12:9"]);
}

#[test]
fn a_cap_that_never_holds_is_a_warning() {
    let odd = text(
        "caps = [{ channel = \"wecom\", limit = 1, per = \"day\" }, { label = \"新客\", limit = 1, per = \"day\" }]",
    );
    let warnings = checked(&odd).unwrap().warnings;
    let idle: Vec<&Problem> = warnings.iter().filter(|warning| warning.code == "TSK-062").collect();
    assert_eq!(idle.len(), 2);
    assert!(idle[0].what.contains("`sms`") && idle[1].what.contains("`会员日`"), "{idle:?}");
    assert!(
        checked(&text("caps = [{ channel = \"sms\", limit = 1, per = \"day\" }]"))
            .unwrap()
            .warnings
            .is_empty()
    );
}

#[test]
fn the_company_has_the_same_words_but_not_all_of_them() {
    let found = company_limits(
        "zone = \"UTC\"\n[limits]\ncaps = [{ all = true, limit = 3, per = \"week\" }]\n",
        "quanke.toml",
    );
    assert_eq!(found.unwrap().caps.len(), 1);
    assert_eq!(company_limits("zone = \"UTC\"\n", "quanke.toml").unwrap(), Limits::default());
    let wrong =
        company_limits("[limits]\nholdout = \"5%\"\ncaps = [{ limit = 1 }]\n", "quanke.toml").unwrap_err().0;
    let told: Vec<(&str, &str)> =
        wrong.iter().map(|problem| (problem.code, problem.at.split("  ").next().unwrap_or(""))).collect();
    assert_eq!(
        told,
        [("TSK-002", "quanke.toml:2:1"), ("TSK-060", "quanke.toml:3:9"), ("TSK-003", "quanke.toml:3:9")]
    );
}

#[test]
fn variants_lie_over_the_content_and_share_everyone() {
    let of = |variants: &str| {
        text("").replace(
            "channel='sms'\n",
            &format!("channel='sms'\ncontent = {{ template = \"你好\", link = \"https://a.cn\" }}\nvariants = {variants}\n"),
        )
    };
    let good = "[{ name = \"A\", share = \"33.3%\", content = { template = \"{{name}} {{link}}\" } }, { name = \"B\", share = \"66.7%\" }]";
    let variants = checked(&of(good)).unwrap().file.dispatch.variants;
    assert_eq!(variants[0].content.text_of("template"), Some("{{name}} {{link}}"));
    assert_eq!(variants[0].content.text_of("link"), Some("https://a.cn"));
    assert_eq!(variants[1].content.text_of("template"), Some("你好"));
    let wrong =
        |variants: &str| mistakes(&of(variants)).into_iter().map(|m| m[..7].to_string()).collect::<Vec<_>>();
    assert_eq!(wrong("[{ name = \"A\", share = \"50%\" }, { name = \"B\", share = \"49%\" }]"), ["TSK-063"]);
    assert_eq!(wrong("[{ name = \"A\", share = \"50%\" }, { name = \"A\", share = \"50%\" }]"), ["TSK-063"]);
    assert_eq!(wrong("[{ name = \"A\", share = \"0%\" }, { share = \"50\", contents = 3 }]").len(), 4);
    assert!(checked(&of("[]")).unwrap().file.dispatch.variants.is_empty());
    let warned = checked(&of(&good.replace("{{name}}", "{{城市}}"))).unwrap().warnings;
    assert!(
        warned.iter().any(|warning| warning.code == "TSK-008" && warning.what.contains("城市")),
        "{warned:?}"
    );
}
