//! A small WeCom world from a seed: customers, who added them, what they did and bought, and two
//! crowds, written as the files that a CDP would deliver.

use std::fs;
use std::path::Path;

use fastrand::Rng;
use serde_json::{Value, json};

use crate::base::{Outcome, Timestamp, Zone};

/// Customers in the world.
pub const CUSTOMERS: usize = 5_000;
/// Visits on a day of the week that the demo lives through.
const VISITS_A_DAY: usize = 600;
/// Days of history before `now`.
const DAYS: i64 = 60;
const DAY_MS: i64 = 86_400_000;

const FAMILY: &[&str] =
    &["王", "李", "张", "刘", "陈", "杨", "赵", "黄", "周", "吴", "徐", "孙", "朱", "马", "胡"];
const GIVEN: &[&str] = &[
    "子涵", "欣怡", "宇航", "诗雨", "浩然", "梓萱", "佳琪", "明轩", "雨桐", "思远", "静", "磊", "芳", "洋",
    "敏",
];
const CITIES: &[(&str, &str)] = &[
    ("上海", "上海"),
    ("浙江", "杭州"),
    ("浙江", "宁波"),
    ("江苏", "南京"),
    ("江苏", "苏州"),
    ("广东", "广州"),
    ("广东", "深圳"),
    ("北京", "北京"),
    ("四川", "成都"),
    ("湖北", "武汉"),
];
const INTERESTS: &[&str] = &["美妆", "母婴", "健身", "旅行", "美食", "数码", "咖啡", "宠物", "露营"];
const CATEGORIES: &[&str] = &["服饰", "美妆", "母婴", "食品", "数码"];
const STAFF: &[&str] = &["顾问-小林", "顾问-小周", "顾问-阿杰", "顾问-Mia"];
const CODES: &[&str] = &["门店活码", "公众号菜单", "包裹卡", "线下活动"];
const PAGES: &[&str] = &["/home", "/new", "/sale", "/member"];

/// Names the Chinese words that the demo's selections use.
const CATALOG: &str = r#"# Aliases: the names that operators use for the columns of the export.
[attributes.gender]
alias = "性别"
[attributes.province]
alias = "省份"
[attributes.age]
alias = "年龄"
"#;

/// The world while it is made.
struct World<'a> {
    random: Rng,
    zone: &'a Zone,
    now: Timestamp,
    users: Vec<Value>,
    relations: Vec<String>,
    events: Vec<Value>,
    orders: Vec<String>,
    high_value: Vec<String>,
    blacklist: Vec<String>,
}

/// Writes the export of the world into `folder`: `users.ndjson`, `relations.csv`, `events.ndjson`,
/// `orders.csv`, `crowds/高价值.csv`, `crowds/黑名单.csv` and a `catalog.toml`.
/// The same seed and `now` give the same bytes. Errors: a folder that cannot be written.
pub fn write(folder: &Path, seed: u64, now: Timestamp, zone: &Zone) -> Outcome<()> {
    let mut world = World::new(seed, now, zone);
    (0..CUSTOMERS).for_each(|number| world.customer(number));
    world.save(folder)
}

/// Writes what happens on the day that ends at `end`, from its 07:00 on, as a live source brings it: one JSON
/// line an event, in the order of time. Errors: a file that cannot be written.
pub fn write_day(path: &Path, seed: u64, end: Timestamp, zone: &Zone) -> Outcome<()> {
    let mut world = World::new(seed ^ end.0.unsigned_abs(), end.plus(-1), zone);
    for _ in 0..VISITS_A_DAY {
        let user = format!("wm{:05}", world.random.usize(..CUSTOMERS));
        let begin = end.plus(-world.random.i64(1..17 * 60) * 60_000);
        world.visit(&user, begin);
    }
    let day = zone.day_of(world.now);
    world.events.sort_by_key(|event| event["ts"].to_string());
    let line = |(number, event): (usize, &Value)| {
        let (user, name, time) = (&event["user_id"], &event["event"], &event["ts"]);
        let id = format!("{day}-{number:04}");
        let row = json!({ "event_id": id, "user_id": user, "event": name, "time": time, "properties": event["properties"] });
        format!("{row}\n")
    };
    let lines: String = world.events.iter().enumerate().map(line).collect();
    Ok(fs::write(path, lines)?)
}

