// The checks, in the order of docs/BUNDLE.md, and what they add up to. Stops at the first that fails.

/** Name, step and claim of each check that this page makes: those of the verifier, in its words (a test compares). */
const CHECKS = [
  ["trust-root", 1, "the trust root leads to the fingerprint that was given from outside"],
  ["keys", 1, "there is a public key to verify with, given from outside the bundle"],
  ["statement-form", 2, "the statement file is a Sigstore bundle written in the one allowed way"],
  ["statement-signature", 3, "a trusted evidence key signed the statement"],
  ["statement", 5, "the statement is about the bundle of this name"],
  ["zip-digest", 6, "the whole zip, to the last byte, is the one that the statement names"],
  ["log-proof", 7, "the proof is for the statement's number in its log, written in the one allowed way"],
  ["checkpoint", 7, "a log key of the trust root, and nobody unknown, signed the checkpoint"],
  ["inclusion", 7, "the statement is in the log, at its number"],
  ["zip-end", 8, "the zip ends with one end record: no suffix, comment, second disk or zip64"],
  ["zip-limits", 8, "the number and the sizes of the files are within the limits"],
  ["zip-headers", 8, "every header is of the one form that the writer emits"],
  ["zip-layout", 8, "every byte belongs to a listed file or a header: no prefix, gap, overlap or hidden file"],
  ["zip-names", 8, "the names are safe, sorted, distinct on every file system and in one folder"],
  ["zip-content", 8, "the files unpack to the sizes and checksums that the zip states"],
  ["bag-name", 9, "file, folder and slot have one name"],
  ["tag-manifest", 9, "the tag manifest is one"],
  ["stated-manifest", 9, "the tag manifest is the one that the statement names"],
  ["signature", 9, "a given key signed the tag manifest"],
  ["tag-files", 9, "the tag files are those that were signed"],
  ["bag-declaration", 9, "bagit.txt is the standard one"],
  ["bag-info", 9, "bag-info.txt says the same as the name, the key and the payload"],
  ["manifest", 9, "the payload manifest is one"],
  ["file-set", 9, "the files are exactly those of the manifests"],
  ["payload", 9, "every file of the payload is the one that was signed"],
  ["ssh-signature", 9, "a trusted evidence key made the SSH signature over the zip"],
  ["run-documents", 10, "config, catalogue, plan and run can be read"],
  ["run-identity", 10, "the run is the one that the name says, and names the key that signed it"],
  ["run-policies", 10, "the policies are those whose digest the run states"],
  ["run-coverage", 10, "there is one row for each planned cell and none besides"],
  ["run-files", 10, "every row has its document and every document its row"],
  ["run-status", 10, "the status of the run is what its rows add up to"],
  ["run-statement", 10, "the signed statement and the run say the same"],
];
const WITH_STATEMENT = ["statement-form", "statement-signature", "statement", "zip-digest", "stated-manifest", "run-statement"];
const WITH_PROOF = ["log-proof", "checkpoint", "inclusion"];

const SIDECARS = [".sigstore.json", ".tlog-proof", ".sshsig", ".tsr"];

const isCheckpointFile = (name) => /^checkpoint[A-Za-z0-9._-]*$/.test(name);

