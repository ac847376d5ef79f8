//! Who this build is, so that a controller and a worker of different builds refuse each other
//! before they misunderstand each other.
//!
//! The identity is made when the crate is built: version, protocol number and a hash of the
//! crate's sources (see `build.rs`). It is not a hash of the executable: a host may run a
//! statically linked build of the same sources, and both ends speak the same protocol then.

/// Number of the framing and the message rules. Changes only when a preamble of another number
/// could not even be read far enough to be refused.
pub const PROTOCOL: u32 = 1;

const BUILD: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    "-",
    env!("FRAMEWRIGHT_WORKER_SOURCES")
);

/// Identity of this build, e.g. `0.1.0-9f86d081884c7d65`. No blanks, at most 64 bytes of ASCII.
#[must_use]
pub fn build_id() -> &'static str {
    BUILD
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn build_id_fits_the_preamble() {
        assert!(build_id().len() <= crate::codec::BUILD_ID_BYTES_MAX);
        assert!(build_id().bytes().all(|byte| byte.is_ascii_graphic()));
    }
}
