import { otherOf } from "./accounts.ts";
import { judgeList, NOT_HELD, type Check, type Ground, type Notes } from "./check.ts";
import { NAMES, type Name, type Question } from "./target.ts";

const STORM = 300;
const PIPELINED = 8;
const CODINGS = ["identity", "gzip", "br", "gzip;q=0.5, br", "br;q=0, gzip"];
const HEADERS = ["bearer", "x-api-key"] as const;

/** A key gets its own list and nothing else, however it asks. */
export const ownLists: readonly Check[] = [
  {
    sentence: "each key gets its own list, as Bearer and as x-api-key",
    needsTwoLists: true,
    async run(ground, notes) {
      for (const as of HEADERS) {
        for (const name of NAMES) {
          const answer = await ground.instance.ask(name, { as, mayAsk: true });
          if (!judgeList(answer, name, ground, notes, `as ${as}`)) notes.doubt("504: NanoGPT was too slow");
        }
      }
    },
  },
  {
    sentence: "each key gets its own detailed list",
    needsTwoLists: true,
    async run(ground, notes) {
      for (const name of NAMES) {
        const answer = await ground.instance.ask(name, { path: "/models?detailed=true", mayAsk: true });
        if (!judgeList(answer, name, ground, notes)) notes.doubt("504: NanoGPT was too slow");
      }
    },
  },
  {
    sentence: `${STORM} requests of both keys, crossing on kept connections, in all codings, get each its own list`,
    needsTwoLists: true,
    run: (ground, notes) =>
      together(ground, notes, STORM, (index) => ({
        // Both keys meet every coding in both headers within 30 requests.
        fields: { "accept-encoding": CODINGS[index % CODINGS.length] ?? "" },
        as: HEADERS[Math.floor(index / 3) % 2] ?? "bearer",
      })),
  },
  {
    sentence: `${PIPELINED} requests of both keys, sent on one connection before the first answer, are answered in order`,
    needsTwoLists: true,
    run: (ground, notes) => together(ground, notes, PIPELINED, () => ({ isPipelined: true })),
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
  ground: Ground,
  notes: Notes,
  count: number,
  question: (index: number) => Question & { as?: "bearer" | "x-api-key" },
): Promise<void> {
  let held = 0;
  const asking = Array.from({ length: count }, async (_, index) => {
    const name: Name = index % 2 === 0 ? "A" : "B";
    try {
      if (judgeList(await ground.instance.ask(name, question(index)), name, ground, notes)) held++;
    } catch (error) {
      notes.doubt(`no answer (${error instanceof Error ? error.name : "broken off"})`);
    }
  });
  await Promise.all(asking);
  if (held < count / 2) notes.doubt(`${held} of ${count} lists were held, the others ${NOT_HELD}`);
  else if (held < count) notes.aside(`${held} were held where they were asked for, and judged`);
}
