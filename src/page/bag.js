// The bag: names, manifests and tag files (docs/BUNDLE.md, step 9).

const BAG_DECLARATION = "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n";
const TAG_MANIFEST = "tagmanifest-sha256.txt";
const SIGNATURE = "tagmanifest-sha256.txt.sig";
const MANIFEST = "manifest-sha256.txt";
const TAG_FILES = ["README.txt", "bag-info.txt", "bagit.txt", MANIFEST];

/** Milliseconds of `YYYY-MM-DDTHH:MM:SSZ`; undefined when it is no such instant. */
function parseTime(text) {
  if (!isText(text) || !/^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$/.test(text)) return undefined;
  const time = Date.parse(text);
  // A day that the month lacks would come back as another.
  return time >= 0 && new Date(time).toISOString() === text.replace("Z", ".000Z") ? time : undefined;
}

const isDate = (text) => isText(text) && parseTime(`${text}T00:00:00Z`) !== undefined;

/** `{id, scope, slot, kind}` of the name of a bundle; undefined when it is none. */
function parseId(text) {
  const match = /^evidence-([a-z0-9-]{1,32})-([0-9]{8}T[0-9]{6}Z)(?:-(manual)|-supplement-([1-9][0-9]{0,9}))?$/.exec(text);
  if (!match || Number(match[4] ?? 1) > 0xffff_ffff) return undefined;
  const slot = match[2].replace(/^(....)(..)(..)T(..)(..)(..)Z$/, "$1-$2-$3T$4:$5:$6Z");
  if (parseTime(slot) === undefined) return undefined;
  return { id: text, scope: match[1], slot, kind: match[3] ?? (match[4] ? "supplement" : "schedule") };
}

/** MS-DOS date and time of an instant as they lie in a header. */
function dosTime(slot) {
  const [year, month, day, hour, minute, second] = slot.match(/[0-9]+/g).map(Number);
  if (year < 1980 || year > 2107) return undefined;
  const date = ((year - 1980) << 9) | (month << 5) | day;
  return ((date << 16) | (hour << 11) | (minute << 5) | (second >> 1)) >>> 0;
}

/** Path to digest, in order. Grammar and order are part of what is checked. */
function parseManifest(bytes, check, name) {
  const refuse = (line, what) => new Refused(check, `line ${line} ${what}`, name);
  const files = new Map();
  if (bytes.length === 0) return files;
  const text = textOf(bytes);
  if (!text?.endsWith("\n")) throw new Refused(check, "is not text that ends in a line feed", name);
  let last = "";
  text.slice(0, -1).split("\n").forEach((content, index) => {
    const line = /^([0-9a-f]{64}) {2}([^ ].*)$/.exec(content);
    if (!line) throw refuse(index + 1, "is not 64 lower-case hex digits, two spaces and a path");
    if (pathFault(line[2])) throw refuse(index + 1, "names a path that is not allowed");
    if (last >= line[2]) throw refuse(index + 1, "is not behind the line before it in byte order");
    last = line[2];
    files.set(line[2], line[1]);
  });
  return files;
}

const BAG_INFO = [
  ["Bag-Group-Identifier", /^[a-z0-9-]{1,32}$/],
  ["Bag-Software-Agent", /^\S(?:.*\S)?$/u],
  ["Bagging-Date", /^[0-9]{4}-[0-9]{2}-[0-9]{2}$/],
  ["Evidenced-Key-Id", /^[0-9a-f]{64}$/],
  ["External-Identifier", /^evidence-/],
  ["Payload-Oxum", /^(?:0|[1-9][0-9]*)\.(?:0|[1-9][0-9]*)$/],
  ["Source-Organization", /^\S(?:.*\S)?$/u],
];

/** The seven lines of bag-info.txt in their order. */
function parseBagInfo(bytes) {
  const refuse = (what) => new Refused("bag-info", what, "bag-info.txt");
  const text = textOf(bytes);
  const lines = text?.split("\n");
  if (lines?.length !== 8 || lines[7] !== "") throw refuse("has not seven lines");
  const info = {};
  BAG_INFO.forEach(([name, form], index) => {
    const value = lines[index].startsWith(`${name}: `) ? lines[index].slice(name.length + 2) : undefined;
    if (value === undefined) throw refuse(`line ${index + 1} should be ${name} and a value`);
    if (!form.test(value) || utf8(value).length > 256 || /\p{Cc}/u.test(value)) {
      throw refuse(`value of ${name} is not allowed: ${value}`);
    }
    info[name] = value;
  });
  if (!isDate(info["Bagging-Date"])) throw refuse(`Bagging-Date ${info["Bagging-Date"]} is no date`);
  return info;
}

