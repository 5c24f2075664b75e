import { worker, type Worker } from "./worker/program.ts";

const entry: Worker = worker();
export default entry;
