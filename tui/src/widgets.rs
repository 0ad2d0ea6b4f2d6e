//! The pieces that views are made of. Pure: geometry and state enter, cells of a buffer leave.

pub mod chart;
pub mod field;
pub mod paint;
pub mod table;
pub mod tabs;
