/** Unsent text by cid; kept while the tab lives, gone on sign-out. */
export const drafts = new Map<string, string>();
