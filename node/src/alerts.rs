//! Alerts: rules over figures, and what becomes of them.
//!
//! [`core`] decides, as pure functions. So far it is all there is of them: no service evaluates rules yet.
pub mod core;
pub mod deaths;
pub mod notify;
