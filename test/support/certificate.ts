import { spawnSync } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Whether there is an openssl: node:crypto makes keys, but no certificates. */
export const hasOpenssl: boolean = spawnSync("openssl", ["version"]).status === 0;

/** A certificate that signs itself, and its key. */
export interface Certificate {
  readonly cert: Buffer;
  readonly key: Buffer;
  /** For NODE_EXTRA_CA_CERTS. */
  readonly path: string;
  readonly remove: () => Promise<void>;
}

/** Makes one for a day, for this machine and one more address. */
export async function makeCertificate(address: string = "127.0.0.1"): Promise<Certificate> {
  const folder = await mkdtemp(join(tmpdir(), "keylane-certificate-"));
  const [path, keyPath] = [join(folder, "cert.pem"), join(folder, "key.pem")];
  const kind = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=keylane";
  const names = `subjectAltName=DNS:localhost,IP:127.0.0.1,IP:${address}`;
  const words = [...kind.split(" "), "-addext", names, "-keyout", keyPath, "-out", path];
  const { status, stderr } = spawnSync("openssl", words);
  if (status !== 0) throw new Error(`openssl made no certificate: ${String(stderr)}`);
  const [cert, key] = [await readFile(path), await readFile(keyPath)];
  return { cert, key, path, remove: () => rm(folder, { recursive: true, force: true }) };
}
