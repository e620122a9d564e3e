#!/usr/bin/env python3
"""How many instructions does one evaluation take?

    python instructions.py --raw data/worlds/tiny --home DIR [--queries Q1,Q10]

Each query is asked by `estimate --repeat 1` and `--repeat 11` under valgrind, in one thread; a tenth of the
difference is one warm evaluation, without opening the home and reading columns in.  The figure is the same on
a busy machine, so two builds can be compared by it where times are noise.  Valgrind knows no AVX-512: what is
counted is the AVX2 path, or the plain one where the build has none.
"""
import argparse
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from engines import quanke  # noqa: E402

FEW, MANY = 1, 11
# waiting threads spin, and how long they do is chance
ONE_THREAD = {"RAYON_NUM_THREADS": "1"}


def counted(words):
    """Instructions that the command took from start to end."""
    tool = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
    done = subprocess.run([*tool, quanke.binary(), *words], env={**os.environ, **ONE_THREAD},
                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    found = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode or not found:
        raise SystemExit(f"valgrind ended with exit code {done.returncode}\n{done.stderr}")
    return int(found[1])


def per_evaluation(engine, query):
    """Instructions of a warm evaluation, and of a whole process that makes one."""
    few, many = (counted(engine.words(query, n)) for n in (FEW, MANY))
    return (many - few) // (MANY - FEW), few


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("--raw", required=True, help="a world as gen.py or tiny.py wrote it")
    ap.add_argument("--home", required=True, help="the home it is loaded into, made when it is not there")
    ap.add_argument("--queries", help="left out: all")
    a = ap.parse_args()
    if not os.path.exists(a.home):
        quanke.load(a.raw, a.home)
    engine = quanke.Quanke(a.home)
    print("| query | instructions per evaluation | of a whole process with one |\n|---|---|---|")
    for query in a.queries.split(",") if a.queries else engine.names():
        one, whole = per_evaluation(engine, query)
        print(f"| {query} | {one:,} | {whole:,} |", flush=True)


if __name__ == "__main__":
    main()
