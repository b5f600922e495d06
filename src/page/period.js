// The period bundle (docs/BUNDLE.md): what a log says of a quarter, and whether all of it is there (step 11).
//
// Every leaf of the log is read and the root computed anew, so nothing rests on the form of this zip, which nobody
// signed. Bundles inside are windows of the file, verified one after another; of each only a line is kept.

const PERIOD_LIMITS = { entries: 65_534, entryBytes: 3584 * MIB, unpackedBytes: 3584 * MIB };
const PERIOD_NAME = /^([a-z0-9-]{1,32})-([A-Za-z0-9][A-Za-z0-9-]{0,31})\.zip$/;
/** Name and claim of each check of a period, in the words of the verifier. */
const PERIOD_CHECKS = [
  ["log-head", "log keys of the trust root, and nobody unknown, signed the newest checkpoint, and it was not set back"],
  ["log-entries", "every leaf that the newest checkpoint counts is there"],
  ["log-root", "the root computed from all leaves is the one that was signed"],
  ["log-checkpoints", "every other checkpoint in the store is a beginning of the same log"],
  ["log-chain", "each leaf is a statement of this log and scope, with its number and the digest of the one before"],
  ["pinned", "the log begins with the checkpoint that the verifier held"],
  ["slot-order", "no bundle is there twice, the slots of scheduled runs increase, and each is due by its own schedule"],
  ["slot-coverage", "every slot that was due has exactly one leaf of a scheduled run"],
  ["bundles-there", "every bundle is there with its sidecars, but for zips that a sample leaves out"],
  ["bundles", "each zip that was opened is genuine and the one that its leaf names"],
];
/** The checks of the zip and the bag that a period bundle has too. */
const PERIOD_FORM = ["trust-root", "keys", "zip-end", "zip-limits", "zip-headers", "zip-layout", "zip-names", "bag-name", "tag-files", "manifest", "file-set", "payload"];

/** Nobody signed the form of a period bundle: what is only listed must not look signed. */
function periodForm() {
  const listed = { "tag-files": "the tag files are those of their list", payload: "every file but the zips is the one that is listed" };
  return CHECKS.filter(([name]) => PERIOD_FORM.includes(name)).map(([name, step, claim]) => [name, step, listed[name] ?? claim]);
}

/** Whether a file is named like a period bundle: a zip, and not one of a slot. */
function isPeriodName(name) {
  return PERIOD_NAME.test(name) && !parseId(name.slice(0, -4));
}

/** Names of files to windows of the zip, once its headers are those of the profile. */
async function openPeriod(zip, passed = () => {}) {
  const headers = await readHeaders(zip, PERIOD_LIMITS);
  const stem = zip.name.replace(/\.zip$/, "");
  if (headers.root !== stem) throw new Refused("bag-name", `folder ${headers.root} is not ${stem}`);
  const deflated = headers.entries.find((entry) => entry.method !== 0);
  if (deflated) throw new Refused("zip-headers", "is not stored as it is", deflated.path);
  for (const check of PERIOD_FORM.slice(2, 8)) passed(check, check === "zip-limits" ? `${headers.entries.length} files` : "");
  const entries = new Map(headers.entries.map((entry) => [entry.path, entry]));
  return {
    entries,
    has: (path) => entries.has(path),
    file: (path) => {
      const entry = entries.get(path);
      return entry && new File([zip.slice(entry.dataStart, entry.dataStart + entry.packed)], path.split("/").at(-1));
    },
    small: (path, limit, check) => {
      const entry = entries.get(path);
      if (!entry) throw new Refused(check, "is missing", path);
      return unpackWhole(zip, entry, limit, check);
    },
  };
}

/** The files of the trust root inside: a copy, which counts when its fingerprint does. */
async function trustOfPeriod(zip) {
  const period = await openPeriod(zip);
  const paths = [...period.entries.keys()].filter((path) => /^data\/trust\/[^/]+$/.test(path));
  return Promise.all(paths.map(async (path) => ({ name: path.slice("data/trust/".length), bytes: await period.small(path, LIMITS.sidecarBytes, "trust-root") })));
}

/**
 * Verifies a period bundle. `beside` are zips that were given with it, by name, `kept` the checkpoint that the person
 * held, if any. Never throws.
 */