/** Sorts files into period bundles, bundles with their sidecars, a kept checkpoint, and files that belong to none. */
async function groupFiles(files) {
  const bundles = new Map();
  const periods = [];
  const strays = [];
  const later = [];
  let kept;
  for (const file of files) {
    if (isPeriodName(file.name)) periods.push({ zip: file, beside: new Map() });
    else if (isCheckpointFile(file.name) && !kept) kept = file;
    else if (!/\.zip$/i.test(file.name)) later.push(file);
    else if (bundles.has(file.name)) strays.push([file, "there is another file of this name"]);
    else bundles.set(file.name, { zip: file, sidecars: {} });
  }
  for (const file of later) {
    const kind = SIDECARS.find((suffix) => file.name.endsWith(suffix));
    const bundle = kind && bundles.get(file.name.slice(0, -kind.length));
    if (!kind) strays.push([file, "is neither a zip nor a file beside one"]);
    else if (!bundle) strays.push([file, "belongs to no zip that was given"]);
    else if (bundle.sidecars[kind]) strays.push([file, "there is another file of this name"]);
    else bundle.sidecars[kind] = file;
  }
  for (const period of periods) {
    for (const name of await namesBeside(period.zip)) {
      if (!bundles.has(name)) continue;
      period.beside.set(name, bundles.get(name).zip);
      bundles.delete(name);
    }
  }
  if (!kept) return { bundles: [...bundles.values()], periods, strays };
  const checkpoint = kept.size > LIMITS.tagFileBytes ? undefined : readCheckpoint(textOf(await readSlice(kept, 0, kept.size)) ?? "");
  if (!checkpoint) strays.push([kept, "is no checkpoint"]);
  else if (periods.length === 0) strays.push([kept, "can be held against a period bundle only"]);
  return { bundles: [...bundles.values()], periods, strays, kept: checkpoint };
}

/** The zips that a period bundle says lie beside it; none when it cannot be read, which its verification will say. */
async function namesBeside(zip) {
  try {
    const period = await openPeriod(zip);
    const list = parseBundlesList(await period.small("data/bundles.txt", LIMITS.manifestBytes, "payload"));
    return [...list].filter(([, line]) => line.place === "beside").map(([name]) => name);
  } catch {
    return [];
  }
}

/**
 * Verifies one bundle. `keys` is {root, evidence, log}, each with {id, compared, differs} or undefined; `progress`
 * hears of a fraction. Never throws.
 */
async function verifyBundle({ zip, sidecars }, keys, progress) {
  const report = {
    name: zip.name, size: zip.size, sidecars, result: "could-not-tell", level: "none",
    passed: new Map(), failed: undefined, unchecked: [],
  };
  const passed = (check, detail = "") => report.passed.set(check, printable(detail));
  try {
    await runChecks(report, { zip, sidecars }, keys, passed, progress);
    const exceptions = report.run.status !== "complete";
    report.result = exceptions ? "exceptions" : "genuine";
  } catch (error) {
    if (error instanceof Refused) {
      report.result = "not-genuine";
      report.failed = error;
    } else {
      // What is no refusal says nothing about the bundle, and must not look like a pass.
      report.result = "could-not-tell";
      report.failed = { message: printable(error.message), check: "", file: "" };
    }
  }
  return report;
}

