// The screen: three acts on one side, the verdict and its reasons on the other.
//
// Whatever comes from a file is put on the screen as text. Every change of a key, a fingerprint or the files starts
// the verification anew; an older one that is still running is not shown.

const byId = (id) => document.getElementById(id);

/** An element with attributes and children; strings become text. */
function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) node.setAttribute(name, "");
    else if (value !== undefined && value !== false) node.setAttribute(name, value);
  }
  node.append(...children.flat(2).filter((child) => child !== undefined && child !== ""));
  return node;
}

const SVG = "http://www.w3.org/2000/svg";

function seal(result) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "seal");
  svg.setAttribute("viewBox", "0 0 120 120");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#seal-${result}`);
  svg.append(use);
  return svg;
}

const SIGNS = { pass: "M2 8.5l4 4 8-9", fail: "M3 3l10 10M13 3L3 13", idle: "M4 8h8" };

function sign(state) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "sign");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", SIGNS[state]);
  svg.append(path);
  return svg;
}

function sizeOf(bytes) {
  if (bytes < 1000) return `${bytes} B`;
  for (const [unit, scale] of [["kB", 1e3], ["MB", 1e6], ["GB", 1e9]]) {
    if (bytes < scale * 1000 || unit === "GB") return `${(bytes / scale).toFixed(1)} ${unit}`;
  }
  return "";
}

const isKeyFile = (file) => /\.pem$/i.test(file.name);

// --- act 1: keys ---------------------------------------------------------------------------------------------------

const keys = { root: undefined, evidence: undefined, log: undefined };

/** What is opened, seen and compared: the fingerprint of one key, or of a trust root. */
function panel(purpose, title, about, more, open) {
  const byHand = (text) => el("span", { class: "visually-hidden" }, text);
  const file = el("input", { id: `file-${purpose}`, class: "visually-hidden", type: "file", accept: open.accept, multiple: open.multiple });
  const label = el("label", { class: "quiet", for: `file-${purpose}` }, open.label, byHand(` (${title})`));
  const wrong = el("p", { class: "wrong", role: "alert", hidden: true });
  const print = el("p", { class: "fingerprint", id: `fingerprint-${purpose}` });
  const source = el("p", { class: "source", id: `source-${purpose}` });
  const typed = el("input", { id: `typed-${purpose}`, type: "text", spellcheck: "false", autocomplete: "off" });
  const ticked = el("input", { id: `ticked-${purpose}`, type: "checkbox" });
  const match = el("p", { class: "match", id: `match-${purpose}`, role: "status" });
  const shown = el(
    "div", { hidden: true }, print, source,
    el("label", { class: "caption", for: `typed-${purpose}` }, "Paste the fingerprint that you were given"), typed,
    el("div", { class: "check-line" }, ticked, el("label", { for: `ticked-${purpose}` }, "or: I compared all 64 characters by eye")),
    match,
  );
  byId(`key-${purpose}`).append(el("h3", {}, title, " ", el("small", {}, about)), el("div", { class: "row" }, file, label), ...more, wrong, shown);

  const compare = () => {
    const key = keys[purpose];
    if (!key) return;
    const entered = typed.value.toLowerCase().replace(/^\s*sha-?256\s*[:=]?/, "").replace(/[\s:]/g, "");
    key.differs = entered !== "" && entered !== key.id;
    key.compared = !key.differs && (entered === key.id || ticked.checked);
    match.className = key.differs ? "match no" : "match yes";
    match.textContent = key.differs ? "Another fingerprint. This is not the one you were told of." : key.compared ? "Compared." : "";
    start();
  };
  /** Shows what `read` gives, or why it gives nothing. */
  const show = async (read, words = () => "") => {
    wrong.hidden = true;
    shown.hidden = true;
    keys[purpose] = undefined;
    ticked.checked = false;
    try {
      keys[purpose] = await read();
      if (keys[purpose]) {
        print.replaceChildren(...keys[purpose].id.match(/.{8}/g).flatMap((group) => [el("span", {}, group), " "]));
        source.textContent = words(keys[purpose]);
        shown.hidden = false;
        if (purpose !== "root") byId("single").open = true;
      }
    } catch (error) {
      wrong.textContent = printable(error.message);
      wrong.hidden = false;
    }
    if (keys[purpose]) compare();
    else await start();
  };
  typed.addEventListener("input", compare);
  ticked.addEventListener("change", compare);
  file.addEventListener("change", () => file.files.length > 0 && open.load([...file.files]));
  return show;
}

