// The run: plan x catalogue against rows, rows against documents, status against rows (docs/BUNDLE.md, step 10).
//
// Silence is impossible in a run: each planned cell has one row. What is not named here is left alone.

const GLOBAL = "global";
const EVIDENCE = "data/evidence/";
const RUN = "data/run.json";
const POLICIES = "data/policies/";
/** Status words: whether they are a gap, and whether a document belongs to them. */
const STATUSES = {
  complete: { gap: false, document: "required" },
  partial: { gap: true, document: "required" },
  denied: { gap: true, document: "possible" },
  failed: { gap: true, document: "possible" },
  "not-enabled": { gap: false, document: "required" },
  "not-offered": { gap: false, document: "none" },
  "region-disabled": { gap: false, document: "none" },
  excluded: { gap: false, document: "none" },
};

/** The JSON of the payload: kept from the pass in which its digest was checked, so that what is parsed is signed. */
class Documents {
  constructor(manifest) {
    this.manifest = manifest;
    this.bytes = new Map();
    this.evidence = new Map();
  }

  /** Whether a file is read as JSON. */
  wants(path, bytes) {
    const named = /^data\/(?:config|catalogue|plan|run|run\/[^/]+)\.json$/.test(path);
    if (named && bytes > LIMITS.jsonBytes) {
      throw new Refused("run-documents", `${bytes} bytes are more than the limit ${LIMITS.jsonBytes}`, path);
    }
    return named || (path.startsWith(EVIDENCE) && bytes <= LIMITS.jsonBytes);
  }

  take(path, bytes) {
    if (path.startsWith(EVIDENCE)) this.evidence.set(path, abstract(bytes));
    else this.bytes.set(path, bytes);
  }

  json(path) {
    const bytes = this.bytes.get(path);
    if (!bytes) throw new Refused("run-documents", "is missing", path);
    try {
      const text = textOf(bytes);
      if (text === undefined) throw new Error("is not UTF-8");
      return parseJson(text);
    } catch (error) {
      throw new Refused("run-documents", error.message, path);
    }
  }
}

/** What step 10 asks of an evidence document: so that thousands of them need no memory. */
function abstract(bytes) {
  try {
    const { account, region, item, status, calls } = parseJson(textOf(bytes) ?? "");
    const failed = (calls ?? []).some((call) => (call.error ?? null) !== null);
    return { account, region, item, status: status ?? undefined, failed };
  } catch (error) {
    return { fault: error.message };
  }
}

/** Reads named members of a known type out of an object, or refuses the document. */
function members(object, path, types) {
  const found = {};
  if (!isObject(object)) throw new Refused("run-documents", "has a value that is no object", path);
  for (const [name, type] of Object.entries(types)) {
    const optional = name.endsWith("?");
    const key = optional ? name.slice(0, -1) : name;
    const value = object[key] ?? undefined;
    if (value === undefined ? !optional : !type(value)) {
      throw new Refused("run-documents", `member ${key} is missing or of another type`, path);
    }
    found[key] = value;
  }
  return found;
}

/** Which rows there must be. */
class Matrix {
  constructor(plan, catalogue) {
    const refuse = (detail) => new Refused("run-coverage", detail);
    this.accounts = new Map();
    this.items = { region: new Set(), global: new Set() };
    for (const object of catalogue) {
      const item = members(object, "data/catalogue.json", { id: isText, scope: isText });
      if (!["region", "account", "organisation", "configured"].includes(item.scope)) {
        throw new Refused("run-documents", `${item.scope} is no scope of an item`, "data/catalogue.json");
      }
      const items = item.scope === "region" ? this.items.region : this.items.global;
      if (items.has(item.id)) throw refuse(`the catalogue has ${item.id} twice for one scope`);
      items.add(item.id);
    }
    for (const object of plan) {
      const account = members(object, "data/plan.json", { id: isText, "reason?": isText, regions: Array.isArray });
      const regions = new Map();
      const isFlag = (value) => typeof value === "boolean";
      for (const part of account.regions) {
        const region = members(part, "data/plan.json", { name: isText, planned: isFlag });
        if (region.name === GLOBAL || regions.has(region.name)) {
          throw refuse(`the plan of account ${account.id} has region ${region.name} twice`);
        }
        regions.set(region.name, region.planned);
      }
      const excluded = account.reason !== undefined;
      if (excluded && [...regions.values()].includes(true)) {
        throw refuse(`account ${account.id} is left out and has a planned region`);
      }
      if (this.accounts.has(account.id)) throw refuse(`the plan has account ${account.id} twice`);
      this.accounts.set(account.id, { excluded, regions });
    }
  }

