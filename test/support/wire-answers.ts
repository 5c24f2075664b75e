/** A response as sent on the wire, with its chunks joined. */
export interface RawAnswer {
  readonly status: number;
  /** Status line and header fields. */
  readonly head: string;
  readonly body: string;
  /** The `code` of an error in OpenAI's envelope, else an empty string. */
  readonly code: string;
}

/** Parses consecutive responses to the last byte; throws on bytes that are not a response. */
export function parseAnswers(text: string, isFirstBodiless = false): RawAnswer[] {
  const answers: RawAnswer[] = [];
  let rest = text;
  while (rest !== "") {
    const end = rest.indexOf("\r\n\r\n");
    const head = rest.slice(0, end);
    const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(head)?.[1]);
    if (end < 0 || Number.isNaN(status)) throw new Error(`Not an answer: ${JSON.stringify(rest.slice(0, 200))}`);
    rest = rest.slice(end + 4);
    const isBodiless = status < 200 || [204, 304].includes(status) || (isFirstBodiless && answers.length === 0);
    const { body, length } = isBodiless ? { body: "", length: 0 } : parseBody(head, rest);
    rest = rest.slice(length);
    answers.push({ status, head, body, code: errorCode(body) });
  }
  return answers;
}

// A body that was cut short ends where the bytes end.
function parseBody(head: string, text: string): { body: string; length: number } {
  if (!/^transfer-encoding: chunked\r?$/im.test(head)) {
    const length = Number(/^content-length: (\d+)\r?$/im.exec(head)?.[1] ?? text.length);
    return { body: text.slice(0, length), length };
  }
  let body = "";
  for (let offset = 0; ;) {
    const size = /^([0-9a-f]+)\r\n/i.exec(text.slice(offset, offset + 20));
    if (size === null) return { body, length: text.length };
    const length = Number.parseInt(size[1] ?? "", 16);
    offset += size[0].length;
    body += text.slice(offset, offset + length);
    offset += length + 2;
    if (length === 0) return { body, length: offset };
  }
}

function errorCode(body: string): string {
  return /^\{"error":\{.*"code":"(\w+)"\}\}$/.exec(body)?.[1] ?? "";
}
