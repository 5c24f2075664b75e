import { otherOf } from "./accounts.ts";
import { judgeList, NOT_STORED, type Check, type CheckContext, type Notes } from "./check.ts";
import { KEY_NAMES, type KeyName, type TargetRequest } from "./target.ts";

const HERD = 300;
const PIPELINED = 8;
const CODINGS = ["identity", "gzip", "br", "gzip;q=0.5, br", "br;q=0, gzip"];
const HEADERS = ["bearer", "x-api-key"] as const;

/** A key gets its own list and nothing else, whatever its requests look like. */
export const ownLists: readonly Check[] = [
  {
    sentence: "each key gets its own list, as Bearer and as x-api-key",
    needsTwoLists: true,
    async run(context, notes) {
      for (const as of HEADERS) {
        for (const name of KEY_NAMES) {
          const answer = await context.target.send(name, { as, mayFetch: true });
          if (!judgeList(answer, name, context, notes, `as ${as}`)) notes.unclear("504: NanoGPT was too slow");
        }
      }
    },
  },
  {
    sentence: "each key gets its own detailed list",
    needsTwoLists: true,
    async run(context, notes) {
      for (const name of KEY_NAMES) {
        const answer = await context.target.send(name, { path: "/models?detailed=true", mayFetch: true });
        if (!judgeList(answer, name, context, notes)) notes.unclear("504: NanoGPT was too slow");
      }
    },
  },
  {
    sentence: `${HERD} requests of both keys, crossing on kept connections, in all codings, get each its own list`,
    needsTwoLists: true,
    run: (context, notes) =>
      sendConcurrently(context, notes, HERD, (index) => ({
        // Both keys use every coding with both headers within 30 requests.
        headers: { "accept-encoding": CODINGS[index % CODINGS.length] ?? "" },
        as: HEADERS[Math.floor(index / 3) % 2] ?? "bearer",
      })),
  },
  {
    sentence: `${PIPELINED} requests of both keys, sent on one connection before the first answer, are answered in order`,
    needsTwoLists: true,
    run: (context, notes) => sendConcurrently(context, notes, PIPELINED, () => ({ isPipelined: true })),
  },
  {
    sentence: "a model that only one key has is not found by the other",
    needsTwoLists: true,
    async run({ target, pair }, notes) {
      for (const name of KEY_NAMES) {
        const [id] = pair[name].exclusive;
        if (id === undefined) continue;
        const request = { path: `/models/${encodeURIComponent(id)}`, quotable: id };
        const owner = await target.send(name, request);
        const other = await target.send(otherOf(name), request);
        if (other.status === 200) notes.failed(`KEY_${otherOf(name)} got a model that only KEY_${name} has`);
        else if (other.status !== 404) notes.unclear(`${other.status} instead of 404`);
        if (owner.status !== 200) notes.unclear(`KEY_${name} itself got ${owner.status}`);
      }
    },
  },
];

/** Sends `count` concurrent requests, with the two keys in turn, and judges every list; none may reach NanoGPT. */
async function sendConcurrently(
  context: CheckContext,
  notes: Notes,
  count: number,
  requestFor: (index: number) => TargetRequest & { as?: "bearer" | "x-api-key" },
): Promise<void> {
  let stored = 0;
  const requests = Array.from({ length: count }, async (_, index) => {
    const name: KeyName = index % 2 === 0 ? "A" : "B";
    try {
      if (judgeList(await context.target.send(name, requestFor(index)), name, context, notes)) stored++;
    } catch (error) {
      notes.unclear(`no answer (${error instanceof Error ? error.name : "broken off"})`);
    }
  });
  await Promise.all(requests);
  if (stored < count / 2) notes.unclear(`${stored} of ${count} lists were stored, the others ${NOT_STORED}`);
  else if (stored < count) notes.remark(`${stored} were stored where they were requested, and judged`);
}