  place(row) {
    const account = this.accounts.get(row.account);
    const items = row.region === GLOBAL ? this.items.global : this.items.region;
    if (!account || !items.has(row.item)) return "nowhere";
    if (row.region === GLOBAL) return account.excluded ? "excluded" : "planned";
    const planned = account.regions.get(row.region);
    return planned === undefined ? "nowhere" : planned ? "planned" : "unplanned";
  }

  * planned() {
    for (const [account, { regions }] of this.accounts) {
      for (const item of this.items.global) yield [account, GLOBAL, item];
      for (const [region, planned] of regions) {
        if (planned) for (const item of this.items.region) yield [account, region, item];
      }
    }
  }

  plannedCount() {
    let count = 0;
    for (const { regions } of this.accounts.values()) {
      const planned = [...regions.values()].filter(Boolean).length;
      count += planned * this.items.region.size + this.items.global.size;
    }
    return count;
  }

  plannedAccounts() {
    return [...this.accounts.values()].filter((account) => !account.excluded).length;
  }

  plannedRegions() {
    const names = [...this.accounts.values()].flatMap(({ regions }) => [...regions]);
    return new Set(names.filter(([, planned]) => planned).map(([name]) => name)).size;
  }
}

const cellOf = (row) => [row.account, row.region, row.item].join("\u0000");

/** Holds one row against the plan and its document, and counts it. */
function takeRow(object, matrix, documents, slot, tally) {
  const row = members(object, RUN, {
    account: isText, region: isText, item: isText, status: isText, "file?": isText, "sha256?": isText,
    "error?": () => true, "reason?": isText, "accepted?": isObject,
  });
  const cell = `cell ${row.account} ${row.region} ${row.item}`;
  const refuse = (check, what) => new Refused(check, `${cell}: ${what}`);
  const status = Object.hasOwn(STATUSES, row.status) ? STATUSES[row.status] : undefined;
  if (!status) throw refuse("run-status", `${row.status} is no status`);
  const place = matrix.place(row);
  if (place === "nowhere") throw refuse("run-coverage", "the row is not in plan and catalogue");
  if (place === "unplanned" && !["excluded", "region-disabled"].includes(row.status)) {
    throw refuse("run-coverage", `${row.status} in a region that is not planned`);
  }
  if (place === "excluded" && row.status !== "excluded") {
    throw refuse("run-coverage", `${row.status} in an account that is left out`);
  }
  if (place !== "unplanned") tally.planned += 1;
  if (tally.seen.size >= LIMITS.cells) throw refuse("run-coverage", "more rows than the limit");
  if (tally.seen.has(cellOf(row))) throw refuse("run-coverage", "there is more than one row");
  tally.seen.add(cellOf(row));
  tally.cells[row.status] = (tally.cells[row.status] ?? 0) + 1;

  if (row.file === undefined) {
    if (status.document === "required") throw refuse("run-files", "the row has no document");
    if (row.sha256 !== undefined) throw refuse("run-files", "sha256 of no file");
  } else {
    if (status.document === "none") throw refuse("run-files", `${row.status} with a document`);
    checkDocument(row, documents);
    tally.documents.add(row.file);
  }

  let accepted;
  if (row.accepted) {
    accepted = members(row.accepted, RUN, { reason: isText, approver: isText, expires: isText });
    if (!status.gap) throw refuse("run-status", `${row.status} is no gap that could be accepted`);
    if (!isDate(accepted.expires) || accepted.reason === "" || accepted.approver === "") {
      throw refuse("run-status", "accepted without reason, approver or date");
    }
  }
  if (status.gap) {
    const gap = { ...row, accepted, error: errorLine(row.error) };
    (accepted && slot.slice(0, 10) <= accepted.expires ? tally.accepted : tally.gaps).push(gap);
  }
}