async function verifyPeriod({ zip, beside, kept }, keys, progress) {
  const report = { kind: "period", name: zip.name, size: zip.size, result: "could-not-tell", level: "none", passed: new Map(), failed: undefined, unchecked: [], rows: [], absent: [], notes: [] };
  const passed = (check, detail = "") => report.passed.set(check, printable(detail));
  try {
    await runPeriod(report, { zip, beside, kept }, keys, passed, progress);
  } catch (error) {
    report.result = error instanceof Refused ? "not-genuine" : "could-not-tell";
    report.failed = error instanceof Refused ? error : { message: printable(error.message), check: "", file: "" };
  }
  return report;
}

async function runPeriod(report, { zip, beside, kept }, keys, passed, progress) {
  // 1, 8 and 9: the keys, and the form of what was given.
  const anchor = anchorOf(keys, passed);
  if (!anchor.strict) report.unchecked.push([["trust-root"], "single keys were given"]);
  if (anchor.log.length === 0) throw new Unreadable("no log key was given: a period is judged by its log");
  const period = await openPeriod(zip, passed);
  const manifest = await periodManifest(period, passed);
  const info = parsePeriodInfo(await period.small("bag-info.txt", LIMITS.tagFileBytes, "tag-files"));
  const index = parseBundlesList(await period.small("data/bundles.txt", LIMITS.manifestBytes, "payload"));
  Object.assign(report, { info, index });

  // 11: the log, from its leaves.
  const end = await checkpointAt(period, "data/log/checkpoint.end", info, anchor, "log-head");
  report.checkpoint = end;
  passed("log-head", `${end.origin}, size ${end.size}`);
  const leaves = await readLeaves(period, end.size);
  passed("log-entries", `${leaves.length} leaves`);
  const hashes = await Promise.all(leaves.map((leaf) => sha256(concat([0], leaf))));
  if (!sameBytes(await treeRoot(hashes), end.root)) throw new Refused("log-root", "the leaves lead to another root than the one that was signed", "data/log/checkpoint.end");
  passed("log-root", base64(end.root));
  const start = period.has("data/log/checkpoint.start") ? await checkpointAt(period, "data/log/checkpoint.start", info, anchor, "log-checkpoints") : { size: 0 };
  if (start.size > 0) await demandBeginning(start, hashes, "log-checkpoints", "data/log/checkpoint.start");
  passed("log-checkpoints", start.size > 0 ? `size ${start.size}` : "the log begins in this period");
  const statements = await readChain(leaves, end.origin, info.scope);
  passed("log-chain", `${statements.length} statements`);
  if (kept) {
    if (kept.origin !== end.origin) throw new Refused("pinned", `the checkpoint that you kept is of ${kept.origin}, this log is ${end.origin}`);
    await demandBeginning(kept, hashes, "pinned", "the checkpoint that you kept");
    passed("pinned", `size ${kept.size}`);
  } else {
    report.unchecked.push([["pinned"], "no kept checkpoint was given: drop the one of the last period here"]);
  }

  // 11: the slots.
  checkSlotOrder(statements, passed);
  report.absent = absentSlots(statements, info);
  const due = statements.slice(start.size).filter((it) => it.trigger === "schedule");
  report.sequenced = due.length;
  report.due = due.length + report.absent.length;
  if (report.absent.length === 0) passed("slot-coverage", `${report.sequenced} of ${report.due} slots`);

  // 11: the zips, each as a bundle of its own.
  await checkBundles(report, { period, manifest, index, beside, leaves, statements, start }, keys, passed, progress);
  report.level = report.passed.has("pinned") ? "pinned" : "logged";
  if (report.absent.length > 0) {
    throw new Refused("slot-coverage", `${report.absent.length} of ${report.due} slots have no leaf: ${report.absent.slice(0, 5).join(", ")}${report.absent.length > 5 ? ", ..." : ""}`);
  }
  const listed = report.rows.some((row) => row.result === "exceptions" || row.place === "left-out");
  report.result = listed ? "exceptions" : "genuine";
}

