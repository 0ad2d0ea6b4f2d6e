#!/usr/bin/env bash
# Everything that must hold before a change lands: format, lints, tests, documentation.
#
#   scripts/check.sh                 all of it
#   scripts/check.sh --unit          library tests only
#   scripts/check.sh --integration   the tests of whole nodes and of the simulated world only
#   scripts/check.sh --coverage      line coverage of the tests (needs cargo-llvm-cov)
#   scripts/check.sh --full          also what needs time, root or Debian packages
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

usage() { sed -n '2,8s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; }

step() {
    local started=$SECONDS
    printf '== %s\n' "$*"
    "$@"
    printf '   %s s\n' "$((SECONDS - started))"
}

export INSTA_UPDATE=no
# Warnings of our own crates are errors; as a flag of rustc it would build every dependency anew.
lint() { cargo clippy --workspace --all-targets --locked -- -D warnings; }
documentation() { RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked --quiet; }
unit() { cargo test --workspace --lib --bins --locked; }
integration() { cargo test --workspace --test '*' --locked; }

case "${1:-}" in
    --help | -h) usage ;;
    --unit) step unit ;;
    --integration) step integration ;;
    --coverage) step cargo llvm-cov --workspace --locked ;;
    "" | --full)
        [ "${1:-}" = --full ] && export P2P_FULL=1
        step cargo fmt --all --check
        step lint
        step cargo test --workspace --locked
        step documentation
        ;;
    *)
        usage >&2
        exit 2
        ;;
esac
