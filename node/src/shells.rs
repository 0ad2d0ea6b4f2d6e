//! Shells: interactive terminals that live on this node, whoever is attached to them.
//!
//! A pure core (the ring of what was written, the modes of a terminal, what a screen is made of, the limits, the
//! recording) and a thin driver around it.

pub mod limits;
pub mod modes;
pub mod recording;
pub mod render;
pub mod ring;
