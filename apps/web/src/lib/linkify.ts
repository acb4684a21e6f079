export interface Segment {
  readonly text: string;
  /** Set for links; always http or https. */
  readonly href?: string;
}

// Stops at whitespace, brackets and quotes, and at CJK punctuation and text: nobody puts a space between a link and a Chinese sentence.
const URL_PATTERN = /\bhttps?:\/\/[^\s<>"'`{}|\\^\u2018-\u201f\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]+/gi;
const TRAILING = '.,:;!?*_~';

/** A longer one is text: browsers and servers stop about here. */
const LINK_MAX_CHARS = 2_048;

/** Cuts text into plain pieces and links. Joined, the pieces give the text back. */
export function linkify(text: string): Segment[] {
  const segments: Segment[] = [];
  let from = 0;
  for (const match of text.matchAll(URL_PATTERN)) {
    if (match[0].length > LINK_MAX_CHARS) continue;
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
  const unopened: Record<string, number> = { ')': count(link, ')') - count(link, '('), ']': count(link, ']') - count(link, '[') };
  let end = link.length;
  for (; end > 0; end--) {
    const char = link[end - 1]!;
    if (TRAILING.includes(char)) continue;
    if ((unopened[char] ?? 0) <= 0) break;
    unopened[char]!--;
  }
  return link.slice(0, end);
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
