//! Keys in, commands out.
