//! Keys and tokens as text, and what is kept of them.

use sha2::{Digest, Sha256};
use weir_domain::directory::KeyHash;

const RANDOM_BYTES: usize = 32;

/// A new secret: the prefix that says what it is for, and 256 random bits in hexadecimal.
pub(crate) fn random(prefix: &str) -> String {
    let bytes: [u8; RANDOM_BYTES] = rand::random();
    bytes.iter().fold(prefix.to_owned(), |text, byte| text + &format!("{byte:02x}"))
}

/// What Weir keeps of a caller key. A plain hash is enough: the key is random, so nothing can be guessed.
pub(crate) fn hash(key: &str) -> KeyHash {
    KeyHash::new(Sha256::digest(key).into())
}
