import { judgeList, NOT_STORED, type Check, type CheckContext, type Notes } from "./check.ts";
import { credential, NAMES, type Name } from "./target.ts";
import { similarKeys } from "./similar-keys.ts";

// Enough to meet another instance, where there are several.
const LOOKS = 4;
const COLD = 6;

/** A purge forgets what is stored for its own key, and nothing else. */
export const purges: readonly Check[] = [
  {
    sentence: "a purge without a key, or with nearly a key, forgets nothing of the two",
    async run(context, notes) {
      const { instance, keys } = context;
      if (!(await areStored(context, notes))) return;
      const near = similarKeys(keys.A, Object.values(keys)).map(({ key }) => credential("bearer", key));
      for (const fields of [{}, ...near]) await instance.askAs(fields, { method: "DELETE" });
      for (const name of NAMES) {
        if ((await looks(context, name)).every((status) => status === 504)) {
          notes.fault(`the list of KEY_${name} was forgotten`);
        }
      }
    },
  },
  {
    sentence: "a purge with KEY_A forgets its list, and leaves the one of KEY_B",
    async run(context, notes) {
      const { instance } = context;
      if (!(await areStored(context, notes))) return;
      const { status } = await instance.ask("A", { method: "DELETE" });
      if (status !== 204) notes.fault(`it is answered with ${status} instead of 204`);
      const [A, B] = [await looks(context, "A"), await looks(context, "B")];
      if (A.every((one) => one === 200)) notes.fault("KEY_A still gets a list");
      else if (A.some((one) => one !== 504)) notes.doubt("some instances forgot it, others hold lists of their own");
      if (B.every((one) => one === 504)) notes.fault("the list of KEY_B was forgotten");
    },
  },
  {
    sentence: `when nothing is stored, ${COLD} requests of each key at once get each its own list`,
    needsTwoLists: true,
    async run(context, notes) {
      for (const name of NAMES) await context.instance.ask(name, { method: "DELETE" });
      const asking = Array.from({ length: 2 * COLD }, async (_, index) => {
        const name = index % 2 === 0 ? "A" : "B";
        const answer = await context.instance.ask(name, { mayAsk: true });
        if (!judgeList(answer, name, context, notes)) notes.doubt("504: NanoGPT was too slow");
      });
      await Promise.all(asking);
    },
  },
];

async function areStored(context: CheckContext, notes: Notes): Promise<boolean> {
  for (const name of NAMES) {
    const [first] = await looks(context, name);
    // What an earlier check has lost is asked for once more: one defect must not hide another.
    if (first === 504) await context.instance.ask(name, { mayAsk: true });
    if ((await looks(context, name)).some((status) => status !== 200)) {
      notes.doubt(NOT_STORED);
      return false;
    }
  }
  return true;
}

/** Looks several times whether a key's list is stored, one after another. */
async function looks({ instance }: CheckContext, name: Name): Promise<number[]> {
  const statuses: number[] = [];
  for (let look = 0; look < LOOKS; look++) statuses.push((await instance.ask(name)).status);
  return statuses;
}