/** Tag files and the small files have their digests; what is listed is there and nothing besides. */
async function periodManifest(period, passed) {
  const message = await period.small(TAG_MANIFEST, LIMITS.signedBytes, "tag-files");
  const tags = parseManifest(message, "tag-files", TAG_MANIFEST);
  if ([...tags.keys()].join() !== TAG_FILES.join()) throw new Refused("tag-files", `lists other files than ${TAG_FILES.join(", ")}`, TAG_MANIFEST);
  for (const [path, digest] of tags) {
    const bytes = await period.small(path, 32 * MIB, "tag-files");
    if (hex(await sha256(bytes)) !== digest) throw new Refused("tag-files", "is not the file that is listed", path);
  }
  passed("tag-files");
  const manifest = parseManifest(await period.small(MANIFEST, 32 * MIB, "manifest"), "manifest", MANIFEST);
  passed("manifest", `${manifest.size} files`);
  const listed = new Set([...manifest.keys(), ...TAG_FILES, TAG_MANIFEST]);
  for (const path of period.entries.keys()) if (!listed.has(path)) throw new Refused("file-set", "is in no manifest", path);
  for (const path of listed) if (!period.has(path)) throw new Refused("file-set", "is missing", path);
  passed("file-set", `${listed.size} files`);
  for (const [path, digest] of manifest) {
    // A zip is hashed when it is verified.
    if (/^data\/bundles\/[^/]+\.zip$/.test(path)) continue;
    if (hex(await sha256(await period.small(path, LIMITS.jsonBytes, "payload"))) !== digest) throw new Refused("payload", "is not the file that is listed", path);
  }
  passed("payload");
  return manifest;
}

function parsePeriodInfo(bytes) {
  const match = new RegExp(
    "^Bag-Group-Identifier: ([a-z0-9-]{1,32})\\nBag-Software-Agent: [^\\n]+\\nBagging-Date: [0-9-]{10}\\n" +
      "Evidenced-Log-Origin: ([^\\n]{1,200})\\nEvidenced-Period: ([0-9-]{10})/([0-9-]{10})\\nExternal-Identifier: ([^\\n]+)\\n" +
      "Payload-Oxum: [0-9]+\\.[0-9]+\\nSource-Organization: ([^\\n]+)\\n$", "u",
  ).exec(textOf(bytes) ?? "");
  if (!match || !isDate(match[3]) || !isDate(match[4]) || match[3] > match[4]) throw new Refused("tag-files", "is not that of a period", "bag-info.txt");
  const [, scope, origin, first, last, id, organisation] = match;
  return { scope, origin, first, last, id, organisation, from: parseTime(`${first}T00:00:00Z`), to: parseTime(`${last}T00:00:00Z`) + DAY };
}

/** Name to `{bytes, digest, place}`. */
function parseBundlesList(bytes) {
  const list = new Map();
  const text = textOf(bytes);
  for (const line of text?.endsWith("\n") ? text.slice(0, -1).split("\n") : [""]) {
    const match = /^(evidence-[A-Za-z0-9.-]+\.zip) (0|[1-9][0-9]{0,15}) ([0-9a-f]{64}) (inside|beside|left-out)$/.exec(line);
    if (!match || list.has(match[1])) throw new Refused("payload", `has a line of another form: ${line}`, "data/bundles.txt");
    list.set(match[1], { bytes: Number(match[2]), digest: match[3], place: match[4] });
  }
  return list;
}

async function checkpointAt(period, path, info, anchor, check) {
  const checkpoint = readCheckpoint(textOf(await period.small(path, LIMITS.sidecarBytes, check)) ?? "");
  const refuse = (what) => new Refused(check, what, path);
  if (!checkpoint) throw refuse("is no checkpoint");
  if (checkpoint.origin !== info.origin) throw refuse(`is of ${checkpoint.origin}, the period of ${info.origin}`);
  if (checkpoint.size === 0) throw refuse("is of an empty log");
  await checkSigners(checkpoint, anchor, refuse);
  return checkpoint;
}

/** The log began with this checkpoint: the root over that many leaves is its root. */
async function demandBeginning(checkpoint, hashes, check, what) {
  if (checkpoint.size > hashes.length) throw new Refused(check, `counts ${checkpoint.size} leaves, the log has ${hashes.length}: it was cut`, what);
  if (!sameBytes(await treeRoot(hashes.slice(0, checkpoint.size)), checkpoint.root)) throw new Refused(check, `its root is not that of the first ${checkpoint.size} leaves: the log was rewritten`, what);
}

