import { judgeList, NOT_STORED, type Check, type CheckContext, type Notes } from "./check.ts";
import { credential, KEY_NAMES, type KeyName } from "./target.ts";
import { similarKeys } from "./similar-keys.ts";

// Enough to reach another instance, where several share an address.
const LOOKUPS = 4;
const COLD = 6;

/** A purge deletes what is stored for its own key, and nothing else. */
export const purges: readonly Check[] = [
  {
    sentence: "a purge without a key, or with nearly a key, forgets nothing of the two",
    async run(context, notes) {
      const { target, keys } = context;
      if (!(await areStored(context, notes))) return;
      const similar = similarKeys(keys.A, Object.values(keys)).map(({ key }) => credential("bearer", key));
      for (const headers of [{}, ...similar]) await target.sendAs(headers, { method: "DELETE" });
      for (const name of KEY_NAMES) {
        if ((await storedStatuses(context, name)).every((status) => status === 504)) {
          notes.failed(`the list of KEY_${name} was forgotten`);
        }
      }
    },
  },
  {
    sentence: "a purge with KEY_A forgets its list, and leaves the one of KEY_B",
    async run(context, notes) {
      const { target } = context;
      if (!(await areStored(context, notes))) return;
      const { status } = await target.send("A", { method: "DELETE" });
      if (status !== 204) notes.failed(`it is answered with ${status} instead of 204`);
      const [A, B] = [await storedStatuses(context, "A"), await storedStatuses(context, "B")];
      if (A.every((one) => one === 200)) notes.failed("KEY_A still gets a list");
      else if (A.some((one) => one !== 504)) notes.unclear("some instances forgot it, others hold lists of their own");
      if (B.every((one) => one === 504)) notes.failed("the list of KEY_B was forgotten");
    },
  },
  {
    sentence: `when nothing is stored, ${COLD} requests of each key at once get each its own list`,
    needsTwoLists: true,
    async run(context, notes) {
      for (const name of KEY_NAMES) await context.target.send(name, { method: "DELETE" });
      const requests = Array.from({ length: 2 * COLD }, async (_, index) => {
        const name = index % 2 === 0 ? "A" : "B";
        const answer = await context.target.send(name, { mayFetch: true });
        if (!judgeList(answer, name, context, notes)) notes.unclear("504: NanoGPT was too slow");
      });
      await Promise.all(requests);
    },
  },
];

async function areStored(context: CheckContext, notes: Notes): Promise<boolean> {
  for (const name of KEY_NAMES) {
    const [first] = await storedStatuses(context, name);
    // A list that an earlier check lost is fetched once more: one defect must not hide another.
    if (first === 504) await context.target.send(name, { mayFetch: true });
    if ((await storedStatuses(context, name)).some((status) => status !== 200)) {
      notes.unclear(NOT_STORED);
      return false;
    }
  }
  return true;
}

/** The statuses of several requests for a key's stored list, sent one after another. */
async function storedStatuses({ target }: CheckContext, name: KeyName): Promise<number[]> {
  const statuses: number[] = [];
  for (let lookup = 0; lookup < LOOKUPS; lookup++) statuses.push((await target.send(name)).status);
  return statuses;
}
