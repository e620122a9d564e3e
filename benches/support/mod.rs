//! The world of the benches: one million customers with six tags, four million events of three
//! kinds over thirty days, half a million orders, two crowds; from a seed, loaded through the sync
//! jobs once per build folder.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{
    ArrayRef, Float64Array, Int64Array, ListBuilder, RecordBatch, StringArray, StringBuilder,
    TimestampMillisecondArray,
};
use fastrand::Rng;
use parquet::arrow::ArrowWriter;
use quanke::base::{Environment, Quiet, Timestamp, Zone};
use quanke::ingest::{self, Request, Shape};
use quanke::select::{Plan, Scope, Selection};
use quanke::store::{Home, Limits, Mode, Snapshot};
use roaring::RoaringBitmap;

pub const USERS: usize = 1_000_000;
const EVENTS_A_DAY: usize = 133_000;
const DAYS: i64 = 30;
const ORDERS: usize = 500_000;
const DAY_MS: i64 = 86_400_000;
const SEED: u64 = 42;

/// Midnight after the last day of the world, in Asia/Shanghai.
pub const AS_OF: Timestamp = Timestamp(1_743_436_800_000);

/// A loaded world.
pub struct World {
    pub snapshot: Snapshot,
    pub crowds: BTreeMap<String, Arc<RoaringBitmap>>,
}

impl World {
    /// Opens the world, making it first if this build folder has none.
    pub fn open() -> World {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/bench-world");
        let home = Home::at(&folder.join("home"), "default").unwrap();
        if !folder.join("ready").exists() {
            let _ = fs::remove_dir_all(&folder);
            fs::create_dir_all(&folder).unwrap();
            make(&folder);
            load(&home, &folder);
            fs::write(folder.join("ready"), "").unwrap();
        }
        let crowd = |step: usize| Arc::new((0..USERS as u32).step_by(step).collect::<RoaringBitmap>());
        let crowds = [("高价值".to_string(), crowd(7)), ("黑名单".to_string(), crowd(50))].into();
        World { snapshot: home.snapshot().unwrap(), crowds }
    }

    /// The plan of a selection, as `estimate` makes it.
    pub fn plan(&self, text: &str) -> Plan {
        let names: Vec<String> = self.crowds.keys().cloned().collect();
        let selection: Selection = text.parse().unwrap();
        let bound = selection.bind(&Scope { snapshot: &self.snapshot, crowds: &names }).unwrap();
        bound.plan(&self.snapshot, &self.crowds, AS_OF).unwrap()
    }
}

fn make(folder: &Path) {
    let mut random = Rng::with_seed(SEED);
    let ids: Vec<String> = (0..USERS).map(|n| format!("wm{n:08}")).collect();
    write(folder.join("users.parquet"), users(&ids, &mut random));
    for day in 0..DAYS {
        write(folder.join(format!("events-{day:02}.parquet")), events(&ids, day, &mut random));
    }
    write(folder.join("orders.parquet"), orders(&ids, &mut random));
}

fn write(path: PathBuf, columns: Vec<(&str, ArrayRef)>) {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

fn texts(values: impl Iterator<Item = String>) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(values))
}

fn users(ids: &[String], random: &mut Rng) -> Vec<(&'static str, ArrayRef)> {
    let mut likes = ListBuilder::new(StringBuilder::new());
    for _ in ids {
        (0..30)
            .filter(|_| random.u8(..) < 26)
            .for_each(|like| likes.values().append_value(format!("兴趣{like}")));
        likes.append(true);
    }
    vec![
        ("user_id", texts(ids.iter().cloned())),
        ("gender", texts(ids.iter().map(|_| if random.bool() { "女" } else { "男" }.to_string()))),
        ("city", texts(ids.iter().map(|_| format!("城市{}", random.u32(..300))))),
        ("age", Arc::new(Int64Array::from_iter_values(ids.iter().map(|_| random.i64(16..80))))),
        (
            "balance",
            Arc::new(Float64Array::from_iter_values(
                ids.iter().map(|_| random.u32(..1_000_000) as f64 / 100.0),
            )),
        ),
        ("name", texts(ids.iter().map(|id| format!("客户{}", &id[4..])))),
        ("likes", Arc::new(likes.finish())),
    ]
}

fn events(ids: &[String], day: i64, random: &mut Rng) -> Vec<(&'static str, ArrayRef)> {
    let begin = AS_OF.0 - (DAYS - day) * DAY_MS;
    let rows = 0..EVENTS_A_DAY;
    let user = |random: &mut Rng| ids[random.usize(..USERS)].clone();
    vec![
        ("user_id", texts(rows.clone().map(|_| user(random)))),
        ("event", texts(rows.clone().map(|_| ["view", "add_to_cart", "pay"][random.usize(..3)].to_string()))),
        (
            "ts",
            Arc::new(
                TimestampMillisecondArray::from_iter_values(
                    rows.clone().map(|_| begin + random.i64(0..DAY_MS)),
                )
                .with_timezone("UTC"),
            ),
        ),
        (
            "amount",
            Arc::new(Float64Array::from_iter_values(
                rows.clone().map(|_| random.u32(..50_000) as f64 / 100.0),
            )),
        ),
        ("platform", texts(rows.map(|_| ["ios", "android", "mini"][random.usize(..3)].to_string()))),
    ]
}

fn orders(ids: &[String], random: &mut Rng) -> Vec<(&'static str, ArrayRef)> {
    let rows = 0..ORDERS;
    vec![
        ("order_id", texts(rows.clone().map(|n| format!("o{n}")))),
        ("user_id", texts(rows.clone().map(|_| ids[random.usize(..USERS)].clone()))),
        (
            "amount",
            Arc::new(Float64Array::from_iter_values(
                rows.clone().map(|_| random.u32(..50_000) as f64 / 100.0),
            )),
        ),
        ("status", texts(rows.map(|_| ["paid", "refunded"][random.usize(..2)].to_string()))),
    ]
}

fn load(home: &Home, folder: &Path) {
    let environment = Environment { now: AS_OF, seed: SEED, process: "a bench".into() };
    let mut writer = home.writer(&environment, Zone::default()).unwrap();
    let (limits, pace) = (Limits::default(), Quiet);
    let open = |pattern: &str, shape: Shape| {
        let request = Request {
            paths: vec![folder.join(pattern).display().to_string()],
            format: None,
            shape,
            zone: Zone::default(),
            types: BTreeMap::new(),
            rejects: folder.join("rejects"),
            is_id_asked: false,
        };
        ingest::open(&request, None, &Quiet).unwrap()
    };
    let user = || "user_id".to_string();
    let mut source = open("users.parquet", Shape::Users { key: user() });
    let columns = source.columns().to_vec();
    writer.users(&mut source, Mode::Upsert, &columns, &limits, &pace).unwrap();
    let mut source = open(
        "events-*.parquet",
        Shape::Events { user: user(), event: "event".into(), time: "ts".into(), id: None },
    );
    let columns = source.columns().to_vec();
    writer.events(&mut source, &columns, &limits, &pace).unwrap();
    let mut source =
        open("orders.parquet", Shape::Detail { user: user(), key: "order_id".into(), time: None });
    let columns = source.columns().to_vec();
    writer.detail("orders", "order_id", None, &mut source, &columns, &limits, &pace).unwrap();
    writer.publish().unwrap();
}