/** The document of a row is at its place, has its digest, is about its cell and as complete as it says. */
function checkDocument(row, documents) {
  const path = `${EVIDENCE}${row.account}/${row.region}/${row.item}.json`;
  const refuse = (what) => new Refused("run-files", what, path);
  if (row.file !== path) throw refuse(`its row names ${row.file} instead`);
  const digest = documents.manifest.get(path);
  if (digest === undefined) throw refuse("its row is there, the file is not");
  if (row.sha256 !== digest) throw refuse("its row has another sha256");
  const document = documents.evidence.get(path);
  if (!document) throw new Unreadable(`${path} is too large for this page; use evidenced-verify`);
  if (document.fault) throw refuse(document.fault);
  if (["account", "region", "item"].some((name) => document[name] !== row[name])) {
    throw refuse("the document is about another cell");
  }
  if (document.status !== undefined && document.status !== row.status) {
    throw refuse(`the document says ${document.status}, its row ${row.status}`);
  }
  if (row.status === "complete" && document.failed) throw refuse("a call failed, and its row says complete");
}

function errorLine(error) {
  if (error === undefined) return undefined;
  if (isText(error)) return error;
  const text = [error.code, error.message].filter(isText).join(": ");
  return text || JSON.stringify(error);
}

/** Step 10, in this order: documents, identity, policies, coverage, files, status. */
function checkRun({ id, key, documents }, passed) {
  const config = members(documents.json("data/config.json"), "data/config.json", { "scope?": isText, "schedule?": isText });
  const catalogue = members(documents.json("data/catalogue.json"), "data/catalogue.json", { items: Array.isArray });
  const plan = members(documents.json("data/plan.json"), "data/plan.json", { accounts: Array.isArray });
  const run = members(documents.json(RUN), RUN, {
    slot: isText, status: isText, trigger: isText, schedule: isText, collected: isObject, scope: isObject,
    "evidenceKeyId?": isText, "collector?": isObject, "reason?": isText, "totals?": isObject, "cells?": Array.isArray, "cellFiles?": Array.isArray,
  });
  const collected = members(run.collected, RUN, { start: isText, end: isText });
  const scope = members(run.scope, RUN, { accounts: isCount, name: isText, regions: isCount });
  const refuseRun = (check, what) => new Refused(check, what, RUN);
  if ((run.cells === undefined) === (run.cellFiles === undefined)) {
    throw refuseRun("run-documents", "has not one of cells and cellFiles");
  }
  passed("run-documents");

  const same = [
    ["slot", run.slot, id.slot],
    ["scope", scope.name, id.scope],
    ["trigger", run.trigger, id.kind],
    ["schedule", run.schedule, config.schedule ?? run.schedule],
    ["scope of config.json", config.scope ?? id.scope, id.scope],
    ["evidenceKeyId", run.evidenceKeyId ?? key.id, key.id],
  ];
  for (const [what, found, expected] of same) {
    if (found !== expected) throw refuseRun("run-identity", `${what} is ${found}, expected ${expected}`);
  }
  const [start, end] = [parseTime(collected.start), parseTime(collected.end)];
  if (start === undefined || end === undefined || start > end) {
    throw refuseRun("run-identity", `collected from ${collected.start} to ${collected.end}`);
  }
  passed("run-identity", `slot ${run.slot}, ${run.trigger}`);
  passed("run-policies", `${checkPolicies(run, documents.manifest)} files`);

  const matrix = new Matrix(plan.accounts, catalogue.items);
  if (scope.accounts !== matrix.plannedAccounts() || scope.regions !== matrix.plannedRegions()) {
    throw refuseRun("run-identity", "scope speaks of another number of accounts or regions than the plan has");
  }
  const planned = matrix.plannedCount();
  if (planned > LIMITS.cells) throw new Refused("run-coverage", `${planned} planned cells are more than the limit`);

  if (documents.manifest.has("data/parts.json")) {
    throw new Unreadable("the run is in several zips (data/parts.json), and this page does not open parts: use evidenced verify");
  }
  const parts = [...documents.manifest.keys()].filter((path) => path.startsWith("data/run/"));
  if (JSON.stringify(parts) !== JSON.stringify(run.cellFiles ?? [])) {
    throw refuseRun("run-files", "cellFiles are not the files under data/run, sorted");
  }
  const tally = { seen: new Set(), planned: 0, cells: {}, documents: new Set(), gaps: [], accepted: [] };
  for (const row of run.cells ?? []) takeRow(row, matrix, documents, id.slot, tally);
  for (const path of parts) {
    const part = members(documents.json(path), path, { cells: Array.isArray });
    for (const row of part.cells) {
      if (path !== `data/run/${row?.account}.json`) throw new Refused("run-coverage", "has a row of another account", path);
      takeRow(row, matrix, documents, id.slot, tally);
    }
  }
  checkCoverage(id, run, matrix, tally);
  passed("run-coverage", `${tally.seen.size} rows, ${planned} planned cells`);

  const evidence = [...documents.manifest.keys()].filter((path) => path.startsWith(EVIDENCE));
  const orphan = evidence.find((path) => !tally.documents.has(path));
  if (orphan) throw new Refused("run-files", "belongs to no row of run.json", orphan);
  passed("run-files", `${evidence.length} documents`);

  const status = run.status === "missed" ? "missed" : tally.gaps.length === 0 ? "complete" : "partial";
  if (run.status !== status) {
    throw refuseRun("run-status", `status is ${run.status}, its ${tally.gaps.length} open gaps make it ${status}`);
  }
  checkTotals(run.totals, tally);
  passed("run-status", status);
  return { ...run, collected, scope, ...tally, planned };
}

