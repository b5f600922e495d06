// The zip profile of docs/BUNDLE.md: the one form of zip that is a bundle.
//
// Reads the end record, the central directory and every local header, then unpacks file by file. Every byte is pinned
// to a value, equal in both headers, or inside a listed file. The archive is never in memory as a whole.

const END_BYTES = 22;
const CENTRAL_BYTES = 46;
const LOCAL_BYTES = 30;
const NAME_BYTES = 301;
const WINDOW_BYTES = MIB;

/** Reads small pieces of a file in order, through one window. */
class Window {
  constructor(file) {
    this.file = file;
    this.start = 0;
    this.bytes = new Uint8Array();
  }

  async read(start, end) {
    if (start < this.start || end > this.start + this.bytes.length) {
      this.start = start;
      this.bytes = await readSlice(this.file, start, Math.min(Math.max(end, start + WINDOW_BYTES), this.file.size));
    }
    return this.bytes.subarray(start - this.start, end - this.start);
  }
}

function fieldsOf(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return { u16: (at) => view.getUint16(at, true), u32: (at) => view.getUint32(at, true) };
}

/** What is wrong with a path of a bag; undefined when nothing is. */
function pathFault(path) {
  if (path.length > 200) return "more than 200 bytes";
  for (const segment of path.split("/")) {
    if (segment === "") return "an empty segment";
    if (segment.length > 100) return "a segment of more than 100 bytes";
    if (!/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(segment)) return "a segment with a character that is not allowed";
  }
  return undefined;
}

/** The first path that would be one file, or a file and a folder, with another. */
function findClash(paths) {
  const folded = new Set();
  for (const path of paths) {
    if (folded.has(path.toLowerCase())) return path;
    folded.add(path.toLowerCase());
  }
  return paths.find((path) => {
    const parts = path.toLowerCase().split("/");
    return parts.some((_, count) => count > 0 && folded.has(parts.slice(0, count).join("/")));
  });
}

/** Refuses every zip that is not of the profile; `{root, time, entries}`. */
async function readHeaders(file, limits = LIMITS) {
  const { count, centralStart } = await endRecord(file, limits);
  const headers = await centralDirectory(file, count, centralStart);
  const large = headers.entries.find((entry) => entry.bytes > limits.entryBytes);
  if (large) throw new Refused("zip-limits", `${large.bytes} bytes are more than the limit`, large.path);
  const all = headers.entries.reduce((sum, entry) => sum + entry.bytes, 0);
  if (all > limits.unpackedBytes) throw new Refused("zip-limits", `${all} bytes unpacked are more than the limit`);
  const clash = findClash(headers.entries.map((entry) => entry.path));
  if (clash) throw new Refused("zip-names", "would be one file with another on some systems", clash);
  await localHeaders(file, headers, centralStart);
  return headers;
}

async function endRecord(file, limits) {
  const refuse = (detail) => new Refused("zip-end", detail);
  const endStart = file.size - END_BYTES;
  if (endStart < 0) throw refuse(`${file.size} bytes are too few for a zip`);
  const end = fieldsOf(await readSlice(file, endStart, file.size));
  if (end.u32(0) !== 0x0605_4b50) throw refuse("the last 22 bytes are not the end record of a zip");
  const count = end.u16(10);
  const centralStart = end.u32(16);
  if (end.u16(4) !== 0 || end.u16(6) !== 0 || end.u16(8) !== count) {
    throw refuse("the end record speaks of more than one disk");
  }
  if (end.u16(20) !== 0) throw refuse("the end record has a comment");
  if (count > limits.entries) throw new Refused("zip-limits", `${count} files are more than the limit`);
  if (count === 0 || centralStart + end.u32(12) !== endStart) {
    throw refuse(`the directory that the end record states does not end at ${endStart}`);
  }
  if (end.u32(12) > count * (CENTRAL_BYTES + NAME_BYTES)) {
    throw new Refused("zip-layout", "the central directory has bytes that belong to no file");
  }
  return { count, centralStart };
}

