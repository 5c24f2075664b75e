import { SettingsError, type Settings } from "../config/settings.ts";

/** A message for the operator about a failed start; undefined for an error that is a defect of Keylane. */
export function startErrorMessage(error: unknown, settings: Settings | undefined): string | undefined {
  if (!(error instanceof Error)) return undefined;
  if (error instanceof SettingsError || error.message.startsWith("Cannot start:")) return error.message;
  const { host, port } = settings ?? { host: "", port: "" };
  switch ("code" in error ? error.code : undefined) {
    case "EADDRINUSE":
      return `Cannot start: ${host}:${port} is in use: stop the other program, or set another PORT`;
    case "EACCES":
      return `Cannot start: PORT ${port} needs more rights than this user has: set one above 1023`;
    case "EADDRNOTAVAIL":
      return `Cannot start: HOST must be an address of this machine, got ${JSON.stringify(host)}`;
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return `Cannot start: HOST must be an address or a name that is known here, got ${JSON.stringify(host)}`;
    default:
      return undefined;
  }
}
