import type { SharedEntry } from "../storage/shared-store.ts";
import type { StoredList } from "../storage/store.ts";

/** What neighbours had to say: a list that will do, or one that may be fallen back on; whose turn it is to ask upstream. */
export interface PeerResult {
  readonly list: StoredList | undefined;
  readonly isEnough: boolean;
}

const PEER_POLL_MS = 100;

/**
 * Asks the neighbours for a list. Where one of them is asking upstream just now, waits for his, until `deadline` at most.
 * Afterwards it is the caller's turn to ask, unless the list is enough; he releases the claim when he has.
 */
export async function loadFromPeers(
  own: SharedEntry,
  isEnough: (list: StoredList) => boolean,
  deadline: number,
  now: () => number,
): Promise<PeerResult> {
  const found = await own.get();
  if (found !== undefined && isEnough(found)) return { list: found, isEnough: true };
  for (;;) {
    const leftMs = deadline - now();
    // Looked for again behind the claim: since the last look a neighbour may have kept his and let go.
    const [isOurs, list] = await Promise.all([leftMs <= 0 || own.tryLock(leftMs), own.get()]);
    if (list !== undefined && isEnough(list)) {
      if (isOurs) await own.unlock();
      return { list, isEnough: true };
    }
    if (isOurs) return { list, isEnough: false };
    await new Promise((resolve) => {
      setTimeout(resolve, PEER_POLL_MS);
    });
  }
}
