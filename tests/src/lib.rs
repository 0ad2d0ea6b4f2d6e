//! Tests live in `e2e/` and `scenarios/`.
