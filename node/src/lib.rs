
pub mod membership;
