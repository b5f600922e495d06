//! UUIDs that are made of names (RFC 9562, version 5): the same run and resource have the same id, whoever computes it.
//!
//! SHA-1 is what version 5 is made of. It says which name an id stands for; nothing is believed because of it.

/// The namespace of URLs (RFC 9562).
const URL: [u8; 16] =
    [0x6b, 0xa7, 0xb8, 0x11, 0x9d, 0xad, 0x11, 0xd1, 0x80, 0xb4, 0x00, 0xc0, 0x4f, 0xd4, 0x30, 0xc8];

/// What our ids are made under: in Python, `uuid5(NAMESPACE_URL, "urn:evidenced")`.
pub(super) struct Namespace([u8; 16]);

impl Namespace {
    pub(super) fn new() -> Self {
        Self(version_5(&URL, "urn:evidenced"))
    }

    /// The id of a name, which is these parts with a line feed between them.
    pub(super) fn id(&self, parts: &[&str]) -> String {
        let mut text = String::with_capacity(36);
        for (at, byte) in version_5(&self.0, &parts.join("\n")).into_iter().enumerate() {
            if matches!(at, 4 | 6 | 8 | 10) {
                text.push('-');
            }
            for digit in [byte >> 4, byte & 15] {
                text.extend(char::from_digit(digit.into(), 16));
            }
        }
        text
    }
}

fn version_5(namespace: &[u8; 16], name: &str) -> [u8; 16] {
    let mut message = namespace.to_vec();
    message.extend_from_slice(name.as_bytes());
    let mut id = [0; 16];
    for (to, from) in id.iter_mut().zip(sha1(&message)) {
        *to = from;
    }
    id[6] = (id[6] & 0x0f) | 0x50;
    id[8] = (id[8] & 0x3f) | 0x80;
    id
}

/// FIPS 180-4, section 6.1.
fn sha1(message: &[u8]) -> impl Iterator<Item = u8> {
    let mut padded = message.to_vec();
    padded.push(0x80);
    padded.resize((message.len() + 9).div_ceil(64) * 64 - 8, 0);
    let bits = u64::try_from(message.len()).unwrap_or(u64::MAX).wrapping_mul(8);
    padded.extend_from_slice(&bits.to_be_bytes());
    let mut state: [u32; 5] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];
    for block in padded.as_chunks::<64>().0 {
        let mut words: Vec<u32> =
            block.as_chunks::<4>().0.iter().map(|word| u32::from_be_bytes(*word)).collect();
        for at in 16..80 {
            let mixed = [3, 8, 14, 16].iter().filter_map(|back| words.get(at - back)).fold(0, |x, y| x ^ y);
            words.push(mixed.rotate_left(1));
        }
        let mut now = state;
        for (at, word) in words.into_iter().enumerate() {
            let [_, b, c, d, _] = now;
            let (mixed, constant) = match at / 20 {
                0 => ((b & c) | (!b & d), 0x5a82_7999),
                1 => (b ^ c ^ d, 0x6ed9_eba1),
                2 => ((b & c) | (b & d) | (c & d), 0x8f1b_bcdc),
                _ => (b ^ c ^ d, 0xca62_c1d6_u32),
            };
            now = turn(now, mixed.wrapping_add(constant).wrapping_add(word));
        }
        for (sum, word) in state.iter_mut().zip(now) {
            *sum = sum.wrapping_add(word);
        }
    }
    state.into_iter().flat_map(u32::to_be_bytes)
}

fn turn([first, second, third, fourth, fifth]: [u32; 5], added: u32) -> [u32; 5] {
    let next = first.rotate_left(5).wrapping_add(fifth).wrapping_add(added);
    [next, first, second.rotate_left(30), third, fourth]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(message: &[u8]) -> String {
        let digits: Vec<String> = sha1(message).map(|byte| format!("{byte:02x}")).collect();
        digits.concat()
    }

    #[test]
    fn the_vectors_of_fips_180_hold() {
        assert_eq!(hex(b""), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
        assert_eq!(hex(b"abc"), "a9993e364706816aba3e25717850c26c9cd0d89d");
        let two = b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
        assert_eq!(hex(two), "84983e441c3bd26ebaae4aa1f95129e5e54670f1");
        assert_eq!(hex(&vec![b'a'; 1_000_000]), "34aa973cd4c4daa4f61eeb2bdbad27316534016f");
    }

    #[test]
    fn lengths_around_a_block_are_padded_right() {
        // From `printf 'a%.0s' $(seq N) | sha1sum`.
        for (length, digest) in [
            (55, "c1c8bbdc22796e28c0e15163d20899b65621d65a"),
            (56, "c2db330f6083854c99d4b5bfb6e8f29f201be699"),
            (63, "03f09f5b158a7a8cdad920bddc29b81c18a551f5"),
            (64, "0098ba824b5c16427bd7a1122a5a442a25ec644d"),
            (65, "11655326c708d70319be2610e8a57d9a5b959d3b"),
        ] {
            assert_eq!(hex(&vec![b'a'; length]), digest, "{length}");
        }
    }

    #[test]
    fn an_id_is_the_one_that_python_computes() {
        // uuid5(uuid5(NAMESPACE_URL, "urn:evidenced"), "a\nb")
        assert_eq!(Namespace::new().id(&["a", "b"]), "bdd7bd36-ad74-5a0f-9ff7-0dc1a5c5d2e1");
    }
}