async function centralDirectory(file, count, start) {
  const central = await readSlice(file, start, file.size - END_BYTES);
  const entries = [];
  let root;
  let time;
  let madeBy;
  let at = 0;
  for (let number = 1; number <= count; number++) {
    if (at + CENTRAL_BYTES > central.length) throw new Refused("zip-layout", "the central directory is cut off");
    const header = fieldsOf(central.subarray(at, at + CENTRAL_BYTES));
    if (header.u32(0) !== 0x0201_4b50) {
      throw new Refused("zip-headers", `file ${number}: the central directory has something else than a header`);
    }
    const nameBytes = header.u16(28);
    if (nameBytes > NAME_BYTES) throw new Refused("zip-headers", `file ${number}: the name is longer than 301 bytes`);
    if (at + CENTRAL_BYTES + nameBytes > central.length) {
      throw new Refused("zip-layout", "the central directory is cut off");
    }
    const rawName = central.subarray(at + CENTRAL_BYTES, at + CENTRAL_BYTES + nameBytes);
    at += CENTRAL_BYTES + nameBytes;
    const name = Array.from(rawName, (byte) => String.fromCharCode(byte)).join("");
    const wrong = (what) => new Refused("zip-headers", what, name);
    if (header.u16(6) !== 20) throw wrong("needs another version than 2.0");
    if (header.u16(8) !== 0) throw wrong("has a flag set (encryption, data descriptor, UTF-8, masked headers)");
    const method = header.u16(10);
    if (method !== 0 && method !== 8) throw wrong("the method is neither stored nor deflated");
    madeBy ??= header.u16(4);
    if (![0x0314, 0x032d].includes(header.u16(4)) || madeBy !== header.u16(4)) {
      throw wrong("is made by something else than version 2.0 or 4.5 on Unix");
    }
    if (header.u16(30) !== 0 || header.u16(32) !== 0) throw wrong("has an extra field or a comment");
    if (header.u16(34) !== 0 || header.u16(36) !== 0) throw wrong("lies on another disk or has internal attributes");
    if (header.u32(38) !== 0x81a4_0000) throw wrong("is not a plain file of mode 0644");
    time ??= header.u32(12);
    if (time !== header.u32(12)) throw wrong("has another time than the file before it");

    const unsafe = (what) => new Refused("zip-names", what, name);
    const slash = name.indexOf("/");
    if (slash < 0) throw unsafe("is in no folder");
    const path = name.slice(slash + 1);
    const fault = pathFault(name.slice(0, slash)) ?? pathFault(path);
    if (fault) throw unsafe(fault);
    root ??= name.slice(0, slash);
    if (root !== name.slice(0, slash)) throw unsafe("is in another folder than the file before it");
    if (entries.length > 0 && entries.at(-1).path >= path) {
      throw unsafe(entries.some((entry) => entry.path === path) ? "is there twice" : "is not sorted");
    }
    const entry = {
      name, path, method, crc: header.u32(16), packed: header.u32(20), bytes: header.u32(24), start: header.u32(42),
    };
    if ([entry.packed, entry.bytes, entry.start].includes(0xffff_ffff)) throw wrong("uses zip64");
    if (method === 0 && entry.packed !== entry.bytes) throw wrong("is stored in another number of bytes than it has");
    entries.push(entry);
  }
  if (at !== central.length) throw new Refused("zip-layout", `${central.length - at} bytes follow the central directory`);
  return { root, time, entries };
}

