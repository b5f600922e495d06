//! Refuses deflate streams with bits that mean nothing.
//!
//! Deflate leaves up to seven bits free behind the end of a stream and before each stored block. Inflaters skip them,
//! so a zip could be changed there and still unpack to the same files. This walks a stream that has been inflated
//! (RFC 1951), symbol by symbol and without its output, to find those bits and demand that they are zero, as every
//! deflater writes them. Inflating stays the work of the library.

use std::io::{self, BufRead};

const END_OF_BLOCK: u16 = 256;
const MAX_CODE_BITS: u8 = 15;
const LENGTH_BASE: [u32; 29] = [
    3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195,
    227, 258,
];
const LENGTH_EXTRA: [u32; 29] =
    [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];
/// The order in which the lengths of the code length codes are sent.
const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/// Walks a stream that unpacks to `limit` bytes; an error of kind `InvalidData` when one of its free bits is set or
/// something follows it.
pub(crate) fn check<R: BufRead>(packed: R, limit: u64) -> io::Result<()> {
    let mut bits = Bits { reader: packed, held: 0, count: 0 };
    let mut unpacked = 0;
    loop {
        let last = bits.take(1)? == 1;
        match bits.take(2)? {
            0 => unpacked += stored_block(&mut bits)?,
            1 => {
                let lengths: Vec<u8> = (0..288)
                    .map(|symbol| match symbol {
                        144..256 => 9,
                        256..280 => 7,
                        _ => 8,
                    })
                    .collect();
                let (literals, distances) = (Code::new(&lengths)?, Code::new(&[5; 30])?);
                block(&mut bits, &literals, &distances, &mut unpacked, limit)?;
            }
            2 => {
                let (literals, distances) = dynamic_codes(&mut bits)?;
                block(&mut bits, &literals, &distances, &mut unpacked, limit)?;
            }
            _ => return invalid("has a block of an unknown kind"),
        }
        if unpacked > limit {
            return invalid("unpacks to more bytes than its header states");
        }
        if last {
            bits.align()?;
            return if bits.at_end()? {
                Ok(())
            } else {
                invalid("has bytes behind the end of its compressed data")
            };
        }
    }
}

fn invalid<T>(what: &'static str) -> io::Result<T> {
    Err(io::Error::new(io::ErrorKind::InvalidData, what))
}

/// Bits from the least significant on.
struct Bits<R> {
    reader: R,
    held: u64,
    count: u32,
}

impl<R: BufRead> Bits<R> {
    /// Holds at least 48 bits, or all that are left: enough for a length and a distance with their further bits.
    #[inline]
    fn fill(&mut self) -> io::Result<()> {
        if self.count >= 48 {
            return Ok(());
        }
        let buffered = self.reader.fill_buf()?;
        if let Some(next) = buffered.first_chunk() {
            // What of the last byte has no room is read once more: above `count` are bits of the stream or zeros.
            self.held |= u64::from_le_bytes(*next) << self.count;
            let (bytes, bits) = ((63 - self.count) / 8, (63 - self.count) / 8 * 8);
            self.reader.consume(usize::try_from(bytes).unwrap_or_default());
            self.count += bits;
            return Ok(());
        }
        self.fill_by_bytes()
    }

    fn fill_by_bytes(&mut self) -> io::Result<()> {
        while self.count < 48 {
            let Some(byte) = self.reader.fill_buf()?.first().copied() else { return Ok(()) };
            self.reader.consume(1);
            self.held |= u64::from(byte) << self.count;
            self.count += 8;
        }
        Ok(())
    }

    #[inline]
    fn drop(&mut self, bits: u32) -> io::Result<()> {
        if bits > self.count {
            return invalid("is cut off");
        }
        self.held >>= bits;
        self.count -= bits;
        Ok(())
    }

    /// At most 16 bits.
    #[inline]
    fn take(&mut self, bits: u32) -> io::Result<u32> {
        if self.count < bits {
            self.fill()?;
        }
        let value = u32::try_from(self.held & ((1 << bits) - 1)).unwrap_or_default();
        self.drop(bits)?;
        Ok(value)
    }

    /// Goes on to the next whole byte; the bits before it must be zero.
    fn align(&mut self) -> io::Result<()> {
        let free = self.count % 8;
        if self.take(free)? != 0 {
            return invalid("has bits set that mean nothing");
        }
        Ok(())
    }

    fn at_end(&mut self) -> io::Result<bool> {
        self.fill()?;
        Ok(self.count == 0)
    }
}

/// Codes of up to this many bits are looked up at once.
const SHORT_BITS: u8 = 10;

/// A Huffman code.
struct Code {
    /// What the next bits mean: symbol, and how many bits it takes (0: a longer code, or none).
    short: Vec<(u16, u8)>,
    /// For each length in bits, the first code, and the place of its symbol.
    first: [(u32, u32); 16],
    /// Symbols by code.
    symbols: Vec<u16>,
}

