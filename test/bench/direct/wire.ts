import { openSync, read, writeSync } from "node:fs";

// A wire between two macvtap devices: each frame waits for those before it at so many bits a second, then so many
// milliseconds. Many kernels have no netem, and all that have namespaces have this.
const [near = "", far = "", delayMs = "", bitsPerSecond = ""] = process.argv.slice(2);
const [one, other] = [openSync(near, "r+"), openSync(far, "r+")];
carry(one, other);
carry(other, one);

function carry(from: number, to: number): void {
  const waiting: { readonly at: number; readonly frame: Buffer }[] = [];
  let isFreeAt = 0;
  const deliver = () => {
    for (let first = waiting[0]; first !== undefined; first = waiting[0]) {
      const leftMs = first.at - performance.now();
      if (leftMs > 0.2) {
        setTimeout(deliver, leftMs);
        return;
      }
      waiting.shift();
      writeSync(to, first.frame);
    }
  };
  const next = () =>
    read(from, Buffer.allocUnsafe(70_000), 0, 70_000, null, (error, bytes, buffer) => {
      if (error !== null) throw error;
      const now = performance.now();
      isFreeAt = Math.max(isFreeAt, now) + (bytes * 8000) / Number(bitsPerSecond);
      waiting.push({ at: isFreeAt + Number(delayMs), frame: Buffer.from(buffer.subarray(0, bytes)) });
      if (waiting.length === 1) deliver();
      next();
    });
  next();
}
