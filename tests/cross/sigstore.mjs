// Verifies a Sigstore bundle with @sigstore/verify: a pinned key, a pinned time-stamp authority, no transparency log.
//
//     node sigstore.mjs BUNDLE KEY.pem trusted_root.json
//
// Ends with 0 when it is accepted, 1 when it is refused, 2 when there was no verdict. Requests nothing.

import { createPublicKey } from "node:crypto";
import { readFileSync } from "node:fs";
import { bundleFromJSON } from "@sigstore/bundle";
import { TrustedRoot } from "@sigstore/protobuf-specs";
import { toSignedEntity, toTrustMaterial, Verifier } from "@sigstore/verify";

const [bundlePath, keyPath, rootPath] = process.argv.slice(2);
let verify;
try {
  const der = createPublicKey(readFileSync(keyPath)).export({ format: "der", type: "spki" });
  const root = TrustedRoot.fromJSON(JSON.parse(readFileSync(rootPath, "utf8")));
  // The hint names the key; which key that is, the caller decides.
  const { createHash } = await import("node:crypto");
  const id = createHash("sha256").update(der).digest("hex");
  const trust = toTrustMaterial(root, { [id]: { rawBytes: der } });
  verify = new Verifier(trust, { ctlogThreshold: 0, tlogThreshold: 0, timestampThreshold: 1 });
} catch (error) {
  console.error(`no verdict: ${error.message}`);
  process.exit(2);
}
try {
  verify.verify(toSignedEntity(bundleFromJSON(JSON.parse(readFileSync(bundlePath, "utf8")))));
} catch (error) {
  console.error(`refused: ${error.code ?? error.name}: ${error.message}`);
  process.exit(1);
}
