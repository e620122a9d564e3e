#!/usr/bin/env python3
"""The stream of user events on which trigger rules have known answers, as files that quanke reads.

    python benches/peers/stream.py --events 1000000 --users 100000 --grain 60000 \
        --live live.ndjson --flat flat.ndjson --arrow stream.arrows

Twenty kinds of events over six hours, in the order of arrival. Kind 0 is A (one in ten); half of the A's are
followed by a kind 1 (B) of the same user within 40 minutes; one event in twenty comes up to a minute late.
Every value is a hash of (seed, column, row), so the same arguments give the same events anywhere; it is the
stream of tests/triggers/stream.rs. `--grain 60000` puts times on whole minutes, where equal times and exact
deadlines are common: "A, then no B within 20 minutes", each A its own window, then fires 59,910 times.

  --live F    NDJSON for `quanke run --events F`, with arrived_at
  --flat F    the same events for `quanke ingest events F`
  --arrow F   an Arrow stream with columns event_id, user, kind, amount, ts, arrival (needs pyarrow), for
              `quanke run --events F --map user=user_id --map kind=event --map ts=time --map arrival=arrived_at`

Without --arrow it needs Python alone; a million events take a minute.
"""
import argparse
import itertools
import json

START = 1_700_000_000_000
SPAN_MS = 6 * 3_600_000
WEIGHTS = [100, 40, 90, 90, 80, 80, 70, 70, 60, 60, 50, 40, 40, 30, 30, 20, 20, 10, 10, 10]
WORD = (1 << 64) - 1


def finalised(x):
    """The finaliser of splitmix64."""
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & WORD
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & WORD
    return x ^ (x >> 31)


class Dice:
    """Whole numbers that depend on seed, column and row alone."""

    def __init__(self, seed):
        self.bases = [finalised((seed * 1_000_003 + column) & WORD) for column in range(16)]

    def below(self, column, row, n):
        bits = finalised((self.bases[column] + (row + 1) * 0x9E3779B97F4A7C15) & WORD)
        return ((bits >> 32) * n) >> 32


def kinds():
    """The kind of each place among a thousand."""
    return [kind for kind, weight in enumerate(WEIGHTS) for _ in range(weight)]


def drawn(dice, events, users):
    """Rows (id, user, kind, amount, time), then the B's that follow A's."""
    kind_at = kinds()
    for row in range(events):
        is_hot = dice.below(1, row, 1000) < 200
        user = dice.below(3, row, max(1, users // 100)) if is_hot else dice.below(2, row, users)
        kind = kind_at[dice.below(4, row, 1000)]
        yield row, user, kind, dice.below(5, row, 100_000), START + row * SPAN_MS // events


def stream(events, users, seed, grain):
    """Events in the order of arrival: (id, user, kind, amount, time, arrival)."""
    dice = Dice(seed)
    rows = list(drawn(dice, events, users))
    next_id = itertools.count(events)
    follows = [
        (next(next_id), user, 1, dice.below(8, row, 100_000), time + 1 + dice.below(7, row, 40 * 60_000))
        for row, user, kind, _, time in rows
        if kind == 0 and dice.below(6, row, 1000) < 500
    ]
    found = []
    for event_id, user, kind, amount, time in itertools.chain(rows, follows):
        time = START + (time - START) // grain * grain
        delay = 1 + dice.below(10, event_id, 60_000) if dice.below(9, event_id, 1000) < 50 else 0
        found.append((time + delay, event_id, user, kind, amount, time))
    found.sort(key=lambda row: row[:2])
    for arrival, event_id, user, kind, amount, time in found[:events]:
        # External ids are scattered over 64 bits, as real ones are.
        yield event_id, finalised(user + 1), kind, amount, time, arrival


def live(event):
    event_id, user, kind, amount, time, arrival = event
    return {"event_id": str(event_id), "user_id": str(user), "event": str(kind), "time": time,
            "properties": {"amount": amount}, "arrived_at": arrival}


def flat(event):
    event_id, user, kind, amount, time, _ = event
    return {"event_id": str(event_id), "user_id": str(user), "event": str(kind), "ts": time, "amount": amount}


def write_lines(path, events, form):
    with open(path, "w", encoding="utf-8") as file:
        for event in events:
            file.write(json.dumps(form(event), separators=(",", ":")) + "\n")


def write_arrow(path, events):
    import pyarrow as pa

    types = [("event_id", pa.uint64()), ("user", pa.uint64()), ("kind", pa.uint16()), ("amount", pa.int32()),
             ("ts", pa.int64()), ("arrival", pa.int64())]
    columns = [pa.array(column, type_) for column, (_, type_) in zip(zip(*events), types)]
    table = pa.table(columns, schema=pa.schema(types))
    with pa.OSFile(path, "wb") as file, pa.ipc.new_stream(file, table.schema) as out:
        out.write_table(table, max_chunksize=65_536)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--users", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--grain", type=int, default=1, help="times are multiples of this, in milliseconds")
    parser.add_argument("--live")
    parser.add_argument("--flat")
    parser.add_argument("--arrow")
    asked = parser.parse_args()
    events = list(stream(asked.events, asked.users, asked.seed, asked.grain))
    for path, form in [(asked.live, live), (asked.flat, flat)]:
        if path:
            write_lines(path, events, form)
    if asked.arrow:
        write_arrow(asked.arrow, events)
    print(f"events={len(events)} A={sum(e[2] == 0 for e in events)} B={sum(e[2] == 1 for e in events)}")


if __name__ == "__main__":
    main()