impl Code {
    fn new(lengths: &[u8]) -> io::Result<Self> {
        let longest = lengths.iter().copied().max().unwrap_or_default().min(MAX_CODE_BITS);
        let mut code = Self {
            short: vec![(0, 0); 1 << longest.min(SHORT_BITS)],
            first: [(0, 0); 16],
            symbols: Vec::with_capacity(lengths.len()),
        };
        let mut next = 0_u32;
        for (bits, first) in (1..=MAX_CODE_BITS).zip(code.first.iter_mut().skip(1)) {
            next <<= 1;
            *first = (next, u32::try_from(code.symbols.len()).unwrap_or_default());
            for (symbol, _) in lengths.iter().enumerate().filter(|(_, length)| **length == bits) {
                let Ok(symbol) = u16::try_from(symbol) else { continue };
                if next >= 1 << bits {
                    return invalid("has a code that is over-subscribed");
                }
                if bits <= SHORT_BITS {
                    // Codes are sent from their most significant bit on.
                    let reversed = next.reverse_bits() >> (32 - u32::from(bits));
                    let start = usize::try_from(reversed).unwrap_or_default();
                    for entry in code.short.iter_mut().skip(start).step_by(1 << bits) {
                        *entry = (symbol, bits);
                    }
                }
                code.symbols.push(symbol);
                next += 1;
            }
        }
        Ok(code)
    }

    /// The caller has filled `bits`.
    #[inline]
    fn symbol<R: BufRead>(&self, bits: &mut Bits<R>) -> io::Result<u16> {
        let next = usize::try_from(bits.held & 0x7fff).unwrap_or_default() & (self.short.len() - 1);
        match self.short.get(next) {
            Some((symbol, length)) if *length > 0 => {
                bits.drop(u32::from(*length))?;
                Ok(*symbol)
            }
            _ => self.long_symbol(bits),
        }
    }

    fn long_symbol<R: BufRead>(&self, bits: &mut Bits<R>) -> io::Result<u16> {
        let (mut code, mut held) = (0_u32, bits.held);
        for (length, pair) in (1_u32..).zip(self.first.windows(2).skip(1)) {
            code = code << 1 | u32::try_from(held & 1).unwrap_or_default();
            held >>= 1;
            if let [(first, place), (_, end)] = pair
                && let Some(offset) = code.checked_sub(*first).filter(|offset| *offset < end - place)
            {
                return self.take_long(bits, length, place + offset);
            }
        }
        code = code << 1 | u32::try_from(held & 1).unwrap_or_default();
        match self.first.last().and_then(|(first, place)| Some(place + code.checked_sub(*first)?)) {
            Some(place) => self.take_long(bits, u32::from(MAX_CODE_BITS), place),
            None => invalid("has a code of no symbol"),
        }
    }

    fn take_long<R: BufRead>(&self, bits: &mut Bits<R>, length: u32, place: u32) -> io::Result<u16> {
        let symbol = usize::try_from(place).ok().and_then(|place| self.symbols.get(place));
        let Some(symbol) = symbol else { return invalid("has a code of no symbol") };
        bits.drop(length)?;
        Ok(*symbol)
    }
}

fn stored_block<R: BufRead>(bits: &mut Bits<R>) -> io::Result<u64> {
    bits.align()?;
    let (length, complement) = (bits.take(16)?, bits.take(16)?);
    if length ^ complement != 0xffff {
        return invalid("has a stored block of two lengths");
    }
    for _ in 0..length {
        bits.take(8)?;
    }
    Ok(u64::from(length))
}

fn dynamic_codes<R: BufRead>(bits: &mut Bits<R>) -> io::Result<(Code, Code)> {
    let count = |value: u32, least: usize| usize::try_from(value).unwrap_or_default() + least;
    let literal_count = count(bits.take(5)?, 257);
    let distance_count = count(bits.take(5)?, 1);
    let code_count = count(bits.take(4)?, 4);
    let mut code_lengths = [0; 19];
    for place in ORDER.iter().take(code_count) {
        let length = bits.take(3)?;
        if let Some(entry) = code_lengths.get_mut(*place) {
            *entry = u8::try_from(length).unwrap_or_default();
        }
    }
    let code = Code::new(&code_lengths)?;
    let mut lengths: Vec<u8> = Vec::with_capacity(literal_count + distance_count);
    while lengths.len() < literal_count + distance_count {
        bits.fill()?;
        let (length, times) = match code.symbol(bits)? {
            16 => (lengths.last().copied().unwrap_or_default(), bits.take(2)? + 3),
            17 => (0, bits.take(3)? + 3),
            18 => (0, bits.take(7)? + 11),
            symbol => (u8::try_from(symbol).unwrap_or_default(), 1),
        };
        (0..times).for_each(|_| lengths.push(length));
    }
    let (literals, distances) = lengths.split_at(literal_count);
    Ok((Code::new(literals)?, Code::new(distances)?))
}

