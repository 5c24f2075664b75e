import { afterAll } from "vitest";
import { closeWorkerd } from "../keylane.ts";

afterAll(closeWorkerd);
