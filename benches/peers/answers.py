#!/usr/bin/env python3
"""The right answers of a world, each query asked once; nothing is measured.

    python answers.py --data DIR --size S --engine duckdb-raw,clickhouse [--out FILE]
    python answers.py --data DIR --size S --engine quanke --against FILE

DIR/SIZE holds what gen.py wrote; stores go to WORK/SIZE (WORK left out: DIR/work, as in run.py).
Engines that do not agree with each other, or with the file, end the program with exit code 1.
Asking quanke alone needs Python and nothing else.
"""
import argparse
import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from common import QUERIES, QUESTIONS, question  # noqa: E402
from run import LOADS_ITSELF, STORE, do_open, load_store, plain  # noqa: E402


def opened(engine, raw, stores, load):
    """The engine, ready to be asked; its store is made when it is not there, or when `load` says so."""
    work = os.path.join(stores, STORE[engine]) if STORE[engine] else None
    if work and (load or not os.path.exists(work)):
        os.makedirs(stores, exist_ok=True)
        load_store(engine if engine in LOADS_ITSELF else STORE[engine], raw, work)
    return do_open(engine, raw, work)


def answers(engine, raw, stores, load):
    """Question -> count, or the groups of Q13 as [column, value, count]."""
    e = opened(engine, raw, stores, load)
    ask = e.ask if engine == "quanke" else lambda q: e.count(q)()
    return {question(engine, q): plain(ask(q)) for q in QUERIES if q in e.names()}


def everyone(engines, raw, stores, load):
    """Each engine's answers; beside the peers' those that only quanke gives, by SQL."""
    found = {e: answers(e, raw, stores, load) for e in engines}
    if engines != ["quanke"]:
        from decided import decided
        found["duckdb-raw, decided"] = decided(raw)
    return found


def differences(found):
    """Lines that name every question on which two of the sources give different answers."""
    out = []
    for q in QUESTIONS:
        said = {name: a[q] for name, a in found.items() if q in a}
        if any(v != next(iter(said.values())) for v in said.values()):
            out.append(f"{q}: " + ", ".join(f"{name} {str(v)[:60]}" for name, v in said.items()))
    return out


def written(raw, found):
    """The answers as a file: one question a line, and which world and engines they are from."""
    world = {}
    if os.path.exists(f"{raw}/meta.json"):
        with open(f"{raw}/meta.json") as f:
            world = {k: v for k, v in json.load(f).items() if k != "gen_seconds"}
    said = {q: v for a in found.values() for q, v in a.items()}
    lines = [f'    "{q}": {json.dumps(said[q], ensure_ascii=False)}' for q in QUESTIONS if q in said]
    return ('{\n  "world": ' + json.dumps(world) + ',\n  "asked": ' + json.dumps(list(found))
            + ',\n  "answers": {\n' + ",\n".join(lines) + "\n  }\n}\n")


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("--data", required=True)
    ap.add_argument("--size", required=True)
    ap.add_argument("--engine", default="duckdb-raw")
    ap.add_argument("--against", help="a file of earlier answers to compare with")
    ap.add_argument("--out", help="where the answers are written; left out: stdout")
    ap.add_argument("--work", help="where the stores lie")
    ap.add_argument("--load", action="store_true", help="load again")
    a = ap.parse_args()
    raw = os.path.abspath(os.path.join(a.data, a.size))
    stores = os.path.abspath(os.path.join(a.work or os.path.join(a.data, "work"), a.size))
    found = everyone(a.engine.split(","), raw, stores, a.load)
    text = written(raw, found)
    if a.against:
        with open(a.against) as f:
            found[a.against] = json.load(f)["answers"]
    bad = differences(found)
    if bad:
        raise SystemExit("the answers differ\n" + "\n".join(bad))
    if a.out:
        with open(a.out, "w") as f:
            f.write(text)
    else:
        print(text, end="")


if __name__ == "__main__":
    main()
