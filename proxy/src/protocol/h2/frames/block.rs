//! What can be seen of a block of fields without the table that a connection builds up (RFC 7541).
//!
//! A field has its name by a number, of the static table, where the pseudo-fields come first, or of the connection's behind it; or
//! spelt out. So two things can be told: whether a block names a pseudo-field, which the framing takes behind a body, where RFC
//! 9113, 8.1 forbids it; there a name out of the connection's table is taken on trust, as nothing of a request's trailers is
//! forwarded. And whether a block needs that table at all.

/// The last pseudo-field of the static table (RFC 7541, appendix A), and its last field.
const PSEUDO_MAX: usize = 14;
const STATIC_MAX: usize = 61;
/// What a string begins with that has a colon first: as it is, and in Huffman's code, where a colon has seven bits.
const COLON: u8 = b':';
const COLON_HUFFMAN: u8 = 0x5c;
/// Bytes of a number that goes on behind its prefix (RFC 7541, 5.1); no block is longer than what these can say.
const NUMBER_BYTES_MAX: usize = 4;

/// How a field, or a change of the table's size, is written down.
enum Field {
    /// By the number of its name, or of all of it.
    Number(usize),
    Spelt {
        begins_with_colon: bool,
    },
    /// The table's size changes.
    Size,
}

/// Whether a header block names a pseudo-field. Of a block that cannot be read the framing says what is wrong.
pub(in crate::protocol::h2) fn names_pseudo_field(block: &[u8]) -> bool {
    fields(block).any(|field| match field {
        Field::Number(number) => (1..=PSEUDO_MAX).contains(&number),
        Field::Spelt { begins_with_colon } => begins_with_colon,
        Field::Size => false,
    })
}

/// Whether a header block refers to the connection's own table.
pub(in crate::protocol::h2) fn refers_to_table(block: &[u8]) -> bool {
    fields(block).any(|field| matches!(field, Field::Number(number) if number > STATIC_MAX))
}

/// What can be read of a block.
fn fields(mut block: &[u8]) -> impl Iterator<Item = Field> {
    std::iter::from_fn(move || next_field(&mut block))
}

/// Reads a field past; `None`: there is none.
fn next_field(block: &mut &[u8]) -> Option<Field> {
    let first = *block.first()?;
    // RFC 7541, 6.1 to 6.3.
    match first {
        0x80.. => return number(block, 7).map(Field::Number),
        0x20..=0x3f => return number(block, 5).map(|_| Field::Size),
        _ => {}
    }
    let index = number(block, if first & 0x40 == 0 { 4 } else { 6 })?;
    let field = match index {
        0 => Field::Spelt { begins_with_colon: begins_with_colon(block)? },
        _ => Field::Number(index),
    };
    string(block)?;
    Some(field)
}

/// Reads a string past.
fn begins_with_colon(block: &mut &[u8]) -> Option<bool> {
    let is_huffman = block.first()? & 0x80 != 0;
    let name = string(block)?;
    Some(name.first().is_some_and(|&byte| if is_huffman { byte >> 1 == COLON_HUFFMAN } else { byte == COLON }))
}

fn string<'b>(block: &mut &'b [u8]) -> Option<&'b [u8]> {
    let length = number(block, 7)?;
    let (string, rest) = block.split_at_checked(length)?;
    *block = rest;
    Some(string)
}

/// Reads a number with a prefix of so many bits.
fn number(block: &mut &[u8], prefix: u32) -> Option<usize> {
    let (first, mut rest) = block.split_first()?;
    let full = (1 << prefix) - 1;
    let mut number = usize::from(*first) & full;
    if number == full {
        for at in 0..=NUMBER_BYTES_MAX {
            let (byte, behind) = rest.split_first().filter(|_| at < NUMBER_BYTES_MAX)?;
            rest = behind;
            number += usize::from(byte & 0x7f) << (7 * at);
            if byte & 0x80 == 0 {
                break;
            }
        }
    }
    *block = rest;
    Some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pseudo_field_is_found_however_it_is_named() {
        for block in [
            &b"\x82"[..],                        // :method: GET, by its number
            b"\x42\x03PUT",                      // :method by its number, remembered
            b"\x04\x01/",                        // :path by its number
            b"\x14\x01/",                        // the same, never to be remembered
            b"\x00\x05:test\x01x",               // spelt out
            b"\x40\x84\xb8\x84\x9d\x29\x01x",    // :path in Huffman's code
            b"\x00\x01a\x01b\x00\x05:path\x01/", // behind another
            b"\x20\x82",                         // behind a change of the table's size
        ] {
            assert!(names_pseudo_field(block), "{}", block.escape_ascii());
        }
    }

    #[test]
    fn what_is_in_the_connections_own_table_is_told_from_all_else() {
        for block in [&b"\x82\xbe"[..], b"\x7e\x01a", b"\x0f\x2f\x01a", b"\x20\x82\x87\xff\x00"] {
            assert!(refers_to_table(block), "{}", block.escape_ascii());
        }
        for block in [&b"\x82\x87\xbd"[..], b"\x3f\xe1\x1f\x82", b"\x00\x01\xbe\x01\xbe", b"\x0f\x2e\x01a"] {
            assert!(!refers_to_table(block), "{}", block.escape_ascii());
        }
    }

    #[test]
    fn other_fields_and_what_cannot_be_read_are_left_alone() {
        let long = [&b"\x00\x7f\xa1\x0c"[..], &[b'a'; 127 + 1_569], b"\x01:"].concat();
        for block in [
            &b""[..],
            b"\x8f",                          // accept-charset, by its number
            b"\x0f\x00\x01:",                 // the same, with a value that begins with a colon
            b"\x40\x84\xbe\x84\x9d\x29\x01x", // in Huffman's code, and it begins with no colon
            b"\xbe",                          // the first field of the connection's own table
            b"\x00\x01a\x01:\x00\x01b\x00",
            b"\x00\x05:te",              // cut off
            b"\xff\xff\xff\xff\xff\xff", // a number without end
            b"\x00",
            &long,
        ] {
            assert!(!names_pseudo_field(block), "{}", block.escape_ascii());
        }
    }
}