fn block<R: BufRead>(
    bits: &mut Bits<R>,
    literals: &Code,
    distances: &Code,
    unpacked: &mut u64,
    limit: u64,
) -> io::Result<()> {
    while *unpacked <= limit {
        bits.fill()?;
        let symbol = literals.symbol(bits)?;
        if symbol < END_OF_BLOCK {
            *unpacked += 1;
            continue;
        }
        if symbol == END_OF_BLOCK {
            return Ok(());
        }
        let place = usize::from(symbol - END_OF_BLOCK - 1);
        let (Some(base), Some(extra)) = (LENGTH_BASE.get(place), LENGTH_EXTRA.get(place)) else {
            return invalid("has a length of no meaning");
        };
        *unpacked += u64::from(base + bits.take(*extra)?);
        let distance = u32::from(distances.symbol(bits)?);
        bits.take((distance / 2).saturating_sub(1))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::DeflateEncoder;
    use proptest::prelude::*;
    use std::io::Write as _;

    fn deflate(bytes: &[u8], level: u32) -> Vec<u8> {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::new(level));
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn length(bytes: &[u8]) -> u64 {
        bytes.len().try_into().unwrap()
    }

    #[test]
    fn a_set_bit_behind_the_end_is_refused() {
        // "a" in fixed codes: 3 bits of header, 8 of the literal, 7 of the end, 6 free.
        let packed = deflate(b"a", 6);
        assert_eq!(packed.len(), 3);
        check(&packed[..], 1).unwrap();
        for bit in 2..8 {
            let mut changed = packed.clone();
            changed[2] |= 1 << bit;
            assert!(check(&changed[..], 1).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_set_bit_before_a_stored_block_is_refused() {
        let packed = deflate(b"some bytes", 0);
        check(&packed[..], 10).unwrap();
        for bit in 3..8 {
            let mut changed = packed.clone();
            changed[0] |= 1 << bit;
            assert!(check(&changed[..], 10).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn what_follows_or_is_cut_off_is_refused() {
        let packed = deflate(b"some bytes that some bytes follow", 6);
        for end in 0..packed.len() {
            assert!(check(&packed[..end], 33).is_err());
        }
        assert!(check(&[&packed[..], b"\0"].concat()[..], 33).is_err());
        assert!(check(&packed[..], 32).is_err(), "more than stated");
    }

    #[test]
    fn codes_longer_than_the_table_are_followed() {
        // Letters as often as the numbers of Fibonacci need codes of every length up to the longest.
        let (mut letters, mut count, mut next) = (Vec::new(), 1, 1);
        for letter in 0..22_u8 {
            letters.extend(std::iter::repeat_n(letter, count));
            (count, next) = (next, count + next);
        }
        let mut state = 1_u64;
        for place in (1..letters.len()).rev() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            letters.swap(place, usize::try_from(state >> 33).unwrap() % (place + 1));
        }
        let packed = deflate(&letters, 6);
        check(&packed[..], length(&letters)).unwrap();
        assert!(check(&packed[..], length(&letters) - 1).is_err());
        let lengths: Vec<u8> = (1..=15).chain([15]).collect();
        let code = Code::new(&lengths).unwrap();
        for (symbol, bits) in (0_u32..).zip(&lengths) {
            // The code of symbol n is n ones and a zero, but for the last, which is ones only.
            let sent = (1_u32 << symbol) - 1;
            let mut reader = Bits { reader: &sent.to_le_bytes()[..2], held: 0, count: 0 };
            reader.fill().unwrap();
            assert_eq!(u32::from(code.symbol(&mut reader).unwrap()), symbol);
            assert_eq!(reader.count, 16 - u32::from(*bits));
        }
    }

    #[test]
    fn a_code_of_no_symbol_is_refused() {
        for lengths in [&[][..], &[0, 0], &[2, 2, 2], &[12]] {
            let mut reader = Bits { reader: &[0xff; 8][..], held: 0, count: 0 };
            reader.fill().unwrap();
            assert!(Code::new(lengths).unwrap().symbol(&mut reader).is_err(), "{lengths:?}");
        }
        assert!(Code::new(&[1, 1, 1]).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn every_stream_of_the_deflater_passes(
            words in proptest::collection::vec("[a-f]{1,9}", 0..300), level in 0_u32..=9,
        ) {
            let bytes = words.concat().into_bytes();
            prop_assert!(check(&deflate(&bytes, level)[..], length(&bytes)).is_ok());
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            // What is refused here is refused; what passes, the inflater must be able to unpack to no more.
            if check(&bytes[..], 10_000).is_ok() {
                let mut unpacked = Vec::new();
                let read = std::io::Read::read_to_end(&mut flate2::read::DeflateDecoder::new(&bytes[..]), &mut unpacked);
                prop_assert!(read.is_err() || unpacked.len() <= 10_000);
            }
        }
    }
}