/** One key: open or paste it, see its fingerprint, compare. */
function keyPanel(purpose, title, about) {
  const paste = el("textarea", { id: `pem-${purpose}`, spellcheck: "false", autocomplete: "off", placeholder: "-----BEGIN PUBLIC KEY-----" });
  const more = [el("details", {}, el("summary", {}, "Paste it instead"), el("label", { class: "caption", for: `pem-${purpose}` }, "Text of the key file"), paste)];
  const load = (text) => show(async () => (text.trim() === "" ? undefined : readKey(text)));
  const loadFile = async (given) => {
    try {
      paste.value = given.size > 4096 ? "" : await given.text();
      await load(given.size > 4096 ? "too long" : paste.value);
    } catch (error) {
      await load(`cannot be read: ${error.message}`);
    }
  };
  const show = panel(purpose, title, about, more, { label: "Open key file", accept: ".pem,.txt", load: ([file]) => loadFile(file) });
  paste.addEventListener("input", () => load(paste.value));
  return { loadFile };
}

/** The trust root: all its files at once, or the copy in a period bundle. */
function rootPanel() {
  const words = (root) => {
    const count = (purpose) => root.keys.filter((key) => key.purpose === purpose).length;
    const where = root.source ? ` The copy in ${root.source}: it counts when the number is the one that you were given.` : "";
    return `Version ${root.version}, ${root.threshold} of ${root.holders.length} holders (${printable(root.holders.join(", "))}) sign changes; ${count("evidence")} evidence and ${count("log")} log keys.${where}`;
  };
  const load = (files) => show(async () => readTrust(await Promise.all(files.map(async (file) => ({ name: file.name, bytes: await readSmall(file, TRUST_BYTES, "trust-root") })))), words);
  const loadPeriod = async (zip) => {
    if (keys.root) return;
    await show(async () => {
      const files = await trustOfPeriod(zip);
      return files.length === 0 ? undefined : { ...(await readTrust(files)), source: printable(zip.name) };
    }, words);
  };
  const show = panel("root", "Trust root", "one number for every key", [], { label: "Open its files", accept: ".json,.pem,.txt", multiple: true, load });
  return { load, loadPeriod };
}

// --- act 2: files --------------------------------------------------------------------------------------------------

let given = [];

function addFiles(list) {
  const files = [...list];
  const trust = files.some((file) => trustVersion(file.name) !== undefined) ? files.filter((file) => isTrustFile(file.name)) : [];
  if (trust.length > 0) panels.root.load(trust);
  for (const file of files) {
    if (trust.includes(file)) continue;
    if (isKeyFile(file)) panels[/log/i.test(file.name) ? "log" : "evidence"].loadFile(file);
    else given.push(file);
  }
  const period = given.find((file) => isPeriodName(file.name));
  if (period && !keys.root && !keys.evidence) panels.root.loadPeriod(period);
  else start();
}

function showFiles(strays) {
  const reasons = new Map(strays);
  byId("list").replaceChildren(
    ...given.map((file) =>
      el(
        "li",
        { class: reasons.has(file) ? "stray" : undefined },
        el("span", {}, printable(file.name), reasons.has(file) ? `: ${reasons.get(file)}` : ""),
        el("span", { class: "size" }, sizeOf(file.size)),
      ),
    ),
  );
  byId("clear").hidden = given.length === 0;
}

// --- the verification ----------------------------------------------------------------------------------------------

let current = 0;

async function start() {
  const mine = ++current;
  document.body.dataset.state = "working";
  const { bundles, periods, kept, strays } = await groupFiles(given);
  if (mine !== current) return;
  showFiles(strays);
  if (bundles.length + periods.length + strays.length === 0) {
    byId("sheets").replaceChildren(blank);
    byId("summary").hidden = true;
    showCheckpoint([]);
    byId("working").hidden = true;
    document.body.dataset.state = "idle";
    return;
  }
  byId("working").hidden = false;
  const reports = [];
  const all = [...periods.map((period) => ({ ...period, kept, verify: verifyPeriod })), ...bundles.map((bundle) => ({ ...bundle, verify: verifyBundle }))];
  for (const [index, one] of all.entries()) {
    byId("progress-label").textContent = `Reading ${printable(one.zip.name)}`;
    const progress = (done) => {
      if (mine === current) byId("progress").value = (index + done) / all.length;
    };
    reports.push(await one.verify(one, { ...keys }, progress));
    if (mine !== current) return;
  }
  const chain = await checkChain(reports.filter((report) => report.kind !== "period"));
  if (mine !== current) return;
  byId("working").hidden = true;
  showReports(reports, strays, chain);
}

