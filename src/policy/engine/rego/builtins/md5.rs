//! MD5 (RFC 1321), which nothing else in the tree has. For checksums that policies compare, not for security.

/// Bits that each of the four steps of a round rotates by.
const ROTATIONS: [[u32; 4]; 4] = [[7, 12, 17, 22], [5, 9, 14, 20], [4, 11, 16, 23], [6, 10, 15, 21]];

const START: [u32; 4] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];

/// Length of a block in bytes.
pub(super) const BLOCK: usize = 64;

pub(super) fn md5(message: &[u8]) -> [u8; 16] {
    let mut state = START;
    let (blocks, rest) = message.as_chunks::<BLOCK>();
    for block in blocks {
        state = compress(state, block);
    }
    // A single bit, zeros, and the length in bits, in one block or two.
    let mut end = rest.to_vec();
    end.push(0x80);
    end.resize(if end.len() > BLOCK - 8 { 2 * BLOCK } else { BLOCK } - 8, 0);
    end.extend((message.len() as u64).wrapping_mul(8).to_le_bytes());
    for block in end.as_chunks::<BLOCK>().0 {
        state = compress(state, block);
    }
    let mut digest = [0; 16];
    for (place, word) in digest.as_chunks_mut::<4>().0.iter_mut().zip(state) {
        *place = word.to_le_bytes();
    }
    digest
}

fn compress(state: [u32; 4], block: &[u8; BLOCK]) -> [u32; 4] {
    let words: [u32; 16] = std::array::from_fn(|index| {
        u32::from_le_bytes(block.as_chunks::<4>().0.get(index).copied().unwrap_or_default())
    });
    let [mut a, mut b, mut c, mut d] = state;
    for step in 0..64 {
        let (mixed, word) = match step / 16 {
            0 => (b & c | !b & d, step),
            1 => (d & b | !d & c, 5 * step + 1),
            2 => (b ^ c ^ d, 3 * step + 5),
            _ => (c ^ (b | !d), 7 * step),
        };
        let sum = a.wrapping_add(mixed).wrapping_add(constant(step)).wrapping_add(words[word % 16]);
        (a, d, c, b) = (d, c, b, b.wrapping_add(sum.rotate_left(ROTATIONS[step / 16][step % 4])));
    }
    let [e, f, g, h] = state;
    [a.wrapping_add(e), b.wrapping_add(f), c.wrapping_add(g), d.wrapping_add(h)]
}

/// The first 32 bits behind the point of the sine of the step's number.
fn constant(step: usize) -> u32 {
    static CONSTANTS: std::sync::LazyLock<[u32; 64]> = std::sync::LazyLock::new(|| {
        std::array::from_fn(|step| (((step + 1) as f64).sin().abs() * 4_294_967_296.0) as u32)
    });
    CONSTANTS.get(step).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_those_of_the_standard() {
        let check = |message: &str, expected: u128| {
            assert_eq!(u128::from_be_bytes(md5(message.as_bytes())), expected, "{message:?}");
        };
        check("", 0xd41d_8cd9_8f00_b204_e980_0998_ecf8_427e);
        check("abc", 0x9001_5098_3cd2_4fb0_d696_3f7d_28e1_7f72);
        check(
            "12345678901234567890123456789012345678901234567890123456789012345678901234567890",
            0x57ed_f4a2_2be3_c955_ac49_da2e_2107_b67a,
        );
    }
}