async function runChecks(report, { zip, sidecars }, keys, passed, progress) {
  // 1. What the person at the screen compared.
  const anchor = anchorOf(keys, passed);
  if (!anchor.strict) report.unchecked.push([["trust-root"], "single keys were given"]);
  const half = (done) => progress(zip.size === 0 ? 0 : (done / zip.size) * 0.5);

  // 2 to 7. What is beside the zip, before the zip is opened.
  let statement;
  const [statementFile, proofFile, sshFile] = SIDECARS.map((suffix) => sidecars[suffix]);
  if (statementFile) statement = await checkStatement(statementFile, zip.name, anchor.evidence, passed);
  report.statement = statement;
  report.zipDigest = hex(await hashFile(zip, half));
  if (statement) {
    if (statement.subject[0].digest.sha256 !== report.zipDigest) {
      throw new Refused("zip-digest", `SHA-256 is ${report.zipDigest}, the statement says ${statement.subject[0].digest.sha256}`, zip.name);
    }
    passed("zip-digest", report.zipDigest);
  } else {
    report.unchecked.push([WITH_STATEMENT, "no .sigstore.json was given"]);
  }
  if (proofFile && statement && anchor.log.length > 0) {
    report.checkpoint = await checkProof(proofFile, statement, anchor, passed);
  } else {
    const why = !proofFile ? "no .tlog-proof was given" : !statement ? "no .sigstore.json was given" : "no log key was given";
    report.unchecked.push([WITH_PROOF, why]);
  }

  // 8 and 9. The zip and the bag.
  const bag = await checkBag(zip, zip.name, statement ? [statement.key] : anchor.evidence, passed, (done) => progress(0.5 + (done / zip.size) * 0.5));
  report.bag = bag;
  if (statement && statement.subject[1].digest.sha256 !== hex(await sha256(bag.message))) {
    throw new Refused("stated-manifest", "is not the tag manifest that the statement names", TAG_MANIFEST);
  }
  if (statement) passed("stated-manifest");
  if (!sshFile) report.unchecked.push([["ssh-signature"], "no .sshsig was given"]);
  else if (!(await checkSshSignature(sshFile, zip, bag.key, passed))) {
    report.unchecked.push([["ssh-signature"], "the zip is larger than this page can hash with SHA-512"]);
  }

  // 10. The run.
  const run = checkRun(bag, passed);
  demandWindow(bag.key, run.collected.end, (what) => new Refused("signature", what, SIGNATURE));
  if (statement) {
    const same = [
      ["status", run.status, statement.status],
      ["schedule", run.schedule, statement.schedule],
      ["start", run.collected.start, statement.collected.start],
      ["end", run.collected.end, statement.collected.end],
      ["number of accounts", run.scope.accounts, statement.scope.accounts],
      ["number of regions", run.scope.regions, statement.scope.regions],
      ["digest of the configuration", bag.manifest.get("data/config.json"), statement.collector.configDigest.sha256],
    ];
    for (const [what, found, stated] of same) {
      if (found !== stated) throw new Refused("run-statement", `${what} is ${found}, the statement says ${stated}`, RUN);
    }
    passed("run-statement");
  }
  report.run = run;
  report.level = report.checkpoint ? "logged" : "signed";
}

/** The worst of several results. */
function worstOf(results) {
  const order = ["could-not-tell", "not-genuine", "exceptions", "genuine"];
  return order.find((result) => results.includes(result)) ?? "could-not-tell";
}

/**
 * Whether the statements of several bundles follow one another in their log: the failure, or the entries that are
 * there and the entries between them that are not.
 */
async function checkChain(reports) {
  const logged = reports.filter((report) => report.statement && report.level !== "none");
  const [first] = logged;
  if (logged.length < 2) return undefined;
  const broken = (what) => ({ failure: printable(what) });
  const other = logged.find((report) => report.statement.log.origin !== first.statement.log.origin);
  if (other) return { text: "The bundles are of different logs: whether they follow one another was not checked." };
  logged.sort((left, right) => left.statement.log.index - right.statement.log.index);
  const missing = [];
  let scheduled;
  for (const [at, report] of logged.entries()) {
    const { statement } = report;
    if (statement.trigger === "schedule") {
      if (scheduled && scheduled.slot >= statement.slot) {
        return broken(`slot ${statement.slot} is in the log behind slot ${scheduled.slot}`);
      }
      scheduled = statement;
    }
    if (at === 0) continue;
    const before = logged[at - 1].statement;
    const [from, to] = [before.log.index, statement.log.index];
    if (from === to) return broken(`two bundles claim entry ${to} of the log`);
    if (from + 1 < to) missing.push(from + 2 === to ? `${from + 1}` : `${from + 1} to ${to - 1}`);
    else if (statement.previous.sha256 !== hex(await sha256(before.bytes))) {
      return broken(`entry ${to} of the log does not follow entry ${from}: one of them was replaced`);
    }
  }
  const span = `entries ${logged[0].statement.log.index} to ${logged.at(-1).statement.log.index} of the log`;
  if (missing.length === 0) return { text: `They are ${span}, each following the one before: none between them is missing.` };
  return { text: `Of ${span} these were not given: ${missing.join(", ")}.`, missing };
}
