import { openSync, read, writeSync } from "node:fs";

// A link between two macvtap devices with a limited bandwidth and a delay. Many kernels have no netem; all that have network
// namespaces have macvtap.
const [one = "", other = "", delayMs = "", bitsPerSecond = ""] = process.argv.slice(2);
const [oneFd, otherFd] = [openSync(one, "r+"), openSync(other, "r+")];
forwardFrames(oneFd, otherFd);
forwardFrames(otherFd, oneFd);

function forwardFrames(from: number, to: number): void {
  const waiting: { readonly at: number; readonly frame: Buffer }[] = [];
  let freeAt = 0;
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
      freeAt = Math.max(freeAt, now) + (bytes * 8000) / Number(bitsPerSecond);
      waiting.push({ at: freeAt + Number(delayMs), frame: Buffer.from(buffer.subarray(0, bytes)) });
      if (waiting.length === 1) deliver();
      next();
    });
  next();
}
