// Keys and signatures: pure Ed25519, by WebCrypto, under the strict rule.
//
// WebCrypto leaves open what RFC 8032 leaves open. What the strict rule adds is checked here first: S below the group
// order, keys and R in their one encoding and not of small order.

const SPKI_PREFIX = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
const FIELD = (1n << 255n) - 19n;
const ORDER = (1n << 252n) + 27742317777372353535851937790883648493n;
/** The y of the points of order 1, 2, 4 and 8. */
const SMALL_ORDER = new Set([
  0n,
  1n,
  FIELD - 1n,
  0x05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826n,
  0x7a03ac9277fdc74ec6cc392cfa53202a0f67100d760b3cba4fd84d3d706a17c7n,
]);

function littleEndian(bytes) {
  return BigInt(`0x${hex(bytes.slice().reverse())}`);
}

/** Whether 32 bytes are no canonical encoding, or that of a point of small order. */
function isWeakPoint(bytes) {
  const y = littleEndian(bytes) & ((1n << 255n) - 1n);
  return y >= FIELD || SMALL_ORDER.has(y);
}

/** Reads a SubjectPublicKeyInfo PEM as `openssl pkey -pubout` writes it. Throws with what is wrong. */
async function readKey(text) {
  const match = /^-----BEGIN PUBLIC KEY-----\r?\n([A-Za-z0-9+/=]{60})\r?\n-----END PUBLIC KEY-----$/.exec(text.trim());
  const der = match && unbase64(match[1]);
  if (/PRIVATE KEY/.test(text)) throw new Error("This is a private key. It belongs in no browser: ask for the public one.");
  if (!der || !sameBytes(der.subarray(0, 12), SPKI_PREFIX)) {
    throw new Error("This is not the PEM of an Ed25519 public key (-----BEGIN PUBLIC KEY-----).");
  }
  const raw = der.subarray(12);
  if (isWeakPoint(raw)) throw new Error("This key is weak: anybody could sign for it.");
  const id = hex(await sha256(der));
  const crypt = await crypto.subtle.importKey("raw", raw, { name: "Ed25519" }, false, ["verify"]);
  return { id, raw, crypt };
}

async function isSignature(key, message, signature) {
  if (signature.length !== 64 || isWeakPoint(signature.subarray(0, 32))) return false;
  if (littleEndian(signature.subarray(32)) >= ORDER) return false;
  return crypto.subtle.verify({ name: "Ed25519" }, key.crypt, signature, message);
}

/** The key, of several, that made a signature; undefined when it is none of them. */
async function signerOf(keys, message, signature) {
  for (const key of keys) if (await isSignature(key, message, signature)) return key;
  return undefined;
}

/**
 * Step 1: the keys that somebody compared, `{evidence, log, strict}`: those of a trust root, with purposes and windows
 * (strict), or single ones, without.
 */
function anchorOf({ root, evidence, log }, passed) {
  if (root) {
    if (root.differs) throw new Refused("trust-root", `its fingerprint is ${root.id}, and that is not the one you entered`);
    if (!root.compared) throw new Unreadable("the fingerprint of the trust root was not compared");
    passed("trust-root", `version ${root.version}, fingerprint ${root.id}`);
    const of = (purpose) => root.keys.filter((key) => key.purpose === purpose);
    passed("keys", `${of("evidence").length} for evidence, ${of("log").length} for logs`);
    return { evidence: of("evidence"), log: of("log"), strict: true };
  }
  const given = Object.entries({ evidence, log }).filter(([, key]) => key);
  if (!evidence) throw new Unreadable("no evidence key was given");
  for (const [purpose, key] of given) {
    if (key.differs) throw new Refused("keys", `the ${purpose} key is ${key.id}, and that is not the fingerprint you entered`);
  }
  for (const [purpose, key] of given) {
    if (!key.compared) throw new Unreadable(`the fingerprint of the ${purpose} key was not compared`);
  }
  passed("keys", given.map(([purpose, key]) => `${purpose} ${key.id}`).join(", "));
  return { evidence: [evidence], log: log ? [log] : [], strict: false };
}

/** A key of a trust root counts in its window; what a revoked one signed before counts by its token, unread here. */
function demandWindow(key, time, refuse) {
  if (!key.validFrom) return;
  if (time < key.validFrom || (key.validUntil && time >= key.validUntil)) {
    throw refuse(`is of key ${key.id}, which counts from ${key.validFrom} until ${key.validUntil ?? "further notice"}, not at ${time}`);
  }
  if (key.revokedAt) {
    throw new Unreadable(`key ${key.id} was revoked as of ${key.revokedAt}: whether it still counted shows only a time-stamp token, which this page does not read`);
  }
}

/** What this browser lacks, in words; empty when it can verify. */
async function missingFeatures() {
  const missing = [];
  if (!globalThis.crypto?.subtle) missing.push("WebCrypto");
  else {
    try {
      // RFC 8032, 7.1, test 1.
      const bytes = (text) => Uint8Array.from(text.match(/../g), (pair) => parseInt(pair, 16));
      const raw = bytes("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
      const signature = bytes(
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155" +
          "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
      );
      const crypt = await crypto.subtle.importKey("raw", raw, { name: "Ed25519" }, false, ["verify"]);
      if (!(await isSignature({ crypt }, new Uint8Array(), signature))) missing.push("Ed25519 signatures");
    } catch {
      missing.push("Ed25519 signatures");
    }
  }
  try {
    new DecompressionStream("deflate-raw");
  } catch {
    missing.push("raw deflate");
  }
  return missing;
}
