"""Does the real ClickHouse (chdb) read what quanke writes, and quanke what it writes? So with CRoaring.

    python tests/packages/clickhouse.py --quanke target/debug/quanke     both ways, through the command line
    python tests/packages/clickhouse.py --freeze data/packages           the bytes that `make test` reads

The sets are those of SETS: around the size at which ClickHouse changes form (32), and each kind of
container of Roaring. Needs chdb and pyroaring (benches/peers/requirements.txt).
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile

import chdb
import pyroaring

HIGH = 1 << 32
# name -> runs of (first, count, step)
SETS = {
    "none": [],
    "one": [(7, 1, 1)],
    "few": [(3, 32, 1_000_003)],
    "many": [(3, 33, 1_000_003)],
    "array": [(0, 3_000, 11)],
    "bits": [(1, 30_000, 2)],
    "runs": [(100_000, 50_000, 1), (200_001, 70_000, 1)],
}
WIDE = {
    "high_one": [(HIGH + 7, 1, 1)],
    "high_few": [(5, 16, 1), (HIGH - 8, 16, 1)],
    "high_many": [(5, 100, 3), (HIGH - 8, 16, 1), (9 * HIGH, 40, 100_000), ((1 << 63) - 2, 1, 1)],
}


def numbers(runs):
    return [first + i * step for first, count, step in runs for i in range(count)]


def cases():
    """(set, its numbers, bits)"""
    for name, runs in SETS.items():
        yield name, runs, 32
        yield name, runs, 64
    for name, runs in WIDE.items():
        yield name, runs, 64


def ask(sql, form="TSV"):
    return chdb.query(sql, form).bytes()


def values(found, bits):
    """Rows of numbers for a from-clause, made by ClickHouse itself so that queries stay short."""
    parts = [f"select toUInt{bits}({first} + number * {step}) as n from numbers({count})" for first, count, step in found]
    return " union all ".join(parts) or f"select toUInt{bits}(0) as n from numbers(0)"


def state(runs, bits):
    """The bytes of groupBitmapState as ClickHouse writes them."""
    return ask(f"select groupBitmapState(n) from ({values(runs, bits)})", "RowBinary")


def read_state(path, bits):
    """The numbers that ClickHouse finds in a file of one state."""
    kind = f"AggregateFunction(groupBitmap, UInt{bits})"
    text = ask(f"select arrayStringConcat(arraySort(bitmapToArray(s)), ',') from file('{path}', RowBinary, 's {kind}')")
    return [int(word) for word in text.decode().strip().split(",") if word]


def read_hex(text, bits):
    kind = f"AggregateFunction(groupBitmap, UInt{bits})"
    return int(ask(f"select bitmapCardinality(cast(unhex('{text}'), '{kind}'))"))


def roaring(found, bits):
    """The bytes of CRoaring, with runs where they are smaller."""
    bitmap = (pyroaring.BitMap if bits == 32 else pyroaring.BitMap64)(found)
    bitmap.run_optimize()
    return bitmap.serialize()


def read_roaring(data, bits):
    return sorted((pyroaring.BitMap if bits == 32 else pyroaring.BitMap64).deserialize(data))


def freeze(folder):
    version = ask("select version()").decode().strip()
    listed = []

    def keep(name, form, encoding, by, data, runs):
        with open(os.path.join(folder, name), "wb") as out:
            out.write(data)
        listed.append({"file": name, "form": form, "encoding": encoding, "by": by, "runs": runs})

    for name, runs, bits in cases():
        by = f"ClickHouse {version}"
        keep(f"{name}.clickhouse{bits}", f"clickhouse{bits}", "raw", by, state(runs, bits), runs)
        by = f"CRoaring {pyroaring.__croaring_version__}"
        form = "roaring" if bits == 32 else "roaring64"
        keep(f"{name}.{form}", form, "raw", by, roaring(numbers(runs), bits), runs)
    for name in ("few", "many"):
        text = ask(f"select hex(groupBitmapState(n)) from ({values(SETS[name], 32)})")
        keep(f"{name}.clickhouse32.hex", "clickhouse32", "hex", f"ClickHouse {version}", text, SETS[name])
        text = ask(f"select bitmapToArray(groupBitmapState(n)) from ({values(SETS[name], 32)})")
        keep(f"{name}.numbers", "numbers", "raw", f"ClickHouse {version}", text, SETS[name])
    with open(os.path.join(folder, "index.json"), "w") as out:
        out.write("[\n" + ",\n".join("  " + json.dumps(one) for one in listed) + "\n]\n")
    print(f"{len(listed)} files in {folder}")


class Quanke:
    """A home in which the user `u<n>` has the number n as `uid`, with a few who are in no set."""

    def __init__(self, program, folder):
        self.program, self.folder = program, folder
        every = sorted({n for runs in [*SETS.values(), *WIDE.values()] for n in numbers(runs)})
        spare = [n for n in (1, 2, 8 * HIGH) if n not in every]
        users = self.path("users.csv")
        with open(users, "w") as out:
            out.write("user_id,uid\n")
            out.writelines(f"u{n},{n}\n" for n in every + spare)
        self.say("ingest", "users", users)

    def path(self, name):
        return os.path.join(self.folder, name)

    def say(self, *words):
        done = subprocess.run([self.program, *words, "--home", self.path("home"), "--json"], capture_output=True)
        if done.returncode != 0:
            sys.exit(f"{' '.join(words)}\n{done.stdout.decode()}{done.stderr.decode()}")
        return done.stdout.decode()

    def put(self, crowd, path, *more):
        """Imports a bitmap; every number must be known."""
        made = json.loads(self.say("crowd", "import", crowd, path, "--number-column", "uid", *more))
        assert (made["unknown"], made["shared"], made["duplicates"]) == (0, 0, 0), made
        return made["known"]

    def take(self, crowd, name, *more):
        """Exports a crowd's numbers to a file."""
        path = self.path(name)
        self.say("crowd", "export", crowd, "--out", path, "--number-column", "uid", *more)
        return path

    def members(self, crowd):
        rows = self.say("crowd", "export", crowd).splitlines()
        return sorted(int(json.loads(row)["user_id"][1:]) for row in rows)


