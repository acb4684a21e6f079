/** The HTTP API as a bare client sees it. */
export class HttpClient {
  readonly #url: string;
  readonly #token: string | undefined;

  constructor(url: string, token?: string) {
    this.#url = url;
    this.#token = token;
  }

  // biome-ignore lint/suspicious/noExplicitAny: tests look into bodies whose shape is what they check.
  async call(method: string, path: string, body?: unknown): Promise<{ status: number; body: any; headers: Headers }> {
    const response = await fetch(`${this.#url}${path}`, {
      method,
      headers: {
        ...(this.#token === undefined ? {} : { authorization: `Bearer ${this.#token}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, body: text === '' ? {} : JSON.parse(text), headers: response.headers };
  }

  /** Creates a conversation and gives its cid. */
  async create(kind: 'dm' | 'group' | 'channel', participants: readonly string[], title?: string): Promise<string> {
    const { status, body } = await this.call('POST', '/v1/conversations', {
      kind,
      participants,
      ...(title === undefined ? {} : { title }),
    });
    if (status !== 201 && status !== 200) throw new Error(`${status} ${JSON.stringify(body)}`);
    return body.cid;
  }

  /** The whole history, ascending. */
  async history(cid: string): Promise<{ seq: number; mid: string; from: string; body: Record<string, unknown> }[]> {
    const all: { seq: number; mid: string; from: string; body: Record<string, unknown> }[] = [];
    for (;;) {
      const { status, body } = await this.call('GET', `/v1/conversations/${cid}/messages?after=${all.at(-1)?.seq ?? 0}&limit=200`);
      if (status !== 200) throw new Error(`${status} ${JSON.stringify(body)}`);
      all.push(...body.items);
      if (body.items.length === 0) return all;
    }
  }
}