const VERDICTS = {
  genuine: "Genuine",
  exceptions: "Genuine, with exceptions",
  "not-genuine": "Not genuine",
  "could-not-tell": "Could not tell",
};

function showReports(reports, strays, chain) {
  const results = reports.map((report) => report.result);
  if (strays.length > 0) results.push("could-not-tell");
  if (chain?.failure) results.push("not-genuine");
  if (chain?.missing) results.push("exceptions");
  const worst = worstOf(results);
  byId("sheets").replaceChildren(...reports.map((report) => (report.kind === "period" ? periodSheet(report) : sheet(report, reports.length > 1))));
  const count = (result) => reports.filter((report) => report.result === result).length;
  const words = Object.keys(VERDICTS).filter(count).map((result) => `${count(result)} ${VERDICTS[result].toLowerCase()}`);
  const sentences = [
    reports.length > 1 ? `${words.join("; ")}.` : "",
    chain?.failure ? `They are no chain: ${chain.failure}.` : chain?.text,
    strays.length > 0 ? `${strays.length} file${strays.length > 1 ? "s" : ""} could not be used.` : "",
  ].filter(Boolean);
  byId("summary").className = worst;
  byId("summary").hidden = sentences.length === 0;
  byId("summary").replaceChildren(
    el("h2", {}, reports.length > 1 ? `${reports.length} files: ${VERDICTS[worst].toLowerCase()}` : VERDICTS[worst]),
    ...sentences.map((text) => el("p", {}, text)),
  );
  byId("announce").textContent = [`${VERDICTS[worst]}.`, reports.length === 1 ? because(reports[0]) : "", ...sentences].join(" ");
  showCheckpoint(reports);
  document.body.dataset.result = worst;
  document.body.dataset.state = "done";
}

/** The verdict in one sentence. */
function because(report) {
  if (report.result === "could-not-tell") return `Nothing can be said: ${report.failed.message}.`;
  if (report.result === "not-genuine") {
    const { check, file, message } = report.failed;
    if (check === "keys") return `The key is another one than you expected: ${message}. Nothing was verified with it.`;
    return `The check ${check} failed: ${file === "" ? "" : `${file}: `}${message}.`;
  }
  if (report.kind === "period") return periodBecause(report);
  const signed = "The holder of the evidence key signed exactly these files.";
  const { run } = report;
  if (run.status === "missed") return `${signed} They say that there was no run for this slot${run.reason ? `: ${printable(run.reason)}` : ""}.`;
  if (run.status === "partial") return `${signed} Planned evidence is missing in ${run.gaps.length} of ${run.planned} places, listed below.`;
  return `${signed} Nothing that was planned is missing${run.accepted.length > 0 ? ", but for the accepted gaps below" : ""}.`;
}

/** The result of one bundle; one of many shows its checks when they are asked for. */
function sheet(report, isOneOfMany) {
  const id = `verdict-${report.name}`;
  const good = report.result === "genuine" || report.result === "exceptions";
  return el(
    "article",
    { class: `sheet ${report.result}`, "data-result": report.result, "data-level": report.level, "data-failed": report.failed?.check, "aria-labelledby": id },
    el(
      "div",
      { class: "verdict" },
      seal(report.result),
      el("div", {}, el("p", { class: "file" }, printable(report.name)), el("h2", { id }, VERDICTS[report.result]), el("p", { class: "because" }, because(report))),
    ),
    el(
      "div",
      { class: "body" },
      ...(good ? [el("h3", {}, "Assurance"), ladder(report)] : []),
      ...(good ? [el("h3", {}, "Bundle"), facts(report)] : []),
      ...(good ? gaps("Open gaps", report.run.gaps) : []),
      ...(good ? gaps("Accepted gaps", report.run.accepted) : []),
      ...notShown(report),
      el("h3", {}, "Checks, in the order of the specification"),
      ...(isOneOfMany ? [el("details", { open: report.result === "not-genuine" }, el("summary", {}, `${report.passed.size} passed`), ...checks(report))] : checks(report)),
      el("p", { class: "fine" }, `Checked in this browser on ${new Date().toISOString().replace(/\..*/, "Z")}.`),
    ),
  );
}