/** The path of a tile of 256: three digits at a time, `x` before all but the last. */
function tilePath(number, width) {
  const groups = [String(number % 1000).padStart(3, "0")];
  for (let rest = Math.floor(number / 1000); rest > 0; rest = Math.floor(rest / 1000)) groups.unshift(`x${String(rest % 1000).padStart(3, "0")}`);
  return `${groups.join("/")}${width === 256 ? "" : `.p/${width}`}`;
}

/** The bytes of every leaf. */
async function readLeaves(period, size) {
  const leaves = [];
  for (let first = 0; first < size; first += 256) {
    const width = Math.min(256, size - first);
    const path = `data/log/tile/entries/${tilePath(first / 256, width)}`;
    const bytes = await period.small(path, 2 * MIB, "log-entries");
    let at = 0;
    for (let number = 0; number < width; number++) {
      const length = at + 2 <= bytes.length ? bytes[at] * 256 + bytes[at + 1] : bytes.length;
      if (at + 2 + length > bytes.length) throw new Refused("log-entries", "is cut off", path);
      leaves.push(bytes.subarray(at + 2, at + 2 + length));
      at += 2 + length;
    }
    if (at !== bytes.length) throw new Refused("log-entries", "has more than its leaves", path);
  }
  return leaves;
}

/** The root over leaf hashes (RFC 6962): a level at a time, an odd one goes up as it is. */
async function treeRoot(hashes) {
  let level = hashes;
  while (level.length > 1) {
    const pairs = [];
    for (let at = 0; at < level.length; at += 2) pairs.push(at + 1 < level.length ? nodeHash(level[at], level[at + 1]) : level[at]);
    level = await Promise.all(pairs);
  }
  return level[0];
}

/** Every leaf as a statement, each naming the one before. */
async function readChain(leaves, origin, scope) {
  const statements = [];
  let before;
  for (const [index, leaf] of leaves.entries()) {
    const refuse = (what) => new Refused("log-chain", `leaf ${index} ${what}`);
    const statement = readStatement(leaf, refuse);
    const id = parseId(statement.subject[0].name.replace(/\.zip$/, ""));
    if (!id || statement.subject[0].name !== `${id.id}.zip` || id.slot !== statement.slot || id.kind !== statement.trigger) throw refuse("is named after another slot than its own");
    if (statement.log.index !== index || statement.log.origin !== origin) throw refuse(`says that it is number ${statement.log.index} of ${statement.log.origin}`);
    if (statement.scope.name !== scope) throw refuse(`is of scope ${statement.scope.name}`);
    if (statement.previous?.sha256 !== before) throw refuse("does not name the leaf before it");
    before = hex(await sha256(leaf));
    statements.push({ ...statement, id, bytes: leaf });
  }
  return statements;
}

const scheduled = (statements) => statements.filter((statement) => statement.trigger === "schedule");

/** A name once, slots increase, each an instant of its own schedule, none of the earlier one's between two. */
function checkSlotOrder(statements, passed) {
  const refuse = (what) => new Refused("slot-order", what);
  const names = new Set();
  for (const { id } of statements) {
    if (names.has(id.id)) throw refuse(`${id.id} is in the log twice`);
    names.add(id.id);
  }
  let last;
  for (const statement of scheduled(statements)) {
    const schedule = parseSchedule(statement.schedule);
    if (!schedule) throw refuse(`${statement.schedule} is no schedule`);
    if (!isSlot(schedule, statement.slot)) throw refuse(`slot ${statement.slot} is none of its schedule ${statement.schedule}`);
    if (last && last >= statement.slot) throw refuse(`slot ${statement.slot} is in the log behind slot ${last}`);
    last = statement.slot;
  }
  passed("slot-order", `${names.size} bundles`);
}

/** Slots of the period that were due and have no leaf. What is before the first leaf of the log was never due. */
function absentSlots(statements, info) {
  const runs = scheduled(statements);
  const absent = [];
  // A slot of the last day may still be on its way.
  const until = Math.min(info.to, Date.now() - DAY);
  for (const [at, run] of runs.entries()) {
    const next = runs[at + 1];
    const [from, to] = [Math.max(parseTime(run.slot), info.from - 1), next ? Math.min(parseTime(next.slot), info.to) : until];
    for (const slot of slotsBetween(parseSchedule(run.schedule), from, to)) {
      if (absent.length >= 10_000) return absent;
      absent.push(slot);
    }
  }
  return absent;
}

