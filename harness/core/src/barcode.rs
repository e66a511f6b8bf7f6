//! The code that each fixture frame carries in its picture: which encoder run it came from and its number.
//!
//! 32 cells, two rows of 16 over the upper 2/9 of the picture, row by row from the top left, white is 1.
//! In the order of the cells: marker 1,0; run id (4 bits); frame number (16 bits); check (8 bits); marker
//! 0,1; each number with its most significant bit first. How pixels become cells is not decided here.

/// Highest run id that the code can carry.
pub const RUN_MAX: u8 = 15;

/// The cells of a frame, cell 0 as the most significant bit.
///
/// # Panics
/// If `run` is above [`RUN_MAX`].
pub fn encode(run: u8, number: u16) -> u32 {
    assert!(run <= RUN_MAX, "run id {run} does not fit into four bits");
    MARKERS | u32::from(run) << 26 | u32::from(number) << 10 | u32::from(check(run, number)) << 2
}

/// Run id and frame number, or `None` if the markers or the check bits do not agree with them.
pub fn decode(cells: u32) -> Option<(u8, u16)> {
    let run = (cells >> 26 & 0xf) as u8;
    let number = (cells >> 10 & 0xffff) as u16;
    (cells == encode(run, number)).then_some((run, number))
}

/// 251 is the largest prime below 256: no wrong single bit goes unnoticed, and the offset keeps a black or
/// a white band from being a valid code.
fn check(run: u8, number: u16) -> u8 {
    ((u32::from(run) * 37 + u32::from(number) * 101 + 57) % 251) as u8
}

const MARKERS: u32 = 0b10 << 30 | 0b01;

#[cfg(test)]
mod tests {
    use super::*;

    /// Worked by hand from the table in the module's documentation.
    #[test]
    #[expect(clippy::unusual_byte_groupings, reason = "grouped as the fields of the code are")]
    fn cells_are_where_the_table_says() {
        // (37 + 57) % 251 = 94; (5*37 + 1234*101 + 57) % 251 = 124876 % 251 = 129.
        assert_eq!(encode(1, 0), 0b10_0001_0000000000000000_01011110_01);
        assert_eq!(encode(5, 1234), 0b10_0101_0000010011010010_10000001_01);
    }

    #[test]
    fn every_code_is_read_back() {
        for run in 0..=RUN_MAX {
            for number in 0..=u16::MAX {
                assert_eq!(decode(encode(run, number)), Some((run, number)));
            }
        }
    }

    /// A cell misread because of a blurred edge must not become another frame's number.
    #[test]
    fn a_single_wrong_cell_is_noticed() {
        for number in (0..=u16::MAX).step_by(7) {
            for cell in 0..32 {
                assert_eq!(decode(encode(1, number) ^ 1 << cell), None, "frame {number}, cell {cell}");
            }
        }
    }

    #[test]
    fn a_plain_band_is_no_code() {
        assert_eq!(decode(0), None);
        assert_eq!(decode(u32::MAX), None);
    }

    #[test]
    #[should_panic(expected = "does not fit")]
    fn a_run_beyond_four_bits_is_refused() {
        encode(16, 0);
    }
}
