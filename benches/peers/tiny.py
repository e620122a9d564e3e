#!/usr/bin/env python3
"""Makes data/worlds/tiny: gen.py's world for 2,000 users, with the right answers beside it.

    python tiny.py --out data/worlds/tiny

Events and orders come day by day from gen.py; here each is one table in one file, because 90 small
ones would be mostly headers.  40,000 events, so that no query's answer is nobody.
"""
import argparse
import os
import shutil
import subprocess
import sys
import tempfile

import pyarrow as pa
import pyarrow.parquet as pq

HERE = os.path.dirname(os.path.abspath(__file__))
WORLD = ["--users", "2000", "--events", "40000", "--days", "90", "--seed", "42", "--jobs", "1"]


def python(script, *words):
    subprocess.run([sys.executable, os.path.join(HERE, script), *words], check=True)


def write_whole(parts, out):
    """The tables of several Parquet files as one row group."""
    table = pa.concat_tables(pq.ParquetFile(part).read() for part in parts)
    pq.write_table(table.combine_chunks(), out, compression="zstd", compression_level=12, store_schema=False)


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("--out", required=True)
    out = ap.parse_args().out
    with tempfile.TemporaryDirectory() as data:
        raw = os.path.join(data, "tiny")
        python("gen.py", *WORLD, "--out", raw)
        os.makedirs(out, exist_ok=True)
        python("answers.py", "--data", data, "--size", "tiny", "--engine", "duckdb-raw,clickhouse",
               "--out", os.path.join(out, "answers.json"))
        shutil.copytree(os.path.join(raw, "crowds"), os.path.join(out, "crowds"), dirs_exist_ok=True)
        days = sorted(os.listdir(f"{raw}/events"))
        write_whole([f"{raw}/events/{day}/part-0.parquet" for day in days], f"{out}/events.parquet")
        for name in ("users.parquet", "orders.parquet"):
            write_whole([f"{raw}/{name}"], f"{out}/{name}")


if __name__ == "__main__":
    main()
