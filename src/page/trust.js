// The trust root (docs/TRUST.md): who decides which keys count, for what and when. One number leads to all of it.
//
// Every version is read, each signed by enough holders of itself and of the one before. What is revoked or ended stays
// listed, so that its window can be judged. Refused as a whole: one spelling is wrong, one file is not the one named.

const TRUST_TYPE = "urn:evidenced:trust-root:v1";
const TRUST_BYTES = 128 * 1024;

/** `{version}` of the name of a version; undefined for other files. */
function trustVersion(name) {
  const match = /^root-v([1-9][0-9]{0,3})\.dsse\.json$/.exec(name);
  return match ? Number(match[1]) : undefined;
}

/** Whether a file belongs to a trust root, and not to a bundle. */
function isTrustFile(name) {
  return trustVersion(name) !== undefined || /^(allowed_signers-v|tlog-policy-v|trusted_root-v)[0-9]+(\.txt|\.json)?$/.test(name) || /\.pem$/i.test(name);
}

/**
 * Reads `[{name, bytes}]`. `{id, version, keys, holders, threshold}`: id is the fingerprint, a key is as `readKey` makes
 * it with purpose, origin, validFrom, validUntil and revokedAt. Throws with what is wrong.
 */
async function readTrust(files) {
  const given = new Map(files.map((file) => [file.name, file.bytes]));
  const count = files.filter((file) => trustVersion(file.name)).length;
  if (count === 0) throw new Error("There is no root-v1.dsse.json among these files: open all files of the trust root.");
  const named = new Map();
  let before;
  let fingerprint;
  for (let version = 1; version <= count; version++) {
    const name = `root-v${version}.dsse.json`;
    const bytes = given.get(name);
    if (!bytes) throw new Error(`${name} is missing: open all versions of the trust root.`);
    const found = await readVersion(bytes, name, version, before);
    for (const { name: file, digest } of found.subject) {
      if ((named.get(file) ?? digest.sha256) !== digest.sha256) throw new Error(`${name}: ${printable(file)} changed under its name.`);
      named.set(file, digest.sha256);
    }
    fingerprint ??= found.digest;
    before = found;
  }
  const keys = [];
  for (const entry of before.predicate.keys) {
    const bytes = given.get(entry.file);
    if (!bytes) throw new Error(`${printable(entry.file)} is missing: open all files of the trust root.`);
    if (hex(await sha256(bytes)) !== named.get(entry.file)) throw new Error(`${printable(entry.file)} is not the file that the trust root names.`);
    const key = await readKey(textOf(bytes) ?? "");
    if (key.id !== entry.keyid) throw new Error(`${printable(entry.file)} holds another key than the trust root names.`);
    keys.push({ ...entry, ...key });
  }
  const { version, threshold, roots } = before.predicate;
  return { id: fingerprint, version, threshold, holders: roots.map((root) => root.holder), keys };
}

/** One version, signed by enough holders of its own and of the version before. */
async function readVersion(bytes, name, version, before) {
  const wrong = (what) => new Error(`${name} ${what}.`);
  if (bytes.length > TRUST_BYTES) throw wrong("is too long");
  let envelope;
  let statement;
  let payload;
  try {
    envelope = parseJson(textOf(bytes));
    payload = unbase64(envelope.payload);
    statement = parseJson(textOf(payload));
  } catch {
    throw wrong("is no signed statement");
  }
  const { signatures } = envelope;
  const spelled = Array.isArray(signatures) && signatures.length <= 32 && JSON.stringify({
    payload: envelope.payload, payloadType: PAYLOAD_TYPE, signatures: signatures.map(({ keyid, sig }) => ({ keyid, sig })),
  });
  if (`${spelled}\n` !== textOf(bytes) || canonical(statement) !== textOf(payload)) throw wrong("is spelled in another way than trust roots are");
  const ids = signatures.map((signature) => signature.keyid);
  if (ids.some((id, at) => !isText(id) || (at > 0 && ids[at - 1] >= id))) throw wrong("has signatures twice or out of order");
  const { predicate, subject } = statement;
  const isEntry = (key) =>
    isObject(key) && isText(key.file) && isText(key.keyid) && isTime(key.validFrom) && [key.validUntil, key.revokedAt].every((time) => time === null || isTime(time)) &&
    (key.purpose === "evidence" ? key.origin === undefined : key.purpose === "log" && isText(key.origin));
  const isForm =
    statement._type === "https://in-toto.io/Statement/v1" && statement.predicateType === TRUST_TYPE && isObject(predicate) &&
    predicate.version === version && Array.isArray(predicate.roots) && isCount(predicate.threshold) &&
    predicate.threshold >= 1 && predicate.threshold <= predicate.roots.length && Array.isArray(predicate.keys) && predicate.keys.every(isEntry) &&
    Array.isArray(subject) && subject.every((it) => isObject(it) && isText(it.name) && isText(it.digest?.sha256));
  if (!isForm) throw wrong(`is not version ${version} of a trust root`);
  if (predicate.previous?.sha256 !== before?.digest) throw wrong("does not follow the version before it");
  const distinct = new Set([...predicate.keys, ...predicate.roots].map((key) => key.keyid));
  if (distinct.size !== predicate.keys.length + predicate.roots.length) throw wrong("names a key twice");
  const holders = await holdersOf(predicate.roots, wrong);
  const message = concat(utf8(`DSSEv1 ${PAYLOAD_TYPE.length} ${PAYLOAD_TYPE} ${payload.length} `), payload);
  for (const [who, keys, threshold] of [["its own", holders, predicate.threshold], ["the last version's", before?.holders, before?.predicate.threshold]]) {
    if (!keys) continue;
    let signed = 0;
    for (const { keyid, sig } of signatures) {
      const key = keys.get(keyid);
      const signature = key && isText(sig) && unbase64(sig);
      if (signature && (await isSignature(key, message, signature))) signed += 1;
    }
    if (signed < threshold) throw wrong(`is signed by ${signed} of ${who} holders, ${threshold} have to`);
  }
  return { predicate, subject, holders, digest: hex(await sha256(payload)) };
}

/** Key id to key, of those who may sign trust roots. */
async function holdersOf(roots, wrong) {
  const holders = new Map();
  for (const { keyid, spki, holder } of roots) {
    if (!isText(spki) || !isText(holder)) throw wrong("names a holder in another form");
    const key = await readKey(`-----BEGIN PUBLIC KEY-----\n${spki}\n-----END PUBLIC KEY-----`);
    if (key.id !== keyid) throw wrong(`has another key under the id of ${printable(holder)}`);
    holders.set(keyid, key);
  }
  return holders;
}

const isTime = (text) => parseTime(text) !== undefined;
