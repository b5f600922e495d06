// Refuses deflate streams with bits that mean nothing.
//
// Deflate leaves up to seven bits free behind the end of a stream and before each stored block, and inflaters skip
// them: a zip could be changed there and unpack to the same files. This walks a stream that has been inflated
// (RFC 1951), without its output, to demand that those bits are zero and that nothing follows.

const LENGTH_BASE = [3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258];
const LENGTH_EXTRA = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];
const CODE_ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/** Bits from the least significant on, out of pieces of a file. */
class Bits {
  constructor(read, size) {
    this.read = read;
    this.size = size;
    this.offset = 0;
    this.piece = new Uint8Array();
    this.at = 0;
    this.held = 0;
    this.count = 0;
  }

  /** Whether enough bytes for one symbol and its extra bits are at hand without waiting, or no more are to come. */
  get ready() {
    return this.at + 8 <= this.piece.length || this.offset === this.size;
  }

  async refill() {
    const end = Math.min(this.offset + MIB, this.size);
    this.piece = concat(this.piece.subarray(this.at), await this.read(this.offset, end));
    this.offset = end;
    this.at = 0;
  }

  peek() {
    while (this.count < 16 && this.at < this.piece.length) {
      this.held |= this.piece[this.at++] << this.count;
      this.count += 8;
    }
    return this.held;
  }

  drop(bits) {
    if (bits > this.count) throw new Error("is cut off");
    this.held >>>= bits;
    this.count -= bits;
  }

  take(bits) {
    const value = this.peek() & ((1 << bits) - 1);
    this.drop(bits);
    return value;
  }

  align() {
    if (this.take(this.count % 8) !== 0) throw new Error("has bits set that mean nothing");
  }
}

/** A Huffman code as a table of what the next 15 bits mean: symbol and length in one number, 0 for none. */
function codeTable(lengths) {
  const longest = Math.max(1, ...lengths);
  const table = new Uint16Array(1 << longest);
  let next = 0;
  for (let bits = 1; bits <= longest; bits++) {
    next <<= 1;
    lengths.forEach((length, symbol) => {
      if (length !== bits) return;
      if (next >= 1 << bits) throw new Error("has a code that is over-subscribed");
      let reversed = 0;
      for (let bit = 0; bit < bits; bit++) reversed |= ((next >> bit) & 1) << (bits - 1 - bit);
      for (let place = reversed; place < table.length; place += 1 << bits) table[place] = (symbol << 4) | bits;
      next += 1;
    });
  }
  return table;
}

function symbolOf(bits, table) {
  const entry = table[bits.peek() & (table.length - 1)];
  if (entry === 0) throw new Error("has a code of no symbol");
  bits.drop(entry & 15);
  return entry >> 4;
}

async function dynamicCodes(bits) {
  const [literals, distances, count] = [bits.take(5) + 257, bits.take(5) + 1, bits.take(4) + 4];
  const codeLengths = new Array(19).fill(0);
  for (const place of CODE_ORDER.slice(0, count)) codeLengths[place] = bits.take(3);
  const code = codeTable(codeLengths);
  const lengths = [];
  while (lengths.length < literals + distances) {
    if (!bits.ready) await bits.refill();
    const symbol = symbolOf(bits, code);
    let [length, times] = [symbol, 1];
    if (symbol === 16) [length, times] = [lengths.at(-1) ?? 0, bits.take(2) + 3];
    if (symbol === 17) [length, times] = [0, bits.take(3) + 3];
    if (symbol === 18) [length, times] = [0, bits.take(7) + 11];
    for (; times > 0; times--) lengths.push(length);
  }
  return [codeTable(lengths.slice(0, literals)), codeTable(lengths.slice(literals))];
}

const FIXED_CODES = () => [
  codeTable(Array.from({ length: 288 }, (_, symbol) => (symbol < 144 ? 8 : symbol < 256 ? 9 : symbol < 280 ? 7 : 8))),
  codeTable(new Array(30).fill(5)),
];

/** Walks a stream that unpacks to `limit` bytes; throws an Error that says what is wrong. */
async function walkDeflate(read, size, limit) {
  const bits = new Bits(read, size);
  let unpacked = 0;
  for (let last = 0; last === 0; ) {
    while (bits.piece.length - bits.at < 512 && bits.offset < size) await bits.refill();
    last = bits.take(1);
    const kind = bits.take(2);
    if (kind === 0) {
      bits.align();
      const length = bits.take(16);
      if ((length ^ bits.take(16)) !== 0xffff) throw new Error("has a stored block of two lengths");
      for (let left = length; left > 0; left--) {
        if (!bits.ready) await bits.refill();
        bits.take(8);
      }
      unpacked += length;
    } else if (kind === 1 || kind === 2) {
      const [literals, distances] = kind === 1 ? FIXED_CODES() : await dynamicCodes(bits);
      while (unpacked <= limit) {
        if (!bits.ready) await bits.refill();
        const symbol = symbolOf(bits, literals);
        if (symbol < 256) {
          unpacked += 1;
        } else if (symbol === 256) {
          break;
        } else {
          if (symbol > 285) throw new Error("has a length of no meaning");
          unpacked += LENGTH_BASE[symbol - 257] + bits.take(LENGTH_EXTRA[symbol - 257]);
          bits.take(Math.max(0, (symbolOf(bits, distances) >> 1) - 1));
        }
      }
    } else {
      throw new Error("has a block of an unknown kind");
    }
    if (unpacked > limit) throw new Error("unpacks to more bytes than its header states");
  }
  bits.align();
  if (bits.count > 0 || bits.at < bits.piece.length || bits.offset < size) {
    throw new Error("has bytes behind the end of its compressed data");
  }
}
