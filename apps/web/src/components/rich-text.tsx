import { memo } from 'react';
import { linkify } from '../lib/linkify.ts';

/** Text as text nodes, never as HTML; web addresses become links. Line breaks are kept by the style sheet. */
export const RichText = memo(function RichText({ text }: { readonly text: string }) {
  return linkify(text).map((segment, i) =>
    segment.href === undefined ? (
      segment.text
    ) : (
      // biome-ignore lint/suspicious/noArrayIndexKey: pieces of one text never move.
      <a key={i} href={segment.href} target="_blank" rel="noopener noreferrer">
        {segment.text}
      </a>
    ),
  );
});
