//! Simulated worlds that drive the public methods of the pure cores: no socket, no clock, one seed.

mod membership;
