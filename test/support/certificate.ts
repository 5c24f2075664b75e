import { spawnSync } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Whether openssl is installed: node:crypto can generate keys, but not certificates. */
export const hasOpenssl: boolean = spawnSync("openssl", ["version"]).status === 0;

/** A self-signed certificate and its private key, in PEM. */
export interface Certificate {
  readonly cert: Buffer;
  readonly key: Buffer;
  /** Path of the certificate file, for NODE_EXTRA_CA_CERTS. */
  readonly path: string;
  readonly remove: () => Promise<void>;
}

/** Creates one that is valid for a day, for localhost and one more IP address. */
export async function makeCertificate(address: string = "127.0.0.1"): Promise<Certificate> {
  const directory = await mkdtemp(join(tmpdir(), "keylane-certificate-"));
  const [path, keyPath] = [join(directory, "cert.pem"), join(directory, "key.pem")];
  const command = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=keylane";
  const names = `subjectAltName=DNS:localhost,IP:127.0.0.1,IP:${address}`;
  const args = [...command.split(" "), "-addext", names, "-keyout", keyPath, "-out", path];
  const { status, stderr } = spawnSync("openssl", args);
  if (status !== 0) throw new Error(`openssl failed: ${String(stderr)}`);
  const [cert, key] = [await readFile(path), await readFile(keyPath)];
  return { cert, key, path, remove: () => rm(directory, { recursive: true, force: true }) };
}
