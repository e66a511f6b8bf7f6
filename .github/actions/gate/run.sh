#!/usr/bin/env bash
# What the action runs, with its inputs in PLAYER, BASELINE, SCENARIOS and BROWSERS. The first two may be relative to where it is
# called; GITHUB_ACTION_PATH is the folder of this file.
set -euf
player=$(realpath "$PLAYER")
baseline=$(realpath "$BASELINE")
engines=()
for engine in $BROWSERS; do engines+=(--browser "$engine"); done
cd "$GITHUB_ACTION_PATH/../../.."
# shellcheck disable=SC2086 # one word for each scenario
cargo xtask conformance --yes --player "head=$player" --baseline "$baseline" "${engines[@]}" $SCENARIOS