def same(what, found, expected):
    if found != expected:
        sys.exit(f"{what}: {len(found)} numbers, not {len(expected)}")


def check(program):
    with tempfile.TemporaryDirectory() as folder:
        quanke = Quanke(program, folder)
        count = 0
        for name, runs, bits in cases():
            expected = sorted(numbers(runs))
            crowd = f"{name} {bits}"
            for writer, form in ((state, f"clickhouse{bits}"), (roaring, "roaring" if bits == 32 else "roaring64")):
                path = quanke.path(f"in.{form}")
                with open(path, "wb") as out:
                    out.write(writer(runs if writer is state else expected, bits))
                assert quanke.put(crowd, path) == len(expected), (crowd, form)
                same(f"{crowd} from {form}", quanke.members(crowd), expected)
                count += 1
            path = quanke.take(crowd, f"out.clickhouse{bits}")
            same(f"{crowd} in ClickHouse", read_state(path, bits), expected)
            with open(quanke.take(crowd, f"out.clickhouse{bits}.hex")) as text:
                assert read_hex(text.read().strip(), bits) == len(expected), crowd
            form = "roaring" if bits == 32 else "roaring64"
            with open(quanke.take(crowd, f"out.{form}"), "rb") as data:
                same(f"{crowd} in CRoaring", read_roaring(data.read(), bits), expected)
            for form in ("doris", "doris.base64", "doris.hex", "numbers"):
                path = quanke.take(crowd, f"out.{form}")
                assert quanke.put(crowd, path) == len(expected), (crowd, form)
                same(f"{crowd} through {form}", quanke.members(crowd), expected)
            count += 7
        version = ask("select version()").decode().strip()
        print(f"ClickHouse {version} and CRoaring agree with quanke: {count} packages")


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--quanke", metavar="PROGRAM", help="check both ways with this binary")
    options.add_argument("--freeze", metavar="FOLDER", help="write the bytes that the tests read")
    args = options.parse_args()
    if args.freeze:
        freeze(args.freeze)
    if args.quanke:
        check(args.quanke)
    if not (args.freeze or args.quanke):
        options.error("say --quanke or --freeze")


if __name__ == "__main__":
    main()
