//! How the programs are linked: with the relocations of position-independent code packed, which takes more than half a MiB off.
//!
//! Needs glibc 2.36, that of Debian 12, which is what they are linked against anyway.

fn main() {
    // Of both packages.
    println!("cargo::rerun-if-changed=../node/build.rs");
    let is = |key: &str, value: &str| std::env::var(key).is_ok_and(|found| found == value);
    if is("CARGO_CFG_TARGET_OS", "linux") && is("CARGO_CFG_TARGET_ENV", "gnu") {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}
