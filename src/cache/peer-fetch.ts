import type { Clock } from "../http/freshness.ts";
import type { SharedEntry } from "../storage/shared-store.ts";
import type { StoredList } from "../storage/store.ts";

/** Result of asking peers: a usable list, or one to fall back on; unless `isAcceptable`, this process holds the lock. */
export interface PeerResult {
  readonly list: StoredList | undefined;
  readonly isAcceptable: boolean;
}

const PEER_POLL_MS = 100;

/**
 * Reads a list from the shared store. While a peer holds the lock, because it is fetching the list, polls for its result
 * until `deadline` (ms since the epoch). The caller unlocks after its own fetch.
 */
export async function loadFromPeers(
  entry: SharedEntry,
  isAcceptable: (list: StoredList) => boolean,
  deadline: number,
  now: Clock,
): Promise<PeerResult> {
  const stored = await entry.get();
  if (stored !== undefined && isAcceptable(stored)) return { list: stored, isAcceptable: true };
  for (;;) {
    const leftMs = deadline - now();
    // Re-read after taking the lock: a peer may have stored its list and unlocked meanwhile.
    const [isLocked, list] = await Promise.all([leftMs <= 0 || entry.tryLock(leftMs), entry.get()]);
    if (list !== undefined && isAcceptable(list)) {
      if (isLocked) await entry.unlock();
      return { list, isAcceptable: true };
    }
    if (isLocked) return { list, isAcceptable: false };
    await new Promise((resolve) => {
      setTimeout(resolve, PEER_POLL_MS);
    });
  }
}
