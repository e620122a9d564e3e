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
.PHONY: help build release demo test fmt lint doc unit tiny bench peers world-s world-m measure-s measure-m rust

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

rust:
	@command -v $(CARGO) >/dev/null || { echo "make: cargo was not found; install Rust from https://rustup.rs and open a new shell" >&2; exit 3; }

build: rust ## the program, with the profile of daily work
	$(CARGO) build --locked

release: rust ## the program at full speed: target/release/quanke
	$(CARGO) build --locked --release

demo: build ## a small, lively home from nothing, and the main job on it
	$(CARGO) run --locked --quiet -- demo

test: fmt lint doc unit tiny ## everything that must hold

fmt: rust
	@$(CARGO) fmt --version >/dev/null 2>&1 || rustup component add rustfmt
	$(CARGO) fmt --check

lint: rust
	@$(CARGO) clippy --version >/dev/null 2>&1 || rustup component add clippy
	$(CARGO) clippy --locked --all-targets -- -D warnings
	$(CARGO) clippy --locked --no-default-features -- -D warnings
	$(PYTHON) -c 'import ast, glob; [ast.parse(open(f).read(), f) for f in glob.glob("benches/peers/**/*.py", recursive=True)]'

doc: rust
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --no-deps

# the house and the dependencies are among these: tests/house.rs
unit: rust
	$(CARGO) test --locked

# the real binary on data/worlds/tiny, against the answers that two other engines gave
tiny: build
	QUANKE_BIN="$(TARGET)/debug/quanke" $(PYTHON) benches/peers/answers.py --data data/worlds --size tiny \
		--work "$(TARGET)/tiny" --load --engine quanke --against data/worlds/tiny/answers.json >/dev/null

bench: rust ## one question per bench, with criterion
	$(CARGO) bench --locked

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

measure-m: world-m release peers ## the same on world M
	QUANKE_BIN="$(TARGET)/release/quanke" $(VENV) benches/peers/run.py --data $(WORLDS) --size M --engine duckdb,clickhouse,quanke
