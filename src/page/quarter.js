// The sheet of a period: two figures, a calendar of its slots, what is to be listed, and the checks.

/** The verdict on a period in one sentence. */
function periodBecause({ rows, sequenced, due, index }) {
  const opened = rows.filter((row) => row.opened).length;
  const wanted = [...index.values()].filter((line) => line.place !== "left-out").length;
  const words = ["missed", "partial"].map((status) => [rows.filter((row) => row.status === status).length, status]).filter(([count]) => count > 0);
  const left = rows.filter((row) => row.place === "left-out").length;
  return [
    `${sequenced} of ${due} slots are in the log, each following the one before, and ${opened} of ${wanted} bundles were opened and are what was signed.`,
    words.length > 0 ? `${words.map(([count, status]) => `${count} ${status}`).join(" and ")}, listed below.` : "",
    left > 0 ? `This is a sample pack: ${left} zips were left out of it.` : "",
  ].filter(Boolean).join(" ");
}

function periodSheet(report) {
  const id = `verdict-${report.name}`;
  const { info, rows, result } = report;
  const good = result === "genuine" || result === "exceptions";
  return el(
    "article",
    { class: `sheet ${result}`, "data-result": result, "data-level": report.level, "data-failed": report.failed?.check, "aria-labelledby": id },
    el(
      "div",
      { class: "verdict" },
      seal(result),
      el("div", {}, el("p", { class: "file" }, printable(report.name)), el("h2", { id }, VERDICTS[result]), el("p", { class: "because" }, because(report))),
    ),
    el(
      "div",
      { class: "body" },
      ...(good ? [figures(report)] : []),
      ...(info && rows.length > 0 ? [el("h3", {}, "Slots of the period"), calendar(report)] : []),
      ...(good ? [el("h3", {}, "Assurance"), rungs(periodSteps(report)), el("h3", {}, "Period"), periodFacts(report)] : []),
      ...exceptionRows(report),
      ...(good ? [el("h3", {}, "Not shown"), el("ul", { class: "open" }, el("li", {}, "Time-stamp tokens (RFC 3161) are not checked by this page: whether a bundle was made up later shows their time. Use evidenced verify, or openssl ts."), el("li", {}, "Hash tiles and the consistency proof were not needed: both roots were computed from the leaves."))] : []),
      el("h3", {}, "Checks, in the order of the specification"),
      ...checks(report),
      ...(rows.length > 0 ? [el("details", {}, el("summary", {}, `All ${rows.length} bundles`), runTable("All bundles", rows))] : []),
      el("p", { class: "fine" }, `Checked in this browser on ${new Date().toISOString().replace(/\..*/, "Z")}.`),
    ),
  );
}

function figures({ rows, sequenced, due, index }) {
  const wanted = [...index.values()].filter((line) => line.place !== "left-out").length;
  const figure = (count, of, word) => el("p", { class: "figure" }, el("strong", {}, `${count}`), el("span", {}, ` of ${of} ${word}`));
  return el("div", { class: "figures" }, figure(sequenced, due, "sequenced"), figure(rows.filter((row) => row.opened).length, wanted, "opened"));
}

function periodSteps({ level, rows, checkpoint }) {
  const dated = rows.filter((row) => row.dated).length;
  return [
    ["Signed", "exactly these files", true],
    ["Dated", `${dated} tokens given, not checked here`, false],
    ["Logged", `all ${checkpoint.size} leaves of the log`, true],
    ["Pinned", level === "pinned" ? "continues your checkpoint" : "needs your last checkpoint", level === "pinned"],
    ["Witnessed", "not checked by this page", false],
  ];
}

function periodFacts({ info, checkpoint, rows, size, zipDigest }) {
  const count = (trigger) => rows.filter((row) => row.trigger === trigger).length;
  const extra = [[count("manual"), "manual"], [count("supplement"), "supplementary"]].filter(([number]) => number > 0).map(([number, word]) => `, ${number} ${word}`);
  const list = [
    ["Organisation", info.organisation],
    ["Days", `${info.first} to ${info.last}`],
    ["Scope", info.scope],
    ["Bundles", `${count("schedule")} scheduled${extra.join("")}`],
    ["Log", `${checkpoint.origin}, ${checkpoint.size} entries`],
    ["Root of the log", base64(checkpoint.root), "mono"],
    ["Size", sizeOf(size)],
    ["SHA-256", zipDigest, "mono"],
  ];
  return el("dl", { class: "facts" }, list.filter(([, value]) => value).map(([name, value, style]) => [el("dt", {}, name), el("dd", { class: style }, printable(value))]));
}

