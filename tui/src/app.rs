//! The state of the console and its one way to change.
