// Sidecars: the statement (.sigstore.json), its place in the log (.tlog-proof), the SSH signature (.sshsig).
//
// Each is parsed, rendered again and compared, so that no byte of it is without meaning. What they say of the zip is
// checked before the zip is opened.

const PAYLOAD_TYPE = "application/vnd.in-toto+json";

async function readText(file, check) {
  const text = textOf(await readSmall(file, LIMITS.sidecarBytes, check));
  if (text === undefined) throw new Refused(check, "is not UTF-8", file.name);
  return text;
}

/** The one way to write a Sigstore bundle with these parts. */
function renderBundle({ keyid, tokens, payload, sig }) {
  const bundle = {
    mediaType: "application/vnd.dev.sigstore.bundle.v0.3+json",
    verificationMaterial: {
      publicKey: { hint: keyid },
      tlogEntries: [],
      timestampVerificationData: { rfc3161Timestamps: tokens.map((signedTimestamp) => ({ signedTimestamp })) },
    },
    dsseEnvelope: { payload, payloadType: PAYLOAD_TYPE, signatures: [{ sig, keyid }] },
  };
  return `${JSON.stringify(bundle)}\n`;
}

/** Steps 2, 3 and 5: the statement and its bytes. */
async function checkStatement(file, name, keys, passed) {
  const text = await readText(file, "statement-form");
  const refuse = (check, what) => new Refused(check, what, file.name);
  let parts;
  try {
    const bundle = parseJson(text);
    const { payload, signatures } = bundle.dsseEnvelope;
    const tokens = bundle.verificationMaterial.timestampVerificationData.rfc3161Timestamps;
    parts = {
      keyid: bundle.verificationMaterial.publicKey.hint,
      tokens: tokens.map((token) => token.signedTimestamp),
      payload,
      sig: signatures[0].sig,
    };
  } catch (error) {
    throw refuse("statement-form", `is no Sigstore bundle: ${error.message}`);
  }
  const values = [parts.keyid, parts.payload, parts.sig, ...parts.tokens];
  if (!values.every(isText) || renderBundle(parts) !== text) {
    throw refuse("statement-form", "is not written as a Sigstore bundle v0.3 of one signature is");
  }
  const payload = unbase64(parts.payload);
  const signature = unbase64(parts.sig);
  if (!payload || !signature || !parts.tokens.every(unbase64)) throw refuse("statement-form", "has base64 of another spelling");
  passed("statement-form");

  const key = keys.find((known) => known.id === parts.keyid);
  if (!key) throw refuse("statement-signature", `is signed by key ${parts.keyid}, which is none of the given keys`);
  const pae = concat(utf8(`DSSEv1 ${PAYLOAD_TYPE.length} ${PAYLOAD_TYPE} ${payload.length} `), payload);
  if (pae.length > LIMITS.signedBytes) throw refuse("statement-signature", "is longer than what is ever signed");
  if (!(await isSignature(key, pae, signature))) {
    throw refuse("statement-signature", "is not a signature of that key over this statement");
  }
  const statement = readStatement(payload, (what) => refuse("statement", what));
  demandWindow(key, statement.collected.end, (what) => refuse("statement-signature", what));
  passed("statement-signature", `key ${key.id}`);

  const id = parseId(name.replace(/\.zip$/, ""));
  const [zip, tags] = statement.subject;
  const about = [
    ["the zip's name", zip.name, name],
    ["the tag manifest's name", tags.name, `${id?.id}/${TAG_MANIFEST}`],
    ["slot", statement.slot, id?.slot],
    ["scope", statement.scope.name, id?.scope],
    ["trigger", statement.trigger, id?.kind],
  ];
  for (const [what, found, expected] of about) {
    if (found !== expected) throw refuse("statement", `${what} is ${found}, expected ${expected}: it is about another bundle`);
  }
  passed("statement", `slot ${statement.slot}, ${statement.status}`);
  return { ...statement, key, bytes: payload, tokens: parts.tokens.length };
}

/** The one spelling of a statement: keys sorted, no space between. */
function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (!isObject(value)) return JSON.stringify(value);
  return `{${Object.keys(value).sort().map((name) => `${JSON.stringify(name)}:${canonical(value[name])}`).join(",")}}`;
}