/** Every local header follows the file before it, and says what the central directory says. */
async function localHeaders(file, headers, centralStart) {
  const window = new Window(file);
  let expected = 0;
  for (const entry of headers.entries) {
    const layout = (what) => new Refused("zip-layout", what, entry.path);
    const wrong = (what) => new Refused("zip-headers", what, entry.path);
    if (entry.start !== expected) throw layout(`begins at ${entry.start}, the file before it ends at ${expected}`);
    entry.dataStart = entry.start + LOCAL_BYTES + entry.name.length;
    expected = entry.dataStart + entry.packed;
    if (expected > centralStart) throw layout("reaches into the central directory");
    const bytes = await window.read(entry.start, entry.dataStart);
    const local = fieldsOf(bytes);
    if (local.u32(0) !== 0x0403_4b50) throw wrong("has no local header");
    if (local.u16(4) !== 20) throw wrong("needs another version than 2.0");
    if (local.u16(6) !== 0) throw wrong("has a flag set (encryption, data descriptor, UTF-8, masked headers)");
    if (local.u16(28) !== 0) throw wrong("has an extra field in its local header");
    if (local.u16(26) !== entry.name.length || !sameBytes(bytes.subarray(LOCAL_BYTES), utf8(entry.name))) {
      throw wrong("has another name in its local header");
    }
    if (local.u32(10) !== headers.time) throw wrong("has another time in its local header");
    const stated = [local.u16(8), local.u32(14), local.u32(18), local.u32(22)];
    const listed = [entry.method, entry.crc, entry.packed, entry.bytes];
    if (stated.some((value, index) => value !== listed[index])) {
      throw wrong("has another method, size or checksum in its local header");
    }
  }
  if (expected !== centralStart) {
    throw new Refused("zip-layout", `${centralStart - expected} bytes between the last file and the directory`);
  }
}

/** Unpacks a file into `sink`, piece by piece, and holds it against its size and checksum. */
async function unpack(file, entry, sink) {
  const wrong = (what) => new Refused("zip-content", what, entry.path);
  let bytes = 0;
  let crc = 0;
  const take = (piece) => {
    bytes += piece.length;
    if (bytes > entry.bytes) throw wrong("unpacks to more bytes than its header states");
    crc = crc32(piece, crc);
    sink(piece);
  };
  if (entry.method === 0) {
    for (let start = 0; start < entry.packed; start += SLICE_BYTES) {
      const end = Math.min(start + SLICE_BYTES, entry.packed);
      take(await readSlice(file, entry.dataStart + start, entry.dataStart + end));
    }
  } else {
    const packed = file.slice(entry.dataStart, entry.dataStart + entry.packed);
    const reader = packed.stream().pipeThrough(new DecompressionStream("deflate-raw")).getReader();
    for (;;) {
      let step;
      try {
        step = await reader.read();
      } catch (error) {
        if (error.name === "NotReadableError") throw new Unreadable(`${file.name} cannot be read`);
        throw wrong("its packed data is no deflate stream that ends where its header says");
      }
      if (step.done) break;
      try {
        take(step.value);
      } catch (error) {
        await reader.cancel().catch(() => undefined);
        throw error;
      }
    }
  }
  if (bytes !== entry.bytes) throw wrong(`unpacks to ${bytes} bytes, its header states ${entry.bytes}`);
  if (crc !== entry.crc) throw wrong("unpacks to bytes of another checksum");
  if (entry.method === 8) await noFreeBits(file, entry);
}

async function noFreeBits(file, entry) {
  try {
    const read = (start, end) => readSlice(file, entry.dataStart + start, entry.dataStart + end);
    await walkDeflate(read, entry.packed, entry.bytes);
  } catch (error) {
    if (error instanceof Unreadable) throw error;
    throw new Refused("zip-content", `its packed data ${error.message}`, entry.path);
  }
}

/** The whole contents of a file, which must not be longer than `limit`. */
async function unpackWhole(file, entry, limit, check) {
  if (entry.bytes > limit) throw new Refused(check, `${entry.bytes} bytes are more than the limit ${limit}`, entry.path);
  const pieces = [];
  await unpack(file, entry, (piece) => pieces.push(piece));
  return concat(...pieces);
}
