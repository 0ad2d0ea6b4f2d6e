//! The console of P2P Admin as a library: a pure core and the thin loop around it.
//!
//! Keys, ticks and the mesh's messages enter as [`event::Event`]; [`app::State::update`] answers with
//! [`command::Command`]s; [`view::draw`] paints the state. Nothing here reaches the network (`effects` and `cli`
//! do) and nothing but [`runtime`] reads a clock.

pub mod action;
pub mod app;
pub mod cast;
pub mod cli;
pub mod command;
pub mod edit;
pub mod effects;
pub mod event;
pub mod filter;
pub mod fleet;
pub mod form;
pub mod format;
pub mod keymap;
pub mod layout;
pub mod log;
pub mod paths;
pub mod runtime;
pub mod terminal;
pub mod testing;
pub mod theme;
pub mod view;
pub mod views;
pub mod widgets;

pub use p2p_shared::{glob, selector};
