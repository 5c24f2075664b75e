import { otherOf } from "./accounts.ts";
import { judgeList, NOT_STORED, type Check, type CheckContext, type Notes } from "./check.ts";
import { NAMES, type Name, type TargetRequest } from "./target.ts";

const HERD = 300;
const PIPELINED = 8;
const CODINGS = ["identity", "gzip", "br", "gzip;q=0.5, br", "br;q=0, gzip"];
const HEADERS = ["bearer", "x-api-key"] as const;

/** A key gets its own list and nothing else, however it asks. */
export const ownLists: readonly Check[] = [
  {
    sentence: "each key gets its own list, as Bearer and as x-api-key",
    needsTwoLists: true,
    async run(context, notes) {
      for (const as of HEADERS) {
        for (const name of NAMES) {
          const answer = await context.instance.ask(name, { as, mayAsk: true });
          if (!judgeList(answer, name, context, notes, `as ${as}`)) notes.doubt("504: NanoGPT was too slow");
        }
      }
    },
  },
  {
    sentence: "each key gets its own detailed list",
    needsTwoLists: true,
    async run(context, notes) {
      for (const name of NAMES) {
        const answer = await context.instance.ask(name, { path: "/models?detailed=true", mayAsk: true });
        if (!judgeList(answer, name, context, notes)) notes.doubt("504: NanoGPT was too slow");
      }
    },
  },
  {
    sentence: `${HERD} requests of both keys, crossing on kept connections, in all codings, get each its own list`,
    needsTwoLists: true,
    run: (context, notes) =>
      together(context, notes, HERD, (index) => ({
        // Both keys meet every coding in both headers within 30 requests.
        fields: { "accept-encoding": CODINGS[index % CODINGS.length] ?? "" },
        as: HEADERS[Math.floor(index / 3) % 2] ?? "bearer",
      })),
  },
  {
    sentence: `${PIPELINED} requests of both keys, sent on one connection before the first answer, are answered in order`,
    needsTwoLists: true,
    run: (context, notes) => together(context, notes, PIPELINED, () => ({ isPipelined: true })),
  },
  {
    sentence: "a model that only one key has is not found by the other",
    needsTwoLists: true,
    async run({ instance, pair }, notes) {
      for (const name of NAMES) {
        const [id] = pair[name].alone;
        if (id === undefined) continue;
        const question = { path: `/models/${encodeURIComponent(id)}`, quotable: id };
        const owner = await instance.ask(name, question);
        const other = await instance.ask(otherOf(name), question);
        if (other.status === 200) notes.fault(`KEY_${otherOf(name)} got a model that only KEY_${name} has`);
        else if (other.status !== 404) notes.doubt(`${other.status} instead of 404`);
        if (owner.status !== 200) notes.doubt(`KEY_${name} itself got ${owner.status}`);
      }
    },
  },
];

/** Asks with both keys in turn, all at once, and judges every list; none of it may reach NanoGPT. */
async function together(
  context: CheckContext,
  notes: Notes,
  count: number,
  question: (index: number) => TargetRequest & { as?: "bearer" | "x-api-key" },
): Promise<void> {
  let stored = 0;
  const asking = Array.from({ length: count }, async (_, index) => {
    const name: Name = index % 2 === 0 ? "A" : "B";
    try {
      if (judgeList(await context.instance.ask(name, question(index)), name, context, notes)) stored++;
    } catch (error) {
      notes.doubt(`no answer (${error instanceof Error ? error.name : "broken off"})`);
    }
  });
  await Promise.all(asking);
  if (stored < count / 2) notes.doubt(`${stored} of ${count} lists were stored, the others ${NOT_STORED}`);
  else if (stored < count) notes.aside(`${stored} were stored where they were requested, and judged`);
}
