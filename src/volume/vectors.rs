//! Small images by formula, and what other people's encoders made of them.
//!
//! Encoders of the same crate as a decoder share its mistakes; these streams were written by CharLS,
//! OpenJPEG, DCMTK and the authors of the standard.

use dicom_core::VR;
use dicom_dictionary_std::tags;

use crate::series::{InstanceHeader, sample::Sample};

/// The header of an instance of this size.
pub(super) fn header(rows: usize, columns: usize) -> InstanceHeader {
    let file = Sample::slice(1)
        .with(tags::ROWS, VR::US, rows as u16)
        .with(tags::COLUMNS, VR::US, columns as u16)
        .file();
    InstanceHeader::read(&file).unwrap()
}

/// Rows and columns of [`image`].
pub(super) const ROWS: usize = 9;
pub(super) const COLUMNS: usize = 13;

/// Edges, flat parts and gradients.
pub(super) fn image(factor: usize, max_value: usize) -> Vec<u16> {
    let value = |x: usize, y: usize| {
        if (x / 5 + y / 4).is_multiple_of(3) {
            100
        } else {
            (x * x * 7 + y * 131 + x * y * 3) * factor % (max_value + 1)
        }
    };
    (0..ROWS)
        .flat_map(|y| (0..COLUMNS).map(move |x| value(x, y) as u16))
        .collect()
}

/// Largest difference between two images.
pub(super) fn worst(a: &[u16], b: &[u16]) -> u16 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| a.abs_diff(*b)).max().unwrap()
}

/// The bytes of one of the streams below.
pub(super) fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

/// `image(1, 255)` by CharLS.
pub(super) const JPEG_LS_8: &str = "
    ffd8fff7000b080009000d01011100ffda0008010100000000000001c69500000194005c188158ca3f8cc244
    f000001da5000001ce1557ef659800000db705c000001a5ec378acda00d35b6cb11aade9d0d81bb724310000
    00bc800000caa8d7ed757ab3987c000001f800130971e2b0d7eb379d8c7a64d8e94d66d7518e16bd4212e6b7
    376a37641c6edb07e19ec8d1000001feb2219b0000006340ffd9";

/// `image(1, 4095)` by CharLS.
pub(super) const JPEG_LS_12: &str = "
    ffd8fff7000b0c0009000d01011100ffda000801010000000008f02082000a86e0c4517590a4f97303c0c860
    5d351dc441440051c29134b4673a082270ccd29128ae64389f84b194019f376b9ef456472a184dc000060877
    05308db119808172c669b8012c3e4236c4660225c315a4df11e5d484d88dd952ec43281744997120b7243867
    000019ac16dbd42c000000000f5f18a6f8ffd9";

/// `image(1, 4095)` by CharLS, at most 2 off.
pub(super) const JPEG_LS_12_NEAR_2: &str = "
    ffd8fff7000b0c0009000d01011100ffda0008010100020000178444014685995ecdcbd8783440b1a60d9d00
    571d2048a97347412d79f2250b9a3822014cb4dec3df224cb0001f8e844530824d3df224c2a108a6bca3043e
    4499abe8a6bc939b7c814357d69af24e0001ca752cc58000000001bc9f9380ffd9";

/// `image(37, 65535)` by CharLS.
pub(super) const JPEG_LS_16: &str = "
    ffd8fff7000b100009000d01011100fff8000d01ffff0012004301140040ffda00080101000000004c780100
    4010000000000000131cc06411496f2a925f2cd269ccf3ec00f000c680e402ca9f34267c5d20da9000ed1c34
    68bf937f84018a08181a38482089a68d18c4733886c14e231d873d98210000000000d5f56fcbcf60c2d16b15
    cca3b3c46a0ad90260400145c00291a5ae98aaa34b8fb248d94ba5cf9991380035d9daea59c9bdab00bc2931
    45c79b287cc899e17975b592b157c2de67f593e05fa9bf47ff45020c39adaa9578c4772610a252b001548714
    482d94650023c3de5115915630ffd9";

/// The example of T.87 H.3: 4 rows of 4, which need every mode.
pub(super) const JPEG_LS_OF_THE_STANDARD: &str = "
    ffd8fff7000b080004000401011100ffda0008010100000000c000006c80208e01c00000574000006ee60000
    01bc18000005d800009160ffd9";

/// `image(1, 4095)` by OpenJPEG.
pub(super) const JPEG_2000_UNSIGNED: &str = "
    ff4fff51002900000000000d0000000900000000000000000000000d00000009000000000000000000010b01
    01ff52000c00000001000004040001ff5c00044060ff640025000143726561746564206279204f70656e4a50
    45472076657273696f6e20322e352e34ff90000a0000000000a10001ff93cfe690115053e76e0c4543a829eb
    d1295194e68ca63203296c1c032a800346b9265544ada4197503ec713bbc0c084e2a532ddbebc130dca274de
    61e1177ac962b5f831dada52cb65d84872d8d8802175f94f1a063820c348c70f4c9a3f5da0fd8d30751a04bf
    265ba6f07fca1a6e12a134f854abef48408ced47fcec7fb3748ff35813813252375dad30c48467b267d81e65
    9fffd9";

/// `image(1, 4095)` less 1800 by OpenJPEG, signed in the code stream too.
pub(super) const JPEG_2000_SIGNED: &str = "
    ff4fff51002900000000000d0000000900000000000000000000000d00000009000000000000000000018b01
    01ff52000c00000001000004040001ff5c00044060ff640025000143726561746564206279204f70656e4a50
    45472076657273696f6e20322e352e34ff90000a0000000000a50001ff93cfe69411505301c69bb2b1bd2ee4
    9da77ad8d5f2f23900388a9aa479987990361998620ab53d6510183dd4bcbb3932521edf87554d7afddfcebc
    5f12e103f2cb54da47736842b50488b40087900dd06a10a4acb1247ce70036e9d6c8c9bd61a6bd0cd6db0751
    a04bf265ba6f07f6ef9d2cd75fc00589aa57de908119da8ff9d8ff33748ff35813813252375dad30c48467b2
    67d81e659fffd9";

/// A ramp with steps, 11 rows of 18, by DCMTK at quality 95.
pub(super) const JPEG_EXTENDED_12: &str = "
    ffd8ffe000104a46494600010100000100010000ffdb00430002010101010102010101020202020204030202
    02020504040304060506060605060606070908060709070606080b08090a0a0a0a0a06080b0c0b0a0c090a0a
    0affc1000b0c000b001201011100ffc4001500010100000000000000000000000000000b0cffc4002e100000
    02030d090000000000000000000005080002270306070a0b0c43454656616266171a292a3639546476ffda00
    08010100003f0015b9b4b49dd731592261b782aed222f8258d9175a4eebb7530dbe7577cce08a6f0052774c2
    5e530db241b577aae7824835369622450b78ac9130201b4142bdd117cc963645d622450b87530201b6742be9
    9cc8a6f004448a16c25e530201e920da15fc573cc9ffffd9";

/// What [`JPEG_EXTENDED_12`] was made of.
pub(super) fn ramp() -> Vec<u16> {
    (0..11)
        .flat_map(|y| (0..18).map(move |x| 1000 + x * 90 + y * 60 + x / 6 % 2 * 300))
        .collect()
}