function ladder(report) {
  const { level, sidecars } = report;
  const steps = [
    ["Signed", "exactly these files", true],
    ["Dated", sidecars[".tsr"] ? "token given, not checked here" : "not checked by this page", false],
    ["Logged", level === "logged" ? `entry ${report.statement.log.index} of the log` : "not shown", level === "logged"],
    ["Pinned", "needs a period bundle", false],
    ["Witnessed", "not checked by this page", false],
  ];
  return rungs(steps);
}

function rungs(steps) {
  return el(
    "ol",
    { class: "ladder" },
    steps.map(([name, note, reached]) =>
      el("li", { class: reached ? "reached" : undefined }, el("strong", {}, name, el("span", { class: "visually-hidden" }, reached ? ": reached. " : ": not reached. ")), note),
    ),
  );
}

function facts({ bag, run, statement, zipDigest, size, checkpoint }) {
  const kinds = { schedule: "a scheduled run", manual: "an extra run", supplement: "a run that completes another" };
  const cells = Object.entries(run.cells).map(([word, count]) => `${count} ${word}`);
  const rows = [
    ["Organisation", bag.info["Source-Organization"]],
    ["Slot", `${run.slot}, ${kinds[run.trigger]}`],
    ["Collected", `${run.collected.start} to ${run.collected.end}`],
    ["Scope", `${bag.id.scope}: ${run.scope.accounts} account${run.scope.accounts === 1 ? "" : "s"}, ${run.scope.regions} region${run.scope.regions === 1 ? "" : "s"}`],
    ["Evidence", cells.length > 0 ? `${run.planned} planned: ${cells.join(", ")}` : "none"],
    ["Schedule", run.schedule],
    ["Signed by", bag.info["Evidenced-Key-Id"], "mono"],
    ["SHA-256 of the zip", zipDigest, "mono"],
    ["Size", `${size} bytes, ${bag.manifest.size} files`],
    ["Made by", bag.info["Bag-Software-Agent"]],
    ["Log", checkpoint && `${statement.log.origin}, entry ${statement.log.index}`],
    ["Statement before it", checkpoint && (statement.previous?.sha256 ?? "none, this is the first"), "mono"],
  ];
  return el(
    "dl",
    { class: "facts" },
    rows.filter(([, value]) => value).map(([name, value, style]) => [el("dt", {}, name), el("dd", { class: style }, printable(value))]),
  );
}

/** Rows that are drawn; the bundle may have two million. */
const DRAWN = 500;

function gaps(title, list) {
  if (list.length === 0) return [];
  const accepted = list.some((gap) => gap.accepted);
  const heads = ["Account", "Region", "Item", "Status", "What was said", ...(accepted ? ["Accepted"] : [])];
  const cells = (gap) => [
    gap.account, gap.region, gap.item, gap.status, [gap.error, gap.reason].filter(Boolean).join(". "),
    ...(accepted ? [gap.accepted ? `by ${gap.accepted.approver} until ${gap.accepted.expires}: ${gap.accepted.reason}` : ""] : []),
  ];
  return [
    el("h3", {}, `${title} (${list.length})`),
    el(
      "div",
      { class: "scroll", tabindex: "0", role: "region", "aria-label": title },
      el(
        "table",
        {},
        el("thead", {}, el("tr", {}, heads.map((head) => el("th", { scope: "col" }, head)))),
        el("tbody", {}, list.slice(0, DRAWN).map((gap) => el("tr", {}, cells(gap).map((text) => el("td", {}, printable(text)))))),
      ),
    ),
    ...(list.length > DRAWN ? [el("p", { class: "more" }, `and ${list.length - DRAWN} more, in data/run.json`)] : []),
  ];
}

function notShown(report) {
  if (report.result !== "genuine" && report.result !== "exceptions") return [];
  const open = [];
  if (!report.statement) open.push("No statement was given (.sigstore.json): nothing ties this zip to the log.");
  if (!report.checkpoint) open.push(`Its place in the log is not shown: ${report.unchecked.find(([names]) => names === WITH_PROOF)?.[1]}.`);
  const token = report.sidecars[".tsr"] || report.statement?.tokens > 0;
  open.push(token ? "A time-stamp token (RFC 3161) is there. This page does not check it: use openssl ts." : "No time-stamp token was given: the date of the signature is not shown.");
  open.push("Whether another bundle of the period is missing is not shown.");
  return [el("h3", {}, "Not shown"), el("ul", { class: "open" }, open.map((text) => el("li", {}, text)))];
}

