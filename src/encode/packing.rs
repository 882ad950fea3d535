//! From one byte a voxel to one bit a voxel.
//!
//! The first voxel goes into the least significant bit, and a frame starts at the bit where the one
//! before it ended: nothing is aligned to rows, frames or bytes (PS3.5 §8.1.1, §8.2). A packer that
//! aligns frames is right for 512×512 and silently wrong for 511×513: same voxel counts, another
//! mask, and no validator says so.

/// Voxels looked at together. Most of an abdomen is in no segment, and its bits are zero already: one
/// glance at a block that has nothing to set costs a tenth of packing it.
const BLOCK: usize = 64;

/// Sets, in zeroed `bits`, the bit of every voxel of a stretch that carries `value`. The first
/// voxel lies `first_bit` bits into `bits`, which must hold the whole stretch.
pub(super) fn pack(stretch: &[u8], value: u8, bits: &mut [u8], first_bit: usize) {
    let shift = first_bit % 8;
    for (number, block) in stretch.chunks(BLOCK).enumerate() {
        // Without a branch for each voxel, so that the compiler compares many at once.
        let hit = block
            .iter()
            .fold(0, |hit, voxel| hit | u8::from(*voxel == value));
        if hit != 0 {
            let first_byte = first_bit / 8 + number * (BLOCK / 8);
            pack_block(block, value, &mut bits[first_byte..], shift);
        }
    }
}

/// The first voxel's bit lies `shift` bits into the first of `bits`.
fn pack_block(block: &[u8], value: u8, bits: &mut [u8], shift: usize) {
    let (eights, rest) = block.as_chunks::<8>();
    if shift == 0 {
        for (byte, eight) in bits.iter_mut().zip(eights) {
            *byte = equal_bits(*eight, value);
        }
    } else {
        for (at, eight) in eights.iter().enumerate() {
            let byte = equal_bits(*eight, value);
            bits[at] |= byte << shift;
            bits[at + 1] |= byte >> (8 - shift);
        }
    }
    let first_of_rest = shift + eights.len() * 8;
    for (at, voxel) in rest.iter().enumerate() {
        let bit = first_of_rest + at;
        bits[bit / 8] |= u8::from(*voxel == value) << (bit % 8);
    }
}

/// Bytes that `bits` bits fill, made even as every DICOM value is.
pub(super) fn packed_len(bits: u64) -> u64 {
    bits.div_ceil(16) * 2
}

/// Bit i says whether byte i equals `value`: eight comparisons in one word.
fn equal_bits(eight: [u8; 8], value: u8) -> u8 {
    const LOW_SEVEN: u64 = 0x7f7f_7f7f_7f7f_7f7f;
    /// Moves the top bit of byte i to bit 56 + i.
    const GATHER: u64 = 0x0002_0408_1020_4081;

    let difference = u64::from_le_bytes(eight) ^ u64::from_le_bytes([value; 8]);
    // The top bit of each byte: set where the byte differs, without carries between bytes.
    let differs = ((difference & LOW_SEVEN) + LOW_SEVEN) | difference;
    (((!differs & !LOW_SEVEN).wrapping_mul(GATHER)) >> 56) as u8
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bit(bits: &[u8], at: usize) -> bool {
        bits[at / 8] >> (at % 8) & 1 == 1
    }

    proptest! {
        #[test]
        fn every_voxel_has_its_bit_whatever_the_size(
            rows in 1_usize..20,
            columns in 1_usize..20,
            frames in 1_usize..5,
            voxels in proptest::collection::vec(any::<u8>(), 2000),
            value in any::<u8>(),
        ) {
            let pixels = rows * columns;
            // Few distinct values, so that hits are frequent.
            let voxels: Vec<u8> = voxels.iter().map(|v| if v % 4 == 0 { value } else { *v }).collect();
            let total = pixels * frames;
            let mut bits = vec![0; packed_len(total as u64) as usize];
            for frame in 0..frames {
                let first = frame * pixels;
                pack(&voxels[first..first + pixels], value, &mut bits, first);
            }
            for (at, voxel) in voxels[..total].iter().enumerate() {
                prop_assert_eq!(bit(&bits, at), *voxel == value, "voxel {}", at);
            }
            for at in total..bits.len() * 8 {
                prop_assert!(!bit(&bits, at), "padding bit {} is set", at);
            }
        }
    }

    #[test]
    fn the_first_voxel_is_the_least_significant_bit() {
        let mut bits = [0; 2];
        pack(&[2, 0, 0, 2, 1, 1, 1, 1, 1, 2], 2, &mut bits, 0);
        assert_eq!(bits, [0b0000_1001, 0b0000_0010]);
    }

    #[test]
    fn lengths_are_whole_and_even() {
        assert_eq!(packed_len(1), 2);
        assert_eq!(packed_len(16), 2);
        assert_eq!(packed_len(17), 4);
        assert_eq!(packed_len(300 * 512 * 512), 300 * 512 * 512 / 8);
    }
}
