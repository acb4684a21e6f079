/** One event of a `text/event-stream`. Without a name it is a `message`. */
export interface StreamEvent {
  readonly event: string;
  readonly data: string;
}

/** The events of a stream as they come, whatever the chunks. `id` and `retry` are for clients that resume by them. */
export async function* readEvents(body: ReadableStream<Uint8Array>): AsyncGenerator<StreamEvent, void> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = '';
  let event = 'message';
  let data: string[] = [];
  for (;;) {
    const { done, value } = await reader.read();
    // An event counts only with the empty line after it: half of one is none.
    if (done) return;
    rest += decoder.decode(value, { stream: true });
    // A CR at the end may be the first half of a CRLF.
    const lines = rest.split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop()!;
    for (const line of lines) {
      if (line === '') {
        if (data.length > 0) yield { event, data: data.join('\n') };
        event = 'message';
        data = [];
        continue;
      }
      const [, field, text = ''] = /^([^:]*)(?:: ?(.*))?$/s.exec(line)!;
      if (field === 'data') data.push(text);
      else if (field === 'event') event = text;
    }
  }
}
