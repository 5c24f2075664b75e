import { createWorker, type Worker } from "./worker/fetch-handler.ts";

const entry: Worker = createWorker();
export default entry;