impl<'a> World<'a> {
    fn new(seed: u64, now: Timestamp, zone: &'a Zone) -> World<'a> {
        World {
            random: Rng::with_seed(seed),
            zone,
            now,
            users: vec![],
            relations: vec!["relation_id,user_id,staff,added_at,code".into()],
            events: vec![],
            orders: vec!["order_id,user_id,ts,amount,category,status".into()],
            high_value: vec!["user_id".into()],
            blacklist: vec!["user_id".into()],
        }
    }
}

impl World<'_> {
    fn pick<'t, T>(&mut self, from: &'t [T]) -> &'t T {
        &from[self.random.usize(..from.len())]
    }

    /// Happens in `percent` of 100 cases.
    fn chance(&mut self, percent: u32) -> bool {
        self.random.u32(..100) < percent
    }

    fn customer(&mut self, number: usize) {
        let user = format!("wm{number:05}");
        let registered = self.now.plus(-self.random.i64(0..DAYS * 4) * DAY_MS - self.random.i64(0..DAY_MS));
        let row = description(self, &user, registered);
        self.users.push(row);
        if self.chance(80) {
            self.relation(&user, registered);
        }
        let active_days = self.random.u32(0..8);
        for _ in 0..active_days {
            let begin = self.now.plus(-self.random.i64(0..DAYS) * DAY_MS - self.random.i64(0..DAY_MS / 2));
            self.visit(&user, begin.max(registered));
        }
        if self.chance(3) {
            self.blacklist.push(user.clone());
        }
        if self.chance(15) {
            self.high_value.push(user);
        }
    }

    fn relation(&mut self, user: &str, registered: Timestamp) {
        let (staff, code) = (*self.pick(STAFF), *self.pick(CODES));
        let added = self.zone.text(registered.plus(self.random.i64(0..DAY_MS)).min(self.now));
        let number = self.relations.len();
        self.relations.push(format!("r{number:05},{user},{staff},{added},{code}"));
    }

    /// One visit: looks at a page, perhaps shares it, perhaps fills the cart and pays.
    fn visit(&mut self, user: &str, mut at: Timestamp) {
        let page = *self.pick(PAGES);
        self.event(user, "miniprogram_view", at, json!({ "page": page }));
        at = self.later(at);
        if self.chance(25) {
            self.event(user, "miniprogram_share", at, json!({ "page": page }));
        }
        if self.chance(55) {
            at = self.later(at);
            let category = *self.pick(CATEGORIES);
            self.event(user, "add_to_cart", at, json!({ "item_category": category }));
            if self.chance(60) {
                let paid_at = self.later(at);
                self.order(user, paid_at, category);
            }
        }
    }

    fn order(&mut self, user: &str, at: Timestamp, category: &str) {
        let amount = self.random.u32(900..60_000) as f64 / 100.0;
        let number = self.orders.len();
        let order = format!("o{number:06}");
        let platform = *self.pick(&["ios", "android", "mini"]);
        let status = if self.chance(92) { "paid" } else { "refunded" };
        self.event(user, "pay", at, json!({ "amount": amount, "platform": platform, "order_id": order }));
        self.orders.push(format!("{order},{user},{},{amount},{category},{status}", self.zone.text(at)));
    }

    fn later(&mut self, at: Timestamp) -> Timestamp {
        at.plus(self.random.i64(5_000..900_000)).min(self.now)
    }

    fn event(&mut self, user: &str, event: &str, at: Timestamp, properties: Value) {
        let id = format!("e{:06}", self.events.len());
        let ts = self.zone.text(at);
        self.events.push(
            json!({ "event_id": id, "user_id": user, "event": event, "ts": ts, "properties": properties }),
        );
    }

    fn save(&self, folder: &Path) -> Outcome<()> {
        fs::create_dir_all(folder.join("crowds"))?;
        let ndjson = |rows: &[Value]| rows.iter().map(|row| format!("{row}\n")).collect::<String>();
        let csv = |rows: &[String]| format!("{}\n", rows.join("\n"));
        fs::write(folder.join("catalog.toml"), CATALOG)?;
        fs::write(folder.join("users.ndjson"), ndjson(&self.users))?;
        fs::write(folder.join("events.ndjson"), ndjson(&self.events))?;
        fs::write(folder.join("relations.csv"), csv(&self.relations))?;
        fs::write(folder.join("orders.csv"), csv(&self.orders))?;
        fs::write(folder.join("crowds/高价值.csv"), csv(&self.high_value))?;
        fs::write(folder.join("crowds/黑名单.csv"), csv(&self.blacklist))?;
        Ok(())
    }
}

/// The attributes of one customer; some are unknown, as in life.
fn description(world: &mut World, user: &str, registered: Timestamp) -> Value {
    let (province, city) = *world.pick(CITIES);
    let name = format!("{}{}", world.pick(FAMILY), world.pick(GIVEN));
    let gender = if world.chance(62) { "女" } else { "男" };
    let mut row = json!({
        "user_id": user, "name": name, "province": province, "city": city,
        "vip_level": world.random.u32(0..5), "register_time": world.zone.text(registered),
    });
    if world.chance(92) {
        row["gender"] = json!(gender);
    }
    if world.chance(85) {
        row["age"] = json!(world.random.u32(16..70));
    }
    let likes: Vec<&str> = INTERESTS.iter().copied().filter(|_| world.chance(30)).collect();
    if !likes.is_empty() {
        row["interests"] = json!(likes);
    }
    row
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_files() {
        let zone = Zone::default();
        let now = Timestamp(1_774_832_400_000);
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (folder.path().join("a"), folder.path().join("b"));
        write(&a, 7, now, &zone).unwrap();
        write(&b, 7, now, &zone).unwrap();
        for file in ["users.ndjson", "events.ndjson", "orders.csv", "relations.csv", "crowds/高价值.csv"] {
            let read = |folder: &Path| fs::read(folder.join(file)).unwrap();
            assert!(!read(&a).is_empty());
            assert_eq!(read(&a), read(&b), "{file}");
        }
    }
}
