# `make` lists what there is.

SHELL := /bin/bash
.DEFAULT_GOAL := help

# The port of `make run` and `make cluster`.
PORT ?= 4001
# Seconds that `make fuzz` spends on each target, and which targets.
T ?= 60
# How many schedules `make chaos` makes, and from what.
SCHEDULES ?= 500
SEED ?= 1
# What the nodes of `make chaos-cluster` share: one server, a master that sentinels watch over, or a Redis Cluster.
REDIS ?= one
# How many seeds `make simulate` runs, from SEED on.
SEEDS ?= 10000
# How long `make friday` measures, how much faster than a clock the evening goes, and with what seed (SEED).
MINUTES ?= 5
SPEED ?= 1
FUZZ ?= $(basename $(notdir $(wildcard fuzz/fuzz_targets/*.rs)))

TARGET_DIR := $(abspath $(or $(CARGO_TARGET_DIR),target))
DEBUG := $(TARGET_DIR)/debug
STAGE := @.ci/stage

.PHONY: help run cluster setup test lint binaries test-rust test-doc tidy interop playground typescript python bench append compare friday hop simulate chaos chaos-cluster jitter storm chaos-binaries attack fuzz deny docs deploy package

help: ## Lists the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## Builds the hub and starts its demo; open http://127.0.0.1:4001/ (PORT=8080 for another)
	cargo build -p foodtrack-server
	@$(DEBUG)/foodtrack-websocket demo --port $(PORT)

cluster: ## Builds the hub and starts a demo of three nodes behind nginx with a Redis; needs redis-server and nginx
	cargo build -p foodtrack-server
	@$(DEBUG)/foodtrack-websocket demo --nodes 3 --port $(PORT)

setup: ## Installs what the tests need beside Rust: Node packages, Python environments, Chromium, nginx, Redis
	@.ci/setup

test: ## Everything that must hold before a commit; stops at the first stage that fails
	$(STAGE) setup .ci/setup
	$(STAGE) lint $(MAKE) --no-print-directory lint
	$(STAGE) rust $(MAKE) --no-print-directory test-rust
	$(STAGE) doc $(MAKE) --no-print-directory test-doc
	$(STAGE) tidy $(MAKE) --no-print-directory tidy
	$(STAGE) binaries $(MAKE) --no-print-directory binaries
	$(STAGE) deploy $(MAKE) --no-print-directory deploy
	$(STAGE) attack $(DEBUG)/attack --quick
	$(STAGE) interop tests/interop/run
	$(STAGE) playground $(MAKE) --no-print-directory playground
	$(STAGE) typescript $(MAKE) --no-print-directory typescript
	$(STAGE) python $(MAKE) --no-print-directory python
	@echo
	@echo "== test: every stage passed"

lint: ## Format and lints
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --quiet -- -D warnings

test-rust: ## Unit and acceptance tests
	@.ci/test-rust

test-doc: ## The examples in the documentation
	cargo test --workspace --doc --quiet

tidy: ## What the compiler does not check: who knows whom, licences, leftovers, fresh references
	cargo xtask tidy

deny: ## Licences with their texts, several versions of one crate, and sources, by cargo-deny; installs it the first time, which takes a quarter of an hour
	@cargo deny --version >/dev/null 2>&1 || cargo install cargo-deny --version 0.20.2 --locked
	cargo deny --all-features check licenses bans sources

docs: ## Writes what is generated: error codes, docs/reference, the TypeScript contract
	cargo xtask codegen

binaries:
	cargo build -p foodtrack-server -p conformance -p attack

interop: binaries ## Unmodified clients, protocol suites and hostile strangers against the server
	tests/interop/run

playground: ## The playground and the dashboard, clicked through in Chromium; the dashboard's pages are built anew and compared
	cargo build -p foodtrack-server
	@.ci/setup
	cd dashboard && npm run --silent check
	cd tests/playground && FOODTRACK_BINARY=$(DEBUG)/foodtrack-websocket npm test --silent

typescript: ## The TypeScript packages: built, packed, and tested against the server
	cargo build -p foodtrack-server
	@.ci/setup
	FOODTRACK_BINARY=$(DEBUG)/foodtrack-websocket clients/typescript/check

python: ## The Python package: built as a wheel, and tested against the server
	cargo build -p foodtrack-server
	@.ci/setup
	FOODTRACK_BINARY=$(DEBUG)/foodtrack-websocket clients/python/check

deploy: ## What the hub is installed with: systemd's units, container files, manifests, and each configuration in them
	cargo build -p foodtrack-server
	@.ci/setup
	FOODTRACK_BINARY=$(DEBUG)/foodtrack-websocket deploy/check

package: ## The Debian package, installed and run in a clean Debian (release build; a quarter of an hour the first time)
	deploy/package

bench: ## Measures the hub alone, quickly (release build)
	cargo build --release -p foodtrack-server -p bench
	$(TARGET_DIR)/release/bench run --server hub --quick

append: ## Measures the log beside Redis Streams; installs Debian's redis-server
	@.ci/install redis-server redis-server
	cargo bench -p foodtrack-tenant-log --bench append

compare: ## Measures the hub and its peers in turns; writes bench/results
	@.ci/install redis-server redis-server
	bench/setup-peers
	cargo build --release -p foodtrack-server -p bench
	$(TARGET_DIR)/release/bench compare

friday: ## A Friday evening on one node and on three, beside Socket.IO with Redis Streams (MINUTES=5 SPEED=1 SEED=1): half an hour
	@.ci/install redis-server redis-server
	bench/setup-peers node
	cargo build --release -p foodtrack-server -p bench
	for nodes in 1 3; do \
		$(TARGET_DIR)/release/bench friday --server hub,socketio-streams --nodes $$nodes \
			--minutes $(MINUTES) --speed $(SPEED) --seed $(SEED) || exit 1; \
	done

hop: ## What nodes that share a Redis cost beside Socket.IO with Redis Streams, and how sessions of a killed one come back: 5 minutes
	@.ci/install redis-server redis-server
	bench/setup-peers node
	cargo build --release -p foodtrack-server -p bench
	$(TARGET_DIR)/release/bench hop --server hub,hub-volatile,socketio-streams
	$(TARGET_DIR)/release/bench pinned --server hub,hub-volatile
	$(TARGET_DIR)/release/bench recovery

simulate: ## Whole nodes on one thread, alone and several, a seed each (SEEDS=10000 SEED=1); tells the short story of those that fail (release build)
	cargo build --release -p foodtrack-simulation
	$(TARGET_DIR)/release/simulate --seeds $(SEEDS) --seed $(SEED)
	$(TARGET_DIR)/release/simulate --nodes --seeds $(SEEDS) --seed $(SEED)

chaos: chaos-binaries ## Faults by the hundred, made from a seed (SCHEDULES=500 SEED=1); the judge must find nothing
	$(TARGET_DIR)/release/chaos campaign --schedules $(SCHEDULES) --seed $(SEED) --remains $(TARGET_DIR)/chaos

chaos-cluster: chaos-binaries ## The same for three nodes that share a Redis (REDIS=one, sentinel, cluster): kills, freezes, cut lines, clocks that jump, a Redis that is away, full or replaced
	@.ci/install redis-server redis-server
	@.ci/install faketime faketime
	@tests/interop/setup
	$(TARGET_DIR)/release/chaos campaign --cluster --redis $(REDIS) --node-clients 2 --schedules $(SCHEDULES) --seed $(SEED) --remains $(TARGET_DIR)/chaos-cluster

jitter: chaos-binaries ## 10 000 sessions whose connections tear all the time; all must get all
	$(TARGET_DIR)/release/chaos jitter --sessions 10000 --seconds 60

storm: chaos-binaries ## 18 000 sessions, and the server restarts under them: asked to, then killed
	$(TARGET_DIR)/release/chaos storm --sessions 18000 --how sigterm
	$(TARGET_DIR)/release/chaos storm --sessions 18000 --how kill

attack: ## One tenant at another by all that the contract has; hostile strangers and tenants, each kind alone, then 2 000 at once (release build)
	cargo nextest run -p acceptance isolation
	cargo build --release -p foodtrack-server -p attack
	$(TARGET_DIR)/release/attack

chaos-binaries:
	cargo build --release -p foodtrack-server -p chaos

fuzz: ## Fuzzes each target for T seconds (60); needs Rust's nightly
	@cargo +nightly --version >/dev/null 2>&1 \
		|| { echo "fuzz: needs a nightly compiler: rustup toolchain install nightly" >&2; exit 1; }
	@cargo fuzz --version >/dev/null 2>&1 || cargo install cargo-fuzz --locked
	@for target in $(FUZZ); do \
		mkdir -p fuzz/corpus/$$target; \
		.ci/stage "fuzz $$target" cargo +nightly fuzz run $$target fuzz/corpus/$$target fuzz/seeds/$$target \
			-- -max_total_time=$(T) || exit 1; \
	done
