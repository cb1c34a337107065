# Aliases only: what they do is in the binary (holdfast dev), in cargo, and in deploy/.
# Settings may stand in .env (see .env.example), which wins over the environment here.

-include .env
# Outside the checkout, so that clones share one build of RocksDB.
CARGO_TARGET_DIR ?= $(HOME)/.cache/holdfast/target
PATH := $(PATH):$(HOME)/.cargo/bin
export

HOLDFAST := $(CARGO_TARGET_DIR)/debug/holdfast
# The same program for the crash tests: it dies where they want it to.
FAILPOINTS_BIN := $(CARGO_TARGET_DIR)/debug/holdfast-failpoints

.DEFAULT_GOAL := help
.PHONY: help up logs down dev build failpoints test test-coverage fmt lint prerequisites

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile

up: build ## Start everything in the background; print URLs and curls when it is ready
	@$(HOLDFAST) dev --detach

logs: ## Follow the output of every process
	@$(HOLDFAST) dev --logs

down: ## Stop what "make up" started; wallets and payments are kept in .holdfast
	@$(HOLDFAST) dev --stop

dev: build ## Start everything in this terminal; Ctrl-C stops it
	@$(HOLDFAST) dev

test: build failpoints ## Run every test, those on a real Kafka too
	HOLDFAST_BIN=$(HOLDFAST) HOLDFAST_FAILPOINTS_BIN=$(FAILPOINTS_BIN) cargo test --workspace

test-coverage: build failpoints ## Run every test and show which lines they reach (needs cargo-llvm-cov)
	HOLDFAST_BIN=$(HOLDFAST) HOLDFAST_FAILPOINTS_BIN=$(FAILPOINTS_BIN) cargo llvm-cov test --workspace

fmt: ## Format the code
	cargo fmt --all

lint: prerequisites ## What CI checks before the tests
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	cargo clippy --workspace --features topology/failpoints -- -D warnings

build: prerequisites
	cargo build --workspace --bin holdfast

failpoints: prerequisites
	cargo build --workspace --bin holdfast-failpoints --features topology/failpoints

prerequisites:
	@deploy/prerequisites.sh