/** The in-toto statement of a snapshot. */
function readStatement(bytes, refuse) {
  const need = (object, types) => {
    try {
      return members(object, "statement", types);
    } catch (error) {
      throw refuse(error.message);
    }
  };
  const isDigest = (value) => isObject(value) && isText(value.sha256) && /^[0-9a-f]{64}$/.test(value.sha256);
  let object;
  try {
    object = parseJson(textOf(bytes) ?? "");
  } catch (error) {
    throw refuse(error.message);
  }
  if (canonical(object) !== textOf(bytes)) throw refuse("is spelled in another way than statements are");
  const top = need(object, { _type: isText, predicateType: isText, predicate: isObject, subject: Array.isArray });
  if (top._type !== "https://in-toto.io/Statement/v1") throw refuse(`_type is ${top._type}`);
  if (top.predicateType !== "urn:evidenced:snapshot:v1") throw refuse(`predicateType is ${top.predicateType}`);
  if (top.subject.length !== 2) throw refuse(`has ${top.subject.length} subjects instead of 2`);
  const predicate = need(top.predicate, {
    slot: isText, status: isText, trigger: isText, schedule: isText, scope: isObject, collected: isObject,
    log: isObject, collector: isObject, "previous?": isDigest,
  });
  const log = need(predicate.log, { index: isCount, origin: isText });
  if ((log.index === 0) !== (predicate.previous === undefined)) {
    throw refuse("names a statement before it, and is the first; or names none, and is not");
  }
  return {
    ...predicate,
    log,
    subject: top.subject.map((subject) => need(subject, { name: isText, digest: isDigest })),
    scope: need(predicate.scope, { accounts: isCount, name: isText, regions: isCount }),
    collected: need(predicate.collected, { start: isText, end: isText }),
    collector: need(predicate.collector, { configDigest: isDigest }),
  };
}

/** The hash of a node of the log (RFC 6962). */
const nodeHash = (left, right) => sha256(concat([1], left, right));

/** The root that a leaf and its audit path lead to; undefined when the path has another length (RFC 9162, 2.1.3.2). */
async function rootOf(leaf, index, size, path) {
  let [node, last, hash] = [index, size - 1, leaf];
  for (const sibling of path) {
    if (last === 0) return undefined;
    if (node % 2 === 1 || node === last) {
      hash = await nodeHash(sibling, hash);
      while (node % 2 === 0 && node !== 0) [node, last] = [node / 2, Math.floor(last / 2)];
    } else {
      hash = await nodeHash(hash, sibling);
    }
    [node, last] = [Math.floor(node / 2), Math.floor(last / 2)];
  }
  return last === 0 ? hash : undefined;
}

const NUMBER = "(0|[1-9][0-9]{0,15})";
const HASH = "[A-Za-z0-9+/]{43}=";
const CHECKPOINT = `(([A-Za-z0-9._/:@~-]{1,200})\\n${NUMBER}\\n(${HASH})\\n)\\n((?:\u2014 [^ \\n]+ [A-Za-z0-9+/]+=*\\n){1,32})`;
const NOTE = new RegExp(`^${CHECKPOINT}$`, "u");
const PROOF = new RegExp(`^c2sp\\.org/tlog-proof@v1\\nindex ${NUMBER}\\n((?:${HASH}\\n){0,63})\\n(${CHECKPOINT})$`, "u");

/** `{origin, size, root, text}` of a checkpoint, and what it takes to verify it; undefined for other text. */
function readCheckpoint(text) {
  const match = NOTE.exec(text);
  const root = match && unbase64(match[4]);
  return root ? { text, body: match[1], origin: match[2], size: Number(match[3]), root, lines: match[5] } : undefined;
}

/** A log key of this origin signed the checkpoint; of a trust root, nobody unknown did besides. */
async function checkSigners(checkpoint, anchor, refuse) {
  const { origin, body, lines } = checkpoint;
  const hashes = new Map();
  for (const key of anchor.log) {
    if (key.origin && key.origin !== origin) continue;
    hashes.set(hex((await sha256(concat(utf8(`${origin}\n`), [1], key.raw))).subarray(0, 4)), key);
  }
  const signers = new Set();
  for (const line of lines.split("\n").slice(0, -1)) {
    const [, name, encoded] = line.split(" ");
    const blob = unbase64(encoded);
    if (!blob || blob.length < 5) throw refuse("has base64 of another spelling");
    const key = name === origin ? hashes.get(hex(blob.subarray(0, 4))) : undefined;
    if (!key && anchor.strict) throw refuse(`has a signature line of ${name}, which the trust root does not name`);
    if (!key) continue;
    if (signers.has(key)) throw refuse("has two signatures of one log key");
    signers.add(key);
    if (!(await isSignature(key, utf8(body), blob.subarray(4)))) throw refuse("has a signature that is not one of the given log key");
  }
  if (signers.size === 0) throw refuse("has no signature of a given log key");
  if ([...signers].every((key) => key.revokedAt)) throw new Unreadable(`the checkpoint of size ${checkpoint.size} is signed by a revoked log key only`);
}