/** Steps 8 and 9. `passed` hears of each check; returns what step 10 and the report need. */
async function checkBag(file, name, keys, passed, progress) {
  const headers = await readHeaders(file);
  const entries = new Map(headers.entries.map((entry) => [entry.path, entry]));
  for (const check of ["zip-end", "zip-limits", "zip-headers", "zip-layout", "zip-names"]) {
    passed(check, check === "zip-limits" ? `${entries.size} files` : "");
  }
  const read = (path, limit, check) => {
    const entry = entries.get(path);
    if (!entry) throw new Refused(check, "is missing", path);
    return unpackWhole(file, entry, limit, check);
  };

  const id = parseId(headers.root);
  if (!id) throw new Refused("bag-name", `folder ${headers.root} is not the name of a bundle`);
  if (name !== `${id.id}.zip`) {
    throw new Refused("bag-name", `the file is called ${name}, it should be ${id.id}.zip: give it its name back`);
  }
  if (dosTime(id.slot) !== headers.time) throw new Refused("zip-headers", `the time in the headers is not ${id.slot}`);
  passed("bag-name", id.id);

  // The grammar comes before the signature.
  const message = await read(TAG_MANIFEST, LIMITS.signedBytes, "tag-manifest");
  const tags = parseManifest(message, "tag-manifest", TAG_MANIFEST);
  if ([...tags.keys()].join() !== TAG_FILES.join()) {
    throw new Refused("tag-manifest", `lists other files than ${TAG_FILES.join(", ")}`, TAG_MANIFEST);
  }
  passed("tag-manifest", `${message.length} bytes`);
  const signature = await read(SIGNATURE, 64, "signature");
  const key = await signerOf(keys, message, signature);
  if (!key) throw new Refused("signature", `is the signature of no given key`, SIGNATURE);
  passed("signature", `key ${key.id}`);

  const contents = new Map();
  for (const [path, digest] of tags) {
    const bytes = await read(path, path === MANIFEST ? LIMITS.manifestBytes : LIMITS.tagFileBytes, "tag-files");
    if (hex(await sha256(bytes)) !== digest) throw new Refused("tag-files", "is not the file that was signed", path);
    contents.set(path, bytes);
  }
  passed("tag-files");
  if (textOf(contents.get("bagit.txt")) !== BAG_DECLARATION) {
    throw new Refused("bag-declaration", "is not the declaration of BagIt 1.0", "bagit.txt");
  }
  passed("bag-declaration");

  const manifest = parseManifest(contents.get(MANIFEST), "manifest", MANIFEST);
  for (const path of manifest.keys()) {
    if (!path.startsWith("data/")) throw new Refused("manifest", `lists ${path}, not under data/`, MANIFEST);
  }
  passed("manifest", `${manifest.size} files`);

  const listed = new Set([...manifest.keys(), ...TAG_FILES, TAG_MANIFEST, SIGNATURE]);
  for (const path of entries.keys()) if (!listed.has(path)) throw new Refused("file-set", "is in no manifest", path);
  for (const path of listed) if (!entries.has(path)) throw new Refused("file-set", "is missing", path);
  passed("file-set", `${entries.size} files`);

  const documents = new Documents(manifest);
  let bytes = 0;
  for (const [path, digest] of manifest) {
    const entry = entries.get(path);
    const isRead = documents.wants(path, entry.bytes);
    // WebCrypto is faster and takes a file whole; a large one is hashed in steps.
    const kept = entry.bytes <= LIMITS.jsonBytes ? [] : undefined;
    const hash = new Sha256();
    await unpack(file, entry, (piece) => (kept ? kept.push(piece) : hash.update(piece)));
    const whole = kept && concat(...kept);
    if (hex(whole ? await sha256(whole) : hash.digest()) !== digest) {
      throw new Refused("payload", "is not the file that was signed", path);
    }
    if (isRead) documents.take(path, whole);
    bytes += entry.bytes;
    progress(entry.dataStart + entry.packed);
  }
  passed("payload", `${bytes} bytes`);

  const info = parseBagInfo(contents.get("bag-info.txt"));
  const expected = {
    "External-Identifier": id.id,
    "Bag-Group-Identifier": id.scope,
    "Evidenced-Key-Id": key.id,
    "Payload-Oxum": `${bytes}.${manifest.size}`,
  };
  for (const [field, value] of Object.entries(expected)) {
    if (info[field] !== value) throw new Refused("bag-info", `${field} is ${info[field]}, expected ${value}`, "bag-info.txt");
  }
  passed("bag-info", `${info["Source-Organization"]}, ${info["Bag-Software-Agent"]}`);
  passed("zip-content", `${entries.size} files unpacked`);
  return { id, info, key, manifest, documents, message };
}
