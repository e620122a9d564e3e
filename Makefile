# quanke: what there is to run. A fresh machine needs git, a C toolchain, Python 3 and Rust (with cargo).
#
# `make test` leaves nothing out. Its order: what needs no build, then clippy and doc, which read the
# dependencies without making code of them (2 CPU minutes, shared by both), then the tests, for which code
# is made. Nothing is done twice, and `make demo` shares the code, since there is one profile.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

CARGO ?= cargo
PYTHON ?= python3
TARGET := $(or $(CARGO_TARGET_DIR),target)
# Where the made-up worlds and the figures about them lie.
WORLDS ?= $(TARGET)/worlds
VENV := .venv/bin/python
# a file of our own: the venv's python is a link to the machine's
PEERS := .venv/ready
GEN := $(VENV) benches/peers/gen.py --days 90 --seed 42

.NOTPARALLEL:
.PHONY: help build release demo test soak fmt lint doc unit tiny packages bench instructions peers world-s world-m measure-s measure-m rust fuzz

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

rust:
	@command -v $(CARGO) >/dev/null || { echo "make: cargo was not found; install Rust from https://rustup.rs and open a new shell" >&2; exit 3; }

build: rust ## the program, with the profile of daily work
	$(CARGO) build --locked

release: rust ## the program at full speed: target/release/quanke
	$(CARGO) build --locked --release

demo: rust ## a small, lively home from nothing, and the main job on it (built without `quanke sql`)
	$(CARGO) run --locked --no-default-features -- demo

test: fmt lint doc unit tiny ## everything that must hold

fmt: rust
	@$(CARGO) fmt --version >/dev/null 2>&1 || rustup component add rustfmt
	$(CARGO) fmt --check

lint: rust
	@$(CARGO) clippy --version >/dev/null 2>&1 || rustup component add clippy
	$(CARGO) clippy --locked --all-targets -- -D warnings
	$(CARGO) clippy --locked --no-default-features -- -D warnings
	$(PYTHON) -c 'import ast, glob; [ast.parse(open(f).read(), f) for d in ("benches/peers", "tests/packages") for f in glob.glob(d + "/**/*.py", recursive=True)]'

doc: rust
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --no-deps

# the house and the dependencies are among these: tests/house.rs
unit: rust
	$(CARGO) test --locked

# the real binary on data/worlds/tiny, against the answers that two other engines gave
tiny: build
	QUANKE_BIN="$(TARGET)/debug/quanke" $(PYTHON) benches/peers/answers.py --data data/worlds --size tiny \
		--work "$(TARGET)/tiny" --load --engine quanke --against data/worlds/tiny/answers.json >/dev/null

packages: build peers ## bitmaps to and from the real ClickHouse and CRoaring, both ways
	$(VENV) tests/packages/clickhouse.py --quanke "$(TARGET)/debug/quanke"

# `make test` asks 170 random worlds 600 questions each, always the same ones; this asks SOAK of them, other
# ones each time. The first seed is shown, and a failure names its case: PROPTEST_RNG_SEED=case PROPTEST_CASES=1.
SOAK ?= 2000
# `make test` kills the server 15 times; this does so KILLS times.
KILLS ?= 1000
soak: rust ## the random worlds again, for as long as SOAK=2000 worlds take; the server killed KILLS=1000 times
	seed=$$(date +%s); echo "PROPTEST_RNG_SEED=$$seed"; \
	PROPTEST_RNG_SEED=$$seed PROPTEST_CASES=$(SOAK) $(CARGO) test --locked --test worlds
	QUANKE_KILLS=$(KILLS) $(CARGO) test --locked --test binary kill_9_at_any_moment

# tests/bytes.rs gives the same entry points random and changed bytes in `make test`; this searches longer.
# What it finds lies in fuzz/artifacts; inputs that led somewhere new stay in fuzz/corpus.
FUZZ_SECONDS ?= 60
FUZZ_TARGETS ?= selection json_twin csv ndjson parquet arrow packed package container
fuzz: rust ## every reader of bytes from outside, FUZZ_SECONDS=60 each (cargo-fuzz, nightly)
	@$(CARGO) fuzz --version >/dev/null 2>&1 || { echo "make: cargo-fuzz was not found; get it by: cargo install cargo-fuzz" >&2; exit 3; }
	@$(CARGO) +nightly --version >/dev/null 2>&1 || { echo "make: nightly Rust was not found; get it by: rustup toolchain install nightly --profile minimal" >&2; exit 3; }
	$(CARGO) run --quiet --manifest-path fuzz/Cargo.toml --example seeds
	for target in $(FUZZ_TARGETS); do \
		$(CARGO) +nightly fuzz run "$$target" -- -max_total_time=$(FUZZ_SECONDS) -timeout=20 -rss_limit_mb=4096; \
	done

bench: rust ## one question per bench, with criterion
	$(CARGO) bench --locked

instructions: release ## instructions per evaluation under valgrind: a figure that a busy machine does not move
	@command -v valgrind >/dev/null || { echo "make: valgrind was not found; install it from your system's packages" >&2; exit 3; }
	QUANKE_BIN="$(TARGET)/release/quanke" $(PYTHON) benches/peers/instructions.py --raw data/worlds/tiny --home "$(TARGET)/instructions"

peers: $(PEERS) ## the Python side of benches/peers, in .venv

$(PEERS): benches/peers/requirements.txt
	$(PYTHON) -m venv .venv
	$(VENV) -m pip install --quiet --requirement $<
	touch $@

world-s: $(WORLDS)/S/meta.json ## 100,000 users, 2,000,000 events

world-m: $(WORLDS)/M/meta.json ## 1,000,000 users, 50,000,000 events (two minutes, half a GB)

# meta.json is the last file that gen.py writes, so a world that broke off is made again
$(WORLDS)/S/meta.json: | $(PEERS)
	$(GEN) --users 100000 --events 2000000 --out $(WORLDS)/S

$(WORLDS)/M/meta.json: | $(PEERS)
	$(GEN) --users 1000000 --events 50000000 --out $(WORLDS)/M

measure-s: world-s release peers ## quanke beside DuckDB and ClickHouse on world S
	QUANKE_BIN="$(TARGET)/release/quanke" $(VENV) benches/peers/run.py --data $(WORLDS) --size S --engine duckdb,clickhouse,quanke

# clickhouse-bitmap reads the store of clickhouse, so it comes after it
measure-m: world-m release peers ## quanke beside all that a team could pick instead, on world M
	QUANKE_BIN="$(TARGET)/release/quanke" $(VENV) benches/peers/run.py --data $(WORLDS) --size M \
		--engine duckdb,clickhouse,clickhouse-bitmap,polars,polars-mem,limit,quanke
