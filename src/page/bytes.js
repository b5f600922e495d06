// Bytes: reading, spelling and hashing them.
//
// Every decoder has one spelling for each value and refuses all others. Text of a bundle reaches the screen through
// `printable` only, and as text, never as markup.

/** A check failed: the bundle is not genuine. */
class Refused extends Error {
  constructor(check, detail, file = "") {
    super(printable(detail));
    this.check = check;
    this.file = printable(file);
  }
}

/** Nothing can be said: a file cannot be read, or is beyond what this page can hold. */
class Unreadable extends Error {}

const MIB = 1024 * 1024;

/** Upper bounds, those of docs/BUNDLE.md. What is beyond them is refused. */
const LIMITS = {
  entries: 20_000,
  unpackedBytes: 1024 * MIB,
  entryBytes: 512 * MIB,
  tagFileBytes: 64 * 1024,
  manifestBytes: 8 * MIB,
  jsonBytes: 64 * MIB,
  cells: 2_000_000,
  signedBytes: 4096,
  sidecarBytes: 256 * 1024,
};

/** The text with control and direction characters escaped, and cut when it is long. */
function printable(text) {
  let printed = "";
  let count = 0;
  for (const letter of String(text)) {
    if (count++ === 400) return `${printed}...`;
    const hidden = /[\p{Cc}\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/u.test(letter);
    printed += hidden ? `\\u{${letter.codePointAt(0).toString(16)}}` : letter;
  }
  return printed;
}

function concat(...parts) {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

function sameBytes(left, right) {
  return left.length === right.length && left.every((byte, at) => byte === right[at]);
}

function utf8(text) {
  return new TextEncoder().encode(text);
}

/** The text, or undefined when the bytes are not UTF-8. A byte order mark stays and is refused by what follows. */
function textOf(bytes) {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

function hex(bytes) {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function base64(bytes) {
  let text = "";
  for (let at = 0; at < bytes.length; at += 0x8000) text += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
  return btoa(text);
}

/** Standard alphabet, padded, no free bits set; undefined for anything else. */
function unbase64(text) {
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text) || text.length % 4 !== 0) return undefined;
  try {
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    return base64(bytes) === text ? bytes : undefined;
  } catch {
    return undefined;
  }
}

/** The bytes of a part of a file. */
async function readSlice(file, start, end) {
  let bytes;
  try {
    bytes = new Uint8Array(await file.slice(start, end).arrayBuffer());
  } catch (error) {
    throw new Unreadable(`${file.name} cannot be read: ${error.message}`);
  }
  if (bytes.length !== end - start) throw new Unreadable(`${file.name} changed while it was read`);
  return bytes;
}

/** All bytes of a small file. */
async function readSmall(file, limit, check) {
  if (file.size > limit) throw new Refused(check, `${file.size} bytes are more than the limit ${limit}`, file.name);
  return readSlice(file, 0, file.size);
}

async function sha256(bytes) {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
}

const SHA256_ROUND = Int32Array.from(
  (function* () {
    // The first 32 bits of the fraction of the cube roots of the first 64 primes (FIPS 180-4, 4.2.2).
    const primes = [];
    for (let number = 2; primes.length < 64; number++) {
      if (primes.every((prime) => number % prime !== 0)) {
        primes.push(number);
        yield fractionOfRoot(number, 3n);
      }
    }
  })(),
);

/** The first 32 bits of the fraction of a root, in whole numbers so that no rounding decides. */
function fractionOfRoot(number, power) {
  const target = BigInt(number) << (32n * power);
  let low = 0n;
  let high = 1n << 40n;
  while (high - low > 1n) {
    const middle = (low + high) / 2n;
    if (middle ** power <= target) low = middle;
    else high = middle;
  }
  return Number(low & 0xffff_ffffn);
}

/** SHA-256 in steps: WebCrypto has none, and a file beyond 512 MiB does not fit in memory. */
class Sha256 {
  constructor() {
    this.state = Uint32Array.from([2, 3, 5, 7, 11, 13, 17, 19], (prime) => fractionOfRoot(prime, 2n));
    this.held = new Uint8Array(64);
    this.heldCount = 0;
    this.byteCount = 0;
    this.words = new Int32Array(64);
  }

  update(bytes) {
    this.byteCount += bytes.length;
    let at = 0;
    if (this.heldCount > 0) {
      at = Math.min(64 - this.heldCount, bytes.length);
      this.held.set(bytes.subarray(0, at), this.heldCount);
      this.heldCount += at;
      if (this.heldCount < 64) return this;
      this.block(this.held, 0);
      this.heldCount = 0;
    }
    for (; at + 64 <= bytes.length; at += 64) this.block(bytes, at);
    this.held.set(bytes.subarray(at));
    this.heldCount = bytes.length - at;
    return this;
  }

  digest() {
    const bits = BigInt(this.byteCount) * 8n;
    // One bit, then zeros up to the last eight bytes of a block.
    const padding = new Uint8Array(1 + ((119 - (this.byteCount % 64)) % 64));
    padding[0] = 0x80;
    const tail = new Uint8Array(8);
    new DataView(tail.buffer).setBigUint64(0, bits);
    this.update(padding).update(tail);
    const out = new DataView(new ArrayBuffer(32));
    this.state.forEach((word, index) => out.setUint32(index * 4, word));
    return new Uint8Array(out.buffer);
  }

  block(bytes, start) {
    const rounds = SHA256_ROUND;
    const words = this.words;
    for (let index = 0; index < 16; index++) {
      const at = start + index * 4;
      words[index] = (bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3];
    }
    for (let index = 16; index < 64; index++) {
      const x = words[index - 15];
      const y = words[index - 2];
      const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
      const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
      words[index] = (words[index - 16] + s0 + words[index - 7] + s1) | 0;
    }
    const state = this.state;
    let a = state[0] | 0, b = state[1] | 0, c = state[2] | 0, d = state[3] | 0;
    let e = state[4] | 0, f = state[5] | 0, g = state[6] | 0, h = state[7] | 0;
    for (let index = 0; index < 64; index++) {
      const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
      const t1 = (h + s1 + ((e & f) ^ (~e & g)) + rounds[index] + words[index]) | 0;
      const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
      const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      h = g;
      g = f;
      f = e;
      e = (d + t1) | 0;
      d = c;
      c = b;
      b = a;
      a = (t1 + t2) | 0;
    }
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
    state[4] += e;
    state[5] += f;
    state[6] += g;
    state[7] += h;
  }
}

/** Largest file that is given to WebCrypto whole. */
const WHOLE_BYTES = 512 * MIB;
const SLICE_BYTES = 8 * MIB;

/** The digest of a whole file; `progress` hears of bytes done. */
async function hashFile(file, progress, wholeBytes = WHOLE_BYTES) {
  if (file.size <= wholeBytes) {
    const digest = await sha256(await readSlice(file, 0, file.size));
    progress(file.size);
    return digest;
  }
  const hash = new Sha256();
  for (let start = 0; start < file.size; start += SLICE_BYTES) {
    const end = Math.min(start + SLICE_BYTES, file.size);
    hash.update(await readSlice(file, start, end));
    progress(end);
  }
  return hash.digest();
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb8_8320 : value >>> 1;
  return value;
});

/** CRC-32 in steps: begin with 0, give back what was returned. */
function crc32(bytes, before = 0) {
  let crc = ~before;
  for (let at = 0; at < bytes.length; at++) crc = (crc >>> 8) ^ CRC_TABLE[(crc ^ bytes[at]) & 0xff];
  return ~crc >>> 0;
}