/** Every zip of the period, one after another. */
async function checkBundles(report, { period, manifest, index, beside, leaves, statements, start }, keys, passed, progress) {
  const mine = statements.slice(start.size);
  const names = new Set(mine.map((statement) => `${statement.id.id}.zip`));
  const stray = [...index.keys()].find((name) => !/\.part-[0-9]{4}\.zip$/.test(name) && !names.has(name));
  if (stray) throw new Refused("bundles-there", `${stray} belongs to no leaf of the period`, "data/bundles.txt");
  let failed;
  const missing = [];
  for (const [number, statement] of mine.entries()) {
    const name = `${statement.id.id}.zip`;
    const line = index.get(name);
    if (!line) throw new Refused("bundles-there", `${name} is not in the list`, "data/bundles.txt");
    const path = `data/bundles/${name}`;
    const sidecars = Object.fromEntries(SIDECARS.filter((suffix) => period.has(path + suffix)).map((suffix) => [suffix, period.file(path + suffix)]));
    for (const suffix of [".sigstore.json", ".tlog-proof", ".sshsig"]) {
      if (!sidecars[suffix]) throw new Refused("bundles-there", "is missing", path + suffix);
    }
    const zip = line.place === "inside" ? period.file(path) : line.place === "beside" ? beside.get(name) : undefined;
    if (line.place === "inside" && !zip) throw new Refused("bundles-there", "is missing", path);
    const row = { name, slot: statement.slot, trigger: statement.trigger, status: statement.status, place: line.place, index: statement.log.index, dated: Boolean(sidecars[".tsr"]) };
    report.rows.push(row);
    const opened = zip ? await verifyBundle({ zip, sidecars }, keys, (done) => progress((number + done) / mine.length))
      : await verifyLeftOut(name, sidecars, keys);
    Object.assign(row, { opened: Boolean(zip), result: opened.result, failed: opened.failed, gaps: opened.run?.gaps.length ?? 0 });
    if (opened.statement && !sameBytes(opened.statement.bytes, statement.bytes)) {
      Object.assign(row, { result: "not-genuine", failed: new Refused("bundles", "the statement beside it is not the leaf of the log", name) });
    }
    if (zip && line.place === "inside" && opened.zipDigest && opened.zipDigest !== manifest.get(path)) {
      Object.assign(row, { result: "not-genuine", failed: new Refused("payload", "is not the file that is listed", path) });
    }
    if (row.result === "not-genuine") failed ??= row;
    if (line.place === "beside" && !zip) missing.push(name);
    progress((number + 1) / mine.length);
  }
  if (failed) throw new Refused("bundles", `${failed.failed.check}: ${failed.failed.message}`, failed.name);
  const unclear = report.rows.find((row) => row.result === "could-not-tell");
  if (unclear) throw new Unreadable(`${unclear.name}: ${unclear.failed?.message}`);
  if (missing.length > 0) throw new Unreadable(`${missing.length} zips lie beside the period bundle and were not given: ${missing.slice(0, 3).join(", ")}`);
  passed("bundles-there", `${mine.length} with their sidecars`);
  passed("bundles", `${report.rows.filter((row) => row.opened).length} of ${report.rows.length} opened`);
}

/** What the sidecars alone show of a zip that a sample pack leaves out. */
async function verifyLeftOut(name, sidecars, keys) {
  const report = { result: "could-not-tell" };
  try {
    const anchor = anchorOf(keys, () => {});
    report.statement = await checkStatement(sidecars[".sigstore.json"], name, anchor.evidence, () => {});
    await checkProof(sidecars[".tlog-proof"], report.statement, anchor, () => {});
    report.result = report.statement.status === "complete" ? "genuine" : "exceptions";
  } catch (error) {
    report.result = error instanceof Refused ? "not-genuine" : "could-not-tell";
    report.failed = error instanceof Refused ? error : { message: printable(error.message), check: "", file: "" };
  }
  return report;
}
