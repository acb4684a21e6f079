export interface Segment {
  readonly text: string;
  /** Set for links; always http or https. */
  readonly href?: string;
}

// Stops at whitespace, brackets and quotes, and at CJK punctuation and text: nobody puts a space between a link and a Chinese sentence.
const URL_PATTERN = /\bhttps?:\/\/[^\s<>"'`{}|\\^\u2018-\u201f\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]+/gi;
const TRAILING = /[.,:;!?*_~]+$/;

/** Cuts text into plain pieces and links. Joined, the pieces give the text back. */
export function linkify(text: string): Segment[] {
  const segments: Segment[] = [];
  let from = 0;
  for (const match of text.matchAll(URL_PATTERN)) {
    const link = trimmed(match[0]);
    const href = safeHref(link);
    if (href === undefined) continue;
    if (match.index > from) segments.push({ text: text.slice(from, match.index) });
    segments.push({ text: link, href });
    from = match.index + link.length;
  }
  if (from < text.length) segments.push({ text: text.slice(from) });
  return segments;
}

/** Without the sentence's own punctuation, and without a closing bracket that was opened before the link. */
function trimmed(link: string): string {
  let result = link;
  for (;;) {
    let next = result.replace(TRAILING, '');
    if (next.endsWith(')') && count(next, ')') > count(next, '(')) next = next.slice(0, -1);
    if (next.endsWith(']') && count(next, ']') > count(next, '[')) next = next.slice(0, -1);
    if (next === result) return result;
    result = next;
  }
}

function count(text: string, char: string): number {
  return text.split(char).length - 1;
}

function safeHref(link: string): string | undefined {
  if (!URL.canParse(link)) return undefined;
  const url = new URL(link);
  const safe = (url.protocol === 'http:' || url.protocol === 'https:') && url.hostname !== '' && url.username === '' && url.password === '';
  return safe ? url.href : undefined;
}