/** Step 7: the statement is a leaf of the log whose checkpoint the log key signed. Returns the checkpoint. */
async function checkProof(file, statement, anchor, passed) {
  const text = await readText(file, "log-proof");
  const refuse = (check, what) => new Refused(check, what, file.name);
  const match = PROOF.exec(text);
  const hashes = match?.[2].split("\n").slice(0, -1).map(unbase64);
  const checkpoint = match && readCheckpoint(match[3]);
  if (!checkpoint || hashes.includes(undefined)) throw refuse("log-proof", "is no proof of the form c2sp.org/tlog-proof@v1");
  const [index, { size, origin }] = [Number(match[1]), checkpoint];
  if (index !== statement.log.index) throw refuse("log-proof", `is for number ${index}, the statement has ${statement.log.index}`);
  passed("log-proof", `number ${index}`);

  if (origin !== statement.log.origin) throw refuse("checkpoint", `the log is ${origin}, the statement names ${statement.log.origin}`);
  if (size !== index + 1) throw refuse("checkpoint", `has size ${size}, not ${index} + 1`);
  await checkSigners(checkpoint, anchor, (what) => refuse("checkpoint", what));
  passed("checkpoint", `${origin}, size ${size}`);

  const leaf = await sha256(concat([0], statement.bytes));
  const found = await rootOf(leaf, index, size, hashes);
  if (!found || !sameBytes(found, checkpoint.root)) throw refuse("inclusion", "does not lead from the statement to the root of the log");
  passed("inclusion", `leaf ${index} of ${size}`);
  return checkpoint;
}

/** Reads the length-prefixed strings of the SSH protocol. */
function sshStrings(bytes) {
  const strings = [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at < bytes.length; ) {
    if (at + 4 > bytes.length || at + 4 + view.getUint32(at) > bytes.length) return undefined;
    strings.push(bytes.subarray(at + 4, at + 4 + view.getUint32(at)));
    at += 4 + view.getUint32(at);
  }
  return strings;
}

function sshString(bytes) {
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, bytes.length);
  return concat(length, bytes);
}

/** Step 9b: the SSH signature over the zip, of the same key. */
async function checkSshSignature(file, zip, key, passed) {
  const text = await readText(file, "ssh-signature");
  const refuse = (what) => new Refused("ssh-signature", what, file.name);
  const lines = text.split("\n");
  const blob = unbase64(lines.slice(1, -2).join(""));
  const parts = blob && blob.length > 10 ? sshStrings(blob.subarray(10)) : undefined;
  const signature = parts?.length === 5 ? sshStrings(parts[4])?.[1] : undefined;
  if (signature?.length !== 64) throw refuse("is no SSH signature of an Ed25519 key");
  const ed25519 = sshString(utf8("ssh-ed25519"));
  const about = [utf8("evidenced"), new Uint8Array(), utf8("sha512")].map(sshString);
  const expected = concat(
    utf8("SSHSIG"), [0, 0, 0, 1], sshString(concat(ed25519, sshString(key.raw))), ...about,
    sshString(concat(ed25519, sshString(signature))),
  );
  const armoured = base64(expected).match(/.{1,70}/g);
  const rendered = ["-----BEGIN SSH SIGNATURE-----", ...armoured, "-----END SSH SIGNATURE-----", ""].join("\n");
  if (rendered !== text) throw refuse("is of another key, for another purpose, or not written as ssh-keygen does");
  if (zip.size > WHOLE_BYTES) return false;
  const digest = await crypto.subtle.digest("SHA-512", await readSlice(zip, 0, zip.size));
  const message = concat(utf8("SSHSIG"), ...about, sshString(new Uint8Array(digest)));
  if (!(await isSignature(key, message, signature))) throw refuse("is not a signature of the given key over this zip");
  passed("ssh-signature", `key ${key.id}`);
  return true;
}
