/** Version of the wire contract; clients name its major in the subprotocol. */
export const PROTOCOL_VERSION = '1.2.0';

/**
 * What changed, newest last. `digest` is the hash of all schemas, error codes and close codes at that version: a change to any of them
 * asks for a line here. Minor: something was added. Major: something that stood was renamed or removed.
 */
export const HISTORY: readonly { version: string; date: string; change: string; digest: string }[] = [
  {
    version: '1.0.0',
    date: '2026-11-21',
    change: 'First version.',
    digest: 'a55e670a88a6a8f02fd0bdba5f803aa82a2c1e8b4953f13e4e79a81453fea0e2',
  },
  {
    version: '1.1.0',
    date: '2026-11-21',
    change: 'Added `pull` and `head`: large conversations tell of news and are pulled, on connections that ask for it.',
    digest: 'cc6924ce6cefc5cfd1afc82d3382ded5ab37e1276fdee4cc29e8eb6d08190a81',
  },
  {
    version: '1.2.0',
    date: '2026-11-21',
    change:
      'Added `stage` of a message, `saved` beside `head`, and the change `lost` with `seqs`: messages that are accepted and not saved yet.',
    digest: '1fe1d3f0c2d40cc0d5bfac86d6076427a66e0467509f2f528c10d3ddc229a7a1',
  },
];
