//! The demo's week: a task that repeats, one that follows what people do, and what each day brought them.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::super::door::{Done, Door, Failure};
use super::super::session::usage;
use super::{Story, later, path, world};
use crate::base::{Day, Timestamp, Zone};

const DAYS: i32 = 7;
const WEEKDAYS: [&str; 7] = ["周一", "周二", "周三", "周四", "周五", "周六", "周日"];
/// The numbers of a book that the story tells, in its order.
const TOLD: [&str; 6] = ["due", "withheld", "suppressed", "held", "handed", "delivered"];

impl Story<'_> {
    /// Two more tasks, then seven days with what people do on them.
    pub(super) fn week(&mut self, export: &Path, once: &str, door: &mut Door) -> Done {
        self.title(door, "Two more tasks: one repeats, one follows what people do  周期任务与触发任务")?;
        let now = self.now();
        fs::write(export.join("repeat.toml"), repeat_file(&now))?;
        fs::write(export.join("absence.toml"), absence_file(&now))?;
        let staff = export.join("staff.csv");
        fs::write(&staff, staff_file(&now))?;
        self.step(&["staff", "import", &path(&staff)], door)?;
        let mut tasks = vec![once.to_string()];
        for file in ["repeat.toml", "absence.toml"] {
            tasks.push(self.approved(&export.join(file), door)?);
        }
        self.title(door, "A week passes. What each day brought, task by task  一周")?;
        let zone = Zone::default();
        let begin = Timestamp::parse(&now, &zone).unwrap_or(Timestamp(0));
        let mut books = tasks.iter().map(|task| self.book(task)).collect::<Result<Vec<_>, _>>()?;
        for no in 0..DAYS {
            let day = zone.day_of(begin).plus(no);
            let file = export.join(format!("week/{day}.ndjson"));
            self.live(&file, zone.start_of(day.plus(1)), &zone, door)?;
            for (task, before) in tasks.iter().zip(&mut books) {
                let after = self.book(task)?;
                self.tell_day(day, task, (before, &after), door)?;
                *before = after;
            }
        }
        self.title(door, "Who of the staff has how many customers, and the reminder's book  员工与对账")?;
        for (words, task) in [(["task", "staff"], &tasks[1]), (["task", "report"], &tasks[2])] {
            self.step(&[&words[..], &[task.as_str()]].concat(), door)?;
        }
        Ok(())
    }

    /// One day of events goes in as a live source, and the clock to its end.
    fn live(&mut self, file: &Path, end: Timestamp, zone: &Zone, door: &mut Door) -> Done {
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder)?;
        }
        world::write_day(file, self.seed, end, zone)?;
        let (file, until) = (path(file), zone.text(end));
        let words = ["run", "--events", &file, "--until", &until];
        let (code, _, talk) = self.said(&words);
        if code == 0 {
            return if door.is_json { Ok(()) } else { door.data(&format!("\n$ quanke {}", words.join(" "))) };
        }
        door.data(&talk)?;
        Err(usage(words.join(" "), "a day of the demo failed", "please report this with what it said above"))
    }

    /// The book of a task over all its runs.
    fn book(&self, task: &str) -> Result<Value, Failure> {
        let (_, out, _) = self.said(&["task", "report", task, "--json"]);
        let report: Value = serde_json::from_str(&out).unwrap_or_default();
        Ok(report["total"].clone())
    }

    /// What a day changed in a task's book; nothing is said of a day that changed nothing.
    fn tell_day(&mut self, day: Day, task: &str, (before, after): (&Value, &Value), door: &mut Door) -> Done {
        let weekday = WEEKDAYS.get((day.0 - day.monday().0) as usize).copied().unwrap_or_default();
        let moved = |key: &str| number(&after[key]) - number(&before[key]);
        if TOLD.iter().all(|key| moved(key) == 0) {
            return Ok(());
        }
        let reasons: Vec<(String, i64)> = after["suppressed_by"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(reason, count)| (reason.clone(), number(count) - number(&before["suppressed_by"][reason])))
            .filter(|(_, count)| *count != 0)
            .collect();
        if door.is_json {
            let told = TOLD.map(|key| (key.to_string(), json!(moved(key))));
            let told: serde_json::Map<String, Value> = told.into_iter().collect();
            let why: serde_json::Map<String, Value> =
                reasons.into_iter().map(|(r, n)| (r, json!(n))).collect();
            self.steps
                .push(json!({ "day": day.to_string(), "task": task, "book": told, "suppressed_by": why }));
            return Ok(());
        }
        let numbers = TOLD.map(|key| format!("{key} {:>4}", moved(key))).join("  ");
        let why: Vec<String> = reasons.iter().map(|(reason, count)| format!("{reason} {count}")).collect();
        let why = if why.is_empty() { String::new() } else { format!("  ({})", why.join(", ")) };
        door.data(&format!("{weekday} {day}  {task}  {numbers}{why}"))
    }
}

fn number(value: &Value) -> i64 {
    value.as_i64().unwrap_or(0)
}

/// The advisers of the shop: three old accounts, and one that is a week old.
fn staff_file(now: &str) -> String {
    let day = |days: i32| later(now, -i64::from(days) * 24 * 60).chars().take(10).collect::<String>();
    let rows = [("s1", "小林", 700), ("s2", "小周", 400), ("s3", "阿杰", 90), ("s4", "Mia", 8)];
    let row = |(id, name, days): &(&str, &str, i32)| format!("{id},{name},门店,{},在职\n", day(*days));
    format!("id,name,department,joined,state\n{}", rows.iter().map(row).collect::<String>())
}

/// Three mornings a week to the valuable, dealt to the advisers: each writes to as many as the account may.
fn repeat_file(now: &str) -> String {
    format!(
        r#"name     = "上新播报"
crowd    = "高价值"
start    = "{now}"
end      = "{end}"
departments = ["门店"]

[trigger]
kind     = "repeat"
times    = ["10:30"]
weekdays = ["mon", "wed", "fri"]

[dispatch]
sender  = "file"
content = {{ template = "{{{{name}}}} 您好，本周上新已到店" }}

[limits]
caps      = [{{ all = true, limit = 2, per = "week" }}]
staff     = {{ quota = "staff.add", when_full = "wait" }}
blacklist = "黑名单"
"#,
        end = later(now, i64::from(DAYS) * 24 * 60),
    )
}

/// Each one 20 minutes after the view without a share, not at night, not every day.
fn absence_file(now: &str) -> String {
    format!(
        r#"name     = "小程序浏览未分享提醒"
start    = "{now}"
end      = "{end}"
goal     = "pay within 2 days"

[trigger]
kind     = "absence"
did      = "miniprogram_view where page = '/new' or page = '/sale'"
not_done = "miniprogram_share"
within   = "20m"

[dispatch]
sender  = "file"
content = {{ template = "{{{{name}}}} 您好，喜欢的话分享给朋友吧：{{{{link}}}}", link = "https://example.com/share" }}

[limits]
caps      = [{{ all = true, limit = 2, per = "week" }}]
quiet     = {{ from = "21:00", to = "08:00", then = "hold" }}
holdout   = "5%"
blacklist = "黑名单"
"#,
        end = later(now, i64::from(DAYS) * 24 * 60),
    )
}