const GROUPS = [["Keys", [1]], ["Beside the zip", [2, 3, 5, 6, 7]], ["The zip", [8]], ["The bag", [9]], ["The run", [10]]];

function checks(report) {
  const why = new Map(report.unchecked.flatMap(([names, reason]) => names.map((name) => [name, reason])));
  const line = ([name, step, claim]) => {
    const failed = report.failed?.check === name;
    const state = failed ? "fail" : report.passed.has(name) ? "pass" : "idle";
    const words = { pass: "passed", fail: "failed", idle: "not checked" }[state];
    const { file, message } = report.failed ?? {};
    const detail = failed ? [file, message].filter(Boolean).join(": ") : report.passed.get(name) || why.get(name) || (state === "idle" ? "not reached" : "");
    return el(
      "li",
      { class: state, "data-check": name, "data-state": state },
      sign(state),
      el("div", {}, el("p", { class: "claim" }, claim.charAt(0).toUpperCase() + claim.slice(1), el("span", { class: "visually-hidden" }, `: ${words}`)), detail ? el("p", { class: "detail" }, detail) : ""),
      el("p", { class: "label" }, name),
    );
  };
  const groups = report.kind === "period"
    ? [["Keys and form", periodForm()], ["The log", PERIOD_CHECKS.slice(0, 6)], ["Slots and bundles", PERIOD_CHECKS.slice(6)]]
        .map(([title, list]) => [title, list.map((check) => [check[0], 11, check.at(-1)])])
    : GROUPS.map(([title, steps]) => [title, CHECKS.filter(([, step]) => steps.includes(step))]);
  return groups.map(([title, list]) => {
    const count = list.filter(([name]) => report.passed.has(name)).length;
    const head = el("h4", {}, title, el("span", {}, `${count} of ${list.length} passed`));
    return el("section", { class: "group" }, head, el("ol", { class: "checks" }, list.map(line)));
  });
}

// --- act 3: the checkpoint -----------------------------------------------------------------------------------------

let checkpoint;

/** Shows the largest checkpoint of bundles that passed. */
function showCheckpoint(reports) {
  const kept = reports.filter((report) => ["genuine", "exceptions"].includes(report.result) && report.checkpoint).map((report) => report.checkpoint);
  checkpoint = kept.sort((left, right) => right.size - left.size)[0];
  byId("keep").hidden = !checkpoint;
  byId("copied").textContent = "";
  byId("checkpoint").textContent = checkpoint?.text ?? "";
}

function saveCheckpoint() {
  const link = el("a", { download: `checkpoint-${checkpoint.size}.txt`, href: URL.createObjectURL(new Blob([checkpoint.text])) });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

async function copyCheckpoint() {
  try {
    await navigator.clipboard.writeText(checkpoint.text);
    byId("copied").textContent = "Copied.";
  } catch {
    getSelection().selectAllChildren(byId("checkpoint"));
    byId("copied").textContent = "Selected: copy it with the keyboard.";
  }
}

// --- start ---------------------------------------------------------------------------------------------------------

const blank = byId("sheets").firstElementChild;
const panels = {
  root: rootPanel(),
  evidence: keyPanel("evidence", "Evidence key", "signs bundles"),
  log: keyPanel("log", "Log key", "signs checkpoints; only for .tlog-proof"),
};
byId("files").addEventListener("change", (event) => {
  addFiles(event.target.files);
  event.target.value = "";
});
byId("clear").addEventListener("click", () => {
  given = [];
  start();
});
byId("save-checkpoint").addEventListener("click", saveCheckpoint);
byId("copy-checkpoint").addEventListener("click", copyCheckpoint);
addEventListener("beforeprint", () => {
  for (const details of byId("sheets").querySelectorAll("details")) details.open = true;
});
addEventListener("dragover", (event) => {
  event.preventDefault();
  document.body.classList.add("dragging");
});
addEventListener("dragleave", (event) => event.relatedTarget === null && document.body.classList.remove("dragging"));
addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("dragging");
  addFiles(event.dataTransfer.files);
});
missingFeatures().then((missing) => {
  document.body.dataset.ready = missing.length === 0 ? "yes" : "no";
  if (missing.length === 0) return;
  byId("missing").textContent = `This browser cannot verify: it lacks ${missing.join(" and ")}. Chrome or Edge 137, Firefox 129 and Safari 17 have them.`;
  byId("missing").hidden = false;
});