/** The digest of the policies is that of their lines in the manifest; a run that states none has none. */
function checkPolicies(run, manifest) {
  const refuse = (what) => new Refused("run-policies", what, RUN);
  const lines = [...manifest].filter(([path]) => path.startsWith(POLICIES)).map(([path, digest]) => `${digest}  ${path}\n`);
  const { policiesDigest } = run.collector ? members(run.collector, RUN, { "policiesDigest?": isObject }) : {};
  if (!policiesDigest) {
    if (lines.length > 0) throw refuse(`collector.policiesDigest is absent, and ${POLICIES} has ${lines.length} files`);
    return 0;
  }
  const { sha256: stated } = members(policiesDigest, RUN, { sha256: isText });
  const hash = new Sha256();
  hash.update(new TextEncoder().encode(lines.join("")));
  const found = hex(hash.digest());
  if (stated !== found) {
    throw refuse(`collector.policiesDigest is ${stated}, the ${lines.length} files under ${POLICIES} have ${found}`);
  }
  return lines.length;
}

function checkCoverage(id, run, matrix, tally) {
  const refuse = (what) => new Refused("run-coverage", what);
  if (run.status === "missed") {
    if (tally.seen.size > 0) throw refuse("a missed slot has rows");
    return;
  }
  if (id.kind === "supplement") {
    if (tally.seen.size === 0) throw refuse("a supplement has no rows");
    return;
  }
  if (matrix.plannedCount() === 0) throw refuse("nothing was planned");
  if (tally.planned === matrix.plannedCount()) return;
  for (const [account, region, item] of matrix.planned()) {
    if (!tally.seen.has(cellOf({ account, region, item }))) {
      throw refuse(`planned cell ${account} ${region} ${item} has no row`);
    }
  }
}

function checkTotals(totals, tally) {
  if (!totals) return;
  const stated = members(totals, RUN, { "cells?": isObject, "documents?": isCount, "openGaps?": isCount });
  const words = Object.keys({ ...tally.cells, ...stated.cells });
  const cells = !stated.cells || words.every((word) => stated.cells[word] === tally.cells[word]);
  if (!cells || (stated.documents ?? tally.documents.size) !== tally.documents.size
    || (stated.openGaps ?? tally.gaps.length) !== tally.gaps.length) {
    throw new Refused("run-status", "totals are not those of the rows", RUN);
  }
}
