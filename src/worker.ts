import { worker, type Worker } from "./worker/fetch-handler.ts";

const entry: Worker = worker();
export default entry;