const KINDS = { complete: "complete", partial: "partial", missed: "missed", absent: "no leaf", refused: "refused", sealed: "complete, not opened" };

function kindOf(row) {
  if (row.result === "not-genuine") return "refused";
  return row.status === "complete" && !row.opened ? "sealed" : row.status;
}

/** A cell for each day, coloured by the worst of its slots; the lists below say the same in words. */
function calendar({ info, rows, absent }) {
  const worst = ["refused", "absent", "missed", "partial", "sealed", "complete"];
  const days = new Map();
  const put = (slot, kind) => {
    const day = slot.slice(0, 10);
    if (!days.has(day) || worst.indexOf(kind) < worst.indexOf(days.get(day))) days.set(day, kind);
  };
  for (const row of rows.filter((row) => row.trigger === "schedule")) put(row.slot, kindOf(row));
  for (const slot of absent) put(slot, "absent");
  const months = new Map();
  for (let time = info.from; time < info.to && months.size < 36; time += DAY) {
    const day = new Date(time).toISOString().slice(0, 10);
    const month = day.slice(0, 7);
    if (!months.has(month)) months.set(month, []);
    const kind = days.get(day);
    months.get(month).push(el("span", { class: `day ${kind ?? "none"}`, title: `${day}${kind ? `: ${KINDS[kind]}` : ""}` }, day.slice(8)));
  }
  const found = Object.keys(KINDS).filter((kind) => [...days.values()].includes(kind));
  const count = (kind) => [...days.values()].filter((other) => other === kind).length;
  const words = found.map((kind) => `${count(kind)} days ${KINDS[kind]}`).join(", ");
  const name = (month) => new Date(`${month}-01T00:00:00Z`).toLocaleDateString("en", { month: "short", year: "numeric", timeZone: "UTC" });
  return el(
    "figure", { class: "calendar" },
    el("div", { role: "img", "aria-label": `Slots of the period by day: ${words}.` }, [...months].map(([month, cells]) => el("div", { class: "month" }, el("span", { class: "month-name" }, name(month)), el("span", { class: "days" }, cells)))),
    el("figcaption", {}, found.map((kind) => el("span", { class: "key-entry" }, el("span", { class: `day ${kind}` }), `${count(kind)} ${KINDS[kind]}`))),
  );
}

function exceptionRows({ rows, absent }) {
  const listed = rows.filter((row) => row.result !== "genuine" || row.status !== "complete");
  return [
    ...(absent.length > 0 ? [el("h3", {}, `Slots without a leaf (${absent.length})`), el("ul", { class: "open mono" }, absent.slice(0, DRAWN).map((slot) => el("li", {}, slot)))] : []),
    ...(listed.length > 0 ? [el("h3", {}, `To be listed (${listed.length})`), runTable("To be listed", listed)] : []),
  ];
}

function runTable(title, rows) {
  const heads = ["Slot", "Run", "Status", "Zip", "Result"];
  const places = { inside: "opened", beside: "beside", "left-out": "left out" };
  const cells = (row) => [
    row.slot, row.trigger, row.gaps > 0 ? `${row.status}, ${row.gaps} gaps` : row.status, row.opened ? "opened" : places[row.place],
    row.failed ? `${row.failed.check}: ${row.failed.message}` : row.opened ? VERDICTS[row.result] : "statement and place in the log only",
  ];
  return el(
    "div", { class: "scroll", tabindex: "0", role: "region", "aria-label": title },
    el("table", { class: "runs" }, el("thead", {}, el("tr", {}, heads.map((head) => el("th", { scope: "col" }, head)))),
      el("tbody", {}, rows.slice(0, DRAWN).map((row) => el("tr", {}, cells(row).map((text) => el("td", {}, printable(text))))))),
  );
}
