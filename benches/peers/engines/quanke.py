"""quanke itself, through its real binary: the world is loaded by the four ingest commands and every
query is the selection in queries/, asked with `estimate --repeat` (count), `select --repeat` (id set: the
time until the users are in a bitmap) or, for Q13, `profile --repeat`.  Nothing is taken from an earlier run's
result: `--no-cache`.

The binary is named by QUANKE_BIN (left out: the release build).  The milliseconds are the engine's
own (`runs_ms`); how long its threads waited for a core is read from outside while it runs, once for
all runs of a process, because nobody outside can tell one run from the next.  So the peers' times are
shortened by what other processes took from them, and quanke's are not.
"""
import json
import os
import resource
import shutil
import subprocess
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.normpath(os.path.join(HERE, "..", "..", ".."))
SELECTIONS = os.path.join(ROOT, "queries")
# instants in the files have no zone, so they are read in the default one: so is this
AS_OF = "2025-04-01T00:00:00+08:00"
REPEAT = 40
FILES = {"Q1": "Q01", "Q2a": "Q02a", "Q2b": "Q02b", "Q3": "Q03", "Q4": "Q04", "Q5": "Q05",
         "Q6": "Q06", "Q7": "Q07", "Q8": "Q08", "Q9": "Q09", "Q10": "Q10", "Q11": "Q11", "Q12": "Q12", "Q13": "Q10",
         "Q14": "Q14", "Q15": "Q15"}
PROFILE = ["gender", "province", "phone_brand", "vip_level"]


def binary():
    path = os.path.abspath(os.environ.get("QUANKE_BIN") or os.path.join(ROOT, "target", "release", "quanke"))
    if not os.path.exists(path):
        raise SystemExit(f"no quanke at {path}: run `cargo build --release`, or set QUANKE_BIN")
    return path


def selection_file(query):
    return os.path.join(SELECTIONS, FILES[query] + ".sel")


def load_commands(raw):
    """The words that bring a raw world into a home; `meta.json` says nothing that we need."""
    yield ["ingest", "users", f"{raw}/users.parquet", "--key", "user_id"]
    yield ["ingest", "events", events_path(raw), "--user", "user_id", "--event", "event", "--time", "ts"]
    yield ["ingest", "detail", "orders", f"{raw}/orders.parquet", "--user", "user_id",
           "--key", "order_id", "--time", "ts"]
    for name in sorted(os.listdir(f"{raw}/crowds")):
        yield ["crowd", "import", name.removesuffix(".csv"), f"{raw}/crowds/{name}"]


def events_path(raw):
    """One folder per day as gen.py writes it, or the single file of data/worlds/tiny."""
    folder = f"{raw}/events"
    return folder if os.path.isdir(folder) else f"{raw}/events.parquet"


def load(raw, work):
    """Raw files -> a home in `work`; returns the peak memory of the hungriest command, in bytes.
    The folder gets its name at the end, so a load that broke off is never taken for a store."""
    part = work + ".part"
    shutil.rmtree(part, ignore_errors=True)
    for words in load_commands(raw):
        run([*words, "--home", part, "--now", AS_OF])
    shutil.rmtree(work, ignore_errors=True)
    os.rename(part, work)
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024


def run(words):
    done = subprocess.run([binary(), *words], stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise SystemExit(f"`quanke {' '.join(words)}` ended with exit code {done.returncode}")
    return done.stdout


class Meter(threading.Thread):
    """Adds up how long the threads of a process ran and how long they waited for a core."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.folder, self.seen, self.over = f"/proc/{pid}/task", {}, threading.Event()

    def run(self):
        while not self.over.wait(0.02):
            self.look()

    def look(self):
        try:
            for task in os.listdir(self.folder):
                with open(f"{self.folder}/{task}/schedstat") as f:
                    ran, waited = f.read().split()[:2]
                self.seen[task] = (int(ran) / 1e9, int(waited) / 1e9)
        except OSError:
            pass  # the thread or the process has ended; what was seen of it stays

    def stop(self):
        """Seconds ran, seconds waited: of all threads, ended ones too."""
        self.over.set()
        self.join()
        return tuple(sum(x[i] for x in self.seen.values()) for i in (0, 1))


class Quanke:
    def __init__(self, work):
        self.home = work

    def floor(self):
        """Nothing: `runs_ms` is taken inside the engine, no call lies around it."""

    def names(self):
        return list(FILES)

    def version(self):
        return run(["--version"]).strip()

    def words(self, query, repeat):
        """The command that gives the count of a query, or the groups of Q13."""
        command = ["profile", "--by", ",".join(PROFILE)] if query == "Q13" else ["estimate"]
        return [*command, "--no-cache", *self.asked(query, repeat)]

    def asked(self, query, repeat):
        return ["-f", selection_file(query), "--as-of", AS_OF, "--repeat", str(repeat), "--json",
                "--home", self.home]

    def ask(self, query):
        """The answer alone, once."""
        return value(json.loads(run(self.words(query, 1))))

    def measured(self, query, runs):
        """The answer and one sample per run, as common.measure gives them; the first run warms up."""
        answer, samples = measured(self.words(query, 1 + max(runs, REPEAT)))
        return value(answer), samples

    def gives_ids(self, query):
        """Whether the id set of this query can be measured; an older binary has no `select --repeat`."""
        return query != "Q13" and "--repeat" in run(["select", "--help"])

    def measured_ids(self, query, runs):
        """The same for the id set; the value is how many ids there are."""
        answer, samples = measured(["select", *self.asked(query, 1 + max(runs, REPEAT))])
        return answer["count"], samples


def measured(words):
    """Runs a command that tells `runs_ms`: its answer and one sample per run but the first."""
    began = time.perf_counter()
    child = subprocess.Popen([binary(), *words], stdout=subprocess.PIPE, text=True)
    meter = Meter(child.pid)
    meter.start()
    answer = child.communicate()[0]
    wall = time.perf_counter() - began
    ran, waited = meter.stop()
    if child.returncode:
        raise SystemExit(f"`quanke {' '.join(words)}` ended with exit code {child.returncode}")
    answer = json.loads(answer)
    return answer, [[round(ms, 4), round(waited / wall, 3), round(ms * ran / wall, 3), "whole"]
                    for ms in answer["runs_ms"][1:]]


def value(answer):
    """The count, or the groups of a profile as (column, value) -> users; who has no value is None."""
    if "by" not in answer:
        return answer["count"]
    return {(by["dimension"], group["value"]): group["count"]
            for by in answer["by"] for group in by["values"] if group["count"]}
