import type { Fault, NanoGpt } from "./nanogpt/nanogpt.ts";

/** A way for a list fetch to fail, and the answer to a caller for whom nothing is stored. */
export interface Failure {
  readonly failure: string;
  readonly fault: Fault | "pause";
  readonly status: number;
  /** Left out where upstream chooses it. */
  readonly code?: string;
}

/** Every way a refresh fails that keeps the stored list, and the error where none is. */
export const FAILURES: readonly Failure[] = [
  { failure: "408", fault: { kind: "status", status: 408 }, status: 408 },
  { failure: "425", fault: { kind: "status", status: 425 }, status: 425 },
  { failure: "429", fault: { kind: "rate-limited" }, status: 429, code: "rate_limited" },
  { failure: "500", fault: { kind: "status", status: 500 }, status: 502, code: "upstream_error" },
  { failure: "502", fault: { kind: "status", status: 502 }, status: 502, code: "upstream_error" },
  { failure: "503", fault: { kind: "status", status: 503 }, status: 503, code: "upstream_unavailable" },
  { failure: "504", fault: { kind: "status", status: 504 }, status: 502, code: "upstream_error" },
  { failure: "520", fault: { kind: "status", status: 520 }, status: 502, code: "upstream_error" },
  { failure: "timeout", fault: { kind: "hang-before-headers" }, status: 504, code: "upstream_timeout" },
  { failure: "timeout in the body", fault: { kind: "hang-mid-body" }, status: 504, code: "upstream_timeout" },
  { failure: "unreachable", fault: "pause", status: 502, code: "upstream_unreachable" },
  { failure: "broken body", fault: { kind: "bad-json" }, status: 502, code: "upstream_invalid_response" },
  { failure: "cut body", fault: { kind: "cut-chunked" }, status: 502, code: "upstream_invalid_response" },
];
/** Breaks upstream for all that follows. */
export async function breakUpstream(
  { nano }: { readonly nano: NanoGpt },
  fault: Fault | "pause",
): Promise<void> {
  if (fault === "pause") await nano.pause();
  else nano.fail(fault);
}
