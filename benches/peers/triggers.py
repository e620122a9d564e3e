#!/usr/bin/env python3
"""Trigger rules beside other programs: who finds the fires of "A, then no B within 20 minutes", and at what cost?

    python triggers.py --events 1000000 [--bench BINARY] [--with 'NAME=COMMAND {events}'] [--only NAME,…]

Data model: the stream of tests/triggers/stream.rs, made here once more in numpy (every value is a hash of seed 42,
column and row): 20 kinds over 6 hours, kind 0 is A, kind 1 is B, one event in twenty up to a minute late. It is
written as Parquet for DuckDB and Polars, which answer the whole as a batch and never wait for anything, and as
records of 32 bytes (time i64, user u64, event id u64, amount i32, kind u16, 0 u16) for programs of other makers:
`--with` runs one on the file in place of {events} and again on its first 1,000 events, whose processor seconds
are taken off.  BINARY is what `cargo bench --bench triggers --no-run` made.  A peer that is not installed is left
out; a program that prints another number of fires is marked.  Times are seconds of the processor, all threads.
"""
import argparse
import os
import re
import resource
import subprocess
import sys
import tempfile
import time

import numpy as np

T0, MINUTE = 1_700_000_000_000, 60_000
SPAN, USERS = 6 * 3_600_000, 1_000_000
WEIGHTS = [100, 40, 90, 90, 80, 80, 70, 70, 60, 60, 50, 40, 40, 30, 30, 20, 20, 10, 10, 10]
RECORD = np.dtype([("ts", "<i8"), ("user", "<u8"), ("id", "<u8"), ("amount", "<i4"), ("kind", "<u2"), ("zero", "<u2")])
BATCH = """
    with a as (select user_id as who, ts from '{0}' where kind = 0),
         b as (select user_id as who, ts from '{0}' where kind = 1)
    select count(*) from a asof left join b on a.who = b.who and a.ts <= b.ts
    where b.ts is null or b.ts > a.ts + 20 * 60000
"""


def mix(x):
    """The finaliser of splitmix64."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def below(column, rows, n):
    """A whole number below `n` for each row of a column."""
    base = mix(np.array([42 * 1_000_003 + column], dtype=np.uint64))
    bits = mix(base + (rows + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15))
    return ((bits >> np.uint64(32)) * np.uint64(n)) >> np.uint64(32)


def stream(events, users):
    """The events in the order of arrival."""
    rows = np.arange(events, dtype=np.uint64)
    is_hot = below(1, rows, 1000) < 200
    user = np.where(is_hot, below(3, rows, max(users // 100, 1)), below(2, rows, users))
    kind = np.searchsorted(np.cumsum(WEIGHTS), below(4, rows, 1000), side="right").astype(np.uint16)
    ts = T0 + rows.astype(np.int64) * SPAN // events
    a = rows[(kind == 0) & (below(6, rows, 1000) < 500)]
    columns = {
        "id": np.concatenate([rows, events + np.arange(len(a), dtype=np.uint64)]),
        "user": np.concatenate([user, user[a]]),
        "kind": np.concatenate([kind, np.ones(len(a), np.uint16)]),
        "amount": np.concatenate([below(5, rows, 100_000), below(8, a, 100_000)]),
        "ts": np.concatenate([ts, ts[a] + 1 + below(7, a, 40 * MINUTE).astype(np.int64)]),
    }
    late = np.where(below(9, columns["id"], 1000) < 50, 1 + below(10, columns["id"], MINUTE).astype(np.int64), 0)
    order = np.lexsort((columns["id"], columns["ts"] + late))[:events]
    out = np.zeros(events, RECORD)
    for name, values in columns.items():
        out[name] = values[order]
    return out


def spent(run):
    """What a call gave, and the seconds of the processor that it and its children took."""
    def now():
        return time.process_time() + sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])
    before = now()
    found = run()
    return found, now() - before


def by_duckdb(path):
    import duckdb
    return duckdb.sql(BATCH.format(path)).fetchall()[0][0]


def by_polars(path):
    import polars as pl
    events = pl.scan_parquet(path).sort("ts")
    a = events.filter(pl.col("kind") == 0).select("user_id", "ts")
    b = events.filter(pl.col("kind") == 1).select("user_id", "ts", next="ts")
    joined = a.join_asof(b, on="ts", by="user_id", strategy="forward", check_sortedness=False)
    open_ = pl.col("next").is_null() | (pl.col("next") > pl.col("ts") + 20 * MINUTE)
    return joined.filter(open_).select(pl.len()).collect().item()


def by_command(command, path):
    text = subprocess.run(command.replace("{events}", path), shell=True, check=True, capture_output=True, text=True)
    return int(re.findall(r"fires[= ]+(\d+)", text.stdout)[-1])


def ours(binary, events):
    """Fires and seconds of the decide core with one task, as its own bench prints them."""
    setup = {**os.environ, "QUANKE_BENCH_EVENTS": str(events), "QUANKE_BENCH_TASKS": "1", "QUANKE_BENCH_WINDOWS": "1"}
    text = subprocess.run([binary], check=True, capture_output=True, text=True, env=setup).stdout
    rate, fires = re.search(r"engine, +1 tasks +([\d.]+) M events/s, (\d+) fires", text).groups()
    return int(fires), events / float(rate) / 1e6


def write(events, folder):
    """The files of a stream: all events as Parquet and as records, and 1,000 of them as records."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    files = [os.path.join(folder, name) for name in ("all.parquet", "all.bin", "few.bin")]
    table = pa.table({"user_id": events["user"], "kind": events["kind"], "ts": events["ts"]})
    pq.write_table(table, files[0])
    events.tofile(files[1])
    events[:1000].tofile(files[2])
    return files


def runs(args, files):
    """Name -> a call that gives fires and seconds."""
    parquet, whole, few = files
    found = {name: lambda by=by: spent(lambda: by(parquet)) for name, by in
             [("DuckDB, batch", by_duckdb), ("Polars, batch", by_polars)]}
    for name, command in (words.split("=", 1) for words in args.beside):
        def both(command=command):
            fires, all_of_it = spent(lambda: by_command(command, whole))
            return fires, all_of_it - spent(lambda: by_command(command, few))[1]
        found[name] = both
    return found


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("--events", type=int, default=1_000_000)
    ap.add_argument("--bench", help="the bench `triggers`, built")
    ap.add_argument("--with", action="append", default=[], dest="beside", metavar="NAME=COMMAND")
    ap.add_argument("--only", help="names, with commas between")
    args = ap.parse_args()
    np.seterr(over="ignore")
    first = ours(args.bench, args.events) if args.bench else None
    with tempfile.TemporaryDirectory() as folder:
        all_runs = runs(args, write(stream(args.events, USERS), folder))
        if first:
            print(f"{'quanke, decide core':24} {args.events / first[1] / 1e6:9.3f} M events/CPU-s, {first[0]} fires")
        for name, run in all_runs.items():
            if args.only and name not in args.only.split(","):
                continue
            try:
                fires, seconds = run()
            except ImportError as gone:
                print(f"{name:24} not here: {gone}")
                continue
            ratio = f", ours {seconds / first[1]:.1f}x" if first else ""
            wrong = " (WRONG)" if first and fires != first[0] else ""
            print(f"{name:24} {args.events / seconds / 1e6:9.3f} M events/CPU-s, {fires} fires{wrong}{ratio}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
